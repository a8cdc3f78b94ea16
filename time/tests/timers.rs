//! Timers, tickers and sleeps: the numbered behaviours of the project's list, and what Go documents (semantics 22 to 27).

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{Chance, in_goroutines, rounds, small, watched};
use gander_chan::{TryRecvError, bounded, unbounded};
use gander_runtime::{go, num_goroutines, procs, set_procs, spawn, yield_now};
use gander_time::{Duration, Elapsed, Instant, Ticker, Timer, after, after_func, at, sleep, tick, timeout};

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

/// timers-3: ticks come through beside others that are always ready.
#[test]
fn timers_3_ticks_beside_a_hog() {
    in_goroutines(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let hog = spawn(move || {
            while !theirs.load(Ordering::Relaxed) {
                yield_now();
            }
        });
        let ticker = Ticker::new(Duration::from_nanos(1));
        for _ in 0..100 {
            ticker.c().recv_timeout(LONG).unwrap();
            yield_now();
        }
        stop.store(true, Ordering::Relaxed);
        hog.join().unwrap();
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

/// timers-8: a sleep of zero, beside changes of the number of processors.
#[test]
fn timers_8_sleep_zero() {
    watched(|| {
        gander_runtime::run(|| {
            let before = procs();
            let stop = Arc::new(AtomicBool::new(false));
            let theirs = stop.clone();
            let other = spawn(move || {
                while !theirs.load(Ordering::Relaxed) {
                    for count in [1, 3, 2] {
                        set_procs(count);
                        yield_now();
                    }
                }
            });
            for i in 0..100 {
                sleep(Duration::ZERO);
                let (tx, rx) = bounded(1);
                tx.send(i).unwrap();
                assert_eq!(rx.recv(), Ok(i));
            }
            stop.store(true, Ordering::Relaxed);
            other.join().unwrap();
            set_procs(before);
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

/// timers-13: several wait for one ticker, and each value wakes one.
#[test]
fn timers_13_many_at_one_ticker() {
    in_goroutines(|| {
        let ticker = Arc::new(Ticker::new(Duration::from_micros(1)));
        let all: Vec<_> = (0..procs())
            .map(|_| {
                let ticker = ticker.clone();
                spawn(move || {
                    for _ in 0..rounds(500) {
                        ticker.c().recv_timeout(LONG).unwrap();
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
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

/// timers-15: `tick` of zero never delivers; a ticker of zero is refused (semantics 24).
#[test]
fn timers_15_zero_periods() {
    in_goroutines(|| {
        assert!(tick(Duration::ZERO).recv_timeout(5 * MS).is_err());
        assert!(std::panic::catch_unwind(|| Ticker::new(Duration::ZERO)).is_err());
        let ticker = Ticker::new(HOUR);
        assert!(std::panic::catch_unwind(|| ticker.reset(Duration::ZERO)).is_err());
        sleep(Duration::ZERO);
        assert!(after(Duration::ZERO).try_recv().is_ok());
    });
}

/// timers-16: limits that are made and dropped unused cost what they cost, however many there were.
#[test]
fn timers_16_unused_limits() {
    watched(|| {
        gander_runtime::run(|| {
            for _ in 0..if small() { 50 } else { 1000 } {
                go(|| sleep(Duration::from_micros(10)));
            }
            let (calls, queue) = bounded::<Box<dyn FnOnce() -> usize + Send>>(0);
            let (results, answers) = bounded(0);
            let worker = spawn(move || queue.iter().for_each(|call| results.send(call()).unwrap()));
            for i in 0..rounds(20_000) {
                calls.send_timeout(Box::new(move || i), Duration::from_secs(30)).unwrap();
                let _limit = after(Duration::from_secs(30));
                assert_eq!(answers.recv_timeout(Duration::from_secs(30)), Ok(i));
            }
            drop(calls);
            worker.join().unwrap();
        });
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

/// timers-19, timers-22, semantics 25: ticks say when they were due, do not pile up, and stay on their grid.
#[test]
fn timers_19_22_grid() {
    in_goroutines(|| {
        let period = 10 * MS;
        let before = Instant::now();
        let ticker = Ticker::new(period);
        let after = Instant::now();
        sleep(35 * MS);
        let first = ticker.c().try_recv().unwrap();
        assert!(first >= before + period && first <= after + period, "the moment when it was due");
        assert!(ticker.c().try_recv().is_err() || Instant::now() >= first + 4 * period, "one at a time");
        for _ in 0..3 {
            sleep(15 * MS);
            let next = ticker.c().recv().unwrap();
            let off = (next - first).as_nanos() % period.as_nanos();
            assert_eq!(off, 0, "on the grid");
        }
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

/// timers-23: many sleeps of random length: none ends early.
#[test]
fn timers_23_sleeps() {
    watched(|| {
        let mut chance = Chance::new("timers_23");
        gander_runtime::run(|| {
            let all: Vec<_> = (0..rounds(1000))
                .map(|_| {
                    let nap = Duration::from_micros(chance.below(100_000) as u64);
                    spawn(move || {
                        let start = Instant::now();
                        sleep(nap);
                        assert!(start.elapsed() >= nap);
                    })
                })
                .collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        });
    });
}

/// timers-23: a sender and a time limit at one moment: the value is received, or it is still offered.
#[test]
fn timers_23_value_or_timeout() {
    in_goroutines(|| {
        for round in 0..rounds(300) {
            let (tx, rx) = bounded(0);
            let limit = Duration::from_micros(50 + round as u64 % 50);
            let sender = spawn(move || {
                sleep(limit);
                tx.send_timeout(round, LONG)
            });
            match rx.recv_timeout(limit) {
                Ok(value) => assert_eq!(value, round),
                Err(_) => assert_eq!(rx.recv_timeout(LONG), Ok(round)),
            }
            assert!(sender.join().unwrap().is_ok());
        }
    });
}

/// timers-23: a park after a timed park is not ended by the clock of that one.
#[test]
fn timers_23_park_after_timed_park() {
    in_goroutines(|| {
        for _ in 0..rounds(20) {
            let parked = spawn(|| {
                gander_runtime::park_timeout(MS);
                let start = Instant::now();
                gander_runtime::park();
                start.elapsed()
            });
            let other = parked.goroutine().clone();
            other.unpark();
            sleep(3 * MS);
            assert!(!parked.is_finished());
            other.unpark();
            parked.join().unwrap();
        }
    });
}

#[test]
fn timeouts() {
    in_goroutines(|| {
        assert_eq!(timeout(LONG, || 42), Ok(42));
        let dropped = Arc::new(());
        let theirs = dropped.clone();
        let (tx, rx) = bounded::<()>(0);
        let slow = timeout(MS, move || {
            let _ = rx.recv();
            theirs
        });
        assert_eq!(slow, Err(Elapsed));
        assert_eq!(Arc::strong_count(&dropped), 2, "it goes on");
        drop(tx);
        let start = Instant::now();
        while Arc::strong_count(&dropped) > 1 && start.elapsed() < LONG {
            sleep(MS);
        }
        assert_eq!(Arc::strong_count(&dropped), 1, "and its result is dropped");
        let panic = std::panic::catch_unwind(|| timeout(LONG, || panic!("inside"))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"inside"));
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

/// timers-1: a sleep lasts its time though signals arrive.
#[test]
#[allow(unsafe_code, reason = "a signal handler")]
fn timers_1_signals() {
    extern "C" fn nothing(_: libc::c_int) {}
    watched(|| {
        // SAFETY: the handler does nothing; no SA_RESTART, so system calls are interrupted.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let sender = std::thread::spawn(move || {
            while !theirs.load(Ordering::Relaxed) {
                // SAFETY: sends a signal that has a handler.
                unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) };
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let nap = 50 * MS;
        let start = Instant::now();
        gander_runtime::run(|| sleep(nap));
        assert!(start.elapsed() >= nap);
        let start = Instant::now();
        sleep(nap);
        assert!(start.elapsed() >= nap, "on a thread too");
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });
}
