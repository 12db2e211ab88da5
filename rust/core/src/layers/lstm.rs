//! LSTM, and RNN with an LSTMCell: one recurrent layer under two names.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;

use super::config::{Absent, Ignored, activation_named, read, yes};
use super::{AnyActivation, Backward, Forward, Initializer, Layer, MaskRule, Node, Shape, Weight, checked_len};
use crate::error::{Error, Result};
use crate::kernels::AlignedBuffer;
use crate::kernels::lstm::{self, Activations, Mask, Sizes};
use crate::kernels::matmul::{Initial, Matmul};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::weight_gradient::{self, Rows};
use crate::parallel;
use crate::simd::Isa;

/// Sequences below which a thread would read the weights for too little work.
const LEAST_SEQUENCES: usize = 2;

/// What a recurrent layer wants, and the two ways in which it is most often missed.
const EXPECTED_INPUT: &str = "(batch, time, features) with a known number of features; a recurrent layer before this one \
    gives it with return_sequences=True, a series of single numbers becomes it with x[..., None]";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CellConfig {
    units: usize,
    activation: Option<String>,
    recurrent_activation: Option<String>,
    #[serde(default = "yes")]
    use_bias: bool,
    kernel_initializer: Initializer,
    recurrent_initializer: Initializer,
    bias_initializer: Initializer,
    #[serde(default = "yes")]
    unit_forget_bias: bool,
    #[serde(default, rename = "kernel_regularizer")]
    _kernel_regularizer: Absent,
    #[serde(default, rename = "recurrent_regularizer")]
    _recurrent_regularizer: Absent,
    #[serde(default, rename = "bias_regularizer")]
    _bias_regularizer: Absent,
    #[serde(default, rename = "kernel_constraint")]
    _kernel_constraint: Absent,
    #[serde(default, rename = "recurrent_constraint")]
    _recurrent_constraint: Absent,
    #[serde(default, rename = "bias_constraint")]
    _bias_constraint: Absent,
    #[serde(default, rename = "dropout")]
    _dropout: Absent,
    #[serde(default, rename = "recurrent_dropout")]
    _recurrent_dropout: Absent,
    #[serde(default, rename = "seed")]
    _seed: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SequenceConfig {
    #[serde(default)]
    return_sequences: bool,
    #[serde(default)]
    return_state: bool,
    #[serde(default)]
    go_backwards: bool,
    #[serde(default)]
    zero_output_for_mask: bool,
    #[serde(default, rename = "stateful")]
    _stateful: Absent,
    #[serde(default, rename = "unroll")]
    _unroll: Ignored,
    #[serde(default, rename = "use_cudnn")]
    _use_cudnn: Ignored,
}

/// `LSTM`: the cell's and the sequence's arguments side by side.
pub(super) fn build_lstm(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    const SEQUENCE: [&str; 7] =
        ["return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "stateful", "unroll", "use_cudnn"];
    let mut cell = config.clone();
    let mut sequence = serde_json::Map::new();
    if let Some(fields) = cell.as_object_mut() {
        for key in SEQUENCE {
            sequence.extend(fields.remove_entry(key));
        }
    }
    build(name, "lstm_cell", &cell, &Value::Object(sequence), inputs)
}

/// `RNN` around an `LSTMCell`.
pub(super) fn build_rnn(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let mut sequence = config.clone();
    let cell = sequence.as_object_mut().and_then(|fields| fields.remove("cell")).unwrap_or_default();
    match cell.get("class_name").and_then(Value::as_str) {
        Some("LSTMCell") => {}
        Some(other) => {
            return Err(Error::unsupported(name, format!("cell {other} is not supported yet; use LSTMCell")));
        }
        None => return Err(Error::unsupported(name, "a list of cells is not supported yet; stack RNN layers instead")),
    }
    let config = &cell["config"];
    let cell_name = config.get("name").and_then(Value::as_str).unwrap_or("lstm_cell");
    build(name, cell_name, config, &sequence, inputs)
}

fn build(name: &str, cell_name: &str, cell: &Value, sequence: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: CellConfig = read(name, cell)?;
    let sequence: SequenceConfig = read(name, sequence)?;
    if config.units == 0 {
        return Err(Error::value(name, "units must be positive"));
    }
    checked_len(name, &[4, config.units])?;
    let features = inputs[0]
        .features()
        .filter(|_| inputs[0].rank() == 3)
        .ok_or_else(|| Error::shape(name, "the input", EXPECTED_INPUT, inputs[0].clone()))?;
    let elementwise = |argument: &Option<String>| match activation_named(name, argument.as_deref())? {
        AnyActivation::Elementwise(function) => Ok(function),
        AnyActivation::Softmax => Err(Error::unsupported(name, "softmax is not supported as a cell's activation")),
    };
    Ok(vec![Node::new(Lstm {
        name: name.to_owned(),
        cell_name: cell_name.to_owned(),
        features,
        units: config.units,
        activations: Activations {
            cell: elementwise(&config.activation)?,
            gate: elementwise(&config.recurrent_activation)?,
        },
        use_bias: config.use_bias,
        initializers: [
            config.kernel_initializer,
            config.recurrent_initializer,
            match config.unit_forget_bias {
                true => Initializer::unit_forget(config.units, config.bias_initializer),
                false => config.bias_initializer,
            },
        ],
        return_sequences: sequence.return_sequences,
        return_state: sequence.return_state,
        go_backwards: sequence.go_backwards,
        zero_output_for_mask: sequence.zero_output_for_mask,
        packed: Packed::default(),
    })])
}

/// The weights as the kernels read them.
#[derive(Default)]
struct Packed {
    kernel: PackedMatrix,
    recurrent_kernel: PackedMatrix,
    bias: PackedMatrix,
    kernel_transposed: PackedMatrix,
    recurrent_transposed: PackedMatrix,
}

struct Lstm {
    name: String,
    cell_name: String,
    features: usize,
    units: usize,
    activations: Activations,
    use_bias: bool,
    initializers: [Initializer; 3],
    return_sequences: bool,
    return_state: bool,
    go_backwards: bool,
    zero_output_for_mask: bool,
    packed: Packed,
}

/// What forward saves: 24 bytes a unit a step, `h` and `c` of every step and the four gates.
#[derive(Default)]
pub(super) struct LstmCache {
    /// `batch x slots x units`, the initial state in slot 0.
    h: AlignedBuffer,
    /// As `h`.
    c: AlignedBuffer,
    /// `batch x steps x 4 units`: i, f, g, o; after backward `dz`.
    gates: AlignedBuffer,
    /// `batch x units`.
    dh: AlignedBuffer,
    /// `batch x units`.
    dc: AlignedBuffer,
    /// The input in processing order, where that is not its own; later its gradient.
    x: AlignedBuffer,
    mask: MaskCache,
}

/// A mask in processing order; empty where there is none.
#[derive(Default)]
struct MaskCache {
    /// `batch x steps`.
    keep: Vec<u8>,
    /// For each sequence the first step that counts.
    first: Vec<usize>,
}

impl MaskCache {
    fn set(&mut self, mask: Option<&[u8]>, steps: usize, backwards: bool) {
        self.keep.clear();
        self.first.clear();
        let Some(mask) = mask.filter(|_| steps > 0) else { return };
        self.keep.extend_from_slice(mask);
        for keep in self.keep.chunks_exact_mut(steps) {
            if backwards {
                keep.reverse();
            }
            self.first.push(keep.iter().position(|&keep| keep != 0).unwrap_or(steps));
        }
    }

    /// The mask of some sequences.
    fn of(&self, rows: &Range<usize>, steps: usize, zero_output: bool) -> Option<Mask<'_>> {
        (!self.first.is_empty()).then(|| Mask {
            keep: &self.keep[rows.start * steps..rows.end * steps],
            first: &self.first[rows.clone()],
            zero_output,
        })
    }
}

/// Copies `batch x steps x features` with the steps in reverse; adds to the target where `add`.
fn reverse_steps(from: &[f32], to: &mut [f32], steps: usize, features: usize, add: bool) {
    let sequence = steps * features;
    if sequence == 0 {
        return;
    }
    for (from, to) in from.chunks_exact(sequence).zip(to.chunks_exact_mut(sequence)) {
        for (from, to) in from.chunks_exact(features).rev().zip(to.chunks_exact_mut(features)) {
            for (from, to) in from.iter().zip(to) {
                *to = from + if add { *to } else { 0.0 };
            }
        }
    }
}

impl Lstm {
    /// The kernel, the recurrent kernel and the bias (empty without one).
    fn split<'a>(&self, weights: &'a [f32]) -> (&'a [f32], &'a [f32], &'a [f32]) {
        let (kernel, rest) = weights.split_at(self.features * 4 * self.units);
        let (recurrent_kernel, bias) = rest.split_at(self.units * 4 * self.units);
        (kernel, recurrent_kernel, bias)
    }

    fn sizes(&self, x: &super::Tensor) -> Sizes {
        let &[batch, steps, inputs] = x.sizes() else { unreachable!("the plan checked the rank") };
        Sizes { batch, steps, inputs, units: self.units }
    }

    /// Floating-point operations of a forward pass.
    fn operations(&self, sizes: Sizes) -> usize {
        8 * sizes.batch * sizes.steps * sizes.units * (sizes.inputs + sizes.units)
    }

    /// Whether the last output of a sequence is its final `h`: unless no step showed it.
    fn shows_last(&self, mask: &MaskCache, row: usize, steps: usize) -> bool {
        let Some(&first) = mask.first.get(row) else { return true };
        first < steps && (!self.zero_output_for_mask || mask.keep[(row + 1) * steps - 1] != 0)
    }

    /// Goes back through time: the gates become `dz`, `dh` and `dc` the gradients of the initial states.
    fn through_time(&self, isa: Isa, sizes: Sizes, d_output: Option<&[f32]>, cache: &mut LstmCache) {
        let Sizes { batch, steps, units, .. } = sizes;
        let LstmCache { c, gates, dh, dc, mask, .. } = cache;
        let (c, mask) = (&**c, &*mask);
        let (mut gates, mut dh, mut dc) = (&mut **gates, &mut **dh, &mut **dc);
        let operations = self.operations(sizes);
        let parts = parallel::parts(batch, LEAST_SEQUENCES, operations);
        let tasks = parallel::ranges(batch, parts).map(|rows| lstm::Backward {
            sizes: Sizes { batch: rows.len(), ..sizes },
            recurrent_transposed: &self.packed.recurrent_transposed,
            activations: self.activations,
            mask: mask.of(&rows, steps, self.zero_output_for_mask),
            c: &c[rows.start * (steps + 1) * units..rows.end * (steps + 1) * units],
            gates: parallel::take(&mut gates, &rows, steps * 4 * units),
            d_output: d_output.map(|d| &d[rows.start * steps * units..rows.end * steps * units]),
            dh: parallel::take(&mut dh, &rows, units),
            dc: parallel::take(&mut dc, &rows, units),
        });
        parallel::run(operations, tasks, |task| task.run(isa));
    }

    /// `dx = dz · Wᵀ`, steps in processing order.
    fn input_gradient(&self, isa: Isa, sizes: Sizes, dz: &[f32], mut dx: &mut [f32], initial: Initial<'_>) {
        let Sizes { batch, steps, inputs, units } = sizes;
        let operations = 8 * batch * steps * units * inputs;
        let parts = parallel::parts(batch * steps, 1, operations);
        let tasks = parallel::ranges(batch * steps, parts).map(|rows| Matmul {
            rows: rows.len(),
            a: &dz[rows.start * 4 * units..],
            a_stride: 4 * units,
            b: &self.packed.kernel_transposed,
            c: parallel::take(&mut dx, &rows, inputs),
            c_stride: inputs,
            initial,
        });
        parallel::run(operations, tasks, |task| task.run(isa));
    }
}

