//! Goroutines that are preempted every 100 µs, wherever they are: with locks, in line, in the middle of an unlock. One
//! test in a process of its own, for slices are the runtime's.

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod everything;

use std::time::Duration;

use common::{rounds, watched};
use gander_runtime::{Builder, set_procs};

#[test]
fn preempted_everywhere() {
    watched(|| {
        Builder::new().slice(Duration::from_micros(100)).run(|| {
            for procs in [1, 2, 4] {
                set_procs(procs);
                everything::everything(rounds(200).min(1000));
                everything::panics(40);
            }
        });
    });
}
