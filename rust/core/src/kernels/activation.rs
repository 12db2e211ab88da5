//! Activation functions, forward and backward.
//!
//! Worst errors in units in the last place against the exact value, over every `f32` whose result is normal: `sigmoid` 2.5,
//! `tanh` 2.6, on AVX-512 2.3 and 1.3; `exp` 1.2. Smaller results of `exp` are 0, of `sigmoid` subnormal; where those are
//! flushed, 0 from 2⁻¹²⁵ on.

mod exponential;
mod tanh;

use crate::simd::{Isa, Kernel, Simd};
pub(super) use exponential::exp;
use exponential::{expm1_negative, sigmoids};
pub(super) use tanh::tanhs;

const SELU_ALPHA: f32 = 1.673_263_2;
const SELU_SCALE: f32 = 1.050_701;

/// An activation function, by Keras' name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x > 0 ? x : e^x - 1`
    Elu,
    /// `e^x`
    Exponential,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x`
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `1.0507 · (x > 0 ? x : 1.6733 · (e^x - 1))`
    Selu,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `x / (|x| + 1)`
    Softsign,
    /// `tanh x`
    Tanh,
}

impl Activation {
    /// Every elementwise activation by name, sorted.
    pub const ALL: [(&'static str, Activation); 9] = [
        ("elu", Activation::Elu),
        ("exponential", Activation::Exponential),
        ("hard_sigmoid", Activation::HardSigmoid),
        ("linear", Activation::Linear),
        ("relu", Activation::Relu),
        ("selu", Activation::Selu),
        ("sigmoid", Activation::Sigmoid),
        ("softsign", Activation::Softsign),
        ("tanh", Activation::Tanh),
    ];

    /// The activation of that name.
    pub fn named(name: &str) -> Option<Activation> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, activation)| activation)
    }

    /// `f(x)`
    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let zero = simd.splat(0.0);
        match self {
            Activation::Elu => elu(simd, x),
            Activation::Exponential => exp(simd, x),
            Activation::HardSigmoid => {
                let shifted = simd.mul_add(x, simd.splat(1.0 / 6.0), simd.splat(0.5));
                simd.min(simd.splat(1.0), simd.max(zero, shifted))
            }
            Activation::Linear => x,
            Activation::Relu => simd.max(zero, x),
            Activation::Selu => {
                let scaled = simd.mul(simd.splat(SELU_ALPHA), elu(simd, x));
                simd.mul(simd.splat(SELU_SCALE), simd.select_lt(zero, x, x, scaled))
            }
            Activation::Sigmoid => sigmoid(simd, x),
            Activation::Softsign => simd.div(x, simd.add(simd.abs(x), simd.splat(1.0))),
            Activation::Tanh => tanh(simd, x),
        }
    }

    /// `f'(x)`, from `y = f(x)`.
    #[inline(always)]
    pub(super) fn derivative<S: Simd>(self, simd: S, y: S::V) -> S::V {
        let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
        match self {
            Activation::Elu => simd.select_lt(zero, y, one, simd.add(y, one)),
            Activation::Exponential => y,
            Activation::HardSigmoid => {
                let slope = simd.select_lt(y, one, simd.splat(1.0 / 6.0), zero);
                simd.select_lt(zero, y, slope, zero)
            }
            Activation::Linear => one,
            Activation::Relu => simd.select_lt(zero, y, one, zero),
            Activation::Selu => {
                let scale = simd.splat(SELU_SCALE);
                simd.select_lt(zero, y, scale, simd.add(y, simd.splat(SELU_SCALE * SELU_ALPHA)))
            }
            Activation::Sigmoid => simd.mul(y, simd.sub(one, y)),
            Activation::Softsign => {
                let rest = simd.sub(one, simd.abs(y));
                simd.mul(rest, rest)
            }
            Activation::Tanh => simd.mul(simd.sub(one, y), simd.add(one, y)),
        }
    }

    /// `y = f(x)`, elementwise.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn forward(self, isa: Isa, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len());
        isa.dispatch(Forward { activation: self, x, y });
    }

    /// `dx = f'(x) · dy` from `y = f(x)`; added to what `dx` holds where `add`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn backward(self, isa: Isa, y: &[f32], dy: &[f32], dx: &mut [f32], add: bool) {
        assert!(y.len() == dy.len() && y.len() == dx.len());
        isa.dispatch(Backward { activation: self, y, dy, dx, add });
    }
}

#[inline(always)]
fn elu<S: Simd>(simd: S, x: S::V) -> S::V {
    let zero = simd.splat(0.0);
    let [below] = expm1_negative(simd, [simd.min(zero, x)]);
    simd.select_lt(zero, x, x, below)
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(simd: S, x: S::V) -> S::V {
    let [y] = sigmoids(simd, [x]);
    y
}

/// `tanh x`
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::V) -> S::V {
    let [y] = tanhs(simd, [x]);
    y
}

/// The gates i, f, g and o of a cell with `σ` and `tanh`.
#[inline(always)]
pub(super) fn gates<S: Simd>(simd: S, [i, f, g, o]: [S::V; 4]) -> [S::V; 4] {
    let [g] = tanhs(simd, [g]);
    let [i, f, o] = sigmoids(simd, [i, f, o]);
    [i, f, g, o]
}

struct Forward<'a> {
    activation: Activation,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (x, y) in self.x.chunks(S::LANES).zip(self.y.chunks_mut(S::LANES)) {
            // SAFETY: both chunks hold the same `x.len() <= LANES` floats.
            unsafe {
                let result = self.activation.apply(simd, simd.load_partial(x.as_ptr(), x.len()));
                simd.store_partial(result, y.as_mut_ptr(), y.len());
            }
        }
    }
}

struct Backward<'a> {
    activation: Activation,
    y: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    add: bool,
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let inputs = self.y.chunks(S::LANES).zip(self.dy.chunks(S::LANES));
        for ((y, dy), dx) in inputs.zip(self.dx.chunks_mut(S::LANES)) {
            // SAFETY: the three chunks hold the same `dx.len() <= LANES` floats.
            unsafe {
                let load = |from: &[f32]| simd.load_partial(from.as_ptr(), from.len());
                let slope = self.activation.derivative(simd, load(y));
                let before = if self.add { load(dx) } else { simd.splat(0.0) };
                simd.store_partial(simd.mul_add(slope, load(dy), before), dx.as_mut_ptr(), dx.len());
            }
        }
    }
}
