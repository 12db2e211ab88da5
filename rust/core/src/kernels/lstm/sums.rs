//! Products with a panel of the four gates' weights.

use std::hint::black_box;

use crate::kernels::accumulate::{Ahead, LeftRows, PANEL_VECTORS, Scratch, sum_block, sum_blocks, sum_rows};
use crate::kernels::pack::{NARROW_VECTORS, PackedMatrix};
use crate::simd::{Kernel, Simd};

/// As [`sum_rows`] for a panel of four gates, which may be narrow: a vector for each gate, with zeros beyond its units.
///
/// # Safety
/// As for [`sum_rows`]; `matrix` must be packed by four gates for this vector length, and `panel` one of its panels.
#[inline(always)]
pub(super) unsafe fn sum_gates<S: Simd, const MR: usize>(
    simd: S,
    rows: [*const f32; MR],
    (matrix, panel): (&PackedMatrix, usize),
    ahead: impl Ahead,
    sums: &mut Scratch,
) {
    if matrix.is_narrow(panel) {
        simd.apart(NarrowSums { rows, matrix, panel, ahead, sums });
    } else {
        // SAFETY: the caller's promise; the panel is full.
        unsafe {
            let b = matrix.panel(panel).as_ptr();
            sum_rows::<S, MR, PANEL_VECTORS>(simd, matrix.depth(), rows, b, ahead, sums);
        }
    }
}

/// [`sum_gates`] of a narrow panel. Apart from its callers, which are many, it is compiled once for each kind of what is ahead.
struct NarrowSums<'a, A, const MR: usize> {
    rows: [*const f32; MR],
    matrix: &'a PackedMatrix,
    panel: usize,
    ahead: A,
    sums: &'a mut Scratch,
}

impl<A: Ahead, const MR: usize> Kernel for NarrowSums<'_, A, MR> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: `sum_gates`, which alone makes these, was promised the rows and the matrix.
        unsafe {
            match self.matrix.panel_vectors(self.panel) {
                1 => self.sum::<S, 1>(simd),
                NARROW_VECTORS => self.sum::<S, NARROW_VECTORS>(simd),
                vectors => unreachable!("a narrow panel of {vectors} vectors"),
            }
        }
    }
}

impl<A: Ahead, const MR: usize> NarrowSums<'_, A, MR> {
    /// # Safety
    /// As for [`sum_gates`]; the panel must have `NV` vectors.
    #[inline(always)]
    unsafe fn sum<S: Simd, const NV: usize>(self, simd: S) {
        let (_, units) = self.matrix.gates();
        let units = units - self.panel * S::LANES;
        assert!(PANEL_VECTORS * units <= NV * S::LANES);
        // Hidden from the compiler as in `sum_rows`; in blocks as long as a full panel's, which gives the same bits.
        let (rows, most) = (LeftRows(black_box(self.rows)), const { sum_block::<PANEL_VECTORS>() });
        let (b, depth) = (self.matrix.panel(self.panel).as_ptr(), self.matrix.depth());
        let mut narrow = Scratch::new();
        // SAFETY: the caller's promise; by the assertion the gates lie within a row's vectors, which `narrow` holds for each row.
        unsafe {
            sum_blocks::<S, MR, NV>(simd, most, depth, rows, b, self.ahead, &mut narrow);
            for r in 0..MR {
                for gate in 0..PANEL_VECTORS {
                    let sums = narrow.part::<S, NV>(simd, r, gate * units, units);
                    self.sums.replace::<S, PANEL_VECTORS>(simd, r, gate, sums);
                }
            }
        }
    }
}
