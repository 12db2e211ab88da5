//! Dot: for each sample the products of two arrays, summed along an axis of each.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::{Backward, Forward, Layer, MaskRule, Node, Shape};
use crate::error::{Error, Result};
use crate::kernels::matmul::{Initial, Matmul};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{AlignedBuffer, Rows, RowsMut};
use crate::parallel;
use crate::simd::Isa;

/// The most that normalising multiplies by, so that zeros stay zeros.
const MOST: f32 = 1e7;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    axes: Axes,
    #[serde(default)]
    normalize: bool,
}

/// Counted from the end where they are negative.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Axes {
    Same(isize),
    Two([isize; 2]),
}

pub(super) fn build(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    Ok(vec![Node::new(Dot { name: name.to_owned(), axes: config.axes, normalize: config.normalize })])
}

struct Dot {
    name: String,
    axes: Axes,
    normalize: bool,
}

/// One sample of each input as a matrix whose rows run along the summed axis, what its rows were multiplied by, and the
/// gradient of the matrix.
#[derive(Default)]
pub(super) struct Side {
    matrix: AlignedBuffer,
    scales: AlignedBuffer,
    gradient: AlignedBuffer,
}

#[derive(Default)]
pub(super) struct DotCache {
    sides: [Side; 2],
    packed: PackedMatrix,
    transposed: AlignedBuffer,
}

/// How a sample's elements lie around an axis.
#[derive(Clone, Copy)]
struct Layout {
    before: usize,
    depth: usize,
    behind: usize,
}

impl Layout {
    fn new(sizes: &[usize], axis: usize) -> Self {
        let product = |sizes: &[usize]| sizes.iter().product();
        Layout { before: product(&sizes[1..axis]), depth: sizes[axis], behind: product(&sizes[axis + 1..]) }
    }

    fn rows(&self) -> usize {
        self.before * self.behind
    }

    fn len(&self) -> usize {
        self.rows() * self.depth
    }

    /// Where each element of the matrix stands in the sample, row by row.
    fn places(self) -> impl Iterator<Item = usize> {
        let row = move |row: usize| row / self.behind * self.depth * self.behind + row % self.behind;
        (0..self.rows()).flat_map(move |r| (0..self.depth).map(move |d| row(r) + d * self.behind))
    }
}

impl Side {
    fn resize(&mut self, layout: &Layout) -> Result<()> {
        self.matrix.resize(layout.len())?;
        self.gradient.resize(layout.len())?;
        Ok(self.scales.resize(layout.rows())?)
    }

    fn load(&mut self, sample: &[f32], layout: Layout, normalize: bool) {
        for (to, place) in self.matrix.iter_mut().zip(layout.places()) {
            *to = sample[place];
        }
        if normalize {
            for (row, scale) in self.matrix.chunks_exact_mut(layout.depth.max(1)).zip(self.scales.iter_mut()) {
                *scale = (1.0 / row.iter().map(|x| x * x).sum::<f32>().sqrt()).min(MOST);
                row.iter_mut().for_each(|x| *x *= *scale);
            }
        }
    }

    /// Adds the gradient of the matrix to the sample's.
    fn unload(&mut self, layout: Layout, normalize: bool, d_sample: &mut [f32]) {
        if normalize {
            let rows =
                self.matrix.chunks_exact(layout.depth.max(1)).zip(self.gradient.chunks_exact_mut(layout.depth.max(1)));
            for ((x, dx), &scale) in rows.zip(self.scales.iter()) {
                let along: f32 = x.iter().zip(&*dx).map(|(x, dx)| x * dx).sum();
                // A row that is too short to be normalised is only multiplied.
                let along = if scale < MOST { along } else { 0.0 };
                dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = (*dx - x * along) * scale);
            }
        }
        for (from, place) in self.gradient.iter().zip(layout.places()) {
            d_sample[place] += from;
        }
    }
}

impl Dot {
    fn axes(&self, inputs: [usize; 2]) -> Result<[usize; 2]> {
        let axes = match self.axes {
            Axes::Same(axis) => [axis; 2],
            Axes::Two(axes) => axes,
        };
        let resolve = |axis: isize, rank: usize| {
            let counted = if axis < 0 { axis.checked_add_unsigned(rank) } else { Some(axis) };
            let counted = counted.and_then(|axis| usize::try_from(axis).ok());
            counted.filter(|axis| (1..rank).contains(axis)).ok_or_else(|| {
                let message = format!("axes: {axis} is none of an array of {rank} axes, the batch's left out");
                Error::value(&self.name, message)
            })
        };
        Ok([resolve(axes[0], inputs[0])?, resolve(axes[1], inputs[1])?])
    }

