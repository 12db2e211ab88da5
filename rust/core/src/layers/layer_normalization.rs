//! LayerNormalization: the features of each place brought to mean 0 and variance 1, then scaled and shifted.

use serde::Deserialize;
use serde_json::Value;

use super::config::{read, yes};
use super::{
    Backward, Constraint, Forward, Initializer, Layer, Node, Regularizer, Rules, Shape, Weight, checked_len, one_input,
};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    axis: Option<Axis>,
    #[serde(default = "thousandth")]
    epsilon: f64,
    #[serde(default = "yes")]
    center: bool,
    #[serde(default = "yes")]
    scale: bool,
    #[serde(default)]
    rms_scaling: bool,
    beta_initializer: Initializer,
    gamma_initializer: Initializer,
    beta_regularizer: Option<Regularizer>,
    gamma_regularizer: Option<Regularizer>,
    beta_constraint: Option<Constraint>,
    gamma_constraint: Option<Constraint>,
}

/// An axis, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Axis {
    One(isize),
    Several(Vec<isize>),
}

pub(super) fn thousandth() -> f64 {
    1e-3
}

/// How many features a layer normalises, which must be the last axis.
///
/// # Errors
/// Where another axis is asked for, or the number is not known.
pub(super) fn features_along(name: &str, axis: Option<&Axis>, input: &Shape) -> Result<usize> {
    let is_last = |axis: isize| axis == -1 || usize::try_from(axis).is_ok_and(|axis| axis + 1 == input.rank());
    let last = match axis {
        None => true,
        Some(Axis::One(axis)) => is_last(*axis),
        Some(Axis::Several(axes)) => matches!(**axes, [axis] if is_last(axis)),
    };
    if !last {
        return Err(Error::unsupported(name, "another axis than the last, axis=-1, is not supported yet"));
    }
    let features = input.features().filter(|&features| features > 0 && input.rank() >= 2).ok_or_else(|| {
        Error::shape(name, "the input", "(batch, ..., features) with a known number of features", input.clone())
    })?;
    checked_len(name, &[features])
}

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    Ok(vec![Node::new(LayerNormalization {
        name: name.to_owned(),
        features: features_along(name, config.axis.as_ref(), &inputs[0])?,
        epsilon: config.epsilon as f32,
        scale: config.scale || config.rms_scaling,
        center: config.center && !config.rms_scaling,
        rms_scaling: config.rms_scaling,
        rules: [
            Rules::new(config.gamma_initializer, config.gamma_regularizer, config.gamma_constraint),
            Rules::new(config.beta_initializer, config.beta_regularizer, config.beta_constraint),
        ],
    })])
}

/// `y = (x - mean) / √(variance + epsilon) · gamma + beta`; with `rms_scaling` the mean is not taken away, and there is
/// no beta.
struct LayerNormalization {
    name: String,
    features: usize,
    epsilon: f32,
    scale: bool,
    center: bool,
    rms_scaling: bool,
    rules: [Rules; 2],
}

/// A sum in an order that vectors can follow.
fn sum(terms: impl ExactSizeIterator<Item = f32>) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    terms.enumerate().for_each(|(i, term)| sums[i % LANES] += term);
    sums.iter().sum()
}

/// Mean and `1 / √(variance + epsilon)` of a row.
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let count = x.len() as f32;
    let mean = sum(x.iter().copied()) / count;
    let variance = sum(x.iter().map(|x| (x - mean) * (x - mean))) / count;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

impl LayerNormalization {
    fn gamma<'a>(&self, weights: &'a [f32]) -> Option<&'a [f32]> {
        self.scale.then(|| &weights[..self.features])
    }

    fn beta<'a>(&self, weights: &'a [f32]) -> Option<&'a [f32]> {
        self.center.then(|| &weights[weights.len() - self.features..])
    }
}

impl Layer for LayerNormalization {
    /// A row's gradient times gamma.
    type Cache = Vec<f32>;

    fn weights(&self) -> Vec<Weight> {
        let [gamma, beta] = self.rules.clone();
        let weights = [(self.scale, "gamma", gamma), (self.center, "beta", beta)].into_iter();
        let wanted = weights.filter(|(wanted, ..)| *wanted);
        let weight = |(_, path, rules): (_, &str, _)| Weight::new(path, [self.features], rules);
        wanted.map(weight).collect()
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        if inputs[0].features() != Some(self.features) {
            let expected = inputs[0].with_features(self.features);
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn forward(&self, call: Forward<'_>, scaled: &mut Vec<f32>) -> Result<()> {
        scaled.resize(self.features, 0.0);
        let (gamma, beta) = (self.gamma(call.weights), self.beta(call.weights));
        let rows = call.input(0).floats().chunks_exact(self.features);
        for (x, y) in rows.zip(call.outputs[0].floats_mut().chunks_exact_mut(self.features)) {
            let (mean, scale) = moments(x, self.epsilon);
            let mean = if self.rms_scaling { 0.0 } else { mean };
            y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean) * scale);
            if let Some(gamma) = gamma {
                y.iter_mut().zip(gamma).for_each(|(y, gamma)| *y *= gamma);
            }
            if let Some(beta) = beta {
                y.iter_mut().zip(beta).for_each(|(y, beta)| *y += beta);
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, scaled: &mut Vec<f32>) {
        let x = call.input(0).floats().chunks_exact(self.features);
        let Some(dy) = call.d_output(0) else { return };
        let rows = x.zip(dy.chunks_exact(self.features));
        let centre = |mean: f32| if self.rms_scaling { 0.0 } else { mean };
        if let Some(gradients) = call.gradients.take() {
            let (d_gamma, d_beta) = gradients.split_at_mut(if self.scale { self.features } else { 0 });
            for (x, dy) in rows.clone() {
                let (mean, scale) = moments(x, self.epsilon);
                let mean = centre(mean);
                let pairs = x.iter().zip(dy);
                d_gamma.iter_mut().zip(pairs).for_each(|(sum, (x, dy))| *sum += (x - mean) * scale * dy);
                d_beta.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
            }
        }
        let gamma = self.gamma(call.weights);
        let Some((dx, add)) = call.d_input(0) else { return };
        if !add {
            dx.fill(0.0);
        }
        let count = self.features as f32;
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(self.features)) {
            let (mean, scale) = moments(x, self.epsilon);
            scaled.copy_from_slice(dy);
            if let Some(gamma) = gamma {
                scaled.iter_mut().zip(gamma).for_each(|(dy, gamma)| *dy *= gamma);
            }
            let taken = centre(mean);
            // What the mean and the variance hand back to every feature.
            let along = sum(scaled.iter().zip(x).map(|(dy, x)| dy * (x - taken))) / count * scale * scale;
            let average = if self.rms_scaling { 0.0 } else { sum(scaled.iter().copied()) / count };
            for ((dx, dy), x) in dx.iter_mut().zip(&*scaled).zip(x) {
                *dx += scale * (dy - average - (x - mean) * along);
            }
        }
    }
}
