//! The inner loop of everything: a register tile of `a · b`.

use crate::simd::Simd;

/// Vectors in a full panel: one for each gate of an LSTM.
pub(super) const PANEL_VECTORS: usize = 4;

/// Where a tile reads `a[row, depth] = *a.add(row * row_stride + depth * depth_stride)`.
#[derive(Clone, Copy)]
pub(super) struct Operand {
    pub a: *const f32,
    pub row_stride: usize,
    pub depth_stride: usize,
}

/// `tile[r, v] += Σ_d a[r, d] · b[d, v]` for one packed panel `b` of `NV` vectors a row.
///
/// With `MR = TILE_ROWS` and `NV = 4` the tile, one row of `b` and one broadcast fill the registers: a step of `d` is
/// `NV` loads, `MR` broadcasts and `MR · NV` multiply-adds, and nothing is stored.
///
/// # Safety
/// All of `a` that `MR` rows and `depth` steps name, and `depth * NV * LANES` floats of `b`, must be readable.
#[inline(always)]
pub(super) unsafe fn accumulate<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    tile: &mut [[S::V; NV]; MR],
    depth: usize,
    operand: Operand,
    b: *const f32,
) {
    for d in 0..depth {
        // SAFETY: `d < depth`, `r < MR`, `v < NV`: inside what the caller promises.
        unsafe {
            let row: [S::V; NV] = std::array::from_fn(|v| simd.load(b.add((d * NV + v) * S::LANES)));
            for (r, sums) in tile.iter_mut().enumerate() {
                let a = simd.splat(*operand.a.add(r * operand.row_stride + d * operand.depth_stride));
                for (sum, &b) in sums.iter_mut().zip(&row) {
                    *sum = simd.mul_add(a, b, *sum);
                }
            }
        }
    }
}

/// A tile's values in memory, row after row, `NV * LANES` floats each.
///
/// The tile leaves its registers once, here: a later loop that indexed the accumulators themselves would make the
/// compiler keep them in memory throughout.
pub(super) struct Scratch([f32; MAX_TILE_ROWS * PANEL_VECTORS * crate::simd::MAX_LANES]);

/// The most rows a tile has on any instruction set.
pub(super) const MAX_TILE_ROWS: usize = 6;

impl Scratch {
    pub(super) fn new() -> Self {
        Scratch([0.0; MAX_TILE_ROWS * PANEL_VECTORS * crate::simd::MAX_LANES])
    }

    #[inline(always)]
    pub(super) fn fill<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, tile: &[[S::V; NV]; MR]) {
        const { assert!(MR <= MAX_TILE_ROWS && NV <= PANEL_VECTORS && S::LANES <= crate::simd::MAX_LANES) };
        for (r, row) in tile.iter().enumerate() {
            for (v, &vector) in row.iter().enumerate() {
                // SAFETY: the assertion above bounds `(r * NV + v + 1) * LANES` by the array's length.
                unsafe { simd.store(vector, self.0.as_mut_ptr().add((r * NV + v) * S::LANES)) };
            }
        }
    }

    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *const f32 {
        self.0.as_ptr()
    }
}

/// Calls `$body` with the constant `$MR` equal to `$rows`, for `1..=TILE_ROWS`.
macro_rules! with_rows {
    ($simd:ty, $rows:expr, $MR:ident => $body:expr) => {{
        match $rows {
            1 => {
                const $MR: usize = 1;
                $body
            }
            2 if <$simd>::TILE_ROWS >= 2 => {
                const $MR: usize = 2;
                $body
            }
            3 if <$simd>::TILE_ROWS >= 3 => {
                const $MR: usize = 3;
                $body
            }
            4 if <$simd>::TILE_ROWS >= 4 => {
                const $MR: usize = 4;
                $body
            }
            5 if <$simd>::TILE_ROWS >= 5 => {
                const $MR: usize = 5;
                $body
            }
            6 if <$simd>::TILE_ROWS >= 6 => {
                const $MR: usize = 6;
                $body
            }
            rows => unreachable!("a tile of {rows} rows"),
        }
    }};
}
pub(super) use with_rows;

/// Cuts `rows` into the fewest blocks of at most `TILE_ROWS`, as even as can be: (first row, rows).
#[inline(always)]
pub(super) fn row_blocks<S: Simd>(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let blocks = rows.div_ceil(S::TILE_ROWS).max(1);
    (0..blocks)
        .map(move |i| {
            let start = i * rows / blocks;
            (start, (i + 1) * rows / blocks - start)
        })
        .filter(|&(_, count)| count > 0)
}
