//! Predictions beside what they should have been.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::layers::{Shape, Tensor};

/// A model's output for some samples and their targets. A *row* is all of the last axis.
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    /// What to call the target in errors: the loss or metric.
    pub place: &'a str,
    /// The predictions.
    pub predicted: &'a [f32],
    /// Their sizes.
    pub sizes: &'a [usize],
    /// The predictions before softmax or sigmoid, if one of them made them.
    pub logits: Option<&'a [f32]>,
    /// The targets.
    pub target: &'a Tensor,
    /// What the caller has computed of a loss of its own.
    pub own: Option<&'a Own>,
    /// The first row that is looked at, and how many, if these are not all: `predicted` and `logits` hold no others.
    pub part: Option<(usize, usize)>,
}

/// A loss that the caller has computed: a value for each sample, each row or each element, or a single one for all; and the
/// gradient of the values' sum by the predictions, in their order.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The values.
    pub values: Vec<f32>,
    /// The gradient, one number a prediction.
    pub slopes: Vec<f32>,
}

impl<'a> Labelled<'a> {
    /// The size of the last axis.
    pub fn classes(&self) -> usize {
        self.sizes.last().copied().unwrap_or(1)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.part.map_or_else(|| self.sizes.split_last().map_or(1, |(_, rest)| rest.iter().product()), |(_, rows)| rows)
    }

    /// Some of the rows of the whole.
    ///
    /// # Panics
    /// Where these are not all rows, or not so many.
    pub fn part(&self, rows: Range<usize>) -> Labelled<'a> {
        assert!(self.part.is_none());
        let floats = rows.start * self.classes()..rows.end * self.classes();
        Labelled {
            predicted: &self.predicted[floats.clone()],
            logits: self.logits.map(|logits| &logits[floats]),
            part: Some((rows.start, rows.len())),
            ..*self
        }
    }

    /// The entries of an array of `width` a row that belong to the rows looked at.
    fn looked_at<T>(&self, all: &'a [T], width: usize) -> &'a [T] {
        self.part.map_or(all, |(first, rows)| &all[first * width..(first + rows) * width])
    }

    /// Rows of one sample: 1, or the time steps.
    pub fn rows_per_sample(&self) -> usize {
        self.sizes.get(1..self.sizes.len().max(1) - 1).map_or(1, |middle| middle.iter().product())
    }

    /// Targets of the same shape as the predictions; a last axis of 1 may be missing.
    ///
    /// # Errors
    /// Where the target has another shape.
    pub fn dense(&self) -> Result<&'a [f32]> {
        let given = self.target.sizes();
        let (&classes, rest) = self.sizes.split_last().unwrap_or((&1, &[]));
        if given == self.sizes || (classes == 1 && given == rest) {
            return Ok(self.looked_at(self.target.floats(), classes));
        }
        Err(Error::shape(self.place, "the target", Shape::known(self.sizes), Shape::known(given)))
    }

    /// The class of every row, from targets with no last axis or one of size 1.
    ///
    /// # Errors
    /// Where the target has another shape or holds something that is no class.
    pub fn sparse(&self) -> Result<impl Iterator<Item = usize> + 'a> {
        let given = self.target.sizes();
        let (&classes, rest) = self.sizes.split_last().unwrap_or((&1, &[]));
        let fits = given == rest || given.split_last().is_some_and(|(&last, given)| last == 1 && given == rest);
        if !fits {
            return Err(Error::shape(self.place, "the target", Shape::known(rest), Shape::known(given)));
        }
        let labels = self.looked_at(self.target.floats(), 1);
        if let Some(label) =
            labels.iter().find(|&&label| !(label >= 0.0 && label < classes as f32 && label.fract() == 0.0))
        {
            let last = classes as i64 - 1;
            let message = format!("label {label} is outside the classes, 0 to {last} (the output has {classes} units)");
            return Err(Error::value(self.place, message));
        }
        Ok(labels.iter().map(|&label| label as usize))
    }
}

/// How much each row counts.
#[derive(Clone, Copy, Default)]
pub struct SampleWeights<'a> {
    /// One a sample, or one a row.
    pub weights: Option<&'a [f32]>,
    /// One a row; 0 leaves the row out.
    pub mask: Option<&'a [u8]>,
    /// One a row; 0 says that the row has no target. Other than a mask, no metric looks past this.
    pub present: Option<&'a [u8]>,
}

impl<'a> SampleWeights<'a> {
    /// Checks that there is one weight a sample or one a row.
    ///
    /// # Errors
    /// Where there is another number.
    pub fn check(&self, place: &str, given: &[usize], labelled: &Labelled<'_>) -> Result<()> {
        let (_, rows) = labelled.sizes.split_last().unwrap_or((&1, &[]));
        let squeezed = match given.split_last() {
            Some((1, rest)) if !rest.is_empty() => rest,
            _ => given,
        };
        if given == rows || squeezed == rows || squeezed == &rows[..rows.len().min(1)] {
            return Ok(());
        }
        Err(Error::shape(place, "sample_weight", Shape::known(rows), Shape::known(given)))
    }

    /// The weight of each row.
    pub fn iter(self, rows: usize) -> impl Iterator<Item = f32> + use<'a> {
        let counted = self.counted(rows);
        let weights = self.weights;
        let spread = spread(weights, rows);
        counted.enumerate().map(
            move |(row, counted)| {
                if counted { weights.map_or(1.0, |weights| weights[row / spread]) } else { 0.0 }
            },
        )
    }

    /// Whether each row counts, whatever its weight. There may be more rows than the predictions have: elements of them.
    pub fn counted(self, rows: usize) -> impl Iterator<Item = bool> + use<'a> {
        let Self { mask, present, .. } = self;
        let (mask_spread, present_spread) = (spread(mask, rows), spread(present, rows));
        (0..rows).map(move |row| {
            mask.is_none_or(|mask| mask[row / mask_spread] != 0)
                && present.is_none_or(|present| present[row / present_spread] != 0)
        })
    }

    /// Whether all rows count alike.
    pub fn is_empty(&self) -> bool {
        self.weights.is_none() && self.mask.is_none() && self.present.is_none()
    }

    /// Whether so many rows can be weighed: each entry stands for one or more of them.
    pub fn fits(&self, rows: usize) -> bool {
        let lens = [self.weights.map(<[f32]>::len), self.mask.map(<[u8]>::len), self.present.map(<[u8]>::len)];
        lens.into_iter().flatten().all(|len| rows >= len && rows.is_multiple_of(len.max(1)))
    }
}

/// How many of so many rows an entry stands for.
fn spread<T>(entries: Option<&[T]>, rows: usize) -> usize {
    entries.map_or(1, |entries| rows / entries.len().max(1)).max(1)
}
