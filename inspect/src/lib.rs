//! What is every goroutine doing, and where does time go?
//!
//! The scheduler knows who is there and what is on their stacks (`gander_runtime::inspect`); this room makes it readable.
//!
//! | file | question |
//! |---|---|
//! | `unwind.rs` | which frames are on a stack |
//! | `symbol.rs` | what are they called |
//! | `dump.rs` | what is everybody doing: grouped, in words |
//! | `trace.rs` | what happened when, as a timeline |
//! | `profile.rs`, `pprof.rs` | where does time go, for `go tool pprof` |
//! | `serve/`, `page/` | all of that in a browser |
//! | `metrics.rs`, `tracing.rs` | the same for those crates, where the features are on |
//! | `quit.rs` | the same when the process is told to quit, or has to |

mod dump;
mod json;
#[cfg(feature = "metrics")]
pub mod metrics;
mod pprof;
pub mod profile;
mod quit;
mod serve;
mod symbol;
pub mod trace;
#[cfg(feature = "tracing")]
pub mod tracing;
mod unwind;

pub use dump::{Dump, Group, dump};
pub use gander_runtime::inspect::{
    Circle, GoroutineCounts, GoroutineInfo, GoroutineState, Histogram, Holder, ProcStats, Stats, ThreadCounts,
    circles, for_each_goroutine, goroutines, stats,
};
pub use serve::{Server, serve, serve_anywhere};
pub use symbol::Frame;
