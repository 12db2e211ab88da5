//! Rows of floats in memory, adjacent or picked by an index.

use std::marker::PhantomData;

use super::shared::Shared;
use super::{span, volume};

/// Rows that a kernel reads: row `n` begins at float `index[n] * width`, without an index at `n * width`.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// An address alone, for others may write rows that are not read yet.
    first: *const f32,
    len: usize,
    /// Distance of rows.
    pub(super) width: usize,
    /// Where each row stands.
    pub(super) index: Option<&'a [u32]>,
    borrow: PhantomData<&'a [f32]>,
}

// SAFETY: it is no more than an address; reading through it is what is unsafe.
unsafe impl Send for Rows<'_> {}
// SAFETY: as above.
unsafe impl Sync for Rows<'_> {}

impl<'a> Rows<'a> {
    /// Adjacent rows, `width` apart.
    pub fn adjacent(values: &'a [f32], width: usize) -> Self {
        Rows { first: values.as_ptr(), len: values.len(), width, index: None, borrow: PhantomData }
    }

    /// Rows picked by an index from those `width` apart.
    pub fn picked(values: &'a [f32], width: usize, index: &'a [u32]) -> Self {
        Rows { index: Some(index), ..Rows::adjacent(values, width) }
    }

    /// None.
    pub fn none() -> Self {
        Rows::adjacent(&[], 0)
    }

    /// Of how many floats the rows are taken.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first of them.
    pub(super) fn as_ptr(&self) -> *const f32 {
        self.first
    }

    /// # Panics
    /// Where `rows` rows of which `read` floats are read are not there.
    pub(super) fn check(&self, rows: usize, read: usize) {
        assert!(read <= self.width || rows <= 1);
        check(self.len, self.width, self.index, rows, read);
    }

    /// The first float of a row.
    ///
    /// # Safety
    /// [`Rows::check`] must have passed for more than `row` rows.
    #[inline(always)]
    pub(super) unsafe fn at(&self, row: usize) -> *const f32 {
        // SAFETY: the caller's promise.
        unsafe {
            let row = self.index.map_or(row, |index| *index.get_unchecked(row) as usize);
            self.first.add(row * self.width)
        }
    }
}

/// Rows that a kernel writes.
pub struct RowsMut<'a> {
    /// The floats.
    pub values: &'a mut [f32],
    /// Distance of rows.
    pub width: usize,
    /// Where each row stands, counted from row `first`.
    pub index: Option<&'a [u32]>,
    /// The row that `values` starts with.
    pub first: usize,
}

impl<'a> RowsMut<'a> {
    /// Adjacent rows.
    pub fn adjacent(values: &'a mut [f32], width: usize) -> Self {
        RowsMut { values, width, index: None, first: 0 }
    }

    /// # Panics
    /// Where `rows` rows of which `written` floats are written are not there.
    pub(super) fn check(&self, rows: usize, written: usize) {
        assert!(written <= self.width);
        let before =
            self.index.and_then(|index| index[..rows].iter().min()).map_or(self.first, |&least| least as usize);
        assert!(before >= self.first);
        check(self.values.len() + self.first * self.width, self.width, self.index, rows, written);
    }

    /// The first float of a row.
    ///
    /// # Safety
    /// [`RowsMut::check`] must have passed for more than `row` rows.
    #[inline(always)]
    pub(super) unsafe fn at(&mut self, row: usize) -> *mut f32 {
        // SAFETY: the caller's promise; `check` saw that no row stands before `first`.
        unsafe {
            let row = self.index.map_or(row, |index| *index.get_unchecked(row) as usize - self.first);
            self.values.as_mut_ptr().add(row * self.width)
        }
    }
}

/// Some columns of a row-major matrix, to be written while others write the rest.
pub struct Columns<'a> {
    matrix: Shared<'a>,
    stride: usize,
    first: usize,
    width: usize,
}

impl<'a> Columns<'a> {
    /// All columns of a matrix of `width`.
    pub fn all(matrix: &'a mut [f32], width: usize) -> Self {
        Columns { matrix: Shared::new(matrix), stride: width, first: 0, width }
    }

    /// The first `left` columns of a matrix and the `right` ones that follow, its last.
    pub fn split(matrix: &'a mut [f32], left: usize, right: usize) -> (Self, Self) {
        let (matrix, stride) = (Shared::new(matrix), left + right);
        (Columns { matrix, stride, first: 0, width: left }, Columns { matrix, stride, first: left, width: right })
    }

    /// The same columns to be read by others, in rows picked by an index.
    ///
    /// # Safety
    /// What is read of them must have been written before, as the reader sees it.
    pub(super) unsafe fn picked(&self, index: &'a [u32]) -> Rows<'a> {
        let len = self.matrix.len().saturating_sub(self.first);
        // SAFETY: not beyond the length.
        let first = unsafe { self.matrix.at(self.matrix.len() - len) };
        Rows { first, len, width: self.stride, index: Some(index), borrow: PhantomData }
    }

    /// # Panics
    /// Where there are not so many rows of so many columns.
    pub(super) fn check(&self, rows: usize, width: usize) {
        assert!(self.width == width && self.matrix.len() >= volume(&[rows, self.stride]));
    }

    /// The first float of a row.
    ///
    /// # Safety
    /// [`Columns::check`] must have passed for more than `row` rows.
    #[inline(always)]
    pub(super) unsafe fn at(&self, row: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.matrix.at(row * self.stride + self.first) }
    }
}

fn check(len: usize, width: usize, index: Option<&[u32]>, rows: usize, used: usize) {
    let last = match index {
        None => rows,
        Some(index) => index[..rows].iter().max().map_or(0, |&last| last as usize + 1),
    };
    assert!(len >= span(last, width, used), "rows need {} floats of {len}", span(last, width, used));
}
