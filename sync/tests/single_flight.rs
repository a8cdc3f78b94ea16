//! One run for all who want it.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{in_goroutines, rounds, settle};
use gander_chan::{RecvError, bounded};
use gander_runtime::{exit, is_exit, run, spawn};
use gander_sync::{Arc, SingleFlight};

/// xsync-9: values and errors come back unchanged, directly and through a channel.
#[test]
fn xsync_9_one_call() {
    in_goroutines(|| {
        let flights = SingleFlight::<&str, Result<i32, String>>::new();
        assert_eq!(flights.call("key", || Ok(1)), (Ok(1), false));
        assert_eq!(flights.call("key", || Err("no".into())), (Err("no".into()), false));
        let answers = flights.call_chan("key", || Ok(2));
        assert_eq!(answers.recv(), Ok((Ok(2), false)));
        assert_eq!(answers.recv(), Err(RecvError));
    });
}

/// All who come while it runs share one run; who comes later does not.
#[test]
fn shared() {
    in_goroutines(|| {
        let flights = SingleFlight::new();
        let runs = Arc::new(AtomicUsize::new(0));
        let (leave, may_leave) = bounded::<()>(0);
        let begin = |flights: &SingleFlight<_, _>| {
            let (flights, runs, may_leave) = (flights.clone(), Arc::clone(&runs), may_leave.clone());
            move || {
                flights.call("key", || {
                    may_leave.recv().unwrap_err();
                    runs.fetch_add(1, Ordering::Relaxed)
                })
            }
        };
        let goroutines: Vec<_> = (0..10).map(|_| spawn(begin(&flights))).collect();
        let thread = thread::spawn(begin(&flights));
        settle();
        drop(leave);
        let answers: Vec<(usize, bool)> = goroutines.into_iter().map(|one| one.join().unwrap()).collect();
        let last = thread.join().unwrap();
        // Who had not come when it landed has run it again.
        let runs = runs.load(Ordering::Relaxed);
        assert!(answers.iter().chain([&last]).all(|(value, _)| *value < runs));
        assert_eq!(flights.call("key", || 77), (77, false));
        // A forgotten flight goes on, beside the next.
        let (leave, may_leave) = bounded::<()>(0);
        let (here, is_here) = bounded(0);
        let theirs = flights.clone();
        let old = spawn(move || {
            theirs.call("key", move || {
                here.send(()).unwrap();
                may_leave.recv().unwrap_err();
                1
            })
        });
        is_here.recv().unwrap();
        flights.forget(&"key");
        assert_eq!(flights.call("key", || 2), (2, false));
        drop(leave);
        assert_eq!(old.join().unwrap(), (1, false));
    });
}

/// Each of those who share a run says so.
#[test]
fn shared_is_said() {
    in_goroutines(|| {
        let flights = SingleFlight::new();
        let (here, is_here) = bounded(0);
        let (leave, may_leave) = bounded::<()>(0);
        let theirs = flights.clone();
        let first = spawn(move || {
            theirs.call(1, move || {
                here.send(()).unwrap();
                may_leave.recv().unwrap_err();
                "once"
            })
        });
        is_here.recv().unwrap();
        // It stands among those who want it when this returns.
        let answers = flights.call_chan(1, || unreachable!());
        drop(leave);
        assert_eq!(first.join().unwrap(), ("once", true));
        assert_eq!(answers.recv(), Ok(("once", true)));
    });
}

/// xsync-10: a panic comes to all who share the run, and the key can be used again.
/// Semantics 33.
#[test]
fn xsync_10_panic() {
    in_goroutines(|| {
        for _ in 0..rounds(3) {
            let flights = SingleFlight::<i32, i32>::new();
            let all: Vec<_> = (0..5)
                .map(|_| {
                    let flights = flights.clone();
                    spawn(move || {
                        flights.call(1, || {
                            settle();
                            std::panic::resume_unwind(Box::new("the words"));
                        })
                    })
                })
                .collect();
            for one in all {
                let payload = one.join().unwrap_err();
                let words = payload.downcast_ref::<&str>().map(ToString::to_string);
                assert_eq!(words.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap(), "the words");
            }
            assert_eq!(flights.call(1, || 5), (5, false));
        }
    });
}

/// xsync-11: if the function exits its goroutine, the others that wait for it exit too; a thread panics; who waits at a
/// channel finds it closed.
#[test]
fn xsync_11_exit() {
    in_goroutines(|| {
        let flights = SingleFlight::<i32, i32>::new();
        let (here, is_here) = bounded(0);
        let (leave, may_leave) = bounded::<()>(0);
        let theirs = flights.clone();
        let first = spawn(move || {
            theirs.call(1, || {
                here.send(()).unwrap();
                may_leave.recv().unwrap_err();
                exit()
            })
        });
        is_here.recv().unwrap();
        let answers = flights.call_chan(1, || 0);
        let (theirs, from_thread) = (flights.clone(), flights.clone());
        let other = spawn(move || theirs.call(1, || 3));
        let thread = thread::spawn(move || catch_unwind(AssertUnwindSafe(|| from_thread.call(1, || 3))));
        settle();
        drop(leave);
        assert!(is_exit(&*first.join().unwrap_err()));
        // Those that came too late have run their own.
        match other.join() {
            Ok(answer) => assert_eq!(answer.0, 3),
            Err(payload) => assert!(is_exit(&*payload)),
        }
        if let Err(payload) = thread.join().unwrap() {
            assert!(payload.downcast_ref::<&str>().unwrap().contains("has exited"));
        }
        assert_eq!(answers.recv(), Err(RecvError));
        assert_eq!(flights.call(1, || 5).0, 5);
    });
}

/// xsync-12, in a process of its own: a panic that somebody with a channel should hear of ends the process, though
/// another caught it.
#[test]
fn xsync_12_nobody_can_catch_it_for_a_channel() {
    const CHILD: &str = "GANDER_TEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let me = std::env::current_exe().unwrap();
        let mut child = Command::new(me);
        child.args(["xsync_12", "--nocapture"]).env(CHILD, "1");
        let output = child.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(words.contains("panic: out of the flight"), "{words}");
        return;
    }
    run(|| {
        let flights = SingleFlight::<i32, i32>::new();
        let (here, is_here) = bounded(0);
        let (leave, may_leave) = bounded::<()>(0);
        let theirs = flights.clone();
        let first = spawn(move || {
            let call = || {
                theirs.call(1, || {
                    here.send(()).unwrap();
                    may_leave.recv().unwrap_err();
                    panic!("out of the flight")
                })
            };
            assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        });
        is_here.recv().unwrap();
        let answers = flights.call_chan(1, || 0);
        drop(leave);
        first.join().unwrap();
        let _ = answers.recv();
        // The panic is on its way, in a goroutine of its own.
        thread::sleep(std::time::Duration::from_secs(30));
    });
}

/// Where the copy of a value panics the key is free again.
#[test]
fn a_lost_flight_lands() {
    struct Frail(bool);
    impl Clone for Frail {
        fn clone(&self) -> Frail {
            assert!(!self.0, "a copy fails");
            Frail(false)
        }
    }
    in_goroutines(|| {
        let flights = SingleFlight::new();
        let first = catch_unwind(AssertUnwindSafe(|| flights.call("key", || Frail(true)).1));
        assert!(first.is_err());
        let second = spawn(move || flights.call("key", || Frail(false)).1);
        assert!(!second.join().unwrap());
    });
}
