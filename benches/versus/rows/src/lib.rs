//! The rows of the comparison: what each peer's program does.
//!
//! A row is written once for peers whose code blocks ([`blocking`]) and once for peers whose tasks are awaited
//! ([`tasks`]); a peer's own program is an adapter that says what its channel, its lock or its spawn is. `go/` says the
//! same in Go. `run.py` knows each row's size and the sum that it must come to.

pub mod blocking;
pub mod latch;
pub mod late;
pub mod measure;
pub mod numbers;
pub mod service;
pub mod tasks;

pub use latch::Latch;
pub use measure::{Measure, unsupported};
pub use service::Service;
