//! The LSTM cell over whole sequences, forward and backward.
//!
//! With `z = x_t · W + h_{t-1} · U + b`, cut into the gates i, f, c and o,
//!
//! ```text
//! i = σ(z_i)   f = σ(z_f)   g = tanh(z_c)   o = σ(z_o)
//! c_t = f · c_{t-1} + i · g                 h_t = o · tanh(c_t)
//! ```
//!
//! (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; gate order and masks as in Keras.)
//! A register tile holds the four gates of the same units, so that the cell's update runs on it and `z` never reaches
//! memory. Sequences are independent of each other: a caller shares them among threads by cutting the batch.

use super::accumulate::{Operand, PANEL_VECTORS, Scratch, accumulate, row_blocks, with_rows};
use super::activation::Activation;
use super::pack::PackedMatrix;
use super::volume;
use crate::simd::{Isa, Kernel, Simd};

/// The two activation functions of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Activations {
    /// Of the candidate and of the cell state: `tanh` unless said otherwise.
    pub cell: Activation,
    /// Of the gates i, f and o: `σ` unless said otherwise.
    pub gate: Activation,
}

/// Which steps of which sequences count.
///
/// A masked step leaves the states as they are and repeats the last output, which is 0 before the first step that counts.
#[derive(Clone, Copy)]
pub struct Mask<'a> {
    /// `batch x steps`; 0 masks the step.
    pub keep: &'a [u8],
    /// For each sequence the first step that counts, or the number of steps.
    pub first: &'a [usize],
    /// Whether masked outputs are 0 instead of repeated.
    pub zero_output: bool,
}

impl Mask<'_> {
    /// Whether the step's output is the state `h` (and not 0).
    fn shows_state(&self, row: usize, steps: usize, t: usize) -> bool {
        self.keep[row * steps + t] != 0 || (!self.zero_output && t >= self.first[row])
    }
}

/// Sizes that both directions share.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sequences.
    pub batch: usize,
    /// Time steps.
    pub steps: usize,
    /// Features of the input.
    pub inputs: usize,
    /// Units, the features of the states.
    pub units: usize,
}

/// A forward pass. `h` and `c` hold the initial states in slot 0 and end with the final ones in [`Forward::last_slot`].
pub struct Forward<'a> {
    /// The sizes.
    pub sizes: Sizes,
    /// `batch x steps x inputs`.
    pub x: &'a [f32],
    /// `W`, packed by gates.
    pub kernel: &'a PackedMatrix,
    /// `U`, packed by gates.
    pub recurrent_kernel: &'a PackedMatrix,
    /// `b`, packed by gates; a matrix of one row.
    pub bias: &'a PackedMatrix,
    /// The activations.
    pub activations: Activations,
    /// The mask, if any.
    pub mask: Option<Mask<'a>>,
    /// `batch x slots x units`.
    pub h: &'a mut [f32],
    /// `batch x slots x units`.
    pub c: &'a mut [f32],
    /// For training, `batch x steps x 4 units`: i, f, g and o of each step. With it there are `steps + 1` slots, one a
    /// state; without, 2, which take turns.
    pub gates: Option<&'a mut [f32]>,
    /// `batch x steps x units`, if the outputs of all steps are wanted.
    pub output: Option<&'a mut [f32]>,
}

impl Forward<'_> {
    /// How many states a sequence keeps.
    pub fn slots(steps: usize, training: bool) -> usize {
        if training { steps + 1 } else { 2 }
    }

    /// Where the final states are.
    pub fn last_slot(steps: usize, training: bool) -> usize {
        if training { steps } else { steps % 2 }
    }

    /// Computes it.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn run(self, isa: Isa) {
        let Sizes { batch, steps, inputs, units } = self.sizes;
        let slots = Self::slots(steps, self.gates.is_some());
        assert_eq!(self.x.len(), volume(&[batch, steps, inputs]));
        assert_eq!(self.h.len(), volume(&[batch, slots, units]));
        assert_eq!(self.c.len(), volume(&[batch, slots, units]));
        assert!(self.gates.as_ref().is_none_or(|gates| gates.len() == volume(&[batch, steps, 4, units])));
        assert!(self.output.as_ref().is_none_or(|output| output.len() == volume(&[batch, steps, units])));
        check_mask(self.mask, self.sizes);
        let padded = units.div_ceil(isa.lanes()) * isa.lanes() * PANEL_VECTORS;
        for (matrix, depth) in [(self.kernel, inputs), (self.recurrent_kernel, units), (self.bias, 1)] {
            assert_eq!((matrix.lanes(), matrix.depth(), matrix.columns()), (isa.lanes(), depth, padded));
        }
        isa.dispatch(self);
    }
}

