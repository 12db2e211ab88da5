//! The share of the targets' variance that predictions explain.

use serde::Deserialize;

use super::Measure;
use super::fscore::two_axes;
use crate::error::Result;
use crate::training::Serialised;
use crate::training::target::{Labelled, SampleWeights};

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Aggregation {
    UniformAverage,
    VarianceWeightedAverage,
}

/// `1 - Σ (y - p)² / Σ (y - mean y)²` of each output, or an average.
///
/// The sums are those of `y`, `y²`, `(y - p)²` and the weights, one of each an output, and the number of targets.
#[derive(Debug)]
pub(super) struct R2 {
    aggregation: Option<Aggregation>,
    regressors: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    class_aggregation: Option<Aggregation>,
    #[serde(default)]
    num_regressors: usize,
}

impl R2 {
    pub(super) fn new(object: &Serialised) -> Result<R2> {
        let Arguments { class_aggregation, num_regressors } = object.arguments()?;
        Ok(R2 { aggregation: class_aggregation, regressors: num_regressors })
    }

    /// Less for every regressor. As in Keras, `n` counts the targets of all outputs, and where there are too few of them
    /// nothing is adjusted.
    fn adjusted(&self, score: f64, n: f64) -> f64 {
        let p = self.regressors as f64;
        if self.regressors == 0 || p >= n - 1.0 { score } else { 1.0 - (1.0 - score) * (n - 1.0) / (n - p - 1.0) }
    }
}

impl Measure for R2 {
    fn len(&self, classes: usize) -> usize {
        4 * classes + 1
    }

    /// As in Keras, the mask of the predictions does not count here.
    fn add(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>, sums: &mut [f64]) -> Result<()> {
        two_axes(labelled)?;
        let weights = SampleWeights { mask: None, ..*weights };
        let k = labelled.classes().max(1);
        let rows = labelled.predicted.chunks_exact(k).zip(labelled.dense()?.chunks_exact(k));
        for ((p, y), weight) in rows.zip(weights.iter(labelled.rows())) {
            let weight = f64::from(weight);
            for (class, (&p, &y)) in p.iter().zip(y).enumerate() {
                let (p, y) = (f64::from(p), f64::from(y));
                for (i, value) in [y, y * y, (y - p) * (y - p), 1.0].into_iter().enumerate() {
                    sums[i * k + class] += weight * value;
                }
            }
        }
        sums[4 * k] += (weights.counted(labelled.rows()).filter(|&counted| counted).count() * k) as f64;
        Ok(())
    }

    fn result(&self, sums: &[f64]) -> Vec<f64> {
        let k = sums.len() / 4;
        let spread = |i: usize| sums[k + i] - sums[i] * sums[i] / sums[3 * k + i];
        let scores: Vec<_> = (0..k)
            .map(|i| 1.0 - sums[2 * k + i] / spread(i))
            // A constant target that is not met explains nothing.
            .map(|score| if score.is_infinite() { 0.0 } else { score })
            .collect();
        let scores = match self.aggregation {
            None => scores,
            Some(Aggregation::UniformAverage) => vec![scores.iter().sum::<f64>() / k as f64],
            Some(Aggregation::VarianceWeightedAverage) => {
                let total: f64 = (0..k).map(spread).sum();
                vec![scores.iter().enumerate().map(|(i, score)| score * spread(i)).sum::<f64>() / total]
            }
        };
        scores.into_iter().map(|score| self.adjusted(score, sums[4 * k])).collect()
    }
}
