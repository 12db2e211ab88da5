//! The engine's gradients against central differences of the f64 oracle: every weight of every layer, and through a
//! layer before it every input, at odd sizes, on every instruction set.

mod support;

use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use serde_json::{Value, json};
use support::{Lstm, Random, assert_close, dense, differences, last_step, lstm, wide};

fn initializer() -> Value {
    json!({"class_name": "RandomUniform", "config": {"minval": -0.7, "maxval": 0.7, "seed": null}})
}

fn embedding(vocabulary: usize, dimensions: usize, mask_zero: bool) -> Value {
    json!({"class_name": "Embedding", "config": {"name": "embedding", "input_dim": vocabulary,
        "output_dim": dimensions, "embeddings_initializer": initializer(), "mask_zero": mask_zero}})
}

fn lstm_config(name: &str, layer: &Lstm) -> Value {
    json!({"name": name, "units": layer.units, "activation": layer.cell, "recurrent_activation": layer.gate,
        "use_bias": layer.use_bias, "unit_forget_bias": false, "kernel_initializer": initializer(),
        "recurrent_initializer": initializer(), "bias_initializer": initializer(),
        "go_backwards": layer.go_backwards, "zero_output_for_mask": layer.zero_output})
}

fn lstm_layer(name: &str, layer: &Lstm, sequences: bool) -> Value {
    let mut config = lstm_config(name, layer);
    config["return_sequences"] = json!(sequences);
    json!({"class_name": "LSTM", "config": config})
}

fn dense_layer(name: &str, units: usize, activation: &str) -> Value {
    json!({"class_name": "Dense", "config": {"name": name, "units": units, "activation": activation,
        "kernel_initializer": initializer(), "bias_initializer": initializer()}})
}

fn sequential(layers: &[Value]) -> String {
    json!({"class_name": "Sequential", "config": {"name": "model", "layers": layers}}).to_string()
}

fn loss(class: &str, config: Value) -> Value {
    json!({"class_name": class, "config": config})
}

/// What the engine gives for a model: its weights, the loss and the gradients.
struct Engine {
    weights: Vec<Vec<f64>>,
    loss: f64,
    gradients: Vec<Vec<f32>>,
}

fn run(
    isa: Isa,
    model: &str,
    inputs: &[ArrayD<i32>],
    losses: &[Value],
    targets: &[ArrayD<f32>],
    weights: &[Option<ArrayD<f32>>],
) -> Engine {
    let graph = Graph::from_json(model).unwrap();
    let mut network = Network::new(&graph, &[], 3, isa).unwrap();
    let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}}, "loss": losses});
    let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
    let x: Vec<_> = inputs.iter().map(|x| Data::I32(x.view())).collect();
    let y: Vec<_> = targets.iter().map(|y| Data::F32(y.view())).collect();
    let weights: Vec<Option<ArrayViewD<'_, f32>>> = weights.iter().map(|w| w.as_ref().map(|w| w.view())).collect();
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

fn with_input(layers: &[Value], shape: Value) -> String {
    let mut all = vec![json!({"class_name": "InputLayer", "config": {"name": "input", "batch_shape": shape}})];
    all.extend_from_slice(layers);
    sequential(&all)
}

fn array<T>(shape: &[usize], values: Vec<T>) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

/// Ids that are all different, so that the table's gradient is the gradient of the next layer's input.
fn different_ids(batch: usize, steps: usize) -> Vec<i32> {
    (1..=(batch * steps) as i32).rev().collect()
}

fn lookup(table: &[f64], ids: &[i32], dimensions: usize) -> Vec<f64> {
    ids.iter().flat_map(|&id| table[id as usize * dimensions..][..dimensions].to_vec()).collect()
}

fn one_hot(labels: &[usize], classes: usize) -> Vec<f32> {
    labels.iter().flat_map(|&label| (0..classes).map(move |k| f32::from(u8::from(k == label)))).collect()
}

fn crossentropy(logits: &[f64], y: &[f32], classes: usize) -> f64 {
    let mut p = logits.to_vec();
    p.chunks_exact_mut(classes).for_each(|row| support::activate("softmax", row));
    let total: f64 = p.iter().zip(y).map(|(p, &y)| -f64::from(y) * p.ln()).sum();
    total / (logits.len() / classes) as f64
}

