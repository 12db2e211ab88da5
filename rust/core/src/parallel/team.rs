//! The threads, and the regions of work that they share with their caller.

use std::any::Any;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Instant;

use super::barrier::{BROKEN, wait_while};
use super::callers::{Caller, become_worker};
use super::chains::{Chains, Next};
use super::count;
use super::cpu;
use super::fork::generation;
use super::spin::{self, Spin};
use super::{WORTH_SHARING, WORTH_WAKING};
use crate::simd::FlushDenormals;

/// On a cache line (or the pair that is fetched together) of its own.
#[repr(align(128))]
struct Padded<T>(T);

/// What a region's members run; the number is the member's.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// A region as the workers see it, in one word so that to join one is one atomic step:
/// its number (32 bits), its members (15), whether it can be joined (1), how many workers did (16).
mod state {
    pub(super) const OPEN: u64 = 1 << 16;
    /// Tells the workers to end, and cannot be joined; no region looks so, for none has so many members.
    pub(super) const END: u64 = !OPEN;

    pub(super) fn open(number: u32, members: usize) -> u64 {
        debug_assert!(members < 1 << 15);
        u64::from(number) << 32 | (members as u64) << 17 | OPEN
    }
    pub(super) fn number(state: u64) -> u32 {
        (state >> 32) as u32
    }
    pub(super) fn members(state: u64) -> usize {
        (state >> 17) as usize & 0x7fff
    }
    pub(super) fn joined(state: u64) -> usize {
        state as usize & 0xffff
    }
}

/// What a worker shows to who would wake it.
#[derive(Default)]
struct Bed {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// What the workers and the caller of one pool share.
struct Shared {
    state: Padded<AtomicU64>,
    /// Workers that have left the region.
    finished: Padded<AtomicUsize>,
    /// The region's work. The caller writes it while no region is open and all who joined the last have left it; the
    /// workers read it while they are in one.
    work: UnsafeCell<Option<*const Work<'static>>>,
    /// The CPU that the caller runs on, as far as it is known.
    caller: AtomicUsize,
    /// The first panic of the region.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Worker `i + 1`'s.
    beds: Box<[Padded<Bed>]>,
}

// SAFETY: `work` is the only field that is not `Sync` and `Send` by itself. It points to something `Sync`, and its reads
// and writes never overlap: `Pool::region` opens a region after it wrote (release, acquired by `Shared::join`) and writes
// again only once everyone who joined has left (release, acquired by its wait for `finished`).
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    /// Joins the region that is open, if it is another than the last one seen and has a place for `member`. Returns how
    /// many members it has.
    fn join(&self, member: usize, seen: &mut u32) -> Option<usize> {
        let mut state = self.state.0.load(Ordering::Acquire);
        loop {
            if state::number(state) == *seen {
                return None;
            }
            if state & state::OPEN == 0 || member >= state::members(state) {
                *seen = state::number(state);
                return None;
            }
            match self.state.0.compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    *seen = state::number(state);
                    return Some(state::members(state));
                }
                Err(now) => state = now,
            }
        }
    }

    /// Wakes those whom `member` has to wake. Together they form a tree, so that the caller wakes one at most.
    fn wake(&self, member: usize, members: usize) {
        for other in [2 * member, 2 * member + 1] {
            if (1..members).contains(&other) {
                self.wake_one(other);
            }
        }
    }

    fn wake_one(&self, member: usize) {
        let bed = &self.beds[member - 1].0;
        // After the caller's store to `state`, as the worker looks at `state` after its store to `asleep`: both
        // sequentially consistent, so that one of the two sees the other.
        if bed.asleep.load(Ordering::SeqCst)
            && bed.asleep.swap(false, Ordering::SeqCst)
            && let Some(thread) = bed.thread.get()
        {
            thread.unpark();
        }
    }

    /// Notes a member's panic; those who wait for it at a barrier learn of it.
    fn fail(&self, panic: Box<dyn Any + Send>) {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        BROKEN.store(true, Ordering::Relaxed);
    }

    /// A worker's life.
    fn serve(&self, member: usize) {
        let _flush = FlushDenormals::new();
        become_worker();
        let bed = &self.beds[member - 1].0;
        bed.thread.get_or_init(std::thread::current);
        let mut seen = 0;
        loop {
            let mut idle = Instant::now();
            let mut spin = Spin::new();
            let mut looks = 0u32;
            let members = loop {
                if let Some(members) = self.join(member, &mut seen) {
                    break members;
                }
                looks += 1;
                if looks.is_multiple_of(32) && idle.elapsed() >= spin::AWAKE {
                    if !self.sleep(bed, seen) {
                        return;
                    }
                    (idle, spin) = (Instant::now(), Spin::new());
                }
                spin.pause();
            };
            self.wake(member, members);
            if let Some(cpu) = cpu::current()
                && cpu == self.caller.load(Ordering::Relaxed)
                && !spin::is_crowded()
            {
                cpu::leave(cpu);
            }
            // SAFETY: this worker has joined an open region: nobody writes `work` until it says that it has finished.
            let work = unsafe { *self.work.get() }.expect("an open region has work");
            // SAFETY: `Pool::region` keeps the work alive until everyone who joined has finished.
            let work = unsafe { &*work };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(member))) {
                self.fail(panic);
            }
            self.finished.0.fetch_add(1, Ordering::Release);
        }
    }

    /// Sleeps until somebody wakes it; false if that is to end.
    fn sleep(&self, bed: &Bed, seen: u32) -> bool {
        bed.asleep.store(true, Ordering::SeqCst);
        loop {
            let state = self.state.0.load(Ordering::SeqCst);
            if state == state::END {
                return false;
            }
            if state::number(state) != seen && state & state::OPEN != 0 || !bed.asleep.load(Ordering::SeqCst) {
                // A wake that came meanwhile makes the next park return at once, and it looks again.
                bed.asleep.store(false, Ordering::SeqCst);
                return true;
            }
            std::thread::park();
        }
    }
}

