//! PReLU: `y = x > 0 ? x : alpha x` with a trained `alpha` for each element of a sample.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::{spread, walk};
use super::{
    Backward, Constraint, Forward, Initializer, Layer, Node, Regularizer, Rules, Shape, Weight, checked_len, one_input,
};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    alpha_initializer: Initializer,
    alpha_regularizer: Option<Regularizer>,
    alpha_constraint: Option<Constraint>,
    shared_axes: Option<Vec<usize>>,
}

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    let shape = &inputs[0];
    let shared = config.shared_axes.unwrap_or_default();
    if let Some(axis) = shared.iter().find(|&&axis| axis == 0 || axis >= shape.rank()) {
        let message = format!("axis {axis} of shared_axes is not among the axes behind the batch of {shape}");
        return Err(Error::value(name, message));
    }
    let mut sizes = Vec::new();
    for (axis, &size) in shape.0.iter().enumerate().skip(1) {
        let size = if shared.contains(&axis) { Some(1) } else { size };
        sizes.push(size.ok_or_else(|| {
            let message = format!("the size of axis {axis} of {shape} is open: share alpha over it with shared_axes");
            Error::value(name, message)
        })?);
    }
    checked_len(name, &sizes)?;
    let rules = Rules::new(config.alpha_initializer, config.alpha_regularizer, config.alpha_constraint);
    Ok(vec![Node::new(Prelu { name: name.to_owned(), sizes, shared, rules })])
}

struct Prelu {
    name: String,
    /// Of alpha: the input's behind the batch, 1 where it is shared.
    sizes: Vec<usize>,
    shared: Vec<usize>,
    rules: Rules,
}

impl Prelu {
    /// For each element of an input of these sizes the place of its alpha.
    fn axes(&self, x: &[usize]) -> Vec<(usize, usize)> {
        let own: Vec<_> = std::iter::once(1).chain(self.sizes.iter().copied()).collect();
        spread(x, &own)
    }

    /// What an input must be.
    fn expected(&self) -> Shape {
        let sizes = self.sizes.iter().enumerate();
        let sizes = sizes.map(|(i, &size)| (!self.shared.contains(&(i + 1))).then_some(size));
        Shape(std::iter::once(None).chain(sizes).collect())
    }
}

impl Layer for Prelu {
    type Cache = ();

    fn weights(&self) -> Vec<Weight> {
        vec![Weight::new("alpha", self.sizes.clone(), self.rules.clone())]
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        let expected = self.expected();
        let fits = expected.0.iter().zip(&inputs[0].0).all(|(own, size)| own.is_none() || own == size);
        if inputs[0].rank() != expected.rank() || !fits {
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn states<'a>(&self, _: usize, (): &'a mut ()) -> Result<Vec<&'a mut [f32]>> {
        if self.sizes.len() < 2 || self.shared.contains(&1) {
            return Ok(Vec::new());
        }
        let message = "has an alpha for each step, which a stream does not tell apart; use predict or shared_axes=[1]";
        Err(Error::unsupported(&self.name, message))
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let x = call.input(0);
        let mut pairs = x.floats().iter().zip(call.outputs[0].floats_mut());
        walk(&self.axes(x.sizes()), 0, &mut |place| {
            if let Some((&x, y)) = pairs.next() {
                *y = if x > 0.0 { x } else { call.weights[place] * x };
            }
        });
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (x, alpha) = (call.input(0), call.weights);
        let Some(dy) = call.d_output(0) else { return };
        let axes = self.axes(x.sizes());
        let pairs = || x.floats().iter().zip(dy);
        if let Some(d_alpha) = call.gradients.take() {
            let mut pairs = pairs();
            walk(&axes, 0, &mut |place| {
                if let Some((x, dy)) = pairs.next() {
                    d_alpha[place] += x.min(0.0) * dy;
                }
            });
        }
        if let Some((dx, add)) = call.d_input(0) {
            let mut triples = pairs().zip(dx);
            walk(&axes, 0, &mut |place| {
                if let Some(((&x, dy), dx)) = triples.next() {
                    // At 0 the slope is 0, as Keras' formula gives it.
                    let slope = if x > 0.0 {
                        1.0
                    } else if x < 0.0 {
                        alpha[place]
                    } else {
                        0.0
                    };
                    *dx = slope * dy + if add { *dx } else { 0.0 };
                }
            });
        }
    }
}
