//! `dW += Aᵀ · dZ` and `db += Σ dZ`: the gradients of weights that acted on every row of a batch, or on every time step
//! of every sequence.
//!
//! The work is cut by columns of `dZ`: a [`Panel`] packs its columns once and serves every operand and the bias from
//! them. The sum runs over rows in an order that depends on nothing but the sizes, so its bits are the same for any
//! number of threads.

use std::marker::PhantomData;

use super::accumulate::{Operand, PANEL_VECTORS, Scratch, accumulate, row_blocks, with_rows};
use super::{span, volume};
use crate::simd::{Isa, Kernel, MAX_LANES, Simd};

/// Rows of `dZ` packed at a time: with a full panel 64 KiB, which stays in the L2 cache.
const DEPTH_BLOCK: usize = 256;

/// Rows of equal width in memory, as `groups` runs of `steps` adjacent rows.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The floats, from row (0, 0) on.
    pub values: &'a [f32],
    /// Floats in a row.
    pub width: usize,
    /// Distance of groups.
    pub group_stride: usize,
}

impl Rows<'_> {
    fn check(&self, groups: usize, steps: usize) {
        let needed = span(groups, self.group_stride, volume(&[steps, self.width]));
        assert!(self.values.len() >= needed, "rows need {needed} floats of {}", self.values.len());
    }
}

/// Columns `column .. column + width` of a row-major matrix, to be written by one task while others write the rest.
struct ColumnBlock<'a> {
    base: *mut f32,
    stride: usize,
    matrix: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `ColumnBlock` is an exclusive borrow of its columns; `panels` hands each column to one block.
unsafe impl Send for ColumnBlock<'_> {}

/// The gradients that one panel of `dZ`'s columns gives.
pub struct Panel<'a> {
    isa: Isa,
    groups: usize,
    steps: usize,
    dz: Rows<'a>,
    column: usize,
    width: usize,
    operands: [Option<(Rows<'a>, ColumnBlock<'a>)>; 2],
    bias: Option<ColumnBlock<'a>>,
}

/// Cuts `dW_j += A_jᵀ · dZ` (up to two `j`) and `db += Σ dZ` into independent panels.
///
/// All row sets hold `groups x steps` rows; `dW_j` is row-major, `A_j.width x dZ.width`.
///
/// # Panics
/// Where a slice is too short for the sizes.
pub fn panels<'a>(
    isa: Isa,
    (groups, steps): (usize, usize),
    dz: Rows<'a>,
    operands: [Option<(Rows<'a>, &'a mut [f32])>; 2],
    bias: Option<&'a mut [f32]>,
) -> impl Iterator<Item = Panel<'a>> {
    dz.check(groups, steps);
    let operands = operands.map(|operand| {
        operand.map(|(rows, gradient)| {
            rows.check(groups, steps);
            assert_eq!(gradient.len(), rows.width * dz.width);
            (rows, gradient.as_mut_ptr())
        })
    });
    let bias = bias.map(|bias| {
        assert_eq!(bias.len(), dz.width);
        bias.as_mut_ptr()
    });
    let panel_width = PANEL_VECTORS * isa.lanes();
    (0..dz.width).step_by(panel_width).map(move |column| {
        let block = |base: *mut f32| {
            // SAFETY: `column < dz.width`, the length of a row of every matrix.
            let base = unsafe { base.add(column) };
            ColumnBlock { base, stride: dz.width, matrix: PhantomData }
        };
        Panel {
            isa,
            groups,
            steps,
            dz,
            column,
            width: panel_width.min(dz.width - column),
            operands: operands.map(|operand| operand.map(|(rows, base)| (rows, block(base)))),
            bias: bias.map(block),
        }
    })
}

impl Panel<'_> {
    /// Computes it.
    pub fn run(self) {
        self.isa.dispatch(self);
    }

    /// Calls `f(group, first step, steps, offset)` for the runs of adjacent rows among rows `from .. to` of the walk.
    #[inline(always)]
    fn runs(&self, from: usize, to: usize, mut f: impl FnMut(usize, usize, usize, usize)) {
        let mut row = from;
        while row < to {
            let (group, step) = (row / self.steps, row % self.steps);
            let count = (self.steps - step).min(to - row);
            f(group, step, count, row - from);
            row += count;
        }
    }
}

/// Packed columns of `dZ`.
#[repr(align(64))]
struct Packed([f32; DEPTH_BLOCK * PANEL_VECTORS * MAX_LANES]);