#[test]
fn the_text_classifier() {
    for isa in Isa::available() {
        for (batch, steps, dimensions, units, classes) in [(3, 5, 5, 7, 3), (7, 3, 13, 17, 2), (2, 4, 3, 33, 5)] {
            let layer = Lstm::new(units);
            let vocabulary = batch * steps + 1;
            let model = with_input(
                &[
                    embedding(vocabulary, dimensions, false),
                    lstm_layer("lstm", &layer, false),
                    dense_layer("dense", classes, "softmax"),
                ],
                json!([null, steps]),
            );
            let ids = different_ids(batch, steps);
            let labels: Vec<_> = (0..batch).map(|b| (b * 2 + 1) % classes).collect();
            let y = one_hot(&labels, classes);
            let engine = run(
                isa,
                &model,
                &[array(&[batch, steps], ids.clone())],
                &[loss("CategoricalCrossentropy", json!({}))],
                &[array(&[batch, classes], y.clone())],
                &[None],
            );
            check(&format!("{} classifier of {units}", isa.name()), &engine, |w| {
                let x = lookup(&w[0], &ids, dimensions);
                let (_, h, _) = lstm(&layer, &w[1..4], &x, (batch, steps, dimensions), None, None);
                crossentropy(&dense(&h, &w[4], Some(&w[5]), units, classes), &y, classes)
            });
        }
    }
}

/// Sequences of which no step counts: the same token throughout, which a dictionary names once.
#[test]
fn a_batch_of_padding() {
    let (steps, units, classes) = (5, 4, 3);
    for isa in Isa::available() {
        for class in ["LSTM", "GRU", "SimpleRNN"] {
            for batch in [1, 3] {
                let mut config = json!({"name": "layer", "units": units, "activation": "tanh",
                    "kernel_initializer": initializer(), "recurrent_initializer": initializer(),
                    "bias_initializer": initializer()});
                if class != "SimpleRNN" {
                    config["recurrent_activation"] = json!("sigmoid");
                }
                let layer = json!({"class_name": class, "config": config});
                let layers = [embedding(7, 3, true), layer, dense_layer("dense", classes, "softmax")];
                let y = one_hot(&vec![1; batch], classes);
                let engine = run(
                    isa,
                    &with_input(&layers, json!([null, steps])),
                    &[array(&[batch, steps], vec![0; batch * steps])],
                    &[loss("CategoricalCrossentropy", json!({}))],
                    &[array(&[batch, classes], y)],
                    &[None],
                );
                let (bias, rest) = engine.gradients.split_last().unwrap();
                assert!(bias.iter().all(|g| g.abs() > 0.1), "{class}: {bias:?}");
                assert!(rest.iter().flatten().all(|&g| g == 0.0), "{class}: {rest:?}");
            }
        }
    }
}

#[test]
fn stacked_and_masked_sequences() {
    let (batch, steps, dimensions, units, top, classes) = (5, 6, 3, 5, 4, 3);
    // A hole, a masked start, a masked end, a row with nothing, a row with everything.
    let mut ids = different_ids(batch, steps);
    for masked in [1, 3, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23] {
        ids[masked] = 0;
    }
    let mask: Vec<bool> = ids.iter().map(|&id| id != 0).collect();
    for isa in Isa::available() {
        for (go_backwards, zero_output) in [(false, false), (true, false), (false, true), (true, true)] {
            let bottom = Lstm { zero_output, ..Lstm::new(units) };
            let upper = Lstm { go_backwards, zero_output, ..Lstm::new(top) };
            let model = with_input(
                &[
                    embedding(batch * steps + 1, dimensions, true),
                    lstm_layer("bottom", &bottom, true),
                    lstm_layer("upper", &upper, true),
                    dense_layer("dense", classes, "softmax"),
                ],
                json!([null, null]),
            );
            let labels: Vec<f32> = (0..batch * steps).map(|i| (i % classes) as f32).collect();
            let engine = run(
                isa,
                &model,
                &[array(&[batch, steps], ids.clone())],
                &[loss("SparseCategoricalCrossentropy", json!({}))],
                &[array(&[batch, steps], labels.clone())],
                &[None],
            );
            check(&format!("{} masked {go_backwards} {zero_output}", isa.name()), &engine, |w| {
                let x = lookup(&w[0], &ids, dimensions);
                let (x, _, _) = lstm(&bottom, &w[1..4], &x, (batch, steps, dimensions), Some(&mask), None);
                let (x, _, _) = lstm(&upper, &w[4..7], &x, (batch, steps, units), Some(&mask), None);
                let logits = dense(&x, &w[7], Some(&w[8]), top, classes);
                // The loss is the mean over the steps that count.
                let mut total = 0.0;
                for (i, row) in logits.chunks_exact(classes).enumerate().filter(|(i, _)| mask[*i]) {
                    let y = one_hot(&[labels[i] as usize], classes);
                    total += crossentropy(row, &y, classes);
                }
                total / mask.iter().filter(|&&keep| keep).count() as f64
            });
        }
    }
}

