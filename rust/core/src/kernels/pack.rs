//! Weight matrices in the order in which the inner loop reads them.
//!
//! A *panel* is up to four vectors wide and as deep as the matrix; row follows row in it without a gap. Columns beyond
//! the matrix are zeros, so that the inner loop has no edge. The gates of a few last units stand side by side in a *narrow*
//! panel of one or two vectors, and a few last columns can stand behind the last panel *turned*, each as a row. For products
//! on tiles a panel is always four vectors wide, in bfloat16, and 32 rows of four columns of tiles follow one after another,
//! with zeros beyond the depth, too.

use std::collections::TryReserveError;
use std::ops::Range;

use super::AlignedBuffer;
use super::accumulate::{PANEL_VECTORS, load, sum_block};
use super::span;
use crate::parallel;
use crate::simd::{Bf16, Isa, Kernel, Simd, TILE_DEPTH, TILE_LEN, TILE_SIDE, TileKernel, Tiles, is_amd};

/// Bytes of weights of which enough stay in a core's second-level cache, be it of one or two MiB, from one pass to the next.
const SECOND_LEVEL: usize = 2 << 20;

/// The most vectors of a narrow panel: three would save too little.
pub(super) const NARROW_VECTORS: usize = 2;
/// The least depth at which a narrow panel pays: spreading its sums to four vectors takes a while.
const NARROW_DEPTH: usize = 8;
// Who adds a bias, of one row, finds a vector for each gate.
const _: () = assert!(NARROW_DEPTH > 1);

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

/// A panel on tiles: of so many columns of the source from each of four on, zeros beside them and below `depth` rows.
struct FillTiles<'a> {
    source: Source<'a>,
    depth: usize,
    columns: [Range<usize>; PANEL_VECTORS],
    target: &'a mut [f32],
}

impl TileKernel for FillTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S, tiles: Tiles) {
        let Source { values, row_stride, column_stride } = self.source;
        let at = |d: usize, n: usize| values.as_ptr().wrapping_add(d * row_stride + n * column_stride);
        for (i, target) in self.target.chunks_exact_mut(TILE_FLOATS).enumerate() {
            let (block, vector) = (i / PANEL_VECTORS, i % PANEL_VECTORS);
            let target = target.as_mut_ptr().cast::<Bf16>();
            let (first, depth) = (block * TILE_DEPTH, TILE_DEPTH.min(self.depth - block * TILE_DEPTH));
            let Range { start, end } = self.columns[vector];
            // SAFETY: `fill` checked that the source holds these columns of every row, adjacent in one way or the other; the target
            // is a tile.
            unsafe {
                if column_stride == 1 {
                    for pair in 0..TILE_SIDE {
                        let mut rows = [None; 2];
                        for (r, row) in rows.iter_mut().enumerate() {
                            *row = (2 * pair + r < depth).then_some(at(first + 2 * pair + r, start));
                        }
                        tiles.round_pairs(rows, end - start, target.add(pair * TILE_DEPTH));
                    }
                } else {
                    let mut columns = [None; TILE_SIDE];
                    for (n, column) in columns.iter_mut().enumerate() {
                        *column = (n < end - start).then_some(at(first, start + n));
                    }
                    tiles.round_columns(columns, depth, target);
                }
            }
        }
    }
}

/// Floats in the place of a tile.
const TILE_FLOATS: usize = TILE_LEN / 2;

/// Floats in the place of a panel of tiles.
fn tiled_panel(depth: usize) -> usize {
    depth.div_ceil(TILE_DEPTH) * PANEL_VECTORS * TILE_FLOATS
}

/// A matrix of `depth` rows, packed for one vector length, or for tiles.
#[derive(Clone, Default)]
pub struct PackedMatrix {
    data: AlignedBuffer,
    /// What multiplies with it, if not vectors do.
    tiles: Option<Tiles>,
    depth: usize,
    columns: usize,
    lanes: usize,
    /// Vectors in a full panel.
    vectors: usize,
    /// Vectors in all, which are asked for too often to divide for them.
    all_vectors: usize,
    /// Of how many gates and units, where it was packed by gates; else zeros.
    gates: (usize, usize),
    /// How many last columns are turned, with those of zeros beside them.
    turned: usize,
}

/// The least depth at which a column is worth turning, for its products are summed across a vector in the end; and the most
/// vectors along it, for each lane is one sum of as many terms.
const TURNED_DEPTH: usize = 64;
const TURNED_VECTORS: usize = sum_block::<PANEL_VECTORS>();
/// How many columns are turned together, a quarter of a vector at most, beside which others fill what is left.
pub(super) const TURNED: [usize; 2] = [2, 4];

impl PackedMatrix {
    /// Packs `depth x columns`: panel `p` holds columns `4 p LANES ..` in order, the last panel only the vectors it needs.
    ///
    /// # Errors
    /// Where there is no memory for it.
    ///
    /// # Panics
    /// Where the source does not hold such a matrix; on tiles where neither its rows nor its columns are adjacent.
    pub fn pack(&mut self, isa: Isa, source: Source<'_>, depth: usize, columns: usize) -> Result<(), TryReserveError> {
        self.pack_columns(isa, source, (depth, columns), 0)
    }

