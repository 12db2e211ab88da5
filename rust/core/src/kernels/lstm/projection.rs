//! `x · W + b`

use super::sums::sum_gates;
use crate::kernels::accumulate::{Ahead, PANEL_VECTORS, Scratch, row_blocks, store, with_rows};
use crate::kernels::pack::PackedMatrix;
use crate::kernels::rows::Rows;
use crate::kernels::shared::Shared;
use crate::kernels::tiled::{ROUNDED_ROWS, RoundedRows, TileSums, tile_blocks, with_rounded};
use crate::kernels::volume;
use crate::simd::{Isa, Kernel, Simd, TileKernel, Tiles};

/// `x · W + b`
#[derive(Clone, Copy)]
pub struct Projection<'a> {
    /// `x`: row `n` of the order takes row `n` of these.
    pub x: Rows<'a>,
    /// `W`, packed by gates.
    pub kernel: &'a PackedMatrix,
    /// `b`, packed by gates; a matrix of one row.
    pub bias: &'a PackedMatrix,
}

impl Projection<'_> {
    pub(super) fn check(&self, isa: Isa, rows: usize, units: usize) {
        self.x.check(rows, self.kernel.depth());
        self.kernel.check_gates(isa, PANEL_VECTORS, self.kernel.depth(), units);
        self.bias.check_gates(isa, PANEL_VECTORS, 1, units);
        assert!(self.bias.tiles().is_none());
    }

    /// Fills `sums` with `x · W` of a panel, for the rows of `x` given, and asks for what is ahead.
    ///
    /// # Safety
    /// [`Projection::check`] must have passed for those rows; `panel` must be one of the panels.
    #[inline(always)]
    pub(super) unsafe fn sum<S: Simd, const MR: usize>(
        &self,
        simd: S,
        panel: usize,
        rows: [usize; MR],
        ahead: impl Ahead,
        sums: &mut Scratch,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = rows.map(|row| self.x.at(row));
            sum_gates::<S, MR>(simd, x, (self.kernel, panel), ahead, sums);
        }
    }

    /// `b` of a panel: a vector for each gate.
    #[inline(always)]
    pub(super) fn bias_of(&self, panel: usize) -> *const f32 {
        self.bias.panel(panel).as_ptr()
    }

    /// `x · W + b` of a gate, for row `r` of the sums.
    ///
    /// # Safety
    /// [`Projection::sum`] must have filled the sums with this panel and more than `r` rows.
    #[inline(always)]
    unsafe fn z<S: Simd>(&self, simd: S, panel: usize, r: usize, gate: usize, sums: &Scratch) -> S::V {
        // SAFETY: the caller's promise; `check` saw that the bias is packed by gates.
        unsafe {
            let bias = simd.load(self.bias_of(panel).add(gate * S::LANES));
            simd.add(sums.vector::<S, PANEL_VECTORS>(simd, r, gate), bias)
        }
    }

    /// Writes `x · W + b` of a panel to rows of `4 units`.
    ///
    /// # Safety
    /// As for [`Projection::sum`]; the rows must be writable.
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd, const MR: usize>(
        &self,
        simd: S,
        panel: usize,
        units: usize,
        rows: [(usize, *mut f32); MR],
        ahead: impl Ahead,
        sums: &mut Scratch,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            self.sum(simd, panel, rows.map(|(row, _)| row), ahead, sums);
            for (r, (_, target)) in rows.into_iter().enumerate() {
                self.put(simd, panel, units, target, sums, r);
            }
        }
    }

    /// Writes `x · W + b` of a panel, for row `r` of the sums, to a row of `4 units`.
    ///
    /// # Safety
    /// As for [`Projection::z`]; the row must be writable.
    #[inline(always)]
    pub(super) unsafe fn put<S: Simd>(
        &self,
        simd: S,
        panel: usize,
        units: usize,
        target: *mut f32,
        sums: &Scratch,
        r: usize,
    ) {
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        for gate in 0..PANEL_VECTORS {
            // SAFETY: `first + count <= units`; the caller's promise.
            unsafe { store(simd, self.z(simd, panel, r, gate, sums), target.add(gate * units + first), count) };
        }
    }
}

/// A projection of rows before any pass: [`Input::Given`](super::Input::Given) takes what it makes.
pub struct Project<'a> {
    /// What.
    pub projection: Projection<'a>,
    /// How many rows.
    pub rows: usize,
    /// Units.
    pub units: usize,
    /// `rows x 4 units`: i, f, c and o.
    pub z: &'a mut [f32],
}

impl Project<'_> {
    /// Computes it.
    ///
    /// # Panics
    /// Where sizes and slices do not fit.
    // Not inlined, so that what its loops became can be found under the kernel's name.
    #[inline(never)]
    pub fn run(self, isa: Isa) {
        self.projection.check(isa, self.rows, self.units);
        assert_eq!(self.z.len(), volume(&[self.rows, 4, self.units]));
        match self.projection.kernel.tiles() {
            None => isa.dispatch(self),
            Some(tiles) => with_rounded(|[rounded, _]| tiles.dispatch(OnTiles { project: self, rounded })),
        }
    }
}

struct OnTiles<'a> {
    project: Project<'a>,
    rounded: &'a mut RoundedRows,
}

impl TileKernel for OnTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S, tiles: Tiles) {
        let OnTiles { project: Project { projection, rows, units, z }, rounded } = self;
        let z = Shared::new(z);
        let mut sums = TileSums::new();
        for start in (0..rows).step_by(ROUNDED_ROWS) {
            let count = ROUNDED_ROWS.min(rows - start);
            // SAFETY: `run` checked the sizes; `start + count <= rows`, here and below.
            unsafe { rounded.take(tiles, &projection.x, start..start + count, (0, projection.kernel.depth())) };
            for panel in 0..units.div_ceil(S::LANES) {
                for (first, count) in tile_blocks(count) {
                    // SAFETY: as above.
                    unsafe {
                        rounded.product(tiles, (first, count), projection.kernel.panel_tiles(panel), &mut sums);
                        for r in 0..count {
                            let (sums, of) = sums.row(r);
                            projection.put(simd, panel, units, z.at((start + first + r) * 4 * units), sums, of);
                        }
                    }
                }
            }
        }
    }
}

impl Kernel for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let z = Shared::new(self.z);
        let mut sums = Scratch::new();
        for panel in 0..self.units.div_ceil(S::LANES) {
            for (row, rows) in row_blocks::<S>(self.rows) {
                // SAFETY: `run` checked the sizes; `row + rows <= self.rows`.
                with_rows!(S, rows, MR => unsafe {
                    let rows = std::array::from_fn(|r| (row + r, z.at((row + r) * 4 * self.units)));
                    self.projection.store::<S, MR>(simd, panel, self.units, rows, (), &mut sums);
                });
            }
        }
    }
}
