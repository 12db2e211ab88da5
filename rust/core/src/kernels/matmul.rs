//! `C = A · B` for a packed `B`.

use std::ops::Range;

use super::accumulate::{MAX_TILE_ROWS, PANEL_VECTORS, Scratch, load, row_blocks, store, sum_rows, with_rows};
use super::pack::PackedMatrix;
use super::rows::{Rows, RowsMut};
use super::state::with_vectors;
use super::tiled::{ROUNDED_ROWS, RoundedRows, TileSums, tile_blocks, with_rounded};
use crate::simd::{Isa, Kernel, Simd, TILE_DEPTH, TILE_LEN, TileKernel, Tiles};

/// Rows of `B` read before the next rows of `A`: a panel of so many stays in the L2 cache.
const DEPTH_BLOCK: usize = 512;

/// What `C` starts from.
#[derive(Clone, Copy)]
pub enum Initial<'a> {
    /// `C = A · B`
    Zero,
    /// `C = A · B + bias`, the bias added to every row.
    Bias(&'a [f32]),
    /// `C += A · B`
    Target,
}

/// `C = A · B` with `A` of `rows x depth`, `B` of `depth x columns`, `C` of `rows x columns`.
///
/// Every element is one sum over depth, so its bits do not depend on how rows are shared among threads.
pub struct Matmul<'a> {
    /// Rows of `A` and `C`.
    pub rows: usize,
    /// `A`.
    pub a: Rows<'a>,
    /// `B`.
    pub b: &'a PackedMatrix,
    /// `C`.
    pub c: RowsMut<'a>,
    /// What `C` starts from.
    pub initial: Initial<'a>,
}

impl Matmul<'_> {
    /// Computes it.
    ///
    /// # Panics
    /// Where a slice is too short for the sizes, or `B` was packed for another vector length.
    pub fn run(self, isa: Isa) {
        let (depth, columns) = (self.b.depth(), self.b.columns());
        if self.rows == 0 || columns == 0 {
            return;
        }
        self.a.check(self.rows, depth);
        self.c.check(self.rows, columns);
        self.b.check(isa, self.b.depth(), self.b.columns());
        assert!(!self.b.has_turned());
        if let Initial::Bias(bias) = self.initial {
            assert_eq!(bias.len(), columns);
        }
        match self.b.tiles() {
            None => isa.dispatch(self),
            Some(tiles) => with_rounded(|[rounded, _]| tiles.dispatch(OnTiles { product: self, rounded })),
        }
    }
}

/// Terms of `A` that are rounded at a time, for the reason of [`ROUNDED_ROWS`].
const ROUNDED_DEPTH: usize = 1024;

/// The product on tiles.
struct OnTiles<'a> {
    product: Matmul<'a>,
    rounded: &'a mut RoundedRows,
}

impl TileKernel for OnTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S, tiles: Tiles) {
        let OnTiles { mut product, rounded } = self;
        let (depth, mut sums) = (product.b.depth(), TileSums::new());
        // A depth of zero still has to set C.
        for block in 0..depth.div_ceil(ROUNDED_DEPTH).max(1) {
            let from = block * ROUNDED_DEPTH;
            for start in (0..product.rows).step_by(ROUNDED_ROWS) {
                let rows = ROUNDED_ROWS.min(product.rows - start);
                let columns = (from, ROUNDED_DEPTH.min(depth - from));
                // SAFETY: `Matmul::run` checked `A`.
                unsafe { rounded.take(tiles, &product.a, start..start + rows, columns) };
                for panel in 0..product.b.panels() {
                    let b = product.b.panel_tiles(panel).wrapping_add(from / TILE_DEPTH * PANEL_VECTORS * TILE_LEN);
                    with_vectors!(product.b.panel_vectors(panel), NV => for (first, count) in tile_blocks(rows) {
                        // SAFETY: the rows were rounded above; `from` is a whole number of tiles. `Matmul::run` checked `C`.
                        unsafe {
                            rounded.product(tiles, (first, count), b, &mut sums);
                            for r in 0..count {
                                let (sums, of) = sums.row(r);
                                let row = start + first + r;
                                product.put::<S, NV, PANEL_VECTORS>(simd, (row, panel), from == 0, sums, of);
                            }
                        }
                    });
                }
            }
        }
    }
}

const _: () = assert!(ROUNDED_DEPTH.is_multiple_of(TILE_DEPTH));

impl Kernel for Matmul<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let depth = self.b.depth();
        let mut sums = Scratch::new();
        // A depth of zero still has to set C.
        for block in 0..depth.div_ceil(DEPTH_BLOCK).max(1) {
            let from = block * DEPTH_BLOCK;
            let count = DEPTH_BLOCK.min(depth - from);
            for panel in 0..self.b.panels() {
                match self.b.panel_vectors(panel) {
                    1 => self.panel::<S, 1>(simd, panel, from, count, &mut sums),
                    2 => self.panel::<S, 2>(simd, panel, from, count, &mut sums),
                    3 => self.panel::<S, 3>(simd, panel, from, count, &mut sums),
                    _ => self.panel::<S, 4>(simd, panel, from, count, &mut sums),
                }
            }
        }
    }
}

impl Matmul<'_> {
    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(
        &mut self,
        simd: S,
        panel: usize,
        from: usize,
        count: usize,
        sums: &mut Scratch,
    ) {
        const { assert!(S::TILE_ROWS <= MAX_TILE_ROWS) };
        for (row, rows) in row_blocks::<S>(self.rows) {
            with_rows!(S, rows, MR => self.tile::<S, MR, NV>(simd, panel, row, from..from + count, sums));
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        panel: usize,
        row: usize,
        depth: Range<usize>,
        sums: &mut Scratch,
    ) {
        let (from, count) = (depth.start, depth.len());
        let b = self.b.panel(panel);
        // SAFETY: `Matmul::run` checked that `rows` rows of `a` lie in their slice; `row + MR <= rows`, `from + count <= depth`.
        unsafe {
            let a: [*const f32; MR] = std::array::from_fn(|r| self.a.at(row + r).add(from));
            sum_rows::<S, MR, NV>(simd, count, a, b.as_ptr().add(from * NV * S::LANES), (), sums);
            for r in 0..MR {
                self.put::<S, NV, NV>(simd, (row + r, panel), from == 0, sums, r);
            }
        }
    }

    /// Adds row `r` of the sums, of `ROW` vectors, to a row of `C`, or to what that starts from.
    ///
    /// # Safety
    /// The sums must be there, and the row and the panel.
    #[inline(always)]
    unsafe fn put<S: Simd, const NV: usize, const ROW: usize>(
        &mut self,
        simd: S,
        (row, panel): (usize, usize),
        is_first: bool,
        sums: &Scratch,
        r: usize,
    ) {
        let column = panel * PANEL_VECTORS * S::LANES;
        // SAFETY: `Matmul::run` checked that `rows` rows of `c` lie in their slice and that the bias has one float a column; `width`
        // keeps vector `v` within the columns. The rest is the caller's promise.
        unsafe {
            let c = self.c.at(row).add(column);
            for v in 0..NV {
                let width = S::LANES.min(self.b.columns() - column - v * S::LANES);
                let (sum, at) = (sums.vector::<S, ROW>(simd, r, v), c.add(v * S::LANES));
                let before = match self.initial {
                    Initial::Bias(bias) if is_first => load(simd, bias.as_ptr().add(column + v * S::LANES), width),
                    Initial::Zero if is_first => simd.splat(0.0),
                    _ => load(simd, at, width),
                };
                store(simd, simd.add(before, sum), at, width);
            }
        }
    }
}