#[test]
fn last_outputs_under_masks() {
    let (batch, steps, dimensions, units) = (4, 5, 3, 6);
    let mut ids = different_ids(batch, steps);
    for masked in [4, 5, 7, 15, 16, 17, 18, 19] {
        ids[masked] = 0;
    }
    let mask: Vec<bool> = ids.iter().map(|&id| id != 0).collect();
    let y = Random(4).floats(batch * units);
    for isa in Isa::available() {
        for zero_output in [false, true] {
            for go_backwards in [false, true] {
                let layer = Lstm { zero_output, go_backwards, ..Lstm::new(units) };
                let model = with_input(
                    &[embedding(batch * steps + 1, dimensions, true), lstm_layer("lstm", &layer, false)],
                    json!([null, steps]),
                );
                let engine = run(
                    isa,
                    &model,
                    &[array(&[batch, steps], ids.clone())],
                    &[loss("MeanSquaredError", json!({}))],
                    &[array(&[batch, units], y.clone())],
                    &[None],
                );
                check(&format!("{} last {zero_output} {go_backwards}", isa.name()), &engine, |w| {
                    let x = lookup(&w[0], &ids, dimensions);
                    let (all, _, _) = lstm(&layer, &w[1..4], &x, (batch, steps, dimensions), Some(&mask), None);
                    let last = last_step(&all, steps, units);
                    last.iter().zip(&y).map(|(p, &y)| (p - f64::from(y)).powi(2)).sum::<f64>() / last.len() as f64
                });
            }
        }
    }
}

#[test]
fn other_activations_of_the_cell_and_no_bias() {
    let (batch, steps, dimensions, units) = (3, 4, 5, 7);
    let ids = different_ids(batch, steps);
    let y = Random(8).floats(batch * steps * units);
    for isa in Isa::available() {
        for (cell, gate) in [
            ("relu", "hard_sigmoid"),
            ("softsign", "sigmoid"),
            ("elu", "tanh"),
            ("linear", "sigmoid"),
            ("selu", "sigmoid"),
        ] {
            let layer = Lstm { cell, gate, use_bias: false, ..Lstm::new(units) };
            let model = with_input(
                &[embedding(batch * steps + 1, dimensions, false), lstm_layer("lstm", &layer, true)],
                json!([null, steps]),
            );
            let engine = run(
                isa,
                &model,
                &[array(&[batch, steps], ids.clone())],
                &[loss("MeanSquaredError", json!({"reduction": "sum"}))],
                &[array(&[batch, steps, units], y.clone())],
                &[None],
            );
            check(&format!("{} {cell} {gate}", isa.name()), &engine, |w| {
                let x = lookup(&w[0], &ids, dimensions);
                let (x, _, _) = lstm(&layer, &w[1..3], &x, (batch, steps, dimensions), None, None);
                x.iter().zip(&y).map(|(p, &y)| (p - f64::from(y)).powi(2)).sum::<f64>() / units as f64
            });
        }
    }
}

