//! The thread team: every task once, members that wait for each other, panics, nesting, forks, counts that change.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lstm_core::parallel::{Barrier, num_threads, run, set_num_threads, team};
use lstm_core::simd::FlushDenormals;

/// Work that is worth every thread.
const LARGE: usize = usize::MAX;

/// After so long threads of the program that have overlapped are not expected to do so again.
const OVERLAP_FORGOTTEN: Duration = Duration::from_millis(5);

/// The number of threads is the process's: one test at a time.
fn alone(threads: usize) -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    set_num_threads(threads);
    // No test before this one disturbs it.
    std::thread::sleep(OVERLAP_FORGOTTEN);
    guard
}

#[test]
fn every_task_runs_once() {
    for threads in [1, 2, 5] {
        let _alone = alone(threads);
        assert_eq!((num_threads(), team(LARGE).size(), team(1).size()), (threads, threads, 1));
        for round in 0..2_000 {
            let tasks = round % 7;
            let mut counts = [0; 7];
            run(LARGE, counts[..tasks].iter_mut().enumerate(), |(i, count)| *count += i + 1);
            assert!((0..7).all(|i| counts[i] == if i < tasks { i + 1 } else { 0 }));
        }
    }
}

#[test]
fn links_of_a_chain_come_one_after_another() {
    for threads in [1, 2, 5] {
        let _alone = alone(threads);
        for (chains, links) in [(1, 9), (3, 7), (5, 4), (8, 30), (8, 0), (0, 3)] {
            let done: Vec<_> = (0..chains).map(|_| AtomicUsize::new(0)).collect();
            team(LARGE).chains(chains, links, |chain, link| {
                assert_eq!(done[chain].load(Ordering::Relaxed), link);
                black_box((0..link * chain * 100).sum::<usize>());
                done[chain].store(link + 1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == links));
        }
    }
}

#[test]
fn links_of_a_wavefront_come_after_those_below() {
    for threads in [1, 2, 5] {
        let _alone = alone(threads);
        for (levels, width, links) in [(2, 1, 20), (3, 2, 7), (2, 8, 9), (9, 1, 4), (2, 3, 0), (0, 3, 3)] {
            let done: Vec<_> = (0..levels * width).map(|_| AtomicUsize::new(0)).collect();
            team(LARGE).wavefront(levels, width, links, |chain, link| {
                assert_eq!(done[chain].load(Ordering::Relaxed), link);
                assert!(chain < width || done[chain - width].load(Ordering::Relaxed) > link);
                black_box((0..link * chain * 100).sum::<usize>());
                done[chain].store(link + 1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == links));
        }
    }
}

#[test]
fn sleepers_wake() {
    let _alone = alone(5);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(1));
        let came = AtomicUsize::new(0);
        team(LARGE).together(5, |member| {
            came.fetch_add(1 << (8 * member), Ordering::Relaxed);
        });
        assert_eq!(came.into_inner(), 0x01_01_01_01_01);
    }
}

/// Work that is shared among threads that are awake, and not worth waking them.
const MIDDLING: usize = 1 << 20;

#[test]
fn middling_work_that_comes_at_once_wakes_though_one_thread_took_long() {
    let _alone = alone(2);
    drop(team(LARGE));
    std::thread::sleep(Duration::from_millis(50));
    let shared = (0..1_000).any(|_| {
        let first = team(MIDDLING);
        // Longer than an idle thread stays awake.
        std::thread::sleep(Duration::from_micros(200));
        drop(first);
        team(MIDDLING).size() == 2
    });
    assert!(shared);
}

#[test]
fn members_meet_at_barriers() {
    // More threads than most test machines' CPUs, too.
    for (threads, members) in [(2, 2), (3, 2), (5, 5)] {
        let _alone = alone(threads);
        let team = team(LARGE);
        let barrier = Barrier::new(members);
        let slots: Vec<_> = (0..members).map(|_| AtomicUsize::new(0)).collect();
        for _ in 0..5 {
            slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
            team.together(members, |member| {
                for step in 1..=1_000 {
                    slots[member].store(step, Ordering::Relaxed);
                    barrier.wait();
                    assert!(slots.iter().all(|slot| slot.load(Ordering::Relaxed) == step));
                    barrier.wait();
                }
            });
        }
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_team_goes_on() {
    let _alone = alone(3);
    let message = |result: std::thread::Result<()>| *result.unwrap_err().downcast::<String>().unwrap();
    for bad in 0..6 {
        let done = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            run(LARGE, 0..6, |i| {
                assert!(i != bad, "task {i}");
                done.fetch_add(1, Ordering::Relaxed);
            });
        }));
        assert_eq!(message(result), format!("task {bad}"));
        assert!(done.into_inner() <= 5);
        assert!(!FlushDenormals::is_on());
    }
    for bad in 0..5 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            team(LARGE).chains(5, 4, |chain, link| assert!((chain, link) != (bad, 2), "chain {chain}"));
        }));
        assert_eq!(message(result), format!("chain {bad}"));
        // Others wait for it.
        let result = catch_unwind(AssertUnwindSafe(|| {
            team(LARGE).wavefront(5, 1, 4, |chain, link| assert!((chain, link) != (bad, 2), "level {chain}"));
        }));
        assert_eq!(message(result), format!("level {bad}"));
    }
    for bad in 0..3 {
        let barrier = Barrier::new(3);
        let result = catch_unwind(AssertUnwindSafe(|| {
            team(LARGE).together(3, |member| {
                barrier.wait();
                assert!(member != bad, "member {member}");
                barrier.wait();
            });
        }));
        assert_eq!(message(result), format!("member {bad}"));
    }
    assert_eq!(team(LARGE).size(), 3);
    let mut after = [0; 9];
    run(LARGE, after.iter_mut(), |x| *x = 1);
    assert_eq!(after, [1; 9]);
}

