//! The gated recurrent unit over whole sequences, forward and backward (Cho et al. 2014), gate order as in Keras:
//!
//! ```text
//! z = σ(x · W_z + h · U_z + b_z)      r = σ(x · W_r + h · U_r + b_r)
//! ĥ = tanh(x · W_h + b_h + r ∘ (h · U_h + b'_h))       the reset gate after the product, or
//! ĥ = tanh(x · W_h + b_h + (r ∘ h) · U_h)              before it
//! h' = z ∘ h + (1 - z) ∘ ĥ
//! ```
//!
//! Members, one a thread, have ranks of their own and never wait for each other. Every sum has one order, so its bits do
//! not depend on the members.

use std::ops::Range;

use super::accumulate::{Scratch, load, row_blocks, rows_from, store, sum_rows, with_rows};
use super::lstm::Activations;
use super::members::{Member, Members, Pass};
use super::pack::PackedMatrix;
use super::rows::Rows;
use super::shared::Shared;
use super::state::{SharedGradients, SharedStates, StateGradients, States, check_packed, columns_of, with_vectors};
use super::volume;
use crate::simd::{Isa, Kernel, Simd};

/// Gates.
const GATES: usize = 3;

/// A forward pass.
pub struct Forward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// `h`.
    pub states: States<'a>,
    /// `x · W + b`, `3 units` a row: row `n` of the order takes row `n` of these. `None` where they stand in `gates`.
    pub input: Option<Rows<'a>>,
    /// `rows x 3 units`: z, r and ĥ of each row, for training; working memory otherwise.
    pub gates: &'a mut [f32],
    /// Where the reset gate acts.
    pub reset: Reset<'a>,
    /// The activations.
    pub activations: Activations,
}

/// Where the reset gate acts in a forward pass.
pub enum Reset<'a> {
    /// On `h · U_h + b'_h`.
    After {
        /// `U`, packed by gates.
        recurrent_kernel: &'a PackedMatrix,
        /// `b'_h`
        bias: &'a [f32],
        /// For training, `rows x 3 units`, of which the last third becomes `h · U_h + b'_h`.
        inner: Option<&'a mut [f32]>,
    },
    /// On `h`.
    Before {
        /// `U_z` and `U_r`, packed by gates.
        gates_kernel: &'a PackedMatrix,
        /// `U_h`, packed by columns.
        candidate_kernel: &'a PackedMatrix,
        /// `rows x units`: `r ∘ h`.
        left: &'a mut [f32],
    },
}

/// A forward pass cut into members, to be run all at once.
pub struct ForwardMembers<'a> {
    isa: Isa,
    states: SharedStates<'a>,
    input: Option<Rows<'a>>,
    gates: Shared<'a>,
    reset: SharedReset<'a>,
    activations: Activations,
    members: Members,
}

enum SharedReset<'a> {
    After { recurrent_kernel: &'a PackedMatrix, bias: &'a [f32], inner: Option<Shared<'a>> },
    Before { gates_kernel: &'a PackedMatrix, candidate_kernel: &'a PackedMatrix, left: Shared<'a> },
}

impl<'a> Forward<'a> {
    /// Cuts it into runs of ranks.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn members(self, ranks: Vec<Range<usize>>) -> ForwardMembers<'a> {
        let isa = self.isa;
        let states = self.states.shared();
        let (order, units) = (states.order, states.units);
        if let Some(input) = &self.input {
            input.check(order.rows(), GATES * units);
        }
        assert_eq!(self.gates.len(), volume(&[order.rows(), GATES, units]));
        let reset = match self.reset {
            Reset::After { recurrent_kernel, bias, inner } => {
                recurrent_kernel.check_gates(isa, GATES, units, units);
                assert_eq!(bias.len(), units);
                assert!(inner.as_ref().is_none_or(|inner| inner.len() == self.gates.len()));
                SharedReset::After { recurrent_kernel, bias, inner: inner.map(Shared::new) }
            }
            Reset::Before { gates_kernel, candidate_kernel, left } => {
                gates_kernel.check_gates(isa, 2, units, units);
                check_packed(isa, candidate_kernel, units, units);
                assert_eq!(left.len(), volume(&[order.rows(), units]));
                SharedReset::Before { gates_kernel, candidate_kernel, left: Shared::new(left) }
            }
        };
        ForwardMembers {
            isa,
            members: Members::of_ranks(ranks, order.batch()),
            states,
            input: self.input,
            gates: Shared::new(self.gates),
            reset,
            activations: self.activations,
        }
    }
}

