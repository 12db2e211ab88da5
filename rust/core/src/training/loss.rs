//! Losses: a value for every row and its gradient. The equations are Keras'.

use std::ops::Range;

use serde::Deserialize;

use super::elementwise::Elementwise;
use super::target::{Labelled, Own, SampleWeights};
use super::{EPSILON, Serialised};
use crate::error::{Error, Result};
use crate::kernels::softmax;
use crate::parallel;
use crate::simd::{FlushDenormals, Isa};

/// Floating-point operations that an element of the predictions costs: an exponential and what goes with it.
const OPERATIONS: usize = 100;

/// Keras' names of the losses, sorted.
const NAMES: [&str; 18] = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
];

/// What is lost in each row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Function {
    /// `-Σ y log p`, with `p` the softmax of the logits.
    Categorical { from_logits: bool, label_smoothing: f32 },
    /// `-log p[y]`
    SparseCategorical { from_logits: bool },
    /// `-(y log p + (1 - y) log(1 - p))`, its mean over the row.
    Binary { from_logits: bool, label_smoothing: f32 },
    /// The binary cross-entropy times `(1 - q)^γ`, with `q` the probability of the target.
    BinaryFocal { from_logits: bool, label_smoothing: f32, focus: Focus },
    /// `-Σ α (1 - p)^γ y log p`, with `p` the predictions scaled to sum to 1.
    CategoricalFocal { from_logits: bool, label_smoothing: f32, focus: Focus },
    /// `max(max((1 - y) p) - Σ y p + 1, 0)`
    CategoricalHinge,
    /// `-Σ y p / (‖y‖ ‖p‖)`
    CosineSimilarity,
    /// What each element loses by itself, its mean over the row.
    Elementwise(Elementwise),
    /// What the caller computes.
    Own,
}

/// How a focal loss weighs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Focus {
    /// The weight of class 1 (class 0 has `1 - alpha`), or of all classes where there are several.
    alpha: Option<f64>,
    gamma: f64,
}

