//! What `#[gander::main]` and `#[gander::test]` expand to.

use std::process::{ExitCode, Termination};

use crate::builder::Builder;
use crate::{entry, panics};

/// Runs a program's `main` as the main goroutine. An error it returns is reported as std does; a panic ends the
/// process with code 2, as in Go.
#[doc(hidden)]
#[track_caller]
pub fn main<T: Termination>(builder: Builder, f: impl FnOnce() -> T + Send) -> ExitCode {
    builder.run(|| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f().report())).unwrap_or_else(|payload| {
            if entry::is_exit(&*payload) {
                std::panic::resume_unwind(payload);
            }
            panics::main_panicked()
        })
    })
}

/// Runs a test as a goroutine; its panic is the test's.
#[doc(hidden)]
#[track_caller]
pub fn test<T: Termination>(builder: Builder, f: impl FnOnce() -> T + Send) -> ExitCode {
    builder.run(|| f().report())
}
