//! Layers that compute nothing and give their input another shape: Flatten, Reshape, Permute, RepeatVector.
//!
//! Flatten and Reshape leave the elements in their order. In Permute and RepeatVector every element of the output is one
//! of the input, at a place that a [`walk`] over the output finds.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::{strides, walk, write};
use super::{Backward, Forward, Layer, MaskRule, Node, Shape, one_input};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlattenConfig {
    data_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReshapeConfig {
    target_shape: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PermuteConfig {
    dims: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepeatConfig {
    n: usize,
}

pub(super) fn build_flatten(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: FlattenConfig = read(name, config)?;
    let rank = inputs[0].rank();
    let flatten = node(name, Rule::Flatten, rank);
    match config.data_format.as_deref() {
        Some("channels_first") if rank > 2 => {
            // The channels go to the end first.
            let dims = (2..rank).chain([1]).collect();
            Ok(vec![node(name, Rule::Permute(dims), rank), flatten])
        }
        None | Some("channels_first" | "channels_last") => Ok(vec![flatten]),
        Some(other) => Err(Error::unknown("data_format", other, ["channels_first", "channels_last"])),
    }
}

pub(super) fn build_reshape(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: ReshapeConfig = read(name, config)?;
    let open = config.target_shape.iter().filter(|&&size| size == -1).count();
    if open > 1 || config.target_shape.iter().any(|&size| size < -1) {
        let message = "target_shape must be made of sizes and at most one -1, which stands for what is left";
        return Err(Error::value(name, message));
    }
    let target = config.target_shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    Ok(vec![node(name, Rule::Reshape(Shape(target)), inputs[0].rank())])
}

pub(super) fn build_permute(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: PermuteConfig = read(name, config)?;
    let mut sorted = config.dims.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(1..=config.dims.len()) {
        return Err(Error::value(name, "dims must hold each axis behind the batch once, counted from 1"));
    }
    Ok(vec![node(name, Rule::Permute(config.dims), inputs[0].rank())])
}

pub(super) fn build_repeat_vector(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: RepeatConfig = read(name, config)?;
    if config.n == 0 {
        return Err(Error::value(name, "n must be positive"));
    }
    Ok(vec![node(name, Rule::Repeat(config.n), inputs[0].rank())])
}

fn node(name: &str, rule: Rule, rank: usize) -> Node {
    let one_step = matches!(rule, Rule::Flatten) && rank < 3;
    Node::new(Reshaping { name: name.to_owned(), rule, one_step })
}

enum Rule {
    /// One axis behind the batch.
    Flatten,
    /// These sizes behind the batch; an open one takes what is left.
    Reshape(Shape),
    /// The input's axes of these numbers behind the batch.
    Permute(Vec<usize>),
    /// Every row so many times.
    Repeat(usize),
}

struct Reshaping {
    name: String,
    rule: Rule,
    /// Whether it does the same to a step as to a sequence.
    one_step: bool,
}

impl Reshaping {
    /// The sizes behind the batch of a Reshape, as Keras finds them: one that hangs on an open size stays open.
    fn reshaped(&self, target: &Shape, input: &Shape) -> Result<Vec<Option<usize>>> {
        let Some(total) = product(&input.0[1..]) else { return Ok(target.0.clone()) };
        let given = target.0.iter().flatten().fold(1usize, |len, &size| len.saturating_mul(size));
        let open = target.0.contains(&None);
        let fits = if open { given > 0 && total.is_multiple_of(given) } else { given == total };
        if !fits {
            let shown = target.0.iter().map(|size| size.map_or("-1".to_owned(), |size| size.to_string()));
            let shown = shown.collect::<Vec<_>>().join(", ");
            let message = format!("{total} numbers a sample, of an input of shape {input}, do not fill ({shown})");
            return Err(Error::value(&self.name, message));
        }
        Ok(target.0.iter().map(|size| size.or(Some(total / given.max(1)))).collect())
    }

    /// For the layers that move elements, the axes to walk along the output.
    fn moves(&self, x: &[usize]) -> Option<Vec<(usize, usize)>> {
        let strides = strides(x);
        match &self.rule {
            Rule::Flatten | Rule::Reshape(_) => None,
            Rule::Permute(dims) => Some([0].iter().chain(dims).map(|&axis| (x[axis], strides[axis])).collect()),
            &Rule::Repeat(n) => Some(vec![(x[0], strides[0]), (n, 0), (x[1], strides[1])]),
        }
    }
}

/// How many elements these axes have, if no size is open.
fn product(sizes: &[Option<usize>]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |len, size| size.map(|size| len.saturating_mul(size)))
}

impl Layer for Reshaping {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        let input = &inputs[0];
        let wanted = match &self.rule {
            Rule::Permute(dims) => dims.len() + 1,
            Rule::Repeat(_) => 2,
            Rule::Flatten | Rule::Reshape(_) => input.rank(),
        };
        if input.rank() != wanted {
            let expected = match self.rule {
                Rule::Repeat(_) => "(batch, features)".to_owned(),
                _ => format!("{wanted} axes, the batch's and one for each entry of dims"),
            };
            return Err(Error::shape(&self.name, "the input", expected, input.clone()));
        }
        let mut sizes = vec![input.0[0]];
        match &self.rule {
            Rule::Flatten => sizes.push(product(&input.0[1..])),
            Rule::Reshape(target) => sizes.extend(self.reshaped(target, input)?),
            Rule::Permute(dims) => sizes.extend(dims.iter().map(|&axis| input.0[axis])),
            &Rule::Repeat(n) => sizes.extend([Some(n), input.0[1]]),
        }
        Ok(vec![Shape(sizes)])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::Drop
    }

    fn states<'a>(&self, _: usize, (): &'a mut ()) -> Result<Vec<&'a mut [f32]>> {
        if self.one_step {
            return Ok(Vec::new());
        }
        let message = "gives whole sequences another shape and cannot take one step at a time; use predict";
        Err(Error::unsupported(&self.name, message))
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let tensor = call.input(0);
        let (x, y) = (tensor.floats(), call.outputs[0].floats_mut());
        if let Some(axes) = self.moves(tensor.sizes()) {
            let mut y = y.iter_mut();
            walk(&axes, 0, &mut |place| {
                if let Some(y) = y.next() {
                    *y = x[place];
                }
            });
        } else {
            y.copy_from_slice(x);
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let axes = self.moves(call.input(0).sizes());
        let Some(dy) = call.d_output(0) else { return };
        let Some((dx, add)) = call.d_input(0) else { return };
        let Some(axes) = axes else { return write((dx, add), dy.iter().copied()) };
        if !add {
            dx.fill(0.0);
        }
        let mut dy = dy.iter();
        walk(&axes, 0, &mut |place| dx[place] += dy.next().copied().unwrap_or_default());
    }
}
