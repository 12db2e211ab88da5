//! `dW += Aᵀ · dZ` and `db += Σ dZ`: the gradients of weights that acted on every row of a batch, or on every time step
//! of every sequence.
//!
//! The work is cut into parts of `dW`, and each part into blocks of rows, one after another. Both operands of a block are
//! copied to where the tiles of the part find them in the cache. The sum runs over rows in an order that depends on nothing
//! but the sizes, so its bits are the same for any number of threads.

mod tiles;

use std::cell::Cell;
use std::ops::Range;

use super::accumulate::{
    Ahead, LINE, LeftColumns, PANEL_VECTORS, Scratch, load, row_blocks, share_of, store, sum_blocks, with_rows,
};
use super::buffer::AlignedBuffer;
use super::rows::Rows;
use super::shared::Shared;
use super::state::with_vectors;
use super::volume;
use crate::parallel::Team;
use crate::simd::{Isa, Kernel, Simd};

/// Rows taken at a time: so many for each time that a gradient is read and written.
const DEPTH_BLOCK: usize = 512;

/// Rows that are summed one after another before they are added to the sums of others.
const SUM_BLOCK: usize = 256;

/// Columns of `A` copied at a time: with a panel of `dZ` 928 KiB, most of which stay in the second-level cache.
const GROUP: usize = 384;

/// The most rows of what is copied next that a tile asks for.
const MOST_ASKED: usize = 64;

/// What each row of `dZ` is multiplied by to give the bias' gradient.
static ONE: f32 = 1.0;

/// The gradients of up to two weights and a bias that all acted on the same rows.
pub struct WeightGradient<'a> {
    /// How many rows.
    pub rows: usize,
    /// `dZ`.
    pub dz: Rows<'a>,
    /// `A_j` and `dW_j`, row-major, `A_j.width x dZ.width`; added to.
    pub operands: [Option<(Rows<'a>, &'a mut [f32])>; 2],
    /// `db`, added to.
    pub bias: Option<&'a mut [f32]>,
}

/// A [`WeightGradient`] cut into parts and blocks.
pub struct Parts<'a> {
    isa: Isa,
    rows: usize,
    dz: Rows<'a>,
    operands: [Option<(Rows<'a>, Shared<'a>)>; 2],
    bias: Option<Shared<'a>>,
    /// The columns of `dZ`, and so of every gradient, that are computed.
    columns: Range<usize>,
    /// How many runs of columns, and of rows of `dW`.
    cuts: (usize, usize),
}

/// At multiples of how many columns runs begin. Tiles take as long for a part of a panel as for a whole one; otherwise runs begin
/// at cache lines, where rows do.
fn grain(isa: Isa) -> usize {
    if isa.tiles().is_some() { PANEL_VECTORS * isa.lanes() } else { LINE }
}

/// The fewest rows of `dW` of a part: some tiles.
const LEAST_ROWS: usize = 24;

/// In how many runs of columns, which begin at multiples of a grain, and of rows to cut `dW` for `threads`, where its columns
/// are so many `grains`: so that no part has more than a thread's share and an eighth; where there are several blocks, than two
/// thirds of one, so that the threads end together though some may be slower.
///
/// Each run of columns copies all `a` columns of `A`, and each run of rows all `dz` columns of `dZ`: of the cuts that will do
/// the one that copies least.
fn cuts(threads: usize, blocks: usize, grains: usize, (dz, a): (usize, usize)) -> (usize, usize) {
    if threads <= 1 {
        return (1, 1);
    }
    let is_shared = blocks > 2;
    let (numerator, denominator) = if is_shared { (3, 2) } else { (8, 9) };
    let all = (1..=grains).map(|runs| {
        let largest = grains.div_ceil(runs);
        let rows = (largest * threads * numerator).div_ceil(grains * denominator);
        let rows = rows.min(a / LEAST_ROWS).max(1);
        // Whole parts are computed in rounds.
        let rounds = if is_shared { 1 } else { (runs * rows).div_ceil(threads) };
        // What is beyond that counts before what is copied.
        let excess = (largest * threads * numerator * rounds).saturating_sub(grains * rows * denominator);
        (excess, runs * a + rows * dz, (runs, rows))
    });
    all.min().map_or((1, 1), |(_, _, cuts)| cuts)
}

