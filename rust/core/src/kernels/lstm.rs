//! The LSTM cell over whole sequences, forward and backward.
//!
//! With `z = x_t · W + h_{t-1} · U + b`, cut into the gates i, f, c and o,
//!
//! ```text
//! i = σ(z_i)   f = σ(z_f)   g = tanh(z_c)   o = σ(z_o)
//! c_t = f · c_{t-1} + i · g                 h_t = o · tanh(c_t)
//! ```
//!
//! (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; gate order as in Keras.)
//! A register tile holds the four gates of the same units, so that the cell's update runs on it and `z` never reaches
//! memory. Steps are taken in an [`Order`] of those that count; a *rank* is a sequence's number in it.
//!
//! A pass is shared by *members*, one a thread, each with some ranks and some columns. Members with other ranks never
//! wait for each other; those with other columns of the same ranks meet after every step. Every sum has one order, so its
//! bits do not depend on the members.

use std::ops::Range;

use super::accumulate::{MAX_TILE_ROWS, PANEL_VECTORS, Scratch, accumulate_rows, load, row_blocks, store, with_rows};
use super::activation::Activation;
use super::order::Order;
use super::pack::PackedMatrix;
use super::rows::{Columns, Rows};
use super::shared::Shared;
use super::volume;
use crate::parallel::Barrier;
use crate::simd::{Isa, Kernel, Simd};

/// The two activation functions of a cell.
#[derive(Clone, Copy, Debug)]
pub struct Activations {
    /// Of the candidate and of the cell state: `tanh` unless said otherwise.
    pub cell: Activation,
    /// Of the gates i, f and o: `σ` unless said otherwise.
    pub gate: Activation,
}

/// The members of a pass: one for each pair of a run of ranks and a run of panels.
struct Members {
    ranks: Vec<Range<usize>>,
    panels: Vec<Range<usize>>,
    /// One for each run of ranks.
    barriers: Vec<Barrier>,
}

impl Members {
    fn new(ranks: Vec<Range<usize>>, columns: usize, panels: usize) -> Members {
        let columns = columns.clamp(1, panels.max(1));
        Members {
            barriers: ranks.iter().map(|_| Barrier::new(columns)).collect(),
            ranks,
            panels: (0..columns).map(|i| i * panels / columns..(i + 1) * panels / columns).collect(),
        }
    }

    fn count(&self) -> usize {
        self.ranks.len() * self.panels.len()
    }

    fn get(&self, member: usize) -> Member<'_> {
        let (part, column) = (member / self.panels.len(), member % self.panels.len());
        Member {
            ranks: self.ranks[part].clone(),
            panels: self.panels[column].clone(),
            barrier: (self.panels.len() > 1).then(|| &self.barriers[part]),
        }
    }
}

/// One member's share.
struct Member<'a> {
    ranks: Range<usize>,
    panels: Range<usize>,
    barrier: Option<&'a Barrier>,
}

impl Member<'_> {
    /// The ranks among the first `active`.
    fn among(&self, active: usize) -> Range<usize> {
        self.ranks.start..self.ranks.end.min(active).max(self.ranks.start)
    }

    fn meet(&self) {
        if let Some(barrier) = self.barrier {
            barrier.wait();
        }
    }
}

/// Where `x_t · W + b` comes from.
pub enum Input<'a> {
    /// Computed with `h_{t-1} · U`, in one sum: where `W` and `U` stay in the second-level cache.
    Fused(Projection<'a>),
    /// Computed for some steps at a time, where many rows share a read of `W`. The floats hold `4 units` for each row of
    /// so many steps as there is room for; in training the gates' place is used and none are needed.
    Ahead(Projection<'a>, &'a mut [f32]),
    /// Rows of `4 units` that are there already: row `n` of the order takes row `n` of these.
    Given(Rows<'a>),
}

/// `x · W + b`
#[derive(Clone, Copy)]
pub struct Projection<'a> {
    /// `x`: row `n` of the order takes row `n` of these.
    pub x: Rows<'a>,
    /// `W`, packed by gates.
    pub kernel: &'a PackedMatrix,
    /// `b`, packed by gates; a matrix of one row.
    pub bias: &'a PackedMatrix,
}

