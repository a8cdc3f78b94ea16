//! Loom models of resting and calling: no goroutine stays in a queue while a P rests and nobody is on the way.
#![cfg(loom)]
#![allow(unsafe_code, reason = "the ring's owner is chosen by the model")]

use gander_runtime::models::{Ring, Spin};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

struct Shared {
    spin: Spin,
    /// The submitter's ring, or several submitters' queue: how many goroutines wait in it.
    queue: AtomicUsize,
    /// How many workers were called.
    called: AtomicUsize,
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared { spin: Spin::new(), queue: AtomicUsize::new(0), called: AtomicUsize::new(0) })
    }

    fn submit(&self) {
        // Relaxed on purpose: the order comes from the protocol's fences.
        self.queue.fetch_add(1, Ordering::Relaxed);
        if self.spin.submitted() {
            self.called.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A worker that searched and found nothing rests as `idle::rest` does. True: it saw work and took its P back,
    /// searching again.
    fn rest(&self) -> bool {
        self.spin.rest();
        self.spin.rested(true);
        if self.queue.load(Ordering::Relaxed) > 0 {
            self.spin.resume();
            self.spin.search();
            return true;
        }
        false
    }
}

#[test]
fn a_submitter_against_a_worker_that_rests() {
    loom::model(|| {
        let shared = Shared::new();
        shared.spin.search();
        let theirs = shared.clone();
        let submitter = thread::spawn(move || theirs.submit());
        let back = shared.rest();
        submitter.join().unwrap();
        let called = shared.called.load(Ordering::Relaxed);
        assert!(back || called == 1, "a goroutine waits, a P rests, and nobody comes");
    });
}

#[test]
fn two_submitters_against_a_worker_that_rests() {
    // All interleavings of three threads take minutes; up to three preemptions are where the races are.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let shared = Shared::new();
        shared.spin.search();
        let submitters: Vec<_> = (0..2)
            .map(|_| {
                let theirs = shared.clone();
                thread::spawn(move || theirs.submit())
            })
            .collect();
        let back = shared.rest();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        let called = shared.called.load(Ordering::Relaxed);
        assert!(back || called == 1);
        assert!(called <= 1, "while one searches nobody else is called");
    });
}

/// The last searcher that finds something asks again on behalf of what came meanwhile.
#[test]
fn a_finder_hands_the_search_on() {
    loom::model(|| {
        let shared = Shared::new();
        // One P rests; this worker searches, and takes the one goroutine there is.
        shared.spin.rest();
        shared.spin.search();
        shared.queue.store(1, Ordering::Relaxed);
        let theirs = shared.clone();
        let submitter = thread::spawn(move || theirs.submit());
        shared.queue.fetch_sub(1, Ordering::Relaxed);
        if shared.spin.found() && shared.spin.submitted() {
            shared.called.fetch_add(1, Ordering::Relaxed);
        }
        submitter.join().unwrap();
        assert_eq!(shared.called.load(Ordering::Relaxed), 1, "the second goroutine waits beside a resting P");
    });
}

/// The same with the real ring: what the submitter pushed, the woken or the returning worker can take.
#[test]
fn what_was_pushed_is_seen_by_who_comes() {
    loom::model(|| {
        let shared = Shared::new();
        let ring = Arc::new(Ring::<usize, 4>::new());
        shared.spin.search();
        let (theirs, their_ring) = (shared.clone(), ring.clone());
        let submitter = thread::spawn(move || {
            // SAFETY: this thread is the ring's owner.
            unsafe { their_ring.push(std::ptr::without_provenance_mut(8)).unwrap() };
            theirs.spin.submitted()
        });
        shared.spin.rest();
        shared.spin.rested(true);
        let seen = !ring.is_empty();
        let mine = Ring::<usize, 4>::new();
        if seen {
            // SAFETY: `mine` is ours and empty.
            assert!(unsafe { ring.steal_into(&mine) }.is_some());
        }
        let called = submitter.join().unwrap();
        assert!(seen || called);
    });
}
