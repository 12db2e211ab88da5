//! The kernels of the LSTM on every instruction set of this machine: against the oracle at the edges of their tiles, and bit
//! for bit however a pass is cut.

mod support;

use lstm_core::kernels::activation::Activation;
use lstm_core::kernels::lstm::{Activations, Backward, Forward, Input, Project, Projection, Stack};
use lstm_core::kernels::pack::{PackedMatrix, Source};
use lstm_core::kernels::{Columns, Direction, Order, Pass, Rows};
use lstm_core::parallel::{set_num_threads, team};
use lstm_core::simd::Isa;
use support::{Random, assert_close, wide};

const ACTIVATIONS: Activations = Activations { cell: Activation::Tanh, gate: Activation::Sigmoid };

/// Of the tests of bits.
const STEPS: usize = 12;

/// The weights of an LSTM, packed, its activations and what `h` is multiplied by.
struct Packed {
    isa: Isa,
    activations: Activations,
    dropout: Option<Vec<f32>>,
    inputs: usize,
    units: usize,
    kernel: PackedMatrix,
    recurrent_kernel: PackedMatrix,
    bias: PackedMatrix,
    recurrent_transposed: PackedMatrix,
}

impl Packed {
    fn new(isa: Isa, [w, u, b]: [&[f32]; 3]) -> Packed {
        let (gates, units) = (b.len(), b.len() / 4);
        let inputs = w.len() / gates;
        let [mut kernel, mut recurrent_kernel, mut bias, mut recurrent_transposed] =
            std::array::from_fn(|_| PackedMatrix::default());
        kernel.pack_gates::<4>(isa, Source::row_major(w, gates), inputs, units).unwrap();
        recurrent_kernel.pack_gates::<4>(isa, Source::row_major(u, gates), units, units).unwrap();
        bias.pack_gates::<4>(isa.without_tiles(), Source::row_major(b, gates), 1, units).unwrap();
        recurrent_transposed.pack_turned(isa, Source::transposed(u, gates), gates, units).unwrap();
        Packed {
            isa,
            activations: ACTIVATIONS,
            dropout: None,
            inputs,
            units,
            kernel,
            recurrent_kernel,
            bias,
            recurrent_transposed,
        }
    }

    /// `x · W + b` of the rows of an order.
    fn projection<'a>(&'a self, x: &'a [f32], order: &'a Order) -> Projection<'a> {
        Projection { x: Rows::picked(x, self.inputs, order.inputs()), kernel: &self.kernel, bias: &self.bias }
    }

    /// A forward pass over `x`, or over what a pass below it gives out.
    fn forward<'a>(
        &'a self,
        x: Option<&'a [f32]>,
        order: &'a Order,
        held: &'a mut Held,
        training: bool,
        ahead: bool,
    ) -> Forward<'a> {
        let mut projection = self.projection(x.unwrap_or_default(), order);
        if x.is_none() {
            projection.x = Rows::none();
        }
        Forward {
            isa: self.isa,
            order,
            units: self.units,
            input: if ahead { Input::Ahead(projection, &mut held.room) } else { Input::Fused(projection) },
            recurrent_kernel: &self.recurrent_kernel,
            activations: self.activations,
            h: &mut held.h,
            c: &mut held.c,
            gates: training.then_some(&mut held.saved),
            output: Some(Columns::all(&mut held.output, self.units)),
            last: &mut held.last,
            dropout: self.dropout.as_deref(),
            turn: 0,
        }
    }

    /// Runs back through time, down to the initial states, cut into runs of ranks and of columns: from the gradient of
    /// all outputs and, in `dh` and `dc`, that of the last states.
    fn backward(
        &self,
        order: &Order,
        (c, gates): (&[f32], &mut [f32]),
        d_output: &[f32],
        (dh, dc): (&mut [f32], &mut [f32]),
        (runs, columns): (usize, usize),
    ) {
        let pass = Backward {
            isa: self.isa,
            order,
            units: self.units,
            recurrent_transposed: &self.recurrent_transposed,
            activations: self.activations,
            c,
            gates,
            d_output: Some(Rows::picked(d_output, self.units, order.outputs())),
            dh,
            dc,
            dropout: self.dropout.as_deref(),
            wants_initial: true,
        };
        together(&pass.members(order.parts(runs, 1), columns));
    }
}

