//! One file a layer: its configuration, forward, backward, and the struct of what forward saves for backward.
//!
//! A layer sees slices of the model's flat weights and gradients, its input and output tensors, and its own cache; it
//! does not know the network it stands in. [`CLASSES`] pairs Keras' class names with the functions that build them.

mod activation;
mod batch_normalization;
mod bidirectional;
mod cell;
mod config;
mod conv1d;
mod dense;
mod dot;
mod elements;
mod embedding;
mod gru;
mod identity;
mod initializer;
mod layer_normalization;
mod log_softmax;
mod lstm;
mod masking;
mod merge;
mod noise;
mod normalization;
mod pointwise;
mod pooling;
mod prelu;
mod rectifier;
mod recurrence;
mod rescaling;
mod reshaping;
mod rnn;
mod rows;
mod rules;
mod scaling;
mod shape;
mod simple_rnn;
mod softmax;
mod split;
mod stack;
mod tensor;
mod time_distributed;
mod window;

pub use activation::activate;
pub use initializer::{Initializer, Random};
pub use pointwise::Pointwise;
pub use rnn::{StackInput, Stacked, forward_stack};
pub use rows::RowSet;
pub(crate) use rules::Rules;
pub use rules::{Constraint, Regularizer};
pub use shape::Shape;
pub use tensor::{Gradient, Kind, Tensor, Values, checked_len};

use std::any::Any;

use crate::error::{Error, Result};
use crate::kernels::activation::Activation as Function;
use crate::simd::Isa;
use rnn::Rnn;

/// Builds the nodes of a layer from its name, Keras' configuration of it and the shapes of its inputs. The nodes are a
/// chain: the first takes the layer's inputs, the last gives its outputs.
pub type Builder = fn(&str, &serde_json::Value, &[Shape]) -> Result<Vec<Node>>;

/// Keras' class names and what builds them, sorted.
pub const CLASSES: &[(&str, Builder)] = &[
    ("Activation", activation::build),
    ("ActivityRegularization", identity::build_activity_regularization),
    ("Add", merge::build_add),
    ("Average", merge::build_average),
    ("AveragePooling1D", pooling::build_average),
    ("BatchNormalization", batch_normalization::build),
    ("Bidirectional", bidirectional::build),
    ("Concatenate", merge::build_concatenate),
    ("Conv1D", conv1d::build),
    ("Dense", dense::build),
    ("Dot", dot::build),
    ("Dropout", noise::build_dropout),
    ("ELU", rectifier::build_elu),
    ("Embedding", embedding::build),
    ("Flatten", reshaping::build_flatten),
    ("GRU", rnn::build_gru),
    ("GaussianNoise", noise::build_gaussian_noise),
    ("GlobalAveragePooling1D", pooling::build_global_average),
    ("GlobalMaxPooling1D", pooling::build_global_max),
    ("Identity", identity::build),
    ("LSTM", rnn::build_lstm),
    ("LayerNormalization", layer_normalization::build),
    ("LeakyReLU", rectifier::build_leaky_relu),
    ("Masking", masking::build),
    ("MaxPooling1D", pooling::build_max),
    ("Maximum", merge::build_maximum),
    ("Minimum", merge::build_minimum),
    ("Multiply", merge::build_multiply),
    ("Normalization", normalization::build),
    ("PReLU", prelu::build),
    ("Permute", reshaping::build_permute),
    ("RMSNormalization", scaling::build_rms),
    ("RNN", rnn::build_rnn),
    ("ReLU", rectifier::build_relu),
    ("RepeatVector", reshaping::build_repeat_vector),
    ("Rescaling", rescaling::build),
    ("Reshape", reshaping::build_reshape),
    ("SimpleRNN", rnn::build_simple_rnn),
    ("Softmax", softmax::build),
    ("SpatialDropout1D", noise::build_spatial_dropout),
    ("Subtract", merge::build_subtract),
    ("TimeDistributed", time_distributed::build),
    ("UnitNormalization", scaling::build_unit),
];

/// Every activation by name, sorted.
pub fn activation_names() -> Vec<&'static str> {
    activation::names()
}

