//! Instruction sets behind one trait, detected once.
//!
//! A kernel is written once over [`Simd`] and compiled for every instruction set. The values that implement [`Simd`]
//! are tokens: one exists only on a CPU that has the instructions, which is what makes its methods safe to call.

mod denormals;
pub use denormals::FlushDenormals;

mod scalar;
pub use scalar::Scalar;

mod tiles;
pub use tiles::{Bf16, LeftTiles, TILE_DEPTH, TILE_LEN, TILE_SIDE, TileKernel, TileSpeed, Tiles};

mod vendor;
pub(crate) use vendor::is_amd;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub use {avx2::Avx2, avx512::Avx512};

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;

use std::sync::OnceLock;

/// The environment variable that forces an instruction set, by [`Isa::name`].
pub const ISA_VARIABLE: &str = "LSTM_RS_ISA";

/// The most floats a vector of any instruction set holds.
pub const MAX_LANES: usize = 16;

/// What [`Simd::look_up`] takes floats from: a cache line.
#[repr(align(64))]
pub struct Table(pub [f32; 16]);

/// Vector arithmetic of one instruction set. All methods on vectors are elementwise.
///
/// Implementors are tokens that exist only where the CPU has the instructions.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`Simd::LANES`] floats.
    type V: Copy;
    /// Floats in a vector.
    const LANES: usize;
    /// Rows of the register tile: as many as leave room for its operands.
    const TILE_ROWS: usize;
    /// Whether an instruction looks up a table of 16: [`Simd::look_up`] and [`Simd::shift_and_look_up`].
    const LOOKS_UP: bool = false;

    /// Runs a kernel in a function of its own, compiled once for all who call it.
    fn apart<K: Kernel>(self, kernel: K) -> K::Output;
    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Reads `LANES` floats.
    ///
    /// # Safety
    /// `source` must be readable for `LANES` floats; it need not be aligned.
    unsafe fn load(self, source: *const f32) -> Self::V;
    /// Writes `LANES` floats.
    ///
    /// # Safety
    /// `target` must be writable for `LANES` floats; it need not be aligned.
    unsafe fn store(self, v: Self::V, target: *mut f32);
    /// Reads `count <= LANES` floats; the other lanes are 0.
    ///
    /// # Safety
    /// `source` must be readable for `count` floats.
    #[inline(always)]
    unsafe fn load_partial(self, source: *const f32, count: usize) -> Self::V {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: the caller promises `count` readable floats; `lanes` holds `MAX_LANES >= LANES >= count`.
        unsafe {
            std::ptr::copy_nonoverlapping(source, lanes.as_mut_ptr(), count);
            self.load(lanes.as_ptr())
        }
    }
    /// Writes the first `count <= LANES` floats.
    ///
    /// # Safety
    /// `target` must be writable for `count` floats.
    #[inline(always)]
    unsafe fn store_partial(self, v: Self::V, target: *mut f32, count: usize) {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: `lanes` holds `MAX_LANES >= LANES`; the caller promises `count` writable floats.
        unsafe {
            self.store(v, lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), target, count);
        }
    }
    /// Asks for the cache line at `address`, which need not be readable, to be in the first-level cache soon.
    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}
    /// As `prefetch`, for a line that is to be written: no other core keeps it.
    #[inline(always)]
    fn prefetch_to_write(self, address: *const f32) {
        self.prefetch(address);
    }
    /// As `prefetch`, for the second-level cache.
    #[inline(always)]
    fn prefetch_far(self, _address: *const f32) {}
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `1 / a` to one unit in the last place, for `1 <= a`, without the divider where that is slow; what is less than 2⁻¹²⁵ may be 0.
    #[inline(always)]
    fn reciprocal(self, a: Self::V) -> Self::V {
        self.div(self.splat(1.0), a)
    }
    /// `a * b + c`, in one rounding where the CPU has it.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The nearest integer, halves to even.
    fn round(self, a: Self::V) -> Self::V;
    /// The float whose bits are those of `a` moved up by 23: the lowest 9 become sign and exponent.
    fn shift_to_exponent(self, a: Self::V) -> Self::V;
    /// The float whose bits are those of `a` moved up by 19, so that 9 become sign and exponent and the lowest 4 begin the fraction, plus
    /// the table's entry at those 4. Only where [`Simd::LOOKS_UP`].
    #[inline(always)]
    fn shift_and_look_up(self, _table: &[i32; 16], _a: Self::V) -> Self::V {
        unreachable!("LOOKS_UP is false")
    }
    /// For each lane the float of the table for the half octave that `a` is in: entry `2 e + f` modulo 16 for an exponent `e`, its
    /// bias included, and a first bit of fraction `f`. Only where [`Simd::LOOKS_UP`].
    #[inline(always)]
    fn look_up(self, _table: &Table, _a: Self::V) -> Self::V {
        unreachable!("LOOKS_UP is false")
    }
    /// The sum of all lanes, halves added to halves.
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        let mut lanes = [0.0f32; MAX_LANES];
        // SAFETY: `lanes` holds `MAX_LANES >= LANES`.
        unsafe { self.store(a, lanes.as_mut_ptr()) };
        let mut width = Self::LANES;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
        }
        lanes[0]
    }
    /// `|a|`
    fn abs(self, a: Self::V) -> Self::V;
    /// `|a|` with the sign of `sign`.
    fn copysign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// `if a < b { yes } else { no }`
    fn select_lt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
}

