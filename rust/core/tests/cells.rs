//! GRU and SimpleRNN: outputs and gradients against an oracle in plain f64 loops and its central differences, on every
//! instruction set, and the same bits on any number of threads.

mod support;

use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::parallel::set_num_threads;
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};
use support::{Random, activate, assert_close, dense, differences, last_step};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Whether the reset gate acts after the product.
    Gru(bool),
    Simple,
}

const KINDS: [Kind; 3] = [Kind::Gru(true), Kind::Gru(false), Kind::Simple];

#[derive(Clone, Copy)]
struct Cell {
    kind: Kind,
    units: usize,
    activation: &'static str,
    gate: &'static str,
    use_bias: bool,
    go_backwards: bool,
    zero_output: bool,
    /// The largest weight.
    scale: f64,
}

impl Cell {
    fn new(kind: Kind, units: usize) -> Self {
        let (activation, gate) = ("tanh", "sigmoid");
        Cell { kind, units, activation, gate, use_bias: true, go_backwards: false, zero_output: false, scale: 0.7 }
    }

    fn class(&self) -> &'static str {
        if self.kind == Kind::Simple { "SimpleRNN" } else { "GRU" }
    }

    /// Weights, if there is a bias.
    fn weights(&self) -> usize {
        2 + usize::from(self.use_bias)
    }

    fn config(&self) -> Value {
        let initializer =
            json!({"class_name": "RandomUniform", "config": {"minval": -self.scale, "maxval": self.scale}});
        let mut config = json!({"units": self.units, "activation": self.activation, "use_bias": self.use_bias,
            "kernel_initializer": initializer, "recurrent_initializer": initializer, "bias_initializer": initializer});
        if let Kind::Gru(reset_after) = self.kind {
            config["recurrent_activation"] = json!(self.gate);
            config["reset_after"] = json!(reset_after);
        }
        config
    }

    /// As a layer of its own, or in an RNN.
    fn layer(&self, name: &str, sequences: bool, in_rnn: bool) -> Value {
        let mut config = if in_rnn {
            json!({"cell": {"class_name": format!("{}Cell", self.class()), "config": self.config()}})
        } else {
            self.config()
        };
        config["name"] = json!(name);
        config["return_sequences"] = json!(sequences);
        config["go_backwards"] = json!(self.go_backwards);
        config["zero_output_for_mask"] = json!(self.zero_output);
        json!({"class_name": if in_rnn { "RNN" } else { self.class() }, "config": config})
    }

    /// One step.
    fn step(&self, weights: &[Vec<f64>], x: &[f64], h: &[f64]) -> Vec<f64> {
        let u = self.units;
        if self.kind == Kind::Simple {
            let mut z = dense(x, &weights[0], self.use_bias.then(|| &weights[2][..]), x.len(), u);
            z.iter_mut().zip(dense(h, &weights[1], None, u, u)).for_each(|(z, r)| *z += r);
            activate(self.activation, &mut z);
            return z;
        }
        let mut of_x = dense(x, &weights[0], self.use_bias.then(|| &weights[2][..3 * u]), x.len(), 3 * u);
        let after = self.kind == Kind::Gru(true);
        let of_h = dense(h, &weights[1], (self.use_bias && after).then(|| &weights[2][3 * u..]), u, 3 * u);
        let (gates, candidate) = of_x.split_at_mut(2 * u);
        gates.iter_mut().zip(&of_h).for_each(|(z, r)| *z += r);
        activate(self.gate, gates);
        let (z, r) = gates.split_at(u);
        if after {
            (0..u).for_each(|n| candidate[n] += r[n] * of_h[2 * u + n]);
        } else {
            let left: Vec<f64> = r.iter().zip(h).map(|(r, h)| r * h).collect();
            (0..u)
                .for_each(|n| candidate[n] += (0..u).map(|d| left[d] * weights[1][d * 3 * u + 2 * u + n]).sum::<f64>());
        }
        activate(self.activation, candidate);
        (0..u).map(|n| z[n] * h[n] + (1.0 - z[n]) * candidate[n]).collect()
    }

    /// All outputs, `batch x steps x units`, and the last states.
    fn run(
        &self,
        weights: &[Vec<f64>],
        x: &[f64],
        (batch, steps, inputs): (usize, usize, usize),
        mask: Option<&[bool]>,
        initial: Option<&[f64]>,
    ) -> (Vec<f64>, Vec<f64>) {
        let u = self.units;
        let mut outputs = vec![0.0; batch * steps * u];
        let mut last = Vec::new();
        for b in 0..batch {
            let mut h = initial.map_or(vec![0.0; u], |h| h[b * u..(b + 1) * u].to_vec());
            let mut shown = vec![0.0; u];
            for s in 0..steps {
                let t = if self.go_backwards { steps - 1 - s } else { s };
                if mask.is_none_or(|mask| mask[b * steps + t]) {
                    h = self.step(weights, &x[(b * steps + t) * inputs..][..inputs], &h);
                    shown.clone_from(&h);
                } else if self.zero_output {
                    shown.fill(0.0);
                }
                outputs[(b * steps + s) * u..][..u].copy_from_slice(&shown);
            }
            last.extend(h);
        }
        (outputs, last)
    }
}

