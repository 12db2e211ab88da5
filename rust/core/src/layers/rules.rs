//! What a weight starts from and is held to: a penalty that training adds to the loss, and a constraint after every update.

use ndarray::{Array2, ArrayD, ArrayViewD, ArrayViewMutD, Axis, Zip};
use serde::{Deserialize, Deserializer};

use super::Initializer;
use crate::error::{Error, Result};

/// Keras' `backend.epsilon()`.
const EPSILON: f32 = 1e-7;

/// What a weight starts from and what it is held to.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub initializer: Initializer,
    /// What it adds to the loss.
    pub regularizer: Option<Regularizer>,
    /// What it is forced to.
    pub constraint: Option<Constraint>,
}

impl Rules {
    /// The three together.
    pub fn new(initializer: Initializer, regularizer: Option<Regularizer>, constraint: Option<Constraint>) -> Self {
        Rules { initializer, regularizer, constraint }
    }

    /// A weight that is held to nothing.
    pub fn free(initializer: Initializer) -> Self {
        Rules::new(initializer, None, None)
    }

    /// Whether the weight is held to nothing.
    pub fn is_free(&self) -> bool {
        self.regularizer.is_none() && self.constraint.is_none()
    }

    /// Checks that they make sense for a weight of such a shape.
    pub(crate) fn check(&self, layer: &str, weight: &str, shape: &[usize]) -> Result<()> {
        if let Some(regularizer) = self.regularizer {
            regularizer.check(layer, weight, shape.len())?;
        }
        if let Some(constraint) = &self.constraint {
            constraint.check(layer, weight, shape)?;
        }
        Ok(())
    }
}

/// A penalty on a weight or on an output, as Keras serialises it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "class_name", content = "config")]
pub enum Regularizer {
    /// `l1 Σ |w|`
    L1 {
        /// Its factor.
        l1: f32,
    },
    /// `l2 Σ w²`
    L2 {
        /// Its factor.
        l2: f32,
    },
    /// `l1 Σ |w| + l2 Σ w²`
    L1L2 {
        /// The factor of the sizes.
        l1: f32,
        /// The factor of the squares.
        l2: f32,
    },
    /// `factor` times the mean of `|u · v|` over all pairs of rows, or columns, scaled to length 1.
    #[serde(rename = "OrthogonalRegularizer")]
    Orthogonal {
        /// Its factor.
        factor: f32,
        /// Rows or columns.
        mode: Mode,
    },
}

/// What an orthogonal regularizer compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Its rows.
    Rows,
    /// Its columns.
    Columns,
}

impl Regularizer {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// Where it is not known.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|source| Error::Config { place: "regularizer".to_owned(), source })
    }

    /// Checks that it can be computed of something with so many axes.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn check(self, place: &str, what: &str, axes: usize) -> Result<()> {
        if axes != 2 && matches!(self, Regularizer::Orthogonal { .. }) {
            let message = format!("OrthogonalRegularizer needs a matrix, two axes; {what} has {axes}");
            return Err(Error::value(place, message));
        }
        Ok(())
    }

    /// A penalty so many times smaller.
    pub fn divided(self, by: f32) -> Self {
        match self {
            Regularizer::L1 { l1 } => Regularizer::L1 { l1: l1 / by },
            Regularizer::L2 { l2 } => Regularizer::L2 { l2: l2 / by },
            Regularizer::L1L2 { l1, l2 } => Regularizer::L1L2 { l1: l1 / by, l2: l2 / by },
            Regularizer::Orthogonal { factor, mode } => Regularizer::Orthogonal { factor: factor / by, mode },
        }
    }

    /// The penalty.
    pub fn value(self, w: &ArrayViewD<'_, f32>) -> f64 {
        match self {
            Regularizer::Orthogonal { factor, mode } => {
                let (unit, _) = unit_rows(w, mode);
                let products = unit.dot(&unit.t());
                let off_diagonal = products.mapv(f64::abs).sum() - products.diag().mapv(f64::abs).sum();
                off_diagonal * per_pair(factor, unit.nrows())
            }
            _ => {
                let (l1, l2) = self.factors();
                let sum = |term: fn(f64) -> f64| w.iter().map(|&w| term(f64::from(w))).sum::<f64>();
                f64::from(l1) * sum(f64::abs) + f64::from(l2) * sum(|w| w * w)
            }
        }
    }

    /// Adds the penalty's gradient.
    pub fn add_gradient(self, w: &ArrayViewD<'_, f32>, gradient: &mut ArrayViewMutD<'_, f32>) {
        match self {
            Regularizer::Orthogonal { factor, mode } => {
                let (unit, norms) = unit_rows(w, mode);
                let mut signs = unit.dot(&unit.t()).mapv(sign);
                signs.diag_mut().fill(0.0);
                // By the scaled rows, each pair counted from both of its sides; then through the scaling.
                let by_unit = signs.dot(&unit) * (2.0 * per_pair(factor, unit.nrows()));
                let mut gradient = gradient.view_mut();
                if mode == Mode::Columns {
                    gradient.swap_axes(0, 1);
                }
                for (i, norm) in norms.iter().enumerate() {
                    let along = by_unit.row(i).dot(&unit.row(i));
                    let change = (&by_unit.row(i) - &(&unit.row(i) * along)) / *norm;
                    gradient.index_axis_mut(Axis(0), i).iter_mut().zip(&change).for_each(|(g, d)| *g += *d as f32);
                }
            }
            _ => {
                let (l1, l2) = self.factors();
                Zip::from(gradient).and(w).for_each(|g, &w| *g += l1 * sign(w.into()) as f32 + 2.0 * l2 * w);
            }
        }
    }

    fn factors(self) -> (f32, f32) {
        match self {
            Regularizer::L1 { l1 } => (l1, 0.0),
            Regularizer::L2 { l2 } => (0.0, l2),
            Regularizer::L1L2 { l1, l2 } => (l1, l2),
            Regularizer::Orthogonal { .. } => (0.0, 0.0),
        }
    }
}

