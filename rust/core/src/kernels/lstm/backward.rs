//! The backward pass through time.

mod tiles;

use std::ops::Range;

use super::turned::sum_columns;
use super::{Activations, gates_of};
use crate::kernels::accumulate::{
    Ahead, MAX_TILE_ROWS, PANEL_VECTORS, Scratch, load, row_blocks, rows_from, store, with_rows,
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
        // What the step's gradients read, `c` and the gradient of the output of each rank, and write, the gates.
        let mut read = [std::ptr::null(); 2 * MAX_TILE_ROWS];
        let mut written = [std::ptr::null(); 4 * MAX_TILE_ROWS];
        let mut count = 0;
        if let Some(step) = next.checked_sub(1) {
            for r in 0..MR {
                let row = pass.order.step(step).start + rank + r;
                let first = panel * PANEL_VECTORS * S::LANES;
                // SAFETY: only the rows' addresses are taken; `members` checked them.
                unsafe {
                    for gate in 0..4 {
                        written[4 * r + gate] = pass.gates.at(row * gates + gate * pass.units).wrapping_add(first);
                    }
                    let c = (pass.order.state(step, true) + rank + r) * pass.units;
                    read[count] = pass.c.as_ptr().wrapping_add(c + first);
                    count += 1;
                    if let Some(d_output) = &pass.d_output {
                        read[count] = d_output.at(row).wrapping_add(first);
                        count += 1;
                    }
                }
            }
        }
        let written = if count > 0 { &written[..4 * MR] } else { &[] };
        // SAFETY: `members` checked every length and packing; `rank + MR <= active(next)`. Nobody writes `dz` of the next
        // step any more.
        unsafe {
            let dz = pass.gates.at((pass.order.step(next).start + rank) * gates);
            let dz = rows_from(dz, gates);
            let places = Ahead::places(&read[..count], written, S::LANES);
            sum_columns::<S, MR, NV>(simd, dz, (pass.recurrent_transposed, panel), places, scratch);
        }
    }

    /// Goes back through the cell at a step for the units of a panel of one rank. A row of the scratch is `ROW` vectors.
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
        let mut shown = [simd.splat(0.0); NV];
        if let Some(step) = step {
            let state = (pass.order.state(step + 1, true) + rank) * pass.units;
            for (v, c) in shown.iter_mut().enumerate() {
                let first = (panel * PANEL_VECTORS + v) * S::LANES;
                // SAFETY: `members` checked that `c` holds every state, of `units` floats.
                *c = unsafe { load(simd, pass.c.as_ptr().add(state + first), S::LANES.min(pass.units - first)) };
            }
            if pass.activations.is_standard() {
                shown = activation::tanhs(simd, shown);
            } else {
                for c in &mut shown {
                    *c = pass.activations.cell.apply(simd, *c);
                }
            }
        }
        for (v, &shown) in shown.iter().enumerate() {
            if pass.activations.is_standard() {
                self.unit_gradients::<S, ROW, true>(simd, step, panel, rank, (v, shown), scratch);
            } else {
                self.unit_gradients::<S, ROW, false>(simd, step, panel, rank, (v, shown), scratch);
            }
        }
    }

    /// Goes back through the cell at a step for vector `v` of a panel's units of one rank, `shown` being what its activation
    /// makes of `c`. The gradient of its `h` is in a row of the scratch, or, where its sequence ends, that of its last state.
    #[inline(always)]
    fn unit_gradients<S: Simd, const ROW: usize, const STANDARD: bool>(
        &self,
        simd: S,
        step: Option<usize>,
        panel: usize,
        rank: usize,
        (v, shown): (usize, S::V),
        scratch: Option<(&Scratch, usize)>,
    ) {
        let pass = self.pass;
        let (order, units) = (pass.order, pass.units);
        let first = (panel * PANEL_VECTORS + v) * S::LANES;
        let count = S::LANES.min(units - first);
        // SAFETY: as in `state_gradient`; `first + count <= units`; the scratch holds `ROW` vectors a row. What is written
        // belongs to an item that this member alone was given.
        unsafe {
            let last = pass.dh.at(rank * units + first);
            let mut dh = match scratch {
                Some((scratch, r)) => {
                    let carried = scratch.vector::<S, ROW>(simd, r, v);
                    match pass.dropout {
                        Some(dropout) => {
                            simd.mul(carried, load(simd, dropout.as_ptr().add(rank * units + first), count))
                        }
                        None => carried,
                    }
                }
                None => load(simd, last, count),
            };
            let Some(step) = step else {
                store(simd, dh, last, count);
                return;
            };
            let row = order.step(step).start + rank;
            if let Some(d_output) = &pass.d_output {
                dh = simd.add(dh, load(simd, d_output.at(row).add(first), count));
            }
            let Activations { cell, gate } = match STANDARD {
                true => Activations { cell: Activation::Tanh, gate: Activation::Sigmoid },
                false => pass.activations,
            };
            let gates = pass.gates.at(row * 4 * units + first);
            let [i, f, g, o] = gates_of(simd, gates, units, count);
            let before = pass.c.as_ptr().add((order.state(step, true) + rank) * units + first);
            let c_before = load(simd, before, count);
            let d_shown = simd.mul(dh, o);
            let carried = pass.dc.at(rank * units + first);
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
