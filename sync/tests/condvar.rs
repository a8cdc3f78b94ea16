//! Conditions, barriers, notifications: who waits is woken, in order, once.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Chance, in_goroutines, rounds, settle};
use gander_chan::{bounded, unbounded};
use gander_runtime::{go, scope, sleep, spawn, yield_now};
use gander_sync::{Arc, Barrier, Condvar, Mutex, Notify};

/// sync-15: a notification wakes one; with nobody waiting it is forgotten.
/// Semantics 30.
#[test]
fn sync_15_signal() {
    in_goroutines(|| {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        pair.1.notify_one();
        pair.1.notify_all();
        let (here, all_here) = bounded(2);
        let (awake, woken) = unbounded();
        for i in 0..2 {
            let (theirs, here, awake) = (Arc::clone(&pair), here.clone(), awake.clone());
            go(move || {
                let held = theirs.0.lock().unwrap();
                here.send(()).unwrap();
                drop(theirs.1.wait(held).unwrap());
                awake.send(i).unwrap();
            });
            all_here.recv().unwrap();
            // It gives up the lock when it stands in line.
            drop(pair.0.lock().unwrap());
        }
        settle();
        assert!(woken.try_recv().is_err());
        for i in 0..2 {
            pair.1.notify_one();
            assert_eq!(woken.recv(), Ok(i), "in order of arrival");
            settle();
            assert!(woken.try_recv().is_err());
        }
    });
}

/// sync-16: two hundred announce themselves, wait, and report, again and again; nobody too early, nobody twice.
/// Semantics 30.
#[test]
fn sync_16_broadcast() {
    in_goroutines(|| {
        const N: usize = 200;
        let times = rounds(10).min(100);
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let (announce, announced) = bounded(N);
        let (report, reported) = bounded(N);
        for id in 0..N {
            let (pair, announce, report) = (Arc::clone(&pair), announce.clone(), report.clone());
            go(move || {
                for round in 0..times {
                    let held = pair.0.lock().unwrap();
                    announce.send(()).unwrap();
                    let now = pair.1.wait(held).unwrap();
                    assert_eq!(*now, round + 1, "woken too early");
                    drop(now);
                    report.send(id).unwrap();
                }
            });
        }
        for round in 0..times {
            (0..N).for_each(|_| announced.recv().unwrap());
            *pair.0.lock().unwrap() = round + 1;
            pair.1.notify_all();
            let mut seen = [false; N];
            for _ in 0..N {
                let id = reported.recv().unwrap();
                assert!(!std::mem::replace(&mut seen[id], true), "{id} reports twice");
            }
        }
    });
}

/// sync-17: a broadcast wakes who surely waits, whoever comes meanwhile.
/// Semantics 30.
#[test]
fn sync_17_nobody_steals() {
    in_goroutines(|| {
        for _ in 0..rounds(100).min(1000) {
            let pair = Arc::new((Mutex::new(()), Condvar::new()));
            let (here, is_here) = bounded(0);
            let theirs = Arc::clone(&pair);
            let surely = spawn(move || {
                let held = theirs.0.lock().unwrap();
                here.send(()).unwrap();
                drop(theirs.1.wait(held).unwrap());
            });
            is_here.recv().unwrap();
            drop(pair.0.lock().unwrap());
            let theirs = Arc::clone(&pair);
            let caller = spawn(move || theirs.1.notify_all());
            let theirs = Arc::clone(&pair);
            let newcomer = spawn(move || drop(theirs.1.wait(theirs.0.lock().unwrap()).unwrap()));
            caller.join().unwrap();
            surely.join().unwrap();
            while !newcomer.is_finished() {
                pair.1.notify_all();
                yield_now();
            }
        }
    });
}

/// A notification that comes when the time is up is not lost: it wakes another, or nobody.
#[test]
fn timeouts_lose_nothing() {
    in_goroutines(|| {
        let state = Arc::new((Mutex::new((0usize, 0usize)), Condvar::new()));
        let mut chance = Chance::new("timeouts_lose_nothing");
        let consumers: Vec<_> = (0..6)
            .map(|_| {
                let (state, mut chance) = (Arc::clone(&state), chance.split());
                spawn(move || {
                    let mut got = 0;
                    let mut held = state.0.lock().unwrap();
                    loop {
                        if held.0 > 0 {
                            held.0 -= 1;
                            got += 1;
                            continue;
                        }
                        if held.1 == 1 {
                            return got;
                        }
                        let timeout = Duration::from_micros(chance.below(80) as u64);
                        held = match chance.below(2) {
                            0 => state.1.wait_timeout(held, timeout).unwrap().0,
                            _ => state.1.wait(held).unwrap(),
                        };
                    }
                })
            })
            .collect();
        let count = rounds(300);
        for _ in 0..count {
            state.0.lock().unwrap().0 += 1;
            state.1.notify_one();
            if chance.below(4) == 0 {
                sleep(Duration::from_micros(chance.below(40) as u64));
            }
        }
        // One notification for each value is enough to have all consumed: the last one is not missed.
        let deadline = Instant::now() + Duration::from_secs(20);
        while state.0.lock().unwrap().0 > 0 {
            assert!(Instant::now() < deadline, "a notification was lost");
            sleep(Duration::from_micros(100));
        }
        state.0.lock().unwrap().1 = 1;
        state.1.notify_all();
        let got: usize = consumers.into_iter().map(|one| one.join().unwrap()).sum();
        assert_eq!(got, count);
    });
}

