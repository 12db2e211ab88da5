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

use super::accumulate::{MAX_TILE_ROWS, PANEL_VECTORS, Scratch, load, row_blocks, store, sum_rows, with_rows};
use super::activation::{self, Activation};
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

impl Activations {
    fn is_standard(self) -> bool {
        (self.cell, self.gate) == (Activation::Tanh, Activation::Sigmoid)
    }
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
    /// The panels, there and back in turn: what was read last is still in the cache, where all of it does not fit.
    fn panels(&self, turn: usize) -> impl Iterator<Item = usize> {
        let Range { start, end } = self.panels;
        (start..end).map(move |panel| if turn.is_multiple_of(2) { panel } else { start + end - 1 - panel })
    }

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

    /// Fills `sums` with `x · W` of a panel, for the rows of `x` given.
    ///
    /// # Safety
    /// [`Projection::check`] must have passed for those rows; `panel` must be one of the panels.
    #[inline(always)]
    unsafe fn sum<S: Simd, const MR: usize>(&self, simd: S, panel: usize, rows: [usize; MR], sums: &mut Scratch) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = rows.map(|row| self.x.at(row));
            let kernel = self.kernel.panel(panel).as_ptr();
            sum_rows::<S, MR, PANEL_VECTORS>(simd, self.kernel.depth(), x, kernel, sums);
        }
    }

    /// `x · W + b` of a gate, for row `r` of the sums.
    ///
    /// # Safety
    /// [`Projection::sum`] must have filled the sums with this panel and more than `r` rows.
    #[inline(always)]
    unsafe fn z<S: Simd>(&self, simd: S, panel: usize, r: usize, gate: usize, sums: &Scratch) -> S::V {
        // SAFETY: the caller's promise; `check` saw that the bias is packed by gates.
        unsafe {
            let bias = simd.load(self.bias.panel(panel).as_ptr().add(gate * S::LANES));
            simd.add(sums.vector::<S, PANEL_VECTORS>(simd, r, gate), bias)
        }
    }

    /// Writes `x · W + b` of a panel to rows of `4 units`.
    ///
    /// # Safety
    /// As for [`Projection::sum`]; the rows must be writable.
    #[inline(always)]
    unsafe fn store<S: Simd, const MR: usize>(
        &self,
        simd: S,
        panel: usize,
        units: usize,
        rows: [(usize, *mut f32); MR],
        sums: &mut Scratch,
    ) {
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        // SAFETY: `first + count <= units`; the caller's promise.
        unsafe {
            self.sum(simd, panel, rows.map(|(row, _)| row), sums);
            for (r, (_, target)) in rows.into_iter().enumerate() {
                for gate in 0..PANEL_VECTORS {
                    store(simd, self.z(simd, panel, r, gate, sums), target.add(gate * units + first), count);
                }
            }
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
        let mut sums = Scratch::new();
        for panel in 0..self.units.div_ceil(S::LANES) {
            for (row, rows) in row_blocks::<S>(self.rows) {
                // SAFETY: `run` checked the sizes; `row + rows <= self.rows`.
                with_rows!(S, rows, MR => unsafe {
                    let rows = std::array::from_fn(|r| (row + r, z.at((row + r) * 4 * self.units)));
                    self.projection.store::<S, MR>(simd, panel, self.units, rows, &mut sums);
                });
            }
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
    /// Which pass over these weights this is: every other one reads them backwards.
    pub turn: usize,
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
    turn: usize,
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
            turn: self.turn,
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
        let mut scratch = [Scratch::new(), Scratch::new()];
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
                for panel in self.member.panels(step + self.pass.turn) {
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
        let mut sums = Scratch::new();
        for panel in self.member.panels.clone() {
            let mut places = [(0, 0); MAX_TILE_ROWS];
            let mut count = 0;
            for step in steps.clone() {
                for rank in self.member.among(self.pass.order.active(step)) {
                    places[count] = (step, rank);
                    count += 1;
                    if count == S::TILE_ROWS {
                        self.project_tile(simd, steps.start, panel, &places[..count], &mut sums);
                        count = 0;
                    }
                }
            }
            if count > 0 {
                self.project_tile(simd, steps.start, panel, &places[..count], &mut sums);
            }
        }
    }

    #[inline(always)]
    fn project_tile<S: Simd>(
        &self,
        simd: S,
        first: usize,
        panel: usize,
        places: &[(usize, usize)],
        sums: &mut Scratch,
    ) {
        let pass = self.pass;
        let Some(projection) = &pass.projection else { return };
        // SAFETY: `members` checked the projection for all rows; the places are of steps computed ahead from `first` on,
        // and they and the panel are this member's own.
        with_rows!(S, places.len(), MR => unsafe {
            let rows: [(usize, *mut f32); MR] = std::array::from_fn(|r| {
                let (step, rank) = places[r];
                (pass.order.step(step).start + rank, self.z(step, rank, first))
            });
            projection.store::<S, MR>(simd, panel, pass.units, rows, sums);
        });
    }

    /// One step of one panel for the member's ranks.
    #[inline(always)]
    fn panel<S: Simd>(&self, simd: S, step: usize, panel: usize, ahead: usize, scratch: &mut [Scratch; 2]) {
        let ranks = self.member.among(self.pass.order.active(step));
        for (block, count) in row_blocks::<S>(ranks.len()) {
            let rank = ranks.start + block;
            with_rows!(S, count, MR => {
                self.sums::<S, MR>(simd, step, panel, rank, ahead, scratch);
                // The usual cell's functions are compiled in, so that they overlap.
                if self.pass.activations.is_standard() {
                    self.cells::<S, MR, true>(simd, step, panel, rank, ahead, scratch);
                } else {
                    self.cells::<S, MR, false>(simd, step, panel, rank, ahead, scratch);
                }
            });
        }
    }

    /// Fills the scratches with `h · U` and, where it is not there yet, `x · W` of units `panel LANES ..` for ranks
    /// `rank .. rank + MR`: sums of their own, which gives the same bits wherever `x · W` comes from, and smaller errors
    /// than one chain.
    #[inline(always)]
    fn sums<S: Simd, const MR: usize>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        rank: usize,
        ahead: usize,
        [of_x, of_h]: &mut [Scratch; 2],
    ) {
        let pass = self.pass;
        // SAFETY: `members` checked every length and packing; `rank + MR <= active(step)`, and `panel` is one of the panels.
        // Nobody writes the states of the step before while this member runs.
        unsafe {
            let row = pass.order.step(step).start + rank;
            for r in 0..MR {
                self.ask(simd, step, row + r, rank + r, panel * S::LANES, ahead);
            }
            if let (Z::Nowhere, Some(projection)) = (&pass.z, &pass.projection) {
                projection.sum::<S, MR>(simd, panel, std::array::from_fn(|r| row + r), of_x);
            }
            let h = pass.h.at((pass.order.state(step, pass.gates.is_some()) + rank) * pass.units);
            let h = rows_from(h, pass.units);
            let kernel = pass.recurrent_kernel.panel(panel).as_ptr();
            sum_rows::<S, MR, PANEL_VECTORS>(simd, pass.units, h, kernel, of_h);
        }
    }

    /// Asks for what the cell's update reads and writes, which the sums leave time to fetch.
    #[inline(always)]
    fn ask<S: Simd>(&self, simd: S, step: usize, row: usize, rank: usize, first: usize, ahead: usize) {
        let pass = self.pass;
        // SAFETY: as in `sums`.
        let z: *const f32 = unsafe {
            match &pass.z {
                Z::Nowhere => match pass.gates {
                    Some(gates) => gates.at(row * 4 * pass.units),
                    None => return,
                },
                Z::Given(rows) => {
                    if let Some(gates) = pass.gates {
                        ask_gates(simd, gates.at(row * 4 * pass.units), pass.units, first);
                    }
                    rows.at(row)
                }
                Z::Whole(_) | Z::Ahead(..) => self.z(step, rank, ahead),
            }
        };
        ask_gates(simd, z, pass.units, first);
    }

    /// The cell's update of units `panel LANES ..` of ranks `rank .. rank + MR`, from the scratches.
    ///
    /// `tanh c` waits for everything before it, so it is taken of all ranks together at the end.
    #[inline(always)]
    fn cells<S: Simd, const MR: usize, const STANDARD: bool>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        rank: usize,
        ahead: usize,
        scratch: &mut [Scratch; 2],
    ) {
        let [of_x, of_h] = scratch;
        let mut c = [simd.splat(0.0); MR];
        for (r, c) in c.iter_mut().enumerate() {
            *c = self.gates::<S, STANDARD>(simd, step, panel, rank + r, ahead, (of_x, of_h, r));
        }
        let shown = if STANDARD {
            activation::tanhs(simd, c)
        } else {
            for c in &mut c {
                *c = self.pass.activations.cell.apply(simd, *c);
            }
            c
        };
        for (r, &shown) in shown.iter().enumerate() {
            // SAFETY: `gates` left o in the scratch, in the place of its sum.
            let o = unsafe { of_h.vector::<S, PANEL_VECTORS>(simd, r, PANEL_VECTORS - 1) };
            self.show(simd, step, panel, rank + r, simd.mul(o, shown));
        }
    }

    /// The gates of one rank from row `r` of the scratches; leaves o there and returns `c`.
    #[inline(always)]
    fn gates<S: Simd, const STANDARD: bool>(
        &self,
        simd: S,
        step: usize,
        panel: usize,
        rank: usize,
        ahead: usize,
        (of_x, of_h, r): (&Scratch, &mut Scratch, usize),
    ) -> S::V {
        let pass = self.pass;
        let (order, units, training) = (pass.order, pass.units, pass.gates.is_some());
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        let row = order.step(step).start + rank;
        let before = (order.state(step, training) + rank) * units + first;
        let after = (order.state(step + 1, training) + rank) * units + first;
        let Activations { cell, gate } = pass.activations;
        // SAFETY: as in `sums`, which filled row `r` of the scratches; `first + count <= units`. What is written belongs to
        // this member's ranks and panels.
        unsafe {
            let mut z: [S::V; PANEL_VECTORS] = match (&pass.z, &pass.projection) {
                (Z::Nowhere, Some(projection)) => [
                    projection.z(simd, panel, r, 0, of_x),
                    projection.z(simd, panel, r, 1, of_x),
                    projection.z(simd, panel, r, 2, of_x),
                    projection.z(simd, panel, r, 3, of_x),
                ],
                (Z::Nowhere, None) => unreachable!("`members` gives a projection where there is no z"),
                (Z::Given(rows), _) => gates_of(simd, rows.at(row), units, first, count),
                (Z::Whole(_) | Z::Ahead(..), _) => gates_of(simd, self.z(step, rank, ahead), units, first, count),
            };
            for (gate, z) in z.iter_mut().enumerate() {
                *z = simd.add(*z, of_h.vector::<S, PANEL_VECTORS>(simd, r, gate));
            }
            let [i, f, g, o] = if STANDARD {
                activation::gates(simd, z)
            } else {
                [gate.apply(simd, z[0]), gate.apply(simd, z[1]), cell.apply(simd, z[2]), gate.apply(simd, z[3])]
            };
            if let Some(gates) = pass.gates {
                let at = gates.at(row * 4 * units + first);
                for (n, value) in [i, f, g, o].into_iter().enumerate() {
                    store(simd, value, at.add(n * units), count);
                }
            }
            of_h.replace::<S, PANEL_VECTORS>(simd, r, PANEL_VECTORS - 1, o);
            let c = simd.mul_add(f, load(simd, pass.c.at(before), count), simd.mul(i, g));
            store(simd, c, pass.c.at(after), count);
            c
        }
    }

    /// Writes `h` of one rank wherever it goes.
    #[inline(always)]
    fn show<S: Simd>(&self, simd: S, step: usize, panel: usize, rank: usize, h: S::V) {
        let pass = self.pass;
        let (order, units) = (pass.order, pass.units);
        let first = panel * S::LANES;
        let count = S::LANES.min(units - first);
        let after = (order.state(step + 1, pass.gates.is_some()) + rank) * units + first;
        // SAFETY: as in `gates`.
        unsafe {
            let carried = match pass.dropout {
                Some(dropout) => simd.mul(h, load(simd, dropout.as_ptr().add(rank * units + first), count)),
                None => h,
            };
            store(simd, carried, pass.h.at(after), count);
            if let Some(output) = &pass.output {
                let place = order.outputs()[order.step(step).start + rank];
                store(simd, h, output.at(place as usize).add(first), count);
            }
            if step + 1 == order.lengths()[rank] {
                store(simd, h, pass.last.at(order.sequences()[rank] as usize * units + first), count);
            }
        }
    }
}

