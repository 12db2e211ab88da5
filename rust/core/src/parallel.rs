//! The threads: how many, and how work is shared among them.
//!
//! Work is cut into tasks that write apart from each other, and no sum depends on how it is cut: results have the same
//! bits for every number of threads.

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use rayon::prelude::*;

/// The environment variable that sets how many threads compute.
pub const THREADS_VARIABLE: &str = "LSTM_RS_NUM_THREADS";

/// Floating-point operations below which waking another thread costs more than it brings.
const WORTH_SHARING: usize = 4_000_000;

struct Pool {
    /// Threads do not survive a fork: a child that finds its parent's pool makes its own.
    process: u32,
    count: usize,
    /// None for one thread: the caller's.
    threads: Option<rayon::ThreadPool>,
}

static POOL: RwLock<Option<Arc<Pool>>> = RwLock::new(None);

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

fn default_count() -> usize {
    // The standard library counts what affinity and cgroup limits leave.
    let granted = || std::thread::available_parallelism().map_or(1, usize::from);
    from_environment().ok().flatten().unwrap_or_else(granted)
}

fn build(count: usize) -> Arc<Pool> {
    let threads = (count > 1)
        .then(|| {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(count);
            builder.thread_name(|i| format!("lstm-rs-{i}")).build().ok()
        })
        .flatten();
    // Where the system refuses threads, the caller's own does the work.
    let count = if threads.is_some() { count } else { 1 };
    Arc::new(Pool { process: std::process::id(), count, threads })
}

fn pool() -> Arc<Pool> {
    let process = std::process::id();
    if let Some(pool) = &*POOL.read().unwrap_or_else(PoisonError::into_inner)
        && pool.process == process
    {
        return pool.clone();
    }
    replace(None, |old| old.is_some_and(|old| old.process == process))
}

fn replace(count: Option<usize>, keep: impl Fn(Option<&Pool>) -> bool) -> Arc<Pool> {
    let mut slot = POOL.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = &*slot
        && keep(Some(pool))
    {
        return pool.clone();
    }
    // A forked child keeps its parent's choice.
    let count = count.or_else(|| slot.as_ref().map(|pool| pool.count)).unwrap_or_else(default_count);
    let fresh = build(count);
    if let Some(old) = slot.replace(fresh.clone())
        && old.process != std::process::id()
    {
        // Its threads are gone; dropping it would wait for them.
        std::mem::forget(old);
    }
    fresh
}

/// How many threads compute.
pub fn num_threads() -> usize {
    pool().count
}

/// Sets how many threads compute; 0 restores the default: [`THREADS_VARIABLE`], else what the system grants.
pub fn set_num_threads(count: usize) {
    replace(Some(if count == 0 { default_count() } else { count }), |_| false);
}

/// In how many parts to cut `items` that cost `operations` together, none smaller than `least` items.
pub fn parts(items: usize, least: usize, operations: usize) -> usize {
    if operations < WORTH_SHARING { 1 } else { num_threads().min(items / least.max(1)).max(1) }
}

/// Cuts `0..items` into `parts` even ranges.
pub fn ranges(items: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    (0..parts).map(move |i| i * items / parts..(i + 1) * items / parts)
}

/// Cuts the first of a slice into the parts of `ranges`, `width` floats an item.
pub fn take<'a>(rest: &mut &'a mut [f32], range: &Range<usize>, width: usize) -> &'a mut [f32] {
    let (head, tail) = std::mem::take(rest).split_at_mut(range.len() * width);
    *rest = tail;
    head
}

/// Runs every task, on all threads where the `operations` of all together are worth it.
pub fn run<T: Send>(operations: usize, tasks: impl Iterator<Item = T>, task: impl Fn(T) + Send + Sync) {
    if operations < WORTH_SHARING {
        return tasks.for_each(task);
    }
    let pool = pool();
    match &pool.threads {
        None => tasks.for_each(task),
        Some(threads) => {
            let tasks: Vec<T> = tasks.collect();
            threads.install(|| tasks.into_par_iter().with_max_len(1).for_each(task));
        }
    }
}

/// TEMPORARY
pub struct Barrier {
    members: usize,
    waiting: std::sync::atomic::AtomicUsize,
    round: std::sync::atomic::AtomicUsize,
}
impl Barrier {
    /// new
    pub const fn new(members: usize) -> Self {
        Barrier {
            members,
            waiting: std::sync::atomic::AtomicUsize::new(0),
            round: std::sync::atomic::AtomicUsize::new(0),
        }
    }
    /// wait
    pub fn wait(&self) {
        use std::sync::atomic::Ordering::*;
        let round = self.round.load(Acquire);
        if self.waiting.fetch_add(1, AcqRel) + 1 == self.members {
            self.waiting.store(0, Relaxed);
            self.round.store(round.wrapping_add(1), Release);
        } else {
            let mut n = 0u32;
            while self.round.load(Acquire) == round {
                n += 1;
                if n > 20000 { std::thread::yield_now() } else { std::hint::spin_loop() }
            }
        }
    }
}
/// TEMPORARY
pub struct Team {
    size: usize,
}
/// TEMPORARY
pub fn team(operations: usize) -> Team {
    Team { size: if operations < WORTH_SHARING { 1 } else { num_threads() } }
}
impl Team {
    /// size
    pub fn size(&self) -> usize {
        self.size
    }
    /// run
    pub fn run<T: Send>(&self, tasks: impl Iterator<Item = T>, task: impl Fn(T) + Send + Sync) {
        run(if self.size > 1 { usize::MAX } else { 0 }, tasks, task);
    }
    /// together
    pub fn together(&self, members: usize, work: impl Fn(usize) + Sync) {
        if members == 1 {
            return work(0);
        }
        let pool = pool();
        match &pool.threads {
            None => unreachable!(),
            Some(threads) => {
                threads.broadcast(|c| {
                    if c.index() < members {
                        work(c.index())
                    }
                });
            }
        }
    }
}
