//! Semaphores.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Chance, in_goroutines, rounds, settle, until_waits, watched};
use gander_chan::unbounded;
use gander_runtime::{run, scope, sleep, spawn, yield_now};
use gander_sync::{Arc, Semaphore};

/// Long enough for what must happen.
const LONG: Duration = Duration::from_secs(30);

/// sync-2: a semaphore of one keeps ten goroutines apart.
#[test]
fn sync_2_binary() {
    in_goroutines(|| {
        let (semaphore, inside) = (Semaphore::new(1), AtomicUsize::new(0));
        scope(|s| {
            for i in 0..10 {
                let (semaphore, inside) = (&semaphore, &inside);
                s.spawn(move || {
                    for j in 0..rounds(100).min(1000) {
                        let _permit = semaphore.acquire(1);
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        if (i + j) % 30 == 0 {
                            yield_now();
                        }
                        inside.fetch_sub(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(semaphore.available(), 1);
    });
}

/// xsync-4: random weights, also with time limits, from goroutines and threads: never too many, and none lost.
#[test]
fn xsync_4_hammer() {
    in_goroutines(|| {
        let (semaphore, used) = (Semaphore::new(10), AtomicUsize::new(0));
        let mut chance = Chance::new("xsync_4_hammer");
        let work = |mut chance: Chance| {
            for _ in 0..rounds(60).min(600) {
                let count = chance.below(11);
                let permit = match chance.below(4) {
                    0 => semaphore.try_acquire(count),
                    1 => semaphore.acquire_timeout(count, Duration::from_micros(chance.below(100) as u64)),
                    _ => Some(semaphore.acquire(count)),
                };
                let Some(permit) = permit else { continue };
                assert_eq!(permit.count(), count);
                assert!(used.fetch_add(count, Ordering::Relaxed) + count <= 10);
                if chance.below(8) == 0 {
                    sleep(Duration::from_micros(chance.below(50) as u64));
                }
                used.fetch_sub(count, Ordering::Relaxed);
            }
        };
        thread::scope(|threads| {
            for _ in 0..2 {
                let (chance, work) = (chance.split(), &work);
                threads.spawn(move || work(chance));
            }
            scope(|s| {
                for _ in 0..8 {
                    let (chance, work) = (chance.split(), &work);
                    s.spawn(move || work(chance));
                }
            });
        });
        assert_eq!(semaphore.available(), 10);
        assert!(semaphore.try_acquire(10).is_some(), "somebody still stands in line");
    });
}

/// xsync-5: more released than held, and more asked for than there is, are told at once.
#[test]
fn xsync_5_misuse() {
    in_goroutines(|| {
        let semaphore = Semaphore::new(2);
        let words = |f: &dyn Fn()| -> String {
            let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
            payload.downcast_ref::<&str>().map(ToString::to_string).unwrap_or_else(|| *payload.downcast().unwrap())
        };
        assert!(words(&|| semaphore.release(1)).contains("released more than held"));
        semaphore.acquire(1).forget();
        assert!(words(&|| semaphore.release(2)).contains("released more than held"));
        assert!(words(&|| semaphore.release(usize::MAX)).contains("released more than held"));
        assert_eq!(semaphore.available(), 1);
        semaphore.release(1);
        assert!(words(&|| drop(semaphore.acquire(3))).contains("3 permits asked for"));
        assert!(words(&|| drop(semaphore.acquire(usize::MAX))).contains("permits asked for"));
        assert!(semaphore.try_acquire(usize::MAX).is_none());
        assert!(words(&|| drop(Semaphore::new(usize::MAX))).contains("so many"));
        assert_eq!(semaphore.available(), 2);
        let none = Semaphore::new(0);
        assert!(none.try_acquire(1).is_none() && none.try_acquire(0).is_some());
        assert_eq!(Semaphore::new(Semaphore::MAX_PERMITS).available(), Semaphore::MAX_PERMITS);
    });
}

/// xsync-6: tries, step by step.
#[test]
fn xsync_6_tries() {
    in_goroutines(|| {
        let semaphore = Semaphore::new(2);
        semaphore.acquire(1).forget();
        semaphore.try_acquire(1).unwrap().forget();
        assert!(semaphore.try_acquire(1).is_none());
        semaphore.release(2);
        semaphore.try_acquire(1).unwrap().forget();
        semaphore.acquire(1).forget();
        assert!(semaphore.try_acquire(1).is_none());
        semaphore.release(2);
        assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 2, size: 2 }");
    });
}

/// xsync-7: who asks for more than there is keeps nobody waiting but itself.
#[test]
fn xsync_7_too_big() {
    in_goroutines(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let theirs = Arc::clone(&semaphore);
        let begin = Instant::now();
        let big = spawn(move || theirs.acquire_timeout(3, Duration::from_millis(20)).is_none());
        settle();
        for _ in 0..6 {
            let permit = semaphore.acquire_timeout(1, LONG).expect("it is free");
            sleep(Duration::from_millis(1));
            drop(permit);
        }
        assert!(big.join().unwrap());
        assert!(begin.elapsed() >= Duration::from_millis(20));
    });
}

/// xsync-8: a large request keeps a small one waiting; when it gives up the small one goes on at once.
/// Semantics 33.
#[test]
fn xsync_8_giving_up() {
    in_goroutines(|| {
        let semaphore = Arc::new(Semaphore::new(10));
        let held = semaphore.acquire(1);
        let theirs = Arc::clone(&semaphore);
        let large = spawn(move || theirs.acquire_timeout(10, Duration::from_millis(30)).is_none());
        // It stands in line when nobody else gets any.
        while semaphore.try_acquire(1).is_some() && !large.is_finished() {
            sleep(Duration::from_micros(100));
        }
        let small = semaphore.acquire_timeout(1, LONG).expect("there is enough for it");
        assert!(large.join().unwrap());
        drop((held, small));
        assert_eq!(semaphore.available(), 10);
    });
}

/// Permits are given in order of arrival; a large request is not overtaken.
#[test]
fn in_order() {
    watched(|| {
        run(|| {
            let semaphore = Arc::new(Semaphore::new(3));
            let held = semaphore.acquire(3);
            let (tx, rx) = unbounded();
            let all: Vec<_> = [1, 3, 1, 2, 1]
                .into_iter()
                .enumerate()
                .map(|(i, count)| {
                    let (semaphore, tx) = (Arc::clone(&semaphore), tx.clone());
                    let one = spawn(move || {
                        let permit = semaphore.acquire(count);
                        tx.send(i).unwrap();
                        yield_now();
                        drop(permit);
                    });
                    until_waits(one.goroutine().id(), "semaphore acquire");
                    one
                })
                .collect();
            drop(held);
            let order: Vec<_> = (0..5).map(|_| rx.recv().unwrap()).collect();
            assert_eq!(order[..2], [0, 1]);
            // Two fit together then, and may report in either order.
            let mut rest = order[2..].to_vec();
            rest.sort_unstable();
            assert_eq!(rest, [2, 3, 4]);
            all.into_iter().for_each(|one| one.join().unwrap());
        });
    });
}

/// panics-13: a panic gives the permits back; owned permits go anywhere.
#[test]
fn panics_13_permits() {
    in_goroutines(|| {
        let semaphore = Arc::new(Semaphore::new(4));
        let owned = Arc::clone(&semaphore).acquire_owned(2);
        assert_eq!((owned.count(), owned.semaphore().available()), (2, 2));
        spawn(move || {
            let _owned = owned;
            std::panic::resume_unwind(Box::new(()));
        })
        .join()
        .unwrap_err();
        assert_eq!(semaphore.available(), 4);
        let one = Arc::clone(&semaphore).try_acquire_owned(4).unwrap();
        assert!(Arc::clone(&semaphore).try_acquire_owned(1).is_none());
        assert!(Arc::clone(&semaphore).acquire_timeout_owned(1, Duration::from_millis(1)).is_none());
        one.forget();
        assert_eq!((semaphore.available(), Arc::strong_count(&semaphore)), (0, 1));
        semaphore.release(4);
    });
}
