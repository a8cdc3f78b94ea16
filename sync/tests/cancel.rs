//! Waits that are cancelled.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Chance, in_goroutines, rounds, settle};
use gander_runtime::{Cancel, Signal, scope, sleep, spawn, yield_now};
use gander_sync::{Arc, Condvar, Mutex, Notify, RwLock, Semaphore, WaitGroup};

/// A cancellation.
#[derive(Default)]
struct Stop(Signal);

impl Cancel for Stop {
    type Error = &'static str;
    fn signal(&self) -> Option<&Signal> {
        Some(&self.0)
    }
    fn error(&self) -> &'static str {
        assert!(self.0.is_fired());
        "stopped"
    }
}

/// What is never cancelled.
struct Never;

impl Cancel for Never {
    type Error = ();
    fn signal(&self) -> Option<&Signal> {
        None
    }
    fn error(&self) {
        unreachable!()
    }
}

/// From goroutines and threads: a wait for a lock ends with the lock or with the cancellation.
#[test]
fn locks() {
    in_goroutines(|| {
        let (lock, stop) = (Arc::new(Mutex::new(0)), Arc::new(Stop::default()));
        *lock.lock_ctx(&*stop).unwrap().unwrap() += 1;
        *lock.lock_ctx(&Never).unwrap().unwrap() += 1;
        let held = lock.lock().unwrap();
        let wait = {
            let (lock, stop) = (Arc::clone(&lock), Arc::clone(&stop));
            move || lock.lock_ctx(&*stop).map(drop)
        };
        let goroutines: Vec<_> = (0..3).map(|_| spawn(wait.clone())).collect();
        let thread = thread::spawn(wait);
        settle();
        assert!(stop.0.fire());
        goroutines.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), Err("stopped")));
        assert_eq!(thread.join().unwrap(), Err("stopped"));
        drop(held);
        // A cancelled one wins over an open lock.
        assert!(matches!(lock.lock_ctx(&*stop), Err("stopped")));
        assert_eq!(*lock.try_lock().unwrap(), 2);
    });
}

/// xsync-7, xsync-8: cancelled requests keep nobody waiting; semantics 33: a cancellation wins over free permits.
#[test]
fn xsync_7_8_permits() {
    in_goroutines(|| {
        let (semaphore, stop) = (Arc::new(Semaphore::new(10)), Arc::new(Stop::default()));
        let held = semaphore.acquire(1);
        let request = |count| {
            let (semaphore, stop) = (Arc::clone(&semaphore), Arc::clone(&stop));
            spawn(move || semaphore.acquire_ctx(count, &*stop).map(drop))
        };
        let (too_large, large) = (request(11), request(10));
        while semaphore.try_acquire(1).is_some() {
            sleep(Duration::from_micros(100));
        }
        let theirs = Arc::clone(&semaphore);
        let small = spawn(move || theirs.acquire_ctx(1, &Never).map(drop));
        settle();
        assert!(!small.is_finished(), "it has overtaken the large one");
        stop.0.fire();
        small.join().unwrap().unwrap();
        assert_eq!((too_large.join().unwrap(), large.join().unwrap()), (Err("stopped"), Err("stopped")));
        assert_eq!(semaphore.acquire_ctx(1, &*stop).map(drop), Err("stopped"));
        drop(held);
        assert_eq!(semaphore.available(), 10);
    });
}

