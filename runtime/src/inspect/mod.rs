//! Looking inside a running program: what must live in the scheduler for that, and no formatting.
//!
//! | file | question |
//! |---|---|
//! | `registry.rs` | which goroutines are there, and what are they doing |
//! | `clock.rs` | since when |
//! | `stats.rs` | how much of everything |
//! | `schedtrace.rs` | the same, a line at a time |
//!
//! Nothing here stops anybody. An observer reads what others are writing, and then looks whether what it read still holds:
//! spawning, switching and ending a goroutine cost what they cost without it.

pub(crate) mod clock;
mod registry;
pub(crate) mod schedtrace;
mod stats;

pub use registry::{GoroutineInfo, GoroutineState, for_each_goroutine, goroutines};
pub use stats::{GoroutineCounts, ProcStats, Stats, ThreadCounts, stats};
