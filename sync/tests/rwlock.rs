//! Read-write locks: readers together, writers alone, each in turn.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{in_goroutines, rounds, settle};
use gander_chan::bounded;
use gander_runtime::{scope, sleep, spawn, yield_now};
use gander_sync::{Arc, RwLock, RwLockWriteGuard, TryLockError};

/// sync-5: readers are in together.
#[test]
fn sync_5_parallel_readers() {
    in_goroutines(|| {
        for count in [1, 3, 4] {
            let lock = RwLock::new(());
            let ((here, all_here), (leave, may_leave)) = (bounded(count), bounded::<()>(0));
            scope(|s| {
                for _ in 0..count {
                    let (lock, here, may_leave) = (&lock, here.clone(), may_leave.clone());
                    s.spawn(move || {
                        let _reading = lock.read().unwrap();
                        here.send(()).unwrap();
                        may_leave.recv().unwrap_err();
                    });
                }
                (0..count).for_each(|_| all_here.recv().unwrap());
                assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
                drop(leave);
            });
            assert!(lock.try_write().is_ok());
        }
    });
}

/// sync-6: a writer that waits keeps new readers out; they come after it.
/// Semantics 29.
#[test]
fn sync_6_a_writer_waits() {
    in_goroutines(|| {
        let lock = Arc::new(RwLock::new(Vec::new()));
        let first = lock.read().unwrap();
        let theirs = Arc::clone(&lock);
        let writer = spawn(move || theirs.write().unwrap().push("writer"));
        // It waits when no more readers come in.
        while lock.try_read().is_ok() {
            sleep(Duration::from_micros(50));
        }
        let theirs = Arc::clone(&lock);
        let reader = spawn(move || theirs.read().unwrap().clone());
        settle();
        assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)));
        assert!(!writer.is_finished() && !reader.is_finished());
        drop(first);
        assert_eq!(reader.join().unwrap(), ["writer"]);
        writer.join().unwrap();
    });
}

