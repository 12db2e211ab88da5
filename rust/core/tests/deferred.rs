//! Steps of embeddings' rows that are put off: every bit is that of a trainer that puts nothing off.

#![recursion_limit = "256"] // for `json!`

mod support;

use lstm_core::kernels::optimizer::{Adam, AdamReplay};
use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::parallel::set_num_threads;
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{Array1, Array2, ArrayD};
use serde_json::{Value, json};
use support::Random;

fn uniform() -> Value {
    json!({"class_name": "RandomUniform", "config": {"minval": -0.3, "maxval": 0.3}})
}

fn embedding(name: &str, vocabulary: usize, dimensions: usize, trainable: bool) -> Value {
    json!({"name": name, "input_dim": vocabulary, "output_dim": dimensions, "trainable": trainable,
        "embeddings_initializer": uniform()})
}

fn lstm(name: &str, units: usize) -> Value {
    json!({"name": name, "units": units, "activation": "tanh", "recurrent_activation": "sigmoid",
        "kernel_initializer": uniform(), "recurrent_initializer": uniform(), "bias_initializer": uniform()})
}

fn classifier(vocabulary: usize, dimensions: usize, trainable: bool) -> Value {
    json!({"class_name": "Sequential", "config": {"layers": [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [null, null]}},
        {"class_name": "Embedding", "config": embedding("words", vocabulary, dimensions, trainable)},
        {"class_name": "LSTM", "config": lstm("lstm", 3)},
        {"class_name": "Dense", "config": {"name": "top", "units": 1, "activation": "linear",
            "kernel_initializer": uniform(), "bias_initializer": uniform()}},
    ]}})
}

/// Two inputs of ids read one shared table, one of them a second table too.
fn two_inputs(vocabulary: usize, dimensions: usize) -> Value {
    let tensor = |layer: &str, call: usize, output: usize| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, call, output]}});
    let call = |inputs: Vec<Value>, kwargs: Value| json!({"args": inputs, "kwargs": kwargs});
    let layer = |class: &str, config: Value, calls: Vec<Value>| json!({"class_name": class, "name": config["name"], "config": config, "inbound_nodes": calls});
    let input = |name: &str| layer("InputLayer", json!({"name": name, "batch_shape": [null, null]}), vec![]);
    let with_state = |name: &str| {
        let mut config = lstm(name, 3);
        config["return_state"] = json!(true);
        config
    };
    let states = |name: &str| json!({"initial_state": [tensor(name, 0, 1), tensor(name, 0, 2)]});
    json!({"class_name": "Functional", "config": {"name": "m",
        "layers": [
            input("a"),
            input("b"),
            layer("Embedding", embedding("shared", vocabulary, dimensions, true),
                vec![call(vec![tensor("a", 0, 0)], json!({})), call(vec![tensor("b", 0, 0)], json!({}))]),
            layer("Embedding", embedding("own", vocabulary + 3, dimensions + 1, true),
                vec![call(vec![tensor("b", 0, 0)], json!({}))]),
            layer("LSTM", with_state("first"), vec![call(vec![tensor("shared", 0, 0)], json!({}))]),
            layer("LSTM", with_state("second"), vec![call(vec![tensor("shared", 1, 0)], states("first"))]),
            layer("LSTM", lstm("third", 3), vec![call(vec![tensor("own", 0, 0)], states("second"))]),
            layer("Dense", json!({"name": "top", "units": 1, "activation": "linear",
                "kernel_initializer": uniform(), "bias_initializer": uniform()}),
                vec![call(vec![tensor("third", 0, 0)], json!({}))]),
        ],
        "input_layers": [["a", 0, 0], ["b", 0, 0]], "output_layers": [["top", 0, 0]]}})
}

/// How a test trains.
struct Case {
    model: Value,
    optimizer: Value,
    vocabulary: usize,
    inputs: usize,
    batch: usize,
    length: usize,
    steps: usize,
    /// How often everything is read in between.
    settle_every: usize,
    /// The learning rate at a step.
    learning_rate: fn(usize) -> f32,
}

