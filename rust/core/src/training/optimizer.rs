//! Optimizers: accumulation, clipping, decoupled weight decay, the update and the moving average, in Keras' order.

use std::ops::Range;

use ndarray::ArrayViewD;
use serde::Deserialize;
use serde_json::Value;

use super::Serialised;
use super::deferred::Deferred;
use crate::error::{Error, Result};
use crate::kernels::AlignedBuffer;
use crate::kernels::optimizer::{Adadelta, Adagrad, Adam, Adamax, Lion, Nadam, RmsProp, Sgd};
use crate::layers::Shape;
use crate::network::{Network, Plan, PlannedWeight, Workspace};
use crate::parallel;
use crate::simd::Isa;

/// Operations a weight costs, counted so that sharing starts where memory and not arithmetic is the limit.
pub(super) const OPERATIONS_PER_WEIGHT: usize = 32;

const NAMES: [&str; 9] = ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "RMSprop", "SGD"];

/// How Nadam's momentum grows: `µ(t) = β₁ (1 - 0.96ᵗ / 2)`.
const NADAM_DECAY: f32 = 0.96;

/// The arguments of Keras' optimizers; each class takes those it has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    learning_rate: Value,
    weight_decay: Option<f64>,
    /// Which weights do not decay, by their numbers among all; Keras keeps this list beside the configuration.
    #[serde(default)]
    exclude_from_weight_decay: Vec<usize>,
    clipnorm: Option<f64>,
    global_clipnorm: Option<f64>,
    clipvalue: Option<f64>,
    #[serde(default)]
    use_ema: bool,
    ema_momentum: Option<f64>,
    ema_overwrite_frequency: Option<u64>,
    /// Of the loss before the gradients, which are divided by it after: nothing, in float32.
    #[serde(rename = "loss_scale_factor")]
    _loss_scale_factor: Option<f64>,
    gradient_accumulation_steps: Option<u64>,
    beta_1: Option<f64>,
    beta_2: Option<f64>,
    epsilon: Option<f64>,
    #[serde(default)]
    amsgrad: bool,
    momentum: Option<f64>,
    #[serde(default)]
    nesterov: bool,
    rho: Option<f64>,
    #[serde(default)]
    centered: bool,
    initial_accumulator_value: Option<f32>,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Adadelta { rho: f64, epsilon: f32 },
    Adagrad { epsilon: f32 },
    Adamax { beta_1: f64, beta_2: f64, epsilon: f32 },
    Lion { beta_1: f64, beta_2: f64 },
    Nadam { beta_1: f64, beta_2: f64, epsilon: f32 },
    Adam { beta_1: f64, beta_2: f64, epsilon: f32, amsgrad: bool },
    Sgd { momentum: f64, nesterov: bool },
    RmsProp { rho: f64, momentum: f64, epsilon: f32, centered: bool },
}

