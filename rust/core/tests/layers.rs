//! Merging, pooling, normalising and convolving layers against f64 oracles: losses, and gradients against central
//! differences, of every weight and through embeddings of every input, on every instruction set.

#![recursion_limit = "256"] // for `json!`

mod support;

use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{Array2, ArrayD, Axis, IxDyn};
use serde_json::{Value, json};
use support::{Random, assert_close, differences};

type Array = ArrayD<f64>;

const BATCH: usize = 3;

fn uniform() -> Value {
    json!({"class_name": "RandomUniform", "config": {"minval": -0.9, "maxval": 0.9, "seed": null}})
}

/// An input of ids and the embedding behind it.
#[derive(Clone, Copy)]
struct Source {
    /// 0 for one id a sample.
    steps: usize,
    features: usize,
    masked: bool,
}

fn source(steps: usize, features: usize) -> Source {
    Source { steps, features, masked: false }
}

fn masked(steps: usize, features: usize) -> Source {
    Source { steps, features, masked: true }
}

impl Source {
    /// Ids that are all different, so that the table's gradient is that of the layer's input, but for some zeros.
    fn ids(&self, number: usize) -> ArrayD<i32> {
        let count = BATCH * self.steps.max(1);
        let is_zero = |i: usize| self.masked && (i * 7 + number * i / 3 + i / 5).is_multiple_of(3);
        let ids = (0..count).map(|i| if is_zero(i) { 0 } else { i as i32 + 1 }).collect();
        let shape = if self.steps == 0 { vec![BATCH] } else { vec![BATCH, self.steps] };
        ArrayD::from_shape_vec(IxDyn(&shape), ids).unwrap()
    }

    /// What the embedding gives, and its mask.
    fn rows(&self, number: usize, table: &[f64]) -> (Array, Option<Vec<bool>>) {
        let ids = self.ids(number);
        let rows = ids.iter().flat_map(|&id| table[id as usize * self.features..][..self.features].to_vec()).collect();
        let mut shape = ids.shape().to_vec();
        shape.push(self.features);
        let mask = self.masked.then(|| ids.iter().map(|&id| id != 0).collect());
        (ArrayD::from_shape_vec(IxDyn(&shape), rows).unwrap(), mask)
    }

    fn layers(&self, number: usize) -> [Value; 2] {
        let (input, name) = (format!("ids_{number}"), format!("table_{number}"));
        let shape = if self.steps == 0 { json!([null]) } else { json!([null, null]) };
        [
            json!({"class_name": "InputLayer", "config": {"name": input, "batch_shape": shape}}),
            json!({"class_name": "Embedding", "config": {"name": name, "input_dim": BATCH * self.steps.max(1) + 1,
                "output_dim": self.features, "embeddings_initializer": uniform(), "mask_zero": self.masked},
                "inbound_nodes": [{"args": [tensor(&input)], "kwargs": {}}]}),
        ]
    }
}

fn tensor(layer: &str) -> Value {
    json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}})
}

fn model(sources: &[Source], class: &str, config: Value) -> Value {
    let mut layers: Vec<_> = sources.iter().enumerate().flat_map(|(i, source)| source.layers(i)).collect();
    let mut arguments = json!({"name": "layer"});
    arguments.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let inputs: Vec<_> = (0..sources.len()).map(|i| tensor(&format!("table_{i}"))).collect();
    layers.push(json!({"class_name": class, "config": arguments,
        "inbound_nodes": [{"args": [if inputs.len() == 1 { inputs[0].clone() } else { json!(inputs) }], "kwargs": {}}]}));
    let inputs: Vec<_> = (0..sources.len()).map(|i| json!([format!("ids_{i}"), 0, 0])).collect();
    json!({"class_name": "Functional", "config": {"name": "model", "layers": layers, "input_layers": inputs,
        "output_layers": [["layer", 0, 0]]}})
}

/// What the layer gives and which rows of the last axis count, from what it is given and its weights.
type Oracle<'a> = &'a dyn Fn(&[(Array, Option<Vec<bool>>)], &[Vec<f64>]) -> (Array, Option<Vec<bool>>);

/// The mean of the squared errors of the rows that count.
fn squares((y, mask): (Array, Option<Vec<bool>>), target: &[f32]) -> f64 {
    let width = *y.shape().last().unwrap();
    let y: Vec<f64> = y.iter().copied().collect();
    let rows = y.chunks_exact(width).zip(target.chunks_exact(width)).enumerate();
    let kept = rows.filter(|(row, _)| mask.as_ref().is_none_or(|mask| mask[*row]));
    let (mut total, mut count) = (0.0, 0.0);
    for (_, (y, target)) in kept {
        total += y.iter().zip(target).map(|(y, &t)| (y - f64::from(t)).powi(2)).sum::<f64>() / width as f64;
        count += 1.0;
    }
    total / count
}