/// Waits with a time limit, and with a condition.
#[test]
fn time_limits() {
    in_goroutines(|| {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let begin = Instant::now();
        let (held, result) = pair.1.wait_timeout(pair.0.lock().unwrap(), Duration::from_millis(5)).unwrap();
        assert!(result.timed_out() && begin.elapsed() >= Duration::from_millis(5));
        let (held, result) = pair.1.wait_timeout(held, Duration::ZERO).unwrap();
        assert!(result.timed_out());
        let (held, result) = pair.1.wait_timeout_while(held, Duration::from_millis(3), |done| !*done).unwrap();
        assert!(result.timed_out() && !*held);
        let (held, result) = pair.1.wait_timeout_while(held, Duration::MAX, |_| false).unwrap();
        assert!(!result.timed_out());
        drop(held);
        let theirs = Arc::clone(&pair);
        go(move || {
            theirs.1.notify_all();
            settle();
            *theirs.0.lock().unwrap() = true;
            theirs.1.notify_all();
        });
        let (done, result) =
            pair.1.wait_timeout_while(pair.0.lock().unwrap(), Duration::MAX, |done| !*done).unwrap();
        assert!(*done && !result.timed_out());
    });
}

/// The waiter finds a mutex poisoned that was poisoned meanwhile; a wait while unwinding works.
#[test]
fn poison() {
    in_goroutines(|| {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let (here, is_here) = bounded(0);
        let theirs = Arc::clone(&pair);
        let waiter = spawn(move || {
            let held = theirs.0.lock().unwrap();
            here.send(()).unwrap();
            *theirs.1.wait_while(held, |n| *n == 0).unwrap_err().into_inner()
        });
        is_here.recv().unwrap();
        let theirs = Arc::clone(&pair);
        let panicked = spawn(move || {
            let mut held = theirs.0.lock().unwrap();
            *held = 3;
            theirs.1.notify_one();
            std::panic::resume_unwind(Box::new(()));
        });
        panicked.join().unwrap_err();
        assert_eq!(waiter.join().unwrap(), 3);
    });
}

/// Goroutines and threads hand a turn around.
#[test]
fn threads_too() {
    in_goroutines(|| {
        const ALL: usize = 5;
        let turn = Arc::new((Mutex::new(0usize), Condvar::new()));
        let each = rounds(60).min(300);
        let player = |me: usize| {
            let turn = Arc::clone(&turn);
            move || {
                for _ in 0..each {
                    let mut now = turn.1.wait_while(turn.0.lock().unwrap(), |now| *now % ALL != me).unwrap();
                    *now += 1;
                    drop(now);
                    turn.1.notify_all();
                }
            }
        };
        let threads: Vec<_> = (0..2).map(|i| thread::spawn(player(i))).collect();
        let goroutines: Vec<_> = (2..ALL).map(|i| spawn(player(i))).collect();
        goroutines.into_iter().for_each(|one| one.join().unwrap());
        threads.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(*turn.0.lock().unwrap(), ALL * each);
    });
}

/// A barrier opens when all are there, has one leader, and can be used again.
#[test]
fn barriers() {
    in_goroutines(|| {
        let (barrier, arrived, led) = (Barrier::new(8), AtomicUsize::new(0), AtomicUsize::new(0));
        let times = rounds(30).min(100);
        let player = || {
            for round in 0..times {
                arrived.fetch_add(1, Ordering::Relaxed);
                let leads = barrier.wait().is_leader();
                assert!(arrived.load(Ordering::Relaxed) >= 8 * (round + 1));
                led.fetch_add(usize::from(leads), Ordering::Relaxed);
            }
        };
        thread::scope(|threads| {
            threads.spawn(player);
            threads.spawn(player);
            scope(|s| (0..6).for_each(|_| drop(s.spawn(player))));
        });
        assert_eq!((arrived.into_inner(), led.into_inner()), (8 * times, times));
        assert!(Barrier::new(0).wait().is_leader() && Barrier::new(1).wait().is_leader());
        assert_eq!(format!("{:?}", Barrier::new(0).wait()), format!("{:?}", std::sync::Barrier::new(0).wait()));
    });
}

/// sync-18: a notification before the wait is kept, once; one that finds two wakes one; who gives up passes it on.
#[test]
fn sync_18_notify() {
    in_goroutines(|| {
        let notify = Arc::new(Notify::new());
        notify.notify_one();
        notify.notify_one();
        notify.wait();
        assert!(!notify.wait_timeout(Duration::from_millis(1)), "two that nobody waits for count as one");
        notify.notify_waiters();
        assert!(!notify.try_wait(), "nothing is kept for those who come later");
        let (awake, woken) = unbounded();
        for _ in 0..3 {
            let (notify, awake) = (Arc::clone(&notify), awake.clone());
            go(move || {
                notify.wait();
                awake.send(()).unwrap();
            });
        }
        settle();
        notify.notify_one();
        woken.recv().unwrap();
        // One of the two that are left may not be in line yet.
        notify.notify_waiters();
        for _ in 0..2 {
            while woken.recv_timeout(Duration::from_millis(2)).is_err() {
                notify.notify_waiters();
            }
        }
        // Each notification wakes one or is kept, whoever gives up meanwhile.
        let mut chance = Chance::new("sync_18_notify");
        let taken = Arc::new(AtomicUsize::new(0));
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (notify, taken, mut chance) = (Arc::clone(&notify), Arc::clone(&taken), chance.split());
                spawn(move || {
                    while taken.load(Ordering::Relaxed) < usize::MAX / 2 {
                        if notify.wait_timeout(Duration::from_micros(chance.below(50) as u64)) {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for i in 0..rounds(100) {
            notify.notify_one();
            while taken.load(Ordering::Relaxed) != i + 1 {
                yield_now();
                sleep(Duration::from_micros(1));
            }
        }
        taken.store(usize::MAX / 2, Ordering::Relaxed);
        waiters.into_iter().for_each(|one| one.join().unwrap());
    });
}
