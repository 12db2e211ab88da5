//! Layers of few lines against a plain f64 oracle: losses, and gradients against its central differences. Each layer
//! stands in a model twice behind one embedding, so that both must add their part to the gradient of its table.

mod support;

use lstm_core::layers::Random;
use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};
use support::{activate, assert_close, differences};

const SEED: u64 = 3;
const DIMENSIONS: usize = 5;

/// What a copy of the layer (0 or 1) computes of `x` with its weight.
type Oracle = Box<dyn Fn(usize, &[f64], &[f64]) -> Vec<f64>>;

struct Case {
    what: &'static str,
    class: &'static str,
    config: Value,
    /// Sizes of the ids; the layer's input has `DIMENSIONS` more.
    ids: Vec<usize>,
    output: Vec<usize>,
    /// Whether only training does it, so that the loss of an evaluation is another.
    drawn: bool,
    weighted: bool,
    /// Which ids give rows of -0.5 all over.
    constant: fn(usize) -> bool,
    oracle: Oracle,
}

fn case(
    what: &'static str,
    class: &'static str,
    config: Value,
    output: &[usize],
    oracle: impl Fn(&[f64]) -> Vec<f64> + 'static,
) -> Case {
    Case {
        what,
        class,
        config,
        ids: vec![3, 4],
        output: output.to_vec(),
        drawn: false,
        weighted: false,
        constant: |_| false,
        oracle: Box::new(move |_, x, _| oracle(x)),
    }
}

fn elementwise(what: &'static str, class: &'static str, config: Value, f: fn(f64) -> f64) -> Case {
    case(what, class, config, &[3, 4, DIMENSIONS], move |x| x.iter().map(|&x| f(x)).collect())
}

/// What is multiplied by the factors that dropout draws, each of which serves at the places that `factor_of` says.
fn dropout(
    what: &'static str,
    class: &'static str,
    config: Value,
    seed: u64,
    factors: usize,
    factor_of: fn(usize) -> usize,
) -> Case {
    let oracle = move |copy: usize, x: &[f64], _: &[f64]| {
        let mut drawn = vec![0.0f32; factors];
        // The first step of a training, the operations behind the embedding.
        Random::new(seed, copy as u64 + 1).dropout(0.4, &mut drawn);
        assert!(drawn.contains(&0.0) && drawn.iter().any(|&factor| factor > 1.0));
        x.iter().enumerate().map(|(i, x)| x * f64::from(drawn[factor_of(i)])).collect()
    };
    Case { drawn: true, oracle: Box::new(oracle), ..elementwise(what, class, config, |x| x) }
}

fn activation(name: &'static str, f: fn(f64) -> f64) -> Case {
    elementwise(name, "Activation", json!({"activation": name}), f)
}

fn moments(axis: Value, mean: Value, variance: Value, invert: bool) -> Value {
    json!({"axis": axis, "mean": mean, "variance": variance, "invert": invert})
}

fn rms(axis: Value) -> Value {
    json!({"axis": axis, "epsilon": 1e-3})
}

fn root_mean_square(width: usize) -> Oracle {
    Box::new(move |_, x, scale| {
        let root = |x: &[f64]| (x.iter().map(|v| v * v).sum::<f64>() / width as f64 + f64::from(1e-3f32)).sqrt();
        x.chunks_exact(width)
            .flat_map(|x| x.iter().zip(scale).map(|(v, scale)| v / root(x) * scale).collect::<Vec<_>>())
            .collect()
    })
}

fn none(_: &[f64]) -> Vec<f64> {
    Vec::new()
}