/// Code written once over [`Simd`], to be run on the instruction set of an [`Isa`].
pub trait Kernel {
    /// What it returns.
    type Output;
    /// Runs on one instruction set. Mark it, and what it calls, `#[inline(always)]`: only inlined code is compiled with
    /// the instruction set's features.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// An instruction set that this CPU has.
///
/// The only ways to get one are [`Isa::available`], [`Isa::named`] and [`Isa::active`], all of which ask the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa {
    level: Level,
    /// What multiplies matrices, if not vectors do.
    tiles: Option<Tiles>,
}

impl Isa {
    /// Vectors alone.
    const fn of(level: Level) -> Isa {
        Isa { level, tiles: None }
    }

    /// Every instruction set that this CPU has, best first; none of them with tiles.
    pub fn available() -> Vec<Isa> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if Avx512::is_available() {
                found.push(Isa::of(Level::Avx512));
            }
            if Avx2::is_available() {
                found.push(Isa::of(Level::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if Neon::is_available() {
            found.push(Isa::of(Level::Neon));
        }
        found.push(Isa::of(Level::Scalar));
        found
    }

    /// The instruction set of that name, if this CPU has it.
    pub fn named(name: &str) -> Option<Isa> {
        Isa::available().into_iter().find(|isa| isa.name() == name)
    }

    /// What the environment variable [`ISA_VARIABLE`] asks for, else the best; the message names the valid ones.
    pub fn from_environment() -> Result<Isa, String> {
        let available = Isa::available();
        match std::env::var(ISA_VARIABLE) {
            Ok(name) if !name.is_empty() => Isa::named(&name).ok_or_else(|| {
                let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
                format!("{ISA_VARIABLE}={name}: this CPU has {}", names.join(", "))
            }),
            _ => Ok(available[0]),
        }
    }

    /// [`Isa::from_environment`], asked once; the best where that names none this CPU has.
    pub fn active() -> Isa {
        static ACTIVE: OnceLock<Isa> = OnceLock::new();
        *ACTIVE.get_or_init(|| Isa::from_environment().unwrap_or_else(|_| Isa::available()[0]))
    }

    /// `avx512`, `avx2`, `neon` or `scalar`.
    pub fn name(self) -> &'static str {
        match self.level {
            Level::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "neon",
        }
    }

    /// The same, with products of matrices in bfloat16 where the CPU multiplies tiles of them, and vectors as wide as those: what is
    /// multiplied is rounded to 8 bits, sums are float32. Elsewhere the same in everything.
    pub fn with_tiles(self) -> Isa {
        Isa { tiles: if self.lanes() == TILE_SIDE { Tiles::detect() } else { None }, ..self }
    }

    /// The same without tiles.
    pub fn without_tiles(self) -> Isa {
        Isa { tiles: None, ..self }
    }

    /// What multiplies matrices in bfloat16, if anything does.
    #[inline]
    pub fn tiles(self) -> Option<Tiles> {
        self.tiles
    }

    /// Floats in a vector.
    pub fn lanes(self) -> usize {
        struct Lanes;
        impl Kernel for Lanes {
            type Output = usize;
            fn run<S: Simd>(self, _: S) -> usize {
                S::LANES
            }
        }
        self.dispatch(Lanes)
    }

    /// Runs a kernel compiled for this instruction set.
    #[inline]
    pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        match self.level {
            Level::Scalar => kernel.run(Scalar),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Isa` of this level exists only where the CPU has the instructions.
            Level::Avx2 => unsafe { Avx2::dispatch(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { Avx512::dispatch(kernel) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon => unsafe { Neon::dispatch(kernel) },
        }
    }
}
