//! LSTM, GRU and SimpleRNN, and RNN with one or several of their cells: one recurrent layer under four names.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::cell::{Cell, Sizes};
use super::config::{Ignored, Precision, activation_named, read, seed, yes};
use super::gru::Gru;
use super::lstm::Lstm;
use super::recurrence::{Dropout, Given, Recurrence, RecurrenceCache};
use super::simple_rnn::SimpleRnn;
use super::stack::{self, Level};
use super::{
    AnyCache, Backward, Constraint, Forward, Initializer, Kind as TensorKind, Layer, MaskRule, Node, Regularizer,
    Rules, Shape, Tensor, Weight, checked_len, own,
};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation;
use crate::kernels::lstm::Activations;
use crate::kernels::pack::PackedMatrix;
use crate::kernels::{AlignedBuffer, Direction, run_passes};
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
    kernel_regularizer: Option<Regularizer>,
    recurrent_regularizer: Option<Regularizer>,
    bias_regularizer: Option<Regularizer>,
    kernel_constraint: Option<Constraint>,
    recurrent_constraint: Option<Constraint>,
    bias_constraint: Option<Constraint>,
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
    #[serde(default)]
    stateful: bool,
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
    /// Whether a rate of dropout of 1 drops everything, as Keras has it, and not nothing.
    drops_all: bool,
    build: BuildCell,
}

