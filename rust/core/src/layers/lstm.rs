//! The cell of LSTM and LSTMCell.

use super::Tensor;
use super::cell::{Cell, FULL_TILE, OutputGradient, Sizes, inputs};
use super::recurrence::{Given, RecurrenceCache};
use super::split::{CACHED_WEIGHTS, Split, Weights, tile_rows};
use crate::error::Result;
use crate::kernels::lstm::{Activations, Backward, Forward, Input, Project, Projection};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{Columns, Pass, Rows};
use crate::parallel::Team;
use crate::simd::{Isa, Tiles, is_amd};

/// i, f, g and o.
const GATES: usize = 4;

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

    /// What a step multiplies `h` with.
    pub fn weights(&self, isa: Isa) -> Weights {
        Weights::new(isa, self.sizes.units, GATES * self.sizes.units.div_ceil(isa.lanes()))
    }

    /// A prepared forward pass over `x`, or over what a pass below it gives out, as it fits this split.
    pub fn pass<'a>(
        &'a self,
        isa: Isa,
        x: Option<&'a Tensor>,
        training: bool,
        output: Option<Columns<'a>>,
        cache: &'a mut RecurrenceCache,
        split: Split,
    ) -> Forward<'a> {
        let RecurrenceCache { order, h, c, gates, last_h, z, words, x: left, x_dropout, h_dropout, turn, .. } = cache;
        *turn = turn.wrapping_add(order.steps());
        let order = &*order;
        let Sizes { features, units } = self.sizes;
        let input = if words.is_empty() {
            let x = x.map(|x| Rows::picked(inputs(x, left, x_dropout), features, order.inputs()));
            let projection = self.projection(x.unwrap_or(Rows::none()));
            let bytes = GATES * self.weights(isa).bytes_each() * units * (features + units) / split.columns;
            // AMD's third-level cache gives weights as fast as a few tiles take them.
            let near = bytes <= CACHED_WEIGHTS || is_amd();
            let are_enough = features <= isa.lanes() || order.batch().div_ceil(split.runs) >= FULL_TILE;
            let fused = order.steps() < 2 || near && are_enough;
            if fused { Input::Fused(projection) } else { Input::Ahead(projection, z) }
        } else {
            Input::Given(Rows::picked(z, GATES * units, words))
        };
        Forward {
            isa,
            order,
            units,
            input,
            recurrent_kernel: &self.recurrent_kernel,
            activations: self.activations,
            h,
            c,
            gates: training.then_some(&mut **gates),
            output,
            last: last_h,
            dropout: (!h_dropout.is_empty()).then_some(&**h_dropout),
            turn: *turn,
        }
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
            self.recurrent_transposed.pack_turned(isa, Source::transposed(recurrent_kernel, gates), gates, units)?;
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
        let weights = self.weights(given.isa);
        let split = Split::best(threads, &cache.order, weights);
        let ranks = split.ranks(&cache.order, weights);
        let pass = self.pass(given.isa, Some(given.x), given.training, output, cache, split);
        Box::new(pass.members(ranks, split.columns))
    }

    fn as_lstm(&self) -> Option<&Lstm> {
        Some(self)
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
