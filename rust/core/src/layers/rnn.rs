//! LSTM, GRU and SimpleRNN, and RNN with one of their cells: one recurrent layer under four names.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::cell::{Cell, Sizes};
use super::config::{Absent, Ignored, activation_named, read, seed, yes};
use super::gru::Gru;
use super::lstm::Lstm;
use super::recurrence::{Dropout, Given, Recurrence, RecurrenceCache};
use super::simple_rnn::SimpleRnn;
use super::{Backward, Forward, Initializer, Layer, MaskRule, Node, Shape, Weight, checked_len};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation;
use crate::kernels::lstm::Activations;
use crate::kernels::pack::PackedMatrix;
use crate::kernels::{Columns, Direction};
use crate::parallel;
use crate::simd::Isa;

/// What every cell has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CellConfig {
    units: usize,
    activation: Option<String>,
    #[serde(default = "yes")]
    use_bias: bool,
    kernel_initializer: Initializer,
    recurrent_initializer: Initializer,
    bias_initializer: Initializer,
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
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    recurrent_dropout: f64,
    /// A number, or what Keras keeps of a generator, which says nothing.
    #[serde(default)]
    seed: Value,
}

/// What an LSTM has besides.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LstmConfig {
    recurrent_activation: Option<String>,
    #[serde(default = "yes")]
    unit_forget_bias: bool,
}

/// What a GRU has besides.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GruConfig {
    recurrent_activation: Option<String>,
    #[serde(default = "yes")]
    reset_after: bool,
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

/// Makes a cell from the layer's name, the cell's own arguments and those that every cell has, which it may change.
type BuildCell = fn(&str, &Value, &mut CellConfig, Sizes) -> Result<Box<dyn Cell>>;

/// A kind of cell.
struct Kind {
    /// The classes of the layer and of the cell, and the name that the layer gives its cell.
    layer: &'static str,
    cell: &'static str,
    cell_name: &'static str,
    /// The arguments that other cells do not have.
    own: &'static [&'static str],
    build: BuildCell,
}

const KINDS: [Kind; 3] = [
    Kind {
        layer: "LSTM",
        cell: "LSTMCell",
        cell_name: "lstm_cell",
        own: &["recurrent_activation", "unit_forget_bias"],
        build: |name, own, config, sizes| {
            let own: LstmConfig = read(name, own)?;
            if own.unit_forget_bias {
                config.bias_initializer = Initializer::unit_forget(sizes.units, config.bias_initializer.clone());
            }
            let (cell, gate) = (config.activation.as_deref(), own.recurrent_activation.as_deref());
            let activations = Activations { cell: activation(name, cell)?, gate: activation(name, gate)? };
            Ok(Box::new(Lstm::new(sizes, activations)))
        },
    },
    Kind {
        layer: "GRU",
        cell: "GRUCell",
        cell_name: "gru_cell",
        own: &["recurrent_activation", "reset_after"],
        build: |name, own, config, sizes| {
            let own: GruConfig = read(name, own)?;
            let (cell, gate) = (config.activation.as_deref(), own.recurrent_activation.as_deref());
            let activations = Activations { cell: activation(name, cell)?, gate: activation(name, gate)? };
            Ok(Box::new(Gru::new(sizes, activations, own.reset_after)))
        },
    },
    Kind {
        layer: "SimpleRNN",
        cell: "SimpleRNNCell",
        cell_name: "simple_rnn_cell",
        own: &[],
        build: |name, _, config, sizes| {
            Ok(Box::new(SimpleRnn::new(sizes, activation(name, config.activation.as_deref())?)))
        },
    },
];

fn activation(layer: &str, name: Option<&str>) -> Result<Activation> {
    Recurrence::cell_activation(layer, activation_named(layer, name)?)
}

/// The function that builds the layer of a class.
macro_rules! builder {
    ($function:ident, $class:literal) => {
        pub(super) fn $function(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
            build($class, name, config, inputs)
        }
    };
}
builder!(build_gru, "GRU");
builder!(build_lstm, "LSTM");
builder!(build_rnn, "RNN");
builder!(build_simple_rnn, "SimpleRNN");

