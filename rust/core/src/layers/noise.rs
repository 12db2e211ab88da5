//! Layers that draw at random in training and hand their input on otherwise: Dropout, SpatialDropout1D, GaussianNoise.

use serde::Deserialize;
use serde_json::Value;

use super::config::{read, seed};
use super::elements::{spread, walk, write};
use super::{Backward, Forward, Layer, Node, Random, Shape, one_input};
use crate::error::{Error, Result};
use crate::kernels::AlignedBuffer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropoutConfig {
    rate: f64,
    noise_shape: Option<Shape>,
    #[serde(default)]
    seed: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpatialDropoutConfig {
    rate: f64,
    #[serde(default)]
    seed: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GaussianConfig {
    stddev: f64,
    #[serde(default)]
    seed: Value,
}

pub(super) fn build_dropout(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: DropoutConfig = read(name, config)?;
    let rate = share(name, "rate", config.rate)?;
    Ok(node(name, Rule::Drop { rate, shape: config.noise_shape }, &config.seed))
}

pub(super) fn build_spatial_dropout(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: SpatialDropoutConfig = read(name, config)?;
    let rate = share(name, "rate", config.rate)?;
    Ok(node(name, Rule::Drop { rate, shape: Some(Shape(vec![None, Some(1), None])) }, &config.seed))
}

pub(super) fn build_gaussian_noise(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: GaussianConfig = read(name, config)?;
    let deviation = share(name, "stddev", config.stddev)?;
    Ok(node(name, Rule::Add { deviation }, &config.seed))
}

fn node(name: &str, rule: Rule, own_seed: &Value) -> Vec<Node> {
    vec![Node::new(Noise { name: name.to_owned(), rule, seed: seed(own_seed) })]
}

/// # Errors
/// Where the argument is not within Keras' bounds.
fn share(layer: &str, argument: &str, value: f64) -> Result<f64> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(Error::value(layer, format!("{argument}={value} must lie between 0 and 1"))),
    }
}

enum Rule {
    /// Multiplies by factors of this shape, spread over the input; an open size is the input's.
    Drop { rate: f64, shape: Option<Shape> },
    /// Adds normally distributed numbers.
    Add { deviation: f64 },
}

struct Noise {
    name: String,
    rule: Rule,
    seed: Option<u64>,
}

/// What backward multiplies by, one factor an element; nothing where forward multiplied by nothing.
#[derive(Default)]
pub(super) struct NoiseCache {
    factors: AlignedBuffer,
    /// The factors before they are spread.
    drawn: AlignedBuffer,
}

impl Noise {
    /// Draws the factors of an input of these sizes.
    fn draw(
        &self,
        rate: f64,
        shape: Option<&Shape>,
        sizes: &[usize],
        random: &mut Random,
        cache: &mut NoiseCache,
    ) -> Result<()> {
        cache.factors.resize(sizes.iter().product())?;
        let Some(shape) = shape else {
            random.dropout(rate, &mut cache.factors);
            return Ok(());
        };
        let noise: Vec<usize> = shape.0.iter().zip(sizes).map(|(noise, &size)| noise.unwrap_or(size)).collect();
        if noise.iter().zip(sizes).any(|(&noise, &size)| noise != 1 && noise != size) {
            let message = format!(
                "noise_shape {shape} does not fit an input of shape {}: each size must be None, 1 or the input's",
                Shape::known(sizes)
            );
            return Err(Error::value(&self.name, message));
        }
        cache.drawn.resize(noise.iter().product())?;
        random.dropout(rate, &mut cache.drawn);
        let (drawn, mut factors) = (&*cache.drawn, cache.factors.iter_mut());
        walk(&spread(sizes, &noise), 0, &mut |place| {
            if let Some(factor) = factors.next() {
                *factor = drawn[place];
            }
        });
        Ok(())
    }
}

impl Layer for Noise {
    type Cache = NoiseCache;

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        if let Rule::Drop { shape: Some(shape), .. } = &self.rule
            && shape.rank() != inputs[0].rank()
        {
            let expected = format!("as many axes as the noise has, {}", shape.rank());
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn is_identity(&self) -> bool {
        true
    }

    fn forward(&self, call: Forward<'_>, cache: &mut NoiseCache) -> Result<()> {
        let x = call.input(0);
        let y = call.outputs[0].floats_mut();
        let (seed, stream) = call.random;
        let mut random = Random::new(self.seed.unwrap_or(seed), stream);
        cache.factors.resize(0)?;
        let pairs = y.iter_mut().zip(x.floats());
        match self.rule {
            Rule::Drop { rate, ref shape } if call.training && rate > 0.0 => {
                self.draw(rate, shape.as_ref(), x.sizes(), &mut random, cache)?;
                pairs.zip(&*cache.factors).for_each(|((y, x), factor)| *y = x * factor);
            }
            Rule::Add { deviation } if call.training && deviation > 0.0 => {
                pairs.for_each(|(y, x)| *y = x + (deviation * random.normal()) as f32);
            }
            _ => y.copy_from_slice(x.floats()),
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut NoiseCache) {
        let Some(dy) = call.d_output(0) else { return };
        let Some(dx) = call.d_input(0) else { return };
        if cache.factors.is_empty() {
            write(dx, dy.iter().copied());
        } else {
            write(dx, dy.iter().zip(&*cache.factors).map(|(dy, factor)| dy * factor));
        }
    }
}
