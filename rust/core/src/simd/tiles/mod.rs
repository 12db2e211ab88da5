//! Products of bfloat16 with sums in float32, a tile at a time.
//!
//! A *tile* is 16 rows of 64 bytes, a register of Intel's AMX. One instruction multiplies a tile of 16 rows and 32 columns of bfloat16
//! with one of 32 rows and 16 columns, 16 times what a multiply-add of 16 floats does in its place. AMD's CPUs have no such registers,
//! but from Zen 4 on an instruction that multiplies and adds pairs of bfloat16 in the time of a multiply-add; it goes over tiles that are
//! laid out in the same way, row by row.

#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
use x86 as platform;

#[cfg(not(target_arch = "x86_64"))]
mod nowhere;
#[cfg(not(target_arch = "x86_64"))]
use nowhere as platform;

use super::Simd;

/// Rows of a tile, and columns of its float32 sums.
pub const TILE_SIDE: usize = 16;

/// Columns of bfloat16 in a tile: the terms that one product adds to a sum.
pub const TILE_DEPTH: usize = 32;

/// Bfloat16 in a tile.
pub const TILE_LEN: usize = TILE_SIDE * TILE_DEPTH;

/// A bfloat16: the upper half of a float32, to the nearest, halves to even.
pub type Bf16 = u16;

/// The token of a CPU that multiplies tiles of bfloat16, in a process that may have it do so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles(platform::Token);

/// Code on tiles and the vectors that come with them, to be run by [`Tiles::dispatch`], and nothing else; it dispatches no other.
pub trait TileKernel {
    /// What it returns.
    type Output;
    /// Runs. Mark it, and what it calls, `#[inline(always)]`, as for a [`Kernel`](super::Kernel).
    fn run<S: Simd>(self, simd: S, tiles: Tiles) -> Self::Output;
}

/// The left operand of a product: up to 16 rows of tiles.
#[derive(Clone, Copy, Debug)]
pub struct LeftTiles {
    /// The first row of the first tile.
    pub first: *const Bf16,
    /// Bytes from row to row.
    pub stride: usize,
    /// Bytes from tile to tile.
    pub step: usize,
}

/// How products on tiles take their time, in proportion to multiply-adds of vectors of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileSpeed {
    /// Rows that a product takes as long for as for fewer.
    pub rows: usize,
    /// How many times as many terms it multiplies in the same time.
    pub factor: usize,
}