fn array<T>(shape: &[usize], values: Vec<T>) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

fn embedding(vocabulary: usize, dimensions: usize, mask_zero: bool) -> Value {
    json!({"class_name": "Embedding", "config": {"name": "embedding", "input_dim": vocabulary,
        "output_dim": dimensions, "mask_zero": mask_zero,
        "embeddings_initializer": {"class_name": "RandomUniform", "config": {"minval": -0.7, "maxval": 0.7}}}})
}

fn sequential(layers: &[Value]) -> String {
    sequential_of(&json!([null, null]), layers)
}

fn sequential_of(batch_shape: &Value, layers: &[Value]) -> String {
    let mut all = vec![json!({"class_name": "InputLayer", "config": {"name": "input", "batch_shape": batch_shape}})];
    all.extend_from_slice(layers);
    json!({"class_name": "Sequential", "config": {"name": "model", "layers": all}}).to_string()
}

/// The weights of a model, the mean squared errors of its outputs together, and their gradients.
struct Engine {
    weights: Vec<Vec<f64>>,
    loss: f64,
    gradients: Vec<Vec<f32>>,
}

fn engine(isa: Isa, model: &str, inputs: &[ArrayD<i32>], targets: &[ArrayD<f32>]) -> Engine {
    let graph = Graph::from_json(model).unwrap();
    let mut network = Network::new(&graph, &[], 3, isa).unwrap();
    let losses = vec![json!({"class_name": "MeanSquaredError", "config": {}}); targets.len()];
    let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}}, "loss": losses});
    let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
    let x: Vec<_> = inputs.iter().map(|x| Data::I32(x.view())).collect();
    let y: Vec<_> = targets.iter().map(|y| Data::F32(y.view())).collect();
    let weights = vec![None; targets.len()];
    let targets = Targets { y: &y, sample_weight: &weights };
    let rows = Rows::Range(0, x[0].samples());
    let flat = trainer.gradients(&network, &x, targets, rows).unwrap().to_vec();
    trainer.test_step(&network, &x, targets, rows).unwrap();
    Engine {
        weights: network.weights().map(|(_, w)| w.iter().copied().map(f64::from).collect()).collect(),
        loss: trainer.results()[0],
        gradients: network.plan().weights().iter().map(|w| flat[w.range.clone()].to_vec()).collect(),
    }
}

#[track_caller]
fn check(what: &str, engine: &Engine, oracle: impl Fn(&[Vec<f64>]) -> f64) {
    let expected = oracle(&engine.weights);
    assert!((engine.loss - expected).abs() <= 2e-6 * expected.abs().max(1.0), "{what}: {} {expected}", engine.loss);
    for (i, expected) in differences(&engine.weights, oracle).iter().enumerate() {
        assert!(expected.iter().any(|g| g.abs() > 1e-6), "{what}: weight {i} has no gradient to test");
        assert_close(&format!("{what}: weight {i}"), &engine.gradients[i], expected, 1e-5);
    }
}