/// A number of worker threads.
struct Pool {
    /// Threads do not survive a fork: a child that finds its parent's pool makes its own.
    generation: u32,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Where the system refuses threads, there are fewer.
    fn new(threads: usize) -> Pool {
        let beds = (1..threads).map(|_| Padded(Bed::default())).collect();
        let shared = Arc::new(Shared {
            state: Padded(AtomicU64::new(0)),
            finished: Padded(AtomicUsize::new(0)),
            work: UnsafeCell::new(None),
            caller: AtomicUsize::new(usize::MAX),
            panic: Mutex::new(None),
            beds,
        });
        let spawn = |member: usize| {
            let shared = shared.clone();
            let builder = std::thread::Builder::new().name(format!("lstm-rs-{member}"));
            builder.spawn(move || shared.serve(member)).ok()
        };
        let workers: Vec<_> = (1..threads).map_while(spawn).collect();
        let given = workers.len() + 1;
        if given < threads {
            count::settle_for(threads, given);
        }
        spin::set_crowded(given > count::granted());
        Pool { generation: generation(), shared, workers }
    }

    fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// Whether the first worker still looks for work.
    fn is_awake(&self) -> bool {
        self.shared.beds.first().is_some_and(|bed| !bed.0.asleep.load(Ordering::Relaxed))
    }

    /// Runs `work` on the calling thread as member 0 and on the workers below `members`: on those that come in time, or
    /// where `all` on each. A panic of any is resumed here once all have left.
    ///
    /// Only ever called by the one who owns the pool, one region after another: [`Team`] is not `Sync`.
    fn region(&self, members: usize, all: bool, wake: bool, work: &Work<'_>) {
        let shared = &*self.shared;
        let members = members.min(self.size());
        BROKEN.store(false, Ordering::Relaxed);
        shared.finished.0.store(0, Ordering::Relaxed);
        // SAFETY: only the lifetime changes. Workers use it between joining and finishing; this function returns only
        // after the region is closed and everyone who joined has finished, also when `work` panics.
        let work_erased = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: the last region is closed and those who joined it have left, so that nobody reads.
        unsafe { *shared.work.get() = Some(work_erased) };
        shared.caller.store(cpu::current().unwrap_or(usize::MAX), Ordering::Relaxed);
        let number = state::number(shared.state.0.load(Ordering::Relaxed)).wrapping_add(1);
        shared.state.0.store(state::open(number, members), Ordering::SeqCst);
        if wake {
            shared.wake(0, members);
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(0))) {
            shared.fail(panic);
        }
        let mut spin = Spin::new();
        while all && state::joined(shared.state.0.load(Ordering::Relaxed)) + 1 < members {
            spin.pause();
        }
        let joined = state::joined(shared.state.0.fetch_and(!state::OPEN, Ordering::AcqRel));
        while shared.finished.0.load(Ordering::Acquire) < joined {
            spin.pause();
        }
        if BROKEN.load(Ordering::Relaxed) {
            let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(panic) = panic {
                resume_unwind(panic);
            }
        }
    }
}

