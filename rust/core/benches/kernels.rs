//! Kernels alone, in floating-point operations a second beside the machine's own peak: `make bench-rust`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lstm_core::kernels::activation::Activation;
use lstm_core::kernels::lstm::{Activations, Forward, Sizes};
use lstm_core::kernels::matmul::{Initial, Matmul};
use lstm_core::kernels::pack::{PackedMatrix, Source};
use lstm_core::simd::{Isa, Kernel, Simd};

/// Multiply-adds on registers alone: as many chains as hide their latency.
struct Peak {
    steps: usize,
}

impl Kernel for Peak {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (a, b) = (simd.splat(black_box(0.999)), simd.splat(black_box(1e-3)));
        let mut sums = [simd.splat(1.0); 12];
        for _ in 0..self.steps {
            for sum in &mut sums {
                *sum = simd.mul_add(*sum, a, b);
            }
        }
        let total = sums.into_iter().fold(simd.splat(0.0), |total, sum| simd.add(total, sum));
        let mut lanes = [0.0; lstm_core::simd::MAX_LANES];
        // SAFETY: `lanes` holds `MAX_LANES >= LANES` floats.
        unsafe { simd.store(total, lanes.as_mut_ptr()) };
        lanes.iter().sum()
    }
}

fn peak(c: &mut Criterion) {
    // Plain Rust multiplies and adds in two instructions: its latency needs more chains than there are registers.
    for isa in Isa::available().into_iter().filter(|isa| isa.name() != "scalar") {
        let mut group = c.benchmark_group("peak");
        let steps = 10_000;
        group.throughput(Throughput::Elements((steps * 12 * isa.lanes() * 2) as u64));
        group.bench_function(isa.name(), |b| b.iter(|| isa.dispatch(Peak { steps })));
    }
}

fn matmul(c: &mut Criterion) {
    let (rows, depth, columns) = (192, 256, 512);
    let (a, b) = (vec![0.5f32; rows * depth], vec![0.25f32; depth * columns]);
    for isa in Isa::available() {
        let mut packed = PackedMatrix::default();
        packed.pack(isa, Source::row_major(&b, columns), depth, columns).expect("memory for a small matrix");
        let mut target = vec![0.0f32; rows * columns];
        let mut group = c.benchmark_group("matmul 192x256x512");
        group.throughput(Throughput::Elements((2 * rows * depth * columns) as u64));
        group.bench_function(isa.name(), |bencher| {
            bencher.iter(|| {
                let c = &mut target;
                let initial = Initial::Zero;
                Matmul { rows, a: &a, a_stride: depth, b: &packed, c, c_stride: columns, initial }.run(isa);
            });
        });
    }
}

fn lstm_forward(c: &mut Criterion) {
    let sizes = Sizes { batch: 16, steps: 50, inputs: 128, units: 128 };
    let Sizes { batch, steps, inputs, units } = sizes;
    let x = vec![0.1f32; batch * steps * inputs];
    let (w, u, b) = (vec![0.01f32; inputs * 4 * units], vec![0.02f32; units * 4 * units], vec![0.0f32; 4 * units]);
    for isa in Isa::available() {
        let pack = |values: &[f32], depth: usize| {
            let mut packed = PackedMatrix::default();
            let source = Source::row_major(values, 4 * units);
            packed.pack_gates(isa, source, depth, units).expect("memory for a small matrix");
            packed
        };
        let (kernel, recurrent_kernel, bias) = (pack(&w, inputs), pack(&u, units), pack(&b, 1));
        let (mut h, mut c_states) = (vec![0.0f32; batch * 2 * units], vec![0.0f32; batch * 2 * units]);
        let mut group = c.benchmark_group("lstm forward 16x50x128x128");
        group.throughput(Throughput::Elements((8 * batch * steps * units * (inputs + units)) as u64));
        group.bench_function(isa.name(), |bencher| {
            bencher.iter(|| {
                Forward {
                    sizes,
                    x: &x,
                    kernel: &kernel,
                    recurrent_kernel: &recurrent_kernel,
                    bias: &bias,
                    activations: Activations { cell: Activation::Tanh, gate: Activation::Sigmoid },
                    mask: None,
                    h: &mut h,
                    c: &mut c_states,
                    gates: None,
                    output: None,
                }
                .run(isa);
            });
        });
    }
}

criterion_group!(benches, peak, matmul, lstm_forward);
criterion_main!(benches);
