//! Yielding, parking, sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Random, run, run_on, scaled, until};

const LONG: Duration = Duration::from_secs(30);

/// sched-22: an unpark before the park makes it return at once, several count as one.
#[test]
fn sched_22_token() {
    run(|| {
        let returned = Arc::new(AtomicUsize::new(0));
        let begun = Arc::new(AtomicBool::new(false));
        let (counted, begin) = (returned.clone(), begun.clone());
        let worker = gander::spawn(move || {
            for _ in 0..5 {
                gander::current().unpark();
            }
            begin.store(true, Ordering::SeqCst);
            gander::park();
            counted.fetch_add(1, Ordering::SeqCst);
            gander::park();
            counted.fetch_add(1, Ordering::SeqCst);
        });
        until(|| returned.load(Ordering::SeqCst) == 1);
        for _ in 0..1000 {
            gander::yield_now();
            assert_eq!(returned.load(Ordering::SeqCst), 1, "the second park needs an unpark of its own");
        }
        let handle = worker.goroutine().clone();
        handle.unpark();
        worker.join().unwrap();
        handle.unpark();
        handle.unpark();
    });
}

/// park_timeout ends on time, not early, and at once if there is a token.
#[test]
fn sched_22_park_timeout() {
    run(|| {
        let start = Instant::now();
        gander::park_timeout(Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert!(start.elapsed() < LONG);
        gander::current().unpark();
        let start = Instant::now();
        gander::park_timeout(LONG);
        assert!(start.elapsed() < LONG / 2);
        gander::park_timeout(Duration::ZERO);
        let worker = gander::spawn(|| gander::park_timeout(Duration::MAX));
        gander::yield_now();
        worker.goroutine().unpark();
        worker.join().unwrap();
    });
}

/// A park is not ended by the timer of an earlier park_timeout, nor by a late unpark twice.
#[test]
fn stale_timer() {
    run(|| {
        for _ in 0..scaled(200) {
            let go_on = Arc::new(AtomicBool::new(false));
            let seen = go_on.clone();
            let worker = gander::spawn(move || {
                gander::park_timeout(Duration::from_micros(300));
                // Whatever ended the first, the second ends by an unpark that comes after `go_on`, or by a token
                // that the first one left.
                gander::park();
                if !seen.load(Ordering::SeqCst) {
                    gander::park();
                }
                assert!(seen.load(Ordering::SeqCst), "a park ended without an unpark");
            });
            worker.goroutine().unpark();
            gander::sleep(Duration::from_micros(500));
            go_on.store(true, Ordering::SeqCst);
            // Where the worker began late the first unpark is still there, and this one counts as the same.
            until(|| (worker.goroutine().unpark(), worker.is_finished()).1);
            worker.join().unwrap();
        }
    });
}

/// Unparks race with park and park_timeout: none is lost.
#[test]
fn unpark_race() {
    run_on(4, || {
        let rounds = scaled(10_000);
        let ball = Arc::new(AtomicUsize::new(0));
        let seen = ball.clone();
        let worker = gander::spawn(move || {
            for round in 1..=rounds {
                while seen.load(Ordering::Acquire) < round {
                    if round % 3 == 0 {
                        gander::park_timeout(LONG);
                    } else {
                        gander::park();
                    }
                }
            }
        });
        let handle = worker.goroutine().clone();
        let mut random = Random::new(1);
        let start = Instant::now();
        for round in 1..=rounds {
            ball.store(round, Ordering::Release);
            handle.unpark();
            for _ in 0..random.below(3) {
                gander::yield_now();
            }
        }
        worker.join().unwrap();
        assert!(start.elapsed() < LONG, "an unpark was lost and a timeout took its place");
    });
}

/// park_timeout against unpark at the very same moment.
#[test]
fn timeout_race() {
    run_on(4, || {
        for i in 0..scaled(1000) {
            let worker = gander::spawn(|| {
                for _ in 0..3 {
                    gander::park_timeout(Duration::from_micros(50));
                }
            });
            let handle = worker.goroutine().clone();
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(30 + i as u64 % 40) {
                std::hint::spin_loop();
            }
            handle.unpark();
            worker.join().unwrap();
        }
    });
}

/// A sleep of nothing returns at once; no sleep ends early; an endless one does not end.
#[test]
fn sleep_is_never_early() {
    run(|| {
        gander::sleep(Duration::ZERO);
        let endless = gander::spawn(|| gander::sleep(Duration::MAX));
        let all: Vec<_> = (0..scaled(10_000) as u64)
            .map(|i| {
                gander::spawn(move || {
                    let length = Duration::from_micros(Random::new(i).below(50_000));
                    let start = Instant::now();
                    gander::sleep(length);
                    let slept = start.elapsed();
                    assert!(slept >= length, "slept {slept:?} of {length:?}");
                })
            })
            .collect();
        for one in all {
            one.join().unwrap();
        }
        assert!(!endless.is_finished());
    });
}

/// Sleeps that are cut short by nobody end about when they should even while all processors are busy yielding.
#[test]
fn sched_21_timers_among_yielders() {
    for procs in [1, 2, 4] {
        run_on(procs, move || {
            let stop = Arc::new(AtomicBool::new(false));
            let busy: Vec<_> = (0..2 * procs)
                .map(|_| {
                    let stop = stop.clone();
                    gander::spawn(move || until(|| stop.load(Ordering::Relaxed)))
                })
                .collect();
            for _ in 0..20 {
                let start = Instant::now();
                gander::sleep(Duration::from_millis(1));
                assert!(start.elapsed() < Duration::from_secs(2), "a timer starved");
            }
            stop.store(true, Ordering::Relaxed);
            for one in busy {
                one.join().unwrap();
            }
        });
    }
}

/// sched-17: two goroutines that wake each other on one processor leave a third its turns.
#[test]
fn sched_17_third_one() {
    run_on(1, || {
        let stop = Arc::new(AtomicBool::new(false));
        let ping = |stop: Arc<AtomicBool>, slot: Arc<std::sync::OnceLock<gander::Goroutine>>| {
            move || {
                let mut rounds = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    if let Some(other) = slot.get() {
                        other.unpark();
                    }
                    gander::park_timeout(Duration::from_millis(100));
                    rounds += 1;
                }
                rounds
            }
        };
        let slots = [(); 2].map(|()| Arc::new(std::sync::OnceLock::new()));
        let a = gander::spawn(ping(stop.clone(), slots[1].clone()));
        let b = gander::spawn(ping(stop.clone(), slots[0].clone()));
        slots[0].set(a.goroutine().clone()).unwrap();
        slots[1].set(b.goroutine().clone()).unwrap();
        let start = Instant::now();
        for _ in 0..1000 {
            gander::yield_now();
        }
        assert!(start.elapsed() < Duration::from_secs(10));
        stop.store(true, Ordering::Relaxed);
        let rounds = a.join().unwrap() + b.join().unwrap();
        assert!(rounds > 100, "{rounds}");
    });
}