impl Pass for ForwardMembers<'_> {
    fn count(&self) -> usize {
        self.members.count()
    }

    unsafe fn run(&self, member: usize, _link: usize) {
        self.isa.dispatch(ForwardMember { pass: self, member: self.members.get(member) });
    }
}

struct ForwardMember<'a> {
    pass: &'a ForwardMembers<'a>,
    member: Member<'a>,
}

impl Kernel for ForwardMember<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut sums = Scratch::new();
        for step in 0..self.member.steps(self.pass.states.order) {
            match &self.pass.reset {
                SharedReset::After { recurrent_kernel, bias, inner } => {
                    for panel in 0..recurrent_kernel.panels() {
                        let kernel = recurrent_kernel.panel(panel);
                        self.after(simd, step, panel, kernel, (bias, inner.as_ref()), &mut sums);
                    }
                }
                SharedReset::Before { gates_kernel, candidate_kernel, left } => {
                    for panel in 0..gates_kernel.panels() {
                        self.gates_before(simd, step, panel, gates_kernel.panel(panel), left, &mut sums);
                    }
                    for panel in 0..candidate_kernel.panels() {
                        let kernel = candidate_kernel.panel(panel);
                        with_vectors!(candidate_kernel.panel_vectors(panel), NV => {
                            self.candidate::<S, NV>(simd, step, panel, kernel, left, &mut sums);
                        });
                    }
                }
            }
        }
    }
}

impl ForwardMember<'_> {
    /// Where a row's `x · W + b` begins.
    ///
    /// # Safety
    /// It must be a row of the order.
    #[inline(always)]
    unsafe fn input(&self, row: usize) -> *const f32 {
        // SAFETY: `members` checked the rows; the caller's promise.
        unsafe {
            match &self.pass.input {
                Some(input) => input.at(row),
                None => self.pass.gates.at(row * GATES * self.pass.states.units),
            }
        }
    }

    /// One step of one panel of units for the member's ranks, with the reset gate after the product.
    #[inline(always)]
    fn after<S: Simd>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        kernel: &[f32],
        (bias, inner): (&[f32], Option<&Shared<'_>>),
        sums: &mut Scratch,
    ) {
        let ForwardMembers { states, gates, activations, .. } = self.pass;
        let (order, units) = (states.order, states.units);
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        let ranks = self.member.among(order.active(step));
        for (block, rows) in row_blocks::<S>(ranks.len()) {
            let block = ranks.start + block;
            // SAFETY: `members` checked every length and packing; these ranks have the step and are this member's own, and
            // the sums hold `rows` rows of three vectors.
            unsafe {
                with_rows!(S, rows, MR => states.sum::<S, MR, GATES>(simd, step, block, kernel, sums));
                for r in 0..rows {
                    let rank = block + r;
                    let row = order.step(step).start + rank;
                    let x = self.input(row).add(first);
                    let z = simd.add(load(simd, x, count), sums.vector::<S, GATES>(simd, r, 0));
                    let z = activations.gate.apply(simd, z);
                    let reset = simd.add(load(simd, x.add(units), count), sums.vector::<S, GATES>(simd, r, 1));
                    let reset = activations.gate.apply(simd, reset);
                    let bias = load(simd, bias.as_ptr().add(first), count);
                    let product = simd.add(sums.vector::<S, GATES>(simd, r, 2), bias);
                    let candidate = simd.mul_add(reset, product, load(simd, x.add(2 * units), count));
                    let candidate = activations.cell.apply(simd, candidate);
                    if let Some(inner) = inner {
                        let to = gates.at(row * GATES * units + first);
                        store(simd, z, to, count);
                        store(simd, reset, to.add(units), count);
                        store(simd, candidate, to.add(2 * units), count);
                        store(simd, product, inner.at((row * GATES + 2) * units + first), count);
                    }
                    self.mix(simd, step, rank, (first, count), z, candidate);
                }
            }
        }
    }

    /// z, r and what r leaves of `h`, of one panel of units for the member's ranks, with the reset gate before the product.
    #[inline(always)]
    fn gates_before<S: Simd>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        kernel: &[f32],
        left: &Shared<'_>,
        sums: &mut Scratch,
    ) {
        let ForwardMembers { states, gates, activations, .. } = self.pass;
        let (order, units) = (states.order, states.units);
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        let ranks = self.member.among(order.active(step));
        for (block, rows) in row_blocks::<S>(ranks.len()) {
            let block = ranks.start + block;
            // SAFETY: as in `after`, with two vectors a row.
            unsafe {
                with_rows!(S, rows, MR => states.sum::<S, MR, 2>(simd, step, block, kernel, sums));
                for r in 0..rows {
                    let rank = block + r;
                    let row = order.step(step).start + rank;
                    let x = self.input(row).add(first);
                    let z = simd.add(load(simd, x, count), sums.vector::<S, 2>(simd, r, 0));
                    let reset = simd.add(load(simd, x.add(units), count), sums.vector::<S, 2>(simd, r, 1));
                    let reset = activations.gate.apply(simd, reset);
                    let to = gates.at(row * GATES * units + first);
                    store(simd, activations.gate.apply(simd, z), to, count);
                    store(simd, reset, to.add(units), count);
                    let h = load(simd, states.left(step, rank).add(first), count);
                    store(simd, simd.mul(reset, h), left.at(row * units + first), count);
                }
            }
        }
    }

    /// The candidate and the new `h` of one panel of units for the member's ranks, from what `gates_before` left.
    #[inline(always)]
    fn candidate<S: Simd, const NV: usize>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        kernel: &[f32],
        left: &Shared<'_>,
        sums: &mut Scratch,
    ) {
        let ForwardMembers { states, gates, activations, .. } = self.pass;
        let (order, units) = (states.order, states.units);
        let ranks = self.member.among(order.active(step));
        for (block, rows) in row_blocks::<S>(ranks.len()) {
            let block = ranks.start + block;
            // SAFETY: as in `after`, with `NV` vectors a row; a step's rows are adjacent.
            unsafe {
                with_rows!(S, rows, MR => {
                    let left = rows_from(left.at((order.step(step).start + block) * units), units);
                    sum_rows::<S, MR, NV>(simd, units, left, kernel.as_ptr(), (), sums);
                });
                for r in 0..rows {
                    let rank = block + r;
                    let row = order.step(step).start + rank;
                    for v in 0..NV {
                        let (first, count) = columns_of::<S>(panel, v, units);
                        let x = load(simd, self.input(row).add(2 * units + first), count);
                        let candidate = simd.add(x, sums.vector::<S, NV>(simd, r, v));
                        let candidate = activations.cell.apply(simd, candidate);
                        let kept = gates.at(row * GATES * units + first);
                        if states.training {
                            store(simd, candidate, kept.add(2 * units), count);
                        }
                        self.mix(simd, step, rank, (first, count), load(simd, kept, count), candidate);
                    }
                }
            }
        }
    }

    /// `h' = z ∘ h + (1 - z) ∘ ĥ` for some units of a rank.
    ///
    /// # Safety
    /// As for [`SharedStates::show`].
    #[inline(always)]
    unsafe fn mix<S: Simd>(
        &self,
        simd: S,
        step: usize,
        rank: usize,
        columns: (usize, usize),
        z: S::V,
        candidate: S::V,
    ) {
        let states = &self.pass.states;
        // SAFETY: the caller's promise.
        unsafe {
            let h = load(simd, states.h(step, rank).add(columns.0), columns.1);
            let rest = simd.mul(simd.sub(simd.splat(1.0), z), candidate);
            states.show(simd, step, rank, columns, simd.mul_add(z, h, rest));
        }
    }
}

