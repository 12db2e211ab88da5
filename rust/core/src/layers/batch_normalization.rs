//! BatchNormalization: each feature brought to mean 0 and variance 1 over a batch, then scaled and shifted.

use serde::Deserialize;
use serde_json::Value;

use super::config::{Absent, Ignored, read, yes};
use super::layer_normalization::{Axis, features_along, thousandth};
use super::{Backward, Constraint, Forward, Initializer, Layer, Node, Regularizer, Rules, Shape, Weight, one_input};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    axis: Option<Axis>,
    #[serde(default = "hundredth_left")]
    momentum: f64,
    #[serde(default = "thousandth")]
    epsilon: f64,
    #[serde(default = "yes")]
    center: bool,
    #[serde(default = "yes")]
    scale: bool,
    beta_initializer: Initializer,
    gamma_initializer: Initializer,
    moving_mean_initializer: Initializer,
    moving_variance_initializer: Initializer,
    beta_regularizer: Option<Regularizer>,
    gamma_regularizer: Option<Regularizer>,
    beta_constraint: Option<Constraint>,
    gamma_constraint: Option<Constraint>,
    #[serde(default, rename = "synchronized")]
    _synchronized: Absent,
    #[serde(default, rename = "renorm")]
    _renorm: Absent,
    #[serde(default, rename = "renorm_clipping")]
    _renorm_clipping: Absent,
    #[serde(default, rename = "renorm_momentum")]
    _renorm_momentum: Option<Ignored>,
}

fn hundredth_left() -> f64 {
    0.99
}

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let trains = config.get("trainable").and_then(Value::as_bool).unwrap_or(true);
    let config: Config = read(name, config)?;
    Ok(vec![Node::new(BatchNormalization {
        name: name.to_owned(),
        features: features_along(name, config.axis.as_ref(), &inputs[0])?,
        momentum: config.momentum as f32,
        epsilon: config.epsilon as f32,
        scale: config.scale,
        center: config.center,
        trains,
        rules: [
            Rules::new(config.gamma_initializer, config.gamma_regularizer, config.gamma_constraint),
            Rules::new(config.beta_initializer, config.beta_regularizer, config.beta_constraint),
            Rules::free(config.moving_mean_initializer),
            Rules::free(config.moving_variance_initializer),
        ],
    })])
}

/// `y = (x - mean) / √(variance + epsilon) · gamma + beta`, with mean and variance of the batch in training, else the
/// moving ones. A layer that does not train takes the moving ones always, as in Keras.
struct BatchNormalization {
    name: String,
    features: usize,
    momentum: f32,
    epsilon: f32,
    scale: bool,
    center: bool,
    trains: bool,
    rules: [Rules; 4],
}

/// One float a feature: of the batch that was trained on last, or for the pass that is running.
#[derive(Default)]
pub(super) struct BatchCache {
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// `1 / √(variance + epsilon)`
    scale: Vec<f32>,
    /// How many places the moments are taken over; 0 for the moving ones.
    count: f32,
    /// Sums over all places of the gradient, and of the gradient times the normalised input.
    sums: [Vec<f64>; 2],
}

/// What keeps the mean of no place from being no number, as in Keras.
const NO_PLACE: f32 = 1e-7;

/// The sum over rows of a term for each feature; of `mask` only the rows that it keeps.
fn sums(target: &mut [f64], rows: &[f32], mask: Option<&[u8]>, term: impl Fn(usize, f32) -> f32) {
    target.fill(0.0);
    for (row, x) in rows.chunks_exact(target.len()).enumerate() {
        if mask.is_none_or(|mask| mask[row] != 0) {
            target.iter_mut().zip(x).enumerate().for_each(|(i, (sum, &x))| *sum += f64::from(term(i, x)));
        }
    }
}

impl BatchCache {
    fn resize(&mut self, features: usize) {
        for floats in [&mut self.mean, &mut self.variance, &mut self.scale] {
            floats.resize(features, 0.0);
        }
        self.sums.iter_mut().for_each(|sums| sums.resize(features, 0.0));
    }

    /// Mean and variance of the rows that count.
    fn measure(&mut self, x: &[f32], mask: Option<&[u8]>) {
        let rows = x.len() / self.mean.len();
        let count = match mask {
            Some(mask) => mask.iter().filter(|&&kept| kept != 0).count() as f32 + NO_PLACE,
            None => rows as f32,
        };
        let [total, _] = &mut self.sums;
        let mean_of = |target: &mut [f32], total: &[f64]| {
            target.iter_mut().zip(total).for_each(|(mean, total)| *mean = (total / f64::from(count)) as f32);
        };
        sums(total, x, mask, |_, x| x);
        mean_of(&mut self.mean, total);
        let mean = &self.mean;
        sums(total, x, mask, |i, x| (x - mean[i]) * (x - mean[i]));
        mean_of(&mut self.variance, total);
        self.count = count;
    }
}

