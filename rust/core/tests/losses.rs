//! The gradient of every loss against central differences of its value, which is computed in f64, by what a model would
//! hand to it; reductions, weights and masks.

mod support;

use lstm_core::layers::{Kind, Tensor};
use lstm_core::simd::Isa;
use lstm_core::training::{Labelled, Loss, Own, SampleWeights, Serialised};
use serde_json::{Value, json};
use support::{Random, assert_close};

const ROWS: usize = 7;
const CLASSES: usize = 5;
const SIZES: [usize; 2] = [ROWS, CLASSES];
/// A power of 2, so that a prediction of f32 moves by just that.
const STEP: f32 = 1.0 / 1024.0;

fn loss(class: &str, config: &Value) -> Loss {
    let object = json!({"class_name": class, "config": config});
    Loss::new(&Serialised::from_json("loss", &object.to_string()).unwrap()).unwrap()
}

fn tensor(sizes: &[usize], values: &[f32]) -> Tensor {
    let mut tensor = Tensor::new(Kind::Floats);
    tensor.resize(sizes).unwrap();
    tensor.floats_mut().copy_from_slice(values);
    tensor
}

fn labelled<'a>(predicted: &'a [f32], logits: Option<&'a [f32]>, target: &'a Tensor) -> Labelled<'a> {
    Labelled { place: "loss", predicted, sizes: &SIZES, logits, target, own: None, part: None }
}

/// The slope between two steps to each side of every prediction, whose error is of the fourth order.
fn differences(x: &[f32], value: impl Fn(&[f32]) -> f64) -> Vec<f64> {
    let mut x = x.to_vec();
    let mut slopes = Vec::new();
    for i in 0..x.len() {
        let middle = x[i];
        let mut at = |steps: f32| {
            x[i] = middle + steps * STEP;
            value(&x)
        };
        let (near, far) = (at(1.0) - at(-1.0), at(2.0) - at(-2.0));
        slopes.push((8.0 * near - far) / (12.0 * f64::from(STEP)));
        x[i] = middle;
    }
    slopes
}

/// Predictions that lie on a grid of steps, from `least` on.
fn grid(random: &mut Random, least: f32, width: f32) -> Vec<f32> {
    random.floats(ROWS * CLASSES).iter().map(|x| ((least + width * (x + 1.0) / 2.0) / STEP).round() * STEP).collect()
}

fn one_hot(random: &mut Random) -> Vec<f32> {
    let mut y = vec![0.0; ROWS * CLASSES];
    y.chunks_exact_mut(CLASSES).for_each(|row| row[random.below(CLASSES)] = 1.0);
    y
}

