//! Which CPU a thread runs on.
//!
//! A thread that wakes another often finds it on its own CPU, where the two would take turns at every barrier until the
//! system spreads them, milliseconds later. Seen on Linux with two CPUs after 2 ms of sleep: more often than not.

/// The CPU that the calling thread runs on, where the system tells.
pub(super) fn current() -> Option<usize> {
    #[cfg(target_os = "linux")]
    return Some(rustix::thread::sched_getcpu());
    #[cfg(not(target_os = "linux"))]
    None
}

/// Moves the calling thread to another CPU than this one, where it may run on another.
pub(super) fn leave(cpu: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let Ok(allowed) = sched_getaffinity(None) else { return };
        let mut others = allowed;
        if cpu < CpuSet::MAX_CPU {
            others.unset(cpu);
        }
        if others.count() > 0 && sched_setaffinity(None, &others).is_ok() {
            // It has moved. Where it runs later is the system's choice again.
            let _ = sched_setaffinity(None, &allowed);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cpu;
}
