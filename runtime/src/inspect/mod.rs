//! Looking inside a running program: what must live in the scheduler for that, and no formatting.
//!
//! | file | question |
//! |---|---|
//! | `registry.rs` | which goroutines are there, and what are they doing |
//! | `owner.rs` | who has what they wait for |
//! | `circle.rs` | who of them wait for each other |
//! | `clock.rs` | since when |
//! | `look.rs` | what is on their stacks |
//! | `debugger.rs` | all of that for one who reads a core file |
//! | `quit.rs` | what is printed when the process must end |
//! | `trace.rs`, `ring.rs` | what happened, and when |
//! | `waits.rs` | where do goroutines wait, and how long |
//! | `sample.rs` | how long do turns and queueing take |
//! | `watch.rs` | who of these wants to know of a switch |
//! | `stats.rs` | how much of everything |
//! | `schedtrace.rs` | the same, a line at a time |
//!
//! Nothing here stops anybody. An observer reads what others are writing, and then looks whether what it read still holds:
//! spawning, switching and ending a goroutine cost what they cost without it.

mod circle;
pub(crate) mod clock;
pub(crate) mod debugger;
pub(crate) mod look;
mod owner;
pub(crate) mod quit;
pub(crate) mod registry;
pub(crate) mod ring;
pub(crate) mod sample;
pub(crate) mod schedtrace;
mod stats;
pub mod trace;
pub mod waits;
pub(crate) mod watch;

pub use circle::{Circle, circles};
pub use look::{Frozen, Sample, for_each_running, for_each_stack};
pub use owner::{Holder, Owner, READER_SHIFT, WaitPlace, waiting_at};
pub use quit::{Detail, set_reporter};
pub use registry::{GoroutineInfo, GoroutineState, for_each_goroutine, goroutines};
/// Where this crate's source lies, and that of the switch, as debugging information has it.
#[doc(hidden)]
pub fn sources() -> [&'static str; 2] {
    [file!().strip_suffix("inspect/mod.rs").unwrap_or("gander-runtime/src/"), gander_arch::FILE]
}

pub use sample::Histogram;
pub use stats::{GoroutineCounts, ProcStats, Stats, ThreadCounts, stats};
