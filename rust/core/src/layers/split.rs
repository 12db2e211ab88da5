//! How passes of an LSTM are cut: by ranks, by columns, or as a wavefront of several one above the other.

use std::ops::Range;

use super::cell::FULL_TILE;
use crate::kernels::{Order, PANEL_VECTORS, is_dealt, lstm::stack_links};
use crate::simd::{Bf16, Isa, TileSpeed, Tiles};

/// Packed weights that stay in a core's second-level cache beside what else it reads.
pub(super) const CACHED_WEIGHTS: usize = 1 << 20;

/// What a pass multiplies with at every step: so many rows, and vectors of so many columns.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    depth: usize,
    vectors: usize,
    lanes: usize,
    /// Of products on tiles, if they are for those.
    tiles: Option<TileSpeed>,
}

/// Rows that share a read of weights.
pub(super) fn tile_rows(tiles: Option<TileSpeed>) -> usize {
    tiles.map_or(FULL_TILE, |speed| speed.rows.max(FULL_TILE))
}

impl Weights {
    pub fn new(isa: Isa, depth: usize, vectors: usize) -> Self {
        Weights { depth, vectors, lanes: isa.lanes(), tiles: isa.tiles().map(Tiles::speed) }
    }

    pub fn bytes_each(&self) -> usize {
        if self.tiles.is_some() { size_of::<Bf16>() } else { size_of::<f32>() }
    }

    /// Cycles of the projection of so many rows with as many columns.
    fn projection(self, features: usize, rows: usize) -> usize {
        self.vectors * features * rows / (2 * self.tiles.map_or(1, |speed| speed.factor))
    }
}

/// How a pass is cut: into runs of ranks, and into runs of columns that meet after every step.
#[derive(Clone, Copy)]
pub(super) struct Split {
    pub runs: usize,
    pub columns: usize,
}

impl Split {
    /// The runs of ranks: where there are enough, of so many as a product takes as long for as for fewer.
    pub fn ranks(self, order: &Order, weights: Weights) -> Vec<Range<usize>> {
        let whole = weights.tiles.map_or(1, |speed| speed.rows);
        order.parts(self.runs, if order.batch() >= self.runs * whole { whole } else { 1 })
    }

    /// The split with the least estimated time of a product with some weights. Where none wait for
    /// others and there are tiles enough, it has half as many runs again as there are threads, so that all threads end
    /// together though some may be slower.
    pub fn best(threads: usize, order: &Order, weights: Weights) -> Split {
        if threads <= 1 {
            // A step of a stream counts every nanosecond.
            return Split { runs: 1, columns: 1 };
        }
        let (batch, steps) = (order.batch(), order.steps());
        let estimate = Estimate { threads, batch, steps, weights };
        let (split, _) = estimate.best();
        if split.columns == 1 && estimate.is_helped(split) {
            let tiles = batch.div_ceil(tile_rows(weights.tiles));
            Split { runs: tiles.div_ceil((2 * tiles).div_ceil(3 * threads)), ..split }
        } else {
            split
        }
    }

    /// How to cut passes over a batch of so many steps that stand one above the other and are computed at the same time, if that
    /// is estimated to take an eighth less than one after the other. Each has the weights that it multiplies `h` with, and how
    /// many features it projects.
    pub fn of_stack(threads: usize, (batch, steps): (usize, usize), levels: &[(Weights, usize)]) -> Option<Split> {
        if threads <= 1 {
            return None;
        }
        let of_level = |&(weights, features)| (Estimate { threads, batch, steps, weights }, features);
        let estimates = levels.iter().map(of_level);
        let apart = estimates.clone().map(|(estimate, features)| {
            let (Split { runs, columns }, cycles) = estimate.best();
            cycles + estimate.weights.projection(features, batch) / (runs * columns)
        });
        let apart: usize = apart.sum();
        let at_once = |runs: usize| {
            let rows = batch.div_ceil(runs);
            let chains = estimates.clone().map(|(estimate, features)| {
                estimate.chain(rows, runs * levels.len() <= threads) + estimate.weights.projection(features, rows)
            });
            let (all, longest) = (runs * chains.clone().sum::<usize>() / threads, chains.max().unwrap_or(0));
            let links = stack_links(batch, steps, runs);
            all.max(longest) * (links + levels.len() - 1) / links
        };
        let (cycles, runs) = (1..=threads.min(batch).max(1)).map(|runs| (at_once(runs), runs)).min()?;
        (8 * cycles < 7 * apart).then_some(Split { runs, columns: 1 })
    }
}

