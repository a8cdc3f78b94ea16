//! A child process that runs, or has ended.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{ExitStatus, Output};
use std::time::Duration;

use gander_runtime::blocking;
use gander_runtime::poll::Direction;

use crate::err;
use crate::fd::Fd;
use crate::pipe::{ChildStderr, ChildStdin, ChildStdout};
use crate::sys;

/// A child process. As [`std::process::Child`]: dropping it lets the process go on, and leaves it a zombie in the end.
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

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Child { stdin, stdout, stderr, .. } = self;
        let mut debug = f.debug_struct("Child");
        debug.field("stdin", stdin).field("stdout", stdout).field("stderr", stderr).finish_non_exhaustive()
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
    /// Parks the goroutine; blocks an ordinary thread. Where no descriptor was left to be told of its end by, it blocks the
    /// thread as [`blocking`] does.
    ///
    /// # Errors
    ///
    /// If somebody else has waited for it.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        let Child { inner, pidfd, .. } = self;
        if let Some(pidfd) = pidfd {
            let answer = pidfd.operate(Direction::Read, None, |_| {
                inner.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
            });
            match answer {
                // The poller could not be had.
                Err(error) if err::is_exhausted(&error) => {}
                answer => return answer,
            }
        }
        blocking(|| inner.wait())
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
    /// If it cannot be read from. Then its pipes are closed, and its end is waited for all the same.
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let read = read_both(self.stdout.take(), &mut stdout, self.stderr.take(), &mut stderr);
        let status = self.wait();
        read?;
        Ok(Output { status: status?, stdout, stderr })
    }
}

/// Reads two pipes to their ends, both at once: a child that is not read from may stop.
fn read_both(
    stdout: Option<ChildStdout>,
    into_out: &mut Vec<u8>,
    stderr: Option<ChildStderr>,
    into_err: &mut Vec<u8>,
) -> io::Result<()> {
    match (stdout, stderr) {
        (None, None) => Ok(()),
        (Some(mut pipe), None) => pipe.read_to_end(into_out).map(drop),
        (None, Some(mut pipe)) => pipe.read_to_end(into_err).map(drop),
        (Some(stdout), Some(stderr)) => match set_of(&[stdout.as_fd(), stderr.as_fd()]) {
            Ok(set) => read_to_ends(stdout, into_out, stderr, into_err, |_| {
                set.operate(Direction::Read, None, sys::look_at_set)
            }),
            // No descriptor for the set: one of the two reports, the other one is looked at now and then.
            Err(error) if err::is_exhausted(&error) => read_to_ends(stdout, into_out, stderr, into_err, |one| {
                const NAP: Duration = Duration::from_millis(2);
                let mut has_waited = false;
                one.operate_napping(Direction::Read, NAP, None, |_| {
                    if std::mem::replace(&mut has_waited, true) {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                })
            }),
            Err(error) => Err(error),
        },
    }
}

fn set_of(pipes: &[BorrowedFd<'_>]) -> io::Result<Fd> {
    let set = Fd::new(sys::new_set()?);
    for &pipe in pipes {
        sys::add_to_set(set.as_fd(), pipe, Direction::Read)?;
    }
    Ok(set)
}

/// `wait` is given one that is not at its end yet.
fn read_to_ends(
    stdout: ChildStdout,
    into_out: &mut Vec<u8>,
    stderr: ChildStderr,
    into_err: &mut Vec<u8>,
    wait: impl Fn(&Fd) -> io::Result<()>,
) -> io::Result<()> {
    let (mut stdout, mut stderr) = (Some(stdout), Some(stderr));
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
        match (&stdout, &stderr) {
            (Some(pipe), _) => wait(&pipe.fd)?,
            (_, Some(pipe)) => wait(&pipe.fd)?,
            (None, None) => return Ok(()),
        }
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
