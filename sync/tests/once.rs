//! What happens once.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{in_goroutines, rounds, settle};
use gander_runtime::{exit, scope, sleep, spawn};
use gander_sync::{Arc, LazyLock, Once, OnceLock, once_func, once_value};

/// What a panic said.
fn words(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .unwrap_or_else(|| *payload.downcast::<String>().unwrap())
}

/// sync-12: ten call, one runs, all see what it did. From goroutines and threads.
#[test]
fn sync_12_once() {
    in_goroutines(|| {
        let (once, runs) = (Once::new(), AtomicUsize::new(0));
        let call = || {
            once.call_once(|| {
                sleep(Duration::from_millis(10));
                runs.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(runs.load(Ordering::Relaxed), 1);
            assert!(once.is_completed());
        };
        thread::scope(|threads| {
            (0..3).for_each(|_| drop(threads.spawn(call)));
            scope(|s| (0..10).for_each(|_| drop(s.spawn(call))));
        });
        once.wait();
        once.wait_force();
    });
}

/// A panic poisons; all who waited hear of it; a forced call mends it.
/// Semantics 32.
#[test]
fn poison() {
    in_goroutines(|| {
        let once = Arc::new(Once::new());
        let theirs = Arc::clone(&once);
        let panics = spawn(move || {
            theirs.call_once(|| {
                settle();
                std::panic::resume_unwind(Box::new(()));
            });
        });
        settle();
        let waiters: Vec<_> = (0..3)
            .map(|i| {
                let once = Arc::clone(&once);
                spawn(move || if i == 0 { once.wait() } else { once.call_once(|| {}) })
            })
            .collect();
        let theirs = Arc::clone(&once);
        let patient = spawn(move || theirs.wait_force());
        panics.join().unwrap_err();
        // One may have come before and run its own; then nothing was poisoned but all are content.
        if !once.is_completed() {
            waiters.into_iter().for_each(|one| drop(one.join().unwrap_err()));
            assert!(words(|| once.call_once(|| {})).contains("poisoned"));
            assert!(words(|| once.wait()).contains("poisoned"));
            once.call_once_force(|state| assert!(state.is_poisoned()));
        }
        patient.join().unwrap();
        once.call_once(|| unreachable!());
    });
}

/// Semantics 32, as std has it: one whose goroutine exits is not done either.
#[test]
fn exit_inside() {
    in_goroutines(|| {
        let once = Arc::new(Once::new());
        let theirs = Arc::clone(&once);
        spawn(move || theirs.call_once(|| exit())).join().unwrap_err();
        assert!(!once.is_completed());
        once.call_once_force(|state| assert!(state.is_poisoned()));
    });
}

/// A value is set once, made once, waited for, taken out.
#[test]
fn once_locks() {
    in_goroutines(|| {
        let cell = Arc::new(OnceLock::new());
        let made = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&cell);
        let waits = spawn(move || *theirs.wait());
        let all: Vec<_> = (0..10)
            .map(|i| {
                let (cell, made) = (Arc::clone(&cell), Arc::clone(&made));
                spawn(move || {
                    *cell.get_or_init(|| {
                        made.fetch_add(1, Ordering::Relaxed);
                        sleep(Duration::from_millis(1));
                        i
                    })
                })
            })
            .collect();
        let value = waits.join().unwrap();
        all.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), value));
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert_eq!(cell.set(100), Err(100));
        let mut cell = Arc::into_inner(cell).unwrap();
        *cell.get_mut().unwrap() = 50;
        assert_eq!((cell.take(), cell.take()), (Some(50), None));
        assert_eq!(cell.get(), None);
        // A panic leaves it empty.
        assert!(
            catch_unwind(AssertUnwindSafe(|| cell.get_or_init(|| std::panic::resume_unwind(Box::new(())))))
                .is_err()
        );
        assert_eq!(cell.set(7), Ok(()));
        assert_eq!(cell.clone(), OnceLock::from(7));
        assert_eq!(cell.into_inner(), Some(7));
        let std = std::sync::OnceLock::<i32>::new();
        assert_eq!(format!("{:?}", OnceLock::<i32>::new()), format!("{std:?}"));
        std.set(1).unwrap();
        assert_eq!(format!("{:?}", OnceLock::from(1)), format!("{std:?}"));
    });
}