impl Projection<'_> {
    fn check(&self, isa: Isa, rows: usize, units: usize) {
        self.x.check(rows, self.kernel.depth());
        check_gates(isa, self.kernel, self.kernel.depth(), units);
        check_gates(isa, self.bias, 1, units);
    }

    /// `tile = x · W + b` of a panel, for the rows of `x` given.
    ///
    /// # Safety
    /// [`Projection::check`] must have passed for those rows; `panel` must be one of the panels.
    #[inline(always)]
    unsafe fn tile<S: Simd, const MR: usize>(
        &self,
        simd: S,
        panel: usize,
        rows: [usize; MR],
    ) -> [[S::V; PANEL_VECTORS]; MR] {
        // SAFETY: the caller's promise.
        unsafe {
            let bias = self.bias.panel(panel).as_ptr();
            let mut tile = [std::array::from_fn(|gate| simd.load(bias.add(gate * S::LANES))); MR];
            let x: [*const f32; MR] = std::array::from_fn(|r| self.x.at(rows[r]));
            accumulate_rows(simd, &mut tile, self.kernel.depth(), x, self.kernel.panel(panel).as_ptr());
            tile
        }
    }
}

fn check_gates(isa: Isa, matrix: &PackedMatrix, depth: usize, units: usize) {
    let padded = units.div_ceil(isa.lanes()) * isa.lanes() * PANEL_VECTORS;
    assert_eq!((matrix.lanes(), matrix.depth(), matrix.columns()), (isa.lanes(), depth, padded));
}

/// A projection of rows before any pass: [`Input::Given`] takes what it makes.
pub struct Project<'a> {
    /// What.
    pub projection: Projection<'a>,
    /// How many rows.
    pub rows: usize,
    /// Units.
    pub units: usize,
    /// `rows x 4 units`: i, f, c and o.
    pub z: &'a mut [f32],
}

impl Project<'_> {
    /// Computes it.
    ///
    /// # Panics
    /// Where sizes and slices do not fit.
    pub fn run(self, isa: Isa) {
        self.projection.check(isa, self.rows, self.units);
        assert_eq!(self.z.len(), volume(&[self.rows, 4, self.units]));
        isa.dispatch(self);
    }
}

impl Kernel for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let z = Shared::new(self.z);
        for panel in 0..self.units.div_ceil(S::LANES) {
            for (row, rows) in row_blocks::<S>(self.rows) {
                // SAFETY: `run` checked the sizes; `row + rows <= self.rows`.
                with_rows!(S, rows, MR => unsafe {
                    let rows: [usize; MR] = std::array::from_fn(|r| row + r);
                    let tile = self.projection.tile::<S, MR>(simd, panel, rows);
                    store_gates(simd, &tile, panel, self.units, rows.map(|row| z.at(row * 4 * self.units)));
                });
            }
        }
    }
}

/// Writes a tile of a panel to rows of `4 units`.
///
/// # Safety
/// The rows must be writable.
#[inline(always)]
unsafe fn store_gates<S: Simd, const MR: usize>(
    simd: S,
    tile: &[[S::V; PANEL_VECTORS]; MR],
    panel: usize,
    units: usize,
    rows: [*mut f32; MR],
) {
    let first = panel * S::LANES;
    let count = S::LANES.min(units - first);
    for (gates, row) in tile.iter().zip(rows) {
        for (gate, &z) in gates.iter().enumerate() {
            // SAFETY: `first + count <= units`; the caller's promise.
            unsafe { store(simd, z, row.add(gate * units + first), count) };
        }
    }
}

/// A forward pass.
pub struct Forward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The order of steps.
    pub order: &'a Order,
    /// Units, the features of the states.
    pub units: usize,
    /// What comes in.
    pub input: Input<'a>,
    /// `U`, packed by gates.
    pub recurrent_kernel: &'a PackedMatrix,
    /// The activations.
    pub activations: Activations,
    /// [`Order::state_rows`] `x units`, the initial states by rank first; with `dropout` what it leaves of them.
    pub h: &'a mut [f32],
    /// As `h`.
    pub c: &'a mut [f32],
    /// For training, `rows x 4 units`: i, f, g and o of each row.
    pub gates: Option<&'a mut [f32]>,
    /// `units` columns of `batch x steps` rows, if the outputs of all steps are wanted; those of masked steps are left as
    /// they are.
    pub output: Option<Columns<'a>>,
    /// `batch x units`: each sequence's last `h`; that of a sequence without steps is left as it is.
    pub last: &'a mut [f32],
    /// `ranks x units`: what `h` is multiplied by on its way to the next step.
    pub dropout: Option<&'a [f32]>,
}