/// Estimates of the time that a step takes, in cycles of a core.
///
/// A step of a member multiplies its share of the weights with its ranks, two multiply-adds of vectors a cycle, or as
/// many times more as tiles do, where what follows counts beside it; and reads the share for every tile of them,
/// whichever takes longer; a share that does not stay in the second-level cache comes from the third once
/// a step in addition. Members that share ranks wait for each other, and each reads what the others wrote in the step
/// before: one line after another, or where there is much of it, ahead. Where members cannot help each
/// other, all wait for the slowest. The figures are of the order that current cores have: only their proportions matter,
/// and results do not depend on them.
#[derive(Clone, Copy)]
struct Estimate {
    threads: usize,
    batch: usize,
    steps: usize,
    weights: Weights,
}

const MEETING: usize = 1500;
const REGION: usize = 4000;
const SECOND_LEVEL_BYTES_A_CYCLE: usize = 40;
const THIRD_LEVEL_BYTES_A_CYCLE: usize = 8;
const OTHER_CORES_BYTES_A_CYCLE: usize = 8;
const OTHER_CORES_LATENCY: usize = 4000;
const SLOWEST_SHARE: usize = 6;
const ON_TILES_CYCLES_A_VECTOR: usize = 10;
const ROWS_THAT_OVERLAP: usize = 4;

impl Estimate {
    fn panels(self) -> usize {
        self.weights.vectors.div_ceil(PANEL_VECTORS)
    }

    /// Whether members can go on with what slower ones have not begun.
    fn is_helped(self, Split { runs, columns }: Split) -> bool {
        let Weights { depth, tiles, .. } = self.weights;
        match columns {
            1 => runs == self.threads && self.batch.div_ceil(tile_rows(tiles)) > self.threads,
            _ => runs == 1 && tiles.is_none() && is_dealt(self.batch, columns, depth),
        }
    }

    /// What a member with so many ranks and `1 / columns` of the panels computes, and what it fetches besides.
    fn work(self, rows: usize, columns: usize) -> (usize, usize) {
        let Weights { depth, vectors, lanes, tiles } = self.weights;
        let TileSpeed { rows: whole, factor } = tiles.unwrap_or(TileSpeed { rows: 1, factor: 1 });
        let vectors = vectors.min(self.panels().div_ceil(columns) * PANEL_VECTORS);
        let bytes = self.weights.bytes_each() * lanes * vectors * depth;
        let multiply = vectors * depth * rows.next_multiple_of(whole) / (2 * factor);
        let read = rows.div_ceil(tile_rows(tiles)) * bytes / SECOND_LEVEL_BYTES_A_CYCLE;
        // Of fewer rows each waits for its own chain.
        let cells = ON_TILES_CYCLES_A_VECTOR * vectors * rows.max(ROWS_THAT_OVERLAP);
        let cells = if tiles.is_some() { cells } else { 0 };
        let fetch = if bytes > CACHED_WEIGHTS { bytes / THIRD_LEVEL_BYTES_A_CYCLE } else { 0 };
        (multiply.max(read) + cells, fetch)
    }

    fn cycles(self, split: Split) -> usize {
        let Split { runs, columns } = split;
        let rows = self.batch.div_ceil(runs);
        let (work, fetch) = self.work(rows, columns);
        let theirs = 4 * self.weights.depth * rows * (columns - 1) / columns;
        let exchange = theirs.min(OTHER_CORES_LATENCY + theirs / OTHER_CORES_BYTES_A_CYCLE);
        let meetings = MEETING * columns.ilog2() as usize;
        let opening = if runs * columns > 1 { REGION / self.steps.max(1) } else { 0 };
        let slowest = if runs * columns == 1 || self.is_helped(split) { 0 } else { work / SLOWEST_SHARE };
        work + fetch + exchange + meetings + opening + slowest
    }

    /// The split that takes least, and how long; of equals the most runs of ranks: their cells are computed at the same
    /// time, too.
    fn best(self) -> (Split, usize) {
        let all = (1..=self.threads.min(self.batch).max(1)).rev().flat_map(|runs| {
            let most = (self.threads / runs).min(self.panels()).max(1);
            (1..=most).map(move |columns| Split { runs, columns })
        });
        let with_cycles = all.map(|split| (split, self.cycles(split)));
        with_cycles.min_by_key(|&(_, cycles)| cycles).expect("there is one thread at least")
    }

