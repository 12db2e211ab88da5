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

/// Steps of [`Adam`] with gradients of zero, one after another on values that stay in registers: what rows that no token
/// touched have missed. The bits are those of the steps taken one by one.
///
/// It spares work only where a proof says that no bit changes, and the proofs need every `alpha` to be finite and not
/// negative, the rates to lie in `0..=1`, `epsilon > 0`; [`Adam::can_wait`] asks.
#[derive(Clone, Copy, Debug)]
pub struct AdamReplay<'a> {
    /// Each step's [`Adam::alpha`], oldest first.
    pub alphas: &'a [f32],
    /// The greatest of them, or more.
    pub greatest: f32,
    /// `1 - β₁`
    pub rate_1: f32,
    /// `1 - β₂`
    pub rate_2: f32,
    /// Added to `√v`.
    pub epsilon: f32,
}

impl Adam {
    /// Whether [`AdamReplay`] may take this step later: one that leaves weights alone whose gradient and moments are 0.
    pub fn can_wait(&self) -> bool {
        let rate = |rate: f32| (0.0..=1.0).contains(&rate);
        self.alpha.is_finite()
            && self.alpha.is_sign_positive()
            && rate(self.rate_1)
            && rate(self.rate_2)
            && self.epsilon > 0.0
    }
}

impl AdamReplay<'_> {
    /// Steps between two looks at whether work can be spared.
    const STRIDE: usize = 16;

    /// Takes the steps.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn run(&self, isa: Isa, w: &mut [f32], m: &mut [f32], v: &mut [f32]) {
        assert!(w.len() == m.len() && w.len() == v.len());
        // As many chains of dependent operations as fill the units, in as many registers as there are.
        if isa.lanes() == crate::simd::MAX_LANES {
            isa.dispatch(Loop(|| self.blocks::<64>(w, m, v)));
        } else {
            isa.dispatch(Loop(|| self.blocks::<32>(w, m, v)));
        }
    }

    #[inline(always)]
    fn blocks<const N: usize>(&self, w: &mut [f32], m: &mut [f32], v: &mut [f32]) {
        for ((w, m), v) in w.chunks_mut(N).zip(m.chunks_mut(N)).zip(v.chunks_mut(N)) {
            // Where nothing ever moved nothing moves: every operation on zeros gives +0, and `w - 0` is `w`.
            if m.iter().chain(&*v).fold(0, |bits, x| bits | x.to_bits()) == 0 {
                continue;
            }
            let len = w.len();
            let (mut w_block, mut m_block, mut v_block) = ([0.0; N], [0.0; N], [0.0; N]);
            w_block[..len].copy_from_slice(w);
            m_block[..len].copy_from_slice(m);
            v_block[..len].copy_from_slice(v);
            self.block(&mut w_block, &mut m_block, &mut v_block);
            w.copy_from_slice(&w_block[..len]);
            m.copy_from_slice(&m_block[..len]);
            v.copy_from_slice(&v_block[..len]);
        }
    }

    #[inline(always)]
    fn block<const N: usize>(&self, w: &mut [f32; N], m: &mut [f32; N], v: &mut [f32; N]) {
        let &AdamReplay { rate_1, rate_2, epsilon, .. } = self;
        let mut alphas = self.alphas;
        while !alphas.is_empty() {
            let (now, rest) = alphas.split_at(alphas.len().min(Self::STRIDE));
            for alpha in now {
                for i in 0..N {
                    m[i] += (0.0 - m[i]) * rate_1;
                    v[i] += (0.0 - v[i]) * rate_2;
                    w[i] -= m[i] * alpha / (v[i].sqrt() + epsilon);
                }
            }
            alphas = rest;
            if !rest.is_empty() && self.stands_still(w, m, v, rest.len()) {
                break;
            }
        }
        let mut left = alphas.len();
        while left > 0 {
            let (before, count) = (*m, left.min(Self::STRIDE));
            for _ in 0..count {
                for i in 0..N {
                    m[i] += (0.0 - m[i]) * rate_1;
                    v[i] += (0.0 - v[i]) * rate_2;
                }
            }
            left -= count;
            // |m| never grows, so a stride that did not change it had no step that did, nor will any other.
            if same_bits(&before, m) {
                break;
            }
        }
        for _ in 0..left {
            for v in &mut *v {
                *v += (0.0 - *v) * rate_2;
            }
        }
    }

    /// Whether no further step changes a bit of `w`, after at least one was taken.
    ///
    /// `|m|` and `v` never grow and `m` keeps its sign, so with the greatest `alpha` and the least `v` of the steps to come
    /// the move computed here is at least as large as any of theirs and of the same sign; rounding is monotone, so
    /// where `w` less this move rounds to `w`, `w` less theirs does. (-0 cannot be met: a step that moves by -0 leaves +0.)
    #[inline(always)]
    fn stands_still<const N: usize>(&self, w: &[f32; N], m: &[f32; N], v: &[f32; N], steps: usize) -> bool {
        // Each step rounds twice: by half a unit in the last place of v, or half the least float, which `TINY` covers for
        // any number of steps that is kept. The last factor covers the rounding of this very product.
        const TINY: f32 = 1e-40;
        let kept = (1.0 - f64::from(self.rate_2) - f64::from(f32::EPSILON)).max(0.0);
        let kept = (kept.powi(i32::try_from(steps).unwrap_or(i32::MAX)) * 0.999) as f32;
        let mut differ = 0;
        for i in 0..N {
            let least = (v[i] * kept - TINY).max(0.0);
            let moved = w[i] - m[i] * self.greatest / (least.sqrt() + self.epsilon);
            differ |= moved.to_bits() ^ w[i].to_bits();
        }
        differ == 0
    }
}

