//! Orthonormal vectors from any: Gram-Schmidt in f64.

use crate::simd::{Isa, Kernel, Simd};

/// Vectors made orthogonal to all before them at a time, so that each of those is read once for all.
const GROUP: usize = 8;
/// Where taking the projections away leaves less of a vector than this, rounding may show: it is done again (Kahan's
/// "twice is enough").
const MUCH_LEFT: f64 = 0.5;

/// Makes the rows of `length` numbers orthonormal, in order; they must be linearly independent.
///
/// The bits of the result are the same on every instruction set: sums run in eight parts side by side on all of them.
///
/// # Panics
/// Where the numbers are no whole rows.
pub fn orthonormalize(isa: Isa, rows: &mut [f64], length: usize) {
    assert!(length > 0 && rows.len().is_multiple_of(length));
    isa.dispatch(Orthonormalize { rows, length });
}

struct Orthonormalize<'a> {
    rows: &'a mut [f64],
    length: usize,
}

impl Kernel for Orthonormalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { rows, length } = self;
        for start in (0..rows.len()).step_by(GROUP * length) {
            let (before, rest) = rows.split_at_mut(start);
            let group_len = rest.len().min(GROUP * length);
            let group = &mut rest[..group_len];
            let norms: [f64; GROUP] = std::array::from_fn(|i| match group.chunks_exact(length).nth(i) {
                Some(vector) => dot(vector, vector).sqrt(),
                None => 0.0,
            });
            project(before, group, length);
            for (i, before_projection) in norms.iter().enumerate().take(group.len() / length) {
                let (earlier, vector) = group.split_at_mut(i * length);
                let vector = &mut vector[..length];
                project(earlier, vector, length);
                let mut norm = dot(vector, vector).sqrt();
                if norm < MUCH_LEFT * before_projection {
                    project(before, vector, length);
                    project(earlier, vector, length);
                    norm = dot(vector, vector).sqrt();
                }
                vector.iter_mut().for_each(|x| *x /= norm);
            }
        }
    }
}

/// Takes from each vector its projections on the basis, one after the other.
#[inline(always)]
fn project(basis: &[f64], vectors: &mut [f64], length: usize) {
    for unit in basis.chunks_exact(length) {
        for vector in vectors.chunks_exact_mut(length) {
            let dot = dot(vector, unit);
            vector.iter_mut().zip(unit).for_each(|(x, y)| *x -= dot * y);
        }
    }
}

#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_parts, b_parts) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_parts.remainder().iter().zip(b_parts.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}
