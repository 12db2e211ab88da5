//! The backward pass through time.

mod tiles;

use std::ops::Range;

use super::turned::sum_columns;
use super::{Activations, gates_of};
use crate::kernels::accumulate::{
    Ahead, LINE, PANEL_VECTORS, Scratch, load, row_blocks, rows_from, share_of, store, with_rows,
};
use crate::kernels::activation::{self, Activation};
use crate::kernels::members::{Item, Member, Members, Pass};
use crate::kernels::order::Order;
use crate::kernels::pack::PackedMatrix;
use crate::kernels::rows::Rows;
use crate::kernels::shared::Shared;
use crate::kernels::volume;
use crate::simd::{Isa, Kernel, Simd};

/// A backward pass through time, from what a training [`Forward`](super::Forward) left.
pub struct Backward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The order of steps.
    pub order: &'a Order,
    /// Units.
    pub units: usize,
    /// `Uᵀ`, packed by columns, the last of which may be turned: `4 units x units`.
    pub recurrent_transposed: &'a PackedMatrix,
    /// The activations.
    pub activations: Activations,
    /// The cell states.
    pub c: &'a [f32],
    /// `rows x 4 units`: i, f, g and o; overwritten with `dz`.
    pub gates: &'a mut [f32],
    /// The gradient of the outputs, if all were given out: row `n` of the order takes row `n` of these.
    pub d_output: Option<Rows<'a>>,
    /// `ranks x units`: the gradient of the last `h`; becomes that of the initial one, if that is wanted.
    pub dh: &'a mut [f32],
    /// `ranks x units`: the gradient of the last `c`; becomes that of the initial one.
    pub dc: &'a mut [f32],
    /// What `h` was multiplied by.
    pub dropout: Option<&'a [f32]>,
    /// Whether the gradient of the initial `h` is wanted.
    pub wants_initial: bool,
}

/// A backward pass cut into members.
pub struct BackwardMembers<'a> {
    isa: Isa,
    order: &'a Order,
    units: usize,
    recurrent_transposed: &'a PackedMatrix,
    activations: Activations,
    c: &'a [f32],
    gates: Shared<'a>,
    d_output: Option<Rows<'a>>,
    dh: Shared<'a>,
    dc: Shared<'a>,
    dropout: Option<&'a [f32]>,
    wants_initial: bool,
    members: Members,
    links: usize,
}

impl<'a> Backward<'a> {
    /// Cuts it as [`Forward::members`](super::Forward::members).
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn members(self, ranks: Vec<Range<usize>>, columns: usize) -> BackwardMembers<'a> {
        let Backward { isa, order, units, .. } = self;
        assert_eq!(self.c.len(), volume(&[order.state_rows(true), units]));
        assert_eq!(self.gates.len(), volume(&[order.rows(), 4, units]));
        if let Some(d_output) = &self.d_output {
            d_output.check(order.rows(), units);
        }
        assert_eq!(self.dh.len(), volume(&[order.batch(), units]));
        assert_eq!(self.dc.len(), self.dh.len());
        assert!(self.dropout.is_none_or(|dropout| dropout.len() == self.dh.len()));
        let matrix = self.recurrent_transposed;
        matrix.check(isa, 4 * units, units);
        // As in the forward pass, not on tiles.
        let depth = matrix.tiles().is_none().then_some(4 * units);
        let members = Members::new(ranks, order.batch(), columns, matrix.panels(), depth);
        BackwardMembers {
            isa,
            order,
            units,
            recurrent_transposed: matrix,
            activations: self.activations,
            c: self.c,
            gates: Shared::new(self.gates),
            d_output: self.d_output,
            dh: Shared::new(self.dh),
            dc: Shared::new(self.dc),
            dropout: self.dropout,
            wants_initial: self.wants_initial,
            links: members.links(order, 1),
            members,
        }
    }
}

impl Pass for BackwardMembers<'_> {
    fn count(&self) -> usize {
        self.members.count()
    }

    fn meets(&self) -> bool {
        self.members.meets()
    }

    fn links(&self) -> usize {
        self.links
    }

    unsafe fn run(&self, member: usize, link: usize) {
        let (member, links) = (self.members.get(member), self.links);
        let steps = member.link(self.order, links - 1 - link, links);
        let last = self.wants_initial && link + 1 == links;
        let member = BackwardMember { pass: self, member, steps, last };
        match self.recurrent_transposed.tiles() {
            None => self.isa.dispatch(member),
            Some(tiles) => tiles::run(tiles, &member),
        }
    }
}

/// What the gradients of a tile at a step read, `c` and the gradient of the output of each rank, and write, the gates.
#[derive(Clone, Copy)]
struct ForGradients<'a> {
    pass: &'a BackwardMembers<'a>,
    step: usize,
    panel: usize,
    rank: usize,
    rows: usize,
    vectors: usize,
}

