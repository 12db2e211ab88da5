//! The train step: gather, forward, loss, backward, update, metrics.

use ndarray::ArrayViewD;
use serde::Deserialize;

use super::Serialised;
use super::held;
use super::loss::Loss;
use super::metric::Metric;
use super::optimizer::Optimizer;
use super::target::{Labelled, Own, SampleWeights};
use crate::error::{Error, Result};
use crate::kernels::AlignedBuffer;
use crate::layers::{Kind, Shape, Tensor, Values};
use crate::network::{Data, Mode, Network, Rows, Workspace};
use crate::simd::{FlushDenormals, Isa};

/// Loss, metrics and optimizer as Keras serialises them; lists have one entry an output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerConfig {
    optimizer: Serialised,
    loss: Vec<Serialised>,
    /// What each loss counts in the sum of all; 1 where none is given.
    #[serde(default)]
    loss_weights: Vec<f32>,
    #[serde(default)]
    metrics: Vec<Vec<Serialised>>,
    #[serde(default)]
    weighted_metrics: Vec<Vec<Serialised>>,
    /// Whether rows with a NaN among their targets are left out.
    #[serde(default)]
    skip_nan: bool,
}

impl TrainerConfig {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// Where it is not of this form.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|source| Error::Config { place: "compile".to_owned(), source })
    }
}

/// One output of the model and what is asked of it.
struct Objective {
    /// The tensor of the output.
    output: usize,
    /// The tensor before the softmax or sigmoid that made the output, if one of them did.
    logits: Option<usize>,
    mask: Option<usize>,
    loss: Loss,
    /// What the loss counts in the sum of all.
    loss_weight: f32,
    /// The sum of batch losses, not weighted, times batch sizes.
    loss_total: f64,
    /// Metrics, and whether they count sample weights.
    metrics: Vec<(Metric, bool)>,
    /// The batch's targets.
    target: Tensor,
    /// The batch's sample weights.
    weights: Tensor,
    /// Whether rows without a target are left out, and which of the batch have one.
    skip_nan: bool,
    present: Vec<u8>,
    /// What the caller has computed for the batch.
    own: Option<Own>,
}

/// What the first half of a step has computed for one output.
pub struct Outcome<'a> {
    /// The predictions.
    pub predicted: &'a Tensor,
    /// One a row of them; 0 leaves the row out.
    pub mask: Option<&'a [u8]>,
}

/// A step between its halves.
#[derive(Clone, Copy)]
struct Begun {
    training: bool,
    rows: usize,
    /// Of the weights that computed the predictions.
    version: u64,
}

/// The arrays of a batch beside the inputs, one an output.
#[derive(Clone, Copy)]
pub struct Targets<'a, 'data> {
    /// What the outputs should be.
    pub y: &'a [Data<'data>],
    /// How much each sample, or each step of it, counts.
    pub sample_weight: &'a [Option<ArrayViewD<'data, f32>>],
}

/// Floats of an embedding from which [`Trainer::defer`] pays. A smaller table stays in the second-level cache with its
/// gradients and moments, so that there is no traffic to save. However many rows a batch touches, the ones that missed a
/// step are read twice at the next and the others once, which is never much more than reading all: the batch's size does
/// not matter.
pub const WORTH_DEFERRING: usize = 1 << 16;

/// What training needs beside the network.
pub struct Trainer {
    objectives: Vec<Objective>,
    optimizer: Optimizer,
    gradients: AlignedBuffer,
    work: Workspace,
    /// The sum of batch losses times batch sizes, and of batch sizes.
    loss: (f64, f64),
    sizes: Vec<usize>,
    begun: Option<Begun>,
}