    fn layouts(&self, sizes: [&[usize]; 2]) -> Result<[Layout; 2]> {
        let axes = self.axes(sizes.map(<[usize]>::len))?;
        Ok([Layout::new(sizes[0], axes[0]), Layout::new(sizes[1], axes[1])])
    }
}

/// `gradient = aᵀ · dz`
fn product(isa: Isa, rows: usize, a: (&[f32], usize), dz: (&[f32], usize), gradient: &mut [f32]) {
    gradient.fill(0.0);
    let (dz, a) = (Rows::adjacent(dz.0, dz.1), Rows::adjacent(a.0, a.1));
    let gradient = WeightGradient { rows, dz, operands: [Some((a, gradient)), None], bias: None };
    // On this thread alone: a sample is small.
    gradient.run(isa, &parallel::team(0));
}

impl Layer for Dot {
    type Cache = DotCache;

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [x, y] = inputs else {
            return Err(Error::value(&self.name, format!("takes two inputs, not {}", inputs.len())));
        };
        let axes = self.axes([x.rank(), y.rank()])?;
        let differ = |a: Option<usize>, b: Option<usize>| a.is_some() && b.is_some() && a != b;
        if differ(x.0[axes[0]], y.0[axes[1]]) || differ(x.0[0], y.0[0]) {
            let expected = format!("the size along axis {} that {x} has along axis {}", axes[1], axes[0]);
            return Err(Error::shape(&self.name, "the second input", expected, y.clone()));
        }
        let without = |shape: &Shape, axis: usize| {
            let kept = shape.0.iter().enumerate().skip(1).filter(move |(i, _)| *i != axis);
            kept.map(|(_, &size)| size).collect::<Vec<_>>()
        };
        let mut sizes = vec![x.0[0].or(y.0[0])];
        sizes.extend(without(x, axes[0]));
        sizes.extend(without(y, axes[1]));
        if sizes.len() == 1 {
            sizes.push(Some(1));
        }
        Ok(vec![Shape(sizes)])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::Drop
    }

    fn forward(&self, call: Forward<'_>, cache: &mut DotCache) -> Result<()> {
        let inputs = [call.input(0), call.input(1)];
        let layouts = self.layouts(inputs.map(|x| x.sizes()))?;
        let [left, right] = layouts.map(|layout| layout.rows());
        let depth = layouts[0].depth;
        for (side, layout) in cache.sides.iter_mut().zip(&layouts) {
            side.resize(layout)?;
        }
        cache.transposed.resize(left * right)?;
        for (sample, z) in call.outputs[0].floats_mut().chunks_exact_mut((left * right).max(1)).enumerate() {
            for ((side, layout), x) in cache.sides.iter_mut().zip(layouts).zip(inputs) {
                side.load(&x.floats()[sample * layout.len()..][..layout.len()], layout, self.normalize);
            }
            cache.packed.pack(call.isa, Source::transposed(&cache.sides[1].matrix, depth), depth, right)?;
            let task = Matmul {
                rows: left,
                a: Rows::adjacent(&cache.sides[0].matrix, depth),
                b: &cache.packed,
                c: RowsMut::adjacent(z, right),
                initial: Initial::Zero,
            };
            task.run(call.isa);
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut DotCache) {
        let isa = call.isa;
        let inputs = [call.input(0), call.input(1)];
        let Some(dz) = call.d_output(0) else { return };
        let Ok(layouts) = self.layouts(inputs.map(|x| x.sizes())) else { return };
        let [left, right] = layouts.map(|layout| layout.rows());
        let depth = layouts[0].depth;
        for (i, layout) in layouts.into_iter().enumerate() {
            match call.d_input(i) {
                Some((dx, false)) => dx.fill(0.0),
                Some((_, true)) => {}
                None => continue,
            }
            for (sample, dz) in dz.chunks_exact((left * right).max(1)).enumerate() {
                for ((side, layout), x) in cache.sides.iter_mut().zip(layouts).zip(inputs) {
                    side.load(&x.floats()[sample * layout.len()..][..layout.len()], layout, self.normalize);
                }
                let [x, y] = &mut cache.sides;
                if i == 0 {
                    for (n, row) in cache.transposed.chunks_exact_mut(left.max(1)).enumerate() {
                        row.iter_mut().enumerate().for_each(|(m, to)| *to = dz[m * right + n]);
                    }
                    product(isa, right, (&cache.transposed, left), (&y.matrix, depth), &mut x.gradient);
                } else {
                    product(isa, left, (dz, right), (&x.matrix, depth), &mut y.gradient);
                }
                if let Some((dx, _)) = call.d_input(i) {
                    let d_sample = &mut dx[sample * layout.len()..][..layout.len()];
                    cache.sides[i].unload(layout, self.normalize, d_sample);
                }
            }
        }
    }
}