#[test]
fn dense_and_its_activations() {
    let (batch, steps, dimensions, hidden, outputs) = (5, 3, 7, 17, 3);
    let ids = different_ids(batch, steps);
    let y = Random(8).floats(batch * steps * outputs);
    let sample_weight = Random(9).floats(batch * steps);
    for isa in Isa::available() {
        for activation in
            ["linear", "tanh", "sigmoid", "softmax", "softsign", "elu", "selu", "exponential", "hard_sigmoid", "relu"]
        {
            let model = with_input(
                &[
                    embedding(batch * steps + 1, dimensions, false),
                    dense_layer("hidden", hidden, activation),
                    dense_layer("output", outputs, "linear"),
                    json!({"class_name": "Activation", "config": {"name": "last", "activation": "tanh"}}),
                ],
                json!([null, steps]),
            );
            let engine = run(
                isa,
                &model,
                &[array(&[batch, steps], ids.clone())],
                &[loss("MeanSquaredError", json!({}))],
                &[array(&[batch, steps, outputs], y.clone())],
                &[Some(array(&[batch, steps], sample_weight.clone()))],
            );
            check(&format!("{} dense {activation}", isa.name()), &engine, |w| {
                let mut x = dense(&lookup(&w[0], &ids, dimensions), &w[1], Some(&w[2]), dimensions, hidden);
                x.chunks_exact_mut(hidden).for_each(|row| support::activate(activation, row));
                let mut x = dense(&x, &w[3], Some(&w[4]), hidden, outputs);
                support::activate("tanh", &mut x);
                let rows = x.chunks_exact(outputs).zip(y.chunks_exact(outputs)).zip(&sample_weight);
                let total: f64 = rows
                    .map(|((p, y), &w)| {
                        let squares = p.iter().zip(y).map(|(p, &y)| (p - f64::from(y)).powi(2));
                        f64::from(w) * squares.sum::<f64>() / outputs as f64
                    })
                    .sum();
                total / (batch * steps) as f64
            });
        }
    }
}

