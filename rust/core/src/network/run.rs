//! A plan with weights, and what one call of it needs.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::data::{Data, Rows};
use super::graph::Graph;
use super::plan::{Operation, Plan, PlannedNode, PlannedWeight};
use super::schedule::Schedule;
use crate::error::{Error, Result};
use crate::kernels::AlignedBuffer;
use crate::layers::{
    AnyCache, Backward, Forward, Gradient, Masks, RowSet, Shape, StackInput, Stacked, Tensor, checked_len,
    forward_stack,
};
use crate::simd::{FlushDenormals, Isa};

/// The tensors, masks, caches and gradients of one call. It keeps its memory for the next.
#[derive(Default)]
pub struct Workspace {
    tensors: Vec<Tensor>,
    gradients: Vec<Gradient>,
    masks: Vec<Vec<u8>>,
    caches: Vec<AnyCache>,
    /// The input sizes that the tensors are laid out for.
    bound: Vec<Vec<usize>>,
    sizes: Vec<usize>,
    /// Whether calls go on from each other's states.
    resume: bool,
    /// The number of the training step: what is drawn in each is different.
    step: u64,
}

impl Workspace {
    /// Makes every call go on from the states in which the last one left its sequences.
    pub(super) fn resume(&mut self) {
        self.resume = true;
    }

    /// Says which training step comes, so that the same step draws the same.
    pub(crate) fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    /// A tensor, after a forward pass.
    pub(crate) fn tensor(&self, tensor: usize) -> &Tensor {
        &self.tensors[tensor]
    }

    /// A mask, after a forward pass.
    pub(crate) fn mask(&self, mask: usize) -> &[u8] {
        &self.masks[mask]
    }

    /// Takes out the gradient of a tensor, if it is wanted, to write it while tensors are read.
    pub(crate) fn take_gradient(&mut self, tensor: usize) -> Option<Gradient> {
        let gradient = &mut self.gradients[tensor];
        gradient.is_wanted().then(|| std::mem::take(gradient))
    }

    /// Puts it back.
    pub(crate) fn put_gradient(&mut self, tensor: usize, gradient: Gradient) {
        self.gradients[tensor] = gradient;
    }
}

/// What layers compute that do something else in training: that drop, add noise or normalise by the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All of them what prediction does.
    Inference,
    /// All of them what a training step does; caches hold what a backward pass needs.
    Training,
    /// Those that the model's description calls with `training=True` what a training step does, the others what
    /// prediction does.
    AsCalled,
}

impl Mode {
    fn trains(self, operation: &Operation) -> bool {
        match self {
            Mode::Inference => false,
            Mode::Training => true,
            Mode::AsCalled => operation.training,
        }
    }
}

/// Calls draw as if they were training steps from this one on, which no training reaches.
const FIRST_CALL: u64 = 1 << 40;

/// A model that can compute: a plan and its weights.
///
/// Any number of threads may call [`Network::predict`] at once.
pub struct Network {
    plan: Plan,
    /// Of prediction, and of every other mode.
    schedules: [Schedule; 2],
    weights: AlignedBuffer,
    isa: Isa,
    seed: u64,
    /// Whether the copies of the weights that backward reads are kept.
    training: bool,
    /// Whether rows of the weights wait for steps that a trainer has put off.
    behind: bool,
    /// How often the weights have changed.
    version: u64,
    idle: Mutex<Vec<Workspace>>,
    /// For each node the states that go from one batch to the next, `batch x features` each.
    kept: Mutex<Vec<Vec<Vec<f32>>>>,
}