#[test]
fn a_team_within_a_team_is_its_caller() {
    let _alone = alone(3);
    let sum = AtomicUsize::new(0);
    run(LARGE, 0..50, |i| {
        let inner = team(LARGE);
        assert_eq!(inner.size(), 1);
        inner.run(0..3, |j| {
            sum.fetch_add(i * j, Ordering::Relaxed);
        });
        inner.together(1, |member| assert_eq!(member, 0));
    });
    assert_eq!(sum.into_inner(), 49 * 50 / 2 * 3);
}

#[test]
fn threads_end_while_they_still_look_for_work() {
    let _alone = alone(2);
    for round in 0..200 {
        team(LARGE).together(2 + round % 2, |_| {});
        // At once, and in a moment: awake, asleep and on their way to sleep.
        std::thread::sleep(Duration::from_micros(round as u64 / 2));
        set_num_threads(3 - round % 2);
    }
}

#[test]
fn a_team_leaves_a_cpu_to_another_thread_of_the_program() {
    let _alone = alone(3);
    // Unless this thread loses its CPU for a millisecond between the two, the other thread may be back.
    let leaves_one = (0..1_000).any(|_| {
        std::thread::sleep(OVERLAP_FORGOTTEN);
        let mine = team(LARGE);
        assert_eq!(mine.size(), 3);
        // Whoever has the pool keeps it; who comes meanwhile is on its own.
        assert_eq!(std::thread::scope(|scope| scope.spawn(|| team(LARGE).size()).join().unwrap()), 1);
        drop(mine);
        team(LARGE).size() == 2
    });
    assert!(leaves_one);
    // Two at once of which none has the pool, for the work is small, count as well.
    set_num_threads(2);
    std::thread::sleep(Duration::from_millis(50));
    let lone = team(MIDDLING);
    assert_eq!(lone.size(), 1);
    assert_eq!(std::thread::scope(|scope| scope.spawn(|| team(LARGE).size()).join().unwrap()), 1);
}

#[test]
fn several_threads_of_the_program_compute_while_the_count_changes() {
    let _alone = alone(2);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let users: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut squares = [0; 16];
                        run(LARGE, squares.iter_mut().enumerate(), |(i, x)| *x = i * i);
                        assert!(squares.iter().enumerate().all(|(i, &x)| x == i * i));
                        let team = team(LARGE);
                        let size = team.size();
                        let (barrier, seen) = (Barrier::new(size), AtomicUsize::new(0));
                        team.together(size, |_| {
                            seen.fetch_add(1, Ordering::Relaxed);
                            barrier.wait();
                            assert_eq!(seen.load(Ordering::Relaxed), size);
                        });
                    }
                })
            })
            .collect();
        let over = &over;
        scope.spawn(move || {
            for count in (1..5).cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                set_num_threads(count);
                std::thread::yield_now();
            }
        });
        let results: Vec<_> = users.into_iter().map(|user| user.join()).collect();
        over.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.unwrap());
    });
}

#[test]
fn every_member_flushes_denormals() {
    let _alone = alone(4);
    let halved = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
    assert!(halved() != 0.0);
    let flushes = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    let check = || assert_eq!((FlushDenormals::is_on(), halved() == 0.0), (flushes, flushes));
    let barrier = Barrier::new(4);
    team(LARGE).together(4, |_| {
        check();
        barrier.wait();
    });
    run(LARGE, 0..40, |_| check());
    run(1, 0..4, |_| check());
    assert!(!FlushDenormals::is_on() && halved() != 0.0);
}

#[cfg(unix)]
#[test]
fn a_forked_child_makes_its_own_threads() {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
        fn alarm(seconds: u32) -> u32;
        fn _exit(status: i32) -> !;
    }
    let child_computes = || {
        // SAFETY: the child uses what is safe after a fork, the allocator and new threads, and never returns.
        let child = unsafe { fork() };
        if child == 0 {
            let came = AtomicUsize::new(0);
            // SAFETY: ends the child if it hangs.
            unsafe { alarm(10) };
            let result = catch_unwind(AssertUnwindSafe(|| {
                for threads in [3, 2] {
                    let barrier = Barrier::new(threads);
                    let team = team(LARGE);
                    team.together(threads, |_| {
                        barrier.wait();
                        came.fetch_add(1, Ordering::Relaxed);
                    });
                    drop(team);
                    set_num_threads(2);
                }
            }));
            // SAFETY: leaves without the parent's clean-up.
            unsafe { _exit(i32::from(result.is_err() || came.into_inner() != 5)) };
        }
        let mut status = -1;
        // SAFETY: `status` is an int that may be written.
        assert_eq!(unsafe { waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
    };
    let _alone = alone(3);
    child_computes();
    run(LARGE, 0..3, |_| {});
    child_computes();
    // While this thread has the team, another one forks.
    let team = team(LARGE);
    std::thread::scope(|scope| scope.spawn(child_computes).join().unwrap());
    assert_eq!(team.size(), 3);
}