impl Trainer {
    /// Prepares a network for training.
    ///
    /// # Errors
    /// Where a loss, metric or optimizer is not known, or there is not one loss an output.
    pub fn new(network: &mut Network, config: &TrainerConfig) -> Result<Trainer> {
        let plan = network.plan();
        let outputs = plan.outputs();
        if config.loss.len() != outputs {
            let given = config.loss.len();
            return Err(Error::value("compile", format!("got {given} losses, the model has {outputs} outputs")));
        }
        if !config.loss_weights.is_empty() && config.loss_weights.len() != outputs {
            let given = config.loss_weights.len();
            return Err(Error::value("compile", format!("got {given} loss weights, the model has {outputs} outputs")));
        }
        let mut objectives = Vec::new();
        for (i, loss) in config.loss.iter().enumerate() {
            let loss = Loss::new(loss)?;
            let classes = plan.output_shapes().nth(i).and_then(|shape| *shape.0.last()?).unwrap_or(1);
            if plan.ends_in_softmax(i) && !loss.suits_softmax() {
                return Err(Error::unsupported(loss.name(), "it needs an output of a sigmoid, not of a softmax"));
            }
            let mut metrics = Vec::new();
            for (lists, weighted) in [(&config.metrics, false), (&config.weighted_metrics, true)] {
                for metric in lists.get(i).into_iter().flatten() {
                    metrics.push((Metric::new(metric, classes)?, weighted));
                }
            }
            objectives.push(Objective {
                output: plan.output(i),
                logits: plan.logits_of(i),
                mask: plan.mask_of(i),
                loss,
                loss_weight: config.loss_weights.get(i).copied().unwrap_or(1.0),
                loss_total: 0.0,
                metrics,
                target: Tensor::new(Kind::Floats),
                weights: Tensor::new(Kind::Floats),
                skip_nan: config.skip_nan,
                present: Vec::new(),
                own: None,
            });
        }
        let optimizer = Optimizer::new(&config.optimizer, plan)?;
        let gradients = AlignedBuffer::zeros(plan.weights_len())?;
        network.prepare_training()?;
        let work = Workspace::default();
        Ok(Trainer { objectives, optimizer, gradients, work, loss: (0.0, 0.0), sizes: Vec::new(), begun: None })
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// The optimizer, to be changed.
    pub fn optimizer_mut(&mut self) -> &mut Optimizer {
        &mut self.optimizer
    }

    /// From now on puts off the steps of embeddings' rows that no token of a batch touches, where the optimizer's rule
    /// allows it and the embedding has at least `least` floats ([`WORTH_DEFERRING`]). A row makes them up before it is read;
    /// no bit of any result changes.
    ///
    /// After training steps the network may then be [behind](Network::is_behind), and what reads or sets weights or moments
    /// panics until [`Trainer::settle`].
    ///
    /// # Panics
    /// Where steps were put off before and are not settled.
    pub fn defer(&mut self, network: &Network, least: usize) {
        self.optimizer.defer(network, least, &mut self.gradients);
    }

    /// Takes all steps that were put off.
    pub fn settle(&mut self, network: &mut Network) {
        let _flush = FlushDenormals::new();
        if self.optimizer.is_behind() {
            let (optimizer, isa) = (&mut self.optimizer, network.isa());
            network.catch_up(|weights| {
                optimizer.settle(isa, weights);
                optimizer.is_behind()
            });
        }
    }

    /// Learns from some rows.
    ///
    /// # Errors
    /// Where the arrays do not fit the model; nothing is changed then.
    ///
    /// # Panics
    /// Where the network waits for another trainer to settle.
    pub fn train_step(
        &mut self,
        network: &mut Network,
        x: &[Data<'_>],
        targets: Targets<'_, '_>,
        rows: Rows<'_>,
    ) -> Result<()> {
        self.begin_training(network, x, targets, rows)?;
        self.end_training(network, rows.len())
    }

    /// The first half of a step, for losses and metrics that the caller computes: the predictions for some rows, which
    /// [`Trainer::outcomes`] shows. [`Trainer::end`] is the second half; without it nothing was learned.
    ///
    /// # Errors
    /// Where the arrays do not fit the model; nothing is changed then.
    ///
    /// # Panics
    /// Where the network waits for another trainer to settle.
    pub fn begin(
        &mut self,
        network: &mut Network,
        x: &[Data<'_>],
        targets: Targets<'_, '_>,
        rows: Rows<'_>,
        training: bool,
    ) -> Result<()> {
        if training {
            self.begin_training(network, x, targets, rows)?;
        } else {
            self.settle(network);
            self.begin_test(network, x, targets, rows)?;
        }
        self.begun = Some(Begun { training, rows: rows.len(), version: network.version() });
        Ok(())
    }

    /// What was computed for each output.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome<'_>> {
        let work = &self.work;
        self.objectives.iter().map(|objective| Outcome {
            predicted: work.tensor(objective.output),
            mask: objective.mask.map(|mask| work.mask(mask)),
        })
    }

    /// The second half of a step: takes what the caller has computed, one entry an output, for losses that are its own.
    ///
    /// # Errors
    /// Where it does not fit, no step has begun, or other steps or weights came in between; nothing is changed then.
    pub fn end(&mut self, network: &mut Network, own: Vec<Option<Own>>) -> Result<()> {
        let begun = self.begun.take().filter(|begun| begun.version == network.version());
        let Some(Begun { training, rows, .. }) = begun else {
            return Err(Error::value("model", "its weights or batch were changed while a step waited for its loss"));
        };
        if own.len() != self.objectives.len() {
            let (given, outputs) = (own.len(), self.objectives.len());
            return Err(Error::value("model", format!("got {given} losses, the model has {outputs} outputs")));
        }
        self.objectives.iter_mut().zip(own).for_each(|(objective, own)| objective.own = own);
        if training { self.end_training(network, rows) } else { self.end_test(network, rows) }
    }

    fn begin_training(
        &mut self,
        network: &mut Network,
        x: &[Data<'_>],
        targets: Targets<'_, '_>,
        rows: Rows<'_>,
    ) -> Result<()> {
        let _flush = FlushDenormals::new();
        assert_eq!(
            network.is_behind(),
            self.optimizer.is_behind(),
            "another trainer has put off steps of this network"
        );
        self.load(network, x, targets, rows)?;
        self.prepare_backward(network);
        if network.is_behind() {
            let (optimizer, isa) = (&mut self.optimizer, network.isa());
            network.catch_up(|weights| {
                optimizer.catch_up(isa, weights);
                optimizer.is_behind()
            });
        }
        self.forward(network, Mode::Training)
    }

    fn end_training(&mut self, network: &mut Network, rows: usize) -> Result<()> {
        let _flush = FlushDenormals::new();
        self.backward(network)?;
        let seen = self.measure(network, rows)?;
        let (optimizer, gradients, isa) = (&mut self.optimizer, &mut self.gradients, network.isa());
        network.update(|plan, weights| {
            let is_behind = optimizer.step(isa, plan, weights, gradients);
            held::constrain(plan, weights);
            is_behind
        })?;
        network.follow(&self.work, Mode::Training);
        self.record(seen);
        Ok(())
    }

    /// Sets the weights to their running mean where the optimizer keeps one, as at the end of training.
    ///
    /// # Errors
    /// Where there is no memory for the packed copies.
    pub fn finalize(&mut self, network: &mut Network) -> Result<()> {
        self.settle(network);
        let optimizer = &mut self.optimizer;
        network.update(|_, weights| {
            optimizer.finalize(weights);
            false
        })
    }

    /// Looks at some rows without learning.
    ///
    /// # Errors
    /// Where the arrays do not fit the model; nothing is changed then.
    pub fn test_step(
        &mut self,
        network: &Network,
        x: &[Data<'_>],
        targets: Targets<'_, '_>,
        rows: Rows<'_>,
    ) -> Result<()> {
        self.begin_test(network, x, targets, rows)?;
        self.end_test(network, rows.len())
    }

    fn begin_test(
        &mut self,
        network: &Network,
        x: &[Data<'_>],
        targets: Targets<'_, '_>,
        rows: Rows<'_>,
    ) -> Result<()> {
        let _flush = FlushDenormals::new();
        network.assert_settled();
        self.load(network, x, targets, rows)?;
        self.forward(network, Mode::Inference)
    }

    fn end_test(&mut self, network: &Network, rows: usize) -> Result<()> {
        let _flush = FlushDenormals::new();
        for objective in &self.objectives {
            objective.check(&self.work)?;
        }
        let seen = self.measure(network, rows)?;
        self.record(seen);
        Ok(())
    }

    /// The loss' gradient for all weights, a flat run like them; nothing is changed.
    ///
    /// # Errors
    /// Where the arrays do not fit the model.
    pub fn gradients(
        &mut self,
        network: &Network,
        x: &[Data<'_>],
        targets: Targets<'_, '_>,
        rows: Rows<'_>,
    ) -> Result<&[f32]> {
        let _flush = FlushDenormals::new();
        network.assert_settled();
        self.load(network, x, targets, rows)?;
        self.prepare_backward(network);
        let states = network.kept_states();
        let result = self.forward(network, Mode::Training).and_then(|()| self.backward(network));
        for (layer, states) in &states {
            network.keep_states(layer, &states.iter().map(|state| state.view()).collect::<Vec<_>>())?;
        }
        result?;
        Ok(&self.gradients)
    }

    /// The loss, with several outputs that of each, then the numbers of each output's metrics, since the last reset.
    pub fn results(&self) -> Vec<f64> {
        let (total, count) = self.loss;
        let mean = |total: f64| if count == 0.0 { 0.0 } else { total / count };
        let several = self.objectives.len() > 1;
        let losses = self.objectives.iter().filter(|_| several).map(|objective| mean(objective.loss_total));
        let metrics = self.objectives.iter().flat_map(|objective| &objective.metrics);
        std::iter::once(mean(total)).chain(losses).chain(metrics.flat_map(|(metric, _)| metric.result())).collect()
    }

    /// Forgets what the metrics have seen.
    pub fn reset_metrics(&mut self) {
        self.loss = (0.0, 0.0);
        self.objectives.iter_mut().for_each(|objective| objective.loss_total = 0.0);
        let metrics = self.objectives.iter_mut().flat_map(|objective| &mut objective.metrics);
        metrics.for_each(|(metric, _)| metric.reset());
    }

    /// Copies the batch in.
    fn load(&mut self, network: &Network, x: &[Data<'_>], targets: Targets<'_, '_>, rows: Rows<'_>) -> Result<()> {
        self.begun = None;
        self.gather(network.samples(x)?, targets, rows)?;
        self.work.set_step(self.optimizer.iterations());
        network.gather(&mut self.work, x, rows)
    }

    /// Makes all gradients zero and notes the rows that the batch will touch.
    fn prepare_backward(&mut self, network: &Network) {
        self.optimizer.clear(&mut self.gradients);
        self.optimizer.touch(network, &self.work);
    }

    /// The predictions.
    fn forward(&mut self, network: &Network, mode: Mode) -> Result<()> {
        network.compute(&mut self.work, mode)?;
        let objectives = self.objectives.iter_mut().filter(|objective| objective.skip_nan);
        objectives.for_each(|objective| objective.find_present(&self.work));
        Ok(())
    }

    /// From the losses into `self.gradients`.
    fn backward(&mut self, network: &Network) -> Result<()> {
        for objective in &self.objectives {
            objective.check(&self.work)?;
        }
        for objective in &self.objectives {
            objective.start_backward(network, &mut self.work)?;
        }
        held::add_activity_gradients(network.plan(), &mut self.work);
        network.backward(&mut self.work, &mut self.gradients);
        held::add_gradients(network.plan(), network.flat_weights(), &mut self.gradients);
        Ok(())
    }

    /// Copies the batch's targets and weights in.
    fn gather(&mut self, samples: usize, targets: Targets<'_, '_>, rows: Rows<'_>) -> Result<()> {
        let Targets { y, sample_weight } = targets;
        if rows.is_empty() {
            return Err(Error::value("model", "a batch needs rows"));
        }
        let outputs = self.objectives.len();
        if y.len() != outputs || sample_weight.len() != outputs {
            let given = y.len();
            return Err(Error::value("model", format!("got {given} target arrays, the model has {outputs} outputs")));
        }
        for (i, objective) in self.objectives.iter_mut().enumerate() {
            let place = objective.loss.name();
            let weights = sample_weight[i].as_ref().map(|weights| Data::F32(weights.view()));
            let given = [("y", Some(y[i].samples())), ("sample_weight", weights.as_ref().map(Data::samples))];
            for (name, given) in given.into_iter().filter_map(|(name, given)| Some((name, given?))) {
                if given != samples {
                    return Err(Error::value(place, format!("{name} has {given} samples where x has {samples}")));
                }
            }
            objective.own = None;
            y[i].gather(place, rows, &mut objective.target, &mut self.sizes)?;
            match &weights {
                Some(weights) => weights.gather(place, rows, &mut objective.weights, &mut self.sizes)?,
                None => objective.weights.resize(&[])?,
            }
        }
        Ok(())
    }

    /// The loss, and each metric's totals, of the batch that was computed.
    fn measure(&self, network: &Network, rows: usize) -> Result<Seen> {
        let plan = network.plan();
        let penalty = held::penalty(plan, network.flat_weights()) + held::activity(plan, &self.work);
        let mut seen = Seen { penalty, losses: Vec::new(), rows: rows as f64, totals: Vec::new() };
        for objective in &self.objectives {
            let labelled = objective.labelled(&self.work, objective.loss.name());
            let weights = objective.sample_weights(&self.work, true);
            seen.losses.push(objective.loss.value(&labelled, &weights)?);
            for (metric, weighted) in &objective.metrics {
                let labelled = objective.labelled(&self.work, metric.name());
                let weights = objective.sample_weights(&self.work, *weighted);
                seen.totals.push(metric.totals(&labelled, &weights)?);
            }
        }
        Ok(seen)
    }

    fn record(&mut self, seen: Seen) {
        for (objective, loss) in self.objectives.iter_mut().zip(seen.losses) {
            objective.loss_total += loss * seen.rows;
            self.loss.0 += loss * seen.rows * f64::from(objective.loss_weight);
        }
        self.loss.0 += seen.penalty * seen.rows;
        self.loss.1 += seen.rows;
        let metrics = self.objectives.iter_mut().flat_map(|objective| &mut objective.metrics);
        metrics.zip(seen.totals).for_each(|((metric, _), totals)| metric.add(&totals));
    }
}

/// What a batch brings to the running means.
struct Seen {
    /// Each output's.
    losses: Vec<f64>,
    /// Of weights and outputs.
    penalty: f64,
    rows: f64,
    totals: Vec<Vec<f64>>,
}

impl Objective {
    fn labelled<'a>(&'a self, work: &'a Workspace, place: &'a str) -> Labelled<'a> {
        let output = work.tensor(self.output);
        Labelled {
            place,
            predicted: output.floats(),
            sizes: output.sizes(),
            logits: self.logits.map(|tensor| work.tensor(tensor).floats()),
            target: &self.target,
            own: self.own.as_ref(),
            part: None,
        }
    }

    fn sample_weights<'a>(&'a self, work: &'a Workspace, weighted: bool) -> SampleWeights<'a> {
        let given = weighted && !self.weights.sizes().is_empty();
        SampleWeights {
            weights: given.then(|| self.weights.floats()),
            mask: self.mask.map(|mask| work.mask(mask)),
            present: self.skip_nan.then_some(&self.present),
        }
    }

    /// Notes the rows that have a target, and puts zeros where there is none, so that no sum meets a NaN.
    fn find_present(&mut self, work: &Workspace) {
        let rows = self.labelled(work, "").rows();
        let Values::Floats(target) = self.target.values_mut() else { return };
        self.present.clear();
        self.present.extend(
            target.chunks(target.len().div_ceil(rows.max(1)).max(1)).map(|y| u8::from(!y.iter().any(|y| y.is_nan()))),
        );
        self.present.resize(rows, 1);
        target.iter_mut().filter(|y| y.is_nan()).for_each(|y| *y = 0.0);
    }

    fn check(&self, work: &Workspace) -> Result<()> {
        let (sizes, labelled) = (self.weights.sizes(), self.labelled(work, self.loss.name()));
        let weights = self.sample_weights(work, true);
        if !sizes.is_empty() {
            weights.check(self.loss.name(), sizes, &labelled)?;
        }
        self.loss.check_own(&labelled, &weights)
    }

    /// Writes the loss' gradient into the workspace.
    fn start_backward(&self, network: &Network, work: &mut Workspace) -> Result<()> {
        let place = self.logits.filter(|_| self.loss.takes_logits()).unwrap_or(self.output);
        let Some(mut gradient) = work.take_gradient(place) else { return Ok(()) };
        let (target, add) = gradient.claim().expect("only wanted gradients can be taken");
        let labelled = self.labelled(work, self.loss.name());
        let weights = self.sample_weights(work, true);
        let before = add.then(|| target.to_vec()).filter(|_| self.loss_weight != 1.0);
        let result = self.loss.gradient(network.isa(), &labelled, &weights, target, add && before.is_none());
        if self.loss_weight != 1.0 {
            target.iter_mut().for_each(|gradient| *gradient *= self.loss_weight);
        }
        if let Some(before) = before {
            // Another loss has begun at this very tensor.
            target.iter_mut().zip(before).for_each(|(gradient, before)| *gradient += before);
        }
        work.put_gradient(place, gradient);
        result
    }
}

/// The value of a loss on plain arrays.
///
/// # Errors
/// Where the loss is not known or the arrays do not fit.
pub fn loss_value(
    loss: &Serialised,
    y_true: &Data<'_>,
    y_pred: &ArrayViewD<'_, f32>,
    sample_weight: Option<&ArrayViewD<'_, f32>>,
) -> Result<f64> {
    let loss = Loss::new(loss)?;
    on_arrays(loss.name(), y_true, y_pred, sample_weight, |labelled, weights| loss.value(labelled, weights))
}

/// The value of a loss for each row of plain arrays, not reduced.
///
/// # Errors
/// Where the loss is not known or the arrays do not fit.
pub fn loss_values(loss: &Serialised, y_true: &Data<'_>, y_pred: &ArrayViewD<'_, f32>) -> Result<Vec<f32>> {
    let loss = Loss::new(loss)?;
    on_arrays(loss.name(), y_true, y_pred, None, |labelled, _| loss.values(labelled))
}

/// The gradient, by plain predictions, of the sum of a loss' values.
///
/// # Errors
/// Where the loss is not known or the arrays do not fit.
pub fn loss_gradient(loss: &Serialised, y_true: &Data<'_>, y_pred: &ArrayViewD<'_, f32>) -> Result<Vec<f32>> {
    let loss = Loss::new(loss)?.summed();
    on_arrays(loss.name(), y_true, y_pred, None, |labelled, weights| {
        let mut gradient = vec![0.0; labelled.predicted.len()];
        loss.gradient(Isa::active(), labelled, weights, &mut gradient, false)?;
        Ok(gradient)
    })
}

/// What plain arrays add to a metric's totals.
///
/// # Errors
/// Where the metric is not known or the arrays do not fit.
pub fn metric_totals(
    metric: &Serialised,
    y_true: &Data<'_>,
    y_pred: &ArrayViewD<'_, f32>,
    sample_weight: Option<&ArrayViewD<'_, f32>>,
) -> Result<Vec<f64>> {
    let metric = Metric::new(metric, y_pred.shape().last().copied().unwrap_or(1))?;
    on_arrays(metric.name(), y_true, y_pred, sample_weight, |labelled, weights| metric.totals(labelled, weights))
}

fn on_arrays<T>(
    place: &str,
    y_true: &Data<'_>,
    y_pred: &ArrayViewD<'_, f32>,
    sample_weight: Option<&ArrayViewD<'_, f32>>,
    compute: impl FnOnce(&Labelled<'_>, &SampleWeights<'_>) -> Result<T>,
) -> Result<T> {
    let mut sizes = Vec::new();
    let mut load = |data: &Data<'_>| -> Result<Tensor> {
        let mut tensor = Tensor::new(Kind::Floats);
        data.gather(place, Rows::Range(0, data.samples()), &mut tensor, &mut sizes)?;
        Ok(tensor)
    };
    let predicted = load(&Data::F32(y_pred.view()))?;
    let target = load(y_true)?;
    if target.sizes()[0] != predicted.sizes()[0] {
        let expected = Shape::known(predicted.sizes());
        return Err(Error::shape(place, "y_true", expected, Shape::known(target.sizes())));
    }
    let weights = sample_weight.map(|weights| load(&Data::F32(weights.view()))).transpose()?;
    let labelled = Labelled {
        place,
        predicted: predicted.floats(),
        sizes: predicted.sizes(),
        logits: None,
        target: &target,
        own: None,
        part: None,
    };
    let sample_weights = SampleWeights { weights: weights.as_ref().map(Tensor::floats), mask: None, present: None };
    if let Some(weights) = &weights {
        sample_weights.check(place, weights.sizes(), &labelled)?;
    }
    compute(&labelled, &sample_weights)
}