impl Focus {
    /// `x^γ` and its derivative.
    fn power(self, x: f64) -> (f64, f64) {
        (x.powf(self.gamma), if self.gamma == 0.0 { 0.0 } else { self.gamma * x.powf(self.gamma - 1.0) })
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reduction {
    #[default]
    #[serde(alias = "mean")]
    SumOverBatchSize,
    Sum,
    MeanWithSampleWeight,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    #[serde(default)]
    from_logits: bool,
    #[serde(default)]
    label_smoothing: f32,
    #[serde(default = "last")]
    axis: i64,
    #[serde(default)]
    reduction: Reduction,
    #[serde(default)]
    ignore_class: Option<i64>,
    delta: Option<f32>,
    quantile: Option<f32>,
    alpha: Option<f64>,
    gamma: Option<f64>,
    #[serde(default)]
    apply_class_balancing: bool,
}

fn last() -> i64 {
    -1
}

impl Function {
    /// The function a Keras object names, and the object's arguments.
    fn read(object: &Serialised) -> Result<(Function, Arguments)> {
        let class = object.class_name.as_str();
        let arguments: Arguments = object.arguments()?;
        let &Arguments { from_logits, label_smoothing, axis, ignore_class, .. } = &arguments;
        if axis != -1 || ignore_class.is_some() {
            return Err(Error::unsupported(class, "axis other than -1 and ignore_class are not supported yet"));
        }
        if !(0.0..=1.0).contains(&label_smoothing) {
            return Err(Error::value(class, format!("label_smoothing is {label_smoothing}, not between 0 and 1")));
        }
        let (alpha, gamma) = (arguments.alpha.unwrap_or(0.25), arguments.gamma.unwrap_or(2.0));
        let function = match class {
            "BinaryCrossentropy" => Function::Binary { from_logits, label_smoothing },
            "BinaryFocalCrossentropy" => {
                let focus = Focus { alpha: arguments.apply_class_balancing.then_some(alpha), gamma };
                Function::BinaryFocal { from_logits, label_smoothing, focus }
            }
            "CategoricalCrossentropy" => Function::Categorical { from_logits, label_smoothing },
            "CategoricalFocalCrossentropy" => {
                let focus = Focus { alpha: Some(alpha), gamma };
                Function::CategoricalFocal { from_logits, label_smoothing, focus }
            }
            "CategoricalHinge" => Function::CategoricalHinge,
            "CosineSimilarity" => Function::CosineSimilarity,
            "Hinge" => Function::Elementwise(Elementwise::Hinge),
            "Huber" => Function::Elementwise(Elementwise::Huber { delta: arguments.delta.unwrap_or(1.0) }),
            "KLDivergence" => Function::Elementwise(Elementwise::KlDivergence),
            "LogCosh" => Function::Elementwise(Elementwise::LogCosh),
            "MeanAbsoluteError" => Function::Elementwise(Elementwise::Absolute),
            "MeanAbsolutePercentageError" => Function::Elementwise(Elementwise::Percentage),
            "MeanSquaredError" => Function::Elementwise(Elementwise::Squared),
            "MeanSquaredLogarithmicError" => Function::Elementwise(Elementwise::Logarithmic),
            "Poisson" => Function::Elementwise(Elementwise::Poisson),
            "Quantile" => {
                let quantile = arguments.quantile.unwrap_or(0.5);
                if !(quantile > 0.0 && quantile < 1.0) {
                    return Err(Error::value(class, format!("quantile is {quantile}, not between 0 and 1")));
                }
                Function::Elementwise(Elementwise::Quantile { quantile })
            }
            // No loss of Keras': it stands for one that a program has written itself.
            "Own" => Function::Own,
            "SparseCategoricalCrossentropy" => Function::SparseCategorical { from_logits },
            "SquaredHinge" => Function::Elementwise(Elementwise::SquaredHinge),
            other => return Err(Error::unknown("loss", other, NAMES)),
        };
        Ok((function, arguments))
    }

    /// The function a metric's Keras object names.
    pub(super) fn of_metric(object: &Serialised) -> Result<Function> {
        Ok(Self::read(object)?.0)
    }

    /// Whether it is computed from what stood before a softmax or a sigmoid, where there was one. The cross-entropies are,
    /// whichever of the two it was and whatever `from_logits` says: Keras on TensorFlow does so.
    fn takes_logits(self) -> bool {
        match self {
            Function::Categorical { .. } | Function::SparseCategorical { .. } | Function::Binary { .. } => true,
            Function::BinaryFocal { from_logits, .. } => !from_logits,
            _ => false,
        }
    }

    /// What the function works on: logits or the predictions, and whether they are logits.
    fn operand<'a>(self, labelled: &Labelled<'a>) -> (&'a [f32], bool) {
        if let Some(logits) = labelled.logits.filter(|_| self.takes_logits()) {
            return (logits, true);
        }
        match self {
            Function::Categorical { from_logits, .. }
            | Function::SparseCategorical { from_logits }
            | Function::Binary { from_logits, .. }
            | Function::BinaryFocal { from_logits, .. }
            | Function::CategoricalFocal { from_logits, .. } => (labelled.predicted, from_logits),
            Function::CategoricalHinge | Function::CosineSimilarity | Function::Elementwise(_) | Function::Own => {
                (labelled.predicted, false)
            }
        }
    }

    /// Calls `each` with the value of every row.
    pub(super) fn values(self, labelled: &Labelled<'_>, mut each: impl FnMut(f64)) -> Result<()> {
        let k = labelled.classes();
        let (x, logits) = self.operand(labelled);
        if k == 0 {
            return Ok(());
        }
        match self {
            Function::SparseCategorical { .. } => {
                for (x, label) in x.chunks_exact(k).zip(labelled.sparse()?) {
                    each(if logits { log_sum_exp(x) - f64::from(x[label]) } else { sparse_of_probabilities(x, label) });
                }
            }
            Function::Categorical { label_smoothing, .. } => {
                let y = labelled.dense()?;
                let smooth = |y: f32| f64::from(y * (1.0 - label_smoothing) + label_smoothing / k as f32);
                for (x, y) in x.chunks_exact(k).zip(y.chunks_exact(k)) {
                    let value = if logits {
                        let total = log_sum_exp(x);
                        x.iter().zip(y).map(|(&x, &y)| smooth(y) * (total - f64::from(x))).sum()
                    } else {
                        let sum: f32 = x.iter().sum();
                        let clip = |p: f32| f64::from((p / sum).clamp(EPSILON, 1.0 - EPSILON));
                        x.iter().zip(y).map(|(&x, &y)| -smooth(y) * clip(x).ln()).sum()
                    };
                    each(value);
                }
            }
            Function::Binary { label_smoothing, .. } => {
                mean_of_row(x, labelled, &mut each, |x, y| binary(x, y, label_smoothing, logits).0)?;
            }
            Function::BinaryFocal { label_smoothing, focus, .. } => {
                mean_of_row(x, labelled, &mut each, |x, y| focus.binary(x, y, label_smoothing, logits).0)?;
            }
            Function::CategoricalFocal { label_smoothing, focus, .. } => {
                let mut p = vec![0.0; k];
                for (x, y) in x.chunks_exact(k).zip(labelled.dense()?.chunks_exact(k)) {
                    scaled(x, logits, &mut p);
                    let loss = |(&p, &y): (&f64, &f32)| -focus.categorical(p).0 * smooth(y, label_smoothing, k);
                    each(p.iter().zip(y).map(loss).sum());
                }
            }
            Function::CategoricalHinge => {
                for (x, y) in x.chunks_exact(k).zip(labelled.dense()?.chunks_exact(k)) {
                    each(margin(x, y).max(0.0));
                }
            }
            Function::CosineSimilarity => {
                for (x, y) in x.chunks_exact(k).zip(labelled.dense()?.chunks_exact(k)) {
                    each(-dot(x, y) * inverse_norm(x).0 * inverse_norm(y).0);
                }
            }
            Function::Elementwise(loss) => {
                let y = labelled.dense()?;
                let (factor, summand) = loss.targets(labelled.target.floats());
                for (x, y) in x.chunks_exact(k).zip(y.chunks_exact(k)) {
                    let sum: f64 = x.iter().zip(y).map(|(&x, &y)| loss.value(x, y * factor + summand)).sum();
                    each(sum * loss.share(k));
                }
            }
            Function::Own => own(labelled)?.values.iter().for_each(|&value| each(f64::from(value))),
        }
        Ok(())
    }

    /// How many values there are: one a row, but for losses that the caller computes.
    fn count(self, labelled: &Labelled<'_>) -> usize {
        match (self, labelled.own) {
            (Function::Own, Some(own)) => own.values.len(),
            _ => labelled.rows(),
        }
    }

    /// Writes the gradient of `Σ weight(row) · value(row)` by what [`Function::operand`] names; adds to it where `add`.
    fn gradient(
        self,
        isa: Isa,
        labelled: &Labelled<'_>,
        weights: impl Iterator<Item = f32>,
        target: &mut [f32],
        add: bool,
    ) -> Result<()> {
        let k = labelled.classes();
        let (x, logits) = self.operand(labelled);
        if k == 0 || x.is_empty() {
            return Ok(());
        }
        let mut out = Output { row: vec![0.0; k], add };
        // What the caller has computed may have a value for more than a row, or less.
        let width = x.len() / self.count(labelled).max(1);
        let rows = x.chunks_exact(width).zip(target.chunks_exact_mut(width)).zip(weights);
        match self {
            Function::SparseCategorical { .. } => {
                for (((x, target), weight), label) in rows.zip(labelled.sparse()?) {
                    if logits {
                        softmax::forward(isa, x, &mut out.row, k);
                        out.row[label] -= 1.0;
                    } else {
                        let clipped = |p: f32| p.clamp(EPSILON, 1.0 - EPSILON);
                        let sum: f32 = x.iter().map(|&p| clipped(p)).sum();
                        for (j, (d, &p)) in out.row.iter_mut().zip(x).enumerate() {
                            let own = if j == label { 1.0 / clipped(p) } else { 0.0 };
                            *d = if clipped(p) == p { 1.0 / sum - own } else { 0.0 };
                        }
                    }
                    out.write(weight, target);
                }
            }
            Function::Categorical { label_smoothing, .. } => {
                let smooth = |y: f32| y * (1.0 - label_smoothing) + label_smoothing / k as f32;
                for (((x, target), weight), y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    if logits {
                        softmax::forward(isa, x, &mut out.row, k);
                        let total: f32 = y.iter().map(|&y| smooth(y)).sum();
                        out.row.iter_mut().zip(y).for_each(|(d, &y)| *d = *d * total - smooth(y));
                    } else {
                        let sum: f32 = x.iter().sum();
                        for ((d, &p), &y) in out.row.iter_mut().zip(x).zip(y) {
                            let q = p / sum;
                            *d = if q > EPSILON && q < 1.0 - EPSILON { -smooth(y) / q } else { 0.0 };
                        }
                        let shift: f32 = out.row.iter().zip(x).map(|(d, p)| d * p / sum).sum();
                        out.row.iter_mut().for_each(|d| *d = (*d - shift) / sum);
                    }
                    out.write(weight, target);
                }
            }
            Function::Binary { label_smoothing, .. } => {
                for (((x, target), weight), y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    let slope = |(&x, &y): (&f32, &f32)| binary(x, y, label_smoothing, logits).1 as f32 / k as f32;
                    out.row.iter_mut().zip(x.iter().zip(y).map(slope)).for_each(|(d, slope)| *d = slope);
                    out.write(weight, target);
                }
            }
            Function::BinaryFocal { label_smoothing, focus, .. } => {
                for (((x, target), weight), y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    let slope =
                        |(&x, &y): (&f32, &f32)| (focus.binary(x, y, label_smoothing, logits).1 / k as f64) as f32;
                    out.row.iter_mut().zip(x.iter().zip(y).map(slope)).for_each(|(d, slope)| *d = slope);
                    out.write(weight, target);
                }
            }
            Function::CategoricalFocal { label_smoothing, focus, .. } => {
                let (mut p, mut slopes) = (vec![0.0; k], vec![0.0; k]);
                for (((x, target), weight), y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    let sum = scaled(x, logits, &mut p);
                    for ((slope, &p), &y) in slopes.iter_mut().zip(&p).zip(y) {
                        *slope = -focus.categorical(p).1 * smooth(y, label_smoothing, k);
                    }
                    // Through the scaling, or through the softmax.
                    let shift: f64 = slopes.iter().zip(&p).map(|(slope, p)| slope * p).sum();
                    for ((d, slope), p) in out.row.iter_mut().zip(&slopes).zip(&p) {
                        *d = ((slope - shift) * if logits { *p } else { 1.0 / sum }) as f32;
                    }
                    out.write(weight, target);
                }
            }
            Function::CategoricalHinge => {
                for (((x, target), weight), y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    let wrong = |(&x, &y): (&f32, &f32)| (1.0 - y) * x;
                    let most = x.iter().zip(y).map(wrong).fold(f32::NEG_INFINITY, f32::max);
                    let share = 1.0 / x.iter().zip(y).filter(|&pair| wrong(pair) == most).count() as f32;
                    let lost = margin(x, y) >= 0.0;
                    for (d, pair) in out.row.iter_mut().zip(x.iter().zip(y)) {
                        // Equals share the derivative of their maximum, as in Keras.
                        let own = if wrong(pair) == most { share * (1.0 - pair.1) } else { 0.0 };
                        *d = if lost { own - pair.1 } else { 0.0 };
                    }
                    out.write(weight, target);
                }
            }
            Function::CosineSimilarity => {
                for (((x, target), weight), y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    let ((x_inverse, free), (y_inverse, _)) = (inverse_norm(x), inverse_norm(y));
                    // The norm of a prediction that is all but 0 is a constant.
                    let along = if free { dot(x, y) * x_inverse * x_inverse } else { 0.0 };
                    for (d, (&x, &y)) in out.row.iter_mut().zip(x.iter().zip(y)) {
                        *d = (-(f64::from(y) - along * f64::from(x)) * x_inverse * y_inverse) as f32;
                    }
                    out.write(weight, target);
                }
            }
            Function::Elementwise(loss) => {
                let y = labelled.dense()?;
                let (factor, summand) = loss.targets(labelled.target.floats());
                let share = loss.share(k) as f32;
                for (((x, target), weight), y) in rows.zip(y.chunks_exact(k)) {
                    for ((d, &x), &y) in out.row.iter_mut().zip(x).zip(y) {
                        *d = loss.slope(x, y * factor + summand) * share;
                    }
                    out.write(weight, target);
                }
            }
            Function::Own => {
                for (((_, target), weight), slopes) in rows.zip(own(labelled)?.slopes.chunks_exact(width)) {
                    out.row.clear();
                    out.row.extend_from_slice(slopes);
                    out.write(weight, target);
                }
            }
        }
        Ok(())
    }
}

fn own<'a>(labelled: &Labelled<'a>) -> Result<&'a Own> {
    labelled.own.ok_or_else(|| Error::value(labelled.place, "its values are the caller's to compute"))
}

