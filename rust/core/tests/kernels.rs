//! Every kernel on every instruction set of this machine against the oracles, at the edges of its tiles.

mod support;

use lstm_core::kernels::activation::Activation;
use lstm_core::kernels::lstm::{Activations, Backward, Forward, Mask, Sizes};
use lstm_core::kernels::matmul::{Initial, Matmul};
use lstm_core::kernels::optimizer::{Adam, RmsProp, Sgd};
use lstm_core::kernels::orthogonal::orthonormalize;
use lstm_core::kernels::pack::{PackedMatrix, Source};
use lstm_core::kernels::softmax;
use lstm_core::kernels::weight_gradient::{self, Rows};
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
        Matmul { rows, a: &a, a_stride, b: &b_packed, c: &mut c, c_stride, initial }.run(isa);
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
    for isa in Isa::available() {
        for rows in EDGES {
            for columns in EDGES {
                for depth in [0, 1, 7, 33] {
                    check_matmul(isa, rows, depth, columns, rows % 3);
                }
            }
        }
        // Deeper than one block of depth.
        check_matmul(isa, 7, 1100, 37, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn matmul_of_any_size(rows in 0usize..40, depth in 0usize..80, columns in 0usize..140, slack in 0usize..5) {
        for isa in Isa::available() {
            check_matmul(isa, rows, depth, columns, slack);
        }
    }
}

#[test]
fn packing_the_transpose_is_transposing_first() {
    for isa in Isa::available() {
        let (depth, columns) = (19, 37);
        let b = Random(5).floats(depth * columns);
        let transposed: Vec<f32> =
            (0..columns).flat_map(|n| (0..depth).map(move |d| (d, n))).map(|(d, n)| b[d * columns + n]).collect();
        let mut matrix = PackedMatrix::default();
        matrix.pack(isa, Source::transposed(&transposed, depth), depth, columns).unwrap();
        let direct = packed(isa, &b, depth, columns);
        for panel in 0..direct.panels() {
            assert_eq!(matrix.panel(panel), direct.panel(panel));
        }
    }
}

#[test]
fn weight_gradients_at_tile_edges() {
    for isa in Isa::available() {
        for (groups, steps) in [(0, 3), (1, 1), (3, 7), (5, 61), (2, 300)] {
            for (inputs, units, width) in [(1, 1, 4), (5, 3, 12), (7, 16, 64), (13, 17, 68), (65, 6, 24)] {
                let mut random = Random((groups * 31 + steps * 7 + inputs) as u64);
                // h has one row more a group than dz, as the states of an LSTM have.
                let (dz, x) = (random.floats(groups * steps * width), random.floats(groups * steps * inputs));
                let h = random.floats(groups * (steps + 1) * units);
                let before = random.floats((inputs + units + 1) * width);
                let mut gradients = before.clone();
                let (dw, rest) = gradients.split_at_mut(inputs * width);
                let (du, db) = rest.split_at_mut(units * width);
                let operands = [
                    Some((Rows { values: &x, width: inputs, group_stride: steps * inputs }, dw)),
                    Some((Rows { values: &h, width: units, group_stride: (steps + 1) * units }, du)),
                ];
                let dz_rows = Rows { values: &dz, width, group_stride: steps * width };
                for panel in weight_gradient::panels(isa, (groups, steps), dz_rows, operands, Some(db)) {
                    panel.run();
                }
                let mut expected = wide(&before);
                for g in 0..groups {
                    for s in 0..steps {
                        for n in 0..width {
                            let d = f64::from(dz[(g * steps + s) * width + n]);
                            for i in 0..inputs {
                                expected[i * width + n] += d * f64::from(x[(g * steps + s) * inputs + i]);
                            }
                            for u in 0..units {
                                expected[(inputs + u) * width + n] +=
                                    d * f64::from(h[(g * (steps + 1) + s) * units + u]);
                            }
                            expected[(inputs + units) * width + n] += d;
                        }
                    }
                }
                let what = format!("{} {groups}x{steps} {inputs}+{units}x{width}", isa.name());
                assert_close(&what, &gradients, &expected, 1e-5);
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

/// What `kernels/activation.rs` states.
type Bound = (Activation, fn(f64) -> f64, f64);
const BOUNDS: [Bound; 3] =
    [(Activation::Sigmoid, sigmoid, 2.5), (Activation::Tanh, f64::tanh, 2.8), (Activation::Exponential, f64::exp, 1.2)];

fn check_bounds(bits: impl Fn() -> Box<dyn Iterator<Item = u32>>) {
    let mut all_within = true;
    for isa in Isa::available() {
        for (activation, exact, bound) in BOUNDS {
            let (worst, at) = worst_ulps(isa, activation, exact, bits());
            println!("{} {activation:?}: {worst:.3} ULP at {at}", isa.name());
            all_within &= worst <= bound;
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
        assert_eq!(y[1..], [1.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.5]);
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

/// One LSTM forward and backward on a kernel, with the weights packed for it.
#[test]
fn lstm_at_tile_edges() {
    for isa in Isa::available() {
        for (batch, steps, inputs, units) in
            [(1, 1, 1, 1), (2, 3, 5, 3), (5, 4, 3, 4), (6, 2, 7, 16), (7, 5, 2, 17), (13, 3, 9, 33), (3, 2, 4, 65)]
        {
            let mut random = Random((batch * 7 + units) as u64);
            let scale = |values: Vec<f32>| values.into_iter().map(|w| 0.4 * w).collect::<Vec<f32>>();
            let (w, u) = (scale(random.floats(inputs * 4 * units)), scale(random.floats(units * 4 * units)));
            let (b, x) = (random.floats(4 * units), random.floats(batch * steps * inputs));
            let (h0, c0) = (random.floats(batch * units), random.floats(batch * units));
            let keep: Vec<u8> = (0..batch * steps).map(|_| u8::from(random.below(3) > 0)).collect();
            let first: Vec<usize> =
                keep.chunks(steps.max(1)).map(|row| row.iter().position(|&k| k != 0).unwrap_or(steps)).collect();
            let [mut kernel, mut recurrent_kernel, mut bias, mut recurrent_transposed] =
                std::array::from_fn(|_| PackedMatrix::default());
            let gates = 4 * units;
            kernel.pack_gates(isa, Source::row_major(&w, gates), inputs, units).unwrap();
            recurrent_kernel.pack_gates(isa, Source::row_major(&u, gates), units, units).unwrap();
            bias.pack_gates(isa, Source::row_major(&b, gates), 1, units).unwrap();
            recurrent_transposed.pack(isa, Source::transposed(&u, gates), gates, units).unwrap();
            let activations = Activations { cell: Activation::Tanh, gate: Activation::Sigmoid };
            let sizes = Sizes { batch, steps, inputs, units };

            let masked = |zero_output| Some(Mask { keep: &keep, first: &first, zero_output });
            for mask in [None, masked(false), masked(true)] {
                let masked: Option<Vec<bool>> = mask.map(|mask| mask.keep.iter().map(|&k| k != 0).collect());
                let zero_output = mask.is_some_and(|mask| mask.zero_output);
                let layer = support::Lstm { zero_output, ..support::Lstm::new(units) };
                let wide_weights = [wide(&w), wide(&u), wide(&b)];
                let run = |weights: &[Vec<f64>], h0: &[f64], c0: &[f64]| {
                    let sizes = (batch, steps, inputs);
                    support::lstm(&layer, weights, &wide(&x), sizes, masked.as_deref(), Some((h0, c0)))
                };
                let (expected, h_last, c_last) = run(&wide_weights, &wide(&h0), &wide(&c0));
                let what = format!("{} {batch}x{steps}x{inputs}x{units} {}", isa.name(), mask.is_some());

                let mut trained = None;
                // Without the outputs of all steps, then with them, then as in training.
                for (training, with_output) in [(false, false), (false, true), (true, true)] {
                    let slots = Forward::slots(steps, training);
                    let (mut h, mut c) = (vec![0.0; batch * slots * units], vec![0.0; batch * slots * units]);
                    for row in 0..batch {
                        h[row * slots * units..][..units].copy_from_slice(&h0[row * units..][..units]);
                        c[row * slots * units..][..units].copy_from_slice(&c0[row * units..][..units]);
                    }
                    let mut saved = vec![0.0; batch * steps * gates];
                    let mut output = vec![0.0; batch * steps * units];
                    Forward {
                        sizes,
                        x: &x,
                        kernel: &kernel,
                        recurrent_kernel: &recurrent_kernel,
                        bias: &bias,
                        activations,
                        mask,
                        h: &mut h,
                        c: &mut c,
                        gates: training.then_some(&mut saved),
                        output: with_output.then_some(&mut output),
                    }
                    .run(isa);
                    if with_output {
                        assert_close(&what, &output, &expected, 2e-6);
                    }
                    let last = Forward::last_slot(steps, training);
                    for row in 0..batch {
                        let at = (row * slots + last) * units;
                        let range = row * units..(row + 1) * units;
                        assert_close(&what, &h[at..at + units], &h_last[range.clone()], 2e-6);
                        assert_close(&what, &c[at..at + units], &c_last[range], 2e-6);
                    }
                    trained = Some((c, saved));
                }

                // The gradient of Σ d_output · output + Σ dh · h + Σ dc · c by the initial states.
                let (c, mut saved) = trained.unwrap();
                let d_output = random.floats(batch * steps * units);
                let (d_h, d_c) = (random.floats(batch * units), random.floats(batch * units));
                let (mut dh, mut dc) = (d_h.clone(), d_c.clone());
                Backward {
                    sizes,
                    recurrent_transposed: &recurrent_transposed,
                    activations,
                    mask,
                    c: &c,
                    gates: &mut saved,
                    d_output: Some(&d_output),
                    dh: &mut dh,
                    dc: &mut dc,
                }
                .run(isa);
                let dot = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
                let gradients = support::differences(&[wide(&h0), wide(&c0)], |states| {
                    let (output, h, c) = run(&wide_weights, &states[0], &states[1]);
                    dot(&output, &d_output) + dot(&h, &d_h) + dot(&c, &d_c)
                });
                assert_close(&what, &dh, &gradients[0], 1e-5);
                assert_close(&what, &dc, &gradients[1], 1e-5);
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
