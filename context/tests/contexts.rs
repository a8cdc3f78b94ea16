//! Contexts: the numbered behaviours of the project's list, and what Go documents (semantics 34 to 36).
//!
//! Not here: context-10 and context-11 are about types of the program's own that are contexts. Here `Context` is one type;
//! a program's own kind of cancellation is a `Cancel` (`a_cancellation_of_ones_own`). context-15 needs sockets.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Chance, in_goroutines, rounds, watched};
use gander_chan::{TryRecvError, bounded};
use gander_context::{Cancel, Context, ContextError};
use gander_runtime::{Signal, go, num_goroutines, spawn};
use gander_time::{sleep, sleep_ctx};

use ContextError::{Canceled, DeadlineExceeded};

const MS: Duration = Duration::from_millis(1);
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

#[track_caller]
fn assert_open(ctx: &Context) {
    assert!(!is_done(ctx));
    assert!(ctx.err().is_none() && ctx.cause().is_none());
}

/// context-1: the roots.
/// Semantics 36.
#[test]
fn context_1_roots() {
    in_goroutines(|| {
        for (root, name) in [(Context::background(), "background"), (Context::todo(), "todo")] {
            assert_open(&root);
            assert!(root.deadline().is_none() && root.value::<u8>().is_none() && root.signal().is_none());
            assert!(format!("{root:?}").contains(name));
            assert!(root.done().recv_timeout(MS).is_err());
            let stop = root.after_func(|| unreachable!());
            assert!(stop.stop() && !stop.stop());
        }
    });
}

/// context-2, semantics 35: deadlines.
#[test]
fn context_2_deadlines() {
    in_goroutines(|| {
        let root = Context::background();
        let soon = Instant::now() + 5 * MS;
        let (ctx, _) = root.with_deadline(soon);
        let below = ctx.with_value(1u8);
        let (later, _) = below.with_deadline(soon + HOUR);
        assert_eq!(later.deadline(), Some(soon), "the parent's is earlier");
        assert!(later.done().recv_timeout(LONG).is_err());
        assert!(Instant::now() >= soon);
        for ctx in [&ctx, &below, &later] {
            assert_done(ctx, DeadlineExceeded);
        }
        for past in [Instant::now(), Instant::now() - MS] {
            assert_done(&root.with_deadline(past).0, DeadlineExceeded);
        }
        assert_done(&root.with_timeout(Duration::ZERO).0, DeadlineExceeded);
        let (never, cancel) = root.with_timeout(Duration::MAX);
        assert_open(&never);
        cancel.cancel();
        assert_done(&never, Canceled);
    });
}

/// context-3: cancelled before the time is up, and its children with it.
/// Semantics 34.
#[test]
fn context_3_cancelled_timeout() {
    in_goroutines(|| {
        let (ctx, cancel) = Context::background().with_timeout(HOUR);
        let (child, _) = ctx.with_value("v").with_cancel();
        let (grandchild, _) = child.with_timeout(2 * HOUR);
        assert_open(&grandchild);
        cancel.cancel();
        cancel.cancel();
        for ctx in [&ctx, &child, &grandchild] {
            assert_done(ctx, Canceled);
        }
    });
}

/// context-5: layers of all kinds: the top ends, and all values stay.
#[test]
fn context_5_layers() {
    let chance = Mutex::new(Chance::new("context_5"));
    struct Layer<const N: usize>;
    in_goroutines(|| {
        let mut chance = chance.lock().unwrap();
        for _ in 0..rounds(10) {
            let mut ctx = Context::background();
            let mut keys = [false; 4];
            let mut ends = false;
            for _ in 0..40 {
                ctx = match chance.below(6) {
                    0 => {
                        ends = true;
                        ctx.with_timeout(MS).0
                    }
                    1 => ctx.with_cancel().0,
                    at => {
                        keys[at - 2] = true;
                        match at - 2 {
                            0 => ctx.with_value(Layer::<0>),
                            1 => ctx.with_value(Layer::<1>),
                            2 => ctx.with_value(Layer::<2>),
                            _ => ctx.with_value(Layer::<3>),
                        }
                    }
                };
            }
            let check = |ctx: &Context| {
                let there = [
                    ctx.value::<Layer<0>>().is_some(),
                    ctx.value::<Layer<1>>().is_some(),
                    ctx.value::<Layer<2>>().is_some(),
                    ctx.value::<Layer<3>>().is_some(),
                ];
                assert_eq!(there, keys);
            };
            check(&ctx);
            if ends {
                assert!(ctx.done().recv_timeout(LONG) == Err(gander_chan::RecvTimeoutError::Disconnected));
                assert_done(&ctx, DeadlineExceeded);
                check(&ctx);
            }
        }
    });
}

