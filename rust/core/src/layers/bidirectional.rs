//! Bidirectional: a recurrent layer forwards and another backwards over the same sequences, at the same time.

use serde::Deserialize;
use serde_json::Value;

use super::config::{Absent, read};
use super::recurrence::{Given, Recurrence, RecurrenceCache};
use super::rnn::recurrence;
use super::{Backward, Forward, Layer, MaskRule, Node, Shape, Weight, one_input};
use crate::error::{Error, Result};
use crate::kernels::{AlignedBuffer, Columns, Direction};
use crate::parallel::{self, Team};
use crate::simd::Isa;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    layer: Wrapped,
    #[serde(default)]
    backward_layer: Option<Wrapped>,
    #[serde(default)]
    merge_mode: Option<String>,
    #[serde(default, rename = "weights")]
    _weights: Absent,
}

/// A layer as Keras serialises it.
#[derive(Deserialize)]
struct Wrapped {
    class_name: String,
    config: Value,
}

/// How the two outputs become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// Side by side.
    Concat,
    Sum,
    Mul,
    /// Their mean.
    Ave,
}

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    let merge = match config.merge_mode.as_deref() {
        Some("concat") => Merge::Concat,
        Some("sum") => Merge::Sum,
        Some("mul") => Merge::Mul,
        Some("ave") => Merge::Ave,
        None => return Err(Error::unsupported(name, "merge_mode=None is not supported yet; use 'concat'")),
        Some(other) => {
            return Err(Error::value(name, format!("merge_mode '{other}' must be one of concat, sum, mul, ave")));
        }
    };
    let read_half = |half: &Wrapped, default: &str| {
        let own = half.config.get("name").and_then(Value::as_str).unwrap_or(default);
        recurrence(&half.class_name, own, &half.config, &inputs[0])
    };
    let (forward, state_of_forward) = read_half(&config.layer, "forward")?;
    let (mut backward, state_of_backward) = match &config.backward_layer {
        Some(layer) => read_half(layer, "backward")?,
        None => {
            let (mut layer, state) = read_half(&config.layer, "backward")?;
            layer.name = format!("backward_{}", forward.name.trim_start_matches("forward_"));
            layer.direction = match layer.direction {
                Direction::Forwards => Direction::Backwards,
                _ => Direction::Forwards,
            };
            (layer, state)
        }
    };
    if state_of_forward || state_of_backward {
        return Err(Error::unsupported(name, "return_state=True is not supported inside yet"));
    }
    if (forward.direction == Direction::Forwards) == (backward.direction == Direction::Forwards) {
        return Err(Error::value(name, "the two layers must go opposite ways (go_backwards)"));
    }
    if forward.return_sequences != backward.return_sequences {
        return Err(Error::value(name, "the two layers must agree in return_sequences"));
    }
    if merge != Merge::Concat && forward.units != backward.units {
        return Err(Error::value(name, "this merge_mode needs two layers of the same units"));
    }
    // Keras turns the second layer's outputs around, whichever way it goes.
    backward.direction = match backward.direction {
        Direction::Forwards => Direction::ForwardsTurned,
        _ => Direction::BackwardsInPlace,
    };
    Ok(vec![Node::new(Bidirectional { name: name.to_owned(), halves: [forward, backward], merge })])
}

struct Bidirectional {
    name: String,
    halves: [Recurrence; 2],
    merge: Merge,
}

#[derive(Default)]
pub(super) struct BidirectionalCache {
    halves: [RecurrenceCache; 2],
    /// Each half's output where they are not side by side, and its gradient.
    outputs: [AlignedBuffer; 2],
    d_outputs: [AlignedBuffer; 2],
}

impl Bidirectional {
    fn units(&self) -> usize {
        let [forward, backward] = &self.halves;
        if self.merge == Merge::Concat { forward.units + backward.units } else { forward.units }
    }

    fn operations(&self, x: &super::Tensor) -> usize {
        self.halves.iter().map(|half| half.operations(x)).sum()
    }

    /// How many threads each half gets: where there are two or more, the halves run side by side.
    fn share(team: &Team) -> usize {
        team.size().div_ceil(2)
    }
}

/// Runs the members of two passes at the same time where the team is large enough for both, else one after the other.
fn run_both(team: &Team, counts: [usize; 2], run: impl Fn(usize, usize) + Sync) {
    if counts[0] + counts[1] <= team.size() {
        team.together(counts[0] + counts[1], |member| match member.checked_sub(counts[0]) {
            None => run(0, member),
            Some(member) => run(1, member),
        });
    } else {
        for half in [0, 1] {
            team.together(counts[half], |member| run(half, member));
        }
    }
}

impl Layer for Bidirectional {
    type Cache = BidirectionalCache;

    fn weights(&self) -> Vec<Weight> {
        self.halves.iter().flat_map(|half| half.weights(&format!("{}/", half.name))).collect()
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        one_input(&self.name, inputs)?;
        self.halves[0].check_input(&inputs[0])?;
        let output = if self.halves[0].return_sequences {
            inputs[0].with_features(self.units())
        } else {
            Shape(vec![inputs[0].0[0], Some(self.units())])
        };
        Ok(vec![output])
    }