/// A weight that a layer asks for.
#[derive(Clone, Debug)]
pub struct Weight {
    /// Its path below the layer's name: `kernel`, `lstm_cell/kernel`, ...
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it starts from and is held to.
    pub(crate) rules: Rules,
    /// Whether the part of the layer that it belongs to is trained.
    pub(crate) trainable: bool,
}

impl Weight {
    /// A weight.
    pub(crate) fn new(path: impl Into<String>, shape: impl Into<Vec<usize>>, rules: Rules) -> Self {
        Weight { path: path.into(), shape: shape.into(), rules, trainable: true }
    }

    /// How many floats it has.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no floats.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a layer does with the masks of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskRule {
    /// Its first output has the first input's.
    Pass,
    /// Its first two outputs have the first input's.
    PassTwice,
    /// Its outputs have none.
    Drop,
    /// It makes one for its first output.
    Create,
    /// It makes one for its first output where every input has one.
    CreateOfAll,
    /// It makes one for its first output where any input has one.
    CreateOfAny,
}

/// The masks of a call's inputs.
#[derive(Clone, Copy)]
pub struct Masks<'a> {
    all: &'a [Vec<u8>],
    of_inputs: &'a [Option<usize>],
}

impl<'a> Masks<'a> {
    /// Of all masks of a network those of some inputs.
    pub fn new(all: &'a [Vec<u8>], of_inputs: &'a [Option<usize>]) -> Self {
        Masks { all, of_inputs }
    }

    /// An input's mask.
    pub fn get(&self, input: usize) -> Option<&'a [u8]> {
        self.of_inputs[input].map(|mask| &*self.all[mask])
    }
}

/// What a forward pass of one layer sees.
pub struct Forward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The layer's weights, one after another.
    pub weights: &'a [f32],
    /// Tensors of the network up to this layer's outputs.
    pub tensors: &'a [Tensor],
    /// Which of `tensors` are the inputs.
    pub inputs: &'a [usize],
    /// The outputs, of the right sizes.
    pub outputs: &'a mut [Tensor],
    /// The first input's mask, `batch x steps`; 0 masks a step.
    pub mask: Option<&'a [u8]>,
    /// All inputs' masks.
    pub masks: Masks<'a>,
    /// The mask to fill, for a layer that creates one.
    pub new_mask: Option<&'a mut Vec<u8>>,
    /// Whether to compute as a training step does, and keep what a backward pass needs.
    pub training: bool,
    /// Whether to go on from the states in which the last call left its sequences.
    pub resume: bool,
    /// Whether every reader of the first output takes a dictionary.
    pub dictionary: bool,
    /// Seed and stream of what is drawn in this call.
    pub random: (u64, u64),
}

impl<'a> Forward<'a> {
    /// An input.
    pub fn input(&self, i: usize) -> &'a Tensor {
        &self.tensors[self.inputs[i]]
    }
}

/// What a backward pass of one layer sees.
pub struct Backward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The layer's weights, one after another.
    pub weights: &'a [f32],
    /// Their gradients, to be added to; `None` if the layer does not train.
    pub gradients: Option<&'a mut [f32]>,
    /// Tensors of the network up to this layer's outputs.
    pub tensors: &'a [Tensor],
    /// Which of `tensors` are the inputs.
    pub inputs: &'a [usize],
    /// The outputs of the forward pass.
    pub outputs: &'a [Tensor],
    /// The gradients of the outputs.
    pub d_outputs: &'a [Gradient],
    /// The gradients of `tensors`.
    pub d_tensors: &'a mut [Gradient],
    /// The first input's mask.
    pub mask: Option<&'a [u8]>,
    /// All inputs' masks.
    pub masks: Masks<'a>,
}

impl<'a> Backward<'a> {
    /// An input.
    pub fn input(&self, i: usize) -> &'a Tensor {
        &self.tensors[self.inputs[i]]
    }

    /// The gradient of an output; `None` where nothing depends on it.
    pub fn d_output(&self, i: usize) -> Option<&'a [f32]> {
        self.d_outputs[i].get()
    }

    /// The gradient of an input to write to, and whether to add to what it holds; `None` where nobody wants it.
    pub fn d_input(&mut self, i: usize) -> Option<(&mut [f32], bool)> {
        self.d_tensors[self.inputs[i]].claim()
    }
}

