//! Pooling: the mean or the largest of several time steps, feature by feature.

use serde::Deserialize;
use serde_json::Value;

use super::config::read;
use super::window::{Number, Padding, Window, check_data_format, needs_whole_sequences, sequences};
use super::{Backward, Forward, Layer, MaskRule, Node, Shape, one_input};
use crate::error::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Mean,
    Largest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GlobalConfig {
    data_format: Option<String>,
    #[serde(default)]
    keepdims: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    pool_size: Number,
    strides: Option<Number>,
    padding: Option<Padding>,
    data_format: Option<String>,
}

pub(super) fn build_global_average(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build_global(Of::Mean, name, config)
}

pub(super) fn build_global_max(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build_global(Of::Largest, name, config)
}

pub(super) fn build_average(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Of::Mean, name, config)
}

pub(super) fn build_max(name: &str, config: &Value, _: &[Shape]) -> Result<Vec<Node>> {
    build(Of::Largest, name, config)
}

fn build_global(of: Of, name: &str, config: &Value) -> Result<Vec<Node>> {
    let config: GlobalConfig = read(name, config)?;
    check_data_format(name, config.data_format.as_deref())?;
    Ok(vec![Node::new(GlobalPooling { name: name.to_owned(), of, keepdims: config.keepdims })])
}

fn build(of: Of, name: &str, config: &Value) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    check_data_format(name, config.data_format.as_deref())?;
    let padding = config.padding.unwrap_or(Padding::Valid);
    if padding == Padding::Causal {
        return Err(Error::value(name, "padding must be 'valid' or 'same'"));
    }
    let window = Window {
        size: config.pool_size.positive(name, "pool_size")?,
        stride: config.strides.unwrap_or(config.pool_size).positive(name, "strides")?,
        dilation: 1,
        padding,
    };
    Ok(vec![Node::new(Pooling { name: name.to_owned(), of, window })])
}

/// The larger number, or the one that is none.
fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// Over all time steps; a mean leaves out those that are masked, as Keras does.
struct GlobalPooling {
    name: String,
    of: Of,
    keepdims: bool,
}

/// The steps of one sample that count.
fn kept(mask: Option<&[u8]>, sample: usize, steps: usize) -> impl Iterator<Item = usize> + Clone + '_ {
    (0..steps).filter(move |step| mask.is_none_or(|mask| mask[sample * steps + step] != 0))
}

impl Layer for GlobalPooling {
    /// For each feature of a sample how many steps have the largest value.
    type Cache = Vec<f32>;

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        let mut shape = sequences(&self.name, &inputs[0])?.clone();
        if self.keepdims {
            shape.0[1] = Some(1);
        } else {
            shape.0.remove(1);
        }
        Ok(vec![shape])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::Drop
    }

    fn states<'a>(&self, _: usize, _: &'a mut Vec<f32>) -> Result<Vec<&'a mut [f32]>> {
        needs_whole_sequences(&self.name)
    }

    fn forward(&self, call: Forward<'_>, ties: &mut Vec<f32>) -> Result<()> {
        let x = call.input(0);
        let (steps, features) = (x.sizes()[1], x.features());
        ties.resize(features, 0.0);
        for (sample, y) in call.outputs[0].floats_mut().chunks_exact_mut(features.max(1)).enumerate() {
            let x = |step: usize| &x.floats()[(sample * steps + step) * features..][..features];
            match self.of {
                Of::Mean => {
                    let steps = kept(call.mask, sample, steps);
                    let count = steps.clone().count() as f32;
                    y.fill(0.0);
                    steps.for_each(|step| y.iter_mut().zip(x(step)).for_each(|(y, x)| *y += x));
                    y.iter_mut().for_each(|y| *y /= count);
                }
                Of::Largest => {
                    y.fill(f32::NEG_INFINITY);
                    (0..steps).for_each(|step| y.iter_mut().zip(x(step)).for_each(|(y, &x)| *y = larger(*y, x)));
                }
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, ties: &mut Vec<f32>) {
        let (x, y, mask) = (call.input(0), &call.outputs[0], call.mask);
        let Some(dy) = call.d_output(0) else { return };
        let Some((dx, add)) = call.d_input(0) else { return };
        if !add {
            dx.fill(0.0);
        }
        let (steps, features) = (x.sizes()[1], x.features());
        let rows = y.floats().chunks_exact(features.max(1)).zip(dy.chunks_exact(features.max(1)));
        for (sample, (y, dy)) in rows.enumerate() {
            let at = |step: usize| (sample * steps + step) * features..(sample * steps + step + 1) * features;
            match self.of {
                Of::Mean => {
                    let steps = kept(mask, sample, steps);
                    let count = steps.clone().count() as f32;
                    steps.for_each(|step| dx[at(step)].iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy / count));
                }
                Of::Largest => {
                    // Steps that share the largest value share its gradient, as in Keras.
                    ties.fill(0.0);
                    for step in 0..steps {
                        let equal = x.floats()[at(step)].iter().zip(y).map(|(x, y)| f32::from(u8::from(x == y)));
                        ties.iter_mut().zip(equal).for_each(|(ties, equal)| *ties += equal);
                    }
                    for step in 0..steps {
                        let pairs = x.floats()[at(step)].iter().zip(y).zip(dy).zip(&*ties);
                        for (dx, (((x, y), dy), ties)) in dx[at(step)].iter_mut().zip(pairs) {
                            *dx += if x == y { dy / ties } else { 0.0 };
                        }
                    }
                }
            }
        }
    }
}

