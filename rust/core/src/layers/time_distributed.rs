//! TimeDistributed: a layer applied to every step of a sequence, as if each were a sample.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::{
    AnyCache, Backward, CLASSES, Forward, Gradient, Kind, Layer, MaskRule, Node, RowSet, Shape, Tensor, Values, Weight,
    one_input,
};
use crate::error::{Error, Result};
use crate::simd::Isa;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    layer: Wrapped,
}

/// A layer as Keras serialises it.
#[derive(Deserialize)]
struct Wrapped {
    class_name: String,
    config: Value,
}

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let Config { layer } = read(name, config)?;
    let known = CLASSES.binary_search_by_key(&layer.class_name.as_str(), |&(class, _)| class);
    let Ok(known) = known else {
        return Err(Error::unknown("layer class", &layer.class_name, CLASSES.iter().map(|&(name, _)| name)));
    };
    one_input(name, inputs)?;
    let inner = layer.config["name"].as_str().unwrap_or(&layer.class_name).to_owned();
    let mut shape = step(name, &inputs[0])?;
    let mut nodes = Vec::new();
    for node in CLASSES[known].1(&inner, &layer.config, std::slice::from_ref(&shape))? {
        if node.statistics() > 0 || !node.kept_states().is_empty() {
            let message = format!("a {} that follows the data is not supported inside yet", layer.class_name);
            return Err(Error::unsupported(name, message));
        }
        let mut outputs = node.output_shapes(std::slice::from_ref(&shape))?;
        let (Some(output), None) = (outputs.pop(), outputs.pop()) else {
            return Err(Error::unsupported(name, "a layer with several outputs is not supported inside"));
        };
        let (name, inner) = (name.to_owned(), inner.clone());
        nodes.push(Node::new(TimeDistributed { name, inner, node, drops_mask: output.rank() < shape.rank() }));
        shape = output;
    }
    Ok(nodes)
}

/// The shape of the steps of all sequences, one under the other.
fn step(name: &str, input: &Shape) -> Result<Shape> {
    let [batch, time, rest @ ..] = &*input.0 else {
        return Err(Error::shape(name, "the input", "(batch, time, ...)", input.clone()));
    };
    let batch = batch.zip(*time).and_then(|(batch, time)| batch.checked_mul(time));
    Ok(Shape(std::iter::once(batch).chain(rest.iter().copied()).collect()))
}

struct TimeDistributed {
    name: String,
    /// The layer's name.
    inner: String,
    node: Node,
    /// Whether the layer takes away an axis that the mask has.
    drops_mask: bool,
}

/// The layer's tensors, in which steps are samples, and its cache.
#[derive(Default)]
pub(super) struct TimeDistributedCache {
    input: Option<Tensor>,
    output: Option<Tensor>,
    mask: Vec<u8>,
    inner: Option<AnyCache>,
}

impl Layer for TimeDistributed {
    type Cache = TimeDistributedCache;

    fn weights(&self) -> Vec<Weight> {
        let inner = self.node.weights().into_iter();
        inner.map(|weight| Weight { path: format!("{}/{}", self.inner, weight.path), ..weight }).collect()
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        let shapes = self.node.output_shapes(&[step(&self.name, &inputs[0])?])?;
        let outer = |shape: Shape| Shape(inputs[0].0[..2].iter().chain(&shape.0[1..]).copied().collect());
        Ok(shapes.into_iter().map(outer).collect())
    }

    fn mask_rule(&self) -> MaskRule {
        if self.drops_mask { MaskRule::Drop } else { MaskRule::Pass }
    }

    fn input_kind(&self) -> Kind {
        self.node.input_kind()
    }

    fn states<'a>(&self, _: usize, _: &'a mut TimeDistributedCache) -> Result<Vec<&'a mut [f32]>> {
        // A recurrence inside goes along another axis than the stream's.
        Ok(Vec::new())
    }

    fn has_sparse_rows(&self) -> bool {
        self.node.has_sparse_rows()
    }

    fn touched_rows(&self, input: &Tensor, rows: &mut RowSet) {
        self.node.touched_rows(input, rows);
    }

    fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        self.node.pack(isa, weights, training)
    }

    fn forward(&self, call: Forward<'_>, cache: &mut TimeDistributedCache) -> Result<()> {
        let x = call.input(0);
        let TimeDistributedCache { input, output, mask: new_mask, inner } = cache;
        let input = input.get_or_insert_with(|| Tensor::new(self.node.input_kind()));
        let output = output.get_or_insert_with(|| Tensor::new(Kind::Floats));
        let inner = inner.get_or_insert_with(|| self.node.new_cache());
        let samples = x.sizes()[0] * x.sizes()[1];
        let rest = &x.sizes()[2..];
        let steps = if rest.len() > usize::from(input.kind() == Kind::Floats) { rest[0] } else { 1 };
        let y = &mut call.outputs[0];
        let fits = |mask: &&[u8]| mask.len() == samples * steps && (self.drops_mask || mask.len() == y.rows());
        if !call.mask.iter().all(fits) {
            let message = "has a mask that does not fit the steps of the layer inside, which is not supported";
            return Err(Error::unsupported(&self.name, message));
        }
        input.resize(&[&[samples], rest].concat())?;
        match input.values_mut() {
            Values::Floats(floats) => floats.copy_from_slice(x.floats()),
            Values::Ids(ids) => ids.copy_from_slice(x.ids()),
        }
        output.resize(&[&[samples], &y.sizes()[2..]].concat())?;
        let creates = !matches!(self.node.mask_rule(), MaskRule::Pass | MaskRule::PassTwice | MaskRule::Drop);
        let inner_call = Forward {
            tensors: std::slice::from_ref(input),
            inputs: &[0],
            outputs: std::slice::from_mut(output),
            new_mask: creates.then_some(new_mask),
            resume: false,
            dictionary: false,
            ..call
        };
        self.node.forward(inner_call, inner)?;
        y.floats_mut().copy_from_slice(output.floats());
        Ok(())
    }

    fn backward(&self, call: Backward<'_>, cache: &mut TimeDistributedCache) {
        let TimeDistributedCache { input: Some(input), output: Some(output), inner: Some(inner), .. } = cache else {
            return;
        };
        let own = call.inputs[0];
        let mut d_input: [Gradient; 1] = [std::mem::take(&mut call.d_tensors[own])];
        let inner_call = Backward {
            isa: call.isa,
            weights: call.weights,
            gradients: call.gradients,
            tensors: std::slice::from_ref(input),
            inputs: &[0],
            outputs: std::slice::from_ref(output),
            d_outputs: call.d_outputs,
            d_tensors: &mut d_input,
            mask: call.mask,
            masks: call.masks,
        };
        self.node.backward(inner_call, inner);
        let [d_input] = d_input;
        call.d_tensors[own] = d_input;
    }
}
