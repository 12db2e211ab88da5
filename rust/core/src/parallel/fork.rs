//! Whether this process is a forked child: its parent's threads, and what they had locked, are not there to wait for.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(1);

/// A number above 0 that a forked child has another of than its parent. To read it costs nothing, where to ask the system for the
/// process' number takes as long as a step of a small cell. It does not see children that are made without `fork`, by system
/// calls of a program's own.
pub fn generation() -> u32 {
    watch();
    GENERATION.load(Ordering::Relaxed)
}

/// Has forks counted from now on. Until the first call nobody has seen a number, so that it need not have changed.
#[cfg(unix)]
fn watch() {
    use std::sync::atomic::AtomicBool;

    static WATCHED: AtomicBool = AtomicBool::new(false);

    extern "C" fn count() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }

    if !WATCHED.load(Ordering::Relaxed) {
        // Two threads may both do so: forks count twice then. No lock, which a fork could leave locked in the child.
        // SAFETY: the function lives as long as its library, which nobody unloads: Python keeps extension modules, and glibc
        // forgets the function with it. It does what a child of a program with threads may do.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(count)) };
        assert_eq!(refused, 0, "no memory to note that forks are watched");
        WATCHED.store(true, Ordering::Relaxed);
    }
}

#[cfg(not(unix))]
fn watch() {}
