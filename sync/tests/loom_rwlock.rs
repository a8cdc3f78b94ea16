//! Loom models of the read-write lock: readers together, writers alone, nobody forgotten.
#![cfg(loom)]

use gander_sync::models::RawRwLock;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

struct Guarded {
    lock: RawRwLock,
    count: UnsafeCell<usize>,
}

// SAFETY: the count is touched by who has the lock; loom watches.
#[allow(unsafe_code)]
unsafe impl Sync for Guarded {}

impl Guarded {
    fn look(&self) -> usize {
        // SAFETY: we have the lock, to read at least.
        #[allow(unsafe_code)]
        self.count.with(|count| unsafe { *count })
    }

    fn read(&self) {
        self.lock.read();
        self.look();
        self.lock.unlock_read();
    }

    fn read_or_give_up(&self) {
        if self.lock.read_or_give_up() {
            self.look();
            self.lock.unlock_read();
        }
    }

    /// Takes the lock and writes nothing, or gives up.
    fn take_or_give_up(&self) {
        if self.lock.write_or_give_up() {
            self.look();
            self.lock.unlock_write();
        }
    }

    fn write(&self, and_read: bool) {
        self.lock.write();
        // SAFETY: we have the lock, to write.
        #[allow(unsafe_code)]
        self.count.with_mut(|count| unsafe { *count += 1 });
        if and_read {
            self.lock.downgrade();
            self.look();
            self.lock.unlock_read();
        } else {
            self.lock.unlock_write();
        }
    }
}

/// Runs the three, and looks at what is left.
fn model(writes: usize, parts: [fn(&Guarded); 3]) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let shared = Arc::new(Guarded { lock: RawRwLock::new(), count: UnsafeCell::new(0) });
        let others: Vec<_> = parts[1..]
            .iter()
            .map(|part| {
                let (shared, part) = (Arc::clone(&shared), *part);
                thread::spawn(move || part(&shared))
            })
            .collect();
        parts[0](&shared);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert!(shared.lock.try_write(), "it is left locked, or somebody is left in line");
        assert_eq!(shared.look(), writes);
    });
}

#[test]
fn two_writers_and_a_reader() {
    model(2, [|shared| shared.write(false), |shared| shared.write(false), Guarded::read]);
}

#[test]
fn two_readers_and_a_writer() {
    model(1, [Guarded::read, Guarded::read, |shared| shared.write(false)]);
}

#[test]
fn a_downgrade() {
    model(2, [|shared| shared.write(true), |shared| shared.write(false), Guarded::read]);
}

#[test]
fn again() {
    let twice = |shared: &Guarded| {
        shared.read();
        shared.write(false);
    };
    model(2, [twice, twice, Guarded::read]);
}

/// Who reads again may be let in as a guest, before a writer in line, when another leaves or reads on.
#[test]
fn guests() {
    let twice = |shared: &Guarded| {
        shared.read();
        shared.read();
    };
    model(2, [|shared| shared.write(false), |shared| shared.write(false), twice]);
    model(2, [|shared| shared.write(true), |shared| shared.write(false), twice]);
    model(1, [|shared| shared.write(true), Guarded::take_or_give_up, twice]);
}

/// A writer that gives up lets readers in that stand behind it, whether others read or have just left.
#[test]
fn a_writer_gives_up() {
    model(0, [Guarded::read, Guarded::read, Guarded::take_or_give_up]);
    model(1, [Guarded::read, |shared| shared.write(false), Guarded::take_or_give_up]);
    model(1, [Guarded::read, |shared| shared.write(true), Guarded::take_or_give_up]);
}

#[test]
fn a_reader_gives_up() {
    model(1, [Guarded::read, |shared| shared.write(false), Guarded::read_or_give_up]);
    model(2, [|shared| shared.write(false), |shared| shared.write(true), Guarded::read_or_give_up]);
}

#[test]
fn two_give_up() {
    model(0, [Guarded::read, Guarded::take_or_give_up, Guarded::take_or_give_up]);
    model(0, [Guarded::read, Guarded::read_or_give_up, Guarded::take_or_give_up]);
}