/// What a forward pass writes.
#[derive(PartialEq)]
struct Held {
    h: Vec<f32>,
    c: Vec<f32>,
    saved: Vec<f32>,
    output: Vec<f32>,
    last: Vec<f32>,
    /// Of two steps projected ahead, used again and again.
    room: Vec<f32>,
}

impl Held {
    fn new(packed: &Packed, order: &Order, training: bool) -> Held {
        let (units, outputs) = (packed.units, order.batch() * STEPS);
        let states = vec![0.0; order.state_rows(training) * units];
        Held {
            c: states.clone(),
            h: states,
            saved: vec![0.0; order.rows() * 4 * units],
            output: vec![0.0; outputs * units],
            last: vec![0.0; order.batch() * units],
            room: vec![0.0; 2 * order.batch() * 4 * units],
        }
    }
}

/// All members of a pass, each on a thread of its own: they may wait for one another.
fn together(pass: &impl Pass) {
    std::thread::scope(|scope| {
        for member in 0..pass.count() {
            // SAFETY: every member at the same time, its links in order on one thread.
            scope.spawn(move || (0..pass.links()).for_each(|link| unsafe { pass.run(member, link) }));
        }
    });
}

#[test]
fn forward_and_backward_at_tile_edges() {
    for isa in support::with_tiles() {
        // On tiles `h` and `dz` are rounded on their way through `U`, by one part in 512 at most.
        let (tolerance, tolerance_of_gradients) = if isa.tiles().is_some() { (5e-3, 2e-2) } else { (2e-6, 1e-5) };
        for (batch, steps, inputs, units) in [
            (1, 1, 1, 1),
            (2, 3, 5, 3),
            (5, 4, 3, 4),
            (6, 2, 7, 16),
            (7, 5, 2, 17),
            (13, 3, 9, 33),
            (3, 2, 4, 65),
            (18, 3, 2, 20),
            (7, 3, 11, 22),
            // Columns of `Uᵀ` that are turned: one, two, and four on 16 lanes; beside one vector, three and four.
            (8, 2, 3, 34),
            (9, 2, 3, 50),
            (3, 2, 2, 51),
            (6, 2, 2, 66),
            (2, 2, 2, 100),
            (1, 4, 9, 18),
            (5, 2, 9, 8),
            (4, 2, 101, 5),
        ] {
            let mut random = Random((batch * 7 + units) as u64);
            let scale = |values: Vec<f32>| values.into_iter().map(|w| 0.4 * w).collect::<Vec<f32>>();
            let (w, u) = (scale(random.floats(inputs * 4 * units)), scale(random.floats(units * 4 * units)));
            let (b, x) = (random.floats(4 * units), random.floats(batch * steps * inputs));
            let [w, u, x] = [w, u, x].map(|values| support::multiplied(isa, &values));
            let (h0, c0) = (random.floats(batch * units), random.floats(batch * units));
            let keep: Vec<u8> = (0..batch * steps).map(|_| u8::from(random.below(3) > 0)).collect();
            let gates = 4 * units;
            let packed = Packed::new(isa, [&w, &u, &b]);

            for masked in [false, true] {
                let mut order = Order::default();
                order.set(batch, steps, masked.then_some(&keep), Direction::Forwards);
                let mask: Option<Vec<bool>> = masked.then(|| keep.iter().map(|&k| k != 0).collect());
                // Masked outputs are left as they are: zeros, here.
                let layer = support::Lstm { zero_output: true, ..support::Lstm::new(units) };
                let wide_weights = [wide(&w), wide(&u), wide(&b)];
                let run = |weights: &[Vec<f64>], h0: &[f64], c0: &[f64]| {
                    support::lstm(&layer, weights, &wide(&x), (batch, steps, inputs), mask.as_deref(), Some((h0, c0)))
                };
                let (expected, h_last, c_last) = run(&wide_weights, &wide(&h0), &wide(&c0));
                let what = format!("{} {batch}x{steps}x{inputs}x{units} {masked}", isa.name());
                let by_rank = |values: &[f32]| -> Vec<f32> {
                    let rows = order.sequences().iter().map(|&s| &values[s as usize * units..][..units]);
                    rows.flatten().copied().collect()
                };
                let projection = packed.projection(&x, &order);
                let mut given = vec![0.0; batch * steps * gates];
                let all = Rows::adjacent(&x, inputs);
                Project { projection: Projection { x: all, ..projection }, rows: batch * steps, units, z: &mut given }
                    .run(isa);

                let mut bits: [Option<Vec<f32>>; 2] = [None, None];
                let mut trained = None;
                // Every source of the projection, with and without the outputs, in training too; on any number of members.
                for (training, with_output, source, parts, columns) in [
                    (false, false, 0, 1, 1),
                    (false, true, 1, 1, 2),
                    (false, true, 2, 2, 1),
                    (true, true, 0, 3, 1),
                    (true, true, 1, 2, 2),
                    (true, true, 2, 1, 3),
                ] {
                    let states = order.state_rows(training) * units;
                    let (mut h, mut c) = (vec![0.0; states], vec![0.0; states]);
                    h[..batch * units].copy_from_slice(&by_rank(&h0));
                    c[..batch * units].copy_from_slice(&by_rank(&c0));
                    let mut saved = vec![0.0; order.rows() * gates];
                    let mut output = vec![0.0; batch * steps * units];
                    let mut last = h0.clone();
                    let mut room = vec![0.0; 2 * batch * gates];
                    let input = match source {
                        0 => Input::Fused(projection),
                        1 => Input::Ahead(projection, &mut room),
                        _ => Input::Given(Rows::picked(&given, gates, order.inputs())),
                    };
                    let pass = Forward {
                        isa,
                        order: &order,
                        units,
                        input,
                        recurrent_kernel: &packed.recurrent_kernel,
                        activations: ACTIVATIONS,
                        h: &mut h,
                        c: &mut c,
                        gates: training.then_some(&mut saved),
                        output: with_output.then(|| Columns::all(&mut output, units)),
                        last: &mut last,
                        dropout: None,
                        turn: 0,
                    }
                    .members(order.parts(parts, 1), columns);
                    together(&pass);
                    drop(pass);
                    if with_output {
                        assert_close(&what, &output, &expected, tolerance);
                        assert_eq!(bits[0].get_or_insert_with(|| output.clone()), &output, "{what}");
                    }
                    assert_close(&what, &last, &h_last, tolerance);
                    for (rank, &sequence) in order.sequences().iter().enumerate() {
                        let (at, of) = (order.last_state(rank, training) * units, sequence as usize * units);
                        assert_close(&what, &c[at..at + units], &c_last[of..of + units], tolerance);
                    }
                    if training {
                        assert_eq!(bits[1].get_or_insert_with(|| saved.clone()), &saved, "{what}");
                    }
                    trained = Some((c, saved));
                }

                // The gradient of Σ d_output · output + Σ dh · h + Σ dc · c by the initial states.
                let (c, saved) = trained.unwrap();
                let d_output = random.floats(batch * steps * units);
                let (d_h, d_c) = (random.floats(batch * units), random.floats(batch * units));
                let dot = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
                let gradients = support::differences(&[wide(&h0), wide(&c0)], |states| {
                    let (output, h, c) = run(&wide_weights, &states[0], &states[1]);
                    dot(&output, &d_output) + dot(&h, &d_h) + dot(&c, &d_c)
                });
                let mut bits: Option<Vec<f32>> = None;
                for (parts, columns) in [(1, 1), (3, 1), (1, 2), (2, 2)] {
                    let mut dz = saved.clone();
                    let (mut dh, mut dc) = (by_rank(&d_h), by_rank(&d_c));
                    packed.backward(&order, (&c, &mut dz), &d_output, (&mut dh, &mut dc), (parts, columns));
                    for (got, expected) in [(&dh, &gradients[0]), (&dc, &gradients[1])] {
                        let expected: Vec<f32> = expected.iter().map(|&x| x as f32).collect();
                        assert_close(&what, got, &wide(&by_rank(&expected)), tolerance_of_gradients);
                    }
                    assert_eq!(bits.get_or_insert_with(|| dz.clone()), &dz, "{what}");
                }
            }
        }
    }
}

