//! Descriptions that make sense and descriptions that do not: plans, errors that name the place, and a network that is
//! as usable after an error as before it.

#![recursion_limit = "256"] // for `json!`

use lstm_core::Error;
use lstm_core::layers::{Initializer, Kind, Shape};
use lstm_core::network::{Data, Graph, Network, Prediction, Rows};
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{Array1, Array2, ArrayD};
use serde_json::{Value, json};

fn glorot() -> Value {
    json!({"class_name": "GlorotUniform", "config": {"seed": null}})
}

fn zeros() -> Value {
    json!({"class_name": "Zeros", "config": {}})
}

/// The text classifier, as Keras writes it to `config.json`.
fn classifier() -> Value {
    let layer = |class: &str, config: Value| {
        json!({"module": "keras.layers", "class_name": class, "config": config,
        "registered_name": null, "build_config": {"input_shape": [null, 7]}})
    };
    let policy = json!({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
        "registered_name": null});
    json!({"module": "keras", "class_name": "Sequential", "registered_name": null, "config": {
        "name": "sequential", "trainable": true, "dtype": policy,
        "layers": [
            layer("InputLayer", json!({"batch_shape": [null, null], "dtype": "int32", "sparse": false, "ragged": false,
                "name": "input_layer", "optional": false})),
            layer("Embedding", json!({"name": "embedding", "trainable": true, "dtype": policy, "input_dim": 11,
                "output_dim": 5, "embeddings_initializer": {"class_name": "RandomUniform",
                "config": {"seed": null, "minval": -0.05, "maxval": 0.05}}, "embeddings_regularizer": null,
                "activity_regularizer": null, "embeddings_constraint": null, "mask_zero": false,
                "quantization_config": null})),
            layer("RNN", json!({"name": "rnn", "trainable": true, "dtype": policy, "return_sequences": false,
                "return_state": false, "go_backwards": false, "stateful": false, "unroll": false,
                "zero_output_for_mask": false, "cell": layer("LSTMCell", json!({"name": "lstm_cell",
                "trainable": true, "dtype": policy, "units": 4, "activation": "tanh",
                "recurrent_activation": "sigmoid", "use_bias": true, "unit_forget_bias": true,
                "kernel_initializer": glorot(), "recurrent_initializer": {"class_name": "Orthogonal",
                "config": {"seed": null, "gain": 1.0}}, "bias_initializer": zeros(), "kernel_regularizer": null,
                "recurrent_regularizer": null, "bias_regularizer": null, "kernel_constraint": null,
                "recurrent_constraint": null, "bias_constraint": null, "dropout": 0.0, "recurrent_dropout": 0.0,
                "seed": null}))})),
            layer("Dense", json!({"name": "dense", "trainable": true, "dtype": policy, "units": 3,
                "activation": "softmax", "use_bias": true, "kernel_initializer": glorot(),
                "bias_initializer": zeros(), "kernel_regularizer": null, "bias_regularizer": null,
                "kernel_constraint": null, "bias_constraint": null, "quantization_config": null})),
        ],
    }})
}

fn build(model: &Value) -> Result<Network, Error> {
    Network::new(&Graph::from_json(&model.to_string())?, &[], 1, Isa::active())
}