    /// As [`PackedMatrix::pack`], with the last columns turned where they are few enough for that to pay.
    ///
    /// # Errors
    /// As [`PackedMatrix::pack`].
    ///
    /// # Panics
    /// As [`PackedMatrix::pack`].
    pub fn pack_turned(
        &mut self,
        isa: Isa,
        source: Source<'_>,
        depth: usize,
        columns: usize,
    ) -> Result<(), TryReserveError> {
        let (lanes, last) = (isa.lanes(), columns % isa.lanes());
        let fits = (TURNED_DEPTH..=TURNED_VECTORS * lanes).contains(&depth) && isa.tiles().is_none();
        let pays = last > 0 && columns > lanes && fits;
        let turned = TURNED.into_iter().find(|&turned| pays && last <= turned && turned <= lanes / 4);
        self.pack_columns(isa, source, (depth, columns), turned.unwrap_or(0))?;
        if self.turned == 0 {
            return Ok(());
        }
        let (full, width) = (columns - last, depth.next_multiple_of(lanes));
        let rows = self.data.len() - self.turned * width;
        for (n, row) in self.data[rows..].chunks_exact_mut(width).enumerate() {
            row.fill(0.0);
            for (d, value) in row.iter_mut().take(if n < last { depth } else { 0 }).enumerate() {
                *value = source.values[d * source.row_stride + (full + n) * source.column_stride];
            }
        }
        Ok(())
    }

    /// Packs all columns; where there is to be room for some that are turned, all but those of the last vector.
    fn pack_columns(
        &mut self,
        isa: Isa,
        source: Source<'_>,
        (depth, columns): (usize, usize),
        turned: usize,
    ) -> Result<(), TryReserveError> {
        let lanes = isa.lanes();
        self.reset(isa, depth, columns, PANEL_VECTORS)?;
        self.gates = (0, 0);
        if turned > 0 {
            self.turned = turned;
            let full = columns - columns % lanes;
            self.data.resize(depth * full + turned * depth.next_multiple_of(lanes))?;
        }
        self.fill(isa, (source, columns), self.panels(), |panel, v| {
            let first = columns.min((panel * PANEL_VECTORS + v) * lanes);
            first..columns.min(first + lanes)
        });
        Ok(())
    }

