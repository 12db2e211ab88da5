//! Losses: a value for every row and its gradient. The equations are Keras'.

use serde::Deserialize;

use super::Serialised;
use super::target::{Labelled, SampleWeights};
use crate::error::{Error, Result};
use crate::kernels::softmax;
use crate::simd::Isa;

/// Probabilities are kept this far from 0 and 1 where a logarithm of them is taken.
const EPSILON: f32 = 1e-7;

/// Keras' names of the losses, sorted.
const NAMES: [&str; 5] = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
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
    /// `(p - y)²`, its mean over the row.
    Squared,
    /// `|p - y|`, its mean over the row.
    Absolute,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reduction {
    #[default]
    #[serde(alias = "mean")]
    SumOverBatchSize,
    Sum,
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
        let function = match class {
            "BinaryCrossentropy" => Function::Binary { from_logits, label_smoothing },
            "CategoricalCrossentropy" => Function::Categorical { from_logits, label_smoothing },
            "MeanAbsoluteError" => Function::Absolute,
            "MeanSquaredError" => Function::Squared,
            "SparseCategoricalCrossentropy" => Function::SparseCategorical { from_logits },
            other => return Err(Error::unknown("loss", other, NAMES)),
        };
        Ok((function, arguments))
    }

    /// The function a metric's Keras object names.
    pub(super) fn of_metric(object: &Serialised) -> Result<Function> {
        Ok(Self::read(object)?.0)
    }

    /// Whether it is one of the cross-entropies. Those are computed from what stood before a softmax or a sigmoid, whichever
    /// of the two it was and whatever `from_logits` says: Keras on TensorFlow does so.
    fn is_crossentropy(self) -> bool {
        !matches!(self, Function::Squared | Function::Absolute)
    }

    /// What the function works on: logits or the predictions, and whether they are logits.
    fn operand<'a>(self, labelled: &Labelled<'a>) -> (&'a [f32], bool) {
        match (self, labelled.logits) {
            (Function::Squared | Function::Absolute, _) => (labelled.predicted, false),
            (_, Some(logits)) => (logits, true),
            (
                Function::Categorical { from_logits, .. }
                | Function::SparseCategorical { from_logits }
                | Function::Binary { from_logits, .. },
                None,
            ) => (labelled.predicted, from_logits),
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
            Function::Binary { label_smoothing, .. } => mean_of_row(x, labelled, &mut each, |x, y| {
                let (x, y) = (f64::from(x), f64::from(y * (1.0 - label_smoothing) + 0.5 * label_smoothing));
                if logits {
                    x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()
                } else {
                    let p = x.clamp(f64::from(EPSILON), f64::from(1.0 - EPSILON));
                    -(y * p.ln() + (1.0 - y) * (1.0 - p).ln())
                }
            })?,
            Function::Squared => mean_of_row(x, labelled, &mut each, |x, y| f64::from(x - y).powi(2))?,
            Function::Absolute => mean_of_row(x, labelled, &mut each, |x, y| f64::from(x - y).abs())?,
        }
        Ok(())
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
        let rows = x.chunks_exact(k).zip(target.chunks_exact_mut(k)).zip(weights);
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
            _ => {
                for (((x, target), weight), y) in rows.zip(labelled.dense()?.chunks_exact(k)) {
                    for ((d, &x), &y) in out.row.iter_mut().zip(x).zip(y) {
                        *d = self.slope(x, y, logits) / k as f32;
                    }
                    out.write(weight, target);
                }
            }
        }
        Ok(())
    }

    /// The derivative of an elementwise loss.
    fn slope(self, x: f32, y: f32, logits: bool) -> f32 {
        match self {
            Function::Binary { label_smoothing, .. } => {
                let y = y * (1.0 - label_smoothing) + 0.5 * label_smoothing;
                if logits {
                    let e = (-x.abs()).exp();
                    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e) - y
                } else if x > EPSILON && x < 1.0 - EPSILON {
                    (1.0 - y) / (1.0 - x) - y / x
                } else {
                    0.0
                }
            }
            Function::Squared => 2.0 * (x - y),
            // The derivative at 0 is taken as 0.
            Function::Absolute => f32::from(i8::from(x > y) - i8::from(x < y)),
            Function::Categorical { .. } | Function::SparseCategorical { .. } => {
                unreachable!("crossentropies over classes are not elementwise")
            }
        }
    }
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

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the loss is computed from the logits, where there are any.
    pub fn is_crossentropy(&self) -> bool {
        self.function.is_crossentropy()
    }

    /// The weight of each row in the loss: its own, shared out by the reduction.
    fn row_weights<'a>(&self, rows: usize, weights: &SampleWeights<'a>) -> impl Iterator<Item = f32> + use<'a> {
        let scale = match self.reduction {
            Reduction::Sum => 1.0,
            // A mask leaves rows out of the mean; weights do not.
            Reduction::SumOverBatchSize => {
                let counted = weights.mask.map_or(rows, |mask| mask.iter().filter(|&&keep| keep != 0).count());
                if counted == 0 { 0.0 } else { 1.0 / counted as f32 }
            }
        };
        weights.iter(rows).map(move |weight| weight * scale)
    }

    /// The value of the loss.
    ///
    /// # Errors
    /// Where the target does not fit the predictions.
    pub fn value(&self, labelled: &Labelled<'_>, weights: &SampleWeights<'_>) -> Result<f64> {
        let mut row_weights = self.row_weights(labelled.rows(), weights);
        let mut total = 0.0;
        self.function.values(labelled, |value| {
            let weight = f64::from(row_weights.next().unwrap_or(0.0));
            total += if weight == 0.0 { 0.0 } else { weight * value };
        })?;
        Ok(total)
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
        let row_weights = self.row_weights(labelled.rows(), weights);
        self.function.gradient(isa, labelled, row_weights, target, add)
    }
}
