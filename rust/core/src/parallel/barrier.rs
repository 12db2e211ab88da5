//! Where the members of a team wait for each other.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::spin::Spin;

/// Whether a member of the team has panicked. One team of several members computes at a time, so one flag serves.
pub(super) static BROKEN: AtomicBool = AtomicBool::new(false);

/// What a member panics with that waited for one that panicked.
struct Abandoned;

/// A point that no member of [`Team::together`](super::Team::together) passes before all have reached it. What a member
/// wrote before is seen by every member after. It spins, and yields when it takes long.
///
/// If a member panics, those that wait here, now or later, leave their work too, so that no one waits for ever; the
/// barrier is of no use after that. Every member must come equally often.
pub struct Barrier {
    members: usize,
    arrived: AtomicUsize,
    /// Counts how often all have come.
    passed: AtomicUsize,
}

impl Barrier {
    /// For that many members.
    pub const fn new(members: usize) -> Self {
        Barrier { members, arrived: AtomicUsize::new(0), passed: AtomicUsize::new(0) }
    }

    /// Waits until all members are here.
    pub fn wait(&self) {
        if self.members <= 1 {
            return;
        }
        // Read before arriving: afterwards the others may pass at any moment.
        let passed = self.passed.load(Ordering::Relaxed);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            // Nobody arrives again before `passed` moves.
            self.arrived.store(0, Ordering::Relaxed);
            self.passed.store(passed.wrapping_add(1), Ordering::Release);
            return;
        }
        wait_while(|| self.passed.load(Ordering::Acquire) == passed);
    }
}

/// Spins, and yields when it takes long. If a member of the team panics, it panics, too.
pub(super) fn wait_while(condition: impl Fn() -> bool) {
    let mut spin = Spin::new();
    while condition() {
        if BROKEN.load(Ordering::Relaxed) {
            // Without a message: the first panic has given its own.
            resume_unwind(Box::new(Abandoned));
        }
        spin.pause();
    }
}
