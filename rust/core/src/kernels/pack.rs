//! Weight matrices in the order in which the inner loop reads them.
//!
//! A *panel* is up to four vectors wide and as deep as the matrix; row follows row in it without a gap. Columns beyond
//! the matrix are zeros, so that the inner loop has no edge.

use std::collections::TryReserveError;
use std::ops::Range;

use super::AlignedBuffer;
use super::accumulate::{PANEL_VECTORS, load};
use super::span;
use crate::parallel;
use crate::simd::{Isa, Kernel, Simd};

/// Bytes of weights of which enough stay in a core's second-level cache, be it of one or two MiB, from one pass to the next.
const SECOND_LEVEL: usize = 2 << 20;

/// A matrix to be packed: element `(d, n)` is `values[d * row_stride + n * column_stride]`.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The matrix' floats, from element (0, 0) on.
    pub values: &'a [f32],
    /// Distance of rows.
    pub row_stride: usize,
    /// Distance of columns.
    pub column_stride: usize,
}

impl<'a> Source<'a> {
    /// A row-major matrix.
    pub fn row_major(values: &'a [f32], columns: usize) -> Self {
        Source { values, row_stride: columns, column_stride: 1 }
    }

    /// The transpose of a row-major matrix with `columns` columns.
    pub fn transposed(values: &'a [f32], columns: usize) -> Self {
        Source { values, row_stride: 1, column_stride: columns }
    }
}

/// Vector `v` of a panel of so many vectors: some columns of the source, zeros behind them.
struct Fill<'a> {
    source: Source<'a>,
    columns: Range<usize>,
    target: &'a mut [f32],
    v: usize,
    vectors: usize,
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Source { values, row_stride, column_stride } = self.source;
        let Range { start, end } = self.columns;
        for (d, row) in self.target.chunks_exact_mut(self.vectors * S::LANES).enumerate() {
            let target = &mut row[self.v * S::LANES..][..S::LANES];
            // SAFETY: `fill` checked that the source holds these columns of every row; the target holds a vector.
            unsafe {
                let from = values.as_ptr().add(d * row_stride + start * column_stride);
                if column_stride == 1 {
                    simd.store(load(simd, from, end - start), target.as_mut_ptr());
                } else {
                    for (n, value) in target.iter_mut().enumerate() {
                        *value = if n < end - start { *from.add(n * column_stride) } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// A matrix of `depth` rows, packed for one vector length.
#[derive(Clone, Default)]
pub struct PackedMatrix {
    data: AlignedBuffer,
    depth: usize,
    columns: usize,
    lanes: usize,
    /// Vectors in a full panel.
    vectors: usize,
}

impl PackedMatrix {
    /// Packs `depth x columns`: panel `p` holds columns `4 p LANES ..` in order, the last panel only the vectors it needs.
    ///
    /// # Errors
    /// Where there is no memory for it.
    ///
    /// # Panics
    /// Where the source does not hold such a matrix.
    pub fn pack(&mut self, isa: Isa, source: Source<'_>, depth: usize, columns: usize) -> Result<(), TryReserveError> {
        let lanes = isa.lanes();
        self.reset(depth, columns, lanes, PANEL_VECTORS)?;
        self.fill(isa, source, columns, |panel, v| {
            let first = (panel * PANEL_VECTORS + v) * lanes;
            first..columns.min(first + lanes)
        });
        Ok(())
    }

    /// Packs the `depth x GATES units` weights of a cell, of up to four gates: panel `p` holds, for units `p LANES ..`, the
    /// columns of the gates side by side, of an LSTM i, f, c and o.
    ///
    /// # Errors
    /// Where there is no memory for it.
    ///
    /// # Panics
    /// Where the source does not hold such a matrix.
    pub fn pack_gates<const GATES: usize>(
        &mut self,
        isa: Isa,
        source: Source<'_>,
        depth: usize,
        units: usize,
    ) -> Result<(), TryReserveError> {
        const { assert!(GATES <= PANEL_VECTORS) };
        let lanes = isa.lanes();
        self.reset(depth, units.div_ceil(lanes) * GATES * lanes, lanes, GATES)?;
        self.fill(isa, source, GATES * units, |panel, gate| {
            let first = panel * lanes;
            gate * units + first..gate * units + units.min(first + lanes)
        });
        Ok(())
    }

    fn reset(&mut self, depth: usize, columns: usize, lanes: usize, vectors: usize) -> Result<(), TryReserveError> {
        self.data.resize(depth * columns.div_ceil(lanes) * lanes)?;
        (self.depth, self.columns, self.lanes, self.vectors) = (depth, columns, lanes, vectors);
        Ok(())
    }

    /// Copies every panel, shared among the threads: its vector `v` the `columns(panel, v)` of a source with so many.
    fn fill(
        &mut self,
        isa: Isa,
        source: Source<'_>,
        width: usize,
        columns: impl Fn(usize, usize) -> Range<usize> + Sync,
    ) {
        if self.data.is_empty() {
            return;
        }
        assert!(source.values.len() >= span(self.depth, source.row_stride, span(width, source.column_stride, 1)));
        let vector = self.lanes * self.depth;
        let operations = self.data.len() * parallel::COPY_OPERATIONS;
        parallel::run(operations, self.data.chunks_mut(self.vectors * vector).enumerate(), |(panel, target)| {
            let vectors = target.len() / vector;
            for v in 0..vectors {
                isa.dispatch(Fill { source, columns: columns(panel, v), target, v, vectors });
            }
        });
    }

    /// Rows.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns, padding of gates included.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Floats in a vector.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// How many panels there are.
    pub fn panels(&self) -> usize {
        if self.lanes == 0 { 0 } else { self.columns.div_ceil(self.vectors * self.lanes) }
    }

    /// How many vectors wide a panel is.
    pub fn panel_vectors(&self, panel: usize) -> usize {
        (self.columns.div_ceil(self.lanes) - panel * self.vectors).min(self.vectors)
    }

    /// What to ask for of the panel that comes next while another of the `used` ones is read by so many tiles: nothing where
    /// they stay in the second-level cache from one pass to the next, or where few tiles would have to ask for much.
    pub(super) fn coming(&self, next: Option<usize>, used: usize, tiles: usize) -> &[f32] {
        match next {
            Some(next) if tiles >= 4 && used * size_of_val(self.panel(next)) > SECOND_LEVEL => self.panel(next),
            _ => &[],
        }
    }

    /// A panel's floats.
    pub fn panel(&self, panel: usize) -> &[f32] {
        let start = panel * self.vectors * self.lanes * self.depth;
        &self.data[start..start + self.panel_vectors(panel) * self.lanes * self.depth]
    }
}