fn check_mask(mask: Option<Mask<'_>>, sizes: Sizes) {
    if let Some(mask) = mask {
        assert_eq!(mask.keep.len(), sizes.batch * sizes.steps);
        assert_eq!(mask.first.len(), sizes.batch);
    }
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let mut scratch = Scratch::new();
        for t in 0..self.sizes.steps {
            // Panels outside, rows inside: a panel comes from the L2 cache once for all rows.
            for panel in 0..self.sizes.units.div_ceil(S::LANES) {
                for (row, rows) in row_blocks::<S>(self.sizes.batch) {
                    with_rows!(S, rows, MR => {
                        self.preactivations::<S, MR>(simd, t, panel, row, &mut scratch)
                    });
                    for r in 0..rows {
                        self.update(simd, t, panel, row + r, r, &scratch);
                    }
                }
            }
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn slot(&self, t: usize) -> usize {
        if self.gates.is_some() { t } else { t % 2 }
    }

    /// Fills the scratch with `z` of units `panel LANES ..` for sequences `row .. row + MR`.
    #[inline(always)]
    fn preactivations<S: Simd, const MR: usize>(
        &mut self,
        simd: S,
        t: usize,
        panel: usize,
        row: usize,
        scratch: &mut Scratch,
    ) {
        let Sizes { steps, inputs, units, .. } = self.sizes;
        let slots = Self::slots(steps, self.gates.is_some());
        // SAFETY: `run` checked every length and packing; `row + MR <= batch`, `t < steps`, and `panel` is one of the panels.
        unsafe {
            let bias = self.bias.panel(panel).as_ptr();
            let mut tile: [[S::V; PANEL_VECTORS]; MR] =
                [std::array::from_fn(|gate| simd.load(bias.add(gate * S::LANES))); MR];
            let x = Operand {
                a: self.x.as_ptr().add((row * steps + t) * inputs),
                row_stride: steps * inputs,
                depth_stride: 1,
            };
            accumulate(simd, &mut tile, inputs, x, self.kernel.panel(panel).as_ptr());
            let h = Operand {
                a: self.h.as_ptr().add((row * slots + self.slot(t)) * units),
                row_stride: slots * units,
                depth_stride: 1,
            };
            accumulate(simd, &mut tile, units, h, self.recurrent_kernel.panel(panel).as_ptr());
            scratch.fill(simd, &tile);
        }
    }

    /// The cell's update of units `panel LANES ..` of one sequence, from row `r` of the scratch.
    #[inline(always)]
    fn update<S: Simd>(&mut self, simd: S, t: usize, panel: usize, row: usize, r: usize, scratch: &Scratch) {
        let Sizes { steps, units, .. } = self.sizes;
        let slots = Self::slots(steps, self.gates.is_some());
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        let before = (row * slots + self.slot(t)) * units + first;
        let after = (row * slots + self.slot(t + 1)) * units + first;
        let masked = self.mask.is_some_and(|mask| mask.keep[row * steps + t] == 0);
        let Activations { cell, gate } = self.activations;
        // SAFETY: as in `preactivations`; `first + count <= units`; the scratch holds four vectors in row `r`.
        unsafe {
            let z = |g: usize| simd.load(scratch.as_ptr().add((r * PANEL_VECTORS + g) * S::LANES));
            let c_before = load(simd, self.c.as_ptr().add(before), count);
            let (c, h) = if masked {
                (c_before, load(simd, self.h.as_ptr().add(before), count))
            } else {
                let i = gate.apply(simd, z(0));
                let f = gate.apply(simd, z(1));
                let g = cell.apply(simd, z(2));
                let o = gate.apply(simd, z(3));
                if let Some(gates) = &mut self.gates {
                    let at = gates.as_mut_ptr().add((row * steps + t) * 4 * units + first);
                    for (n, value) in [i, f, g, o].into_iter().enumerate() {
                        store(simd, value, at.add(n * units), count);
                    }
                }
                let c = simd.mul_add(f, c_before, simd.mul(i, g));
                (c, simd.mul(o, cell.apply(simd, c)))
            };
            store(simd, c, self.c.as_mut_ptr().add(after), count);
            store(simd, h, self.h.as_mut_ptr().add(after), count);
            if let Some(output) = &mut self.output {
                let shown = self.mask.is_none_or(|mask| mask.shows_state(row, steps, t));
                let y = if shown { h } else { simd.splat(0.0) };
                store(simd, y, output.as_mut_ptr().add((row * steps + t) * units + first), count);
            }
        }
    }
}

/// A backward pass through time, from what a training [`Forward`] left.
pub struct Backward<'a> {
    /// The sizes.
    pub sizes: Sizes,
    /// `Uᵀ`, packed by columns: `4 units x units`.
    pub recurrent_transposed: &'a PackedMatrix,
    /// The activations.
    pub activations: Activations,
    /// The mask of the forward pass.
    pub mask: Option<Mask<'a>>,
    /// `batch x (steps + 1) x units`, the cell states.
    pub c: &'a [f32],
    /// `batch x steps x 4 units`: i, f, g and o; overwritten with `dz`.
    pub gates: &'a mut [f32],
    /// `batch x steps x units`, the gradient of the outputs, if all were given out.
    pub d_output: Option<&'a [f32]>,
    /// `batch x units`: the gradient of the final `h`; becomes that of the initial one.
    pub dh: &'a mut [f32],
    /// `batch x units`: the gradient of the final `c`; becomes that of the initial one.
    pub dc: &'a mut [f32],
}