/// The binary cross-entropy of a logit or a probability, and its derivative.
#[inline]
fn binary(x: f32, y: f32, label_smoothing: f32, logits: bool) -> (f64, f64) {
    let (x, y) = (f64::from(x), f64::from(y * (1.0 - label_smoothing) + 0.5 * label_smoothing));
    if logits {
        let e = (-x.abs()).exp();
        let p = if x < 0.0 { e } else { 1.0 } / (1.0 + e);
        return (x.max(0.0) - x * y + e.ln_1p(), p - y);
    }
    let (least, most) = (f64::from(EPSILON), f64::from(1.0 - EPSILON));
    let p = x.clamp(least, most);
    let slope = if x > least && x < most { (1.0 - y) / (1.0 - p) - y / p } else { 0.0 };
    (-(y * p.ln() + (1.0 - y) * (1.0 - p).ln()), slope)
}

impl Focus {
    /// The binary focal loss of a logit or a probability, and its derivative.
    #[inline]
    fn binary(self, x: f32, y: f32, label_smoothing: f32, logits: bool) -> (f64, f64) {
        let (value, slope) = binary(x, y, label_smoothing, logits);
        let y = f64::from(y * (1.0 - label_smoothing) + 0.5 * label_smoothing);
        let (p, p_slope) = if logits {
            let p = 1.0 / (1.0 + (-f64::from(x)).exp());
            (p, p * (1.0 - p))
        } else {
            (f64::from(x), 1.0)
        };
        // 1 - q
        let (factor, factor_slope) = self.power(y * (1.0 - p) + (1.0 - y) * p);
        let factor_slope = factor_slope * (1.0 - 2.0 * y) * p_slope;
        let weight = self.alpha.map_or(1.0, |alpha| y * alpha + (1.0 - y) * (1.0 - alpha));
        (weight * factor * value, weight * (factor * slope + factor_slope * value))
    }

