//! A cell along time in one direction: what LSTM, GRU, SimpleRNN, RNN and each half of Bidirectional compute with.

use super::cell::{Cell, OutputGradient, inputs};
use super::config::Precision;
use super::{AnyActivation, Random, Rules, Shape, Tensor, Weight, checked_len};
use crate::error::{Error, Result};
use crate::kernels::matmul::{Initial, Matmul};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::scatter::{Groups, SumGroups};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{AlignedBuffer, Columns, Direction, Order, Pass, Rows, RowsMut};
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
    pub cell: Box<dyn Cell>,
    pub precision: Precision,
    pub trainable: bool,
    pub use_bias: bool,
    /// Of kernel, recurrent kernel and bias.
    pub rules: [Rules; 3],
    pub direction: Direction,
    pub return_sequences: bool,
    pub zero_output_for_mask: bool,
    pub dropout: Dropout,
    pub kernel_transposed: PackedMatrix,
}

/// What share of the inputs and of `h` is dropped in training, the same features at every step of a sequence.
#[derive(Clone, Copy, Default)]
pub(super) struct Dropout {
    pub inputs: f64,
    pub recurrent: f64,
    pub seed: Option<u64>,
}

/// What forward saves, and working memory; what a cell does not need stays empty. An LSTM saves 24 bytes a unit a step, `h`
/// and `c` of every step and the four gates.
#[derive(Default)]
pub(super) struct RecurrenceCache {
    pub order: Order,
    /// States by rank, as `Order::state` numbers them; of an LSTM what dropout leaves of them.
    pub h: AlignedBuffer,
    /// As `h`, the memory of an LSTM.
    pub c: AlignedBuffer,
    /// As `h`, what dropout leaves of them, for a cell that needs the whole, too.
    pub left: AlignedBuffer,
    /// `rows x GATES units`; after backward `dz`.
    pub gates: AlignedBuffer,
    /// What a GRU keeps between `h · U` and its candidate.
    pub inner: AlignedBuffer,
    /// `ranks x units`.
    pub dh: AlignedBuffer,
    /// `ranks x units`.
    pub dc: AlignedBuffer,
    /// `batch x units`, each sequence's last states; where a stream goes on.
    pub last_h: AlignedBuffer,
    pub last_c: AlignedBuffer,
    /// For each sequence whether any step has counted.
    seen: Vec<bool>,
    /// `x · W + b`: of the dictionary's rows, or of some steps ahead; in backward the sum of `dz` for each dictionary row.
    pub z: AlignedBuffer,
    /// For each row of the order its dictionary row.
    pub words: Vec<u32>,
    /// The other way round, for backward.
    rows_of_words: Groups,
    /// What is left of the inputs after dropout, and what they and `h` (by rank) were multiplied by.
    pub x: AlignedBuffer,
    pub x_dropout: AlignedBuffer,
    pub h_dropout: AlignedBuffer,
    /// Passes so far.
    pub turn: usize,
    /// The gradient of outputs with that of repeated ones added to those they repeat.
    pub d_output: AlignedBuffer,
}

/// What a forward pass is given.
#[derive(Clone, Copy)]
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
    /// What a call of a layer gives, but for states to start from.
    pub fn forward(call: &super::Forward<'a>) -> Self {
        Given {
            isa: call.isa,
            x: call.input(0),
            mask: call.mask,
            initial: [None, None],
            resume: call.resume,
            training: call.training,
            random: call.random,
        }
    }

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

    /// The same, to be computed in a precision.
    fn on(&self, precision: Precision) -> Self {
        Given { isa: precision.on(self.isa), ..*self }
    }
}

/// Rows of a product that are worth a read of the packed matrix.
const TASK_ROWS: usize = 64;

