//! How an ordinary thread waits for a descriptor: in `poll(2)`, together with an eventfd by which others wake it.
//!
//! On the token stands the eventfd's number, marked. Eventfds are kept for the next waiter and never closed: a number
//! that is read off a token is an eventfd's for ever, and a late write to it wakes somebody for nothing at worst.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

use super::Direction;
use crate::timer::now;
use crate::token::Token;

/// Marks a number on a token. A task has this bit clear: goroutines are aligned, and threads' tasks (which have the
/// lowest bit set, and stand on no token of the poller's) too.
const MARK: usize = 2;

static SPARE: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

fn take_eventfd() -> io::Result<RawFd> {
    let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(fd) = spare {
        return Ok(fd);
    }
    // SAFETY: makes a descriptor.
    match unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(fd),
    }
}

/// [`Source::wait`](super::Source::wait) on a thread.
pub(super) fn wait(token: &Token, fd: RawFd, direction: Direction, deadline: u64) -> io::Result<()> {
    /// Where no descriptors are left there is none to be woken by: then it looks again every so often.
    const NAP_NANOS: u64 = 10_000_000;
    let Ok(eventfd) = take_eventfd() else {
        return sleep(fd, direction, -1, deadline.min(now() + NAP_NANOS));
    };
    let bits = (eventfd as usize) << 2 | MARK;
    let mut answer = Ok(());
    if token.commit(bits) {
        answer = sleep(fd, direction, eventfd, deadline);
        if !token.withdraw(bits) {
            // Somebody took us off the token and has written, or is about to.
            let mut calls = 0u64;
            // SAFETY: reads into our local.
            unsafe { libc::read(eventfd, (&raw mut calls).cast(), 8) };
        }
    }
    SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(eventfd);
    answer
}

fn sleep(fd: RawFd, direction: Direction, eventfd: RawFd, deadline: u64) -> io::Result<()> {
    let events = match direction {
        Direction::Read => libc::POLLIN | libc::POLLRDHUP | libc::POLLPRI,
        Direction::Write => libc::POLLOUT,
    };
    let mut fds =
        [libc::pollfd { fd, events, revents: 0 }, libc::pollfd { fd: eventfd, events: libc::POLLIN, revents: 0 }];
    let left = deadline.saturating_sub(now());
    let spec = libc::timespec {
        tv_sec: (left / 1_000_000_000) as libc::time_t,
        tv_nsec: (left % 1_000_000_000) as libc::c_long,
    };
    let spec = if deadline == u64::MAX { std::ptr::null() } else { &raw const spec };
    // SAFETY: the list and the time are our locals.
    let count = unsafe { libc::ppoll(fds.as_mut_ptr(), 2, spec, std::ptr::null()) };
    match count {
        -1 => match io::Error::last_os_error() {
            // The caller tries again.
            error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            error => Err(error),
        },
        _ => Ok(()),
    }
}

/// Wakes the thread that stood on a token. False: it is a task that stood there.
pub(crate) fn wake(bits: usize) -> bool {
    if bits & MARK == 0 {
        return false;
    }
    let one = 1u64;
    // SAFETY: writes our local to an eventfd, which is never closed.
    unsafe {
        libc::write((bits >> 2) as RawFd, (&raw const one).cast(), 8);
    }
    true
}
