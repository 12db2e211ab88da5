//! Activation functions, forward and backward.
//!
//! Worst errors in units in the last place against the exact value, over every `f32` whose result is normal: `sigmoid` 2.5,
//! `tanh` 2.8, `exp` 1.2. Smaller results of `exp` are 0, of `sigmoid` subnormal; where those are flushed, 0 from 2⁻¹²⁵ on.

use crate::simd::{Isa, Kernel, Simd};

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// `ln 2` in two parts; the first has trailing zeros, so that an integer up to 2^8 times it is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// `e^x` is normal from here on.
const EXP_LOW: f32 = -87.336_54;
const EXP_HIGH: f32 = 88.722_84;
/// `(e^r - 1 - r) / r²` on `|r| <= ln 2 / 2`: the polynomial of degree 4 with the least relative error of `e^r - 1`, 0.3 of
/// a unit in the last place, found by iteratively reweighted least squares.
const EXPM1: [f32; 5] = [4.999_999_7e-1, 1.666_654_2e-1, 4.166_720_4e-2, 8.366_647e-3, 1.388_249_7e-3];
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

/// Adding it rounds a float to an integer, whose bits plus 127 then stand lowest: shifted into the exponent's place they are
/// a power of two.
const ROUND: f32 = 12_582_912.0 + 127.0;
/// Here the power of two is 0.
const ZERO_POWER: f32 = -88.0;

/// For each `x`, `2^n` and `e^r - 1` with `e^x = 2^n · e^r`, `n` integral, `|r| <= ln 2 / 2`. `ZERO_POWER <= x <= 88`;
/// `2^n` is 0 where it would be subnormal.
///
/// All of them advance together: one alone is a chain of instructions that each wait for the one before. `ln 2` as a float is
/// wrong by 2⁻²⁸ of it, times `n`. Beside 1 that does not show in `e^x` where `x <= 0`, which `is_beside_one` says: the larger `n`,
/// the less `e^x` counts.
#[inline(always)]
fn exp_parts<S: Simd, const N: usize>(simd: S, x: [S::V; N], is_beside_one: [bool; N]) -> ([S::V; N], [S::V; N]) {
    // Loops, not closures: only what is inlined is compiled with the instruction set's features.
    let (mut power, mut r, mut p) = (x, x, [simd.splat(EXPM1[4]); N]);
    for power in &mut power {
        *power = simd.mul_add(*power, simd.splat(LOG2_E), simd.splat(ROUND));
    }
    for ((r, &power), &is_beside_one) in r.iter_mut().zip(&power).zip(&is_beside_one) {
        let n = simd.sub(power, simd.splat(ROUND));
        if is_beside_one {
            *r = simd.mul_add(n, simd.splat(-std::f32::consts::LN_2), *r);
        } else {
            *r = simd.mul_add(n, simd.splat(-LN_2_HIGH), *r);
            *r = simd.mul_add(n, simd.splat(-LN_2_LOW), *r);
        }
    }
    for &coefficient in EXPM1[..4].iter().rev() {
        for (p, &r) in p.iter_mut().zip(&r) {
            *p = simd.mul_add(*p, r, simd.splat(coefficient));
        }
    }
    for ((p, power), &r) in p.iter_mut().zip(&mut power).zip(&r) {
        *p = simd.mul_add(simd.mul(r, r), *p, r);
        *power = simd.shift_to_exponent(*power);
    }
    (power, p)
}

/// `e^x`; 0 where that is subnormal, infinity where it is too large.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
    let clamped = simd.min(simd.splat(EXP_HIGH), simd.max(simd.splat(EXP_LOW), x));
    let n = simd.round(simd.mul(clamped, simd.splat(LOG2_E)));
    let half = simd.round(simd.mul(n, simd.splat(0.5)));
    let r = simd.mul_add(n, simd.splat(-LN_2_HIGH), clamped);
    let r = simd.mul_add(n, simd.splat(-LN_2_LOW), r);
    let mut q = simd.splat(EXPM1[4]);
    for &coefficient in EXPM1[..4].iter().rev() {
        q = simd.mul_add(q, r, simd.splat(coefficient));
    }
    let p = simd.mul_add(simd.mul(r, r), q, r);
    // 2^n in two factors: n reaches 128, whose power is no f32.
    let power = |n| simd.shift_to_exponent(simd.add(n, simd.splat(ROUND)));
    let y = simd.mul(simd.mul(simd.add(p, simd.splat(1.0)), power(half)), power(simd.sub(n, half)));
    let y = simd.select_lt(x, simd.splat(EXP_LOW), simd.splat(0.0), y);
    simd.select_lt(simd.splat(EXP_HIGH), x, simd.splat(f32::INFINITY), y)
}

/// `e^x - 1` for `x <= 0`, without cancellation near 0.
#[inline(always)]
fn expm1_negative<S: Simd>(simd: S, x: S::V) -> S::V {
    // Below -30 the result is -1 to the last bit.
    let ([power], [p]) = exp_parts(simd, [simd.max(simd.splat(-30.0), x)], [true]);
    simd.mul_add(power, p, simd.sub(power, simd.splat(1.0)))
}

#[inline(always)]
fn elu<S: Simd>(simd: S, x: S::V) -> S::V {
    let zero = simd.splat(0.0);
    simd.select_lt(zero, x, x, expm1_negative(simd, simd.min(zero, x)))
}

/// `σ(x) = 1 / (1 + e^-x)`; `tanh x = -t / (2 + t)` with `t = e^(-2 |x|) - 1`, the sign put back. Their exponentials advance
/// together.
#[inline(always)]
fn sigmoids_and_tanhs<S: Simd, const N: usize>(simd: S, x: [S::V; N], is_tanh: [bool; N]) -> [S::V; N] {
    let (zero, one, two) = (simd.splat(0.0), simd.splat(1.0), simd.splat(2.0));
    let mut exponents = x;
    for (x, &is_tanh) in exponents.iter_mut().zip(&is_tanh) {
        *x = if is_tanh {
            let negative = simd.copysign(*x, simd.splat(-0.0));
            simd.max(simd.splat(-30.0), simd.add(negative, negative))
        } else {
            simd.min(simd.splat(-ZERO_POWER), simd.max(simd.splat(ZERO_POWER), simd.sub(zero, *x)))
        };
    }
    let (power, mut y) = exp_parts(simd, exponents, is_tanh);
    for (((y, &power), &x), &is_tanh) in y.iter_mut().zip(&power).zip(&x).zip(&is_tanh) {
        *y = if is_tanh {
            let t = simd.mul_add(power, *y, simd.sub(power, one));
            simd.copysign(simd.quotient(t, simd.add(two, t)), x)
        } else {
            simd.reciprocal(simd.add(one, simd.mul_add(power, *y, power)))
        };
    }
    y
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(simd: S, x: S::V) -> S::V {
    let [y] = sigmoids_and_tanhs(simd, [x], [false]);
    y
}

/// `tanh x`
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::V) -> S::V {
    let [y] = sigmoids_and_tanhs(simd, [x], [true]);
    y
}

/// `tanh` of each.
#[inline(always)]
pub(super) fn tanhs<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    sigmoids_and_tanhs(simd, x, [true; N])
}

/// The gates i, f, g and o of a cell with `σ` and `tanh`.
#[inline(always)]
pub(super) fn gates<S: Simd>(simd: S, z: [S::V; 4]) -> [S::V; 4] {
    sigmoids_and_tanhs(simd, z, [false, false, true, false])
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
