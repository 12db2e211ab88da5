//! Layers that make one array of several: element by element, or one behind the other.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::{Backward, Forward, Layer, MaskRule, Masks, Node, Shape, Tensor};
use crate::error::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Average,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {}

pub(super) fn build_add(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Operation::Add, name, config)
}

pub(super) fn build_average(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Operation::Average, name, config)
}

pub(super) fn build_maximum(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Operation::Maximum, name, config)
}

pub(super) fn build_minimum(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Operation::Minimum, name, config)
}

pub(super) fn build_multiply(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Operation::Multiply, name, config)
}

pub(super) fn build_subtract(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Operation::Subtract, name, config)
}

fn build(operation: Operation, name: &str, config: &Value) -> Result<Vec<Node>> {
    let Config {} = read(name, config)?;
    Ok(vec![Node::new(Merge { name: name.to_owned(), operation })])
}

/// An axis' size where all arrays have `rank` axes: those that one lacks stand behind its first, with size one.
fn size<T: Copy>(sizes: &[T], axis: usize, rank: usize, one: T) -> T {
    let missing = rank - sizes.len();
    match axis {
        0 => sizes[0],
        _ if axis <= missing => one,
        _ => sizes[axis - missing],
    }
}

/// The shape of two arrays together, if they fit: along an axis where one has size one, it counts for every place of the
/// other.
fn together(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let both = |axis| [a, b].map(|shape| size(&shape.0, axis, rank, Some(1)));
    let merged = (0..rank).map(|axis| match both(axis) {
        [Some(a), Some(b)] if a == b => Some(Some(a)),
        [Some(a), None] | [None, Some(a)] if axis == 0 => Some(Some(a)),
        [Some(1), other] | [other, Some(1)] if axis > 0 => Some(other),
        [Some(_), Some(_)] => None,
        _ => Some(None),
    });
    merged.collect::<Option<_>>().map(Shape)
}

/// Several arrays laid over the places of a larger one.
struct Overlay<'a> {
    tensors: &'a [Tensor],
    inputs: &'a [usize],
    masks: Masks<'a>,
    sizes: Vec<usize>,
}

/// What of an input lies over a row of the output.
struct Part<'a> {
    /// A float a place, or one for all.
    values: &'a [f32],
    /// Where they begin in the input.
    start: usize,
    /// False where the input's mask says that they do not count.
    counts: bool,
}

impl<'a> Overlay<'a> {
    fn inputs(&self) -> std::ops::Range<usize> {
        0..self.inputs.len()
    }

    fn part(&self, input: usize, row: usize) -> Part<'a> {
        let (tensor, rank) = (&self.tensors[self.inputs[input]], self.sizes.len());
        let mut own_row = row;
        if tensor.sizes() != self.sizes {
            let (mut rest, mut distance) = (row, 1);
            own_row = 0;
            for axis in (0..rank - 1).rev() {
                let own = size(tensor.sizes(), axis, rank, 1);
                if own != 1 {
                    own_row += rest % self.sizes[axis] * distance;
                }
                rest /= self.sizes[axis];
                distance *= own;
            }
        }
        let width = size(tensor.sizes(), rank - 1, rank, 1);
        // A row of an array of one axis is a number of it.
        let width = if tensor.sizes().len() == 1 && rank > 1 { 1 } else { width };
        let start = own_row * width;
        let counts = self.masks.get(input).is_none_or(|mask| mask[own_row] != 0);
        Part { values: &tensor.floats()[start..start + width], start, counts }
    }

    /// The parts that are not masked, each with its input; where all are, the first.
    fn counting(&self, row: usize) -> impl Iterator<Item = (usize, Part<'a>)> + '_ {
        let any = self.inputs().any(|input| self.part(input, row).counts);
        let parts = self.inputs().map(move |input| (input, self.part(input, row)));
        parts.filter(move |(input, part)| part.counts || (!any && *input == 0))
    }

    fn all_masked(&self, row: usize) -> bool {
        !self.inputs().any(|input| self.part(input, row).counts)
    }
}

/// Changes every float of a row by one of a part.
fn each(row: &mut [f32], part: &[f32], change: impl Fn(&mut f32, f32)) {
    match part {
        &[one] => row.iter_mut().for_each(|y| change(y, one)),
        _ => row.iter_mut().zip(part).for_each(|(y, &x)| change(y, x)),
    }
}

struct Merge {
    name: String,
    operation: Operation,
}

