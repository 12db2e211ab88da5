//! Rescaling: `y = scale x + offset`.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::write;
use super::{Backward, Forward, Layer, Node, Shape, one_input};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    scale: Numbers,
    #[serde(default)]
    offset: Numbers,
}

/// A number for all features, or one for each.
#[derive(Deserialize)]
#[serde(untagged, expecting = "scale and offset must be a number, or a list with a number for each feature")]
enum Numbers {
    One(f32),
    Each(Vec<f32>),
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::One(0.0)
    }
}

impl Numbers {
    fn as_slice(&self) -> &[f32] {
        match self {
            Numbers::One(number) => std::slice::from_ref(number),
            Numbers::Each(numbers) => numbers,
        }
    }

    /// The numbers of the elements of a row-major array with this last axis.
    fn iter(&self) -> impl Iterator<Item = f32> + '_ {
        self.as_slice().iter().copied().cycle()
    }
}

pub(super) fn build(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let Config { scale, offset } = read(name, config)?;
    Ok(vec![Node::new(Rescaling { name: name.to_owned(), scale, offset })])
}

struct Rescaling {
    name: String,
    scale: Numbers,
    offset: Numbers,
}

impl Layer for Rescaling {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        for (argument, numbers) in [("scale", &self.scale), ("offset", &self.offset)] {
            let Numbers::Each(numbers) = numbers else { continue };
            if numbers.len() != 1 && inputs[0].features() != Some(numbers.len()) {
                let message = format!(
                    "{argument} has {} numbers, one for each feature, and does not fit an input of shape {}",
                    numbers.len(),
                    inputs[0]
                );
                return Err(Error::value(&self.name, message));
            }
        }
        Ok(vec![inputs[0].clone()])
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let pairs = call.outputs[0].floats_mut().iter_mut().zip(call.tensors[call.inputs[0]].floats());
        if let (Numbers::One(scale), Numbers::One(offset)) = (&self.scale, &self.offset) {
            pairs.for_each(|(y, x)| *y = x * scale + offset);
        } else {
            let numbers = self.scale.iter().zip(self.offset.iter());
            pairs.zip(numbers).for_each(|((y, x), (scale, offset))| *y = x * scale + offset);
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let Some(dy) = call.d_output(0) else { return };
        let Some(dx) = call.d_input(0) else { return };
        write(dx, dy.iter().zip(self.scale.iter()).map(|(dy, scale)| dy * scale));
    }
}
