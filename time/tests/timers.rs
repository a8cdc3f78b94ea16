//! Timers, tickers and sleeps: the numbered behaviours of the project's list, and what Go documents (semantics 22 to 27).

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{Chance, in_goroutines, rounds, small, watched};
use gander_chan::{TryRecvError, bounded, unbounded};
use gander_runtime::{go, num_goroutines, spawn, yield_now};
use gander_time::{Duration, Instant, Ticker, Timer, after, after_func, at, sleep};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// timers-2: what timers call runs in goroutines of its own, which do not hold each other up.
#[test]
fn timers_2_functions_do_not_wait_for_each_other() {
    in_goroutines(|| {
        let (tx, rx) = bounded(0);
        fn generation(left: usize, tx: gander_chan::Sender<()>) {
            after_func(Duration::ZERO, move || {
                if left > 0 {
                    generation(left - 1, tx.clone());
                } else {
                    tx.send(()).unwrap();
                    return;
                }
                sleep(Duration::from_secs(1));
            });
        }
        let start = Instant::now();
        generation(10, tx);
        rx.recv_timeout(LONG).unwrap();
        // One after the other they would take ten seconds.
        assert!(start.elapsed() < Duration::from_secs(5));
    });
}

/// timers-4, timers-5: not before its time, and the value says when that was.
#[test]
fn timers_4_5_not_before_its_time() {
    in_goroutines(|| {
        let start = Instant::now();
        for i in 1..=5 {
            let before = Instant::now();
            let then = after(10 * MS).recv().unwrap();
            assert!(then >= before + 10 * MS && Instant::now() >= then);
            assert!(start.elapsed() >= i * 10 * MS);
        }
        let when = Instant::now() + 5 * MS;
        assert_eq!(at(when).recv(), Ok(when));
        assert!(Instant::now() >= when);
        assert!(at(start).try_recv().is_ok(), "what is past is due at once");
    });
}

/// timers-6: what was stopped in time does not go off.
#[test]
fn timers_6_stop() {
    in_goroutines(|| {
        // So far in the future that it is not due before it is stopped, on any machine.
        let called = Arc::new(AtomicUsize::new(0));
        let theirs = called.clone();
        let channel = Timer::new(500 * MS);
        let func = after_func(500 * MS, move || {
            theirs.fetch_add(1, Ordering::Relaxed);
        });
        assert!(channel.stop() && func.stop());
        assert!(!channel.stop() && !func.stop());
        after(510 * MS).recv().unwrap();
        assert_eq!(channel.c().try_recv(), Err(TryRecvError::Empty));
        assert_eq!(called.load(Ordering::Relaxed), 0);
        assert!(func.c().try_recv().is_err(), "a function's timer has a channel that never has anything");
    });
}

/// timers-7: a hundred functions stopped in time: none runs.
#[test]
fn timers_7_stop_stress() {
    watched(|| {
        gander_runtime::run(|| {
            let called = Arc::new(AtomicUsize::new(0));
            let all: Vec<_> = (0..100)
                .map(|_| {
                    let called = called.clone();
                    spawn(move || {
                        let timer = after_func(LONG, move || {
                            called.fetch_add(1, Ordering::Relaxed);
                        });
                        sleep(20 * MS);
                        assert!(timer.stop());
                    })
                })
                .collect();
            all.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(called.load(Ordering::Relaxed), 0);
        });
    });
}

/// timers-9: times beyond the end of the clock are the end; nothing wraps.
#[test]
fn timers_9_without_end() {
    in_goroutines(|| {
        let ticker = Ticker::new(Duration::MAX);
        let timer = Timer::new(Duration::MAX);
        let func = after_func(Duration::MAX, || unreachable!());
        sleep(MS);
        assert!(ticker.c().try_recv().is_err() && timer.c().try_recv().is_err());
        // Due once, and then never again.
        ticker.reset(MS);
        ticker.c().recv_timeout(LONG).unwrap();
        ticker.reset(Duration::MAX);
        assert!(timer.reset(Duration::from_nanos(u64::MAX)) && timer.stop());
        assert!(func.reset(Duration::from_nanos(u64::MAX - 1)) && func.stop());
        after(MS).recv_timeout(LONG).unwrap();
        ticker.stop();
        assert!(ticker.c().try_recv().is_err());
    });
}

