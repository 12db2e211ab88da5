//! AVX-512: 16 lanes, 32 registers.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Kernel, Simd, Table};

/// The token of a CPU with AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("fma")
    }

    /// The token, for who has asked the CPU.
    ///
    /// # Safety
    /// [`Avx512::is_available`] must hold.
    #[inline(always)]
    pub(super) unsafe fn assume() -> Self {
        Avx512(())
    }

    /// # Safety
    /// [`Avx512::is_available`] must hold.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    // Not inlined, for `apart`.
    #[inline(never)]
    pub(super) unsafe fn dispatch<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        kernel.run(unsafe { Avx512::assume() })
    }
}

/// Every intrinsic below is safe for one reason, said once: the token exists only where the CPU has the instructions.
macro_rules! with_token {
    ($e:expr) => {
        // SAFETY: `self` exists only where `Avx512::is_available`; pointers are the caller's promise.
        unsafe { $e }
    };
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    // 6 x 4 accumulators, 4 weights, 1 broadcast: 29 of 32 registers.
    const TILE_ROWS: usize = 6;
    const LOOKS_UP: bool = true;

    #[inline(always)]
    fn apart<K: Kernel>(self, kernel: K) -> K::Output {
        with_token!(Avx512::dispatch(kernel))
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        with_token!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn load(self, source: *const f32) -> __m512 {
        with_token!(_mm512_loadu_ps(source))
    }
    #[inline(always)]
    unsafe fn store(self, v: __m512, target: *mut f32) {
        with_token!(_mm512_storeu_ps(target, v))
    }
    #[inline(always)]
    unsafe fn load_partial(self, source: *const f32, count: usize) -> __m512 {
        with_token!(_mm512_maskz_loadu_ps(first(count), source))
    }
    #[inline(always)]
    unsafe fn store_partial(self, v: __m512, target: *mut f32, count: usize) {
        with_token!(_mm512_mask_storeu_ps(target, first(count), v))
    }
    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        with_token!(_mm_prefetch::<_MM_HINT_T0>(address.cast()));
    }
    #[inline(always)]
    #[expect(clippy::pointers_in_nomem_asm_block, reason = "a hint reads nothing")]
    fn prefetch_to_write(self, address: *const f32) {
        // `_mm_prefetch` asks only to read, unless the compiler is told of a feature that stable Rust has no name for.
        // SAFETY: a hint, which neither faults nor changes memory, registers or flags.
        unsafe { asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, nomem)) };
    }
    #[inline(always)]
    fn prefetch_far(self, address: *const f32) {
        with_token!(_mm_prefetch::<_MM_HINT_T1>(address.cast()));
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_div_ps(a, b))
    }
    /// From the reciprocal to 14 bits by one Newton step: 16 lanes of `vdivps` take 16 cycles.
    #[inline(always)]
    fn reciprocal(self, a: __m512) -> __m512 {
        let r = with_token!(_mm512_rcp14_ps(a));
        with_token!(_mm512_fmadd_ps(_mm512_fnmadd_ps(a, r, self.splat(1.0)), r, r))
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        with_token!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        with_token!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn shift_to_exponent(self, a: __m512) -> __m512 {
        with_token!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(a))))
    }
    #[inline(always)]
    fn shift_and_look_up(self, table: &[i32; 16], a: __m512) -> __m512 {
        with_token!({
            let a = _mm512_castps_si512(a);
            let entries = _mm512_permutexvar_epi32(a, _mm512_loadu_si512(table.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_slli_epi32::<19>(a), entries))
        })
    }
    #[inline(always)]
    fn look_up(self, table: &Table, a: __m512) -> __m512 {
        with_token!({
            let half_octaves = _mm512_srli_epi32::<22>(_mm512_castps_si512(a));
            _mm512_permutexvar_ps(half_octaves, _mm512_loadu_ps(table.0.as_ptr()))
        })
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        with_token!(_mm512_reduce_add_ps(a))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        with_token!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn copysign(self, a: __m512, sign: __m512) -> __m512 {
        with_token!({
            // Bit by bit `bit ? sign : a`.
            let bit = _mm512_set1_epi32(i32::MIN);
            let (a, sign) = (_mm512_castps_si512(a), _mm512_castps_si512(sign));
            _mm512_castsi512_ps(_mm512_ternarylogic_epi32::<0xca>(bit, sign, a))
        })
    }
    #[inline(always)]
    fn select_lt(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        with_token!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes))
    }
}

/// The mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    ((1u32 << count) - 1) as __mmask16
}
