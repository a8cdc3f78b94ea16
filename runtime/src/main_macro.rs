//! What `#[gander::main]` and `#[gander::test]` expand to.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::process::{ExitCode, Termination};
use std::sync::Mutex;

use crate::builder::Builder;
use crate::deadlock::Entry;
use crate::futex::{self, Event};
use crate::{entry, m, panics, runtime};

/// Runs a program's `main` as the main goroutine. When it returns the program ends at once, as in Go: an error it
/// returned is reported as std does. A panic ends the process with code 2.
#[doc(hidden)]
#[track_caller]
pub fn main<T: Termination>(builder: Builder, f: impl FnOnce() -> T + Send) -> ExitCode {
    let at = Location::caller();
    // None: it called `exit`.
    let code: Mutex<Option<ExitCode>> = Mutex::new(None);
    let done = Event::new();
    let entry = Entry::new();
    let main = || {
        let outcome = catch_unwind(AssertUnwindSafe(|| f().report()));
        // Whoever exits leaves the others, which may all be asleep.
        drop(entry);
        match outcome {
            Ok(report) => *code.lock().expect("nobody panics while holding it") = Some(report),
            Err(payload) if entry::is_exit(&*payload) => return done.set(),
            Err(_) => panics::main_panicked(),
        }
        // Until the process has ended nobody else gets this processor.
        m::hold_preemption();
        done.set();
        loop {
            futex::nap(1_000_000);
        }
    };
    // SAFETY: `main` borrows from this frame, which stays until `done`; after that it touches nothing of it.
    if let Err(error) = unsafe { builder.launch_main(main, at) } {
        panic!("gander cannot run: {error}");
    }
    done.wait();
    let code = code.lock().expect("nobody panics while holding it").take();
    code.unwrap_or_else(|| runtime::main_exited())
}

/// Runs a test that returns something as a goroutine; its panic is the test's.
#[doc(hidden)]
#[track_caller]
pub fn test<T: Termination>(builder: Builder, f: impl FnOnce() -> T + Send) -> ExitCode {
    builder.run(|| f().report())
}

/// Runs a test that returns nothing, so that `#[should_panic]` goes with it.
#[doc(hidden)]
#[track_caller]
pub fn test_unit(builder: Builder, f: impl FnOnce() + Send) {
    builder.run(f);
}
