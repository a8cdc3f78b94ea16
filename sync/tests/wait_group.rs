//! Wait groups.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{in_goroutines, rounds, settle};
use gander_runtime::{exit, go, set_unhandled_panic_hook, sleep, spawn, take_unhandled_panic_hook, yield_now};
use gander_sync::{Arc, WaitGroup};

/// What a panic said.
fn words(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    payload.downcast_ref::<&str>().expect("panics with words").to_string()
}

/// sync-8: below zero it panics, and counts on as before.
#[test]
fn sync_8_negative() {
    in_goroutines(|| {
        let group = WaitGroup::new();
        assert!(words(|| group.done()).contains("negative WaitGroup counter"));
        group.add(2);
        assert!(words(|| group.add(-3)).contains("negative WaitGroup counter"));
        assert!(words(|| group.add(isize::MIN)).contains("negative WaitGroup counter"));
        assert!(words(|| group.add(isize::MAX)).contains("overflow"));
        group.done();
        group.done();
        group.wait();
        group.add(isize::MAX);
        group.add(-isize::MAX);
        group.wait();
    });
}

/// A cell that only its order with the wait makes safe.
struct Plain(UnsafeCell<usize>);
// SAFETY: written before `done`, read after `wait`.
#[allow(unsafe_code)]
unsafe impl Sync for Plain {}

/// sync-9, sync-26: what was done before the `done` is seen after the wait; also where adds race with each other.
#[test]
fn sync_9_order() {
    in_goroutines(|| {
        for _ in 0..rounds(100).min(1000) {
            let group = WaitGroup::new();
            let cells = Arc::new([Plain(UnsafeCell::new(0)), Plain(UnsafeCell::new(0))]);
            for i in 0..2 {
                group.add(1);
                let (group, cells) = (group.clone(), Arc::clone(&cells));
                go(move || {
                    group.add(1);
                    // SAFETY: ours alone, until done.
                    #[allow(unsafe_code)]
                    unsafe {
                        *cells[i].0.get() += 1;
                    }
                    group.add(-2);
                });
            }
            group.wait();
            for cell in &*cells {
                // SAFETY: they are done.
                #[allow(unsafe_code)]
                let seen = unsafe { *cell.0.get() };
                assert_eq!(seen, 1);
            }
        }
    });
}

/// sync-10: goroutines of the group, which start others in it; by return and by exit.
#[test]
fn sync_10_go() {
    in_goroutines(|| {
        let (group, count) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        for i in 0..20 {
            let (inner, count) = (group.clone(), Arc::clone(&count));
            group.go(move || {
                for _ in 0..3 {
                    let count = Arc::clone(&count);
                    inner.go(move || {
                        yield_now();
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                }
                count.fetch_add(1, Ordering::Relaxed);
                if i % 2 == 0 {
                    exit();
                }
            });
        }
        group.wait();
        assert_eq!(count.load(Ordering::Relaxed), 80);
    });
}

/// Semantics 31: a panic in the group is reported before a wait may end.
#[test]
fn a_panic_is_out_before_the_wait_ends() {
    in_goroutines(|| {
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        HEARD.store(0, Ordering::Relaxed);
        set_unhandled_panic_hook(|panic| {
            assert_eq!(panic.payload().downcast_ref(), Some(&"for the hook"));
            sleep(Duration::from_millis(5));
            HEARD.fetch_add(1, Ordering::Relaxed);
        });
        let group = WaitGroup::new();
        group.go(|| std::panic::resume_unwind(Box::new("for the hook")));
        group.wait();
        assert_eq!(HEARD.load(Ordering::Relaxed), 1);
        take_unhandled_panic_hook();
    });
}

/// sync-11: many wait for one group, and it is used again and again. From goroutines and threads.
#[test]
fn sync_11_many_wait_again_and_again() {
    in_goroutines(|| {
        let group = WaitGroup::new();
        for round in 0..rounds(20).min(100) {
            let done = Arc::new(AtomicUsize::new(0));
            group.add(3);
            let waits = {
                let (group, done) = (group.clone(), Arc::clone(&done));
                move || {
                    group.wait();
                    assert_eq!(done.load(Ordering::Relaxed), 3);
                }
            };
            let waiters: Vec<_> = (0..100).map(|_| spawn(waits.clone())).collect();
            let threads: Vec<_> = (0..usize::from(round % 4 == 0)).map(|_| thread::spawn(waits.clone())).collect();
            for _ in 0..3 {
                let (group, done) = (group.clone(), Arc::clone(&done));
                go(move || {
                    done.fetch_add(1, Ordering::Relaxed);
                    group.done();
                });
            }
            waiters.into_iter().for_each(|one| one.join().unwrap());
            threads.into_iter().for_each(|one| one.join().unwrap());
        }
    });
}

/// sync-11, semantics 31: who waited finds that something was added before it went on.
#[test]
fn sync_11_reuse_is_found() {
    in_goroutines(|| {
        // Whether the waiter goes on before the add is chance, where there are several processors.
        for _ in 0..200 {
            let group = WaitGroup::new();
            group.add(1);
            let theirs = group.clone();
            let waiter = spawn(move || theirs.wait());
            settle();
            group.done();
            group.add(1);
            let answer = waiter.join();
            group.done();
            if let Err(payload) = answer {
                let words = payload.downcast_ref::<&str>().copied().unwrap();
                return assert!(words.contains("reused before previous Wait has returned"), "{words}");
            }
        }
        panic!("a group was used again under its waiter 200 times, and nobody noticed");
    });
}

/// panics-13: passes count by themselves: cloned, dropped, lost in a panic.
#[test]
fn panics_13_passes() {
    in_goroutines(|| {
        let group = WaitGroup::new();
        let pass = group.pass();
        let all: Vec<_> = (0..10)
            .map(|i| {
                let pass = pass.clone();
                spawn(move || {
                    let _pass = (pass.clone(), pass);
                    if i % 2 == 0 {
                        std::panic::resume_unwind(Box::new(()));
                    }
                })
            })
            .collect();
        drop(pass);
        group.wait();
        all.into_iter().for_each(|one| drop(one.join()));
        assert_eq!(format!("{group:?}"), "WaitGroup { count: 0 }");
        // One too few is found by who comes last.
        let pass = group.pass();
        group.done();
        assert!(words(|| drop(pass)).contains("negative"));
    });
}