const KINDS: [Kind; 3] = [
    Kind {
        layer: "LSTM",
        cell: "LSTMCell",
        cell_name: "lstm_cell",
        own: &["recurrent_activation", "unit_forget_bias"],
        drops_all: false,
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
        drops_all: false,
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
        drops_all: true,
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
    let Described { mut stack, prefix, sequence } = describe(class, name, config, &inputs[0])?;
    let (last, before) = stack.split_last_mut().ok_or_else(|| Error::value(name, "needs a cell at least"))?;
    last.return_sequences = sequence.return_sequences;
    last.zero_output_for_mask = sequence.zero_output_for_mask;
    for recurrence in before {
        recurrence.direction = match recurrence.direction {
            Direction::Backwards => Direction::BackwardsInPlace,
            direction => direction,
        };
    }
    let SequenceConfig { return_state, stateful, .. } = sequence;
    Ok(vec![Node::new(Rnn { name: name.to_owned(), prefix, stack, return_state, stateful })])
}

/// A recurrent layer as it is read.
struct Described {
    /// Its cells, the first one's outputs the next one's inputs; each gives the outputs of all steps.
    stack: Vec<Recurrence>,
    /// What stands before the cells in the paths of weights.
    prefix: String,
    sequence: SequenceConfig,
}

/// Reads a recurrent layer of one cell, whether it returns its states and whether it keeps them.
///
/// # Errors
/// Where the class is none, or an argument is not known or does not fit.
pub(super) fn recurrence(class: &str, name: &str, config: &Value, input: &Shape) -> Result<(Recurrence, [bool; 2])> {
    let Described { mut stack, sequence, .. } = describe(class, name, config, input)?;
    let (Some(mut recurrence), true) = (stack.pop(), stack.is_empty()) else {
        return Err(Error::unsupported(name, "several cells are not supported inside Bidirectional yet"));
    };
    recurrence.return_sequences = sequence.return_sequences;
    recurrence.zero_output_for_mask = sequence.zero_output_for_mask;
    Ok((recurrence, [sequence.return_state, sequence.stateful]))
}

/// The class of the cell that is several.
const STACK: &str = "StackedRNNCells";

fn describe(class: &str, name: &str, config: &Value, input: &Shape) -> Result<Described> {
    let mut config = config.clone();
    let trained = is_trained(&config);
    if class == "RNN" {
        let cell = config.as_object_mut().and_then(|fields| fields.remove("cell")).unwrap_or_default();
        let sequence: SequenceConfig = read(name, &config)?;
        let (cells, prefix) = match cell["class_name"].as_str() {
            Some(STACK) => {
                let stack = cell["config"]["name"].as_str().unwrap_or("stacked_rnn_cells");
                (cell["config"]["cells"].as_array().map_or(&[][..], Vec::as_slice), format!("{stack}/"))
            }
            _ => (std::slice::from_ref(&cell), String::new()),
        };
        let mut stack: Vec<Recurrence> = Vec::new();
        for cell in cells {
            let class = cell["class_name"].as_str().unwrap_or_default();
            let Some(kind) = KINDS.iter().find(|kind| kind.cell == class) else {
                let known = KINDS.map(|kind| kind.cell).join(", ");
                return Err(Error::unsupported(name, format!("cell {class} is not supported yet; known are {known}")));
            };
            let input = stack.last().map_or(input.clone(), |before| input.with_features(before.units));
            let cell_name = cell["config"]["name"].as_str().unwrap_or(kind.cell_name);
            let mut recurrence = of_cell(kind, name, cell_name, cell["config"].clone(), &sequence, &input)?;
            recurrence.trainable &= trained;
            stack.push(recurrence);
        }
        return Ok(Described { stack, prefix, sequence });
    }
    let Some(kind) = KINDS.iter().find(|kind| kind.layer == class) else {
        let known = KINDS.map(|kind| kind.layer).join(", ");
        let message = format!("a {class} layer is not supported inside yet; known are RNN, {known}");
        return Err(Error::unsupported(name, message));
    };
    // The cell's and the sequence's arguments stand side by side.
    const SEQUENCE: [&str; 7] =
        ["return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "stateful", "unroll", "use_cudnn"];
    let sequence: SequenceConfig = read(name, &take(&mut config, &SEQUENCE))?;
    let recurrence = of_cell(kind, name, kind.cell_name, config, &sequence, input)?;
    Ok(Described { stack: vec![recurrence], prefix: String::new(), sequence })
}

fn is_trained(config: &Value) -> bool {
    config["trainable"].as_bool().unwrap_or(true)
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
    sequence: &SequenceConfig,
    input: &Shape,
) -> Result<Recurrence> {
    let (trainable, precision) = (is_trained(&cell), Precision::of(name, &cell)?);
    let own = take(&mut cell, kind.own);
    let mut config: CellConfig = read(name, &cell)?;
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
    let effective = |rate: f64| if rate < 1.0 || kind.drops_all { rate } else { 0.0 };
    Ok(Recurrence {
        name: name.to_owned(),
        cell_name: cell_name.to_owned(),
        features: sizes.features,
        units: sizes.units,
        cell,
        precision,
        trainable,
        use_bias: config.use_bias,
        rules: [
            Rules::new(config.kernel_initializer, config.kernel_regularizer, config.kernel_constraint),
            Rules::new(config.recurrent_initializer, config.recurrent_regularizer, config.recurrent_constraint),
            Rules::new(config.bias_initializer, config.bias_regularizer, config.bias_constraint),
        ],
        direction: if sequence.go_backwards { Direction::Backwards } else { Direction::Forwards },
        return_sequences: true,
        zero_output_for_mask: false,
        dropout: Dropout {
            inputs: effective(config.dropout),
            recurrent: effective(config.recurrent_dropout),
            seed: seed(&config.seed),
        },
        kernel_transposed: PackedMatrix::default(),
    })
}

/// Cells one above the other along time.
pub(super) struct Rnn {
    name: String,
    prefix: String,
    /// Lowest first; there is one at least.
    stack: Vec<Recurrence>,
    return_state: bool,
    stateful: bool,
}

#[derive(Default)]
pub(super) struct RnnCache {
    stack: Vec<RecurrenceCache>,
    /// The outputs of all cells but the last, and their gradients.
    between: Vec<Tensor>,
    d_between: Vec<AlignedBuffer>,
}

impl RnnCache {
    fn lay_out(&mut self, cells: usize) {
        self.stack.resize_with(cells, RecurrenceCache::default);
        self.between.resize_with(cells - 1, || Tensor::new(TensorKind::Floats));
        self.d_between.resize_with(cells - 1, AlignedBuffer::default);
    }
}

impl Rnn {
    /// Whether it keeps no states from batch to batch.
    pub fn begins_anew(&self) -> bool {
        !self.stateful
    }

    fn last(&self) -> &Recurrence {
        self.stack.last().expect("the builder wants a cell")
    }

    /// How many features each state has.
    fn state_sizes(&self) -> Vec<usize> {
        self.stack.iter().flat_map(|cell| std::iter::repeat_n(cell.units, cell.state_count())).collect()
    }

    /// The cells for a call, with the states that they start from, if any are given, and the layer's output.
    ///
    /// # Errors
    /// Where there is no memory for what goes from one to the next.
    fn levels<'a>(
        &'a self,
        given: &Given<'_>,
        initial: impl IntoIterator<Item = &'a [f32]>,
        cache: &'a mut RnnCache,
        output: &'a mut Tensor,
    ) -> Result<impl Iterator<Item = Level<'a>>> {
        cache.lay_out(self.stack.len());
        let RnnCache { stack, between, d_between } = cache;
        for ((cell, target), gradient) in self.stack.iter().zip(&mut *between).zip(d_between) {
            let sizes = [given.x.sizes()[0], given.x.sizes()[1], cell.units];
            target.resize(&sizes)?;
            if given.training {
                gradient.resize(checked_len(&self.name, &sizes)?)?;
            }
        }
        let mut initial = initial.into_iter();
        let (seed, stream) = given.random;
        let parts = self.stack.iter().zip(stack).zip(between.iter_mut().chain([output]));
        Ok(parts.enumerate().map(move |(i, ((cell, cache), target))| {
            let h = initial.next();
            let initial = [h, if cell.state_count() > 1 { initial.next() } else { None }];
            // Each cell draws its own.
            Level { cell, cache, target, initial, random: (seed.wrapping_add(i as u64), stream) }
        }))
    }

    /// For each cell the number of its first state.
    fn first_states(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        let counts: Vec<_> = self.stack.iter().map(Recurrence::state_count).collect();
        (0..counts.len()).map(move |cell| counts[..cell].iter().sum())
    }
}

