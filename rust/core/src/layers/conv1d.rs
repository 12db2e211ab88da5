//! Conv1D: `y[t] = Σ x[t + place] · kernel[place] + bias`, along the time axis.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;

use super::activation::Activation;
use super::config::{Precision, activation_named, read, yes};
use super::window::{Number, Padding, Window, check_data_format, needs_whole_sequences};
use super::{
    AnyActivation, Backward, Constraint, Forward, Initializer, Layer, MaskRule, Node, Regularizer, Rules, Shape,
    Tensor, Weight, checked_len, one_input,
};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation as Function;
use crate::kernels::matmul::{Initial, Matmul};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{AlignedBuffer, Rows, RowsMut};
use crate::parallel;
use crate::simd::Isa;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    filters: usize,
    kernel_size: Number,
    strides: Option<Number>,
    padding: Option<Padding>,
    data_format: Option<String>,
    dilation_rate: Option<Number>,
    groups: Option<usize>,
    activation: Option<String>,
    #[serde(default = "yes")]
    use_bias: bool,
    kernel_initializer: Initializer,
    bias_initializer: Initializer,
    kernel_regularizer: Option<Regularizer>,
    bias_regularizer: Option<Regularizer>,
    kernel_constraint: Option<Constraint>,
    bias_constraint: Option<Constraint>,
}

/// The activation is a node of its own, so that a loss can find the logits before it.
pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let precision = Precision::of(name, config)?;
    let config: Config = read(name, config)?;
    check_data_format(name, config.data_format.as_deref())?;
    if config.filters == 0 {
        return Err(Error::value(name, "filters must be positive"));
    }
    if config.groups.is_some_and(|groups| groups != 1) {
        return Err(Error::unsupported(name, "groups other than 1 are not supported yet"));
    }
    let one = Number::Plain(1);
    let window = Window {
        size: config.kernel_size.positive(name, "kernel_size")?,
        stride: config.strides.unwrap_or(one).positive(name, "strides")?,
        dilation: config.dilation_rate.unwrap_or(one).positive(name, "dilation_rate")?,
        padding: config.padding.unwrap_or(Padding::Valid),
    };
    checked_len(name, &[window.size, window.dilation])?;
    if window.stride > 1 && window.dilation > 1 {
        return Err(Error::value(name, "strides and dilation_rate cannot both be larger than 1"));
    }
    let channels = inputs[0].features().filter(|_| inputs[0].rank() == 3).ok_or_else(|| {
        Error::shape(name, "the input", "(batch, steps, features) with a known number of features", inputs[0].clone())
    })?;
    checked_len(name, &[window.size, channels, config.filters])?;
    let mut nodes = vec![Node::new(Conv1D {
        name: name.to_owned(),
        window,
        channels,
        filters: config.filters,
        use_bias: config.use_bias,
        precision,
        rules: [
            Rules::new(config.kernel_initializer, config.kernel_regularizer, config.kernel_constraint),
            Rules::new(config.bias_initializer, config.bias_regularizer, config.bias_constraint),
        ],
        kernel: PackedMatrix::default(),
        kernel_transposed: PackedMatrix::default(),
    })];
    let activation = activation_named(name, config.activation.as_deref())?;
    if activation != AnyActivation::Elementwise(Function::Linear) {
        nodes.push(Node::new(Activation { name: name.to_owned(), activation }));
    }
    Ok(nodes)
}

struct Conv1D {
    name: String,
    window: Window,
    channels: usize,
    filters: usize,
    use_bias: bool,
    precision: Precision,
    rules: [Rules; 2],
    kernel: PackedMatrix,
    kernel_transposed: PackedMatrix,
}

/// For each output what the window reads, side by side, and its gradient.
#[derive(Default)]
pub(super) struct ConvCache {
    read: AlignedBuffer,
    d_read: AlignedBuffer,
}

impl Conv1D {
    /// Floats that the window reads for one output.
    fn width(&self) -> usize {
        self.window.size * self.channels
    }

    fn bias<'a>(&self, weights: &'a [f32]) -> Option<&'a [f32]> {
        self.use_bias.then(|| &weights[self.width() * self.filters..])
    }

    /// Floating-point operations of one product.
    fn operations(&self, rows: usize) -> usize {
        2 * rows * self.width() * self.filters
    }

    fn ranges(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        parallel::ranges(rows, parallel::parts(rows, 1, self.operations(rows)))
    }

    /// For each output, counted through all samples, and each place of the window on a step: where the step begins in the
    /// input, and where its copy does among what is read.
    fn copies(&self, x: &Tensor, y: &Tensor) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (steps, outputs, rows) = (x.sizes()[1], y.sizes()[1], y.rows());
        let (window, channels, width) = (self.window, self.channels, self.width());
        (0..rows).flat_map(move |row| {
            let first = row / outputs * steps;
            let reads = window.reads(row % outputs, steps);
            reads.map(move |(place, step)| ((first + step) * channels, row * width + place * channels))
        })
    }
}

