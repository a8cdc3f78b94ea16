//! Contexts that several use at a time, and very many of them: the numbered behaviours of the project's list.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{in_goroutines, rounds, watched};
use gander_chan::TryRecvError;
use gander_context::{Cancel, Context, ContextError};
use gander_runtime::{spawn, yield_now};
use gander_time::sleep_ctx;

use ContextError::Canceled;

const HOUR: Duration = Duration::from_secs(3600);
const LONG: Duration = Duration::from_secs(20);

fn is_done(ctx: &Context) -> bool {
    match ctx.done().try_recv() {
        Err(TryRecvError::Disconnected) => true,
        Err(TryRecvError::Empty) => false,
        Ok(()) => unreachable!("nothing is sent"),
    }
}

#[track_caller]
fn assert_done(ctx: &Context, error: ContextError) {
    assert_eq!(ctx.err(), Some(error));
    assert!(is_done(ctx));
    assert!(ctx.cause().is_some());
}

/// context-4: who is woken by the parent cancels the child while the parent's cancel does.
#[test]
fn context_4_interlocked() {
    in_goroutines(|| {
        for _ in 0..rounds(100) {
            let (parent, cancel_parent) = Context::background().with_cancel();
            let (child, cancel_child) = parent.with_cancel();
            let (theirs, up) = (parent.clone(), cancel_parent.clone());
            let first = spawn(move || {
                let _ = theirs.done().recv();
                cancel_child.cancel();
                assert!(child.err().is_some());
            });
            let (child, cancel_child) = parent.with_cancel();
            let second = spawn(move || {
                let _ = child.done().recv();
                up.cancel();
                assert!(parent.err().is_some());
            });
            cancel_parent.cancel();
            cancel_child.cancel();
            first.join().unwrap();
            second.join().unwrap();
        }
    });
}

/// context-8, semantics 34: the cause is seen with the error and not before, and the channel is closed by then.
#[test]
fn context_8_cause_race() {
    in_goroutines(|| {
        for _ in 0..rounds(200) {
            let (ctx, cancel) = Context::background().with_cancel_cause();
            let theirs = ctx.clone();
            let poller = spawn(move || {
                loop {
                    if theirs.err().is_some() {
                        assert!(is_done(&theirs), "closed before there is an error");
                        assert!(theirs.is_cancelled());
                        assert_eq!(theirs.cause().unwrap().to_string(), "E");
                        return;
                    }
                    if is_done(&theirs) {
                        assert!(theirs.err().is_some(), "an error when it is closed");
                    }
                    yield_now();
                }
            });
            yield_now();
            cancel.cancel("E");
            poller.join().unwrap();
            assert_eq!(ctx.cause().unwrap().to_string(), "E");
        }
    });
}

/// context-12: what ends first, or is dropped, leaves its parent; and very many children are quickly ended.
#[test]
fn context_12_children_leave() {
    in_goroutines(|| {
        let (parent, cancel) = Context::background().with_cancel();
        for _ in 0..rounds(2000) {
            let (child, cancel_child) = parent.with_cancel();
            cancel_child.cancel();
            assert!(child.err().is_some());
            drop(parent.with_timeout(HOUR));
            assert!(parent.after_func(|| unreachable!()).stop());
            drop(parent.with_value(0u8).with_cancel());
        }
        let children: Vec<_> = (0..rounds(1000)).map(|_| parent.with_timeout(HOUR).0).collect();
        cancel.cancel();
        assert!(children.iter().all(|child| child.err() == Some(Canceled)));
    });
}

/// A tree may be deeper than the stack.
#[test]
fn deep() {
    in_goroutines(|| {
        let (mut ctx, cancel) = Context::background().with_cancel();
        for i in 0..rounds(10_000) {
            ctx = if i % 2 == 0 { ctx.with_cancel().0 } else { ctx.with_timeout(HOUR).0 };
        }
        cancel.cancel();
        assert_done(&ctx, Canceled);
        let mut ctx = Context::background();
        for i in 0..rounds(10_000) {
            ctx = if i % 2 == 0 { ctx.with_timeout(HOUR).0 } else { ctx.with_value(i) };
        }
    });
}

