//! Initial weights: Keras' initializers, drawn from a counter-based generator.
//!
//! A draw is a function of the seed and the weight's number alone: the same weights on any machine and any number of
//! threads. They are not the numbers that Keras draws, only of the same distributions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::kernels::orthogonal::orthonormalize;
use crate::simd::Isa;

/// The standard deviation of a normal distribution cut at two of its own.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// How a weight starts, as Keras serialises it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Serialised")]
pub struct Initializer {
    rule: Rule,
    seed: Option<u64>,
}

#[derive(Clone, Debug)]
enum Rule {
    Constant(f64),
    Identity {
        gain: f64,
    },
    Normal {
        mean: f64,
        deviation: f64,
        truncated: bool,
    },
    Uniform {
        low: f64,
        high: f64,
    },
    VarianceScaling {
        scale: f64,
        mode: Mode,
        distribution: Distribution,
    },
    Orthogonal {
        gain: f64,
    },
    /// The bias of an LSTM of so many units: ones for the forget gate, the rest from another.
    UnitForget {
        units: usize,
        rest: Box<Initializer>,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Mode {
    #[serde(rename = "fan_in")]
    In,
    #[serde(rename = "fan_out")]
    Out,
    #[serde(rename = "fan_avg")]
    Average,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Distribution {
    #[serde(alias = "normal")]
    TruncatedNormal,
    UntruncatedNormal,
    Uniform,
}

#[derive(Deserialize)]
struct Serialised {
    class_name: String,
    #[serde(default)]
    config: Arguments,
}

/// Every argument of every initializer; each takes those it has.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    seed: Option<Value>,
    value: Option<f64>,
    gain: Option<f64>,
    mean: Option<f64>,
    stddev: Option<f64>,
    minval: Option<f64>,
    maxval: Option<f64>,
    scale: Option<f64>,
    mode: Option<Mode>,
    distribution: Option<Distribution>,
    #[serde(rename = "input_axes")]
    _input_axes: Option<()>,
    #[serde(rename = "output_axes")]
    _output_axes: Option<()>,
}

impl TryFrom<Serialised> for Initializer {
    type Error = String;

    fn try_from(from: Serialised) -> std::result::Result<Self, String> {
        use Distribution::{TruncatedNormal, Uniform};
        let a = from.config;
        let scaling = |scale, mode, distribution| Rule::VarianceScaling { scale, mode, distribution };
        let rule = match from.class_name.as_str() {
            "Zeros" => Rule::Constant(0.0),
            "Ones" => Rule::Constant(1.0),
            "Constant" => Rule::Constant(a.value.unwrap_or(0.0)),
            "Identity" | "IdentityInitializer" => Rule::Identity { gain: a.gain.unwrap_or(1.0) },
            name @ ("RandomNormal" | "TruncatedNormal") => Rule::Normal {
                mean: a.mean.unwrap_or(0.0),
                deviation: a.stddev.unwrap_or(0.05),
                truncated: name == "TruncatedNormal",
            },
            "RandomUniform" => Rule::Uniform { low: a.minval.unwrap_or(-0.05), high: a.maxval.unwrap_or(0.05) },
            "VarianceScaling" => {
                scaling(a.scale.unwrap_or(1.0), a.mode.unwrap_or(Mode::In), a.distribution.unwrap_or(TruncatedNormal))
            }
            "GlorotUniform" => scaling(1.0, Mode::Average, Uniform),
            "GlorotNormal" => scaling(1.0, Mode::Average, TruncatedNormal),
            "LecunUniform" => scaling(1.0, Mode::In, Uniform),
            "LecunNormal" => scaling(1.0, Mode::In, TruncatedNormal),
            "HeUniform" => scaling(2.0, Mode::In, Uniform),
            "HeNormal" => scaling(2.0, Mode::In, TruncatedNormal),
            "Orthogonal" | "OrthogonalInitializer" => Rule::Orthogonal { gain: a.gain.unwrap_or(1.0) },
            other => return Err(format!("unknown initializer '{other}'")),
        };
        let seed = match a.seed {
            None | Some(Value::Null) => None,
            Some(seed) => match seed.as_i64() {
                Some(seed) => Some(seed.cast_unsigned()),
                None => return Err(format!("an initializer's seed must be an integer, not {seed}")),
            },
        };
        Ok(Initializer { rule, seed })
    }
}

/// A stream of random numbers.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of that number under a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Random(generator)
    }

    /// What dropout multiplies by: 0 with probability `rate`, else `1 / (1 - rate)`.
    pub fn dropout(&mut self, rate: f64, target: &mut [f32]) {
        let kept = (1.0 / (1.0 - rate)) as f32;
        target.iter_mut().for_each(|factor| *factor = if self.uniform() < rate { 0.0 } else { kept });
    }