    fn mask_rule(&self) -> MaskRule {
        if self.halves[0].return_sequences { MaskRule::Pass } else { MaskRule::Drop }
    }

    fn takes_dictionary(&self) -> bool {
        self.halves.iter().all(Recurrence::takes_dictionary)
    }

    fn states<'a>(&self, _: usize, _: &'a mut BidirectionalCache) -> Result<Vec<&'a mut [f32]>> {
        let message = "reads each sequence from its end too, which a stream does not have yet; use predict";
        Err(Error::unsupported(&self.name, message))
    }

    fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        let (first, second) = weights.split_at(self.halves[0].weights_len());
        self.halves[0].pack(isa, first, training)?;
        self.halves[1].pack(isa, second, training)
    }

    fn forward(&self, call: Forward<'_>, cache: &mut BidirectionalCache) -> Result<()> {
        let (seed, stream) = call.random;
        let given = [0, 1].map(|half| Given {
            isa: call.isa,
            x: call.input(0),
            mask: call.mask,
            initial: [None, None],
            resume: false,
            training: call.training,
            // Both halves draw their own.
            random: (seed, 2 * stream + half),
        });
        let [forward, backward] = &self.halves;
        let team = parallel::team(self.operations(given[0].x));
        let BidirectionalCache { halves: [first, second], outputs, .. } = cache;
        forward.prepare(&given[0], &team, first)?;
        backward.prepare(&given[1], &team, second)?;
        let output = &mut call.outputs[0];
        let rows = output.rows();
        if self.merge != Merge::Concat {
            for own in &mut *outputs {
                own.resize(rows * forward.units)?;
            }
        }
        let [own_first, own_second] = outputs;
        {
            let columns = forward.return_sequences.then(|| match self.merge {
                Merge::Concat => Columns::split(output.floats_mut(), forward.units, backward.units),
                _ => (Columns::all(own_first, forward.units), Columns::all(own_second, backward.units)),
            });
            let (left, right) = columns.unzip();
            let threads = Self::share(&team);
            let passes =
                [forward.forward(&given[0], left, first, threads), backward.forward(&given[1], right, second, threads)];
            run_both(&team, [passes[0].count(), passes[1].count()], |half, member| passes[half].run(member));
        }
        match self.merge {
            Merge::Concat => {
                let units = self.units();
                forward.finish(&given[0], output.floats_mut(), units, first);
                if rows > 0 {
                    backward.finish(&given[1], &mut output.floats_mut()[forward.units..], units, second);
                }
            }
            merge => {
                forward.finish(&given[0], own_first, forward.units, first);
                backward.finish(&given[1], own_second, backward.units, second);
                let both = own_first.iter().zip(&**own_second);
                for (y, (a, b)) in output.floats_mut().iter_mut().zip(both) {
                    *y = match merge {
                        Merge::Mul => a * b,
                        Merge::Ave => (a + b) / 2.0,
                        Merge::Sum | Merge::Concat => a + b,
                    };
                }
                if call.training {
                    for d in &mut cache.d_outputs {
                        d.resize(rows * forward.units)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut BidirectionalCache) {
        let Some(d_output) = call.d_output(0) else { return };
        let given = Given::backward(&call);
        let [forward, backward] = &self.halves;
        let team = parallel::team(2 * self.operations(given.x));
        let BidirectionalCache { halves: [first, second], outputs, d_outputs } = cache;
        if self.merge != Merge::Concat {
            let [a, b] = &*outputs;
            let [da, db] = d_outputs;
            for (i, &d) in d_output.iter().enumerate() {
                (da[i], db[i]) = match self.merge {
                    Merge::Mul => (d * b[i], d * a[i]),
                    Merge::Ave => (d / 2.0, d / 2.0),
                    Merge::Sum | Merge::Concat => (d, d),
                };
            }
        }
        let both = match self.merge {
            Merge::Concat => [(d_output, self.units(), 0), (d_output, self.units(), forward.units)],
            _ => [(&*d_outputs[0], forward.units, 0), (&*d_outputs[1], backward.units, 0)],
        };
        forward.prepare_backward(&given, Some(both[0]), [None, None], first);
        backward.prepare_backward(&given, Some(both[1]), [None, None], second);
        {
            let threads = Self::share(&team);
            let passes = [
                forward.backward(&given, Some(both[0]), false, first, threads),
                backward.backward(&given, Some(both[1]), false, second, threads),
            ];
            run_both(&team, [passes[0].count(), passes[1].count()], |half, member| passes[half].run(member));
        }
        let (left, right) = match call.gradients.take() {
            Some(gradients) => Some(gradients.split_at_mut(forward.weights_len())).unzip(),
            None => (None, None),
        };
        forward.gradients(&given, left, call.d_input(0), &team, first);
        backward.gradients(&given, right, call.d_input(0), &team, second);
    }
}
