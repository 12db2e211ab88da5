//! Embedding: a row of a table for each id.

use serde::Deserialize;
use serde_json::Value;

use super::config::{Absent, read};
use super::{Backward, Forward, Initializer, Kind, Layer, MaskRule, Node, RowSet, Shape, Tensor, Weight, one_input};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    input_dim: usize,
    output_dim: usize,
    embeddings_initializer: Initializer,
    #[serde(default)]
    mask_zero: bool,
    #[serde(default, rename = "embeddings_regularizer")]
    _regularizer: Absent,
    #[serde(default, rename = "embeddings_constraint")]
    _constraint: Absent,
    #[serde(default, rename = "quantization_config")]
    _quantization: Absent,
}

pub(super) fn build(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    if config.input_dim == 0 || config.output_dim == 0 {
        return Err(Error::value(name, "input_dim and output_dim must be positive"));
    }
    Ok(vec![Node::new(Embedding {
        name: name.to_owned(),
        vocabulary: config.input_dim,
        dimensions: config.output_dim,
        mask_zero: config.mask_zero,
        initializer: config.embeddings_initializer,
    })])
}

/// `y[..., :] = table[ids[...], :]`
struct Embedding {
    name: String,
    vocabulary: usize,
    dimensions: usize,
    mask_zero: bool,
    initializer: Initializer,
}

impl Layer for Embedding {
    type Cache = ();

    fn weights(&self) -> Vec<Weight> {
        vec![Weight {
            path: "embeddings".to_owned(),
            shape: vec![self.vocabulary, self.dimensions],
            initializer: self.initializer.clone(),
        }]
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        let mut sizes = inputs[0].0.clone();
        sizes.push(Some(self.dimensions));
        Ok(vec![Shape(sizes)])
    }

    fn mask_rule(&self) -> MaskRule {
        if self.mask_zero { MaskRule::Create } else { MaskRule::Drop }
    }

    fn input_kind(&self) -> Kind {
        Kind::Ids
    }

    fn has_sparse_rows(&self) -> bool {
        true
    }

    fn touched_rows(&self, input: &Tensor, rows: &mut RowSet) {
        input.ids().iter().filter_map(|&id| usize::try_from(id).ok()).for_each(|row| rows.insert(row));
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let ids = call.input(0).ids();
        let rows = call.outputs[0].floats_mut().chunks_exact_mut(self.dimensions);
        for (&id, row) in ids.iter().zip(rows) {
            let Some(id) = usize::try_from(id).ok().filter(|&id| id < self.vocabulary) else {
                let (last, size) = (self.vocabulary - 1, self.vocabulary);
                let message = format!("token id {id} is outside the vocabulary, 0 to {last} (input_dim={size})");
                return Err(Error::value(&self.name, message));
            };
            row.copy_from_slice(&call.weights[id * self.dimensions..][..self.dimensions]);
        }
        if let Some(mask) = call.new_mask {
            mask.clear();
            mask.extend(ids.iter().map(|&id| u8::from(id != 0)));
        }
        Ok(())
    }

    fn backward(&self, call: Backward<'_>, (): &mut ()) {
        let ids = call.input(0).ids();
        let Some(dy) = call.d_output(0) else { return };
        let Some(gradients) = call.gradients else { return };
        for (&id, dy) in ids.iter().zip(dy.chunks_exact(self.dimensions)) {
            let row = &mut gradients[id as usize * self.dimensions..][..self.dimensions];
            for (gradient, dy) in row.iter_mut().zip(dy) {
                *gradient += dy;
            }
        }
    }
}
