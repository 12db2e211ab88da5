//! What passes over cells with one state share: the way of `h` from step to step and out, and its gradient's way back.

use super::accumulate::{PANEL_VECTORS, Scratch, load, rows_from, store, sum_rows};
use super::order::Order;
use super::pack::PackedMatrix;
use super::rows::{Columns, Rows};
use super::shared::Shared;
use super::volume;
use crate::simd::{Isa, Simd};

/// The states of a forward pass and what it shows of them.
pub struct States<'a> {
    /// The order of steps.
    pub order: &'a Order,
    /// Units, the features of the states.
    pub units: usize,
    /// Whether every state is kept.
    pub training: bool,
    /// [`Order::state_rows`] `x units`, the initial states by rank first.
    pub h: &'a mut [f32],
    /// What dropout leaves of each `h` on its way through `U`, as `h`; and what it multiplies by, `ranks x units`.
    pub dropped: Option<(&'a mut [f32], &'a [f32])>,
    /// `units` columns of `batch x steps` rows, if the outputs of all steps are wanted; those of masked steps are left as
    /// they are.
    pub output: Option<Columns<'a>>,
    /// `batch x units`: each sequence's last `h`; that of a sequence without steps is left as it is.
    pub last: &'a mut [f32],
}

/// [`States`] that members write, each its own ranks.
pub(super) struct SharedStates<'a> {
    pub(super) order: &'a Order,
    pub(super) units: usize,
    pub(super) training: bool,
    h: Shared<'a>,
    dropped: Option<(Shared<'a>, &'a [f32])>,
    output: Option<Columns<'a>>,
    last: Shared<'a>,
}

impl<'a> States<'a> {
    /// # Panics
    /// Where a slice does not have the length that the sizes give it.
    pub(super) fn shared(self) -> SharedStates<'a> {
        let States { order, units, training, .. } = self;
        assert_eq!(self.h.len(), volume(&[order.state_rows(training), units]));
        assert_eq!(self.last.len(), volume(&[order.batch(), units]));
        if let Some((dropped, factors)) = &self.dropped {
            assert!(dropped.len() == self.h.len() && factors.len() == self.last.len());
        }
        if let Some(output) = &self.output {
            output.check(order.outputs().iter().max().map_or(0, |&last| last as usize + 1), units);
        }
        SharedStates {
            order,
            units,
            training,
            h: Shared::new(self.h),
            dropped: self.dropped.map(|(dropped, factors)| (Shared::new(dropped), factors)),
            output: self.output,
            last: Shared::new(self.last),
        }
    }
}

impl SharedStates<'_> {
    /// Where the `h` of a rank before a step begins.
    ///
    /// # Safety
    /// The rank must have the step, or it must be its last and the next be asked for.
    #[inline(always)]
    pub(super) unsafe fn h(&self, step: usize, rank: usize) -> *mut f32 {
        // SAFETY: `States::shared` checked the room for every state; the caller's promise.
        unsafe { self.h.at((self.order.state(step, self.training) + rank) * self.units) }
    }

    /// As [`SharedStates::h`], what dropout leaves of it.
    ///
    /// # Safety
    /// As for [`SharedStates::h`].
    #[inline(always)]
    pub(super) unsafe fn left(&self, step: usize, rank: usize) -> *mut f32 {
        let states = self.dropped.map_or(self.h, |(dropped, _)| dropped);
        // SAFETY: as in `h`; both have the same length.
        unsafe { states.at((self.order.state(step, self.training) + rank) * self.units) }
    }

    /// Fills the sums with `h · U` of a panel for ranks `rank .. rank + MR` at a step.
    ///
    /// # Safety
    /// The ranks must have the step; `panel` must be one of `NV` vectors of a matrix as deep as there are units. Nobody
    /// else may write these ranks' states.
    #[inline(always)]
    pub(super) unsafe fn sum<S: Simd, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        step: usize,
        rank: usize,
        panel: &[f32],
        sums: &mut Scratch,
    ) {
        // SAFETY: the states of a step's ranks are adjacent rows; the caller's promise.
        unsafe {
            let h = rows_from(self.left(step, rank), self.units);
            sum_rows::<S, MR, NV>(simd, self.units, h, panel.as_ptr(), (), sums);
        }
    }

    /// Writes units `first .. first + count` of a rank's new `h` wherever they go.
    ///
    /// # Safety
    /// The rank must have the step, `first + count <= units`, `count <= LANES`; nobody else may write this rank's states.
    #[inline(always)]
    pub(super) unsafe fn show<S: Simd>(
        &self,
        simd: S,
        step: usize,
        rank: usize,
        (first, count): (usize, usize),
        h: S::V,
    ) {
        let (order, units) = (self.order, self.units);
        // SAFETY: `States::shared` checked the lengths; the caller's promise.
        unsafe {
            store(simd, h, self.h(step + 1, rank).add(first), count);
            if let Some((_, factors)) = self.dropped {
                let factor = load(simd, factors.as_ptr().add(rank * units + first), count);
                store(simd, simd.mul(h, factor), self.left(step + 1, rank).add(first), count);
            }
            if let Some(output) = &self.output {
                let place = order.outputs()[order.step(step).start + rank];
                store(simd, h, output.at(place as usize).add(first), count);
            }
            if step + 1 == order.lengths()[rank] {
                store(simd, h, self.last.at(order.sequences()[rank] as usize * units + first), count);
            }
        }
    }
}

