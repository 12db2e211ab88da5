//! `e^x`, `e^x - 1` and `σ(x)`.

use std::f32::consts::{LN_2, LOG2_E};

use crate::simd::Simd;

/// `ln 2` in two parts; the first has trailing zeros, so that an integer up to 2^12 times it is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// `e^x` is normal from here on.
const EXP_LOW: f32 = -87.336_54;
const EXP_HIGH: f32 = 88.722_84;
/// Adding it rounds a float below 2^22 to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// The bits of an exponent of 0.
const BIAS: f32 = 127.0;

/// `(e^r - 1 - r) / r²` on `|r| <= ln 2 / 2`: the polynomial of degree 4 with the least relative error of `e^r - 1`, 0.3 of
/// a unit in the last place, found by iteratively reweighted least squares.
const EXPM1: [f32; 5] = [4.999_999_7e-1, 1.666_654_2e-1, 4.166_720_4e-2, 8.366_647e-3, 1.388_249_7e-3];
/// `e^-r` on the same, from these.
const EXP_NEGATIVE: [f32; 7] = [1.0, -1.0, EXPM1[0], -EXPM1[1], EXPM1[2], -EXPM1[3], EXPM1[4]];
/// `SCALE · e^-r` on `|r| <= ln 2 / 32`: of those that begin with `SCALE (1 - r)` the polynomial of degree 3 with the least relative
/// error, 0.03 of a unit. Less than 1, it is rounded to half as much as what lies above.
const SCALED_EXP_NEGATIVE: [f32; 4] = [SCALE, -SCALE, 4.791_477_6e-1, -1.597_112_6e-1];
/// Of the floats near 0.96 the one for which the floats nearest to [`POWERS`] are nearest: to 0.32 of a unit.
const SCALE: f32 = 0.958_264_6;
/// `2^(j / 16) / SCALE`
const POWERS: [f32; 16] = [
    1.043_553_1,
    1.089_755_2,
    1.138_002_8,
    1.188_386_4,
    1.241_000_8,
    1.295_944_6,
    1.353_321,
    1.413_237_6,
    1.475_807,
    1.541_146_5,
    1.609_378_9,
    1.680_632_2,
    1.755_040_2,
    1.832_742_5,
    1.913_884_9,
    1.998_619_8,
];
/// `2^(n / 16) / SCALE` has the bits `((n + 16 · 127) << 19) + FRACTIONS[n mod 16]`.
const FRACTIONS: [i32; 16] = {
    let mut fractions = [0; 16];
    let mut j = 0;
    while j < 16 {
        fractions[j] = POWERS[j].to_bits() as i32 - 1.0f32.to_bits() as i32 - ((j as i32) << 19);
        j += 1;
    }
    fractions
};

/// `e^x`; 0 where that is subnormal, infinity where it is too large.
#[inline(always)]
pub(in crate::kernels) fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
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
    let power = |n| simd.shift_to_exponent(simd.add(n, simd.splat(ROUND + BIAS)));
    let y = simd.mul(simd.mul(simd.add(p, simd.splat(1.0)), power(half)), power(simd.sub(n, half)));
    let y = simd.select_lt(x, simd.splat(EXP_LOW), simd.splat(0.0), y);
    simd.select_lt(simd.splat(EXP_HIGH), x, simd.splat(f32::INFINITY), y)
}

/// `e^x - 1` for each `x <= 0`, without cancellation near 0.
///
/// `e^x = 2^n · e^r`, `n` integral, `|r| <= ln 2 / 2`. All advance together: one alone is a chain of instructions that each wait for
/// the one before. `ln 2` as a float is wrong by 2⁻²⁸ of it, times `n`, which does not show beside 1: the larger `n`, the less
/// `e^x` counts.
#[inline(always)]
pub(super) fn expm1_negative<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    let round = simd.splat(ROUND + BIAS);
    // Loops, not closures: only what is inlined is compiled with the instruction set's features.
    let (mut power, mut r, mut y) = (x, x, [simd.splat(EXPM1[4]); N]);
    for (power, r) in power.iter_mut().zip(&mut r) {
        // Below -30 the result is -1 to the last bit.
        *r = simd.max(simd.splat(-30.0), *r);
        *power = simd.mul_add(*r, simd.splat(LOG2_E), round);
    }
    for (r, &power) in r.iter_mut().zip(&power) {
        *r = simd.mul_add(simd.sub(power, round), simd.splat(-LN_2), *r);
    }
    for &coefficient in EXPM1[..4].iter().rev() {
        for (y, &r) in y.iter_mut().zip(&r) {
            *y = simd.mul_add(*y, r, simd.splat(coefficient));
        }
    }
    for ((y, &r), &power) in y.iter_mut().zip(&r).zip(&power) {
        let p = simd.mul_add(simd.mul(r, r), *y, r);
        let power = simd.shift_to_exponent(power);
        *y = simd.mul_add(power, p, simd.sub(power, simd.splat(1.0)));
    }
    y
}

/// `σ(x) = 1 / (1 + e^-x)` of each.
///
/// `e^-x = 2^(n / steps) · e^-r`, `n` integral, `|r| <= ln 2 / (2 steps)`. All advance together.
#[inline(always)]
pub(super) fn sigmoids<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    let (steps, polynomial): (f32, &[f32]) =
        if S::LOOKS_UP { (16.0, &SCALED_EXP_NEGATIVE) } else { (1.0, &EXP_NEGATIVE) };
    let round = simd.splat(ROUND + BIAS * steps);
    let highest = polynomial.len() - 1;
    let (mut power, mut r, mut y) = (x, x, [simd.splat(polynomial[highest]); N]);
    for (power, r) in power.iter_mut().zip(&mut r) {
        // Within, the power's exponent is one of a float; 0, where `x > 87.3`, gives too little to show beside 1.
        *r = simd.min(simd.splat(88.0), simd.max(simd.splat(-88.0), *r));
        *power = simd.mul_add(*r, simd.splat(-LOG2_E * steps), round);
    }
    for (r, &power) in r.iter_mut().zip(&power) {
        let n = simd.sub(power, round);
        *r = simd.mul_add(n, simd.splat(LN_2_HIGH / steps), *r);
        *r = simd.mul_add(n, simd.splat(LN_2_LOW / steps), *r);
    }
    for &coefficient in polynomial[..highest].iter().rev() {
        for (y, &r) in y.iter_mut().zip(&r) {
            *y = simd.mul_add(*y, r, simd.splat(coefficient));
        }
    }
    for (y, &power) in y.iter_mut().zip(&power) {
        let power = if S::LOOKS_UP { simd.shift_and_look_up(&FRACTIONS, power) } else { simd.shift_to_exponent(power) };
        *y = simd.reciprocal(simd.mul_add(power, *y, simd.splat(1.0)));
    }
    y
}
