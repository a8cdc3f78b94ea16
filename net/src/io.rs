//! Pipes and the standard streams; and all else that [`std::io`] has, so that this module can stand in its place.

pub use crate::pipe::{PipeReader, PipeWriter, pipe};
pub use crate::stdio::{Stderr, StderrLock, Stdin, StdinLock, Stdout, StdoutLock, stderr, stdin, stdout};
pub use std::io::*;
