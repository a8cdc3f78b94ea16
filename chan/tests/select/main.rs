//! Selects: exactly one operation happens. Named after the rows of Go's and crossbeam's behaviours.

mod arms;
mod choice;
#[path = "../common/mod.rs"]
mod common;
mod meeting;
mod watch;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{in_goroutines, watched};
use gander_chan::{
    Receiver, RecvError, Select, SendError, Sender, TryRecvError, after, bounded, never, select, select_biased,
    unbounded,
};
use gander_runtime::{go, spawn, yield_now};

const MS: Duration = Duration::from_millis(1);

/// How often a race is run.
fn rounds(release: usize) -> usize {
    if cfg!(debug_assertions) || std::env::var_os("GANDER_TEST_SMALL").is_some() { release / 50 } else { release }
}

/// What holds in goroutines holds on threads.
fn everywhere(test: impl Fn() + Sync) {
    in_goroutines(&test);
    watched(&test);
}

/// Runs in a goroutine beside one, and on a thread beside a thread.
fn beside<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> Box<dyn FnOnce() -> R> {
    if gander_runtime::is_goroutine() {
        let handle = spawn(f);
        Box::new(|| handle.join().unwrap())
    } else {
        let handle = std::thread::spawn(f);
        Box::new(|| handle.join().unwrap())
    }
}

/// Lets others come to rest.
fn settle() {
    for _ in 0..10 {
        yield_now();
    }
    gander_runtime::sleep(MS / 2);
}

/// What it panics with.
fn panics(f: impl FnOnce()) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
    caught.downcast_ref::<&str>().map(ToString::to_string).or_else(|| caught.downcast_ref().cloned()).unwrap()
}
