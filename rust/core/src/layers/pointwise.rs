//! Activations whose slope their value does not tell: backward reads the input. Computed in f64, element by element.

/// `f(x)` and `f'(x)` of one element, by Keras' name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointwise {
    /// `x · Φ(x)`, Φ being the normal distribution's
    Gelu,
    /// `x` where `|x| > 1/2`, else 0
    HardShrink,
    /// `x · min(max(x + 3, 0), 6) / 6`
    HardSilu,
    /// `min(max(x, -1), 1)`
    HardTanh,
    /// `x > 0 ? x : x / 5`
    LeakyRelu,
    /// `-log(1 + e^-x)`
    LogSigmoid,
    /// `x · tanh(log(1 + e^x))`
    Mish,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `x / (1 + e^-x)`
    Silu,
    /// `x` moved by 1/2 towards 0, no further
    SoftShrink,
    /// `log(1 + e^x)`
    Softplus,
    /// 0 up to -1, `x` from 1 on, `(x + 1)² / 4` between
    SparsePlus,
    /// `min(max((x + 1) / 2, 0), 1)`
    SparseSigmoid,
    /// `(x + √(x² + 4)) / 2`
    Squareplus,
    /// `x - tanh x`
    TanhShrink,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The normal distribution's density.
fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The normal distribution, by the series `Φ(x) = 1/2 + φ(x) Σ x^(2n+1) / (1 · 3 · … · (2n+1))`, whose terms have one sign;
/// far out by the continued fraction of its tail, which keeps small values exact.
fn normal(x: f64) -> f64 {
    let size = x.abs();
    if size < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= x * x / f64::from(2 * n + 1);
            sum += term;
            if term.abs() < 1e-17 * sum.abs() {
                break;
            }
        }
        return 0.5 + density(x) * sum;
    }
    let fraction = (1..60).rev().fold(size, |below, n| size + f64::from(n) / below);
    let tail = density(x) / fraction;
    if x > 0.0 { 1.0 - tail } else { tail }
}

fn inside(x: f64, from: f64, to: f64) -> f64 {
    if from < x && x < to { 1.0 } else { 0.0 }
}

impl Pointwise {
    /// All of them by name, sorted.
    pub const ALL: [(&'static str, Pointwise); 17] = [
        ("gelu", Pointwise::Gelu),
        ("hard_shrink", Pointwise::HardShrink),
        ("hard_silu", Pointwise::HardSilu),
        ("hard_swish", Pointwise::HardSilu),
        ("hard_tanh", Pointwise::HardTanh),
        ("leaky_relu", Pointwise::LeakyRelu),
        ("log_sigmoid", Pointwise::LogSigmoid),
        ("mish", Pointwise::Mish),
        ("relu6", Pointwise::Relu6),
        ("silu", Pointwise::Silu),
        ("soft_shrink", Pointwise::SoftShrink),
        ("softplus", Pointwise::Softplus),
        ("sparse_plus", Pointwise::SparsePlus),
        ("sparse_sigmoid", Pointwise::SparseSigmoid),
        ("squareplus", Pointwise::Squareplus),
        ("swish", Pointwise::Silu),
        ("tanh_shrink", Pointwise::TanhShrink),
    ];

    /// `f(x)`
    pub fn value(self, x: f64) -> f64 {
        match self {
            Pointwise::Gelu => x * normal(x),
            Pointwise::HardShrink => {
                if x.abs() > 0.5 {
                    x
                } else {
                    0.0
                }
            }
            Pointwise::HardSilu => x * ((x + 3.0) / 6.0).clamp(0.0, 1.0),
            Pointwise::HardTanh => x.clamp(-1.0, 1.0),
            Pointwise::LeakyRelu => {
                if x > 0.0 {
                    x
                } else {
                    0.2 * x
                }
            }
            Pointwise::LogSigmoid => -softplus(-x),
            Pointwise::Mish => x * softplus(x).tanh(),
            Pointwise::Relu6 => x.clamp(0.0, 6.0),
            Pointwise::Silu => x * sigmoid(x),
            Pointwise::SoftShrink => {
                if x.abs() > 0.5 {
                    x - 0.5 * x.signum()
                } else {
                    0.0
                }
            }
            Pointwise::Softplus => softplus(x),
            Pointwise::SparsePlus => {
                if x <= -1.0 {
                    0.0
                } else if x >= 1.0 {
                    x
                } else {
                    0.25 * (x + 1.0) * (x + 1.0)
                }
            }
            Pointwise::SparseSigmoid => (0.5 * (x + 1.0)).clamp(0.0, 1.0),
            // The same without cancellation where x is negative.
            Pointwise::Squareplus if x < 0.0 => 2.0 / ((x * x + 4.0).sqrt() - x),
            Pointwise::Squareplus => 0.5 * (x + (x * x + 4.0).sqrt()),
            Pointwise::TanhShrink => x - x.tanh(),
        }
    }

    /// `f'(x)`
    pub fn slope(self, x: f64) -> f64 {
        match self {
            Pointwise::Gelu => normal(x) + x * density(x),
            Pointwise::HardShrink | Pointwise::SoftShrink => {
                if x.abs() > 0.5 {
                    1.0
                } else {
                    0.0
                }
            }
            Pointwise::HardSilu => ((x + 3.0) / 6.0).clamp(0.0, 1.0) + x / 6.0 * inside(x, -3.0, 3.0),
            Pointwise::HardTanh => inside(x, -1.0, 1.0),
            Pointwise::LeakyRelu => {
                if x > 0.0 {
                    1.0
                } else {
                    0.2
                }
            }
            Pointwise::LogSigmoid => sigmoid(-x),
            Pointwise::Mish => {
                let t = softplus(x).tanh();
                t + x * (1.0 - t * t) * sigmoid(x)
            }
            Pointwise::Relu6 => inside(x, 0.0, 6.0),
            Pointwise::Silu => sigmoid(x) * (1.0 + x * sigmoid(-x)),
            Pointwise::Softplus => sigmoid(x),
            Pointwise::SparsePlus => (0.5 * (x + 1.0)).clamp(0.0, 1.0),
            Pointwise::SparseSigmoid => 0.5 * inside(x, -1.0, 1.0),
            Pointwise::Squareplus => 0.5 * (1.0 + x / (x * x + 4.0).sqrt()),
            Pointwise::TanhShrink => x.tanh() * x.tanh(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pointwise;

    #[test]
    fn slopes_are_differences() {
        for (name, function) in Pointwise::ALL {
            // Between the corners, which lie at multiples of a half.
            for step in -40..40 {
                let x = f64::from(step) * 0.25 + 0.11;
                let expected = (function.value(x + 1e-6) - function.value(x - 1e-6)) / 2e-6;
                assert!((function.slope(x) - expected).abs() < 1e-8, "{name} at {x}");
            }
        }
    }

    #[test]
    fn far_out_they_stay_numbers() {
        for (name, function) in Pointwise::ALL {
            for x in [-1e4, -100.0, -3.0, 3.0, 100.0, 1e4] {
                assert!(function.value(x).is_finite() && function.slope(x).is_finite(), "{name} at {x}");
            }
        }
    }

    #[test]
    fn gelu_is_smooth_where_its_formulas_meet() {
        for x in [-3.0f64, 3.0] {
            let (below, above) = (Pointwise::Gelu.value(x - 1e-12), Pointwise::Gelu.value(x + 1e-12));
            assert!((above - below).abs() < 1e-11, "{x}: {below} {above}");
        }
    }
}
