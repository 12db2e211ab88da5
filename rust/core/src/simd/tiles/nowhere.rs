//! Other kinds of CPU, of which this library knows of no tiles.

use super::{Bf16, LeftTiles, TILE_DEPTH, TILE_SIDE, TileKernel, TileSpeed, Tiles};

/// Nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {}

#[expect(clippy::missing_safety_doc, reason = "nobody has a token; the other platform's say it")]
impl Tiles {
    /// Nothing.
    pub fn detect() -> Option<Tiles> {
        None
    }

    /// Of no use: nobody has a token, here and below.
    pub fn speed(self) -> TileSpeed {
        match self.0 {}
    }

    /// Of no use.
    pub fn dispatch<K: TileKernel>(self, _: K) -> K::Output {
        match self.0 {}
    }

    /// Of no use.
    pub unsafe fn product(self, _: usize, _: usize, _: LeftTiles, _: *const Bf16, _: *mut f32) {
        match self.0 {}
    }

    /// Of no use.
    pub unsafe fn round_row(self, _: *const f32, _: usize, _: *mut Bf16) {
        match self.0 {}
    }

    /// Of no use.
    pub unsafe fn round_pairs(self, _: [Option<*const f32>; 2], _: usize, _: *mut Bf16) {
        match self.0 {}
    }

    /// Of no use.
    pub unsafe fn round_columns(self, _: [Option<*const f32>; TILE_SIDE], _: usize, _: *mut Bf16) {
        match self.0 {}
    }

    /// Of no use.
    pub unsafe fn round_turned(self, _: [Option<*const f32>; TILE_DEPTH], _: usize, _: *mut Bf16) {
        match self.0 {}
    }
}