/// A backward pass through time, from what a training [`Forward`] left.
pub struct Backward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The gradient of `h`.
    pub gradients: StateGradients<'a>,
    /// The states of all steps.
    pub h: &'a [f32],
    /// `rows x 3 units`: z, r and ĥ; overwritten with the gradient of `x · W + b`.
    pub gates: &'a mut [f32],
    /// Where the reset gate acts.
    pub reset: ResetGradient<'a>,
    /// The activations.
    pub activations: Activations,
}

/// Where the reset gate acts in a backward pass.
pub enum ResetGradient<'a> {
    /// On `h · U_h + b'_h`.
    After {
        /// `Uᵀ`, packed by columns: `3 units x units`.
        recurrent_transposed: &'a PackedMatrix,
        /// What forward left; overwritten with the gradient of `h · U + b'`.
        inner: &'a mut [f32],
    },
    /// On `h`.
    Before {
        /// The transpose of `U_z` and `U_r`, packed by columns: `2 units x units`.
        gates_transposed: &'a PackedMatrix,
        /// The transpose of `U_h`, packed by columns.
        candidate_transposed: &'a PackedMatrix,
        /// What dropout left of the states.
        left: &'a [f32],
    },
}

/// A backward pass cut into members, to be run all at once.
pub struct BackwardMembers<'a> {
    isa: Isa,
    gradients: SharedGradients<'a>,
    h: &'a [f32],
    gates: Shared<'a>,
    reset: SharedResetGradient<'a>,
    activations: Activations,
    members: Members,
}

