//! std's names for goroutines.

use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use gander::thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle, Thread, ThreadId};

use crate::common::{run, run_on, until};

#[test]
fn spawns_goroutines() {
    run(|| {
        let worker = thread::spawn(|| (gander::is_goroutine(), thread::current().name().is_none()));
        assert_eq!(worker.join().unwrap(), (true, true));
        let payload = thread::spawn(|| panic!("ouch")).join().map(|(): ()| ()).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"ouch"));
    });
}

/// Whoever is asked says the same of who it is: the handle that it has itself, and the one that its joiner has.
#[test]
fn handles_of_goroutines() {
    run(|| {
        let worker = Builder::new().name("worker".to_string()).spawn(thread::current).unwrap();
        let (id, name) = (worker.thread().id(), worker.thread().name().map(str::to_string));
        assert_eq!(format!("{:?}", id), format!("ThreadId({})", worker.goroutine().id()));
        let text = format!("Thread {{ id: {id:?}, name: Some(\"worker\"), .. }}");
        assert_eq!(format!("{:?}", worker.thread()), text);
        let itself = worker.join().unwrap();
        assert_eq!((itself.id(), itself.name()), (id, Some("worker")));
        assert_eq!(name.as_deref(), Some("worker"));
        itself.unpark(); // it has ended
        assert_eq!(thread::current().name(), Some("main"));
        assert_eq!(thread::current().id(), thread::current().id());
    });
}

/// Goroutines and ordinary threads have one space of numbers.
#[test]
fn numbers_are_given_once() {
    assert_eq!(size_of::<Option<ThreadId>>(), size_of::<u64>());
    let mut ids: Vec<ThreadId> = vec![thread::current().id()];
    run(|| {
        ids.push(thread::current().id());
        let goroutines: Vec<_> = (0..50).map(|_| thread::spawn(|| thread::current().id())).collect();
        ids.extend(goroutines.into_iter().map(|one| one.join().unwrap()));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(|| {
                    let id = thread::current().id();
                    assert_eq!(id, thread::current().id());
                    id
                })
            })
            .collect();
        ids.extend(threads.into_iter().map(|one| one.join().unwrap()));
    });
    assert_eq!(ids[0], thread::current().id());
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 60);
    assert!(format!("{:?}", ids[0]).starts_with("ThreadId(thread "), "{:?}", ids[0]);
}

/// Each of the two can wake the other, by the handle that `current` gave it.
#[test]
fn goroutines_and_threads_unpark_each_other() {
    const TURNS: usize = 100;
    run(|| {
        let count = Arc::new(AtomicUsize::new(0));
        let (theirs, goroutine) = (Arc::clone(&count), thread::current());
        let (to_goroutine, from_thread) = gander::chan::bounded::<Thread>(1);
        let other = std::thread::spawn(move || {
            to_goroutine.send(thread::current()).unwrap();
            for turn in 0..TURNS {
                while theirs.load(Ordering::Relaxed) <= 2 * turn {
                    thread::park();
                }
                theirs.fetch_add(1, Ordering::Relaxed);
                goroutine.unpark();
            }
        });
        let thread = from_thread.recv().unwrap();
        for turn in 0..TURNS {
            count.fetch_add(1, Ordering::Relaxed);
            thread.unpark();
            while count.load(Ordering::Relaxed) < 2 * (turn + 1) {
                thread::park();
            }
        }
        other.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2 * TURNS);
    });
}

#[test]
#[allow(deprecated)]
fn parks_and_sleeps() {
    run_on(1, || {
        let woken = AtomicBool::new(false);
        thread::scope(|s| {
            let sleeper = s.spawn(|| {
                thread::park_timeout(Duration::from_secs(3600));
                woken.store(true, Ordering::Relaxed);
            });
            assert!(!sleeper.is_finished());
            sleeper.thread().unpark();
            until(|| {
                thread::yield_now();
                woken.load(Ordering::Relaxed)
            });
        });
        thread::current().unpark();
        thread::park();
        thread::park_timeout_ms(1);
        thread::sleep_ms(1);
        thread::sleep(Duration::from_millis(1));
    });
}

