//! Products of bfloat16 with sums in float32, a tile at a time: Intel's AMX.
//!
//! A *tile* is a register of 16 rows of 64 bytes. One instruction multiplies a tile of 16 rows and 32 columns of bfloat16 with
//! one of 32 rows and 16 columns, 16 times what a multiply-add of 16 floats does in its place.

use super::Simd;

/// Rows of a tile, and columns of its float32 sums.
pub const TILE_SIDE: usize = 16;

/// Columns of bfloat16 in a tile: the terms that one product adds to a sum.
pub const TILE_DEPTH: usize = 32;

/// Bfloat16 in a tile.
pub const TILE_LEN: usize = TILE_SIDE * TILE_DEPTH;

/// A bfloat16: the upper half of a float32, to the nearest, halves to even.
pub type Bf16 = u16;

/// The token of a CPU with tiles of bfloat16, in a process that may use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles(platform::Token);

/// Code on tiles and the vectors that come with them, to be run by [`Tiles::dispatch`], and nothing else; it dispatches no other.
pub trait TileKernel {
    /// What it returns.
    type Output;
    /// Runs. Mark it, and what it calls, `#[inline(always)]`, as for a [`Kernel`](super::Kernel).
    fn run<S: Simd>(self, simd: S, tiles: Tiles) -> Self::Output;
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod platform {
    use std::arch::asm;
    use std::arch::x86_64::*;
    use std::sync::OnceLock;

    use super::{Bf16, TILE_DEPTH, TILE_LEN, TILE_SIDE, TileKernel, Tiles};
    use crate::simd::FlushDenormals;
    use crate::simd::avx512::Avx512;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Token(());

    /// Whether the CPU has the instructions.
    fn has_instructions() -> bool {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        // SAFETY: every x86-64 CPU has the instruction.
        #[allow(unused_unsafe, reason = "safe from Rust 1.93 on")]
        let features = unsafe { if __cpuid(0).eax >= 7 { __cpuid_count(7, 0).edx } else { 0 } };
        Avx512::is_available() && is_x86_feature_detected!("avx512bf16") && features & (BF16 | TILE) == BF16 | TILE
    }

    /// Asks Linux to keep tiles for all threads of this process, which it refuses where it is too old.
    fn may_use() -> bool {
        const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_ulong = 18;
        // SAFETY: the call takes two numbers and touches no memory of the process.
        unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
    }

    /// What `ldtilecfg` reads: every tile has 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct Shapes {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    static SHAPES: Shapes = {
        const ALL: usize = 8;
        let mut shapes = Shapes { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        let mut tile = 0;
        while tile < ALL {
            (shapes.row_bytes[tile], shapes.rows[tile]) = (64, TILE_SIDE as u8);
            tile += 1;
        }
        shapes
    };

    /// While it lives, this thread's tiles have their shapes. Then it has none, and nothing to save when it is interrupted. There
    /// is one at a time: the first to end would take the tiles from the other.
    struct Configured;

    impl Configured {
        #[inline]
        fn new(_: Tiles) -> Self {
            // SAFETY: the token says that there are tiles; reads the 64 bytes of `SHAPES`.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack, readonly)) };
            Configured
        }
    }

    impl Drop for Configured {
        #[inline]
        fn drop(&mut self) {
            // SAFETY: `new` was given the token.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }

    impl Tiles {
        /// The token, where the CPU has tiles and the system lets the process use them.
        pub fn detect() -> Option<Tiles> {
            static FOUND: OnceLock<bool> = OnceLock::new();
            FOUND.get_or_init(|| has_instructions() && may_use()).then_some(Tiles(Token(())))
        }

        /// Runs a kernel compiled for the vectors that come with tiles. Flushes denormals, as tiles do whatever the setting.
        #[inline]
        pub fn dispatch<K: TileKernel>(self, kernel: K) -> K::Output {
            let (_configured, _flush) = (Configured::new(self), FlushDenormals::new());
            // SAFETY: `detect` saw that the CPU has the instructions; the tiles have their shapes.
            unsafe { self.dispatch_configured(kernel) }
        }

        /// # Safety
        /// The CPU must have the instructions, and the thread's tiles their shapes.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
        unsafe fn dispatch_configured<K: TileKernel>(self, kernel: K) -> K::Output {
            // SAFETY: the caller's promise.
            kernel.run(unsafe { Avx512::assume() }, self)
        }

        /// `sums[r][n] = Σ_k a[r][k] · b[k][n]` for 16 rows and four times 16 columns, over `depth` tiles of 32 terms.
        ///
        /// Tile `d` of `a` has its rows `a_stride` bytes apart and is `a_step` bytes behind the one before; of `b` four tiles
        /// stand one after another, a row of each the pairs of two terms of 16 columns. Rows of sums are four vectors.
        ///
        /// In a tile's product even and odd terms are summed apart, with multiply-adds, and their sum is added.
        ///
        /// # Safety
        /// It must be called while [`Tiles::dispatch`] runs a kernel. So much must be readable, and writable.
        #[inline(always)]
        pub unsafe fn product(
            self,
            depth: usize,
            (a, a_stride, a_step): (*const Bf16, usize, usize),
            b: *const Bf16,
            sums: *mut f32,
        ) {
            // One block, as the compiler knows of no values in tiles that would outlive it.
            // SAFETY: the caller's promise; the loop reads `depth` tiles.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    // Two tiles of `a` a turn, so that a load seldom waits for the product before it.
                    "sub {depth}, 2",
                    "jb 3f",
                    "2:",
                    "tileloadd tmm4, [{a} + {a_stride}]",
                    "add {a}, {a_step}",
                    "tileloadd tmm5, [{b} + {b_stride}]",
                    "tileloadd tmm6, [{b} + {b_stride} + 1024]",
                    "tdpbf16ps tmm0, tmm4, tmm5",
                    "tileloadd tmm5, [{b} + {b_stride} + 2048]",
                    "tdpbf16ps tmm1, tmm4, tmm6",
                    "tileloadd tmm6, [{b} + {b_stride} + 3072]",
                    "tileloadd tmm7, [{a} + {a_stride}]",
                    "add {a}, {a_step}",
                    "tdpbf16ps tmm2, tmm4, tmm5",
                    "tileloadd tmm5, [{b} + {b_stride} + 4096]",
                    "tdpbf16ps tmm3, tmm4, tmm6",
                    "tileloadd tmm6, [{b} + {b_stride} + 5120]",
                    "tdpbf16ps tmm0, tmm7, tmm5",
                    "tileloadd tmm5, [{b} + {b_stride} + 6144]",
                    "tdpbf16ps tmm1, tmm7, tmm6",
                    "tileloadd tmm6, [{b} + {b_stride} + 7168]",
                    "tdpbf16ps tmm2, tmm7, tmm5",
                    "tdpbf16ps tmm3, tmm7, tmm6",
                    "add {b}, 8192",
                    "sub {depth}, 2",
                    "jae 2b",
                    "3:",
                    "cmp {depth}, -1",
                    "jne 4f",
                    "tileloadd tmm4, [{a} + {a_stride}]",
                    "tileloadd tmm5, [{b} + {b_stride}]",
                    "tileloadd tmm6, [{b} + {b_stride} + 1024]",
                    "tdpbf16ps tmm0, tmm4, tmm5",
                    "tileloadd tmm7, [{b} + {b_stride} + 2048]",
                    "tdpbf16ps tmm1, tmm4, tmm6",
                    "tileloadd tmm5, [{b} + {b_stride} + 3072]",
                    "tdpbf16ps tmm2, tmm4, tmm7",
                    "tdpbf16ps tmm3, tmm4, tmm5",
                    "4:",
                    "tilestored [{sums} + {sums_stride}], tmm0",
                    "tilestored [{sums} + {sums_stride} + 64], tmm1",
                    "tilestored [{sums} + {sums_stride} + 128], tmm2",
                    "tilestored [{sums} + {sums_stride} + 192], tmm3",
                    depth = inout(reg) depth => _,
                    a = inout(reg) a => _,
                    a_stride = in(reg) a_stride,
                    a_step = in(reg) a_step,
                    b = inout(reg) b => _,
                    b_stride = in(reg) 64usize,
                    sums = in(reg) sums,
                    sums_stride = in(reg) 256usize,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }

        /// [`Tiles::product`] of one row, `a` being its `depth` times 32 terms, on vectors: the same bits, in half the time.
        ///
        /// # Safety
        /// As [`Tiles::product`].
        #[inline(always)]
        pub unsafe fn row_product(self, depth: usize, a: *const Bf16, b: *const Bf16, sums: *mut f32) {
            const VECTORS: usize = 4;
            // SAFETY: the caller's promise; `terms` holds the even terms of a tile, then the odd ones.
            unsafe {
                let upper = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                let mut terms = [0.0f32; TILE_DEPTH];
                let mut all = [_mm512_setzero_ps(); VECTORS];
                for d in 0..depth {
                    let (even, odd) = halves(a.add(d * TILE_DEPTH), upper);
                    _mm512_storeu_ps(terms.as_mut_ptr(), even);
                    _mm512_storeu_ps(terms.as_mut_ptr().add(TILE_SIDE), odd);
                    let mut even_sums = [_mm512_setzero_ps(); VECTORS];
                    let mut odd_sums = [_mm512_setzero_ps(); VECTORS];
                    for pair in 0..TILE_SIDE {
                        for v in 0..VECTORS {
                            let b = b.add((d * VECTORS + v) * TILE_LEN + pair * TILE_DEPTH);
                            let (even, odd) = halves(b, upper);
                            even_sums[v] = _mm512_fmadd_ps(_mm512_set1_ps(terms[pair]), even, even_sums[v]);
                            odd_sums[v] = _mm512_fmadd_ps(_mm512_set1_ps(terms[TILE_SIDE + pair]), odd, odd_sums[v]);
                        }
                    }
                    for v in 0..VECTORS {
                        all[v] = _mm512_add_ps(all[v], _mm512_add_ps(even_sums[v], odd_sums[v]));
                    }
                }
                for (v, all) in all.into_iter().enumerate() {
                    _mm512_storeu_ps(sums.add(v * TILE_SIDE), all);
                }
            }
        }

        /// Rounds a row of floats to bfloat16, with zeros behind them up to whole tiles.
        ///
        /// # Safety
        /// It must be called while [`Tiles::dispatch`] runs a kernel. `source` must be readable for `count` floats, `target` writable for that,
        /// rounded up to a multiple of [`TILE_DEPTH`].
        #[inline(always)]
        pub unsafe fn round_row(self, source: *const f32, count: usize, target: *mut Bf16) {
            let whole = count / TILE_DEPTH * TILE_DEPTH;
            // SAFETY: the caller's promise; masks keep to `count` floats.
            unsafe {
                for n in (0..whole).step_by(TILE_DEPTH) {
                    let (low, high) = (_mm512_loadu_ps(source.add(n)), _mm512_loadu_ps(source.add(n + TILE_SIDE)));
                    store(_mm512_cvtne2ps_pbh(high, low), target.add(n));
                }
                if whole < count {
                    let mask = (1u32 << (count - whole)) - 1;
                    let low = _mm512_maskz_loadu_ps(mask as u16, source.add(whole));
                    let high = _mm512_maskz_loadu_ps((mask >> 16) as u16, source.wrapping_add(whole + TILE_SIDE));
                    store(_mm512_cvtne2ps_pbh(high, low), target.add(whole));
                }
            }
        }

        /// Rounds two rows of up to 16 floats to bfloat16, in pairs: element `n` of the first beside that of the second. A row
        /// that is not there is of zeros, and so is what is behind `count`.
        ///
        /// # Safety
        /// It must be called while [`Tiles::dispatch`] runs a kernel. The rows must be readable for `count <= TILE_SIDE` floats, `target` writable
        /// for 64 bytes.
        #[inline(always)]
        pub unsafe fn round_pairs(self, rows: [Option<*const f32>; 2], count: usize, target: *mut Bf16) {
            // SAFETY: the caller's promise; the mask keeps to `count` floats.
            unsafe { store_pairs(pairs(rows, count), target) };
        }

        /// Rounds 16 columns of 1 to 32 floats to bfloat16 as [`Tiles::round_pairs`] does 32 rows: a tile of which each row is
        /// pairs of 16 columns. A column that is not there is of zeros, and so is what is behind `count`.
        ///
        /// # Safety
        /// It must be called while [`Tiles::dispatch`] runs a kernel. The columns must be readable for `1 <= count <= TILE_DEPTH` floats, `target`
        /// writable for a tile.
        #[inline(always)]
        pub unsafe fn round_columns(self, columns: [Option<*const f32>; TILE_SIDE], count: usize, target: *mut Bf16) {
            // SAFETY: the caller's promise.
            unsafe {
                for (n, column) in columns.into_iter().enumerate() {
                    match column {
                        Some(column) => self.round_row(column, count, target.add(n * TILE_DEPTH)),
                        None => store_pairs(_mm512_setzero_si512(), target.add(n * TILE_DEPTH)),
                    }
                }
                let mut rows = target.cast::<[__m512i; TILE_SIDE]>().read_unaligned();
                turn(&mut rows);
                target.cast::<[__m512i; TILE_SIDE]>().write_unaligned(rows);
            }
        }

        /// As [`Tiles::round_pairs`] for 32 rows, but turned: row `n` of the tile that it writes has element `n` of each.
        ///
        /// # Safety
        /// As [`Tiles::round_pairs`], of a whole tile.
        #[inline(always)]
        pub unsafe fn round_turned(self, rows: [Option<*const f32>; TILE_DEPTH], count: usize, target: *mut Bf16) {
            // SAFETY: the caller's promise.
            unsafe {
                let mut columns = [_mm512_setzero_si512(); TILE_SIDE];
                for (j, column) in columns.iter_mut().enumerate() {
                    *column = pairs([rows[2 * j], rows[2 * j + 1]], count);
                }
                turn(&mut columns);
                for (n, column) in columns.into_iter().enumerate() {
                    store_pairs(column, target.add(n * TILE_DEPTH));
                }
            }
        }
    }

    /// The first and the second of each of 16 pairs, as float32.
    ///
    /// # Safety
    /// The CPU must have AVX-512, and 64 bytes be readable; `upper` must have the upper half of every number set.
    #[inline(always)]
    unsafe fn halves(pairs: *const Bf16, upper: __m512i) -> (__m512, __m512) {
        // SAFETY: the caller's promise.
        unsafe {
            let pairs = pairs.cast::<__m512i>().read_unaligned();
            let (first, second) = (_mm512_slli_epi32::<16>(pairs), _mm512_and_si512(pairs, upper));
            (_mm512_castsi512_ps(first), _mm512_castsi512_ps(second))
        }
    }

    /// # Safety
    /// 64 bytes must be writable.
    #[inline(always)]
    unsafe fn store(v: __m512bh, target: *mut Bf16) {
        // SAFETY: both are 512 bits without a meaning of their own; the caller's promise.
        unsafe { target.cast::<__m512bh>().write_unaligned(v) };
    }

    /// # Safety
    /// 64 bytes must be writable.
    #[inline(always)]
    unsafe fn store_pairs(v: __m512i, target: *mut Bf16) {
        // SAFETY: the caller's promise.
        unsafe { target.cast::<__m512i>().write_unaligned(v) };
    }

    /// # Safety
    /// As [`Tiles::round_pairs`].
    #[inline(always)]
    unsafe fn pairs(rows: [Option<*const f32>; 2], count: usize) -> __m512i {
        // SAFETY: the caller's promise; the mask keeps to `count` floats.
        unsafe {
            let mask = ((1u32 << count) - 1) as u16;
            let mut halves = [_mm512_setzero_ps(); 2];
            for (half, row) in halves.iter_mut().zip(rows) {
                if let Some(row) = row {
                    *half = _mm512_maskz_loadu_ps(mask, row);
                }
            }
            let [first, second] = halves;
            // Each rounded on its own to 16 bits that widen to 32, the second's then moved up.
            let first: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(first));
            let second: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(second));
            let second = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(second));
            _mm512_or_si512(_mm512_cvtepu16_epi32(first), second)
        }
    }

