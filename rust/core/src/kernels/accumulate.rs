//! The inner loop of everything: a register tile of `a · b`.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::simd::Simd;

/// Vectors in a full panel: one for each gate of an LSTM.
pub(crate) const PANEL_VECTORS: usize = 4;

/// Rows of `b` between the one in use and the one asked for, where `b` has so many: some hundred cycles, more than the
/// second-level cache takes; twice that where weights are so deep that they come from the third.
const fn prefetched(depth: usize) -> usize {
    if depth < 512 { 8 } else { 16 }
}

/// Floats in a cache line.
pub(super) const LINE: usize = 16;

/// Cache lines that are needed once a tile is summed or later. They are asked for while it is summed, some at a time: all at once
/// they would take the core's line buffers from the sums' own loads. Their addresses cost nothing then: on Zen 4 the core could do
/// three times as many instructions as the sums have. `()` is none.
pub(super) trait Ahead: Copy {
    /// Whether there are any.
    fn is_any(self) -> bool;
    /// Asks for those that fall to some of the sums' terms, of so many.
    fn ask<S: Simd>(self, simd: S, terms: Range<usize>, of: usize);
    /// Asks for all of them at once: before a product in bfloat16, which is not cut into runs.
    #[inline(always)]
    fn ask_all<S: Simd>(self, simd: S) {
        self.ask(simd, 0..1, 1);
    }
}

impl Ahead for () {
    #[inline(always)]
    fn is_any(self) -> bool {
        false
    }

    #[inline(always)]
    fn ask<S: Simd>(self, _: S, _: Range<usize>, _: usize) {}
}

impl<A: Ahead> Ahead for Option<A> {
    #[inline(always)]
    fn is_any(self) -> bool {
        self.is_some_and(A::is_any)
    }

    #[inline(always)]
    fn ask<S: Simd>(self, simd: S, terms: Range<usize>, of: usize) {
        if let Some(ahead) = self {
            ahead.ask(simd, terms, of);
        }
    }
}

/// Weights that are needed after this tile, for the second-level cache.
#[derive(Clone, Copy)]
pub(super) struct Coming<'a>(pub(super) &'a [f32]);

impl Ahead for Coming<'_> {
    #[inline(always)]
    fn is_any(self) -> bool {
        !self.0.is_empty()
    }

    #[inline(always)]
    fn ask<S: Simd>(self, simd: S, terms: Range<usize>, of: usize) {
        for line in share(self.0, terms, of).chunks(LINE) {
            simd.prefetch_far(line.as_ptr());
        }
    }
}

/// Which of `all` things fall to some of `of` equal parts: each to one, the first to the first.
#[inline(always)]
pub(super) fn share_of(all: usize, parts: Range<usize>, of: usize) -> Range<usize> {
    (parts.start * all).div_ceil(of)..(parts.end * all).div_ceil(of)
}

/// The lines of a panel that fall to some of `of` equal parts.
#[inline(always)]
pub(super) fn share(panel: &[f32], parts: Range<usize>, of: usize) -> &[f32] {
    if panel.is_empty() {
        return panel;
    }
    let lines = share_of(panel.len() / LINE, parts, of);
    &panel[lines.start * LINE..lines.end * LINE]
}

/// The left operand of a tile. A trait and not a closure: see `kernels`.
pub(super) trait Left: Copy {
    /// The address of element `d` of row `r`.
    fn at(self, r: usize, d: usize) -> *const f32;
}

/// Rows of adjacent elements.
#[derive(Clone, Copy)]
pub(super) struct LeftRows<const MR: usize>(pub(super) [*const f32; MR]);

impl<const MR: usize> Left for LeftRows<MR> {
    #[inline(always)]
    fn at(self, r: usize, d: usize) -> *const f32 {
        self.0[r].wrapping_add(d)
    }
}

/// Adjacent columns, their elements `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct LeftColumns {
    pub(super) first: *const f32,
    pub(super) stride: usize,
}

impl Left for LeftColumns {
    #[inline(always)]
    fn at(self, r: usize, d: usize) -> *const f32 {
        self.first.wrapping_add(d * self.stride + r)
    }
}