impl Ahead for ForGradients<'_> {
    #[inline(always)]
    fn is_any(self) -> bool {
        true
    }

    #[inline(always)]
    fn ask<S: Simd>(self, simd: S, terms: Range<usize>, of: usize) {
        let ForGradients { pass, step, panel, rank, rows, vectors } = self;
        let (order, units) = (pass.order, pass.units);
        let first = panel * PANEL_VECTORS * S::LANES;
        for i in share_of(rows * 4, terms, of) {
            let (rank, gate) = (rank + i / 4, i % 4);
            let row = order.step(step).start + rank;
            // SAFETY: only addresses are taken; `members` checked the lengths, and the ranks have the step.
            let (gates, read) = unsafe {
                let read = match (gate, &pass.d_output) {
                    (0, _) => pass.c.as_ptr().wrapping_add((order.state(step, true) + rank) * units),
                    (1, Some(d_output)) => d_output.at(row),
                    _ => std::ptr::null(),
                };
                (pass.gates.at((row * 4 + gate) * units), read)
            };
            for unit in (first..first + vectors * S::LANES).step_by(LINE) {
                simd.prefetch_to_write(gates.wrapping_add(unit));
                if !read.is_null() {
                    simd.prefetch(read.wrapping_add(unit));
                }
            }
        }
    }
}

struct BackwardMember<'a> {
    pass: &'a BackwardMembers<'a>,
    member: Member<'a>,
    steps: Range<usize>,
    /// Whether to go on to the initial states.
    last: bool,
}

impl Kernel for BackwardMember<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut scratch = Scratch::new();
        for step in self.steps.clone().rev() {
            self.step(simd, Some(step), &mut scratch);
            self.member.meet();
        }
        if self.last {
            self.step(simd, None, &mut scratch);
        }
    }
}

