//! Softmax: the activation as a layer that, unlike Activation, refuses masks.

use serde::Deserialize;
use serde_json::Value;

use super::activation::Activation;
use super::config::read;
use super::{AnyActivation, Backward, Forward, Layer, Node, Shape};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    axis: Value,
}

pub(super) fn build(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    let axis = match config.axis.as_array().map(Vec::as_slice) {
        Some([axis]) => axis,
        _ => &config.axis,
    };
    if !axis.is_null() && axis.as_i64() != Some(-1) {
        let message = format!("axis={axis} is not supported; use -1, the last axis, between two Permute layers");
        return Err(Error::unsupported(name, message));
    }
    Ok(vec![Node::new(Softmax(Activation { name: name.to_owned(), activation: AnyActivation::Softmax }))])
}

struct Softmax(Activation);

impl Layer for Softmax {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.0.output_shapes(inputs)
    }

    fn as_activation(&self) -> Option<AnyActivation> {
        self.0.as_activation()
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        if call.mask.is_some() {
            // Keras' layer takes the mask of the steps for one of the logits, which it does not fit.
            let message = "does not take masked steps, as in Keras; use an Activation layer with softmax";
            return Err(Error::unsupported(&self.0.name, message));
        }
        self.0.forward(call, &mut ())
    }

    fn backward(&self, call: Backward<'_>, (): &mut ()) {
        self.0.backward(call, &mut ());
    }
}