/// `tile[r, v] += Σ_d a(r, d) · b[d, v]` for one packed panel `b` of `NV` vectors a row, `a(r, d)` being what
/// stands at the address that `a` gives for `from + d`.
///
/// With `MR = TILE_ROWS` and `NV = 4` the tile, its weights and its broadcasts fill the registers: a step of `d` is `NV`
/// loads, `MR` broadcasts and `MR · NV` multiply-adds, and nothing is stored. The sum runs over `d` in order, whatever
/// the tile.
///
/// # Safety
/// `a` must give readable addresses for `r < MR`, `d < from + depth`; `depth * NV * LANES` floats of `b` must be readable.
/// What is `prefetched` rows behind is asked for.
#[inline(always)]
unsafe fn accumulate<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    tile: &mut [[S::V; NV]; MR],
    (from, depth): (usize, usize),
    a: impl Left,
    b: *const f32,
    prefetched: usize,
) {
    for d in 0..depth {
        let row = b.wrapping_add(d * NV * S::LANES);
        // A single row reads as fast as the cache gives: asking first would only take the loads' place.
        if MR > 1 {
            for line in (0..NV * S::LANES).step_by(LINE) {
                simd.prefetch(row.wrapping_add(prefetched * NV * S::LANES + line));
            }
        }
        // SAFETY: `d < depth`, `r < MR`, `v < NV`: inside what the caller promises.
        unsafe {
            if S::TILE_ROWS < PANEL_VECTORS {
                // Few registers: the broadcasts stay, each weight vector is used up at once.
                let mut broadcasts = [simd.splat(0.0); MR];
                for (r, broadcast) in broadcasts.iter_mut().enumerate() {
                    *broadcast = simd.splat(*a.at(r, from + d));
                }
                for v in 0..NV {
                    let weights = simd.load(row.add(v * S::LANES));
                    for (sums, &a) in tile.iter_mut().zip(&broadcasts) {
                        sums[v] = simd.mul_add(a, weights, sums[v]);
                    }
                }
            } else {
                let mut weights = [simd.splat(0.0); NV];
                for (v, weights) in weights.iter_mut().enumerate() {
                    *weights = simd.load(row.add(v * S::LANES));
                }
                for (r, sums) in tile.iter_mut().enumerate() {
                    let a = simd.splat(*a.at(r, from + d));
                    for (sum, &weights) in sums.iter_mut().zip(&weights) {
                        *sum = simd.mul_add(a, weights, *sum);
                    }
                }
            }
        }
    }
}

/// Rows times terms after which a tile asks for some of what is ahead: some hundred cycles.
const RUN_PRODUCTS: usize = 96;

/// Terms that are summed one after another before they are added to the sums of others: the rounding error of a sum grows
/// with the number of its terms, and sums of sums keep it small. A single vector of columns, as a series of one feature
/// has, can afford short ones.
pub(super) const fn sum_block<const NV: usize>() -> usize {
    if NV == 1 { 16 } else { 96 }
}

/// Addresses of rows `stride` apart.
#[inline(always)]
pub(super) fn rows_from<const MR: usize>(first: *const f32, stride: usize) -> [*const f32; MR] {
    // A loop, not a closure: see `kernels`.
    let mut rows = [first; MR];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = first.wrapping_add(r * stride);
    }
    rows
}

/// Fills `sums` with `Σ_d rows[r][d] · b[d, v]`, in equal blocks, but for the last, of at most [`sum_block`]: the same sum whatever
/// the rows of the tile.
///
/// # Safety
/// `rows` must point to `depth` readable floats each; `b` as for [`accumulate`].
#[inline(always)]
pub(super) unsafe fn sum_rows<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    depth: usize,
    rows: [*const f32; MR],
    b: *const f32,
    ahead: impl Ahead,
    sums: &mut Scratch,
) {
    // Hidden from the compiler, which would make each row's address from the one before, step after step.
    let rows = LeftRows(black_box(rows));
    // SAFETY: the caller's promise.
    unsafe { sum_blocks::<S, MR, NV>(simd, const { sum_block::<NV>() }, depth, rows, b, ahead, sums) };
}

