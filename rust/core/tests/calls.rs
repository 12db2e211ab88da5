//! What a call of a layer may say in a description: a mask of its own, and `training`.

use lstm_core::network::{Data, Graph, Mode, Network, Prediction, Rows};
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{Array2, Array3, ArrayD};
use serde_json::{Value, json};

fn uniform() -> Value {
    json!({"class_name": "RandomUniform", "config": {"seed": null, "minval": -0.7, "maxval": 0.7}})
}

fn tensor(layer: &str) -> Value {
    json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}})
}

fn layer(class: &str, name: &str, config: Value, on: &str, kwargs: Value) -> Value {
    let mut all = json!({"name": name});
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    json!({"class_name": class, "config": all, "inbound_nodes": [{"args": [tensor(on)], "kwargs": kwargs}]})
}

fn recurrent(class: &str, name: &str, on: &str, kwargs: Value) -> Value {
    let mut config = json!({"units": 3, "activation": "tanh", "kernel_initializer": uniform(),
        "recurrent_initializer": uniform(), "bias_initializer": uniform(), "return_sequences": true});
    if class != "SimpleRNN" {
        config["recurrent_activation"] = json!("sigmoid");
    }
    layer(class, name, config, on, kwargs)
}

fn model(inputs: &[(&str, Value)], mut layers: Vec<Value>, output: &str) -> Result<Network, lstm_core::Error> {
    let entries = inputs
        .iter()
        .map(|(name, shape)| json!({"class_name": "InputLayer", "config": {"name": name, "batch_shape": shape}}));
    layers.splice(0..0, entries);
    let named: Vec<_> = inputs.iter().map(|(name, _)| json!([name, 0, 0])).collect();
    let json = json!({"class_name": "Functional", "config": {"name": "model", "layers": layers, "input_layers": named,
        "output_layers": [[output, 0, 0]]}});
    Network::new(&Graph::from_json(&json.to_string())?, &[], 7, Isa::active())
}

const ROWS: usize = 5;
const STEPS: usize = 6;

/// Ids of which some are 0, one row all of them.
fn ids() -> Array2<i32> {
    Array2::from_shape_fn((ROWS, STEPS), |(i, j)| if i == 2 { 0 } else { ((i * 5 + j * 3) % 4) as i32 })
}