/// A training step that changes no weight but those that follow the data. Returns the weights after it.
fn check(
    what: &str,
    sources: &[Source],
    class: &str,
    config: Value,
    trained: usize,
    oracle: Oracle<'_>,
) -> Vec<Vec<f32>> {
    let graph = Graph::from_json(&model(sources, class, config).to_string()).unwrap();
    let ids: Vec<_> = sources.iter().enumerate().map(|(i, source)| source.ids(i)).collect();
    let mut after = Vec::new();
    for isa in Isa::available() {
        let what = format!("{} {what}", isa.name());
        let mut network = Network::new(&graph, &[], 5, isa).unwrap();
        let weights: Vec<Vec<f64>> =
            network.weights().map(|(_, w)| w.iter().map(|&w| f64::from(w)).collect()).collect();
        let compute = |weights: &[Vec<f64>]| {
            let tables = weights.iter().zip(sources).enumerate();
            let inputs: Vec<_> = tables.map(|(i, (table, source))| source.rows(i, table)).collect();
            oracle(&inputs, &weights[sources.len()..])
        };
        let output = compute(&weights).0;
        let target = Random(8).floats(output.len());
        let y = ArrayD::from_shape_vec(IxDyn(output.shape()), target.clone()).unwrap();

        let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.0}},
            "loss": [{"class_name": "MeanSquaredError", "config": {}}]});
        let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
        let x: Vec<_> = ids.iter().map(|ids| Data::I32(ids.view())).collect();
        let targets = Targets { y: &[Data::F32(y.view())], sample_weight: &[None] };
        let flat = trainer.gradients(&network, &x, targets, Rows::Range(0, BATCH)).unwrap().to_vec();
        let gradients: Vec<_> = network.plan().weights().iter().map(|w| flat[w.range.clone()].to_vec()).collect();
        trainer.train_step(&mut network, &x, targets, Rows::Range(0, BATCH)).unwrap();

        let expected = squares(compute(&weights), &target);
        let loss = trainer.results()[0];
        assert!((loss - expected).abs() <= 3e-6 * expected.max(1.0), "{what}: {loss}, expected {expected}");
        let expected = differences(&weights, |weights| squares(compute(weights), &target));
        let trained = sources.len() + trained;
        for (i, expected) in expected.iter().enumerate() {
            if i < trained {
                assert!(expected.iter().any(|g| g.abs() > 1e-6), "{what}: weight {i} has no gradient to test");
                assert_close(&format!("{what}: weight {i}"), &gradients[i], expected, 2e-5);
            } else {
                assert!(gradients[i].iter().all(|&g| g == 0.0), "{what}: weight {i} has a gradient");
            }
        }
        after = network.weights().map(|(_, w)| w.iter().copied().collect()).collect();
        for (i, (before, after)) in weights.iter().zip(&after).enumerate().take(trained) {
            assert!(before.iter().zip(after).all(|(a, &b)| *a == f64::from(b)), "{what}: weight {i} has moved");
        }
    }
    after
}

/// Both arrays at the shape that they have together, axes that one lacks put behind the first.
fn together(a: &Array, b: &Array) -> (Array, Array) {
    let rank = a.ndim().max(b.ndim());
    let padded = |x: &Array| {
        let mut x = x.clone();
        while x.ndim() < rank {
            x = x.insert_axis(Axis(1));
        }
        x
    };
    let (a, b) = (padded(a), padded(b));
    let sizes: Vec<_> = a.shape().iter().zip(b.shape()).map(|(&a, &b)| a.max(b)).collect();
    let spread = |x: Array| x.broadcast(IxDyn(&sizes)).unwrap().to_owned();
    (spread(a), spread(b))
}

/// An input's mask at every place of a shape.
fn places(mask: &[bool], own: &[usize], shape: &[usize]) -> ArrayD<bool> {
    let mask = ArrayD::from_shape_vec(IxDyn(&own[..own.len() - 1]), mask.to_vec()).unwrap();
    mask.insert_axis(Axis(own.len() - 1)).broadcast(IxDyn(shape)).unwrap().to_owned()
}

fn select(keep: &ArrayD<bool>, a: &Array, b: &Array) -> Array {
    ndarray::Zip::from(keep).and(a).and(b).map_collect(|&keep, &a, &b| if keep { a } else { b })
}

