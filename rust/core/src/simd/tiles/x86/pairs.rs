//! Products of tiles on vectors: AVX-512's instruction for pairs of bfloat16.

use std::arch::x86_64::*;
use std::hint::black_box;

use super::VECTORS;
use crate::simd::is_amd;
use crate::simd::tiles::{Bf16, LeftTiles, TILE_DEPTH, TILE_LEN, TILE_SIDE};

/// Rows whose sums fill the registers: 6 x 4 sums, 4 vectors of `b` and a broadcast.
const ROWS: usize = 6;

/// Rows of a tile between the one in use and the one asked for.
const PREFETCH: usize = 8;

/// Whether they are faster than products of floats, where the CPU has the instruction: AMD's take as long for it as for a
/// multiply-add of floats, Intel's more than twice as long.
pub(super) fn are_fast() -> bool {
    is_amd()
}

/// [`Tiles::product`](crate::simd::Tiles::product). Each sum is a chain of pairs in order.
///
/// A function of its own, for all kernels: what is inlined would be compiled for each of them.
///
/// # Safety
/// As there.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn product(rows: usize, depth: usize, a: LeftTiles, b: *const Bf16, sums: *mut f32) {
    for first in (0..rows).step_by(ROWS) {
        // SAFETY: the caller's promise, of some of the rows.
        unsafe {
            let a = LeftTiles { first: a.first.byte_add(first * a.stride), ..a };
            let sums = sums.add(first * VECTORS * TILE_SIDE);
            match rows - first {
                1 => block::<1>(depth, a, b, sums),
                2 => block::<2>(depth, a, b, sums),
                3 => block::<3>(depth, a, b, sums),
                4 => block::<4>(depth, a, b, sums),
                5 => block::<5>(depth, a, b, sums),
                _ => block::<ROWS>(depth, a, b, sums),
            }
        }
    }
}

/// [`product`] of `MR` rows.
///
/// # Safety
/// As there.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn block<const MR: usize>(depth: usize, a: LeftTiles, b: *const Bf16, sums: *mut f32) {
    let mut rows = [a.first.cast::<i32>(); MR];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = row.wrapping_byte_add(r * a.stride);
    }
    // Hidden from the compiler, which would make each row's address from the one before, step after step.
    let mut rows = black_box(rows);
    let mut b = b;
    let mut all = [[_mm512_setzero_ps(); VECTORS]; MR];
    for _ in 0..depth {
        for pair in 0..TILE_SIDE {
            // Of this tile or of the next four.
            let ahead = match pair + PREFETCH {
                ahead @ ..TILE_SIDE => ahead * TILE_DEPTH,
                ahead => (ahead - TILE_SIDE) * TILE_DEPTH + VECTORS * TILE_LEN,
            };
            let mut weights = [_mm512_setzero_si512(); VECTORS];
            for (v, weights) in weights.iter_mut().enumerate() {
                // SAFETY: within the four tiles; what is asked for need not be there.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(b.wrapping_add(v * TILE_LEN + ahead).cast());
                    *weights = b.add(v * TILE_LEN + pair * TILE_DEPTH).cast::<__m512i>().read_unaligned();
                }
            }
            for (sums, row) in all.iter_mut().zip(rows) {
                // SAFETY: within a row of the tile. Vectors of bits have no meaning of their own.
                unsafe {
                    let terms = _mm512_set1_epi32(row.add(pair).read_unaligned());
                    let terms = std::mem::transmute::<__m512i, __m512bh>(terms);
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm512_dpbf16_ps(*sum, terms, std::mem::transmute::<__m512i, __m512bh>(weights));
                    }
                }
            }
        }
        b = b.wrapping_add(VECTORS * TILE_LEN);
        for row in &mut rows {
            *row = row.wrapping_byte_add(a.step);
        }
    }
    for (r, row) in all.into_iter().enumerate() {
        for (v, sum) in row.into_iter().enumerate() {
            // SAFETY: there is room for the row's sums.
            unsafe { _mm512_storeu_ps(sums.add((r * VECTORS + v) * TILE_SIDE), sum) };
        }
    }
}