/// A layer of several that stand one above the other, and what belongs to its call.
pub struct Stacked<'a> {
    /// The layer.
    pub node: &'a Node,
    /// Its cache.
    pub cache: &'a mut AnyCache,
    /// Its one output, of the right sizes.
    pub output: &'a mut Tensor,
    /// Seed and stream of what it draws.
    pub random: (u64, u64),
}

/// What layers one above the other are given.
pub struct StackInput<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// What the lowest takes in.
    pub x: &'a Tensor,
    /// Its mask, `batch x steps`, which is that of all.
    pub mask: Option<&'a [u8]>,
    /// As [`Forward::training`].
    pub training: bool,
    /// As [`Forward::resume`].
    pub resume: bool,
}

/// Computes the outputs of recurrent layers one above the other, lowest first: at the same time where that takes less time.
/// [`Node::is_stackable`] says which layers it takes.
///
/// # Errors
/// Where there is no memory for it.
pub fn forward_stack<'a>(input: &StackInput<'_>, layers: impl Iterator<Item = Stacked<'a>>) -> Result<()> {
    let &StackInput { isa, x, mask, training, resume } = input;
    let given = Given { isa, x, mask, initial: [None, None], resume, training, random: (0, 0) };
    let mut levels = Vec::new();
    for Stacked { node, cache, output, random } in layers {
        let rnn = node.as_rnn().expect("the schedule puts recurrent layers together");
        levels.extend(rnn.levels(&Given { random, ..given }, [], own(cache), output)?);
    }
    stack::forward(&given, &mut levels)
}

impl Layer for Rnn {
    type Cache = RnnCache;

    fn weights(&self) -> Vec<Weight> {
        self.stack.iter().flat_map(|cell| cell.weights(&self.prefix)).collect()
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let sizes = self.state_sizes();
        if inputs.len() != 1 && inputs.len() != 1 + sizes.len() {
            let (given, expected) = (inputs.len() - 1, sizes.len());
            let expected = match (expected, self.stack.len()) {
                (1, _) => "[h]".to_owned(),
                (2, 1) => "[h, c]".to_owned(),
                _ => format!("{expected} arrays, the states of each cell"),
            };
            return Err(Error::value(&self.name, format!("initial_state must be {expected}, not {given} arrays")));
        }
        let x = &inputs[0];
        self.stack[0].check_input(x)?;
        let state = |units| Shape(vec![x.0[0], Some(units)]);
        for (given, &units) in inputs[1..].iter().zip(&sizes) {
            if given.rank() != 2 || given.features() != Some(units) {
                return Err(Error::shape(&self.name, "initial_state", state(units), given.clone()));
            }
        }
        let Recurrence { units, return_sequences, .. } = *self.last();
        let output = if return_sequences { x.with_features(units) } else { state(units) };
        let states = if self.return_state { &sizes[..] } else { &[] };
        Ok(std::iter::once(output).chain(states.iter().map(|&units| state(units))).collect())
    }

