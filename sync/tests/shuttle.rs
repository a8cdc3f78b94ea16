//! The protocols together, with more tasks than loom can enumerate: random schedules, from a seed that is printed.
#![cfg(shuttle)]

#[path = "../../chan/tests/checked/mod.rs"]
mod checked;

use checked::check;
use gander_sync::models::{Counter, RawMutex, RawRwLock, RawSemaphore};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;

fn chance(of: u32) -> bool {
    thread_rng().gen_range(0..of) == 0
}

/// Joins them all; their sum.
fn join(tasks: Vec<thread::JoinHandle<usize>>) -> usize {
    tasks.into_iter().map(|task| task.join().unwrap()).sum()
}

/// A number that one may change, and many may look at: counts who is inside.
#[derive(Default)]
struct Inside {
    readers: AtomicUsize,
    writers: AtomicUsize,
}

impl Inside {
    fn read(&self) {
        self.readers.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.writers.load(Ordering::SeqCst), 0, "a reader beside a writer");
        thread::yield_now();
        assert_eq!(self.writers.load(Ordering::SeqCst), 0, "a writer beside a reader");
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }

    fn write(&self) {
        assert_eq!(self.writers.fetch_add(1, Ordering::SeqCst), 0, "two writers");
        thread::yield_now();
        assert_eq!(self.readers.load(Ordering::SeqCst), 0, "a reader beside a writer");
        self.writers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Eight tasks want a mutex, and some of them give up. It is open in the end.
#[test]
fn many_take_turns() {
    check(2_000, || {
        let shared = Arc::new((RawMutex::new(), Inside::default()));
        let tasks = (0..8).map(|i| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut turns = 0;
                for _ in 0..3 {
                    let locked = match i % 3 {
                        0 => shared.0.lock_or_give_up(),
                        1 => shared.0.try_lock(),
                        _ => {
                            shared.0.lock();
                            true
                        }
                    };
                    if locked {
                        shared.1.write();
                        shared.0.unlock();
                        turns += 1;
                    }
                }
                turns
            })
        });
        assert!(join(tasks.collect()) >= 6);
        assert!(shared.0.try_lock(), "it is left locked");
    });
}

/// Many readers and some writers, who give up at any moment, or read on after they wrote. It is open in the end, so nobody
/// is left in line.
#[test]
fn many_readers_and_writers() {
    check(4_000, || {
        let shared = Arc::new((RawRwLock::new(), Inside::default()));
        let tasks = (0..8).map(|i| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (lock, inside) = &*shared;
                for _ in 0..3 {
                    let is_patient = chance(2);
                    if i < 3 {
                        let locked = is_patient || lock.write_or_give_up();
                        if is_patient {
                            lock.write();
                        }
                        if !locked {
                            continue;
                        }
                        inside.write();
                        if chance(2) {
                            lock.downgrade();
                            inside.read();
                            lock.unlock_read();
                        } else {
                            lock.unlock_write();
                        }
                    } else {
                        let locked = is_patient || lock.read_or_give_up();
                        if is_patient {
                            lock.read();
                        }
                        if locked {
                            inside.read();
                            lock.unlock_read();
                        }
                    }
                }
                0
            })
        });
        join(tasks.collect());
        assert!(shared.0.try_write(), "it is left locked, or somebody is left in line");
    });
}

/// An error group with a limit: a semaphore's permit for each task, a wait group for the end, and the first error cancels
/// those that wait for a permit. All permits come back, and the end comes once.
#[test]
fn a_group_with_a_limit_is_cancelled() {
    const LIMIT: usize = 2;
    struct Group {
        permits: RawSemaphore,
        counter: Counter,
        cancelled: AtomicBool,
        inside: AtomicUsize,
        done: AtomicUsize,
    }
    check(4_000, || {
        let group = Arc::new(Group {
            permits: RawSemaphore::new(LIMIT),
            counter: Counter::new(),
            cancelled: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
        });
        let tasks: Vec<_> = (0..6)
            .map(|i| {
                group.counter.add(1).unwrap();
                let group = Arc::clone(&group);
                thread::spawn(move || {
                    // A large request keeps small ones waiting, until it gives up.
                    let count = if i == 3 { LIMIT } else { 1 };
                    let got =
                        group.permits.try_acquire(count) || group.permits.acquire_or_give_up(count, i % 2 == 1);
                    if got {
                        let inside = group.inside.fetch_add(count, Ordering::SeqCst) + count;
                        assert!(inside <= LIMIT, "more inside than permits");
                        thread::yield_now();
                        if i == 2 {
                            group.cancelled.store(true, Ordering::SeqCst);
                        }
                        group.inside.fetch_sub(count, Ordering::SeqCst);
                        group.permits.release(count, LIMIT).unwrap();
                    }
                    group.done.fetch_add(1, Ordering::SeqCst);
                    group.counter.add(-1).unwrap();
                    usize::from(got)
                })
            })
            .collect();
        let theirs = Arc::clone(&group);
        let impatient = thread::spawn(move || match theirs.counter.wait_or_give_up() {
            Ok(true) => theirs.done.load(Ordering::SeqCst),
            Ok(false) => 6,
            Err(_) => unreachable!("nothing is added after the zero"),
        });
        group.counter.wait().unwrap();
        assert_eq!(group.done.load(Ordering::SeqCst), 6, "the wait is over before the tasks are");
        assert_eq!(impatient.join().unwrap(), 6);
        assert!(join(tasks) >= 3, "who does not give up gets a permit");
        assert!(group.cancelled.load(Ordering::SeqCst));
        assert_eq!(group.permits.free(), LIMIT);
        assert!(group.permits.try_acquire(LIMIT), "somebody is left in line");
    });
}
