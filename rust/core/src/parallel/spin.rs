//! Waiting for another thread that is about to be ready.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// For how long a thread without work looks for more before it sleeps: longer than the gaps between the regions of one
/// train step, shorter than anybody would see on a power meter.
pub(super) const AWAKE: Duration = Duration::from_micros(60);

/// Looks before the CPU is offered to others: some microseconds, longer than the parts of a time step differ.
const PATIENCE: u32 = 200;

/// The same where there are more threads than CPUs: whoever is waited for may need this very CPU.
const PATIENCE_CROWDED: u32 = 8;

static PATIENCE_NOW: AtomicU32 = AtomicU32::new(PATIENCE);

/// Sets the patience of every wait.
pub(super) fn set_crowded(crowded: bool) {
    PATIENCE_NOW.store(if crowded { PATIENCE_CROWDED } else { PATIENCE }, Ordering::Relaxed);
}

/// Whether there are more threads than CPUs.
pub(super) fn is_crowded() -> bool {
    PATIENCE_NOW.load(Ordering::Relaxed) == PATIENCE_CROWDED
}

/// A yield that takes longer has left the CPU to another program that computes, for a slice of some milliseconds.
const LONG_YIELD: Duration = Duration::from_micros(500);

/// Naps after such a yield before the next is tried.
const NAPS: u32 = 256;

/// Who wakes from a nap gets the CPU at once, even beside a program that computes.
const NAP: Duration = Duration::from_micros(20);

static NAPS_LEFT: AtomicU32 = AtomicU32::new(0);

/// One wait: spins at first, then yields, or naps where yields have shown to be long.
pub(super) struct Spin {
    left: u32,
}

impl Spin {
    pub(super) fn new() -> Self {
        Spin { left: PATIENCE_NOW.load(Ordering::Relaxed) }
    }

    /// Lets a moment pass.
    pub(super) fn pause(&mut self) {
        if self.left > 0 {
            self.left -= 1;
            return spin_loop();
        }
        // Threads that count at once lose a nap or two: nothing depends on the number.
        let naps = NAPS_LEFT.load(Ordering::Relaxed);
        if naps > 0 {
            NAPS_LEFT.store(naps - 1, Ordering::Relaxed);
            std::thread::sleep(NAP);
        } else {
            let start = Instant::now();
            std::thread::yield_now();
            if start.elapsed() > LONG_YIELD {
                NAPS_LEFT.store(NAPS, Ordering::Relaxed);
            }
        }
    }
}