impl Case {
    fn new(vocabulary: usize, dimensions: usize) -> Self {
        Case {
            model: classifier(vocabulary, dimensions, true),
            optimizer: adam(json!({})),
            vocabulary,
            inputs: 1,
            batch: 4,
            length: 3,
            steps: 60,
            settle_every: usize::MAX,
            learning_rate: |step| 0.01 / (1 + step % 7) as f32,
        }
    }

    /// The bits of weights and moments at every settlement and at the end, and the trainer's results.
    fn run(&self, isa: Isa, least: Option<usize>) -> (Vec<u32>, Vec<f64>) {
        let mut random = Random(5);
        let mut network = Network::new(&Graph::from_json(&self.model.to_string()).unwrap(), &[], 3, isa).unwrap();
        let config = json!({"optimizer": self.optimizer, "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
        let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
        if let Some(least) = least {
            trainer.defer(&network, least);
        }
        let mut bits = Vec::new();
        for step in 0..self.steps {
            trainer.optimizer_mut().set_learning_rate((self.learning_rate)(step));
            let inputs: Vec<_> = (0..self.inputs)
                .map(|_| {
                    // Low ids often, high ones rarely, some never; at times almost all at once.
                    let ids = Array2::from_shape_fn((self.batch, self.length), |_| {
                        let end = if step % 20 == 19 { self.vocabulary } else { 1 + random.below(self.vocabulary) };
                        random.below(end) as i32
                    });
                    ids.into_dyn()
                })
                .collect();
            let y = Array2::from_shape_fn((self.batch, 1), |_| random.signed()).into_dyn();
            let x: Vec<_> = inputs.iter().map(|ids| Data::I32(ids.view())).collect();
            let targets = Targets { y: &[Data::F32(y.view())], sample_weight: &[None] };
            trainer.train_step(&mut network, &x, targets, Rows::Range(0, self.batch)).unwrap();
            if step % self.settle_every == self.settle_every - 1 {
                trainer.settle(&mut network);
                // Looking at gradients leaves them; the next step must not see them.
                trainer.gradients(&network, &x, targets, Rows::Range(0, self.batch)).unwrap();
                bits.extend(state(&network, &trainer));
            }
        }
        assert!(least.is_some() || !network.is_behind());
        trainer.settle(&mut network);
        assert!(!network.is_behind());
        bits.extend(state(&network, &trainer));
        (bits, trainer.results())
    }

    #[track_caller]
    fn check(&self, what: &str) {
        for isa in Isa::available() {
            let (dense, deferred) = (self.run(isa, None), self.run(isa, Some(0)));
            // Losses that are no number are equal here.
            let same = dense.0 == deferred.0 && format!("{:?}", dense.1) == format!("{:?}", deferred.1);
            assert!(same, "{what} on {}", isa.name());
        }
    }
}

/// All bits of weights and moments; one NaN is as good as another.
fn state(network: &Network, trainer: &Trainer) -> Vec<u32> {
    let bits = |x: &f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    let weights: Vec<_> = network.weights().flat_map(|(_, w)| w.iter().map(bits).collect::<Vec<_>>()).collect();
    let moments = trainer.optimizer().moments(network.plan()).flat_map(|(_, _, values)| values);
    weights.into_iter().chain(moments.map(bits)).collect()
}

fn adam(arguments: Value) -> Value {
    optimizer("Adam", arguments)
}

fn optimizer(class: &str, mut arguments: Value) -> Value {
    arguments["learning_rate"] = json!(0.01);
    json!({"class_name": class, "config": arguments})
}

#[test]
fn every_optimizer_and_clipping() {
    for optimizer in [
        adam(json!({})),
        adam(json!({"clipnorm": 0.05})),
        adam(json!({"global_clipnorm": 0.05})),
        adam(json!({"clipvalue": 0.01})),
        adam(json!({"beta_1": 0.0, "beta_2": 0.5})),
        adam(json!({"beta_1": 0.99, "beta_2": 0.3, "epsilon": 1e-3})),
        adam(json!({"epsilon": 0.0})),
        adam(json!({"amsgrad": true})),
        adam(json!({"weight_decay": 0.1})),
        optimizer("SGD", json!({})),
        optimizer("SGD", json!({"clipnorm": 0.05})),
        optimizer("SGD", json!({"momentum": 0.9})),
        optimizer("RMSprop", json!({"momentum": 0.5})),
    ] {
        let what = optimizer.to_string();
        for (vocabulary, dimensions, settle_every) in [(300, 5, usize::MAX), (70, 67, 7)] {
            let optimizer = optimizer.clone();
            Case { optimizer, settle_every, ..Case::new(vocabulary, dimensions) }.check(&what);
        }
    }
}

#[test]
fn learning_rates_that_cannot_wait() {
    let rates: [fn(usize) -> f32; 3] = [
        |step| if step % 10 == 9 { -0.01 } else { 0.02 },
        |step| if step % 13 == 12 { 0.0 } else { 0.02 },
        |step| if step == 40 { f32::INFINITY } else { 0.02 },
    ];
    for learning_rate in rates {
        for optimizer in [adam(json!({})), optimizer("SGD", json!({}))] {
            Case { optimizer, learning_rate, ..Case::new(60, 4) }.check("odd learning rates");
        }
    }
}

#[test]
fn a_clipping_factor_that_is_no_number() {
    // The weights become infinite, then the gradients.
    let learning_rate = |step| if step == 20 { f32::MAX } else { 0.01 };
    for clip in ["clipnorm", "global_clipnorm"] {
        let optimizer = optimizer("SGD", json!({clip: 1e30}));
        Case { optimizer, learning_rate, ..Case::new(60, 4) }.check(clip);
        // A limit that JSON can hold and a float cannot.
        let optimizer = adam(json!({clip: 1e300}));
        Case { optimizer, ..Case::new(60, 4) }.check(clip);
    }
}

#[test]
fn several_tables_inputs_and_calls() {
    for settle_every in [11, usize::MAX] {
        let model = two_inputs(50, 6);
        let optimizer = adam(json!({"global_clipnorm": 0.05}));
        Case { model, optimizer, inputs: 2, settle_every, ..Case::new(50, 6) }.check("two inputs");
    }
    Case { model: classifier(40, 5, false), ..Case::new(40, 5) }.check("a table that is not trained");
}

#[test]
fn a_history_longer_than_is_kept() {
    // Rare rows wait until their first moments are the smallest numbers there are.
    Case { steps: 2200, batch: 1, length: 1, ..Case::new(900, 3) }.check("a long history");
}

#[test]
fn any_number_of_threads() {
    let case = Case { batch: 80, length: 40, steps: 8, ..Case::new(4001, 65) };
    for isa in Isa::available() {
        set_num_threads(1);
        let dense = case.run(isa, None);
        for threads in [1, 2, 3] {
            set_num_threads(threads);
            assert!(case.run(isa, Some(0)) == dense, "{} with {threads} threads", isa.name());
        }
    }
    set_num_threads(0);
}

#[test]
fn small_tables_are_not_put_off() {
    let case = Case::new(50, 4);
    let mut network = Network::new(&Graph::from_json(&case.model.to_string()).unwrap(), &[], 3, Isa::active()).unwrap();
    let config = json!({"optimizer": case.optimizer, "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
    let config = TrainerConfig::from_json(&config.to_string()).unwrap();
    let (x, y) = (ArrayD::from_elem(vec![2, 3], 7), Array1::from_vec(vec![0.5f32, 1.0]).into_dyn());
    for (least, behind) in [(201, false), (200, true)] {
        let mut trainer = Trainer::new(&mut network, &config).unwrap();
        trainer.defer(&network, least);
        let targets = Targets { y: &[Data::F32(y.view())], sample_weight: &[None] };
        trainer.train_step(&mut network, &[Data::I32(x.view())], targets, Rows::Range(0, 2)).unwrap();
        assert_eq!(network.is_behind(), behind);
        // A batch that is refused leaves the network as usable as it was.
        let unknown = ArrayD::from_elem(vec![2, 3], 50);
        let refused = trainer.train_step(&mut network, &[Data::I32(unknown.view())], targets, Rows::Range(0, 2));
        assert!(refused.unwrap_err().to_string().contains("vocabulary"));
        trainer.train_step(&mut network, &[Data::I32(x.view())], targets, Rows::Range(0, 2)).unwrap();
        trainer.settle(&mut network);
    }
}

#[test]
fn weights_that_are_behind_cannot_be_read() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let case = Case::new(50, 4);
    let mut network = Network::new(&Graph::from_json(&case.model.to_string()).unwrap(), &[], 3, Isa::active()).unwrap();
    let config = json!({"optimizer": case.optimizer, "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
    let config = TrainerConfig::from_json(&config.to_string()).unwrap();
    let mut trainer = Trainer::new(&mut network, &config).unwrap();
    trainer.defer(&network, 0);
    let (x, y) = (ArrayD::from_elem(vec![2, 3], 7), Array1::from_vec(vec![0.5f32, 1.0]).into_dyn());
    let (x, targets) = (&[Data::I32(x.view())], Targets { y: &[Data::F32(y.view())], sample_weight: &[None] });
    let rows = Rows::Range(0, 2);
    trainer.train_step(&mut network, x, targets, rows).unwrap();
    let mut refused = |what: &str, act: &mut dyn FnMut(&mut Network, &mut Trainer)| {
        let result = catch_unwind(AssertUnwindSafe(|| act(&mut network, &mut trainer)));
        assert!(result.is_err(), "{what} read weights that were behind");
    };
    refused("weights", &mut |network, _| drop(network.weights().collect::<Vec<_>>()));
    refused("set_weights", &mut |network, _| drop(network.set_weights(0, &[])));
    refused("predict", &mut |network, _| drop(network.predict(x, 2)));
    refused("test_step", &mut |network, trainer| drop(trainer.test_step(network, x, targets, rows)));
    refused("gradients", &mut |network, trainer| drop(trainer.gradients(network, x, targets, rows).map(<[f32]>::len)));
    refused("moments", &mut |network, trainer| drop(trainer.optimizer().moments(network.plan()).collect::<Vec<_>>()));
    refused("restore", &mut |network, trainer| drop(trainer.optimizer_mut().restore(network.plan(), 0, &[])));
    refused("a second trainer", &mut |network, _| drop(Trainer::new(network, &config)));
    trainer.settle(&mut network);
    assert!(network.predict(x, 2).is_ok());
}

#[test]
fn a_replay_has_the_bits_of_its_steps() {
    let mut random = Random(11);
    for isa in Isa::available() {
        for (rate_1, rate_2, epsilon) in [(0.1, 1e-3, 1e-7), (1.0, 1.0, 1e-7), (0.0, 0.0, 1.0), (1e-3, 0.5, 1e-12)] {
            for (len, steps) in [(1, 1), (31, 2), (64, 16), (65, 17), (130, 150), (67, 1023)] {
                let alphas: Vec<f32> = (0..steps).map(|_| 0.01 * random.signed().abs()).collect();
                // Magnitudes from the smallest floats to large ones, zeros of both signs, weights that moves dwarf.
                let mut values = |least: i32| {
                    let mut value = |i: usize| match i % 11 {
                        0 => 0.0,
                        1 => -0.0,
                        _ => random.signed() * 2.0f32.powi(least + random.below((4 - least) as usize) as i32),
                    };
                    (0..len).map(&mut value).collect::<Vec<f32>>()
                };
                let (w, mut m, v) = (values(-40), values(-149), values(-100));
                m.iter_mut().step_by(7).for_each(|m| *m = 0.0);
                let v: Vec<f32> = v.iter().zip(&m).map(|(v, m)| if *m == 0.0 { 0.0 } else { v.abs() }).collect();
                let (mut w_0, mut m_0, mut v_0) = (w.clone(), m.clone(), v.clone());
                for &alpha in &alphas {
                    let adam = Adam { alpha, rate_1, rate_2, epsilon };
                    assert!(adam.can_wait());
                    adam.step(isa, &mut w_0, &vec![0.0; len], &mut m_0, &mut v_0, None);
                }
                let (mut w_1, mut m_1, mut v_1) = (w, m, v);
                AdamReplay { alphas: &alphas, greatest: 0.01, rate_1, rate_2, epsilon }
                    .run(isa, &mut w_1, &mut m_1, &mut v_1);
                for (name, got, expected) in [("w", w_1, w_0), ("m", m_1, m_0), ("v", v_1, v_0)] {
                    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&got), bits(&expected), "{name}: {len} floats, {steps} steps, {}", isa.name());
                }
            }
        }
    }
}