/// timers-10: very many that are due at once.
#[test]
fn timers_10_zero() {
    in_goroutines(|| {
        let count = rounds(5_000);
        for _ in 0..count {
            Timer::new(Duration::ZERO).c().recv_timeout(LONG).unwrap();
        }
        let (tx, rx) = unbounded();
        for i in 0..count {
            let tx = tx.clone();
            after_func(Duration::ZERO, move || tx.send(i).unwrap());
        }
        for _ in 0..count {
            rx.recv_timeout(LONG).unwrap();
        }
        let again = after_func(Duration::ZERO, move || tx.send(0).unwrap());
        for _ in 0..count {
            rx.recv_timeout(LONG).unwrap();
            assert!(!again.reset(Duration::ZERO), "its function was called");
        }
        rx.recv_timeout(LONG).unwrap();
    });
}

/// timers-11: a hundred timers go through eleven states each, in a random order.
#[test]
fn timers_11_states() {
    let mut chance = Chance::new("timers_11");
    let seeds: Vec<_> = (0..3).map(|_| chance.split()).collect();
    let seeds = std::sync::Mutex::new(seeds);
    in_goroutines(|| {
        struct One {
            state: usize,
            timer: Option<Timer>,
            fired: gander_chan::Receiver<()>,
            fire: gander_chan::Sender<()>,
        }
        let minute = Duration::from_secs(60);
        let mut chance = seeds.lock().unwrap().pop().unwrap();
        let mut all: Vec<One> = (0..100)
            .map(|_| {
                let (fire, fired) = bounded(1);
                One { state: 0, timer: None, fired, fire }
            })
            .collect();
        while !all.is_empty() {
            let i = chance.below(all.len());
            let one = &mut all[i];
            let timer = || one.timer.as_ref().unwrap();
            match one.state {
                0 => {
                    let fire = one.fire.clone();
                    one.timer = Some(after_func(Duration::ZERO, move || fire.send(()).unwrap()));
                }
                1 | 10 => one.fired.recv_timeout(LONG).unwrap(),
                2 => assert!(!timer().reset(minute), "it had fired"),
                3 | 5 | 7 => assert!(timer().stop(), "it had not fired"),
                4 => assert!(!timer().reset(3 * minute), "it was stopped"),
                6 => assert!(!timer().reset(2 * minute), "it was stopped"),
                8 => assert!(!timer().stop(), "it was stopped"),
                9 => assert!(!timer().reset(Duration::ZERO), "it was stopped"),
                _ => {
                    assert!(one.fired.try_recv().is_err(), "it fired once");
                    all.swap_remove(i);
                    continue;
                }
            }
            one.state += 1;
        }
    });
}

/// timers-12: the answer of `reset` says whether the value was received, at any moment.
#[test]
fn timers_12_reset_result() {
    watched(|| {
        gander_runtime::run(|| {
            let all: Vec<_> = (0..rounds(50))
                .map(|i| {
                    spawn(move || {
                        for round in 0..20 {
                            let timer = Arc::new(Timer::new(MS));
                            let theirs = timer.clone();
                            let other =
                                spawn(move || theirs.c().recv_timeout(Duration::from_micros(900 + 20 * round)));
                            sleep(Duration::from_micros(950 + (i % 10) as u64 * 20));
                            let was_on = timer.reset(HOUR);
                            let received = other.join().unwrap().is_ok();
                            assert_eq!(was_on, !received);
                            assert!(timer.c().try_recv().is_err(), "nothing old is received");
                        }
                    })
                })
                .collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        });
    });
}