/// Keras' own order of work: what is masked gives way to what was there before, or to what comes.
fn merged(class: &str, inputs: &[(Array, Option<Vec<bool>>)]) -> (Array, Option<Vec<bool>>) {
    let shape = inputs.iter().fold(inputs[0].0.clone(), |y, (x, _)| together(&y, x).0).shape().to_vec();
    let all: Vec<(Array, Option<ArrayD<bool>>)> = inputs
        .iter()
        .map(|(x, mask)| {
            let keep = mask.as_ref().map(|mask| places(mask, x.shape(), &shape));
            (together(&Array::zeros(IxDyn(&shape)), x).1, keep)
        })
        .collect();
    let kept = all.iter().map(|(_, keep)| keep.clone()).reduce(|a, b| Some(a? | b?)).unwrap();
    let (mut y, mut alive) = all[0].clone();
    if class == "Multiply" {
        let ones = Array::ones(IxDyn(&shape));
        let filled = all.iter().map(|(x, keep)| keep.as_ref().map_or(x.clone(), |keep| select(keep, x, &ones)));
        y = filled.reduce(|a, b| a * b).unwrap();
        if let Some(kept) = &kept {
            y = select(kept, &y, &Array::zeros(IxDyn(&shape)));
        }
    } else {
        for (x, keep) in &all[1..] {
            let choose = |f: fn(f64, f64) -> f64| {
                let x = keep.as_ref().map_or(x.clone(), |keep| select(keep, x, &y));
                let y = alive.as_ref().map_or(y.clone(), |alive| select(alive, &y, &x));
                ndarray::Zip::from(&y).and(&x).map_collect(|&y, &x| f(y, x))
            };
            y = match class {
                "Add" | "Average" => &y + x,
                "Subtract" => &y - x,
                "Maximum" => choose(f64::max),
                "Minimum" => choose(f64::min),
                other => panic!("no oracle for {other}"),
            };
            alive = alive.zip(keep.clone()).map(|(a, b)| a | b);
        }
    }
    if class == "Average" {
        y /= all.len() as f64;
    }
    let rows = kept.map(|kept| kept.lanes(Axis(shape.len() - 1)).into_iter().map(|row| row[0]).collect());
    (y, rows)
}

#[test]
fn elementwise_merges() {
    let cases: [(&str, &[Source]); 10] = [
        ("plain", &[source(4, 5), source(4, 5)]),
        ("spread over steps", &[source(4, 5), source(1, 5)]),
        ("spread over features", &[source(4, 1), source(4, 17)]),
        ("spread both ways", &[source(4, 1), source(1, 3)]),
        ("of other ranks", &[source(4, 3), source(0, 3)]),
        ("without steps", &[source(0, 7), source(0, 7)]),
        ("first masked", &[masked(4, 3), source(4, 3)]),
        ("second masked", &[source(4, 3), masked(4, 3)]),
        ("both masked", &[masked(4, 3), masked(4, 3)]),
        ("masked and spread", &[masked(4, 3), masked(1, 3)]),
    ];
    for class in ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"] {
        for (what, sources) in cases {
            check(&format!("{class} {what}"), sources, class, json!({}), 0, &|inputs, _| merged(class, inputs));
        }
        if class != "Subtract" {
            for (what, sources) in [
                ("of three", [source(3, 4), source(3, 4), source(1, 4)]),
                ("of three masked", [masked(3, 4), masked(3, 4), masked(3, 4)]),
                ("of three, two masked", [masked(3, 4), source(3, 4), masked(3, 4)]),
            ] {
                check(&format!("{class} {what}"), &sources, class, json!({}), 0, &|inputs, _| merged(class, inputs));
            }
        }
    }
}

fn concatenated(inputs: &[(Array, Option<Vec<bool>>)], axis: usize) -> (Array, Option<Vec<bool>>) {
    let views: Vec<_> = inputs.iter().map(|(x, _)| x.view()).collect();
    let y = ndarray::concatenate(Axis(axis), &views).unwrap();
    if inputs.iter().all(|(_, mask)| mask.is_none()) {
        return (y, None);
    }
    let masks: Vec<_> = inputs
        .iter()
        .map(|(x, mask)| match mask {
            Some(mask) => places(mask, x.shape(), x.shape()),
            None => ArrayD::from_elem(x.raw_dim(), true),
        })
        .collect();
    let all = ndarray::concatenate(Axis(axis), &masks.iter().map(|mask| mask.view()).collect::<Vec<_>>()).unwrap();
    let rows = all.lanes(Axis(y.ndim() - 1)).into_iter().map(|row| row.iter().any(|&keep| keep)).collect();
    (y, Some(rows))
}