fn build(class: &str, name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let (recurrence, return_state) = recurrence(class, name, config, &inputs[0])?;
    Ok(vec![Node::new(Rnn { recurrence, return_state })])
}

/// Reads a recurrent layer, and whether it returns its states.
///
/// # Errors
/// Where the class is none, or an argument is not known or does not fit.
pub(super) fn recurrence(class: &str, name: &str, config: &Value, input: &Shape) -> Result<(Recurrence, bool)> {
    let mut config = config.clone();
    if class == "RNN" {
        let cell = config.as_object_mut().and_then(|fields| fields.remove("cell")).unwrap_or_default();
        let Some(class) = cell.get("class_name").and_then(Value::as_str) else {
            let message = "a list of cells is not supported yet; stack RNN layers instead";
            return Err(Error::unsupported(name, message));
        };
        let Some(kind) = KINDS.iter().find(|kind| kind.cell == class) else {
            let known = KINDS.map(|kind| kind.cell).join(", ");
            return Err(Error::unsupported(name, format!("cell {class} is not supported yet; known are {known}")));
        };
        let cell_name = cell["config"].get("name").and_then(Value::as_str).unwrap_or(kind.cell_name);
        return of_cell(kind, name, cell_name, cell["config"].clone(), &config, input);
    }
    let Some(kind) = KINDS.iter().find(|kind| kind.layer == class) else {
        let known = KINDS.map(|kind| kind.layer).join(", ");
        let message = format!("a {class} layer is not supported inside yet; known are RNN, {known}");
        return Err(Error::unsupported(name, message));
    };
    // The cell's and the sequence's arguments stand side by side.
    const SEQUENCE: [&str; 7] =
        ["return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "stateful", "unroll", "use_cudnn"];
    let sequence = take(&mut config, &SEQUENCE);
    of_cell(kind, name, kind.cell_name, config, &sequence, input)
}

/// Some arguments of a configuration, which then lacks them.
fn take(config: &mut Value, names: &[&str]) -> Value {
    let mut taken = Map::new();
    if let Some(fields) = config.as_object_mut() {
        for &name in names {
            taken.extend(fields.remove_entry(name));
        }
    }
    Value::Object(taken)
}

fn of_cell(
    kind: &Kind,
    name: &str,
    cell_name: &str,
    mut cell: Value,
    sequence: &Value,
    input: &Shape,
) -> Result<(Recurrence, bool)> {
    let own = take(&mut cell, kind.own);
    let mut config: CellConfig = read(name, &cell)?;
    let sequence: SequenceConfig = read(name, sequence)?;
    if config.units == 0 {
        return Err(Error::value(name, "units must be positive"));
    }
    for (argument, rate) in [("dropout", config.dropout), ("recurrent_dropout", config.recurrent_dropout)] {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Error::value(name, format!("{argument}={rate} must lie between 0 and 1")));
        }
    }
    checked_len(name, &[4, config.units])?;
    let sizes = Sizes { features: Recurrence::features_of(name, input)?, units: config.units };
    let cell = (kind.build)(name, &own, &mut config, sizes)?;
    let recurrence = Recurrence {
        name: name.to_owned(),
        cell_name: cell_name.to_owned(),
        features: sizes.features,
        units: sizes.units,
        cell,
        use_bias: config.use_bias,
        initializers: [config.kernel_initializer, config.recurrent_initializer, config.bias_initializer],
        direction: if sequence.go_backwards { Direction::Backwards } else { Direction::Forwards },
        return_sequences: sequence.return_sequences,
        zero_output_for_mask: sequence.zero_output_for_mask,
        dropout: Dropout {
            inputs: effective(config.dropout),
            recurrent: effective(config.recurrent_dropout),
            seed: seed(&config.seed),
        },
        kernel_transposed: PackedMatrix::default(),
    };
    Ok((recurrence, sequence.return_state))
}

/// Keras' cells drop nothing at a rate of 1.
fn effective(rate: f64) -> f64 {
    if rate < 1.0 { rate } else { 0.0 }
}

struct Rnn {
    recurrence: Recurrence,
    return_state: bool,
}

