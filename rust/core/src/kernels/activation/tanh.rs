//! `tanh x`.

use super::exponential::expm1_negative;
use crate::simd::{Simd, Table};

/// From here on `tanh x` is 1 to the last bit.
const ONE: f32 = 9.3;
/// The first piece ends with the half octave that this is in.
const FIRST: f32 = 0.1875;
/// Middles of the pieces, by half octaves: 2 to 3, 3 to 4, 4 to 6, 6 to 8, 8 to [`ONE`], some that do not occur; 0 to 0.25, whose
/// middle is 0, 0.25 to 0.375, and so on to 2. Near each piece's middle it is the float whose `tanh` comes nearest to a float.
#[rustfmt::skip]
static MIDDLES: Table = Table([
    2.499_936_8, 3.499_931_3, 5.000_098, 6.999_809_3, 8.650_381, 0.0, 0.0, 0.0,
    0.0, 0.0, 0.312_489_93, 0.437_508_52, 0.624_986_1, 0.874_995_23, 1.250_020_9, 1.749_993_3,
]);
/// `tanh` of a piece in powers of the distance from its middle, lowest first: of degree 6 what has the least relative error, found by
/// iteratively reweighted least squares, one coefficient rounded after another. 0.7 of a unit in the last place in the piece from
/// 4 to 6, at most 0.15 in the others.
#[rustfmt::skip]
static PIECES: [Table; 7] = [
    Table([
        0.986_612_6, 0.998_177_65, 0.999_909_2, 0.999_998_33, 0.999_999_94, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.302_700_58, 0.411_577_14, 0.554_590_1, 0.703_903_2, 0.848_289_5, 0.941_374_8,
    ]),
    Table([
        0.026_595_635, 0.003_641_452, 0.000_181_801_1, 3.327_408_9e-6, 1.225_790_1e-7, 0.0, 0.0, 0.0,
        0.0, 1.0, 0.908_372_34, 0.830_604_26, 0.692_429_84, 0.504_520_3, 0.280_404_84, 0.113_813_475,
    ]),
    Table([
        -0.026_239_296, -0.003_634_791_6, -0.000_181_724_62, -3.245_964e-6, -1.936_156_3e-7, 0.0, 0.0, 0.0,
        0.0, -1.097_271_3e-6, -0.274_964_93, -0.341_857_73, -0.384_014_67, -0.355_133_47, -0.237_864_55, -0.107_141_13,
    ]),
    Table([
        0.017_019_674, 0.002_412_093_8, 0.000_118_875_68, 2.207_028_3e-6, 8.181_408_6e-8, 0.0, 0.0, 0.0,
        0.0, -0.333_270_2, -0.219_541_53, -0.136_160_79, -0.017_849_626, 0.081_802_28, 0.108_324_36, 0.062_928_79,
    ]),
    Table([
        -0.008_052_654, -0.001_197_503_9, -5.954_548_8e-5, -1.295_678_5e-6, 4.037_271_4e-7, 0.0, 0.0, 0.0,
        0.0, -0.001_183_773_5, 0.158_189_28, 0.170_006_54, 0.137_886_29, 0.060_799_614, -0.012_588_256, -0.023_524_273,
    ]),
    Table([
        0.002_887_104_4, 0.000_490_329_75, 2.842_151_1e-5, 4.946_125e-7, 1.656_448_3e-8, 0.0, 0.0, 0.0,
        0.0, 0.143_084_62, 0.041_977_808, -0.007_351_104_6, -0.054_101_66, -0.058_462_93, -0.019_680_718, 0.003_483_167_2,
    ]),
    Table([
        -0.000_696_315_95, -0.000_157_679_88, -9.379_48e-6, -4.821_624e-8, -7.021_834e-7, 0.0, 0.0, 0.0,
        0.0, -0.036_977_74, -0.086_318_31, -0.064_012_565, -0.023_424_84, 0.012_883_032, 0.015_107_855, 0.002_094_958,
    ]),
];

/// `tanh` of each, with the sign put back to what `|x|` gives. All advance together.
#[inline(always)]
pub(in crate::kernels) fn tanhs<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    if S::LOOKS_UP { in_pieces(simd, x) } else { from_exponentials(simd, x) }
}

/// By a polynomial for each piece of `|x|`.
#[inline(always)]
fn in_pieces<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    let (mut piece, mut distance, mut y) = (x, x, x);
    for (piece, distance) in piece.iter_mut().zip(&mut distance) {
        let size = simd.min(simd.splat(ONE), simd.abs(*distance));
        *piece = simd.max(simd.splat(FIRST), size);
        *distance = simd.sub(size, simd.look_up(&MIDDLES, *piece));
    }
    for (y, &piece) in y.iter_mut().zip(&piece) {
        *y = simd.look_up(&PIECES[6], piece);
    }
    for table in PIECES[..6].iter().rev() {
        for ((y, &distance), &piece) in y.iter_mut().zip(&distance).zip(&piece) {
            *y = simd.mul_add(*y, distance, simd.look_up(table, piece));
        }
    }
    for (y, &x) in y.iter_mut().zip(&x) {
        *y = simd.copysign(*y, x);
    }
    y
}

/// `-t / (2 + t)` with `t = e^(-2 |x|) - 1`.
#[inline(always)]
fn from_exponentials<S: Simd, const N: usize>(simd: S, x: [S::V; N]) -> [S::V; N] {
    let mut doubled = x;
    for x in &mut doubled {
        let negative = simd.copysign(*x, simd.splat(-0.0));
        *x = simd.add(negative, negative);
    }
    let mut y = expm1_negative(simd, doubled);
    for (y, &x) in y.iter_mut().zip(&x) {
        *y = simd.copysign(simd.div(*y, simd.add(simd.splat(2.0), *y)), x);
    }
    y
}