impl Drop for Pool {
    /// Ends the threads.
    fn drop(&mut self) {
        let workers = std::mem::take(&mut self.workers);
        if self.generation != generation() {
            // They are gone: to wait for them would be to wait for ever.
            std::mem::forget(workers);
            return;
        }
        self.shared.state.0.store(state::END, Ordering::SeqCst);
        for worker in workers {
            worker.thread().unpark();
            let ended = worker.join();
            debug_assert!(ended.is_ok(), "a worker panics in its tasks only, and those panics are caught");
        }
    }
}

/// The pool while nobody computes; null before the first use and while somebody does. Who takes it owns it.
static IDLE: AtomicPtr<Pool> = AtomicPtr::new(null_mut());

/// The generation that `IDLE` belongs to; 0 before the first use. In a forked child the pool may be out with a thread that
/// only the parent has.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Takes the pool, with as many threads as are wanted now, unless somebody has it.
fn take() -> Option<Box<Pool>> {
    let generation = generation();
    let known = OWNER.load(Ordering::Relaxed);
    let first =
        known != generation && OWNER.compare_exchange(known, generation, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    let idle = IDLE.swap(null_mut(), Ordering::AcqRel);
    // SAFETY: `IDLE` holds null or what `give_back` made of a box, and the swap leaves it to no one else.
    let idle = (!idle.is_null()).then(|| unsafe { Box::from_raw(idle) });
    if idle.is_none() && !first {
        return None;
    }
    let threads = count::num_threads();
    match idle {
        Some(pool) if pool.generation == generation && pool.size() == threads => Some(pool),
        other => {
            drop(other);
            Some(Box::new(Pool::new(threads)))
        }
    }
}

fn give_back(pool: Box<Pool>) {
    let before = IDLE.swap(Box::into_raw(pool), Ordering::AcqRel);
    if !before.is_null() {
        // Two threads of a forked child made one each.
        // SAFETY: as in `take`.
        drop(unsafe { Box::from_raw(before) });
    }
}

/// Sets how many threads compute; 0 restores the default: [`THREADS_VARIABLE`](super::THREADS_VARIABLE), else what the
/// system grants at this moment. While another thread computes, the change waits for its next region.
pub fn set_num_threads(count: usize) {
    count::want(count);
    if let Some(pool) = take() {
        give_back(pool);
    }
}

/// What one region of work may use: all threads, fewer where other threads of the program compute, or the caller's alone
/// where the work is too small or another has the pool. The pool is its own until it is dropped; whoever of its threads asks
/// meanwhile, a task of this very team too, gets a team of one.
pub struct Team {
    pool: Option<Box<Pool>>,
    size: usize,
    /// Whether the work is worth waking those who sleep.
    wake: bool,
    /// While there is work that is worth sharing, shared or not.
    _caller: Option<Caller>,
    /// Neither `Send` nor `Sync`: two regions must not run at once.
    _here: PhantomData<*const ()>,
}

/// A team for work of so many floating-point operations.
pub fn team(operations: usize) -> Team {
    let threads = count::num_threads();
    let caller = (operations >= WORTH_SHARING && threads > 1).then(Caller::new).flatten();
    let mut team = Team { pool: None, size: 1, wake: false, _caller: None, _here: PhantomData };
    let Some(caller) = caller else { return team };
    let size = threads.saturating_sub(caller.others);
    team.wake = operations >= WORTH_WAKING || caller.at_once;
    team._caller = Some(caller);
    if size > 1
        && let Some(pool) = take()
    {
        if team.wake || pool.is_awake() {
            // The system may have given fewer threads than were wanted.
            (team.size, team.pool) = (size.min(pool.size()), Some(pool));
        } else {
            give_back(pool);
        }
    }
    team
}

impl Team {
    /// How many threads compute, the caller's included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Runs every task once; each thread takes the next when it is done with one. Flushes denormals.
    ///
    /// # Panics
    /// As the first task that panics, once no task runs any more; some may not have run then.
    pub fn run<T: Send>(&self, tasks: impl Iterator<Item = T>, task: impl Fn(T) + Sync) {
        let _flush = FlushDenormals::new();
        let Some(pool) = &self.pool else { return tasks.for_each(task) };
        // Made here, one after another: iterators need not be `Send` then.
        let tasks: Vec<T> = tasks.collect();
        let members = tasks.len().min(self.size);
        if members <= 1 {
            return tasks.into_iter().for_each(task);
        }
        let tasks = Mutex::new(tasks.into_iter());
        // Nothing that runs under the lock panics.
        let next = || tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = |_| {
            while let Some(one) = next() {
                task(one);
            }
        };
        pool.region(members, false, self.wake, &work);
    }

    /// Sets every float.
    pub fn fill(&self, values: &mut [f32], value: f32) {
        let part = values.len().div_ceil(self.size()).max(1);
        self.run(values.chunks_mut(part), |part| part.fill(value));
    }

    /// Runs `work(chain, link)` for each of `links` links of each of `chains` chains: the links of one chain one after
    /// another, each after what the one before it wrote, different chains at the same time. Flushes denormals.
    ///
    /// Where there are more chains than threads, all of them advance alike and end together, though some threads may be
    /// slower than others: a thread goes on with its chain until one that nobody has in hand is two links behind.
    ///
    /// # Panics
    /// As the first link that panics, once no link runs any more; some may not have run then.
    pub fn chains(&self, chains: usize, links: usize, work: impl Fn(usize, usize) + Sync) {
        self.wavefront(1, chains, links, work);
    }

    /// As [`Team::chains`], for `levels` of `width` chains, numbered one after another, one above the other: a link of a chain
    /// comes after the same link of the chain `width` before it, too, and what that wrote. Who finds none that may come now
    /// waits.
    ///
    /// # Panics
    /// As [`Team::chains`].
    pub fn wavefront(&self, levels: usize, width: usize, links: usize, work: impl Fn(usize, usize) + Sync) {
        let _flush = FlushDenormals::new();
        let chains = levels * width;
        let members = chains.min(self.size);
        let Some(pool) = self.pool.as_ref().filter(|_| members > 1) else {
            return (0..chains).for_each(|chain| (0..links).for_each(|link| work(chain, link)));
        };
        let all = Mutex::new(Chains::new(levels, width, links));
        // Nothing that runs under the lock panics.
        let lock = || all.lock().unwrap_or_else(PoisonError::into_inner);
        // How many links are done, for those who wait for one.
        let done = AtomicUsize::new(0);
        let run = |member| {
            let mut home = member * chains / members;
            loop {
                let seen = done.load(Ordering::Relaxed);
                let next = lock().take(home);
                match next {
                    Next::Link(chain, link) => {
                        work(chain, link);
                        lock().give_back(chain);
                        done.fetch_add(1, Ordering::Relaxed);
                        home = chain;
                    }
                    Next::Wait => wait_while(|| done.load(Ordering::Relaxed) == seen),
                    Next::Nothing => return,
                }
            }
        };
        pool.region(members, false, self.wake, &run);
    }

    /// Runs `work(member)` for each member in `0..members`, all at the same time: they may wait for each other at a
    /// [`Barrier`](super::Barrier). Member 0 is the caller; the others are the same threads each time. Flushes denormals.
    ///
    /// # Panics
    /// Where there are more members than the team has threads; as the first member that panics, once all have ended.
    pub fn together(&self, members: usize, work: impl Fn(usize) + Sync) {
        assert!(members <= self.size(), "{members} members in a team of {}", self.size());
        let _flush = FlushDenormals::new();
        match &self.pool {
            Some(pool) if members > 1 => pool.region(members, true, true, &work),
            _ => (0..members).for_each(work),
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            give_back(pool);
        }
    }
}
