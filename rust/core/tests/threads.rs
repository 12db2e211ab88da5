//! Training gives the same bits on any number of threads. One test, so that no other changes the number meanwhile.

use lstm_core::layers::{Kind, Tensor};
use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::parallel::{num_threads, set_num_threads};
use lstm_core::simd::Isa;
use lstm_core::training::{Labelled, Loss, SampleWeights, Serialised, Targets, Trainer, TrainerConfig};
use ndarray::{Array1, Array2};
use serde_json::{Value, json};

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    // Large enough that every part of a step is worth sharing, and that there are more tiles of sequences than threads and
    // several blocks of rows.
    training_does_not(
        (43, 47),
        &[lstm("lower", 37, true, true), dense("middle", 129, "tanh"), lstm("upper", 37, false, false)],
    );
    // Weights so large that threads share them by columns, and take from each other.
    training_does_not((30, 4), &[lstm("large", 523, false, false)]);
    training_does_not((30, 9), &[both("small", 24), both("both", 37), lstm("last", 16, false, false)]);
    // So few sequences that layers one above the other are computed at the same time.
    training_does_not(
        (2, 41),
        &[
            lstm("lower", 37, true, false),
            dropout("between"),
            lstm("middle", 21, true, false),
            lstm("upper", 37, false, false),
        ],
    );
    training_does_not((5, 60), &[cells("stack", &[37, 21, 30], true), lstm("last", 16, false, false)]);
    losses_do_not();
    set_num_threads(0);
    assert!(num_threads() >= 1);
}

fn uniform() -> Value {
    json!({"class_name": "RandomUniform", "config": {"minval": -0.3, "maxval": 0.3}})
}

fn lstm(name: &str, units: usize, sequences: bool, backwards: bool) -> Value {
    json!({"class_name": "LSTM", "config": {"name": name, "units": units, "activation": "tanh",
        "recurrent_activation": "sigmoid", "return_sequences": sequences, "go_backwards": backwards,
        "kernel_initializer": uniform(), "recurrent_initializer": uniform(), "bias_initializer": uniform()}})
}

fn cells(name: &str, units: &[usize], backwards: bool) -> Value {
    let cell = |(i, &units): (usize, &usize)| {
        json!({"class_name": "LSTMCell", "config": {"name": format!("cell_{i}"), "units": units, "activation": "tanh",
            "recurrent_activation": "sigmoid", "kernel_initializer": uniform(), "recurrent_initializer": uniform(),
            "bias_initializer": uniform()}})
    };
    let cells: Vec<_> = units.iter().enumerate().map(cell).collect();
    let stack = json!({"class_name": "StackedRNNCells", "config": {"name": "cells", "cells": cells}});
    json!({"class_name": "RNN", "config": {"name": name, "cell": stack, "return_sequences": true, "go_backwards": backwards}})
}

fn dropout(name: &str) -> Value {
    json!({"class_name": "Dropout", "config": {"name": name, "rate": 0.2, "noise_shape": null, "seed": null}})
}

fn both(name: &str, units: usize) -> Value {
    json!({"class_name": "Bidirectional", "config": {"name": name, "layer": lstm("half", units, true, false)}})
}

fn dense(name: &str, units: usize, activation: &str) -> Value {
    json!({"class_name": "Dense", "config": {"name": name, "units": units, "activation": activation,
        "kernel_initializer": uniform(), "bias_initializer": uniform()}})
}