/// Readers and writers that give up: those behind a writer that does go on, and nobody is forgotten.
#[test]
fn read_write_locks() {
    in_goroutines(|| {
        let (lock, stop) = (Arc::new(RwLock::new(0)), Arc::new(Stop::default()));
        *lock.write_ctx(&*stop).unwrap().unwrap() += 1;
        assert_eq!(*lock.read_ctx(&Never).unwrap().unwrap(), 1);
        let held = lock.read().unwrap();
        let write = {
            let (lock, stop) = (Arc::clone(&lock), Arc::clone(&stop));
            move || lock.write_ctx(&*stop).map(drop)
        };
        let (goroutine, thread) = (spawn(write.clone()), thread::spawn(write));
        // Once a writer waits readers wait behind it.
        while lock.try_read().is_ok() {
            sleep(Duration::from_micros(100));
        }
        let theirs = Arc::clone(&lock);
        let behind = spawn(move || *theirs.read().unwrap());
        settle();
        assert!(!behind.is_finished(), "it has overtaken a writer");
        assert!(stop.0.fire());
        assert_eq!(behind.join().unwrap(), 1);
        assert_eq!(goroutine.join().unwrap(), Err("stopped"));
        assert_eq!(thread.join().unwrap(), Err("stopped"));
        drop(held);
        assert!(matches!(lock.read_ctx(&*stop), Err("stopped")));
        assert!(matches!(lock.write_ctx(&*stop), Err("stopped")));
        let mut written = lock.try_write().unwrap();
        *written += 1;
        let brief = Duration::from_millis(1);
        assert!(lock.try_read_for(brief).is_err() && lock.try_write_for(brief).is_err());
        drop(written);
        assert_eq!(*lock.try_read_for(brief).unwrap(), 2);
        assert_eq!(*lock.try_write_for(brief).unwrap(), 2);
    });
}

/// Readers and writers, some of whom give up, by the clock or by a signal: nothing is lost, and it is open in the end.
#[test]
fn read_write_races() {
    in_goroutines(|| {
        let (lock, writes, mut chance) =
            (RwLock::new((0, 0)), AtomicUsize::new(0), Chance::new("read_write_races"));
        for _ in 0..rounds(10).min(50) {
            let stop = Stop::default();
            scope(|s| {
                for _ in 0..8 {
                    let (mut chance, lock, stop, writes) = (chance.split(), &lock, &stop, &writes);
                    s.spawn(move || {
                        while !stop.0.is_fired() {
                            let time = Duration::from_micros(chance.below(100) as u64);
                            let is_writer = chance.below(3) == 0;
                            let patience = chance.below(3);
                            if is_writer {
                                let guard = match patience {
                                    0 => lock.try_write_for(time).ok(),
                                    1 => lock.write_ctx(stop).ok().map(Result::unwrap),
                                    _ => Some(lock.write().unwrap()),
                                };
                                if let Some(mut guard) = guard {
                                    guard.0 += 1;
                                    if chance.below(4) == 0 {
                                        yield_now();
                                    }
                                    guard.1 += 1;
                                    writes.fetch_add(1, Ordering::Relaxed);
                                }
                            } else {
                                let guard = match patience {
                                    0 => lock.try_read_for(time).ok(),
                                    1 => lock.read_ctx(stop).ok().map(Result::unwrap),
                                    _ => Some(lock.read().unwrap()),
                                };
                                if let Some(guard) = guard {
                                    assert_eq!(guard.0, guard.1);
                                    if chance.below(4) == 0 {
                                        yield_now();
                                    }
                                }
                            }
                        }
                    });
                }
                sleep(Duration::from_micros(chance.below(2000) as u64));
                stop.0.fire();
            });
            let counted = *lock.try_write().expect("it is left locked, or somebody is left in line");
            assert_eq!(counted, (writes.load(Ordering::Relaxed), writes.load(Ordering::Relaxed)));
        }
    });
}

#[test]
fn conditions() {
    in_goroutines(|| {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let stop = Arc::new(Stop::default());
        let wait = {
            let (pair, stop) = (Arc::clone(&pair), Arc::clone(&stop));
            move || {
                let (guard, result) = pair.1.wait_ctx_while(pair.0.lock().unwrap(), &*stop, |n| *n == 0).unwrap();
                (*guard, result)
            }
        };
        let served = [spawn(wait.clone()), spawn(wait.clone())];
        settle();
        *pair.0.lock().unwrap() = 1;
        pair.1.notify_all();
        served.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), (1, Ok(()))));
        *pair.0.lock().unwrap() = 0;
        let (goroutine, thread) = (spawn(wait.clone()), thread::spawn(wait));
        settle();
        // The mutex is had again before they return.
        let held = pair.0.lock().unwrap();
        assert!(stop.0.fire());
        settle();
        assert!(!goroutine.is_finished() && !thread.is_finished());
        drop(held);
        assert_eq!(goroutine.join().unwrap(), (0, Err("stopped")));
        assert_eq!(thread.join().unwrap(), (0, Err("stopped")));
        let (guard, result) = pair.1.wait_ctx(pair.0.lock().unwrap(), &*stop).unwrap();
        assert_eq!((*guard, result), (0, Err("stopped")));
        // The condition has the last word.
        let (guard, result) = pair.1.wait_ctx_while(guard, &*stop, |_| false).unwrap();
        assert_eq!((*guard, result), (0, Ok(())));
    });
}

