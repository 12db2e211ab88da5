//! Tiles on x86-64.

#[cfg(target_os = "linux")]
mod amx;
mod pairs;
mod rounding;

use std::sync::OnceLock;

use super::{Bf16, LeftTiles, TILE_LEN, TILE_SIDE, TileKernel, TileSpeed, Tiles};
use crate::simd::FlushDenormals;
use crate::simd::avx512::Avx512;

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Registers for tiles.
    #[cfg(target_os = "linux")]
    Amx(amx::Token),
    /// Vectors.
    Pairs(pairs::Token),
}

impl Token {
    fn detect() -> Option<Token> {
        // What rounds, whatever multiplies.
        if !(Avx512::is_available() && is_x86_feature_detected!("avx512bf16")) {
            return None;
        }
        #[cfg(target_os = "linux")]
        if let Some(token) = amx::Token::detect() {
            return Some(Token::Amx(token));
        }
        pairs::Token::detect().map(Token::Pairs)
    }
}

impl Tiles {
    /// The token, where the CPU has the instructions and the system lets the process use them.
    pub fn detect() -> Option<Tiles> {
        static FOUND: OnceLock<Option<Token>> = OnceLock::new();
        FOUND.get_or_init(Token::detect).map(Tiles)
    }

    /// How long products take.
    pub fn speed(self) -> TileSpeed {
        match self.0 {
            #[cfg(target_os = "linux")]
            Token::Amx(_) => TileSpeed { rows: TILE_SIDE, factor: 8 },
            Token::Pairs(_) => TileSpeed { rows: 1, factor: 2 },
        }
    }

    /// Runs a kernel compiled for the vectors that come with tiles. Flushes denormals, as products on tiles do whatever the
    /// setting.
    #[inline]
    pub fn dispatch<K: TileKernel>(self, kernel: K) -> K::Output {
        let _flush = FlushDenormals::new();
        #[cfg(target_os = "linux")]
        let _configured = match self.0 {
            Token::Amx(token) => Some(amx::Configured::new(token)),
            Token::Pairs(_) => None,
        };
        // SAFETY: `detect` saw that the CPU has the instructions; AMX' tiles have their shapes.
        unsafe { self.dispatch_configured(kernel) }
    }

    /// # Safety
    /// The CPU must have the instructions, and the thread's tiles their shapes.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    unsafe fn dispatch_configured<K: TileKernel>(self, kernel: K) -> K::Output {
        // SAFETY: the caller's promise.
        kernel.run(unsafe { Avx512::assume() }, self)
    }

    /// `sums[r][n] = Σ_k a[r][k] · b[k][n]` for up to 16 rows and four times 16 columns, over `depth` tiles of 32 terms. Room is
    /// for the sums of 16 rows; what those of rows that are not there hold after it is undefined.
    ///
    /// Of `b` four tiles stand one after another, a row of each the pairs of two terms of 16 columns. Rows of sums are four vectors.
    /// The bits do not depend on how many rows there are.
    ///
    /// # Safety
    /// It must be called while [`Tiles::dispatch`] runs a kernel. So much must be readable, of `a` whole tiles, and writable.
    #[inline(always)]
    pub unsafe fn product(self, rows: usize, depth: usize, a: LeftTiles, b: *const Bf16, sums: *mut f32) {
        debug_assert!((1..=TILE_SIDE).contains(&rows));
        // SAFETY: the caller's promise.
        unsafe {
            match self.0 {
                #[cfg(target_os = "linux")]
                Token::Amx(_) if rows == 1 => amx::row_product(depth, a, b, sums),
                #[cfg(target_os = "linux")]
                Token::Amx(_) => amx::product(depth, a, b, sums),
                Token::Pairs(_) => pairs::product(rows, depth, a, b, sums),
            }
        }
    }
}

/// Vectors of sums in a row.
const VECTORS: usize = 4;

const _: () = assert!(TILE_LEN * size_of::<Bf16>() == 1024);
