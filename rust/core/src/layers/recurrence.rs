//! One LSTM in one direction: what LSTM, RNN and each half of Bidirectional compute with.

use super::{AnyActivation, Initializer, Random, Shape, Tensor, Weight, checked_len};
use crate::error::{Error, Result};
use crate::kernels::lstm::{self, Activations, BackwardMembers, ForwardMembers, Input, Project, Projection};
use crate::kernels::matmul::{Initial, Matmul};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::scatter::SumByIndex;
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{AlignedBuffer, Columns, Direction, Order, Rows, RowsMut};
use crate::parallel::{self, Team};
use crate::simd::Isa;

/// What a recurrent layer wants, and the two ways in which it is most often missed.
const EXPECTED_INPUT: &str = "(batch, time, features) with a known number of features; a recurrent layer before this one \
    gives it with return_sequences=True, a series of single numbers becomes it with x[..., None]";

/// The description of one direction.
pub(super) struct Recurrence {
    pub name: String,
    pub cell_name: String,
    pub features: usize,
    pub units: usize,
    pub activations: Activations,
    pub use_bias: bool,
    /// Of kernel, recurrent kernel and bias.
    pub initializers: [Initializer; 3],
    pub direction: Direction,
    pub return_sequences: bool,
    pub zero_output_for_mask: bool,
    pub dropout: Dropout,
    pub packed: Packed,
}

/// What share of the inputs and of `h` is dropped in training, the same features at every step of a sequence.
#[derive(Clone, Copy, Default)]
pub(super) struct Dropout {
    pub inputs: f64,
    pub recurrent: f64,
    pub seed: Option<u64>,
}

/// The weights as the kernels read them.
#[derive(Default)]
pub(super) struct Packed {
    kernel: PackedMatrix,
    recurrent_kernel: PackedMatrix,
    bias: PackedMatrix,
    kernel_transposed: PackedMatrix,
    recurrent_transposed: PackedMatrix,
}

/// What forward saves: 24 bytes a unit a step, `h` and `c` of every step and the four gates; and working memory.
#[derive(Default)]
pub(super) struct RecurrenceCache {
    order: Order,
    /// States by rank, as `Order::state` numbers them.
    h: AlignedBuffer,
    /// As `h`.
    c: AlignedBuffer,
    /// `rows x 4 units`: i, f, g, o; after backward `dz`.
    gates: AlignedBuffer,
    /// `ranks x units`.
    dh: AlignedBuffer,
    /// `ranks x units`.
    dc: AlignedBuffer,
    /// `batch x units`, each sequence's last states; where a stream goes on.
    last_h: AlignedBuffer,
    last_c: AlignedBuffer,
    /// For each sequence whether any step has counted.
    seen: Vec<bool>,
    /// `x · W + b`: of the dictionary's rows, or of some steps ahead; in backward the sum of `dz` for each dictionary row.
    z: AlignedBuffer,
    /// For each row of the order its dictionary row.
    words: Vec<u32>,
    /// What is left of the inputs after dropout, and what they and `h` (by rank) were multiplied by.
    x: AlignedBuffer,
    x_dropout: AlignedBuffer,
    h_dropout: AlignedBuffer,
    /// Passes so far.
    turn: usize,
    /// The gradient of outputs with that of repeated ones added to those they repeat.
    d_output: AlignedBuffer,
}

/// What a forward pass is given.
pub(super) struct Given<'a> {
    pub isa: Isa,
    pub x: &'a Tensor,
    pub mask: Option<&'a [u8]>,
    /// `h` and `c` to start from, `batch x units`.
    pub initial: [Option<&'a [f32]>; 2],
    /// Whether to go on from the last call's states.
    pub resume: bool,
    pub training: bool,
    /// Seed and stream for dropout.
    pub random: (u64, u64),
}

impl<'a> Given<'a> {
    /// What the training pass before a backward pass was given.
    pub fn backward(call: &super::Backward<'a>) -> Self {
        Given {
            isa: call.isa,
            x: call.input(0),
            mask: call.mask,
            initial: [None, None],
            resume: false,
            training: true,
            random: (0, 0),
        }
    }
}

