//! Bidirectional: a recurrent layer forwards and another backwards over the same sequences, at the same time.

use serde::Deserialize;
use serde_json::Value;

use super::config::{Ignored, read};
use super::recurrence::{Given, Recurrence, RecurrenceCache};
use super::rnn::recurrence;
use super::{Backward, Forward, Layer, MaskRule, Node, Shape, Weight};
use crate::error::{Error, Result};
use crate::kernels::{AlignedBuffer, Columns, Direction, run_passes};
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
    _weights: Ignored,
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
    /// They stay two.
    Apart,
}

pub(super) fn build(name: &str, config: &Value, inputs: &[Shape]) -> Result<Vec<Node>> {
    let config: Config = read(name, config)?;
    let merge = match config.merge_mode.as_deref() {
        Some("concat") => Merge::Concat,
        Some("sum") => Merge::Sum,
        Some("mul") => Merge::Mul,
        Some("ave") => Merge::Ave,
        None => Merge::Apart,
        Some(other) => {
            return Err(Error::value(name, format!("merge_mode '{other}' must be one of concat, sum, mul, ave")));
        }
    };
    let read_half = |half: &Wrapped, default: &str| {
        let own = half.config.get("name").and_then(Value::as_str).unwrap_or(default);
        recurrence(&half.class_name, own, &half.config, &inputs[0])
    };
    let (forward, forward_states) = read_half(&config.layer, "forward")?;
    let (mut backward, backward_states) = match &config.backward_layer {
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
    if forward_states != backward_states {
        return Err(Error::value(name, "the two layers must agree in return_state and in stateful"));
    }
    if (forward.direction == Direction::Forwards) == (backward.direction == Direction::Forwards) {
        return Err(Error::value(name, "the two layers must go opposite ways (go_backwards)"));
    }
    if forward.return_sequences != backward.return_sequences {
        return Err(Error::value(name, "the two layers must agree in return_sequences"));
    }
    if !matches!(merge, Merge::Concat | Merge::Apart) && forward.units != backward.units {
        return Err(Error::value(name, "this merge_mode needs two layers of the same units"));
    }
    // Keras turns the second layer's outputs around, whichever way it goes.
    backward.direction = match backward.direction {
        Direction::Forwards => Direction::ForwardsTurned,
        _ => Direction::BackwardsInPlace,
    };
    let ([return_state, stateful], name) = (forward_states, name.to_owned());
    Ok(vec![Node::new(Bidirectional { name, halves: [forward, backward], merge, return_state, stateful })])
}

struct Bidirectional {
    name: String,
    halves: [Recurrence; 2],
    merge: Merge,
    return_state: bool,
    stateful: bool,
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

    /// How many outputs come before the states.
    fn shown(&self) -> usize {
        if self.merge == Merge::Apart { 2 } else { 1 }
    }

    /// How many features each state has, the forward half's first.
    fn state_sizes(&self) -> Vec<usize> {
        self.halves.iter().flat_map(|half| std::iter::repeat_n(half.units, half.state_count())).collect()
    }

    /// The number of each half's first state.
    fn first_states(&self) -> [usize; 2] {
        [0, self.halves[0].state_count()]
    }

    fn operations(&self, x: &super::Tensor) -> usize {
        self.halves.iter().map(|half| half.operations(x)).sum()
    }

    /// For how many threads each half is cut, which run side by side: for half of them. Two threads get runs of sequences of
    /// both, where there are sequences enough, so that they end together.
    fn share(&self, isa: Isa, team: &Team, batch: usize) -> usize {
        // More than two full tiles.
        let are_enough = |half: &Recurrence| batch > 2 * half.cell.tile_rows(half.precision.on(isa));
        match team.size() {
            2 if self.halves.iter().all(are_enough) => 2,
            // Rather in turn with two than at the same time with one each.
            3 => 2,
            size => (size / 2).max(1),
        }
    }
}

impl Layer for Bidirectional {
    type Cache = BidirectionalCache;

    fn weights(&self) -> Vec<Weight> {
        self.halves.iter().flat_map(|half| half.weights(&format!("{}/", half.name))).collect()
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let sizes = self.state_sizes();
        if inputs.len() != 1 && inputs.len() != 1 + sizes.len() {
            let (given, expected) = (inputs.len() - 1, sizes.len());
            let message = format!(
                "initial_state must be {expected} arrays, the forward layer's states and the backward layer's, not {given}"
            );
            return Err(Error::value(&self.name, message));
        }
        let x = &inputs[0];
        self.halves[0].check_input(x)?;
        let state = |units| Shape(vec![x.0[0], Some(units)]);
        for (given, &units) in inputs[1..].iter().zip(&sizes) {
            if given.rank() != 2 || given.features() != Some(units) {
                return Err(Error::shape(&self.name, "initial_state", state(units), given.clone()));
            }
        }
        let output = |units| if self.halves[0].return_sequences { x.with_features(units) } else { state(units) };
        let mut shapes = match self.merge {
            Merge::Apart => self.halves.iter().map(|half| output(half.units)).collect(),
            _ => vec![output(self.units())],
        };
        shapes.extend(sizes.into_iter().filter(|_| self.return_state).map(state));
        Ok(shapes)
    }

    fn mask_rule(&self) -> MaskRule {
        match (self.halves[0].return_sequences, self.merge) {
            (false, _) => MaskRule::Drop,
            (true, Merge::Apart) => MaskRule::PassTwice,
            (true, _) => MaskRule::Pass,
        }
    }

    /// As in Keras, those that come with the input where it is called with initial states.
    fn ignores_masks(&self, inputs: usize) -> bool {
        inputs > 1
    }

    fn takes_dictionary(&self, training: bool) -> bool {
        self.halves.iter().all(|half| !half.drops_inputs(training))
    }

    fn states<'a>(&self, _: usize, _: &'a mut BidirectionalCache) -> Result<Vec<&'a mut [f32]>> {
        let message = "reads each sequence from its end too, which a stream does not have yet; use predict";
        Err(Error::unsupported(&self.name, message))
    }

    fn kept_states(&self) -> Vec<usize> {
        if self.stateful { self.state_sizes() } else { Vec::new() }
    }

    fn last_states<'a>(&self, batch: usize, cache: &'a mut BidirectionalCache) -> Result<Vec<&'a mut [f32]>> {
        let [first, second] = &mut cache.halves;
        let mut states = self.halves[0].states(batch, first)?;
        states.extend(self.halves[1].states(batch, second)?);
        Ok(states)
    }

    fn set_begun(&self, begun: bool, cache: &mut BidirectionalCache) {
        self.halves.iter().zip(&mut cache.halves).for_each(|(half, cache)| half.set_begun(begun, cache));
    }

    fn pack(&mut self, isa: Isa, weights: &[f32], training: bool) -> Result<()> {
        let (first, second) = weights.split_at(self.halves[0].weights_len());
        self.halves[0].pack(isa, first, training)?;
        self.halves[1].pack(isa, second, training)
    }

    fn forward(&self, call: Forward<'_>, cache: &mut BidirectionalCache) -> Result<()> {
        let (seed, stream) = call.random;
        let initial = |i: usize| call.inputs.get(i + 1).map(|&tensor| call.tensors[tensor].floats());
        let firsts = self.first_states();
        let given = [0, 1].map(|half| Given {
            initial: [initial(firsts[half]), initial(firsts[half] + 1).filter(|_| self.halves[half].state_count() > 1)],
            // Both halves draw their own.
            random: (seed, 2 * stream + half as u64),
            ..Given::forward(&call)
        });
        let [forward, backward] = &self.halves;
        let team = parallel::team(self.operations(given[0].x));
        let BidirectionalCache { halves: [first, second], outputs, .. } = cache;
        forward.prepare(&given[0], &team, first)?;
        backward.prepare(&given[1], &team, second)?;
        let (shown, final_states) = call.outputs.split_at_mut(self.shown());
        let (output, other) = shown.split_first_mut().expect("a recurrent layer has an output");
        let rows = output.rows();
        if !matches!(self.merge, Merge::Concat | Merge::Apart) {
            for own in &mut *outputs {
                own.resize(rows * forward.units)?;
            }
        }
        let [own_first, own_second] = outputs;
        {
            let columns = forward.return_sequences.then(|| match (self.merge, other.first_mut()) {
                (Merge::Concat, _) => Columns::split(output.floats_mut(), forward.units, backward.units),
                (Merge::Apart, Some(other)) => {
                    (Columns::all(output.floats_mut(), forward.units), Columns::all(other.floats_mut(), backward.units))
                }
                _ => (Columns::all(own_first, forward.units), Columns::all(own_second, backward.units)),
            });
            let (left, right) = columns.unzip();
            let threads = self.share(call.isa, &team, given[0].x.sizes()[0]);
            let passes =
                [forward.forward(&given[0], left, first, threads), backward.forward(&given[1], right, second, threads)];
            run_passes(&team, passes);
        }
        match self.merge {
            Merge::Concat => {
                let units = self.units();
                forward.finish(&given[0], output.floats_mut(), units, first);
                if rows > 0 {
                    backward.finish(&given[1], &mut output.floats_mut()[forward.units..], units, second);
                }
            }
            Merge::Apart => {
                forward.finish(&given[0], output.floats_mut(), forward.units, first);
                backward.finish(&given[1], other[0].floats_mut(), backward.units, second);
            }
            merge => {
                forward.finish(&given[0], own_first, forward.units, first);
                backward.finish(&given[1], own_second, backward.units, second);
                let both = own_first.iter().zip(&**own_second);
                for (y, (a, b)) in output.floats_mut().iter_mut().zip(both) {
                    *y = match merge {
                        Merge::Mul => a * b,
                        Merge::Ave => (a + b) / 2.0,
                        Merge::Sum | Merge::Concat | Merge::Apart => a + b,
                    };
                }
                if call.training {
                    for d in &mut cache.d_outputs {
                        d.resize(rows * forward.units)?;
                    }
                }
            }
        }
        let lasts = [(forward, &*first), (backward, &*second)].into_iter();
        let lasts = lasts.flat_map(|(half, cache)| half.last(cache).into_iter().take(half.state_count()));
        for (target, last) in final_states.iter_mut().zip(lasts) {
            target.floats_mut().copy_from_slice(last);
        }
        Ok(())
    }

    fn backward(&self, mut call: Backward<'_>, cache: &mut BidirectionalCache) {
        let given = Given::backward(&call);
        let [forward, backward] = &self.halves;
        let team = parallel::team(2 * self.operations(given.x));
        let BidirectionalCache { halves: [first, second], outputs, d_outputs } = cache;
        let d_output = call.d_output(0);
        let both = match (self.merge, d_output) {
            (Merge::Apart, _) => {
                let d_other = call.d_output(1).map(|d| (d, backward.units, 0));
                [d_output.map(|d| (d, forward.units, 0)), d_other]
            }
            (_, None) => [None, None],
            (Merge::Concat, Some(d)) => [Some((d, self.units(), 0)), Some((d, self.units(), forward.units))],
            (merge, Some(d_output)) => {
                let [a, b] = &*outputs;
                let [da, db] = &mut *d_outputs;
                for (i, &d) in d_output.iter().enumerate() {
                    (da[i], db[i]) = match merge {
                        Merge::Mul => (d * b[i], d * a[i]),
                        Merge::Ave => (d / 2.0, d / 2.0),
                        Merge::Sum | Merge::Concat | Merge::Apart => (d, d),
                    };
                }
                [Some((&**da, forward.units, 0)), Some((&**db, backward.units, 0))]
            }
        };
        let firsts = self.first_states();
        let d_states = [0, 1].map(|half| {
            let states = if self.return_state { self.halves[half].state_count() } else { 0 };
            let d_state = |i| if i < states { call.d_output(self.shown() + firsts[half] + i) } else { None };
            [d_state(0), d_state(1)]
        });
        forward.prepare_backward(&given, both[0], d_states[0], first);
        backward.prepare_backward(&given, both[1], d_states[1], second);
        let wants_initial = call.inputs.len() > 1;
        {
            let threads = self.share(call.isa, &team, given.x.sizes()[0]);
            let passes = [
                forward.backward(&given, both[0], wants_initial, first, threads),
                backward.backward(&given, both[1], wants_initial, second, threads),
            ];
            run_passes(&team, passes);
        }
        let (left, right) = match call.gradients.take() {
            Some(gradients) => Some(gradients.split_at_mut(forward.weights_len())).unzip(),
            None => (None, None),
        };
        forward.gradients(&given, left, call.d_input(0), &team, first);
        backward.gradients(&given, right, call.d_input(0), &team, second);
        for i in (0..self.state_sizes().len()).filter(|_| wants_initial) {
            let Some((d_initial, add)) = call.d_input(1 + i) else { continue };
            match i.checked_sub(firsts[1]) {
                None => forward.initial_gradient(i, d_initial, add, first),
                Some(i) => backward.initial_gradient(i, d_initial, add, second),
            }
        }
    }
}