/// A narrow panel sums what a full one does, in the same order.
#[test]
fn units_have_the_same_bits_beside_others() {
    let (rows, inputs) = (7, 130);
    for isa in Isa::available() {
        for (few, many) in [(18, 32), (50, 64), (1, 16)] {
            let z = |units: usize| {
                // The weights of every unit the same, however many there are.
                let weights = |depth: usize| -> Vec<f32> {
                    let places = (0..depth * 4).flat_map(|n| (0..units).map(move |unit| (n * 64 + unit) as u64));
                    places.map(|place| Random(place).floats(1)[0]).collect()
                };
                let (w, b) = (weights(inputs), weights(1));
                let packed = Packed::new(isa, [&w, &vec![0.0; units * 4 * units], &b]);
                let x = Random(3).floats(rows * inputs);
                let mut order = Order::default();
                order.set(rows, 1, None, Direction::Forwards);
                let mut z = vec![0.0; rows * 4 * units];
                Project { projection: packed.projection(&x, &order), rows, units, z: &mut z }.run(isa);
                z
            };
            let (narrow, full) = (z(few), z(many));
            for (narrow, full) in narrow.chunks(few).zip(full.chunks(many)) {
                assert_eq!(narrow, &full[..few], "{few} units on {}", isa.name());
            }
        }
    }
}

