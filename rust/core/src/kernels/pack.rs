//! Weight matrices in the order in which the inner loop reads them.
//!
//! A *panel* is up to four vectors wide and as deep as the matrix; row follows row in it without a gap. Columns beyond
//! the matrix are zeros, so that the inner loop has no edge.

use std::collections::TryReserveError;

use super::AlignedBuffer;
use super::accumulate::PANEL_VECTORS;
use crate::simd::Isa;

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
    pub fn pack(&mut self, isa: Isa, source: Source<'_>, depth: usize, columns: usize) -> Result<(), TryReserveError> {
        let lanes = isa.lanes();
        self.reset(depth, columns, lanes, PANEL_VECTORS)?;
        for panel in 0..self.panels() {
            let vectors = self.panel_vectors(panel);
            for v in 0..vectors {
                let first = (panel * PANEL_VECTORS + v) * lanes;
                self.fill(panel, v, vectors, source, first, lanes.min(columns - first));
            }
        }
        Ok(())
    }

    /// Packs the `depth x GATES units` weights of a cell, of up to four gates: panel `p` holds, for units `p LANES ..`, the
    /// columns of the gates side by side, of an LSTM i, f, c and o.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn pack_gates<const GATES: usize>(
        &mut self,
        isa: Isa,
        source: Source<'_>,
        depth: usize,
        units: usize,
    ) -> Result<(), TryReserveError> {
        const { assert!(GATES <= PANEL_VECTORS) };
        let lanes = isa.lanes();
        let panels = units.div_ceil(lanes);
        self.reset(depth, panels * GATES * lanes, lanes, GATES)?;
        for panel in 0..panels {
            let first = panel * lanes;
            for gate in 0..GATES {
                self.fill(panel, gate, GATES, source, gate * units + first, lanes.min(units - first));
            }
        }
        Ok(())
    }

    fn reset(&mut self, depth: usize, columns: usize, lanes: usize, vectors: usize) -> Result<(), TryReserveError> {
        self.data.resize(depth * columns.div_ceil(lanes) * lanes)?;
        (self.depth, self.columns, self.lanes, self.vectors) = (depth, columns, lanes, vectors);
        Ok(())
    }

    /// Writes vector `v` of a panel from `count` source columns on, zeros behind them.
    fn fill(&mut self, panel: usize, v: usize, vectors: usize, source: Source<'_>, first: usize, count: usize) {
        let lanes = self.lanes;
        let start = panel * self.vectors * lanes * self.depth;
        for d in 0..self.depth {
            let to = start + (d * vectors + v) * lanes;
            let target = &mut self.data[to..to + lanes];
            let from = d * source.row_stride + first * source.column_stride;
            if source.column_stride == 1 {
                target[..count].copy_from_slice(&source.values[from..from + count]);
            } else {
                for (n, value) in target[..count].iter_mut().enumerate() {
                    *value = source.values[from + n * source.column_stride];
                }
            }
            target[count..].fill(0.0);
        }
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
