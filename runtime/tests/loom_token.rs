//! Loom models of the park token: an unpark is never lost and wakes nobody twice.
#![cfg(loom)]

use gander_runtime::models::Token;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// The task that parks: any number above 1.
const TASK: usize = 16;

/// Parks as `current::park` does; `woken` counts how often the task was readied. Returns when it may go on.
fn park(token: &Token, woken: &AtomicUsize) {
    if token.take() || !token.commit(TASK) {
        return;
    }
    while woken.swap(0, Ordering::Acquire) == 0 {
        thread::yield_now();
    }
}

fn unpark(token: &Token, woken: &AtomicUsize) {
    if let Some(task) = token.set() {
        assert_eq!(task, TASK);
        assert_eq!(woken.swap(1, Ordering::Release), 0, "readied twice");
    }
}

#[test]
fn an_unpark_ends_a_park() {
    loom::model(|| {
        let shared = Arc::new((Token::new(), AtomicUsize::new(0)));
        let theirs = shared.clone();
        let other = thread::spawn(move || unpark(&theirs.0, &theirs.1));
        park(&shared.0, &shared.1);
        other.join().unwrap();
        assert!(!shared.0.take(), "the park took the token with it");
    });
}

#[test]
fn two_unparks_end_one_park_or_two() {
    loom::model(|| {
        let shared = Arc::new((Token::new(), AtomicUsize::new(0)));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let theirs = shared.clone();
                thread::spawn(move || unpark(&theirs.0, &theirs.1))
            })
            .collect();
        park(&shared.0, &shared.1);
        for other in others {
            other.join().unwrap();
        }
        // The second one was before the park (and counted as one with the first) or after it (and is kept).
        shared.0.take();
        assert!(!shared.0.take());
    });
}

/// The clock and an unpark race for a parked task: one of them wakes it, and an unpark that lost is kept.
#[test]
fn the_clock_against_an_unpark() {
    loom::model(|| {
        let shared = Arc::new((Token::new(), AtomicUsize::new(0)));
        assert!(shared.0.commit(TASK));
        let theirs = shared.clone();
        let clock = thread::spawn(move || {
            let won = theirs.0.withdraw(TASK);
            if won {
                assert_eq!(theirs.1.swap(1, Ordering::Release), 0, "readied twice");
            }
            won
        });
        unpark(&shared.0, &shared.1);
        let clock_won = clock.join().unwrap();
        assert_eq!(shared.1.load(Ordering::Acquire), 1, "nobody woke it");
        assert_eq!(shared.0.take(), clock_won, "an unpark after the timeout is kept for the next park");
    });
}

/// What happened before the unpark is seen after the park.
#[test]
fn unpark_happens_before_the_return() {
    loom::model(|| {
        let shared = Arc::new((Token::new(), AtomicUsize::new(0)));
        let data = Arc::new(AtomicUsize::new(0));
        let (theirs, written) = (shared.clone(), data.clone());
        let other = thread::spawn(move || {
            written.store(7, Ordering::Relaxed);
            unpark(&theirs.0, &theirs.1);
        });
        park(&shared.0, &shared.1);
        assert_eq!(data.load(Ordering::Relaxed), 7);
        other.join().unwrap();
    });
}