/// The gradient of the states in a backward pass.
pub struct StateGradients<'a> {
    /// The order of steps.
    pub order: &'a Order,
    /// Units.
    pub units: usize,
    /// The gradient of the outputs, if all were given out: row `n` of the order takes row `n` of these.
    pub d_output: Option<Rows<'a>>,
    /// `ranks x units`: the gradient of the last `h`; becomes that of the initial one, if that is wanted.
    pub dh: &'a mut [f32],
    /// What `h` was multiplied by on its way through `U`, `ranks x units`.
    pub factors: Option<&'a [f32]>,
    /// Whether the gradient of the initial `h` is wanted.
    pub wants_initial: bool,
}

/// [`StateGradients`] that members write, each its own ranks.
pub(super) struct SharedGradients<'a> {
    pub(super) order: &'a Order,
    pub(super) units: usize,
    pub(super) wants_initial: bool,
    d_output: Option<Rows<'a>>,
    /// What of the gradient does not come through `U`.
    dh: Shared<'a>,
    factors: Option<&'a [f32]>,
}

impl<'a> StateGradients<'a> {
    /// # Panics
    /// Where a slice does not have the length that the sizes give it.
    pub(super) fn shared(self) -> SharedGradients<'a> {
        let StateGradients { order, units, .. } = self;
        assert_eq!(self.dh.len(), volume(&[order.batch(), units]));
        assert!(self.factors.is_none_or(|factors| factors.len() == self.dh.len()));
        if let Some(d_output) = &self.d_output {
            d_output.check(order.rows(), units);
        }
        SharedGradients {
            order,
            units,
            wants_initial: self.wants_initial,
            d_output: self.d_output,
            dh: Shared::new(self.dh),
            factors: self.factors,
        }
    }
}

impl SharedGradients<'_> {
    /// The gradient of units `first .. first + count` of a rank's `h` after a step (`None`: of the initial one):
    /// what was kept for it, what comes `through` the next step's `U`, and the output's.
    ///
    /// # Safety
    /// The rank must have the step, `first + count <= units`, `count <= LANES`; nobody else may write this rank's.
    #[inline(always)]
    pub(super) unsafe fn total<S: Simd>(
        &self,
        simd: S,
        step: Option<usize>,
        rank: usize,
        (first, count): (usize, usize),
        through: Option<S::V>,
    ) -> S::V {
        // SAFETY: `StateGradients::shared` checked the lengths; the caller's promise.
        unsafe {
            let mut dh = load(simd, self.dh.at(rank * self.units + first), count);
            if let Some(through) = through {
                dh = simd.add(dh, self.left(simd, rank, (first, count), through));
            }
            if let (Some(step), Some(d_output)) = (step, &self.d_output) {
                let row = self.order.step(step).start + rank;
                dh = simd.add(dh, load(simd, d_output.at(row).add(first), count));
            }
            dh
        }
    }

    /// What dropout leaves of units `first .. first + count` of a gradient that came through `U`.
    ///
    /// # Safety
    /// As for [`SharedGradients::total`].
    #[inline(always)]
    pub(super) unsafe fn left<S: Simd>(
        &self,
        simd: S,
        rank: usize,
        (first, count): (usize, usize),
        through: S::V,
    ) -> S::V {
        let Some(factors) = self.factors else { return through };
        // SAFETY: as in `total`.
        let factors = unsafe { load(simd, factors.as_ptr().add(rank * self.units + first), count) };
        simd.mul(through, factors)
    }

    /// Keeps what of the gradient of units `first .. first + count` of a rank's `h` before a step does not come through
    /// `U`.
    ///
    /// # Safety
    /// As for [`SharedGradients::total`].
    #[inline(always)]
    pub(super) unsafe fn keep<S: Simd>(&self, simd: S, rank: usize, (first, count): (usize, usize), dh: S::V) {
        // SAFETY: as in `total`.
        unsafe { store(simd, dh, self.dh.at(rank * self.units + first), count) };
    }
}

/// The units of vector `v` of a panel: the first and how many.
#[inline(always)]
pub(super) fn columns_of<S: Simd>(panel: usize, v: usize, units: usize) -> (usize, usize) {
    let first = (panel * PANEL_VECTORS + v) * S::LANES;
    (first, S::LANES.min(units - first))
}

/// # Panics
/// Where a matrix was not packed for vectors of this instruction set and `depth x columns`.
pub(super) fn check_packed(isa: Isa, matrix: &PackedMatrix, depth: usize, columns: usize) {
    matrix.check(isa, depth, columns);
    assert!(matrix.tiles().is_none() && !matrix.has_turned());
}

/// Calls `$body` with the constant `$NV` equal to `$vectors`, for `1..=PANEL_VECTORS`.
macro_rules! with_vectors {
    ($vectors:expr, $NV:ident => $body:expr) => {{
        match $vectors {
            1 => {
                const $NV: usize = 1;
                $body
            }
            2 => {
                const $NV: usize = 2;
                $body
            }
            3 => {
                const $NV: usize = 3;
                $body
            }
            _ => {
                const $NV: usize = 4;
                $body
            }
        }
    }};
}
pub(super) use with_vectors;
