//! What products on tiles need beside packed weights: rows rounded to bfloat16, and a place for sums.

use std::cell::Cell;
use std::ops::Range;

use super::AlignedBuffer;
use super::accumulate::{MAX_TILE_ROWS, PANEL_VECTORS, Scratch};
use super::rows::Rows;
use crate::simd::{Bf16, LeftTiles, MAX_LANES, TILE_DEPTH, TILE_SIDE, Tiles};

/// Rows that are rounded at a time, where they are free to choose: they stay in the second-level cache while all panels are
/// multiplied with them.
pub(super) const ROUNDED_ROWS: usize = 128;

thread_local! {
    /// What a thread rounds, kept from kernel to kernel.
    static ROUNDED: Cell<[RoundedRows; 2]> = Cell::default();
}

/// Lends a thread's memory for rounded rows to a kernel.
pub(super) fn with_rounded<R>(borrower: impl FnOnce(&mut [RoundedRows; 2]) -> R) -> R {
    let mut rounded = ROUNDED.take();
    let result = borrower(&mut rounded);
    ROUNDED.set(rounded);
    result
}

/// Rows rounded to bfloat16, the left operand of a product. It keeps its memory.
#[derive(Default)]
pub(super) struct RoundedRows {
    data: AlignedBuffer,
    columns: usize,
}

impl RoundedRows {
    /// Bytes from row to row: an odd number of cache lines, so that the rows of a tile spread over all sets of the cache.
    fn stride(&self) -> usize {
        (self.columns.div_ceil(TILE_DEPTH) | 1) * TILE_DEPTH * size_of::<Bf16>()
    }

    /// Makes room for so many rows of so many columns. What they hold is undefined.
    ///
    /// # Panics
    /// Where there is no memory for them.
    pub(super) fn resize(&mut self, rows: usize, columns: usize) {
        self.columns = columns;
        let bytes = rows.next_multiple_of(TILE_SIDE) * self.stride();
        self.data.resize(bytes / size_of::<f32>()).expect("memory for rounded rows");
    }

    /// Fills a row.
    ///
    /// # Safety
    /// It must be called while [`Tiles::dispatch`] runs a kernel. There must be room for the row, and the source be readable
    /// for so many columns.
    #[inline(always)]
    pub(super) unsafe fn round(&mut self, tiles: Tiles, row: usize, source: *const f32) {
        // SAFETY: `resize` made room; the caller's promise.
        unsafe {
            let target = self.data.as_mut_ptr().byte_add(row * self.stride());
            tiles.round_row(source, self.columns, target.cast());
        }
    }

    /// Makes room for adjacent ones of some rows, of columns `from .. from + columns`, and fills it.
    ///
    /// # Safety
    /// It must be called while [`Tiles::dispatch`] runs a kernel; [`Rows::check`] must have passed for these rows and columns.
    #[inline(always)]
    pub(super) unsafe fn take(
        &mut self,
        tiles: Tiles,
        source: &Rows<'_>,
        rows: Range<usize>,
        (from, columns): (usize, usize),
    ) {
        self.resize(rows.len(), columns);
        for (row, of_source) in rows.enumerate() {
            // SAFETY: there is room for so many rows; the caller's promise.
            unsafe { self.round(tiles, row, source.at(of_source).add(from)) };
        }
    }

    /// `sums = rows · panel` for up to 16 rows from `row` on. Sums of more rows mean nothing.
    ///
    /// # Safety
    /// As [`RoundedRows::round`]; the rows must be filled, and the panel be one of a matrix as deep as they have columns.
    #[inline(always)]
    pub(super) unsafe fn product(
        &self,
        tiles: Tiles,
        (row, rows): (usize, usize),
        panel: *const Bf16,
        sums: &mut TileSums,
    ) {
        let (depth, stride) = (self.columns.div_ceil(TILE_DEPTH), self.stride());
        debug_assert!((row + TILE_SIDE) * stride <= size_of_val(&*self.data));
        // SAFETY: `resize` made room for whole tiles of rows; the caller's promise.
        unsafe {
            let first = self.data.as_ptr().byte_add(row * stride).cast();
            let a = LeftTiles { first, stride, step: TILE_DEPTH * size_of::<Bf16>() };
            tiles.product(rows, depth, a, panel, sums.as_mut_ptr());
        }
    }
}

// The sums of a tile's row are a scratch's.
const _: () = assert!(MAX_LANES == TILE_SIDE && size_of::<TileSums>() >= TILE_SIDE * PANEL_VECTORS * MAX_LANES * 4);

/// The sums of 16 rows and four vectors, in scratches of [`MAX_TILE_ROWS`] rows.
pub(super) struct TileSums([Scratch; TileSums::PARTS]);

impl TileSums {
    const PARTS: usize = TILE_SIDE.div_ceil(MAX_TILE_ROWS);

    pub(super) fn new() -> Self {
        TileSums([const { Scratch::new() }; Self::PARTS])
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }

    /// The scratch of a row and which of its rows that is.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> (&Scratch, usize) {
        (&self.0[row / MAX_TILE_ROWS], row % MAX_TILE_ROWS)
    }

    /// The scratches, with how many of so many rows each has, and the first of them.
    #[inline(always)]
    pub(super) fn parts(&mut self, rows: usize) -> impl Iterator<Item = (usize, usize, &mut Scratch)> {
        self.0.iter_mut().enumerate().map_while(move |(i, scratch)| {
            let first = i * MAX_TILE_ROWS;
            (first < rows).then(|| (first, MAX_TILE_ROWS.min(rows - first), scratch))
        })
    }
}

/// Cuts `rows` into blocks of at most 16: (first row, rows).
#[inline(always)]
pub(super) fn tile_blocks(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).step_by(TILE_SIDE).map(move |first| (first, TILE_SIDE.min(rows - first)))
}
