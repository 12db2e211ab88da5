//! The backward pass through time with products on tiles: `dz` of a step's ranks is rounded once for all panels.

use super::{BackwardMember, ForGradients};
use crate::kernels::accumulate::{Ahead, PANEL_VECTORS};
use crate::kernels::state::with_vectors;
use crate::kernels::tiled::{RoundedRows, TileSums, tile_blocks, with_rounded};
use crate::simd::{Simd, TileKernel, Tiles};

/// Goes back through a member's steps.
pub(super) fn run(tiles: Tiles, share: &BackwardMember<'_>) {
    with_rounded(|[dz, _]| tiles.dispatch(OnTiles { share, dz }));
}

struct OnTiles<'a> {
    share: &'a BackwardMember<'a>,
    dz: &'a mut RoundedRows,
}

impl TileKernel for OnTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S, tiles: Tiles) {
        let mut sums = TileSums::new();
        for step in self.share.steps.clone().rev() {
            self.step(simd, tiles, Some(step), &mut sums);
            self.share.member.meet();
        }
        if self.share.last {
            self.step(simd, tiles, None, &mut sums);
        }
    }
}

impl OnTiles<'_> {
    /// Goes back through the cell at a step; `None` stands before the first.
    #[inline(always)]
    fn step<S: Simd>(&mut self, simd: S, tiles: Tiles, step: Option<usize>, sums: &mut TileSums) {
        let BackwardMember { pass, member, .. } = self.share;
        let (order, gates) = (pass.order, 4 * pass.units);
        let next = step.map_or(0, |step| step + 1);
        // Ranks that go on get their gradient from the next step, the others from the end.
        let going_on = member.among(order.active(next));
        self.dz.resize(going_on.len(), gates);
        for (row, rank) in going_on.clone().enumerate() {
            // SAFETY: `members` checked the gates of every row; nobody writes `dz` of the next step any more.
            unsafe { self.dz.round(tiles, row, pass.gates.at((order.step(next).start + rank) * gates)) };
        }
        for item in member.items(step.unwrap_or(0)) {
            let panel = item.panel;
            with_vectors!(pass.recurrent_transposed.panel_vectors(panel), NV => {
                for (row, rows) in tile_blocks(going_on.len()) {
                    if let Some(step) = step {
                        ForGradients { pass, step, panel, rank: going_on.start + row, rows, vectors: NV }.ask_all(simd);
                    }
                    // SAFETY: the rows were rounded above; `members` checked the packing.
                    unsafe { self.dz.product(tiles, (row, rows), pass.recurrent_transposed.panel_tiles(panel), sums) };
                    for r in 0..rows {
                        let (rank, sums) = (going_on.start + row + r, Some(sums.row(r)));
                        self.share.row_gradients::<S, NV, PANEL_VECTORS>(simd, step, panel, rank, sums);
                    }
                }
                let ending = step.map_or(0..0, |step| going_on.end..member.among(order.active(step)).end);
                for rank in ending {
                    self.share.row_gradients::<S, NV, PANEL_VECTORS>(simd, step, panel, rank, None);
                }
            });
        }
    }
}
