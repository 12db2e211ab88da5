//! Sums of rows that belong together.

use std::ops::Range;

use super::rows::Rows;
use super::shared::Shared;
use super::volume;
use crate::simd::{Isa, Kernel, Simd};

/// `target[index[n]] += rows[n]` for every row, cut by columns into tasks. Rows are added in order, so the bits of a sum do
/// not depend on the tasks.
pub struct SumByIndex<'a> {
    isa: Isa,
    rows: Rows<'a>,
    index: &'a [u32],
    target: Shared<'a>,
}

impl<'a> SumByIndex<'a> {
    /// Prepares it; `target` is row-major and as wide as the rows.
    ///
    /// # Panics
    /// Where a row or a target is not there.
    pub fn new(isa: Isa, rows: Rows<'a>, index: &'a [u32], target: &'a mut [f32]) -> Self {
        rows.check(index.len(), rows.width);
        let targets = index.iter().max().map_or(0, |&last| last as usize + 1);
        assert!(target.len() >= volume(&[targets, rows.width]));
        SumByIndex { isa, rows, index, target: Shared::new(target) }
    }

    /// Adds some columns; each is to be added once.
    ///
    /// # Panics
    /// Where there are not so many columns.
    pub fn run(&self, columns: Range<usize>) {
        assert!(columns.start <= columns.end && columns.end <= self.rows.width);
        self.isa.dispatch(Task { all: self, columns });
    }
}

struct Task<'a> {
    all: &'a SumByIndex<'a>,
    columns: Range<usize>,
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Task { all, columns } = self;
        for (row, &to) in all.index.iter().enumerate() {
            // SAFETY: `new` checked every row and target, `run` the columns, which this task alone writes.
            let (from, to) = unsafe {
                let from = std::slice::from_raw_parts(all.rows.at(row).add(columns.start), columns.len());
                let to = all.target.at(to as usize * all.rows.width + columns.start);
                (from, std::slice::from_raw_parts_mut(to, columns.len()))
            };
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
    }
}