impl Rule {
    /// Keras' names of the moments.
    fn moments(self) -> Vec<&'static str> {
        match self {
            Rule::Adadelta { .. } => vec!["accumulated_grad", "accumulated_delta_var"],
            Rule::Adagrad { .. } => vec!["accumulator"],
            Rule::Adamax { .. } => vec!["momentum", "norm"],
            Rule::Lion { .. } => vec!["momentum"],
            Rule::Nadam { .. } => vec!["momentum", "velocity"],
            Rule::Adam { amsgrad: false, .. } => vec!["momentum", "velocity"],
            Rule::Adam { amsgrad: true, .. } => vec!["momentum", "velocity", "velocity_hat"],
            Rule::Sgd { momentum: 0.0, .. } => vec![],
            Rule::Sgd { .. } => vec!["momentum"],
            Rule::RmsProp { momentum, centered, .. } => {
                let mut names = vec!["velocity"];
                names.extend((momentum > 0.0).then_some("momentum"));
                names.extend(centered.then_some("average_gradient"));
                names
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Clip {
    None,
    /// Each weight's gradient to this norm.
    Norm(f32),
    /// All gradients together to this norm.
    GlobalNorm(f32),
    /// Each element to this size.
    Value(f32),
}

/// The running mean of the weights.
#[derive(Clone, Copy, Debug)]
struct Averaging {
    /// The share of it that stays at each step.
    momentum: f32,
    /// Steps after which the weights are set to it.
    overwrite: Option<u64>,
}

/// The names of what is kept beside the rule's own moments.
const AVERAGE: &str = "average";
const ACCUMULATED: &str = "gradient_accumulator";

/// An optimizer and its moments: flat runs of floats like the weights.
pub struct Optimizer {
    rule: Rule,
    clip: Clip,
    weight_decay: Option<f32>,
    /// The weights that decay, where any does.
    decaying: Vec<Range<usize>>,
    averaging: Option<Averaging>,
    /// How many steps' gradients make one update.
    accumulation: u64,
    learning_rate: f32,
    iterations: u64,
    /// The product of Nadam's momenta up to some update.
    nadam: (u64, f32),
    /// The rule's, then what is kept beside them.
    moments: Vec<(&'static str, AlignedBuffer)>,
    /// The trained weights, but for those in `deferred`, as runs of adjacent floats.
    runs: Vec<Range<usize>>,
    deferred: Deferred,
}

impl Optimizer {
    /// Reads an optimizer as Keras serialises it, for a model's weights.
    ///
    /// # Errors
    /// Where its name or an argument is not known, or there is no memory for the moments.
    pub fn new(object: &Serialised, plan: &Plan) -> Result<Optimizer> {
        let class = object.class_name.as_str();
        if !NAMES.contains(&class) {
            return Err(Error::unknown("optimizer", class, NAMES));
        }
        let a: Arguments = object.arguments()?;
        let learning_rate = a.learning_rate.as_f64().ok_or_else(|| {
            Error::unsupported(class, "a schedule is not computed here; give its number before each step")
        })?;
        let averaging = a.use_ema.then(|| Averaging {
            momentum: a.ema_momentum.unwrap_or(0.99) as f32,
            overwrite: a.ema_overwrite_frequency.filter(|&frequency| frequency > 0),
        });
        let clip = match (a.clipnorm, a.global_clipnorm, a.clipvalue) {
            (None, None, None) => Clip::None,
            (Some(norm), None, None) => Clip::Norm(norm as f32),
            (None, Some(norm), None) => Clip::GlobalNorm(norm as f32),
            (None, None, Some(value)) => Clip::Value(value as f32),
            _ => return Err(Error::value(class, "only one of clipnorm, global_clipnorm and clipvalue can be set")),
        };
        let clip = match clip {
            // A limit that is not positive is no limit, as in Keras.
            Clip::Norm(limit) | Clip::GlobalNorm(limit) | Clip::Value(limit) if limit.is_nan() || limit <= 0.0 => {
                Clip::None
            }
            clip => clip,
        };
        let epsilon = a.epsilon.unwrap_or(1e-7) as f32;
        let (beta_1, beta_2) =
            (a.beta_1.unwrap_or(0.9), a.beta_2.unwrap_or(if class == "Lion" { 0.99 } else { 0.999 }));
        let rho = a.rho.unwrap_or(if class == "Adadelta" { 0.95 } else { 0.9 });
        let rule = match class {
            "Adadelta" => Rule::Adadelta { rho, epsilon },
            "Adagrad" => Rule::Adagrad { epsilon },
            "Adam" | "AdamW" => Rule::Adam { beta_1, beta_2, epsilon, amsgrad: a.amsgrad },
            "Adamax" => Rule::Adamax { beta_1, beta_2, epsilon },
            "Lion" => Rule::Lion { beta_1, beta_2 },
            "Nadam" => Rule::Nadam { beta_1, beta_2, epsilon },
            "SGD" => Rule::Sgd { momentum: a.momentum.unwrap_or(0.0), nesterov: a.nesterov },
            _ => Rule::RmsProp { rho, momentum: a.momentum.unwrap_or(0.0), epsilon, centered: a.centered },
        };
        let accumulation = a.gradient_accumulation_steps.unwrap_or(1).max(1);
        let mut names = rule.moments();
        names.extend(averaging.map(|_| AVERAGE));
        names.extend((accumulation > 1).then_some(ACCUMULATED));
        let moments = names.into_iter().map(|name| Ok((name, AlignedBuffer::zeros(plan.weights_len())?)));
        let mut moments: Vec<_> = moments.collect::<Result<_>>()?;
        if let Rule::Adagrad { .. } = rule {
            moments[0].1.fill(a.initial_accumulator_value.unwrap_or(0.1));
        }
        let default_decay = (class == "AdamW").then_some(0.004);
        let decays = |number: &usize| !a.exclude_from_weight_decay.contains(number);
        let decaying = plan.weights().iter().enumerate().filter(|(number, weight)| weight.trainable && decays(number));
        Ok(Optimizer {
            rule,
            clip,
            weight_decay: a.weight_decay.or(default_decay).map(|decay| decay as f32),
            decaying: runs(decaying.map(|(_, weight)| weight)),
            averaging,
            accumulation,
            learning_rate: learning_rate as f32,
            iterations: 0,
            nadam: (0, 1.0),
            moments,
            runs: runs(trained(plan)),
            deferred: Deferred::default(),
        })
    }

    /// The step size.
    pub fn learning_rate(&self) -> f32 {
        self.learning_rate
    }

    /// Changes the step size from the next step on.
    pub fn set_learning_rate(&mut self, value: f32) {
        self.learning_rate = value;
    }

    /// Steps taken, counting those that only gathered gradients.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// Updates of the weights.
    fn updates(&self) -> u64 {
        self.iterations / self.accumulation
    }

    /// Each trained weight's moments: `velocity/LAYER/PATH`, the weight and the floats.
    ///
    /// # Panics
    /// Where steps were put off, as in [`Network::weights`].
    pub fn moments<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (String, &'a PlannedWeight, &'a [f32])> {
        assert!(!self.is_behind(), "steps were put off that the trainer must settle first");
        trained(plan).flat_map(move |weight| {
            self.moments.iter().map(move |(name, values)| {
                (format!("{name}/{}/{}", weight.layer, weight.path), weight, &values[weight.range.clone()])
            })
        })
    }

    /// Puts moments back, by the names that [`Optimizer::moments`] gives them.
    ///
    /// # Errors
    /// Where a name is missing or not known, or a size is another; nothing is changed then.
    ///
    /// # Panics
    /// Where steps were put off, as in [`Network::weights`].
    pub fn restore(&mut self, plan: &Plan, iterations: u64, moments: &[(String, ArrayViewD<'_, f32>)]) -> Result<()> {
        let mut sources = Vec::new();
        for (name, weight, _) in self.moments(plan) {
            let given = moments.iter().find(|(given, _)| *given == name);
            let (_, given) = given.ok_or_else(|| Error::value("optimizer", format!("the state lacks {name}")))?;
            if given.shape() != weight.shape {
                let (expected, actual) = (Shape::known(&weight.shape), Shape::known(given.shape()));
                return Err(Error::shape("optimizer", name, expected, actual));
            }
            sources.push(given);
        }
        if sources.len() != moments.len() {
            let (given, wanted) = (moments.len(), sources.len());
            return Err(Error::value("optimizer", format!("the state has {given} arrays, this optimizer {wanted}")));
        }
        let mut sources = sources.into_iter();
        for weight in trained(plan) {
            for (_, values) in &mut self.moments {
                if let Some(source) = sources.next() {
                    values[weight.range.clone()].iter_mut().zip(source).for_each(|(to, &from)| *to = from);
                }
            }
        }
        self.iterations = iterations;
        Ok(())
    }

    /// Puts off the steps of rows that a batch does not touch, in weights of at least so many floats, where a row's steps
    /// without gradient depend on nothing but its own numbers and the step size.
    pub(crate) fn defer(&mut self, network: &Network, least: usize, gradients: &mut [f32]) {
        assert!(!self.is_behind(), "steps are put off already");
        // AMSGrad's maximum and weight decay would each need a replay of their own.
        let possible = match self.rule {
            Rule::Adam { amsgrad, .. } => !amsgrad,
            Rule::Sgd { momentum, .. } => momentum == 0.0,
            _ => false,
        };
        // Averages and sums of gradients read every row at every step.
        let dense = self.weight_decay.is_some() || self.averaging.is_some() || self.accumulation > 1;
        let possible = possible && !dense;
        self.deferred = if possible { Deferred::new(network, least) } else { Deferred::default() };
        self.runs = runs(trained(network.plan()).filter(|weight| !self.deferred.contains(&weight.range)));
        gradients.fill(0.0);
    }

    /// Whether steps of some rows were put off.
    pub(crate) fn is_behind(&self) -> bool {
        self.deferred.is_behind()
    }

    /// Zeroes the gradients, of which only those are read and written that may be other than zero.
    pub(crate) fn clear(&mut self, gradients: &mut [f32]) {
        for run in &self.runs {
            parallel::fill(&mut gradients[run.clone()], 0.0);
        }
        self.deferred.clear(gradients);
    }

    /// Notes the rows that the batch in the workspace touches.
    pub(crate) fn touch(&mut self, network: &Network, work: &Workspace) {
        self.deferred.touch(network, work);
    }

    /// Brings the rows that the batch touches up to date, so that it may read them.
    pub(crate) fn catch_up(&mut self, isa: Isa, weights: &mut [f32]) {
        let update = self.next_update();
        self.deferred.catch_up(isa, update, weights, slices(&mut self.moments));
    }

    /// Takes all steps that were put off.
    pub(crate) fn settle(&mut self, isa: Isa, weights: &mut [f32]) {
        let update = self.next_update();
        self.deferred.settle(isa, update, weights, slices(&mut self.moments));
    }

    /// One step: clips the gradients in place, decays and updates the weights. The gradients are zeroed where steps can be
    /// put off. Returns whether some were.
    pub(crate) fn step(&mut self, isa: Isa, plan: &Plan, weights: &mut [f32], gradients: &mut [f32]) -> bool {
        if self.accumulation == 1 || self.accumulate(gradients) {
            self.update(isa, plan, weights, gradients);
        }
        self.average(weights);
        self.iterations += 1;
        self.is_behind()
    }

    /// Adds the gradients to those of the steps before. Where they are enough for an update, they become the mean.
    fn accumulate(&mut self, gradients: &mut [f32]) -> bool {
        let steps = self.accumulation;
        let complete = (self.iterations + 1).is_multiple_of(steps);
        let sums = kept(&mut self.moments, ACCUMULATED);
        for run in &self.runs {
            for (sum, g) in sums[run.clone()].iter_mut().zip(&mut gradients[run.clone()]) {
                if complete {
                    (*g, *sum) = ((*g + *sum) / steps as f32, 0.0);
                } else {
                    *sum += *g;
                }
            }
        }
        complete
    }

    fn update(&mut self, isa: Isa, plan: &Plan, weights: &mut [f32], gradients: &mut [f32]) {
        self.clip(isa, plan, weights, gradients);
        if let Some(decay) = self.weight_decay {
            for run in &self.decaying {
                for w in &mut weights[run.clone()] {
                    *w -= *w * decay * self.learning_rate;
                }
            }
        }
        let update = self.next_update();
        if let Rule::Nadam { beta_1, .. } = self.rule {
            self.nadam = (self.updates() + 1, self.nadam_product(beta_1 as f32));
        }
        if !update.can_wait() {
            self.touch_all(isa, weights);
        }
        for run in &self.runs {
            share(isa, update, run, weights, gradients, &mut self.moments);
        }
        self.deferred.step(isa, update, weights, gradients, slices(&mut self.moments));
    }

    /// Moves the running mean towards the weights, and the weights to it where that is due.
    fn average(&mut self, weights: &mut [f32]) {
        let Some(Averaging { momentum, overwrite }) = self.averaging else { return };
        let updates = self.updates();
        let momentum = if updates == 0 { 0.0 } else { momentum };
        let average = kept(&mut self.moments, AVERAGE);
        for run in &self.runs {
            for (average, w) in average[run.clone()].iter_mut().zip(&weights[run.clone()]) {
                *average = momentum * *average + (1.0 - momentum) * w;
            }
        }
        if overwrite.is_some_and(|frequency| (updates + 1).is_multiple_of(frequency)) {
            self.overwrite(weights);
        }
    }

    /// Sets the weights to their running mean, where one is kept.
    fn overwrite(&mut self, weights: &mut [f32]) {
        let average = kept(&mut self.moments, AVERAGE);
        self.runs.iter().for_each(|run| weights[run.clone()].copy_from_slice(&average[run.clone()]));
    }

    /// Sets the weights to their running mean, where one is kept and there was a step.
    pub(crate) fn finalize(&mut self, weights: &mut [f32]) {
        if self.averaging.is_some() && self.iterations > 0 {
            self.overwrite(weights);
        }
    }

    /// Lets this step be dense.
    fn touch_all(&mut self, isa: Isa, weights: &mut [f32]) {
        self.settle(isa, weights);
        self.deferred.touch_all();
    }

    fn clip(&mut self, isa: Isa, plan: &Plan, weights: &mut [f32], gradients: &mut [f32]) {
        match self.clip {
            // A factor that is no number makes gradients of zero others: that step is dense.
            Clip::None => {}
            Clip::Norm(limit) => {
                for weight in trained(plan) {
                    let scale = limit / norm(gradients, self.deferred.pieces(&weight.range)).max(limit);
                    if scale.is_nan() {
                        self.touch_all(isa, weights);
                    }
                    for floats in self.deferred.pieces(&weight.range) {
                        gradients[floats].iter_mut().for_each(|g| *g *= scale);
                    }
                }
            }
            Clip::GlobalNorm(limit) => {
                let squares: f32 =
                    trained(plan).map(|weight| norm(gradients, self.deferred.pieces(&weight.range)).powi(2)).sum();
                let norm = squares.sqrt();
                // Keras makes every gradient NaN where the norm is not finite.
                let scale = if norm.is_finite() { limit * (1.0 / norm).min(1.0 / limit) } else { f32::NAN };
                if scale.is_nan() {
                    self.touch_all(isa, weights);
                }
                for floats in trained(plan).flat_map(|weight| self.deferred.pieces(&weight.range)) {
                    gradients[floats].iter_mut().for_each(|g| *g *= scale);
                }
            }
            Clip::Value(limit) => {
                for floats in trained(plan).flat_map(|weight| self.deferred.pieces(&weight.range)) {
                    gradients[floats].iter_mut().for_each(|g| *g = g.clamp(-limit, limit));
                }
            }
        }
    }

    /// The product of Nadam's momenta up to the next update.
    fn nadam_product(&self, beta_1: f32) -> f32 {
        let (done, product) = self.nadam;
        let next = self.updates() + 1;
        // After a state was restored the count starts anew; the product is soon 0.
        let (done, mut product) = if done > next { (0, 1.0) } else { (done, product) };
        for step in done + 1..=next {
            if product == 0.0 {
                break;
            }
            product *= nadam_momentum(beta_1, step as f32);
        }
        product
    }

    /// The next step of the rule.
    fn next_update(&self) -> Update {
        let (learning_rate, step) = (self.learning_rate, (self.updates() + 1) as f32);
        let powers = |beta_1: f64, beta_2: f64| ((beta_1 as f32).powf(step), (beta_2 as f32).powf(step));
        match self.rule {
            Rule::Adadelta { rho, epsilon } => {
                Update::Adadelta(Adadelta { learning_rate, rho: rho as f32, rate: (1.0 - rho) as f32, epsilon })
            }
            Rule::Adagrad { epsilon } => Update::Adagrad(Adagrad { learning_rate, epsilon }),
            Rule::Adamax { beta_1, beta_2, epsilon } => Update::Adamax(Adamax {
                learning_rate,
                rate_1: (1.0 - beta_1) as f32,
                beta_2: beta_2 as f32,
                correction: 1.0 - powers(beta_1, beta_2).0,
                epsilon,
            }),
            Rule::Lion { beta_1, beta_2 } => {
                Update::Lion(Lion { learning_rate, beta_1: beta_1 as f32, beta_2: beta_2 as f32 })
            }
            Rule::Nadam { beta_1, beta_2, epsilon } => {
                let (momentum, product) = (nadam_momentum(beta_1 as f32, step), self.nadam_product(beta_1 as f32));
                let next = nadam_momentum(beta_1 as f32, step + 1.0);
                Update::Nadam(Nadam {
                    learning_rate,
                    rate_1: 1.0 - beta_1 as f32,
                    rate_2: 1.0 - beta_2 as f32,
                    ahead: next / (1.0 - product * next),
                    now: (1.0 - momentum) / (1.0 - product),
                    correction: 1.0 - powers(beta_1, beta_2).1,
                    epsilon,
                })
            }
            Rule::Adam { beta_1, beta_2, epsilon, amsgrad } => {
                let (power_1, power_2) = powers(beta_1, beta_2);
                let adam = Adam {
                    alpha: learning_rate * (1.0 - power_2).sqrt() / (1.0 - power_1),
                    rate_1: (1.0 - beta_1) as f32,
                    rate_2: (1.0 - beta_2) as f32,
                    epsilon,
                };
                if amsgrad { Update::AmsGrad(adam) } else { Update::Adam(adam) }
            }
            Rule::Sgd { momentum, nesterov } => Update::Sgd(Sgd { learning_rate, momentum: momentum as f32, nesterov }),
            Rule::RmsProp { rho, momentum, epsilon, centered } => {
                let rate = (1.0 - rho) as f32;
                let step = RmsProp { learning_rate, rho: rho as f32, rate, momentum: momentum as f32, epsilon };
                Update::RmsProp { step, momentum: momentum > 0.0, centered }
            }
        }
    }
}

/// Nadam's momentum at a step.
fn nadam_momentum(beta_1: f32, step: f32) -> f32 {
    beta_1 * (1.0 - 0.5 * NADAM_DECAY.powf(step))
}

/// One step of a rule, elementwise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Update {
    Adadelta(Adadelta),
    Adagrad(Adagrad),
    Adamax(Adamax),
    Lion(Lion),
    Nadam(Nadam),
    Adam(Adam),
    AmsGrad(Adam),
    Sgd(Sgd),
    RmsProp { step: RmsProp, momentum: bool, centered: bool },
}

/// As many moments as any rule has; those that it lacks are empty.
pub(super) type Moments<'a> = [&'a mut [f32]; 3];

impl Update {
    pub(super) fn apply(&self, isa: Isa, w: &mut [f32], g: &[f32], moments: Moments<'_>) {
        let [first, second, third] = moments;
        match self {
            Update::Adadelta(adadelta) => adadelta.step(isa, w, g, first, second),
            Update::Adagrad(adagrad) => adagrad.step(isa, w, g, first),
            Update::Adamax(adamax) => adamax.step(isa, w, g, first, second),
            Update::Lion(lion) => lion.step(isa, w, g, first),
            Update::Nadam(nadam) => nadam.step(isa, w, g, first, second),
            Update::Adam(adam) => adam.step(isa, w, g, first, second, None),
            Update::AmsGrad(adam) => adam.step(isa, w, g, first, second, Some(third)),
            Update::Sgd(sgd) => sgd.step(isa, w, g, (sgd.momentum != 0.0).then_some(first)),
            Update::RmsProp { step, momentum: false, centered } => {
                step.step(isa, w, g, first, None, centered.then_some(second));
            }
            Update::RmsProp { step, momentum: true, centered } => {
                step.step(isa, w, g, first, Some(second), centered.then_some(third));
            }
        }
    }

    /// Whether rows without gradients may take this step later, or need not take it at all.
    pub(super) fn can_wait(&self) -> bool {
        match self {
            Update::Adam(adam) => adam.can_wait(),
            // `w - 0 · lr`
            Update::Sgd(sgd) => sgd.learning_rate.is_finite() && sgd.learning_rate.is_sign_positive(),
            _ => false,
        }
    }
}

/// What is kept under a name beside the rule's moments.
fn kept<'a>(moments: &'a mut [(&'static str, AlignedBuffer)], name: &str) -> &'a mut [f32] {
    let found = moments.iter_mut().rev().find(|(given, _)| *given == name);
    &mut found.expect("it was made with the optimizer").1
}

/// All of each moment; what is kept beside them may follow, and no rule reads it.
fn slices<'a>(moments: &'a mut [(&'static str, AlignedBuffer)]) -> Moments<'a> {
    let mut moments = moments.iter_mut();
    [(); 3].map(|()| moments.next().map_or(Default::default(), |(_, moment)| &mut **moment))
}

/// Updates one run of weights, shared among the threads.
fn share(
    isa: Isa,
    update: Update,
    run: &Range<usize>,
    weights: &mut [f32],
    gradients: &[f32],
    moments: &mut [(&'static str, AlignedBuffer)],
) {
    let operations = run.len() * OPERATIONS_PER_WEIGHT;
    let mut weights = &mut weights[run.clone()];
    let gradients = &gradients[run.clone()];
    let mut moments = slices(moments).map(|moment| if moment.is_empty() { moment } else { &mut moment[run.clone()] });
    let parts = parallel::parts(run.len(), 1, operations);
    let tasks = parallel::ranges(run.len(), parts).map(|range| {
        let moments = moments.each_mut().map(|moment| match moment.is_empty() {
            true => Default::default(),
            false => parallel::take(moment, &range, 1),
        });
        (parallel::take(&mut weights, &range, 1), &gradients[range], moments)
    });
    parallel::run(operations, tasks, |(w, g, moments)| update.apply(isa, w, g, moments));
}

fn trained(plan: &Plan) -> impl Iterator<Item = &PlannedWeight> {
    plan.weights().iter().filter(|weight| weight.trainable)
}

/// Weights as the longest runs of adjacent floats.
fn runs<'a>(weights: impl Iterator<Item = &'a PlannedWeight>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for weight in weights {
        match runs.last_mut() {
            Some(last) if last.end == weight.range.start => last.end = weight.range.end,
            _ => runs.push(weight.range.clone()),
        }
    }
    runs
}

/// The norm of what lies in some ranges. Zeros left out change no bit of it: the sum has one order.
fn norm(x: &[f32], ranges: impl Iterator<Item = Range<usize>>) -> f32 {
    ranges.flat_map(|range| &x[range]).map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32
}
