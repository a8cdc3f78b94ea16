//! Time limits: never early, never lost.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Chance, in_goroutines, rounds, settle, watched};
use gander_chan::{RecvTimeoutError, SendTimeoutError, TryRecvError, bounded};
use gander_runtime::{scope, spawn};

fn never_early() {
    for capacity in [0, 2] {
        let (s, r) = bounded::<usize>(capacity);
        for millis in [0, 1, 3, 10] {
            let limit = Duration::from_millis(millis);
            let begin = Instant::now();
            assert_eq!(r.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
            assert!(begin.elapsed() >= limit);
            let deadline = Instant::now() + limit;
            assert_eq!(r.recv_deadline(deadline), Err(RecvTimeoutError::Timeout));
            assert!(Instant::now() >= deadline);
        }
        assert_eq!(r.recv_deadline(Instant::now()), Err(RecvTimeoutError::Timeout));
        (0..capacity).for_each(|i| s.send(i).unwrap());
        for millis in [0, 1, 3, 10] {
            let limit = Duration::from_millis(millis);
            let begin = Instant::now();
            assert_eq!(s.send_timeout(42, limit), Err(SendTimeoutError::Timeout(42)));
            assert!(begin.elapsed() >= limit);
            let deadline = Instant::now() + limit;
            assert_eq!(s.send_deadline(43, deadline), Err(SendTimeoutError::Timeout(43)));
            assert!(Instant::now() >= deadline);
        }
        assert_eq!(s.len(), capacity);
        assert!(r.try_iter().eq(0..capacity));
    }
}

#[test]
fn timeouts_are_never_early() {
    in_goroutines(never_early);
}

#[test]
fn timeouts_are_never_early_on_threads() {
    watched(never_early);
}

#[test]
fn a_limit_that_is_not_reached() {
    in_goroutines(|| {
        for limit in [Duration::from_secs(50), Duration::MAX] {
            let (s, r) = bounded(0);
            let other = spawn(move || {
                settle();
                s.send(1).unwrap();
                settle();
                s.send_timeout(2, limit).unwrap();
                s.send_timeout(3, limit).unwrap();
                drop(s);
            });
            assert_eq!(r.recv_timeout(limit), Ok(1));
            assert_eq!(r.recv_timeout(limit), Ok(2));
            settle();
            assert_eq!(r.recv(), Ok(3));
            assert_eq!(r.recv_timeout(limit), Err(RecvTimeoutError::Disconnected));
            other.join().unwrap();
        }
    });
}

#[test]
fn who_gave_up_is_passed_over() {
    in_goroutines(|| {
        for capacity in [0, 1] {
            let (s, r) = bounded(capacity);
            (0..capacity).for_each(|_| s.send(0).unwrap());
            // One that gives up stands before one that does not, in each direction.
            let early = {
                let s = s.clone();
                spawn(move || s.send_timeout(1, Duration::from_millis(4)).is_err())
            };
            settle();
            let late = {
                let s = s.clone();
                spawn(move || s.send(2).unwrap())
            };
            assert!(early.join().unwrap());
            settle();
            (0..capacity).for_each(|_| assert_eq!(r.recv(), Ok(0)));
            assert_eq!(r.recv(), Ok(2));
            late.join().unwrap();
            assert_eq!(r.try_recv(), Err(TryRecvError::Empty));

            let early = {
                let r = r.clone();
                spawn(move || r.recv_timeout(Duration::from_millis(4)).is_err())
            };
            settle();
            let late = {
                let r = r.clone();
                spawn(move || r.recv().unwrap())
            };
            assert!(early.join().unwrap());
            settle();
            s.send(7).unwrap();
            assert_eq!(late.join().unwrap(), 7);
        }
    });
}

/// Limits of the length of the partner's pauses: each value is received once or given back, and none twice.
#[test]
fn stress_timeouts_against_partners() {
    let chance = std::sync::Mutex::new(Chance::new("stress_timeouts_against_partners"));
    in_goroutines(|| {
        for capacity in [0, 1, 3] {
            let (s, r) = bounded(capacity);
            let (sent, given_back, received) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
            scope(|scope| {
                for _ in 0..3 {
                    let mut chance = chance.lock().unwrap().split();
                    let (s, sent, given_back) = (s.clone(), &sent, &given_back);
                    scope.spawn(move || {
                        for _ in 0..rounds(300) {
                            let limit = Duration::from_micros(chance.below(120) as u64);
                            match s.send_timeout(1, limit) {
                                Ok(()) => sent.fetch_add(1, Ordering::Relaxed),
                                Err(SendTimeoutError::Timeout(1)) => given_back.fetch_add(1, Ordering::Relaxed),
                                Err(other) => panic!("{other:?}"),
                            };
                        }
                    });
                }
                for _ in 0..3 {
                    let mut chance = chance.lock().unwrap().split();
                    let (r, received) = (r.clone(), &received);
                    scope.spawn(move || {
                        loop {
                            let limit = Duration::from_micros(chance.below(120) as u64);
                            match r.recv_timeout(limit) {
                                Ok(n) => received.fetch_add(n, Ordering::Relaxed),
                                Err(RecvTimeoutError::Timeout) => continue,
                                Err(RecvTimeoutError::Disconnected) => break,
                            };
                        }
                    });
                }
                drop((s, r));
            });
            let (sent, given_back) = (sent.into_inner(), given_back.into_inner());
            assert_eq!(sent + given_back, 3 * rounds(300));
            assert_eq!(received.into_inner(), sent);
        }
    });
}