/// A notification is not spent on one who has given up.
#[test]
fn notifications() {
    in_goroutines(|| {
        let (notify, stop) = (Arc::new(Notify::new()), Arc::new(Stop::default()));
        let wait = {
            let (notify, stop) = (Arc::clone(&notify), Arc::clone(&stop));
            move || notify.wait_ctx(&*stop)
        };
        let (goroutine, thread) = (spawn(wait.clone()), thread::spawn(wait));
        settle();
        stop.0.fire();
        assert_eq!(goroutine.join().unwrap(), Err("stopped"));
        assert_eq!(thread.join().unwrap(), Err("stopped"));
        notify.notify_one();
        assert_eq!(notify.wait_ctx(&*stop), Err("stopped"));
        assert_eq!(notify.wait_ctx(&Never), Ok(()));
        assert!(!notify.try_wait());
    });
}

#[test]
fn wait_groups() {
    in_goroutines(|| {
        let (group, stop) = (WaitGroup::new(), Arc::new(Stop::default()));
        assert_eq!(group.wait_ctx(&*stop), Ok(()));
        assert!(group.wait_timeout(Duration::ZERO));
        let pass = group.pass();
        assert!(!group.wait_timeout(Duration::from_millis(1)));
        let wait = {
            let (group, stop) = (group.clone(), Arc::clone(&stop));
            move || group.wait_ctx(&*stop)
        };
        let (goroutine, thread) = (spawn(wait.clone()), thread::spawn(wait));
        let theirs = group.clone();
        let patient = spawn(move || theirs.wait());
        settle();
        stop.0.fire();
        assert_eq!(goroutine.join().unwrap(), Err("stopped"));
        assert_eq!(thread.join().unwrap(), Err("stopped"));
        assert!(!patient.is_finished());
        drop(pass);
        patient.join().unwrap();
        assert_eq!(group.wait_ctx(&Never), Ok(()));
        // All have gone on: it can be used again.
        group.go(|| {});
        group.wait();
    });
}

/// A cancellation against an unlock: nothing is lost, whoever wins.
#[test]
fn races() {
    in_goroutines(|| {
        let (lock, semaphore) = (Mutex::new(0), Semaphore::new(2));
        let (turns, mut chance) = (AtomicUsize::new(0), Chance::new("races"));
        for _ in 0..rounds(10).min(50) {
            let stop = Stop::default();
            scope(|s| {
                for _ in 0..6 {
                    let (mut chance, lock, semaphore, stop, turns) =
                        (chance.split(), &lock, &semaphore, &stop, &turns);
                    s.spawn(move || {
                        while let Ok(permit) = semaphore.acquire_ctx(1 + chance.below(2), stop) {
                            if chance.below(2) == 0 {
                                yield_now();
                            }
                            drop(permit);
                            let Ok(count) = lock.lock_ctx(stop) else { break };
                            let mut count = count.unwrap();
                            if chance.below(4) == 0 {
                                sleep(Duration::from_micros(10));
                            }
                            *count += 1;
                            turns.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                sleep(Duration::from_micros(chance.below(2000) as u64));
                stop.0.fire();
            });
            assert_eq!(*lock.try_lock().unwrap(), turns.load(Ordering::Relaxed));
            assert_eq!(semaphore.available(), 2);
        }
    });
}