    /// Uniform in `[0, 1)`.
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Standard normal, drawn again until it is within two deviations.
    fn truncated_normal(&mut self) -> f64 {
        loop {
            let x = self.normal();
            if x.abs() <= 2.0 {
                return x;
            }
        }
    }
}

impl Initializer {
    /// The same number everywhere.
    pub(crate) fn constant(value: f64) -> Self {
        Initializer { rule: Rule::Constant(value), seed: None }
    }

    /// The bias of an LSTM: 1 for the forget gate, `rest` for the others.
    pub fn unit_forget(units: usize, rest: Initializer) -> Self {
        Initializer { rule: Rule::UnitForget { units, rest: Box::new(rest) }, seed: None }
    }

    /// Fills a weight. `stream` tells weights under one seed apart; a seed of the initializer's own takes precedence.
    ///
    /// # Errors
    /// Where the initializer does not fit the shape.
    pub fn fill(&self, shape: &[usize], seed: u64, stream: u64, target: &mut [f32]) -> Result<()> {
        let mut random = match self.seed {
            Some(own) => Random::new(own, 0),
            None => Random::new(seed, stream),
        };
        match &self.rule {
            Rule::Constant(value) => target.fill(*value as f32),
            Rule::Identity { gain } => {
                let &[_, columns] = shape else {
                    return Err(Error::value("Identity", format!("needs a matrix, not {} axes", shape.len())));
                };
                target.fill(0.0);
                target.iter_mut().step_by(columns + 1).take(columns).for_each(|x| *x = *gain as f32);
            }
            &Rule::Normal { mean, deviation, truncated } => target.iter_mut().for_each(|x| {
                let z = if truncated { random.truncated_normal() } else { random.normal() };
                *x = (mean + deviation * z) as f32;
            }),
            &Rule::Uniform { low, high } => {
                target.iter_mut().for_each(|x| *x = (low + (high - low) * random.uniform()) as f32);
            }
            &Rule::VarianceScaling { scale, mode, distribution } => {
                let (fan_in, fan_out) = fans(shape);
                let fan = match mode {
                    Mode::In => fan_in,
                    Mode::Out => fan_out,
                    Mode::Average => (fan_in + fan_out) / 2.0,
                };
                let variance = scale / fan.max(1.0);
                target.iter_mut().for_each(|x| {
                    *x = match distribution {
                        Distribution::Uniform => (3.0 * variance).sqrt() * (2.0 * random.uniform() - 1.0),
                        Distribution::UntruncatedNormal => variance.sqrt() * random.normal(),
                        Distribution::TruncatedNormal => {
                            variance.sqrt() / TRUNCATED_DEVIATION * random.truncated_normal()
                        }
                    } as f32;
                });
            }
            &Rule::Orthogonal { gain } => {
                if shape.len() < 2 {
                    return Err(Error::value("Orthogonal", "needs at least two axes"));
                }
                orthogonal(shape, gain, &mut random, target)?;
            }
            Rule::UnitForget { units, rest } => {
                let gates = [(0, *units), (2 * units, 2 * units)];
                for (number, (start, len)) in gates.into_iter().enumerate() {
                    // Streams of their own: the plain numbers belong to other weights.
                    let stream = stream | (number as u64 + 1) << 62;
                    rest.fill(&[len], seed, stream, &mut target[start..start + len])?;
                }
                target[*units..2 * units].fill(1.0);
            }
        }
        Ok(())
    }
}

/// Inputs and outputs of a unit, as Keras counts them.
fn fans(shape: &[usize]) -> (f64, f64) {
    match *shape {
        [] => (1.0, 1.0),
        [n] => (n as f64, n as f64),
        [.., input, output] => {
            let field: usize = shape[..shape.len() - 2].iter().product();
            ((input * field) as f64, (output * field) as f64)
        }
    }
}

/// Rows or columns, whichever are fewer, orthonormal and uniformly distributed (Saxe et al. 2014): Gram-Schmidt on
/// normally distributed vectors.
fn orthogonal(shape: &[usize], gain: f64, random: &mut Random, target: &mut [f32]) -> Result<()> {
    let columns = shape[shape.len() - 1];
    let rows = target.len() / columns.max(1);
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<f64> = Vec::new();
    basis.try_reserve_exact(count * length)?;
    basis.extend((0..count * length).map(|_| random.normal()));
    if length > 0 {
        orthonormalize(Isa::active(), &mut basis, length);
    }
    for (i, x) in target.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let (vector, at) = if rows >= columns { (column, row) } else { (row, column) };
        *x = (gain * basis[vector * length + at]) as f32;
    }
    Ok(())
}
