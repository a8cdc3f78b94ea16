//! The number of processors, and heavy load on different numbers of them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::common::{Random, beside, run_on, scaled, until};

/// sched-1: the number changes a thousand times, twice over, while goroutines yield and a chain goes on.
#[test]
fn sched_1_changes() {
    run_on(4, || {
        let stop = Arc::new(AtomicBool::new(false));
        let yielders: Vec<_> = (0..100)
            .map(|_| {
                let stop = stop.clone();
                gander::spawn(move || until(|| stop.load(Ordering::Relaxed)))
            })
            .collect();
        fn link(stop: Arc<AtomicBool>, length: Arc<AtomicUsize>, done: gander::Goroutine) {
            length.fetch_add(1, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                done.unpark();
            } else {
                gander::go(move || link(stop, length, done));
            }
        }
        let length = Arc::new(AtomicUsize::new(0));
        let (first, counted, me) = (stop.clone(), length.clone(), gander::current());
        gander::go(move || link(first, counted, me));
        let changers: Vec<_> = (0..2)
            .map(|salt| {
                gander::spawn(move || {
                    let mut random = Random::new(salt);
                    for _ in 0..scaled(1000) {
                        gander::set_procs(1 + random.below(8) as usize);
                        gander::yield_now();
                    }
                })
            })
            .collect();
        for changer in changers {
            changer.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        gander::park();
        for yielder in yielders {
            yielder.join().unwrap();
        }
        assert!(length.load(Ordering::Relaxed) > 0);
    });
}

/// Numbers out of range are refused in words, and nothing changes.
#[test]
fn invalid_numbers() {
    run_on(2, || {
        for wrong in [0, 1025, usize::MAX] {
            let caught = std::panic::catch_unwind(|| gander::set_procs(wrong)).unwrap_err();
            let text = caught.downcast_ref::<String>().unwrap();
            assert!(text.contains(&format!("{wrong} processors asked for")), "{text}");
        }
        assert_eq!(gander::procs(), 2);
        assert_eq!(gander::set_procs(3), 2);
        assert_eq!(gander::set_procs(2), 3);
    });
}

/// The timers of a processor that is taken out of service still ring, however busy the others are.
#[test]
fn timers_of_a_retired_processor() {
    run_on(2, || {
        let woke = Arc::new(AtomicUsize::new(0));
        let sleepers: Vec<_> = (0..8)
            .map(|_| {
                let woke = woke.clone();
                gander::spawn(move || {
                    // So that both processors get some.
                    let start = Instant::now();
                    until(|| start.elapsed() > Duration::from_millis(5));
                    gander::sleep(Duration::from_millis(100));
                    woke.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        let start = Instant::now();
        until(|| start.elapsed() > Duration::from_millis(50));
        gander::set_procs(1);
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let busy = gander::spawn(move || until(|| seen.load(Ordering::Relaxed)));
        let start = Instant::now();
        until(|| woke.load(Ordering::SeqCst) == 8 || start.elapsed() > Duration::from_secs(5));
        let in_time = woke.load(Ordering::SeqCst);
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(in_time, 8, "sleepers starved while others yielded");
    });
}

/// A foreign thread's goroutine is not forgotten when the processor of the worker that was called for it goes.
#[test]
fn foreign_spawn_while_shrinking() {
    beside(2, shrink_while_spawning);
}

fn shrink_while_spawning() {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut lost = 0;
    std::thread::scope(|s| {
        s.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                gander::spawn(|| ()).join().unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        for round in 0..scaled(500) as u64 {
            gander::set_procs(2);
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(100 + round % 100) {}
            gander::set_procs(1);
            let (before, start) = (done.load(Ordering::SeqCst), Instant::now());
            while done.load(Ordering::SeqCst) < before + 2 && lost == 0 {
                std::thread::yield_now();
                lost += usize::from(start.elapsed() > Duration::from_secs(5));
            }
        }
        gander::set_procs(2);
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(lost, 0, "a goroutine waited while its processor was idle");
}

/// Every goroutine of 100,000 that yield at random is accounted for.
#[test]
fn sched_18_random_yields() {
    for procs in [1, 2, 8] {
        run_on(procs, || {
            let count = scaled(100_000) as u64;
            let all: Vec<_> = (0..count)
                .map(|i| {
                    gander::spawn(move || {
                        for _ in 0..Random::new(i).below(5) {
                            gander::yield_now();
                        }
                        i
                    })
                })
                .collect();
            let sum: u64 = all.into_iter().map(|one| one.join().unwrap()).sum();
            assert_eq!(sum, count * (count - 1) / 2);
        });
    }
}

/// sched-18: pairs that wake each other by park and unpark.
#[test]
fn sched_18_ping_pong() {
    for procs in [1, 2, 4] {
        run_on(procs, || {
            let rounds = scaled(5_000);
            let pairs: Vec<_> = (0..8)
                .map(|_| {
                    let turn = Arc::new(AtomicUsize::new(0));
                    let seen = turn.clone();
                    let ping = gander::spawn(move || {
                        let parent = seen.clone();
                        let other = gander::current();
                        let pong = gander::spawn(move || {
                            for round in 0..rounds {
                                while parent.load(Ordering::Acquire) != 2 * round + 1 {
                                    gander::park();
                                }
                                parent.store(2 * round + 2, Ordering::Release);
                                other.unpark();
                            }
                        });
                        let handle = pong.goroutine().clone();
                        for round in 0..rounds {
                            seen.store(2 * round + 1, Ordering::Release);
                            handle.unpark();
                            while seen.load(Ordering::Acquire) != 2 * round + 2 {
                                gander::park();
                            }
                        }
                        pong.join().unwrap();
                    });
                    (ping, turn)
                })
                .collect();
            for (ping, turn) in pairs {
                ping.join().unwrap();
                assert_eq!(turn.load(Ordering::Relaxed), 2 * rounds);
            }
        });
    }
}

/// A tree of 2^16 goroutines, each joining its two children.
#[test]
fn tree() {
    fn grow(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let (left, right) = (gander::spawn(move || grow(depth - 1)), gander::spawn(move || grow(depth - 1)));
        left.join().unwrap() + right.join().unwrap()
    }
    let depth = if scaled(100) < 100 { 9 } else { 15 };
    for procs in [1, 4] {
        run_on(procs, || assert_eq!(grow(depth), 1 << depth));
    }
}

/// Four foreign threads spawn, unpark and join at once.
#[test]
fn foreign_threads() {
    beside(2, spawn_from_four);
}

fn spawn_from_four() {
    let each = scaled(10_000) as u64;
    std::thread::scope(|s| {
        for salt in 0..4 {
            s.spawn(move || {
                let mut random = Random::new(salt);
                let mut sum = 0;
                let mut left = each;
                while left > 0 {
                    let batch = (1 + random.below(64)).min(left);
                    let all: Vec<_> = (0..batch)
                        .map(|i| {
                            gander::spawn(move || {
                                if i % 2 == 0 {
                                    gander::park();
                                }
                                1
                            })
                        })
                        .collect();
                    for one in &all {
                        one.goroutine().unpark();
                    }
                    sum += all.into_iter().map(|one| one.join().unwrap()).sum::<u64>();
                    left -= batch;
                }
                assert_eq!(sum, each);
            });
        }
    });
}

/// semantics 13: on one processor who was spawned last runs first, the others in their order. That is a habit and no
/// promise: a slice may end in between, so one of many tries has to show it.
#[test]
fn the_last_spawned_runs_first() {
    run_on(1, || {
        let order = || {
            let order = Mutex::new(Vec::new());
            gander::scope(|s| {
                gander::no_preempt(|| {
                    for i in 0..6 {
                        let order = &order;
                        s.spawn(move || order.lock().unwrap().push(i));
                    }
                });
            });
            order.into_inner().unwrap()
        };
        assert!((0..100).any(|_| order() == [5, 0, 1, 2, 3, 4]), "{:?}", order());
    });
}