/// Where the input of a backward pass stands, and how long it is.
struct InputRows<'a> {
    x: Rows<'a>,
    /// How many rows there are that differ.
    count: usize,
}

/// Rows from which a read of packed weights is shared by a full tile on every instruction set.
const FULL_TILE: usize = 6;

/// Packed weights that stay in a core's second-level cache beside what else it reads.
const CACHED_WEIGHTS: usize = 1 << 20;

/// Rows computed ahead of the steps, for all members together, in inference.
const AHEAD_ROWS: usize = 256;

impl Recurrence {
    /// The number of features of an input.
    ///
    /// # Errors
    /// Where it is no sequence.
    pub fn features_of(name: &str, input: &Shape) -> Result<usize> {
        let features = input.features().filter(|_| input.rank() == 3);
        features.ok_or_else(|| Error::shape(name, "the input", EXPECTED_INPUT, input.clone()))
    }

    /// # Errors
    /// Where the activation is none that a cell can have.
    pub fn cell_activation(name: &str, activation: AnyActivation) -> Result<crate::kernels::activation::Activation> {
        match activation {
            AnyActivation::Elementwise(function) => Ok(function),
            AnyActivation::Softmax => Err(Error::unsupported(name, "softmax is not supported as a cell's activation")),
        }
    }

    /// The weights, their paths below `prefix`.
    pub fn weights(&self, prefix: &str) -> Vec<Weight> {
        let [kernel, recurrent_kernel, bias] = self.initializers.clone();
        let gates = 4 * self.units;
        let weight = |name: &str, shape: &[usize], initializer| Weight {
            path: format!("{prefix}{}/{name}", self.cell_name),
            shape: shape.to_vec(),
            initializer,
        };
        let mut weights = vec![
            weight("kernel", &[self.features, gates], kernel),
            weight("recurrent_kernel", &[self.units, gates], recurrent_kernel),
        ];
        if self.use_bias {
            weights.push(weight("bias", &[gates], bias));
        }
        weights
    }

    /// How many floats the weights have.
    pub fn weights_len(&self) -> usize {
        4 * self.units * (self.features + self.units + usize::from(self.use_bias))
    }

    /// # Errors
    /// Where a sequence of other features is given.
    pub fn check_input(&self, x: &Shape) -> Result<()> {
        if x.rank() != 3 || x.features() != Some(self.features) {
            let expected = Shape(vec![None, None, Some(self.features)]);
            return Err(Error::shape(&self.name, "the input", expected, x.clone()));
        }
        Ok(())
    }

