//! Optimizers: clipping, decoupled weight decay and the update, in Keras' order.

use std::ops::Range;

use ndarray::ArrayViewD;
use serde::Deserialize;
use serde_json::Value;

use super::Serialised;
use crate::error::{Error, Result};
use crate::kernels::AlignedBuffer;
use crate::kernels::optimizer::{Adam, RmsProp, Sgd};
use crate::layers::Shape;
use crate::network::{Plan, PlannedWeight};
use crate::parallel;
use crate::simd::Isa;

/// Operations a weight costs, counted so that sharing starts where memory and not arithmetic is the limit.
const OPERATIONS_PER_WEIGHT: usize = 32;

const NAMES: [&str; 3] = ["Adam", "RMSprop", "SGD"];

/// The arguments of Keras' optimizers; each class takes those it has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    learning_rate: Value,
    weight_decay: Option<f64>,
    clipnorm: Option<f64>,
    global_clipnorm: Option<f64>,
    clipvalue: Option<f64>,
    #[serde(default)]
    use_ema: bool,
    #[serde(default, rename = "ema_momentum")]
    _ema_momentum: Option<f64>,
    #[serde(default, rename = "ema_overwrite_frequency")]
    _ema_overwrite_frequency: Option<u64>,
    loss_scale_factor: Option<f64>,
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
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Adam { beta_1: f64, beta_2: f64, epsilon: f32, amsgrad: bool },
    Sgd { momentum: f64, nesterov: bool },
    RmsProp { rho: f64, momentum: f64, epsilon: f32, centered: bool },
}

