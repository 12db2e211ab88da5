//! Vectors scaled: UnitNormalization to length 1, RMSNormalization to a mean square of 1.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::{spread, walk, write};
use super::{Backward, Forward, Initializer, Layer, MaskRule, Node, Rules, Shape, Weight, one_input};
use crate::error::{Error, Result};

/// What keeps the unit of nothing a number, as in Keras.
const LARGEST_FACTOR: f64 = 1e12;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitConfig {
    axis: Axes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RmsConfig {
    axis: Axes,
    epsilon: f32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Axes {
    One(i64),
    Several(Vec<i64>),
}

impl Axes {
    /// As numbers from the first axis on, ascending.
    fn of(self, name: &str, shape: &Shape) -> Result<Vec<usize>> {
        let rank = shape.rank() as i64;
        let axes = match self {
            Axes::One(axis) => vec![axis],
            Axes::Several(axes) => axes,
        };
        if let Some(axis) = axes.iter().find(|axis| !(-rank..rank).contains(axis)) {
            return Err(Error::value(name, format!("axis={axis} is out of bounds for an input of shape {shape}")));
        }
        let mut axes: Vec<_> = axes.into_iter().map(|axis| axis.rem_euclid(rank) as usize).collect();
        axes.sort_unstable();
        axes.dedup();
        Ok(axes)
    }
}

pub(super) fn build_unit(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: UnitConfig = read(name, config)?;
    let axes = config.axis.of(name, &inputs[0])?;
    if axes.contains(&0) {
        return Err(Error::unsupported(name, "axis=0, over the samples of a batch, is not supported"));
    }
    Ok(vec![Node::new(Unit { name: name.to_owned(), axes, rank: inputs[0].rank() })])
}

pub(super) fn build_rms(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: RmsConfig = read(name, config)?;
    let shape = &inputs[0];
    let axes = config.axis.of(name, shape)?;
    if axes.is_empty() || axes[0] == 0 || axes[0] + axes.len() != shape.rank() {
        return Err(Error::unsupported(name, format!("axis={axes:?} must be the last axis or the last axes")));
    }
    let sizes = axes.iter().map(|&axis| {
        shape.0[axis]
            .ok_or_else(|| Error::value(name, format!("axis={axis} must have a known size, not as in {shape}")))
    });
    let sizes = sizes.collect::<Result<Vec<_>>>()?;
    let rank = shape.rank();
    Ok(vec![Node::new(Rms { name: name.to_owned(), sizes, rank, epsilon: config.epsilon })])
}

/// `y = x / |x|` along some axes.
struct Unit {
    name: String,
    axes: Vec<usize>,
    rank: usize,
}

impl Unit {
    /// For each element the number of its vector, and how many vectors there are.
    fn vectors(&self, sizes: &[usize]) -> (Vec<usize>, usize) {
        let own: Vec<_> =
            (0..sizes.len()).map(|axis| if self.axes.contains(&axis) { 1 } else { sizes[axis] }).collect();
        let mut places = Vec::with_capacity(sizes.iter().product());
        walk(&spread(sizes, &own), 0, &mut |place| places.push(place));
        (places, own.iter().product())
    }

    /// `1 / |x|` of each vector.
    fn factors(x: &[f32], places: &[usize], vectors: usize) -> Vec<f64> {
        let mut squares = vec![0.0; vectors];
        x.iter().zip(places).for_each(|(&x, &place)| squares[place] += f64::from(x) * f64::from(x));
        squares.into_iter().map(|square: f64| square.sqrt().recip().min(LARGEST_FACTOR)).collect()
    }
}

impl Layer for Unit {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        if inputs[0].rank() != self.rank {
            return Err(Error::shape(&self.name, "the input", format!("{} axes", self.rank), inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let x = &call.tensors[call.inputs[0]];
        let (places, vectors) = self.vectors(x.sizes());
        let factors = Self::factors(x.floats(), &places, vectors);
        let targets = call.outputs[0].floats_mut().iter_mut().zip(x.floats()).zip(&places);
        targets.for_each(|((y, &x), &place)| *y = (f64::from(x) * factors[place]) as f32);
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (x, outputs) = (call.input(0), call.outputs);
        let Some(dy) = call.d_output(0) else { return };
        let Some(dx) = call.d_input(0) else { return };
        let (places, vectors) = self.vectors(x.sizes());
        let factors = Self::factors(x.floats(), &places, vectors);
        let y = outputs[0].floats();
        let mut along = vec![0.0; vectors];
        for ((&y, &dy), &place) in y.iter().zip(dy).zip(&places) {
            along[place] += f64::from(y) * f64::from(dy);
        }
        let slopes = y.iter().zip(dy).zip(&places).map(|((&y, &dy), &place)| {
            let factor = factors[place];
            let turned = if factor < LARGEST_FACTOR { f64::from(y) * along[place] } else { 0.0 };
            (factor * (f64::from(dy) - turned)) as f32
        });
        write(dx, slopes);
    }
}

/// `y = x / √(mean of x² + ε) · scale` over the last axes.
struct Rms {
    name: String,
    sizes: Vec<usize>,
    rank: usize,
    epsilon: f32,
}

impl Rms {
    /// `1 / √(mean of x² + ε)`
    fn factor(&self, x: &[f32]) -> f64 {
        let square: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (square / x.len() as f64 + f64::from(self.epsilon)).sqrt().recip()
    }
}

impl Layer for Rms {
    type Cache = ();

    fn weights(&self) -> Vec<Weight> {
        vec![Weight::new("scale", self.sizes.clone(), Rules::free(Initializer::constant(1.0)))]
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        let first = self.rank - self.sizes.len();
        let fits = |(given, size): (&Option<usize>, &usize)| given.is_none_or(|given| given == *size);
        if inputs[0].rank() != self.rank || !inputs[0].0[first..].iter().zip(&self.sizes).all(fits) {
            let expected = format!("{} axes, the last of sizes {:?}", self.rank, self.sizes);
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::Drop
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let (x, scale) = (&call.tensors[call.inputs[0]], call.weights);
        let rows = x.floats().chunks_exact(scale.len());
        for (x, y) in rows.zip(call.outputs[0].floats_mut().chunks_exact_mut(scale.len())) {
            let factor = self.factor(x);
            for ((y, &x), &scale) in y.iter_mut().zip(x).zip(scale) {
                *y = (f64::from(x) * factor) as f32 * scale;
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (x, scale, gradients) = (call.input(0).floats(), call.weights, call.gradients.take());
        let Some(dy) = call.d_output(0) else { return };
        let width = scale.len();
        let mut d_scale = vec![0.0; width];
        let mut slopes = Vec::with_capacity(x.len());
        for (x, dy) in x.chunks_exact(width).zip(dy.chunks_exact(width)) {
            let factor = self.factor(x);
            let by_normal = |i: usize| f64::from(dy[i]) * f64::from(scale[i]);
            let along = x.iter().enumerate().map(|(i, &x)| by_normal(i) * f64::from(x)).sum::<f64>() / width as f64;
            for (i, &x) in x.iter().enumerate() {
                let x = f64::from(x);
                d_scale[i] += f64::from(dy[i]) * x * factor;
                slopes.push((factor * (by_normal(i) - x * factor * factor * along)) as f32);
            }
        }
        if let Some(gradients) = gradients {
            gradients.iter_mut().zip(d_scale).for_each(|(to, slope)| *to += slope as f32);
        }
        if let Some(dx) = call.d_input(0) {
            write(dx, slopes.into_iter());
        }
    }
}