impl<'a> WeightGradient<'a> {
    /// Computes it on all threads of a team.
    ///
    /// # Panics
    /// As [`WeightGradient::parts`].
    pub fn run(self, isa: Isa, team: &Team) {
        let columns = 0..self.dz.width;
        self.run_of(columns, isa, team);
    }

    /// As [`WeightGradient::run`], of some columns alone: the others of every gradient stay as they are.
    ///
    /// # Panics
    /// As [`WeightGradient::parts`]; where there are not so many columns.
    pub fn run_of(self, columns: Range<usize>, isa: Isa, team: &Team) {
        let parts = self.parts_of(columns, isa, team.size());
        // SAFETY: this is how `chains` calls it.
        team.chains(parts.count(), parts.blocks(), |part, block| unsafe { parts.run(part, block) });
    }

    /// Cuts it for so many threads.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it.
    pub fn parts(self, isa: Isa, threads: usize) -> Parts<'a> {
        let columns = 0..self.dz.width;
        self.parts_of(columns, isa, threads)
    }

    fn parts_of(self, columns: Range<usize>, isa: Isa, threads: usize) -> Parts<'a> {
        let width = self.dz.width;
        assert!(columns.start <= columns.end && columns.end <= width);
        self.dz.check(self.rows, width);
        let operands = self.operands.map(|operand| {
            operand.map(|(a, gradient)| {
                a.check(self.rows, a.width);
                assert_eq!(gradient.len(), volume(&[a.width, width]));
                (a, Shared::new(gradient))
            })
        });
        let bias = self.bias.map(Shared::new);
        assert!(bias.is_none_or(|bias| bias.len() == width));
        let a = operands.iter().flatten().map(|(a, _)| a.width).sum();
        let grains = columns.len().div_ceil(grain(isa));
        let cuts = cuts(threads, self.rows.div_ceil(DEPTH_BLOCK), grains, (columns.len(), a));
        Parts { isa, rows: self.rows, dz: self.dz, operands, bias, columns, cuts }
    }
}

impl Parts<'_> {
    /// How many parts there are.
    pub fn count(&self) -> usize {
        self.cuts.0 * self.cuts.1
    }

    /// How many blocks each part has.
    pub fn blocks(&self) -> usize {
        self.rows.div_ceil(DEPTH_BLOCK)
    }

    /// Computes a block of a part.
    ///
    /// # Safety
    /// Each must be computed once, those of a part in order, each by a thread that sees what the one before wrote.
    pub unsafe fn run(&self, part: usize, block: usize) {
        let (runs, rows) = self.cuts;
        let (run, row) = (part % runs, part / runs);
        let grain = grain(self.isa);
        let grains = self.columns.len().div_ceil(grain);
        let start = |run: usize| (self.columns.start + run * grains / runs * grain).min(self.columns.end);
        let task = Task { all: self, columns: start(run)..start(run + 1), row: (row, rows), block };
        if let Some(tiles) = self.isa.tiles() {
            return tiles::run(tiles, task);
        }
        let mut packed = PACKED.take();
        let width = self.operands.iter().flatten().map(|(a, _)| a.width.next_multiple_of(LINE)).sum();
        let stride = Block::stride(GROUP.min(width));
        let floats = DEPTH_BLOCK.min(self.rows) * stride + DEPTH_BLOCK * PANEL_VECTORS * self.isa.lanes();
        packed.resize(floats).expect("memory for a block of rows");
        self.isa.dispatch(Addend { task, packed: &mut packed });
        PACKED.set(packed);
    }
}