    /// `α (1 - p)^γ log p` with `p` kept from 0 and 1, and its derivative.
    fn categorical(self, p: f64) -> (f64, f64) {
        let (least, most) = (f64::from(EPSILON), f64::from(1.0 - EPSILON));
        let cut = p.clamp(least, most);
        let alpha = self.alpha.unwrap_or(1.0);
        let (factor, factor_slope) = self.power(1.0 - cut);
        let slope = if p == cut { factor / cut - factor_slope * cut.ln() } else { 0.0 };
        (alpha * factor * cut.ln(), alpha * slope)
    }
}

/// A target mixed with the uniform distribution.
fn smooth(y: f32, label_smoothing: f32, classes: usize) -> f64 {
    f64::from(y * (1.0 - label_smoothing) + label_smoothing / classes as f32)
}

/// A row of predictions scaled to sum to 1, or the softmax of a row of logits; returns what it was divided by.
fn scaled(x: &[f32], logits: bool, p: &mut [f64]) -> f64 {
    let most = if logits { x.iter().copied().fold(f32::NEG_INFINITY, f32::max) } else { 0.0 };
    for (p, &x) in p.iter_mut().zip(x) {
        *p = if logits { (f64::from(x) - f64::from(most)).exp() } else { f64::from(x) };
    }
    let sum: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= sum);
    sum
}

