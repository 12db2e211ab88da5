//! The logarithm of softmax over rows.

/// `y = x - log Σ e^x` for each row of `columns`.
pub(super) fn forward(x: &[f32], y: &mut [f32], columns: usize) {
    for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
        let largest = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let total: f64 = x.iter().map(|&x| (f64::from(x) - largest).exp()).sum();
        let shift = largest + total.ln();
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = (f64::from(x) - shift) as f32);
    }
}

/// `dx = dy - e^y Σ dy` for each row of `columns`; added to what `dx` holds where `add`.
pub(super) fn backward(y: &[f32], dy: &[f32], dx: &mut [f32], columns: usize, add: bool) {
    let rows = y.chunks_exact(columns).zip(dy.chunks_exact(columns));
    for ((y, dy), dx) in rows.zip(dx.chunks_exact_mut(columns)) {
        let total: f64 = dy.iter().copied().map(f64::from).sum();
        for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
            let slope = (f64::from(dy) - f64::from(y).exp() * total) as f32;
            *dx = if add { *dx + slope } else { slope };
        }
    }
}