#[test]
fn concatenation() {
    for (what, axis, resolved, sources) in [
        ("features", -1, 2, vec![source(4, 5), source(4, 2), source(4, 1)]),
        ("features by number", 2, 2, vec![source(4, 5), source(4, 2)]),
        ("steps", 1, 1, vec![source(4, 3), source(2, 3)]),
        ("steps from behind", -2, 1, vec![source(1, 3), source(5, 3)]),
        ("vectors", -1, 1, vec![source(0, 3), source(0, 6)]),
        ("masked features", -1, 2, vec![masked(4, 5), masked(4, 2)]),
        ("half-masked features", -1, 2, vec![masked(4, 5), source(4, 2)]),
        ("masked steps", 1, 1, vec![masked(4, 3), masked(3, 3)]),
        ("half-masked steps", 1, 1, vec![source(4, 3), masked(3, 3)]),
        ("one", -1, 2, vec![masked(4, 3)]),
    ] {
        let config = json!({"axis": axis});
        let what = format!("Concatenate {what}");
        check(&what, &sources, "Concatenate", config, 0, &|inputs, _| concatenated(inputs, resolved));
    }
}

/// `Σ_d x[b, i, d] · y[b, j, d]` of arrays whose summed axes were moved to the end.
fn dotted(x: &Array, y: &Array, axes: [usize; 2], normalize: bool, shape: &[usize]) -> Array {
    let prepare = |x: &Array, axis: usize| {
        let mut order: Vec<_> = (0..x.ndim()).filter(|&a| a != axis).collect();
        order.push(axis);
        let depth = x.shape()[axis];
        let x = x.view().permuted_axes(order).as_standard_layout().into_owned();
        let rows = x.len() / BATCH / depth;
        let mut x = x.into_shape_with_order((BATCH, rows, depth)).unwrap();
        if normalize {
            for mut row in x.lanes_mut(Axis(2)) {
                let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        x
    };
    let (x, y) = (prepare(x, axes[0]), prepare(y, axes[1]));
    let mut z = Vec::new();
    for b in 0..BATCH {
        let product = x.index_axis(Axis(0), b).dot(&y.index_axis(Axis(0), b).t());
        z.extend(product.iter().copied());
    }
    ArrayD::from_shape_vec(IxDyn(shape), z).unwrap()
}

#[test]
fn dot_products() {
    for (what, axes, resolved, sources, shape) in [
        ("of vectors", json!(1), [1, 1], [source(0, 5), source(0, 5)], vec![BATCH, 1]),
        ("of features", json!([2, 2]), [2, 2], [source(4, 5), source(3, 5)], vec![BATCH, 4, 3]),
        ("of the last axes", json!(-1), [2, 1], [source(4, 5), source(0, 5)], vec![BATCH, 4]),
        ("of steps", json!(1), [1, 1], [source(4, 5), source(4, 17)], vec![BATCH, 5, 17]),
        ("of features and steps", json!([-1, -2]), [2, 1], [source(2, 3), source(3, 6)], vec![BATCH, 2, 6]),
        ("under masks", json!(2), [2, 2], [masked(4, 5), masked(4, 5)], vec![BATCH, 4, 4]),
    ] {
        for normalize in [false, true] {
            let config = json!({"axes": axes, "normalize": normalize});
            let what = format!("Dot {what} {normalize}");
            check(&what, &sources, "Dot", config, 0, &|inputs, _| {
                (dotted(&inputs[0].0, &inputs[1].0, resolved, normalize, &shape), None)
            });
        }
    }
}

#[test]
fn a_product_with_zeros_is_zero() {
    let graph = Graph::from_json(
        &json!({"class_name": "Functional", "config": {"name": "m", "layers": [
            {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [null, 3]}},
            {"class_name": "Dot", "config": {"name": "dot", "axes": 1, "normalize": true},
                "inbound_nodes": [{"args": [[tensor("x"), tensor("x")]], "kwargs": {}}]}],
            "input_layers": [["x", 0, 0]], "output_layers": [["dot", 0, 0]]}})
        .to_string(),
    );
    let network = Network::new(&graph.unwrap(), &[], 1, Isa::active()).unwrap();
    let x = Array2::from_shape_vec((2, 3), vec![0f32, 0.0, 0.0, 3.0, 0.0, -4.0]).unwrap().into_dyn();
    let y = network.predict(&[Data::F32(x.view())], 2).unwrap();
    assert_eq!(y[0].iter().copied().collect::<Vec<_>>(), [0.0, 1.0]);
}

/// For each window of each sample the steps that it reads.
fn windows(steps: usize, size: usize, stride: usize, dilation: usize, padding: &str) -> Vec<Vec<Option<usize>>> {
    let span = (size - 1) * dilation + 1;
    let (count, zeros) = match padding {
        "valid" => ((steps - span) / stride + 1, 0),
        "causal" => (steps.div_ceil(stride), span - 1),
        _ => {
            let count = steps.div_ceil(stride);
            (count, ((count - 1) * stride + span).saturating_sub(steps) / 2)
        }
    };
    let read = |start: usize, place: usize| (start + place * dilation).checked_sub(zeros).filter(|&step| step < steps);
    (0..count).map(|window| (0..size).map(|place| read(window * stride, place)).collect()).collect()
}

#[test]
fn pooling_over_all_steps() {
    for keepdims in [false, true] {
        for (sources, masked) in [([source(5, 7)], false), ([masked(5, 3)], true)] {
            for class in ["GlobalAveragePooling1D", "GlobalMaxPooling1D"] {
                let config = json!({"data_format": "channels_last", "keepdims": keepdims});
                check(&format!("{class} {keepdims} {masked}"), &sources, class, config, 0, &|inputs, _| {
                    let (x, mask) = &inputs[0];
                    let mut y = x.fold_axis(Axis(1), f64::NEG_INFINITY, |&a, &b| a.max(b));
                    if class == "GlobalAveragePooling1D" {
                        let keep = mask.clone().unwrap_or(vec![true; x.len() / sources[0].features]);
                        let keep = places(&keep, x.shape(), x.shape()).mapv(|keep| f64::from(u8::from(keep)));
                        y = (x * &keep).sum_axis(Axis(1)) / keep.sum_axis(Axis(1));
                    }
                    (if keepdims { y.insert_axis(Axis(1)) } else { y }, None)
                });
            }
        }
    }
}

#[test]
fn pooling_over_windows() {
    for (size, stride, padding) in [
        (2, None, "valid"),
        (3, Some(1), "valid"),
        (3, Some(2), "same"),
        (2, Some(3), "valid"),
        (4, Some(1), "same"),
        (1, Some(1), "same"),
        (2, Some(5), "same"),
    ] {
        for class in ["AveragePooling1D", "MaxPooling1D"] {
            let config = json!({"pool_size": [size], "strides": stride.map(|s| [s]), "padding": padding,
                "data_format": "channels_last"});
            let steps = 7;
            let what = format!("{class} {size} {stride:?} {padding}");
            check(&what, &[masked(steps, 3)], class, config, 0, &|inputs, _| {
                let x = &inputs[0].0;
                let windows = windows(steps, size, stride.unwrap_or(size), 1, padding);
                let y = ArrayD::from_shape_fn(IxDyn(&[BATCH, windows.len(), 3]), |at| {
                    let read = windows[at[1]].iter().flatten().map(|&step| x[[at[0], step, at[2]]]);
                    if class == "MaxPooling1D" {
                        read.fold(f64::NEG_INFINITY, f64::max)
                    } else {
                        read.clone().sum::<f64>() / read.count() as f64
                    }
                });
                (y, None)
            });
        }
    }
}

#[test]
fn convolution() {
    for (size, stride, dilation, padding, use_bias, activation) in [
        (1, 1, 1, "valid", true, "linear"),
        (3, 1, 1, "valid", true, "tanh"),
        (3, 1, 1, "same", false, "linear"),
        (3, 1, 1, "causal", true, "softmax"),
        (4, 2, 1, "same", true, "sigmoid"),
        (3, 2, 1, "valid", true, "linear"),
        (2, 3, 1, "causal", true, "linear"),
        (2, 1, 3, "valid", true, "elu"),
        (3, 1, 2, "same", true, "linear"),
        (3, 1, 3, "causal", true, "linear"),
    ] {
        for (steps, channels, filters) in [(7, 3, 5), (9, 17, 18)] {
            let config = json!({"filters": filters, "kernel_size": [size], "strides": [stride], "padding": padding,
                "data_format": "channels_last", "dilation_rate": [dilation], "groups": 1, "activation": activation,
                "use_bias": use_bias, "kernel_initializer": uniform(), "bias_initializer": uniform()});
            let what = format!("Conv1D {size} {stride} {dilation} {padding} {filters}");
            check(
                &what,
                &[masked(steps, channels)],
                "Conv1D",
                config,
                1 + usize::from(use_bias),
                &|inputs, weights| {
                    let x = &inputs[0].0;
                    let windows = windows(steps, size, stride, dilation, padding);
                    let mut y = Vec::new();
                    for b in 0..BATCH {
                        for window in &windows {
                            let mut row = weights.get(1).cloned().unwrap_or(vec![0.0; filters]);
                            for (place, step) in window.iter().enumerate().filter_map(|(i, step)| Some((i, (*step)?))) {
                                for c in 0..channels {
                                    let kernel = &weights[0][(place * channels + c) * filters..][..filters];
                                    row.iter_mut().zip(kernel).for_each(|(y, w)| *y += x[[b, step, c]] * w);
                                }
                            }
                            support::activate(activation, &mut row);
                            y.extend(row);
                        }
                    }
                    (ArrayD::from_shape_vec(IxDyn(&[BATCH, windows.len(), filters]), y).unwrap(), None)
                },
            );
        }
    }
}

fn normalization(center: bool, scale: bool) -> Value {
    json!({"axis": [-1], "epsilon": 0.01, "center": center, "scale": scale,
        "gamma_initializer": uniform(), "beta_initializer": uniform()})
}

/// Scales and shifts by the weights that there are.
fn scaled(row: &mut [f64], weights: &[Vec<f64>], center: bool, scale: bool) {
    if scale {
        row.iter_mut().zip(&weights[0]).for_each(|(y, gamma)| *y *= gamma);
    }
    if center {
        row.iter_mut().zip(&weights[usize::from(scale)]).for_each(|(y, beta)| *y += beta);
    }
}

#[test]
fn normalising_features() {
    for (center, scale) in [(true, true), (true, false), (false, true), (false, false)] {
        for rms_scaling in [false, true] {
            for sources in [[source(0, 5)], [masked(4, 3)], [source(2, 37)]] {
                let mut config = normalization(center, scale);
                config["rms_scaling"] = json!(rms_scaling);
                let (center, scale) = (center && !rms_scaling, scale || rms_scaling);
                let trained = usize::from(center) + usize::from(scale);
                let what = format!("LayerNormalization {center} {scale} {rms_scaling}");
                check(&what, &sources, "LayerNormalization", config, trained, &|inputs, weights| {
                    let (mut y, mask) = inputs[0].clone();
                    for mut row in y.lanes_mut(Axis(inputs[0].0.ndim() - 1)) {
                        let (mean, variance) = (row.mean().unwrap(), row.var(0.0));
                        let mean = if rms_scaling { 0.0 } else { mean };
                        row.mapv_inplace(|x| (x - mean) / (variance + 0.01).sqrt());
                        scaled(row.as_slice_mut().unwrap(), weights, center, scale);
                    }
                    (y, mask)
                });
            }
        }
    }
}

/// Mean and variance of each feature over the rows that count.
fn moments(x: &Array, mask: Option<&Vec<bool>>, features: usize) -> (Vec<f64>, Vec<f64>) {
    let flat: Vec<f64> = x.iter().copied().collect();
    let rows = flat.chunks_exact(features).enumerate();
    let rows: Vec<_> = rows.filter(|(row, _)| mask.is_none_or(|mask| mask[*row])).map(|(_, row)| row).collect();
    let mean = |term: &dyn Fn(usize, f64) -> f64| {
        (0..features).map(|f| rows.iter().map(|row| term(f, row[f])).sum::<f64>() / rows.len() as f64).collect()
    };
    let means: Vec<f64> = mean(&|_, x| x);
    let variances = mean(&|f, x| (x - means[f]).powi(2));
    (means, variances)
}

#[test]
fn normalising_batches() {
    for (center, scale) in [(true, true), (true, false), (false, true), (false, false)] {
        for trainable in [true, false] {
            for sources in [[source(0, 5)], [masked(4, 3)], [source(2, 19)]] {
                let mut config = normalization(center, scale);
                config["axis"] = json!(-1);
                config["momentum"] = json!(0.8);
                config["trainable"] = json!(trainable);
                config["moving_mean_initializer"] = uniform();
                config["moving_variance_initializer"] =
                    json!({"class_name": "RandomUniform", "config": {"minval": 0.5, "maxval": 2.0, "seed": 4}});
                let weights = usize::from(center) + usize::from(scale);
                let trained = if trainable { weights } else { 0 };
                let what = format!("BatchNormalization {center} {scale} {trainable}");
                let features = sources[0].features;
                let seen = std::cell::RefCell::new(None);
                let after = check(&what, &sources, "BatchNormalization", config, trained, &|inputs, all| {
                    let (mut y, mask) = inputs[0].clone();
                    let (mean, variance) = match trainable {
                        true => moments(&y, mask.as_ref(), features),
                        false => (all[weights].clone(), all[weights + 1].clone()),
                    };
                    let before = [all[weights].clone(), all[weights + 1].clone()];
                    seen.borrow_mut().get_or_insert((before, [mean.clone(), variance.clone()]));
                    for mut row in y.lanes_mut(Axis(inputs[0].0.ndim() - 1)) {
                        for f in 0..features {
                            row[f] = (row[f] - mean[f]) / (variance[f] + 0.01).sqrt();
                        }
                        scaled(row.as_slice_mut().unwrap(), all, center, scale);
                    }
                    (y, mask)
                });
                // The first step's moments, and where the moving ones went.
                let (before, batch) = seen.into_inner().unwrap();
                for i in 0..2 {
                    let pairs = before[i].iter().zip(&batch[i]);
                    let moved: Vec<_> = pairs.map(|(a, b)| if trainable { a * 0.8 + b * 0.2 } else { *a }).collect();
                    assert_close(&what, &after[1 + weights + i], &moved, 1e-6);
                }
            }
        }
    }
}

#[test]
fn moving_moments_are_for_inference() {
    let layer = json!({"class_name": "BatchNormalization", "config": {"name": "norm", "gamma_initializer": uniform(),
        "beta_initializer": uniform(), "moving_mean_initializer": uniform(), "epsilon": 0.25,
        "moving_variance_initializer": {"class_name": "Ones", "config": {}}}});
    let model = json!({"class_name": "Sequential", "config": {"name": "m", "layers": [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [null, 3]}}, layer]}});
    let network = Network::new(&Graph::from_json(&model.to_string()).unwrap(), &[], 1, Isa::active()).unwrap();
    let trained: Vec<_> = network.plan().weights().iter().map(|weight| (&*weight.path, weight.trainable)).collect();
    let expected = [("gamma", true), ("beta", true), ("moving_mean", false), ("moving_variance", false)];
    assert_eq!(trained, expected);
    let weights: Vec<Vec<f64>> = network.weights().map(|(_, w)| w.iter().map(|&w| f64::from(w)).collect()).collect();
    let x = Array2::from_shape_vec((2, 3), Random(3).floats(6)).unwrap().into_dyn();
    let y = network.predict(&[Data::F32(x.view())], 2).unwrap();
    let expected: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(i, &x)| (f64::from(x) - weights[2][i % 3]) / 1.25f64.sqrt() * weights[0][i % 3] + weights[1][i % 3])
        .collect();
    assert_close("inference", y[0].as_slice().unwrap(), &expected, 1e-6);
}