/// A layer's arithmetic.
pub trait Layer: Send + Sync + 'static {
    /// What forward saves for backward, and its working memory; it keeps its memory between calls.
    type Cache: Default + Send + Sync + 'static;

    /// The weights, in Keras' order.
    fn weights(&self) -> Vec<Weight> {
        Vec::new()
    }

    /// The shapes of the outputs for shapes of the inputs that [`Builder`] accepted, with more or other sizes known.
    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>>;

    /// How many of the weights, the last ones, are no gradient's to move: a training step has them follow the data.
    fn statistics(&self) -> usize {
        0
    }

    /// Moves those of all its weights after a training step, by what the step's forward pass left in the cache.
    fn follow(&self, _weights: &mut [f32], _cache: &Self::Cache) {}

    /// What it does with masks.
    fn mask_rule(&self) -> MaskRule {
        MaskRule::Pass
    }

    /// Whether it computes as if its inputs had no masks where it is called on so many, unless the call itself names one.
    fn ignores_masks(&self, _inputs: usize) -> bool {
        false
    }

    /// What its first input holds.
    fn input_kind(&self) -> Kind {
        Kind::Floats
    }

    /// The function, if the layer is nothing but an activation.
    fn as_activation(&self) -> Option<AnyActivation> {
        None
    }

    /// A penalty on its output that is the layer's own, not an argument that every layer has.
    fn activity_regularizer(&self) -> Option<Regularizer> {
        None
    }

    /// Whether its input may hold repeated rows once, in training or in prediction.
    fn takes_dictionary(&self, _training: bool) -> bool {
        false
    }

    /// Whether prediction hands its input on.
    fn is_identity(&self) -> bool {
        false
    }

    /// The states, `batch x features` each, that a stream hands from one time step to the next.
    ///
    /// # Errors
    /// Where the layer cannot compute a sequence step by step.
    fn states<'a>(&self, _batch: usize, _cache: &'a mut Self::Cache) -> Result<Vec<&'a mut [f32]>> {
        Ok(Vec::new())
    }

    /// How many features each of the states has that go from one batch to the next; none without such states.
    fn kept_states(&self) -> Vec<usize> {
        Vec::new()
    }

    /// The states in which the last call left its sequences, `batch x features` each.
    ///
    /// # Errors
    /// Where there is no memory for them.
    fn last_states<'a>(&self, _batch: usize, _cache: &'a mut Self::Cache) -> Result<Vec<&'a mut [f32]>> {
        Ok(Vec::new())
    }

    /// Tells whether the sequences of a stream have begun.
    fn set_begun(&self, _begun: bool, _cache: &mut Self::Cache) {}

    /// Whether a call reads and adds to few rows of the layer's one weight, those that [`Layer::touched_rows`] names. Other
    /// rows need not be up to date then, so `pack` must not copy them.
    fn has_sparse_rows(&self) -> bool {
        false
    }

    /// Adds the rows of the weight (along its first axis) that a call on this first input reads, valid or not.
    fn touched_rows(&self, _input: &Tensor, _rows: &mut RowSet) {}

    /// Called whenever the weights have changed: makes the copies that the kernels read, `training` those for backward too.
    fn pack(&mut self, _isa: Isa, _weights: &[f32], _training: bool) -> Result<()> {
        Ok(())
    }

    /// Computes the outputs.
    fn forward(&self, call: Forward<'_>, cache: &mut Self::Cache) -> Result<()>;

    /// Adds to the gradients of weights and inputs, from the cache of a forward pass with `training`.
    fn backward(&self, call: Backward<'_>, cache: &mut Self::Cache);
}

/// An activation, elementwise or over the last axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyActivation {
    /// Elementwise.
    Elementwise(Function),
    /// Elementwise, with a slope that the input tells.
    Pointwise(Pointwise),
    /// `x - log Σ e^x` over the last axis.
    LogSoftmax,
    /// `e^x / Σ e^x` over the last axis.
    Softmax,
}