/// Builds the classifier with one argument of one layer (counted after the input) changed.
#[track_caller]
fn broken(layer: usize, argument: &str, value: Value) -> String {
    let mut model = classifier();
    let mut config = &mut model["config"]["layers"][layer + 1]["config"];
    if let Some(cell_argument) = argument.strip_prefix("cell.") {
        config = &mut config["cell"]["config"];
        config[cell_argument] = value;
    } else {
        config[argument] = value;
    }
    match build(&model) {
        Ok(_) => panic!("{argument} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_plan_of_the_classifier() {
    let network = build(&classifier()).unwrap();
    let plan = network.plan();
    assert_eq!(plan.input_kinds().collect::<Vec<_>>(), [Kind::Ids]);
    assert_eq!(plan.output_shapes().collect::<Vec<_>>(), [&Shape(vec![None, Some(3)])]);
    let weights: Vec<_> = plan.weights().iter().map(|w| (format!("{}/{}", w.layer, w.path), w.shape.clone())).collect();
    let expected: [(&str, &[usize]); 6] = [
        ("embedding/embeddings", &[11, 5]),
        ("rnn/lstm_cell/kernel", &[5, 16]),
        ("rnn/lstm_cell/recurrent_kernel", &[4, 16]),
        ("rnn/lstm_cell/bias", &[16]),
        ("dense/kernel", &[4, 3]),
        ("dense/bias", &[3]),
    ];
    let expected: Vec<_> = expected.iter().map(|(path, shape)| ((*path).to_owned(), shape.to_vec())).collect();
    assert_eq!(weights, expected);
    assert_eq!(plan.weights_len(), 55 + 80 + 64 + 16 + 12 + 3);
    // Only the forget gate's bias starts at one.
    let (_, bias) = network.weights().nth(3).unwrap();
    let expected: Vec<f32> = (0..16).map(|i| f32::from(u8::from((4..8).contains(&i)))).collect();
    assert_eq!(bias.iter().copied().collect::<Vec<_>>(), expected);
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    let graph = Graph::from_json(&classifier().to_string()).unwrap();
    let weights = |seed| {
        let network = Network::new(&graph, &[], seed, Isa::active()).unwrap();
        network.weights().flat_map(|(_, w)| w.iter().copied().collect::<Vec<_>>()).collect::<Vec<f32>>()
    };
    assert_eq!(weights(5), weights(5));
    assert_ne!(weights(5), weights(6));
}

#[test]
fn arguments_that_are_wrong_are_named() {
    for (layer, argument, value, expected) in [
        (0, "input_dim", json!(0), "embedding: input_dim"),
        (0, "input_dim", json!(-3), "embedding:"),
        (0, "embeddings_regularizer", json!({"class_name": "L9", "config": {}}), "L9"),
        (0, "lora_rank", json!(4), "lora_rank"),
        (1, "cell.units", json!(0), "rnn: units"),
        (1, "cell.activation", json!("swoosh"), "unknown activation 'swoosh'; known are celu"),
        (1, "cell.recurrent_activation", json!("softmax"), "a cell's activation can be elu"),
        (1, "cell.dropout", json!(1.5), "rnn: dropout=1.5"),
        (1, "cell.recurrent_dropout", json!(-0.1), "rnn: recurrent_dropout=-0.1"),
        (1, "cell.zoom", json!(1), "zoom"),
        (1, "cell", json!({"class_name": "PeepholeCell", "config": {}}), "PeepholeCell"),
        (1, "cell", json!([]), "known are LSTMCell"),
        (1, "cell", json!({"class_name": "StackedRNNCells", "config": {"cells": []}}), "rnn:"),
        (2, "units", json!("many"), "dense:"),
        (2, "activation", json!("tan"), "dense: unknown activation 'tan'"),
        (2, "kernel_initializer", json!({"class_name": "Dice", "config": {}}), "unknown initializer 'Dice'"),
        (2, "kernel_initializer", json!({"class_name": "Zeros", "config": {"scales": 3}}), "scales"),
        (2, "dtype", json!("float16"), "dense: dtype"),
        (1, "cell.activity_regularizer", json!({"class_name": "L1", "config": {"l1": 1}}), "activity_regularizer"),
        (2, "activity_regularizer", json!({"class_name": "L9"}), "L9"),
    ] {
        let message = broken(layer, argument, value);
        assert!(message.contains(expected), "{argument}: {message}");
    }
}

#[test]
fn models_that_are_wrong_are_refused() {
    let refused = |model: &str| Graph::from_json(model).map(|_| ()).unwrap_err().to_string();
    assert!(refused("").contains("model:"));
    assert!(refused("[]").contains("model:"));
    assert!(refused(r#"{"class_name": "Zoo", "config": {}}"#).contains("unknown model class 'Zoo'; known are"));
    assert!(refused(r#"{"class_name": "Sequential", "config": {}}"#).contains("layers"));
    let mut nameless = classifier();
    nameless["config"]["layers"][1]["config"]["name"] = Value::Null;
    assert!(refused(&nameless.to_string()).contains("Embedding: a layer has no name"));
    let mut twice = classifier();
    twice["config"]["layers"][2] = twice["config"]["layers"][0].clone();
    assert!(refused(&twice.to_string()).contains("must come first"));

    let mut unknown = classifier();
    unknown["config"]["layers"][3]["class_name"] = json!("Densest");
    let message = build(&unknown).err().unwrap().to_string();
    assert!(message.contains("unknown layer class 'Densest'; known are Activation, ActivityReg"), "{message}");
    let mut empty = classifier();
    empty["config"]["layers"].as_array_mut().unwrap().truncate(1);
    assert!(build(&empty).err().unwrap().to_string().contains("no layers"));
    let mut shapeless = classifier();
    shapeless["config"]["layers"].as_array_mut().unwrap().remove(0);
    assert!(build(&shapeless).err().unwrap().to_string().contains("is not known"));
    let mut floats_into_embedding = classifier();
    floats_into_embedding["config"]["layers"].as_array_mut().unwrap().swap(1, 2);
    assert!(build(&floats_into_embedding).is_err());
}

#[test]
fn graphs_with_loose_ends_are_refused() {
    let dense = |node: Value| {
        json!({"class_name": "Dense", "inbound_nodes": [node],
        "config": {"name": "dense", "units": 2, "activation": null, "kernel_initializer": glorot(), "bias_initializer": zeros()}})
    };
    let input = json!({"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [null, 3]}});
    let tensor = |layer: &str, output: usize| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, output]}});
    let model = |node: Value, output: Value| {
        json!({"class_name": "Functional", "config": {"name": "m", "layers": [input, dense(node)],
            "input_layers": ["x", 0, 0], "output_layers": output}})
    };
    let good = json!({"args": [tensor("x", 0)], "kwargs": {}});
    assert!(build(&model(good.clone(), json!(["dense", 0, 0]))).is_ok());
    for (node, output, expected) in [
        (json!({"args": [tensor("y", 0)], "kwargs": {}}), json!(["dense", 0, 0]), "dense: is called on a tensor"),
        (json!({"args": [tensor("dense", 0)], "kwargs": {}}), json!(["dense", 0, 0]), "dense: is called on a tensor"),
        (json!({"args": [1.5], "kwargs": {}}), json!(["dense", 0, 0]), "1.5"),
        (json!({"args": [tensor("x", 0)], "kwargs": {"mask": true}}), json!(["dense", 0, 0]), "mask"),
        (good.clone(), json!(["nobody", 0, 0]), "nobody"),
        (good.clone(), json!(["dense", 0, 4]), "output"),
        (good, json!([["dense", "zero", 0]]), "does not name a tensor"),
    ] {
        let message = build(&model(node, output)).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn calls_that_no_layer_takes_are_refused() {
    let layer = |class: &str, name: &str, extra: Value, nodes: Value| {
        let mut config = json!({"name": name, "kernel_initializer": glorot(), "bias_initializer": zeros()});
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"class_name": class, "config": config, "inbound_nodes": nodes})
    };
    let tensor = |name: &str| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}});
    let call = |inputs: Value| json!([{"args": [inputs], "kwargs": {}}]);
    let model = |layers: Vec<Value>, output: &str| {
        let input = |name: &str, shape: Value| json!({"class_name": "InputLayer", "config": {"name": name, "batch_shape": shape}});
        let mut all = vec![input("a", json!([null, 3])), input("b", json!([null, 3])), input("s", json!([null, 5, 3]))];
        all.extend(layers);
        json!({"class_name": "Functional", "config": {"name": "m", "layers": all,
            "input_layers": [["a", 0, 0], ["b", 0, 0], ["s", 0, 0]], "output_layers": [output, 0, 0]}})
    };
    let refused = |model: Value| build(&model).err().unwrap().to_string();
    let dense =
        layer("Dense", "dense", json!({"units": 2, "activation": null}), call(json!([tensor("a"), tensor("b")])));
    assert!(refused(model(vec![dense], "dense")).contains("dense: takes one input, not 2"));
    let recurrent = json!({"units": 3, "activation": "tanh", "recurrent_activation": "sigmoid",
        "recurrent_initializer": glorot()});
    let lstm = layer("LSTM", "lstm", recurrent, call(json!([tensor("s"), tensor("a")])));
    assert!(refused(model(vec![lstm], "lstm")).contains("lstm: initial_state must be [h, c], not 1 arrays"));
    let table = json!({"class_name": "Embedding", "inbound_nodes": call(tensor("a")), "config": {"name": "words",
        "input_dim": 5, "output_dim": 2, "embeddings_initializer": zeros()}});
    assert!(refused(model(vec![table], "a")).contains("an input of ids cannot be an output"));
}

#[test]
fn a_recurrent_layer_trains_where_its_cell_does() {
    for (layer, cell) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut model = classifier();
        let config = &mut model["config"]["layers"][2]["config"];
        config["trainable"] = json!(layer);
        config["cell"]["config"]["trainable"] = json!(cell);
        let network = build(&model).unwrap();
        let trained: Vec<_> = network.plan().weights().iter().map(|weight| weight.trainable).collect();
        let recurrent = layer && cell;
        assert_eq!(trained, [true, recurrent, recurrent, recurrent, true, true]);
    }
}

