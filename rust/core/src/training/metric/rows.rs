//! Metrics that are a mean over rows.

use serde::Deserialize;

use super::{EPSILON, Measure, ratio};
use crate::error::Result;
use crate::training::Serialised;
use crate::training::loss::Function;
use crate::training::target::{Labelled, SampleWeights};

/// The value of a row with a prediction `p` and a target `y`.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// How much of `p` equals `y`.
    Equal,
    /// Whether `p > threshold` equals `y`, its mean over the row.
    Binary { threshold: f32 },
    /// Whether the largest of `p` stands where the largest of `y` does.
    Categorical,
    /// Whether the largest of `p` stands at the label.
    SparseCategorical,
    /// Whether fewer than `k` of `p` are larger than the one where the largest of `y` stands.
    TopK { k: usize },
    /// The same for a label.
    SparseTopK { k: usize },
    /// `Σ y p / (‖y‖ ‖p‖)`
    Cosine,
    /// `max(max((1 - y) p) - Σ y p + 1, 0)`
    CategoricalHinge,
    /// A function of `p` and `y`, its mean over the row.
    Mean(fn(f64, f64) -> f64),
    /// A function of `p` and `y`, its sum over the row.
    Sum(fn(f64, f64) -> f64),
    /// A function of `p` and `y`, its mean over the row; targets of 0 and 1 alone stand for -1 and 1.
    Hinge(fn(f64, f64) -> f64),
    /// What a loss gives the row.
    Loss(Function),
}

/// A weighted mean over rows, or its root.
#[derive(Debug)]
pub(super) struct Rows {
    value: Value,
    root: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    #[serde(default = "half")]
    threshold: f32,
    #[serde(default = "five")]
    k: usize,
}

fn half() -> f32 {
    0.5
}

fn five() -> usize {
    5
}

impl Rows {
    pub(super) fn new(object: &Serialised) -> Result<Rows> {
        let arguments = || object.arguments::<Arguments>();
        let value = match object.class_name.as_str() {
            "Accuracy" => Value::Equal,
            "BinaryAccuracy" => Value::Binary { threshold: arguments()?.threshold },
            "CategoricalAccuracy" => Value::Categorical,
            "CategoricalHinge" => Value::CategoricalHinge,
            "CosineSimilarity" => Value::Cosine,
            "Hinge" => Value::Hinge(|p, y| (1.0 - y * p).max(0.0)),
            "KLDivergence" => Value::Sum(|p, y| {
                let (p, y) = (p.clamp(EPSILON, 1.0), y.clamp(EPSILON, 1.0));
                y * (y / p).ln()
            }),
            // log cosh e = |e| + log(1 + e^(-2|e|)) - log 2, which does not overflow.
            "LogCoshError" => Value::Mean(|p, y| {
                let e = (p - y).abs();
                e + (-2.0 * e).exp().ln_1p() - std::f64::consts::LN_2
            }),
            "MeanAbsolutePercentageError" => Value::Mean(|p, y| 100.0 * (p - y).abs() / y.abs().max(EPSILON)),
            "MeanSquaredLogarithmicError" => {
                Value::Mean(|p, y| (p.max(EPSILON).ln_1p() - y.max(EPSILON).ln_1p()).powi(2))
            }
            "Poisson" => Value::Mean(|p, y| p - y * (p + EPSILON).ln()),
            "RootMeanSquaredError" => Value::Mean(|p, y| (p - y).powi(2)),
            "SparseCategoricalAccuracy" => Value::SparseCategorical,
            "SparseTopKCategoricalAccuracy" => Value::SparseTopK { k: arguments()?.k },
            "SquaredHinge" => Value::Hinge(|p, y| (1.0 - y * p).max(0.0).powi(2)),
            "TopKCategoricalAccuracy" => Value::TopK { k: arguments()?.k },
            _ => Value::Loss(Function::of_metric(object)?),
        };
        Ok(Rows { value, root: object.class_name == "RootMeanSquaredError" })
    }
}

