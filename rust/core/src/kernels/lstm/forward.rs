//! The forward pass.

mod tiles;

use std::ops::Range;

use super::projection::Projection;
use super::sums::sum_gates;
use super::{Activations, gates_of};
use crate::kernels::accumulate::{
    Ahead, Coming, MAX_TILE_ROWS, PANEL_VECTORS, Scratch, load, row_blocks, rows_from, share, share_of, store,
    with_rows,
};
use crate::kernels::activation;
use crate::kernels::members::{Item, Member, Members, Pass};
use crate::kernels::order::Order;
use crate::kernels::pack::PackedMatrix;
use crate::kernels::rows::{Columns, Rows};
use crate::kernels::shared::Shared;
use crate::kernels::volume;
use crate::simd::{Isa, Kernel, Simd};

/// Where `x_t · W + b` comes from.
pub enum Input<'a> {
    /// Computed with `h_{t-1} · U`: where `W` and `U` are near enough to be read at every step.
    Fused(Projection<'a>),
    /// Computed for some steps at a time, where many rows share a read of `W`. The floats hold `4 units` for each row of
    /// so many steps as there is room for; in training the gates' place is used and none are needed.
    Ahead(Projection<'a>, &'a mut [f32]),
    /// Rows of `4 units` that are there already: row `n` of the order takes row `n` of these.
    Given(Rows<'a>),
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

/// A forward pass cut into members.
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
    links: usize,
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

/// The most panels of a wide tile. What becomes of a unit is one chain of some 250 cycles; three of them overlap each other, and
/// the sums of the panels that follow. More would leave less to follow.
const WIDE_PANELS: usize = 3;

/// Rows that a member projects at a time: many enough to read `W` seldom, few enough to stay in the second-level cache
/// until their step comes.
const AHEAD_ROWS: usize = 128;

/// What the cell's update of a tile of so many rows reads and writes, and weights that come after it. To ask for `c` of the step
/// before, too, gained nothing.
#[derive(Clone, Copy)]
struct ForUpdate<'a> {
    member: &'a ForwardMember<'a>,
    tile: Tile,
    rows: usize,
    coming: &'a [f32],
}

impl Ahead for ForUpdate<'_> {
    #[inline(always)]
    fn is_any(self) -> bool {
        let pass = self.member.pass;
        let reads = matches!(pass.z, Z::Given(_) | Z::Ahead(..));
        reads || pass.gates.is_some() || pass.output.is_some() || !self.coming.is_empty()
    }

    #[inline(always)]
    fn ask<S: Simd>(self, simd: S, terms: Range<usize>, of: usize) {
        let ForUpdate { member, tile: Tile { step, panel, rank, ahead }, rows, coming } = self;
        let (pass, order) = (member.pass, member.pass.order);
        let (units, first) = (pass.units, panel * S::LANES);
        for rank in share_of(rows, terms.clone(), of).map(|r| rank + r) {
            let row = order.step(step).start + rank;
            // SAFETY: only addresses are taken; `members` checked the lengths, and the ranks have the step.
            unsafe {
                // `Whole` is where the gates will stand, asked for below.
                let z = match &pass.z {
                    Z::Given(rows) => rows.at(row),
                    Z::Ahead(..) => member.z(step, rank, ahead),
                    Z::Nowhere | Z::Whole(_) => std::ptr::null(),
                };
                for gate in (0..PANEL_VECTORS).filter(|_| !z.is_null()) {
                    simd.prefetch(z.wrapping_add(gate * units + first));
                }
                if let Some(gates) = pass.gates {
                    for gate in 0..PANEL_VECTORS {
                        simd.prefetch_to_write(gates.at((row * 4 + gate) * units).wrapping_add(first));
                    }
                    let after = (order.state(step + 1, true) + rank) * units + first;
                    simd.prefetch_to_write(pass.c.at(after));
                    simd.prefetch_to_write(pass.h.at(after));
                }
                if let Some(output) = &pass.output {
                    simd.prefetch_to_write(output.at(order.outputs()[row] as usize).wrapping_add(first));
                }
            }
        }
        Coming(coming).ask(simd, terms, of);
    }
}