impl Layer for Rnn {
    type Cache = RecurrenceCache;

    fn weights(&self) -> Vec<Weight> {
        self.recurrence.weights("")
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let Recurrence { name, units, return_sequences, .. } = &self.recurrence;
        let states = self.recurrence.state_count();
        if inputs.len() != 1 && inputs.len() != 1 + states {
            let (given, expected) = (inputs.len() - 1, if states == 1 { "[h]" } else { "[h, c]" });
            return Err(Error::value(name, format!("initial_state must be {expected}, not {given} arrays")));
        }
        let x = &inputs[0];
        self.recurrence.check_input(x)?;
        let state = Shape(vec![x.0[0], Some(*units)]);
        for given in &inputs[1..] {
            if given.rank() != 2 || given.features() != Some(*units) {
                return Err(Error::shape(name, "initial_state", state, given.clone()));
            }
        }
        let output = if *return_sequences { x.with_features(*units) } else { state.clone() };
        let states = if self.return_state { states } else { 0 };
        Ok(std::iter::once(output).chain(std::iter::repeat_n(state, states)).collect())
    }

    fn mask_rule(&self) -> MaskRule {
        if self.recurrence.return_sequences { MaskRule::Pass } else { MaskRule::Drop }
    }

    fn takes_dictionary(&self) -> bool {
        self.recurrence.takes_dictionary()
    }

    fn states<'a>(&self, batch: usize, cache: &'a mut RecurrenceCache) -> Result<Vec<&'a mut [f32]>> {
        if self.recurrence.direction != Direction::Forwards {
            let message = "goes backwards from the last step, which a stream does not have yet; use predict";
            return Err(Error::unsupported(&self.recurrence.name, message));
        }
        self.recurrence.states(batch, cache)
    }

    fn set_begun(&self, begun: bool, cache: &mut RecurrenceCache) {
        self.recurrence.set_begun(begun, cache);
    }

    fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        self.recurrence.pack(isa, weights, training)
    }

    fn forward(&self, call: Forward<'_>, cache: &mut RecurrenceCache) -> Result<()> {
        let units = self.recurrence.units;
        let initial = |i: usize| call.inputs.get(i).map(|_| call.input(i).floats());
        let given = Given {
            isa: call.isa,
            x: call.input(0),
            mask: call.mask,
            initial: [initial(1), initial(2)],
            resume: call.resume,
            training: call.training,
            random: call.random,
        };
        let (output, final_states) = call.outputs.split_first_mut().expect("a recurrent layer has an output");
        let team = parallel::team(self.recurrence.operations(given.x));
        self.recurrence.prepare(&given, &team, cache)?;
        let columns = self.recurrence.return_sequences.then(|| Columns::all(output.floats_mut(), units));
        let pass = self.recurrence.forward(&given, columns, cache, team.size());
        team.together(pass.count(), |member| pass.run(member));
        drop(pass);
        self.recurrence.finish(&given, output.floats_mut(), units, cache);
        for (target, last) in final_states.iter_mut().zip(self.recurrence.last(cache)) {
            target.floats_mut().copy_from_slice(last);
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut RecurrenceCache) {
        let units = self.recurrence.units;
        let given = Given::backward(&call);
        let states = if self.return_state { self.recurrence.state_count() } else { 0 };
        let d_state = |state| if state <= states { call.d_output(state) } else { None };
        let d_output = call.d_output(0).map(|d_output| (d_output, units, 0));
        let team = parallel::team(2 * self.recurrence.operations(given.x));
        self.recurrence.prepare_backward(&given, d_output, [d_state(1), d_state(2)], cache);
        let wants_initial = call.inputs.len() > 1;
        let pass = self.recurrence.backward(&given, d_output, wants_initial, cache, team.size());
        team.together(pass.count(), |member| pass.run(member));
        drop(pass);
        let gradients = call.gradients.take();
        self.recurrence.gradients(&given, gradients, call.d_input(0), &team, cache);
        for i in 1..call.inputs.len() {
            if let Some((d_initial, add)) = call.d_input(i) {
                self.recurrence.initial_gradient(i - 1, d_initial, add, cache);
            }
        }
    }
}