fn lookup(table: &[f64], ids: &[i32], dimensions: usize) -> Vec<f64> {
    ids.iter().flat_map(|&id| table[id as usize * dimensions..][..dimensions].to_vec()).collect()
}

/// Ids that are all different, so that the table's gradient is the gradient of the layer's input.
fn different_ids(count: usize) -> Vec<i32> {
    (1..=count as i32).rev().collect()
}

fn mean_squares(p: &[f64], y: &[f32]) -> f64 {
    p.iter().zip(y).map(|(p, &y)| (p - f64::from(y)).powi(2)).sum::<f64>() / p.len() as f64
}

#[test]
fn every_size() {
    for isa in Isa::available() {
        for kind in KINDS {
            for (batch, steps, inputs, units) in [(1, 1, 1, 1), (3, 4, 5, 7), (7, 3, 3, 17), (2, 2, 4, 33)] {
                for in_rnn in [false, true] {
                    let cell = Cell::new(kind, units);
                    let model =
                        sequential(&[embedding(batch * steps + 1, inputs, false), cell.layer("a", false, in_rnn)]);
                    let ids = different_ids(batch * steps);
                    let y = Random(3).floats(batch * units);
                    let (x, target) = (array(&[batch, steps], ids.clone()), array(&[batch, units], y.clone()));
                    // One step from a state of zeros has no gradient of the recurrent kernel.
                    let engine = engine(isa, &model, &[x], &[target]);
                    let oracle = |w: &[Vec<f64>]| {
                        let x = lookup(&w[0], &ids, inputs);
                        mean_squares(&cell.run(&w[1..], &x, (batch, steps, inputs), None, None).1, &y)
                    };
                    let what = format!("{} {} of {units}", isa.name(), cell.class());
                    if steps > 1 {
                        check(&what, &engine, oracle);
                    } else {
                        let expected = differences(&engine.weights, oracle);
                        for (got, expected) in engine.gradients.iter().zip(&expected) {
                            assert_close(&what, got, expected, 1e-5);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn masks_of_any_pattern() {
    let (batch, steps, inputs, units) = (5, 6, 3, 5);
    // A hole, a masked start, a masked end, a row with nothing, a row with everything.
    let mut ids = different_ids(batch * steps);
    for masked in [1, 3, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23] {
        ids[masked] = 0;
    }
    let mask: Vec<bool> = ids.iter().map(|&id| id != 0).collect();
    for isa in Isa::available() {
        for kind in KINDS {
            for (go_backwards, zero_output) in [(false, false), (true, false), (false, true), (true, true)] {
                for sequences in [false, true] {
                    let lower = Cell { zero_output, ..Cell::new(kind, units) };
                    let upper = Cell { go_backwards, zero_output, ..Cell::new(kind, 4) };
                    let model = sequential(&[
                        embedding(batch * steps + 1, inputs, true),
                        lower.layer("lower", true, false),
                        upper.layer("upper", sequences, false),
                    ]);
                    let shape: &[usize] = if sequences { &[batch, steps, 4] } else { &[batch, 4] };
                    let y = Random(5).floats(shape.iter().product());
                    let engine =
                        engine(isa, &model, &[array(&[batch, steps], ids.clone())], &[array(shape, y.clone())]);
                    check(&format!("{} {go_backwards} {zero_output} {sequences}", isa.name()), &engine, |w| {
                        let (below, above) = w[1..].split_at(lower.weights());
                        let x = lookup(&w[0], &ids, inputs);
                        let (x, _) = lower.run(below, &x, (batch, steps, inputs), Some(&mask), None);
                        let (p, _) = upper.run(above, &x, (batch, steps, units), Some(&mask), None);
                        if !sequences {
                            return mean_squares(&last_step(&p, steps, 4), &y);
                        }
                        // The loss is the mean over the steps that count.
                        let counts = |i: usize| mask[i / 4];
                        let squares = (0..p.len()).filter(|&i| counts(i)).map(|i| (p[i] - f64::from(y[i])).powi(2));
                        squares.sum::<f64>() / (0..p.len()).filter(|&i| counts(i)).count() as f64
                    });
                }
            }
        }
    }
}

#[test]
fn other_activations_no_bias_and_repeated_ids() {
    let (batch, steps, inputs, units) = (3, 8, 5, 6);
    // So many repetitions that each id's product with the kernel is computed once.
    let ids: Vec<i32> = (0..batch * steps).map(|i| (i * i % 4) as i32).collect();
    let y = Random(8).floats(batch * steps * units);
    for isa in Isa::available() {
        for kind in KINDS {
            for (activation, gate) in [("softsign", "hard_sigmoid"), ("elu", "tanh"), ("linear", "sigmoid")] {
                for use_bias in [false, true] {
                    let cell = Cell { activation, gate, use_bias, ..Cell::new(kind, units) };
                    let model = sequential(&[embedding(4, inputs, false), cell.layer("a", true, true)]);
                    let (x, target) = (array(&[batch, steps], ids.clone()), array(&[batch, steps, units], y.clone()));
                    let engine = engine(isa, &model, &[x], &[target]);
                    check(&format!("{} {} {activation} {gate}", isa.name(), cell.class()), &engine, |w| {
                        let x = lookup(&w[0], &ids, inputs);
                        mean_squares(&cell.run(&w[1..], &x, (batch, steps, inputs), None, None).0, &y)
                    });
                }
            }
        }
    }
}

/// An encoder that hands its state to a decoder.
#[test]
fn initial_and_last_states() {
    let (batch, steps, inputs, units) = (3, 4, 5, 6);
    let tensor = |layer: &str, call: usize, output: usize| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, call, output]}});
    let call = |inputs: Vec<Value>| json!({"args": inputs, "kwargs": {"training": false, "mask": null}});
    let placed = |mut layer: Value, name: &str, nodes: Vec<Value>| {
        layer["config"]["name"] = json!(name);
        layer["name"] = json!(name);
        layer["inbound_nodes"] = json!(nodes);
        layer
    };
    let input = |name: &str| {
        json!({"class_name": "InputLayer", "name": name, "inbound_nodes": [],
            "config": {"name": name, "batch_shape": [null, null]}})
    };
    let source = different_ids(batch * steps);
    let target: Vec<i32> = source.iter().map(|id| id + (batch * steps) as i32).collect();
    let (y1, y2) = (Random(1).floats(batch * steps * units), Random(2).floats(batch * units));
    for isa in Isa::available() {
        for kind in KINDS {
            let cell = Cell::new(kind, units);
            let mut encoder = cell.layer("encoder", false, false);
            encoder["config"]["return_state"] = json!(true);
            let model = |state: Vec<Value>| {
                json!({"class_name": "Functional", "config": {
                    "name": "translator",
                    "layers": [
                        input("source"),
                        input("target"),
                        placed(embedding(2 * batch * steps + 1, inputs, false), "words", vec![
                            call(vec![tensor("source", 0, 0)]),
                            call(vec![tensor("target", 0, 0)]),
                        ]),
                        placed(encoder.clone(), "encoder", vec![call(vec![tensor("words", 0, 0)])]),
                        placed(cell.layer("decoder", true, false), "decoder", vec![json!({
                            "args": [tensor("words", 1, 0)],
                            "kwargs": {"initial_state": state},
                        })]),
                    ],
                    "input_layers": [["source", 0, 0], ["target", 0, 0]],
                    "output_layers": [["decoder", 0, 0], ["encoder", 0, 0]],
                }})
                .to_string()
            };
            let ids = [array(&[batch, steps], source.clone()), array(&[batch, steps], target.clone())];
            let targets = [array(&[batch, steps, units], y1.clone()), array(&[batch, units], y2.clone())];
            let engine = engine(isa, &model(vec![tensor("encoder", 0, 1)]), &ids, &targets);
            check(&format!("{} {}", isa.name(), cell.class()), &engine, |w| {
                let sizes = (batch, steps, inputs);
                let (_, h) = cell.run(&w[1..4], &lookup(&w[0], &source, inputs), sizes, None, None);
                let x = lookup(&w[0], &target, inputs);
                let (decoded, _) = cell.run(&w[4..7], &x, sizes, None, Some(&h));
                mean_squares(&decoded, &y1) + mean_squares(&h, &y2)
            });
            let two = model(vec![tensor("encoder", 0, 1), tensor("encoder", 0, 1)]);
            let graph = Graph::from_json(&two).unwrap();
            let message = Network::new(&graph, &[], 3, isa).err().unwrap().to_string();
            assert!(message.contains("initial_state must be [h], not 2"), "{message}");
        }
    }
}

#[test]
fn both_directions_of_different_cells() {
    let (batch, steps, inputs, units) = (3, 4, 3, 5);
    let ids = different_ids(batch * steps);
    let y = Random(6).floats(batch * steps * 2 * units);
    for isa in Isa::available() {
        for (first, second) in [(Kind::Gru(true), Kind::Simple), (Kind::Simple, Kind::Gru(false))] {
            let (first, second) = (Cell::new(first, units), Cell { go_backwards: true, ..Cell::new(second, units) });
            let both = json!({"class_name": "Bidirectional", "config": {"name": "both", "merge_mode": "concat",
                "layer": first.layer("forward_a", true, false), "backward_layer": second.layer("b", true, true)}});
            let model = sequential(&[embedding(batch * steps + 1, inputs, false), both]);
            let target = array(&[batch, steps, 2 * units], y.clone());
            let engine = engine(isa, &model, &[array(&[batch, steps], ids.clone())], &[target]);
            check(&format!("{} {}", isa.name(), first.class()), &engine, |w| {
                let x = lookup(&w[0], &ids, inputs);
                let (there, _) = first.run(&w[1..4], &x, (batch, steps, inputs), None, None);
                let (back, _) = second.run(&w[4..7], &x, (batch, steps, inputs), None, None);
                let mut p = Vec::new();
                for b in 0..batch {
                    for t in 0..steps {
                        p.extend(&there[(b * steps + t) * units..][..units]);
                        p.extend(&back[(b * steps + steps - 1 - t) * units..][..units]);
                    }
                }
                mean_squares(&p, &y)
            });
        }
    }
}

/// Rows of sequences with their steps in the other order.
fn turned<T: Clone>(values: &[T], steps: usize, width: usize) -> Vec<T> {
    values
        .chunks(steps * width)
        .flat_map(|rows| rows.chunks(width).rev().flatten().cloned().collect::<Vec<_>>())
        .collect()
}

#[test]
fn cells_above_cells() {
    let (batch, steps, inputs, units) = (4, 5, 3, 4);
    let mut ids = different_ids(batch * steps);
    for masked in [1, 4, 5, 6, 13, 14] {
        ids[masked] = 0;
    }
    let mask: Vec<bool> = ids.iter().map(|&id| id != 0).collect();
    for isa in Isa::available() {
        for (first, second) in [(Kind::Gru(true), Kind::Simple), (Kind::Simple, Kind::Gru(false))] {
            for (go_backwards, sequences, masked) in [(false, true, true), (true, true, true), (true, false, false)] {
                let (lower, upper) = (Cell::new(first, units), Cell::new(second, 5));
                let cells = [&lower, &upper].map(|cell| {
                    let mut config = cell.config();
                    config["name"] = json!(format!("cell_{}", cell.units));
                    json!({"class_name": format!("{}Cell", cell.class()), "config": config})
                });
                let stack = json!({"class_name": "RNN", "config": {"name": "rnn", "return_sequences": sequences,
                    "go_backwards": go_backwards,
                    "cell": {"class_name": "StackedRNNCells", "config": {"name": "cells", "cells": cells}}}});
                let model = sequential(&[embedding(batch * steps + 1, inputs, masked), stack]);
                let shape: &[usize] = if sequences { &[batch, steps, 5] } else { &[batch, 5] };
                let y = Random(5).floats(shape.iter().product());
                let engine = engine(isa, &model, &[array(&[batch, steps], ids.clone())], &[array(shape, y.clone())]);
                check(&format!("{} {go_backwards} {sequences}", isa.name()), &engine, |w| {
                    let (mut x, mut read) = (lookup(&w[0], &ids, inputs), mask.clone());
                    if go_backwards {
                        (x, read) = (turned(&x, steps, inputs), turned(&mask, steps, 1));
                    }
                    let read = masked.then_some(&read[..]);
                    let (between, _) = lower.run(&w[1..4], &x, (batch, steps, inputs), read, None);
                    let (outputs, last) = upper.run(&w[4..7], &between, (batch, steps, units), read, None);
                    if !sequences {
                        return mean_squares(&last, &y);
                    }
                    // The loss leaves out what the input's mask names, whichever way the layer goes.
                    let all = outputs.chunks(5).zip(y.chunks(5)).zip(&mask);
                    let rows: Vec<_> = all.filter(|(_, counts)| !masked || **counts).collect();
                    rows.iter().map(|((p, y), _)| mean_squares(p, y)).sum::<f64>() / rows.len() as f64
                });
            }
        }
    }
}

/// Two outputs and the states of both directions, from which two others start.
#[test]
fn both_directions_with_states() {
    let (batch, steps, inputs, units) = (3, 4, 3, 4);
    let ids = different_ids(batch * steps);
    let tensor = |layer: &str, output: usize| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, output]}});
    let placed = |mut layer: Value, name: &str, node: Value| {
        layer["config"]["name"] = json!(name);
        layer["name"] = json!(name);
        layer["inbound_nodes"] = json!([node]);
        layer
    };
    let (y1, y2) = (Random(1).floats(batch * units), Random(2).floats(batch * steps * 2 * units));
    for isa in Isa::available() {
        for kind in KINDS {
            let (there, back) = (Cell::new(kind, units), Cell { go_backwards: true, ..Cell::new(kind, units) });
            let both = |sequences: bool, return_state: bool, merge_mode: Value| {
                let halves = [(&there, "forward"), (&back, "backward")].map(|(cell, name)| {
                    let mut half = cell.layer(name, sequences, false);
                    half["config"]["return_state"] = json!(return_state);
                    half
                });
                json!({"class_name": "Bidirectional", "config": {"layer": halves[0], "backward_layer": halves[1],
                    "merge_mode": merge_mode}})
            };
            let on_words = json!({"args": [tensor("words", 0)], "kwargs": {}});
            let from_states = json!({"args": [tensor("words", 0)],
                "kwargs": {"initial_state": [tensor("reader", 2), tensor("reader", 3)]}});
            let model = json!({"class_name": "Functional", "config": {
                "name": "model",
                "layers": [
                    {"class_name": "InputLayer", "name": "ids", "inbound_nodes": [],
                        "config": {"name": "ids", "batch_shape": [null, null]}},
                    placed(embedding(batch * steps + 1, inputs, false), "words",
                        json!({"args": [tensor("ids", 0)], "kwargs": {}})),
                    placed(both(false, true, Value::Null), "reader", on_words),
                    placed(both(true, false, json!("concat")), "writer", from_states),
                ],
                "input_layers": [["ids", 0, 0]],
                "output_layers": [["reader", 0, 1], ["writer", 0, 0]],
            }})
            .to_string();
            let targets = [array(&[batch, units], y1.clone()), array(&[batch, steps, 2 * units], y2.clone())];
            let engine = engine(isa, &model, &[array(&[batch, steps], ids.clone())], &targets);
            check(&format!("{} {}", isa.name(), there.class()), &engine, |w| {
                let (sizes, x) = ((batch, steps, inputs), lookup(&w[0], &ids, inputs));
                let (_, forward) = there.run(&w[1..4], &x, sizes, None, None);
                let (_, backward) = back.run(&w[4..7], &x, sizes, None, None);
                let (left, _) = there.run(&w[7..10], &x, sizes, None, Some(&forward));
                let (right, _) = back.run(&w[10..13], &x, sizes, None, Some(&backward));
                let right = turned(&right, steps, units);
                let rows = left.chunks(units).zip(right.chunks(units));
                let written: Vec<f64> = rows.flat_map(|(left, right)| [left, right].concat()).collect();
                mean_squares(&backward, &y1) + mean_squares(&written, &y2)
            });
        }
    }
}