#[test]
fn limits_that_are_not_positive_are_none() {
    let x = Array2::from_shape_fn((6, 4), |(i, j)| ((i * 3 + j * 5) % 11) as i32).into_dyn();
    let y = Array1::from_vec(vec![0i64, 1, 2, 0, 1, 2]).into_dyn();
    let step = |argument: &str, value: f64| {
        let mut network = build(&classifier()).unwrap();
        let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.5, argument: value}},
            "loss": [{"class_name": "SparseCategoricalCrossentropy", "config": {}}]});
        let config = TrainerConfig::from_json(&config.to_string()).unwrap();
        let mut trainer = Trainer::new(&mut network, &config).unwrap();
        let targets = Targets { y: &[Data::I64(y.view())], sample_weight: &[None] };
        trainer.train_step(&mut network, &[Data::I32(x.view())], targets, Rows::Range(0, 6)).unwrap();
        all_weights(&network)
    };
    let free = step("momentum", 0.0);
    for argument in ["clipnorm", "global_clipnorm", "clipvalue"] {
        for limit in [0.0, -1.0] {
            assert_eq!(step(argument, limit), free, "{argument} {limit}");
        }
        assert_ne!(step(argument, 1e-3), free, "{argument}");
    }
}

#[test]
fn identities_of_any_shape() {
    let identity: Initializer =
        serde_json::from_value(json!({"class_name": "Identity", "config": {"gain": 2.0}})).unwrap();
    for (rows, columns) in [(1, 1), (3, 3), (5, 2), (2, 5)] {
        let mut values = vec![f32::NAN; rows * columns];
        identity.fill(&[rows, columns], 0, 0, &mut values).unwrap();
        for (i, &value) in values.iter().enumerate() {
            assert_eq!(value, if i / columns == i % columns { 2.0 } else { 0.0 });
        }
    }
}

