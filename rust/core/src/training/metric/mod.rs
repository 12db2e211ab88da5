//! Metrics: sums to which every batch adds, and what is made of them. One file a family.

mod confusion;
mod fscore;
mod r2;
mod rows;

use std::fmt::Debug;

use super::Serialised;
use super::target::{Labelled, SampleWeights};
use crate::error::Result;

/// Keras' `backend.epsilon()`.
const EPSILON: f64 = 1e-7;

/// What a metric adds up and what it makes of it.
trait Measure: Debug + Send + Sync {
    /// How many sums there are for predictions of so many classes.
    fn len(&self, classes: usize) -> usize;

    /// Adds a batch to the sums.
    fn add(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>, sums: &mut [f64]) -> Result<()>;

    /// The metric's numbers, most often one.
    fn result(&self, sums: &[f64]) -> Vec<f64>;
}

/// Reads a metric as Keras serialises it.
fn read(object: &Serialised) -> Result<Box<dyn Measure>> {
    Ok(match object.class_name.as_str() {
        "AUC"
        | "FalseNegatives"
        | "FalsePositives"
        | "Precision"
        | "PrecisionAtRecall"
        | "Recall"
        | "RecallAtPrecision"
        | "SensitivityAtSpecificity"
        | "SpecificityAtSensitivity"
        | "TrueNegatives"
        | "TruePositives" => Box::new(confusion::Confusion::new(object)?),
        "F1Score" | "FBetaScore" => Box::new(fscore::FScore::new(object)?),
        "R2Score" => Box::new(r2::R2::new(object)?),
        _ => Box::new(rows::Rows::new(object)?),
    })
}

/// A metric and what it has added up so far.
#[derive(Debug)]
pub struct Metric {
    name: String,
    measure: Box<dyn Measure>,
    sums: Vec<f64>,
}

impl Metric {
    /// Reads a metric as Keras serialises it, for predictions of so many classes.
    ///
    /// # Errors
    /// Where its name or an argument is not known.
    pub fn new(object: &Serialised, classes: usize) -> Result<Metric> {
        let measure = read(object)?;
        let sums = vec![0.0; measure.len(classes)];
        Ok(Metric { name: format!("metric {}", object.class_name), measure, sums })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What these rows add to the sums.
    ///
    /// # Errors
    /// Where the target does not fit the predictions.
    pub fn totals(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; self.sums.len()];
        self.measure.add(labelled, weights, &mut sums)?;
        Ok(sums)
    }

    /// Adds totals.
    pub fn add(&mut self, totals: &[f64]) {
        self.sums.iter_mut().zip(totals).for_each(|(sum, total)| *sum += total);
    }

    /// The metric's numbers so far: one, or one a threshold or class.
    pub fn result(&self) -> Vec<f64> {
        self.measure.result(&self.sums)
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        self.sums.fill(0.0);
    }
}

/// The numbers of a metric with these totals; without any, those of one that has seen nothing.
///
/// # Errors
/// Where its name or an argument is not known.
pub fn metric_result(metric: &Serialised, totals: &[f64]) -> Result<Vec<f64>> {
    let mut metric = Metric::new(metric, 1)?;
    if !totals.is_empty() {
        metric.sums = totals.to_vec();
    }
    Ok(metric.result())
}

/// `a / b`, or 0 where `b` is 0.
fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}