    fn mask_rule(&self) -> MaskRule {
        if self.last().return_sequences { MaskRule::Pass } else { MaskRule::Drop }
    }

    /// As in Keras, those that come with the input where it is called with initial states.
    fn ignores_masks(&self, inputs: usize) -> bool {
        inputs > 1
    }

    fn takes_dictionary(&self, training: bool) -> bool {
        !self.stack[0].drops_inputs(training)
    }

    fn states<'a>(&self, batch: usize, cache: &'a mut RnnCache) -> Result<Vec<&'a mut [f32]>> {
        if self.stack.iter().any(|cell| cell.direction != Direction::Forwards) {
            let message = "goes backwards from the last step, which a stream does not have yet; use predict";
            return Err(Error::unsupported(&self.name, message));
        }
        self.last_states(batch, cache)
    }

    fn kept_states(&self) -> Vec<usize> {
        if self.stateful { self.state_sizes() } else { Vec::new() }
    }

    fn last_states<'a>(&self, batch: usize, cache: &'a mut RnnCache) -> Result<Vec<&'a mut [f32]>> {
        cache.lay_out(self.stack.len());
        let mut states = Vec::new();
        for (cell, cache) in self.stack.iter().zip(&mut cache.stack) {
            states.extend(cell.states(batch, cache)?);
        }
        Ok(states)
    }

    fn set_begun(&self, begun: bool, cache: &mut RnnCache) {
        for (cell, cache) in self.stack.iter().zip(&mut cache.stack) {
            cell.set_begun(begun, cache);
        }
    }

    fn pack(&mut self, isa: Isa, mut weights: &[f32], training: bool) -> Result<()> {
        for cell in &mut self.stack {
            let (own, rest) = weights.split_at(cell.weights_len());
            cell.pack(isa, own, training)?;
            weights = rest;
        }
        Ok(())
    }

    fn forward(&self, call: Forward<'_>, cache: &mut RnnCache) -> Result<()> {
        let given = Given::forward(&call);
        let initial = call.inputs[1..].iter().map(|&tensor| call.tensors[tensor].floats());
        let (output, final_states) = call.outputs.split_first_mut().expect("a recurrent layer has an output");
        let mut levels: Vec<_> = self.levels(&given, initial, cache, output)?.collect();
        stack::forward(&given, &mut levels)?;
        let lasts =
            levels.iter().flat_map(|level| level.cell.last(level.cache).into_iter().take(level.cell.state_count()));
        for (target, last) in final_states.iter_mut().zip(lasts) {
            target.floats_mut().copy_from_slice(last);
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut RnnCache) {
        let RnnCache { stack, between, d_between } = cache;
        let shown = call.d_outputs.len() - 1;
        let mut gradients = call.gradients.take();
        for (i, first) in self.first_states().enumerate().rev() {
            let (cell, cache, units) = (&self.stack[i], &mut stack[i], self.stack[i].units);
            let x = if i == 0 { call.input(0) } else { &between[i - 1] };
            let given = Given { x, ..Given::backward(&call) };
            let (below, own) = d_between.split_at_mut(i);
            let d_output = match own.first() {
                None => call.d_output(0),
                Some(d_output) => Some(&**d_output),
            };
            let d_output = d_output.map(|d_output| (d_output, units, 0));
            let states = cell.state_count();
            let d_state = |state| if state < states && shown > 0 { call.d_output(1 + first + state) } else { None };
            let team = parallel::team(2 * cell.operations(x));
            cell.prepare_backward(&given, d_output, [d_state(0), d_state(1)], cache);
            let pass = cell.backward(&given, d_output, call.inputs.len() > 1, cache, team.size());
            run_passes(&team, [pass]);
            // The last cell's weights lie last.
            let own = gradients.take().map(|all| {
                let (rest, own) = all.split_at_mut(all.len() - cell.weights_len());
                gradients = Some(rest);
                own
            });
            let d_input = match below.last_mut() {
                None => call.d_input(0),
                Some(d_input) => Some((&mut **d_input, false)),
            };
            cell.gradients(&given, own, d_input, &team, cache);
            if call.inputs.len() > 1 {
                for state in 0..states {
                    if let Some((d_initial, add)) = call.d_input(1 + first + state) {
                        cell.initial_gradient(state, d_initial, add, cache);
                    }
                }
            }
        }
    }
}