/// context-13, semantics 36: exactly one of stop and call.
#[test]
fn context_13_stop_or_call() {
    in_goroutines(|| {
        for _ in 0..rounds(200) {
            let (ctx, cancel) = Context::background().with_cancel();
            let called = Arc::new(AtomicUsize::new(0));
            let theirs = called.clone();
            let stop = ctx.after_func(move || {
                theirs.fetch_add(1, Ordering::Relaxed);
            });
            let other = spawn(move || cancel.cancel());
            let stopped = stop.stop();
            other.join().unwrap();
            // When the function is gone it was called, or never will be.
            let start = Instant::now();
            while Arc::strong_count(&called) > 1 && start.elapsed() < LONG {
                yield_now();
            }
            assert_eq!(called.load(Ordering::Relaxed), usize::from(!stopped));
        }
    });
}

/// context-17, as stress: a child that is made while its parent is cancelled ends; a function is called once.
#[test]
fn context_17_races() {
    in_goroutines(|| {
        let called = Arc::new(AtomicUsize::new(0));
        let count = rounds(200);
        for _ in 0..count {
            let (parent, cancel) = Context::background().with_cancel();
            let theirs = parent.clone();
            let counter = called.clone();
            let maker = spawn(move || {
                let (child, cancel_child) = theirs.with_cancel();
                child.after_func(move || {
                    counter.fetch_add(1, Ordering::Relaxed);
                });
                let (grandchild, _) = child.with_cancel();
                drop(child);
                drop(cancel_child);
                let _ = grandchild.done().recv();
            });
            let up = cancel.clone();
            let other = spawn(move || up.cancel());
            yield_now();
            cancel.cancel();
            maker.join().unwrap();
            other.join().unwrap();
        }
        let start = Instant::now();
        while called.load(Ordering::Relaxed) < count && start.elapsed() < LONG {
            yield_now();
        }
        assert_eq!(called.load(Ordering::Relaxed), count);
    });
}

/// When a cancel returns all below have ended, also where another one had begun.
#[test]
fn a_cancel_is_complete() {
    in_goroutines(|| {
        for _ in 0..rounds(50) {
            let (parent, cancel) = Context::background().with_cancel();
            let children: Arc<Vec<_>> = Arc::new(
                (0..20)
                    .map(|_| {
                        let child = parent.with_cancel().0;
                        let grandchild = child.with_cancel().0;
                        [child, grandchild]
                    })
                    .collect(),
            );
            let all: Vec<_> = (0..3)
                .map(|_| {
                    let (cancel, children) = (cancel.clone(), children.clone());
                    spawn(move || {
                        cancel.cancel();
                        assert!(children.iter().flatten().all(|ctx| ctx.err().is_some()));
                    })
                })
                .collect();
            all.into_iter().for_each(|one| one.join().unwrap());
        }
    });
}

/// Many sleep, on goroutines and threads; one cancel wakes all.
#[test]
fn one_cancel_wakes_all() {
    watched(|| {
        gander_runtime::run(|| {
            let (ctx, cancel) = Context::background().with_cancel();
            let sleepers: Vec<_> = (0..rounds(100))
                .map(|_| {
                    let ctx = ctx.clone();
                    spawn(move || sleep_ctx(&ctx, HOUR))
                })
                .collect();
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let ctx = ctx.clone();
                    std::thread::spawn(move || sleep_ctx(&ctx, HOUR))
                })
                .collect();
            common::settle();
            cancel.cancel();
            for sleeper in sleepers {
                assert_eq!(sleeper.join().unwrap(), Err(Canceled));
            }
            for thread in threads {
                assert_eq!(thread.join().unwrap(), Err(Canceled));
            }
        });
    });
}