/// `max((1 - y) x) - Σ y x + 1`
fn margin(x: &[f32], y: &[f32]) -> f64 {
    let wrong = x.iter().zip(y).map(|(&x, &y)| f64::from((1.0 - y) * x)).fold(f64::NEG_INFINITY, f64::max);
    wrong - dot(x, y) + 1.0
}

fn dot(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

/// One over the norm, at most `1 / ε`, and whether it is less.
fn inverse_norm(x: &[f32]) -> (f64, bool) {
    let (inverse, most) = (1.0 / dot(x, x).sqrt(), 1.0 / f64::from(EPSILON));
    (inverse.min(most), inverse < most)
}

/// A row of gradients on its way out.
struct Output {
    row: Vec<f32>,
    add: bool,
}

impl Output {
    fn write(&self, weight: f32, target: &mut [f32]) {
        for (to, d) in target.iter_mut().zip(&self.row) {
            // A row that does not count must not bring in a NaN.
            let d = if weight == 0.0 { 0.0 } else { weight * d };
            *to = if self.add { *to + d } else { d };
        }
    }
}

fn mean_of_row(
    x: &[f32],
    labelled: &Labelled<'_>,
    each: &mut impl FnMut(f64),
    value: impl Fn(f32, f32) -> f64,
) -> Result<()> {
    let k = labelled.classes();
    for (x, y) in x.chunks_exact(k).zip(labelled.dense()?.chunks_exact(k)) {
        each(x.iter().zip(y).map(|(&x, &y)| value(x, y)).sum::<f64>() / k as f64);
    }
    Ok(())
}

/// `log Σ e^x`
fn log_sum_exp(x: &[f32]) -> f64 {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !max.is_finite() {
        return f64::NAN;
    }
    f64::from(max) + x.iter().map(|&x| f64::from((x - max).exp())).sum::<f64>().ln()
}

fn sparse_of_probabilities(p: &[f32], label: usize) -> f64 {
    let clipped = |p: f32| f64::from(p.clamp(EPSILON, 1.0 - EPSILON));
    p.iter().map(|&p| clipped(p)).sum::<f64>().ln() - clipped(p[label]).ln()
}

/// A loss over a batch.
#[derive(Clone, Debug)]
pub struct Loss {
    name: String,
    function: Function,
    reduction: Reduction,
}

impl Loss {
    /// Reads a loss as Keras serialises it.
    ///
    /// # Errors
    /// Where its name or an argument is not known.
    pub fn new(object: &Serialised) -> Result<Loss> {
        let (function, arguments) = Function::read(object)?;
        Ok(Loss { name: format!("loss {}", object.class_name), function, reduction: arguments.reduction })
    }

    /// Checks what the caller has computed, for a loss of its own; other losses take nothing.
    ///
    /// # Errors
    /// Where it is missing, is not asked for or does not fit.
    pub fn check_own(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>) -> Result<()> {
        let refuse = |message: String| Err(Error::value(self.name(), message));
        match (self.function, labelled.own) {
            (Function::Own, Some(own)) => {
                let (count, rows, elements) = (own.values.len(), labelled.rows(), labelled.predicted.len());
                if own.slopes.len() != elements {
                    let given = own.slopes.len();
                    return refuse(format!("the gradient has {given} numbers, the predictions have {elements}"));
                }
                if count == 0 || !elements.is_multiple_of(count) {
                    return refuse(format!("there are {count} values for {elements} predictions"));
                }
                if (count != 1 || rows == 1) && !weights.fits(count) {
                    return refuse(format!(
                        "there are {count} values, too few for the mask or the weights of {rows} rows"
                    ));
                }
                Ok(())
            }
            (Function::Own, None) => {
                refuse("its values are the caller's to compute, between two halves of a step".into())
            }
            (_, Some(_)) => refuse("it computes its values itself".into()),
            (_, None) => Ok(()),
        }
    }

    /// The same loss, its values added up and not divided.
    pub(super) fn summed(self) -> Loss {
        Loss { reduction: Reduction::Sum, ..self }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the loss is computed from the logits, where there are any.
    pub fn takes_logits(&self) -> bool {
        self.function.takes_logits()
    }

    /// Whether the loss makes sense where a softmax makes the predictions.
    pub fn suits_softmax(&self) -> bool {
        !matches!(self.function, Function::BinaryFocal { from_logits: false, .. })
    }

    /// The weight of each value in the loss: its row's, shared out by the reduction.
    fn row_weights<'a>(
        &self,
        labelled: &Labelled<'_>,
        weights: &SampleWeights<'a>,
    ) -> impl Iterator<Item = f32> + use<'a> {
        let count = self.function.count(labelled);
        // As in Keras, where a single value for all samples is multiplied by each weight.
        let single = count == 1 && labelled.rows() > 1;
        let rows = if single { labelled.rows() } else { count };
        let total = single.then(|| if weights.is_empty() { 1.0 } else { self.weights_of_rows(rows, weights).sum() });
        total.into_iter().chain(self.weights_of_rows(rows, weights).take(if single { 0 } else { rows }))
    }

    fn weights_of_rows<'a>(&self, rows: usize, weights: &SampleWeights<'a>) -> impl Iterator<Item = f32> + use<'a> {
        let scale = match self.reduction {
            Reduction::Sum => 1.0,
            // A mask leaves rows out of the mean; weights do not.
            Reduction::SumOverBatchSize => {
                let counted = weights.counted(rows).filter(|&counted| counted).count();
                if counted == 0 { 0.0 } else { 1.0 / counted as f32 }
            }
            Reduction::MeanWithSampleWeight => {
                let total: f32 = weights.iter(rows).sum();
                if total == 0.0 { 0.0 } else { 1.0 / total }
            }
        };
        weights.iter(rows).map(move |weight| weight * scale)
    }

    /// The value of each row, whatever the reduction.
    ///
    /// # Errors
    /// Where the target does not fit the predictions.
    pub fn values(&self, labelled: &Labelled<'_>) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(labelled.rows());
        self.function.values(labelled, |value| values.push(value as f32))?;
        Ok(values)
    }

    /// The value of the loss.
    ///
    /// # Errors
    /// Where the target does not fit the predictions.
    pub fn value(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>) -> Result<f64> {
        let mut values = vec![0.0; self.function.count(labelled)];
        self.share(labelled, &mut values, 1, |part, _, values| {
            let mut values = values.iter_mut();
            self.function.values(&part, |value| values.next().into_iter().for_each(|place| *place = value))
        })?;
        let pairs = values.into_iter().zip(self.row_weights(labelled, weights));
        // A row that does not count must not bring in a NaN.
        Ok(pairs.filter(|&(_, weight)| weight != 0.0).fold(0.0, |sum, (value, weight)| sum + f64::from(weight) * value))
    }

    /// Writes the gradient of the value: by the logits, where there are any and the loss is a cross-entropy, else by the
    /// predictions; adds to what is there where `add`.
    ///
    /// # Errors
    /// Where the target does not fit the predictions.
    pub fn gradient(
        &self,
        isa: Isa,
        labelled: &Labelled<'_>,
        weights: &SampleWeights<'_>,
        target: &mut [f32],
        add: bool,
    ) -> Result<()> {
        self.share(labelled, target, labelled.classes(), |part, rows, target| {
            let row_weights = self.row_weights(labelled, weights).skip(rows.start);
            self.function.gradient(isa, &part, row_weights, target, add)
        })
    }

    /// Lets the threads share the rows: each `work`s on some, with their part of `out`, `width` entries a row. Returns the
    /// first error. What the caller has computed may have other numbers of values, and stays whole.
    fn share<T: Send>(
        &self,
        labelled: &Labelled<'_>,
        mut out: &mut [T],
        width: usize,
        work: impl Fn(Labelled<'_>, Range<usize>, &mut [T]) -> Result<()> + Sync,
    ) -> Result<()> {
        // As on every thread that shares.
        let _flush = FlushDenormals::new();
        let (rows, operations) = (labelled.rows(), labelled.predicted.len() * OPERATIONS);
        let parts = parallel::parts(rows, 1, operations);
        if parts == 1 || matches!(self.function, Function::Own) {
            return work(*labelled, 0..rows, out);
        }
        let mut results: Vec<_> = (0..parts).map(|_| Ok(())).collect();
        let tasks = parallel::ranges(rows, parts).zip(&mut results);
        let tasks = tasks.map(|(rows, result)| (parallel::take(&mut out, &rows, width), rows, result));
        parallel::run(operations, tasks, |(out, rows, result)| {
            *result = work(labelled.part(rows.clone()), rows, out);
        });
        results.into_iter().collect()
    }
}
