//! What weights and outputs are held to: penalties in the loss, and constraints after an update.

use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};

use crate::layers::{Regularizer, Tensor};
use crate::network::{Plan, PlannedWeight, Workspace};

/// The penalty of all trained weights.
pub(super) fn penalty(plan: &Plan, weights: &[f32]) -> f64 {
    let penalty = |weight: &PlannedWeight| Some(weight.rules.regularizer?.value(&view(weight, weights)));
    held(plan).filter_map(penalty).sum()
}

/// Adds the penalty's gradient.
pub(super) fn add_gradients(plan: &Plan, weights: &[f32], gradients: &mut [f32]) {
    for weight in held(plan) {
        if let Some(regularizer) = weight.rules.regularizer {
            regularizer.add_gradient(&view(weight, weights), &mut view_mut(weight, gradients));
        }
    }
}

/// The penalty of all outputs of layers in the workspace, each divided by the number of samples; masks count for nothing.
pub(super) fn activity(plan: &Plan, work: &Workspace) -> f64 {
    let penalty = |&(number, regularizer): &(usize, Regularizer)| {
        let tensor = work.tensor(number);
        regularizer.divided(samples(tensor)).value(&output(tensor))
    };
    plan.activities().iter().map(penalty).sum()
}

/// Adds its gradient to those of the outputs.
pub(super) fn add_activity_gradients(plan: &Plan, work: &mut Workspace) {
    for &(number, regularizer) in plan.activities() {
        let Some(mut gradient) = work.take_gradient(number) else { continue };
        let (target, add) = gradient.claim().expect("only wanted gradients can be taken");
        if !add {
            target.fill(0.0);
        }
        let tensor = work.tensor(number);
        let target = ArrayViewMutD::from_shape(IxDyn(tensor.sizes()), target);
        let mut target = target.expect("a gradient is as long as its tensor");
        regularizer.divided(samples(tensor)).add_gradient(&output(tensor), &mut target);
        work.put_gradient(number, gradient);
    }
}

fn samples(tensor: &Tensor) -> f32 {
    tensor.sizes()[0].max(1) as f32
}

fn output(tensor: &Tensor) -> ArrayViewD<'_, f32> {
    ArrayViewD::from_shape(IxDyn(tensor.sizes()), tensor.floats()).expect("a tensor fits its sizes")
}

/// Changes the weights to what their constraints allow.
pub(super) fn constrain(plan: &Plan, weights: &mut [f32]) {
    for weight in held(plan) {
        if let Some(constraint) = &weight.rules.constraint {
            constraint.apply(&mut view_mut(weight, weights));
        }
    }
}

fn held(plan: &Plan) -> impl Iterator<Item = &PlannedWeight> {
    plan.weights().iter().filter(|weight| weight.trainable && !weight.rules.is_free())
}

fn view<'a>(weight: &PlannedWeight, flat: &'a [f32]) -> ArrayViewD<'a, f32> {
    ArrayViewD::from_shape(IxDyn(&weight.shape), &flat[weight.range.clone()]).expect("a range fits its shape")
}

fn view_mut<'a>(weight: &PlannedWeight, flat: &'a mut [f32]) -> ArrayViewMutD<'a, f32> {
    ArrayViewMutD::from_shape(IxDyn(&weight.shape), &mut flat[weight.range.clone()]).expect("a range fits its shape")
}
