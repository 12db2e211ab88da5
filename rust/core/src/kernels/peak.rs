//! The machine's limit, to be measured beside everything else.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::simd::{Isa, Kernel, MAX_LANES, Simd};

/// Chains of multiply-adds: as many as hide their latency on two ports.
const CHAINS: usize = 12;

/// Floating-point operations a second of fused multiply-adds on registers alone, by one thread for about so long.
pub fn multiply_adds(isa: Isa, time: Duration) -> f64 {
    const STEPS: usize = 10_000;
    let start = Instant::now();
    let mut rounds = 0usize;
    while rounds == 0 || start.elapsed() < time {
        black_box(isa.dispatch(Chains { steps: STEPS }));
        rounds += 1;
    }
    (rounds * STEPS * CHAINS * isa.lanes() * 2) as f64 / start.elapsed().as_secs_f64()
}

struct Chains {
    steps: usize,
}

impl Kernel for Chains {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (a, b) = (simd.splat(black_box(0.999)), simd.splat(black_box(1e-3)));
        let mut sums = [simd.splat(1.0); CHAINS];
        for _ in 0..self.steps {
            for sum in &mut sums {
                *sum = simd.mul_add(*sum, a, b);
            }
        }
        let total = sums.into_iter().fold(simd.splat(0.0), |total, sum| simd.add(total, sum));
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: `lanes` holds `MAX_LANES >= LANES` floats.
        unsafe { simd.store(total, lanes.as_mut_ptr()) };
        lanes.iter().sum()
    }
}
