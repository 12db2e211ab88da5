//! The oracles: the same mathematics in plain f64 loops, and random numbers to feed both sides.
#![allow(dead_code, reason = "each test binary uses its share")]

use lstm_core::simd::Isa;

/// A small generator of its own (splitmix64), so that no library's change moves the tests.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Uniform in `[-1, 1)`.
    pub fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
    pub fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.signed()).collect()
    }
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Every instruction set of this machine, and the best one with tiles where there are any.
pub fn with_tiles() -> Vec<Isa> {
    let mut all = Isa::available();
    let tiled = all[0].with_tiles();
    if tiled.tiles().is_some() {
        all.insert(0, tiled);
    }
    all
}

/// What an instruction set multiplies: on tiles floats rounded to bfloat16, the nearest, halves to even.
pub fn multiplied(isa: Isa, values: &[f32]) -> Vec<f32> {
    let rounded = |value: f32| {
        let bits = value.to_bits();
        f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    };
    values.iter().map(|&value| if isa.tiles().is_some() { rounded(value) } else { value }).collect()
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Fails unless every element is within `tolerance` times the largest expected one, or 1 if all are smaller: the
/// terms of a sum are of that size, and its rounding follows them where they cancel.
#[track_caller]
pub fn assert_sums(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    let scale = expected.iter().fold(1f64, |scale, x| scale.max(x.abs()));
    let largest = expected.iter().fold(1e-3f64, |scale, x| scale.max(x.abs()));
    assert_close(what, got, expected, tolerance * scale / largest);
}

/// Fails unless every element is within `tolerance` of the largest expected one.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    let scale = expected.iter().fold(1e-3f64, |scale, x| scale.max(x.abs()));
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let difference = (f64::from(got) - expected).abs();
        assert!(difference <= tolerance * scale, "{what}[{i}]: got {got}, expected {expected}, scale {scale}");
    }
}

/// An activation, by Keras' name, over one row.
pub fn activate(name: &str, row: &mut [f64]) {
    let expm1 = f64::exp_m1;
    if name == "softmax" {
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = row.iter().map(|x| (x - max).exp()).sum();
        row.iter_mut().for_each(|x| *x = (*x - max).exp() / total);
        return;
    }
    for x in row {
        *x = match name {
            "linear" => *x,
            "relu" => x.max(0.0),
            "tanh" => x.tanh(),
            "sigmoid" => 1.0 / (1.0 + (-*x).exp()),
            "hard_sigmoid" => ((*x + 3.0).clamp(0.0, 6.0)) / 6.0,
            "exponential" => x.exp(),
            "softsign" => *x / (x.abs() + 1.0),
            "elu" => {
                if *x > 0.0 {
                    *x
                } else {
                    expm1(*x)
                }
            }
            "selu" => {
                let (alpha, scale) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);
                scale * if *x > 0.0 { *x } else { alpha * expm1(*x) }
            }
            other => panic!("no oracle for {other}"),
        };
    }
}

/// `x · w + b`; `x` of `rows x depth`.
pub fn dense(x: &[f64], w: &[f64], b: Option<&[f64]>, depth: usize, columns: usize) -> Vec<f64> {
    let rows = x.len() / depth;
    let mut y = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for n in 0..columns {
            let sum: f64 = (0..depth).map(|d| x[row * depth + d] * w[d * columns + n]).sum();
            y.push(sum + b.map_or(0.0, |b| b[n]));
        }
    }
    y
}

#[derive(Clone)]
pub struct Lstm {
    pub units: usize,
    pub cell: &'static str,
    pub gate: &'static str,
    pub use_bias: bool,
    pub go_backwards: bool,
    pub zero_output: bool,
}

impl Lstm {
    pub fn new(units: usize) -> Self {
        Lstm { units, cell: "tanh", gate: "sigmoid", use_bias: true, go_backwards: false, zero_output: false }
    }
}

/// All outputs (`batch x steps x units`) and the final states of an LSTM; `weights` are kernel, recurrent kernel, bias.
pub fn lstm(
    layer: &Lstm,
    weights: &[Vec<f64>],
    x: &[f64],
    (batch, steps, inputs): (usize, usize, usize),
    mask: Option<&[bool]>,
    initial: Option<(&[f64], &[f64])>,
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let u = layer.units;
    let mut outputs = vec![0.0; batch * steps * u];
    let (mut last_h, mut last_c) = (Vec::new(), Vec::new());
    for b in 0..batch {
        let state = |s: &[f64]| s[b * u..(b + 1) * u].to_vec();
        let mut h = initial.map_or(vec![0.0; u], |(h, _)| state(h));
        let mut c = initial.map_or(vec![0.0; u], |(_, c)| state(c));
        let mut shown = vec![0.0; u];
        for s in 0..steps {
            let t = if layer.go_backwards { steps - 1 - s } else { s };
            let keep = mask.is_none_or(|mask| mask[b * steps + t]);
            if keep {
                let xt = &x[(b * steps + t) * inputs..][..inputs];
                let mut z = dense(xt, &weights[0], None, inputs, 4 * u);
                for (z, r) in z.iter_mut().zip(dense(&h, &weights[1], None, u, 4 * u)) {
                    *z += r;
                }
                if layer.use_bias {
                    z.iter_mut().zip(&weights[2]).for_each(|(z, b)| *z += b);
                }
                let (i, rest) = z.split_at_mut(u);
                let (f, rest) = rest.split_at_mut(u);
                let (g, o) = rest.split_at_mut(u);
                activate(layer.gate, i);
                activate(layer.gate, f);
                activate(layer.cell, g);
                activate(layer.gate, o);
                for n in 0..u {
                    c[n] = f[n] * c[n] + i[n] * g[n];
                }
                let mut squashed = c.clone();
                activate(layer.cell, &mut squashed);
                for n in 0..u {
                    h[n] = o[n] * squashed[n];
                }
                shown.clone_from(&h);
            } else if layer.zero_output {
                shown.fill(0.0);
            }
            outputs[(b * steps + s) * u..][..u].copy_from_slice(&shown);
        }
        last_h.extend(h);
        last_c.extend(c);
    }
    (outputs, last_h, last_c)
}

/// The last step of `batch x steps x units`.
pub fn last_step(x: &[f64], steps: usize, units: usize) -> Vec<f64> {
    x.chunks_exact(steps * units).flat_map(|row| row[(steps - 1) * units..].to_vec()).collect()
}

/// Central differences of a function of several weights, one Vec a weight.
pub fn differences(weights: &[Vec<f64>], f: impl Fn(&[Vec<f64>]) -> f64) -> Vec<Vec<f64>> {
    const STEP: f64 = 1e-5;
    let mut weights = weights.to_vec();
    let mut gradients = Vec::new();
    for w in 0..weights.len() {
        let mut gradient = Vec::new();
        for i in 0..weights[w].len() {
            let x = weights[w][i];
            weights[w][i] = x + STEP;
            let above = f(&weights);
            weights[w][i] = x - STEP;
            let below = f(&weights);
            weights[w][i] = x;
            gradient.push((above - below) / (2.0 * STEP));
        }
        gradients.push(gradient);
    }
    gradients
}

/// Sizes at and around every edge of the register tiles, and odd primes.
pub const EDGES: [usize; 12] = [0, 1, 2, 3, 5, 6, 7, 13, 16, 17, 31, 65];
