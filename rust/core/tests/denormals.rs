//! States that decay become 0 instead of denormal, and the caller's arithmetic stays its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::simd::{FlushDenormals, Isa};
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{Array1, Array2, Array3, ArrayD};
use serde_json::json;

const STEPS: usize = 200;

fn graph() -> Graph {
    let zeros = json!({"class_name": "Zeros", "config": {}});
    let model = json!({"class_name": "Sequential", "config": {"layers": [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [null, null, 1]}},
        {"class_name": "LSTM", "config": {"name": "lstm", "units": 3, "activation": "tanh",
            "recurrent_activation": "sigmoid", "return_sequences": true, "unit_forget_bias": false,
            "kernel_initializer": zeros, "recurrent_initializer": zeros, "bias_initializer": zeros}},
    ]}});
    Graph::from_json(&model.to_string()).unwrap()
}

/// One impulse, then nothing: the cell state halves at each step.
fn network(isa: Isa) -> (Network, ArrayD<f32>) {
    let mut network = Network::new(&graph(), &[], 0, isa).unwrap();
    let kernel = Array2::from_shape_fn((1, 12), |(_, j)| if (6..9).contains(&j) { 0.3 + 0.1 * j as f32 } else { 0.0 });
    network.set_weights(0, &[kernel.into_dyn().view()]).unwrap();
    let x = Array3::from_shape_fn((7, STEPS, 1), |(_, t, _)| if t == 0 { 1.0 } else { 0.0 });
    (network, x.into_dyn())
}

#[test]
fn a_decaying_state_ends_in_zeros() {
    for isa in Isa::available() {
        let (network, x) = network(isa);
        let y = network.predict(&[Data::F32(x.view())], 7).unwrap().remove(0);
        for ((index, &y), unit) in y.indexed_iter().zip((0..3).cycle()) {
            let c = 0.5 * (0.3 + 0.1 * (6.0 + f64::from(unit))).tanh() * 0.5f64.powi(index[1] as i32);
            let expected = 0.5 * c.tanh();
            assert!((f64::from(y) - expected).abs() <= 1e-5 * expected + 1e-37, "{}: {y:e}, {expected:e}", isa.name());
            if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
                assert!(y == 0.0 || y.is_normal(), "{}: {y:e} in step {}", isa.name(), index[1]);
            }
        }
        assert!(y.iter().last() == Some(&0.0) && y[[0, 100, 0]] > 0.0);
    }
}

#[test]
fn the_callers_arithmetic_comes_back() {
    let (mut network, x) = network(Isa::active());
    let good = [Data::F32(x.view())];
    let wide = Array3::<f32>::zeros((7, 2, 5)).into_dyn();
    let bad = [Data::F32(wide.view())];
    let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
        "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
    let y = Array3::<f32>::zeros((7, STEPS, 3)).into_dyn();
    let short = Array1::<f32>::zeros(3).into_dyn();
    let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
    let rows = Rows::Range(0, 7);
    for already in [false, true] {
        let _flush = already.then(FlushDenormals::new);
        let before = FlushDenormals::is_on();
        let same = || assert_eq!(FlushDenormals::is_on(), before);
        network.predict(&good, 7).unwrap();
        same();
        network.predict(&bad, 7).unwrap_err();
        same();
        for y in [&y, &short] {
            let y = [Data::F32(y.view())];
            let fits = y[0].samples() == 7;
            let targets = || Targets { y: &y, sample_weight: &[None] };
            assert_eq!(trainer.train_step(&mut network, &good, targets(), rows).is_ok(), fits);
            same();
            assert_eq!(trainer.test_step(&network, &good, targets(), rows).is_ok(), fits);
            same();
            assert_eq!(trainer.gradients(&network, &good, targets(), rows).is_ok(), fits);
            same();
        }
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _flush = FlushDenormals::new();
            panic!("on purpose");
        }));
        assert!(panic.is_err());
        same();
    }
}
