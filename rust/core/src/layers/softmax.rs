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

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    let axis = match config.axis.as_array().map(Vec::as_slice) {
        Some([axis]) => axis,
        _ => &config.axis,
    };
    let rank = inputs[0].rank();
    let number = if axis.is_null() { Some(-1) } else { axis.as_i64() };
    let number = number.map(|axis| if axis < 0 { axis + rank as i64 } else { axis });
    let Some(axis) = number.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| 0 < axis && axis < rank) else {
        let message = format!("axis={axis} is not supported for an input of shape {}; use one of its axes", inputs[0]);
        return Err(Error::unsupported(name, format!("{message} behind the batch")));
    };
    let activation = Activation { name: name.to_owned(), activation: AnyActivation::Softmax };
    Ok(vec![Node::new(Softmax { activation, axis, rank })])
}

struct Softmax {
    activation: Activation,
    axis: usize,
    rank: usize,
}

impl Softmax {
    fn is_last(&self) -> bool {
        self.axis + 1 == self.rank
    }

    /// Calls `visit` for every vector along the axis with where its elements lie.
    fn vectors(&self, sizes: &[usize], mut visit: impl FnMut(std::iter::StepBy<std::ops::Range<usize>>)) {
        let inner: usize = sizes[self.axis + 1..].iter().product();
        let whole = sizes[self.axis] * inner;
        for outer in 0..sizes[..self.axis].iter().product() {
            for start in outer * whole..outer * whole + inner {
                visit((start..start + whole).step_by(inner));
            }
        }
    }
}

impl Layer for Softmax {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if inputs[0].rank() != self.rank {
            let expected = format!("{} axes", self.rank);
            return Err(Error::shape(&self.activation.name, "the input", expected, inputs[0].clone()));
        }
        self.activation.output_shapes(inputs)
    }

    fn as_activation(&self) -> Option<AnyActivation> {
        self.activation.as_activation().filter(|_| self.is_last())
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        if call.mask.is_some() {
            // Keras' layer takes the mask of the steps for one of the logits, which it does not fit.
            let message = "does not take masked steps, as in Keras; use an Activation layer with softmax";
            return Err(Error::unsupported(&self.activation.name, message));
        }
        if self.is_last() {
            return self.activation.forward(call, &mut ());
        }
        let x = &call.tensors[call.inputs[0]];
        let (sizes, x) = (x.sizes(), x.floats());
        let y = call.outputs[0].floats_mut();
        self.vectors(sizes, |places| {
            let largest = places.clone().map(|i| x[i]).fold(f32::NEG_INFINITY, f32::max);
            let mut total = 0.0;
            for i in places.clone() {
                y[i] = (x[i] - largest).exp();
                total += y[i];
            }
            places.for_each(|i| y[i] /= total);
        });
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        if self.is_last() {
            return self.activation.backward(call, &mut ());
        }
        let outputs = call.outputs;
        let Some(dy) = call.d_output(0) else { return };
        let Some((dx, add)) = call.d_input(0) else { return };
        let y = outputs[0].floats();
        self.vectors(outputs[0].sizes(), |places| {
            let along: f32 = places.clone().map(|i| y[i] * dy[i]).sum();
            places.for_each(|i| dx[i] = y[i] * (dy[i] - along) + if add { dx[i] } else { 0.0 });
        });
    }
}