/// What is in a cell is dropped once: with the cell, or by who took it.
#[test]
fn values_are_dropped_once() {
    in_goroutines(|| {
        let value = Arc::new(());
        drop(OnceLock::from(Arc::clone(&value)));
        assert_eq!(OnceLock::from(value.clone()).set(value.clone()), Err(value.clone()));
        let lazy = LazyLock::new(|| value.clone());
        assert_eq!(Arc::strong_count(LazyLock::force(&lazy)), 2);
        drop(lazy);
        let mut cell = OnceLock::from(value.clone());
        drop(cell.take());
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// A lazy value is made by the first; a panic makes it unusable, with the closure dropped.
#[test]
fn lazy_locks() {
    in_goroutines(|| {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        static LAZY: LazyLock<Vec<usize>> = LazyLock::new(|| {
            sleep(Duration::from_millis(1));
            vec![MADE.fetch_add(1, Ordering::Relaxed)]
        });
        scope(|s| (0..10).for_each(|_| drop(s.spawn(|| assert_eq!(LAZY[0], 0)))));

        let captured = Arc::new(());
        let theirs = Arc::clone(&captured);
        let lazy = LazyLock::<(), _>::new(move || {
            let _theirs = &theirs;
            panic!("as planned")
        });
        assert!(LazyLock::get(&lazy).is_none());
        assert_eq!(words(|| *lazy), "as planned");
        assert_eq!(Arc::strong_count(&captured), 1, "the closure is dropped");
        assert!(words(|| *lazy).contains("poisoned"));
        assert!(words(|| *lazy).contains("poisoned"));

        let mut lazy = LazyLock::new(|| 3);
        *LazyLock::force_mut(&mut lazy) += 1;
        *lazy += 1;
        assert_eq!((*lazy, LazyLock::get_mut(&mut lazy)), (5, Some(&mut 5)));
        assert_eq!(format!("{:?}", LazyLock::new(|| 1)), format!("{:?}", std::sync::LazyLock::new(|| 1)));
        assert_eq!(*LazyLock::<String>::default(), "");
    });
}

/// sync-13, sync-14: a function that runs once, whose captures are dropped when it has.
/// Semantics 32.
#[test]
fn sync_13_14_once_functions() {
    in_goroutines(|| {
        let (runs, captured) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
        let (counts, theirs) = (Arc::clone(&runs), Arc::clone(&captured));
        let value = once_value(move || {
            let _theirs = &theirs;
            settle();
            counts.fetch_add(1, Ordering::Relaxed)
        });
        scope(|s| (0..10).for_each(|_| drop(s.spawn(|| assert_eq!(value(), 0)))));
        assert_eq!((runs.load(Ordering::Relaxed), Arc::strong_count(&captured)), (1, 1));

        let theirs = Arc::clone(&captured);
        let function = once_func(move || {
            let _theirs = &theirs;
            panic!("once and for {}", "all");
        });
        for _ in 0..3 {
            assert_eq!(words(&function), "once and for all");
            assert_eq!(Arc::strong_count(&captured), 1, "the closure is dropped");
        }
        // A payload that cannot be copied comes to the first; later calls panic all the same.
        let function = once_func(|| std::panic::resume_unwind(Box::new(17)));
        assert_eq!(catch_unwind(AssertUnwindSafe(&function)).unwrap_err().downcast_ref(), Some(&17));
        assert!(catch_unwind(AssertUnwindSafe(&function)).is_err());
    });
}

/// Many cells, each wanted by several at once.
#[test]
fn many() {
    in_goroutines(|| {
        for _ in 0..rounds(200) {
            let (cell, once) = (OnceLock::new(), Once::new());
            scope(|s| {
                for i in 0..3 {
                    let (cell, once) = (&cell, &once);
                    s.spawn(move || {
                        once.call_once(|| cell.set(i).unwrap());
                        assert!(cell.get().is_some());
                    });
                }
            });
        }
    });
}