impl Rule {
    /// Keras' names of the moments.
    fn moments(self) -> Vec<&'static str> {
        match self {
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

/// An optimizer and its moments: flat runs of floats like the weights.
pub struct Optimizer {
    rule: Rule,
    clip: Clip,
    weight_decay: Option<f32>,
    learning_rate: f32,
    iterations: u64,
    moments: Vec<(&'static str, AlignedBuffer)>,
    /// The trained weights as runs of adjacent floats.
    runs: Vec<Range<usize>>,
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
        let learning_rate = a
            .learning_rate
            .as_f64()
            .ok_or_else(|| Error::unsupported(class, "a learning rate schedule is not supported yet; use a number"))?;
        if a.use_ema || a.loss_scale_factor.is_some() || a.gradient_accumulation_steps.is_some() {
            let message = "use_ema, loss_scale_factor and gradient_accumulation_steps are not supported yet";
            return Err(Error::unsupported(class, message));
        }
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
        let rule = match class {
            "Adam" => Rule::Adam {
                beta_1: a.beta_1.unwrap_or(0.9),
                beta_2: a.beta_2.unwrap_or(0.999),
                epsilon,
                amsgrad: a.amsgrad,
            },
            "SGD" => Rule::Sgd { momentum: a.momentum.unwrap_or(0.0), nesterov: a.nesterov },
            _ => Rule::RmsProp {
                rho: a.rho.unwrap_or(0.9),
                momentum: a.momentum.unwrap_or(0.0),
                epsilon,
                centered: a.centered,
            },
        };
        let moments = rule.moments().into_iter().map(|name| Ok((name, AlignedBuffer::zeros(plan.weights_len())?)));
        Ok(Optimizer {
            rule,
            clip,
            weight_decay: a.weight_decay.map(|decay| decay as f32),
            learning_rate: learning_rate as f32,
            iterations: 0,
            moments: moments.collect::<Result<_>>()?,
            runs: runs(plan),
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

    /// Steps taken.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// Each trained weight's moments: `velocity/LAYER/PATH`, the weight and the floats.
    pub fn moments<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (String, &'a PlannedWeight, &'a [f32])> {
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

    /// One step: clips the gradients in place, decays and updates the weights.
    pub fn step(&mut self, isa: Isa, plan: &Plan, weights: &mut [f32], gradients: &mut [f32]) {
        self.clip(plan, gradients);
        if let Some(decay) = self.weight_decay {
            for weight in trained(plan) {
                for w in &mut weights[weight.range.clone()] {
                    *w -= *w * decay * self.learning_rate;
                }
            }
        }
        self.iterations += 1;
        for run in 0..self.runs.len() {
            self.update(isa, self.runs[run].clone(), weights, gradients);
        }
    }

    fn clip(&self, plan: &Plan, gradients: &mut [f32]) {
        match self.clip {
            Clip::None => {}
            Clip::Norm(limit) => {
                for weight in trained(plan) {
                    let gradient = &mut gradients[weight.range.clone()];
                    let scale = limit / norm(gradient).max(limit);
                    gradient.iter_mut().for_each(|g| *g *= scale);
                }
            }
            Clip::GlobalNorm(limit) => {
                let squares: f32 = trained(plan).map(|weight| norm(&gradients[weight.range.clone()]).powi(2)).sum();
                let norm = squares.sqrt();
                // Keras makes every gradient NaN where the norm is not finite.
                let scale = if norm.is_finite() { limit * (1.0 / norm).min(1.0 / limit) } else { f32::NAN };
                for weight in trained(plan) {
                    gradients[weight.range.clone()].iter_mut().for_each(|g| *g *= scale);
                }
            }
            Clip::Value(limit) => {
                for weight in trained(plan) {
                    gradients[weight.range.clone()].iter_mut().for_each(|g| *g = g.clamp(-limit, limit));
                }
            }
        }
    }

    /// Updates one run of weights, shared among the threads.
    fn update(&mut self, isa: Isa, run: Range<usize>, weights: &mut [f32], gradients: &[f32]) {
        let operations = run.len() * OPERATIONS_PER_WEIGHT;
        let mut weights = &mut weights[run.clone()];
        let gradients = &gradients[run.clone()];
        let mut moments: Vec<&mut [f32]> = self.moments.iter_mut().map(|(_, m)| &mut m[run.clone()]).collect();
        let parts = parallel::parts(run.len(), 1, operations);
        let tasks = parallel::ranges(run.len(), parts).map(|range| {
            let moments: Vec<_> = moments.iter_mut().map(|moment| parallel::take(moment, &range, 1)).collect();
            (parallel::take(&mut weights, &range, 1), &gradients[range], moments)
        });
        let (learning_rate, step) = (self.learning_rate, self.iterations as f32);
        match self.rule {
            Rule::Adam { beta_1, beta_2, epsilon, .. } => {
                let (power_1, power_2) = ((beta_1 as f32).powf(step), (beta_2 as f32).powf(step));
                let adam = Adam {
                    alpha: learning_rate * (1.0 - power_2).sqrt() / (1.0 - power_1),
                    rate_1: (1.0 - beta_1) as f32,
                    rate_2: (1.0 - beta_2) as f32,
                    epsilon,
                };
                parallel::run(operations, tasks, |(w, g, moments)| {
                    let mut moments = moments.into_iter();
                    if let (Some(m), Some(v)) = (moments.next(), moments.next()) {
                        adam.step(isa, w, g, m, v, moments.next());
                    }
                });
            }
            Rule::Sgd { momentum, nesterov } => {
                let sgd = Sgd { learning_rate, momentum: momentum as f32, nesterov };
                parallel::run(operations, tasks, |(w, g, moments)| sgd.step(isa, w, g, moments.into_iter().next()));
            }
            Rule::RmsProp { rho, momentum, epsilon, centered } => {
                let rmsprop = RmsProp {
                    learning_rate,
                    rho: rho as f32,
                    rate: (1.0 - rho) as f32,
                    momentum: momentum as f32,
                    epsilon,
                };
                parallel::run(operations, tasks, |(w, g, moments)| {
                    let mut moments = moments.into_iter();
                    if let Some(v) = moments.next() {
                        let m = if momentum > 0.0 { moments.next() } else { None };
                        let mean = if centered { moments.next() } else { None };
                        rmsprop.step(isa, w, g, v, m, mean);
                    }
                });
            }
        }
    }
}

fn trained(plan: &Plan) -> impl Iterator<Item = &PlannedWeight> {
    plan.weights().iter().filter(|weight| weight.trainable)
}

/// The trained weights as the longest runs of adjacent floats.
fn runs(plan: &Plan) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for weight in trained(plan) {
        match runs.last_mut() {
            Some(last) if last.end == weight.range.start => last.end = weight.range.end,
            _ => runs.push(weight.range.clone()),
        }
    }
    runs
}

fn norm(x: &[f32]) -> f32 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32
}
