//! A descriptor as sockets and pipes use it: tried first and waited for only if need be, with deadlines, and closed while
//! others wait.
//!
//! **Closing.** A handle may be closed by one goroutine while others use it. The kernel would give the descriptor's
//! number to the next that is opened, and who is about to read would read a stranger's bytes. So a close does not free
//! the number: it puts a dead file (`O_PATH`, whose every read and write fails) in the place of the live one (`dup3`,
//! one step to the kernel). The number is free when the last handle is dropped, and then nobody uses it.
//!
//! **`O_NONBLOCK`.** Sockets that carry data are left blocking, and every call of ours says `MSG_DONTWAIT`. The flag
//! belongs to the open file and not to the descriptor: set, it would surprise whoever has a duplicate, std's sockets that
//! were made from ours among them. Listeners and pipes need the flag, for there is no other way: but who gets the
//! descriptor of a listener expects it to block, and so its other handles look before they accept from then on.

mod held;
mod hold;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gander_runtime::Signal;
use gander_runtime::poll::{Direction, Source};
use gander_runtime::timer::{deadline_at, now};

use crate::err;
use crate::sys;

pub(crate) use held::Held;
pub(crate) use hold::{Hold, Refused};

/// What ends an operation besides the descriptor and the clock, if anything: a context's signal.
pub(crate) type End<'a> = Option<&'a Signal>;

/// No deadline, no timeout.
const NEVER: u64 = u64::MAX;

/// A descriptor.
#[derive(Debug)]
pub(crate) struct Fd {
    hold: Hold,
    read: Limits,
    write: Limits,
    /// Operations return `WouldBlock` and do not wait.
    nonblocking: AtomicBool,
    /// Listeners: its open file is without `O_NONBLOCK`, for somebody who got a duplicate of it.
    is_lent: AtomicBool,
    /// Datagrams: its reading side was shut by a handle of ours.
    shut: AtomicBool,
    /// A TCP stream that was reset while it was connected, which the kernel has told and nobody heard yet.
    is_reset: AtomicBool,
    /// It is a TCP stream that gander made.
    is_plain_tcp: bool,
    /// The last read took all there was, and what has come since is still to be reported: the next one waits before it
    /// tries. Belongs to who reads, and holds until somebody forgets reports.
    drained: AtomicBool,
    source: Source,
    /// The source uses its number. Dropped after it.
    owned: OwnedFd,
}

// A panic in an operation lets its direction go, and leaves nothing half done.
impl UnwindSafe for Fd {}
impl RefUnwindSafe for Fd {}

/// How long a direction's operations may wait.
#[derive(Debug)]
struct Limits {
    /// A moment, for all operations until it is set anew.
    deadline: AtomicU64,
    /// Nanoseconds, for each operation.
    timeout: AtomicU64,
}

impl Limits {
    const fn new() -> Limits {
        Limits { deadline: AtomicU64::new(NEVER), timeout: AtomicU64::new(NEVER) }
    }
}

impl Fd {
    pub(crate) fn new(owned: OwnedFd) -> Fd {
        Fd::with(owned, false)
    }

    /// A TCP stream of which nobody else knows.
    pub(crate) fn plain_tcp(owned: OwnedFd) -> Fd {
        Fd::with(owned, true)
    }

    fn with(owned: OwnedFd, is_plain_tcp: bool) -> Fd {
        Fd {
            hold: Hold::default(),
            read: Limits::new(),
            write: Limits::new(),
            nonblocking: AtomicBool::new(false),
            is_lent: AtomicBool::new(false),
            shut: AtomicBool::new(false),
            is_reset: AtomicBool::new(false),
            is_plain_tcp,
            drained: AtomicBool::new(false),
            source: Source::new(owned.as_raw_fd()),
            owned,
        }
    }