/// Asks for the gates of units from `first` on in a row of `4 units`.
#[inline(always)]
fn ask_gates<S: Simd>(simd: S, row: *const f32, units: usize, first: usize) {
    for gate in 0..PANEL_VECTORS {
        simd.prefetch(row.wrapping_add(gate * units + first));
    }
}

/// Addresses of rows `stride` apart.
#[inline(always)]
fn rows_from<const MR: usize>(first: *const f32, stride: usize) -> [*const f32; MR] {
    // A loop, not a closure: see `kernels`.
    let mut rows = [first; MR];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = first.wrapping_add(r * stride);
    }
    rows
}

/// The gates of units `first .. first + count` in a row of `4 units`.
///
/// # Safety
/// The row must be readable, `first + count <= units`.
#[inline(always)]
unsafe fn gates_of<S: Simd>(
    simd: S,
    row: *const f32,
    units: usize,
    first: usize,
    count: usize,
) -> [S::V; PANEL_VECTORS] {
    // SAFETY: the caller's promise.
    unsafe {
        let row = row.add(first);
        [
            load(simd, row, count),
            load(simd, row.add(units), count),
            load(simd, row.add(2 * units), count),
            load(simd, row.add(3 * units), count),
        ]
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
        for panel in self.member.panels(step.unwrap_or(0)) {
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
                self.row_gradients::<S, NV>(simd, step, panel, rank + r, Some((scratch, r)));
            }
        }
        if let Some(step) = step {
            for rank in going_on.end..self.member.among(order.active(step)).end {
                self.row_gradients::<S, NV>(simd, Some(step), panel, rank, None);
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
        if let Some(step) = next.checked_sub(1) {
            // What the step's gradients read, which the sums leave time to fetch.
            for r in rank..rank + MR {
                let row = self.pass.order.step(step).start + r;
                let c = (self.pass.order.state(step, true) + r) * self.pass.units;
                for v in 0..NV {
                    let first = (panel * PANEL_VECTORS + v) * S::LANES;
                    // SAFETY: only the rows' addresses are taken; `members` checked them.
                    unsafe {
                        ask_gates(simd, self.pass.gates.at(row * gates), self.pass.units, first);
                        simd.prefetch(self.pass.c.as_ptr().wrapping_add(c + first));
                        if let Some(d_output) = &self.pass.d_output {
                            simd.prefetch(d_output.at(row).wrapping_add(first));
                        }
                    }
                }
            }
        }
        // SAFETY: `members` checked every length and packing; `rank + MR <= active(next)`. Nobody writes `dz` of the next
        // step any more.
        unsafe {
            let dz = self.pass.gates.at((self.pass.order.step(next).start + rank) * gates);
            let dz = rows_from(dz, gates);
            let kernel = self.pass.recurrent_transposed.panel(panel).as_ptr();
            sum_rows::<S, MR, NV>(simd, gates, dz, kernel, scratch);
        }
    }

    /// Goes back through the cell at a step for the units of a panel of one rank.
    #[inline(always)]
    fn row_gradients<S: Simd, const NV: usize>(
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
                self.unit_gradients::<S, NV, true>(simd, step, panel, rank, (v, shown), scratch);
            } else {
                self.unit_gradients::<S, NV, false>(simd, step, panel, rank, (v, shown), scratch);
            }
        }
    }

    /// Goes back through the cell at a step for vector `v` of a panel's units of one rank, `shown` being what its activation
    /// makes of `c`. The gradient of its `h` is in a row of the scratch, or, where its sequence ends, that of its last state.
    #[inline(always)]
    fn unit_gradients<S: Simd, const NV: usize, const STANDARD: bool>(
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
        // SAFETY: as in `state_gradient`; `first + count <= units`; the scratch holds `NV` vectors a row. What is written
        // belongs to this member's ranks and panels.
        unsafe {
            let last = pass.dh.at(rank * units + first);
            let mut dh = match scratch {
                Some((scratch, r)) => {
                    let carried = scratch.vector::<S, NV>(simd, r, v);
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
            let [i, f, g, o] = gates_of(simd, gates, units, 0, count);
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