/// Output and gradients for a squared error.
fn learnt(network: &mut Network, x: &[Data<'_>]) -> (Vec<ArrayD<f32>>, Vec<f32>) {
    let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
        "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
    let output = network.predict(x, ROWS).unwrap();
    let mut trainer = Trainer::new(network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
    let y = Array3::from_shape_fn((ROWS, STEPS, 3), |(i, j, k)| (i + 2 * j + 3 * k) as f32 / 10.0).into_dyn();
    let targets = Targets { y: &[Data::F32(y.view())], sample_weight: &[None] };
    let gradients = trainer.gradients(network, x, targets, Rows::Range(0, ROWS)).unwrap().to_vec();
    (output, gradients)
}

#[test]
fn a_mask_given_to_a_call_is_one_that_comes_with_the_input() {
    for class in ["LSTM", "GRU", "SimpleRNN"] {
        let table = |masked: bool| {
            let config =
                json!({"input_dim": 4, "output_dim": 2, "embeddings_initializer": uniform(), "mask_zero": masked});
            layer("Embedding", "table", config, "ids", json!({}))
        };
        let words = ("ids", json!([null, null]));
        let own =
            [table(true), recurrent(class, "first", "table", json!({})), recurrent(class, "last", "first", json!({}))];
        let mut own = model(std::slice::from_ref(&words), own.to_vec(), "last").unwrap();
        let kwargs = json!({"mask": tensor("counts"), "training": false});
        let given =
            [table(false), recurrent(class, "first", "table", kwargs), recurrent(class, "last", "first", json!({}))];
        let mut given = model(&[words, ("counts", json!([null, null]))], given.to_vec(), "last").unwrap();
        let ids = ids().into_dyn();
        let counts = ids.mapv(|id| if id == 0 { 0.0 } else { -2.5f32 });
        let first = learnt(&mut own, &[Data::I32(ids.view())]);
        let second = learnt(&mut given, &[Data::I32(ids.view()), Data::F32(counts.view())]);
        assert_eq!(first, second, "{class}");
    }
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    let with = |shape: Value, kwargs: Value| {
        let series = ("series", json!([null, null, 2]));
        model(&[series, ("counts", shape)], vec![recurrent("LSTM", "lstm", "series", kwargs)], "lstm")
    };
    let mask = json!({"mask": tensor("counts")});
    for (shape, kwargs, expected) in [
        (
            json!([null, null, 2]),
            mask.clone(),
            "lstm: the argument mask has shape (None, None, 2), expected (None, None)",
        ),
        (json!([null]), mask.clone(), "lstm: the argument mask"),
        (json!([null, null]), json!({"mask": tensor("nobody")}), "lstm: is called on a tensor that nothing makes"),
        (
            json!([null, null]),
            json!({"mask": [tensor("counts"), tensor("counts")]}),
            "mask of a call must be one tensor",
        ),
        (json!([null, null]), json!({"attention": true}), "attention"),
    ] {
        let message = with(shape, kwargs).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let network = with(json!([null, null]), mask).unwrap();
    let series = ArrayD::<f32>::ones(vec![3, 4, 2]);
    let counts = ArrayD::<f32>::ones(vec![3, 5]);
    let message = network.predict(&[Data::F32(series.view()), Data::F32(counts.view())], 3).unwrap_err().to_string();
    assert!(message.contains("lstm: the argument mask has shape (3, 5), expected (3, 4)"), "{message}");
}

#[test]
fn a_call_draws_where_its_mode_says() {
    let noise = |name: &str, on: &str, kwargs: Value| layer("GaussianNoise", name, json!({"stddev": 0.5}), on, kwargs);
    let moments = |name: &str| json!({format!("{name}_initializer"): uniform()});
    let mut batch = json!({"axis": -1, "momentum": 0.5, "epsilon": 1e-3});
    for name in ["gamma", "beta", "moving_mean"] {
        batch.as_object_mut().unwrap().extend(moments(name).as_object().unwrap().clone());
    }
    batch["moving_variance_initializer"] = json!({"class_name": "Ones", "config": {}});
    let with = |first: Value, second: Value| {
        let layers =
            vec![noise("noise", "x", first), layer("BatchNormalization", "batch", batch.clone(), "noise", second)];
        model(&[("x", json!([null, 4]))], layers, "batch").unwrap()
    };
    let x = ArrayD::<f32>::from_shape_fn(vec![8, 4], |at| (at[0] * 4 + at[1]) as f32 / 7.0);
    let data = [Data::F32(x.view())];
    let call = |network: &Network, mode, number| {
        let mut prediction = Prediction::of_call(network, &data, mode, number).unwrap();
        assert!(!prediction.step(network, &data).unwrap());
        prediction.finish(network)
    };
    let mut network = with(json!({"training": true}), json!({"training": false}));
    let plain = network.predict(&data, 8).unwrap();
    assert_eq!(call(&network, Mode::Inference, 1), plain);
    assert!(!network.follows(Mode::AsCalled) && !network.follows(Mode::Inference) && network.follows(Mode::Training));
    let drawn = call(&network, Mode::AsCalled, 1);
    assert_ne!(drawn, plain);
    assert_eq!(drawn, call(&network, Mode::AsCalled, 1));
    assert_ne!(drawn, call(&network, Mode::AsCalled, 2));
    assert_eq!(plain, network.predict(&data, 8).unwrap());

    // In training the outputs have mean beta, and the moving mean goes half of the way to the batch's.
    let values = |network: &Network| network.weights().map(|(_, values)| values.to_owned()).collect::<Vec<_>>();
    let before = values(&network);
    let mut prediction = Prediction::of_call(&network, &data, Mode::Training, 3).unwrap();
    prediction.step(&network, &data).unwrap();
    let version = network.version();
    prediction.follow(&mut network);
    assert!(network.version() > version);
    let output = prediction.finish(&network).remove(0);
    let after = values(&network);
    for feature in 0..4 {
        let mean = output.rows().into_iter().map(|row| row[feature]).sum::<f32>() / 8.0;
        assert!((mean - before[1][feature]).abs() < 1e-5);
        assert!(after[2][feature] != before[2][feature]);
    }
    assert_eq!(before[..2], after[..2]);

    let network = with(json!({}), json!({"training": true}));
    assert!(network.follows(Mode::AsCalled));
    assert_eq!(call(&network, Mode::AsCalled, 1), call(&network, Mode::AsCalled, 2));
}