impl Layer for Lstm {
    type Cache = LstmCache;

    fn weights(&self) -> Vec<Weight> {
        let [kernel, recurrent_kernel, bias] = self.initializers.clone();
        let gates = 4 * self.units;
        let weight = |name: &str, shape: &[usize], initializer| Weight {
            path: format!("{}/{name}", self.cell_name),
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

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if inputs.len() != 1 && inputs.len() != 3 {
            let given = inputs.len() - 1;
            return Err(Error::value(&self.name, format!("initial_state must be [h, c], not {given} arrays")));
        }
        let x = &inputs[0];
        if x.rank() != 3 || x.features() != Some(self.features) {
            let expected = Shape(vec![None, None, Some(self.features)]);
            return Err(Error::shape(&self.name, "the input", expected, x.clone()));
        }
        let state = Shape(vec![x.0[0], Some(self.units)]);
        for given in &inputs[1..] {
            if given.rank() != 2 || given.features() != Some(self.units) {
                return Err(Error::shape(&self.name, "initial_state", state, given.clone()));
            }
        }
        let output = if self.return_sequences { x.with_features(self.units) } else { state.clone() };
        let states = if self.return_state { vec![state.clone(), state] } else { Vec::new() };
        Ok(std::iter::once(output).chain(states).collect())
    }

    fn mask_rule(&self) -> MaskRule {
        if self.return_sequences { MaskRule::Pass } else { MaskRule::Drop }
    }

    fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
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

    fn forward(&self, call: Forward<'_>, cache: &mut LstmCache) -> Result<()> {
        let x = call.input(0);
        let sizes = self.sizes(x);
        let Sizes { batch, steps, inputs, units } = sizes;
        let slots = lstm::Forward::slots(steps, call.training);
        let state = slots * units;
        cache.mask.set(call.mask, steps, self.go_backwards);
        if self.go_backwards {
            cache.x.resize(x.floats().len())?;
            reverse_steps(x.floats(), &mut cache.x, steps, inputs, false);
        }
        checked_len(&self.name, &[batch, slots, 4, units])?;
        cache.h.resize(batch * state)?;
        cache.c.resize(batch * state)?;
        if call.training {
            cache.gates.resize(batch * steps * 4 * units)?;
            cache.dh.resize(batch * units)?;
            cache.dc.resize(batch * units)?;
        }
        for (i, states) in [(1, &mut cache.h), (2, &mut cache.c)] {
            for (row, states) in states.chunks_exact_mut(state).enumerate() {
                match call.inputs.get(i) {
                    Some(_) => states[..units].copy_from_slice(&call.input(i).floats()[row * units..][..units]),
                    None => states[..units].fill(0.0),
                }
            }
        }
        let (output, final_states) = call.outputs.split_first_mut().expect("a recurrent layer has an output");

        let operations = self.operations(sizes);
        let LstmCache { h, c, gates, x: reversed, mask, .. } = cache;
        let mask = &*mask;
        {
            let (mut h, mut c, mut gates) = (&mut **h, &mut **c, &mut **gates);
            let mut output = if self.return_sequences { output.floats_mut() } else { &mut [] };
            let x = if self.go_backwards { &**reversed } else { x.floats() };
            let parts = parallel::parts(batch, LEAST_SEQUENCES, operations);
            let tasks = parallel::ranges(batch, parts).map(|rows| lstm::Forward {
                sizes: Sizes { batch: rows.len(), ..sizes },
                x: &x[rows.start * steps * inputs..rows.end * steps * inputs],
                kernel: &self.packed.kernel,
                recurrent_kernel: &self.packed.recurrent_kernel,
                bias: &self.packed.bias,
                activations: self.activations,
                mask: mask.of(&rows, steps, self.zero_output_for_mask),
                h: parallel::take(&mut h, &rows, state),
                c: parallel::take(&mut c, &rows, state),
                gates: call.training.then(|| parallel::take(&mut gates, &rows, steps * 4 * units)),
                output: self.return_sequences.then(|| parallel::take(&mut output, &rows, steps * units)),
            });
            parallel::run(operations, tasks, |task| task.run(call.isa));
        }

        let last = lstm::Forward::last_slot(steps, call.training) * units;
        let final_state = |states: &[f32], target: &mut [f32]| {
            for (states, target) in states.chunks_exact(state).zip(target.chunks_exact_mut(units)) {
                target.copy_from_slice(&states[last..last + units]);
            }
        };
        if !self.return_sequences {
            final_state(h, output.floats_mut());
            for (row, output) in output.floats_mut().chunks_exact_mut(units).enumerate() {
                if !self.shows_last(mask, row, steps) {
                    output.fill(0.0);
                }
            }
        }
        if let [last_h, last_c] = final_states {
            final_state(h, last_h.floats_mut());
            final_state(c, last_c.floats_mut());
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut LstmCache) {
        let (isa, x) = (call.isa, call.input(0));
        let sizes = self.sizes(x);
        let Sizes { batch, steps, inputs, units } = sizes;
        for (state, d_state) in [(1, &mut cache.dh), (2, &mut cache.dc)] {
            let given = if self.return_state { call.d_output(state) } else { None };
            match given {
                Some(given) => d_state.copy_from_slice(given),
                None => d_state.fill(0.0),
            }
        }
        let mut d_output = call.d_output(0);
        if !self.return_sequences
            && let Some(d_last) = d_output.take()
        {
            // The one output is the last `h`.
            let rows = cache.dh.chunks_exact_mut(units).zip(d_last.chunks_exact(units));
            for (row, (dh, d_last)) in rows.enumerate() {
                if self.shows_last(&cache.mask, row, steps) {
                    dh.iter_mut().zip(d_last).for_each(|(dh, d)| *dh += d);
                }
            }
        }
        self.through_time(isa, sizes, d_output, cache);

        if let Some(gradients) = call.gradients.take() {
            let (kernel, rest) = gradients.split_at_mut(inputs * 4 * units);
            let (recurrent_kernel, bias) = rest.split_at_mut(units * 4 * units);
            let x = if self.go_backwards { &*cache.x } else { x.floats() };
            let dz = Rows { values: &cache.gates, width: 4 * units, group_stride: steps * 4 * units };
            let x = Rows { values: x, width: inputs, group_stride: steps * inputs };
            let h = Rows { values: &cache.h, width: units, group_stride: (steps + 1) * units };
            let operands = [Some((x, kernel)), Some((h, recurrent_kernel))];
            let bias = self.use_bias.then_some(bias);
            let panels = weight_gradient::panels(isa, (batch, steps), dz, operands, bias);
            parallel::run(self.operations(sizes), panels, |panel| panel.run());
        }

        if let Some((dx, add)) = call.d_input(0) {
            if self.go_backwards {
                self.input_gradient(isa, sizes, &cache.gates, &mut cache.x, Initial::Zero);
                reverse_steps(&cache.x, dx, steps, inputs, add);
            } else {
                let initial = if add { Initial::Target } else { Initial::Zero };
                self.input_gradient(isa, sizes, &cache.gates, dx, initial);
            }
        }
        for (i, d_state) in [(1, &cache.dh), (2, &cache.dc)] {
            if i < call.inputs.len()
                && let Some((d_initial, add)) = call.d_input(i)
            {
                for (initial, d) in d_initial.iter_mut().zip(&**d_state) {
                    *initial = d + if add { *initial } else { 0.0 };
                }
            }
        }
    }
}