/// Words of sentences of texts: an embedding and a recurrence for each sentence, then one over the sentences.
#[test]
fn steps_as_samples() {
    let (batch, time, steps, inputs, units) = (2, 3, 4, 3, 4);
    let mut ids = different_ids(batch * time * steps);
    for masked in [1, 5, 6, 7, 11] {
        ids[masked] = 0;
    }
    let mask: Vec<bool> = ids.iter().map(|&id| id != 0).collect();
    let y = Random(4).floats(batch * units);
    let distributed =
        |name: &str, layer: Value| json!({"class_name": "TimeDistributed", "config": {"name": name, "layer": layer}});
    for isa in Isa::available() {
        for masked in [false, true] {
            let (words, texts) = (Cell::new(Kind::Gru(true), units), Cell::new(Kind::Simple, units));
            let table = embedding(batch * time * steps + 1, inputs, masked);
            let table = if masked { table } else { distributed("each_word", table) };
            let sentences = distributed("each_sentence", words.layer("words", false, false));
            let model =
                sequential_of(&json!([null, null, null]), &[table, sentences, texts.layer("texts", false, false)]);
            let x = [array(&[batch, time, steps], ids.clone())];
            let engine = engine(isa, &model, &x, &[array(&[batch, units], y.clone())]);
            check(&format!("{} {masked}", isa.name()), &engine, |w| {
                let x = lookup(&w[0], &ids, inputs);
                let read = masked.then_some(&mask[..]);
                let (_, sentences) = words.run(&w[1..4], &x, (batch * time, steps, inputs), read, None);
                let (_, last) = texts.run(&w[4..7], &sentences, (batch, time, units), None, None);
                mean_squares(&last, &y)
            });
        }
    }
}

