//! Who has what a goroutine waits for, as those see it who look.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{Chance, in_goroutines, rounds, small, until_waits};
use gander_runtime::inspect::{Circle, GoroutineInfo, Holder, circles, goroutines};
use gander_runtime::{Cancel, GoroutineId, JoinHandle, Signal, current, exit, scope, spawn, yield_now};
use gander_sync::{Arc, Barrier, Condvar, Mutex, Notify, Once, RwLock, Semaphore, WaitGroup};

/// Looks until the goroutine waits, with that word, and at something.
fn look(id: GoroutineId, word: &str) -> GoroutineInfo {
    loop {
        let found = until_waits(id, word);
        if found.waits_at.is_some() {
            return found;
        }
        yield_now();
    }
}

fn id<T>(handle: &JoinHandle<T>) -> GoroutineId {
    handle.goroutine().id()
}

/// Whether an address of this process can be asked of the kernel; in a sandbox, or in an emulator, it may not.
fn can_ask() -> bool {
    static CAN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *CAN.get_or_init(|| {
        let mutex = Arc::new(Mutex::new(()));
        let held = mutex.lock().unwrap();
        let theirs = Arc::clone(&mutex);
        let waits = spawn(move || drop(theirs.lock().unwrap()));
        let known = look(id(&waits), "mutex lock").held_by.is_some();
        drop(held);
        waits.join().unwrap();
        assert!(known || small(), "the kernel does not answer");
        known
    })
}

#[test]
fn a_mutex_names_its_owner() {
    in_goroutines(|| {
        if !can_ask() {
            return;
        }
        let mutex = Arc::new(Mutex::new(()));
        let here = current().id();
        let wait = |mutex: &Arc<Mutex<()>>| {
            let mutex = Arc::clone(mutex);
            spawn(move || drop(mutex.lock().unwrap()))
        };
        let held = mutex.lock().unwrap();
        let all: Vec<_> = (0..3).map(|_| wait(&mutex)).collect();
        let seen: Vec<_> = all.iter().map(|one| look(id(one), "mutex lock")).collect();
        for info in &seen {
            assert_eq!((info.held_by, info.waits_for), (Some(Holder::Goroutine(here)), Some(here)));
            assert_eq!(info.waits_at, seen[0].waits_at);
        }
        assert!(circles(&seen).is_empty());
        drop(held);
        all.into_iter().for_each(|one| one.join().unwrap());

        // Taken in other ways.
        let ways: [fn(&Mutex<()>) -> bool; 3] = [
            |mutex| mutex.try_lock().map(std::mem::forget).is_ok(),
            |mutex| mutex.try_lock_for(Duration::from_secs(100)).map(std::mem::forget).is_ok(),
            |mutex| mutex.lock().map(std::mem::forget).is_ok(),
        ];
        for way in ways {
            let mutex = Arc::new(Mutex::new(()));
            let theirs = Arc::clone(&mutex);
            // It ends with the lock; the next goroutine on its stack has nothing to do with it.
            let forgetful = spawn(move || assert!(way(&theirs)));
            let gone = id(&forgetful);
            forgetful.join().unwrap();
            let (theirs, stop) = (Arc::clone(&mutex), Arc::new(Stop::default()));
            let signal = Arc::clone(&stop);
            let waits = spawn(move || theirs.lock_ctx(&*signal).is_ok());
            assert_eq!(look(id(&waits), "mutex lock").held_by, Some(Holder::Goroutine(gone)));
            assert!(stop.0.fire());
            assert!(!waits.join().unwrap());
        }
    });
}

