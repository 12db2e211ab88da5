//! The simple recurrent cell over whole sequences, forward and backward (Elman 1990):
//!
//! ```text
//! h_t = f(x_t · W + h_{t-1} · U + b)
//! ```
//!
//! Members, one a thread, have ranks of their own and never wait for each other. Every sum has one order, so its bits do
//! not depend on the members.

use std::ops::Range;

use super::accumulate::{Scratch, load, row_blocks, rows_from, store, sum_rows, with_rows};
use super::activation::Activation;
use super::members::{Member, Members, Pass};
use super::pack::PackedMatrix;
use super::rows::Rows;
use super::shared::Shared;
use super::state::{SharedGradients, SharedStates, StateGradients, States, check_packed, columns_of, with_vectors};
use super::volume;
use crate::simd::{Isa, Kernel, Simd};

/// A forward pass.
pub struct Forward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// `h`.
    pub states: States<'a>,
    /// `x · W + b`: row `n` of the order takes row `n` of these.
    pub z: Rows<'a>,
    /// `U`, packed by columns.
    pub recurrent_kernel: &'a PackedMatrix,
    /// `f`
    pub activation: Activation,
}

/// A forward pass cut into members, to be run all at once.
pub struct ForwardMembers<'a> {
    isa: Isa,
    states: SharedStates<'a>,
    z: Rows<'a>,
    recurrent_kernel: &'a PackedMatrix,
    activation: Activation,
    members: Members,
}

impl<'a> Forward<'a> {
    /// Cuts it into runs of ranks.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn members(self, ranks: Vec<Range<usize>>) -> ForwardMembers<'a> {
        let states = self.states.shared();
        self.z.check(states.order.rows(), states.units);
        check_packed(self.isa, self.recurrent_kernel, states.units, states.units);
        ForwardMembers {
            isa: self.isa,
            members: Members::of_ranks(ranks, states.order.batch()),
            states,
            z: self.z,
            recurrent_kernel: self.recurrent_kernel,
            activation: self.activation,
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
            for panel in 0..self.pass.recurrent_kernel.panels() {
                with_vectors!(self.pass.recurrent_kernel.panel_vectors(panel), NV => {
                    self.panel::<S, NV>(simd, step, panel, &mut sums);
                });
            }
        }
    }
}

impl ForwardMember<'_> {
    /// One step of one panel for the member's ranks.
    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(&self, simd: S, step: usize, panel: usize, sums: &mut Scratch) {
        let ForwardMembers { states, z, recurrent_kernel, activation, .. } = self.pass;
        let ranks = self.member.among(states.order.active(step));
        for (block, count) in row_blocks::<S>(ranks.len()) {
            let first = ranks.start + block;
            // SAFETY: `members` checked every length and packing; these ranks have the step and are this member's own, and
            // the sums hold `count` rows of `NV` vectors.
            unsafe {
                with_rows!(S, count, MR => {
                    states.sum::<S, MR, NV>(simd, step, first, recurrent_kernel.panel(panel), sums);
                });
                for r in 0..count {
                    let row = z.at(states.order.step(step).start + first + r);
                    for v in 0..NV {
                        let columns = columns_of::<S>(panel, v, states.units);
                        let z = load(simd, row.add(columns.0), columns.1);
                        let h = activation.apply(simd, simd.add(z, sums.vector::<S, NV>(simd, r, v)));
                        states.show(simd, step, first + r, columns, h);
                    }
                }
            }
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
    /// `rows x units`: what becomes `dz`.
    pub dz: &'a mut [f32],
    /// `Uᵀ`, packed by columns.
    pub recurrent_transposed: &'a PackedMatrix,
    /// `f`
    pub activation: Activation,
}

/// A backward pass cut into members, to be run all at once.
pub struct BackwardMembers<'a> {
    isa: Isa,
    gradients: SharedGradients<'a>,
    h: &'a [f32],
    dz: Shared<'a>,
    recurrent_transposed: &'a PackedMatrix,
    activation: Activation,
    members: Members,
}

impl<'a> Backward<'a> {
    /// Cuts it as [`Forward::members`].
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn members(self, ranks: Vec<Range<usize>>) -> BackwardMembers<'a> {
        let gradients = self.gradients.shared();
        let (order, units) = (gradients.order, gradients.units);
        assert_eq!(self.h.len(), volume(&[order.state_rows(true), units]));
        assert_eq!(self.dz.len(), volume(&[order.rows(), units]));
        check_packed(self.isa, self.recurrent_transposed, units, units);
        BackwardMembers {
            isa: self.isa,
            members: Members::of_ranks(ranks, order.batch()),
            gradients,
            h: self.h,
            dz: Shared::new(self.dz),
            recurrent_transposed: self.recurrent_transposed,
            activation: self.activation,
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
        for panel in 0..self.pass.recurrent_transposed.panels() {
            with_vectors!(self.pass.recurrent_transposed.panel_vectors(panel), NV => {
                self.panel::<S, NV>(simd, step, panel, sums);
            });
        }
    }

    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(&self, simd: S, step: Option<usize>, panel: usize, sums: &mut Scratch) {
        let BackwardMembers { gradients, dz, recurrent_transposed, .. } = self.pass;
        let (order, units) = (gradients.order, gradients.units);
        let next = step.map_or(0, |step| step + 1);
        // Ranks that go on get their gradient from the next step, the others from the end.
        let going_on = self.member.among(order.active(next));
        for (block, count) in row_blocks::<S>(going_on.len()) {
            let first = going_on.start + block;
            // SAFETY: `members` checked every length and packing; these ranks have the next step, whose `dz` nobody
            // writes any more.
            with_rows!(S, count, MR => unsafe {
                let dz = rows_from(dz.at((order.step(next).start + first) * units), units);
                sum_rows::<S, MR, NV>(simd, units, dz, recurrent_transposed.panel(panel).as_ptr(), (), sums);
            });
            for r in 0..count {
                self.row::<S, NV>(simd, step, panel, first + r, Some((sums, r)));
            }
        }
        if let Some(step) = step {
            for rank in going_on.end..self.member.among(order.active(step)).end {
                self.row::<S, NV>(simd, Some(step), panel, rank, None);
            }
        }
    }

    /// Goes back through the cell at a step for the units of a panel of one rank.
    #[inline(always)]
    fn row<S: Simd, const NV: usize>(
        &self,
        simd: S,
        step: Option<usize>,
        panel: usize,
        rank: usize,
        sums: Option<(&Scratch, usize)>,
    ) {
        let BackwardMembers { gradients, h, dz, activation, .. } = self.pass;
        let (order, units) = (gradients.order, gradients.units);
        for v in 0..NV {
            let columns = columns_of::<S>(panel, v, units);
            // SAFETY: `members` checked every length; the rank has the step and is this member's own, and the sums hold
            // `NV` vectors a row.
            unsafe {
                // Not a closure: see `kernels`.
                let mut through = None;
                if let Some((sums, r)) = sums {
                    through = Some(sums.vector::<S, NV>(simd, r, v));
                }
                let dh = gradients.total(simd, step, rank, columns, through);
                let Some(step) = step else {
                    gradients.keep(simd, rank, columns, dh);
                    continue;
                };
                let after = (order.state(step + 1, true) + rank) * units + columns.0;
                let slope = activation.derivative(simd, load(simd, h.as_ptr().add(after), columns.1));
                let row = dz.at((order.step(step).start + rank) * units + columns.0);
                store(simd, simd.mul(dh, slope), row, columns.1);
                gradients.keep(simd, rank, columns, simd.splat(0.0));
            }
        }
    }
}