/// Semantics 29: all readers that wait come before the next writer, even one that is there when the lock opens.
#[test]
fn readers_come_before_the_next_writer() {
    in_goroutines(|| {
        let lock = Arc::new(RwLock::new(0));
        for round in 0..5 {
            let seen = Arc::new(AtomicUsize::new(0));
            let mut writing = lock.write().unwrap();
            *writing = round;
            let readers: Vec<_> = (0..10)
                .map(|_| {
                    let (lock, seen) = (Arc::clone(&lock), Arc::clone(&seen));
                    spawn(move || {
                        let value = lock.read().unwrap();
                        assert_eq!(*value, round);
                        seen.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            sleep(Duration::from_millis(5));
            drop(writing);
            *lock.write().unwrap() = usize::MAX;
            // Those that were not in line yet, if any, would have seen the new value.
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            assert_eq!(seen.load(Ordering::Relaxed), 10);
        }
    });
}

/// sync-7: of the activities in the lock a reader counts 1, a writer 10000.
#[test]
fn sync_7_activity() {
    in_goroutines(|| {
        for readers in [1, 3, 10] {
            let (lock, activity) = (RwLock::new(()), AtomicI64::new(0));
            let check = |count: i64| {
                let seen = activity.fetch_add(count, Ordering::SeqCst) + count;
                assert!(if count == 1 { (1..10_000).contains(&seen) } else { seen == 10_000 }, "{seen}");
                if seen % 7 == 0 {
                    yield_now();
                }
                activity.fetch_sub(count, Ordering::SeqCst);
            };
            scope(|s| {
                for _ in 0..readers {
                    s.spawn(|| {
                        for i in 0..rounds(200) {
                            let _reading = lock.read().unwrap();
                            check(1);
                            if i % 40 == 0 {
                                sleep(Duration::from_micros(10));
                            }
                        }
                    });
                }
                for _ in 0..2 {
                    s.spawn(|| {
                        for _ in 0..rounds(100) {
                            let _writing = lock.write().unwrap();
                            check(10_000);
                        }
                    });
                }
            });
            assert!(lock.try_write().is_ok());
        }
    });
}

/// sync-26: plain data under the lock is seen whole; from goroutines and threads.
#[test]
fn sync_26_threads_too() {
    in_goroutines(|| {
        let lock = Arc::new(RwLock::new((0, 0)));
        let turns = rounds(300);
        let work = {
            let lock = Arc::clone(&lock);
            move || {
                for i in 0..turns {
                    if i % 10 == 0 {
                        let mut pair = lock.write().unwrap();
                        pair.0 += 1;
                        if i % 50 == 0 {
                            yield_now();
                        }
                        pair.1 += 1;
                        if i % 3 == 0 {
                            let pair = RwLockWriteGuard::downgrade(pair);
                            assert_eq!(pair.0, pair.1);
                        }
                    } else {
                        let pair = lock.read().unwrap();
                        assert_eq!(pair.0, pair.1);
                        if i % 50 == 1 {
                            yield_now();
                        }
                    }
                }
            }
        };
        let threads: Vec<_> = (0..2).map(|_| thread::spawn(work.clone())).collect();
        let goroutines: Vec<_> = (0..6).map(|_| spawn(work.clone())).collect();
        goroutines.into_iter().for_each(|one| one.join().unwrap());
        threads.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(lock.read().unwrap().0, 8 * turns.div_ceil(10));
    });
}

/// A downgrade lets readers in that wait, and no writer between the two.
#[test]
fn downgrade() {
    in_goroutines(|| {
        let lock = Arc::new(RwLock::new(0));
        let mut writing = lock.write().unwrap();
        let (reader, writer) = (Arc::clone(&lock), Arc::clone(&lock));
        let (tx, rx) = bounded(1);
        let reader = spawn(move || tx.send(*reader.read().unwrap()).unwrap());
        let writer = spawn(move || *writer.write().unwrap() += 10);
        settle();
        *writing = 1;
        let reading = RwLockWriteGuard::downgrade(writing);
        // It reads while we do.
        assert_eq!(rx.recv().map(|value| value % 10), Ok(1));
        assert_eq!(*reading, 1);
        assert!(!writer.is_finished());
        drop(reading);
        reader.join().unwrap();
        writer.join().unwrap();
        assert_eq!(*lock.read().unwrap(), 11);
    });
}

/// panics-13: a writer's panic poisons, a reader's does not; both let go.
#[test]
fn panics_13_poison() {
    in_goroutines(|| {
        let lock = Arc::new(RwLock::new(1));
        let theirs = Arc::clone(&lock);
        spawn(move || {
            let _reading = theirs.read().unwrap();
            std::panic::resume_unwind(Box::new(()));
        })
        .join()
        .unwrap_err();
        assert!(!lock.is_poisoned());
        let theirs = Arc::clone(&lock);
        spawn(move || {
            let mut writing = theirs.write().unwrap();
            *writing = 2;
            std::panic::resume_unwind(Box::new(()));
        })
        .join()
        .unwrap_err();
        assert!(lock.is_poisoned());
        assert_eq!(*lock.read().unwrap_err().into_inner(), 2);
        assert_eq!(*lock.write().unwrap_err().into_inner(), 2);
        assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
        assert!(matches!(lock.try_write(), Err(TryLockError::Poisoned(_))));
        lock.clear_poison();
        assert_eq!(Arc::into_inner(lock).unwrap().into_inner().unwrap(), 2);
    });
}

/// What std promises of the type.
#[test]
fn as_std() {
    static STATIC: RwLock<Vec<i32>> = RwLock::new(Vec::new());
    STATIC.write().unwrap().push(1);
    let unsized_lock: &RwLock<[i32]> = &RwLock::new([1, 2]);
    unsized_lock.write().unwrap()[0] = 3;
    assert_eq!(&*unsized_lock.read().unwrap(), &[3, 2]);
    let (mut ours, std) = (RwLock::from(1), std::sync::RwLock::from(1));
    assert_eq!(format!("{ours:?}"), format!("{std:?}"));
    let guards = (ours.write().unwrap(), std.write().unwrap());
    assert_eq!(format!("{ours:?} {:?} {}", guards.0, guards.0), format!("{std:?} {:?} {}", guards.1, guards.1));
    drop(guards);
    let guards = (ours.read().unwrap(), std.read().unwrap());
    assert_eq!(format!("{:?} {}", guards.0, guards.0), format!("{:?} {}", guards.1, guards.1));
    drop(guards);
    *ours.get_mut().unwrap() = 5;
    assert_eq!(ours.into_inner().unwrap(), 5);
    assert_eq!(RwLock::<u8>::default().into_inner().unwrap(), 0);
    // Forgotten readers stay.
    let lock = RwLock::new(());
    std::mem::forget(lock.read().unwrap());
    assert!(lock.try_write().is_err() && lock.try_read().is_ok());
}