/// A thread has it; and a lock that a condition has given away is not its owner's any more.
#[test]
fn threads_and_conditions() {
    in_goroutines(|| {
        if !can_ask() {
            return;
        }
        let pair = Arc::new((Mutex::new(false), Condvar::new(), AtomicBool::new(false)));
        let theirs = Arc::clone(&pair);
        let waits = spawn(move || {
            let guard = theirs.0.lock().unwrap();
            drop(theirs.1.wait_while(guard, |done| !*done).unwrap());
        });
        let seen = look(id(&waits), "condvar wait");
        assert_eq!((seen.held_by, seen.waits_for), (None, None));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            let mut done = theirs.0.lock().unwrap();
            theirs.2.store(true, Ordering::Release);
            while theirs.2.load(Ordering::Acquire) {
                thread::sleep(Duration::from_micros(100));
            }
            *done = true;
            theirs.1.notify_all();
        });
        while !pair.2.load(Ordering::Acquire) {
            yield_now();
        }
        let theirs = Arc::clone(&pair);
        let second = spawn(move || drop(theirs.0.lock().unwrap()));
        let seen = look(id(&second), "mutex lock");
        assert_eq!((seen.held_by, seen.waits_for), (Some(Holder::Thread), None));
        pair.2.store(false, Ordering::Release);
        second.join().unwrap();
        waits.join().unwrap();
        thread.join().unwrap();
    });
}

#[test]
fn a_read_write_lock_names_the_writer_and_counts_readers() {
    in_goroutines(|| {
        if !can_ask() {
            return;
        }
        let lock = Arc::new(RwLock::new(0));
        let here = current().id();
        let read = |lock: &Arc<RwLock<i32>>| {
            let lock = Arc::clone(lock);
            spawn(move || drop(lock.read().unwrap()))
        };
        let written = lock.write().unwrap();
        let reader = read(&lock);
        assert_eq!(look(id(&reader), "rwlock read").waits_for, Some(here));
        let one = gander_sync::RwLockWriteGuard::downgrade(written);
        reader.join().unwrap();
        let other = lock.read().unwrap();
        let theirs = Arc::clone(&lock);
        let writer = spawn(move || *theirs.write().unwrap() += 1);
        let seen = look(id(&writer), "rwlock write");
        assert_eq!((seen.held_by, seen.waits_for), (Some(Holder::Readers(2)), None));
        let reader = read(&lock);
        assert_eq!(look(id(&reader), "rwlock read").held_by, Some(Holder::Readers(2)));
        drop((one, other));
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(*lock.try_read().unwrap(), 1);
    });
}

