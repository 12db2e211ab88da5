//! The threads: how many, and how work is shared among them.
//!
//! Work is cut into tasks that write apart from each other, and no sum depends on how it is cut: results have the same
//! bits for every number of threads.

#[forbid(unsafe_code)]
mod barrier;
#[forbid(unsafe_code)]
mod callers;
#[forbid(unsafe_code)]
mod chains;
#[forbid(unsafe_code)]
mod count;
#[forbid(unsafe_code)]
mod cpu;
mod fork;
#[forbid(unsafe_code)]
mod spin;
mod team;

use std::ops::Range;

pub use barrier::Barrier;
pub use count::{MOST_THREADS, THREADS_VARIABLE, from_environment, num_threads};
pub use fork::generation as fork_generation;
pub use team::{Team, set_num_threads, team};

/// Floating-point operations below which even a thread that is awake costs more than it brings: some 4 µs of one core.
/// Measured on two cores with two equal tasks in regions back to back: 2 x 2 µs take as long as alone, 2 x 5 µs take 5.8.
const WORTH_SHARING: usize = 400_000;

/// Floating-point operations below which waking a thread costs more than it brings: some 40 µs of one core. To wake one
/// costs the caller 7 to 10 µs, measured after 1 ms of sleep on a virtual machine, where the sleeper comes later still;
/// the first large region of a train step pays that for all that follow.
const WORTH_WAKING: usize = 4_000_000;

/// Floating-point operations that take as long as copying a float.
pub const COPY_OPERATIONS: usize = 40;

/// In how many parts to cut `items` that cost `operations` together, none smaller than `least` items.
pub fn parts(items: usize, least: usize, operations: usize) -> usize {
    if operations < WORTH_SHARING { 1 } else { num_threads().min(items / least.max(1)).max(1) }
}

/// Cuts `0..items` into `parts` even ranges.
pub fn ranges(items: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |i| i * items / parts..(i + 1) * items / parts)
}

/// Cuts the first of a slice into the parts of `ranges`, `width` entries an item.
pub fn take<'a, T>(rest: &mut &'a mut [T], range: &Range<usize>, width: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(rest).split_at_mut(range.len() * width);
    *rest = tail;
    head
}

/// Sets every float, on all threads where there are enough of them.
pub fn fill(values: &mut [f32], value: f32) {
    // None is read, which halves what it costs to copy one.
    team(values.len() * COPY_OPERATIONS / 2).fill(values, value);
}

/// Runs every task, on all threads where the `operations` of all together are worth it.
pub fn run<T: Send>(operations: usize, tasks: impl Iterator<Item = T>, task: impl Fn(T) + Sync) {
    team(operations).run(tasks, task);
}
