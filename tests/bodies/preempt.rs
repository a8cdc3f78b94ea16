//! Nothing stalls: goroutines that compute, and goroutines that block their thread, do not keep the others waiting.

#![allow(unsafe_code, reason = "system calls")]

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{ToSocketAddrs, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::common::run_on;

/// Computes, without any call to the runtime, until the flag is set.
fn spin_until(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        black_box(0);
    }
}

/// sched-5: one processor; two goroutines wait for their turn in a loop without calls and pass it on.
#[test]
fn sched_5_turns() {
    run_on(1, || {
        let turn = AtomicUsize::new(0);
        gander::scope(|s| {
            for me in 0..2 {
                let turn = &turn;
                s.spawn(move || {
                    for round in 0..5 {
                        while turn.load(Ordering::Relaxed) != 2 * round + me {
                            black_box(0);
                        }
                        turn.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(turn.into_inner(), 10);
    });
}

/// All who compute have their share, also those that come to threads of their own late.
#[test]
fn all_progress() {
    run_on(1, || {
        let (stop, counts) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 20]);
        gander::scope(|s| {
            for count in &counts {
                let stop = &stop;
                s.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        count.store(black_box(count.load(Ordering::Relaxed)) + 1, Ordering::Relaxed);
                    }
                });
            }
            let start = Instant::now();
            while counts.iter().any(|count| count.load(Ordering::Relaxed) == 0) {
                assert!(start.elapsed() < Duration::from_secs(30), "{counts:?}");
                gander::sleep(Duration::from_millis(5));
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
}

/// A timer does not wait for slices to end: with six busy goroutines on one processor it would wait for six.
#[test]
fn timers_take_their_turn() {
    run_on(1, || {
        let stop = AtomicBool::new(false);
        gander::scope(|s| {
            for _ in 0..6 {
                s.spawn(|| spin_until(&stop));
            }
            gander::sleep(Duration::from_millis(100));
            let mut late: Vec<Duration> = (0..30)
                .map(|_| {
                    let due = Instant::now() + Duration::from_millis(2);
                    gander::sleep(Duration::from_millis(2));
                    due.elapsed()
                })
                .collect();
            stop.store(true, Ordering::Relaxed);
            late.sort();
            // Without wake-up preemption the least of them would be 50 ms.
            assert!(late[8] < Duration::from_millis(25), "{late:?}");
        });
    });
}

/// The same for one that a thread readies.
#[test]
fn messages_from_threads_take_their_turn() {
    run_on(1, || {
        let stop = AtomicBool::new(false);
        gander::scope(|s| {
            for _ in 0..6 {
                s.spawn(|| spin_until(&stop));
            }
            let (tx, rx) = gander::chan::bounded(0);
            let sender = std::thread::spawn(move || {
                for _ in 0..30 {
                    std::thread::sleep(Duration::from_millis(3));
                    tx.send(Instant::now()).unwrap();
                }
            });
            let mut late: Vec<Duration> = rx.iter().map(|sent: Instant| sent.elapsed()).collect();
            stop.store(true, Ordering::Relaxed);
            sender.join().unwrap();
            late.sort();
            assert!(late[8] < Duration::from_millis(25), "{late:?}");
        });
    });
}

/// What is done without preemption is not interrupted, and it may wait in between.
#[test]
fn no_preempt() {
    run_on(1, || {
        let (stop, steps) = (AtomicBool::new(false), AtomicU64::new(0));
        gander::scope(|s| {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    steps.store(black_box(steps.load(Ordering::Relaxed)) + 1, Ordering::Relaxed);
                }
            });
            gander::sleep(Duration::from_millis(20));
            for _ in 0..3 {
                gander::no_preempt(|| {
                    let (before, start) = (steps.load(Ordering::Relaxed), Instant::now());
                    while start.elapsed() < Duration::from_millis(50) {
                        black_box(0);
                    }
                    assert_eq!(steps.load(Ordering::Relaxed), before, "somebody else ran on the only processor");
                    gander::sleep(Duration::from_millis(1));
                });
            }
            let caught = std::panic::catch_unwind(|| gander::no_preempt(|| std::panic::resume_unwind(Box::new(7))));
            assert!(caught.is_err());
            // Preempted again, or this would not end.
            let before = steps.load(Ordering::Relaxed);
            while steps.load(Ordering::Relaxed) == before {
                black_box(0);
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert_eq!(gander::no_preempt(|| 5), 5, "on an ordinary thread");
}

/// A goroutine blocks the thread of the only processor by `block`, which is to return after 100 ms at least. How often
/// another goroutine runs meanwhile.
fn runs_beside(block: impl FnOnce() + Send) -> u64 {
    run_on(1, || {
        let (stop, steps) = (AtomicBool::new(false), AtomicU64::new(0));
        gander::scope(|s| {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    gander::sleep(Duration::from_millis(1));
                    steps.fetch_add(1, Ordering::Relaxed);
                }
            });
            gander::yield_now();
            block();
            let steps = steps.load(Ordering::Relaxed);
            stop.store(true, Ordering::Relaxed);
            steps
        })
    })
}

/// Some tens of steps are expected; on a loaded machine fewer. Without rescue there would be one at most.
#[track_caller]
fn expect_steps(steps: u64) {
    assert!(steps >= 3, "another goroutine ran {steps} times while one was blocked for 100 ms");
}

#[test]
fn beside_a_sleep() {
    let start = Instant::now();
    expect_steps(runs_beside(|| std::thread::sleep(Duration::from_millis(100))));
    assert!(start.elapsed() >= Duration::from_millis(100));
}

/// The calls that are not restarted after a signal must not see one.
#[test]
fn beside_calls_that_a_signal_ends() {
    expect_steps(runs_beside(|| {
        let mut none = libc::pollfd { fd: -1, events: 0, revents: 0 };
        // SAFETY: waits for nothing.
        assert_eq!(unsafe { libc::poll(&mut none, 1, 100) }, 0, "poll was interrupted");
    }));
    expect_steps(runs_beside(|| {
        let spec = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        // SAFETY: reads our local.
        assert_eq!(unsafe { libc::nanosleep(&spec, std::ptr::null_mut()) }, 0, "nanosleep was interrupted");
    }));
    expect_steps(runs_beside(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let error = socket.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
    }));
}

#[test]
fn beside_a_read() {
    let (mut read, mut write) = std::io::pipe().unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        write.write_all(b"x").unwrap();
    });
    let mut byte = [0];
    expect_steps(runs_beside(|| assert_eq!(read.read(&mut byte).unwrap(), 1)));
    writer.join().unwrap();
}

/// A lock of std's, held by a goroutine that was preempted.
#[test]
fn beside_a_lock_of_one_preempted() {
    run_on(1, || {
        let (lock, held, stop) = (Mutex::new(0), AtomicBool::new(false), AtomicBool::new(false));
        gander::scope(|s| {
            s.spawn(|| {
                let mut guard = lock.lock().unwrap();
                held.store(true, Ordering::Relaxed);
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(60) {
                    black_box(0);
                }
                *guard += 1;
            });
            s.spawn(|| spin_until(&stop));
            while !held.load(Ordering::Relaxed) {
                gander::sleep(Duration::from_millis(1));
            }
            *lock.lock().unwrap() += 1;
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(*lock.lock().unwrap(), 2);
    });
}

#[test]
fn beside_a_condition() {
    expect_steps(runs_beside(|| {
        let (lock, condition) = (Mutex::new(()), Condvar::new());
        let start = Instant::now();
        let mut guard = lock.lock().unwrap();
        while start.elapsed() < Duration::from_millis(100) {
            guard = condition.wait_timeout(guard, Duration::from_millis(100)).unwrap().0;
        }
    }));
}

#[test]
fn beside_the_resolver() {
    run_on(1, || {
        let addresses: Vec<_> = ("localhost", 80).to_socket_addrs().unwrap().collect();
        assert!(!addresses.is_empty());
    });
}

#[test]
fn beside_a_command() {
    // An emulator does not survive a fork beside other threads.
    if std::env::var_os("GANDER_TEST_SMALL").is_some() {
        return;
    }
    expect_steps(runs_beside(|| {
        let output = Command::new("sh").args(["-c", "sleep 0.2; echo done"]).output().unwrap();
        assert_eq!(output.stdout, b"done\n");
    }));
}

/// Threads that were rescued and then compute queue for a processor: so many goroutines run as there are processors.
#[test]
fn rescued_ones_keep_to_their_number() {
    run_on(1, || {
        let before = processor_time();
        let start = Instant::now();
        gander::scope(|s| {
            for _ in 0..6 {
                s.spawn(|| {
                    std::thread::sleep(Duration::from_millis(20));
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_millis(300) {
                        black_box(0);
                    }
                });
            }
        });
        let (used, took) = (processor_time() - before, start.elapsed());
        assert!(used < took.mul_f64(1.6), "one processor used {used:?} in {took:?}");
    });
}

/// Processor time that this process has used.
fn processor_time() -> Duration {
    // SAFETY: zeroed is valid; writes our local.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let time = |at: libc::timeval| Duration::new(at.tv_sec as u64, at.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A pair that wakes each other and computes in between does not starve a third.
#[test]
fn a_pair_shares_one_slice() {
    run_on(1, || {
        let (there, back) = (gander::chan::bounded(1), gander::chan::bounded(1));
        let (stop, third) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for (tx, rx) in [(there.0.clone(), back.1), (back.0, there.1)] {
            gander::go(move || {
                for () in &rx {
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_millis(2) {
                        black_box(0);
                    }
                    if tx.send(()).is_err() {
                        return;
                    }
                }
            });
        }
        there.0.send(()).unwrap();
        let (flag, count) = (stop.clone(), third.clone());
        let busy = gander::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                count.store(black_box(count.load(Ordering::Relaxed)) + 1, Ordering::Relaxed);
            }
        });
        let start = Instant::now();
        while third.load(Ordering::Relaxed) == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "it never ran");
            gander::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        there.0.close();
    });
}
