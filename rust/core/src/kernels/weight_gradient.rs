//! `dW += Aᵀ · dZ` and `db += Σ dZ`: the gradients of weights that acted on every row of a batch, or on every time step
//! of every sequence.
//!
//! The work is cut into tiles of `dW`; each block of rows is packed once for the tiles of a task and is then still in the
//! cache. The sum runs over rows in an order that depends on nothing but the sizes, so its bits are the same for any
//! number of threads.

use std::ops::Range;

use super::accumulate::{PANEL_VECTORS, accumulate, load, row_blocks, store, with_rows};
use super::rows::Rows;
use super::shared::Shared;
use super::volume;
use crate::simd::{Isa, Kernel, MAX_LANES, Simd};

/// Rows of `dZ` packed at a time: with a full panel 64 KiB, which stays in the second-level cache.
const DEPTH_BLOCK: usize = 256;

/// The gradients of up to two weights and a bias that all acted on the same rows.
pub struct WeightGradient<'a> {
    /// How many rows.
    pub rows: usize,
    /// `dZ`.
    pub dz: Rows<'a>,
    /// `A_j` and `dW_j`, row-major, `A_j.width x dZ.width`; added to.
    pub operands: [Option<(Rows<'a>, &'a mut [f32])>; 2],
    /// `db`, added to.
    pub bias: Option<&'a mut [f32]>,
}

/// A [`WeightGradient`] cut into tasks.
pub struct Tasks<'a> {
    isa: Isa,
    rows: usize,
    dz: Rows<'a>,
    operands: [Option<(Rows<'a>, Shared<'a>)>; 2],
    bias: Option<Shared<'a>>,
    /// The columns of `dZ`, and so of every gradient, that are computed.
    columns: Range<usize>,
    /// How many runs of columns, and of rows of `dW`.
    cuts: (usize, usize),
}

impl<'a> WeightGradient<'a> {
    /// Cuts it into about `parts` tasks.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it.
    pub fn tasks(self, isa: Isa, parts: usize) -> Tasks<'a> {
        let columns = 0..self.dz.width;
        self.tasks_of(columns, isa, parts)
    }

    /// As [`WeightGradient::tasks`], of some columns alone: the others of every gradient stay as they are.
    ///
    /// # Panics
    /// Where a slice does not have the length that the sizes give it, or there are not so many columns.
    pub fn tasks_of(self, columns: Range<usize>, isa: Isa, parts: usize) -> Tasks<'a> {
        let width = self.dz.width;
        assert!(columns.start <= columns.end && columns.end <= width);
        self.dz.check(self.rows, width);
        let operands = self.operands.map(|operand| {
            operand.map(|(a, gradient)| {
                a.check(self.rows, a.width);
                assert_eq!(gradient.len(), volume(&[a.width, width]));
                (a, Shared::new(gradient))
            })
        });
        let bias = self.bias.map(Shared::new);
        assert!(bias.is_none_or(|bias| bias.len() == width));
        let runs = parts.clamp(1, columns.len().div_ceil(PANEL_VECTORS * isa.lanes()).max(1));
        Tasks { isa, rows: self.rows, dz: self.dz, operands, bias, columns, cuts: (runs, parts.div_ceil(runs)) }
    }
}

impl Tasks<'_> {
    /// How many tasks there are.
    pub fn count(&self) -> usize {
        self.cuts.0 * self.cuts.1
    }

    /// Computes one of them; each is to be computed once.
    pub fn run(&self, task: usize) {
        let (columns, rows) = self.cuts;
        let panels = self.columns.len().div_ceil(PANEL_VECTORS * self.isa.lanes());
        let (column, row) = (task % columns, task / columns);
        let panels = column * panels / columns..(column + 1) * panels / columns;
        self.isa.dispatch(Task { all: self, panels, row: (row, rows) });
    }
}

/// Some panels of columns, and one of several runs of rows of each `dW`.
struct Task<'a> {
    all: &'a Tasks<'a>,
    panels: Range<usize>,
    row: (usize, usize),
}

