//! Sleeps, tickers, time limits: the numbered behaviours of the project's list, and what Go documents (semantics 24, 25).

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Chance, in_goroutines, rounds, small, watched};
use gander_chan::bounded;
use gander_runtime::{go, procs, set_procs, spawn, yield_now};
use gander_time::{Duration, Elapsed, Instant, Ticker, after, sleep, tick, timeout};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

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

/// Timers as futures: on a thread's executor before, in and after a runtime, and in goroutines.
#[test]
fn futures() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    let test = || {
        gander_runtime::block_on(async {
            let due = Duration::from_millis(3);
            let start = Instant::now();
            gander_time::sleep_async(due).await;
            assert!(start.elapsed() >= due);
            gander_time::sleep_async(Duration::ZERO).await;
            let timer = gander_time::Timer::new(Duration::from_secs(3600));
            let theirs = timer.c().clone();
            let mut receive = pin!(theirs.recv_async());
            let mut idle = Context::from_waker(Waker::noop());
            assert!(receive.as_mut().poll(&mut idle).is_pending());
            // Set anew while somebody waits; stopped; dropped.
            assert!(timer.reset(due));
            assert!(receive.await.unwrap() >= start + 2 * due);
            let mut receive = pin!(theirs.recv_async());
            assert!(receive.as_mut().poll(&mut idle).is_pending());
            assert!(!timer.stop());
            drop(timer);
            assert!(matches!(receive.as_mut().poll(&mut idle), Poll::Ready(Err(_))));
            let ticker = gander_time::Ticker::new(due);
            let (first, second) = (ticker.c().await.unwrap(), ticker.c().await.unwrap());
            assert!(second >= first + due);
            let mut never = pin!(gander_time::sleep_async(Duration::MAX));
            assert!(never.as_mut().poll(&mut idle).is_pending());
            drop(gander_time::sleep_async(Duration::from_secs(3600)));
        });
    };
    test();
    gander_runtime::run(test);
    test();
}