#[inline(always)]
fn same_bits<const N: usize>(a: &[f32; N], b: &[f32; N]) -> bool {
    a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a.to_bits() ^ b.to_bits())) == 0
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

/// Adam with Nesterov's momentum (Dozat 2016).
#[derive(Clone, Copy, Debug)]
pub struct Nadam {
    /// Step size.
    pub learning_rate: f32,
    /// `1 - β₁`
    pub rate_1: f32,
    /// `1 - β₂`
    pub rate_2: f32,
    /// What `m` counts: `µ(t + 1) / (1 - Π µ)`, the product over the steps up to `t + 1`.
    pub ahead: f32,
    /// What `g` counts: `(1 - µ(t)) / (1 - Π µ)`, the product over the steps up to `t`.
    pub now: f32,
    /// `1 - β₂ᵗ`
    pub correction: f32,
    /// Added to the root.
    pub epsilon: f32,
}

impl Nadam {
    /// `m += (g - m)(1 - β₁)`, `v += (g² - v)(1 - β₂)`, `w -= lr · (ahead · m + now · g) / (√(v / correction) + ε)`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(&self, isa: Isa, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        assert!(w.len() == g.len() && w.len() == m.len() && w.len() == v.len());
        let &Nadam { learning_rate, rate_1, rate_2, ahead, now, correction, epsilon } = self;
        isa.dispatch(Loop(|| {
            for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                *m += (g - *m) * rate_1;
                *v += (g * g - *v) * rate_2;
                *w -= (ahead * *m + now * g) * learning_rate / ((*v / correction).sqrt() + epsilon);
            }
        }));
    }
}

/// Adagrad (Duchi et al. 2011).
#[derive(Clone, Copy, Debug)]
pub struct Adagrad {
    /// Step size.
    pub learning_rate: f32,
    /// Added under the root.
    pub epsilon: f32,
}

