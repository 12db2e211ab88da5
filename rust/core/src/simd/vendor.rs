//! Whose CPU this is, where that decides what is fast. Results never depend on it, but for what multiplies tiles.

/// Whether it is AMD's.
#[cfg(target_arch = "x86_64")]
pub fn is_amd() -> bool {
    use std::arch::x86_64::__cpuid;
    use std::sync::OnceLock;

    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: every x86-64 CPU has the instruction.
        #[allow(unused_unsafe, reason = "safe from Rust 1.93 on")]
        let name = unsafe { __cpuid(0) };
        [name.ebx, name.edx, name.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
    })
}

/// Whether it is AMD's.
#[cfg(not(target_arch = "x86_64"))]
pub fn is_amd() -> bool {
    false
}