#[test]
fn a_maximum_that_several_have() {
    // The gradient of `(max - 1)²` by the first sample's rows of a table of zeros.
    let gradient = |class: &str, extra: Value| {
        let mut model = model(&[source(4, 2)], class, extra);
        model["config"]["layers"][1]["config"]["embeddings_initializer"] = json!({"class_name": "Zeros"});
        let graph = Graph::from_json(&model.to_string()).unwrap();
        let mut network = Network::new(&graph, &[], 1, Isa::active()).unwrap();
        let config = json!({"optimizer": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
            "loss": [{"class_name": "MeanSquaredError", "config": {"reduction": "sum"}}]});
        let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config.to_string()).unwrap()).unwrap();
        let ids = source(4, 2).ids(0);
        let steps = network.plan().output_shapes().next().unwrap().rank();
        let shape = if steps == 2 { vec![BATCH, 2] } else { vec![BATCH, 2, 2] };
        let y = ArrayD::<f32>::ones(IxDyn(&shape));
        let targets = Targets { y: &[Data::F32(y.view())], sample_weight: &[None] };
        trainer.gradients(&network, &[Data::I32(ids.view())], targets, Rows::Range(0, BATCH)).unwrap()[2..10].to_vec()
    };
    // As TensorFlow does it: all share it over all steps, the first of a window has it.
    assert_eq!(gradient("GlobalMaxPooling1D", json!({})), [-0.25; 8]);
    assert_eq!(gradient("MaxPooling1D", json!({"pool_size": 2})), [-1.0, -1.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0]);
}

