//! The cell of LSTM and LSTMCell.

use std::ops::Range;

use super::cell::{Cell, FULL_TILE, OutputGradient, Sizes, inputs};
use super::recurrence::{Given, RecurrenceCache};
use crate::error::Result;
use crate::kernels::lstm::{Activations, Backward, Forward, Input, Project, Projection};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{Columns, Order, PANEL_VECTORS, Pass, Rows, is_dealt};
use crate::parallel::Team;
use crate::simd::{Bf16, Isa, TileSpeed, Tiles, is_amd};

/// i, f, g and o.
const GATES: usize = 4;

/// Packed weights that stay in a core's second-level cache beside what else it reads.
const CACHED_WEIGHTS: usize = 1 << 20;

/// Rows computed ahead of the steps, for all members together, in inference.
const AHEAD_ROWS: usize = 256;

pub(super) struct Lstm {
    sizes: Sizes,
    activations: Activations,
    kernel: PackedMatrix,
    recurrent_kernel: PackedMatrix,
    bias: PackedMatrix,
    recurrent_transposed: PackedMatrix,
}

impl Lstm {
    pub fn new(sizes: Sizes, activations: Activations) -> Self {
        let [kernel, recurrent_kernel, bias, recurrent_transposed] = std::array::from_fn(|_| PackedMatrix::default());
        Lstm { sizes, activations, kernel, recurrent_kernel, bias, recurrent_transposed }
    }

    fn projection<'a>(&'a self, x: Rows<'a>) -> Projection<'a> {
        Projection { x, kernel: &self.kernel, bias: &self.bias }
    }
}

impl Cell for Lstm {
    fn gates(&self) -> usize {
        GATES
    }

    fn has_memory(&self) -> bool {
        true
    }

    fn tile_rows(&self, isa: Isa) -> usize {
        tile_rows(isa.tiles().map(Tiles::speed))
    }

    fn bias_shape(&self) -> Vec<usize> {
        vec![GATES * self.sizes.units]
    }

    fn pack(&mut self, isa: Isa, [kernel, recurrent_kernel, bias]: [&[f32]; 3], training: bool) -> Result<()> {
        let Sizes { features, units } = self.sizes;
        let gates = GATES * units;
        self.kernel.pack_gates::<GATES>(isa, Source::row_major(kernel, gates), features, units)?;
        let source = Source::row_major(recurrent_kernel, gates);
        self.recurrent_kernel.pack_gates::<GATES>(isa, source, units, units)?;
        let added = isa.without_tiles();
        if !bias.is_empty() {
            self.bias.pack_gates::<GATES>(added, Source::row_major(bias, gates), 1, units)?;
        } else if self.bias.depth() == 0 {
            self.bias.pack_gates::<GATES>(added, Source::row_major(&vec![0.0; gates], gates), 1, units)?;
        }
        if training {
            self.recurrent_transposed.pack(isa, Source::transposed(recurrent_kernel, gates), gates, units)?;
        }
        Ok(())
    }

    fn make_room(&self, training: bool, cache: &mut RecurrenceCache) -> Result<()> {
        let units = self.sizes.units;
        cache.c.resize(cache.order.state_rows(training) * units)?;
        if training {
            cache.gates.resize(cache.order.rows() * GATES * units)?;
            cache.dc.resize(cache.order.batch() * units)?;
        }
        Ok(())
    }

    fn drop_initial(&self, cache: &mut RecurrenceCache) -> Result<()> {
        cache.h.iter_mut().zip(&*cache.h_dropout).for_each(|(h, factor)| *h *= factor);
        Ok(())
    }

    fn project(&self, isa: Isa, x: Rows<'_>, rows: usize, z: &mut [f32]) {
        Project { projection: self.projection(x), rows, units: self.sizes.units, z }.run(isa);
    }

    fn project_ahead(&self, given: &Given<'_>, _team: &Team, cache: &mut RecurrenceCache) -> Result<()> {
        if !given.training {
            let (batch, steps) = (cache.order.batch(), given.x.sizes()[1]);
            let rows = AHEAD_ROWS.div_ceil(batch.max(1)).min(steps) * batch;
            cache.z.resize(rows * GATES * self.sizes.units)?;
        }
        Ok(())
    }