impl Backward<'_> {
    /// Computes it.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn run(self, isa: Isa) {
        let Sizes { batch, steps, units, .. } = self.sizes;
        assert_eq!(self.c.len(), volume(&[batch, steps + 1, units]));
        assert_eq!(self.gates.len(), volume(&[batch, steps, 4, units]));
        assert!(self.d_output.is_none_or(|d_output| d_output.len() == volume(&[batch, steps, units])));
        assert_eq!(self.dh.len(), volume(&[batch, units]));
        assert_eq!(self.dc.len(), volume(&[batch, units]));
        check_mask(self.mask, self.sizes);
        let matrix = self.recurrent_transposed;
        assert_eq!((matrix.lanes(), matrix.depth(), matrix.columns()), (isa.lanes(), 4 * units, units));
        isa.dispatch(self);
    }
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let mut scratch = Scratch::new();
        for t in (0..self.sizes.steps).rev() {
            self.step(simd, Some(t), &mut scratch);
        }
        self.step(simd, None, &mut scratch);
    }
}

impl Backward<'_> {
    /// Adds `dz_{t+1} · Uᵀ` to `dh`, then goes back through the cell at `t`; `None` stands before the first step.
    #[inline(always)]
    fn step<S: Simd>(&mut self, simd: S, t: Option<usize>, scratch: &mut Scratch) {
        for panel in 0..self.recurrent_transposed.panels() {
            match self.recurrent_transposed.panel_vectors(panel) {
                1 => self.panel::<S, 1>(simd, t, panel, scratch),
                2 => self.panel::<S, 2>(simd, t, panel, scratch),
                3 => self.panel::<S, 3>(simd, t, panel, scratch),
                _ => self.panel::<S, 4>(simd, t, panel, scratch),
            }
        }
    }

    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(&mut self, simd: S, t: Option<usize>, panel: usize, scratch: &mut Scratch) {
        for (row, rows) in row_blocks::<S>(self.sizes.batch) {
            with_rows!(S, rows, MR => self.state_gradient::<S, MR, NV>(simd, t, panel, row, scratch));
            for r in 0..rows {
                for v in 0..NV {
                    self.unit_gradients::<S, NV>(simd, t, panel, row + r, (r, v), scratch);
                }
            }
        }
    }

    /// Fills the scratch with `dh + dz_{t+1} · Uᵀ`.
    #[inline(always)]
    fn state_gradient<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        t: Option<usize>,
        panel: usize,
        row: usize,
        scratch: &mut Scratch,
    ) {
        let Sizes { steps, units, .. } = self.sizes;
        let first = panel * PANEL_VECTORS * S::LANES;
        let next = t.map_or(0, |t| t + 1);
        // SAFETY: `run` checked every length and packing; `row + MR <= batch`, `next < steps` where it is read.
        unsafe {
            let mut tile: [[S::V; NV]; MR] = std::array::from_fn(|r| {
                std::array::from_fn(|v| {
                    let at = first + v * S::LANES;
                    load(simd, self.dh.as_ptr().add((row + r) * units + at), S::LANES.min(units - at))
                })
            });
            if next < steps {
                let dz = Operand {
                    a: self.gates.as_ptr().add((row * steps + next) * 4 * units),
                    row_stride: steps * 4 * units,
                    depth_stride: 1,
                };
                accumulate(simd, &mut tile, 4 * units, dz, self.recurrent_transposed.panel(panel).as_ptr());
            }
            scratch.fill(simd, &tile);
        }
    }

    /// Goes back through the cell at `t` for one vector of units of one sequence.
    #[inline(always)]
    fn unit_gradients<S: Simd, const NV: usize>(
        &mut self,
        simd: S,
        t: Option<usize>,
        panel: usize,
        row: usize,
        (r, v): (usize, usize),
        scratch: &Scratch,
    ) {
        let Sizes { steps, units, .. } = self.sizes;
        let first = (panel * PANEL_VECTORS + v) * S::LANES;
        let count = S::LANES.min(units - first);
        // SAFETY: as in `state_gradient`; `first + count <= units`; the scratch holds `NV` vectors in row `r`.
        unsafe {
            let mut dh = simd.load(scratch.as_ptr().add((r * NV + v) * S::LANES));
            let carried = self.dh.as_mut_ptr().add(row * units + first);
            let Some(t) = t else {
                store(simd, dh, carried, count);
                return;
            };
            if let Some(d_output) = self.d_output
                && self.mask.is_none_or(|mask| mask.shows_state(row, steps, t))
            {
                let at = d_output.as_ptr().add((row * steps + t) * units + first);
                dh = simd.add(dh, load(simd, at, count));
            }
            let gates = self.gates.as_mut_ptr().add((row * steps + t) * 4 * units + first);
            if self.mask.is_some_and(|mask| mask.keep[row * steps + t] == 0) {
                store(simd, dh, carried, count);
                for gate in 0..4 {
                    store(simd, simd.splat(0.0), gates.add(gate * units), count);
                }
                return;
            }
            store(simd, simd.splat(0.0), carried, count);

            let Activations { cell, gate } = self.activations;
            let [i, f, g, o] = std::array::from_fn(|n| load(simd, gates.add(n * units), count));
            let state = self.c.as_ptr().add((row * (steps + 1) + t) * units + first);
            let (c_before, c) = (load(simd, state, count), load(simd, state.add(units), count));
            let shown = cell.apply(simd, c);
            let d_shown = simd.mul(dh, o);
            let carried = self.dc.as_mut_ptr().add(row * units + first);
            let dc = simd.mul_add(d_shown, cell.derivative(simd, shown), load(simd, carried, count));
            store(simd, simd.mul(dc, f), carried, count);
            let dz = [
                simd.mul(simd.mul(dc, g), gate.derivative(simd, i)),
                simd.mul(simd.mul(dc, c_before), gate.derivative(simd, f)),
                simd.mul(simd.mul(dc, i), cell.derivative(simd, g)),
                simd.mul(simd.mul(dh, shown), gate.derivative(simd, o)),
            ];
            for (n, value) in dz.into_iter().enumerate() {
                store(simd, value, gates.add(n * units), count);
            }
        }
    }
}

/// Reads `count` floats, without a detour where they fill a vector.
///
/// # Safety
/// `source` must be readable for `count <= LANES` floats.
#[inline(always)]
unsafe fn load<S: Simd>(simd: S, source: *const f32, count: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if count == S::LANES { simd.load(source) } else { simd.load_partial(source, count) } }
}

/// Writes `count` floats, without a detour where they fill a vector.
///
/// # Safety
/// `target` must be writable for `count <= LANES` floats.
#[inline(always)]
unsafe fn store<S: Simd>(simd: S, v: S::V, target: *mut f32, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { if count == S::LANES { simd.store(v, target) } else { simd.store_partial(v, target, count) } }
}
