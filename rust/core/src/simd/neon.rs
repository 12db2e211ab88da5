//! NEON on AArch64: 4 lanes, 32 registers.

use std::arch::aarch64::*;

use super::{Kernel, Simd};

/// The token of a CPU with NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    pub(super) fn is_available() -> bool {
        std::arch::is_aarch64_feature_detected!("neon")
    }

    /// # Safety
    /// [`Neon::is_available`] must hold.
    #[target_feature(enable = "neon")]
    // Not inlined, for `apart`.
    #[inline(never)]
    pub(super) unsafe fn dispatch<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Neon(()))
    }
}

/// Every intrinsic below is safe for one reason, said once: the token exists only where the CPU has the instructions.
macro_rules! with_token {
    ($e:expr) => {{
        // SAFETY: `self` exists only where `Neon::is_available`; pointers are the caller's promise.
        #[allow(unused_unsafe, reason = "NEON is part of AArch64's baseline, so some of these are safe there")]
        unsafe {
            $e
        }
    }};
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    // 6 x 4 accumulators, 4 weights, 1 broadcast: 29 of 32 registers.
    const TILE_ROWS: usize = 6;

    #[inline(always)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        with_token!(Neon::dispatch(kernel))
    }
    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        with_token!(vdupq_n_f32(x))
    }
    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> float32x4_t {
        with_token!(vld1q_f32(source))
    }
    #[inline(always)]
    unsafe fn store(self, v: float32x4_t, target: *mut f32) {
        with_token!(vst1q_f32(target, v))
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        with_token!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        with_token!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        with_token!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        with_token!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        with_token!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        with_token!(vbslq_f32(vcltq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        with_token!(vbslq_f32(vcgtq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        with_token!(vrndnq_f32(a))
    }
    #[inline(always)]
    fn shift_to_exponent(self, a: float32x4_t) -> float32x4_t {
        with_token!(vreinterpretq_f32_u32(vshlq_n_u32::<23>(vreinterpretq_u32_f32(a))))
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        with_token!(vabsq_f32(a))
    }
    #[inline(always)]
    fn copysign(self, a: float32x4_t, sign: float32x4_t) -> float32x4_t {
        with_token!(vbslq_f32(vdupq_n_u32(0x8000_0000), sign, a))
    }
    #[inline(always)]
    fn select_lt(self, a: float32x4_t, b: float32x4_t, yes: float32x4_t, no: float32x4_t) -> float32x4_t {
        with_token!(vbslq_f32(vcltq_f32(a, b), yes, no))
    }
}
