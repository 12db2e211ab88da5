//! Products of tiles in Intel's AMX.

use std::arch::asm;
use std::arch::x86_64::*;

use super::VECTORS;
use crate::simd::tiles::{Bf16, LeftTiles, TILE_DEPTH, TILE_LEN, TILE_SIDE};

/// The token of a CPU with AMX, in a process that may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(());

impl Token {
    /// Where the CPU has it, which then has AVX-512, too.
    pub(super) fn detect() -> Option<Token> {
        (has_instructions() && may_use()).then_some(Token(()))
    }
}

/// Whether the CPU has the instructions.
fn has_instructions() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    // SAFETY: every x86-64 CPU has the instruction.
    #[allow(unused_unsafe, reason = "safe from Rust 1.93 on")]
    let features = unsafe { if __cpuid(0).eax >= 7 { __cpuid_count(7, 0).edx } else { 0 } };
    features & (BF16 | TILE) == BF16 | TILE
}

/// Asks Linux to keep tiles for all threads of this process, which it refuses where it is too old.
fn may_use() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    // SAFETY: the call takes two numbers and touches no memory of the process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

/// What `ldtilecfg` reads: every tile has 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static SHAPES: Shapes = {
    const ALL: usize = 8;
    let mut shapes = Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    let mut tile = 0;
    while tile < ALL {
        (shapes.row_bytes[tile], shapes.rows[tile]) = (64, TILE_SIDE as u8);
        tile += 1;
    }
    shapes
};

/// While it lives, this thread's tiles have their shapes. Then it has none, and nothing to save when it is interrupted. There
/// is one at a time: the first to end would take the tiles from the other.
pub(super) struct Configured;

impl Configured {
    #[inline]
    pub(super) fn new(_: Token) -> Self {
        // SAFETY: the token says that there are tiles; reads the 64 bytes of `SHAPES`.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) };
        Configured
    }
}

impl Drop for Configured {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `new` was given the token.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// [`Tiles::product`](crate::simd::Tiles::product) of 16 rows, whether there are so many or not.
///
/// In a tile's product even and odd terms are summed apart, with multiply-adds, and their sum is added.
///
/// # Safety
/// As there; there must be tiles, [`Configured`].
#[inline(always)]
pub(super) unsafe fn product(depth: usize, a: LeftTiles, b: *const Bf16, sums: *mut f32) {
    let LeftTiles { first: a, stride: a_stride, step: a_step } = a;
    // One block, as the compiler knows of no values in tiles that would outlive it.
    // SAFETY: the caller's promise; the loop reads `depth` tiles.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            // Two tiles of `a` a turn, so that a load seldom waits for the product before it.
            "sub {depth}, 2",
            "jb 3f",
            "2:",
            "tileloadd tmm4, [{a} + {a_stride}]",
            "add {a}, {a_step}",
            "tileloadd tmm5, [{b} + {b_stride}]",
            "tileloadd tmm6, [{b} + {b_stride} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm5",
            "tileloadd tmm5, [{b} + {b_stride} + 2048]",
            "tdpbf16ps tmm1, tmm4, tmm6",
            "tileloadd tmm6, [{b} + {b_stride} + 3072]",
            "tileloadd tmm7, [{a} + {a_stride}]",
            "add {a}, {a_step}",
            "tdpbf16ps tmm2, tmm4, tmm5",
            "tileloadd tmm5, [{b} + {b_stride} + 4096]",
            "tdpbf16ps tmm3, tmm4, tmm6",
            "tileloadd tmm6, [{b} + {b_stride} + 5120]",
            "tdpbf16ps tmm0, tmm7, tmm5",
            "tileloadd tmm5, [{b} + {b_stride} + 6144]",
            "tdpbf16ps tmm1, tmm7, tmm6",
            "tileloadd tmm6, [{b} + {b_stride} + 7168]",
            "tdpbf16ps tmm2, tmm7, tmm5",
            "tdpbf16ps tmm3, tmm7, tmm6",
            "add {b}, 8192",
            "sub {depth}, 2",
            "jae 2b",
            "3:",
            "cmp {depth}, -1",
            "jne 4f",
            "tileloadd tmm4, [{a} + {a_stride}]",
            "tileloadd tmm5, [{b} + {b_stride}]",
            "tileloadd tmm6, [{b} + {b_stride} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm5",
            "tileloadd tmm7, [{b} + {b_stride} + 2048]",
            "tdpbf16ps tmm1, tmm4, tmm6",
            "tileloadd tmm5, [{b} + {b_stride} + 3072]",
            "tdpbf16ps tmm2, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm4, tmm5",
            "4:",
            "tilestored [{sums} + {sums_stride}], tmm0",
            "tilestored [{sums} + {sums_stride} + 64], tmm1",
            "tilestored [{sums} + {sums_stride} + 128], tmm2",
            "tilestored [{sums} + {sums_stride} + 192], tmm3",
            depth = inout(reg) depth => _,
            a = inout(reg) a => _,
            a_stride = in(reg) a_stride,
            a_step = in(reg) a_step,
            b = inout(reg) b => _,
            b_stride = in(reg) 64usize,
            sums = in(reg) sums,
            sums_stride = in(reg) 256usize,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// [`product`] of one row, on vectors: the same bits, in half the time.
///
/// # Safety
/// As [`Tiles::product`](crate::simd::Tiles::product).
#[inline(always)]
pub(super) unsafe fn row_product(depth: usize, a: LeftTiles, b: *const Bf16, sums: *mut f32) {
    // SAFETY: the caller's promise; `terms` holds the even terms of a tile, then the odd ones.
    unsafe {
        let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
        let mut terms = [0.0f32; TILE_DEPTH];
        let mut all = [_mm512_setzero_ps(); VECTORS];
        for d in 0..depth {
            let (even, odd) = halves(a.first.byte_add(d * a.step), upper);
            _mm512_storeu_ps(terms.as_mut_ptr(), even);
            _mm512_storeu_ps(terms.as_mut_ptr().add(TILE_SIDE), odd);
            let mut even_sums = [_mm512_setzero_ps(); VECTORS];
            let mut odd_sums = [_mm512_setzero_ps(); VECTORS];
            for pair in 0..TILE_SIDE {
                for v in 0..VECTORS {
                    let b = b.add((d * VECTORS + v) * TILE_LEN + pair * TILE_DEPTH);
                    let (even, odd) = halves(b, upper);
                    even_sums[v] = _mm512_fmadd_ps(_mm512_set1_ps(terms[pair]), even, even_sums[v]);
                    odd_sums[v] = _mm512_fmadd_ps(_mm512_set1_ps(terms[TILE_SIDE + pair]), odd, odd_sums[v]);
                }
            }
            for v in 0..VECTORS {
                all[v] = _mm512_add_ps(all[v], _mm512_add_ps(even_sums[v], odd_sums[v]));
            }
        }
        for (v, all) in all.into_iter().enumerate() {
            _mm512_storeu_ps(sums.add(v * TILE_SIDE), all);
        }
    }
}

/// The first and the second of each of 16 pairs, as float32.
///
/// # Safety
/// The CPU must have AVX-512, and 64 bytes be readable; `upper` must have the upper half of every number set.
#[inline(always)]
unsafe fn halves(pairs: *const Bf16, upper: __m512i) -> (__m512, __m512) {
    // SAFETY: the caller's promise.
    unsafe {
        let pairs = pairs.cast::<__m512i>().read_unaligned();
        let (first, second) = (_mm512_slli_epi32::<16>(pairs), _mm512_and_si512(pairs, upper));
        (_mm512_castsi512_ps(first), _mm512_castsi512_ps(second))
    }
}
