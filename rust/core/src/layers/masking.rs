//! Masking: leaves out the steps of which every feature is one value.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::write;
use super::{Backward, Forward, Layer, MaskRule, Node, Shape, one_input};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    mask_value: f64,
}

pub(super) fn build(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    Ok(vec![Node::new(Masking { name: name.to_owned(), value: config.mask_value as f32 })])
}

/// A step is masked where all of its features are `value`; its output is then 0.
struct Masking {
    name: String,
    value: f32,
}

impl Masking {
    fn counts(&self, step: &[f32]) -> bool {
        step.iter().any(|&x| x != self.value)
    }
}

impl Layer for Masking {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        if inputs[0].rank() < 2 {
            return Err(Error::shape(&self.name, "the input", "(batch, ..., features)", inputs[0].clone()));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::Create
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let x = call.input(0);
        // The plan keeps a mask for every layer that creates one.
        let Some(mask) = call.new_mask else { unreachable!("a layer that creates a mask without one to fill") };
        mask.clear();
        // Steps without features are masked: none of them differs.
        mask.resize(x.rows(), 0);
        let features = x.features().max(1);
        let steps = x.floats().chunks_exact(features).zip(call.outputs[0].floats_mut().chunks_exact_mut(features));
        for ((x, y), mask) in steps.zip(mask) {
            if self.counts(x) {
                *mask = 1;
                y.copy_from_slice(x);
            } else {
                y.fill(0.0);
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let x = call.input(0);
        let Some(dy) = call.d_output(0) else { return };
        let Some((dx, add)) = call.d_input(0) else { return };
        let features = x.features().max(1);
        let steps = x.floats().chunks_exact(features).zip(dy.chunks_exact(features));
        for ((x, dy), dx) in steps.zip(dx.chunks_exact_mut(features)) {
            let kept = if self.counts(x) { 1.0 } else { 0.0 };
            write((dx, add), dy.iter().map(|dy| kept * dy));
        }
    }
}
