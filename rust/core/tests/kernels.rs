//! Every kernel on every instruction set of this machine against the oracles, at the edges of its tiles; the LSTM's are in
//! `lstm_kernels.rs`.

mod support;

use lstm_core::kernels::activation::Activation;
use lstm_core::kernels::matmul::{Initial, Matmul};
use lstm_core::kernels::optimizer::{Adam, RmsProp, Sgd};
use lstm_core::kernels::orthogonal::orthonormalize;
use lstm_core::kernels::pack::{PackedMatrix, Source};
use lstm_core::kernels::scatter::{AddByIndex, Groups, SumGroups};
use lstm_core::kernels::softmax;
use lstm_core::kernels::weight_gradient::WeightGradient;
use lstm_core::kernels::{Direction, Order, Rows, RowsMut};
use lstm_core::parallel::team;
use lstm_core::simd::Isa;
use proptest::prelude::*;
use support::{EDGES, Random, assert_close, assert_sums, wide};

#[test]
fn all_instruction_sets_of_this_machine_are_tested() {
    let names: Vec<_> = Isa::available().iter().map(|isa| isa.name()).collect();
    #[cfg(target_arch = "x86_64")]
    {
        assert_eq!(names.contains(&"avx2"), is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"));
        assert_eq!(names.contains(&"avx512"), is_x86_feature_detected!("avx512bw"));
    }
    #[cfg(target_arch = "aarch64")]
    assert!(names.contains(&"neon"));
    assert!(names.contains(&"scalar"));
    println!("tested: {}", names.join(", "));
}

fn packed(isa: Isa, b: &[f32], depth: usize, columns: usize) -> PackedMatrix {
    let mut matrix = PackedMatrix::default();
    matrix.pack(isa, Source::row_major(b, columns), depth, columns).unwrap();
    matrix
}

fn check_matmul(isa: Isa, rows: usize, depth: usize, columns: usize, slack: usize) {
    let mut random = Random((rows * 1_000_003 + depth * 1009 + columns) as u64);
    let (a_stride, c_stride) = (depth + slack, columns + slack);
    let (a, b) = (random.floats(rows * a_stride), random.floats(depth * columns));
    let (bias, before) = (random.floats(columns), random.floats(rows * c_stride));
    let b_packed = packed(isa, &b, depth, columns);
    for initial in [Initial::Zero, Initial::Bias(&bias), Initial::Target] {
        let mut c = before.clone();
        let (a_rows, c_rows) = (Rows::adjacent(&a, a_stride), RowsMut::adjacent(&mut c, c_stride));
        Matmul { rows, a: a_rows, b: &b_packed, c: c_rows, initial }.run(isa);
        let (a, b) = (support::multiplied(isa, &a), support::multiplied(isa, &b));
        for row in 0..rows {
            let x = wide(&a[row * a_stride..][..depth]);
            let expected: Vec<f64> = (0..columns)
                .map(|n| {
                    let start = match initial {
                        Initial::Zero => 0.0,
                        Initial::Bias(bias) => bias[n],
                        Initial::Target => before[row * c_stride + n],
                    };
                    f64::from(start) + (0..depth).map(|d| x[d] * f64::from(b[d * columns + n])).sum::<f64>()
                })
                .collect();
            let what = format!("{} {rows}x{depth}x{columns}", isa.name());
            assert_sums(&what, &c[row * c_stride..][..columns], &expected, 2e-6);
            // What lies between the rows is not touched.
            let (from, to) = (row * c_stride + columns, (row + 1) * c_stride);
            assert_eq!(c[from..to], before[from..to], "{what}");
        }
    }
}

#[test]
fn matmul_at_tile_edges() {
    for isa in support::with_tiles() {
        for rows in EDGES {
            for columns in EDGES {
                for depth in [0, 1, 7, 33] {
                    check_matmul(isa, rows, depth, columns, rows % 3);
                }
            }
        }
        // Deeper than one block of depth, and more rows than are rounded at a time.
        check_matmul(isa, 7, 1100, 37, 0);
        check_matmul(isa, 150, 40, 37, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn matmul_of_any_size(rows in 0usize..40, depth in 0usize..80, columns in 0usize..140, slack in 0usize..5) {
        for isa in support::with_tiles() {
            check_matmul(isa, rows, depth, columns, slack);
        }
    }
}

#[test]
fn packing_the_transpose_is_transposing_first() {
    // The larger is shared among the threads.
    for (isa, (depth, columns)) in Isa::available().into_iter().flat_map(|isa| [(isa, (19, 37)), (isa, (190, 370))]) {
        let b = Random(5).floats(depth * columns);
        let transposed: Vec<f32> =
            (0..columns).flat_map(|n| (0..depth).map(move |d| (d, n))).map(|(d, n)| b[d * columns + n]).collect();
        let mut matrix = PackedMatrix::default();
        matrix.pack(isa, Source::transposed(&transposed, depth), depth, columns).unwrap();
        let direct = packed(isa, &b, depth, columns);
        for panel in 0..direct.panels() {
            assert_eq!(matrix.panel(panel), direct.panel(panel));
            let vectors = direct.panel_vectors(panel);
            for (i, &packed) in direct.panel(panel).iter().enumerate() {
                let (d, n) = (i / (vectors * isa.lanes()), panel * 4 * isa.lanes() + i % (vectors * isa.lanes()));
                assert_eq!(packed, if n < columns { b[d * columns + n] } else { 0.0 });
            }
        }
    }
}

#[test]
fn the_gates_of_a_few_last_units_are_packed_side_by_side() {
    let sizes = [(7, 50), (8, 50), (100, 100), (9, 24), (30, 2), (30, 13), (9, 21), (9, 23), (30, 64)];
    for isa in Isa::available() {
        let lanes = isa.lanes();
        // One matrix for all, which finds what the one before left.
        let mut matrix = PackedMatrix::default();
        for (depth, units) in sizes {
            let columns = 4 * units;
            let weights = Random(7).floats(depth * columns);
            let transposed: Vec<f32> = (0..columns * depth).map(|i| weights[i % depth * columns + i / depth]).collect();
            for source in [Source::row_major(&weights, columns), Source::transposed(&transposed, depth)] {
                matrix.pack_gates::<4>(isa, source, depth, units).unwrap();
                assert_eq!(matrix.panels(), units.div_ceil(lanes));
                for panel in 0..matrix.panels() {
                    let count = lanes.min(units - panel * lanes);
                    let is_narrow = depth >= 8 && 4 * count <= 2 * lanes;
                    let (vectors, stride) = if is_narrow { ((4 * count).div_ceil(lanes), count) } else { (4, lanes) };
                    assert_eq!(matrix.panel_vectors(panel), vectors, "{depth}x{units} on {}", isa.name());
                    let mut expected = vec![0.0; depth * vectors * lanes];
                    for (d, row) in expected.chunks_mut(vectors * lanes).enumerate() {
                        for (gate, n) in (0..4).flat_map(|gate| (0..count).map(move |n| (gate, n))) {
                            row[gate * stride + n] = weights[d * columns + gate * units + panel * lanes + n];
                        }
                    }
                    assert_eq!(matrix.panel(panel), expected);
                }
            }
        }
    }
}

#[test]
fn packing_the_transpose_for_tiles_is_transposing_first() {
    let isa = support::with_tiles()[0];
    for (depth, columns) in [(1, 1), (31, 5), (64, 16), (70, 150)] {
        let (a, b) = (Random(6).floats(17 * depth), Random(5).floats(depth * columns));
        let transposed: Vec<f32> = (0..columns * depth).map(|i| b[i % depth * columns + i / depth]).collect();
        let mut matrix = PackedMatrix::default();
        matrix.pack(isa, Source::transposed(&transposed, depth), depth, columns).unwrap();
        let product = |b: &PackedMatrix| {
            let mut c = vec![0.0; 17 * columns];
            let (a, c_rows) = (Rows::adjacent(&a, depth), RowsMut::adjacent(&mut c, columns));
            Matmul { rows: 17, a, b, c: c_rows, initial: Initial::Zero }.run(isa);
            c
        };
        assert_eq!(product(&matrix), product(&packed(isa, &b, depth, columns)), "{depth}x{columns}");
    }
}

/// Where the CPU has tiles, what is multiplied is rounded, so that a product differs from that of the floats themselves.
#[test]
fn tiles_multiply_bfloat16() {
    let isa = Isa::available()[0].with_tiles();
    let (one, b) = ([1.0], [1.0 + 1.0 / 512.0, 1.0 + 3.0 / 512.0, -1.0 - 1.0 / 128.0, 3.0e38]);
    let mut c = [0.0; 4];
    let b_packed = packed(isa, &b, 1, 4);
    let rows = (Rows::adjacent(&one, 1), RowsMut::adjacent(&mut c, 4));
    Matmul { rows: 1, a: rows.0, b: &b_packed, c: rows.1, initial: Initial::Zero }.run(isa);
    let rounded = if isa.tiles().is_some() { [1.0, 1.0 + 4.0 / 512.0, -1.0 - 1.0 / 128.0, 3.0040553e38] } else { b };
    assert_eq!(c, rounded);
    assert_eq!(isa.without_tiles(), Isa::available()[0]);
    assert!(Isa::named("scalar").is_some_and(|isa| isa.with_tiles().tiles().is_none()));
}

#[test]
#[should_panic(expected = "left == right")]
fn a_product_does_not_take_gates() {
    let (isa, units) = (Isa::available()[0], 5);
    let b = vec![0.5; 7 * 3 * units];
    let mut matrix = PackedMatrix::default();
    matrix.pack_gates::<3>(isa, Source::row_major(&b, 3 * units), 7, units).unwrap();
    let mut c = vec![0.0; matrix.columns()];
    let (a, c) = (Rows::adjacent(&b[..7], 7), RowsMut::adjacent(&mut c, matrix.columns()));
    Matmul { rows: 1, a, b: &matrix, c, initial: Initial::Zero }.run(isa);
}

#[test]
fn a_product_does_not_take_turned_columns() {
    for isa in Isa::available() {
        let (columns, depth) = (2 * isa.lanes() + 1, 64);
        let b = vec![0.5; depth * columns];
        let mut matrix = PackedMatrix::default();
        matrix.pack_turned(isa, Source::row_major(&b, columns), depth, columns).unwrap();
        let product = || {
            let mut c = vec![0.0; columns];
            let (a, to) = (Rows::adjacent(&b[..depth], depth), RowsMut::adjacent(&mut c, columns));
            Matmul { rows: 1, a, b: &matrix, c: to, initial: Initial::Zero }.run(isa);
            c
        };
        // Short vectors have none.
        match isa.lanes() {
            ..8 => assert_eq!(product(), vec![16.0; columns]),
            _ => assert!(std::panic::catch_unwind(product).is_err()),
        }
    }
}

#[test]
#[should_panic]
fn packing_more_than_there_is_panics() {
    PackedMatrix::default().pack(Isa::available()[0], Source::row_major(&[0.0; 11], 4), 3, 4).unwrap();
}

#[test]
fn matmul_of_picked_rows() {
    for isa in Isa::available() {
        let (rows, depth, columns, first) = (11, 9, 21, 3);
        let mut random = Random(2);
        let (a, b) = (random.floats(30 * depth), random.floats(depth * columns));
        let from: Vec<u32> = (0..rows).map(|_| random.below(30) as u32).collect();
        let to: Vec<u32> = (0..rows as u32).map(|row| first + (7 * row) % 17).collect();
        let mut c = vec![0.5; 17 * columns];
        Matmul {
            rows,
            a: Rows::picked(&a, depth, &from),
            b: &packed(isa, &b, depth, columns),
            c: RowsMut { values: &mut c, width: columns, index: Some(&to), first: first as usize },
            initial: Initial::Target,
        }
        .run(isa);
        let mut expected = vec![0.5; 17 * columns];
        for (&from, &to) in from.iter().zip(&to) {
            for n in 0..columns {
                let product = |d: usize| f64::from(a[from as usize * depth + d]) * f64::from(b[d * columns + n]);
                expected[(to - first) as usize * columns + n] += (0..depth).map(product).sum::<f64>();
            }
        }
        assert_close(isa.name(), &c, &expected, 2e-6);
    }
}

#[test]
fn sums_by_index_and_of_groups() {
    for isa in Isa::available() {
        for width in [1, 4, 17, 64, 100] {
            let mut random = Random(width as u64);
            let (values, before) = (random.floats(50 * width), random.floats(8 * width));
            // The last target has no rows.
            let index: Vec<u32> = (0..50).map(|_| random.below(7) as u32).collect();
            let rows = Rows::adjacent(&values, width);
            let sums = |mut sums: Vec<f64>| {
                for (row, &to) in values.chunks(width).zip(&index) {
                    let target = &mut sums[to as usize * width..][..width];
                    target.iter_mut().zip(row).for_each(|(to, &x)| *to += f64::from(x));
                }
                sums
            };
            let mut target = before.clone();
            AddByIndex { isa, rows, index: &index, target: &mut target }.run(&team(usize::MAX));
            assert_close(isa.name(), &target, &sums(wide(&before)), 1e-6);
            let mut groups = Groups::default();
            groups.set(&index, 8);
            SumGroups { isa, rows, groups: &groups, target: &mut target }.run(&team(usize::MAX));
            assert_close(isa.name(), &target, &sums(vec![0.0; 8 * width]), 1e-6);
        }
    }
}

#[test]
fn weight_gradients_at_tile_edges() {
    for isa in support::with_tiles() {
        for rows in [0, 1, 21, 255, 305, 600] {
            for (inputs, units, width) in
                [(1, 1, 4), (5, 3, 12), (7, 16, 64), (13, 17, 68), (65, 6, 24), (3, 9, 200), (770, 40, 6)]
            {
                let mut random = Random((rows * 31 + inputs) as u64);
                let (dz, x, h) =
                    (random.floats(rows * width), random.floats(40 * inputs), random.floats((rows + 5) * units));
                let pick: Vec<u32> = (0..rows).map(|_| random.below(40) as u32).collect();
                let before = random.floats((inputs + units + 1) * width);
                let mut expected = wide(&before);
                for row in dz.chunks_exact(width) {
                    let bias = expected[(inputs + units) * width..].iter_mut();
                    bias.zip(row).for_each(|(sum, &d)| *sum += f64::from(d));
                }
                let given = [&dz, &x, &h];
                let [dz, x, h] = given.map(|values| support::multiplied(isa, values));
                for (row, &pick) in pick.iter().enumerate() {
                    for n in 0..width {
                        let d = f64::from(dz[row * width + n]);
                        for i in 0..inputs {
                            expected[i * width + n] += d * f64::from(x[pick as usize * inputs + i]);
                        }
                        for u in 0..units {
                            expected[(inputs + u) * width + n] += d * f64::from(h[row * units + u]);
                        }
                    }
                }
                let [dz, x, h] = given;
                let mut first: Option<Vec<f32>> = None;
                for threads in [1, 2, 3, 5, 16] {
                    let mut gradients = before.clone();
                    let (dw, rest) = gradients.split_at_mut(inputs * width);
                    let (du, db) = rest.split_at_mut(units * width);
                    let operands = [Some((Rows::picked(x, inputs, &pick), dw)), Some((Rows::adjacent(h, units), du))];
                    let dz = Rows::adjacent(dz, width);
                    let parts = WeightGradient { rows, dz, operands, bias: Some(db) }.parts(isa, threads);
                    for part in 0..parts.count() {
                        // SAFETY: each once, in order, on this thread.
                        (0..parts.blocks()).for_each(|block| unsafe { parts.run(part, block) });
                    }
                    let what = format!("{} {rows} {inputs}+{units}x{width} on {threads}", isa.name());
                    assert_close(&what, &gradients, &expected, 1e-5);
                    assert_eq!(first.get_or_insert_with(|| gradients.clone()), &gradients, "{what}");
                }
            }
        }
    }
}

#[test]
fn orders_hold_every_step_that_counts_once() {
    let mut random = Random(8);
    let mut order = Order::default();
    for (batch, steps) in [(1, 1), (4, 7), (9, 5), (3, 0), (0, 4)] {
        for direction in [Direction::Forwards, Direction::Backwards, Direction::BackwardsInPlace] {
            for masked in [false, true] {
                let keep: Vec<u8> = (0..batch * steps).map(|_| u8::from(!masked || random.below(3) > 0)).collect();
                order.set(batch, steps, masked.then_some(&keep), direction);
                let counted = keep.iter().filter(|&&keep| keep != 0).count();
                assert_eq!(order.rows(), counted);
                assert!(order.lengths().is_sorted_by(|a, b| a >= b));
                let mut seen: Vec<u32> = order.inputs().to_vec();
                seen.sort_unstable();
                let expected: Vec<u32> = (0..keep.len() as u32).filter(|&place| keep[place as usize] != 0).collect();
                assert_eq!(seen, expected);
                // Each rank goes through its sequence's steps one way.
                for (rank, (&sequence, &length)) in order.sequences().iter().zip(order.lengths()).enumerate() {
                    let times: Vec<u32> = (0..length)
                        .map(|step| order.inputs()[order.step(step).start + rank] - sequence * steps as u32)
                        .collect();
                    let forwards = direction == Direction::Forwards;
                    assert!(times.windows(2).all(|pair| (pair[0] < pair[1]) == forwards));
                    for step in 0..length {
                        let row = order.step(step).start + rank;
                        let (input, output) = (order.inputs()[row], order.outputs()[row]);
                        let (input, output) = (input % steps as u32, output % steps as u32);
                        let turned = steps as u32 - 1 - input;
                        assert_eq!(output, if direction == Direction::Backwards { turned } else { input });
                        assert_eq!(order.states()[row] as usize, order.state(step, true) + rank);
                    }
                }
                for (parts, whole) in (1..5).flat_map(|parts| [(parts, 1), (parts, 3)]) {
                    let ranges = order.parts(parts, whole);
                    assert!(ranges.iter().rev().skip(1).all(|range| range.len().is_multiple_of(whole)));
                    assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), batch);
                    assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                }
                let (rows, places) = order.sorted(0..batch);
                assert!(places.is_sorted() && rows.len() == counted);
                assert!(rows.iter().zip(places).all(|(&row, &place)| order.inputs()[row as usize] == place));
            }
        }
    }
}

/// Distance from the exact value in units in the last place of its nearest f32.
fn ulps(got: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    let ulp = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
    (f64::from(got) - exact).abs() / ulp
}

fn worst_ulps(
    isa: Isa,
    activation: Activation,
    exact: impl Fn(f64) -> f64,
    bits: impl Iterator<Item = u32>,
) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    let mut floats = bits.map(f32::from_bits).filter(|x| x.is_finite());
    let (mut x, mut y) = (Vec::new(), vec![0.0; 4096]);
    loop {
        x.clear();
        x.extend(floats.by_ref().take(4096));
        if x.is_empty() {
            return worst;
        }
        let y = &mut y[..x.len()];
        activation.forward(isa, &x, y);
        for (&x, &y) in x.iter().zip(&*y) {
            let expected = exact(f64::from(x));
            let error = if expected.abs() < f64::from(f32::MIN_POSITIVE) {
                // Subnormal results may be flushed.
                if f64::from(y.abs()) <= f64::from(f32::MIN_POSITIVE) { 0.0 } else { f64::INFINITY }
            } else if expected > f64::from(f32::MAX) {
                if y == f32::INFINITY { 0.0 } else { f64::INFINITY }
            } else {
                ulps(y, expected)
            };
            if error > worst.0 {
                worst = (error, x);
            }
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// What `kernels/activation.rs` states: everywhere, and on AVX-512.
type Bounds = (Activation, fn(f64) -> f64, [f64; 2]);
const BOUNDS: [Bounds; 3] = [
    (Activation::Sigmoid, sigmoid, [2.5, 2.3]),
    (Activation::Tanh, f64::tanh, [2.6, 1.3]),
    (Activation::Exponential, f64::exp, [1.2, 1.2]),
];

fn check_bounds(bits: impl Fn() -> Box<dyn Iterator<Item = u32>>) {
    let mut all_within = true;
    for isa in Isa::available() {
        for (activation, exact, bounds) in BOUNDS {
            let (worst, at) = worst_ulps(isa, activation, exact, bits());
            println!("{} {activation:?}: {worst:.3} ULP at {at}", isa.name());
            all_within &= worst <= bounds[usize::from(isa.name() == "avx512")];
        }
    }
    assert!(all_within, "see the printed errors");
}

#[test]
fn exponentials_keep_their_bounds_in_ulps() {
    // Every 4099th float of both signs.
    check_bounds(|| Box::new((0..=u32::MAX).step_by(4099)));
}

/// All four thousand million floats; minutes long: `cargo test --package lstm-core -- --ignored`.
#[test]
#[ignore = "sweeps every f32"]
fn exponentials_keep_their_bounds_everywhere() {
    check_bounds(|| Box::new(0..=u32::MAX));
}

#[test]
fn activations_and_their_derivatives() {
    let x: Vec<f32> = (0..301).map(|i| (i as f32 - 150.3) / 17.0).collect();
    let (dy, before) = (Random(3).floats(x.len()), Random(4).floats(x.len()));
    for isa in Isa::available() {
        for (name, activation) in Activation::ALL {
            let f = |x: f64| {
                let mut row = [x];
                support::activate(name, &mut row);
                row[0]
            };
            let mut y = vec![0.0; x.len()];
            activation.forward(isa, &x, &mut y);
            for (&x, &y) in x.iter().zip(&y) {
                let expected = f(f64::from(x));
                assert!((f64::from(y) - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{name}({x}) = {y}");
            }
            for add in [false, true] {
                let mut dx = before.clone();
                activation.backward(isa, &y, &dy, &mut dx, add);
                for i in 0..x.len() {
                    let at = f64::from(x[i]);
                    let slope = (f(at + 1e-6) - f(at - 1e-6)) / 2e-6;
                    let start = if add { f64::from(before[i]) } else { 0.0 };
                    let expected = start + slope * f64::from(dy[i]);
                    let error = (f64::from(dx[i]) - expected).abs();
                    assert!(error <= 1e-5 * expected.abs().max(1.0), "{name}'({at}): {} {expected}", dx[i]);
                }
            }
        }
    }
}

#[test]
fn activations_at_the_ends_of_the_floats() {
    for isa in Isa::available() {
        let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, -0.0, 1e-40];
        let mut y = [0.0; 8];
        Activation::Sigmoid.forward(isa, &x, &mut y);
        assert!(y[0].is_nan());
        assert!(y[2] < f32::MIN_POSITIVE && y[2] == y[4], "{y:?}");
        assert_eq!([y[1], y[3], y[5], y[6], y[7]], [1.0, 1.0, 0.5, 0.5, 0.5]);
        Activation::Tanh.forward(isa, &x, &mut y);
        assert!(y[0].is_nan());
        assert_eq!(y[1..7], [1.0, -1.0, 1.0, -1.0, 0.0, -0.0]);
        assert!(y[6].is_sign_negative());
        Activation::Exponential.forward(isa, &x, &mut y);
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [f32::INFINITY, 0.0, f32::INFINITY, 0.0, 1.0, 1.0, 1.0]);
        Activation::Relu.forward(isa, &x, &mut y);
        assert!(y[0].is_nan(), "a NaN must not hide behind a relu");
    }
}

#[test]
fn softmax_of_rows() {
    for isa in Isa::available() {
        for columns in EDGES.into_iter().filter(|&columns| columns > 0) {
            let x: Vec<f32> = Random(columns as u64).floats(3 * columns).iter().map(|x| 40.0 * x).collect();
            let (dy, mut y, mut dx) = (Random(9).floats(x.len()), vec![0.0; x.len()], vec![1.0; x.len()]);
            softmax::forward(isa, &x, &mut y, columns);
            softmax::backward(&y, &dy, &mut dx, columns, true);
            for row in 0..3 {
                let range = row * columns..(row + 1) * columns;
                let mut expected = wide(&x[range.clone()]);
                support::activate("softmax", &mut expected);
                assert_close("softmax", &y[range.clone()], &expected, 1e-6);
                let dy = wide(&dy[range.clone()]);
                let dot: f64 = expected.iter().zip(&dy).map(|(p, d)| p * d).sum();
                let expected: Vec<_> = expected.iter().zip(&dy).map(|(p, d)| 1.0 + p * (d - dot)).collect();
                assert_close("softmax gradient", &dx[range], &expected, 1e-6);
            }
        }
    }
}

#[test]
fn orthonormal_rows() {
    for (count, length) in [(1, 1), (3, 3), (8, 8), (9, 17), (16, 16), (33, 64), (65, 65)] {
        let rows: Vec<f64> = wide(&Random(count as u64).floats(count * length));
        let mut first: Option<Vec<f64>> = None;
        for isa in Isa::available() {
            let mut basis = rows.clone();
            orthonormalize(isa, &mut basis, length);
            for (i, a) in basis.chunks_exact(length).enumerate() {
                for (j, b) in basis.chunks_exact(length).enumerate() {
                    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12, "{count}x{length}: {i} {j} {dot}");
                }
                // The first vector keeps its direction.
                let along: f64 = a.iter().zip(&rows).map(|(a, b)| a * b).sum();
                assert!(i > 0 || along > 0.0);
            }
            assert_eq!(first.get_or_insert_with(|| basis.clone()), &basis, "{}", isa.name());
        }
    }
}

#[test]
fn optimizer_steps() {
    let n = 37;
    for isa in Isa::available() {
        let mut random = Random(11);
        let [w, g, m, v, a] = [0; 5].map(|_| random.floats(n));
        let (v, a): (Vec<f32>, Vec<f32>) =
            (v.iter().map(|v| v.abs() + 1.0).collect(), a.iter().map(|a| 0.1 * a).collect());
        let [ww, wg, wm, wv, wa] = [&w, &g, &m, &v, &a].map(|x| wide(x));

        let adam = Adam { alpha: 0.02, rate_1: 0.1, rate_2: 0.001, epsilon: 1e-7 };
        let (mut w1, mut m1, mut v1) = (w.clone(), m.clone(), v.clone());
        adam.step(isa, &mut w1, &g, &mut m1, &mut v1, None);
        let new_m = |i: usize| wm[i] + (wg[i] - wm[i]) * 0.1;
        let new_v = |i: usize| wv[i] + (wg[i] * wg[i] - wv[i]) * 0.001;
        let at = |f: &dyn Fn(usize) -> f64| (0..n).map(f).collect::<Vec<f64>>();
        assert_close("m", &m1, &at(&new_m), 1e-6);
        assert_close("v", &v1, &at(&new_v), 1e-6);
        assert_close("adam", &w1, &at(&|i| ww[i] - 0.02 * new_m(i) / (new_v(i).sqrt() + 1e-7)), 1e-6);
        let (mut w2, mut hat) = (w.clone(), vec![1.4; n]);
        adam.step(isa, &mut w2, &g, &mut m.clone(), &mut v.clone(), Some(&mut hat));
        let largest = |i: usize| new_v(i).max(f64::from(1.4f32));
        assert_close("hat", &hat, &at(&largest), 1e-6);
        assert_close("amsgrad", &w2, &at(&|i| ww[i] - 0.02 * new_m(i) / (largest(i).sqrt() + 1e-7)), 1e-6);

        for nesterov in [false, true] {
            let sgd = Sgd { learning_rate: 0.3, momentum: 0.9, nesterov };
            let (mut w1, mut m1) = (w.clone(), m.clone());
            sgd.step(isa, &mut w1, &g, Some(&mut m1));
            let new_m = |i: usize| 0.9 * wm[i] - 0.3 * wg[i];
            assert_close("sgd m", &m1, &at(&new_m), 1e-6);
            let step = |i: usize| if nesterov { 0.9 * new_m(i) - 0.3 * wg[i] } else { new_m(i) };
            assert_close("sgd", &w1, &at(&|i| ww[i] + step(i)), 1e-6);
        }
        let mut w1 = w.clone();
        Sgd { learning_rate: 0.3, momentum: 0.0, nesterov: false }.step(isa, &mut w1, &g, None);
        assert_close("plain sgd", &w1, &at(&|i| ww[i] - 0.3 * wg[i]), 1e-6);

        for (with_m, centered) in [(false, false), (true, true)] {
            let rms = RmsProp { learning_rate: 0.1, rho: 0.9, rate: 0.1, momentum: 0.7, epsilon: 1e-7 };
            let (mut w1, mut v1, mut m1, mut a1) = (w.clone(), v.clone(), m.clone(), a.clone());
            rms.step(isa, &mut w1, &g, &mut v1, with_m.then_some(&mut m1), centered.then_some(&mut a1));
            let new_v = |i: usize| 0.9 * wv[i] + 0.1 * wg[i] * wg[i];
            let new_a = |i: usize| 0.9 * wa[i] + 0.1 * wg[i];
            let under = |i: usize| new_v(i) - if centered { new_a(i).powi(2) } else { 0.0 } + 1e-7;
            let step = |i: usize| 0.1 * wg[i] / under(i).sqrt() + if with_m { 0.7 * wm[i] } else { 0.0 };
            assert_close("rms v", &v1, &at(&new_v), 1e-6);
            assert_close("rms", &w1, &at(&|i| ww[i] - step(i)), 1e-6);
        }
    }
}