/// Over a window that moves along the time axis. Steps that padding adds do not count.
struct Pooling {
    name: String,
    of: Of,
    window: Window,
}

impl Layer for Pooling {
    type Cache = ();

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        Ok(vec![self.window.output_shape(&self.name, &inputs[0])?])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::Drop
    }

    fn states<'a>(&self, _: usize, (): &'a mut ()) -> Result<Vec<&'a mut [f32]>> {
        needs_whole_sequences(&self.name)
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let (x, output) = (call.input(0), &mut call.outputs[0]);
        let (steps, outputs, features) = (x.sizes()[1], output.sizes()[1], x.features());
        for (row, y) in output.floats_mut().chunks_exact_mut(features.max(1)).enumerate() {
            let (sample, output) = (row / outputs, row % outputs);
            let reads = self.window.reads(output, steps);
            let rows = reads.map(|(_, step)| &x.floats()[(sample * steps + step) * features..][..features]);
            match self.of {
                Of::Mean => {
                    let mut count = 0.0;
                    y.fill(0.0);
                    for x in rows {
                        count += 1.0;
                        y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
                    }
                    y.iter_mut().for_each(|y| *y /= count);
                }
                Of::Largest => {
                    y.fill(f32::NEG_INFINITY);
                    rows.for_each(|x| y.iter_mut().zip(x).for_each(|(y, &x)| *y = larger(*y, x)));
                }
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (x, y) = (call.input(0), &call.outputs[0]);
        let Some(dy) = call.d_output(0) else { return };
        let Some((dx, add)) = call.d_input(0) else { return };
        if !add {
            dx.fill(0.0);
        }
        let (steps, outputs, features) = (x.sizes()[1], y.sizes()[1], x.features());
        for (row, dy) in dy.chunks_exact(features.max(1)).enumerate() {
            let (sample, output) = (row / outputs, row % outputs);
            let start = move |step: usize| (sample * steps + step) * features;
            let reads = || self.window.reads(output, steps);
            match self.of {
                Of::Mean => {
                    let count = reads().count() as f32;
                    for (_, step) in reads() {
                        let dx = &mut dx[start(step)..][..features];
                        dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy / count);
                    }
                }
                Of::Largest => {
                    // The first of those that are equal has it, as in Keras.
                    let y = &y.floats()[row * features..][..features];
                    for (feature, (y, dy)) in y.iter().zip(dy).enumerate() {
                        let first = reads().find(|&(_, step)| x.floats()[start(step) + feature] == *y);
                        if let Some((_, step)) = first {
                            dx[start(step) + feature] += dy;
                        }
                    }
                }
            }
        }
    }
}