/// Fills `sums` with `Σ_d a(r, d) · b[d, v]`, in equal blocks, but for the last, of at most `most` terms.
///
/// # Safety
/// As for [`accumulate`].
#[inline(always)]
pub(super) unsafe fn sum_blocks<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    most: usize,
    depth: usize,
    a: impl Left,
    b: *const f32,
    ahead: impl Ahead,
    sums: &mut Scratch,
) {
    let block = depth.div_ceil(depth.div_ceil(most).max(1));
    let asks = ahead.is_any();
    debug_assert!(depth > 0 || !asks);
    let mut from = 0;
    loop {
        let end = depth.min(from + block);
        // A zero that the compiler knew would take a register of the loop's from block to block.
        let mut tile = [[simd.splat(black_box(0.0)); NV]; MR];
        let first = from == 0;
        loop {
            // Where there is nothing to ask for a block is a run, and the compiler must see that it is: with a loop around the sums'
            // own, plain Rust's tiles spilled.
            let mut count = end - from;
            if asks {
                count = count.min(const { RUN_PRODUCTS / MR });
                ahead.ask(simd, from..from + count, depth);
            }
            // SAFETY: `from + count <= depth`, so the caller's promise holds.
            unsafe {
                let b = b.add(from * NV * S::LANES);
                // A single row does little beside reading `b`: an address of two registers would cost it an instruction each.
                let b = if MR == 1 { black_box(b) } else { b };
                accumulate::<S, MR, NV>(simd, &mut tile, (from, count), a, b, prefetched(depth));
            }
            from += count;
            if from == end {
                break;
            }
        }
        if first {
            sums.fill(simd, &tile);
        } else {
            // SAFETY: the first block filled it.
            unsafe { sums.add(simd, &tile) };
        }
        if from == depth {
            return;
        }
    }
}

/// A tile's values in memory, row after row, `NV * LANES` floats each.
///
/// The tile leaves its registers once, here: a later loop that indexed the accumulators themselves would make the
/// compiler keep them in memory throughout.
#[repr(align(64))]
pub(super) struct Scratch([MaybeUninit<f32>; Scratch::LEN]);

/// The most rows a tile has on any instruction set.
pub(super) const MAX_TILE_ROWS: usize = 6;

impl Scratch {
    const LEN: usize = MAX_TILE_ROWS * PANEL_VECTORS * crate::simd::MAX_LANES;

    pub(super) const fn new() -> Self {
        Scratch([MaybeUninit::uninit(); Scratch::LEN])
    }

    #[inline(always)]
    pub(super) fn fill<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, tile: &[[S::V; NV]; MR]) {
        const { assert!(MR <= MAX_TILE_ROWS && NV <= PANEL_VECTORS && S::LANES <= crate::simd::MAX_LANES) };
        for (r, row) in tile.iter().enumerate() {
            for (v, &vector) in row.iter().enumerate() {
                // SAFETY: the assertion above bounds `(r * NV + v + 1) * LANES` by the array's length.
                unsafe { simd.store(vector, self.0.as_mut_ptr().cast::<f32>().add((r * NV + v) * S::LANES)) };
            }
        }
    }

    /// Adds a tile to one of the same size.
    ///
    /// # Safety
    /// It must have been filled.
    #[inline(always)]
    unsafe fn add<S: Simd, const MR: usize, const NV: usize>(&mut self, simd: S, tile: &[[S::V; NV]; MR]) {
        for (r, row) in tile.iter().enumerate() {
            for (v, &vector) in row.iter().enumerate() {
                // SAFETY: as in `fill`; the caller's promise.
                unsafe {
                    let sum = self.0.as_mut_ptr().cast::<f32>().add((r * NV + v) * S::LANES);
                    simd.store(simd.add(simd.load(sum), vector), sum);
                }
            }
        }
    }

    /// Puts a vector where [`Scratch::vector`] finds it.
    #[inline(always)]
    pub(super) fn replace<S: Simd, const NV: usize>(&mut self, simd: S, r: usize, v: usize, vector: S::V) {
        assert!(r < MAX_TILE_ROWS && v < NV && NV <= PANEL_VECTORS);
        // SAFETY: as in `fill`, by the assertion.
        unsafe { simd.store(vector, self.0.as_mut_ptr().cast::<f32>().add((r * NV + v) * S::LANES)) };
    }

    /// Puts the only row of another tile in the place of a row.
    ///
    /// # Safety
    /// The other must have been filled with a tile of one row.
    #[inline(always)]
    pub(super) unsafe fn take_row<S: Simd, const NV: usize>(&mut self, simd: S, r: usize, one: &Scratch) {
        for v in 0..NV {
            // SAFETY: the caller's promise.
            let vector = unsafe { one.vector::<S, NV>(simd, 0, v) };
            self.replace::<S, NV>(simd, r, v, vector);
        }
    }

    /// Some floats of row `r` of a tile with `NV` vectors a row, from float `first` on.
    ///
    /// # Safety
    /// It must have been filled with such a tile, and the row must have `first + count` floats.
    #[inline(always)]
    pub(super) unsafe fn part<S: Simd, const NV: usize>(&self, simd: S, r: usize, first: usize, count: usize) -> S::V {
        // SAFETY: as in `fill`; the caller's promise.
        unsafe { simd.load_partial(self.0.as_ptr().cast::<f32>().add(r * NV * S::LANES + first), count) }
    }

    /// Vector `v` of row `r` of a tile with `NV` vectors a row.
    ///
    /// # Safety
    /// It must have been filled with such a tile.
    #[inline(always)]
    pub(super) unsafe fn vector<S: Simd, const NV: usize>(&self, simd: S, r: usize, v: usize) -> S::V {
        // SAFETY: as in `fill`; the caller's promise.
        unsafe { simd.load(self.0.as_ptr().cast::<f32>().add((r * NV + v) * S::LANES)) }
    }
}