    /// Of so many ranks with all columns, which no other computes with, or which other threads go on with.
    fn chain(self, rows: usize, alone: bool) -> usize {
        let (work, fetch) = self.work(rows, 1);
        work + fetch + if alone { work / SLOWEST_SHARE } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Direction;

    /// Runs of ranks, and of columns, for weights of `depth` rows and so many vectors of 16 columns.
    fn split_for(threads: usize, batch: usize, depth: usize, vectors: usize) -> (usize, usize) {
        let mut order = Order::default();
        order.set(batch, 50, None, Direction::Forwards);
        let weights = Weights { depth, vectors, lanes: 16, tiles: None };
        let Split { runs, columns } = Split::best(threads, &order, weights);
        (runs, columns)
    }

    #[test]
    fn on_tiles_runs_are_of_as_many_ranks_as_take_as_long_as_fewer() {
        let of_tiles = TileSpeed { rows: 16, factor: 8 };
        let of_pairs = TileSpeed { rows: 1, factor: 2 };
        let runs = |speed: TileSpeed, threads: usize, batch: usize, units: usize| {
            let mut order = Order::default();
            order.set(batch, 50, None, Direction::Forwards);
            let weights = Weights { depth: units, vectors: units / 4, lanes: 16, tiles: Some(speed) };
            let split = Split::best(threads, &order, weights);
            let ranks = split.ranks(&order, weights);
            (split.columns, ranks.iter().map(Range::len).collect::<Vec<_>>())
        };
        assert_eq!(runs(of_tiles, 2, 32, 128), (1, vec![16, 16]));
        assert_eq!(runs(of_tiles, 2, 128, 256), (1, vec![48, 48, 32]));
        assert_eq!(runs(of_pairs, 2, 32, 128), (1, vec![11, 11, 10]));
        // What one tile of ranks multiplies is cut by columns.
        for speed in [of_tiles, of_pairs] {
            assert_eq!(runs(speed, 2, 1, 128), (2, vec![1]));
            assert_eq!(runs(speed, 2, 1, 512), (2, vec![1]));
            assert_eq!(runs(speed, 2, 64, 1024), (2, vec![64]));
        }
    }

    /// On two threads.
    fn split(batch: usize, depth: usize, vectors: usize) -> (usize, usize) {
        split_for(2, batch, depth, vectors)
    }

    #[test]
    fn batches_that_are_no_whole_tiles_are_not_made_to_meet() {
        assert_eq!(split(64, 64, 16), (3, 1));
        assert_eq!(split(37, 400, 7), (3, 1));
    }

    #[test]
    fn there_are_more_runs_than_threads_where_there_are_tiles_for_them() {
        assert_eq!(split_for(1, 64, 128, 32), (1, 1));
        assert_eq!(split_for(2, 12, 128, 32), (2, 1));
        assert_eq!(split_for(16, 128, 256, 64), (22, 1));
        assert_eq!(split_for(16, 256, 128, 32), (22, 1));
    }

    #[test]
    fn many_threads_meet_where_they_can_help_each_other_and_weights_would_not_fit_otherwise() {
        assert_eq!(split_for(16, 64, 512, 128), (1, 16));
        assert_eq!(split_for(16, 64, 1024, 256), (1, 16));
        assert_eq!(split_for(16, 64, 4096, 64), (1, 16));
        // Two sequences a thread are not worth a meeting.
        assert_eq!(split_for(16, 32, 512, 8), (16, 1));
    }

    #[test]
    fn one_sequence_and_weights_that_fit_no_cache_are_cut_by_columns() {
        assert_eq!(split(1, 128, 32), (1, 2));
        assert_eq!(split(64, 1024, 256), (1, 2));
    }

    /// Into how many runs of ranks to cut a wavefront of LSTMs, if one is faster.
    fn stack_for(threads: usize, sizes: (usize, usize), units: &[usize]) -> Option<usize> {
        let of_level = |&units: &usize| (Weights { depth: units, vectors: units / 4, lanes: 16, tiles: None }, units);
        Split::of_stack(threads, sizes, &units.iter().map(of_level).collect::<Vec<_>>()).map(|split| split.runs)
    }

    #[test]
    fn layers_are_computed_at_the_same_time_where_a_batch_is_too_small_for_all_threads() {
        assert_eq!(stack_for(2, (1, 200), &[128, 128]), Some(1));
        assert_eq!(stack_for(2, (4, 100), &[64, 64, 64]), Some(1));
        assert_eq!(stack_for(16, (32, 200), &[128, 128]), Some(11));
        // Where threads have full tiles, where all wait for one layer, and where there is nothing to follow.
        assert_eq!(stack_for(2, (32, 200), &[128, 128]), None);
        assert_eq!(stack_for(16, (256, 200), &[128, 128]), None);
        assert_eq!(stack_for(2, (1, 200), &[256, 32]), None);
        assert_eq!(stack_for(2, (1, 5), &[128, 128]), None);
        // Weights that no one core's cache holds.
        assert_eq!(stack_for(2, (64, 100), &[512, 512]), None);
        assert_eq!(stack_for(16, (64, 100), &[512, 512]), None);
    }
}
