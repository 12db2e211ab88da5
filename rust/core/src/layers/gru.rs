//! The gated recurrent unit of GRU and GRUCell.

use super::cell::{
    BackwardParts, Cell, ForwardParts, OutputGradient, Projection, Sizes, drop_initial_beside, left_states,
};
use super::recurrence::{Given, RecurrenceCache};
use crate::error::Result;
use crate::kernels::gru::{Backward, Forward, Reset, ResetGradient};
use crate::kernels::lstm::Activations;
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{AlignedBuffer, Columns, Pass, Rows};
use crate::parallel::Team;
use crate::simd::Isa;

/// z, r and the candidate.
const GATES: usize = 3;

pub(super) struct Gru {
    sizes: Sizes,
    activations: Activations,
    projection: Projection,
    reset: Packed,
}

/// Where the reset gate acts, and the recurrent kernel packed for that.
enum Packed {
    After(After),
    Before(Before),
}

#[derive(Default)]
struct After {
    recurrent_kernel: PackedMatrix,
    recurrent_transposed: PackedMatrix,
    /// The candidate's recurrent bias; those of the gates are added to the projection's.
    bias: AlignedBuffer,
}

#[derive(Default)]
struct Before {
    gates_kernel: PackedMatrix,
    candidate_kernel: PackedMatrix,
    gates_transposed: PackedMatrix,
    candidate_transposed: PackedMatrix,
}

impl Gru {
    pub fn new(sizes: Sizes, activations: Activations, reset_after: bool) -> Self {
        let reset = match reset_after {
            true => Packed::After(After::default()),
            false => Packed::Before(Before::default()),
        };
        Gru { sizes, activations, projection: Projection::default(), reset }
    }
}

impl Cell for Gru {
    fn gates(&self) -> usize {
        GATES
    }

    fn bias_shape(&self) -> Vec<usize> {
        match self.reset {
            Packed::After(_) => vec![2, GATES * self.sizes.units],
            Packed::Before(_) => vec![GATES * self.sizes.units],
        }
    }

    fn pack(&mut self, isa: Isa, [kernel, recurrent_kernel, bias]: [&[f32]; 3], training: bool) -> Result<()> {
        let Sizes { features, units } = self.sizes;
        let width = GATES * units;
        let (bias, recurrent_bias) = bias.split_at(bias.len().min(width));
        self.projection.pack(isa, kernel, features, width, bias)?;
        // Its steps are computed on vectors.
        let isa = isa.without_tiles();
        match &mut self.reset {
            Packed::After(packed) => {
                let source = Source::row_major(recurrent_kernel, width);
                packed.recurrent_kernel.pack_gates::<GATES>(isa, source, units, units)?;
                packed.bias.resize(units)?;
                packed.bias.fill(0.0);
                if !recurrent_bias.is_empty() {
                    let (of_gates, of_candidate) = recurrent_bias.split_at(2 * units);
                    self.projection.bias_mut().iter_mut().zip(of_gates).for_each(|(bias, own)| *bias += own);
                    packed.bias.copy_from_slice(of_candidate);
                }
                if training {
                    let source = Source::transposed(recurrent_kernel, width);
                    packed.recurrent_transposed.pack(isa, source, width, units)?;
                }
            }
            Packed::Before(packed) => {
                let candidate = &recurrent_kernel[2 * units..];
                packed.gates_kernel.pack_gates::<2>(isa, Source::row_major(recurrent_kernel, width), units, units)?;
                packed.candidate_kernel.pack(isa, Source::row_major(candidate, width), units, units)?;
                if training {
                    let source = Source::transposed(recurrent_kernel, width);
                    packed.gates_transposed.pack(isa, source, 2 * units, units)?;
                    packed.candidate_transposed.pack(isa, Source::transposed(candidate, width), units, units)?;
                }
            }
        }
        Ok(())
    }

    fn make_room(&self, training: bool, cache: &mut RecurrenceCache) -> Result<()> {
        let floats = cache.order.rows() * self.sizes.units;
        cache.gates.resize(GATES * floats)?;
        match self.reset {
            Packed::After(_) if training => cache.inner.resize(GATES * floats)?,
            Packed::After(_) => {}
            Packed::Before(_) => cache.inner.resize(floats)?,
        }
        Ok(())
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
        let ForwardParts { order, states, input, gates, inner } =
            ForwardParts::new(units, GATES * units, given.training, output, cache);
        let reset = match &self.reset {
            Packed::After(After { recurrent_kernel, bias, .. }) => {
                Reset::After { recurrent_kernel, bias, inner: given.training.then_some(inner) }
            }
            Packed::Before(Before { gates_kernel, candidate_kernel, .. }) => {
                Reset::Before { gates_kernel, candidate_kernel, left: inner }
            }
        };
        let pass = Forward { isa: given.isa, states, input, gates, reset, activations: self.activations };
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
        let BackwardParts { order, gradients, h, left, gates, inner } =
            BackwardParts::new(self.sizes.units, d_output, wants_initial, cache);
        let reset = match &self.reset {
            Packed::After(After { recurrent_transposed, .. }) => ResetGradient::After { recurrent_transposed, inner },
            Packed::Before(Before { gates_transposed, candidate_transposed, .. }) => {
                ResetGradient::Before { gates_transposed, candidate_transposed, left }
            }
        };
        let pass = Backward { isa, gradients, h, gates, reset, activations: self.activations };
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
        let (rows, width) = (cache.order.rows(), GATES * units);
        let h = left_states(cache, units);
        let dz = Rows::adjacent(&cache.gates, width);
        let add = |gradient: WeightGradient<'_>, columns| gradient.run_of(columns, isa, team);
        match self.reset {
            Packed::After(_) => {
                let (bias, recurrent_bias) = bias.map(|bias| bias.split_at_mut(width)).unzip();
                let d_product = Rows::adjacent(&cache.inner, width);
                add(WeightGradient { rows, dz, operands: [x, None], bias }, 0..width);
                let operands = [Some((h, recurrent_kernel)), None];
                add(WeightGradient { rows, dz: d_product, operands, bias: recurrent_bias }, 0..width);
            }
            Packed::Before(_) => {
                add(WeightGradient { rows, dz, operands: [x, None], bias }, 0..width);
                let reset = Rows::adjacent(&cache.inner, units);
                for (states, columns) in [(h, 0..2 * units), (reset, 2 * units..width)] {
                    let operands = [Some((states, &mut *recurrent_kernel)), None];
                    add(WeightGradient { rows, dz, operands, bias: None }, columns);
                }
            }
        }
    }
}