fn refused(sources: &[Source], class: &str, config: Value) -> String {
    let graph = Graph::from_json(&model(sources, class, config).to_string()).unwrap();
    match Network::new(&graph, &[], 1, Isa::active()) {
        Ok(_) => panic!("{class} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let conv = |argument: &str, value: Value| {
        let mut config = json!({"filters": 2, "kernel_size": 2, "kernel_initializer": uniform(),
            "bias_initializer": uniform()});
        config[argument] = value;
        config
    };
    let (two, three) = (source(4, 2), source(4, 3));
    for (sources, class, config, expected) in [
        (vec![two, three], "Add", json!({}), "layer: an input has shape (None, None, 3), expected that of the other"),
        (vec![two], "Subtract", json!({}), "layer: takes two inputs, not 1"),
        (vec![two, two], "Add", json!({"axis": 1}), "axis"),
        (vec![two, source(0, 2)], "Concatenate", json!({}), "layer: an input has shape (None, 2)"),
        (vec![two, three], "Concatenate", json!({"axis": 1}), "layer: an input has shape (None, None, 3)"),
        (vec![two, two], "Concatenate", json!({"axis": 0}), "batch"),
        (vec![two, two], "Concatenate", json!({"axis": 3}), "axis=3 is none of the 3 axes"),
        (vec![two, three], "Dot", json!({"axes": 2}), "axis 2"),
        (vec![two, two], "Dot", json!({"axes": 0}), "axes: 0"),
        (vec![two], "Dot", json!({"axes": 1}), "takes two inputs, not 1"),
        (vec![source(0, 3)], "GlobalMaxPooling1D", json!({}), "(batch, steps, features)"),
        (vec![two], "GlobalMaxPooling1D", json!({"data_format": "channels_first"}), "channels_first"),
        (vec![two], "MaxPooling1D", json!({"pool_size": 0}), "pool_size must be positive"),
        (vec![two], "MaxPooling1D", json!({"pool_size": 2, "strides": [0]}), "strides must be positive"),
        (vec![two], "AveragePooling1D", json!({"pool_size": 2, "padding": "causal"}), "padding"),
        (vec![two], "Conv1D", conv("filters", json!(0)), "filters must be positive"),
        (vec![two], "Conv1D", conv("groups", json!(2)), "groups"),
        (vec![two], "Conv1D", conv("data_format", json!("channels_first")), "channels_first"),
        (vec![source(0, 3)], "Conv1D", conv("strides", json!(1)), "(batch, steps, features)"),
        (
            vec![two],
            "LayerNormalization",
            {
                let mut config = normalization(true, true);
                config["axis"] = json!([1]);
                config
            },
            "axis=-1",
        ),
    ] {
        let message = refused(&sources, class, config);
        assert!(message.contains(expected), "{class}: {message}");
    }
}

#[test]
fn sequences_that_are_too_short_are_refused() {
    let graph = Graph::from_json(&model(&[source(4, 2)], "MaxPooling1D", json!({"pool_size": 5})).to_string());
    let network = Network::new(&graph.unwrap(), &[], 1, Isa::active()).unwrap();
    let ids = source(4, 2).ids(0);
    let message = network.predict(&[Data::I32(ids.view())], 3).unwrap_err().to_string();
    assert!(message.contains("expected at least 5 steps"), "{message}");
}

#[test]
fn streams_refuse_layers_that_need_several_steps() {
    let layer = |class: &str, config: Value| {
        let mut arguments = json!({"name": "layer"});
        arguments.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let lstm = json!({"class_name": "LSTM", "config": {"name": "lstm", "units": 2, "activation": "tanh",
            "recurrent_activation": "sigmoid", "return_sequences": true, "kernel_initializer": uniform(),
            "recurrent_initializer": uniform(), "bias_initializer": uniform()}});
        let model = json!({"class_name": "Sequential", "config": {"name": "m", "layers": [
            {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [null, null, 3]}}, lstm,
            {"class_name": class, "config": arguments}]}});
        let network = Network::new(&Graph::from_json(&model.to_string()).unwrap(), &[], 1, Isa::active()).unwrap();
        network.stream(2).map(|_| ()).map_err(|error| error.to_string())
    };
    let conv = json!({"filters": 2, "kernel_size": 2, "kernel_initializer": uniform(), "bias_initializer": uniform()});
    for (class, config) in
        [("MaxPooling1D", json!({"pool_size": 2})), ("GlobalMaxPooling1D", json!({})), ("Conv1D", conv)]
    {
        assert!(layer(class, config).unwrap_err().contains("layer: reads several time steps at once"));
    }
    layer("LayerNormalization", normalization(true, true)).unwrap();
}
