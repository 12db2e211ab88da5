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
    Pairs,
}

impl Token {
    /// All that this CPU has.
    fn available() -> Vec<Token> {
        // What rounds, whatever multiplies.
        if !(Avx512::is_available() && is_x86_feature_detected!("avx512bf16")) {
            return Vec::new();
        }
        #[cfg(target_os = "linux")]
        if let Some(token) = amx::Token::detect() {
            return vec![Token::Amx(token), Token::Pairs];
        }
        vec![Token::Pairs]
    }

    /// What is fastest, if it is faster than products of floats.
    fn detect() -> Option<Token> {
        Token::available().into_iter().find(|&token| token != Token::Pairs || pairs::are_fast())
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
            Token::Pairs => TileSpeed { rows: 1, factor: 2 },
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
            Token::Pairs => None,
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
                Token::Pairs => pairs::product(rows, depth, a, b, sums),
            }
        }
    }
}

/// Vectors of sums in a row.
const VECTORS: usize = 4;

const _: () = assert!(TILE_LEN * size_of::<Bf16>() == 1024);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Simd, TILE_DEPTH};

    struct Product<'a> {
        rows: usize,
        depth: usize,
        a: LeftTiles,
        b: &'a [Bf16],
        sums: &'a mut [f32; TILE_SIDE * VECTORS * TILE_SIDE],
    }

    impl TileKernel for Product<'_> {
        type Output = ();

        fn run<S: Simd>(self, _: S, tiles: Tiles) {
            // SAFETY: `product` below made operands of these sizes.
            unsafe { tiles.product(self.rows, self.depth, self.a, self.b.as_ptr(), self.sums.as_mut_ptr()) };
        }
    }

    /// Bfloat16 of all signs, between 1/4 and 1.
    fn bfloats(len: usize, seed: u32) -> Vec<Bf16> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        (0..len).map(|_| (0x3e80 + next() % 0x100 + ((next() % 2) << 15)) as Bf16).collect()
    }

    fn wide(x: Bf16) -> f64 {
        f64::from(f32::from_bits(u32::from(x) << 16))
    }

    /// Each way to multiply that this CPU has, used or not.
    #[test]
    fn sums_are_those_of_the_products_however_many_rows_there_are() {
        for token in Token::available() {
            for depth in 0..=3 {
                // Rows beside each other, of an odd number of tiles; and tiles beside each other.
                for (stride, step) in [((depth | 1) * TILE_DEPTH, TILE_DEPTH), (TILE_DEPTH, TILE_LEN)] {
                    let a = bfloats(TILE_SIDE * stride + depth * step, 1);
                    let b = bfloats(depth * VECTORS * TILE_LEN, 2);
                    let left = LeftTiles {
                        first: a.as_ptr(),
                        stride: stride * size_of::<Bf16>(),
                        step: step * size_of::<Bf16>(),
                    };
                    let product = |rows: usize| {
                        let mut sums = [f32::NAN; TILE_SIDE * VECTORS * TILE_SIDE];
                        Tiles(token).dispatch(Product { rows, depth, a: left, b: &b, sums: &mut sums });
                        sums
                    };
                    let all = product(TILE_SIDE);
                    for (i, &sum) in all.iter().enumerate() {
                        let (row, v, n) = (i / (VECTORS * TILE_SIDE), i / TILE_SIDE % VECTORS, i % TILE_SIDE);
                        let term = |k: usize| {
                            let (d, k) = (k / TILE_DEPTH, k % TILE_DEPTH);
                            let tile = (d * VECTORS + v) * TILE_LEN;
                            wide(a[row * stride + d * step + k]) * wide(b[tile + k / 2 * TILE_DEPTH + 2 * n + k % 2])
                        };
                        let expected: f64 = (0..depth * TILE_DEPTH).map(term).sum();
                        assert!((f64::from(sum) - expected).abs() < 1e-5, "{token:?} {depth} {i}: {sum}, {expected}");
                    }
                    for rows in 1..=TILE_SIDE {
                        let len = rows * VECTORS * TILE_SIDE;
                        assert_eq!(product(rows)[..len], all[..len], "{token:?} {depth} {rows}");
                    }
                }
            }
        }
    }
}