impl Merge {
    fn overlay<'a>(
        &self,
        tensors: &'a [Tensor],
        inputs: &'a [usize],
        masks: Masks<'a>,
        sizes: &[usize],
    ) -> Result<Overlay<'a>> {
        for (i, &input) in inputs.iter().enumerate() {
            if masks.get(i).is_some() && tensors[input].sizes().len() != sizes.len() {
                let message = "an input with a mask has fewer axes than another, which is not supported yet";
                return Err(Error::unsupported(&self.name, message));
            }
        }
        Ok(Overlay { tensors, inputs, masks, sizes: sizes.to_vec() })
    }

    /// Whether masked places are left out; sums take what stands there.
    fn leaves_out(&self) -> bool {
        matches!(self.operation, Operation::Maximum | Operation::Minimum | Operation::Multiply)
    }

    /// The better of what a row holds and another number; the first where they are equal, and a NaN in any case.
    fn choose(&self, y: &mut f32, x: f32) {
        let keeps = if self.operation == Operation::Maximum { *y >= x } else { *y <= x };
        if !keeps && !y.is_nan() {
            *y = x;
        }
    }

    fn row(&self, overlay: &Overlay<'_>, row: usize, y: &mut [f32]) {
        if self.leaves_out() {
            for (place, (_, part)) in overlay.counting(row).enumerate() {
                each(y, part.values, |y, x| match self.operation {
                    _ if place == 0 => *y = x,
                    Operation::Multiply => *y *= x,
                    _ => self.choose(y, x),
                });
            }
            if self.operation == Operation::Multiply && overlay.all_masked(row) {
                y.fill(0.0);
            }
            return;
        }
        for input in overlay.inputs() {
            each(y, overlay.part(input, row).values, |y, x| match self.operation {
                _ if input == 0 => *y = x,
                Operation::Subtract => *y -= x,
                _ => *y += x,
            });
        }
        if self.operation == Operation::Average {
            let count = overlay.inputs.len() as f32;
            y.iter_mut().for_each(|y| *y /= count);
        }
    }

    /// The derivatives of a row of the output by what of an input lies over it.
    fn slopes(&self, overlay: &Overlay<'_>, input: usize, row: usize, y: &[f32], slopes: &mut [f32]) {
        match self.operation {
            Operation::Add => slopes.fill(1.0),
            Operation::Average => slopes.fill(1.0 / overlay.inputs.len() as f32),
            Operation::Subtract => slopes.fill(if input == 0 { 1.0 } else { -1.0 }),
            Operation::Multiply => {
                slopes.fill(if overlay.part(input, row).counts { 1.0 } else { 0.0 });
                for (_, part) in overlay.counting(row).filter(|(other, _)| *other != input) {
                    each(slopes, part.values, |slope, x| *slope *= x);
                }
            }
            Operation::Maximum | Operation::Minimum => {
                // The first of those that are equal has it.
                slopes.fill(0.0);
                let is_it = |x: f32, y: f32| x == y || x.is_nan();
                let at = |values: &[f32], i: usize| if let [one] = values { *one } else { values[i] };
                if let Some((_, own)) = overlay.counting(row).find(|(other, _)| *other == input) {
                    for (i, (slope, &y)) in slopes.iter_mut().zip(y).enumerate() {
                        *slope = if is_it(at(own.values, i), y) { 1.0 } else { 0.0 };
                    }
                    for (_, before) in overlay.counting(row).take_while(|(other, _)| *other < input) {
                        for (i, (slope, &y)) in slopes.iter_mut().zip(y).enumerate() {
                            if is_it(at(before.values, i), y) {
                                *slope = 0.0;
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Layer for Merge {
    /// The derivatives of one row.
    type Cache = Vec<f32>;

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if self.operation == Operation::Subtract && inputs.len() != 2 {
            return Err(Error::value(&self.name, format!("takes two inputs, not {}", inputs.len())));
        }
        let mut merged = inputs[0].clone();
        for other in &inputs[1..] {
            merged = together(&merged, other).ok_or_else(|| {
                let expected = format!("that of the other inputs, {merged}, or 1 in place of a size");
                Error::shape(&self.name, "an input", expected, other.clone())
            })?;
        }
        Ok(vec![merged])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::CreateOfAll
    }

    fn forward(&self, call: Forward<'_>, slopes: &mut Vec<f32>) -> Result<()> {
        let output = &mut call.outputs[0];
        let overlay = self.overlay(call.tensors, call.inputs, call.masks, output.sizes())?;
        let width = output.features();
        slopes.resize(width, 0.0);
        if let Some(mask) = call.new_mask {
            mask.clear();
            mask.extend((0..output.rows()).map(|row| u8::from(!overlay.all_masked(row))));
        }
        for (row, y) in output.floats_mut().chunks_exact_mut(width.max(1)).enumerate() {
            self.row(&overlay, row, y);
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, slopes: &mut Vec<f32>) {
        let output = &call.outputs[0];
        let Some(dy) = call.d_outputs[0].get() else { return };
        let Ok(overlay) = self.overlay(call.tensors, call.inputs, call.masks, output.sizes()) else { return };
        let width = output.features().max(1);
        for input in overlay.inputs() {
            let Some((dx, add)) = call.d_input(input) else { continue };
            if !add {
                dx.fill(0.0);
            }
            for (row, (y, dy)) in output.floats().chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
                self.slopes(&overlay, input, row, y, slopes);
                let Part { values, start, .. } = overlay.part(input, row);
                let terms = dy.iter().zip(&*slopes).map(|(dy, slope)| dy * slope);
                match &mut dx[start..start + values.len()] {
                    [one] => *one += terms.sum::<f32>(),
                    row => row.iter_mut().zip(terms).for_each(|(dx, term)| *dx += term),
                }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConcatenateConfig {
    #[serde(default = "last")]
    axis: isize,
}

fn last() -> isize {
    -1
}

pub(super) fn build_concatenate(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: ConcatenateConfig = read(name, config)?;
    let mut layer = Concatenate { name: name.to_owned(), axis: config.axis, joins_steps: false };
    layer.joins_steps = layer.axis(inputs[0].rank())? == 1 && inputs[0].rank() > 2;
    Ok(vec![Node::new(layer)])
}

/// The inputs one behind the other along an axis, counted from the end where it is negative.
struct Concatenate {
    name: String,
    axis: isize,
    joins_steps: bool,
}

impl Concatenate {
    fn axis(&self, rank: usize) -> Result<usize> {
        let axis = if self.axis < 0 { self.axis.checked_add_unsigned(rank) } else { Some(self.axis) };
        match axis.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank) {
            Some(0) => Err(Error::unsupported(&self.name, "axis is the batch's, which cannot be concatenated")),
            Some(axis) => Ok(axis),
            None => Err(Error::value(&self.name, format!("axis={} is none of the {rank} axes", self.axis))),
        }
    }
}

/// For each input how many elements of it follow one another in the output, if sizes are `sizes`.
fn run(sizes: &[usize], axis: usize) -> usize {
    sizes[axis..].iter().product()
}

impl Layer for Concatenate {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let mut joined = inputs[0].clone();
        let concatenated = self.axis(joined.rank())?;
        for other in &inputs[1..] {
            let mut sizes = joined.0.iter_mut().zip(&other.0).enumerate();
            let fits = sizes.all(|(axis, (size, &other))| match (*size, other) {
                (Some(a), Some(b)) if axis == concatenated => {
                    *size = a.checked_add(b);
                    size.is_some()
                }
                (Some(a), Some(b)) => a == b,
                _ if axis == concatenated => {
                    *size = None;
                    true
                }
                (a, b) => {
                    *size = a.or(b);
                    true
                }
            });
            if !fits || joined.rank() != other.rank() {
                let expected = format!("that of the first, {}, but for axis {concatenated}", inputs[0]);
                return Err(Error::shape(&self.name, "an input", expected, other.clone()));
            }
        }
        Ok(vec![joined])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::CreateOfAny
    }

    fn states<'a>(&self, _: usize, (): &'a mut ()) -> Result<Vec<&'a mut [f32]>> {
        if self.joins_steps {
            return Err(Error::unsupported(&self.name, "joins time steps, of which a stream sees one; use predict"));
        }
        Ok(Vec::new())
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let output = &mut call.outputs[0];
        let rank = output.sizes().len();
        let axis = self.axis(rank)?;
        let (width, rows) = (run(output.sizes(), axis).max(1), output.rows());
        let inputs = call.inputs.iter().map(|&input| &call.tensors[input]);
        let mut start = 0;
        for x in inputs.clone() {
            let own = run(x.sizes(), axis);
            let targets = output.floats_mut().chunks_exact_mut(width);
            for (y, x) in targets.zip(x.floats().chunks_exact(own.max(1))) {
                y[start..start + own].copy_from_slice(x);
            }
            start += own;
        }
        let Some(mask) = call.new_mask else { return Ok(()) };
        mask.clear();
        if axis == rank - 1 {
            // A row counts where it does in any input, and an input without a mask counts everywhere.
            let counts =
                |row: usize| (0..call.inputs.len()).any(|i| call.masks.get(i).is_none_or(|mask| mask[row] != 0));
            mask.extend((0..rows).map(|row| u8::from(counts(row))));
            return Ok(());
        }
        let outer: usize = output.sizes()[..axis].iter().product();
        for sample in 0..outer {
            for (i, x) in inputs.clone().enumerate() {
                let own = run(&x.sizes()[..rank - 1], axis);
                match call.masks.get(i) {
                    Some(own_mask) => mask.extend_from_slice(&own_mask[sample * own..][..own]),
                    None => mask.extend(std::iter::repeat_n(1, own)),
                }
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let output = &call.outputs[0];
        let Some(dy) = call.d_outputs[0].get() else { return };
        let Ok(axis) = self.axis(output.sizes().len()) else { return };
        let width = run(output.sizes(), axis).max(1);
        let mut start = 0;
        for i in 0..call.inputs.len() {
            let own = run(call.input(i).sizes(), axis);
            if let Some((dx, add)) = call.d_input(i) {
                for (dx, dy) in dx.chunks_exact_mut(own.max(1)).zip(dy.chunks_exact(width)) {
                    let dy = &dy[start..start + own];
                    if add {
                        dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy);
                    } else {
                        dx.copy_from_slice(dy);
                    }
                }
            }
            start += own;
        }
    }
}
