//! Softmax over rows.

use super::activation::exp;
use crate::simd::{Isa, Kernel, MAX_LANES, Simd};

/// `y = e^(x - max x) / Σ e^(x - max x)` for each row of `columns` floats.
///
/// # Panics
/// Where the lengths differ or are no whole rows.
pub fn forward(isa: Isa, x: &[f32], y: &mut [f32], columns: usize) {
    assert!(x.len() == y.len() && columns > 0 && x.len().is_multiple_of(columns));
    isa.dispatch(Forward { x, y, columns });
}

/// `dx = y · (dy - Σ dy · y)` for each row of `columns` floats; added to what `dx` holds where `add`.
///
/// # Panics
/// Where the lengths differ or are no whole rows.
pub fn backward(y: &[f32], dy: &[f32], dx: &mut [f32], columns: usize, add: bool) {
    assert!(y.len() == dy.len() && y.len() == dx.len() && columns > 0 && y.len().is_multiple_of(columns));
    let rows = y.chunks_exact(columns).zip(dy.chunks_exact(columns));
    for ((y, dy), dx) in rows.zip(dx.chunks_exact_mut(columns)) {
        let dot: f32 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
        for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
            *dx = y * (dy - dot) + if add { *dx } else { 0.0 };
        }
    }
}

struct Forward<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    columns: usize,
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (x, y) in self.x.chunks_exact(self.columns).zip(self.y.chunks_exact_mut(self.columns)) {
            // `f32::max` would pass a NaN over; `e^(NaN - max)` below brings it back.
            let max = simd.splat(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let mut total = 0.0;
            for (x, y) in x.chunks(S::LANES).zip(y.chunks_mut(S::LANES)) {
                let mut lanes = [0.0; MAX_LANES];
                // SAFETY: both chunks hold the same `x.len() <= LANES` floats; `lanes` holds `MAX_LANES`.
                unsafe {
                    let e = exp(simd, simd.sub(simd.load_partial(x.as_ptr(), x.len()), max));
                    simd.store_partial(e, y.as_mut_ptr(), y.len());
                    simd.store_partial(e, lanes.as_mut_ptr(), y.len());
                }
                total += lanes[..x.len()].iter().sum::<f32>();
            }
            for y in y {
                *y /= total;
            }
        }
    }
}
