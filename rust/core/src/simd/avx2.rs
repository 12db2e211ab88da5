//! AVX2 with FMA: 8 lanes, 16 registers.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// The token of a CPU with AVX2 and FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
    }

    /// # Safety
    /// [`Avx2::is_available`] must hold.
    #[target_feature(enable = "avx2,fma")]
    // Not inlined, for `apart`.
    #[inline(never)]
    pub(super) unsafe fn dispatch<K: Kernel>(kernel: K) -> K::Output {
        kernel.run(Avx2(()))
    }
}

/// Every intrinsic below is safe for one reason, said once: the token exists only where the CPU has the instructions.
macro_rules! with_token {
    ($e:expr) => {
        // SAFETY: `self` exists only where `Avx2::is_available`; pointers are the caller's promise.
        unsafe { $e }
    };
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    // 3 x 4 accumulators, 3 broadcasts, 1 weight: all 16 registers.
    const TILE_ROWS: usize = 3;

    #[inline(always)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        with_token!(Avx2::dispatch(kernel))
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        with_token!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> __m256 {
        with_token!(_mm256_loadu_ps(source))
    }
    #[inline(always)]
    unsafe fn store(self, v: __m256, target: *mut f32) {
        with_token!(_mm256_storeu_ps(target, v))
    }
    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        with_token!(_mm_prefetch::<_MM_HINT_T0>(address.cast()));
    }
    #[inline(always)]
    #[expect(clippy::pointers_in_nomem_asm_block, reason = "a hint reads nothing")]
    fn prefetch_to_write(self, address: *const f32) {
        // SAFETY: as on AVX-512; where a CPU does not have it, before Broadwell, it does nothing.
        unsafe { asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, nomem)) };
    }
    #[inline(always)]
    fn prefetch_far(self, address: *const f32) {
        with_token!(_mm_prefetch::<_MM_HINT_T1>(address.cast()));
    }
    #[inline(always)]
    unsafe fn load_partial(self, source: *const f32, count: usize) -> __m256 {
        with_token!(_mm256_maskload_ps(source, first(count)))
    }
    #[inline(always)]
    unsafe fn store_partial(self, v: __m256, target: *mut f32, count: usize) {
        with_token!(_mm256_maskstore_ps(target, first(count), v))
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        with_token!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        with_token!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn shift_to_exponent(self, a: __m256) -> __m256 {
        with_token!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(a))))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        with_token!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn copysign(self, a: __m256, sign: __m256) -> __m256 {
        with_token!({
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(bit, a), _mm256_and_ps(bit, sign))
        })
    }
    #[inline(always)]
    fn select_lt(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        with_token!(_mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)))
    }
}

/// All bits in the first `count` lanes, none in the others.
#[inline(always)]
fn first(count: usize) -> __m256i {
    const LANES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    debug_assert!(count <= 8);
    // SAFETY: `8 - count` and the seven after it are indices of `LANES`; only `Avx2` calls this.
    unsafe { _mm256_loadu_si256(LANES.as_ptr().add(8 - count).cast()) }
}