/// Calls `$body` with the constant `$MR` equal to `$rows`, for `1..=TILE_ROWS`.
macro_rules! with_rows {
    ($simd:ty, $rows:expr, $MR:ident => $body:expr) => {{
        match $rows {
            1 => {
                const $MR: usize = 1;
                $body
            }
            2 if <$simd>::TILE_ROWS >= 2 => {
                const $MR: usize = 2;
                $body
            }
            3 if <$simd>::TILE_ROWS >= 3 => {
                const $MR: usize = 3;
                $body
            }
            4 if <$simd>::TILE_ROWS >= 4 => {
                const $MR: usize = 4;
                $body
            }
            5 if <$simd>::TILE_ROWS >= 5 => {
                const $MR: usize = 5;
                $body
            }
            6 if <$simd>::TILE_ROWS >= 6 => {
                const $MR: usize = 6;
                $body
            }
            rows => unreachable!("a tile of {rows} rows"),
        }
    }};
}
pub(super) use with_rows;

/// Cuts `rows` into the fewest blocks of at most `TILE_ROWS`, as even as can be: (first row, rows).
#[inline(always)]
pub(super) fn row_blocks<S: Simd>(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let blocks = rows.div_ceil(S::TILE_ROWS);
    let (least, longer) = (rows / blocks.max(1), rows % blocks.max(1));
    (0..blocks).map(move |i| (i * least + i.min(longer), least + usize::from(i < longer)))
}

/// Reads `count` floats, without a detour where they fill a vector.
///
/// # Safety
/// `source` must be readable for `count <= LANES` floats.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(simd: S, source: *const f32, count: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if count == S::LANES { simd.load(source) } else { simd.load_partial(source, count) } }
}

/// Writes `count` floats, without a detour where they fill a vector.
///
/// # Safety
/// `target` must be writable for `count <= LANES` floats.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(simd: S, v: S::V, target: *mut f32, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { if count == S::LANES { simd.store(v, target) } else { simd.store_partial(v, target, count) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_ahead_falls_to_one_run() {
        for of in 1..130 {
            for (all, run) in [(1, 16), (6, 16), (24, 19), (64, 96), (7, 1)] {
                let mut asked = Vec::new();
                assert!(share_of(all, 0..of.min(run), of).contains(&0), "the first of {all} in runs of {run} of {of}");
                for from in (0..of).step_by(run) {
                    asked.extend(share_of(all, from..of.min(from + run), of));
                }
                assert!(asked.into_iter().eq(0..all), "{all} in runs of {run} of {of}");
            }
        }
    }
}
