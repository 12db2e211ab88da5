//! Floats aligned to a cache line.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; Line::FLOATS]);

impl Line {
    const FLOATS: usize = 16;
}

/// A growable run of floats whose first is at the start of a cache line.
///
/// Growing keeps the memory it has, so that a buffer that is resized for every batch stops allocating once it has seen
/// the largest.
#[derive(Clone, Default)]
pub struct AlignedBuffer {
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBuffer {
    /// A buffer of zeros.
    ///
    /// # Errors
    /// Where there is not so much memory.
    pub fn zeros(len: usize) -> Result<Self, TryReserveError> {
        let mut buffer = Self::default();
        buffer.resize(len)?;
        Ok(buffer)
    }

    /// Changes the length. Floats that it never held are 0; others keep what they held.
    ///
    /// # Errors
    /// Where there is not so much memory; the length is then what it was.
    pub fn resize(&mut self, len: usize) -> Result<(), TryReserveError> {
        let lines = len.div_ceil(Line::FLOATS);
        if lines > self.lines.len() {
            self.lines.try_reserve_exact(lines - self.lines.len())?;
            self.lines.resize(lines, Line([0.0; Line::FLOATS]));
        }
        self.len = len;
        Ok(())
    }
}

impl Deref for AlignedBuffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `resize` keeps `len <= lines.len() * FLOATS`; a `Line` is `FLOATS` floats without padding.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`; `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}