impl BackwardMember<'_> {
    /// Goes back through the cell at a step; `None` stands before the first.
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, step: Option<usize>, scratch: &mut Scratch) {
        for item in self.member.items(step.unwrap_or(0)) {
            match self.pass.recurrent_transposed.panel_vectors(item.panel) {
                1 => self.panel::<S, 1>(simd, step, &item, scratch),
                2 => self.panel::<S, 2>(simd, step, &item, scratch),
                3 => self.panel::<S, 3>(simd, step, &item, scratch),
                _ => self.panel::<S, 4>(simd, step, &item, scratch),
            }
        }
    }

    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(&self, simd: S, step: Option<usize>, item: &Item, scratch: &mut Scratch) {
        let (order, panel) = (self.pass.order, item.panel);
        let next = step.map_or(0, |step| step + 1);
        // Ranks that go on get their gradient from the next step, the others from the end.
        let going_on = item.among(order.active(next));
        for (block, count) in row_blocks::<S>(going_on.len()) {
            let rank = going_on.start + block;
            with_rows!(S, count, MR => self.state_gradient::<S, MR, NV>(simd, next, panel, rank, scratch));
            for r in 0..count {
                self.row_gradients::<S, NV, NV>(simd, step, panel, rank + r, Some((scratch, r)));
            }
        }
        if let Some(step) = step {
            for rank in going_on.end..item.among(order.active(step)).end {
                self.row_gradients::<S, NV, NV>(simd, Some(step), panel, rank, None);
            }
        }
    }

    /// Fills the scratch with `dz_next · Uᵀ`.
    #[inline(always)]
    fn state_gradient<S: Simd, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        next: usize,
        panel: usize,
        rank: usize,
        scratch: &mut Scratch,
    ) {
        let pass = self.pass;
        let gates = 4 * pass.units;
        let step = next.checked_sub(1);
        let ahead = step.map(|step| ForGradients { pass, step, panel, rank, rows: MR, vectors: NV });
        // SAFETY: `members` checked every length and packing; `rank + MR <= active(next)`. Nobody writes `dz` of the next
        // step any more.
        unsafe {
            let dz = pass.gates.at((pass.order.step(next).start + rank) * gates);
            let dz = rows_from(dz, gates);
            sum_columns::<S, MR, NV>(simd, dz, (pass.recurrent_transposed, panel), ahead, scratch);
        }
    }

    /// Goes back through the cell at a step for the units of a panel of one rank; `None` stands before the first. The gradient of
    /// its `h` is in a row of the scratch, of `ROW` vectors, or, where its sequence ends, that of its last state.
    #[inline(always)]
    fn row_gradients<S: Simd, const NV: usize, const ROW: usize>(
        &self,
        simd: S,
        step: Option<usize>,
        panel: usize,
        rank: usize,
        scratch: Option<(&Scratch, usize)>,
    ) {
        let pass = self.pass;
        let first = panel * PANEL_VECTORS * S::LANES;
        // SAFETY: a rank and a panel of an item that this member alone was given, which has the step; the caller filled the
        // scratch with its row. `members` checked every length.
        unsafe {
            match (step, pass.activations.is_standard(), first + NV * S::LANES <= pass.units) {
                (None, ..) => self.initial_gradient::<S, NV, ROW>(simd, rank, first, scratch),
                (Some(step), true, true) => self.cells::<S, NV, ROW, true, true>(simd, step, rank, first, scratch),
                (Some(step), true, false) => self.cells::<S, NV, ROW, true, false>(simd, step, rank, first, scratch),
                (Some(step), false, _) => self.cells::<S, NV, ROW, false, false>(simd, step, rank, first, scratch),
            }
        }
    }

    /// The gradient of `count` units of `h`, float `at` of the ranks' states on, from vector `v` of a row of the scratch; without
    /// one that of the last states.
    ///
    /// # Safety
    /// The states must have so many floats, and the scratch the row.
    #[inline(always)]
    unsafe fn dh<S: Simd, const ROW: usize>(
        &self,
        simd: S,
        (at, count): (usize, usize),
        v: usize,
        scratch: Option<(&Scratch, usize)>,
    ) -> S::V {
        // SAFETY: the caller's promise.
        unsafe {
            let Some((scratch, r)) = scratch else { return load(simd, self.pass.dh.at(at), count) };
            let carried = scratch.vector::<S, ROW>(simd, r, v);
            match self.pass.dropout {
                Some(dropout) => simd.mul(carried, load(simd, dropout.as_ptr().add(at), count)),
                None => carried,
            }
        }
    }

    /// Writes the gradient of the initial `h` of a rank, from unit `first` on.
    ///
    /// # Safety
    /// The rank must be one of an item that this member alone was given; the scratch must hold the row.
    #[inline(always)]
    unsafe fn initial_gradient<S: Simd, const NV: usize, const ROW: usize>(
        &self,
        simd: S,
        rank: usize,
        first: usize,
        scratch: Option<(&Scratch, usize)>,
    ) {
        let units = self.pass.units;
        for v in 0..NV {
            let unit = first + v * S::LANES;
            let (at, count) = (rank * units + unit, S::LANES.min(units - unit));
            // SAFETY: the caller's promise; `members` checked the lengths.
            unsafe { store(simd, self.dh::<S, ROW>(simd, (at, count), v, scratch), self.pass.dh.at(at), count) };
        }
    }

    /// [`BackwardMember::row_gradients`] at a step, from unit `first` on. `STANDARD` says that the activations are the standard
    /// ones, `FULL` that the units fill the vectors, which is compiled in.
    ///
    /// # Safety
    /// The rank must have the step and be one of an item that this member alone was given; the scratch must hold the row.
    #[inline(always)]
    unsafe fn cells<S: Simd, const NV: usize, const ROW: usize, const STANDARD: bool, const FULL: bool>(
        &self,
        simd: S,
        step: usize,
        rank: usize,
        first: usize,
        scratch: Option<(&Scratch, usize)>,
    ) {
        let (pass, order, units) = (self.pass, self.pass.order, self.pass.units);
        let Activations { cell, gate } =
            if STANDARD { Activations { cell: Activation::Tanh, gate: Activation::Sigmoid } } else { pass.activations };
        // Only the last vector is not always full.
        let count = |v| if FULL || v + 1 < NV { S::LANES } else { S::LANES.min(units - first - v * S::LANES) };
        let row = order.step(step).start + rank;
        let of_rank = rank * units + first;
        // SAFETY: the caller's promise; `members` checked that there are rows and states for every step of each rank.
        unsafe {
            let gates = pass.gates.at(row * 4 * units + first);
            let [c_before, c_after] =
                [step, step + 1].map(|step| pass.c.as_ptr().add(order.state(step, true) * units + of_rank));
            let carried = pass.dc.at(of_rank);
            let d_output = pass.d_output.as_ref().map(|rows| rows.at(row).add(first));
            let mut shown = [simd.splat(0.0); NV];
            for (v, c) in shown.iter_mut().enumerate() {
                *c = load(simd, c_after.add(v * S::LANES), count(v));
            }
            if STANDARD {
                shown = activation::tanhs(simd, shown);
            } else {
                for c in &mut shown {
                    *c = cell.apply(simd, *c);
                }
            }
            for (v, &shown) in shown.iter().enumerate() {
                let (unit, count) = (v * S::LANES, count(v));
                let mut dh = self.dh::<S, ROW>(simd, (of_rank + unit, count), v, scratch);
                if let Some(d_output) = d_output {
                    dh = simd.add(dh, load(simd, d_output.add(unit), count));
                }
                let (gates, carried) = (gates.add(unit), carried.add(unit));
                let [i, f, g, o] = gates_of(simd, gates, units, count);
                let c_before = load(simd, c_before.add(unit), count);
                let dc = simd.mul_add(simd.mul(dh, o), cell.derivative(simd, shown), load(simd, carried, count));
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
}
