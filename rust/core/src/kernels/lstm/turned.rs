//! Products with a panel of columns of which the last few may be turned.

use std::hint::black_box;

use crate::kernels::accumulate::{Ahead, Scratch, load, sum_rows};
use crate::kernels::pack::{PackedMatrix, TURNED};
use crate::simd::{Kernel, MAX_LANES, Simd};

/// As [`sum_rows`] for a panel of a matrix packed by columns, of `NV` vectors, in the last of which columns may be turned.
///
/// # Safety
/// As for [`sum_rows`]; the matrix must be packed by columns for this vector length, and `panel` be one of its panels, of `NV`
/// vectors.
#[inline(always)]
pub(super) unsafe fn sum_columns<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    rows: [*const f32; MR],
    (matrix, panel): (&PackedMatrix, usize),
    ahead: impl Ahead,
    sums: &mut Scratch,
) {
    // In shorter vectors no column is.
    if S::LANES >= 4 * TURNED[0] && matrix.is_turned(panel) {
        simd.apart(TurnedSums::<_, MR, NV> { rows, matrix, panel, ahead, sums });
    } else {
        // SAFETY: the caller's promise.
        unsafe {
            let b = matrix.panel(panel).as_ptr();
            sum_rows::<S, MR, NV>(simd, matrix.depth(), rows, b, ahead, sums);
        }
    }
}

/// [`sum_columns`] where the columns of the last vector are turned. Apart from its caller, in whose registers it would take part.
struct TurnedSums<'a, A, const MR: usize, const NV: usize> {
    rows: [*const f32; MR],
    matrix: &'a PackedMatrix,
    panel: usize,
    ahead: A,
    sums: &'a mut Scratch,
}

impl<A: Ahead, const MR: usize, const NV: usize> Kernel for TurnedSums<'_, A, MR, NV> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        const { assert!(TURNED[0] == 2 && TURNED[1] == 4) };
        // SAFETY: `sum_columns`, which alone makes these, was promised the rows and the matrix.
        unsafe {
            match NV {
                2 => self.sum_full::<S, 1>(simd),
                3 => self.sum_full::<S, 2>(simd),
                4 => self.sum_full::<S, 3>(simd),
                _ => {}
            }
            match self.matrix.turned() {
                (columns, 2) => self.sum_turned::<S, 2>(simd, columns),
                (columns, 4) if S::LANES >= 4 * TURNED[1] => self.sum_turned::<S, 4>(simd, columns),
                (_, count) => unreachable!("{count} turned columns"),
            }
        }
    }
}

impl<A: Ahead, const MR: usize, const NV: usize> TurnedSums<'_, A, MR, NV> {
    /// Sums all vectors but the last.
    ///
    /// # Safety
    /// As for [`sum_columns`]; `FULL` must be `NV - 1`.
    #[inline(always)]
    unsafe fn sum_full<S: Simd, const FULL: usize>(&mut self, simd: S) {
        let b = self.matrix.panel(self.panel).as_ptr();
        let mut full = Scratch::new();
        // SAFETY: the caller's promise; `full` is filled before it is read.
        unsafe {
            sum_rows::<S, MR, FULL>(simd, self.matrix.depth(), self.rows, b, self.ahead, &mut full);
            for r in 0..MR {
                for v in 0..FULL {
                    self.sums.replace::<S, NV>(simd, r, v, full.vector::<S, FULL>(simd, r, v));
                }
            }
        }
    }

    /// Sums the last vector: the products of rows with columns, both read along the depth.
    ///
    /// # Safety
    /// As for [`sum_columns`]; there must be `COUNT` turned columns.
    #[inline(always)]
    unsafe fn sum_turned<S: Simd, const COUNT: usize>(&mut self, simd: S, columns: &[f32]) {
        let (rows, depth) = (black_box(self.rows), self.matrix.depth());
        let width = columns.len() / COUNT;
        let mut tile = [[simd.splat(black_box(0.0)); COUNT]; MR];
        for first in (0..depth).step_by(S::LANES) {
            let count = S::LANES.min(depth - first);
            let mut weights = [simd.splat(0.0); COUNT];
            for (n, weights) in weights.iter_mut().enumerate() {
                // SAFETY: each column is a row of `width` floats, whole vectors, `depth` or more.
                *weights = unsafe { simd.load(columns.as_ptr().add(n * width + first)) };
            }
            for (sums, &row) in tile.iter_mut().zip(&rows) {
                // SAFETY: the caller's promise: `depth` floats of each row are readable.
                let a = unsafe { load(simd, row.add(first), count) };
                for (sum, &weights) in sums.iter_mut().zip(&weights) {
                    *sum = simd.mul_add(a, weights, *sum);
                }
            }
        }
        let mut products = Scratch::new();
        products.fill(simd, &tile);
        for r in 0..MR {
            let mut lanes = [0.0; MAX_LANES];
            for (n, lane) in lanes.iter_mut().enumerate().take(COUNT) {
                // SAFETY: filled just now.
                *lane = simd.sum(unsafe { products.vector::<S, COUNT>(simd, r, n) });
            }
            // SAFETY: as many lanes as any vector has.
            self.sums.replace::<S, NV>(simd, r, NV - 1, unsafe { simd.load(lanes.as_ptr()) });
        }
    }
}
