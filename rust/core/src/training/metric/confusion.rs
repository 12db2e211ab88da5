//! Metrics made of true and false positives and negatives, counted at one or more thresholds.

use std::ops::Range;

use serde::Deserialize;

use super::{EPSILON, Measure, ratio};
use crate::error::{Error, Result};
use crate::training::Serialised;
use crate::training::target::{Labelled, SampleWeights};

/// What a prediction outside the `top_k` counts as, and the threshold just below those inside.
const LEAST: f64 = -1e10;

/// Counts of right and wrong decisions, and what is made of them.
///
/// The sums are four runs of one number a threshold: [`Counts`]; with `multi_label` so many for each class.
#[derive(Debug)]
pub(super) struct Confusion {
    thresholds: Vec<f32>,
    /// Whether the thresholds divide 0..=1 evenly, so that a prediction's place among them can be computed.
    even: bool,
    /// Whether even a prediction of 0 lies above the first threshold.
    below_zero: bool,
    top_k: Option<usize>,
    class_id: Option<usize>,
    from_logits: bool,
    /// Whether each class has an area of its own, of which the mean is taken.
    multi_label: bool,
    num_labels: Option<usize>,
    label_weights: Option<Vec<f32>>,
    report: Report,
}

/// What is made of the counts.
#[derive(Clone, Copy, Debug)]
enum Report {
    TruePositives,
    FalsePositives,
    TrueNegatives,
    FalseNegatives,
    Precision,
    Recall,
    PrecisionAtRecall(f64),
    RecallAtPrecision(f64),
    SensitivityAtSpecificity(f64),
    SpecificityAtSensitivity(f64),
    Area(Curve, Summation),
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Curve {
    #[default]
    #[serde(rename = "ROC")]
    Roc,
    #[serde(rename = "PR")]
    Pr,
    #[serde(rename = "PRGAIN")]
    PrGain,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Summation {
    #[default]
    Interpolation,
    Majoring,
    Minoring,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(f64),
    More(Vec<f64>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    thresholds: Option<OneOrMore>,
    num_thresholds: Option<usize>,
    top_k: Option<usize>,
    class_id: Option<usize>,
    recall: Option<f64>,
    precision: Option<f64>,
    specificity: Option<f64>,
    sensitivity: Option<f64>,
    #[serde(default)]
    curve: Curve,
    #[serde(default)]
    summation_method: Summation,
    #[serde(default)]
    multi_label: bool,
    num_labels: Option<usize>,
    label_weights: Option<Vec<f32>>,
    #[serde(default)]
    from_logits: bool,
}

impl Confusion {
    pub(super) fn new(object: &Serialised) -> Result<Confusion> {
        let class = object.class_name.as_str();
        let arguments: Arguments = object.arguments()?;
        let needed = |name: &str, value: Option<f64>| {
            value.ok_or_else(|| Error::value(class, format!("the argument {name} is missing")))
        };
        let report = match class {
            "AUC" => Report::Area(arguments.curve, arguments.summation_method),
            "FalseNegatives" => Report::FalseNegatives,
            "FalsePositives" => Report::FalsePositives,
            "Precision" => Report::Precision,
            "PrecisionAtRecall" => Report::PrecisionAtRecall(needed("recall", arguments.recall)?),
            "Recall" => Report::Recall,
            "RecallAtPrecision" => Report::RecallAtPrecision(needed("precision", arguments.precision)?),
            "SensitivityAtSpecificity" => {
                Report::SensitivityAtSpecificity(needed("specificity", arguments.specificity)?)
            }
            "SpecificityAtSensitivity" => {
                Report::SpecificityAtSensitivity(needed("sensitivity", arguments.sensitivity)?)
            }
            "TrueNegatives" => Report::TrueNegatives,
            _ => Report::TruePositives,
        };
        let given = arguments.thresholds.map(|thresholds| match thresholds {
            OneOrMore::One(threshold) => vec![threshold],
            OneOrMore::More(thresholds) => thresholds,
        });
        let number = arguments.num_thresholds.unwrap_or(200);
        let spread = |number: usize| (1..number.max(2) - 1).map(move |i| i as f64 / (number - 1) as f64);
        let (thresholds, even, below_zero) = match report {
            Report::Area(..) => {
                let (inner, even) = match given {
                    Some(mut inner) => {
                        inner.sort_by(f64::total_cmp);
                        let all: Vec<_> = [0.0].into_iter().chain(inner.iter().copied()).chain([1.0]).collect();
                        (inner, are_even(&all))
                    }
                    None => (spread(number).collect(), true),
                };
                let ends = [0.0 - EPSILON, 1.0 + EPSILON];
                ([&ends[..1], &inner, &ends[1..]].concat(), even, true)
            }
            Report::PrecisionAtRecall(_)
            | Report::RecallAtPrecision(_)
            | Report::SensitivityAtSpecificity(_)
            | Report::SpecificityAtSensitivity(_) => match number {
                1 => (vec![0.5], false, false),
                _ => ([0.0].into_iter().chain(spread(number)).chain([1.0]).collect(), true, false),
            },
            _ => {
                let default = if arguments.top_k.is_some() { LEAST } else { 0.5 };
                let thresholds = given.unwrap_or_else(|| vec![default]);
                let even = are_even(&thresholds);
                (thresholds, even, false)
            }
        };
        Ok(Confusion {
            thresholds: thresholds.into_iter().map(|threshold| threshold as f32).collect(),
            even,
            below_zero,
            top_k: arguments.top_k,
            class_id: arguments.class_id,
            from_logits: arguments.from_logits,
            multi_label: arguments.multi_label,
            num_labels: arguments.num_labels,
            label_weights: arguments.label_weights,
            report,
        })
    }

    /// Checks the arguments that only the predictions' shape can judge.
    fn check(&self, labelled: &Labelled<'_>) -> Result<()> {
        let k = labelled.classes();
        let has = |name: &str, what: String| {
            Err(Error::value(labelled.place, format!("{name} is {what}, and the predictions have {k} classes")))
        };
        match (self.top_k, self.class_id, &self.label_weights) {
            (Some(top_k), _, _) if top_k > k => has("top_k", top_k.to_string()),
            (_, Some(class_id), _) if class_id >= k => has("class_id", class_id.to_string()),
            (_, _, Some(weights)) if weights.len() != k => has("label_weights", format!("{} numbers", weights.len())),
            _ => match self.num_labels {
                Some(labels) if labels != k => has("num_labels", labels.to_string()),
                _ => Ok(()),
            },
        }
    }

    /// How many of the even thresholds lie below a prediction.
    fn place(&self, p: f32) -> usize {
        let last = self.thresholds.len() - 1;
        let place = (p.clamp(0.0, 1.0) * last as f32).ceil() as usize;
        if self.below_zero { place.max(1) } else { place }
    }
}

/// Whether thresholds divide 0..=1 evenly.
fn are_even(thresholds: &[f64]) -> bool {
    let last = thresholds.len().max(1) - 1;
    let near = |(i, &threshold): (usize, &f64)| {
        let even = i as f64 / last as f64;
        (threshold - even).abs() <= EPSILON + 1e-5 * even
    };
    last >= 2 && thresholds.iter().enumerate().all(near)
}

impl Confusion {
    /// Adds the decisions on some classes to the sums of one curve; those on each class count as its weight says.
    fn count(
        &self,
        labelled: &Labelled<'_>,
        weights: &SampleWeights<'_>,
        columns: Range<usize>,
        class_weights: Option<&[f32]>,
        sums: &mut [f64],
    ) -> Result<()> {
        let count = self.thresholds.len();
        let (hits, misses) = sums.split_at_mut(2 * count);
        // Of predictions at even thresholds, how much weight lies above just so many of them; first where the target is
        // not 0, then where it is.
        let mut above = vec![0.0; 2 * (count + 1)];
        let k = labelled.classes().max(1);
        let (mut top, mut row) = (Vec::new(), vec![0.0; k]);
        let rows = labelled.predicted.chunks_exact(k).zip(labelled.dense()?.chunks_exact(k));
        for ((p, y), weight) in rows.zip(weights.iter(labelled.rows())) {
            row.copy_from_slice(p);
            if self.from_logits {
                row.iter_mut().for_each(|p| *p = 1.0 / (1.0 + (-*p).exp()));
            }
            if let Some(top_k) = self.top_k {
                top.clear();
                top.extend(0..k);
                // A stable sort: of equals, the first are in the top.
                top.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
                top[top_k..].iter().for_each(|&class| row[class] = LEAST as f32);
            }
            for j in columns.clone() {
                let weight = f64::from(class_weights.map_or(weight, |classes| weight * classes[j]));
                let half = usize::from(y[j] == 0.0);
                if self.even {
                    above[half * (count + 1) + self.place(row[j])] += weight;
                    continue;
                }
                for (i, &threshold) in self.thresholds.iter().enumerate() {
                    let decisions = if row[j] > threshold { &mut *hits } else { &mut *misses };
                    decisions[half * count + i] += weight;
                }
            }
        }
        for (half, above) in above.chunks_exact(count + 1).enumerate() {
            let sums = half * count..(half + 1) * count;
            let mut reached = 0.0;
            for (hit, above) in hits[sums.clone()].iter_mut().zip(&above[1..]).rev() {
                reached += above;
                *hit += reached;
            }
            let mut missed = 0.0;
            for (miss, above) in misses[sums].iter_mut().zip(above) {
                missed += above;
                *miss += missed;
            }
        }
        Ok(())
    }

    /// The mean of the classes' areas, weighted by the class weights.
    fn mean_area(&self, curve: Curve, summation: Summation, sums: &[f64]) -> f64 {
        let areas = sums.chunks_exact(4 * self.thresholds.len()).map(|sums| Counts::of(sums).area(curve, summation));
        let (mut total, mut all) = (0.0, 0.0);
        for (class, area) in areas.enumerate() {
            let weight = self.label_weights.as_ref().map_or(1.0, |weights| f64::from(weights[class]));
            total += area * weight;
            all += weight;
        }
        ratio(total, all)
    }
}

impl Measure for Confusion {
    fn len(&self, classes: usize) -> usize {
        4 * self.thresholds.len() * if self.multi_label { classes.max(1) } else { 1 }
    }

    /// As in Keras, the mask of the predictions does not count here.
    fn add(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>, sums: &mut [f64]) -> Result<()> {
        self.check(labelled)?;
        let weights = SampleWeights { mask: None, ..*weights };
        if self.multi_label {
            let curves = sums.chunks_exact_mut(4 * self.thresholds.len()).enumerate();
            for (class, sums) in curves {
                self.count(labelled, &weights, class..class + 1, None, sums)?;
            }
            return Ok(());
        }
        let columns = self.class_id.map_or(0..labelled.classes().max(1), |class| class..class + 1);
        self.count(labelled, &weights, columns, self.label_weights.as_deref(), sums)
    }

    fn result(&self, sums: &[f64]) -> Vec<f64> {
        let counts = Counts::of(sums);
        match self.report {
            Report::TruePositives => counts.tp.to_vec(),
            Report::FalsePositives => counts.fp.to_vec(),
            Report::TrueNegatives => counts.tn.to_vec(),
            Report::FalseNegatives => counts.fneg.to_vec(),
            Report::Precision => counts.precision(),
            Report::Recall => counts.recall(),
            Report::PrecisionAtRecall(least) => best(&counts.precision(), &counts.recall(), least),
            Report::RecallAtPrecision(least) => best(&counts.recall(), &counts.precision(), least),
            Report::SensitivityAtSpecificity(least) => best(&counts.recall(), &counts.specificity(), least),
            Report::SpecificityAtSensitivity(least) => best(&counts.specificity(), &counts.recall(), least),
            Report::Area(curve, summation) if self.multi_label => vec![self.mean_area(curve, summation, sums)],
            Report::Area(curve, summation) => vec![counts.area(curve, summation)],
        }
    }
}

/// The largest value where the other one is not less than asked for, else 0.
fn best(values: &[f64], others: &[f64], least: f64) -> Vec<f64> {
    let feasible = values.iter().zip(others).filter(|&(_, &other)| other >= least);
    vec![feasible.map(|(&value, _)| value).fold(0.0, f64::max)]
}

/// Weighted counts at each threshold: `p > threshold` is a positive, rightly so where `y` is not 0.
struct Counts<'a> {
    tp: &'a [f64],
    fp: &'a [f64],
    fneg: &'a [f64],
    tn: &'a [f64],
}

impl<'a> Counts<'a> {
    fn of(sums: &'a [f64]) -> Self {
        let count = sums.len() / 4;
        let part = |i: usize| &sums[i * count..][..count];
        Counts { tp: part(0), fp: part(1), fneg: part(2), tn: part(3) }
    }

    fn precision(&self) -> Vec<f64> {
        shares(self.tp, self.fp)
    }

    fn recall(&self) -> Vec<f64> {
        shares(self.tp, self.fneg)
    }

    fn specificity(&self) -> Vec<f64> {
        shares(self.tn, self.fp)
    }

    /// The area below a curve, a sum of rectangles between neighbouring thresholds.
    fn area(&self, curve: Curve, summation: Summation) -> f64 {
        if let (Curve::Pr, Summation::Interpolation) = (curve, summation) {
            return self.interpolated_precision();
        }
        let (x, y) = match curve {
            Curve::Roc => (shares(self.fp, self.tn), self.recall()),
            Curve::Pr => (self.recall(), self.precision()),
            Curve::PrGain => self.gains(),
        };
        let height = |a: f64, b: f64| match summation {
            Summation::Interpolation => (a + b) / 2.0,
            Summation::Majoring => a.max(b),
            Summation::Minoring => a.min(b),
        };
        x.windows(2).zip(y.windows(2)).map(|(x, y)| (x[0] - x[1]) * height(y[0], y[1])).sum()
    }

    /// Recall gain and precision gain: 1 less the odds of an error over those of a guess.
    fn gains(&self) -> (Vec<f64>, Vec<f64>) {
        let gain = |errors: &[f64], without: f64| -> Vec<f64> {
            (0..self.tp.len())
                .map(|i| {
                    let odds = ratio(self.tp[i] + self.fneg[i], self.tn[i] + self.fp[i]);
                    if self.tp[i] == 0.0 { without } else { 1.0 - odds * ratio(errors[i], self.tp[i]) }
                })
                .collect()
        };
        (gain(self.fneg, 0.0).into_iter().map(|gain| gain.max(0.0)).collect(), gain(self.fp, 1.0))
    }

    /// The area below the precision-recall curve, where true positives between two thresholds grow in proportion to all
    /// positives, as Davis and Goadrich (2006) have it.
    fn interpolated_precision(&self) -> f64 {
        let positives: Vec<_> = self.tp.iter().zip(self.fp).map(|(tp, fp)| tp + fp).collect();
        let increment = |i: usize| {
            let (tp, next) = (self.tp[i], self.tp[i + 1]);
            let (p, p_next) = (positives[i], positives[i + 1]);
            let slope = ratio(tp - next, (p - p_next).max(0.0));
            let intercept = next - slope * p_next;
            let growth = if p > 0.0 && p_next > 0.0 { p / p_next } else { 1.0 };
            ratio(slope * (tp - next + intercept * growth.ln()), (next + self.fneg[i + 1]).max(0.0))
        };
        (0..positives.len().max(1) - 1).map(increment).sum()
    }
}

/// `a / (a + b)` at each threshold.
fn shares(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| ratio(a, a + b)).collect()
}
