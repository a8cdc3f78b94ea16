//! Waits that a context ends: on channels, against partners, closers and the clock.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Ledger, in_goroutines, rounds, watched};
use gander_chan::{RecvCtxError, SendCtxError, after, bounded, select, unbounded};
use gander_context::{Context, ContextError};
use gander_runtime::{go, spawn, yield_now};

use ContextError::{Canceled, DeadlineExceeded};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn receives() {
    in_goroutines(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let (tx, rx) = bounded(1);
        tx.send(1).unwrap();
        assert_eq!(rx.recv_ctx(&ctx), Ok(1));
        assert_eq!(tx.send_ctx(2, &Context::background()), Ok(()));
        assert_eq!(rx.recv_ctx(&Context::background()), Ok(2));
        let theirs = rx.clone();
        let receiver = spawn(move || theirs.recv_ctx(&ctx));
        common::settle();
        cancel.cancel();
        assert_eq!(receiver.join().unwrap(), Err(RecvCtxError::Canceled(Canceled)));
        let (ctx, _) = Context::background().with_timeout(MS);
        assert_eq!(rx.recv_ctx(&ctx), Err(RecvCtxError::Canceled(DeadlineExceeded)));
        // Done before: also where there is a value.
        tx.send(3).unwrap();
        assert_eq!(rx.recv_ctx(&ctx), Err(RecvCtxError::Canceled(DeadlineExceeded)));
        assert_eq!(rx.recv(), Ok(3));
        let (open, _) = Context::background().with_cancel();
        let theirs = rx.clone();
        let receiver = spawn(move || theirs.recv_ctx(&open));
        common::settle();
        drop(tx);
        assert_eq!(receiver.join().unwrap(), Err(RecvCtxError::Disconnected));
        assert!(after(MS).recv_ctx(&Context::background()).is_ok());
        let (soon, _) = Context::background().with_timeout(MS);
        assert!(after(HOUR).recv_ctx(&soon).unwrap_err().is_canceled());
    });
}

#[test]
fn sends() {
    in_goroutines(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let (tx, rx) = bounded(0);
        let (theirs, soon) = (tx.clone(), ctx.clone());
        let sender = spawn(move || theirs.send_ctx("value", &soon));
        common::settle();
        cancel.cancel();
        assert_eq!(sender.join().unwrap(), Err(SendCtxError::Canceled("value", Canceled)));
        assert!(rx.try_recv().is_err(), "it is not offered any more");
        let theirs = tx.clone();
        let (open, _) = Context::background().with_cancel();
        let sender = spawn(move || theirs.send_ctx("value", &open));
        common::settle();
        rx.close();
        assert_eq!(sender.join().unwrap(), Err(SendCtxError::Disconnected("value")));
        let (open, _) = Context::background().with_cancel();
        let (tx, rx) = unbounded();
        tx.send_ctx(1, &open).unwrap();
        assert_eq!(rx.recv(), Ok(1));
        assert_eq!(tx.send_ctx(2, &ctx).unwrap_err().into_inner(), 2);
    });
}

/// Partner and cancellation at one moment: the value is where the answer says, once.
#[test]
fn a_partner_against_a_cancel() {
    in_goroutines(|| {
        let count = rounds(300);
        let ledger = Ledger::new(count);
        for id in 0..count {
            let (ctx, cancel) = Context::background().with_cancel();
            let (tx, rx) = bounded(id % 2);
            let value = ledger.value(id);
            let theirs = ctx.clone();
            let sender = spawn(move || tx.send_ctx(value, &theirs).map_err(|error| error.into_inner().id));
            let receiver = spawn(move || rx.recv_ctx(&ctx).map(|value| value.id));
            if id % 3 == 0 {
                yield_now();
            }
            cancel.cancel();
            let (sent, received) = (sender.join().unwrap(), receiver.join().unwrap());
            match received {
                Ok(got) => assert!(got == id && sent.is_ok()),
                // Where there is a buffer that may have taken it.
                Err(_) => assert!(id % 2 == 1 || sent == Err(id)),
            }
        }
        ledger.settle();
    });
}

/// Many wait at one channel; one context after the other ends, and each that goes on was its own.
#[test]
fn each_ends_by_its_own() {
    watched(|| {
        gander_runtime::run(|| {
            let (tx, rx) = bounded::<usize>(0);
            let waiting: Vec<_> = (0..rounds(50))
                .map(|i| {
                    let (ctx, cancel) = Context::background().with_cancel();
                    let rx = rx.clone();
                    let waiter = if i % 5 == 0 {
                        let thread = std::thread::spawn(move || rx.recv_ctx(&ctx));
                        spawn(move || thread.join().unwrap())
                    } else {
                        spawn(move || rx.recv_ctx(&ctx))
                    };
                    (cancel, waiter)
                })
                .collect();
            common::settle();
            let mut rest = Vec::new();
            for (i, (cancel, waiter)) in waiting.into_iter().enumerate() {
                if i % 2 == 0 {
                    cancel.cancel();
                    assert_eq!(waiter.join().unwrap(), Err(RecvCtxError::Canceled(Canceled)));
                } else {
                    rest.push(waiter);
                }
            }
            for i in 0..rest.len() {
                tx.send(i).unwrap();
            }
            let mut got: Vec<_> = rest.into_iter().map(|waiter| waiter.join().unwrap().unwrap()).collect();
            got.sort_unstable();
            assert!(got.into_iter().enumerate().all(|(i, got)| i == got));
        });
    });
}

/// context-16: a generator that selects between its next value and its end.
#[test]
fn context_16_in_a_select() {
    in_goroutines(|| {
        let (ctx, cancel) = Context::background().with_cancel();
        let (tx, rx) = bounded(0);
        let generator = spawn(move || {
            for i in 0.. {
                select! {
                    send(tx, i) -> sent => sent.unwrap(),
                    recv(ctx.done()) -> _ => return i,
                }
            }
            unreachable!()
        });
        assert_eq!(rx.iter().take(5).sum::<u64>(), 10);
        cancel.cancel();
        assert_eq!(generator.join().unwrap(), 5);
    });
}

/// A worker that is told to stop is stopped within a moment, whatever it waits for.
#[test]
fn timeouts_of_contexts_end_waits() {
    in_goroutines(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let (root, _) = Context::background().with_timeout(5 * MS);
        let (_tx, rx) = bounded::<()>(0);
        for _ in 0..rounds(50) {
            let (ctx, rx, ended) = (root.with_value(1u8), rx.clone(), ended.clone());
            go(move || {
                assert_eq!(rx.recv_ctx(&ctx), Err(RecvCtxError::Canceled(DeadlineExceeded)));
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        let start = Instant::now();
        while ended.load(Ordering::Relaxed) < rounds(50) && start.elapsed() < Duration::from_secs(20) {
            yield_now();
        }
        assert_eq!(ended.load(Ordering::Relaxed), rounds(50));
    });
}