/// What nobody in particular has is told apart by its address.
#[test]
fn places_of_the_others() {
    in_goroutines(|| {
        let (a, b) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        let held = (a.acquire(1), b.acquire(1));
        let wait = |semaphore: &Arc<Semaphore>| {
            let semaphore = Arc::clone(semaphore);
            spawn(move || drop(semaphore.acquire(1)))
        };
        let all = [wait(&a), wait(&a), wait(&b)];
        let [first, second, third] = all.each_ref().map(|one| look(id(one), "semaphore acquire"));
        assert_eq!(first.waits_at, second.waits_at);
        assert_ne!(first.waits_at, third.waits_at);
        assert_eq!((first.held_by, first.waits_for), (None, None));
        drop(held);
        all.into_iter().for_each(|one| one.join().unwrap());

        let (group, notify) = (WaitGroup::new(), Arc::new(Notify::new()));
        let pass = group.pass();
        let (theirs, group) = (Arc::clone(&notify), group.clone());
        let all = [spawn(move || theirs.wait()), spawn(move || group.wait())];
        look(id(&all[0]), "notify wait");
        look(id(&all[1]), "wait group wait");
        drop(pass);
        notify.notify_one();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// A cancellation.
#[derive(Default)]
struct Stop(Signal);

impl Cancel for Stop {
    type Error = ();
    fn signal(&self) -> Option<&Signal> {
        Some(&self.0)
    }
    fn error(&self) {}
}

/// Looks until there is a circle: the only one.
fn circle() -> Circle {
    loop {
        if let Some(circle) = circles(&goroutines()).pop() {
            return circle;
        }
        yield_now();
    }
}

fn ids(circle: &Circle) -> Vec<GoroutineId> {
    circle.goroutines.iter().map(|info| info.id).collect()
}

/// Two locks in two orders; an initialisation that wants what its waiter has; a join of one who waits for the joiner; a lock
/// that is wanted twice. Each is named as a circle, as long as it is there.
#[test]
fn circles_are_named() {
    in_goroutines(|| {
        if !can_ask() {
            return;
        }
        let (a, b, stop) = (Arc::new(Mutex::new(0)), Arc::new(RwLock::new(0)), Arc::new(Stop::default()));
        let barrier = Arc::new(Barrier::new(2));
        let first = {
            let (a, b, stop, barrier) = (Arc::clone(&a), Arc::clone(&b), Arc::clone(&stop), Arc::clone(&barrier));
            spawn(move || {
                let _a = a.lock().unwrap();
                barrier.wait();
                // It gives up, and so the test ends.
                b.read_ctx(&*stop).is_err()
            })
        };
        let second = {
            let (a, b) = (Arc::clone(&a), Arc::clone(&b));
            spawn(move || {
                let _b = b.write().unwrap();
                barrier.wait();
                *a.lock().unwrap() += 1;
            })
        };
        let found = circle();
        let mut both = [(id(&first), "rwlock read"), (id(&second), "mutex lock")];
        both.sort();
        let [(one, its), (other, others)] = both;
        assert_eq!(ids(&found), [one, other]);
        assert_eq!(
            found.to_string(),
            format!(
                "circle: goroutine {one} [{its}] waits for goroutine {other} [{others}], which waits for goroutine {one}"
            )
        );
        // Who waits for one of the circle is not of it.
        let theirs = Arc::clone(&a);
        let beside = spawn(move || drop(theirs.lock().unwrap()));
        look(id(&beside), "mutex lock");
        assert_eq!(ids(&circle()), [one, other]);
        assert!(stop.0.fire());
        assert!(first.join().unwrap());
        second.join().unwrap();
        beside.join().unwrap();
        assert!(circles(&goroutines()).is_empty());

        let (once, stop) = (Arc::new(Once::new()), Arc::new(Stop::default()));
        let runner = {
            let (a, once, stop) = (Arc::clone(&a), Arc::clone(&once), Arc::clone(&stop));
            spawn(move || once.call_once(|| assert!(a.lock_ctx(&*stop).is_err())))
        };
        let held = a.lock().unwrap();
        look(id(&runner), "mutex lock");
        let waiter = {
            let stop = Arc::clone(&stop);
            // From beside: this one is in the circle.
            spawn(move || {
                let found = circle();
                assert!(stop.0.fire());
                ids(&found)
            })
        };
        once.call_once(|| unreachable!("another runs"));
        drop(held);
        let mut both = [current().id(), id(&runner)];
        both.sort();
        assert_eq!(waiter.join().unwrap(), both);
        runner.join().unwrap();

        let stop = Arc::new(Stop::default());
        let wants = {
            let (a, stop) = (Arc::clone(&a), Arc::clone(&stop));
            spawn(move || {
                let _a = a.lock().unwrap();
                a.lock_ctx(&*stop).is_err()
            })
        };
        assert_eq!(circle().to_string(), format!("circle: goroutine {} [mutex lock] waits for itself", id(&wants)));
        assert!(stop.0.fire());
        assert!(wants.join().unwrap());
    });
}

/// Locks in one order for all cannot make a circle, however one looks: two of different moments are not taken for one.
/// Locks are made and freed meanwhile, so what is looked at may be gone.
#[test]
fn no_circle_where_there_is_none() {
    in_goroutines(|| {
        const LOCKS: usize = 4;
        let over = AtomicBool::new(false);
        let mut chance = Chance::new("no_circle_where_there_is_none");
        scope(|s| {
            for _ in 0..2 {
                let all: Arc<[Box<Mutex<u64>>; LOCKS]> = Arc::new(std::array::from_fn(|_| Box::new(Mutex::new(0))));
                for _ in 0..4 {
                    let (over, mut chance, all) = (&over, chance.split(), Arc::clone(&all));
                    s.spawn(move || {
                        while !over.load(Ordering::Relaxed) {
                            // One after the other, in any order; and some together, in their order.
                            let lone = chance.below(LOCKS);
                            *all[lone].lock().unwrap() += 1;
                            let low = chance.below(LOCKS - 1);
                            let high = low + 1 + chance.below(LOCKS - low - 1);
                            let mut first = all[low].lock().unwrap();
                            if chance.below(3) == 0 {
                                yield_now();
                            }
                            *all[high].lock().unwrap() += 1;
                            *first += 1;
                        }
                    });
                }
            }
            for _ in 0..2 {
                // Short lives: a lock for two, and then none.
                let over = &over;
                s.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        let brief = Arc::new(Mutex::new(0));
                        scope(|s| {
                            for _ in 0..3 {
                                let brief = Arc::clone(&brief);
                                s.spawn(move || {
                                    let mut count = brief.lock().unwrap();
                                    yield_now();
                                    *count += 1;
                                });
                            }
                        });
                        assert_eq!(*brief.try_lock().unwrap(), 3);
                    }
                });
            }
            let mut holders = 0;
            for _ in 0..rounds(200).min(1000) {
                let all = goroutines();
                let found = circles(&all);
                assert!(found.is_empty(), "{}", found[0]);
                for info in &all {
                    if let Some(Holder::Goroutine(holder)) = info.held_by {
                        assert_ne!(holder, info.id, "nobody here takes a lock twice");
                        holders += 1;
                    }
                }
                yield_now();
            }
            over.store(true, Ordering::Relaxed);
            println!("{holders} holders seen");
        });
    });
}

