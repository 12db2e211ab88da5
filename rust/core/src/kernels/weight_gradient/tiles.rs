//! Gradients of weights on tiles: of a block of rows the columns of `A` are rounded and turned once for all panels of `dZ`.

use std::cell::Cell;
use std::ops::Range;

use super::{DEPTH_BLOCK, Share, Task, add, panels};
use crate::kernels::AlignedBuffer;
use crate::kernels::accumulate::{MAX_TILE_ROWS, PANEL_VECTORS, load, store, with_rows};
use crate::kernels::shared::Shared;
use crate::kernels::state::with_vectors;
use crate::kernels::tiled::TileSums;
use crate::simd::{Bf16, LeftTiles, Simd, TILE_DEPTH, TILE_LEN, TILE_SIDE, TileKernel, Tiles};

/// The most tiles that a block of rows is deep.
const DEPTH: usize = DEPTH_BLOCK / TILE_DEPTH;

const BYTES: usize = TILE_LEN * size_of::<Bf16>();

thread_local! {
    /// Where a thread rounds operands to, kept from block to block.
    static ROUNDED: Cell<AlignedBuffer> = Cell::default();
}

/// Columns of `A` rounded at a time: with a panel of `dZ` 832 KiB, which stay in the second-level cache.
const GROUP: usize = 768;

/// Computes a block of a part.
pub(super) fn run(tiles: Tiles, task: Task<'_>) {
    let width = task.shares().iter().flatten().map(Share::width).sum();
    let mut rounded = ROUNDED.take();
    let floats = DEPTH * (PANEL_VECTORS + GROUP.min(width) / TILE_SIDE) * BYTES / size_of::<f32>();
    rounded.resize(floats).expect("memory for a block of rows");
    tiles.dispatch(Addend { rows: task.rows(), task, rounded: &mut rounded });
    ROUNDED.set(rounded);
}

/// A task on tiles.
struct Addend<'a> {
    task: Task<'a>,
    rows: Range<usize>,
    rounded: &'a mut AlignedBuffer,
}

impl TileKernel for Addend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S, tiles: Tiles) {
        const { assert!(S::TILE_ROWS <= MAX_TILE_ROWS) };
        let (shares, mut bias) = (self.task.shares(), self.task.bias());
        if shares.iter().flatten().map(Share::width).sum::<usize>() <= GROUP {
            // A panel of `dZ` is rounded once for both.
            return self.group(simd, tiles, &shares, bias);
        }
        for share in shares.iter().flatten() {
            let groups = share.columns.len().div_ceil(GROUP);
            for group in 0..groups {
                self.group(simd, tiles, &[Some(share.part(group, groups)), None], bias.take());
            }
        }
    }
}