/// Packed columns of `dZ`.
#[repr(align(64))]
struct Packed([f32; DEPTH_BLOCK * PANEL_VECTORS * MAX_LANES]);

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut packed = Packed([0.0; DEPTH_BLOCK * PANEL_VECTORS * MAX_LANES]);
        for from in (0..self.all.rows).step_by(DEPTH_BLOCK) {
            let rows = from..self.all.rows.min(from + DEPTH_BLOCK);
            for panel in self.panels.clone() {
                let column = self.all.columns.start + panel * PANEL_VECTORS * S::LANES;
                let width = (self.all.columns.end - column).min(PANEL_VECTORS * S::LANES);
                match width.div_ceil(S::LANES) {
                    1 => self.panel::<S, 1>(simd, rows.clone(), column, width, &mut packed),
                    2 => self.panel::<S, 2>(simd, rows.clone(), column, width, &mut packed),
                    3 => self.panel::<S, 3>(simd, rows.clone(), column, width, &mut packed),
                    _ => self.panel::<S, 4>(simd, rows.clone(), column, width, &mut packed),
                }
            }
        }
    }
}

impl Task<'_> {
    /// Adds what a block of rows brings to some columns.
    #[inline(always)]
    fn panel<S: Simd, const NV: usize>(
        &self,
        simd: S,
        rows: Range<usize>,
        column: usize,
        width: usize,
        packed: &mut Packed,
    ) {
        let vector = |v: usize| S::LANES.min(width - v * S::LANES);
        for (i, row) in rows.clone().enumerate() {
            for v in 0..NV {
                // SAFETY: `tasks` checked the rows; `packed` holds `DEPTH_BLOCK` rows of `NV` vectors, `vector` keeps within
                // the columns.
                unsafe {
                    let dz = load(simd, self.all.dz.at(row).add(column + v * S::LANES), vector(v));
                    simd.store(dz, packed.0.as_mut_ptr().add((i * NV + v) * S::LANES));
                }
            }
        }
        if let Some(bias) = self.all.bias.filter(|_| self.row.0 == 0) {
            let one = 1.0f32;
            let mut tile = [[simd.splat(0.0); NV]];
            // SAFETY: `packed` holds the rows; `add` as below.
            unsafe {
                accumulate(simd, &mut tile, rows.len(), |_, _| &raw const one, packed.0.as_ptr());
                add(simd, &tile, bias.at(column), 0, vector);
            }
        }
        for (a, gradient) in self.all.operands.iter().flatten() {
            // Where each row's floats are: the tiles below look up each row many times.
            let mut starts = [std::ptr::null(); DEPTH_BLOCK];
            for (start, row) in starts.iter_mut().zip(rows.clone()) {
                // SAFETY: `tasks` checked the rows.
                *start = unsafe { a.at(row) };
            }
            let (part, parts) = self.row;
            let own = part * a.width / parts..(part + 1) * a.width / parts;
            for (block, count) in row_blocks::<S>(own.len()) {
                let first = own.start + block;
                // SAFETY: `first + MR <= a.width`; this task alone writes these rows and columns of the gradient.
                with_rows!(S, count, MR => unsafe {
                    let mut tile = [[simd.splat(0.0); NV]; MR];
                    let a = |r: usize, d: usize| starts.get_unchecked(d).add(first + r);
                    accumulate(simd, &mut tile, rows.len(), a, packed.0.as_ptr());
                    add(simd, &tile, gradient.at(first * self.all.dz.width + column), self.all.dz.width, vector);
                });
            }
        }
    }
}

/// Adds a tile to memory, its rows `stride` apart, `width(v)` floats of vector `v`.
///
/// # Safety
/// The memory must be there, and no one else write it.
#[inline(always)]
unsafe fn add<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    tile: &[[S::V; NV]; MR],
    target: *mut f32,
    stride: usize,
    width: impl Fn(usize) -> usize,
) {
    for (r, sums) in tile.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let target = target.add(r * stride + v * S::LANES);
                store(simd, simd.add(load(simd, target, width(v)), sum), target, width(v));
            }
        }
    }
}