/// Each loss on probabilities, on logits and on what stood before an activation.
#[test]
fn losses() {
    const EPSILON: f64 = 1e-7;
    let (batch, dimensions, classes) = (7, 5, 4);
    let ids = different_ids(batch, 1);
    let labels: Vec<usize> = (0..batch).map(|b| b % classes).collect();
    let hot = one_hot(&labels, classes);
    let binary: Vec<f32> = (0..batch * classes).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    let labels_f32: Vec<f32> = labels.iter().map(|&label| label as f32).collect();
    let smooth = 0.1;
    type Oracle<'a> = Box<dyn Fn(&[f64]) -> f64 + 'a>;
    let softmax = |row: &[f64]| {
        let mut p = row.to_vec();
        support::activate("softmax", &mut p);
        p
    };
    let hard_sigmoid = |row: &[f64]| {
        let mut p = row.to_vec();
        support::activate("hard_sigmoid", &mut p);
        p
    };
    // Of one row: the output before its activation, and the row's targets.
    let categorical = move |p: &[f64], y: &[f32], smooth: f64| -> f64 {
        p.iter().zip(y).map(|(p, &y)| -(f64::from(y) * (1.0 - smooth) + smooth / classes as f64) * p.ln()).sum()
    };
    let rows = |z: &[f64], f: &dyn Fn(usize, &[f64]) -> f64| -> f64 {
        z.chunks_exact(classes).enumerate().map(|(i, row)| f(i, row)).sum::<f64>() / batch as f64
    };
    type Case<'a> = (&'a str, &'a str, Value, Vec<f32>, Vec<usize>, Oracle<'a>);
    let cases: Vec<Case<'_>> = vec![
        (
            "softmax",
            "CategoricalCrossentropy",
            json!({"label_smoothing": smooth}),
            hot.clone(),
            vec![batch, classes],
            Box::new(|z| {
                rows(z, &|i, r| categorical(&softmax(r), &hot[i * classes..][..classes], f64::from(smooth as f32)))
            }),
        ),
        (
            "linear",
            "CategoricalCrossentropy",
            json!({"from_logits": true}),
            hot.clone(),
            vec![batch, classes],
            Box::new(|z| rows(z, &|i, r| categorical(&softmax(r), &hot[i * classes..][..classes], 0.0))),
        ),
        // Probabilities that no softmax made are normalised first.
        (
            "exponential",
            "CategoricalCrossentropy",
            json!({}),
            hot.clone(),
            vec![batch, classes],
            Box::new(|z| {
                rows(z, &|i, r| {
                    let e: Vec<f64> = r.iter().map(|x| x.exp()).collect();
                    let sum: f64 = e.iter().sum();
                    let p: Vec<f64> = e.iter().map(|e| (e / sum).clamp(EPSILON, 1.0 - EPSILON)).collect();
                    categorical(&p, &hot[i * classes..][..classes], 0.0)
                })
            }),
        ),
        (
            "softmax",
            "SparseCategoricalCrossentropy",
            json!({}),
            labels_f32.clone(),
            vec![batch, 1],
            Box::new(|z| rows(z, &|i, r| -softmax(r)[labels[i]].ln())),
        ),
        (
            "linear",
            "SparseCategoricalCrossentropy",
            json!({"from_logits": true}),
            labels_f32.clone(),
            vec![batch],
            Box::new(|z| rows(z, &|i, r| -softmax(r)[labels[i]].ln())),
        ),
        (
            "hard_sigmoid",
            "SparseCategoricalCrossentropy",
            json!({}),
            labels_f32.clone(),
            vec![batch],
            Box::new(|z| {
                rows(z, &|i, r| {
                    let p = hard_sigmoid(r);
                    p.iter().sum::<f64>().ln() - p[labels[i]].ln()
                })
            }),
        ),
        (
            "sigmoid",
            "BinaryCrossentropy",
            json!({"label_smoothing": smooth}),
            binary.clone(),
            vec![batch, classes],
            Box::new(|z| rows(z, &|i, r| binary_crossentropy(r, &binary[i * classes..], f64::from(smooth as f32)))),
        ),
        (
            "linear",
            "BinaryCrossentropy",
            json!({"from_logits": true}),
            binary.clone(),
            vec![batch, classes],
            Box::new(|z| rows(z, &|i, r| binary_crossentropy(r, &binary[i * classes..], 0.0))),
        ),
        // Keras on TensorFlow takes the logits of whatever softmax or sigmoid made the output, whatever the loss.
        (
            "softmax",
            "BinaryCrossentropy",
            json!({}),
            binary.clone(),
            vec![batch, classes],
            Box::new(|z| rows(z, &|i, r| binary_crossentropy(r, &binary[i * classes..], 0.0))),
        ),
        (
            "sigmoid",
            "SparseCategoricalCrossentropy",
            json!({"from_logits": true}),
            labels_f32.clone(),
            vec![batch],
            Box::new(|z| rows(z, &|i, r| -softmax(r)[labels[i]].ln())),
        ),
        // An output of another function is a probability.
        (
            "hard_sigmoid",
            "BinaryCrossentropy",
            json!({}),
            binary.clone(),
            vec![batch, classes],
            Box::new(|z| {
                rows(z, &|i, r| {
                    let y = &binary[i * classes..];
                    let terms = hard_sigmoid(r).into_iter().zip(y).map(|(p, &y)| {
                        let y = f64::from(y);
                        -(y * p.ln() + (1.0 - y) * (1.0 - p).ln())
                    });
                    terms.sum::<f64>() / classes as f64
                })
            }),
        ),
        (
            "linear",
            "MeanAbsoluteError",
            json!({}),
            hot.clone(),
            vec![batch, classes],
            Box::new(|z| {
                rows(z, &|i, r| {
                    r.iter().zip(&hot[i * classes..]).map(|(p, &y)| (p - f64::from(y)).abs()).sum::<f64>()
                        / classes as f64
                })
            }),
        ),
        (
            "linear",
            "MeanSquaredError",
            json!({}),
            hot.clone(),
            vec![batch, classes],
            Box::new(|z| {
                rows(z, &|i, r| {
                    r.iter().zip(&hot[i * classes..]).map(|(p, &y)| (p - f64::from(y)).powi(2)).sum::<f64>()
                        / classes as f64
                })
            }),
        ),
    ];
    for isa in Isa::available() {
        for (activation, class, config, target, shape, oracle) in &cases {
            let model = with_input(
                &[embedding(batch + 1, dimensions, false), dense_layer("dense", classes, activation)],
                json!([null]),
            );
            let engine = run(
                isa,
                &model,
                &[array(&[batch], ids.clone())],
                &[loss(class, config.clone())],
                &[array(shape, target.clone())],
                &[None],
            );
            check(&format!("{} {activation} {class} {config}", isa.name()), &engine, |w| {
                oracle(&dense(&lookup(&w[0], &ids, dimensions), &w[1], Some(&w[2]), dimensions, classes))
            });
        }
    }
}

fn binary_crossentropy(logits: &[f64], y: &[f32], smooth: f64) -> f64 {
    let terms = logits.iter().zip(y).map(|(&z, &y)| {
        let y = f64::from(y) * (1.0 - smooth) + 0.5 * smooth;
        z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()
    });
    terms.sum::<f64>() / logits.len() as f64
}

