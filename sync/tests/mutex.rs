//! Mutexes: one at a time, in turns, poisoned by panics.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Chance, in_goroutines, rounds, settle, watched};
use gander_runtime::{go, run, scope, set_procs, sleep, spawn, yield_now};
use gander_sync::{Arc, Mutex, TryLockError};

/// sync-1: a counter under the lock is exact; a try fails while it is locked, and only then.
#[test]
fn sync_1_counts() {
    in_goroutines(|| {
        let lock = Mutex::new(0);
        {
            let held = lock.lock().unwrap();
            assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
            drop(held);
            drop(lock.try_lock().unwrap());
        }
        let turns = rounds(1000);
        scope(|s| {
            for _ in 0..10 {
                s.spawn(|| {
                    for i in 0..turns {
                        if i % 3 == 0
                            && let Ok(mut count) = lock.try_lock()
                        {
                            *count += 1;
                            continue;
                        }
                        let mut count = lock.lock().unwrap();
                        *count += 1;
                        if i % 50 == 0 {
                            yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(lock.into_inner().unwrap(), 10 * turns);
    });
}

/// sync-3: who has waited for more than a millisecond gets the lock, although its holder takes it again and again.
/// Semantics 28.
#[test]
fn sync_3_nobody_starves() {
    watched(|| {
        run(|| {
            set_procs(2);
            let lock = Arc::new(Mutex::new(()));
            let (greedy, stop) = (Arc::clone(&lock), Arc::new(AtomicUsize::new(0)));
            let seen = Arc::clone(&stop);
            let holder = spawn(move || {
                while seen.load(Ordering::Relaxed) == 0 {
                    let held = greedy.lock().unwrap();
                    sleep(Duration::from_micros(100));
                    drop(held);
                }
            });
            for _ in 0..rounds(10).min(30) {
                drop(lock.lock().unwrap());
                sleep(Duration::from_micros(100));
            }
            stop.store(1, Ordering::Relaxed);
            holder.join().unwrap();
        });
    });
}

/// sync-3: in the starving mode an unlock is a hand-over: who unlocks and locks again at once comes after the one that
/// waited.
/// Semantics 28.
#[test]
fn sync_3_hand_over() {
    in_goroutines(|| {
        // On a busy machine some are not in line yet when it counts.
        let (mut won, mut tries) = (0, 0);
        while won < 10 && tries < 60 {
            tries += 1;
            let lock = Arc::new(Mutex::new(0));
            let held = lock.lock().unwrap();
            let waiters: Vec<_> = (0..2)
                .map(|i| {
                    let lock = Arc::clone(&lock);
                    spawn(move || {
                        let mut last = lock.lock().unwrap();
                        *last = i + 1;
                    })
                })
                .collect();
            sleep(Duration::from_millis(2));
            drop(held);
            // They wait for more than a millisecond. We may come first once; who is woken and fails then starves.
            let held = lock.lock().unwrap();
            sleep(Duration::from_millis(2));
            drop(held);
            let last = *lock.lock().unwrap();
            won += usize::from(last != 0);
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        }
        assert!(won >= 10, "the waiters came first in {won} of {tries}");
    });
}

/// sync-26: plain data is ordered by unlock and lock (here by a mutex that keeps two cells equal).
#[test]
fn sync_26_order() {
    in_goroutines(|| {
        let pair = Mutex::new((0, 0));
        scope(|s| {
            for i in 0..4 {
                let pair = &pair;
                s.spawn(move || {
                    for j in 0..rounds(300) {
                        let mut pair = pair.lock().unwrap();
                        assert_eq!(pair.0, pair.1);
                        pair.0 += 1;
                        if (i + j) % 17 == 0 {
                            yield_now();
                        }
                        pair.1 += 1;
                    }
                });
            }
        });
    });
}

/// Goroutines and threads want the same lock.
#[test]
fn threads_too() {
    in_goroutines(|| {
        let lock = Arc::new(Mutex::new(0));
        let turns = rounds(500);
        let work = {
            let lock = Arc::clone(&lock);
            move || {
                for i in 0..turns {
                    *lock.lock().unwrap() += 1;
                    if i % 100 == 0 {
                        let held = lock.lock().unwrap();
                        thread::yield_now();
                        drop(held);
                    }
                }
            }
        };
        let threads: Vec<_> = (0..3).map(|_| thread::spawn(work.clone())).collect();
        let goroutines: Vec<_> = (0..5).map(|_| spawn(work.clone())).collect();
        goroutines.into_iter().for_each(|one| one.join().unwrap());
        threads.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(*lock.lock().unwrap(), 8 * turns);
    });
}

/// The time is up, or it is not: no lock and no wake-up is lost between the two.
#[test]
fn timed_locks() {
    in_goroutines(|| {
        let lock = Mutex::new(0);
        let held = lock.lock().unwrap();
        let begin = Instant::now();
        assert!(matches!(lock.try_lock_for(Duration::from_millis(5)), Err(TryLockError::WouldBlock)));
        assert!(begin.elapsed() >= Duration::from_millis(5));
        assert!(matches!(lock.try_lock_for(Duration::ZERO), Err(TryLockError::WouldBlock)));
        drop(held);
        assert!(lock.try_lock_for(Duration::MAX).is_ok());

        let mut chance = Chance::new("timed_locks");
        let taken = AtomicUsize::new(0);
        scope(|s| {
            for _ in 0..8 {
                let (mut chance, lock, taken) = (chance.split(), &lock, &taken);
                s.spawn(move || {
                    for _ in 0..rounds(60) {
                        let timeout = Duration::from_micros(chance.below(100) as u64);
                        let Ok(mut count) = lock.try_lock_for(timeout) else { continue };
                        *count += 1;
                        taken.fetch_add(1, Ordering::Relaxed);
                        match chance.below(4) {
                            0 => sleep(Duration::from_micros(chance.below(60) as u64)),
                            1 => yield_now(),
                            _ => {}
                        }
                    }
                });
            }
        });
        assert_eq!(*lock.lock().unwrap(), taken.into_inner());
    });
}

/// panics-13: a panic poisons the lock and opens it; the data can be had all the same.
#[test]
fn panics_13_poison() {
    in_goroutines(|| {
        let lock = Arc::new(Mutex::new(1));
        let theirs = Arc::clone(&lock);
        let panicked = spawn(move || {
            let mut value = theirs.lock().unwrap();
            *value = 2;
            yield_now();
            panic!("with the lock");
        });
        panicked.join().unwrap_err();
        assert!(lock.is_poisoned());
        assert_eq!(*lock.lock().unwrap_err().into_inner(), 2);
        match lock.try_lock() {
            Err(TryLockError::Poisoned(error)) => assert_eq!(**error.get_ref(), 2),
            other => panic!("{other:?}"),
        }
        lock.clear_poison();
        assert_eq!(*lock.lock().unwrap(), 2);
        // A guard that is made and dropped while its goroutine panics is no reason.
        let theirs = Arc::clone(&lock);
        let panicked = spawn(move || {
            struct Locks(Arc<Mutex<i32>>);
            impl Drop for Locks {
                fn drop(&mut self) {
                    let mut value = self.0.lock().unwrap();
                    yield_now();
                    *value += 1;
                }
            }
            let _locks = Locks(theirs);
            panic!("and locks while unwinding");
        });
        panicked.join().unwrap_err();
        assert_eq!(*lock.lock().unwrap(), 3);
        let mut lock = Arc::into_inner(lock).unwrap();
        *lock.get_mut().unwrap() = 4;
        assert_eq!(lock.into_inner().unwrap(), 4);
    });
}

/// A waiter that panics as soon as it is woken passes the lock on.
#[test]
fn panics_13_a_chain_of_panics() {
    in_goroutines(|| {
        let lock = Arc::new(Mutex::new(0));
        let held = lock.lock().unwrap();
        let all: Vec<_> = (0..20)
            .map(|_| {
                let lock = Arc::clone(&lock);
                spawn(move || {
                    *lock.lock().unwrap_or_else(|error| error.into_inner()) += 1;
                    let _held = lock.lock();
                    std::panic::resume_unwind(Box::new(()));
                })
            })
            .collect();
        settle();
        drop(held);
        all.into_iter().for_each(|one| assert!(one.join().is_err()));
        assert_eq!(*lock.lock().unwrap_err().into_inner(), 20);
    });
}

/// A forgotten guard keeps the lock; nothing else happens.
#[test]
fn a_forgotten_guard() {
    in_goroutines(|| {
        let lock = Arc::new(Mutex::new("mine"));
        std::mem::forget(lock.lock().unwrap());
        assert!(lock.try_lock().is_err());
        let theirs = Arc::clone(&lock);
        let other = spawn(move || theirs.try_lock_for(Duration::from_millis(2)).is_err());
        assert!(other.join().unwrap());
        assert_eq!(Arc::into_inner(lock).unwrap().into_inner().unwrap(), "mine");
    });
}

/// What std promises of the type.
#[test]
fn as_std() {
    let unsized_lock: &Mutex<[i32]> = &Mutex::new([1, 2, 3]);
    unsized_lock.lock().unwrap()[1] = 5;
    assert_eq!(&*unsized_lock.lock().unwrap(), &[1, 5, 3]);
    let dynamic: Arc<Mutex<dyn Fn() -> i32 + Send>> = Arc::new(Mutex::new(|| 7));
    assert_eq!((dynamic.lock().unwrap())(), 7);
    static STATIC: Mutex<Vec<i32>> = Mutex::new(Vec::new());
    STATIC.lock().unwrap().push(1);
    assert_eq!(Mutex::<u8>::default().into_inner().unwrap(), 0);
    assert_eq!(Mutex::from(3).into_inner().unwrap(), 3);
    assert_eq!(format!("{:?}", Mutex::new(1)), format!("{:?}", std::sync::Mutex::new(1)));
    let (ours, std) = (Mutex::new(1), std::sync::Mutex::new(1));
    let guards = (ours.lock().unwrap(), std.lock().unwrap());
    assert_eq!(format!("{:?} {}", guards.0, guards.0), format!("{:?} {}", guards.1, guards.1));
    assert_eq!(format!("{ours:?}"), "Mutex { data: <locked>, poisoned: false, .. }");
    drop(guards);
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _guards = (ours.lock().unwrap(), std.lock().unwrap());
        std::panic::resume_unwind(Box::new(()));
    }));
    assert_eq!(format!("{ours:?}"), format!("{std:?}"));
    assert!(ours.is_poisoned() && std.is_poisoned());
}

/// A goroutine that nobody waits for has the lock when the main one is done with it.
#[test]
fn go_and_lock() {
    in_goroutines(|| {
        let lock = Arc::new(Mutex::new(0));
        for _ in 0..100 {
            let lock = Arc::clone(&lock);
            go(move || *lock.lock().unwrap() += 1);
        }
        while *lock.lock().unwrap() < 100 {
            yield_now();
        }
    });
}
