//! The threads of the program that have work to share, and how many CPUs they leave to each other.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fork::generation;
use super::spin::AWAKE;

/// For how long threads that overlapped are expected to do so again: longer than a service takes from call to call.
const LATELY: Duration = Duration::from_millis(1);

thread_local! {
    /// Whether this thread has a team or computes for one.
    static IN_TEAM: Cell<bool> = const { Cell::new(false) };
}

/// How many callers there are, below the generation that they belong to: a forked child has none of its parent's.
static CALLERS: AtomicU64 = AtomicU64::new(0);

/// When callers last overlapped, and how many others the one that saw it had beside it.
static OVERLAPPED: AtomicU64 = AtomicU64::new(0);
static OTHERS: AtomicUsize = AtomicUsize::new(0);

/// When the work of a caller last ended.
static ENDED: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds of the system's clock: a number, so that it can be shared without a lock. Should somebody set the clock, threads
/// are woken or spared for a moment without cause.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}

/// Whether a time lies less than so long ago.
fn is_within(time: &AtomicU64, duration: Duration, now: u64) -> bool {
    u128::from(now.saturating_sub(time.load(Ordering::Relaxed))) < duration.as_nanos()
}

/// Changes the number of callers; returns what it was.
fn count(change: impl Fn(u32) -> u32) -> u32 {
    let generation = u64::from(generation()) << 32;
    let callers = |state: u64| if state & !u64::from(u32::MAX) == generation { state as u32 } else { 0 };
    let mut state = CALLERS.load(Ordering::Relaxed);
    loop {
        let next = generation | u64::from(change(callers(state)));
        match CALLERS.compare_exchange_weak(state, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return callers(state),
            Err(other) => state = other,
        }
    }
}

fn note_overlap(others: usize, now: u64) {
    OTHERS.store(others, Ordering::Relaxed);
    OVERLAPPED.store(now, Ordering::Relaxed);
}

/// This thread from now on computes for the teams of others.
pub(super) fn become_worker() {
    IN_TEAM.set(true);
}

/// A thread that has work to share, while this lives.
pub(super) struct Caller {
    /// How many CPUs to leave to other threads of the program that compute now, or will again in a moment, for all that is
    /// known. A worker that shared a CPU with them would have to wait its turn, for milliseconds, and its caller for it.
    pub(super) others: usize,
    /// Whether its work comes right after other work, so that more will.
    pub(super) at_once: bool,
}

impl Caller {
    /// None where this thread computes for a team already.
    pub(super) fn new() -> Option<Caller> {
        if IN_TEAM.replace(true) {
            return None;
        }
        let (here, now) = (count(|callers| callers + 1) as usize, now());
        if here > 0 {
            note_overlap(here, now);
        }
        let lately = if is_within(&OVERLAPPED, LATELY, now) { OTHERS.load(Ordering::Relaxed) } else { 0 };
        Some(Caller { others: here.max(lately), at_once: is_within(&ENDED, AWAKE, now) })
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        IN_TEAM.set(false);
        let now = now();
        // Nothing is left of a caller whose thread forked while it was one.
        let others = count(|callers| callers.saturating_sub(1)).saturating_sub(1) as usize;
        if others > 0 {
            note_overlap(others, now);
        }
        ENDED.store(now, Ordering::Relaxed);
    }
}