#[test]
fn sizes_that_no_memory_holds() {
    let mut units = classifier();
    units["config"]["layers"][2]["config"]["cell"]["config"]["units"] = json!(1u64 << 62);
    assert!(matches!(build(&units), Err(Error::TooLarge { .. })));
    let mut model = classifier();
    model["config"]["layers"][1]["config"]["input_dim"] = json!(u64::MAX / 8);
    model["config"]["layers"][1]["config"]["output_dim"] = json!(1_000_000);
    assert!(matches!(build(&model), Err(Error::TooLarge { .. })));
    model["config"]["layers"][1]["config"]["input_dim"] = json!(1u64 << 40);
    model["config"]["layers"][1]["config"]["output_dim"] = json!(64);
    assert!(matches!(build(&model), Err(Error::OutOfMemory(_))));
}

fn trainer(network: &mut Network) -> Trainer {
    let config = json!({"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.01}},
        "loss": [{"class_name": "SparseCategoricalCrossentropy", "config": {}}],
        "metrics": [[{"class_name": "SparseCategoricalAccuracy", "config": {"name": "accuracy"}}]]});
    Trainer::new(network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap()
}

fn all_weights(network: &Network) -> Vec<f32> {
    network.weights().flat_map(|(_, w)| w.iter().copied().collect::<Vec<_>>()).collect()
}

#[test]
fn an_error_leaves_everything_as_it_was() {
    let good = Array2::from_shape_vec((2, 3), vec![1i64, 2, 3, 4, 5, 10]).unwrap().into_dyn();
    let labels = Array1::from_vec(vec![0i64, 2]).into_dyn();
    let run = |mistakes: bool| {
        let mut network = build(&classifier()).unwrap();
        let mut trainer = trainer(&mut network);
        let mut messages = Vec::new();
        for _ in 0..3 {
            if mistakes {
                let too_large = Array2::from_shape_vec((2, 3), vec![1i64, 2, 3, 4, 11, 5]).unwrap().into_dyn();
                let negative = Array2::from_shape_vec((2, 3), vec![1i64, -2, 3, 4, 1, 5]).unwrap().into_dyn();
                let huge = Array2::from_shape_vec((2, 3), vec![1i64, 1 << 40, 3, 4, 1, 5]).unwrap().into_dyn();
                let flat = Array1::from_vec(vec![1i64, 2]).into_dyn();
                let wrong_label = Array1::from_vec(vec![0i64, 3]).into_dyn();
                let half_label = Array1::from_vec(vec![0f32, 0.5]).into_dyn();
                let one_hot = Array2::from_shape_vec((2, 3), vec![1f32, 0.0, 0.0, 0.0, 0.0, 1.0]).unwrap().into_dyn();
                let three = Array1::from_vec(vec![0i64, 1, 2]).into_dyn();
                let floats = good.mapv(|id| id as f32);
                let weight = Array1::from_vec(vec![1f32, 1.0, 1.0]).into_dyn();
                let wide_weight = Array2::<f32>::ones((2, 2)).into_dyn();
                for (x, y, w) in [
                    (Data::I64(too_large.view()), Data::I64(labels.view()), None),
                    (Data::I64(negative.view()), Data::I64(labels.view()), None),
                    (Data::I64(huge.view()), Data::I64(labels.view()), None),
                    (Data::I64(flat.view()), Data::I64(labels.view()), None),
                    (Data::F32(floats.view()), Data::I64(labels.view()), None),
                    (Data::I64(good.view()), Data::I64(wrong_label.view()), None),
                    (Data::I64(good.view()), Data::F32(half_label.view()), None),
                    (Data::I64(good.view()), Data::F32(one_hot.view()), None),
                    (Data::I64(good.view()), Data::I64(three.view()), None),
                    (Data::I64(good.view()), Data::I64(labels.view()), Some(weight.view())),
                    (Data::I64(good.view()), Data::I64(labels.view()), Some(wide_weight.view())),
                ] {
                    let targets = Targets { y: &[y], sample_weight: &[w] };
                    let before = all_weights(&network);
                    let error = trainer.train_step(&mut network, &[x], targets, Rows::Range(0, 2)).unwrap_err();
                    messages.push(error.to_string());
                    assert_eq!(all_weights(&network), before);
                }
                let x = [Data::I64(good.view())];
                let targets = Targets { y: &[Data::I64(labels.view())], sample_weight: &[None] };
                for rows in [Rows::Index(&[0, 2]), Rows::Index(&[-1]), Rows::Range(1, 3), Rows::Index(&[])] {
                    messages.push(trainer.train_step(&mut network, &x, targets, rows).unwrap_err().to_string());
                }
            }
            let targets = Targets { y: &[Data::I64(labels.view())], sample_weight: &[None] };
            trainer.train_step(&mut network, &[Data::I64(good.view())], targets, Rows::Index(&[1, 0])).unwrap();
        }
        (all_weights(&network), trainer.results(), messages)
    };
    let (weights, results, messages) = run(true);
    let (expected_weights, expected_results, _) = run(false);
    assert_eq!(weights, expected_weights);
    assert_eq!(results, expected_results);
    for (message, expected) in messages.iter().zip([
        "embedding: token id 11 is outside the vocabulary, 0 to 10",
        "embedding: token id -2 is outside the vocabulary, 0 to 10",
        "embedding: token id 1099511627776 is outside the vocabulary",
        "embedding: the input has shape (2,), expected (None, None)",
        "embedding: takes integer ids, not float32",
        "loss SparseCategoricalCrossentropy: label 3 is outside the classes, 0 to 2",
        "loss SparseCategoricalCrossentropy: label 0.5 is outside the classes, 0 to 2",
        "loss SparseCategoricalCrossentropy: the target has shape (2, 3), expected (2,)",
        "loss SparseCategoricalCrossentropy: y has 3 samples where x has 2",
        "loss SparseCategoricalCrossentropy: sample_weight has 3 samples where x has 2",
        "loss SparseCategoricalCrossentropy: sample_weight has shape (2, 2), expected (2,)",
        "row 2 is not among the array's 2",
    ]) {
        assert!(message.contains(expected), "{message}\n{expected}");
    }
}

#[test]
fn prediction_goes_batch_by_batch() {
    let network = build(&classifier()).unwrap();
    let x = Array2::from_shape_fn((7, 4), |(i, j)| ((i * 3 + j * 5) % 11) as i32).into_dyn();
    let data = [Data::I32(x.view())];
    let whole = network.predict(&data, 100).unwrap();
    assert_eq!(whole[0].shape(), [7, 3]);
    assert_eq!(whole, network.predict(&data, 3).unwrap());
    let mut prediction = Prediction::new(&network, &data, 3).unwrap();
    assert!(prediction.step(&network, &data).unwrap());
    assert!(prediction.step(&network, &data).unwrap());
    assert!(!prediction.step(&network, &data).unwrap());
    assert_eq!(whole, prediction.finish(&network));
    // Columns in another order in memory: the values count, not the layout.
    let turned = x.t().as_standard_layout().into_owned();
    let strided = [Data::I32(turned.t())];
    assert_eq!(network.predict(&strided, 3).unwrap(), whole);
    let nothing = Array2::<i32>::zeros((0, 4)).into_dyn();
    assert!(network.predict(&[Data::I32(nothing.view())], 3).is_err());
}

#[test]
fn optimizer_state_comes_and_goes_by_name() {
    let x = Array2::from_shape_fn((6, 4), |(i, j)| ((i * 3 + j * 5) % 11) as i32).into_dyn();
    let y = Array1::from_vec(vec![0i64, 1, 2, 0, 1, 2]).into_dyn();
    let step = |network: &mut Network, trainer: &mut Trainer| {
        let targets = Targets { y: &[Data::I64(y.view())], sample_weight: &[None] };
        trainer.train_step(network, &[Data::I32(x.view())], targets, Rows::Range(0, 6)).unwrap();
    };
    let (mut first, mut second) = (build(&classifier()).unwrap(), build(&classifier()).unwrap());
    let (mut first_trainer, mut second_trainer) = (trainer(&mut first), trainer(&mut second));
    step(&mut first, &mut first_trainer);
    step(&mut first, &mut first_trainer);

    let weights: Vec<_> = first.weights().map(|(_, w)| w.to_owned()).collect();
    second.set_weights(0, &weights.iter().map(|w| w.view()).collect::<Vec<_>>()).unwrap();
    let moments = first_trainer.optimizer().moments(first.plan());
    let moments: Vec<_> = moments
        .map(|(name, weight, values)| (name, ArrayD::from_shape_vec(weight.shape.clone(), values.to_vec()).unwrap()))
        .collect();
    assert_eq!(moments[1].0, "velocity/embedding/embeddings");
    assert_eq!(moments.len(), 12);
    // In another order, and in Fortran's order in memory: names and values count.
    let turned: Vec<_> = moments.iter().map(|(_, m)| m.t().as_standard_layout().into_owned()).collect();
    let mut borrowed: Vec<_> = moments.iter().zip(&turned).map(|((name, _), m)| (name.clone(), m.t())).collect();
    borrowed.reverse();
    second_trainer.optimizer_mut().restore(second.plan(), 2, &borrowed).unwrap();
    step(&mut first, &mut first_trainer);
    step(&mut second, &mut second_trainer);
    assert_eq!(all_weights(&first), all_weights(&second));

    let missing = second_trainer.optimizer_mut().restore(second.plan(), 2, &borrowed[1..]);
    assert!(missing.unwrap_err().to_string().contains("lacks"));
    let position = borrowed.iter().position(|(name, _)| name == "momentum/dense/kernel").unwrap();
    borrowed[position].1 = borrowed[position].1.clone().reversed_axes();
    let message = second_trainer.optimizer_mut().restore(second.plan(), 2, &borrowed).unwrap_err().to_string();
    assert!(message.contains("momentum/dense/kernel has shape (3, 4), expected (4, 3)"), "{message}");
}