    fn limits(&self, direction: Direction) -> &Limits {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// Begins an operation: alone in its direction, once those before it have ended.
    #[inline]
    pub(crate) fn begin<'a>(&'a self, direction: Direction, end: End<'a>) -> io::Result<Held<'a>> {
        let nonblocking = self.is_nonblocking();
        if nonblocking {
            self.check_open()?;
        } else {
            self.hold.lock(direction, end).map_err(|refused| match refused {
                Refused::Closed => err::closed(),
                Refused::Cancelled => err::cancelled(),
            })?;
        }
        let timeout = self.limits(direction).timeout.load(Ordering::Relaxed);
        let over_at = if timeout == NEVER { NEVER } else { now().saturating_add(timeout) };
        Ok(Held { fd: self, direction, end, is_locked: !nonblocking, over_at, nap_nanos: NEVER })
    }

    /// One operation: tries, waits while it would block, tries again.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    #[inline]
    pub(crate) fn operate<T>(
        &self,
        direction: Direction,
        end: End<'_>,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.begin(direction, end)?.attempt(attempt)
    }

    /// Reads up to `room` bytes of a TCP stream, and saves the try in vain that comes between two messages: a read that
    /// leaves room has emptied the socket. (Of other sockets that is not true: Unix sockets stop at passed descriptors,
    /// and what others may have made of a TCP socket that was adopted, TLS in the kernel say, stops where it likes.)
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    #[inline]
    pub(crate) fn drain(
        &self,
        room: usize,
        end: End<'_>,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let held = self.begin(Direction::Read, end)?;
        if !held.is_locked || !self.is_plain_tcp {
            return held.attempt(attempt);
        }
        // Whoever gives up waiting may have been told of data that came at that moment: the next one looks first.
        if self.drained.load(Ordering::Relaxed) {
            self.drained.store(false, Ordering::Relaxed);
            held.wait()?;
        }
        let mut reports_all = false;
        let len = held.attempt(|fd| {
            reports_all = self.source.reports_all();
            attempt(fd)
        })?;
        self.drained.store(reports_all && 0 < len && len < room, Ordering::Relaxed);
        Ok(len)
    }

    /// [`operate`](Self::operate), which fails with [`TimedOut`](io::ErrorKind::TimedOut) at `deadline`.
    pub(crate) fn operate_until<T>(
        &self,
        direction: Direction,
        deadline: u64,
        end: End<'_>,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut held = self.begin(direction, end)?;
        held.over_at = deadline;
        held.attempt(attempt).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => err::timed_out(),
            _ => error,
        })
    }

    /// [`operate`](Self::operate), which tries again after each `nap`: where the kernel does not report all that may end
    /// the wait.
    pub(crate) fn operate_napping<T>(
        &self,
        direction: Direction,
        nap: Duration,
        end: End<'_>,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut held = self.begin(direction, end)?;
        held.nap_nanos = nap.as_nanos() as u64;
        held.attempt(attempt)
    }

    /// Writes all `len` bytes by as many attempts as it takes, no other writer between them; `attempt` is told how many
    /// have been written. As a blocking write of the kernel's: what was written before an error or the deadline counts,
    /// and the error is the next call's.
    #[inline]
    pub(crate) fn write_whole(
        &self,
        len: usize,
        end: End<'_>,
        mut attempt: impl FnMut(BorrowedFd<'_>, usize) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let held = self.begin(Direction::Write, end)?;
        let mut done = held.attempt(|fd| attempt(fd, 0))?;
        while done < len && held.is_locked {
            match held.attempt(|fd| attempt(fd, done)) {
                Ok(more) => done += more,
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Notes that the open file's `O_NONBLOCK` is somebody else's from now on.
    pub(crate) fn lend(&self) {
        self.is_lent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.is_lent.load(Ordering::Relaxed)
    }

    /// Notes that its connection was reset.
    pub(crate) fn note_reset(&self) {
        self.is_reset.store(true, Ordering::Relaxed);
    }

    /// Whether its connection was reset and nobody was told. The caller tells it.
    #[cold]
    pub(crate) fn take_reset(&self) -> bool {
        self.is_reset.swap(false, Ordering::Relaxed)
    }

    /// Notes that its reading side was shut. The kernel tells that to blocking receives of datagrams only, and ours are not.
    pub(crate) fn note_shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
        // Whoever waits now looks at it.
        self.source.wake(Direction::Read);
    }

    /// Whether a receive that finds nothing has come to the end.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed) && !self.is_nonblocking()
    }

    fn check_open(&self) -> io::Result<()> {
        if self.hold.is_closed() { Err(err::closed()) } else { Ok(()) }
    }

    /// Fails if it is closed: for operations that do not wait.
    pub(crate) fn open(&self) -> io::Result<BorrowedFd<'_>> {
        self.check_open()?;
        Ok(self.owned.as_fd())
    }

    /// Closes it for all handles, and wakes whoever waits.
    pub(crate) fn close(&self) -> io::Result<()> {
        if !self.hold.close() {
            return Err(err::closed());
        }
        self.source.deregister();
        let answer = sys::bury(self.owned.as_fd());
        self.source.wake(Direction::Read);
        self.source.wake(Direction::Write);
        answer
    }

    pub(crate) fn set_deadline(&self, direction: Direction, deadline: Option<Instant>) -> io::Result<()> {
        self.check_open()?;
        let deadline = deadline.map_or(NEVER, deadline_at);
        self.limits(direction).deadline.store(deadline, Ordering::Release);
        // Whoever waits now looks at it.
        self.source.wake(direction);
        Ok(())
    }

    pub(crate) fn set_timeout(&self, direction: Direction, timeout: Option<Duration>) -> io::Result<()> {
        self.check_open()?;
        let nanos = match timeout {
            None => NEVER,
            Some(Duration::ZERO) => return Err(err::zero_timeout()),
            Some(timeout) => u64::try_from(timeout.as_nanos()).unwrap_or(NEVER),
        };
        self.limits(direction).timeout.store(nanos, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn timeout(&self, direction: Direction) -> io::Result<Option<Duration>> {
        self.check_open()?;
        let nanos = self.limits(direction).timeout.load(Ordering::Relaxed);
        Ok((nanos != NEVER).then(|| Duration::from_nanos(nanos)))
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    /// Sets how operations behave; the kernel's flag is the caller's.
    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.check_open()?;
        self.nonblocking.store(nonblocking, Ordering::Relaxed);
        // Whoever waits now shall not.
        self.source.wake(Direction::Read);
        self.source.wake(Direction::Write);
        Ok(())
    }

    /// The descriptor out of its last handle; a duplicate of it where there are others.
    ///
    /// # Panics
    ///
    /// If it has to be duplicated and no descriptors are left.
    pub(crate) fn into_owned(this: Arc<Fd>) -> OwnedFd {
        match Arc::try_unwrap(this) {
            Ok(fd) => {
                let Fd { source, owned, .. } = fd;
                // Takes it out of the poller.
                drop(source);
                owned
            }
            Err(shared) => shared
                .owned
                .try_clone()
                .unwrap_or_else(|error| panic!("cannot duplicate a descriptor that has other handles: {error}")),
        }
    }
}

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.owned.as_fd()
    }
}