    /// Turns a square of 32-bit numbers: row `r`, column `c` becomes row `c`, column `r`.
    ///
    /// # Safety
    /// The CPU must have AVX-512.
    #[inline(always)]
    unsafe fn turn(rows: &mut [__m512i; TILE_SIDE]) {
        // Four steps: pairs of numbers, then pairs of pairs within each quarter of a vector, then quarters and halves.
        // SAFETY: the caller's promise.
        unsafe {
            let mut from = *rows;
            for pair in 0..8 {
                let (a, b) = (from[2 * pair], from[2 * pair + 1]);
                rows[2 * pair] = _mm512_unpacklo_epi32(a, b);
                rows[2 * pair + 1] = _mm512_unpackhi_epi32(a, b);
            }
            for four in 0..4 {
                let [a, b, c, d] = [rows[4 * four], rows[4 * four + 1], rows[4 * four + 2], rows[4 * four + 3]];
                from[4 * four] = _mm512_unpacklo_epi64(a, c);
                from[4 * four + 1] = _mm512_unpackhi_epi64(a, c);
                from[4 * four + 2] = _mm512_unpacklo_epi64(b, d);
                from[4 * four + 3] = _mm512_unpackhi_epi64(b, d);
            }
            // Now quarter `q` of `from[4 f + n]` has rows `4 f ..` of column `4 q + n`.
            for n in 0..4 {
                let [a, b, c, d] = [from[n], from[4 + n], from[8 + n], from[12 + n]];
                let (even_low, odd_low) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
                let (even_high, odd_high) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
                rows[n] = _mm512_shuffle_i32x4::<0x88>(even_low, even_high);
                rows[4 + n] = _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high);
                rows[8 + n] = _mm512_shuffle_i32x4::<0xdd>(even_low, even_high);
                rows[12 + n] = _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high);
            }
        }
    }

    const _: () = assert!(TILE_LEN * size_of::<Bf16>() == 1024);
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod platform {
    use super::{Bf16, TILE_DEPTH, TILE_SIDE, TileKernel, Tiles};

    /// Nowhere.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Token {}

    #[expect(clippy::missing_safety_doc, reason = "nobody has a token; the other platform's say it")]
    impl Tiles {
        /// Nothing: this library knows of no tiles on this kind of CPU or system.
        pub fn detect() -> Option<Tiles> {
            None
        }

        /// Of no use: nobody has a token, here and below.
        pub fn dispatch<K: TileKernel>(self, _: K) -> K::Output {
            match self.0 {}
        }

        /// Of no use.
        pub unsafe fn product(self, _: usize, _: (*const Bf16, usize, usize), _: *const Bf16, _: *mut f32) {
            match self.0 {}
        }

        /// Of no use.
        pub unsafe fn row_product(self, _: usize, _: *const Bf16, _: *const Bf16, _: *mut f32) {
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
}