    /// The kernel, the recurrent kernel and the bias (empty without one).
    fn split<'a>(&self, weights: &'a [f32]) -> (&'a [f32], &'a [f32], &'a [f32]) {
        let (kernel, rest) = weights.split_at(self.features * 4 * self.units);
        let (recurrent_kernel, bias) = rest.split_at(self.units * 4 * self.units);
        (kernel, recurrent_kernel, bias)
    }

    /// Makes the copies of the weights that the kernels read.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        let (features, units, gates) = (self.features, self.units, 4 * self.units);
        let (kernel, recurrent_kernel, bias) = self.split(weights);
        let packed = &mut self.packed;
        packed.kernel.pack_gates(isa, Source::row_major(kernel, gates), features, units)?;
        packed.recurrent_kernel.pack_gates(isa, Source::row_major(recurrent_kernel, gates), units, units)?;
        if self.use_bias {
            packed.bias.pack_gates(isa, Source::row_major(bias, gates), 1, units)?;
        } else if packed.bias.depth() == 0 {
            packed.bias.pack_gates(isa, Source::row_major(&vec![0.0; gates], gates), 1, units)?;
        }
        if training {
            packed.kernel_transposed.pack(isa, Source::transposed(kernel, gates), gates, features)?;
            packed.recurrent_transposed.pack(isa, Source::transposed(recurrent_kernel, gates), gates, units)?;
        }
        Ok(())
    }

    /// Floating-point operations of a forward pass.
    pub fn operations(&self, x: &Tensor) -> usize {
        8 * x.rows() * self.units * (self.features + self.units)
    }

    /// Lays out a forward pass: the order of steps, the states it starts from, dropout, and `x · W + b` of a dictionary.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn prepare(&self, given: &Given<'_>, team: &Team, cache: &mut RecurrenceCache) -> Result<()> {
        let &[batch, steps, features] = given.x.sizes() else { unreachable!("the plan checked the rank") };
        let (units, training) = (self.units, given.training);
        checked_len(&self.name, &[batch, steps + 1, 4, units])?;
        if batch.saturating_mul(steps) > Order::MAX {
            return Err(Error::TooLarge {
                place: self.name.clone(),
                message: format!("{batch} sequences of {steps} steps are more than {}", Order::MAX),
            });
        }
        cache.order.set(batch, steps, given.mask, self.direction);
        let states = cache.order.state_rows(training) * units;
        cache.h.resize(states)?;
        cache.c.resize(states)?;
        if training {
            cache.gates.resize(cache.order.rows() * 4 * units)?;
            cache.dh.resize(batch * units)?;
            cache.dc.resize(batch * units)?;
            if self.repeats_outputs(&cache.order) {
                cache.d_output.resize(batch * steps * units)?;
            }
        }
        self.start(given, cache)?;
        self.drop(given, cache)?;

        let dictionary = given.x.dictionary().filter(|_| !self.drops_inputs(training));
        cache.words.clear();
        if let Some(dictionary) = dictionary {
            cache.words.extend(cache.order.inputs().iter().map(|&place| dictionary[place as usize]));
            let (rows, gates) = (given.x.held().len() / features.max(1), 4 * units);
            cache.z.resize(rows * gates)?;
            let mut z = &mut *cache.z;
            let tasks = parallel::ranges(rows, team.size().min(rows).max(1)).map(|range| Project {
                projection: self.projection(Rows::adjacent(&given.x.held()[range.start * features..], features)),
                rows: range.len(),
                units,
                z: parallel::take(&mut z, &range, gates),
            });
            team.run(tasks, |task| task.run(given.isa));
        } else if !training {
            cache.z.resize(AHEAD_ROWS.div_ceil(batch.max(1)).min(steps) * batch * 4 * units)?;
        }
        Ok(())
    }

    fn drops_inputs(&self, training: bool) -> bool {
        training && self.dropout.inputs > 0.0
    }

    /// Whether rows of a dictionary serve as well as an input of their own for each step.
    pub fn takes_dictionary(&self) -> bool {
        self.dropout.inputs == 0.0
    }

    fn projection<'a>(&'a self, x: Rows<'a>) -> Projection<'a> {
        Projection { x, kernel: &self.packed.kernel, bias: &self.packed.bias }
    }

    /// Fills the initial states.
    fn start(&self, given: &Given<'_>, cache: &mut RecurrenceCache) -> Result<()> {
        let RecurrenceCache { order, h, c, last_h, last_c, seen, .. } = cache;
        let (batch, units) = (order.batch(), self.units);
        last_h.resize(batch * units)?;
        last_c.resize(batch * units)?;
        if !given.resume {
            for (last, initial) in [(&mut *last_h, given.initial[0]), (&mut *last_c, given.initial[1])] {
                match initial {
                    Some(initial) => last.copy_from_slice(initial),
                    None => last.fill(0.0),
                }
            }
            seen.clear();
        }
        seen.resize(batch, false);
        for (states, last) in [(h, last_h), (c, last_c)] {
            for (state, &sequence) in states.chunks_exact_mut(units).zip(order.sequences()) {
                state.copy_from_slice(&last[sequence as usize * units..][..units]);
            }
        }
        Ok(())
    }

    /// Draws what dropout multiplies by and applies it to the inputs and the initial `h`.
    fn drop(&self, given: &Given<'_>, cache: &mut RecurrenceCache) -> Result<()> {
        let (seed, stream) = given.random;
        let mut random = Random::new(self.dropout.seed.unwrap_or(seed), stream);
        let order = &cache.order;
        cache.x_dropout.resize(0)?;
        cache.h_dropout.resize(0)?;
        if self.drops_inputs(given.training) {
            let (features, steps) = (self.features, given.x.sizes()[1]);
            cache.x_dropout.resize(order.batch() * features)?;
            random.dropout(self.dropout.inputs, &mut cache.x_dropout);
            cache.x.resize(order.batch() * steps * features)?;
            for (place, x) in cache.x.chunks_exact_mut(features).enumerate() {
                let factors = &cache.x_dropout[place / steps * features..][..features];
                let from = given.x.row(place).iter().zip(factors);
                x.iter_mut().zip(from).for_each(|(x, (from, factor))| *x = from * factor);
            }
        }
        if given.training && self.dropout.recurrent > 0.0 {
            cache.h_dropout.resize(order.batch() * self.units)?;
            random.dropout(self.dropout.recurrent, &mut cache.h_dropout);
            cache.h.iter_mut().zip(&*cache.h_dropout).for_each(|(h, factor)| *h *= factor);
        }
        Ok(())
    }

    /// A prepared forward pass, cut for so many threads.
    pub fn forward<'a>(
        &'a self,
        given: &Given<'a>,
        output: Option<Columns<'a>>,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> ForwardMembers<'a> {
        let RecurrenceCache { order, h, c, gates, last_h, z, words, x, h_dropout, turn, .. } = cache;
        *turn = turn.wrapping_add(order.steps());
        let order = &*order;
        let units = self.units;
        let lanes = given.isa.lanes();
        let split = Split::best(threads, order, units, units.div_ceil(lanes), lanes);
        let values = if self.drops_inputs(given.training) { &**x } else { given.x.held() };
        let input = if words.is_empty() {
            let projection = self.projection(Rows::picked(values, self.features, order.inputs()));
            let weights = 16 * units * (self.features + units) / split.columns;
            let fused = order.steps() < 2
                || weights <= CACHED_WEIGHTS && (self.features <= lanes || order.batch() >= FULL_TILE * split.ranks);
            if fused { Input::Fused(projection) } else { Input::Ahead(projection, z) }
        } else {
            Input::Given(Rows::picked(z, 4 * units, words))
        };
        lstm::Forward {
            isa: given.isa,
            order,
            units,
            input,
            recurrent_kernel: &self.packed.recurrent_kernel,
            activations: self.activations,
            h,
            c,
            gates: given.training.then_some(&mut **gates),
            output,
            last: last_h,
            dropout: (!h_dropout.is_empty()).then_some(&**h_dropout),
            turn: *turn,
        }
        .members(order.parts(split.ranks, 1), split.columns)
    }

    /// Keeps the last `c`, and fills what masked steps show: `outputs` are rows `stride` floats apart, one a step or one a
    /// sequence.
    pub fn finish(&self, given: &Given<'_>, outputs: &mut [f32], stride: usize, cache: &mut RecurrenceCache) {
        let RecurrenceCache { order, c, last_h, last_c, seen, .. } = cache;
        let units = self.units;
        for (rank, &sequence) in order.sequences().iter().enumerate() {
            let from = &c[order.last_state(rank, given.training) * units..][..units];
            last_c[sequence as usize * units..][..units].copy_from_slice(from);
        }
        let steps = given.x.sizes()[1];
        let counts = |sequence: usize, time: usize| {
            let input = if self.direction.is_backwards() { steps - 1 - time } else { time };
            given.mask.is_none_or(|mask| mask[sequence * steps + input] != 0)
        };
        for sequence in 0..order.batch() {
            let mut any = seen[sequence];
            let last = &last_h[sequence * units..][..units];
            if self.return_sequences && !order.is_full() {
                let mut shown: Option<usize> = None;
                for time in 0..steps {
                    let place = (sequence * steps + self.place(time, steps)) * stride;
                    if counts(sequence, time) {
                        (any, shown) = (true, Some(place));
                        continue;
                    }
                    match shown.filter(|_| !self.zero_output_for_mask) {
                        Some(shown) => outputs.copy_within(shown..shown + units, place),
                        // A stream's sequence may have begun before this call.
                        None if any && !self.zero_output_for_mask => {
                            outputs[place..place + units].copy_from_slice(last)
                        }
                        None => outputs[place..place + units].fill(0.0),
                    }
                }
            } else {
                any |= (0..steps).any(|time| counts(sequence, time));
            }
            if !self.return_sequences {
                let target = &mut outputs[sequence * stride..][..units];
                let hidden = self.zero_output_for_mask && (steps == 0 || !counts(sequence, steps - 1));
                if any && !hidden || order.is_full() { target.copy_from_slice(last) } else { target.fill(0.0) }
            }
            seen[sequence] = any;
        }
    }

    /// Where the output computed at `time` stands.
    fn place(&self, time: usize, steps: usize) -> usize {
        if self.direction.turns_outputs() { steps - 1 - time } else { time }
    }

    /// Whether a sequence's one output is its last `h`.
    fn shows_last(&self, given: &Given<'_>, cache: &RecurrenceCache, sequence: usize) -> bool {
        let steps = given.x.sizes()[1];
        let Some(mask) = given.mask.filter(|_| steps > 0) else { return true };
        let last = if self.direction.is_backwards() { 0 } else { steps - 1 };
        cache.seen[sequence] && (!self.zero_output_for_mask || mask[sequence * steps + last] != 0)
    }

    /// The last `h` and `c`, `batch x units`.
    pub fn last<'a>(&self, cache: &'a RecurrenceCache) -> [&'a [f32]; 2] {
        [&cache.last_h, &cache.last_c]
    }

    /// The states that a stream goes on from, laid out for `batch` sequences.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn states<'a>(&self, batch: usize, cache: &'a mut RecurrenceCache) -> Result<Vec<&'a mut [f32]>> {
        let len = checked_len(&self.name, &[batch, self.units])?;
        cache.last_h.resize(len)?;
        cache.last_c.resize(len)?;
        cache.seen.resize(batch, false);
        Ok(vec![&mut cache.last_h, &mut cache.last_c])
    }

    /// Says whether the sequences of a stream have begun, so that a masked step repeats an output.
    pub fn set_begun(&self, begun: bool, cache: &mut RecurrenceCache) {
        cache.seen.fill(begun);
    }

    /// Prepares a backward pass. `d_output` is the gradient of the outputs, rows `stride` floats apart from `first` on;
    /// `d_states` those of the last states.
    pub fn prepare_backward(
        &self,
        given: &Given<'_>,
        d_output: Option<(&[f32], usize, usize)>,
        d_states: [Option<&[f32]>; 2],
        cache: &mut RecurrenceCache,
    ) {
        let units = self.units;
        for (rank, &sequence) in cache.order.sequences().iter().enumerate() {
            let (own, from) = (rank * units..(rank + 1) * units, sequence as usize * units);
            for (target, d_state) in [(&mut cache.dh, d_states[0]), (&mut cache.dc, d_states[1])] {
                match d_state {
                    Some(d_state) => target[own.clone()].copy_from_slice(&d_state[from..from + units]),
                    None => target[own.clone()].fill(0.0),
                }
            }
        }
        let Some((d_output, stride, first)) = d_output else { return };
        if !self.return_sequences {
            // The one output is the last `h`.
            for rank in 0..cache.order.batch() {
                let sequence = cache.order.sequences()[rank] as usize;
                if self.shows_last(given, cache, sequence) {
                    let dh = &mut cache.dh[rank * units..][..units];
                    let d_last = &d_output[sequence * stride + first..][..units];
                    dh.iter_mut().zip(d_last).for_each(|(dh, d)| *dh += d);
                }
            }
            return;
        }
        let Some(mask) = given.mask.filter(|_| self.repeats_outputs(&cache.order)) else { return };
        let steps = given.x.sizes()[1];
        for sequence in 0..cache.order.batch() {
            let mut shown: Option<usize> = None;
            for time in 0..steps {
                let input = if self.direction.is_backwards() { steps - 1 - time } else { time };
                let place = sequence * steps + self.place(time, steps);
                let d = &d_output[place * stride + first..][..units];
                if mask[sequence * steps + input] != 0 {
                    shown = Some(place);
                    cache.d_output[place * units..][..units].copy_from_slice(d);
                } else if let Some(shown) = shown {
                    let target = &mut cache.d_output[shown * units..][..units];
                    target.iter_mut().zip(d).for_each(|(to, d)| *to += d);
                }
            }
        }
    }

    /// Whether masked steps show the output before them, so that its gradient takes in theirs.
    fn repeats_outputs(&self, order: &Order) -> bool {
        self.return_sequences && !order.is_full() && !self.zero_output_for_mask
    }

    /// A prepared backward pass through time, cut for so many threads; arguments as for `prepare_backward`.
    pub fn backward<'a>(
        &'a self,
        given: &Given<'a>,
        d_output: Option<(&'a [f32], usize, usize)>,
        wants_initial: bool,
        cache: &'a mut RecurrenceCache,
        threads: usize,
    ) -> BackwardMembers<'a> {
        let RecurrenceCache { order, c, gates, dh, dc, h_dropout, d_output: folded, .. } = cache;
        let order = &*order;
        let units = self.units;
        let d_output = d_output.filter(|_| self.return_sequences).map(|(d_output, stride, first)| {
            if self.repeats_outputs(order) {
                Rows::picked(folded, units, order.outputs())
            } else {
                Rows::picked(d_output.get(first..).unwrap_or_default(), stride, order.outputs())
            }
        });
        let panels = self.packed.recurrent_transposed.panels();
        let split = Split::best(threads, order, 4 * units, panels, given.isa.lanes());
        lstm::Backward {
            isa: given.isa,
            order,
            units,
            recurrent_transposed: &self.packed.recurrent_transposed,
            activations: self.activations,
            c,
            gates,
            d_output,
            dh,
            dc,
            dropout: (!h_dropout.is_empty()).then_some(&**h_dropout),
            wants_initial,
        }
        .members(order.parts(split.ranks, 1), split.columns)
    }

    /// Adds to the gradients of the weights, and to that of the input, from `dz`.
    pub fn gradients(
        &self,
        given: &Given<'_>,
        gradients: Option<&mut [f32]>,
        d_input: Option<(&mut [f32], bool)>,
        team: &Team,
        cache: &mut RecurrenceCache,
    ) {
        let isa = given.isa;
        let (units, features) = (self.units, self.features);
        let dropped = self.drops_inputs(given.training);
        let RecurrenceCache { order, h, gates: dz, z, words, x, x_dropout, .. } = cache;
        let with_words = !words.is_empty();
        if with_words {
            z.fill(0.0);
            let sum = SumByIndex::new(isa, Rows::adjacent(dz, 4 * units), words, z);
            team.run(parallel::ranges(4 * units, team.size()), |columns| sum.run(columns));
        }
        let values = if dropped { &**x } else { given.x.held() };
        let input = if with_words {
            InputRows { x: Rows::adjacent(values, features), count: z.len() / (4 * units) }
        } else {
            InputRows { x: Rows::picked(values, features, order.inputs()), count: order.rows() }
        };
        let d_words = Rows::adjacent(if with_words { z } else { dz }, 4 * units);

        if let Some(gradients) = gradients {
            let (kernel, rest) = gradients.split_at_mut(features * 4 * units);
            let (recurrent_kernel, bias) = rest.split_at_mut(units * 4 * units);
            let bias = self.use_bias.then_some(bias);
            let h = Rows::picked(h, units, order.states());
            let all = Rows::adjacent(dz, 4 * units);
            let x = Some((input.x, kernel));
            let (first, second) = if with_words { (x, None) } else { (None, x) };
            if let Some(words) = first {
                let tasks =
                    WeightGradient { rows: input.count, dz: d_words, operands: [Some(words), None], bias: None };
                let tasks = tasks.tasks(isa, team.size());
                team.run(0..tasks.count(), |task| tasks.run(task));
            }
            let operands = [second, Some((h, recurrent_kernel))];
            let tasks = WeightGradient { rows: order.rows(), dz: all, operands, bias }.tasks(isa, team.size());
            team.run(0..tasks.count(), |task| tasks.run(task));
        }

        let Some((dx, add)) = d_input else { return };
        if with_words {
            let mut rest = &mut *dx;
            let initial = if add { Initial::Target } else { Initial::Zero };
            let tasks = parallel::ranges(input.count, team.size()).map(|rows| Matmul {
                rows: rows.len(),
                a: Rows::adjacent(&d_words.values[rows.start * 4 * units..], 4 * units),
                b: &self.packed.kernel_transposed,
                c: RowsMut::adjacent(parallel::take(&mut rest, &rows, features), features),
                initial,
            });
            return team.run(tasks, |task| task.run(isa));
        }
        let steps = given.x.sizes()[1];
        if !add && !order.is_full() {
            dx.fill(0.0);
        }
        let initial = if add && !dropped { Initial::Target } else { Initial::Zero };
        let mut own = std::mem::take(x);
        let mut rest = if dropped { &mut *own } else { &mut *dx };
        let tasks = parallel::ranges(order.batch(), team.size().min(order.batch()).max(1)).map(|sequences| {
            let (rows, places) = order.sorted(sequences.clone());
            Matmul {
                rows: rows.len(),
                a: Rows::picked(dz, 4 * units, rows),
                b: &self.packed.kernel_transposed,
                c: RowsMut {
                    values: parallel::take(&mut rest, &sequences, steps * features),
                    width: features,
                    index: Some(places),
                    first: sequences.start * steps,
                },
                initial,
            }
        });
        team.run(tasks, |task| task.run(isa));
        if dropped {
            let (_, places) = order.sorted(0..order.batch());
            for &place in places {
                let at = place as usize * features;
                let factors = &x_dropout[place as usize / steps * features..][..features];
                for ((dx, d), factor) in dx[at..][..features].iter_mut().zip(&own[at..]).zip(factors) {
                    *dx = d * factor + if add { *dx } else { 0.0 };
                }
            }
        }
        *x = own;
    }

    /// Adds the gradient of an initial state (0 for `h`, 1 for `c`) after a backward pass.
    pub fn initial_gradient(&self, state: usize, target: &mut [f32], add: bool, cache: &RecurrenceCache) {
        let d_state = if state == 0 { &cache.dh } else { &cache.dc };
        for (d_state, &sequence) in d_state.chunks_exact(self.units).zip(cache.order.sequences()) {
            let target = &mut target[sequence as usize * self.units..][..self.units];
            for (to, d) in target.iter_mut().zip(d_state) {
                *to = d + if add { *to } else { 0.0 };
            }
        }
    }
}

