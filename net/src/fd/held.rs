//! One operation: alone in its direction, it tries, and waits between its tries.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;

use gander_runtime::poll::Direction;
use gander_runtime::timer::now;

use super::{End, Fd, NEVER};
use crate::err;

/// A direction of a descriptor, for one operation, until dropped.
pub(crate) struct Held<'a> {
    pub(super) fd: &'a Fd,
    pub(super) direction: Direction,
    pub(super) end: End<'a>,
    /// None in non-blocking mode: two may try at once.
    pub(super) is_locked: bool,
    /// When this operation's timeout is over.
    pub(super) over_at: u64,
    /// It tries again after so long even if nothing was reported.
    pub(super) nap_nanos: u64,
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_locked {
            self.fd.hold.unlock(self.direction);
        }
    }
}

impl Held<'_> {
    /// Tries, waits while it would block, tries again.
    #[inline]
    pub(crate) fn attempt<T>(&self, mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<T>) -> io::Result<T> {
        let fd = self.fd;
        loop {
            self.reset();
            self.check()?;
            let blocked = match attempt(fd.owned.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => error,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Closed under it, between the check and the attempt.
                Err(_) if fd.hold.is_closed() => return Err(err::closed()),
                answer => return answer,
            };
            if !self.may_wait() {
                return Err(blocked);
            }
            self.wait()?;
        }
    }

    /// Whether it waits for what it has not got: not in non-blocking mode, and not when its timeout is over.
    #[inline]
    pub(crate) fn may_wait(&self) -> bool {
        self.is_locked && !self.fd.is_nonblocking() && (self.over_at == NEVER || now() < self.over_at)
    }

    /// Waits, after a try that has failed for want of something that is not this descriptor's to report, until `moment`
    /// or until its timeout is over; ended by all that ends a wait.
    pub(crate) fn pause(&self, moment: u64) -> io::Result<()> {
        loop {
            self.reset();
            self.check()?;
            if now() >= moment || !self.may_wait() {
                return Ok(());
            }
            self.wait_until(moment)?;
        }
    }

    /// Begins a try: what is changed or reported after this ends the wait that follows it. Who is not alone does not wait,
    /// and leaves reports to who does.
    #[inline]
    fn reset(&self) {
        if self.is_locked {
            if let Direction::Read = self.direction {
                self.fd.drained.store(false, Ordering::Relaxed);
            }
            self.fd.source.reset(self.direction);
        }
    }

    /// Fails if it is closed, or past the deadline.
    #[inline]
    fn check(&self) -> io::Result<()> {
        self.fd.check_open()?;
        let deadline = self.deadline();
        if deadline != NEVER && now() >= deadline { Err(err::timed_out()) } else { Ok(()) }
    }

    #[inline]
    fn deadline(&self) -> u64 {
        self.fd.limits(self.direction).deadline.load(Ordering::Acquire)
    }

    /// Waits until something was reported or changed since the last reset, or until it is time to look.
    #[inline]
    pub(super) fn wait(&self) -> io::Result<()> {
        self.wait_until(if self.nap_nanos == NEVER { NEVER } else { now() + self.nap_nanos })
    }

    #[inline]
    fn wait_until(&self, moment: u64) -> io::Result<()> {
        let until = self.deadline().min(self.over_at).min(moment);
        let source = &self.fd.source;
        let answer = match self.end {
            None => source.wait(self.direction, until),
            Some(signal) => source.wait_cancellable(self.direction, until, signal),
        };
        answer.or_else(|error| self.fd.check_open().and(Err(error)))?;
        match self.end {
            Some(signal) if signal.is_fired() => Err(err::cancelled()),
            _ => Ok(()),
        }
    }
}
