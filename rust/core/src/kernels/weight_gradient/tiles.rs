//! Gradients of weights on tiles: of a block of rows the columns of `A` are rounded and turned once for all panels of `dZ`.

use std::cell::Cell;
use std::ops::Range;

use super::{DEPTH_BLOCK, Parts, Share, add};
use crate::kernels::AlignedBuffer;
use crate::kernels::accumulate::{PANEL_VECTORS, load, store, with_rows};
use crate::kernels::shared::Shared;
use crate::kernels::state::with_vectors;
use crate::kernels::tiled::TileSums;
use crate::simd::{Bf16, Simd, TILE_DEPTH, TILE_LEN, TILE_SIDE, TileKernel, Tiles};

/// The most tiles that a block of rows is deep.
const DEPTH: usize = DEPTH_BLOCK / TILE_DEPTH;

const BYTES: usize = TILE_LEN * size_of::<Bf16>();

thread_local! {
    /// Where a thread rounds operands to, kept from block to block.
    static ROUNDED: Cell<AlignedBuffer> = Cell::default();
}

/// Computes a block of a part.
pub(super) fn run(tiles: Tiles, all: &Parts<'_>, panels: Range<usize>, part: (usize, usize), block: usize) {
    let (row, rows) = part;
    let shares = [&all.operands[0], &all.operands[1]].map(|operand| {
        let (a, gradient) = operand.as_ref()?;
        Some(Share { a, gradient: *gradient, columns: row * a.width / rows..(row + 1) * a.width / rows })
    });
    let columns: usize = shares.iter().flatten().map(|share| share.columns.len().div_ceil(TILE_SIDE)).sum();
    let mut rounded = ROUNDED.take();
    let floats = DEPTH * (PANEL_VECTORS + columns) * BYTES / size_of::<f32>();
    rounded.resize(floats).expect("memory for a block of rows");
    let blocks = all.blocks();
    let rows = block * all.rows / blocks..(block + 1) * all.rows / blocks;
    let bias = all.bias.filter(|_| row == 0);
    tiles.dispatch(Addend { all, panels, shares, bias, rows, rounded: &mut rounded });
    ROUNDED.set(rounded);
}

/// What a block of rows adds to some panels of columns and some rows of each `dW`.
struct Addend<'a> {
    all: &'a Parts<'a>,
    panels: Range<usize>,
    shares: [Option<Share<'a>>; 2],
    bias: Option<Shared<'a>>,
    rows: Range<usize>,
    rounded: &'a mut AlignedBuffer,
}

impl TileKernel for Addend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S, tiles: Tiles) {
        let depth = self.rows.len().div_ceil(TILE_DEPTH);
        let dz = self.rounded.as_mut_ptr().cast::<Bf16>();
        // SAFETY: `run` made room for `DEPTH` tiles of a panel, and for as many of every 16 columns of the shares.
        let a = unsafe { dz.add(DEPTH * PANEL_VECTORS * TILE_LEN) };
        let mut next = a;
        for share in self.shares.iter().flatten() {
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
        for panel in self.panels.clone() {
            let column = self.all.columns.start + panel * PANEL_VECTORS * S::LANES;
            let width = (self.all.columns.end - column).min(PANEL_VECTORS * S::LANES);
            with_vectors!(width.div_ceil(S::LANES), NV => {
                self.round_panel::<S, NV>(simd, tiles, (column, width), dz);
                self.panel::<S, NV>(simd, tiles, (column, width), (a, dz), &mut sums);
            });
        }
    }
}

impl Addend<'_> {
    /// Rounds a panel of `dZ`, and adds its columns' sums to the bias.
    #[inline(always)]
    fn round_panel<S: Simd, const NV: usize>(
        &self,
        simd: S,
        tiles: Tiles,
        (column, width): (usize, usize),
        target: *mut Bf16,
    ) {
        let depth = self.rows.len().div_ceil(TILE_DEPTH);
        for v in 0..NV {
            let (first, count) = (column + v * S::LANES, S::LANES.min(width - v * S::LANES));
            let mut sum = simd.splat(0.0);
            for pair in 0..depth * TILE_SIDE {
                let mut rows = [None; 2];
                for (r, row) in rows.iter_mut().enumerate() {
                    let at = self.rows.start + 2 * pair + r;
                    if at < self.rows.end {
                        // SAFETY: `parts` checked the rows; `first + count` is within the columns.
                        unsafe {
                            let dz = self.all.dz.at(at).add(first);
                            *row = Some(dz);
                            sum = simd.add(sum, load(simd, dz, count));
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
            if let Some(bias) = self.bias {
                // SAFETY: the part with the first rows alone writes these columns of the bias, one block after another.
                unsafe {
                    let bias = bias.at(first);
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
        (a, dz): (*const Bf16, *const Bf16),
        sums: &mut TileSums,
    ) {
        let depth = self.rows.len().div_ceil(TILE_DEPTH);
        let stride = self.all.dz.width;
        let vector = |v: usize| S::LANES.min(width - v * S::LANES);
        let mut next = a;
        for share in self.shares.iter().flatten() {
            for row in share.columns.clone().step_by(TILE_SIDE) {
                let rows = TILE_SIDE.min(share.columns.end - row);
                // SAFETY: both operands are rounded; this part alone writes these rows and columns of the gradient, one block after
                // another.
                unsafe {
                    tiles.product(depth, (next, TILE_DEPTH * size_of::<Bf16>(), BYTES), dz, sums.as_mut_ptr());
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
