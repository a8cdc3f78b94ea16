//! Futures from blocking code.

#![cfg(not(loom))]

use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gander_runtime::{block_on, run, spawn, yield_now};

/// Ready when told so, from anywhere.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Option<Waker>)>>);

impl Gate {
    fn open(&self) {
        let waker = {
            let mut gate = self.0.lock().unwrap();
            gate.0 = true;
            gate.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Gate {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

#[test]
fn woken_by_goroutines_and_by_threads() {
    run(|| {
        for round in 0..200 {
            let gate = Gate::default();
            let other = gate.clone();
            if round % 2 == 0 {
                spawn(move || other.open());
            } else {
                std::thread::spawn(move || other.open());
            }
            block_on(gate);
        }
    });
}

#[test]
fn a_thread_blocks_on_a_future() {
    let gate = Gate::default();
    let other = gate.clone();
    let opener = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(3));
        other.open();
    });
    block_on(gate);
    opener.join().unwrap();
}

/// A waker that is called during the poll, twice, and after the end.
#[test]
fn rings_are_remembered_and_harmless() {
    run(|| {
        let mut left = 5;
        let waker = block_on(poll_fn(|context| {
            context.waker().wake_by_ref();
            context.waker().wake_by_ref();
            left -= 1;
            if left == 0 { Poll::Ready(context.waker().clone()) } else { Poll::Pending }
        }));
        waker.wake();
        assert_eq!(block_on(ready(7)), 7);
    });
}

/// Only the goroutine waits: on one processor, the others go on.
#[test]
fn others_go_on() {
    run(|| {
        let gate = Gate::default();
        let other = gate.clone();
        let waiter = spawn(move || block_on(gate));
        for _ in 0..10 {
            yield_now();
        }
        assert!(!waiter.is_finished());
        other.open();
        waiter.join().unwrap();
    });
}

#[test]
fn a_panic_comes_through() {
    run(|| {
        let panics = spawn(|| block_on(async { panic!("in the future") }));
        let payload = panics.join().unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"in the future"));
    });
}