impl Addend<'_> {
    /// Adds what the block brings to some rows of the gradients, and to the bias.
    #[inline(always)]
    fn group<S: Simd>(&mut self, simd: S, tiles: Tiles, shares: &[Option<Share<'_>>; 2], bias: Option<Shared<'_>>) {
        let depth = self.rows.len().div_ceil(TILE_DEPTH);
        let dz = self.rounded.as_mut_ptr().cast::<Bf16>();
        // SAFETY: `run` made room for `DEPTH` tiles of a panel, and for as many of every 16 columns of a group.
        let a = unsafe { dz.add(DEPTH * PANEL_VECTORS * TILE_LEN) };
        let mut next = a;
        for share in shares.iter().flatten() {
            for column in share.columns.clone().step_by(TILE_SIDE) {
                let count = TILE_SIDE.min(share.columns.end - column);
                for block in 0..depth {
                    let mut rows = [None; TILE_DEPTH];
                    for (r, row) in rows.iter_mut().enumerate() {
                        let at = self.rows.start + block * TILE_DEPTH + r;
                        // SAFETY: `parts` checked the rows.
                        *row = (at < self.rows.end).then(|| unsafe { share.a.at(at).add(column) });
                    }
                    // SAFETY: as above.
                    unsafe {
                        tiles.round_turned(rows, count, next);
                        next = next.add(TILE_LEN);
                    }
                }
            }
        }
        let mut sums = TileSums::new();
        for Range { start: column, end } in panels(&self.task.columns, S::LANES) {
            let width = end - column;
            with_vectors!(width.div_ceil(S::LANES), NV => {
                self.round_panel::<S, NV>(simd, tiles, (column, width), bias, dz);
                self.panel::<S, NV>(simd, tiles, (column, width), shares, (a, dz), &mut sums);
            });
        }
    }

    /// Rounds a panel of `dZ`, and adds its columns' sums to the bias.
    #[inline(always)]
    fn round_panel<S: Simd, const NV: usize>(
        &self,
        simd: S,
        tiles: Tiles,
        (column, width): (usize, usize),
        bias: Option<Shared<'_>>,
        target: *mut Bf16,
    ) {
        let pairs = self.rows.len().div_ceil(TILE_DEPTH) * TILE_SIDE;
        for v in 0..NV {
            let (first, count) = (column + v * S::LANES, S::LANES.min(width - v * S::LANES));
            // Of even and of odd rows.
            let mut sums = [simd.splat(0.0); 2];
            for pair in 0..pairs {
                let mut rows = [None; 2];
                for (r, row) in rows.iter_mut().enumerate() {
                    let at = self.rows.start + 2 * pair + r;
                    if at < self.rows.end {
                        // SAFETY: `parts` checked the rows; `first + count` is within the columns.
                        unsafe {
                            let dz = self.task.all.dz.at(at).add(first);
                            *row = Some(dz);
                            if bias.is_some() {
                                sums[r] = simd.add(sums[r], load(simd, dz, count));
                            }
                        }
                    }
                }
                let (block, pair) = (pair / TILE_SIDE, pair % TILE_SIDE);
                // SAFETY: there is room for `DEPTH` tiles of a panel.
                unsafe {
                    let tile = target.add((block * PANEL_VECTORS + v) * TILE_LEN);
                    tiles.round_pairs(rows, count, tile.add(pair * TILE_DEPTH));
                }
            }
            if let Some(bias) = bias {
                // SAFETY: the part with the first rows alone writes these columns of the bias, one block after another.
                unsafe {
                    let (bias, sum) = (bias.at(first), simd.add(sums[0], sums[1]));
                    store(simd, simd.add(load(simd, bias, count), sum), bias, count);
                }
            }
        }
    }

    /// Adds the product of the rounded operands to some rows and columns of the gradients.
    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(
        &self,
        simd: S,
        tiles: Tiles,
        (column, width): (usize, usize),
        shares: &[Option<Share<'_>>; 2],
        (a, dz): (*const Bf16, *const Bf16),
        sums: &mut TileSums,
    ) {
        let depth = self.rows.len().div_ceil(TILE_DEPTH);
        let stride = self.task.all.dz.width;
        let vector = |v: usize| S::LANES.min(width - v * S::LANES);
        let mut next = a;
        for share in shares.iter().flatten() {
            for row in share.columns.clone().step_by(TILE_SIDE) {
                let rows = TILE_SIDE.min(share.columns.end - row);
                // SAFETY: both operands are rounded; this part alone writes these rows and columns of the gradient, one block after
                // another.
                unsafe {
                    let a = LeftTiles { first: next, stride: TILE_DEPTH * size_of::<Bf16>(), step: BYTES };
                    tiles.product(rows, depth, a, dz, sums.as_mut_ptr());
                    next = next.add(depth * TILE_LEN);
                    for (first, count, sums) in sums.parts(rows) {
                        let target = share.gradient.at((row + first) * stride + column);
                        with_rows!(S, count, MR => add::<S, MR, NV, PANEL_VECTORS>(simd, sums, target, stride, vector));
                    }
                }
            }
        }
    }
}