impl BatchNormalization {
    /// The four weights, of which the first two may be missing.
    fn parts<'a>(&self, weights: &'a [f32]) -> [Option<&'a [f32]>; 4] {
        let mut rest = weights.chunks_exact(self.features);
        [self.scale, self.center, true, true].map(|there| if there { rest.next() } else { None })
    }
}

impl Layer for BatchNormalization {
    type Cache = BatchCache;

    fn weights(&self) -> Vec<Weight> {
        let paths = ["gamma", "beta", "moving_mean", "moving_variance"];
        let there = [self.scale, self.center, true, true];
        let all = paths.into_iter().zip(self.rules.clone()).zip(there);
        let wanted = all.filter(|(_, there)| *there);
        let weight = |((path, rules), _): ((&str, _), _)| Weight::new(path, [self.features], rules);
        wanted.map(weight).collect()
    }

    fn statistics(&self) -> usize {
        2
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        if inputs[0].features() != Some(self.features) {
            let expected = inputs[0].with_features(self.features);
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn forward(&self, call: Forward<'_>, cache: &mut BatchCache) -> Result<()> {
        let x = call.input(0).floats();
        cache.resize(self.features);
        let [gamma, beta, mean, variance] = self.parts(call.weights);
        if call.training && self.trains {
            cache.measure(x, call.mask);
        } else {
            cache.mean.copy_from_slice(mean.unwrap_or_default());
            cache.variance.copy_from_slice(variance.unwrap_or_default());
            cache.count = 0.0;
        }
        let BatchCache { mean, variance, scale, .. } = cache;
        let scales = scale.iter_mut().zip(&*variance);
        scales.for_each(|(scale, variance)| *scale = 1.0 / (variance + self.epsilon).sqrt());
        let output = call.outputs[0].floats_mut();
        for (x, y) in x.chunks_exact(self.features).zip(output.chunks_exact_mut(self.features)) {
            let moments = mean.iter().zip(&*scale);
            for ((x, y), (mean, scale)) in x.iter().zip(&mut *y).zip(moments) {
                *y = (x - mean) * scale;
            }
            if let Some(gamma) = gamma {
                y.iter_mut().zip(gamma).for_each(|(y, gamma)| *y *= gamma);
            }
            if let Some(beta) = beta {
                y.iter_mut().zip(beta).for_each(|(y, beta)| *y += beta);
            }
        }
        Ok(())
    }

    fn follow(&self, weights: &mut [f32], cache: &BatchCache) {
        let first = weights.len() - 2 * self.features;
        let (mean, variance) = weights[first..].split_at_mut(self.features);
        for (moving, batch) in [(mean, &cache.mean), (variance, &cache.variance)] {
            for (moving, batch) in moving.iter_mut().zip(batch) {
                *moving = *moving * self.momentum + batch * (1.0 - self.momentum);
            }
        }
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut BatchCache) {
        let (x, mask) = (call.input(0).floats(), call.mask);
        let Some(dy) = call.d_output(0) else { return };
        let features = self.features;
        let BatchCache { mean, scale, count, sums: [d_beta, d_gamma], .. } = cache;
        sums(d_beta, dy, None, |_, dy| dy);
        d_gamma.fill(0.0);
        for (x, dy) in x.chunks_exact(features).zip(dy.chunks_exact(features)) {
            let moments = mean.iter().zip(&*scale);
            for (((sum, x), dy), (mean, scale)) in d_gamma.iter_mut().zip(x).zip(dy).zip(moments) {
                *sum += f64::from((x - mean) * scale * dy);
            }
        }
        if let Some(gradients) = call.gradients.take() {
            let mut rest = gradients.chunks_exact_mut(features);
            for (_, sums) in [(self.scale, &*d_gamma), (self.center, &*d_beta)].iter().filter(|(there, _)| *there) {
                let target = rest.next().into_iter().flatten();
                target.zip(sums.iter()).for_each(|(gradient, sum)| *gradient += *sum as f32);
            }
        }
        let [gamma, ..] = self.parts(call.weights);
        let Some((dx, add)) = call.d_input(0) else { return };
        if !add {
            dx.fill(0.0);
        }
        let rows = x.chunks_exact(features).zip(dy.chunks_exact(features)).zip(dx.chunks_exact_mut(features));
        for (row, ((x, dy), dx)) in rows.enumerate() {
            // Mean and variance depend on the places that they were taken over, each output on mean and variance.
            let counts = *count > 0.0 && mask.is_none_or(|mask| mask[row] != 0);
            for i in 0..features {
                let mut slope = dy[i];
                if counts {
                    let normalised = (x[i] - mean[i]) * scale[i];
                    slope -= (d_beta[i] as f32 + normalised * d_gamma[i] as f32) / *count;
                }
                dx[i] += slope * scale[i] * gamma.map_or(1.0, |gamma| gamma[i]);
            }
        }
    }
}