/// Batches that go on from each other are one longer batch.
#[test]
fn states_go_from_batch_to_batch() {
    let (batch, steps, inputs, units) = (3, 4, 3, 5);
    let ids = different_ids(batch * 2 * steps);
    let halves = [0, 1].map(|half| {
        let rows = ids.chunks(2 * steps).flat_map(|row| row[half * steps..][..steps].to_vec());
        array(&[batch, steps], rows.collect())
    });
    for kind in KINDS {
        let cell = Cell::new(kind, units);
        let mut layer = cell.layer("rnn", true, false);
        layer["config"]["stateful"] = json!(true);
        let model = sequential(&[embedding(ids.len() + 1, inputs, false), layer]);
        let mut network = Network::new(&Graph::from_json(&model).unwrap(), &[], 3, Isa::active()).unwrap();
        let predict = |network: &Network, x: &ArrayD<i32>| network.predict(&[Data::I32(x.view())], batch);
        let message = predict(&network, &halves[0]).unwrap_err().to_string();
        assert!(message.contains("rnn") && message.contains("batch_size=0"), "{message}");
        let weights: Vec<Vec<f64>> =
            network.weights().map(|(_, w)| w.iter().copied().map(f64::from).collect()).collect();
        let x = lookup(&weights[0], &ids, inputs);
        let (expected, last) = cell.run(&weights[1..], &x, (batch, 2 * steps, inputs), None, None);
        network.begin(batch);
        for repeat in 0..2 {
            for (half, x) in halves.iter().enumerate() {
                let y = predict(&network, x).unwrap().remove(0).into_raw_vec_and_offset().0;
                let rows = expected.chunks(2 * steps * units);
                let expected: Vec<f64> =
                    rows.flat_map(|row| row[half * steps * units..][..steps * units].to_vec()).collect();
                assert_close(&format!("{} {repeat} {half}", cell.class()), &y, &expected, 1e-5);
            }
            let (layer, states) = network.kept_states().remove(0);
            assert_eq!(layer, "rnn");
            assert_close("states", states[0].as_slice().unwrap(), &last, 1e-5);
            if repeat == 0 {
                network.begin(batch);
            }
        }
        // Gradients change nothing, a training step does.
        let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
            "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
        let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
        let before = network.kept_states();
        let (x, y) = ([Data::I32(halves[0].view())], ArrayD::zeros(IxDyn(&[batch, steps, units])));
        let y = [Data::F32(y.view())];
        let targets = Targets { y: &y, sample_weight: &[None] };
        trainer.gradients(&network, &x, targets, Rows::Range(0, batch)).unwrap();
        assert_eq!(network.kept_states(), before);
        trainer.train_step(&mut network, &x, targets, Rows::Range(0, batch)).unwrap();
        assert_ne!(network.kept_states(), before);
    }
}

