//! Child processes. As [`std::process`]: what waits parks the goroutine.

mod child;
mod command;
mod command_ext;

pub use crate::pipe::{ChildStderr, ChildStdin, ChildStdout};
pub use child::Child;
pub use command::Command;
pub use std::process::{
    CommandArgs, CommandEnvs, ExitCode, ExitStatus, Output, Stdio, Termination, abort, exit, id,
};
