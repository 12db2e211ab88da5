//! What training takes of memory: the formula of docs/performance.md, counted by an allocator that counts. One test, so that
//! no other allocates meanwhile.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use lstm_core::network::{Data, Graph, Network, Rows};
use lstm_core::parallel::num_threads;
use lstm_core::simd::Isa;
use lstm_core::training::{Targets, Trainer, TrainerConfig};
use ndarray::{Array1, Array2};
use serde_json::json;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const VOCABULARY: usize = 700;
const DIMENSIONS: usize = 32;
const UNITS: [usize; 2] = [64, 48];
const CLASSES: usize = 3;

fn model(policy: &str) -> String {
    let uniform = json!({"class_name": "RandomUniform", "config": {"minval": -0.1, "maxval": 0.1}});
    let lstm = |name: &str, units: usize, sequences: bool| {
        json!({"class_name": "LSTM", "config": {"name": name, "dtype": policy, "units": units, "activation": "tanh",
            "recurrent_activation": "sigmoid", "return_sequences": sequences, "kernel_initializer": uniform,
            "recurrent_initializer": uniform, "bias_initializer": uniform}})
    };
    json!({"class_name": "Sequential", "config": {"layers": [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [null, null]}},
        {"class_name": "Embedding", "config": {"name": "embedding", "input_dim": VOCABULARY, "output_dim": DIMENSIONS,
            "embeddings_initializer": uniform}},
        lstm("lower", UNITS[0], true),
        lstm("upper", UNITS[1], false),
        {"class_name": "Dense", "config": {"name": "top", "dtype": policy, "units": CLASSES, "activation": "softmax",
            "kernel_initializer": uniform, "bias_initializer": uniform}},
    ]}})
    .to_string()
}

/// Bytes that training needs at most, as docs/performance.md states it.
fn formula(batch: usize, steps: usize) -> usize {
    let lstm = |inputs: usize, units: usize| 4 * units * (inputs + units + 1);
    let recurrent = lstm(DIMENSIONS, UNITS[0]) + lstm(UNITS[0], UNITS[1]);
    let parameters = VOCABULARY * DIMENSIONS + recurrent + (UNITS[1] + 1) * CLASSES;
    let rows = batch * steps;
    // Weights, gradients and two moments; two packed copies of what is multiplied, a sixteenth for padding.
    16 * parameters + 8 * (recurrent + recurrent / 16)
        // i, f, g, o, h and c of every step.
        + 24 * rows * (UNITS[0] + UNITS[1])
        // What goes into each LSTM, and its gradient.
        + 8 * rows * (DIMENSIONS + UNITS[0])
        // The token table, of at most half as many tokens as steps.
        + 16 * UNITS[0] * rows / 2
        // The rows that each thread copies for the gradients of weights.
        + num_threads() * 2048 * (64 + 16 + UNITS[0] + UNITS[1])
        // Orders of steps, the batch itself, and what is as small.
        + 64 * rows
        + (64 << 10)
}

#[test]
fn training_keeps_to_the_formula_and_does_not_grow() {
    for policy in ["float32", "mixed_bfloat16"] {
        keeps_to_the_formula(policy);
    }
}

fn keeps_to_the_formula(policy: &str) {
    let before = LIVE.load(Ordering::Relaxed);
    let graph = Graph::from_json(&model(policy)).unwrap();
    let config = json!({"optimizer": {"class_name": "Adam", "config": {"learning_rate": 0.01}},
        "loss": [{"class_name": "SparseCategoricalCrossentropy", "config": {}}]})
    .to_string();
    let mut network = Network::new(&graph, &[], 7, Isa::active()).unwrap();
    let mut trainer = Trainer::new(&mut network, &TrainerConfig::from_json(&config).unwrap()).unwrap();
    let (batch, longest) = (24, 60);
    // Tokens that repeat, so that the table is used, and others that do not.
    let x = [13, VOCABULARY as i32].map(|most| {
        Array2::from_shape_fn((batch, longest), |(i, j)| (i * 131 + j * 57 + i * j) as i32 % most).into_dyn()
    });
    let y = Array1::from_shape_fn(batch, |i| (i % CLASSES) as i64).into_dyn();
    let mut step = |x: &ndarray::ArrayD<i32>, rows: usize, steps: usize| {
        let x = x.slice(ndarray::s![.., ..steps]).to_owned().into_dyn();
        let targets = Targets { y: &[Data::I64(y.view())], sample_weight: &[None] };
        trainer.train_step(&mut network, &[Data::I32(x.view())], targets, Rows::Range(0, rows)).unwrap();
    };
    MOST.store(LIVE.load(Ordering::Relaxed), Ordering::Relaxed);
    // Often enough that every thread has its working memory: one that others keep from its CPU misses the first steps.
    for x in x.iter().cycle().take(16) {
        step(x, batch, longest);
    }
    let (most, bound) = (MOST.load(Ordering::Relaxed) - before, formula(batch, longest));
    println!("{policy}: {most} bytes at most, {bound} by the formula");
    assert!(most <= bound, "{policy}: {most} bytes are more than {bound}");

    // Smaller batches, shorter sequences and the same again: nothing more.
    let settled = LIVE.load(Ordering::Relaxed);
    for round in 0..30 {
        step(&x[round % 2], batch - round % 5, longest - 3 * (round % 7));
    }
    let grown = LIVE.load(Ordering::Relaxed).saturating_sub(settled);
    assert!(grown <= 1024, "{policy}: {grown} bytes more after thirty steps");
}