/// A forward pass cut into members, to be run all at once.
pub struct ForwardMembers<'a> {
    isa: Isa,
    order: &'a Order,
    units: usize,
    projection: Option<Projection<'a>>,
    /// Whether the projection is computed ahead of the steps.
    ahead: bool,
    z: Z<'a>,
    recurrent_kernel: &'a PackedMatrix,
    activations: Activations,
    h: Shared<'a>,
    c: Shared<'a>,
    gates: Option<Shared<'a>>,
    output: Option<Columns<'a>>,
    last: Shared<'a>,
    dropout: Option<&'a [f32]>,
    members: Members,
}

/// Where `x · W + b` stands.
enum Z<'a> {
    Nowhere,
    Given(Rows<'a>),
    /// A row for every one of the order.
    Whole(Shared<'a>),
    /// A row for each rank of so many steps, from the first that was computed ahead.
    Ahead(Shared<'a>, usize),
}

/// Rows that a member projects at a time: many enough to read `W` seldom, few enough to stay in the second-level cache
/// until their step comes.
const AHEAD_ROWS: usize = 128;

impl<'a> Forward<'a> {
    /// Cuts it into `ranks` runs of ranks times `columns` runs of columns, or fewer where there are not so many.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or a matrix was packed for another vector length.
    pub fn members(self, ranks: Vec<Range<usize>>, columns: usize) -> ForwardMembers<'a> {
        let Forward { isa, order, units, .. } = self;
        let training = self.gates.is_some();
        let gate_floats = volume(&[order.rows(), 4, units]);
        assert_eq!(self.h.len(), volume(&[order.state_rows(training), units]));
        assert_eq!(self.c.len(), self.h.len());
        assert_eq!(self.last.len(), volume(&[order.batch(), units]));
        assert!(self.gates.as_ref().is_none_or(|gates| gates.len() == gate_floats));
        let outputs = order.outputs().iter().max().map_or(0, |&last| last as usize + 1);
        if let Some(output) = &self.output {
            output.check(outputs, units);
        }
        assert!(self.dropout.is_none_or(|dropout| dropout.len() == self.last.len()));
        check_gates(isa, self.recurrent_kernel, units, units);
        assert!(ranks.first().is_none_or(|first| first.start == 0));
        assert!(ranks.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(ranks.last().is_some_and(|last| last.end == order.batch()));

        let gates = self.gates.map(Shared::new);
        let (projection, ahead, z) = match self.input {
            Input::Fused(projection) => (Some(projection), false, Z::Nowhere),
            Input::Ahead(projection, room) => match gates {
                Some(gates) => (Some(projection), true, Z::Whole(gates)),
                None => {
                    let steps = room.len() / volume(&[order.batch(), 4, units]).max(1);
                    assert!(steps > 0 || order.rows() == 0);
                    (Some(projection), true, Z::Ahead(Shared::new(room), steps))
                }
            },
            Input::Given(rows) => {
                rows.check(order.rows(), 4 * units);
                (None, false, Z::Given(rows))
            }
        };
        if let Some(projection) = &projection {
            projection.check(isa, order.rows(), units);
        }
        ForwardMembers {
            isa,
            order,
            units,
            projection,
            ahead,
            z,
            recurrent_kernel: self.recurrent_kernel,
            activations: self.activations,
            h: Shared::new(self.h),
            c: Shared::new(self.c),
            gates,
            output: self.output,
            last: Shared::new(self.last),
            dropout: self.dropout,
            members: Members::new(ranks, columns, units.div_ceil(isa.lanes())),
        }
    }
}

impl ForwardMembers<'_> {
    /// How many members there are.
    pub fn count(&self) -> usize {
        self.members.count()
    }

    /// Computes one member's share. All must run at the same time, each once.
    pub fn run(&self, member: usize) {
        let member = self.members.get(member);
        self.isa.dispatch(ForwardMember { pass: self, member });
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
        let order = self.pass.order;
        let mut scratch = Scratch::new();
        let mut step = 0;
        // The first rank is the longest: where it has ended, all have.
        let steps = self.member.ranks.clone().next().map_or(0, |rank| order.lengths()[rank]);
        while step < steps {
            let mut end = steps;
            if self.pass.ahead {
                end = self.steps_ahead(step).min(steps);
                self.project(simd, step..end);
            }
            let first = step;
            for step in first..end {
                for panel in self.member.panels.clone() {
                    self.panel(simd, step, panel, first, &mut scratch);
                }
                self.member.meet();
            }
            step = end;
        }
    }
}

impl ForwardMember<'_> {
    /// The step before which to stop projecting ahead, from `step` on.
    fn steps_ahead(&self, step: usize) -> usize {
        let order = self.pass.order;
        let room = match self.pass.z {
            Z::Ahead(_, steps) => steps,
            _ => order.steps(),
        };
        let (mut end, mut rows) = (step, 0);
        while end < order.steps() && end < step + room && rows < AHEAD_ROWS {
            rows += self.member.among(order.active(end)).len();
            end += 1;
        }
        end
    }

    /// Where `x · W + b` of a rank at a step stands, with steps computed ahead from `first` on.
    ///
    /// # Safety
    /// The step must be one of those.
    #[inline(always)]
    unsafe fn z(&self, step: usize, rank: usize, first: usize) -> *mut f32 {
        let gates = 4 * self.pass.units;
        // SAFETY: the caller's promise; `members` checked the room for so many steps of all ranks.
        unsafe {
            match &self.pass.z {
                Z::Whole(z) => z.at((self.pass.order.step(step).start + rank) * gates),
                Z::Ahead(z, _) => z.at(((step - first) * self.pass.order.batch() + rank) * gates),
                Z::Given(_) | Z::Nowhere => unreachable!("nothing is computed ahead"),
            }
        }
    }

    /// Computes `x · W + b` of the member's ranks and panels for some steps.
    #[inline(always)]
    fn project<S: Simd>(&self, simd: S, steps: Range<usize>) {
        for panel in self.member.panels.clone() {
            let mut places = [(0, 0); MAX_TILE_ROWS];
            let mut count = 0;
            for step in steps.clone() {
                for rank in self.member.among(self.pass.order.active(step)) {
                    places[count] = (step, rank);
                    count += 1;
                    if count == S::TILE_ROWS {
                        self.project_tile(simd, steps.start, panel, &places[..count]);
                        count = 0;
                    }
                }
            }
            if count > 0 {
                self.project_tile(simd, steps.start, panel, &places[..count]);
            }
        }
    }

    #[inline(always)]
    fn project_tile<S: Simd>(&self, simd: S, first: usize, panel: usize, places: &[(usize, usize)]) {
        let pass = self.pass;
        let Some(projection) = &pass.projection else { return };
        // SAFETY: `members` checked the projection for all rows; the places are of steps computed ahead from `first` on,
        // and they and the panel are this member's own.
        with_rows!(S, places.len(), MR => unsafe {
            let places: [(usize, usize); MR] = std::array::from_fn(|r| places[r]);
            let rows = places.map(|(step, rank)| pass.order.step(step).start + rank);
            let tile = projection.tile::<S, MR>(simd, panel, rows);
            store_gates(simd, &tile, panel, pass.units, places.map(|(step, rank)| self.z(step, rank, first)));
        });
    }

    /// One step of one panel for the member's ranks.
    #[inline(always)]
    fn panel<S: Simd>(&self, simd: S, step: usize, panel: usize, ahead: usize, scratch: &mut Scratch) {
        let ranks = self.member.among(self.pass.order.active(step));
        for (block, count) in row_blocks::<S>(ranks.len()) {
            let rank = ranks.start + block;
            with_rows!(S, count, MR => self.preactivations::<S, MR>(simd, step, panel, rank, ahead, scratch));
            for r in 0..count {
                self.update(simd, step, panel, rank + r, r, scratch);
            }
        }
    }

    /// Fills the scratch with `z` of units `panel LANES ..` for ranks `rank .. rank + MR`.
    #[inline(always)]
    fn preactivations<S: Simd, const MR: usize>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        rank: usize,
        ahead: usize,
        scratch: &mut Scratch,
    ) {
        let pass = self.pass;
        let (order, units) = (pass.order, pass.units);
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        let row = order.step(step).start + rank;
        // SAFETY: `members` checked every length and packing; `rank + MR <= active(step)`, and `panel` is one of the panels.
        // Nobody writes the states of the step before, nor `z` of this member's ranks and panels, while it runs.
        unsafe {
            let gates = |z: *const f32| std::array::from_fn(|gate| load(simd, z.add(gate * units + first), count));
            let mut tile: [[S::V; PANEL_VECTORS]; MR] = match (&pass.z, &pass.projection) {
                (Z::Given(rows), _) => std::array::from_fn(|r| gates(rows.at(row + r))),
                (Z::Whole(_) | Z::Ahead(..), _) => std::array::from_fn(|r| gates(self.z(step, rank + r, ahead))),
                (Z::Nowhere, Some(projection)) => projection.tile(simd, panel, std::array::from_fn(|r| row + r)),
                (Z::Nowhere, None) => unreachable!("`members` gives a projection where there is no z"),
            };
            let h = pass.h.at((order.state(step, pass.gates.is_some()) + rank) * units);
            let h: [*const f32; MR] = std::array::from_fn(|r| h.add(r * units).cast_const());
            accumulate_rows(simd, &mut tile, units, h, pass.recurrent_kernel.panel(panel).as_ptr());
            scratch.fill(simd, &tile);
        }
    }

    /// The cell's update of units `panel LANES ..` of one rank, from row `r` of the scratch.
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, step: usize, panel: usize, rank: usize, r: usize, scratch: &Scratch) {
        let pass = self.pass;
        let (order, units, training) = (pass.order, pass.units, pass.gates.is_some());
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        let row = order.step(step).start + rank;
        let before = (order.state(step, training) + rank) * units + first;
        let after = (order.state(step + 1, training) + rank) * units + first;
        let Activations { cell, gate } = pass.activations;
        // SAFETY: as in `preactivations`; `first + count <= units`; the scratch holds four vectors in row `r`. What is
        // written belongs to this member's ranks and panels.
        unsafe {
            let z = |g: usize| simd.load(scratch.as_ptr().add((r * PANEL_VECTORS + g) * S::LANES));
            let i = gate.apply(simd, z(0));
            let f = gate.apply(simd, z(1));
            let g = cell.apply(simd, z(2));
            let o = gate.apply(simd, z(3));
            if let Some(gates) = pass.gates {
                let at = gates.at(row * 4 * units + first);
                for (n, value) in [i, f, g, o].into_iter().enumerate() {
                    store(simd, value, at.add(n * units), count);
                }
            }
            let c = simd.mul_add(f, load(simd, pass.c.at(before), count), simd.mul(i, g));
            let h = simd.mul(o, cell.apply(simd, c));
            store(simd, c, pass.c.at(after), count);
            let carried = match pass.dropout {
                Some(dropout) => simd.mul(h, load(simd, dropout.as_ptr().add(rank * units + first), count)),
                None => h,
            };
            store(simd, carried, pass.h.at(after), count);
            if let Some(output) = &pass.output {
                store(simd, h, output.at(order.outputs()[row] as usize).add(first), count);
            }
            if step + 1 == order.lengths()[rank] {
                store(simd, h, pass.last.at(order.sequences()[rank] as usize * units + first), count);
            }
        }
    }
}

