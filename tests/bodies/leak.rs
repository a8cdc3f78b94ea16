//! Leak checks: leaks-3, leaks-4.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use gander::chan::{Receiver, bounded};
use gander::context::Context;
use gander::leak::{Check, check};
use gander::time::{Ticker, after_func};

use crate::common::run;

const SOON: Duration = Duration::from_millis(20);

/// What a goroutine that stays does, until the test lets it go.
fn wait(rx: &Receiver<()>) {
    let _ = rx.recv();
}

/// leaks-3: one that stays is found, with what it waits for and where it was spawned.
#[test]
fn leaks_3_finds() {
    run(|| {
        let (tx, rx) = bounded::<()>(0);
        let theirs = rx.clone();
        let failed = catch_unwind(AssertUnwindSafe(|| {
            Check::new().patience(SOON).run(|| gander::go(move || wait(&theirs)));
        }));
        let text = *failed.unwrap_err().downcast::<String>().unwrap();
        for part in ["goroutines are left: 1", "[chan receive]", "tests/bodies/leak.rs:"] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        drop(tx);
    });
}

/// leaks-3: also those that were started by others, which have ended; and by functions that the clock called.
#[test]
fn leaks_3_generations() {
    run(|| {
        let (tx, rx) = bounded::<()>(0);
        let (theirs, again) = (rx.clone(), rx);
        let (_, left) = Check::new().patience(10 * SOON).find(|| {
            gander::spawn(move || gander::spawn(move || gander::go(move || wait(&theirs))).join().unwrap())
                .join()
                .unwrap();
            let (called, await_call) = bounded(0);
            let rx = again.clone();
            after_func(Duration::ZERO, move || {
                let rx = rx.clone();
                gander::go(move || wait(&rx));
                called.send(()).unwrap();
            });
            await_call.recv().unwrap();
        });
        assert_eq!(left.len(), 2, "{left:?}");
        drop(tx);
    });
}

/// leaks-3: older ones, those of others, and those that are left out do not count; who is about to end is waited for.
#[test]
fn leaks_3_does_not_find() {
    run(|| {
        let (tx, rx) = bounded::<()>(0);
        let theirs = rx.clone();
        gander::go(move || wait(&theirs));
        let theirs = rx.clone();
        let other = gander::spawn(move || {
            // Starts one while the check runs.
            gander::go(move || wait(&theirs));
        });
        check(|| {
            gander::go(|| gander::sleep(SOON));
            other.join().unwrap();
        });
        let known = |name: &str| {
            let theirs = rx.clone();
            gander::Builder::new().name(name.into()).go(move || wait(&theirs)).unwrap();
        };
        let by_name =
            |name: &'static str| move |g: &gander::inspect::GoroutineInfo| g.name.as_deref() == Some(name);
        Check::new().patience(SOON).ignore(by_name("one")).ignore(by_name("two")).run(|| ["one", "two"].map(known));
        drop(tx);
    });
}

/// leaks-3: the panic of what is checked passes through; a check within a check; and one on an ordinary thread.
#[test]
fn leaks_3_nests() {
    run(|| {
        let failed = catch_unwind(|| check(|| panic!("its own")));
        assert_eq!(failed.unwrap_err().downcast_ref(), Some(&"its own"));
        let (tx, rx) = bounded::<()>(0);
        let (inner, outer) = Check::new().patience(SOON).find(|| {
            let theirs = rx.clone();
            let (_, left) = Check::new().patience(SOON).find(|| gander::go(move || wait(&theirs)));
            gander::go(move || wait(&rx));
            left
        });
        assert_eq!((inner.len(), outer.len()), (1, 1));
        std::thread::spawn(|| check(|| gander::spawn(|| 1).join().unwrap())).join().unwrap();
        drop(tx);
    });
}

/// leaks-4: timers and contexts leave no helper behind.
#[test]
fn leaks_4_no_helpers() {
    run(|| {
        check(|| {
            let (tx, rx) = bounded(1);
            after_func(Duration::ZERO, move || tx.send(()).unwrap());
            rx.recv().unwrap();
            let ticker = Ticker::new(Duration::from_millis(1));
            ticker.c().recv().unwrap();
            let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(1));
            let _ = ctx.done().recv();
            let (child, cancel) = Context::background().with_cancel();
            let stop = child.after_func(|| {});
            cancel.cancel();
            stop.stop();
        });
        assert!(gander::inspect::goroutines().iter().all(|g| g.name.as_deref() != Some("gander-clock")));
    });
}