/// As std's: an `io::Error`, a panic for a name that C could not have.
#[test]
fn what_a_builder_refuses() {
    run(|| {
        let error: io::Error = Builder::new().stack_size(usize::MAX).spawn(|| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.get_ref().unwrap().is::<gander::SpawnError>());
        let outcome = std::panic::catch_unwind(|| Builder::new().name("a\0b".to_string()).spawn(|| ()).map(drop));
        assert!(outcome.unwrap_err().downcast_ref::<String>().unwrap().contains("zero bytes"));
        let refused = thread::scope(|s| Builder::new().stack_size(usize::MAX).spawn_scoped(s, || ()).is_err());
        assert!(refused);
    });
}

#[test]
fn a_small_stack_is_enough_for_little() {
    run(|| {
        let small = Builder::new().stack_size(1).spawn(|| 6 * 7).unwrap();
        assert_eq!(small.join().unwrap(), 42);
    });
}

/// Goroutines of a scope spawn more of them, from its frame and from each other, with names and without.
#[test]
fn scopes() {
    run(|| {
        let sum = AtomicUsize::new(0);
        let (a, b) = (vec![1], vec![2]);
        let names = thread::scope(|s| {
            let first: ScopedJoinHandle<'_, Option<String>> = Builder::new()
                .name("first".to_string())
                .spawn_scoped(s, || {
                    s.spawn(|| sum.fetch_add(a[0] + b[0], Ordering::Relaxed));
                    thread::current().name().map(str::to_string)
                })
                .unwrap();
            (first.thread().name().map(str::to_string), first.join().unwrap())
        });
        assert_eq!(names, (Some("first".to_string()), Some("first".to_string())));
        assert_eq!(sum.into_inner(), 3);
    });
}

/// A result whose destructor spawns into the scope is part of the scope.
#[test]
fn a_result_that_spawns_when_dropped() {
    struct Late<'scope, 'env>(&'scope Scope<'scope, 'env>, &'env AtomicBool);
    impl Drop for Late<'_, '_> {
        fn drop(&mut self) {
            let done = self.1;
            self.0.spawn(|| {
                thread::sleep(Duration::from_millis(2));
                done.store(true, Ordering::Relaxed);
            });
        }
    }
    run(|| {
        let done = AtomicBool::new(false);
        thread::scope(|s| drop(s.spawn(|| Late(s, &done))));
        assert!(done.into_inner());
    });
}

/// `spawn_unchecked`: the borrow is the caller's to answer for.
#[test]
#[allow(unsafe_code)]
fn spawn_of_what_borrows() {
    run(|| {
        let text = "borrowed".to_string();
        // SAFETY: it is joined before `text` is gone.
        let worker = unsafe { Builder::new().spawn_unchecked(|| text.len()) }.unwrap();
        assert_eq!(worker.join().unwrap(), 8);
    });
}

/// As many as the program may use: not the machine's processors but the runtime's.
#[test]
fn parallelism_is_the_number_of_processors() {
    for procs in [1, 3] {
        run_on(procs, || assert_eq!(thread::available_parallelism().unwrap().get(), procs));
    }
}

/// A handle is `Send` and `Sync` whatever it returns, as std's; so what holds one may be generic.
#[test]
fn handles_go_anywhere() {
    fn both<T: Send + Sync + Unpin>() {}
    both::<JoinHandle<Rc<u8>>>();
    both::<JoinHandle<std::cell::Cell<u8>>>();
    both::<Thread>();
    both::<ThreadId>();
    both::<ScopedJoinHandle<'static, u8>>();
    both::<Scope<'static, 'static>>();
}

/// While it unwinds, a goroutine panics and others do not.
#[test]
fn panicking() {
    struct Look(mpsc::Sender<bool>);
    impl Drop for Look {
        fn drop(&mut self) {
            self.0.send(thread::panicking()).unwrap();
        }
    }
    run(|| {
        let (tx, rx) = mpsc::channel();
        let look = Look(tx);
        let worker = thread::spawn(move || {
            let _look = look;
            panic!("on purpose");
        });
        assert!(worker.join().map(|(): ()| ()).is_err());
        assert!(rx.recv().unwrap());
        assert!(!thread::panicking());
    });
}