/// -1, 0 or 1.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// What each ordered pair of rows counts.
fn per_pair(factor: f32, rows: usize) -> f64 {
    let pairs = (rows * rows.saturating_sub(1)) as f64;
    if pairs == 0.0 { 0.0 } else { f64::from(factor) / pairs }
}

/// The rows or columns of a matrix as rows of length 1, and the lengths that they had.
fn unit_rows(w: &ArrayViewD<'_, f32>, mode: Mode) -> (Array2<f64>, Vec<f64>) {
    let w = w.view().into_dimensionality::<ndarray::Ix2>().expect("`check` wants two axes");
    let mut unit = if mode == Mode::Columns { w.t() } else { w }.mapv(f64::from);
    let norm = |row: ndarray::ArrayView1<'_, f64>| row.dot(&row).sqrt().max(f64::from(EPSILON));
    let norms: Vec<_> = unit.rows().into_iter().map(norm).collect();
    unit.rows_mut().into_iter().zip(&norms).for_each(|(mut row, norm)| row /= *norm);
    (unit, norms)
}

/// What a weight is forced to after every update, as Keras serialises it. Norms are taken along `axis`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "class_name", content = "config")]
pub enum Constraint {
    /// Norms of at most `max_value`.
    MaxNorm {
        /// The bound.
        max_value: f32,
        /// The axes.
        axis: Axes,
    },
    /// Norms moved towards those between two bounds: all the way at a `rate` of 1.
    MinMaxNorm {
        /// The lower bound.
        min_value: f32,
        /// The upper bound.
        max_value: f32,
        /// How far.
        rate: f32,
        /// The axes.
        axis: Axes,
    },
    /// No negative number.
    NonNeg {},
    /// Norms of 1.
    UnitNorm {
        /// The axes.
        axis: Axes,
    },
}

/// One axis or several; negative ones count from the end.
#[derive(Clone, Debug)]
pub struct Axes(Vec<i64>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMore {
            One(i64),
            More(Vec<i64>),
        }
        Ok(match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(axis) => Axes(vec![axis]),
            OneOrMore::More(axes) => Axes(axes),
        })
    }
}

impl Constraint {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// Where it is not known.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|source| Error::Config { place: "constraint".to_owned(), source })
    }

    /// Checks that a weight of such a shape has the axes that it names.
    ///
    /// # Errors
    /// Where it has not.
    pub fn check(&self, place: &str, what: &str, shape: &[usize]) -> Result<()> {
        let axes = shape.len() as i64;
        if self.axes().iter().all(|axis| (-axes..axes).contains(axis)) {
            return Ok(());
        }
        Err(Error::value(place, format!("the constraint of {what} names an axis that {shape:?} lacks")))
    }

    fn axes(&self) -> &[i64] {
        match self {
            Constraint::MaxNorm { axis, .. } | Constraint::MinMaxNorm { axis, .. } | Constraint::UnitNorm { axis } => {
                &axis.0
            }
            Constraint::NonNeg {} => &[],
        }
    }

    /// Changes the weight to what it may be.
    pub fn apply(&self, w: &mut ArrayViewMutD<'_, f32>) {
        if let Constraint::NonNeg {} = self {
            return w.mapv_inplace(|w| if w >= 0.0 { w } else { 0.0 });
        }
        let axes = w.ndim() as i64;
        let mut norms: ArrayD<f32> = w.mapv(|w| w * w);
        for axis in self.axes() {
            let axis = Axis(axis.rem_euclid(axes) as usize);
            norms = norms.sum_axis(axis).insert_axis(axis);
        }
        let factor = norms.mapv_into(|square| {
            let norm = square.sqrt();
            let wanted = match *self {
                Constraint::MaxNorm { max_value, .. } => norm.min(max_value),
                Constraint::MinMaxNorm { min_value, max_value, rate, .. } => {
                    rate * norm.max(min_value).min(max_value) + (1.0 - rate) * norm
                }
                Constraint::UnitNorm { .. } | Constraint::NonNeg {} => 1.0,
            };
            wanted / (EPSILON + norm)
        });
        *w *= &factor;
    }
}