/// A backward pass through time, from what a training [`Forward`] left.
pub struct Backward<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// The order of steps.
    pub order: &'a Order,
    /// Units.
    pub units: usize,
    /// `Uᵀ`, packed by columns: `4 units x units`.
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

/// A backward pass cut into members, to be run all at once.
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
}

impl<'a> Backward<'a> {
    /// Cuts it as [`Forward::members`].
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
        assert_eq!((matrix.lanes(), matrix.depth(), matrix.columns()), (isa.lanes(), 4 * units, units));
        assert!(ranks.first().is_none_or(|first| first.start == 0));
        assert!(ranks.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert!(ranks.last().is_some_and(|last| last.end == order.batch()));
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
            members: Members::new(ranks, columns, matrix.panels()),
        }
    }
}

impl BackwardMembers<'_> {
    /// How many members there are.
    pub fn count(&self) -> usize {
        self.members.count()
    }

    /// Computes one member's share. All must run at the same time, each once.
    pub fn run(&self, member: usize) {
        let member = self.members.get(member);
        self.isa.dispatch(BackwardMember { pass: self, member });
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
        let mut scratch = Scratch::new();
        let steps = self.member.ranks.clone().next().map_or(0, |rank| self.pass.order.lengths()[rank]);
        for step in (0..steps).rev() {
            self.step(simd, Some(step), &mut scratch);
            self.member.meet();
        }
        if self.pass.wants_initial {
            self.step(simd, None, &mut scratch);
        }
    }
}

