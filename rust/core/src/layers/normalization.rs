//! Normalization: `y = (x - mean) / max(√variance, ε)` with moments that are given or were taken from data, not learnt.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::{spread, walk, write};
use super::{Backward, Forward, Initializer, Layer, Node, Rules, Shape, Weight, checked_len, one_input};
use crate::error::{Error, Result};

/// Keras' `backend.epsilon()`.
const EPSILON: f32 = 1e-7;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    axis: Vec<i64>,
    mean: Value,
    variance: Value,
    invert: bool,
}

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    let shape = &inputs[0];
    let rank = shape.rank() as i64;
    let mut kept = Vec::new();
    for axis in config.axis {
        if !(-rank..rank).contains(&axis) {
            return Err(Error::value(name, format!("axis={axis} is none of an input of shape {shape}")));
        }
        kept.push(axis.rem_euclid(rank) as usize);
    }
    kept.sort_unstable();
    kept.dedup();
    let mut sizes = Vec::new();
    for &axis in &kept {
        let size = shape.0[axis].ok_or_else(|| {
            Error::value(name, format!("axis={axis} must have a known size, and the input has the shape {shape}"))
        })?;
        sizes.push(size);
    }
    let given = match (&config.mean, &config.variance) {
        (Value::Null, Value::Null) => None,
        (mean, variance) => {
            Some([spread_over(name, "mean", mean, &sizes)?, spread_over(name, "variance", variance, &sizes)?])
        }
    };
    let rank = shape.rank();
    Ok(vec![Node::new(Normalization { name: name.to_owned(), rank, kept, sizes, given, invert: config.invert })])
}

/// Nested lists as an array of these sizes, of whose last axes they have some, each of full size or 1.
fn spread_over(layer: &str, what: &str, lists: &Value, sizes: &[usize]) -> Result<Vec<f32>> {
    let (mut own, mut values) = (Vec::new(), Vec::new());
    flatten(lists, 0, &mut own, &mut values);
    let misfit = || Error::value(layer, format!("{what}={lists} does not fit axes of sizes {sizes:?}"));
    if own.len() > sizes.len() || values.len() != own.iter().product::<usize>() {
        return Err(misfit());
    }
    let mut full = vec![1; sizes.len() - own.len()];
    full.append(&mut own);
    if full.iter().zip(sizes).any(|(&own, &size)| own != 1 && own != size) {
        return Err(misfit());
    }
    let mut target = Vec::with_capacity(checked_len(layer, sizes)?);
    walk(&spread(sizes, &full), 0, &mut |place| target.push(values[place]));
    Ok(target)
}

fn flatten(value: &Value, depth: usize, sizes: &mut Vec<usize>, values: &mut Vec<f32>) {
    match value {
        Value::Array(items) => {
            if sizes.len() == depth {
                sizes.push(items.len());
            }
            items.iter().for_each(|item| flatten(item, depth + 1, sizes, values));
        }
        number => values.extend(number.as_f64().map(|number| number as f32)),
    }
}

struct Normalization {
    name: String,
    rank: usize,
    /// The axes along which each place has moments of its own, and their sizes.
    kept: Vec<usize>,
    sizes: Vec<usize>,
    /// Mean and variance where they are arguments.
    given: Option<[Vec<f32>; 2]>,
    invert: bool,
}

impl Normalization {
    /// Mean and standard deviation, and the axes on which to walk over them for an input of these sizes.
    fn moments(&self, weights: &[f32], sizes: &[usize]) -> (Vec<f32>, Vec<f32>, Vec<(usize, usize)>) {
        let len = self.sizes.iter().product();
        let (mean, variance) = match &self.given {
            Some([mean, variance]) => (&mean[..], &variance[..]),
            None => (&weights[..len], &weights[len..2 * len]),
        };
        let deviation = variance.iter().map(|variance| variance.sqrt().max(EPSILON)).collect();
        let own: Vec<_> =
            (0..sizes.len()).map(|axis| if self.kept.contains(&axis) { sizes[axis] } else { 1 }).collect();
        (mean.to_vec(), deviation, spread(sizes, &own))
    }
}

impl Layer for Normalization {
    type Cache = ();

    fn weights(&self) -> Vec<Weight> {
        if self.given.is_some() {
            return Vec::new();
        }
        let moment = |name: &str, from| Weight::new(name, self.sizes.clone(), Rules::free(from));
        let count = Weight::new("count", [], Rules::free(Initializer::constant(0.0)));
        vec![moment("mean", Initializer::constant(0.0)), moment("variance", Initializer::constant(1.0)), count]
    }

    fn statistics(&self) -> usize {
        self.weights().len()
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        let fits = |(&axis, size): (&usize, &usize)| inputs[0].0[axis].is_none_or(|given| given == *size);
        if inputs[0].rank() != self.rank || !self.kept.iter().zip(&self.sizes).all(fits) {
            let expected = format!("{} axes, of which {:?} have the sizes {:?}", self.rank, self.kept, self.sizes);
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let x = &call.tensors[call.inputs[0]];
        let (mean, deviation, axes) = self.moments(call.weights, x.sizes());
        let mut pairs = call.outputs[0].floats_mut().iter_mut().zip(x.floats());
        walk(&axes, 0, &mut |place| {
            if let Some((y, x)) = pairs.next() {
                let (mean, deviation) = (mean[place], deviation[place]);
                *y = if self.invert { mean + x * deviation } else { (x - mean) / deviation };
            }
        });
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (_, deviation, axes) = self.moments(call.weights, call.outputs[0].sizes());
        let Some(dy) = call.d_output(0) else { return };
        let Some(dx) = call.d_input(0) else { return };
        let mut slopes = Vec::with_capacity(dy.len());
        walk(&axes, 0, &mut |place| slopes.push(if self.invert { deviation[place] } else { 1.0 / deviation[place] }));
        write(dx, dy.iter().zip(slopes).map(|(dy, slope)| dy * slope));
    }
}
