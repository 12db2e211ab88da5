//! Floats rounded to tiles of bfloat16.

use std::arch::x86_64::*;

use crate::simd::tiles::{Bf16, TILE_DEPTH, TILE_SIDE, Tiles};

impl Tiles {
    /// Rounds a row of floats to bfloat16, with zeros behind them up to whole tiles.
    ///
    /// # Safety
    /// It must be called while [`Tiles::dispatch`] runs a kernel. `source` must be readable for `count` floats, `target` writable for that,
    /// rounded up to a multiple of [`TILE_DEPTH`].
    #[inline(always)]
    pub unsafe fn round_row(self, source: *const f32, count: usize, target: *mut Bf16) {
        let whole = count / TILE_DEPTH * TILE_DEPTH;
        // SAFETY: the caller's promise; masks keep to `count` floats.
        unsafe {
            for n in (0..whole).step_by(TILE_DEPTH) {
                let (low, high) = (_mm512_loadu_ps(source.add(n)), _mm512_loadu_ps(source.add(n + TILE_SIDE)));
                store(_mm512_cvtne2ps_pbh(high, low), target.add(n));
            }
            if whole < count {
                let mask = (1u32 << (count - whole)) - 1;
                let low = _mm512_maskz_loadu_ps(mask as u16, source.add(whole));
                let high = _mm512_maskz_loadu_ps((mask >> 16) as u16, source.wrapping_add(whole + TILE_SIDE));
                store(_mm512_cvtne2ps_pbh(high, low), target.add(whole));
            }
        }
    }

    /// Rounds two rows of up to 16 floats to bfloat16, in pairs: element `n` of the first beside that of the second. A row
    /// that is not there is of zeros, and so is what is behind `count`.
    ///
    /// # Safety
    /// It must be called while [`Tiles::dispatch`] runs a kernel. The rows must be readable for `count <= TILE_SIDE` floats, `target` writable
    /// for 64 bytes.
    #[inline(always)]
    pub unsafe fn round_pairs(self, rows: [Option<*const f32>; 2], count: usize, target: *mut Bf16) {
        // SAFETY: the caller's promise; the mask keeps to `count` floats.
        unsafe { store_pairs(pairs(rows, count), target) };
    }

    /// Rounds 16 columns of 1 to 32 floats to bfloat16 as [`Tiles::round_pairs`] does 32 rows: a tile of which each row is
    /// pairs of 16 columns. A column that is not there is of zeros, and so is what is behind `count`.
    ///
    /// # Safety
    /// It must be called while [`Tiles::dispatch`] runs a kernel. The columns must be readable for `1 <= count <= TILE_DEPTH` floats, `target`
    /// writable for a tile.
    #[inline(always)]
    pub unsafe fn round_columns(self, columns: [Option<*const f32>; TILE_SIDE], count: usize, target: *mut Bf16) {
        // SAFETY: the caller's promise.
        unsafe {
            for (n, column) in columns.into_iter().enumerate() {
                match column {
                    Some(column) => self.round_row(column, count, target.add(n * TILE_DEPTH)),
                    None => store_pairs(_mm512_setzero_si512(), target.add(n * TILE_DEPTH)),
                }
            }
            let mut rows = target.cast::<[__m512i; TILE_SIDE]>().read_unaligned();
            turn(&mut rows);
            target.cast::<[__m512i; TILE_SIDE]>().write_unaligned(rows);
        }
    }

    /// As [`Tiles::round_pairs`] for 32 rows, but turned: row `n` of the tile that it writes has element `n` of each.
    ///
    /// # Safety
    /// As [`Tiles::round_pairs`], of a whole tile.
    #[inline(always)]
    pub unsafe fn round_turned(self, rows: [Option<*const f32>; TILE_DEPTH], count: usize, target: *mut Bf16) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut columns = [_mm512_setzero_si512(); TILE_SIDE];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = pairs([rows[2 * j], rows[2 * j + 1]], count);
            }
            turn(&mut columns);
            for (n, column) in columns.into_iter().enumerate() {
                store_pairs(column, target.add(n * TILE_DEPTH));
            }
        }
    }
}

/// # Safety
/// 64 bytes must be writable.
#[inline(always)]
unsafe fn store(v: __m512bh, target: *mut Bf16) {
    // SAFETY: both are 512 bits without a meaning of their own; the caller's promise.
    unsafe { target.cast::<__m512bh>().write_unaligned(v) };
}

/// # Safety
/// 64 bytes must be writable.
#[inline(always)]
unsafe fn store_pairs(v: __m512i, target: *mut Bf16) {
    // SAFETY: the caller's promise.
    unsafe { target.cast::<__m512i>().write_unaligned(v) };
}

/// # Safety
/// As [`Tiles::round_pairs`].
#[inline(always)]
unsafe fn pairs(rows: [Option<*const f32>; 2], count: usize) -> __m512i {
    // SAFETY: the caller's promise; the mask keeps to `count` floats.
    unsafe {
        let mask = ((1u32 << count) - 1) as u16;
        let mut halves = [_mm512_setzero_ps(); 2];
        for (half, row) in halves.iter_mut().zip(rows) {
            if let Some(row) = row {
                *half = _mm512_maskz_loadu_ps(mask, row);
            }
        }
        let [first, second] = halves;
        // Each rounded on its own to 16 bits that widen to 32, the second's then moved up.
        let first: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(first));
        let second: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(second));
        let second = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(second));
        _mm512_or_si512(_mm512_cvtepu16_epi32(first), second)
    }
}

/// Turns a square of 32-bit numbers: row `r`, column `c` becomes row `c`, column `r`.
///
/// # Safety
/// The CPU must have AVX-512.
#[inline(always)]
unsafe fn turn(rows: &mut [__m512i; TILE_SIDE]) {
    // Four steps: pairs of numbers, then pairs of pairs within each quarter of a vector, then quarters and halves.
    // SAFETY: the caller's promise.
    unsafe {
        let mut from = *rows;
        for pair in 0..8 {
            let (a, b) = (from[2 * pair], from[2 * pair + 1]);
            rows[2 * pair] = _mm512_unpacklo_epi32(a, b);
            rows[2 * pair + 1] = _mm512_unpackhi_epi32(a, b);
        }
        for four in 0..4 {
            let [a, b, c, d] = [rows[4 * four], rows[4 * four + 1], rows[4 * four + 2], rows[4 * four + 3]];
            from[4 * four] = _mm512_unpacklo_epi64(a, c);
            from[4 * four + 1] = _mm512_unpackhi_epi64(a, c);
            from[4 * four + 2] = _mm512_unpacklo_epi64(b, d);
            from[4 * four + 3] = _mm512_unpackhi_epi64(b, d);
        }
        // Now quarter `q` of `from[4 f + n]` has rows `4 f ..` of column `4 q + n`.
        for n in 0..4 {
            let [a, b, c, d] = [from[n], from[4 + n], from[8 + n], from[12 + n]];
            let (even_low, odd_low) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
            let (even_high, odd_high) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
            rows[n] = _mm512_shuffle_i32x4::<0x88>(even_low, even_high);
            rows[4 + n] = _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high);
            rows[8 + n] = _mm512_shuffle_i32x4::<0xdd>(even_low, even_high);
            rows[12 + n] = _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high);
        }
    }
}