/// The younger value of a type hides the older.
#[test]
fn values_hide() {
    let a = Context::background().with_value(1u8).with_value("text");
    let b = a.with_value(2u8);
    assert_eq!((a.value::<u8>(), b.value::<u8>(), b.value::<&str>()), (Some(&1), Some(&2), Some(&"text")));
}

/// context-6: a child of what has ended has ended, with that cause.
#[test]
fn context_6_below_the_cancelled() {
    in_goroutines(|| {
        let (parent, cancel) = Context::background().with_cancel_cause();
        cancel.cancel("because");
        cancel.cancel("another");
        for child in [parent.with_cancel().0, parent.with_timeout(HOUR).0, parent.with_value(0u8)] {
            assert_done(&child, Canceled);
            assert_eq!(child.cause().unwrap().to_string(), "because");
        }
    });
}

/// context-7: which error says that the time was up.
#[test]
fn context_7_errors() {
    assert!(DeadlineExceeded.is_timeout() && !Canceled.is_timeout());
    assert_eq!(std::io::Error::from(DeadlineExceeded).kind(), std::io::ErrorKind::TimedOut);
    assert_ne!(std::io::Error::from(Canceled).kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(DeadlineExceeded.to_string(), "context deadline exceeded");
    assert_eq!(Canceled.to_string(), "context canceled");
}

/// Semantics 35: the cause of a timeout counts only if the time was up.
#[test]
fn causes_of_timeouts() {
    in_goroutines(|| {
        let root = Context::background();
        let (ctx, _) = root.with_timeout_cause(MS, "slow");
        let _ = ctx.done().recv();
        assert_eq!((ctx.err(), ctx.cause().unwrap().to_string()), (Some(DeadlineExceeded), "slow".into()));
        let (ctx, cancel) = root.with_deadline_cause(Instant::now() + HOUR, "slow");
        cancel.cancel();
        assert_eq!((ctx.err(), ctx.cause().unwrap().to_string()), (Some(Canceled), "context canceled".into()));
        let (ctx, _) = root.with_timeout(Duration::ZERO);
        assert_eq!(ctx.cause().unwrap().downcast_ref(), Some(&DeadlineExceeded));
    });
}

/// context-9, semantics 36: what is shielded keeps the values and does not end.
#[test]
fn context_9_without_cancel() {
    in_goroutines(|| {
        let (parent, cancel) = Context::background().with_value(7u8).with_timeout(HOUR);
        let shielded = parent.without_cancel();
        let (child, cancel_child) = shielded.with_cancel();
        cancel.cancel();
        assert_done(&parent, Canceled);
        assert_open(&shielded);
        assert_open(&child);
        assert!(shielded.deadline().is_none());
        assert_eq!(child.value::<u8>(), Some(&7));
        cancel_child.cancel();
        assert_done(&child, Canceled);
        assert_open(&shielded);
    });
}

/// context-13: a function is called when the context ends, and at once where it has.
#[test]
fn context_13_after_func() {
    in_goroutines(|| {
        let (tx, rx) = bounded(2);
        let (ctx, _) = Context::background().with_timeout(MS);
        let late = tx.clone();
        // The handles are gone before the time is up.
        ctx.clone().after_func(move || late.send("late").unwrap());
        drop(ctx);
        assert_eq!(rx.recv_timeout(LONG), Ok("late"));
        let (ctx, cancel) = Context::background().with_cancel();
        cancel.cancel();
        let stop = ctx.after_func(move || tx.send("at once").unwrap());
        assert!(!stop.stop());
        assert_eq!(rx.recv_timeout(LONG), Ok("at once"));
    });
}

/// context-14: a cancel does not wait for the function, which waits for what the canceller holds.
#[test]
fn context_14_asynchronous() {
    in_goroutines(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let (hold, held) = bounded::<()>(0);
        let (tx, rx) = bounded(0);
        ctx.after_func(move || {
            let _ = held.recv();
            tx.send(()).unwrap();
        });
        cancel.cancel();
        assert!(rx.try_recv().is_err());
        drop(hold);
        assert_eq!(rx.recv_timeout(LONG), Ok(()));
    });
}