impl Layer for Conv1D {
    type Cache = ConvCache;

    fn weights(&self) -> Vec<Weight> {
        let [kernel, bias] = self.rules.clone();
        let shape = vec![self.window.size, self.channels, self.filters];
        let mut weights = vec![Weight::new("kernel", shape, kernel)];
        if self.use_bias {
            weights.push(Weight::new("bias", [self.filters], bias));
        }
        weights
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        if inputs[0].features() != Some(self.channels) {
            let expected = inputs[0].with_features(self.channels);
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![self.window.output_shape(&self.name, &inputs[0])?.with_features(self.filters)])
    }

    fn mask_rule(&self) -> MaskRule {
        MaskRule::Drop
    }

    fn states<'a>(&self, _: usize, _: &'a mut ConvCache) -> Result<Vec<&'a mut [f32]>> {
        needs_whole_sequences(&self.name)
    }

    fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        let (isa, width) = (self.precision.on(isa), self.width());
        let kernel = &weights[..width * self.filters];
        self.kernel.pack(isa, Source::row_major(kernel, self.filters), width, self.filters)?;
        if training {
            let transposed = Source::transposed(kernel, self.filters);
            self.kernel_transposed.pack(isa, transposed, self.filters, width)?;
        }
        Ok(())
    }

    fn forward(&self, call: Forward<'_>, cache: &mut ConvCache) -> Result<()> {
        let isa = self.precision.on(call.isa);
        let (x, y) = (call.input(0), &mut call.outputs[0]);
        let (rows, width) = (y.rows(), self.width());
        let len = checked_len(&self.name, &[rows, width])?;
        cache.read.resize(len)?;
        cache.read.fill(0.0);
        for (from, to) in self.copies(x, y) {
            cache.read[to..to + self.channels].copy_from_slice(&x.floats()[from..from + self.channels]);
        }
        if call.training {
            cache.d_read.resize(len)?;
        }
        let initial = self.bias(call.weights).map_or(Initial::Zero, Initial::Bias);
        let mut rest = y.floats_mut();
        let tasks = self.ranges(rows).map(|rows| Matmul {
            rows: rows.len(),
            a: Rows::adjacent(&cache.read[rows.start * width..], width),
            b: &self.kernel,
            c: RowsMut::adjacent(parallel::take(&mut rest, &rows, self.filters), self.filters),
            initial,
        });
        parallel::run(self.operations(rows), tasks, |task| task.run(isa));
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut ConvCache) {
        let (isa, x, y) = (self.precision.on(call.isa), call.input(0), &call.outputs[0]);
        let Some(dy) = call.d_output(0) else { return };
        let (rows, width) = (y.rows(), self.width());
        if let Some(gradients) = call.gradients.take() {
            let (kernel, bias) = gradients.split_at_mut(width * self.filters);
            let gradient = WeightGradient {
                rows,
                dz: Rows::adjacent(dy, self.filters),
                operands: [Some((Rows::adjacent(&cache.read, width), kernel)), None],
                bias: self.use_bias.then_some(bias),
            };
            gradient.run(isa, &parallel::team(self.operations(rows)));
        }
        let copies = self.copies(x, y);
        if let Some((dx, add)) = call.d_input(0) {
            let mut rest = &mut *cache.d_read;
            let tasks = self.ranges(rows).map(|rows| Matmul {
                rows: rows.len(),
                a: Rows::adjacent(&dy[rows.start * self.filters..], self.filters),
                b: &self.kernel_transposed,
                c: RowsMut::adjacent(parallel::take(&mut rest, &rows, width), width),
                initial: Initial::Zero,
            });
            parallel::run(self.operations(rows), tasks, |task| task.run(isa));
            if !add {
                dx.fill(0.0);
            }
            for (to, from) in copies {
                let pairs = dx[to..to + self.channels].iter_mut().zip(&cache.d_read[from..from + self.channels]);
                pairs.for_each(|(dx, d_read)| *dx += d_read);
            }
        }
    }
}
