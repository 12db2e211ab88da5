//! Dense: `y = x · kernel + bias` over the last axis.

use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;

use super::activation::Activation;
use super::config::{Absent, Precision, activation_named, read, yes};
use super::{
    AnyActivation, Backward, Constraint, Forward, Initializer, Layer, Node, Regularizer, Rules, Shape, Weight,
    checked_len, one_input,
};
use crate::error::{Error, Result};
use crate::kernels::activation::Activation as Function;
use crate::kernels::matmul::{Initial, Matmul};
use crate::kernels::pack::{PackedMatrix, Source};
use crate::kernels::weight_gradient::WeightGradient;
use crate::kernels::{Rows, RowsMut};
use crate::parallel;
use crate::simd::Isa;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    units: usize,
    activation: Option<String>,
    #[serde(default = "yes")]
    use_bias: bool,
    kernel_initializer: Initializer,
    bias_initializer: Initializer,
    kernel_regularizer: Option<Regularizer>,
    bias_regularizer: Option<Regularizer>,
    kernel_constraint: Option<Constraint>,
    bias_constraint: Option<Constraint>,
    #[serde(default, rename = "quantization_config")]
    _quantization: Absent,
}

/// The activation is a node of its own, so that a loss can find the logits before it.
pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let precision = Precision::of(name, config)?;
    let config: Config = read(name, config)?;
    if config.units == 0 {
        return Err(Error::value(name, "units must be positive"));
    }
    checked_len(name, &[config.units])?;
    let shape = &inputs[0];
    let features = shape.features().filter(|_| shape.rank() >= 2).ok_or_else(|| {
        Error::shape(name, "the input", "(batch, ..., features) with a known number of features", shape.clone())
    })?;
    let mut nodes = vec![Node::new(Dense {
        name: name.to_owned(),
        features,
        units: config.units,
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

struct Dense {
    name: String,
    features: usize,
    units: usize,
    use_bias: bool,
    precision: Precision,
    rules: [Rules; 2],
    kernel: PackedMatrix,
    kernel_transposed: PackedMatrix,
}

impl Dense {
    fn bias<'a>(&self, weights: &'a [f32]) -> Option<&'a [f32]> {
        self.use_bias.then(|| &weights[self.features * self.units..])
    }

    /// Floating-point operations of one product.
    fn operations(&self, rows: usize) -> usize {
        2 * rows * self.features * self.units
    }

    fn ranges(&self, rows: usize) -> impl Iterator<Item = Range<usize>> {
        parallel::ranges(rows, parallel::parts(rows, 1, self.operations(rows)))
    }
}

impl Layer for Dense {
    type Cache = ();

    fn weights(&self) -> Vec<Weight> {
        let [kernel, bias] = self.rules.clone();
        let mut weights = vec![Weight::new("kernel", [self.features, self.units], kernel)];
        if self.use_bias {
            weights.push(Weight::new("bias", [self.units], bias));
        }
        weights
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        if inputs[0].features() != Some(self.features) {
            let expected = inputs[0].with_features(self.features);
            return Err(Error::shape(&self.name, "the input", expected, inputs[0].clone()));
        }
        Ok(vec![inputs[0].with_features(self.units)])
    }

    fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        let (isa, kernel) = (self.precision.on(isa), &weights[..self.features * self.units]);
        self.kernel.pack(isa, Source::row_major(kernel, self.units), self.features, self.units)?;
        if training {
            let transposed = Source::transposed(kernel, self.units);
            self.kernel_transposed.pack(isa, transposed, self.units, self.features)?;
        }
        Ok(())
    }

    fn forward(&self, call: Forward<'_>, (): &mut ()) -> Result<()> {
        let (isa, x) = (self.precision.on(call.isa), call.input(0));
        let initial = self.bias(call.weights).map_or(Initial::Zero, Initial::Bias);
        let mut rest = call.outputs[0].floats_mut();
        let tasks = self.ranges(x.rows()).map(|rows| Matmul {
            rows: rows.len(),
            a: Rows::adjacent(&x.floats()[rows.start * self.features..], self.features),
            b: &self.kernel,
            c: RowsMut::adjacent(parallel::take(&mut rest, &rows, self.units), self.units),
            initial,
        });
        parallel::run(self.operations(x.rows()), tasks, |task| task.run(isa));
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, (): &mut ()) {
        let (isa, x) = (self.precision.on(call.isa), call.input(0));
        let Some(dy) = call.d_output(0) else { return };
        let rows = x.rows();
        if let Some(gradients) = call.gradients.take() {
            let (kernel, bias) = gradients.split_at_mut(self.features * self.units);
            let inputs = Rows::adjacent(x.floats(), self.features);
            let gradient = WeightGradient {
                rows,
                dz: Rows::adjacent(dy, self.units),
                operands: [Some((inputs, kernel)), None],
                bias: self.use_bias.then_some(bias),
            };
            gradient.run(isa, &parallel::team(self.operations(rows)));
        }
        if let Some((mut dx, add)) = call.d_input(0) {
            let initial = if add { Initial::Target } else { Initial::Zero };
            let tasks = self.ranges(rows).map(|rows| Matmul {
                rows: rows.len(),
                a: Rows::adjacent(&dy[rows.start * self.units..], self.units),
                b: &self.kernel_transposed,
                c: RowsMut::adjacent(parallel::take(&mut dx, &rows, self.features), self.features),
                initial,
            });
            parallel::run(self.operations(rows), tasks, |task| task.run(isa));
        }
    }
}