fn check(class: &str, config: &Value, x: &[f32], target: &Tensor) {
    let what = format!("{class} {config}");
    let mut random = Random(5);
    let row_weights: Vec<f32> = random.floats(ROWS).iter().map(|x| x + 1.5).collect();
    let mut mask = vec![1; ROWS];
    mask[2] = 0;
    for weights in [
        SampleWeights::default(),
        SampleWeights { weights: Some(&row_weights), mask: None, present: None },
        SampleWeights { weights: Some(&row_weights), mask: Some(&mask), present: None },
    ] {
        for reduction in ["sum_over_batch_size", "sum", "mean_with_sample_weight"] {
            let mut config = config.clone();
            config["reduction"] = json!(reduction);
            let loss = loss(class, &config);
            let value = |x: &[f32]| loss.value(&labelled(x, None, target), &weights).unwrap();
            let mut gradient = vec![f32::NAN; x.len()];
            loss.gradient(Isa::active(), &labelled(x, None, target), &weights, &mut gradient, false).unwrap();
            assert_close(&what, &gradient, &differences(x, value), 2e-5);
            // A second time adds.
            let expected: Vec<f64> = gradient.iter().map(|g| 2.0 * f64::from(*g)).collect();
            loss.gradient(Isa::active(), &labelled(x, None, target), &weights, &mut gradient, true).unwrap();
            assert_close(&what, &gradient, &expected, 1e-6);
            if let Some(mask) = weights.mask {
                let masked = mask.iter().position(|&keep| keep == 0).unwrap();
                assert!(gradient[masked * CLASSES..][..CLASSES].iter().all(|&g| g == 0.0), "{what}");
            }
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_values() {
    let mut random = Random(11);
    let any = grid(&mut random, -2.0, 4.0);
    let positive = grid(&mut random, 0.125, 2.0);
    let chances = grid(&mut random, 0.1, 0.8);
    // No target lies within a few steps of a prediction: there some losses have a corner.
    let beside = |x: &[f32], random: &mut Random| -> Vec<f32> {
        x.iter().map(|x| x + (0.05 + random.signed().abs()) * if random.below(2) == 0 { 1.0 } else { -1.0 }).collect()
    };
    let floats = tensor(&SIZES, &beside(&any, &mut random));
    let classes = tensor(&SIZES, &one_hot(&mut random));
    let shares = tensor(&SIZES, &grid(&mut random, 0.1, 0.8));
    let signs: Vec<f32> = one_hot(&mut random).iter().map(|y| 2.0 * y - 1.0).collect();
    let signs = tensor(&SIZES, &signs);
    let near_positive: Vec<f32> = beside(&positive, &mut random).iter().map(|y| y.abs() + 0.05).collect();
    let near_positive = tensor(&SIZES, &near_positive);
    // The cross-entropies of several classes take exponentials in f32; `gradients.rs` has an f64 oracle for them.
    let cases: [(&str, Value, &[f32], &Tensor); 26] = [
        ("MeanSquaredError", json!({}), &any, &floats),
        ("MeanAbsoluteError", json!({}), &any, &floats),
        ("MeanAbsolutePercentageError", json!({}), &any, &floats),
        ("MeanSquaredLogarithmicError", json!({}), &positive, &near_positive),
        ("Huber", json!({}), &any, &floats),
        ("Huber", json!({"delta": 0.3}), &any, &floats),
        ("LogCosh", json!({}), &any, &floats),
        ("Poisson", json!({}), &positive, &near_positive),
        ("KLDivergence", json!({}), &chances, &shares),
        ("Hinge", json!({}), &any, &signs),
        ("Hinge", json!({}), &any, &classes),
        ("SquaredHinge", json!({}), &any, &signs),
        ("CategoricalHinge", json!({}), &any, &classes),
        ("CosineSimilarity", json!({}), &any, &floats),
        ("Quantile", json!({"quantile": 0.9}), &any, &floats),
        ("Quantile", json!({}), &any, &floats),
        ("BinaryCrossentropy", json!({}), &chances, &classes),
        ("BinaryCrossentropy", json!({"from_logits": true, "label_smoothing": 0.1}), &any, &classes),
        ("BinaryFocalCrossentropy", json!({}), &chances, &classes),
        ("BinaryFocalCrossentropy", json!({"gamma": 1.5, "apply_class_balancing": true}), &chances, &shares),
        ("BinaryFocalCrossentropy", json!({"from_logits": true, "label_smoothing": 0.2}), &any, &classes),
        ("BinaryFocalCrossentropy", json!({"from_logits": true, "gamma": 0.0}), &any, &classes),
        ("CategoricalCrossentropy", json!({"label_smoothing": 0.1}), &chances, &classes),
        ("CategoricalFocalCrossentropy", json!({}), &chances, &classes),
        (
            "CategoricalFocalCrossentropy",
            json!({"gamma": 3.0, "alpha": 0.5, "label_smoothing": 0.2}),
            &chances,
            &shares,
        ),
        ("CategoricalFocalCrossentropy", json!({"from_logits": true}), &any, &classes),
    ];
    for (class, config, x, target) in cases {
        check(class, &config, x, target);
    }
}

/// Where a model ends in a sigmoid, the focal loss' slope is taken before it, and its digits do not cancel.
#[test]
fn the_focal_loss_takes_the_logits_of_a_sigmoid() {
    let mut random = Random(3);
    let mut logits = grid(&mut random, -3.0, 6.0);
    logits[0] = 40.0;
    let target = tensor(&SIZES, &one_hot(&mut random));
    let loss = loss("BinaryFocalCrossentropy", &json!({}));
    assert!(loss.takes_logits() && !loss.suits_softmax());
    let weights = SampleWeights::default();
    // What is predicted is not looked at.
    let predicted = vec![f32::NAN; logits.len()];
    let value = |x: &[f32]| loss.value(&labelled(&predicted, Some(x), &target), &weights).unwrap();
    let mut gradient = vec![0.0; logits.len()];
    let seen = labelled(&predicted, Some(&logits), &target);
    loss.gradient(Isa::active(), &seen, &weights, &mut gradient, false).unwrap();
    assert_close("focal", &gradient, &differences(&logits, value), 2e-5);
}

/// Each row's value, whatever the reduction, adds up to the sum.
#[test]
fn values_are_those_of_the_rows() {
    let mut random = Random(8);
    let x = grid(&mut random, 0.1, 0.8);
    let target = tensor(&SIZES, &one_hot(&mut random));
    for class in ["Huber", "KLDivergence", "CategoricalFocalCrossentropy", "CosineSimilarity", "SquaredHinge"] {
        let mean = loss(class, &json!({}));
        let values = mean.values(&labelled(&x, None, &target)).unwrap();
        assert_eq!(values.len(), ROWS);
        let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
        let whole = mean.value(&labelled(&x, None, &target), &SampleWeights::default()).unwrap();
        assert!((sum / ROWS as f64 - whole).abs() < 1e-6, "{class}: {sum} {whole}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for (class, config) in [
        ("Quantile", json!({"quantile": 1.0})),
        ("CategoricalCrossentropy", json!({"label_smoothing": 2.0})),
        ("CosineSimilarity", json!({"axis": 0})),
        ("Huber", json!({"reduction": "most"})),
        ("Unheard", json!({})),
    ] {
        let object = json!({"class_name": class, "config": config}).to_string();
        assert!(Loss::new(&Serialised::from_json("loss", &object).unwrap()).is_err(), "{class}");
    }
}

/// Values and slopes of a squared error, as a caller would bring them.
fn own_squares(x: &[f32], y: &[f32]) -> Own {
    let values = x.chunks_exact(CLASSES).zip(y.chunks_exact(CLASSES));
    let values = values.map(|(x, y)| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f32>() / CLASSES as f32);
    let slopes = x.iter().zip(y).map(|(x, y)| 2.0 * (x - y) / CLASSES as f32);
    Own { values: values.collect(), slopes: slopes.collect() }
}

#[test]
fn a_loss_that_the_caller_computes_is_reduced_like_any_other() {
    let mut random = Random(5);
    let (x, y) = (random.floats(ROWS * CLASSES), random.floats(ROWS * CLASSES));
    let target = tensor(&SIZES, &y);
    let row_weights: Vec<f32> = random.floats(ROWS).iter().map(|w| w.abs() + 0.1).collect();
    let mask: Vec<u8> = (0..ROWS).map(|row| u8::from(row % 3 != 1)).collect();
    let own = own_squares(&x, &y);
    for reduction in ["sum_over_batch_size", "sum", "mean_with_sample_weight"] {
        let config = json!({"reduction": reduction});
        let (built_in, brought) = (loss("MeanSquaredError", &config), loss("Own", &config));
        for present in [None, Some(&mask[..])] {
            let weights = SampleWeights { weights: Some(&row_weights), mask: None, present };
            let (plain, with) = (labelled(&x, None, &target), labelled(&x, None, &target));
            let with = Labelled { own: Some(&own), ..with };
            let (one, two) = (built_in.value(&plain, &weights).unwrap(), brought.value(&with, &weights).unwrap());
            assert!((one - two).abs() < 1e-6 * one.abs().max(1.0), "{reduction}: {one} and {two}");
            let (mut first, mut second) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            built_in.gradient(Isa::active(), &plain, &weights, &mut first, false).unwrap();
            brought.gradient(Isa::active(), &with, &weights, &mut second, false).unwrap();
            for (one, two) in first.iter().zip(&second) {
                assert!((one - two).abs() < 1e-6, "{reduction}: {one} and {two}");
            }
            assert!(brought.check_own(&with, &weights).is_ok() && brought.check_own(&plain, &weights).is_err());
        }
    }
}
