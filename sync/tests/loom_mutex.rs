//! Loom models of the mutex (where whoever was woken and failed starves at once, see `raw/mutex.rs`): one at a time, nobody forgotten, also where locks are handed over or waits given up.
#![cfg(loom)]

use gander_sync::models::RawMutex;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct Guarded {
    mutex: RawMutex,
    count: UnsafeCell<usize>,
}

// SAFETY: the count is touched by who has the mutex; loom watches.
#[allow(unsafe_code)]
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded { mutex: RawMutex::new(), count: UnsafeCell::new(0) })
    }

    /// Counts, and unlocks.
    fn count_and_unlock(&self) {
        // SAFETY: we have the lock.
        #[allow(unsafe_code)]
        self.count.with_mut(|count| unsafe { *count += 1 });
        self.mutex.unlock();
    }

    fn turn(&self) {
        self.mutex.lock();
        self.count_and_unlock();
    }

    fn timed_turn(&self) -> usize {
        let locked = self.mutex.lock_or_give_up();
        if locked {
            self.count_and_unlock();
        }
        usize::from(locked)
    }

    /// In the end it is open, and all have had their turns.
    fn check(&self, turns: usize) {
        assert!(self.mutex.try_lock(), "it is left locked");
        // SAFETY: we have the lock.
        #[allow(unsafe_code)]
        self.count.with(|count| assert_eq!(unsafe { *count }, turns));
    }
}

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

#[test]
fn three_take_turns() {
    model(|| {
        let shared = Guarded::new();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.turn())
            })
            .collect();
        shared.turn();
        others.into_iter().for_each(|other| other.join().unwrap());
        shared.check(3);
    });
}

#[test]
fn two_take_two_turns() {
    model(|| {
        let shared = Guarded::new();
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || {
            theirs.turn();
            theirs.turn();
        });
        shared.turn();
        shared.turn();
        other.join().unwrap();
        shared.check(4);
    });
}

/// Who gives up takes no wake-up and no lock with it.
#[test]
fn one_gives_up() {
    model(|| {
        let shared = Guarded::new();
        let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
        let gives_up = thread::spawn(move || first.timed_turn());
        let patient = thread::spawn(move || second.turn());
        shared.turn();
        let turns = gives_up.join().unwrap();
        patient.join().unwrap();
        shared.check(2 + turns);
    });
}

/// Somebody takes it again and again: who was woken in vain starves, and is handed the lock.
#[test]
fn one_is_greedy() {
    model(|| {
        let shared = Guarded::new();
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || theirs.turn());
        for _ in 0..3 {
            shared.turn();
        }
        other.join().unwrap();
        shared.check(4);
    });
}

#[test]
fn one_is_greedy_and_one_gives_up() {
    model(|| {
        let shared = Guarded::new();
        let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
        let gives_up = thread::spawn(move || first.timed_turn());
        let patient = thread::spawn(move || second.turn());
        shared.turn();
        shared.turn();
        let turns = gives_up.join().unwrap();
        patient.join().unwrap();
        shared.check(3 + turns);
    });
}