impl Kernel for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match self.width.div_ceil(S::LANES) {
            1 => self.walk::<S, 1>(simd),
            2 => self.walk::<S, 2>(simd),
            3 => self.walk::<S, 3>(simd),
            _ => self.walk::<S, 4>(simd),
        }
    }
}

impl Panel<'_> {
    #[inline(always)]
    fn walk<S: Simd, const NV: usize>(self, simd: S) {
        let mut packed = Packed([0.0; DEPTH_BLOCK * PANEL_VECTORS * MAX_LANES]);
        let mut scratch = Scratch::new();
        let rows = self.groups * self.steps;
        for from in (0..rows).step_by(DEPTH_BLOCK) {
            let to = rows.min(from + DEPTH_BLOCK);
            self.runs(from, to, |group, step, count, offset| {
                for i in 0..count {
                    let at = group * self.dz.group_stride + (step + i) * self.dz.width + self.column;
                    let target = (offset + i) * NV * S::LANES;
                    packed.0[target..target + self.width].copy_from_slice(&self.dz.values[at..at + self.width]);
                }
            });
            if let Some(bias) = &self.bias {
                self.add_bias::<S, NV>(simd, &packed, to - from, bias, &mut scratch);
            }
            for (rows, gradient) in self.operands.iter().flatten() {
                for (first, count) in row_blocks::<S>(rows.width) {
                    with_rows!(S, count, MR => {
                        self.add_tile::<S, MR, NV>(simd, &packed, (from, to), rows, first, gradient, &mut scratch)
                    });
                }
            }
        }
    }

    #[inline(always)]
    fn add_bias<S: Simd, const NV: usize>(
        &self,
        simd: S,
        packed: &Packed,
        depth: usize,
        bias: &ColumnBlock<'_>,
        scratch: &mut Scratch,
    ) {
        let one = [1.0f32];
        let mut tile = [[simd.splat(0.0); NV]];
        let ones = Operand { a: one.as_ptr(), row_stride: 0, depth_stride: 0 };
        // SAFETY: strides of 0 read only `one`; `packed` holds `DEPTH_BLOCK >= depth` rows of `NV` vectors.
        unsafe { accumulate(simd, &mut tile, depth, ones, packed.0.as_ptr()) };
        self.add_rows::<S, 1, NV>(simd, &tile, bias, 0, scratch);
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the tile's place and its three buffers, in one inlined call")]
    fn add_tile<S: Simd, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        packed: &Packed,
        (from, to): (usize, usize),
        rows: &Rows<'_>,
        first: usize,
        gradient: &ColumnBlock<'_>,
        scratch: &mut Scratch,
    ) {
        let mut tile = [[simd.splat(0.0); NV]; MR];
        self.runs(from, to, |group, step, count, offset| {
            // SAFETY: `Rows::check` bounds row (group, step + count - 1), `first + MR <= width`; `packed` holds the
            // `to - from <= DEPTH_BLOCK` rows of this block.
            unsafe {
                let a = rows.values.as_ptr().add(group * rows.group_stride + step * rows.width + first);
                let operand = Operand { a, row_stride: 1, depth_stride: rows.width };
                accumulate(simd, &mut tile, count, operand, packed.0.as_ptr().add(offset * NV * S::LANES));
            }
        });
        self.add_rows::<S, MR, NV>(simd, &tile, gradient, first, scratch);
    }

    /// Adds a tile to rows `first ..` of the block.
    #[inline(always)]
    fn add_rows<S: Simd, const MR: usize, const NV: usize>(
        &self,
        simd: S,
        tile: &[[S::V; NV]; MR],
        block: &ColumnBlock<'_>,
        first: usize,
        scratch: &mut Scratch,
    ) {
        scratch.fill(simd, tile);
        for r in 0..MR {
            for v in 0..NV {
                let count = S::LANES.min(self.width - v * S::LANES);
                // SAFETY: `panels` checked that the matrix has `first + MR` rows; `count` keeps within the block's columns,
                // which this task alone writes. `scratch` holds `MR x NV` vectors.
                unsafe {
                    let target = block.base.add((first + r) * block.stride + v * S::LANES);
                    let sum = simd.load(scratch.as_ptr().add((r * NV + v) * S::LANES));
                    simd.store_partial(simd.add(simd.load_partial(target, count), sum), target, count);
                }
            }
        }
    }
}
