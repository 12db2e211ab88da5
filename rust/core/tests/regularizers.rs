//! Penalties on weights and on outputs: the loss, and its gradients, against central differences of a plain f64 oracle.

mod support;

use lstm_core::layers::{Constraint, Regularizer};
use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};
use support::{Random, assert_close, dense, differences, wide};

const ROWS: usize = 4;
const FEATURES: usize = 3;
const UNITS: usize = 5;

fn penalties() -> Vec<Value> {
    vec![
        json!({"class_name": "L1", "config": {"l1": 0.3}}),
        json!({"class_name": "L2", "config": {"l2": 0.2}}),
        json!({"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.4}}),
        json!({"class_name": "OrthogonalRegularizer", "config": {"factor": 0.7, "mode": "rows"}}),
        json!({"class_name": "OrthogonalRegularizer", "config": {"factor": 0.7, "mode": "columns"}}),
    ]
}

/// The penalty on a matrix, in f64.
fn penalty(of: &Value, w: &[f64], columns: usize) -> f64 {
    let config = |name: &str| of["config"][name].as_f64().unwrap_or(0.0);
    if of["class_name"] != "OrthogonalRegularizer" {
        return w.iter().map(|w| config("l1") * w.abs() + config("l2") * w * w).sum();
    }
    let by_rows = of["config"]["mode"] == "rows";
    let rows = w.len() / columns;
    let (vectors, size) = if by_rows { (rows, columns) } else { (columns, rows) };
    let at = |v: usize, i: usize| if by_rows { w[v * columns + i] } else { w[i * columns + v] };
    let product = |a: usize, b: usize| (0..size).map(|i| at(a, i) * at(b, i)).sum::<f64>();
    let mut total = 0.0;
    for a in 0..vectors {
        for b in (0..vectors).filter(|&b| b != a) {
            total += (product(a, b) / (product(a, a) * product(b, b)).sqrt()).abs();
        }
    }
    config("factor") * total / (vectors * (vectors - 1)) as f64
}

fn uniform() -> Value {
    json!({"class_name": "RandomUniform", "config": {"minval": -0.7, "maxval": 0.7, "seed": null}})
}

fn layer(name: &str, extra: &[(&str, &Value)]) -> Value {
    let mut config = json!({"name": name, "units": UNITS, "activation": "tanh", "kernel_initializer": uniform(),
        "bias_initializer": uniform()});
    for (key, value) in extra {
        config[*key] = (*value).clone();
    }
    json!({"class_name": "Dense", "config": config})
}

#[test]
fn penalties_and_their_gradients() {
    let mut random = Random(5);
    let x = random.floats(ROWS * FEATURES);
    let y = random.floats(ROWS * UNITS);
    for of in penalties() {
        for place in ["weight", "output", "layer"] {
            let own = of["class_name"] != "OrthogonalRegularizer";
            let mut layers = vec![
                json!({"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [null, FEATURES]}}),
                layer("first", &[("kernel_regularizer", if place == "weight" { &of } else { &Value::Null })]),
                layer("second", &[("activity_regularizer", if place == "output" { &of } else { &Value::Null })]),
            ];
            if place == "layer" {
                if !own {
                    continue;
                }
                let config = json!({"name": "held", "l1": of["config"]["l1"].as_f64().unwrap_or(0.0),
                    "l2": of["config"]["l2"].as_f64().unwrap_or(0.0)});
                layers.insert(2, json!({"class_name": "ActivityRegularization", "config": config}));
            }
            let model = json!({"class_name": "Sequential", "config": {"name": "model", "layers": layers}});
            let graph = Graph::from_json(&model.to_string()).unwrap();
            let mut network = Network::new(&graph, &[], 7, Isa::active()).unwrap();
            let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
                "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
            let config = TrainerConfig::from_json(&config.to_string()).unwrap();
            let mut trainer = Trainer::new(&mut network, &config).unwrap();
            let inputs = ArrayD::from_shape_vec(IxDyn(&[ROWS, FEATURES]), x.clone()).unwrap();
            let wanted = ArrayD::from_shape_vec(IxDyn(&[ROWS, UNITS]), y.clone()).unwrap();
            let (inputs, wanted) = ([Data::F32(inputs.view())], [Data::F32(wanted.view())]);
            let targets = Targets { y: &wanted, sample_weight: &[None] };
            let flat = trainer.gradients(&network, &inputs, targets, Rows::Range(0, ROWS)).unwrap().to_vec();
            trainer.test_step(&network, &inputs, targets, Rows::Range(0, ROWS)).unwrap();

            let oracle = |w: &[Vec<f64>]| {
                let tanh = |z: Vec<f64>| z.into_iter().map(f64::tanh).collect::<Vec<_>>();
                let hidden = tanh(dense(&wide(&x), &w[0], Some(&w[1]), FEATURES, UNITS));
                let output = tanh(dense(&hidden, &w[2], Some(&w[3]), UNITS, UNITS));
                let error: f64 = output.iter().zip(&y).map(|(p, &y)| (p - f64::from(y)).powi(2)).sum();
                let held = match place {
                    "weight" => penalty(&of, &w[0], UNITS),
                    "output" => penalty(&of, &output, UNITS) / ROWS as f64,
                    _ => penalty(&of, &hidden, UNITS) / ROWS as f64,
                };
                error / output.len() as f64 + held
            };
            let weights: Vec<Vec<f64>> =
                network.weights().map(|(_, w)| w.iter().copied().map(f64::from).collect()).collect();
            let what = format!("{of} on the {place}");
            let (got, expected) = (trainer.results()[0], oracle(&weights));
            assert!((got - expected).abs() < 2e-6, "{what}: {got} {expected}");
            for (planned, expected) in network.plan().weights().iter().zip(differences(&weights, oracle)) {
                assert_close(&format!("{what}: {}", planned.path), &flat[planned.range.clone()], &expected, 1e-5);
            }
        }
    }
}

#[test]
fn penalties_on_plain_arrays() {
    let w = Random(9).floats(6 * 4);
    let array = ArrayD::from_shape_vec(IxDyn(&[6, 4]), w.clone()).unwrap();
    for of in penalties() {
        let regularizer = Regularizer::from_json(&of.to_string()).unwrap();
        assert!((regularizer.value(&array.view()) - penalty(&of, &wide(&w), 4)).abs() < 1e-6, "{of}");
        let orthogonal = of["class_name"] == "OrthogonalRegularizer";
        assert_eq!(regularizer.check("layer", "kernel", 3).is_err(), orthogonal);
    }
    assert!(Regularizer::from_json(r#"{"class_name": "L3", "config": {}}"#).is_err());
    assert!(Constraint::from_json(r#"{"class_name": "NonNegative", "config": {}}"#).is_err());
}

#[test]
fn outputs_that_are_no_matrix_have_no_orthogonal_penalty() {
    let penalty = &penalties()[3];
    let layers = [
        json!({"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [null, 4, FEATURES]}}),
        layer("sequences", &[("activity_regularizer", penalty)]),
    ];
    let model = json!({"class_name": "Sequential", "config": {"name": "model", "layers": layers}});
    let message = Network::new(&Graph::from_json(&model.to_string()).unwrap(), &[], 7, Isa::active()).err().unwrap();
    assert!(message.to_string().contains("sequences: OrthogonalRegularizer needs a matrix"), "{message}");
}
