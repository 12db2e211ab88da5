//! `C = A · B` for a packed `B`.

use super::accumulate::{MAX_TILE_ROWS, PANEL_VECTORS, accumulate_rows, load, row_blocks, store, with_rows};
use super::pack::PackedMatrix;
use super::rows::{Rows, RowsMut};
use crate::simd::{Isa, Kernel, Simd};

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
/// Every element is the sum over depth in order, so its bits do not depend on how rows are shared among threads.
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
        assert_eq!(self.b.lanes(), isa.lanes());
        if let Initial::Bias(bias) = self.initial {
            assert_eq!(bias.len(), columns);
        }
        isa.dispatch(self);
    }
}

impl Kernel for Matmul<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let depth = self.b.depth();
        // A depth of zero still has to set C.
        for block in 0..depth.div_ceil(DEPTH_BLOCK).max(1) {
            let from = block * DEPTH_BLOCK;
            let count = DEPTH_BLOCK.min(depth - from);
            for panel in 0..self.b.panels() {
                match self.b.panel_vectors(panel) {
                    1 => self.panel::<S, 1>(simd, panel, from, count),
                    2 => self.panel::<S, 2>(simd, panel, from, count),
                    3 => self.panel::<S, 3>(simd, panel, from, count),
                    _ => self.panel::<S, 4>(simd, panel, from, count),
                }
            }
        }
    }
}

impl Matmul<'_> {
    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(&mut self, simd: S, panel: usize, from: usize, count: usize) {
        const { assert!(S::TILE_ROWS <= MAX_TILE_ROWS) };
        for (row, rows) in row_blocks::<S>(self.rows) {
            with_rows!(S, rows, MR => self.tile::<S, MR, NV>(simd, panel, row, from, count));
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        panel: usize,
        row: usize,
        from: usize,
        count: usize,
    ) {
        let column = panel * PANEL_VECTORS * S::LANES;
        let width = |v: usize| S::LANES.min(self.b.columns() - column - v * S::LANES);
        let b = self.b.panel(panel);
        // SAFETY: `Matmul::run` checked that `rows` rows of `a` and `c` lie in their slices and that the bias has one float a
        // column; `row + MR <= rows`, `from + count <= depth`, and `width` keeps vector `v` within the columns.
        unsafe {
            let c: [*mut f32; MR] = std::array::from_fn(|r| self.c.at(row + r).add(column));
            let at = |r: usize, v: usize| c[r].add(v * S::LANES);
            let mut tile: [[S::V; NV]; MR] = match self.initial {
                _ if from > 0 => std::array::from_fn(|r| std::array::from_fn(|v| load(simd, at(r, v), width(v)))),
                Initial::Zero => [[simd.splat(0.0); NV]; MR],
                Initial::Bias(bias) => {
                    [std::array::from_fn(|v| load(simd, bias.as_ptr().add(column + v * S::LANES), width(v))); MR]
                }
                Initial::Target => std::array::from_fn(|r| std::array::from_fn(|v| load(simd, at(r, v), width(v)))),
            };
            let a: [*const f32; MR] = std::array::from_fn(|r| self.a.at(row + r).add(from));
            accumulate_rows(simd, &mut tile, count, a, b.as_ptr().add(from * NV * S::LANES));
            for (r, sums) in tile.iter().enumerate() {
                for (v, &sum) in sums.iter().enumerate() {
                    store(simd, sum, at(r, v), width(v));
                }
            }
        }
    }
}