    fn forward<'a>(
        &'a self,
        given: &Given<'a>,
        output: Option<Columns<'a>>,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> Box<dyn Pass + 'a> {
        let RecurrenceCache { order, h, c, gates, last_h, z, words, x, x_dropout, h_dropout, turn, .. } = cache;
        *turn = turn.wrapping_add(order.steps());
        let order = &*order;
        let Sizes { features, units } = self.sizes;
        let (isa, lanes) = (given.isa, given.isa.lanes());
        let weights = Weights::new(isa, units, GATES * units.div_ceil(lanes));
        let split = Split::best(threads, order, weights);
        let input = if words.is_empty() {
            let values = inputs(given.x, x, x_dropout);
            let projection = self.projection(Rows::picked(values, features, order.inputs()));
            let bytes = GATES * weights.bytes_each() * units * (features + units) / split.columns;
            // AMD's third-level cache gives weights as fast as a few tiles take them.
            let near = bytes <= CACHED_WEIGHTS || is_amd();
            let fused =
                order.steps() < 2 || near && (features <= lanes || order.batch().div_ceil(split.runs) >= FULL_TILE);
            if fused { Input::Fused(projection) } else { Input::Ahead(projection, z) }
        } else {
            Input::Given(Rows::picked(z, GATES * units, words))
        };
        let pass = Forward {
            isa,
            order,
            units,
            input,
            recurrent_kernel: &self.recurrent_kernel,
            activations: self.activations,
            h,
            c,
            gates: given.training.then_some(&mut **gates),
            output,
            last: last_h,
            dropout: (!h_dropout.is_empty()).then_some(&**h_dropout),
            turn: *turn,
        };
        Box::new(pass.members(split.ranks(order, weights), split.columns))
    }

    fn backward<'a>(
        &'a self,
        isa: Isa,
        d_output: OutputGradient<'a>,
        wants_initial: bool,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> Box<dyn Pass + 'a> {
        let RecurrenceCache { order, c, gates, dh, dc, h_dropout, d_output: folded, .. } = cache;
        let order = &*order;
        let units = self.sizes.units;
        let weights = Weights::new(isa, GATES * units, units.div_ceil(isa.lanes()));
        let split = Split::best(threads, order, weights);
        let pass = Backward {
            isa,
            order,
            units,
            recurrent_transposed: &self.recurrent_transposed,
            activations: self.activations,
            c,
            gates,
            d_output: d_output.rows(units, order, folded),
            dh,
            dc,
            dropout: (!h_dropout.is_empty()).then_some(&**h_dropout),
            wants_initial,
        };
        Box::new(pass.members(split.ranks(order, weights), split.columns))
    }

    fn gradients(
        &self,
        isa: Isa,
        x: Option<(Rows<'_>, &mut [f32])>,
        recurrent_kernel: &mut [f32],
        bias: Option<&mut [f32]>,
        team: &Team,
        cache: &RecurrenceCache,
    ) {
        let units = self.sizes.units;
        let h = Rows::picked(&cache.h, units, cache.order.states());
        let dz = Rows::adjacent(&cache.gates, GATES * units);
        let operands = [x, Some((h, recurrent_kernel))];
        WeightGradient { rows: cache.order.rows(), dz, operands, bias }.run(isa, team);
    }
}

/// What a pass multiplies with at every step: so many rows, and vectors of so many columns.
#[derive(Clone, Copy)]
struct Weights {
    depth: usize,
    vectors: usize,
    lanes: usize,
    /// Of products on tiles, if they are for those.
    tiles: Option<TileSpeed>,
}

/// Rows that share a read of weights.
fn tile_rows(tiles: Option<TileSpeed>) -> usize {
    tiles.map_or(FULL_TILE, |speed| speed.rows.max(FULL_TILE))
}

impl Weights {
    fn new(isa: Isa, depth: usize, vectors: usize) -> Self {
        Weights { depth, vectors, lanes: isa.lanes(), tiles: isa.tiles().map(Tiles::speed) }
    }

    fn bytes_each(&self) -> usize {
        if self.tiles.is_some() { size_of::<Bf16>() } else { size_of::<f32>() }
    }
}

/// How a pass is cut: into runs of ranks, and into runs of columns that meet after every step.
struct Split {
    runs: usize,
    columns: usize,
}

impl Split {
    /// The runs of ranks: where there are enough, of so many as a product takes as long for as for fewer.
    fn ranks(&self, order: &Order, weights: Weights) -> Vec<Range<usize>> {
        let whole = weights.tiles.map_or(1, |speed| speed.rows);
        order.parts(self.runs, if order.batch() >= self.runs * whole { whole } else { 1 })
    }

