//! Embedding: a row of a table for each id.

use serde::Deserialize;
use serde_json::Value;

use super::config::{Absent, read};
use super::{
    Backward, Constraint, Forward, Initializer, Kind, Layer, MaskRule, Node, Regularizer, RowSet, Rules, Shape, Tensor,
    Weight, one_input,
};
use crate::error::{Error, Result};
use crate::kernels::Rows;
use crate::kernels::scatter::AddByIndex;
use crate::parallel::{self, COPY_OPERATIONS};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    input_dim: usize,
    output_dim: usize,
    embeddings_initializer: Initializer,
    #[serde(default)]
    mask_zero: bool,
    embeddings_regularizer: Option<Regularizer>,
    embeddings_constraint: Option<Constraint>,
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
        rules: Rules::new(config.embeddings_initializer, config.embeddings_regularizer, config.embeddings_constraint),
    })])
}

/// `y[..., :] = table[ids[...], :]`
struct Embedding {
    name: String,
    vocabulary: usize,
    dimensions: usize,
    mask_zero: bool,
    rules: Rules,
}

/// The batch's ids.
#[derive(Default)]
pub(super) struct EmbeddingCache {
    /// The id of each row that the output holds: all of them, or each once, in the order in which they first came, as the words
    /// of a dictionary.
    known: Vec<u32>,
    /// For each id of the vocabulary its word, if `known` holds it.
    words: Vec<u32>,
    /// For each place its word.
    dictionary: Vec<u32>,
}

impl EmbeddingCache {
    /// Makes a dictionary of the ids; false where it would have more than `most` words.
    fn make_dictionary(&mut self, ids: &[i32], vocabulary: usize, most: usize) -> bool {
        self.words.resize(vocabulary, u32::MAX);
        self.known.clear();
        self.dictionary.clear();
        for &id in ids {
            let word = &mut self.words[id as usize];
            let known = self.known.get(*word as usize).is_some_and(|&known| known == id as u32);
            if !known {
                if self.known.len() == most {
                    return false;
                }
                *word = self.known.len() as u32;
                self.known.push(id as u32);
            }
            self.dictionary.push(*word);
        }
        true
    }
}

/// The most words that so many ids may have for a dictionary to pay: in training more is done for each, as `dz` is summed by
/// word.
fn most_words(ids: usize, training: bool) -> usize {
    if training { ids / 2 } else { ids * 3 / 4 }
}

impl Layer for Embedding {
    type Cache = EmbeddingCache;

    fn weights(&self) -> Vec<Weight> {
        vec![Weight::new("embeddings", [self.vocabulary, self.dimensions], self.rules.clone())]
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

    fn forward(&self, call: Forward<'_>, cache: &mut EmbeddingCache) -> Result<()> {
        let ids = call.input(0).ids();
        let outside = ids.iter().find(|&&id| usize::try_from(id).map_or(true, |id| id >= self.vocabulary));
        if let Some(id) = outside {
            let (last, size) = (self.vocabulary - 1, self.vocabulary);
            let message = format!("token id {id} is outside the vocabulary, 0 to {last} (input_dim={size})");
            return Err(Error::value(&self.name, message));
        }
        let output = &mut call.outputs[0];
        if call.dictionary && cache.make_dictionary(ids, self.vocabulary, most_words(ids.len(), call.training)) {
            output.set_dictionary(cache.known.len(), &cache.dictionary)?;
        } else {
            cache.known.clear();
            cache.known.extend(ids.iter().map(|&id| id as u32));
            let sizes = output.sizes().to_vec();
            output.resize(&sizes)?;
        }
        let team = parallel::team(output.held_len() * COPY_OPERATIONS);
        let mut rest = output.held_mut();
        let tasks = parallel::ranges(cache.known.len(), team.size())
            .map(|rows| (&cache.known[rows.clone()], parallel::take(&mut rest, &rows, self.dimensions)));
        team.run(tasks, |(ids, rows)| {
            for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(self.dimensions)) {
                row.copy_from_slice(&call.weights[id as usize * self.dimensions..][..self.dimensions]);
            }
        });
        if let Some(mask) = call.new_mask {
            mask.clear();
            mask.extend(ids.iter().map(|&id| u8::from(id != 0)));
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut EmbeddingCache) {
        let Some(dy) = call.d_output(0) else { return };
        let Some(gradients) = call.gradients.take() else { return };
        let rows = Rows::adjacent(dy, self.dimensions);
        let sum = AddByIndex { isa: call.isa, rows, index: &cache.known, target: gradients };
        sum.run(&parallel::team(dy.len() * COPY_OPERATIONS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_has_as_many_words_as_pay() {
        let mut cache = EmbeddingCache::default();
        let ids = [7, 2, 7, 9, 2, 4, 4, 7];
        assert!(cache.make_dictionary(&ids, 10, 4));
        assert_eq!((&*cache.known, &*cache.dictionary), (&[7, 2, 9, 4][..], &[0, 1, 0, 2, 1, 3, 3, 0][..]));
        assert!(!cache.make_dictionary(&ids, 10, 3));
        assert_eq!([most_words(8, true), most_words(8, false), most_words(2, false)], [4, 6, 1]);
    }
}
