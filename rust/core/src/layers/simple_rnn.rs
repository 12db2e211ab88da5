//! The simple recurrent cell of SimpleRNN and SimpleRNNCell.

use super::cell::{
    BackwardParts, Cell, ForwardParts, OutputGradient, Projection, Sizes, drop_initial_beside, left_states,
};
use super::recurrence::{Given, RecurrenceCache};
use crate::error::Result;
use crate::kernels::activation::Activation;
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::simple_rnn::{Backward, Forward};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{Columns, Pass, Rows};
use crate::parallel::Team;
use crate::simd::Isa;

pub(super) struct SimpleRnn {
    sizes: Sizes,
    activation: Activation,
    projection: Projection,
    recurrent_kernel: PackedMatrix,
    recurrent_transposed: PackedMatrix,
}

impl SimpleRnn {
    pub fn new(sizes: Sizes, activation: Activation) -> Self {
        SimpleRnn {
            sizes,
            activation,
            projection: Projection::default(),
            recurrent_kernel: PackedMatrix::default(),
            recurrent_transposed: PackedMatrix::default(),
        }
    }
}

impl Cell for SimpleRnn {
    fn gates(&self) -> usize {
        1
    }

    fn bias_shape(&self) -> Vec<usize> {
        vec![self.sizes.units]
    }

    fn pack(&mut self, isa: Isa, [kernel, recurrent_kernel, bias]: [&[f32]; 3], training: bool) -> Result<()> {
        let Sizes { features, units } = self.sizes;
        self.projection.pack(isa, kernel, features, units, bias)?;
        // Its steps are computed on vectors.
        let isa = isa.without_tiles();
        self.recurrent_kernel.pack(isa, Source::row_major(recurrent_kernel, units), units, units)?;
        if training {
            self.recurrent_transposed.pack(isa, Source::transposed(recurrent_kernel, units), units, units)?;
        }
        Ok(())
    }

    fn make_room(&self, _training: bool, cache: &mut RecurrenceCache) -> Result<()> {
        Ok(cache.gates.resize(cache.order.rows() * self.sizes.units)?)
    }

    fn drop_initial(&self, cache: &mut RecurrenceCache) -> Result<()> {
        drop_initial_beside(cache)
    }

    fn project(&self, isa: Isa, x: Rows<'_>, rows: usize, z: &mut [f32]) {
        self.projection.run(isa, x, rows, z);
    }

    fn project_ahead(&self, given: &Given<'_>, team: &Team, cache: &mut RecurrenceCache) -> Result<()> {
        self.projection.run_ahead(given, team, cache);
        Ok(())
    }

    fn forward<'a>(
        &'a self,
        given: &Given<'a>,
        output: Option<Columns<'a>>,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> Box<dyn Pass + 'a> {
        let units = self.sizes.units;
        let ForwardParts { order, states, input, gates, .. } =
            ForwardParts::new(units, units, given.training, output, cache);
        let z = match input {
            Some(input) => input,
            None => Rows::adjacent(gates, units),
        };
        let recurrent_kernel = &self.recurrent_kernel;
        let pass = Forward { isa: given.isa, states, z, recurrent_kernel, activation: self.activation };
        Box::new(pass.members(order.parts(threads, 1)))
    }

    fn backward<'a>(
        &'a self,
        isa: Isa,
        d_output: OutputGradient<'a>,
        wants_initial: bool,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> Box<dyn Pass + 'a> {
        let BackwardParts { order, gradients, h, gates: dz, .. } =
            BackwardParts::new(self.sizes.units, d_output, wants_initial, cache);
        let recurrent_transposed = &self.recurrent_transposed;
        let pass = Backward { isa, gradients, h, dz, recurrent_transposed, activation: self.activation };
        Box::new(pass.members(order.parts(threads, 1)))
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
        let operands = [x, Some((left_states(cache, units), recurrent_kernel))];
        let dz = Rows::adjacent(&cache.gates, units);
        WeightGradient { rows: cache.order.rows(), dz, operands, bias }.run(isa, team);
    }
}