/// Trains a model of these layers between an embedding and a classifier.
fn training_does_not((batch, steps): (usize, usize), middle: &[Value]) {
    let mut layers = vec![
        json!({"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [null, null]}}),
        json!({"class_name": "Embedding", "config": {"name": "embedding", "input_dim": 4001, "output_dim": 65,
            "embeddings_initializer": uniform(), "mask_zero": true}}),
    ];
    layers.extend_from_slice(middle);
    layers.push(dense("top", 3, "softmax"));
    let model = json!({"class_name": "Sequential", "config": {"layers": layers}}).to_string();
    let config = json!({"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.01, "clipnorm": 0.1}},
        "loss": [{"class_name": "SparseCategoricalCrossentropy", "config": {}}]})
    .to_string();
    let x =
        Array2::from_shape_fn((batch, steps), |(i, j)| ((i * 131 + j * 57) * ((i + j) % 5)) as i32 % 4001).into_dyn();
    let y = Array1::from_shape_fn(batch, |i| (i % 3) as i64).into_dyn();
    let graph = Graph::from_json(&model).unwrap();
    for isa in Isa::available() {
        let run = |threads: usize| {
            set_num_threads(threads);
            assert_eq!(num_threads(), threads);
            let mut network = Network::new(&graph, &[], 7, isa).unwrap();
            let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config).unwrap()).unwrap();
            for _ in 0..2 {
                let targets = Targets { y: &[Data::I64(y.view())], sample_weight: &[None] };
                trainer.train_step(&mut network, &[Data::I32(x.view())], targets, Rows::Range(0, batch)).unwrap();
            }
            let bits: Vec<u32> =
                network.weights().flat_map(|(_, w)| w.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect();
            let predicted = network.predict(&[Data::I32(x.view())], batch).unwrap();
            (bits, trainer.results(), predicted)
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            assert!(run(threads) == one, "{} with {threads} threads", isa.name());
        }
    }
}

/// Rows enough that threads share them.
fn losses_do_not() {
    let (rows, classes) = (4001, 9);
    let predicted: Vec<f32> = (0..rows * classes).map(|i| ((i * 37 % 101) as f32 + 1.0) / 103.0).collect();
    let weights: Vec<f32> = (0..rows).map(|i| (i % 7) as f32 / 3.0).collect();
    let targets: Vec<f32> = predicted.iter().rev().copied().collect();
    let mut signs: Vec<f32> = (0..rows * classes).map(|i| (i % 3 % 2) as f32).collect();
    signs[rows * classes - 1] = -1.0;
    let labels: Vec<f32> = (0..rows).map(|i| (i * 5 % classes) as f32).collect();
    for (class, sizes, target) in [
        ("SparseCategoricalCrossentropy", &[rows][..], &labels),
        ("CategoricalCrossentropy", &[rows, classes], &targets),
        ("MeanSquaredError", &[rows, classes], &targets),
        // Takes 0 and 1 for -1 and 1, where no target of the whole batch is another.
        ("Hinge", &[rows, classes], &signs),
    ] {
        let mut y = Tensor::new(Kind::Floats);
        y.resize(sizes).unwrap();
        y.floats_mut().copy_from_slice(target);
        let loss = json!({"class_name": class, "config": {}}).to_string();
        let loss = Loss::new(&Serialised::from_json("loss", &loss).unwrap()).unwrap();
        let sizes = [rows, classes];
        let logits: Vec<f32> = predicted.iter().map(|p| 3.0 * p * p - p).collect();
        let run = |threads: usize, logits| {
            set_num_threads(threads);
            let labelled = Labelled {
                place: "loss",
                predicted: &predicted,
                sizes: &sizes,
                logits,
                target: &y,
                own: None,
                part: None,
            };
            let weights = SampleWeights { weights: Some(&weights), ..SampleWeights::default() };
            let mut gradient = vec![f32::NAN; predicted.len()];
            loss.gradient(Isa::active(), &labelled, &weights, &mut gradient, false).unwrap();
            (loss.value(&labelled, &weights).unwrap(), gradient)
        };
        for logits in [None, Some(&*logits)] {
            let one = run(1, logits);
            assert!(one.0 > 0.0 && one.1.iter().all(|d| d.is_finite()));
            for threads in [2, 3, 5] {
                assert!(run(threads, logits) == one, "{class} with {threads} threads");
            }
        }
    }
}