/// # Errors
/// Where a layer of one input is called on several.
fn one_input(layer: &str, inputs: &[Shape]) -> Result<()> {
    match inputs.len() {
        1 => Ok(()),
        given => Err(Error::value(layer, format!("takes one input, not {given}"))),
    }
}

/// A layer of any type.
pub struct Node(Box<dyn ErasedLayer>);

/// A cache of any layer.
pub type AnyCache = Box<dyn Any + Send + Sync>;

impl Node {
    /// Wraps a layer.
    pub fn new(layer: impl Layer) -> Self {
        Node(Box::new(layer))
    }

    /// See [`Layer::weights`].
    pub fn weights(&self) -> Vec<Weight> {
        self.0.weights_()
    }

    /// See [`Layer::statistics`].
    pub fn statistics(&self) -> usize {
        self.0.statistics_()
    }

    /// See [`Layer::follow`].
    pub fn follow(&self, weights: &mut [f32], cache: &AnyCache) {
        self.0.follow_(weights, cache);
    }

    /// See [`Layer::output_shapes`].
    pub fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.0.output_shapes_(inputs)
    }

    /// See [`Layer::mask_rule`].
    pub fn mask_rule(&self) -> MaskRule {
        self.0.mask_rule_()
    }

    /// See [`Layer::ignores_masks`].
    pub fn ignores_masks(&self, inputs: usize) -> bool {
        self.0.ignores_masks_(inputs)
    }

    /// See [`Layer::input_kind`].
    pub fn input_kind(&self) -> Kind {
        self.0.input_kind_()
    }

    /// See [`Layer::as_activation`].
    pub fn as_activation(&self) -> Option<AnyActivation> {
        self.0.as_activation_()
    }

    /// See [`Layer::activity_regularizer`].
    pub(crate) fn activity_regularizer(&self) -> Option<Regularizer> {
        self.0.activity_regularizer_()
    }

    /// See [`Layer::takes_dictionary`].
    pub fn takes_dictionary(&self, training: bool) -> bool {
        self.0.takes_dictionary_(training)
    }

    /// See [`Layer::is_identity`].
    pub fn is_identity(&self) -> bool {
        self.0.is_identity_()
    }

    /// Whether [`forward_stack`] takes it.
    pub fn is_stackable(&self) -> bool {
        self.as_rnn().is_some_and(Rnn::begins_anew)
    }

    fn as_rnn(&self) -> Option<&Rnn> {
        self.0.as_any().downcast_ref()
    }

    /// See [`Layer::states`].
    pub fn states<'a>(&self, batch: usize, cache: &'a mut AnyCache) -> Result<Vec<&'a mut [f32]>> {
        self.0.states_(batch, cache)
    }

    /// See [`Layer::kept_states`].
    pub fn kept_states(&self) -> Vec<usize> {
        self.0.kept_states_()
    }

    /// See [`Layer::last_states`].
    pub fn last_states<'a>(&self, batch: usize, cache: &'a mut AnyCache) -> Result<Vec<&'a mut [f32]>> {
        self.0.last_states_(batch, cache)
    }

    /// See [`Layer::set_begun`].
    pub fn set_begun(&self, begun: bool, cache: &mut AnyCache) {
        self.0.set_begun_(begun, cache);
    }

    /// See [`Layer::has_sparse_rows`].
    pub fn has_sparse_rows(&self) -> bool {
        self.0.has_sparse_rows_()
    }

    /// See [`Layer::touched_rows`].
    pub fn touched_rows(&self, input: &Tensor, rows: &mut RowSet) {
        self.0.touched_rows_(input, rows);
    }

    /// See [`Layer::pack`].
    pub fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        self.0.pack_(isa, weights, training)
    }

    /// An empty cache for this layer.
    pub fn new_cache(&self) -> AnyCache {
        self.0.new_cache_()
    }

    /// See [`Layer::forward`].
    pub fn forward(&self, call: Forward<'_>, cache: &mut AnyCache) -> Result<()> {
        self.0.forward_(call, cache)
    }

    /// See [`Layer::backward`].
    pub fn backward(&self, call: Backward<'_>, cache: &mut AnyCache) {
        self.0.backward_(call, cache);
    }
}