/// Where in a row of a tile the cell's update keeps `c` and `o`, when the sums that stood there have been read.
const C: usize = 2;
const O: usize = 3;

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
        self.recurrent_kernel.check_gates(isa, PANEL_VECTORS, units, units);

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
            assert_eq!(projection.kernel.tiles(), self.recurrent_kernel.tiles());
        }
        // On tiles an item takes a half or an eighth of the time, and is of all ranks.
        let depth = self.recurrent_kernel.tiles().is_none().then_some(units);
        let members = Members::new(ranks, order.batch(), columns, units.div_ceil(isa.lanes()), depth);
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
            // So many that threads end together, but of enough rows for a read of `W`.
            links: members.links(order, if ahead { AHEAD_ROWS / 2 } else { 1 }),
            members,
        }
    }
}

impl<'a> ForwardMembers<'a> {
    pub(super) fn order(&self) -> &'a Order {
        self.order
    }

    pub(super) fn output(&self) -> Option<&Columns<'a>> {
        self.output.as_ref()
    }

    /// The same, each member's share cut into so many links.
    pub(super) fn cut(self, links: usize) -> Self {
        assert!(!self.members.meets());
        ForwardMembers { links, ..self }
    }
}

impl Pass for ForwardMembers<'_> {
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
        let member = self.members.get(member);
        let steps = member.link(self.order, link, self.links);
        let member = ForwardMember { pass: self, member, steps };
        match self.recurrent_kernel.tiles() {
            None => self.isa.dispatch(member),
            Some(tiles) => tiles::run(tiles, &member),
        }
    }
}

struct ForwardMember<'a> {
    pass: &'a ForwardMembers<'a>,
    member: Member<'a>,
    steps: Range<usize>,
}

impl Kernel for ForwardMember<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut scratch = [Scratch::new(), Scratch::new()];
        let Range { start: mut step, end: steps } = self.steps;
        while step < steps {
            let mut end = steps;
            if self.pass.ahead {
                end = self.steps_ahead(step).min(steps);
                self.project(simd, step..end);
                if self.member.is_dealt() {
                    // Others may go on with what this member projected.
                    self.member.meet();
                }
            }
            let first = step;
            for step in first..end {
                let ranks = self.member.among(self.pass.order.active(step));
                if ranks.len() == 1 && !self.member.is_dealt() {
                    self.lone_rank(simd, step, ranks.start, first, &mut scratch);
                } else {
                    let tiles = ranks.len() / S::TILE_ROWS;
                    for item in self.member.items(step + self.pass.turn) {
                        let coming = self.pass.recurrent_kernel.coming(item.next, self.member.panels().len(), tiles);
                        self.panel(simd, step, &item, first, coming, &mut scratch);
                    }
                }
                self.member.meet();
            }
            step = end;
        }
    }
}

/// Units `panel LANES ..` of some ranks, from `rank` on, at a step, with steps projected ahead from `ahead` on. Where it is
/// wide, the units of some panels, from `panel` on, of one rank.
#[derive(Clone, Copy)]
struct Tile {
    step: usize,
    panel: usize,
    rank: usize,
    ahead: usize,
}

