//! Metrics: a value for every row, averaged over what has been seen.

use serde::Deserialize;

use super::Serialised;
use super::loss::Function;
use super::target::{Labelled, SampleWeights};
use crate::error::Result;

#[derive(Clone, Copy, Debug)]
enum Measure {
    /// Whether the largest prediction stands where the largest target does.
    CategoricalAccuracy,
    /// Whether the largest prediction stands at the label.
    SparseCategoricalAccuracy,
    /// Whether `p > threshold` equals the target, its mean over the row.
    BinaryAccuracy { threshold: f32 },
    /// What a loss gives the row.
    Loss(Function),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BinaryArguments {
    #[serde(default = "half")]
    threshold: f32,
}

fn half() -> f32 {
    0.5
}

/// A mean over rows, and its total and weight so far.
#[derive(Clone, Debug)]
pub struct Metric {
    name: String,
    measure: Measure,
    total: f64,
    weight: f64,
}

impl Metric {
    /// Reads a metric as Keras serialises it.
    ///
    /// # Errors
    /// Where its name or an argument is not known.
    pub fn new(object: &Serialised) -> Result<Metric> {
        let measure = match object.class_name.as_str() {
            "BinaryAccuracy" => {
                let arguments: BinaryArguments = object.arguments()?;
                Measure::BinaryAccuracy { threshold: arguments.threshold }
            }
            "CategoricalAccuracy" => Measure::CategoricalAccuracy,
            "SparseCategoricalAccuracy" => Measure::SparseCategoricalAccuracy,
            _ => Measure::Loss(Function::of_metric(object)?),
        };
        Ok(Metric { name: format!("metric {}", object.class_name), measure, total: 0.0, weight: 0.0 })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The weighted total and the weight that these rows bring. A sample counts as much however many rows it has.
    ///
    /// # Errors
    /// Where the target does not fit the predictions.
    pub fn totals(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>) -> Result<(f64, f64)> {
        let (mut total, mut weight) = (0.0, 0.0);
        let mut row_weights = weights.iter(labelled.rows());
        let mut add = |value: f64| {
            let row_weight = f64::from(row_weights.next().unwrap_or(0.0));
            total += if row_weight == 0.0 { 0.0 } else { row_weight * value };
            weight += row_weight;
        };
        let k = labelled.classes().max(1);
        let rows = labelled.predicted.chunks_exact(k);
        match self.measure {
            Measure::CategoricalAccuracy => {
                for (p, y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    add(f64::from(u8::from(largest(p) == largest(y))));
                }
            }
            Measure::SparseCategoricalAccuracy => {
                for (p, label) in rows.zip(labelled.sparse()?) {
                    add(f64::from(u8::from(largest(p) == label)));
                }
            }
            Measure::BinaryAccuracy { threshold } => {
                for (p, y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    let right = p.iter().zip(y).filter(|&(&p, &y)| f32::from(u8::from(p > threshold)) == y).count();
                    add(right as f64 / k as f64);
                }
            }
            Measure::Loss(function) => function.values(labelled, add)?,
        }
        let share = labelled.rows_per_sample().max(1) as f64;
        Ok((total / share, weight / share))
    }

    /// Adds totals.
    pub fn add(&mut self, (total, weight): (f64, f64)) {
        self.total += total;
        self.weight += weight;
    }

    /// The mean so far; 0 before anything was seen.
    pub fn result(&self) -> f64 {
        if self.weight == 0.0 { 0.0 } else { self.total / self.weight }
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        (self.total, self.weight) = (0.0, 0.0);
    }
}

/// Where the largest element stands, the first of equals.
fn largest(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, x) in row.iter().enumerate() {
        if *x > row[best] {
            best = i;
        }
    }
    best
}
