//! Shared mode, where thread-locals are the worker's: a guard may outlive its thread, and std's count of panics is the
//! thread's. One test in a process of its own, for the mode is the runtime's.

#![allow(unsafe_code, reason = "shared mode is entered by a promise")]

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod everything;

use std::time::Duration;

use common::{rounds, watched};
use gander_runtime::{Builder, set_procs};

#[test]
fn in_shared_mode() {
    watched(|| {
        // SAFETY: nothing here has thread-locals across a wait.
        let builder = unsafe { Builder::new().shared() };
        builder.slice(Duration::from_micros(100)).run(|| {
            for procs in [1, 2, 4] {
                set_procs(procs);
                everything::everything(rounds(200).min(1000));
                everything::panics(40);
            }
        });
    });
}
