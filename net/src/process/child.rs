//! A child process that runs, or has ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{ExitStatus, Output};

use gander_runtime::blocking;
use gander_runtime::poll::Direction;

use crate::fd::Fd;
use crate::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::sys;

/// A child process. As [`std::process::Child`]: dropping it lets the process go on, and leaves it a zombie in the end.
#[derive(Debug)]
pub struct Child {
    /// Its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    inner: std::process::Child,
    /// Readable when it has ended. None where the kernel has no such thing (before Linux 5.3).
    pidfd: Option<Fd>,
}

impl From<std::process::Child> for Child {
    fn from(mut inner: std::process::Child) -> Child {
        // Not waited for yet, so the number is its.
        let pidfd = sys::pidfd_open(inner.id()).ok().map(Fd::new);
        Child {
            stdin: inner.stdin.take().map(Into::into),
            stdout: inner.stdout.take().map(Into::into),
            stderr: inner.stderr.take().map(Into::into),
            inner,
            pidfd,
        }
    }
}

impl Child {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Ends it by SIGKILL. It is still to be [waited](Self::wait) for. If it has ended this does nothing.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn kill(&mut self) -> io::Result<()> {
        self.inner.kill()
    }

    /// Closes its standard input, if that is a pipe, and waits for its end.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If somebody else has waited for it.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        let Child { inner, pidfd, .. } = self;
        match pidfd {
            Some(pidfd) => pidfd
                .operate(Direction::Read, |_| inner.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())),
            None => blocking(|| inner.wait()),
        }
    }

    /// Its status, if it has ended.
    ///
    /// # Errors
    ///
    /// If somebody else has waited for it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.inner.try_wait()
    }

    /// Closes its standard input, if that is a pipe, reads what it writes, if those are pipes, and waits for its end.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If it cannot be read from.
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        read_both(self.stdout.take(), &mut stdout, self.stderr.take(), &mut stderr)?;
        let status = self.wait()?;
        Ok(Output { status, stdout, stderr })
    }
}

/// Reads two pipes to their ends, both at once: a child that is not read from may stop.
fn read_both(
    mut stdout: Option<ChildStdout>,
    into_out: &mut Vec<u8>,
    mut stderr: Option<ChildStderr>,
    into_err: &mut Vec<u8>,
) -> io::Result<()> {
    let set = Fd::new(sys::new_set()?);
    if let Some(pipe) = &stdout {
        sys::add_to_set(set.as_fd(), pipe.as_fd(), Direction::Read)?;
    }
    if let Some(pipe) = &stderr {
        sys::add_to_set(set.as_fd(), pipe.as_fd(), Direction::Read)?;
    }
    loop {
        // At its end a pipe is closed, and leaves the set.
        if let Some(pipe) = &stdout
            && drain(pipe.as_fd(), into_out)?
        {
            stdout = None;
        }
        if let Some(pipe) = &stderr
            && drain(pipe.as_fd(), into_err)?
        {
            stderr = None;
        }
        if stdout.is_none() && stderr.is_none() {
            return Ok(());
        }
        set.operate(Direction::Read, sys::look_at_set)?;
    }
}

/// Reads what is there. Whether it is at its end.
fn drain(pipe: BorrowedFd<'_>, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut buf = [0; 8192];
    loop {
        match sys::read(pipe, &mut buf) {
            Ok(0) => return Ok(true),
            Ok(len) => into.extend_from_slice(&buf[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