impl Measure for Rows {
    fn len(&self, _: usize) -> usize {
        2
    }

    /// Adds the weighted values and the weights. A sample counts as much however many rows it has.
    fn add(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>, sums: &mut [f64]) -> Result<()> {
        // The root is Keras' only mean that leaves the mask out.
        let weights = if self.root { SampleWeights { mask: None, ..*weights } } else { *weights };
        let mut row_weights = weights.iter(labelled.rows());
        let (mut total, mut count) = (0.0, 0.0);
        self.value.each(labelled, |value| {
            let weight = f64::from(row_weights.next().unwrap_or(0.0));
            total += if weight == 0.0 { 0.0 } else { weight * value };
            count += weight;
        })?;
        let share = labelled.rows_per_sample().max(1) as f64;
        sums[0] += total / share;
        sums[1] += count / share;
        Ok(())
    }

    fn result(&self, sums: &[f64]) -> Vec<f64> {
        let mean = ratio(sums[0], sums[1]);
        vec![if self.root { mean.sqrt() } else { mean }]
    }
}

impl Value {
    /// Calls `each` with the value of every row.
    fn each(self, labelled: &Labelled<'_>, mut each: impl FnMut(f64)) -> Result<()> {
        let k = labelled.classes().max(1);
        let rows = labelled.predicted.chunks_exact(k);
        let mean = |p: &[f32], y: &[f32], value: &dyn Fn(f64, f64) -> f64| {
            p.iter().zip(y).map(|(&p, &y)| value(f64::from(p), f64::from(y))).sum::<f64>() / k as f64
        };
        match self {
            Value::SparseCategorical => {
                for (p, label) in rows.zip(labelled.sparse()?) {
                    each(truth(largest(p) == label));
                }
                return Ok(());
            }
            Value::SparseTopK { k } => {
                for (p, label) in rows.zip(labelled.sparse()?) {
                    each(truth(in_top(p, label, k)));
                }
                return Ok(());
            }
            Value::Loss(function) => return function.values(labelled, each),
            _ => {}
        }
        let y = labelled.dense()?;
        let binary = y.iter().all(|&y| y == 0.0 || y == 1.0);
        for (p, y) in rows.zip(y.chunks_exact(k)) {
            each(match self {
                Value::Equal => p.iter().zip(y).filter(|(p, y)| p == y).count() as f64 / k as f64,
                Value::Binary { threshold } => {
                    let right = p.iter().zip(y).filter(|&(&p, &y)| f32::from(u8::from(p > threshold)) == y).count();
                    right as f64 / k as f64
                }
                Value::Categorical => truth(largest(p) == largest(y)),
                Value::TopK { k } => truth(in_top(p, largest(y), k)),
                Value::Cosine => dot(p, y) * inverse_norm(p) * inverse_norm(y),
                Value::CategoricalHinge => {
                    let wrong = p.iter().zip(y).map(|(&p, &y)| f64::from((1.0 - y) * p)).fold(f64::MIN, f64::max);
                    (wrong - dot(p, y) + 1.0).max(0.0)
                }
                Value::Mean(value) => mean(p, y, &value),
                Value::Sum(value) => mean(p, y, &value) * k as f64,
                Value::Hinge(value) if binary => mean(p, y, &|p, y| value(p, 2.0 * y - 1.0)),
                Value::Hinge(value) => mean(p, y, &value),
                Value::SparseCategorical | Value::SparseTopK { .. } | Value::Loss(_) => {
                    unreachable!("returned above")
                }
            });
        }
        Ok(())
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
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

/// Whether fewer than `k` predictions are larger than the one named; equals do not push it out, a NaN does.
fn in_top(p: &[f32], label: usize, k: usize) -> bool {
    p.iter().all(|p| p.is_finite()) && p.iter().filter(|&&other| other > p[label]).count() < k
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// One over the norm, bounded as Keras bounds it.
fn inverse_norm(x: &[f32]) -> f64 {
    (1.0 / dot(x, x).sqrt()).min(1.0 / EPSILON)
}
