//! Shapes, of which some sizes may still be open.

use std::fmt;

use serde::Deserialize;

/// The shape of an array; `None` is a size that each call brings anew, as the batch's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Shape(pub Vec<Option<usize>>);

impl Shape {
    /// The shape of an array at hand.
    pub fn known(sizes: &[usize]) -> Self {
        Shape(sizes.iter().copied().map(Some).collect())
    }

    /// How many axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The size of the last axis, if it is there and not open.
    pub fn features(&self) -> Option<usize> {
        self.0.last().copied().flatten()
    }

    /// This shape with another last axis.
    pub fn with_features(&self, features: usize) -> Self {
        let mut sizes = self.0.clone();
        if let Some(last) = sizes.last_mut() {
            *last = Some(features);
        }
        Shape(sizes)
    }

    /// Whether an array of any number of samples fits: the same rank, and behind the first axis the same size wherever
    /// this shape's is not open.
    pub fn admits_samples(&self, sizes: &[usize]) -> bool {
        let mut pairs = self.0.iter().zip(sizes).skip(1);
        self.rank() == sizes.len() && pairs.all(|(size, n)| size.is_none_or(|size| size == *n))
    }
}

/// As Python writes a tuple: `(None, 7)`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(")?;
        for (i, size) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            match size {
                Some(size) => write!(f, "{separator}{size}")?,
                None => write!(f, "{separator}None")?,
            }
        }
        write!(f, "{}", if self.rank() == 1 { ",)" } else { ")" })
    }
}