enum SharedResetGradient<'a> {
    After { recurrent_transposed: &'a PackedMatrix, inner: Shared<'a> },
    Before { gates_transposed: &'a PackedMatrix, candidate_transposed: &'a PackedMatrix, left: &'a [f32] },
}

impl<'a> Backward<'a> {
    /// Cuts it as [`Forward::members`].
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn members(self, ranks: Vec<Range<usize>>) -> BackwardMembers<'a> {
        let isa = self.isa;
        let gradients = self.gradients.shared();
        let (order, units) = (gradients.order, gradients.units);
        assert_eq!(self.h.len(), volume(&[order.state_rows(true), units]));
        assert_eq!(self.gates.len(), volume(&[order.rows(), GATES, units]));
        let reset = match self.reset {
            ResetGradient::After { recurrent_transposed, inner } => {
                check_packed(isa, recurrent_transposed, GATES * units, units);
                assert_eq!(inner.len(), self.gates.len());
                SharedResetGradient::After { recurrent_transposed, inner: Shared::new(inner) }
            }
            ResetGradient::Before { gates_transposed, candidate_transposed, left } => {
                check_packed(isa, gates_transposed, 2 * units, units);
                check_packed(isa, candidate_transposed, units, units);
                assert_eq!(left.len(), self.h.len());
                SharedResetGradient::Before { gates_transposed, candidate_transposed, left }
            }
        };
        BackwardMembers {
            isa,
            members: Members::of_ranks(ranks, order.batch()),
            gradients,
            h: self.h,
            gates: Shared::new(self.gates),
            reset,
            activations: self.activations,
        }
    }
}

impl Pass for BackwardMembers<'_> {
    fn count(&self) -> usize {
        self.members.count()
    }

    unsafe fn run(&self, member: usize, _link: usize) {
        self.isa.dispatch(BackwardMember { pass: self, member: self.members.get(member) });
    }
}

struct BackwardMember<'a> {
    pass: &'a BackwardMembers<'a>,
    member: Member<'a>,
}

impl Kernel for BackwardMember<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut sums = Scratch::new();
        for step in (0..self.member.steps(self.pass.gradients.order)).rev() {
            self.step(simd, Some(step), &mut sums);
        }
        if self.pass.gradients.wants_initial {
            self.step(simd, None, &mut sums);
        }
    }
}