fn cases() -> Vec<Case> {
    let flat = [3, 4 * DIMENSIONS];
    let same = [3, 4, DIMENSIONS];
    let noise = |copy: usize, x: &[f64], _: &[f64]| -> Vec<f64> {
        let mut random = Random::new(SEED, copy as u64 + 1);
        x.iter().map(|x| x + 0.3 * random.normal()).collect()
    };
    let uniform = json!({"class_name": "RandomUniform", "config": {"minval": 0.1, "maxval": 0.7}});
    let prelu = |what, shared: Value, alpha_of: fn(usize) -> usize| Case {
        weighted: true,
        oracle: Box::new(move |_, x, alpha| {
            x.iter().enumerate().map(|(i, &x)| if x > 0.0 { x } else { alpha[alpha_of(i)] * x }).collect()
        }),
        ..elementwise(what, "PReLU", json!({"alpha_initializer": uniform, "shared_axes": shared}), |x| x)
    };
    let masked = |what, constant: fn(usize) -> bool| Case {
        constant,
        oracle: Box::new(move |_, x, _| {
            let kept = |i: usize| if constant(12 - i / DIMENSIONS) { 0.0 } else { 1.0 };
            x.iter().enumerate().map(|(i, x)| kept(i) * x).collect()
        }),
        ..elementwise(what, "Masking", json!({"mask_value": -0.5}), |x| x)
    };
    vec![
        dropout("dropout", "Dropout", json!({"rate": 0.4, "noise_shape": null, "seed": null}), SEED, 60, |i| i),
        dropout("own seed", "Dropout", json!({"rate": 0.4, "seed": -7}), -7i64 as u64, 60, |i| i),
        dropout("samples", "Dropout", json!({"rate": 0.4, "noise_shape": [null, 1, 1]}), SEED, 3, |i| i / 20),
        dropout("steps", "Dropout", json!({"rate": 0.4, "noise_shape": [1, 4, 1]}), SEED, 4, |i| i / 5 % 4),
        dropout("spatial", "SpatialDropout1D", json!({"rate": 0.4, "seed": 11}), 11, 15, |i| i / 20 * 5 + i % 5),
        elementwise("dropout of nothing", "Dropout", json!({"rate": 0.0}), |x| x),
        Case { drawn: true, ..elementwise("dropout of all", "Dropout", json!({"rate": 1}), |_| 0.0) },
        Case {
            drawn: true,
            oracle: Box::new(noise),
            ..elementwise("noise", "GaussianNoise", json!({"stddev": 0.3, "seed": null}), |x| x)
        },
        masked("masking", |id| id % 3 == 0),
        masked("masking of nothing", |_| false),
        case("flatten", "Flatten", json!({"data_format": "channels_last"}), &flat, <[f64]>::to_vec),
        case("flatten, channels first", "Flatten", json!({"data_format": "channels_first"}), &flat, |x| {
            x.chunks_exact(20).flat_map(|x| (0..20).map(|i| x[i % 4 * 5 + i / 4])).collect()
        }),
        case("reshape", "Reshape", json!({"target_shape": [2, -1, 2]}), &[3, 2, 5, 2], <[f64]>::to_vec),
        case("permute", "Permute", json!({"dims": [2, 1]}), &[3, DIMENSIONS, 4], |x| {
            x.chunks_exact(20).flat_map(|x| (0..20).map(|i| x[i % 4 * 5 + i / 4])).collect()
        }),
        Case {
            ids: vec![2, 3, 2],
            ..case("permute of three", "Permute", json!({"dims": [3, 1, 2]}), &[2, DIMENSIONS, 3, 2], |x| {
                x.chunks_exact(30).flat_map(|x| (0..30).map(|i| x[i % 6 * 5 + i / 6])).collect()
            })
        },
        Case {
            ids: vec![7],
            ..case("repeat", "RepeatVector", json!({"n": 3}), &[7, 3, DIMENSIONS], |x| {
                x.chunks_exact(5).flat_map(|x| x.repeat(3)).collect()
            })
        },
        elementwise("rescaling", "Rescaling", json!({"scale": -1.5, "offset": 0.25}), |x| 0.25 - 1.5 * x),
        case("rescaling of features", "Rescaling", json!({"scale": [1, 2, 0.5, -1, 4], "offset": [1]}), &same, |x| {
            x.iter().enumerate().map(|(i, x)| [1.0, 2.0, 0.5, -1.0, 4.0][i % 5] * x + 1.0).collect()
        }),
        elementwise("relu", "ReLU", json!({}), |x| x.max(0.0)),
        elementwise(
            "relu with everything",
            "ReLU",
            json!({"max_value": 0.4, "negative_slope": 0.2, "threshold": 0.1}),
            |x| if x > 0.1 { x.min(0.4) } else { 0.2 * (x - 0.1) },
        ),
        elementwise("leaky relu", "LeakyReLU", json!({}), |x| if x > 0.0 { x } else { 0.3 * x }),
        elementwise("elu", "ELU", json!({}), |x| if x > 0.0 { x } else { x.exp_m1() }),
        elementwise("elu 0.4", "ELU", json!({"alpha": 0.4}), |x| if x > 0.0 { x } else { 0.4 * x.exp_m1() }),
        prelu("prelu", Value::Null, |i| i % 20),
        prelu("prelu shared over steps", json!([1]), |i| i % 5),
        prelu("prelu shared over features", json!([2]), |i| i / 5 % 4),
        elementwise("identity", "Identity", json!({}), |x| x),
        elementwise("one mean", "Normalization", moments(json!([]), json!(0.5), json!(4), false), |x| (x - 0.5) / 2.0),
        case(
            "means of features",
            "Normalization",
            moments(json!([-1]), json!([0, 1, 2, 3, 4]), json!([1, 4, 9, 16, 25]), false),
            &same,
            |x| x.iter().enumerate().map(|(i, x)| (x - (i % 5) as f64) / (i % 5 + 1) as f64).collect(),
        ),
        case(
            "means of steps, undone",
            "Normalization",
            moments(json!([-1, 1]), json!([[0], [1], [2], [3]]), json!([[1], [4], [9], [16]]), true),
            &same,
            |x| x.iter().enumerate().map(|(i, x)| x * (i / 5 % 4 + 1) as f64 + (i / 5 % 4) as f64).collect(),
        ),
        case("units", "UnitNormalization", json!({"axis": -1}), &same, |x| {
            let unit =
                |x: &[f64]| x.iter().map(|v| v / x.iter().map(|v| v * v).sum::<f64>().sqrt()).collect::<Vec<_>>();
            x.chunks_exact(5).flat_map(unit).collect()
        }),
        case("units of steps", "UnitNormalization", json!({"axis": [1]}), &same, |x| {
            let norm = |i: usize| (0..4).map(|s| x[i / 20 * 20 + s * 5 + i % 5].powi(2)).sum::<f64>().sqrt();
            x.iter().enumerate().map(|(i, v)| v / norm(i)).collect()
        }),
        Case {
            weighted: true,
            oracle: root_mean_square(5),
            ..case("rms", "RMSNormalization", rms(json!(-1)), &same, none)
        },
        Case {
            weighted: true,
            oracle: root_mean_square(20),
            ..case("rms of all", "RMSNormalization", rms(json!([-2, -1])), &same, none)
        },
        activation("gelu", |x| {
            // The normal distribution by Simpson's rule.
            let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let h = x / 200.0;
            let inner: f64 = (1..200).map(|i| density(f64::from(i) * h) * if i % 2 == 0 { 2.0 } else { 4.0 }).sum();
            x * (0.5 + h / 3.0 * (density(0.0) + density(x) + inner))
        }),
        activation("hard_shrink", |x| if x.abs() > 0.5 { x } else { 0.0 }),
        activation("hard_silu", |x| x * (x + 3.0) / 6.0),
        activation("hard_tanh", |x| x),
        activation("leaky_relu", |x| if x > 0.0 { x } else { 0.2 * x }),
        activation("log_sigmoid", |x| -(1.0 + (-x).exp()).ln()),
        activation("mish", |x| x * (1.0 + x.exp()).ln().tanh()),
        activation("relu6", |x| x.max(0.0)),
        activation("silu", |x| x / (1.0 + (-x).exp())),
        activation("soft_shrink", |x| if x.abs() > 0.5 { x - 0.5 * x.signum() } else { 0.0 }),
        activation("softplus", |x| (1.0 + x.exp()).ln()),
        activation("sparse_plus", |x| (x + 1.0).powi(2) / 4.0),
        activation("sparse_sigmoid", |x| (x + 1.0) / 2.0),
        activation("squareplus", |x| (x + (x * x + 4.0).sqrt()) / 2.0),
        activation("tanh_shrink", |x| x - x.tanh()),
        case("log softmax", "Activation", json!({"activation": "log_softmax"}), &same, |x| {
            let total = |x: &[f64]| x.iter().map(|v| v.exp()).sum::<f64>().ln();
            x.chunks_exact(5).flat_map(|x| x.iter().map(|v| v - total(x)).collect::<Vec<_>>()).collect()
        }),
        case("softmax over steps", "Softmax", json!({"axis": [1]}), &same, |x| {
            let total = |i: usize| (0..4).map(|s| x[i / 20 * 20 + s * 5 + i % 5].exp()).sum::<f64>();
            x.iter().enumerate().map(|(i, v)| v.exp() / total(i)).collect()
        }),
        case("softmax", "Softmax", json!({"axis": -1}), &same, |x| {
            let mut y = x.to_vec();
            y.chunks_exact_mut(DIMENSIONS).for_each(|row| activate("softmax", row));
            y
        }),
    ]
}

