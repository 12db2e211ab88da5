//! How many threads compute: what the program asked for, else the environment, else the system.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The environment variable that sets how many threads compute.
pub const THREADS_VARIABLE: &str = "LSTM_RS_NUM_THREADS";

/// The most threads there may be: as many as a region of work can count.
pub const MOST_THREADS: usize = 1 << 14;

/// 0 before anybody asked. A forked child keeps its parent's choice.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// What [`THREADS_VARIABLE`] asks for, if anything.
///
/// # Errors
/// Where it is no number above 0; the message says so.
pub fn from_environment() -> Result<Option<usize>, String> {
    match std::env::var(THREADS_VARIABLE) {
        Ok(text) if !text.is_empty() => match text.trim().parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(format!("{THREADS_VARIABLE}={text}: must be a number above 0")),
        },
        _ => Ok(None),
    }
}

/// The CPUs that this thread may use: the standard library counts what its affinity and the quotas of cgroups, first and
/// second version, leave; it asks anew at each call.
pub(super) fn granted() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn default_count() -> usize {
    from_environment().ok().flatten().unwrap_or_else(granted).min(MOST_THREADS)
}

/// How many threads compute.
pub fn num_threads() -> usize {
    match COUNT.load(Ordering::Relaxed) {
        0 => match COUNT.compare_exchange(0, default_count(), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => COUNT.load(Ordering::Relaxed),
            Err(count) => count,
        },
        count => count,
    }
}

/// Notes what is wanted; 0 for the default.
pub(super) fn want(count: usize) {
    let count = if count == 0 { default_count() } else { count.min(MOST_THREADS) };
    COUNT.store(count, Ordering::Relaxed);
}

/// Notes that the system gave fewer threads than were wanted, unless somebody wants another number by now.
pub(super) fn settle_for(wanted: usize, given: usize) {
    let _ = COUNT.compare_exchange(wanted, given, Ordering::Relaxed, Ordering::Relaxed);
}
