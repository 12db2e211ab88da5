//! Losses that are a mean (or a sum) over a row of what each element loses by itself.

use super::EPSILON;

/// What an element loses, with a prediction `p` and a target `y`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Elementwise {
    /// `|p - y|`
    Absolute,
    /// `(p - y)²`
    Squared,
    /// `100 · |p - y| / max(|y|, ε)`
    Percentage,
    /// `(log(max(p, ε) + 1) - log(max(y, ε) + 1))²`
    Logarithmic,
    /// `e² / 2` where `e = |p - y|` is at most `delta`, else `delta · e - delta² / 2`.
    Huber { delta: f32 },
    /// `log cosh(p - y)`
    LogCosh,
    /// `p - y · log(p + ε)`
    Poisson,
    /// `y · log(y / p)`, both cut to `ε..=1`; summed over the row.
    KlDivergence,
    /// `max(1 - y · p, 0)` with `y` of -1 or 1.
    Hinge,
    /// Its square.
    SquaredHinge,
    /// `max(q · (y - p), (q - 1) · (y - p))`
    Quantile { quantile: f32 },
}

impl Elementwise {
    /// What a row's sum is multiplied by.
    pub(super) fn share(self, classes: usize) -> f64 {
        if matches!(self, Elementwise::KlDivergence) { 1.0 } else { 1.0 / classes as f64 }
    }

    /// The factor and summand that the targets of a whole batch go through first: hinge losses take 0 and 1 for -1 and 1,
    /// where there are no others.
    pub(super) fn targets(self, y: &[f32]) -> (f32, f32) {
        let hinge = matches!(self, Elementwise::Hinge | Elementwise::SquaredHinge);
        if hinge && y.iter().all(|&y| y == 0.0 || y == 1.0) { (2.0, -1.0) } else { (1.0, 0.0) }
    }

    /// The loss of one element.
    #[inline]
    pub(super) fn value(self, p: f32, y: f32) -> f64 {
        let epsilon = f64::from(EPSILON);
        let (p, y) = (f64::from(p), f64::from(y));
        match self {
            Elementwise::Absolute => (p - y).abs(),
            Elementwise::Squared => (p - y).powi(2),
            Elementwise::Percentage => 100.0 * (p - y).abs() / y.abs().max(epsilon),
            Elementwise::Logarithmic => (p.max(epsilon).ln_1p() - y.max(epsilon).ln_1p()).powi(2),
            Elementwise::Huber { delta } => {
                let (e, delta) = ((p - y).abs(), f64::from(delta));
                if e <= delta { 0.5 * e * e } else { delta * e - 0.5 * delta * delta }
            }
            // log cosh e = |e| + log(1 + e^(-2|e|)) - log 2, which does not overflow.
            Elementwise::LogCosh => {
                let e = (p - y).abs();
                e + (-2.0 * e).exp().ln_1p() - std::f64::consts::LN_2
            }
            Elementwise::Poisson => p - y * (p + epsilon).ln(),
            Elementwise::KlDivergence => {
                let (p, y) = (p.clamp(epsilon, 1.0), y.clamp(epsilon, 1.0));
                y * (y / p).ln()
            }
            Elementwise::Hinge => (1.0 - y * p).max(0.0),
            Elementwise::SquaredHinge => (1.0 - y * p).max(0.0).powi(2),
            Elementwise::Quantile { quantile } => {
                let (e, q) = (y - p, f64::from(quantile));
                (q * e).max((q - 1.0) * e)
            }
        }
    }

    /// The derivative by `p`.
    #[inline]
    pub(super) fn slope(self, p: f32, y: f32) -> f32 {
        // The derivative of |x| at 0 is taken as 0.
        let sign = f32::from(i8::from(p > y) - i8::from(p < y));
        match self {
            Elementwise::Absolute => sign,
            Elementwise::Squared => 2.0 * (p - y),
            Elementwise::Percentage => 100.0 * sign / y.abs().max(EPSILON),
            Elementwise::Logarithmic if p > EPSILON => 2.0 * (p.ln_1p() - y.max(EPSILON).ln_1p()) / (p + 1.0),
            Elementwise::Logarithmic => 0.0,
            Elementwise::Huber { delta } if (p - y).abs() <= delta => p - y,
            Elementwise::Huber { delta } => delta * sign,
            Elementwise::LogCosh => (p - y).tanh(),
            Elementwise::Poisson => 1.0 - y / (p + EPSILON),
            Elementwise::KlDivergence if (EPSILON..=1.0).contains(&p) => -y.clamp(EPSILON, 1.0) / p,
            Elementwise::KlDivergence => 0.0,
            Elementwise::Hinge => {
                if 1.0 - y * p >= 0.0 {
                    -y
                } else {
                    0.0
                }
            }
            Elementwise::SquaredHinge => -2.0 * (1.0 - y * p).max(0.0) * y,
            Elementwise::Quantile { quantile } => match sign {
                0.0 => 0.0,
                sign => {
                    if sign > 0.0 {
                        1.0 - quantile
                    } else {
                        -quantile
                    }
                }
            },
        }
    }
}
