//! Harmonic means of precision and recall.

use serde::Deserialize;

use super::{EPSILON, Measure};
use crate::error::{Error, Result};
use crate::training::Serialised;
use crate::training::target::{Labelled, SampleWeights};

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Average {
    Micro,
    Macro,
    Weighted,
}

/// `(1 + β²) precision · recall / (β² precision + recall)` of each class, or an average.
///
/// The sums are true positives, false positives, false negatives and weights, one of each a class, or one of each for
/// all classes together.
#[derive(Debug)]
pub(super) struct FScore {
    average: Option<Average>,
    beta: f64,
    threshold: Option<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    average: Option<Average>,
    #[serde(default = "one")]
    beta: f64,
    threshold: Option<f32>,
}

fn one() -> f64 {
    1.0
}

impl FScore {
    pub(super) fn new(object: &Serialised) -> Result<FScore> {
        let Arguments { average, beta, threshold } = object.arguments()?;
        Ok(FScore { average, beta, threshold })
    }
}

impl Measure for FScore {
    fn len(&self, classes: usize) -> usize {
        if self.average == Some(Average::Micro) { 4 } else { 4 * classes }
    }

    /// As in Keras, the mask of the predictions does not count here.
    fn add(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>, sums: &mut [f64]) -> Result<()> {
        two_axes(labelled)?;
        let weights = SampleWeights { mask: None, ..*weights };
        let k = labelled.classes().max(1);
        let places = sums.len() / 4;
        let rows = labelled.predicted.chunks_exact(k).zip(labelled.dense()?.chunks_exact(k));
        for ((p, y), weight) in rows.zip(weights.iter(labelled.rows())) {
            let largest = p.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for (class, (&p, &y)) in p.iter().zip(y).enumerate() {
                let chosen = match self.threshold {
                    Some(threshold) => p > threshold,
                    // A row of zeros chooses no class.
                    None => p >= largest && p.abs() > 1e-9,
                };
                let (weight, y) = (f64::from(weight), f64::from(y));
                let values = if chosen { [y, 1.0 - y, 0.0, y] } else { [0.0, 0.0, y, y] };
                for (i, value) in values.into_iter().enumerate() {
                    sums[i * places + class % places] += weight * value;
                }
            }
        }
        Ok(())
    }

    fn result(&self, sums: &[f64]) -> Vec<f64> {
        let places = sums.len() / 4;
        let part = |i: usize| &sums[i * places..][..places];
        let (tp, fp, fneg, weights) = (part(0), part(1), part(2), part(3));
        let square = self.beta * self.beta;
        let scores: Vec<_> = (0..places)
            .map(|i| {
                let precision = tp[i] / (tp[i] + fp[i] + EPSILON);
                let recall = tp[i] / (tp[i] + fneg[i] + EPSILON);
                (1.0 + square) * precision * recall / (square * precision + recall + EPSILON)
            })
            .collect();
        match self.average {
            None => scores,
            Some(Average::Weighted) => {
                let all = weights.iter().sum::<f64>() + EPSILON;
                vec![scores.iter().zip(weights).map(|(score, weight)| score * weight / all).sum()]
            }
            Some(Average::Micro | Average::Macro) => vec![scores.iter().sum::<f64>() / places as f64],
        }
    }
}

/// Refuses predictions that have more axes than samples and classes.
pub(super) fn two_axes(labelled: &Labelled<'_>) -> Result<()> {
    let axes = labelled.sizes.len();
    if axes == 2 {
        return Ok(());
    }
    Err(Error::value(labelled.place, format!("needs predictions of two axes, samples and classes; these have {axes}")))
}
