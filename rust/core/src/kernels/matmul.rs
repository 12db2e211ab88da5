//! `C = A · B` for a packed `B`.

use std::ops::Range;

use super::accumulate::{Ahead, MAX_TILE_ROWS, PANEL_VECTORS, Scratch, load, row_blocks, store, sum_rows, with_rows};
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
        let column = panel * PANEL_VECTORS * S::LANES;
        let width = |v: usize| S::LANES.min(self.b.columns() - column - v * S::LANES);
        let b = self.b.panel(panel);
        // SAFETY: `Matmul::run` checked that `rows` rows of `a` and `c` lie in their slices and that the bias has one float a
        // column; `row + MR <= rows`, `from + count <= depth`, and `width` keeps vector `v` within the columns.
        unsafe {
            let c: [*mut f32; MR] = std::array::from_fn(|r| self.c.at(row + r).add(column));
            let at = |r: usize, v: usize| c[r].add(v * S::LANES);
            let a: [*const f32; MR] = std::array::from_fn(|r| self.a.at(row + r).add(from));
            sum_rows::<S, MR, NV>(simd, count, a, b.as_ptr().add(from * NV * S::LANES), Ahead::NONE, sums);
            for r in 0..MR {
                for v in 0..NV {
                    let sum = sums.vector::<S, NV>(simd, r, v);
                    let before = match self.initial {
                        Initial::Bias(bias) if from == 0 => {
                            load(simd, bias.as_ptr().add(column + v * S::LANES), width(v))
                        }
                        Initial::Zero if from == 0 => simd.splat(0.0),
                        _ => load(simd, at(r, v), width(v)),
                    };
                    store(simd, simd.add(before, sum), at(r, v), width(v));
                }
            }
        }
    }
}