/// context-16: a generator ends when its consumer cancels.
#[test]
fn context_16_generator() {
    watched(|| {
        gander_runtime::run(|| {
            let before = num_goroutines();
            let (ctx, cancel) = Context::background().with_cancel();
            let (tx, rx) = bounded(0);
            let worker = ctx.clone();
            go(move || {
                for i in 0.. {
                    while tx.send_timeout(i, MS).is_err() {
                        if worker.err().is_some() {
                            return;
                        }
                    }
                }
            });
            assert_eq!(rx.iter().take(5).sum::<i32>(), 10);
            cancel.cancel();
            let start = Instant::now();
            while num_goroutines() > before && start.elapsed() < LONG {
                sleep(MS);
            }
            assert!(num_goroutines() <= before);
        });
    });
}

/// A loop that lets nobody run sees the end of its time.
#[test]
fn err_looks_at_the_clock() {
    in_goroutines(|| {
        let (parent, _) = Context::background().with_timeout(2 * MS);
        let (ctx, _) = parent.with_cancel();
        while ctx.err().is_none() {}
        assert_done(&ctx, DeadlineExceeded);
        assert_done(&parent, DeadlineExceeded);
    });
}

#[test]
fn sleeps_end() {
    in_goroutines(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        assert_eq!(sleep_ctx(&ctx, MS), Ok(()));
        assert_eq!(sleep_ctx(&Context::background(), MS), Ok(()));
        let sleeper = spawn(move || sleep_ctx(&ctx, HOUR));
        common::settle();
        cancel.cancel();
        assert_eq!(sleeper.join().unwrap(), Err(Canceled));
        let (ctx, _) = Context::background().with_timeout(MS);
        assert_eq!(sleep_ctx(&ctx, HOUR), Err(DeadlineExceeded));
        assert_eq!(sleep_ctx(&ctx, Duration::ZERO), Err(DeadlineExceeded));
        for _ in 0..rounds(200) {
            let (ctx, _) = Context::background().with_timeout(Duration::from_micros(100));
            let _ = sleep_ctx(&ctx, Duration::from_micros(100));
        }
    });
}

#[test]
fn a_cancellation_of_ones_own() {
    struct Shutdown(Signal);
    impl Cancel for Shutdown {
        type Error = &'static str;
        fn signal(&self) -> Option<&Signal> {
            Some(&self.0)
        }
        fn error(&self) -> &'static str {
            "down"
        }
    }
    in_goroutines(|| {
        let shutdown = Arc::new(Shutdown(Signal::new()));
        let theirs = shutdown.clone();
        let sleeper = spawn(move || sleep_ctx(&*theirs, HOUR));
        common::settle();
        assert!(shutdown.0.fire() && !shutdown.0.fire());
        assert_eq!(sleeper.join().unwrap(), Err("down"));
    });
}

/// Contexts are sent and shared, and unwound through.
#[test]
fn bounds() {
    fn check<T: Send + Sync + Clone + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static>() {}
    check::<Context>();
    check::<gander_context::CancelFunc>();
    check::<gander_context::CancelCauseFunc>();
}