thread_local! {
    /// Where a thread copies operands to, kept from block to block.
    static PACKED: Cell<AlignedBuffer> = Cell::default();
}

/// What a block of rows adds to some columns and one of several runs of rows of each `dW`.
struct Task<'a> {
    all: &'a Parts<'a>,
    columns: Range<usize>,
    row: (usize, usize),
    block: usize,
}

impl<'a> Task<'a> {
    /// The rows of the block.
    fn rows(&self) -> Range<usize> {
        let (all, blocks) = (self.all.rows, self.all.blocks());
        self.block * all / blocks..(self.block + 1) * all / blocks
    }

    /// The columns of each `A_j`.
    fn shares(&self) -> [Option<Share<'a>>; 2] {
        let (part, parts) = self.row;
        let [first, second] = &self.all.operands;
        [first, second].map(|operand| {
            let (a, gradient) = operand.as_ref()?;
            Some(Share { a, gradient: *gradient, columns: part * a.width / parts..(part + 1) * a.width / parts })
        })
    }

    /// The bias, which the first run of rows takes.
    fn bias(&self) -> Option<Shared<'a>> {
        self.all.bias.filter(|_| self.row.0 == 0)
    }
}

/// A task on vectors.
struct Addend<'a> {
    task: Task<'a>,
    packed: &'a mut AlignedBuffer,
}

impl Kernel for Addend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (rows, shares, mut bias) = (self.task.rows(), self.task.shares(), self.task.bias());
        let Task { all, columns, .. } = self.task;
        let (dz, a) = self.packed.split_at_mut(DEPTH_BLOCK * PANEL_VECTORS * S::LANES);
        let mut block = Block { all, columns, next: rows.end, rows, dz, a };
        let width: usize = shares.iter().flatten().map(Share::width).sum();
        if width <= GROUP {
            // A panel of `dZ` is copied once for both.
            return block.group(simd, &shares, bias);
        }
        for (j, share) in shares.iter().flatten().enumerate() {
            let groups = share.columns.len().div_ceil(GROUP);
            for group in 0..groups {
                let is_last = j + 1 == shares.iter().flatten().count() && group + 1 == groups;
                block.next = if is_last { block.rows.end } else { block.rows.start };
                block.group(simd, &[Some(share.part(group, groups)), None], bias.take());
            }
        }
    }
}

/// Some columns of an `A_j`, and so rows of its `dW_j`.
struct Share<'a> {
    a: &'a Rows<'a>,
    gradient: Shared<'a>,
    columns: Range<usize>,
}

impl<'a> Share<'a> {
    /// Floats that a row's columns take in a block, which are whole cache lines.
    fn width(&self) -> usize {
        self.columns.len().next_multiple_of(LINE)
    }

    fn part(&self, part: usize, parts: usize) -> Share<'a> {
        let at = |part| self.columns.start + part * self.columns.len() / parts;
        Share { columns: at(part)..at(part + 1), ..*self }
    }
}

/// Cuts columns into panels, as even as can be.
#[inline(always)]
fn panels(columns: &Range<usize>, lanes: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let Range { start, end } = *columns;
    let vectors = (end - start).div_ceil(lanes);
    let count = vectors.div_ceil(PANEL_VECTORS);
    (0..count).map(move |i| {
        let at = |i: usize| (start + i * vectors / count * lanes).min(end);
        at(i)..at(i + 1)
    })
}

/// A block of rows.
struct Block<'a> {
    all: &'a Parts<'a>,
    /// The columns of `dZ`.
    columns: Range<usize>,
    rows: Range<usize>,
    /// The first row that is taken after this group.
    next: usize,
    /// A panel of `dZ`, one row after another.
    dz: &'a mut [f32],
    /// The columns of a group of shares side by side, one row after another.
    a: &'a mut [f32],
}

