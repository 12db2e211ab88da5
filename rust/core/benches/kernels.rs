//! Kernels on one thread, in floating-point operations a second beside the machine's own peak: `make bench-rust`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use lstm_core::kernels::activation::Activation;
use lstm_core::kernels::lstm::{Activations, Backward, Forward, Input, Projection};
use lstm_core::kernels::matmul::{Initial, Matmul};
use lstm_core::kernels::pack::{PackedMatrix, Source};
use lstm_core::kernels::peak::multiply_adds;
use lstm_core::kernels::weight_gradient::WeightGradient;
use lstm_core::kernels::{Direction, Order, Rows, RowsMut, run_passes};
use lstm_core::parallel::team;
use lstm_core::simd::Isa;

fn bench(c: &mut Criterion, name: &str, operations: usize, mut run: impl FnMut(&mut BenchmarkGroup<'_, WallTime>)) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(operations as u64));
    group.sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    run(&mut group);
}

fn peak(c: &mut Criterion) {
    // Plain Rust multiplies and adds in two instructions: its latency needs more chains than there are registers.
    for isa in Isa::available().into_iter().filter(|isa| isa.name() != "scalar") {
        bench(c, "peak", 10_000 * 12 * isa.lanes() * 2, |group| {
            group.bench_function(isa.name(), |b| b.iter(|| multiply_adds(isa, Duration::ZERO)));
        });
    }
}

/// Floats that are not all alike.
fn floats(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 2_654_435_761) % 1000) as f32 / 5000.0 - 0.1).collect()
}

fn matmul(c: &mut Criterion) {
    let (rows, depth, columns) = (192, 256, 512);
    let (a, b) = (floats(rows * depth), floats(depth * columns));
    for isa in Isa::available() {
        let mut packed = PackedMatrix::default();
        packed.pack(isa, Source::row_major(&b, columns), depth, columns).expect("memory for a small matrix");
        let mut target = vec![0.0f32; rows * columns];
        bench(c, "matmul 192x256x512", 2 * rows * depth * columns, |group| {
            group.bench_function(isa.name(), |bencher| {
                bencher.iter(|| {
                    let (a, c) = (Rows::adjacent(&a, depth), RowsMut::adjacent(&mut target, columns));
                    Matmul { rows, a, b: &packed, c, initial: Initial::Zero }.run(isa);
                });
            });
        });
    }
}

/// A layer with `batch x steps x inputs x units`: forward for inference and for training, backward, weight gradients.
fn lstm(c: &mut Criterion) {
    for (batch, steps, inputs, units) in [(16, 50, 128, 128), (32, 48, 8, 64)] {
        for isa in Isa::available() {
            layer(c, isa, [batch, steps, inputs, units]);
        }
    }
}

fn layer(c: &mut Criterion, isa: Isa, [batch, steps, inputs, units]: [usize; 4]) {
    let gates = 4 * units;
    let name = |pass: &str| format!("lstm {pass} {batch}x{steps}x{inputs}x{units}");
    let operations = 8 * batch * steps * units * (inputs + units);
    let mut order = Order::default();
    order.set(batch, steps, None, Direction::Forwards);
    let x = floats(batch * steps * inputs);
    let (w, u, b) = (floats(inputs * gates), floats(units * gates), floats(gates));
    let pack = |values: &[f32], depth: usize| {
        let mut packed = PackedMatrix::default();
        packed.pack_gates::<4>(isa, Source::row_major(values, gates), depth, units).expect("memory for a small matrix");
        packed
    };
    let (kernel, recurrent_kernel, bias) = (pack(&w, inputs), pack(&u, units), pack(&b, 1));
    let mut recurrent_transposed = PackedMatrix::default();
    let transposed = Source::transposed(&u, gates);
    recurrent_transposed.pack_turned(isa, transposed, gates, units).expect("memory for a small matrix");
    let activations = Activations { cell: Activation::Tanh, gate: Activation::Sigmoid };
    let mut saved = vec![0.0; order.rows() * gates];
    let mut last = vec![0.0; batch * units];
    let mut states = [false, true].map(|training| vec![0.0; order.state_rows(training) * units]);
    let mut cells = states.clone();
    for training in [false, true] {
        bench(c, &name(if training { "forward, training" } else { "forward" }), operations, |group| {
            group.bench_function(isa.name(), |bencher| {
                bencher.iter(|| {
                    let x = Rows::picked(&x, inputs, order.inputs());
                    let pass = Forward {
                        isa,
                        order: &order,
                        units,
                        input: Input::Fused(Projection { x, kernel: &kernel, bias: &bias }),
                        recurrent_kernel: &recurrent_kernel,
                        activations,
                        h: &mut states[usize::from(training)],
                        c: &mut cells[usize::from(training)],
                        gates: training.then_some(&mut saved),
                        output: None,
                        last: &mut last,
                        dropout: None,
                        turn: 0,
                    }
                    .members(order.parts(1, 1), 1);
                    run_passes(&team(0), [Box::new(pass)]);
                });
            });
        });
    }
    let (mut dh, mut dc) = (floats(batch * units), vec![0.0; batch * units]);
    bench(c, &name("backward through time"), 8 * batch * steps * units * units, |group| {
        group.bench_function(isa.name(), |bencher| {
            bencher.iter_batched_ref(
                || saved.clone(),
                |gates| {
                    let pass = Backward {
                        isa,
                        order: &order,
                        units,
                        recurrent_transposed: &recurrent_transposed,
                        activations,
                        c: &cells[1],
                        gates,
                        d_output: None,
                        dh: &mut dh,
                        dc: &mut dc,
                        dropout: None,
                        wants_initial: false,
                    }
                    .members(order.parts(1, 1), 1);
                    run_passes(&team(0), [Box::new(pass)]);
                },
                criterion::BatchSize::LargeInput,
            );
        });
    });
    let (mut dw, mut du, mut db) = (vec![0.0; w.len()], vec![0.0; u.len()], vec![0.0; b.len()]);
    bench(c, &name("weight gradients"), operations, |group| {
        group.bench_function(isa.name(), |bencher| {
            bencher.iter(|| {
                WeightGradient {
                    rows: order.rows(),
                    dz: Rows::adjacent(&saved, gates),
                    operands: [
                        Some((Rows::picked(&x, inputs, order.inputs()), &mut dw)),
                        Some((Rows::picked(&states[1], units, order.states()), &mut du)),
                    ],
                    bias: Some(&mut db),
                }
                .run(isa, &team(0));
            });
        });
    });
    black_box((du, dw, db));
}

criterion_group!(benches, peak, matmul, lstm);
criterion_main!(benches);
