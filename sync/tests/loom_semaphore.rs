//! Loom models of the semaphore: no permit is lost or given twice, and nobody is forgotten, also where waits are given
//! up.
#![cfg(loom)]

use gander_sync::models::{RawSemaphore, TooMany};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// Whether a request gives up, at any moment.
const NEVER: bool = false;
const SOMETIME: bool = true;

struct Counted {
    semaphore: RawSemaphore,
    size: usize,
    held: AtomicUsize,
}

impl Counted {
    fn new(size: usize) -> Arc<Counted> {
        Arc::new(Counted { semaphore: RawSemaphore::new(size), size, held: AtomicUsize::new(0) })
    }

    /// Takes permits and gives them back; whether it got any.
    fn turn(&self, count: usize, gives_up: bool) -> bool {
        let taken = self.semaphore.try_acquire(count) || self.semaphore.acquire_or_give_up(count, gives_up);
        if taken {
            let held = self.held.fetch_add(count, Ordering::Relaxed) + count;
            assert!(held <= self.size, "{held} of {} are held", self.size);
            self.held.fetch_sub(count, Ordering::Relaxed);
            self.semaphore.release(count, self.size).unwrap();
        }
        taken
    }

    fn check(&self) {
        assert_eq!(self.semaphore.free(), self.size);
        assert!(self.semaphore.try_acquire(self.size), "somebody still stands in line");
        self.semaphore.release(self.size, self.size).unwrap();
        assert_eq!(self.semaphore.release(1, self.size), Err(TooMany));
    }
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

#[test]
fn all_get_theirs() {
    model(|| {
        let shared = Counted::new(2);
        let others: Vec<_> = [2, 1]
            .map(|count| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || assert!(shared.turn(count, NEVER)))
            })
            .into_iter()
            .collect();
        assert!(shared.turn(1, NEVER));
        others.into_iter().for_each(|other| other.join().unwrap());
        shared.check();
    });
}

/// A large request gives up: the small one behind it goes on.
#[test]
fn one_gives_up() {
    model(|| {
        let shared = Counted::new(2);
        assert!(shared.semaphore.try_acquire(1));
        let (large, small) = (Arc::clone(&shared), Arc::clone(&shared));
        // While one is held this can only give up.
        let large = thread::spawn(move || assert!(!large.turn(2, SOMETIME)));
        let small = thread::spawn(move || assert!(small.turn(1, NEVER)));
        large.join().unwrap();
        small.join().unwrap();
        shared.semaphore.release(1, 2).unwrap();
        shared.check();
    });
}

/// Giving up against being given.
#[test]
fn given_or_given_up() {
    model(|| {
        let shared = Counted::new(1);
        assert!(shared.semaphore.try_acquire(1));
        let others: Vec<_> = [SOMETIME, NEVER]
            .map(|gives_up| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || assert!(shared.turn(1, gives_up) || gives_up))
            })
            .into_iter()
            .collect();
        shared.semaphore.release(1, 1).unwrap();
        others.into_iter().for_each(|other| other.join().unwrap());
        shared.check();
    });
}