impl Block<'_> {
    /// Floats from one row of `a` to the next: an odd number of cache lines, so that a column's rows spread over all sets of
    /// the cache. A power of two, as layers often have, would put them into a few.
    fn stride(width: usize) -> usize {
        (width.div_ceil(LINE) | 1) * LINE
    }

    /// Adds what the block brings to some rows of the gradients, and to the bias.
    #[inline(always)]
    fn group<S: Simd>(&mut self, simd: S, shares: &[Option<Share<'_>>; 2], bias: Option<Shared<'_>>) {
        let stride = Self::stride(shares.iter().flatten().map(Share::width).sum());
        assert!(self.rows.len() * stride <= self.a.len());
        let mut start = 0;
        for share in shares.iter().flatten() {
            let (a, columns) = (*share.a, share.columns.len());
            for (i, row) in self.rows.clone().enumerate() {
                // SAFETY: `parts` checked the rows; the widths of all shares, in whole cache lines, are at most `stride`.
                unsafe {
                    let (from, to) = (a.at(row).add(share.columns.start), self.a.as_mut_ptr().add(i * stride + start));
                    for column in (0..columns).step_by(S::LANES) {
                        let count = S::LANES.min(columns - column);
                        simd.store(load(simd, from.add(column), count), to.add(column));
                    }
                }
            }
            start += share.width();
        }
        for Range { start: column, end } in panels(&self.columns, S::LANES) {
            let width = end - column;
            // What is copied next: more of these rows, or the first columns of other rows.
            let next = if end < self.columns.end { (self.rows.start, end) } else { (self.next, self.columns.start) };
            with_vectors!(width.div_ceil(S::LANES), NV => {
                self.panel::<S, NV>(simd, (column, width), shares, stride, bias, next);
            });
        }
    }

    /// As [`Block::group`], for columns `column .. column + width` of the gradients and the bias.
    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(
        &mut self,
        simd: S,
        (column, width): (usize, usize),
        shares: &[Option<Share<'_>>; 2],
        stride: usize,
        bias: Option<Shared<'_>>,
        next: (usize, usize),
    ) {
        let vector = |v: usize| S::LANES.min(width - v * S::LANES);
        // A copy, which no store to memory can change.
        let from = self.all.dz;
        for (i, row) in self.rows.clone().enumerate() {
            // SAFETY: `parts` checked the rows; `dz` holds `DEPTH_BLOCK` rows of `NV` vectors, `vector` keeps within the columns.
            unsafe {
                let (from, to) = (from.at(row).add(column), self.dz.as_mut_ptr().add(i * NV * S::LANES));
                for v in 0..NV {
                    simd.store(load(simd, from.add(v * S::LANES), vector(v)), to.add(v * S::LANES));
                }
            }
        }
        let (dz, depth, to_next) = (self.dz.as_ptr(), self.rows.len(), self.all.dz.width);
        let mut sums = Scratch::new();
        if let Some(bias) = bias {
            let one = LeftColumns { first: &raw const ONE, stride: 0 };
            // SAFETY: `dz` holds the rows; the part with the first rows alone writes these columns of the bias, one block after
            // another.
            unsafe {
                sum_blocks::<S, 1, NV>(simd, SUM_BLOCK, depth, one, dz, (), &mut sums);
                add::<S, 1, NV, NV>(simd, &sums, bias.at(column), to_next, vector);
            }
        }
        let mut start = 0;
        // Rows of what is copied next that nobody has asked for yet.
        let mut left = if self.all.dz.index.is_some() { 0 } else { depth.min(self.all.rows - next.0) };
        let mut next = self.all.dz.as_ptr().wrapping_add(next.0 * to_next + next.1);
        let tiles: usize = shares.iter().flatten().map(|share| share.columns.len().div_ceil(S::TILE_ROWS)).sum();
        let most = left.div_ceil(tiles.max(1)).min(MOST_ASKED);
        for share in shares.iter().flatten() {
            for (first, count) in row_blocks::<S>(share.columns.len()) {
                // SAFETY: `a` and `dz` hold the rows; this part alone writes these rows and columns of the gradient, one block
                // after another.
                with_rows!(S, count, MR => unsafe {
                    let target = share.gradient.at((share.columns.start + first) * to_next + column);
                    let a = LeftColumns { first: self.a.as_ptr().add(start + first), stride };
                    let asked = left.min(most);
                    let ahead = ForAdding { target: target.cast_const(), rows: MR, next, next_rows: asked, vectors: NV, width: to_next };
                    sum_blocks::<S, MR, NV>(simd, SUM_BLOCK, depth, a, dz, ahead, &mut sums);
                    (left, next) = (left - asked, next.wrapping_add(asked * to_next));
                    add::<S, MR, NV, NV>(simd, &sums, target, to_next, vector);
                });
            }
            start += share.width();
        }
    }
}

/// Rows of a gradient to which a tile is added, and rows of `dz` that are copied next: of so many vectors each, `width` apart.
#[derive(Clone, Copy)]
struct ForAdding {
    target: *const f32,
    rows: usize,
    next: *const f32,
    next_rows: usize,
    vectors: usize,
    width: usize,
}

impl Ahead for ForAdding {
    #[inline(always)]
    fn is_any(self) -> bool {
        true
    }

    #[inline(always)]
    fn ask<S: Simd>(self, simd: S, terms: Range<usize>, of: usize) {
        let floats = self.vectors * S::LANES;
        for row in share_of(self.rows, terms.clone(), of) {
            for float in (0..floats).step_by(LINE) {
                simd.prefetch_to_write(self.target.wrapping_add(row * self.width + float));
            }
        }
        for row in share_of(self.next_rows, terms, of) {
            for float in (0..floats).step_by(LINE) {
                simd.prefetch_far(self.next.wrapping_add(row * self.width + float));
            }
        }
    }
}

/// Adds a tile's sums, rows of `ROW` vectors, to memory, its rows `stride` apart, `width(v)` floats of vector `v`.
///
/// # Safety
/// The sums must be there, and the memory, and no one else write it.
#[inline(always)]
unsafe fn add<S: Simd, const MR: usize, const NV: usize, const ROW: usize>(
    simd: S,
    sums: &Scratch,
    target: *mut f32,
    stride: usize,
    width: impl Fn(usize) -> usize,
) {
    for r in 0..MR {
        for v in 0..NV {
            // SAFETY: the caller's promise.
            unsafe {
                let target = target.add(r * stride + v * S::LANES);
                let sum = sums.vector::<S, ROW>(simd, r, v);
                store(simd, simd.add(load(simd, target, width(v)), sum), target, width(v));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_leave_no_part_too_large_and_copy_little() {
        assert_eq!(cuts(1, 25, 64, (1024, 512)), (1, 1));
        // Columns alone for two threads, both for many.
        assert_eq!(cuts(2, 13, 32, (512, 128)), (4, 1));
        assert_eq!(cuts(16, 25, 64, (1024, 512)), (8, 3));
        // One block cannot be handed on: a part a thread, though one of two has 7 grains of 13.
        assert_eq!(cuts(2, 1, 32, (512, 128)), (2, 1));
        assert_eq!(cuts(2, 2, 13, (200, 51)), (2, 1));
        assert_eq!(cuts(2, 1, 7, (112, 29)), (2, 1));
        assert_eq!(cuts(4, 1, 13, (200, 51)), (2, 2));
        // Nothing to cut.
        assert_eq!(cuts(4, 9, 1, (10, 10)), (1, 1));
        assert_eq!(cuts(4, 9, 0, (0, 10)), (1, 1));
    }

    #[test]
    fn panels_are_even_and_whole() {
        let all = |columns| panels(&columns, 16).collect::<Vec<_>>();
        assert_eq!(all(0..200), [0..48, 48..96, 96..144, 144..200]);
        assert_eq!(all(64..128), vec![64..128]);
        assert_eq!(all(112..200), [112..160, 160..200]);
        assert!(all(5..5).is_empty());
    }
}