    /// The split with the least estimated time, in cycles of a core, of a product with some weights. Where none wait for
    /// others and there are tiles enough, it has half as many runs again as there are threads, so that all threads end
    /// together though some may be slower.
    ///
    /// A step of a member multiplies its share of the weights with its ranks, two multiply-adds of vectors a cycle, or as
    /// many times more as tiles do, where what follows counts beside it; and reads the share for every tile of them,
    /// whichever takes longer; a share that does not stay in the second-level cache comes from the third once
    /// a step in addition. Members that share ranks wait for each other, and each reads what the others wrote in the step
    /// before: one line after another, or where there is much of it, ahead. Where members cannot help each
    /// other, all wait for the slowest. The figures are of the order that current cores have: only their proportions matter,
    /// and results do not depend on them.
    fn best(threads: usize, order: &Order, weights: Weights) -> Split {
        const MEETING: usize = 1500;
        const REGION: usize = 4000;
        const SECOND_LEVEL_BYTES_A_CYCLE: usize = 40;
        const THIRD_LEVEL_BYTES_A_CYCLE: usize = 8;
        const OTHER_CORES_BYTES_A_CYCLE: usize = 8;
        const OTHER_CORES_LATENCY: usize = 4000;
        const SLOWEST_SHARE: usize = 6;
        const ON_TILES_CYCLES_A_VECTOR: usize = 10;
        const ROWS_THAT_OVERLAP: usize = 4;
        if threads <= 1 {
            // A step of a stream counts every nanosecond.
            return Split { runs: 1, columns: 1 };
        }
        let Weights { depth, vectors, lanes, tiles: speed } = weights;
        let TileSpeed { rows: whole, factor } = speed.unwrap_or(TileSpeed { rows: 1, factor: 1 });
        let tile_rows = tile_rows(speed);
        let (batch, tiles) = (order.batch(), order.batch().div_ceil(tile_rows));
        let panels = vectors.div_ceil(PANEL_VECTORS);
        let is_helped = |ranks: usize, columns: usize| match columns {
            1 => ranks == threads && tiles > threads,
            _ => ranks == 1 && speed.is_none() && is_dealt(batch, columns, depth),
        };
        let cost = |ranks: usize, columns: usize| {
            let vectors = vectors.min(panels.div_ceil(columns) * PANEL_VECTORS);
            let bytes = weights.bytes_each() * lanes * vectors * depth;
            let rows = batch.div_ceil(ranks);
            let multiply = vectors * depth * rows.next_multiple_of(whole) / (2 * factor);
            let read = rows.div_ceil(tile_rows) * bytes / SECOND_LEVEL_BYTES_A_CYCLE;
            // Of fewer rows each waits for its own chain.
            let cells = ON_TILES_CYCLES_A_VECTOR * vectors * rows.max(ROWS_THAT_OVERLAP);
            let cells = if speed.is_some() { cells } else { 0 };
            let fetch = if bytes > CACHED_WEIGHTS { bytes / THIRD_LEVEL_BYTES_A_CYCLE } else { 0 };
            let theirs = 4 * depth * rows * (columns - 1) / columns;
            let exchange = theirs.min(OTHER_CORES_LATENCY + theirs / OTHER_CORES_BYTES_A_CYCLE);
            let meetings = MEETING * columns.ilog2() as usize;
            let opening = if ranks * columns > 1 { REGION / order.steps().max(1) } else { 0 };
            let work = multiply.max(read) + cells;
            let slowest = if ranks * columns == 1 || is_helped(ranks, columns) { 0 } else { work / SLOWEST_SHARE };
            work + fetch + exchange + meetings + opening + slowest
        };
        // Of equals the most runs of ranks: their cells are computed at the same time, too.
        let all = (1..=threads.min(batch).max(1)).rev().flat_map(|ranks| {
            let most = (threads / ranks).min(panels).max(1);
            (1..=most).map(move |columns| (ranks, columns))
        });
        let (ranks, columns) = all.min_by_key(|&(ranks, columns)| cost(ranks, columns)).unwrap_or((1, 1));
        let shared = columns == 1 && is_helped(ranks, columns);
        Split { runs: if shared { tiles.div_ceil((2 * tiles).div_ceil(3 * threads)) } else { ranks }, columns }
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
}
