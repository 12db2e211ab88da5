//! Numbers too small for a full mantissa, and why they are taken for 0.

use std::marker::PhantomData;

/// While it lives, this thread takes denormal operands for 0 and rounds denormal results to 0.
///
/// A state that decays, as of an LSTM that sees nothing new, ends in numbers below 1.2e-38, with which CPUs compute many
/// times slower than with others. The thread's own setting comes back when this is dropped, so that a program whose thread
/// computes here for a while keeps its arithmetic. Where the CPU is neither x86-64 nor AArch64 it does nothing.
///
/// The compiler, which assumes the default setting, may still round a constant expression the other way; no result here
/// depends on more than that the difference is below 1.2e-38.
#[must_use = "it works while it lives"]
pub struct FlushDenormals {
    before: control::Word,
    /// The setting is the thread's.
    _here: PhantomData<*const ()>,
}

impl FlushDenormals {
    /// Starts flushing on this thread.
    #[inline]
    #[expect(clippy::new_without_default, reason = "it has an effect")]
    pub fn new() -> Self {
        let before = control::read();
        control::write(before | control::FLUSH);
        FlushDenormals { before, _here: PhantomData }
    }

    /// Whether this thread flushes now.
    pub fn is_on() -> bool {
        control::read() & control::FLUSH == control::FLUSH && control::FLUSH != 0
    }
}

impl Drop for FlushDenormals {
    #[inline]
    fn drop(&mut self) {
        control::write(self.before);
    }
}

#[cfg(target_arch = "x86_64")]
mod control {
    use std::arch::asm;

    /// MXCSR.
    pub(super) type Word = u32;
    /// Flush to zero (results) and denormals are zero (operands).
    pub(super) const FLUSH: Word = 1 << 15 | 1 << 6;

    #[inline]
    pub(super) fn read() -> Word {
        let mut word = 0;
        // SAFETY: writes the four bytes at the address of `word`; every x86-64 CPU has MXCSR.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        word
    }

    #[inline]
    pub(super) fn write(word: Word) {
        // SAFETY: reads four bytes at the address of `word`. They are what `read` gave, with or without two bits that every
        // x86-64 CPU knows; neither unmasks an exception nor changes the rounding.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod control {
    use std::arch::asm;

    /// FPCR.
    pub(super) type Word = u64;
    /// FZ: operands and results.
    pub(super) const FLUSH: Word = 1 << 24;

    #[inline]
    pub(super) fn read() -> Word {
        let word;
        // SAFETY: reads a register that every thread may read.
        unsafe { asm!("mrs {}, fpcr", out(reg) word, options(nostack, preserves_flags)) };
        word
    }

    #[inline]
    pub(super) fn write(word: Word) {
        // SAFETY: writes what `read` gave, with or without FZ, which unmasks no exception and changes no rounding.
        unsafe { asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod control {
    pub(super) type Word = u32;
    pub(super) const FLUSH: Word = 0;

    pub(super) fn read() -> Word {
        0
    }

    pub(super) fn write(_: Word) {}
}