/// An encoder that hands its states to a decoder, two inputs, two outputs, and one Dense layer on both: every way in
/// which tensors of a graph can be shared.
#[test]
fn encoder_and_decoder() {
    let (batch, steps, dimensions, units, classes) = (3, 4, 5, 6, 3);
    let tensor = |layer: &str, call: usize, output: usize| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, call, output]}});
    let call = |inputs: Vec<Value>| json!({"args": inputs, "kwargs": {"training": false, "mask": null}});
    let placed = |mut layer: Value, name: &str, nodes: Vec<Value>| {
        layer["config"]["name"] = json!(name);
        layer["name"] = json!(name);
        layer["inbound_nodes"] = json!(nodes);
        layer
    };
    let layer = Lstm::new(units);
    let mut encoder = lstm_layer("encoder", &layer, false);
    encoder["config"]["return_state"] = json!(true);
    let decoder = lstm_layer("decoder", &layer, true);
    let input = |name: &str| {
        json!({"class_name": "InputLayer", "name": name, "inbound_nodes": [],
            "config": {"name": name, "batch_shape": [null, null]}})
    };
    let model = json!({"class_name": "Functional", "config": {
        "name": "translator",
        "layers": [
            input("source"),
            input("target"),
            placed(embedding(2 * batch * steps + 1, dimensions, false), "words", vec![
                call(vec![tensor("source", 0, 0)]),
                call(vec![tensor("target", 0, 0)]),
            ]),
            placed(encoder, "encoder", vec![call(vec![tensor("words", 0, 0)])]),
            placed(decoder, "decoder", vec![json!({
                "args": [tensor("words", 1, 0)],
                "kwargs": {"initial_state": [tensor("encoder", 0, 1), tensor("encoder", 0, 2)]},
            })]),
            placed(dense_layer("shared", classes, "softmax"), "shared", vec![
                call(vec![tensor("decoder", 0, 0)]),
                call(vec![tensor("encoder", 0, 0)]),
            ]),
        ],
        "input_layers": [["source", 0, 0], ["target", 0, 0]],
        "output_layers": [["shared", 0, 0], ["shared", 1, 0]],
    }})
    .to_string();
    let source = different_ids(batch, steps);
    let target: Vec<i32> = source.iter().map(|id| id + (batch * steps) as i32).collect();
    let labels: Vec<usize> = (0..batch * steps).map(|i| (i * 5 + 1) % classes).collect();
    let (y1, y2) = (one_hot(&labels, classes), one_hot(&labels[..batch], classes));
    for isa in Isa::available() {
        let engine = run(
            isa,
            &model,
            &[array(&[batch, steps], source.clone()), array(&[batch, steps], target.clone())],
            &[loss("CategoricalCrossentropy", json!({})), loss("CategoricalCrossentropy", json!({}))],
            &[array(&[batch, steps, classes], y1.clone()), array(&[batch, classes], y2.clone())],
            &[None, None],
        );
        check(&format!("{} encoder-decoder", isa.name()), &engine, |w| {
            let sizes = (batch, steps, dimensions);
            let (_, h, c) = lstm(&layer, &w[1..4], &lookup(&w[0], &source, dimensions), sizes, None, None);
            let x = lookup(&w[0], &target, dimensions);
            let (decoded, _, _) = lstm(&layer, &w[4..7], &x, sizes, None, Some((&h, &c)));
            let [first, second] = [&decoded, &h].map(|x| dense(x, &w[7], Some(&w[8]), units, classes));
            crossentropy(&first, &y1, classes) + crossentropy(&second, &y2, classes)
        });
    }
}

#[test]
fn layers_that_do_not_train() {
    let (batch, steps, dimensions, units) = (3, 4, 5, 6);
    let layer = Lstm::new(units);
    let mut frozen = lstm_layer("lstm", &layer, false);
    frozen["config"]["trainable"] = json!(false);
    let model = with_input(
        &[embedding(batch * steps + 1, dimensions, false), frozen, dense_layer("dense", 1, "linear")],
        json!([null, steps]),
    );
    let ids = different_ids(batch, steps);
    let engine = run(
        Isa::active(),
        &model,
        &[array(&[batch, steps], ids.clone())],
        &[loss("MeanSquaredError", json!({}))],
        &[array(&[batch, 1], vec![0.5, -1.0, 2.0])],
        &[None],
    );
    for weight in &engine.gradients[1..4] {
        assert!(weight.iter().all(|&g| g == 0.0));
    }
    // What stands before a frozen layer still learns through it.
    for weight in [&engine.gradients[0], &engine.gradients[4]] {
        assert!(weight.iter().any(|&g| g != 0.0));
    }
    assert_eq!(wide(&engine.gradients[5]).len(), 1);
}
