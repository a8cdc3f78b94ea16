//! Loom models of the wait group: its zero lets all go on, with what was done before in sight.
#![cfg(loom)]

use gander_sync::models::{Counter, OutOfRange};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

#[test]
fn two_are_done() {
    model(|| {
        let shared = Arc::new((Counter::new(), AtomicUsize::new(0)));
        shared.0.add(2).unwrap();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.1.fetch_add(1, Ordering::Relaxed);
                    shared.0.add(-1).unwrap();
                })
            })
            .collect();
        shared.0.wait().unwrap();
        assert_eq!(shared.1.load(Ordering::Relaxed), 2);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn two_wait() {
    model(|| {
        let shared = Arc::new((Counter::new(), AtomicUsize::new(0)));
        shared.0.add(1).unwrap();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.0.wait().unwrap();
                    assert_eq!(shared.1.load(Ordering::Relaxed), 1);
                })
            })
            .collect();
        shared.1.store(1, Ordering::Relaxed);
        shared.0.add(-1).unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

/// A goroutine of the group starts another one.
#[test]
fn one_adds_before_it_is_done() {
    model(|| {
        let shared = Arc::new((Counter::new(), AtomicUsize::new(0)));
        shared.0.add(1).unwrap();
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || {
            theirs.0.add(1).unwrap();
            theirs.0.add(-1).unwrap();
            theirs.1.store(1, Ordering::Relaxed);
            theirs.0.add(-1).unwrap();
        });
        shared.0.wait().unwrap();
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        other.join().unwrap();
        assert_eq!(shared.0.add(-1), Err(OutOfRange));
    });
}

/// Who gives up leaves the others where they were; the next use finds nothing of it.
#[test]
fn one_gives_up() {
    model(|| {
        let shared = Arc::new((Counter::new(), AtomicUsize::new(0)));
        shared.0.add(1).unwrap();
        let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
        let gives_up = thread::spawn(move || {
            if first.0.wait_or_give_up().unwrap() {
                assert_eq!(first.1.load(Ordering::Relaxed), 1);
            }
        });
        let patient = thread::spawn(move || {
            second.0.wait().unwrap();
            assert_eq!(second.1.load(Ordering::Relaxed), 1);
        });
        shared.1.store(1, Ordering::Relaxed);
        shared.0.add(-1).unwrap();
        gives_up.join().unwrap();
        patient.join().unwrap();
        shared.0.add(1).unwrap();
        shared.0.add(-1).unwrap();
        shared.0.wait().unwrap();
    });
}
