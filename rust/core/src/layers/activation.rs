//! Activation: a function of every element, or of every row of the last axis.

use serde::Deserialize;
use serde_json::Value;

use super::config::{activation_named, read};
use super::elements::write;
use super::log_softmax;
use super::{AnyActivation, Backward, Forward, Layer, Node, Pointwise, Shape, one_input};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation as Function;
use crate::kernels::softmax;
use crate::simd::Isa;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    activation: Option<String>,
}

pub(super) fn build(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    let activation = activation_named(name, config.activation.as_deref())?;
    Ok(vec![Node::new(Activation { name: name.to_owned(), activation })])
}

pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = Function::ALL.iter().map(|&(name, _)| name).collect();
    names.extend(Pointwise::ALL.iter().map(|&(name, _)| name));
    names.extend(["celu", "log_softmax", "softmax"]);
    names.sort_unstable();
    names
}

pub(super) fn named(name: &str) -> Option<AnyActivation> {
    let pointwise =
        || Pointwise::ALL.iter().find(|(known, _)| *known == name).map(|&(_, f)| AnyActivation::Pointwise(f));
    match name {
        "softmax" => Some(AnyActivation::Softmax),
        "log_softmax" => Some(AnyActivation::LogSoftmax),
        // At its default, the one that a name stands for, it is the same function.
        "celu" => Some(AnyActivation::Elementwise(Function::Elu)),
        _ => Function::named(name).map(AnyActivation::Elementwise).or_else(pointwise),
    }
}

/// The layer; also what a Dense layer's `activation` becomes.
pub(super) struct Activation {
    pub(super) name: String,
    pub(super) activation: AnyActivation,
}

/// Applies a named activation to a row-major array whose last axis has `features` elements.
pub fn activate(name: &str, x: &[f32], y: &mut [f32], features: usize) -> Result<()> {
    let activation = named(name).ok_or_else(|| Error::unknown("activation", name, names()))?;
    if !x.is_empty() {
        forward(Isa::active(), activation, x, y, features);
    }
    Ok(())
}

fn forward(isa: Isa, activation: AnyActivation, x: &[f32], y: &mut [f32], features: usize) {
    match activation {
        AnyActivation::Elementwise(function) => function.forward(isa, x, y),
        AnyActivation::Pointwise(function) => {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = function.value(f64::from(x)) as f32);
        }
        AnyActivation::LogSoftmax => log_softmax::forward(x, y, features),
        AnyActivation::Softmax => softmax::forward(isa, x, y, features),
    }
}

impl Layer for Activation {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        Ok(vec![inputs[0].clone()])
    }

    fn as_activation(&self) -> Option<AnyActivation> {
        Some(self.activation)
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let x = call.input(0);
        if x.floats().is_empty() {
            return Ok(());
        }
        forward(call.isa, self.activation, x.floats(), call.outputs[0].floats_mut(), x.features());
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (isa, outputs, x) = (call.isa, call.outputs, call.input(0));
        let Some(dy) = call.d_output(0) else { return };
        let Some((dx, add)) = call.d_input(0) else { return };
        let y = outputs[0].floats();
        match self.activation {
            AnyActivation::Elementwise(function) => function.backward(isa, y, dy, dx, add),
            AnyActivation::Pointwise(function) => {
                let slopes = x.floats().iter().map(|&x| function.slope(f64::from(x)) as f32);
                write((dx, add), slopes.zip(dy).map(|(slope, dy)| slope * dy));
            }
            AnyActivation::LogSoftmax if y.is_empty() => {}
            AnyActivation::LogSoftmax => log_softmax::backward(y, dy, dx, outputs[0].features(), add),
            AnyActivation::Softmax => softmax::backward(y, dy, dx, outputs[0].features(), add),
        }
    }
}
