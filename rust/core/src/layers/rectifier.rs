//! Rectifiers with arguments: ReLU, LeakyReLU and ELU.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::write;
use super::{Backward, Forward, Layer, Node, Shape, one_input};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReluConfig {
    max_value: Option<f32>,
    #[serde(default)]
    negative_slope: f32,
    #[serde(default)]
    threshold: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeakyReluConfig {
    #[serde(default = "leak")]
    negative_slope: f32,
}

fn leak() -> f32 {
    0.3
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EluConfig {
    #[serde(default = "one")]
    alpha: f32,
}

fn one() -> f32 {
    1.0
}

pub(super) fn build_relu(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let ReluConfig { max_value, negative_slope, threshold } = read(name, config)?;
    let arguments =
        [("max_value", max_value.unwrap_or(0.0)), ("negative_slope", negative_slope), ("threshold", threshold)];
    for (argument, value) in arguments {
        not_negative(name, argument, value)?;
    }
    let rectifier = Function::Linear { slope: negative_slope, threshold, max: max_value };
    Ok(vec![Node::new(Rectifier { name: name.to_owned(), function: rectifier })])
}

pub(super) fn build_leaky_relu(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let LeakyReluConfig { negative_slope: slope } = read(name, config)?;
    not_negative(name, "negative_slope", slope)?;
    let rectifier = Function::Linear { slope, threshold: 0.0, max: None };
    Ok(vec![Node::new(Rectifier { name: name.to_owned(), function: rectifier })])
}

pub(super) fn build_elu(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let EluConfig { alpha } = read(name, config)?;
    Ok(vec![Node::new(Rectifier { name: name.to_owned(), function: Function::Exponential { alpha } })])
}

fn not_negative(layer: &str, argument: &str, value: f32) -> Result<()> {
    match value >= 0.0 {
        true => Ok(()),
        false => Err(Error::value(layer, format!("{argument}={value} must not be negative"))),
    }
}

#[derive(Clone, Copy)]
enum Function {
    /// `x < threshold ? slope (x - threshold) : min(x, max)`, and 0 at a threshold.
    Linear { slope: f32, threshold: f32, max: Option<f32> },
    /// `x > 0 ? x : alpha (e^x - 1)`
    Exponential { alpha: f32 },
}

struct Rectifier {
    name: String,
    function: Function,
}

/// `x` at the threshold is 0 in Keras, however high the threshold. NaNs stay.
fn linear(x: f32, slope: f32, threshold: f32, max: f32) -> f32 {
    if x < threshold {
        // Without a slope -∞ too is 0.
        if slope == 0.0 { 0.0 } else { slope * (x - threshold) }
    } else if x == threshold {
        0.0
    } else if x > max {
        max
    } else {
        x
    }
}

impl Layer for Rectifier {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        Ok(vec![inputs[0].clone()])
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let x = call.input(0).floats();
        let y = call.outputs[0].floats_mut();
        match self.function {
            Function::Linear { slope, threshold, max } => {
                let max = max.unwrap_or(f32::INFINITY);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = linear(x, slope, threshold, max));
            }
            Function::Exponential { alpha } => {
                Activation::Elu.forward(call.isa, x, y);
                y.iter_mut().zip(x).for_each(|(y, &x)| *y *= if x > 0.0 { 1.0 } else { alpha });
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (x, y) = (call.input(0).floats(), call.outputs[0].floats());
        let Some(dy) = call.d_output(0) else { return };
        let Some(dx) = call.d_input(0) else { return };
        match self.function {
            Function::Linear { slope, threshold, max } => {
                // What Keras' formulas give where they bend: a plain leaky one takes the slope at 0.
                let bend = if threshold == 0.0 && max.is_none() { slope } else { 0.0 };
                let max = max.unwrap_or(f32::INFINITY);
                let derivative = |x: f32| {
                    if x < threshold {
                        slope
                    } else if x == threshold {
                        bend
                    } else if x > max {
                        0.0
                    } else {
                        1.0
                    }
                };
                write(dx, x.iter().zip(dy).map(|(&x, dy)| derivative(x) * dy));
            }
            Function::Exponential { alpha } => {
                // Where x <= 0, alpha e^x is y + alpha.
                let slopes = x.iter().zip(y).map(|(&x, y)| if x > 0.0 { 1.0 } else { y + alpha });
                write(dx, slopes.zip(dy).map(|(slope, dy)| slope * dy));
            }
        }
    }
}