/// In how many tasks to cut a product of so many rows: some for each thread, so that all end together though some may be
/// slower.
fn task_count(team: &Team, rows: usize) -> usize {
    let threads = team.size();
    if threads == 1 { 1 } else { (4 * threads).min(rows / TASK_ROWS).max(threads) }
}

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
            _ => {
                let known: Vec<_> = crate::kernels::activation::Activation::ALL.iter().map(|&(name, _)| name).collect();
                let message = format!("a cell's activation can be {}; others are not supported yet", known.join(", "));
                Err(Error::unsupported(name, message))
            }
        }
    }

    /// The weights, their paths below `prefix`.
    pub fn weights(&self, prefix: &str) -> Vec<Weight> {
        let [kernel, recurrent_kernel, bias] = self.rules.clone();
        let gates = self.width();
        let weight = |name: &str, shape: &[usize], rules| Weight {
            trainable: self.trainable,
            ..Weight::new(format!("{prefix}{}/{name}", self.cell_name), shape, rules)
        };
        let mut weights = vec![
            weight("kernel", &[self.features, gates], kernel),
            weight("recurrent_kernel", &[self.units, gates], recurrent_kernel),
        ];
        if self.use_bias {
            weights.push(weight("bias", &self.cell.bias_shape(), bias));
        }
        weights
    }

    /// Columns of the kernels.
    fn width(&self) -> usize {
        self.cell.gates() * self.units
    }

    /// How many floats the weights have.
    pub fn weights_len(&self) -> usize {
        let bias = if self.use_bias { self.cell.bias_shape().iter().product() } else { 0 };
        self.width() * (self.features + self.units) + bias
    }

    /// How many states go from step to step: `h`, and `c` where there is a memory.
    pub fn state_count(&self) -> usize {
        1 + usize::from(self.cell.has_memory())
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
    fn split<'a>(&self, weights: &'a [f32]) -> [&'a [f32]; 3] {
        let (kernel, rest) = weights.split_at(self.features * self.width());
        let (recurrent_kernel, bias) = rest.split_at(self.units * self.width());
        [kernel, recurrent_kernel, bias]
    }

    /// Makes the copies of the weights that the kernels read.
    ///
    /// # Errors
    /// Where there is no memory for them.
    pub fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        let (isa, weights) = (self.precision.on(isa), self.split(weights));
        self.cell.pack(isa, weights, training)?;
        if training {
            let width = self.width();
            self.kernel_transposed.pack(isa, Source::transposed(weights[0], width), width, self.features)?;
        }
        Ok(())
    }

    /// Floating-point operations of a forward pass.
    pub fn operations(&self, x: &Tensor) -> usize {
        2 * x.rows() * self.width() * (self.features + self.units)
    }

    /// Lays out a forward pass: the order of steps, the states it starts from, dropout, and `x · W + b` of a dictionary.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn prepare(&self, given: &Given<'_>, team: &Team, cache: &mut RecurrenceCache) -> Result<()> {
        let given = &given.on(self.precision);
        let &[batch, steps, features] = given.x.sizes() else { unreachable!("the plan checked the rank") };
        let (units, training) = (self.units, given.training);
        checked_len(&self.name, &[batch, steps + 1, self.width()])?;
        if batch.saturating_mul(steps) > Order::MAX {
            return Err(Error::TooLarge {
                place: self.name.clone(),
                message: format!("{batch} sequences of {steps} steps are more than {}", Order::MAX),
            });
        }
        cache.order.set(batch, steps, given.mask, self.direction);
        let states = cache.order.state_rows(training) * units;
        cache.h.resize(states)?;
        self.cell.make_room(training, cache)?;
        if training {
            cache.dh.resize(batch * units)?;
            if self.repeats_outputs(&cache.order) {
                cache.d_output.resize(batch * steps * units)?;
            }
        }
        self.start(given, cache)?;
        self.drop(given, cache)?;

        cache.words.clear();
        if let Some(dictionary) = self.dictionary(given) {
            cache.words.extend(cache.order.inputs().iter().map(|&place| dictionary[place as usize]));
            let (rows, width) = (given.x.held().len() / features.max(1), self.width());
            cache.z.resize(rows * width)?;
            let mut z = &mut *cache.z;
            let tasks = parallel::ranges(rows, team.size().min(rows).max(1)).map(|range| {
                let x = Rows::adjacent(&given.x.held()[range.start * features..], features);
                (x, range.len(), parallel::take(&mut z, &range, width))
            });
            team.run(tasks, |(x, rows, z)| self.cell.project(given.isa, x, rows, z));
            Ok(())
        } else {
            self.cell.project_ahead(given, team, cache)
        }
    }

    /// The input's dictionary, where it projects each of its rows once. Where no step counts, no row of the order has one of them.
    fn dictionary<'a>(&self, given: &Given<'a>) -> Option<&'a [u32]> {
        given.x.dictionary().filter(|_| !self.drops_inputs(given.training))
    }

    /// Whether it reads its inputs before a pass, to drop some.
    pub fn drops_inputs(&self, training: bool) -> bool {
        training && self.dropout.inputs > 0.0
    }

    /// Fills the initial states.
    fn start(&self, given: &Given<'_>, cache: &mut RecurrenceCache) -> Result<()> {
        let RecurrenceCache { order, h, c, last_h, last_c, seen, .. } = cache;
        let (batch, units) = (order.batch(), self.units);
        let count = self.state_count();
        last_h.resize(batch * units)?;
        last_c.resize((count - 1) * batch * units)?;
        if !given.resume {
            let lasts = [(&mut *last_h, given.initial[0]), (&mut *last_c, given.initial[1])];
            for (last, initial) in lasts.into_iter().take(count) {
                match initial {
                    Some(initial) => last.copy_from_slice(initial),
                    None => last.fill(0.0),
                }
            }
            seen.clear();
        }
        seen.resize(batch, false);
        for (states, last) in [(h, last_h), (c, last_c)].into_iter().take(count) {
            for (state, &sequence) in states.chunks_exact_mut(units).zip(order.sequences()) {
                state.copy_from_slice(&last[sequence as usize * units..][..units]);
            }
        }
        Ok(())
    }

    /// Draws what dropout multiplies by and applies it to the inputs and the initial `h`.
    fn drop(&self, given: &Given<'_>, cache: &mut RecurrenceCache) -> Result<()> {
        cache.x_dropout.resize(0)?;
        cache.h_dropout.resize(0)?;
        if !given.training {
            return Ok(());
        }
        let (seed, stream) = given.random;
        let mut random = Random::new(self.dropout.seed.unwrap_or(seed), stream);
        let order = &cache.order;
        if self.dropout.inputs > 0.0 {
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
        if self.dropout.recurrent > 0.0 {
            cache.h_dropout.resize(order.batch() * self.units)?;
            random.dropout(self.dropout.recurrent, &mut cache.h_dropout);
            self.cell.drop_initial(cache)?;
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
    ) -> Box<dyn Pass + 'a> {
        self.cell.forward(&given.on(self.precision), output, cache, threads)
    }

    /// Keeps the last `c`, and fills what masked steps show: `outputs` are rows `stride` floats apart, one a step or one a
    /// sequence.
    pub fn finish(&self, given: &Given<'_>, outputs: &mut [f32], stride: usize, cache: &mut RecurrenceCache) {
        let RecurrenceCache { order, c, last_h, last_c, seen, .. } = cache;
        let units = self.units;
        let ranks = order.sequences().iter().enumerate().filter(|_| self.cell.has_memory());
        for (rank, &sequence) in ranks {
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

    /// The last `h` and `c`, `batch x units`; without a memory the second is empty.
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
        cache.last_c.resize((self.state_count() - 1) * len)?;
        cache.seen.resize(batch, false);
        let states: [&mut [f32]; 2] = [&mut cache.last_h, &mut cache.last_c];
        Ok(states.into_iter().take(self.state_count()).collect())
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
            let targets = [(&mut cache.dh, d_states[0]), (&mut cache.dc, d_states[1])];
            for (target, d_state) in targets.into_iter().take(self.state_count()) {
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
    ) -> Box<dyn Pass + 'a> {
        let d_output = match d_output.filter(|_| self.return_sequences) {
            None => OutputGradient::Nowhere,
            Some(_) if self.repeats_outputs(&cache.order) => OutputGradient::Folded,
            Some((d_output, stride, first)) => OutputGradient::Given(d_output.get(first..).unwrap_or_default(), stride),
        };
        self.cell.backward(self.precision.on(given.isa), d_output, wants_initial, cache, threads)
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
        let isa = self.precision.on(given.isa);
        let (width, features) = (self.width(), self.features);
        let dropped = self.drops_inputs(given.training);
        let with_words = self.dictionary(given).is_some();
        if with_words {
            let RecurrenceCache { gates: dz, z, words, rows_of_words, .. } = &mut *cache;
            rows_of_words.set(words, z.len() / width);
            SumGroups { isa, rows: Rows::adjacent(dz, width), groups: rows_of_words, target: z }.run(team);
        }
        if let Some(gradients) = gradients {
            let cache = &*cache;
            let (kernel, rest) = gradients.split_at_mut(features * width);
            let (recurrent_kernel, bias) = rest.split_at_mut(self.units * width);
            let bias = self.use_bias.then_some(bias);
            let values = inputs(given.x, &cache.x, &cache.x_dropout);
            let x = if with_words {
                let rows = cache.z.len() / width;
                let operands = [Some((Rows::adjacent(values, features), kernel)), None];
                WeightGradient { rows, dz: Rows::adjacent(&cache.z, width), operands, bias: None }.run(isa, team);
                None
            } else {
                Some((Rows::picked(values, features, cache.order.inputs()), kernel))
            };
            self.cell.gradients(isa, x, recurrent_kernel, bias, team, cache);
        }

        let Some((dx, add)) = d_input else { return };
        let RecurrenceCache { order, gates: dz, z, x, x_dropout, .. } = cache;
        if with_words {
            let rows = z.len() / width;
            let mut rest = &mut *dx;
            let initial = if add { Initial::Target } else { Initial::Zero };
            let tasks = parallel::ranges(rows, task_count(team, rows)).map(|rows| Matmul {
                rows: rows.len(),
                a: Rows::adjacent(&z[rows.start * width..], width),
                b: &self.kernel_transposed,
                c: RowsMut::adjacent(parallel::take(&mut rest, &rows, features), features),
                initial,
            });
            return team.run(tasks, |task| task.run(isa));
        }
        let steps = given.x.sizes()[1];
        if !add && !order.is_full() {
            team.fill(dx, 0.0);
        }
        let initial = if add && !dropped { Initial::Target } else { Initial::Zero };
        let mut own = std::mem::take(x);
        let mut rest = if dropped { &mut *own } else { &mut *dx };
        let count = task_count(team, order.rows()).min(order.batch()).max(1);
        let tasks = parallel::ranges(order.batch(), count).map(|sequences| {
            let (rows, places) = order.sorted(sequences.clone());
            Matmul {
                rows: rows.len(),
                a: Rows::picked(dz, width, rows),
                b: &self.kernel_transposed,
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
