//! Identity, and ActivityRegularization, which adds a penalty on what passes.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::elements::write;
use super::{Backward, Forward, Layer, Node, Regularizer, Shape, one_input};
use crate::error::Result;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Factors {
    l1: f32,
    l2: f32,
}

pub(super) fn build(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let Nothing {} = read(name, config)?;
    Ok(vec![Node::new(Identity { name: name.to_owned(), regularizer: None })])
}

pub(super) fn build_activity_regularization(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let Factors { l1, l2 } = read(name, config)?;
    Ok(vec![Node::new(Identity { name: name.to_owned(), regularizer: Some(Regularizer::L1L2 { l1, l2 }) })])
}

struct Identity {
    name: String,
    regularizer: Option<Regularizer>,
}

impl Layer for Identity {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        Ok(vec![inputs[0].clone()])
    }

    fn activity_regularizer(&self) -> Option<Regularizer> {
        self.regularizer
    }

    fn is_identity(&self) -> bool {
        true
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        call.outputs[0].floats_mut().copy_from_slice(call.tensors[call.inputs[0]].floats());
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let Some(dy) = call.d_output(0) else { return };
        if let Some(dx) = call.d_input(0) {
            write(dx, dy.iter().copied());
        }
    }
}
