//! Waits that are cancelled.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{Chance, in_goroutines, rounds, settle};
use gander_runtime::{Cancel, Signal, scope, sleep, spawn, yield_now};
use gander_sync::{Arc, Mutex, Semaphore};

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