/// timers-14, leaks-4: nothing stays behind, and no helper is seen.
#[test]
fn timers_14_teardown() {
    in_goroutines(|| {
        let before = num_goroutines();
        for _ in 0..3 {
            let ticker = Ticker::new(MS);
            ticker.c().recv_timeout(LONG).unwrap();
            ticker.stop();
            let (tx, rx) = bounded(0);
            after_func(Duration::ZERO, move || tx.send(()).unwrap());
            rx.recv_timeout(LONG).unwrap();
        }
        let start = Instant::now();
        while num_goroutines() > before && start.elapsed() < LONG {
            sleep(MS);
        }
        // Others may have ended meanwhile.
        assert!(num_goroutines() <= before);
    });
}

/// timers-18, semantics 22, 23, 26: the channel of a timer.
#[test]
fn timers_18_channel() {
    in_goroutines(|| {
        let timer = Timer::new(MS);
        assert_eq!((timer.c().len(), timer.c().capacity()), (0, Some(0)));
        sleep(3 * MS);
        assert_eq!((timer.c().len(), timer.c().capacity()), (0, Some(0)), "also when it is due");
        // Due and unread: it counts as running, and nothing old is received.
        assert!(timer.stop());
        assert!(timer.c().try_recv().is_err());
        assert!(!timer.reset(MS));
        sleep(3 * MS);
        assert!(timer.reset(HOUR));
        assert!(timer.c().try_recv().is_err());
        assert!(timer.reset(Duration::ZERO));
        timer.c().recv().unwrap();
        assert!(!timer.reset(HOUR), "its value was received");
        timer.stop();
        assert!(timer.c().recv_timeout(MS).is_err());
    });
}

/// timers-18: who waits already follows a reset, to later and to sooner; one value serves one.
#[test]
fn timers_18_reset_under_waiters() {
    in_goroutines(|| {
        let timer = Arc::new(Timer::new(HOUR));
        let (tx, rx) = bounded(2);
        for _ in 0..2 {
            let (timer, tx) = (timer.clone(), tx.clone());
            go(move || {
                let value = timer.c().recv();
                tx.send(value.is_ok()).unwrap();
            });
        }
        common::settle();
        assert!(timer.stop());
        assert!(rx.recv_timeout(3 * MS).is_err(), "stopped: nobody goes on");
        assert!(!timer.reset(2 * HOUR));
        assert!(timer.reset(MS));
        assert_eq!(rx.recv_timeout(LONG), Ok(true));
        assert!(rx.recv_timeout(3 * MS).is_err(), "one value, one receiver");
        assert!(!timer.reset(MS));
        assert_eq!(rx.recv_timeout(LONG), Ok(true));
    });
}

/// A timer that is dropped closes its channel: who waits at a clone goes on.
#[test]
fn dropped_timers_close() {
    in_goroutines(|| {
        let timer = Timer::new(HOUR);
        let c = timer.c().clone();
        let waiter = spawn(move || c.recv().is_err());
        common::settle();
        drop(timer);
        assert!(waiter.join().unwrap());
    });
}

/// timers-21: resets without a pause leave others their time.
#[test]
fn timers_21_resets_without_pause() {
    in_goroutines(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let all: Vec<_> = (0..if small() { 5 } else { 50 })
            .map(|_| {
                let stop = stop.clone();
                spawn(move || {
                    let timer = after_func(Duration::from_micros(100), || {});
                    while !stop.load(Ordering::Relaxed) {
                        timer.reset(Duration::from_micros(100));
                        yield_now();
                    }
                    timer.stop();
                })
            })
            .collect();
        let ticker = Ticker::new(5 * MS);
        for _ in 0..10 {
            ticker.c().recv_timeout(LONG).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// Threads that are not gander's set timers too, and are called back.
#[test]
fn from_threads() {
    watched(|| {
        gander_runtime::run(|| {});
        let (tx, rx) = bounded(0);
        for i in 0..20 {
            let tx = tx.clone();
            // From a thread while everybody rests.
            after_func(i * MS, move || tx.send(i).unwrap());
        }
        let mut all: Vec<u32> = rx.iter().take(20).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..20));
        assert!(Timer::new(MS).c().recv_timeout(LONG).is_ok());
    });
}