fn model(case: &Case, ids: usize) -> String {
    let uniform = json!({"class_name": "RandomUniform", "config": {"minval": -0.7, "maxval": 0.7}});
    let node = |source: &str| json!([{"args": [{"config": {"keras_history": [source, 0, 0]}}], "kwargs": {}}]);
    let mut shape: Vec<_> = case.ids.iter().map(|&size| Some(size)).collect();
    shape[0] = None;
    let copy = |name: &str| {
        let mut config = case.config.clone();
        config["name"] = json!(name);
        json!({"class_name": case.class, "config": config, "inbound_nodes": node("embedding")})
    };
    json!({"class_name": "Functional", "config": {"name": "model", "layers": [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": shape}},
        {"class_name": "Embedding", "inbound_nodes": node("input"), "config": {"name": "embedding",
            "input_dim": ids + 1, "output_dim": DIMENSIONS, "embeddings_initializer": uniform}},
        copy("first"), copy("second"),
    ], "input_layers": [["input", 0, 0]], "output_layers": [["first", 0, 0], ["second", 0, 0]]}})
    .to_string()
}

fn array<T>(shape: &[usize], values: Vec<T>) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

#[test]
fn losses_and_gradients() {
    for isa in Isa::available() {
        for case in cases() {
            let what = format!("{} {}", isa.name(), case.what);
            let count: usize = case.ids.iter().product();
            let graph = Graph::from_json(&model(&case, count)).unwrap();
            let mut network = Network::new(&graph, &[], SEED, isa).unwrap();
            let mut table = network.weights().next().unwrap().1.to_owned();
            for (id, mut row) in table.outer_iter_mut().enumerate() {
                if (case.constant)(id) {
                    row.fill(-0.5);
                }
            }
            network.set_weights(0, &[table.view()]).unwrap();

            let loss = json!({"class_name": "MeanSquaredError", "config": {}});
            let config =
                json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}}, "loss": [loss, loss]});
            let config = TrainerConfig::from_json(&config.to_string()).unwrap();
            let mut trainer = Trainer::new(&mut network, &config).unwrap();
            // All ids differ, so that the table's gradient is that of the layers' input.
            let ids: Vec<i32> = (1..=count as i32).rev().collect();
            let x = array(&case.ids, ids.clone());
            let mut random = support::Random(8);
            let y: Vec<Vec<f32>> = (0..2).map(|_| random.floats(case.output.iter().product())).collect();
            let targets: Vec<_> = y.iter().map(|y| array(&case.output, y.clone())).collect();
            let targets: Vec<_> = targets.iter().map(|y| Data::F32(y.view())).collect();
            let targets = Targets { y: &targets, sample_weight: &[None, None] };
            let (x, rows) = ([Data::I32(x.view())], Rows::Range(0, case.ids[0]));

            let counts = |place: usize| case.class != "Masking" || !(case.constant)(ids[place] as usize);
            let oracle = |weights: &[Vec<f64>]| {
                let x: Vec<f64> = ids.iter().flat_map(|&id| weights[0][id as usize * 5..][..5].to_vec()).collect();
                let mut total = 0.0;
                for (copy, y) in y.iter().enumerate() {
                    let alpha = if case.weighted { weights[1 + copy].as_slice() } else { &[] };
                    let found = (case.oracle)(copy, &x, alpha);
                    assert_eq!(found.len(), y.len(), "{what}");
                    let width = case.output[case.output.len() - 1];
                    let pairs: Vec<_> = found.iter().zip(y).collect();
                    let rows: Vec<_> = pairs.chunks_exact(width).enumerate().filter(|(row, _)| counts(*row)).collect();
                    let squares = |row: &[(&f64, &f32)]| {
                        row.iter().map(|&(&p, &y)| (p - f64::from(y)).powi(2)).sum::<f64>() / width as f64
                    };
                    total += rows.iter().map(|(_, row)| squares(row)).sum::<f64>() / rows.len() as f64;
                }
                total
            };
            let flat = trainer.gradients(&network, &x, targets, rows).unwrap().to_vec();
            let weights: Vec<Vec<f64>> =
                network.weights().map(|(_, w)| w.iter().copied().map(f64::from).collect()).collect();
            for (planned, expected) in network.plan().weights().iter().zip(differences(&weights, oracle)) {
                let place = format!("{what}: {}/{}", planned.layer, planned.path);
                let nothing = case.what == "dropout of all";
                assert!(nothing || expected.iter().any(|g| g.abs() > 1e-3), "{place} has no gradient to test");
                assert_close(&place, &flat[planned.range.clone()], &expected, 1e-5);
            }
            trainer.test_step(&network, &x, targets, rows).unwrap();
            let (found, expected) = (trainer.results()[0], oracle(&weights));
            assert!(case.drawn || (found - expected).abs() < 2e-6 * expected, "{what}: {found} {expected}");
        }
    }
}