/// `exit` lets locks go and does not poison them; a panic after an exit that was caught does.
#[test]
fn exit_does_not_poison() {
    in_goroutines(|| {
        let (mutex, lock) = (Arc::new(Mutex::new(0)), Arc::new(RwLock::new(0)));
        let (m, l) = (Arc::clone(&mutex), Arc::clone(&lock));
        let exits = spawn(move || {
            let mut count = m.lock().unwrap();
            let mut other = l.write().unwrap();
            (*count, *other) = (1, 1);
            exit();
        });
        assert!(gander_runtime::is_exit(&*exits.join().unwrap_err()));
        assert_eq!((*mutex.lock().unwrap(), *lock.read().unwrap()), (1, 1));

        // It has come back from its exit; what goes wrong then goes wrong.
        let m = Arc::clone(&mutex);
        let fails = spawn(move || {
            let caught = std::panic::catch_unwind(|| exit());
            assert!(gander_runtime::is_exit(&*caught.unwrap_err()));
            let _count = m.lock().unwrap();
            std::panic::resume_unwind(Box::new("a panic"));
        });
        assert!(!gander_runtime::is_exit(&*fails.join().unwrap_err()));
        assert!(mutex.is_poisoned());
        mutex.clear_poison();

        // Also while what it unwound with is kept.
        let m = Arc::clone(&mutex);
        let fails = spawn(move || {
            let kept = std::panic::catch_unwind(|| exit());
            let _count = m.lock().unwrap();
            std::panic::resume_unwind(Box::new(("a panic", kept.is_err())));
        });
        fails.join().unwrap_err();
        assert!(mutex.is_poisoned());
        mutex.clear_poison();

        // One exit within another, caught, does not make a panic of the other.
        struct Within;
        impl Drop for Within {
            fn drop(&mut self) {
                assert!(std::panic::catch_unwind(|| exit()).is_err());
            }
        }
        let m = Arc::clone(&mutex);
        let exits = spawn(move || {
            let _count = m.lock().unwrap();
            let _within = Within;
            exit();
        });
        assert!(gander_runtime::is_exit(&*exits.join().unwrap_err()));
        assert!(!mutex.is_poisoned());

        // What is dropped by an exit, and panics by itself, where nothing has exited: on another goroutine's stack.
        struct Bomb(Arc<Mutex<i32>>);
        impl Drop for Bomb {
            fn drop(&mut self) {
                let theirs = Arc::clone(&self.0);
                let failed = spawn(move || {
                    let _count = theirs.lock().unwrap();
                    std::panic::resume_unwind(Box::new("a panic"));
                });
                failed.join().unwrap_err();
            }
        }
        let m = Arc::clone(&mutex);
        let exits = spawn(move || {
            let _bomb = Bomb(m);
            exit();
        });
        assert!(gander_runtime::is_exit(&*exits.join().unwrap_err()));
        assert!(mutex.is_poisoned());
    });
}
