//! The forward pass with products on tiles: `h` and `x` of a step's ranks are rounded once for all panels.

use std::ops::Range;

use super::{ForUpdate, ForwardMember, Tile, Z};
use crate::kernels::accumulate::{Ahead, PANEL_VECTORS, Scratch, with_rows};
use crate::kernels::tiled::{RoundedRows, TileSums, tile_blocks, with_rounded};
use crate::simd::{Simd, TILE_SIDE, TileKernel, Tiles};

/// Computes a member's steps.
pub(super) fn run(tiles: Tiles, share: &ForwardMember<'_>) {
    with_rounded(|[x, h]| tiles.dispatch(OnTiles { share, x, h }));
}

struct OnTiles<'a> {
    share: &'a ForwardMember<'a>,
    x: &'a mut RoundedRows,
    h: &'a mut RoundedRows,
}

impl TileKernel for OnTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S, tiles: Tiles) {
        let mut sums = [TileSums::new(), TileSums::new()];
        let mut wide = [const { Scratch::new() }; 2];
        let Range { start: mut step, end: steps } = self.share.steps.clone();
        while step < steps {
            let mut end = steps;
            if self.share.pass.ahead {
                end = self.share.steps_ahead(step).min(steps);
                self.project(simd, tiles, step..end, &mut sums[0]);
            }
            let first = step;
            for step in first..end {
                let ranks = self.share.member.among(self.share.pass.order.active(step));
                self.round(tiles, step, ranks.clone());
                if ranks.len() == 1 {
                    self.lone_rank(simd, tiles, step, ranks.start, first, &mut sums, &mut wide);
                } else {
                    for item in self.share.member.items(step + self.share.pass.turn) {
                        self.panel(simd, tiles, step, (item.panel, ranks.clone()), first, &mut sums);
                    }
                }
                self.share.member.meet();
            }
            step = end;
        }
    }
}

impl OnTiles<'_> {
    /// Rounds what a step multiplies.
    #[inline(always)]
    fn round(&mut self, tiles: Tiles, step: usize, ranks: Range<usize>) {
        let pass = self.share.pass;
        let (order, units) = (pass.order, pass.units);
        self.h.resize(ranks.len(), units);
        let state = order.state(step, pass.gates.is_some());
        for (row, rank) in ranks.clone().enumerate() {
            // SAFETY: `members` checked the room for every state, and nobody writes over those of the step before until all members
            // with these ranks have met.
            unsafe { self.h.round(tiles, row, pass.h.at((state + rank) * units)) };
        }
        if let (Z::Nowhere, Some(projection)) = (&pass.z, &pass.projection) {
            let first = order.step(step).start;
            let rows = first + ranks.start..first + ranks.end;
            // SAFETY: `members` checked the projection for all rows.
            unsafe { self.x.take(tiles, &projection.x, rows, (0, projection.kernel.depth())) };
        }
    }

    /// Fills `of_h` with `h · U` and, where it is not there yet, `of_x` with `x · W` of a panel for up to 16 of the rounded rows.
    ///
    /// # Safety
    /// They must be rounded, and `panel` be one of the panels.
    #[inline(always)]
    unsafe fn sums(&self, tiles: Tiles, panel: usize, rows: (usize, usize), [of_x, of_h]: &mut [TileSums; 2]) {
        let pass = self.share.pass;
        // SAFETY: `members` checked the packing; the caller's promise.
        unsafe {
            self.h.product(tiles, rows, pass.recurrent_kernel.panel_tiles(panel), of_h);
            if let (Z::Nowhere, Some(projection)) = (&pass.z, &pass.projection) {
                self.x.product(tiles, rows, projection.kernel.panel_tiles(panel), of_x);
            }
        }
    }

    /// One step of a panel.
    #[inline(always)]
    fn panel<S: Simd>(
        &self,
        simd: S,
        tiles: Tiles,
        step: usize,
        (panel, ranks): (usize, Range<usize>),
        ahead: usize,
        sums: &mut [TileSums; 2],
    ) {
        for (row, rows) in tile_blocks(ranks.len()) {
            let tile = Tile { step, panel, rank: ranks.start + row, ahead };
            ForUpdate { member: self.share, tile, rows, coming: &[] }.ask_all(simd);
            // SAFETY: `round` rounded these ranks.
            unsafe { self.sums(tiles, panel, (row, rows), sums) };
            let [of_x, of_h] = &mut *sums;
            for ((first, count, of_h), (_, _, of_x)) in of_h.parts(rows).zip(of_x.parts(rows)) {
                let tile = Tile { rank: tile.rank + first, ..tile };
                with_rows!(S, count, MR => self.share.update::<S, MR, false>(simd, tile, of_x, of_h));
            }
        }
    }

    /// One step of a rank that has no others beside it, in wide tiles.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "scratch of its caller")]
    fn lone_rank<S: Simd>(
        &self,
        simd: S,
        tiles: Tiles,
        step: usize,
        rank: usize,
        ahead: usize,
        sums: &mut [TileSums; 2],
        [all_x, all_h]: &mut [Scratch; 2],
    ) {
        for (panels, backwards) in self.share.wide_tiles(step) {
            let wide_tile = Tile { step, panel: panels.start, rank, ahead };
            for r in 0..panels.len() {
                let r = if backwards { panels.len() - 1 - r } else { r };
                let tile = Tile { panel: panels.start + r, ..wide_tile };
                ForUpdate { member: self.share, tile, rows: 1, coming: &[] }.ask_all(simd);
                // SAFETY: `round` rounded the rank; its sums are in the first row.
                unsafe {
                    self.sums(tiles, tile.panel, (0, 1), sums);
                    let [of_x, of_h] = &*sums;
                    all_h.take_row::<S, PANEL_VECTORS>(simd, r, of_h.row(0).0);
                    if matches!(self.share.pass.z, Z::Nowhere) {
                        all_x.take_row::<S, PANEL_VECTORS>(simd, r, of_x.row(0).0);
                    }
                }
            }
            self.share.wide_update(simd, wide_tile, panels.len(), all_x, all_h);
        }
    }

    /// Computes `x · W + b` of the member's ranks and panels for some steps.
    #[inline(always)]
    fn project<S: Simd>(&mut self, simd: S, tiles: Tiles, steps: Range<usize>, sums: &mut TileSums) {
        let pass = self.share.pass;
        let Some(projection) = &pass.projection else { return };
        let ranks = |step| self.share.member.among(pass.order.active(step));
        let rows: usize = steps.clone().map(|step| ranks(step).len()).sum();
        self.x.resize(rows, projection.kernel.depth());
        let mut row = 0;
        for step in steps.clone() {
            for rank in ranks(step) {
                // SAFETY: `members` checked the projection for all rows.
                unsafe { self.x.round(tiles, row, projection.x.at(pass.order.step(step).start + rank)) };
                row += 1;
            }
        }
        for item in self.share.member.items(0) {
            let mut row = 0;
            for step in steps.clone() {
                for rank in ranks(step) {
                    // SAFETY: the rows were rounded above; the steps are computed ahead from the first of them on, and they and the
                    // panel are of an item that this member alone was given.
                    unsafe {
                        if row % TILE_SIDE == 0 {
                            self.x.product(
                                tiles,
                                (row, TILE_SIDE.min(rows - row)),
                                projection.kernel.panel_tiles(item.panel),
                                sums,
                            );
                        }
                        let (sums, r) = sums.row(row % TILE_SIDE);
                        let z = self.share.z(step, rank, steps.start);
                        projection.put(simd, item.panel, pass.units, z, sums, r);
                    }
                    row += 1;
                }
            }
        }
    }
}