impl Adagrad {
    /// `v += g²`, `w -= lr · g / √(v + ε)`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(&self, isa: Isa, w: &mut [f32], g: &[f32], v: &mut [f32]) {
        assert!(w.len() == g.len() && w.len() == v.len());
        let &Adagrad { learning_rate, epsilon } = self;
        isa.dispatch(Loop(|| {
            for ((w, g), v) in w.iter_mut().zip(g).zip(v) {
                *v += g * g;
                *w -= learning_rate * g / (*v + epsilon).sqrt();
            }
        }));
    }
}

/// Adadelta (Zeiler 2012).
#[derive(Clone, Copy, Debug)]
pub struct Adadelta {
    /// Step size.
    pub learning_rate: f32,
    /// Share of the mean squares kept, `ρ`.
    pub rho: f32,
    /// `1 - ρ`
    pub rate: f32,
    /// Added under both roots.
    pub epsilon: f32,
}

impl Adadelta {
    /// `v = ρ v + (1 - ρ) g²`, `s = g · √(d + ε) / √(v + ε)`, `d = ρ d + (1 - ρ) s²`, `w -= lr · s`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(&self, isa: Isa, w: &mut [f32], g: &[f32], v: &mut [f32], d: &mut [f32]) {
        assert!(w.len() == g.len() && w.len() == v.len() && w.len() == d.len());
        let &Adadelta { learning_rate, rho, rate, epsilon } = self;
        isa.dispatch(Loop(|| {
            for (((w, g), v), d) in w.iter_mut().zip(g).zip(v).zip(d) {
                *v = rho * *v + rate * (g * g);
                let step = (*d + epsilon).sqrt() * g / (*v + epsilon).sqrt();
                *d = rho * *d + rate * (step * step);
                *w -= learning_rate * step;
            }
        }));
    }
}

/// Adam with the infinity norm (Kingma and Ba 2014).
#[derive(Clone, Copy, Debug)]
pub struct Adamax {
    /// Step size.
    pub learning_rate: f32,
    /// `1 - β₁`
    pub rate_1: f32,
    /// `β₂`
    pub beta_2: f32,
    /// `1 - β₁ᵗ`
    pub correction: f32,
    /// Added to the norm.
    pub epsilon: f32,
}

impl Adamax {
    /// `m += (g - m)(1 - β₁)`, `u = max(β₂ u, |g|)`, `w -= lr · m / (correction · (u + ε))`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(&self, isa: Isa, w: &mut [f32], g: &[f32], m: &mut [f32], u: &mut [f32]) {
        assert!(w.len() == g.len() && w.len() == m.len() && w.len() == u.len());
        let &Adamax { learning_rate, rate_1, beta_2, correction, epsilon } = self;
        isa.dispatch(Loop(|| {
            for (((w, g), m), u) in w.iter_mut().zip(g).zip(m).zip(u) {
                *m += (g - *m) * rate_1;
                *u = (beta_2 * *u).max(g.abs());
                *w -= learning_rate * *m / (correction * (*u + epsilon));
            }
        }));
    }
}

/// Lion, the signs of momentum (Chen et al. 2023).
#[derive(Clone, Copy, Debug)]
pub struct Lion {
    /// Step size.
    pub learning_rate: f32,
    /// The share of the momentum in the step.
    pub beta_1: f32,
    /// The share of the momentum kept.
    pub beta_2: f32,
}

impl Lion {
    /// `w -= lr · sign(β₁ m + (1 - β₁) g)`, `m = β₂ m + (1 - β₂) g`.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn step(&self, isa: Isa, w: &mut [f32], g: &[f32], m: &mut [f32]) {
        assert!(w.len() == g.len() && w.len() == m.len());
        let &Lion { learning_rate, beta_1, beta_2 } = self;
        isa.dispatch(Loop(|| {
            for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
                let c = *m * beta_1 + g * (1.0 - beta_1);
                // Rust's sign of 0 is 1; a NaN stays one.
                *w -= learning_rate * if c == 0.0 { 0.0 } else { c.signum() };
                *m = *m * beta_2 + g * (1.0 - beta_2);
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