impl Network {
    /// Lays a model out and draws its initial weights.
    ///
    /// # Errors
    /// As [`Plan::new`]; where there is no memory for the weights.
    pub fn new(graph: &Graph, input_shapes: &[Shape], seed: u64, isa: Isa) -> Result<Network> {
        let plan = Plan::new(graph, input_shapes)?;
        let mut weights = AlignedBuffer::zeros(plan.weights_len())?;
        for (stream, weight) in plan.weights.iter().enumerate() {
            let target = &mut weights[weight.range.clone()];
            weight.rules.initializer.fill(&weight.shape, seed, stream as u64, target)?;
        }
        let idle = Mutex::default();
        let kept = Mutex::new(vec![Vec::new(); plan.nodes.len()]);
        let schedules = [false, true].map(|training| Schedule::new(&plan, training));
        let (training, behind, version) = (false, false, 0);
        let mut network = Network { plan, schedules, weights, isa, seed, training, behind, version, idle, kept };
        network.pack(|_| true)?;
        Ok(network)
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How often the weights have changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The instruction set it computes on.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Whether rows of the weights wait for steps that a trainer has put off: until [`Trainer::settle`], nothing but its
    /// next training step may read them.
    ///
    /// [`Trainer::settle`]: crate::training::Trainer::settle
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Everything that reads or replaces weights passes here, but for a training step.
    pub(crate) fn assert_settled(&self) {
        assert!(!self.behind, "the trainer has put off steps of these weights: it must settle them first");
    }

    /// Each weight and its values.
    ///
    /// # Panics
    /// Where the weights are [behind](Network::is_behind).
    pub fn weights(&self) -> impl Iterator<Item = (&PlannedWeight, ArrayViewD<'_, f32>)> {
        self.assert_settled();
        self.plan.weights.iter().map(|weight| {
            let values = ArrayViewD::from_shape(IxDyn(&weight.shape), &self.weights[weight.range.clone()]);
            (weight, values.expect("a weight's range is as long as its shape says"))
        })
    }

    /// Sets the weights from number `first` on.
    ///
    /// # Errors
    /// Where there are too many, or a shape is another; no weight is changed then.
    ///
    /// # Panics
    /// Where the weights are [behind](Network::is_behind).
    pub fn set_weights(&mut self, first: usize, weights: &[ArrayViewD<'_, f32>]) -> Result<()> {
        self.assert_settled();
        let all = self.plan.weights.len();
        let Some(planned) = self.plan.weights.get(first..).and_then(|rest| rest.get(..weights.len())) else {
            let given = weights.len();
            let message = format!("got {given} arrays from number {first} on, the model has {all} weights");
            return Err(Error::value("set_weights", message));
        };
        for (planned, given) in planned.iter().zip(weights) {
            if planned.shape != given.shape() {
                let place = format!("{}/{}", planned.layer, planned.path);
                return Err(Error::shape(
                    place,
                    "the array",
                    Shape::known(&planned.shape),
                    Shape::known(given.shape()),
                ));
            }
        }
        self.version += 1;
        for (planned, given) in planned.iter().zip(weights) {
            let target = &mut self.weights[planned.range.clone()];
            target.iter_mut().zip(given.iter()).for_each(|(to, &from)| *to = from);
        }
        self.pack(|_| true)
    }

    /// Changes the trained weights in place; the flat run holds all. `change` says whether it left some rows behind.
    ///
    /// # Errors
    /// Where there is no memory for their packed copies.
    pub(crate) fn update(&mut self, change: impl FnOnce(&Plan, &mut [f32]) -> bool) -> Result<()> {
        self.version += 1;
        self.behind = change(&self.plan, &mut self.weights);
        self.pack(|planned| planned.trainable)
    }

    /// All weights as they are, steps that were put off not taken.
    pub(crate) fn flat_weights(&self) -> &[f32] {
        &self.weights
    }

    /// Takes steps that were put off, of rows that no layer keeps a copy of; `change` says whether others still wait.
    pub(crate) fn catch_up(&mut self, change: impl FnOnce(&mut [f32]) -> bool) {
        self.behind = change(&mut self.weights);
    }

    /// Whether layers computed in this mode have weights that no gradient but the data moves.
    pub fn follows(&self, mode: Mode) -> bool {
        self.plan.operations.iter().any(|operation| {
            let planned = &self.plan.nodes[operation.node];
            mode.trains(operation) && planned.trainable && planned.node.statistics() > 0
        })
    }

    /// Has the weights that are no gradient's to move follow the data of the pass of this mode in the workspace.
    pub(crate) fn follow(&mut self, work: &Workspace, mode: Mode) {
        for (operation, cache) in self.plan.operations.iter().zip(&work.caches) {
            let planned = &self.plan.nodes[operation.node];
            if mode.trains(operation) && planned.trainable && planned.node.statistics() > 0 {
                planned.node.follow(&mut self.weights[planned.weights.clone()], cache);
            }
        }
    }

    /// Adds the rows of a node's weight that the inputs in the workspace touch.
    pub(crate) fn touched_rows(&self, work: &Workspace, node: usize, rows: &mut RowSet) {
        for operation in self.plan.operations.iter().filter(|operation| operation.node == node) {
            self.plan.nodes[node].node.touched_rows(&work.tensors[operation.inputs[0]], rows);
        }
    }

    /// Prepares for backward passes.
    ///
    /// # Errors
    /// Where there is no memory for the packed copies.
    pub(crate) fn prepare_training(&mut self) -> Result<()> {
        self.assert_settled();
        if self.training {
            return Ok(());
        }
        self.training = true;
        self.pack(|_| true).inspect_err(|_| self.training = false)
    }

    /// Renews the packed copies of some nodes' weights.
    fn pack(&mut self, chosen: impl Fn(&PlannedNode) -> bool) -> Result<()> {
        for planned in self.plan.nodes.iter_mut().filter(|planned| chosen(planned)) {
            planned.node.pack(self.isa, &self.weights[planned.weights.clone()], self.training)?;
        }
        Ok(())
    }

    /// Computes every tensor for some rows of the inputs.
    ///
    /// # Errors
    /// Where the inputs do not fit the model.
    ///
    /// # Panics
    /// Where the weights are [behind](Network::is_behind).
    pub fn forward(&self, work: &mut Workspace, inputs: &[Data<'_>], rows: Rows<'_>, mode: Mode) -> Result<()> {
        let _flush = FlushDenormals::new();
        self.assert_settled();
        self.gather(work, inputs, rows)?;
        self.compute(work, mode)
    }

    /// The second half of [`Network::forward`], after [`Network::gather`]. Of weights that are behind it reads the rows that
    /// the inputs touch.
    pub(crate) fn compute(&self, work: &mut Workspace, mode: Mode) -> Result<()> {
        // Batches that go on from each other's states cannot be computed at the same time.
        let mut kept = (self.plan.is_stateful() && !work.resume).then(|| self.kept());
        if let Some(kept) = &kept {
            self.check_batch(work, kept)?;
        }
        let schedule = self.schedule(mode);
        for stack in &schedule.stacks {
            let &[number] = &**stack else {
                self.compute_stack(work, stack, mode)?;
                continue;
            };
            let (operation, inputs) = (&self.plan.operations[number], &schedule.inputs[number]);
            let planned = &self.plan.nodes[operation.node];
            let kept = kept.as_mut().map(|kept| &mut kept[operation.node]).filter(|states| !states.is_empty());
            let batch = work.tensors[operation.inputs[0]].sizes()[0];
            if let Some(kept) = &kept {
                let states = planned.node.last_states(batch, &mut work.caches[number])?;
                states.into_iter().zip(kept.iter()).for_each(|(state, kept)| state.copy_from_slice(kept));
                planned.node.set_begun(false, &mut work.caches[number]);
            }
            if let Some((tensor, mask)) = operation.given_mask {
                let (given, input) = (&work.tensors[tensor], &work.tensors[operation.inputs[0]]);
                let expected = input.sizes().split_last().map_or(&[][..], |(_, sizes)| sizes);
                if given.sizes() != expected {
                    let (expected, given) = (Shape::known(expected), Shape::known(given.sizes()));
                    return Err(Error::shape(&planned.layer, "the argument mask", expected, given));
                }
                work.masks[mask].clear();
                work.masks[mask].extend(given.floats().iter().map(|&counts| u8::from(counts != 0.0)));
            }
            let (before, rest) = work.tensors.split_at_mut(operation.first_output);
            let mut new_mask = operation.new_mask.map(|mask| std::mem::take(&mut work.masks[mask]));
            let call = Forward {
                isa: self.isa,
                weights: &self.weights[planned.weights.clone()],
                tensors: before,
                inputs,
                outputs: &mut rest[..operation.outputs],
                mask: operation.masks[0].map(|mask| &*work.masks[mask]),
                masks: Masks::new(&work.masks, &operation.masks),
                new_mask: new_mask.as_mut(),
                training: mode.trains(operation),
                resume: work.resume || kept.is_some() && operation.inputs.len() == 1,
                dictionary: schedule.may_be_dictionary[operation.first_output],
                random: self.random(work.step, number),
            };
            let result = planned.node.forward(call, &mut work.caches[number]);
            if let (Some(mask), Some(filled)) = (operation.new_mask, new_mask) {
                work.masks[mask] = filled;
            }
            result?;
            if let Some(kept) = kept {
                let states = planned.node.last_states(batch, &mut work.caches[number])?;
                states.into_iter().zip(kept).for_each(|(state, kept)| kept.copy_from_slice(state));
            }
        }
        if mode == Mode::Training {
            for ((gradient, tensor), planned) in work.gradients.iter_mut().zip(&work.tensors).zip(&self.plan.tensors) {
                gradient.reset(tensor.held_len(), planned.wants_gradient)?;
            }
        }
        Ok(())
    }

    fn schedule(&self, mode: Mode) -> &Schedule {
        &self.schedules[usize::from(mode != Mode::Inference)]
    }

    /// Seed and stream of what an operation draws.
    fn random(&self, step: u64, operation: usize) -> (u64, u64) {
        (self.seed, (step << 16) + operation as u64)
    }

    /// Computes recurrent layers one above the other.
    fn compute_stack(&self, work: &mut Workspace, stack: &[usize], mode: Mode) -> Result<()> {
        let first = &self.plan.operations[stack[0]];
        let (before, rest) = work.tensors.split_at_mut(first.first_output);
        let input = StackInput {
            isa: self.isa,
            x: &before[self.schedule(mode).inputs[stack[0]][0]],
            mask: first.masks[0].map(|mask| &*work.masks[mask]),
            training: mode.trains(first),
            resume: work.resume,
        };
        let (mut outputs, mut caches) = (rest.iter_mut().enumerate(), work.caches.iter_mut().enumerate());
        let layers = stack.iter().map(|&number| {
            let operation = &self.plan.operations[number];
            let output = outputs.find(|&(output, _)| first.first_output + output == operation.first_output);
            let cache = caches.find(|&(cache, _)| cache == number);
            let (output, cache) = (output.expect("outputs stand in order").1, cache.expect("as caches do").1);
            Stacked { node: self.plan.node(operation), cache, output, random: self.random(work.step, number) }
        });
        forward_stack(&input, layers)
    }

    /// Adds to `gradients`, a flat run like the weights, from the output gradients in the workspace.
    pub(crate) fn backward(&self, work: &mut Workspace, gradients: &mut [f32]) {
        for (number, operation) in self.plan.operations.iter().enumerate().rev() {
            let planned = &self.plan.nodes[operation.node];
            let (before, rest) = work.tensors.split_at(operation.first_output);
            let (d_before, d_rest) = work.gradients.split_at_mut(operation.first_output);
            let d_outputs = &d_rest[..operation.outputs];
            if d_outputs.iter().all(|d| d.get().is_none()) {
                continue;
            }
            let call = Backward {
                isa: self.isa,
                weights: &self.weights[planned.weights.clone()],
                gradients: planned.trainable.then(|| &mut gradients[planned.weights.clone()]),
                tensors: before,
                inputs: &operation.inputs,
                outputs: &rest[..operation.outputs],
                d_outputs,
                d_tensors: d_before,
                mask: operation.masks[0].map(|mask| &*work.masks[mask]),
                masks: Masks::new(&work.masks, &operation.masks),
            };
            planned.node.backward(call, &mut work.caches[number]);
        }
    }

    /// The outputs for all rows, computed batch by batch.
    ///
    /// # Errors
    /// Where the inputs do not fit the model.
    pub fn predict(&self, inputs: &[Data<'_>], batch_size: usize) -> Result<Vec<ArrayD<f32>>> {
        let mut prediction = Prediction::new(self, inputs, batch_size)?;
        while prediction.step(self, inputs)? {}
        Ok(prediction.finish(self))
    }

    /// How many rows the inputs have.
    ///
    /// # Errors
    /// Where there are too many or too few inputs, they differ in length or are empty.
    pub fn samples(&self, inputs: &[Data<'_>]) -> Result<usize> {
        let planned = &self.plan.inputs;
        if inputs.len() != planned.len() {
            let (given, wanted) = (inputs.len(), planned.len());
            return Err(Error::value("model", format!("got {given} input arrays, the model has {wanted} inputs")));
        }
        let samples = inputs.first().map_or(0, Data::samples);
        for (planned, input) in planned.iter().zip(inputs) {
            if input.samples() != samples {
                let given = input.samples();
                let name = &planned.name;
                return Err(Error::value(name, format!("has {given} samples where the first input has {samples}")));
            }
        }
        if samples == 0 {
            return Err(Error::value("model", "the input arrays hold no samples"));
        }
        Ok(samples)
    }

    /// Gives a workspace the parts that this network needs, if it has none yet.
    pub(super) fn lay_out(&self, work: &mut Workspace) {
        let plan = &self.plan;
        if work.tensors.is_empty() {
            work.tensors.extend(plan.tensors.iter().map(|planned| Tensor::new(planned.kind)));
            work.gradients.resize_with(plan.tensors.len(), Gradient::default);
            work.masks.resize_with(plan.masks, Vec::new);
            work.caches.extend(plan.operations.iter().map(|operation| plan.nodes[operation.node].node.new_cache()));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Vec<Vec<f32>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the layers that go on from batch to batch begin new sequences, `batch` side by side.
    pub fn begin(&self, batch: usize) {
        for (planned, kept) in self.plan.nodes.iter().zip(self.kept().iter_mut()) {
            *kept = planned.node.kept_states().into_iter().map(|features| vec![0.0; batch * features]).collect();
        }
    }

    /// Each layer that goes on from batch to batch, and its states with their sizes.
    pub fn kept_states(&self) -> Vec<(String, Vec<ArrayD<f32>>)> {
        let kept = self.kept();
        let stateful = self.plan.nodes.iter().zip(kept.iter()).filter(|(_, states)| !states.is_empty());
        let described = stateful.map(|(planned, states)| {
            let features = planned.node.kept_states().into_iter();
            let arrays = states.iter().zip(features).map(|(state, features)| {
                let sizes = vec![state.len() / features, features];
                ArrayD::from_shape_vec(sizes, state.clone()).expect("a state is as long as its sizes say")
            });
            (planned.layer.clone(), arrays.collect())
        });
        described.collect()
    }

    /// Has a layer go on from other states.
    ///
    /// # Errors
    /// Where it keeps none, or they do not fit together.
    pub fn keep_states(&self, layer: &str, given: &[ArrayViewD<'_, f32>]) -> Result<()> {
        let mut kept = self.kept();
        let node = self.plan.nodes.iter().position(|node| node.layer == layer);
        let sizes = node.map(|node| self.plan.nodes[node].node.kept_states()).unwrap_or_default();
        let batch = given.first().map_or(0, |state| state.shape().first().copied().unwrap_or(0));
        let fits = |(state, &features): (&ArrayViewD<'_, f32>, &usize)| state.shape() == [batch, features];
        let Some(node) = node.filter(|_| sizes.len() == given.len() && given.iter().zip(&sizes).all(fits)) else {
            let sizes = sizes.iter().map(|features| format!("(batch, {features})")).collect::<Vec<_>>().join(", ");
            return Err(Error::value(layer, format!("the states must have the shapes [{sizes}]")));
        };
        kept[node] = given.iter().map(|state| state.iter().copied().collect()).collect();
        Ok(())
    }

    /// Checks that a batch has as many samples as the states that it goes on from.
    fn check_batch(&self, work: &Workspace, kept: &[Vec<Vec<f32>>]) -> Result<()> {
        for operation in &self.plan.operations {
            let planned = &self.plan.nodes[operation.node];
            let Some(&features) = planned.node.kept_states().first() else { continue };
            let (given, expected) = (
                work.tensors[operation.inputs[0]].sizes()[0],
                kept[operation.node].first().map_or(0, |state| state.len() / features),
            );
            if given != expected {
                let message = format!(
                    "stateful=True needs batches of the size that the input's batch_shape says, {expected}; this one has \
                     {given} samples: give `batch_size={expected}` and whole batches"
                );
                return Err(Error::value(&planned.layer, message));
            }
        }
        Ok(())
    }

    /// The states of all recurrent layers, `batch x units` each.
    pub(super) fn recurrent_states<'a>(&self, work: &'a mut Workspace, batch: usize) -> Result<Vec<&'a mut [f32]>> {
        let mut states = Vec::new();
        for (operation, cache) in self.plan.operations.iter().zip(&mut work.caches) {
            states.extend(self.plan.nodes[operation.node].node.states(batch, cache)?);
        }
        Ok(states)
    }

    /// Tells all recurrent layers whether their sequences have begun.
    pub(super) fn set_begun(&self, work: &mut Workspace, begun: bool) {
        for (operation, cache) in self.plan.operations.iter().zip(&mut work.caches) {
            self.plan.nodes[operation.node].node.set_begun(begun, cache);
        }
    }

    /// Copies the rows in and gives every tensor its sizes.
    pub(crate) fn gather(&self, work: &mut Workspace, inputs: &[Data<'_>], rows: Rows<'_>) -> Result<()> {
        self.samples(inputs)?;
        let plan = &self.plan;
        self.lay_out(work);
        for (i, (planned, input)) in plan.inputs.iter().zip(inputs).enumerate() {
            let expected = &plan.tensors[i].shape;
            if !expected.admits_samples(input.sizes()) {
                let actual = Shape::known(input.sizes());
                return Err(Error::shape(&planned.consumer, "the input", expected, actual));
            }
            input.gather(&planned.consumer, rows, &mut work.tensors[i], &mut work.sizes)?;
        }
        let same = work.bound.len() == inputs.len()
            && work.bound.iter().zip(&work.tensors).all(|(bound, tensor)| bound == tensor.sizes());
        if same {
            return Ok(());
        }
        work.bound.clear();
        for operation in &plan.operations {
            let shapes: Vec<_> = operation.inputs.iter().map(|&t| Shape::known(work.tensors[t].sizes())).collect();
            for (i, shape) in plan.nodes[operation.node].node.output_shapes(&shapes)?.into_iter().enumerate() {
                let sizes: Vec<_> = shape.0.into_iter().map(|size| size.expect("known in, known out")).collect();
                work.tensors[operation.first_output + i].resize(&sizes)?;
            }
        }
        work.bound.extend(work.tensors[..inputs.len()].iter().map(|tensor| tensor.sizes().to_vec()));
        Ok(())
    }
}

/// Outputs in the making, a batch at a time, so that a caller can do other things between batches.
pub struct Prediction {
    samples: usize,
    batch_size: usize,
    mode: Mode,
    done: usize,
    /// Sizes and values so far of each output.
    outputs: Vec<(Vec<usize>, Vec<f32>)>,
    work: Workspace,
}

impl Prediction {
    /// Prepares for all rows of the inputs.
    ///
    /// # Errors
    /// As [`Network::samples`].
    pub fn new(network: &Network, inputs: &[Data<'_>], batch_size: usize) -> Result<Prediction> {
        let samples = network.samples(inputs)?;
        let work = network.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let mode = Mode::Inference;
        Ok(Prediction { samples, batch_size: batch_size.max(1), mode, done: 0, outputs: Vec::new(), work })
    }

    /// Prepares to compute all rows at once, in this mode. `number` tells calls apart: each draws what is its own.
    ///
    /// # Errors
    /// As [`Network::samples`].
    pub fn of_call(network: &Network, inputs: &[Data<'_>], mode: Mode, number: u64) -> Result<Prediction> {
        let mut prediction = Prediction { mode, ..Prediction::new(network, inputs, usize::MAX)? };
        prediction.work.set_step(FIRST_CALL.saturating_add(number));
        Ok(prediction)
    }

    /// Has the weights that are no gradient's to move follow the data of the batch that was computed last, as
    /// [`Network::follows`] says of a mode.
    ///
    /// # Panics
    /// Where the weights are [behind](Network::is_behind).
    pub fn follow(&self, network: &mut Network) {
        network.assert_settled();
        network.version += 1;
        network.follow(&self.work, self.mode);
    }

    /// Computes the next batch; returns whether rows are left.
    ///
    /// # Errors
    /// Where the inputs do not fit the model.
    pub fn step(&mut self, network: &Network, inputs: &[Data<'_>]) -> Result<bool> {
        let end = self.samples.min(self.done.saturating_add(self.batch_size));
        network.forward(&mut self.work, inputs, Rows::Range(self.done, end), self.mode)?;
        for (i, &output) in network.plan.outputs.iter().enumerate() {
            let tensor = self.work.tensor(output);
            if self.done == 0 {
                let mut sizes = tensor.sizes().to_vec();
                sizes[0] = self.samples;
                let mut values = Vec::new();
                values.try_reserve_exact(checked_len("predict", &sizes)?)?;
                self.outputs.push((sizes, values));
            }
            self.outputs[i].1.extend_from_slice(tensor.floats());
        }
        self.done = end;
        Ok(self.done < self.samples)
    }

    /// The outputs, once no rows are left.
    pub fn finish(self, network: &Network) -> Vec<ArrayD<f32>> {
        network.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.work);
        let outputs = self.outputs.into_iter();
        outputs.map(|(sizes, values)| ArrayD::from_shape_vec(sizes, values).expect("all rows are done")).collect()
    }
}
