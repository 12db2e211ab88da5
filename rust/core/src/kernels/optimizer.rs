//! Optimizer steps, elementwise over flat runs of weights, gradients and moments. The equations are Keras'.
//!
//! They read and write memory at its full speed whatever the instruction set, so the compiler's own vectors do.

use crate::simd::{Isa, Kernel, Simd};

/// Adam (Kingma and Ba 2014), with the bias correction folded into the step size.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// `lr · √(1 - β₂ᵗ) / (1 - β₁ᵗ)`
    pub alpha: f32,
    /// `1 - β₁`
    pub rate_1: f32,
    /// `1 - β₂`
    pub rate_2: f32,
    /// Added to `√v`.
    pub epsilon: f32,
}

impl Adam {
    /// `m += (g - m)(1 - β₁)`, `v += (g² - v)(1 - β₂)`, `w -= α · m / (√v + ε)`; with `v_max`, AMSGrad: its running maximum
    /// takes `v`'s place in the last.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(&self, isa: Isa, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], v_max: Option<&mut [f32]>) {
        assert!(w.len() == g.len() && w.len() == m.len() && w.len() == v.len());
        let &Adam { alpha, rate_1, rate_2, epsilon } = self;
        match v_max {
            None => isa.dispatch(Loop(|| {
                for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                    *m += (g - *m) * rate_1;
                    *v += (g * g - *v) * rate_2;
                    *w -= *m * alpha / (v.sqrt() + epsilon);
                }
            })),
            Some(v_max) => {
                assert_eq!(w.len(), v_max.len());
                isa.dispatch(Loop(|| {
                    for ((((w, g), m), v), v_max) in w.iter_mut().zip(g).zip(m).zip(v).zip(v_max) {
                        *m += (g - *m) * rate_1;
                        *v += (g * g - *v) * rate_2;
                        *v_max = v_max.max(*v);
                        *w -= *m * alpha / (v_max.sqrt() + epsilon);
                    }
                }));
            }
        }
    }
}

/// Stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// Step size.
    pub learning_rate: f32,
    /// Share of the last step kept.
    pub momentum: f32,
    /// Whether to look ahead (Nesterov 1983).
    pub nesterov: bool,
}

impl Sgd {
    /// `w -= lr · g`; with a moment `m`, `m = µ m - lr · g` and `w += m`, or `w += µ m - lr · g` with Nesterov's.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(&self, isa: Isa, w: &mut [f32], g: &[f32], m: Option<&mut [f32]>) {
        assert_eq!(w.len(), g.len());
        let &Sgd { learning_rate, momentum, nesterov } = self;
        match m {
            None => isa.dispatch(Loop(|| {
                for (w, g) in w.iter_mut().zip(g) {
                    *w -= g * learning_rate;
                }
            })),
            Some(m) => {
                assert_eq!(w.len(), m.len());
                isa.dispatch(Loop(|| {
                    for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
                        *m = *m * momentum - g * learning_rate;
                        *w += if nesterov { *m * momentum - g * learning_rate } else { *m };
                    }
                }));
            }
        }
    }
}

/// RMSprop (Hinton's lecture 6e, 2012).
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    /// Step size.
    pub learning_rate: f32,
    /// Share of the mean square kept, `ρ`.
    pub rho: f32,
    /// `1 - ρ`
    pub rate: f32,
    /// Share of the last step kept.
    pub momentum: f32,
    /// Added under the root.
    pub epsilon: f32,
}

impl RmsProp {
    /// `v = ρ v + (1 - ρ) g²`, `s = lr · g / √(v + ε)`, `w -= s`.
    ///
    /// With `mean`, the centered form: `a = ρ a + (1 - ρ) g` and `v - a² + ε` under the root. With a moment `m`,
    /// `m = µ m + s` and `w -= m`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(
        &self,
        isa: Isa,
        w: &mut [f32],
        g: &[f32],
        v: &mut [f32],
        mut m: Option<&mut [f32]>,
        mut mean: Option<&mut [f32]>,
    ) {
        assert!(w.len() == g.len() && w.len() == v.len());
        assert!(m.as_ref().is_none_or(|m| m.len() == w.len()));
        assert!(mean.as_ref().is_none_or(|mean| mean.len() == w.len()));
        let &RmsProp { learning_rate, rho, rate, momentum, epsilon } = self;
        isa.dispatch(Loop(|| {
            for (i, ((w, &g), v)) in w.iter_mut().zip(g).zip(v).enumerate() {
                *v = rho * *v + rate * (g * g);
                let mut denominator = *v;
                if let Some(mean) = &mut mean {
                    mean[i] = rho * mean[i] + rate * g;
                    denominator -= mean[i] * mean[i];
                }
                let mut step = learning_rate * g / (denominator + epsilon).sqrt();
                if let Some(m) = &mut m {
                    m[i] = momentum * m[i] + step;
                    step = m[i];
                }
                *w -= step;
            }
        }));
    }
}

/// A plain loop, compiled for the instruction set.
struct Loop<F>(F);

impl<F: FnOnce()> Kernel for Loop<F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        (self.0)();
    }
}