/// [`Layer`] without its associated type, so that a network can hold any.
trait ErasedLayer: Send + Sync {
    fn weights_(&self) -> Vec<Weight>;
    fn statistics_(&self) -> usize;
    fn follow_(&self, weights: &mut [f32], cache: &AnyCache);
    fn output_shapes_(&self, inputs: &[Shape]) -> Result<Vec<Shape>>;
    fn mask_rule_(&self) -> MaskRule;
    fn ignores_masks_(&self, inputs: usize) -> bool;
    fn input_kind_(&self) -> Kind;
    fn as_activation_(&self) -> Option<AnyActivation>;
    fn activity_regularizer_(&self) -> Option<Regularizer>;
    fn takes_dictionary_(&self, training: bool) -> bool;
    fn is_identity_(&self) -> bool;
    fn as_any(&self) -> &dyn Any;
    fn states_<'a>(&self, batch: usize, cache: &'a mut AnyCache) -> Result<Vec<&'a mut [f32]>>;
    fn kept_states_(&self) -> Vec<usize>;
    fn last_states_<'a>(&self, batch: usize, cache: &'a mut AnyCache) -> Result<Vec<&'a mut [f32]>>;
    fn set_begun_(&self, begun: bool, cache: &mut AnyCache);
    fn has_sparse_rows_(&self) -> bool;
    fn touched_rows_(&self, input: &Tensor, rows: &mut RowSet);
    fn pack_(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()>;
    fn new_cache_(&self) -> AnyCache;
    fn forward_(&self, call: Forward<'_>, cache: &mut AnyCache) -> Result<()>;
    fn backward_(&self, call: Backward<'_>, cache: &mut AnyCache);
}

impl<L: Layer> ErasedLayer for L {
    fn weights_(&self) -> Vec<Weight> {
        self.weights()
    }
    fn statistics_(&self) -> usize {
        self.statistics()
    }
    fn follow_(&self, weights: &mut [f32], cache: &AnyCache) {
        self.follow(weights, cache.downcast_ref().expect(OWN_CACHE));
    }
    fn output_shapes_(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.output_shapes(inputs)
    }
    fn mask_rule_(&self) -> MaskRule {
        self.mask_rule()
    }
    fn ignores_masks_(&self, inputs: usize) -> bool {
        self.ignores_masks(inputs)
    }
    fn input_kind_(&self) -> Kind {
        self.input_kind()
    }
    fn as_activation_(&self) -> Option<AnyActivation> {
        self.as_activation()
    }
    fn activity_regularizer_(&self) -> Option<Regularizer> {
        self.activity_regularizer()
    }
    fn takes_dictionary_(&self, training: bool) -> bool {
        self.takes_dictionary(training)
    }
    fn is_identity_(&self) -> bool {
        self.is_identity()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn states_<'a>(&self, batch: usize, cache: &'a mut AnyCache) -> Result<Vec<&'a mut [f32]>> {
        self.states(batch, own(cache))
    }
    fn kept_states_(&self) -> Vec<usize> {
        self.kept_states()
    }
    fn last_states_<'a>(&self, batch: usize, cache: &'a mut AnyCache) -> Result<Vec<&'a mut [f32]>> {
        self.last_states(batch, own(cache))
    }
    fn set_begun_(&self, begun: bool, cache: &mut AnyCache) {
        self.set_begun(begun, own(cache));
    }
    fn has_sparse_rows_(&self) -> bool {
        self.has_sparse_rows()
    }
    fn touched_rows_(&self, input: &Tensor, rows: &mut RowSet) {
        self.touched_rows(input, rows);
    }
    fn pack_(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        self.pack(isa, weights, training)
    }
    fn new_cache_(&self) -> AnyCache {
        Box::new(L::Cache::default())
    }
    fn forward_(&self, call: Forward<'_>, cache: &mut AnyCache) -> Result<()> {
        self.forward(call, own(cache))
    }
    fn backward_(&self, call: Backward<'_>, cache: &mut AnyCache) {
        self.backward(call, own(cache));
    }
}

const OWN_CACHE: &str = "a cache comes from the `new_cache` of the layer it is given to";

fn own<C: 'static>(cache: &mut AnyCache) -> &mut C {
    cache.downcast_mut().expect(OWN_CACHE)
}