impl BackwardMember<'_> {
    /// Goes back through the cell at a step; `None` stands before the first.
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, step: Option<usize>, sums: &mut Scratch) {
        let matrix = match &self.pass.reset {
            SharedResetGradient::After { recurrent_transposed, .. } => recurrent_transposed,
            SharedResetGradient::Before { gates_transposed, .. } => gates_transposed,
        };
        for panel in 0..matrix.panels() {
            with_vectors!(matrix.panel_vectors(panel), NV => self.panel::<S, NV>(simd, step, panel, matrix, sums));
        }
        let SharedResetGradient::Before { candidate_transposed: matrix, left, .. } = &self.pass.reset else { return };
        let Some(step) = step else { return };
        for panel in 0..matrix.panels() {
            let kernel = matrix.panel(panel);
            with_vectors!(matrix.panel_vectors(panel), NV => {
                self.reset_before::<S, NV>(simd, step, panel, kernel, left, sums);
            });
        }
    }

    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(
        &self,
        simd: S,
        step: Option<usize>,
        panel: usize,
        matrix: &PackedMatrix,
        sums: &mut Scratch,
    ) {
        let BackwardMembers { gradients, gates, reset, .. } = self.pass;
        let (order, units) = (gradients.order, gradients.units);
        // Of `h · U`; with the reset gate before the product that of z and r is the same as of `x · W`.
        let d_product = match reset {
            SharedResetGradient::After { inner, .. } => inner,
            SharedResetGradient::Before { .. } => gates,
        };
        let next = step.map_or(0, |step| step + 1);
        // Ranks that go on get their gradient from the next step, the others from the end.
        let going_on = self.member.among(order.active(next));
        for (block, rows) in row_blocks::<S>(going_on.len()) {
            let first = going_on.start + block;
            // SAFETY: `members` checked every length and packing: the matrix is no deeper than the rows are long. These
            // ranks have the next step, whose gradients nobody writes any more.
            with_rows!(S, rows, MR => unsafe {
                let d = d_product.at((order.step(next).start + first) * GATES * units);
                let d = rows_from(d, GATES * units);
                sum_rows::<S, MR, NV>(simd, matrix.depth(), d, matrix.panel(panel).as_ptr(), (), sums);
            });
            for r in 0..rows {
                self.row::<S, NV>(simd, step, panel, first + r, Some((sums, r)));
            }
        }
        if let Some(step) = step {
            for rank in going_on.end..self.member.among(order.active(step)).end {
                self.row::<S, NV>(simd, Some(step), panel, rank, None);
            }
        }
    }

    /// Goes back through the cell at a step for the units of a panel of one rank; with the reset gate before the product
    /// as far as to the candidate.
    #[inline(always)]
    fn row<S: Simd, const NV: usize>(
        &self,
        simd: S,
        step: Option<usize>,
        panel: usize,
        rank: usize,
        sums: Option<(&Scratch, usize)>,
    ) {
        let BackwardMembers { gradients, h, gates, reset, activations, .. } = self.pass;
        let (order, units) = (gradients.order, gradients.units);
        let one = simd.splat(1.0);
        for v in 0..NV {
            let (first, count) = columns_of::<S>(panel, v, units);
            // SAFETY: `members` checked every length; the rank has the step and is this member's own, and the sums hold
            // `NV` vectors a row.
            unsafe {
                // Not a closure: see `kernels`.
                let mut through = None;
                if let Some((sums, r)) = sums {
                    through = Some(sums.vector::<S, NV>(simd, r, v));
                }
                let dh = gradients.total(simd, step, rank, (first, count), through);
                let Some(step) = step else {
                    gradients.keep(simd, rank, (first, count), dh);
                    continue;
                };
                let row = order.step(step).start + rank;
                let kept = gates.at(row * GATES * units + first);
                let (z, candidate) = (load(simd, kept, count), load(simd, kept.add(2 * units), count));
                let before = h.as_ptr().add((order.state(step, true) + rank) * units + first);
                let change = simd.sub(load(simd, before, count), candidate);
                let dz = simd.mul(simd.mul(dh, change), activations.gate.derivative(simd, z));
                let d_candidate = simd.mul(dh, simd.sub(one, z));
                let d_candidate = simd.mul(d_candidate, activations.cell.derivative(simd, candidate));
                store(simd, dz, kept, count);
                store(simd, d_candidate, kept.add(2 * units), count);
                if let SharedResetGradient::After { inner, .. } = reset {
                    let r = load(simd, kept.add(units), count);
                    let inner = inner.at(row * GATES * units + first);
                    let product = load(simd, inner.add(2 * units), count);
                    let dr = simd.mul(simd.mul(d_candidate, product), activations.gate.derivative(simd, r));
                    store(simd, dr, kept.add(units), count);
                    store(simd, dz, inner, count);
                    store(simd, dr, inner.add(units), count);
                    store(simd, simd.mul(d_candidate, r), inner.add(2 * units), count);
                }
                gradients.keep(simd, rank, (first, count), simd.mul(dh, z));
            }
        }
    }

    /// Goes back from the candidate to r and `h`, where the reset gate came before the product.
    #[inline(always)]
    fn reset_before<S: Simd, const NV: usize>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        kernel: &[f32],
        left: &[f32],
        sums: &mut Scratch,
    ) {
        let BackwardMembers { gradients, gates, activations, .. } = self.pass;
        let (order, units) = (gradients.order, gradients.units);
        let ranks = self.member.among(order.active(step));
        for (block, rows) in row_blocks::<S>(ranks.len()) {
            let block = ranks.start + block;
            // SAFETY: `members` checked every length and packing; these ranks have the step and are this member's own, and
            // the sums hold `rows` rows of `NV` vectors.
            unsafe {
                with_rows!(S, rows, MR => {
                    let d = gates.at(((order.step(step).start + block) * GATES + 2) * units);
                    sum_rows::<S, MR, NV>(simd, units, rows_from(d, GATES * units), kernel.as_ptr(), (), sums);
                });
                for r in 0..rows {
                    let rank = block + r;
                    let row = order.step(step).start + rank;
                    for v in 0..NV {
                        let (first, count) = columns_of::<S>(panel, v, units);
                        let d_left = sums.vector::<S, NV>(simd, r, v);
                        let kept = gates.at((row * GATES + 1) * units + first);
                        let reset = load(simd, kept, count);
                        let h = left.as_ptr().add((order.state(step, true) + rank) * units + first);
                        let d =
                            simd.mul(simd.mul(d_left, load(simd, h, count)), activations.gate.derivative(simd, reset));
                        store(simd, d, kept, count);
                        let through = Some(simd.mul(d_left, reset));
                        let dh = gradients.total(simd, None, rank, (first, count), through);
                        gradients.keep(simd, rank, (first, count), dh);
                    }
                }
            }
        }
    }
}