impl Tile {
    /// Rank and panel of its row `r`.
    #[inline(always)]
    fn place<const WIDE: bool>(self, r: usize) -> (usize, usize) {
        if WIDE { (self.rank, self.panel + r) } else { (self.rank + r, self.panel) }
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
        let Some(projection) = &self.pass.projection else { return };
        let mut sums = Scratch::new();
        let all: usize = steps.clone().map(|step| self.member.among(self.pass.order.active(step)).len()).sum();
        for item in self.member.items(0) {
            let coming = projection.kernel.coming(item.next, self.member.panels().len(), all / S::TILE_ROWS);
            let (part, parts) = item.part;
            let coming = share(coming, part..part + 1, parts);
            let rows: usize = steps.clone().map(|step| item.among(self.pass.order.active(step)).len()).sum();
            let mut places = [(0, 0); MAX_TILE_ROWS];
            let mut count = 0;
            let mut done = 0;
            for step in steps.clone() {
                for rank in item.among(self.pass.order.active(step)) {
                    places[count] = (step, rank);
                    count += 1;
                    if count == S::TILE_ROWS || done + count == rows {
                        let coming = share(coming, done..done + count, rows);
                        self.project_tile(simd, steps.start, item.panel, &places[..count], coming, &mut sums);
                        done += count;
                        count = 0;
                    }
                }
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
        coming: &[f32],
        sums: &mut Scratch,
    ) {
        let pass = self.pass;
        let Some(projection) = &pass.projection else { return };
        // SAFETY: `members` checked the projection for all rows; the places are of steps computed ahead from `first` on,
        // and they and the panel are of an item that this member alone was given.
        with_rows!(S, places.len(), MR => unsafe {
            let rows: [(usize, *mut f32); MR] = std::array::from_fn(|r| {
                let (step, rank) = places[r];
                (pass.order.step(step).start + rank, self.z(step, rank, first))
            });
            projection.store::<S, MR>(simd, panel, pass.units, rows, Coming(coming), sums);
        });
    }

    /// One step of an item.
    #[inline(always)]
    fn panel<S: Simd>(
        &self,
        simd: S,
        step: usize,
        item: &Item,
        ahead: usize,
        coming: &[f32],
        scratch: &mut [Scratch; 2],
    ) {
        let (ranks, panel, (part, parts)) = (item.among(self.pass.order.active(step)), item.panel, item.part);
        let coming = share(coming, part..part + 1, parts);
        for (block, count) in row_blocks::<S>(ranks.len()) {
            let coming = share(coming, block..block + count, ranks.len());
            let tile = Tile { step, panel, rank: ranks.start + block, ahead };
            with_rows!(S, count, MR => {
                self.sums::<S, MR>(simd, tile, coming, scratch);
                let [of_x, of_h] = &mut *scratch;
                self.update::<S, MR, false>(simd, tile, of_x, of_h);
            });
        }
    }

    /// One step of a rank that has no others beside it, in wide tiles.
    #[inline(always)]
    fn lone_rank<S: Simd>(&self, simd: S, step: usize, rank: usize, ahead: usize, scratch: &mut [Scratch; 2]) {
        let mut sums = [Scratch::new(), Scratch::new()];
        let [all_x, all_h] = scratch;
        for (panels, backwards) in self.wide_tiles(step) {
            let tile = Tile { step, panel: panels.start, rank, ahead };
            for r in 0..panels.len() {
                let r = if backwards { panels.len() - 1 - r } else { r };
                self.sums::<S, 1>(simd, Tile { panel: panels.start + r, ..tile }, &[], &mut sums);
                let [of_x, of_h] = &sums;
                // SAFETY: `sums` has just filled what is taken.
                unsafe {
                    all_h.take_row::<S, PANEL_VECTORS>(simd, r, of_h);
                    if matches!(self.pass.z, Z::Nowhere) {
                        all_x.take_row::<S, PANEL_VECTORS>(simd, r, of_x);
                    }
                }
            }
            self.wide_update(simd, tile, panels.len(), all_x, all_h);
        }
    }

    /// The member's panels in runs of up to [`WIDE_PANELS`], with whether they are taken from the last to the first, as the runs
    /// are.
    #[inline(always)]
    fn wide_tiles(&self, step: usize) -> impl Iterator<Item = (Range<usize>, bool)> + use<> {
        let own = self.member.panels();
        let backwards = Member::goes_back(step + self.pass.turn);
        let tiles = own.len().div_ceil(WIDE_PANELS);
        (0..tiles).map(move |i| {
            let i = if backwards { tiles - 1 - i } else { i };
            (own.start + i * own.len() / tiles..own.start + (i + 1) * own.len() / tiles, backwards)
        })
    }

    /// The cell's update of a wide tile of so many panels.
    #[inline(always)]
    fn wide_update<S: Simd>(&self, simd: S, tile: Tile, panels: usize, of_x: &Scratch, of_h: &mut Scratch) {
        match panels {
            1 => self.update::<S, 1, true>(simd, tile, of_x, of_h),
            2 => self.update::<S, 2, true>(simd, tile, of_x, of_h),
            _ => self.update::<S, WIDE_PANELS, true>(simd, tile, of_x, of_h),
        }
    }

    /// Fills the scratches with `h · U` and, where it is not there yet, `x · W` of a tile of `MR` ranks: sums of
    /// their own, which gives the same bits wherever `x · W` comes from, and smaller errors than one chain.
    #[inline(always)]
    fn sums<S: Simd, const MR: usize>(&self, simd: S, tile: Tile, coming: &[f32], [of_x, of_h]: &mut [Scratch; 2]) {
        let pass = self.pass;
        let Tile { step, panel, rank, .. } = tile;
        let training = pass.gates.is_some();
        // SAFETY: `members` checked every length and packing; `rank + MR <= active(step)`, and `panel` is one of the panels.
        // Nobody writes over the states of the step before until all members with these ranks have met after this one.
        unsafe {
            let row = pass.order.step(step).start + rank;
            if let (Z::Nowhere, Some(projection)) = (&pass.z, &pass.projection) {
                let rows = std::array::from_fn(|r| row + r);
                projection.sum::<S, MR>(simd, panel, rows, (), of_x);
            }
            let ahead = ForUpdate { member: self, tile, rows: MR, coming };
            let h = pass.h.at((pass.order.state(step, training) + rank) * pass.units);
            let h = rows_from(h, pass.units);
            sum_gates::<S, MR>(simd, h, (pass.recurrent_kernel, panel), ahead, of_h);
        }
    }

    /// The cell's update of a tile whose sums are in the scratches.
    #[inline(always)]
    fn update<S: Simd, const MR: usize, const WIDE: bool>(
        &self,
        simd: S,
        tile: Tile,
        of_x: &Scratch,
        of_h: &mut Scratch,
    ) {
        let (_, last) = tile.place::<WIDE>(MR - 1);
        if self.pass.activations.is_standard() && (last + 1) * S::LANES <= self.pass.units {
            self.cells::<S, MR, true, WIDE>(simd, tile, of_x, of_h);
        } else {
            self.cells::<S, MR, false, WIDE>(simd, tile, of_x, of_h);
        }
    }

    /// The cell's update of a tile of `MR` rows, from the scratches. `USUAL` says that the activations are the standard ones
    /// and the units fill the panels, which is compiled in.
    ///
    /// `tanh c` waits for everything before it, so it is taken of all rows together at the end.
    #[inline(always)]
    fn cells<S: Simd, const MR: usize, const USUAL: bool, const WIDE: bool>(
        &self,
        simd: S,
        tile: Tile,
        of_x: &Scratch,
        of_h: &mut Scratch,
    ) {
        let pass = self.pass;
        let Tile { step, panel, rank, ahead } = tile;
        let (order, units, training) = (pass.order, pass.units, pass.gates.is_some());
        let first = panel * S::LANES;
        let count = |r| match tile.place::<WIDE>(r) {
            _ if USUAL => S::LANES,
            (_, panel) => S::LANES.min(units - panel * S::LANES),
        };
        // From one row of the tile to the next, in the states and in rows of `4 units`.
        let (stride, gates_stride) = if WIDE { (S::LANES, S::LANES) } else { (units, 4 * units) };
        let row = order.step(step).start + rank;
        let after = (order.state(step + 1, training) + rank) * units + first;
        let standard = USUAL || pass.activations.is_standard();
        // SAFETY: as in `sums`, which filled the scratches; a row's units are among the `units`. What is written belongs to an
        // item that this member alone was given. The rows and states of a step's ranks are adjacent.
        unsafe {
            let c_before = pass.c.at((order.state(step, training) + rank) * units + first);
            let c_after = pass.c.at(after);
            // What is added to the sums, from gate to gate `z_stride` apart: x · W + b, or b where x · W is a sum, too. Before the
            // loop that stores, which would have the compiler look it up anew for each row.
            let z: [*const f32; MR] = match (&pass.z, &pass.projection) {
                // A bias has no narrow panel.
                (Z::Nowhere, Some(projection)) => {
                    rows_from(projection.bias_of(panel), if WIDE { PANEL_VECTORS * S::LANES } else { 0 })
                }
                (Z::Nowhere, None) => unreachable!("`members` gives a projection where there is no z"),
                (Z::Given(rows), _) if WIDE => rows_from(rows.at(row).add(first), S::LANES),
                (Z::Given(rows), _) => {
                    let mut z = [std::ptr::null(); MR];
                    for (r, z) in z.iter_mut().enumerate() {
                        *z = rows.at(row + r).add(first);
                    }
                    z
                }
                (Z::Whole(_) | Z::Ahead(..), _) => rows_from(self.z(step, rank, ahead).add(first), gates_stride),
            };
            let is_summed = matches!(pass.z, Z::Nowhere);
            let z_stride = if is_summed { S::LANES } else { units };
            for (r, &z) in z.iter().enumerate() {
                let count = count(r);
                let mut sums = gates_of(simd, z, z_stride, count);
                for (gate, sum) in sums.iter_mut().enumerate() {
                    if is_summed {
                        *sum = simd.add(*sum, of_x.vector::<S, PANEL_VECTORS>(simd, r, gate));
                    }
                    *sum = simd.add(*sum, of_h.vector::<S, PANEL_VECTORS>(simd, r, gate));
                }
                let [i, f, g, o] = if standard {
                    activation::gates(simd, sums)
                } else {
                    let Activations { cell, gate } = pass.activations;
                    let [i, f, g, o] = sums;
                    [gate.apply(simd, i), gate.apply(simd, f), cell.apply(simd, g), gate.apply(simd, o)]
                };
                if let Some(gates) = pass.gates {
                    let at = gates.at(row * 4 * units + first).add(r * gates_stride);
                    for (n, value) in [i, f, g, o].into_iter().enumerate() {
                        store(simd, value, at.add(n * units), count);
                    }
                }
                let c = simd.mul_add(f, load(simd, c_before.add(r * stride), count), simd.mul(i, g));
                store(simd, c, c_after.add(r * stride), count);
                // In the place of the sums.
                of_h.replace::<S, PANEL_VECTORS>(simd, r, C, c);
                of_h.replace::<S, PANEL_VECTORS>(simd, r, O, o);
            }
        }
        let mut c = [simd.splat(0.0); MR];
        for (r, c) in c.iter_mut().enumerate() {
            // SAFETY: the loop above put `c` there for each of the `MR` rows.
            *c = unsafe { of_h.vector::<S, PANEL_VECTORS>(simd, r, C) };
        }
        let shown = if standard {
            activation::tanhs(simd, c)
        } else {
            for c in &mut c {
                *c = pass.activations.cell.apply(simd, *c);
            }
            c
        };
        // The ranks before this one go on, the others end with this step.
        let going_on = order.active(step + 1);
        for (r, &shown) in shown.iter().enumerate() {
            let ((rank, panel), count) = (tile.place::<WIDE>(r), count(r));
            let (row, first) = (order.step(step).start + rank, panel * S::LANES);
            // SAFETY: as above; o stands in the scratch, in the place of its sum.
            unsafe {
                let h = simd.mul(of_h.vector::<S, PANEL_VECTORS>(simd, r, O), shown);
                let carried = match pass.dropout {
                    Some(dropout) => simd.mul(h, load(simd, dropout.as_ptr().add(rank * units + first), count)),
                    None => h,
                };
                store(simd, carried, pass.h.at(after + r * stride), count);
                if let Some(output) = &pass.output {
                    store(simd, h, output.at(order.outputs()[row] as usize).add(first), count);
                }
                if rank >= going_on {
                    let last = order.sequences()[rank] as usize * units + first;
                    store(simd, h, pass.last.at(last), count);
                }
            }
        }
    }
}