impl BackwardMember<'_> {
    /// Goes back through the cell at a step; `None` stands before the first.
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, step: Option<usize>, scratch: &mut Scratch) {
        for panel in self.member.panels.clone() {
            match self.pass.recurrent_transposed.panel_vectors(panel) {
                1 => self.panel::<S, 1>(simd, step, panel, scratch),
                2 => self.panel::<S, 2>(simd, step, panel, scratch),
                3 => self.panel::<S, 3>(simd, step, panel, scratch),
                _ => self.panel::<S, 4>(simd, step, panel, scratch),
            }
        }
    }

    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(&self, simd: S, step: Option<usize>, panel: usize, scratch: &mut Scratch) {
        let order = self.pass.order;
        let next = step.map_or(0, |step| step + 1);
        // Ranks that go on get their gradient from the next step, the others from the end.
        let going_on = self.member.among(order.active(next));
        for (block, count) in row_blocks::<S>(going_on.len()) {
            let rank = going_on.start + block;
            with_rows!(S, count, MR => self.state_gradient::<S, MR, NV>(simd, next, panel, rank, scratch));
            for r in 0..count {
                for v in 0..NV {
                    self.unit_gradients::<S, NV>(simd, step, panel, rank + r, v, Some((scratch, r)));
                }
            }
        }
        if let Some(step) = step {
            for rank in going_on.end..self.member.among(order.active(step)).end {
                for v in 0..NV {
                    self.unit_gradients::<S, NV>(simd, Some(step), panel, rank, v, None);
                }
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
        let gates = 4 * self.pass.units;
        let mut tile = [[simd.splat(0.0); NV]; MR];
        // SAFETY: `members` checked every length and packing; `rank + MR <= active(next)`. Nobody writes `dz` of the next
        // step any more.
        unsafe {
            let dz = self.pass.gates.at((self.pass.order.step(next).start + rank) * gates);
            let dz: [*const f32; MR] = std::array::from_fn(|r| dz.add(r * gates).cast_const());
            accumulate_rows(simd, &mut tile, gates, dz, self.pass.recurrent_transposed.panel(panel).as_ptr());
        }
        scratch.fill(simd, &tile);
    }

    /// Goes back through the cell at a step for one vector of units of one rank; the gradient of its `h` is in a row of the
    /// scratch, or, where its sequence ends, that of its last state.
    #[inline(always)]
    fn unit_gradients<S: Simd, const NV: usize>(
        &self,
        simd: S,
        step: Option<usize>,
        panel: usize,
        rank: usize,
        v: usize,
        scratch: Option<(&Scratch, usize)>,
    ) {
        let pass = self.pass;
        let (order, units) = (pass.order, pass.units);
        let first = (panel * PANEL_VECTORS + v) * S::LANES;
        let count = S::LANES.min(units - first);
        // SAFETY: as in `state_gradient`; `first + count <= units`; the scratch holds `NV` vectors a row. What is written
        // belongs to this member's ranks and panels.
        unsafe {
            let last = pass.dh.at(rank * units + first);
            let mut dh = match scratch {
                Some((scratch, r)) => {
                    let carried = simd.load(scratch.as_ptr().add((r * NV + v) * S::LANES));
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
            let Activations { cell, gate } = pass.activations;
            let gates = pass.gates.at(row * 4 * units + first);
            let [i, f, g, o] = std::array::from_fn(|n| load(simd, gates.add(n * units), count));
            let state = |step| pass.c.as_ptr().add((order.state(step, true) + rank) * units + first);
            let (c_before, c) = (load(simd, state(step), count), load(simd, state(step + 1), count));
            let shown = cell.apply(simd, c);
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