/// How a pass is cut: into runs of ranks, and into runs of columns that meet after every step.
struct Split {
    ranks: usize,
    columns: usize,
}

impl Split {
    /// The split with the least estimated time, in cycles of a core.
    ///
    /// A step of a member reads its share of the weights and multiplies it with tiles of its ranks, whichever takes
    /// longer; members that share ranks wait for each other, and all begin and end together. The figures are of the order that current cores have: only
    /// their proportions matter, and results do not depend on them.
    fn best(threads: usize, order: &Order, depth: usize, panels: usize, lanes: usize) -> Split {
        const MEETING: usize = 1500;
        const REGION: usize = 25_000;
        let batch = order.batch();
        let cost = |ranks: usize, columns: usize| {
            let panels = panels.div_ceil(columns);
            let tiles = batch.div_ceil(ranks).div_ceil(FULL_TILE);
            let bytes = panels * depth * 16 * lanes;
            let bytes_a_cycle = if bytes <= CACHED_WEIGHTS { 40 } else { 8 };
            let multiply = panels * tiles * depth * 12;
            let meetings = if columns > 1 { MEETING } else { 0 };
            let opening = if ranks * columns > 1 { REGION / order.steps().max(1) } else { 0 };
            multiply.max(bytes / bytes_a_cycle) + meetings + opening
        };
        let all = (1..=threads.min(batch).max(1)).flat_map(|ranks| {
            let most = (threads / ranks).min(panels).max(1);
            (1..=most).map(move |columns| (ranks, columns))
        });
        let (ranks, columns) = all.min_by_key(|&(ranks, columns)| cost(ranks, columns)).unwrap_or((1, 1));
        Split { ranks, columns }
    }
}
