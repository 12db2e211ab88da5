//! LSTM, and RNN with an LSTMCell: one recurrent layer under two names.

use serde::Deserialize;
use serde_json::Value;

use super::config::{Absent, Ignored, activation_named, read, seed, yes};
use super::recurrence::{Dropout, Given, Packed, Recurrence, RecurrenceCache};
use super::{Backward, Forward, Initializer, Layer, MaskRule, Node, Shape, Weight, checked_len};
use crate::error::{Error, Result};
use crate::kernels::lstm::Activations;
use crate::kernels::{Columns, Direction};
use crate::parallel;
use crate::simd::Isa;

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
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    recurrent_dropout: f64,
    /// A number, or what Keras keeps of a generator, which says nothing.
    #[serde(default)]
    seed: Value,
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

pub(super) fn build_lstm(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    build("LSTM", name, config, inputs)
}

pub(super) fn build_rnn(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    build("RNN", name, config, inputs)
}

fn build(class: &str, name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let (recurrence, return_state) = recurrence(class, name, config, &inputs[0])?;
    Ok(vec![Node::new(Lstm { recurrence, return_state })])
}

/// Reads a layer of class `LSTM` or `RNN`, and whether it returns its states.
///
/// # Errors
/// Where an argument is not known or does not fit.
pub(super) fn recurrence(class: &str, name: &str, config: &Value, input: &Shape) -> Result<(Recurrence, bool)> {
    if class == "RNN" {
        let mut sequence = config.clone();
        let cell = sequence.as_object_mut().and_then(|fields| fields.remove("cell")).unwrap_or_default();
        match cell.get("class_name").and_then(Value::as_str) {
            Some("LSTMCell") => {}
            Some(other) => {
                return Err(Error::unsupported(name, format!("cell {other} is not supported yet; use LSTMCell")));
            }
            None => {
                let message = "a list of cells is not supported yet; stack RNN layers instead";
                return Err(Error::unsupported(name, message));
            }
        }
        let config = &cell["config"];
        let cell_name = config.get("name").and_then(Value::as_str).unwrap_or("lstm_cell");
        return of_cell(name, cell_name, config, &sequence, input);
    }
    // The cell's and the sequence's arguments stand side by side.
    const SEQUENCE: [&str; 7] =
        ["return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "stateful", "unroll", "use_cudnn"];
    let mut cell = config.clone();
    let mut sequence = serde_json::Map::new();
    if let Some(fields) = cell.as_object_mut() {
        for key in SEQUENCE {
            sequence.extend(fields.remove_entry(key));
        }
    }
    of_cell(name, "lstm_cell", &cell, &Value::Object(sequence), input)
}

fn of_cell(name: &str, cell_name: &str, cell: &Value, sequence: &Value, input: &Shape) -> Result<(Recurrence, bool)> {
    let config: CellConfig = read(name, cell)?;
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
    let features = Recurrence::features_of(name, input)?;
    let activation =
        |argument: &Option<String>| Recurrence::cell_activation(name, activation_named(name, argument.as_deref())?);
    let recurrence = Recurrence {
        name: name.to_owned(),
        cell_name: cell_name.to_owned(),
        features,
        units: config.units,
        activations: Activations {
            cell: activation(&config.activation)?,
            gate: activation(&config.recurrent_activation)?,
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
        direction: if sequence.go_backwards { Direction::Backwards } else { Direction::Forwards },
        return_sequences: sequence.return_sequences,
        zero_output_for_mask: sequence.zero_output_for_mask,
        dropout: Dropout {
            inputs: effective(config.dropout),
            recurrent: effective(config.recurrent_dropout),
            seed: seed(&config.seed),
        },
        packed: Packed::default(),
    };
    Ok((recurrence, sequence.return_state))
}

/// Keras' cells drop nothing at a rate of 1.
fn effective(rate: f64) -> f64 {
    if rate < 1.0 { rate } else { 0.0 }
}

struct Lstm {
    recurrence: Recurrence,
    return_state: bool,
}

impl Layer for Lstm {
    type Cache = RecurrenceCache;

    fn weights(&self) -> Vec<Weight> {
        self.recurrence.weights("")
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let Recurrence { name, units, return_sequences, .. } = &self.recurrence;
        if inputs.len() != 1 && inputs.len() != 3 {
            let given = inputs.len() - 1;
            return Err(Error::value(name, format!("initial_state must be [h, c], not {given} arrays")));
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
        let states = if self.return_state { vec![state.clone(), state] } else { Vec::new() };
        Ok(std::iter::once(output).chain(states).collect())
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
        let d_state = |state| if self.return_state { call.d_output(state) } else { None };
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