#[test]
#[should_panic(expected = "left == right")]
fn a_matrix_that_was_not_packed_by_four_gates_panics() {
    let isa = Isa::available()[0];
    let (units, w) = (4, vec![0.5; 16 * 9]);
    let [mut kernel, mut bias] = [PackedMatrix::default(), PackedMatrix::default()];
    kernel.pack_gates::<4>(isa, Source::row_major(&w, 16), 9, units).unwrap();
    bias.pack(isa, Source::row_major(&w, 16), 1, 16).unwrap();
    let projection = Projection { x: Rows::adjacent(&w[..9], 9), kernel: &kernel, bias: &bias };
    Project { projection, rows: 1, units, z: &mut [0.0; 16] }.run(isa);
}

/// Members that take from each other, and links: large enough for both, and too large for the oracle.
#[test]
fn bits_do_not_depend_on_who_computes_what() {
    bits_do_not_depend(ACTIVATIONS, false);
    bits_do_not_depend(Activations { cell: Activation::Relu, gate: Activation::HardSigmoid }, true);
}

fn bits_do_not_depend(activations: Activations, drops: bool) {
    let (batch, steps, inputs, units) = (27, STEPS, 3, 212);
    let gates = 4 * units;
    let mut random = Random(11);
    let scale = |values: Vec<f32>| values.into_iter().map(|w| 0.1 * w).collect::<Vec<f32>>();
    let (w, u) = (scale(random.floats(inputs * gates)), scale(random.floats(units * gates)));
    let (b, x) = (random.floats(gates), random.floats(batch * steps * inputs));
    let d_output = random.floats(batch * steps * units);
    let dropout: Vec<f32> = (0..batch * units).map(|_| [0.0, 1.25][random.below(2)]).collect();
    // Sequences of every length, 0 too, and gaps.
    let keep: Vec<u8> = (0..batch * steps)
        .map(|i| u8::from(i % steps < (i / steps * 5) % (steps + 1) && random.below(6) > 0))
        .collect();
    for isa in support::with_tiles() {
        let dropout = drops.then(|| dropout.clone());
        let packed = Packed { activations, dropout, ..Packed::new(isa, [&w, &u, &b]) };
        for mask in [None, Some(&*keep)] {
            let mut order = Order::default();
            order.set(batch, steps, mask, Direction::Forwards);
            let mut expected: [Option<[Vec<f32>; 4]>; 2] = [None, None];
            for ahead in [false, true] {
                for (runs, columns, turn) in [(1, 1, 0), (4, 1, 1), (1, 2, 1), (1, 3, 0)] {
                    let mut states = Vec::new();
                    for training in [false, true] {
                        let mut held = Held::new(&packed, &order, training);
                        let pass = packed.forward(Some(&x), &order, &mut held, training, ahead);
                        together(&Forward { turn, ..pass }.members(order.parts(runs, 1), columns));
                        let Held { c, mut saved, output, last, .. } = held;
                        let (mut dh, mut dc) = (vec![0.5; batch * units], vec![0.25; batch * units]);
                        if training {
                            packed.backward(&order, (&c, &mut saved), &d_output, (&mut dh, &mut dc), (runs, columns));
                        }
                        states.push([output, last, saved, [dh, dc].concat()]);
                    }
                    for (got, expected) in states.into_iter().zip(&mut expected) {
                        let what =
                            format!("{} {runs} x {columns}, ahead {ahead}, masked {}", isa.name(), mask.is_some());
                        assert!(expected.get_or_insert_with(|| got.clone()) == &got, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn passes_one_above_the_other_have_the_bits_of_one_after_the_other() {
    let sizes = [5, 20, 9, 50];
    let mut random = Random(12);
    let keep: Vec<u8> = (0..7 * STEPS).map(|_| u8::from(random.below(3) > 0)).collect();
    set_num_threads(3);
    for isa in support::with_tiles() {
        let cells: Vec<_> = sizes
            .windows(2)
            .map(|sizes| {
                let gates = 4 * sizes[1];
                let [w, u, b] = [sizes[0], sizes[1], 1].map(|rows| random.floats(rows * gates));
                Packed::new(isa, [&w, &u, &b])
            })
            .collect();
        for (batch, mask) in [(1, None), (7, None), (7, Some(&*keep))] {
            let x = random.floats(batch * STEPS * sizes[0]);
            for (direction, training, ahead) in [
                (Direction::Forwards, false, true),
                (Direction::BackwardsInPlace, false, false),
                (Direction::BackwardsInPlace, true, true),
                (Direction::Forwards, true, false),
            ] {
                let mut order = Order::default();
                order.set(batch, STEPS, mask, direction);
                let held = || cells.iter().map(|cell| Held::new(cell, &order, training)).collect::<Vec<_>>();
                let mut apart = held();
                for (level, cell) in cells.iter().enumerate() {
                    let (below, own) = apart.split_at_mut(level);
                    let x = below.last().map_or(&x, |below| &below.output);
                    let pass = cell.forward(Some(x), &order, &mut own[0], training, ahead);
                    together(&pass.members(order.parts(1, 1), 1));
                }
                for runs in [1, 2, 4] {
                    let mut above = held();
                    let mut x = Some(&*x);
                    let passes = cells.iter().zip(&mut above);
                    let passes = passes.map(|(cell, held)| cell.forward(x.take(), &order, held, training, ahead));
                    Stack::new(passes, &order.parts(runs, 1)).run(&team(usize::MAX));
                    for (above, apart) in above.iter_mut().zip(&apart) {
                        // Where steps projected ahead stood does not matter.
                        above.room.clone_from(&apart.room);
                        assert!(above == apart, "{} {batch} {direction:?} in {runs} runs", isa.name());
                    }
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "the steps of two passes are not the same")]
fn a_pass_does_not_follow_one_that_goes_the_other_way() {
    let isa = Isa::available()[0];
    let cell = Packed::new(isa, [&[0.5; 4], &[0.5; 4], &[0.5; 4]]);
    let orders = [Direction::Forwards, Direction::BackwardsInPlace].map(|direction| {
        let mut order = Order::default();
        order.set(2, STEPS, None, direction);
        order
    });
    let x = [0.5; 2 * STEPS];
    let [mut first, mut second] = [0, 1].map(|i: usize| Held::new(&cell, &orders[i], false));
    let lower = cell.forward(Some(&x), &orders[0], &mut first, false, false);
    let upper = cell.forward(None, &orders[1], &mut second, false, false);
    let ranks = orders[0].parts(1, 1);
    Stack::new([lower, upper], &ranks);
}
