//! Loops over elements that several layers share.

/// Writes a gradient that [`Backward::d_input`](super::Backward::d_input) hands out, or adds to it.
pub(super) fn write((target, add): (&mut [f32], bool), values: impl Iterator<Item = f32>) {
    let pairs = target.iter_mut().zip(values);
    if add {
        pairs.for_each(|(to, value)| *to += value);
    } else {
        pairs.for_each(|(to, value)| *to = value);
    }
}

/// Passes over the elements of an array whose axes have these sizes, row-major, and visits for each its place in another
/// array, in which a step along an axis is `stride` long: 0 where the other array has one element for the whole axis.
pub(super) fn walk(axes: &[(usize, usize)], from: usize, visit: &mut impl FnMut(usize)) {
    match axes {
        [] => visit(from),
        &[(size, stride)] => (0..size).for_each(|i| visit(from + i * stride)),
        [(size, stride), rest @ ..] => (0..*size).for_each(|i| walk(rest, from + i * stride, visit)),
    }
}

/// How far apart the elements of a row-major array of these sizes lie along each axis.
pub(super) fn strides(sizes: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        strides[axis - 1] = strides[axis] * sizes[axis];
    }
    strides
}

/// The axes to [`walk`] where an array of `own` sizes is spread over one of `sizes`: each is as long, or 1.
pub(super) fn spread(sizes: &[usize], own: &[usize]) -> Vec<(usize, usize)> {
    let steps = strides(own).into_iter().zip(own);
    sizes.iter().copied().zip(steps.map(|(stride, &own)| if own == 1 { 0 } else { stride })).collect()
}

#[cfg(test)]
mod tests {
    use super::{spread, strides, walk};

    fn walked(axes: &[(usize, usize)]) -> Vec<usize> {
        let mut places = Vec::new();
        walk(axes, 0, &mut |place| places.push(place));
        places
    }

    #[test]
    fn walks_visit_places() {
        assert_eq!(strides(&[2, 3, 4]), [12, 4, 1]);
        assert_eq!(walked(&[]), [0]);
        // A matrix of 2 x 3, as it is and transposed.
        assert_eq!(walked(&[(2, 3), (3, 1)]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(walked(&[(3, 1), (2, 3)]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(walked(&spread(&[2, 3, 2], &[2, 1, 2])), [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3]);
        assert!(walked(&spread(&[2, 0, 2], &[2, 1, 2])).is_empty());
    }
}
