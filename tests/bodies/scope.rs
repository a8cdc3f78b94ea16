//! Scopes: goroutines that borrow.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{beside, run, scaled};

/// sched-22: children borrow, shared and exclusively; scopes nest, also inside children.
#[test]
fn sched_22_borrows() {
    run(|| {
        let text = "borrowed".to_string();
        let mut counts = [0; 100];
        let answer = gander::scope(|s| {
            for count in &mut counts {
                s.spawn(|| {
                    gander::yield_now();
                    *count += text.len();
                });
            }
            let inner = s.spawn(|| gander::scope(|inner| inner.spawn(|| text.len()).join().unwrap()));
            let chained = s.spawn(|| s.spawn(|| &text).join().unwrap());
            inner.join().unwrap() + chained.join().unwrap().len()
        });
        assert_eq!(answer, 16);
        assert_eq!(counts, [8; 100]);
    });
}

/// The parent's panic waits for the children and comes out.
#[test]
fn parent_panics() {
    run(|| {
        let ended = AtomicUsize::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            gander::scope(|s| {
                for _ in 0..20 {
                    s.spawn(|| {
                        gander::sleep(Duration::from_millis(5));
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                }
                panic!("parent");
            })
        }));
        assert_eq!(*caught.map(|(): ()| ()).unwrap_err().downcast_ref::<&str>().unwrap(), "parent");
        assert_eq!(ended.load(Ordering::SeqCst), 20);
    });
}

/// A child's panic that nobody joined is the scope's; one that was joined is not; exit is none.
#[test]
fn children_panic() {
    run(|| {
        let caught = catch_unwind(|| gander::scope(|s| drop(s.spawn(|| panic!("child")))));
        assert_eq!(*caught.unwrap_err().downcast_ref::<&str>().unwrap(), "a scoped goroutine panicked");
        let caught = catch_unwind(|| {
            gander::scope(|s| {
                s.spawn(|| {
                    gander::sleep(Duration::from_millis(2));
                    panic!("late child")
                });
            })
        });
        assert!(caught.is_err());
        gander::scope(|s| assert!(s.spawn(|| panic!("joined")).join().map(|(): ()| ()).is_err()));
        gander::scope(|s| {
            s.spawn(|| gander::exit());
        });
    });
}

/// exit inside a scope waits for the children and goes on unwinding.
#[test]
fn exit_inside() {
    run(|| {
        let ended = std::sync::Arc::new(AtomicUsize::new(0));
        let seen = ended.clone();
        let error = gander::spawn(move || {
            gander::scope(|s| {
                s.spawn(|| {
                    gander::sleep(Duration::from_millis(5));
                    seen.fetch_add(1, Ordering::SeqCst);
                });
                gander::exit();
            })
        });
        assert!(gander::is_exit(&*error.join().unwrap_err()));
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    });
}

/// An ordinary thread can open a scope.
#[test]
fn from_threads() {
    beside(2, scopes_on_threads);
}

fn scopes_on_threads() {
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for round in 0..scaled(50) {
                    let mut counts = vec![0; 50];
                    gander::scope(|s| {
                        for count in &mut counts {
                            s.spawn(|| *count = round);
                        }
                    });
                    assert_eq!(counts, vec![round; 50]);
                }
            });
        }
    });
}

/// Ten thousand children; handles that are forgotten do not keep the scope.
#[test]
fn many_and_forgotten() {
    run(|| {
        let count = scaled(10_000);
        let sum = AtomicUsize::new(0);
        gander::scope(|s| {
            for i in 0..count {
                let child = s.spawn({
                    let sum = &sum;
                    move || sum.fetch_add(i, Ordering::Relaxed)
                });
                if i % 3 == 0 {
                    std::mem::forget(child);
                }
            }
        });
        assert_eq!(sum.into_inner(), count * (count - 1) / 2);
    });
}
