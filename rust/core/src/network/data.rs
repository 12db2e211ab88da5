//! Arrays as a caller has them, and the rows of them that a batch takes.

use std::convert::Infallible;
use std::ops::Range;

use ndarray::{ArrayViewD, Axis};

use crate::error::{Error, Result};
use crate::layers::{Shape, Tensor, Values};
use crate::parallel;

/// A borrowed array, its first axis the samples.
#[derive(Clone)]
pub enum Data<'a> {
    /// 32-bit floats.
    F32(ArrayViewD<'a, f32>),
    /// 32-bit integers.
    I32(ArrayViewD<'a, i32>),
    /// 64-bit integers.
    I64(ArrayViewD<'a, i64>),
}

/// Which samples a batch takes.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// From the first to before the second.
    Range(usize, usize),
    /// Those named, in that order.
    Index(&'a [i64]),
}

impl<'a> Rows<'a> {
    /// Some of them.
    fn part(self, range: Range<usize>) -> Rows<'a> {
        match self {
            Rows::Range(from, _) => Rows::Range(from + range.start, from + range.end),
            Rows::Index(rows) => Rows::Index(&rows[range]),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match *self {
            Rows::Range(from, to) => to - from,
            Rows::Index(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let (range, index) = match *self {
            Rows::Range(from, to) => (from..to, [].as_slice()),
            Rows::Index(rows) => (0..0, rows),
        };
        // `check` has seen that none is negative.
        range.chain(index.iter().map(|&row| row as usize))
    }

    /// # Errors
    /// Where a row is not among `samples`.
    fn check(&self, place: &str, samples: usize) -> Result<()> {
        let outside = match *self {
            Rows::Range(from, to) => (from > to || to > samples).then_some(to as i64),
            Rows::Index(rows) => {
                rows.iter().copied().find(|&row| usize::try_from(row).map_or(true, |row| row >= samples))
            }
        };
        match outside {
            None => Ok(()),
            Some(row) => Err(Error::value(place, format!("row {row} is not among the array's {samples}"))),
        }
    }
}

impl Data<'_> {
    /// Its sizes.
    pub fn sizes(&self) -> &[usize] {
        match self {
            Data::F32(array) => array.shape(),
            Data::I32(array) => array.shape(),
            Data::I64(array) => array.shape(),
        }
    }

    /// How many samples.
    pub fn samples(&self) -> usize {
        self.sizes().first().copied().unwrap_or(0)
    }

    /// Copies rows into a tensor, which takes their sizes; `place` names the array in errors.
    ///
    /// # Errors
    /// Where a row is not there, a float should be an id, or an id is too large for 32 bits.
    pub fn gather(&self, place: &str, rows: Rows<'_>, target: &mut Tensor, sizes: &mut Vec<usize>) -> Result<()> {
        if self.sizes().is_empty() {
            return Err(Error::shape(place, "the array", "at least one axis", Shape::default()));
        }
        rows.check(place, self.samples())?;
        sizes.clear();
        sizes.push(rows.len());
        sizes.extend_from_slice(&self.sizes()[1..]);
        target.resize(sizes)?;
        match (self, target.values_mut()) {
            (Data::F32(array), Values::Floats(to)) => {
                copy_floats(array, rows, to);
                Ok(())
            }
            (Data::I32(array), Values::Floats(to)) => copy(array, rows, to, |x| Ok(x as f32)),
            (Data::I64(array), Values::Floats(to)) => copy(array, rows, to, |x| Ok(x as f32)),
            (Data::I32(array), Values::Ids(to)) => copy(array, rows, to, Ok),
            (Data::I64(array), Values::Ids(to)) => copy(array, rows, to, |x| {
                i32::try_from(x).map_err(|_| Error::value(place, format!("token id {x} is outside the vocabulary")))
            }),
            (Data::F32(_), Values::Ids(_)) => {
                Err(Error::Type { place: place.to_owned(), message: "takes integer ids, not float32".to_owned() })
            }
        }
    }
}

/// Copies rows of floats, shared among the threads: a batch of long or wide series has megabytes.
fn copy_floats(array: &ArrayViewD<'_, f32>, rows: Rows<'_>, mut target: &mut [f32]) {
    let width = target.len().checked_div(rows.len()).unwrap_or(0);
    let operations = target.len() * parallel::COPY_OPERATIONS;
    let parts = parallel::parts(rows.len(), 1, operations);
    if parts == 1 {
        // A step of a stream counts every nanosecond.
        let Ok(()) = copy(array, rows, target, Ok::<_, Infallible>);
        return;
    }
    let tasks = parallel::ranges(rows.len(), parts)
        .map(|range| (rows.part(range.clone()), parallel::take(&mut target, &range, width)));
    parallel::run(operations, tasks, |(rows, target)| {
        let Ok(()) = copy(array, rows, target, Ok::<_, Infallible>);
    });
}

fn copy<T: Copy, U, E>(
    array: &ArrayViewD<'_, T>,
    rows: Rows<'_>,
    target: &mut [U],
    convert: impl Fn(T) -> std::result::Result<U, E>,
) -> std::result::Result<(), E> {
    let width = array.len().checked_div(array.shape()[0]).unwrap_or(0);
    if width == 0 {
        return Ok(());
    }
    if let (Rows::Range(from, to), Some(source)) = (rows, array.as_slice()) {
        return copy_all(&source[from * width..to * width], target, convert);
    }
    for (row, target) in rows.iter().zip(target.chunks_exact_mut(width)) {
        let source = array.index_axis(Axis(0), row);
        match source.as_slice() {
            Some(source) => copy_all(source, target, &convert)?,
            None => copy_all(source.iter(), target, &convert)?,
        }
    }
    Ok(())
}

fn copy_all<'a, T: Copy + 'a, U, E>(
    source: impl IntoIterator<Item = &'a T>,
    target: &mut [U],
    convert: impl Fn(T) -> std::result::Result<U, E>,
) -> std::result::Result<(), E> {
    for (to, &from) in target.iter_mut().zip(source) {
        *to = convert(from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::Array;

    use super::*;
    use crate::layers::Kind;

    #[test]
    fn batches_large_enough_to_share_hold_the_rows_asked_for() {
        let (samples, width) = (50, 900);
        let x = Array::from_shape_fn((samples, width), |(i, j)| (i * width + j) as f32).into_dyn();
        let index: Vec<i64> = (0..37).map(|i| (i * 13) % samples as i64).collect();
        for rows in [Rows::Range(4, 41), Rows::Index(&index)] {
            let mut target = Tensor::new(Kind::Floats);
            Data::F32(x.view()).gather("x", rows, &mut target, &mut Vec::new()).unwrap();
            let expected: Vec<f32> =
                rows.iter().flat_map(|i| (0..width).map(move |j| (i * width + j) as f32)).collect();
            assert_eq!(target.floats(), expected);
        }
    }
}