/// A part that is not trained keeps its weights, whatever the others do.
#[test]
fn one_half_trained() {
    let cell = Cell::new(Kind::Gru(true), 3);
    let mut half = cell.layer("forward", false, false);
    half["config"]["trainable"] = json!(false);
    let both = json!({"class_name": "Bidirectional", "config": {"name": "both", "merge_mode": "sum", "layer": half,
        "backward_layer": Cell { go_backwards: true, ..cell }.layer("backward", false, false)}});
    let model = sequential(&[embedding(9, 2, false), both]);
    let network = Network::new(&Graph::from_json(&model).unwrap(), &[], 3, Isa::active()).unwrap();
    let trained: Vec<_> = network.plan().weights().iter().map(|weight| weight.trainable).collect();
    assert_eq!(trained, [true, false, false, false, true, true, true]);
}

/// Sizes of several panels and members: every instruction set agrees with the oracle, every number of threads to the bit.
#[test]
fn wide_cells_on_any_number_of_threads() {
    let (batch, steps, inputs, units) = (16, 12, 9, 70);
    let mut ids = different_ids(batch * steps);
    for place in (0..ids.len()).filter(|place| place * place % 7 == 2) {
        ids[place] = 0;
    }
    let mask: Vec<bool> = ids.iter().map(|&id| id != 0).collect();
    let y = Random(6).floats(batch * units);
    for kind in KINDS {
        // Many large weights would make the recurrence chaotic: its rounding would grow from step to step.
        let cell = Cell { scale: 0.2, ..Cell::new(kind, units) };
        let model = sequential(&[embedding(batch * steps + 1, inputs, true), cell.layer("a", false, false)]);
        let mut expected: Option<Vec<Vec<f64>>> = None;
        for isa in Isa::available() {
            let mut first: Option<Vec<Vec<f32>>> = None;
            for threads in [1, 2, 3, 5] {
                set_num_threads(threads);
                let x = [array(&[batch, steps], ids.clone())];
                let engine = engine(isa, &model, &x, &[array(&[batch, units], y.clone())]);
                let x = lookup(&engine.weights[0], &ids, inputs);
                let (_, last) = cell.run(&engine.weights[1..], &x, (batch, steps, inputs), Some(&mask), None);
                let loss = mean_squares(&last, &y);
                assert!((engine.loss - loss).abs() <= 2e-6 * loss, "{} {loss}", engine.loss);
                assert_eq!(
                    first.get_or_insert_with(|| engine.gradients.clone()),
                    &engine.gradients,
                    "{threads} threads"
                );
                let wide = || engine.gradients.iter().map(|g| support::wide(g)).collect();
                for (got, expected) in engine.gradients.iter().zip(expected.get_or_insert_with(wide)) {
                    assert_close(&format!("{} {}", isa.name(), cell.class()), got, expected, 1e-5);
                }
            }
        }
    }
    set_num_threads(0);
}