    /// Packs the `depth x GATES units` weights of a cell, of up to four gates: panel `p` holds, for units `p LANES ..`, the
    /// columns of the gates side by side, of an LSTM i, f, c and o, a vector for each. The last panel is narrow where there are four
    /// gates, its columns fit in two vectors, and the matrix is not too low, nor for tiles; fewer than four gates never are.
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
        let isa = if GATES == PANEL_VECTORS { isa } else { isa.without_tiles() };
        let (lanes, columns) = (isa.lanes(), GATES * units);
        let (full, last) = (units / lanes, units % lanes);
        let fits = last > 0 && GATES * last <= NARROW_VECTORS * lanes;
        let is_narrow = fits && (GATES, isa.tiles()) == (PANEL_VECTORS, None) && depth >= NARROW_DEPTH;
        let panels = if is_narrow { full } else { units.div_ceil(lanes) };
        self.reset(isa, depth, if is_narrow { columns } else { panels * GATES * lanes }, GATES)?;
        self.gates = (GATES, units);
        self.fill(isa, (source, columns), panels, |panel, gate| {
            let first = panel * lanes;
            gate * units + first..gate * units + units.min(first + lanes)
        });
        if is_narrow {
            let width = self.panel_vectors(full) * lanes;
            for (d, row) in self.data[full * GATES * lanes * depth..].chunks_exact_mut(width).enumerate() {
                row[GATES * last..].fill(0.0);
                for (gate, part) in row.chunks_exact_mut(last).take(GATES).enumerate() {
                    for (n, value) in part.iter_mut().enumerate() {
                        let column = gate * units + full * lanes + n;
                        *value = source.values[d * source.row_stride + column * source.column_stride];
                    }
                }
            }
        }
        Ok(())
    }

    fn reset(&mut self, isa: Isa, depth: usize, columns: usize, vectors: usize) -> Result<(), TryReserveError> {
        let lanes = isa.lanes();
        self.data.resize(match isa.tiles() {
            Some(_) => columns.div_ceil(vectors * lanes) * tiled_panel(depth),
            None => depth * columns.div_ceil(lanes) * lanes,
        })?;
        (self.depth, self.columns, self.lanes, self.vectors, self.turned) = (depth, columns, lanes, vectors, 0);
        self.all_vectors = columns.div_ceil(lanes);
        self.tiles = isa.tiles();
        Ok(())
    }

    /// Copies so many panels, shared among the threads: vector `v` of each the `columns(panel, v)` of a source with `width`.
    fn fill(
        &mut self,
        isa: Isa,
        (source, width): (Source<'_>, usize),
        panels: usize,
        columns: impl Fn(usize, usize) -> Range<usize> + Sync,
    ) {
        if self.data.is_empty() {
            return;
        }
        assert!(source.values.len() >= span(self.depth, source.row_stride, span(width, source.column_stride, 1)));
        let operations = self.data.len() * parallel::COPY_OPERATIONS;
        if let Some(tiles) = self.tiles {
            assert!(source.row_stride == 1 || source.column_stride == 1);
            let (depth, chunks) = (self.depth, self.data.chunks_mut(tiled_panel(self.depth)));
            return parallel::run(operations, chunks.enumerate().take(panels), |(panel, target)| {
                let columns = std::array::from_fn(|v| columns(panel, v));
                tiles.dispatch(FillTiles { source, depth, columns, target });
            });
        }
        let vector = self.lanes * self.depth;
        let chunks = self.data.chunks_mut(self.vectors * vector).enumerate().take(panels);
        parallel::run(operations, chunks, |(panel, target)| {
            // What is turned is less than a vector.
            let vectors = target.len() / vector;
            let target = &mut target[..vectors * vector];
            for v in 0..vectors {
                isa.dispatch(Fill { source, columns: columns(panel, v), target, v, vectors });
            }
        });
    }

    /// Rows.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns, with those that fill up the vectors of gates.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Floats in a vector.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// What multiplies with it, if not vectors do.
    pub fn tiles(&self) -> Option<Tiles> {
        self.tiles
    }

    /// A panel's tiles.
    pub(super) fn panel_tiles(&self, panel: usize) -> *const Bf16 {
        debug_assert!(self.tiles.is_some());
        let floats = tiled_panel(self.depth);
        self.data[panel * floats..][..floats].as_ptr().cast()
    }

    /// How many panels there are.
    pub fn panels(&self) -> usize {
        if self.vectors == 0 { 0 } else { self.all_vectors.div_ceil(self.vectors) }
    }

    /// How many vectors wide a panel is, the one of which the columns are turned included.
    pub fn panel_vectors(&self, panel: usize) -> usize {
        (self.all_vectors - panel * self.vectors).min(self.vectors)
    }

    /// Of how many gates and units it is, where it was packed by gates; else zeros.
    pub(super) fn gates(&self) -> (usize, usize) {
        self.gates
    }

    /// Whether a panel of gates is narrow.
    pub(super) fn is_narrow(&self, panel: usize) -> bool {
        self.panel_vectors(panel) < self.vectors
    }

    /// What to ask for of the panel that comes next while another of the `used` ones is read by so many tiles: nothing where
    /// they stay in the second-level cache from one pass to the next, or where few tiles would have to ask for much. AMD's
    /// CPUs fetch fast enough by themselves.
    pub(super) fn coming(&self, next: Option<usize>, used: usize, tiles: usize) -> &[f32] {
        match next {
            Some(next) if tiles >= 4 && used * size_of_val(self.panel(next)) > SECOND_LEVEL && !is_amd() => {
                self.panel(next)
            }
            _ => &[],
        }
    }

    /// A panel's floats, where it was not packed for tiles; without those that are turned.
    pub fn panel(&self, panel: usize) -> &[f32] {
        debug_assert!(self.tiles.is_none());
        let start = panel * self.vectors * self.lanes * self.depth;
        let vectors = self.panel_vectors(panel) - usize::from(self.is_turned(panel));
        &self.data[start..start + vectors * self.lanes * self.depth]
    }

    /// # Panics
    /// Where it was not packed by columns, `depth x columns` for vectors of this instruction set.
    pub(super) fn check(&self, isa: Isa, depth: usize, columns: usize) {
        assert_eq!((self.lanes, self.depth, self.columns, self.gates), (isa.lanes(), depth, columns, (0, 0)));
    }

    /// # Panics
    /// Where it was not packed by so many gates, `depth x gates units` for vectors of this instruction set.
    pub(super) fn check_gates(&self, isa: Isa, gates: usize, depth: usize, units: usize) {
        assert_eq!((self.lanes, self.depth, self.gates), (isa.lanes(), depth, (gates, units)));
    }

    /// Whether some columns are turned.
    pub(super) fn has_turned(&self) -> bool {
        self.turned > 0
    }

    /// Whether the columns of a panel's last vector are turned.
    #[inline]
    pub(super) fn is_turned(&self, panel: usize) -> bool {
        self.has_turned() && panel + 1 == self.panels()
    }

    /// The columns that are turned, each a row of whole vectors, and how many there are, those of zeros included: one of
    /// [`TURNED`], or none.
    pub(super) fn turned(&self) -> (&[f32], usize) {
        let width = self.depth.next_multiple_of(self.lanes.max(1));
        (&self.data[self.data.len() - self.turned * width..], self.turned)
    }
}
