//! A Unix connection.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gander_runtime::poll::Direction;
use gander_runtime::timer::deadline_after;
use gander_runtime::{Cancel, Signal, WaitReason, blocking};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{from_path, raw, unix};
use crate::ctx::within;
use crate::err;
use crate::fd::{End, Fd};
use crate::handle::{conversions, shown, waits};
use crate::stream_io::{self, stream_io};
use crate::sys;

/// A Unix connection. As [`std::os::unix::net::UnixStream`].
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use gander_net::UnixStream;
///
/// # gander_runtime::run(|| {
/// let (mut a, mut b) = UnixStream::pair().unwrap();
/// gander_runtime::go(move || a.write_all(b"hello").unwrap());
/// let mut text = String::new();
/// b.read_to_string(&mut text).unwrap();
/// assert_eq!(text, "hello");
/// # });
/// ```
pub struct UnixStream {
    pub(super) fd: Arc<Fd>,
}

waits!(UnixStream, true);
conversions!(UnixStream, std::os::unix::net::UnixStream, false);
shown!(UnixStream: fd; local_addr as "local", peer_addr as "peer");
stream_io!(UnixStream, read);

impl UnixStream {
    pub(super) fn new(owned: OwnedFd) -> UnixStream {
        UnixStream { fd: Arc::new(Fd::new(owned)) }
    }

    /// Connects to the socket at `path`.
    ///
    /// # Blocking
    ///
    /// If the listener's queue is full it blocks the thread as [`blocking`] does: the kernel reports no end of that.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_raw(&from_path(path.as_ref())?)
    }

    /// Connects to an address.
    ///
    /// # Blocking
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn connect_addr(addr: &SocketAddr) -> io::Result<UnixStream> {
        UnixStream::connect_raw(&raw(addr)?)
    }

    /// [`connect`](Self::connect), which ends when `ctx` is done.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread. If the listener's queue is full it tries again every few
    /// milliseconds, for the kernel reports no end of that.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); and `ctx`'s error when it is done: at once if it was before.
    pub fn connect_ctx<P: AsRef<Path>, C>(path: P, ctx: &C) -> io::Result<UnixStream>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        let addr = from_path(path.as_ref())?;
        within(ctx, |end| UnixStream::connect_until(&addr, end))
    }

    /// [`connect_addr`](Self::connect_addr), which ends when `ctx` is done.
    ///
    /// # Blocking
    ///
    /// As [`connect_ctx`](Self::connect_ctx).
    ///
    /// # Errors
    ///
    /// As [`connect_ctx`](Self::connect_ctx).
    pub fn connect_addr_ctx<C>(addr: &SocketAddr, ctx: &C) -> io::Result<UnixStream>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        let addr = raw(addr)?;
        within(ctx, |end| UnixStream::connect_until(&addr, end))
    }

    fn connect_until(addr: &SockAddr, end: End<'_>) -> io::Result<UnixStream> {
        const FIRST_NAP: Duration = Duration::from_millis(1);
        const LONGEST_NAP: Duration = Duration::from_millis(20);
        // One that never fires, for a context that never ends.
        let never = Signal::new();
        let end = end.unwrap_or(&never);
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        let mut nap = FIRST_NAP;
        loop {
            match socket.connect(addr) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if end.wait_until(WaitReason::IoWrite, deadline_after(nap)) {
                        return Err(err::cancelled());
                    }
                    nap = (nap * 2).min(LONGEST_NAP);
                }
                answer => {
                    answer?;
                    sys::set_nonblocking(socket.as_fd(), false)?;
                    return Ok(UnixStream::new(socket.into()));
                }
            }
        }
    }

    fn connect_raw(addr: &SockAddr) -> io::Result<UnixStream> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        let full = match socket.connect(addr) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            answer => answer.map(|()| false)?,
        };
        sys::set_nonblocking(socket.as_fd(), false)?;
        if full {
            blocking(|| {
                loop {
                    match socket.connect(addr) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        answer => return answer,
                    }
                }
            })?;
        }
        Ok(UnixStream::new(socket.into()))
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    ///
    /// If no descriptors are left.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
        Ok((UnixStream::new(a.into()), UnixStream::new(b.into())))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix(SockRef::from(&self.fd.open()?).local_addr()?)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// If it is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix(SockRef::from(&self.fd.open()?).peer_addr()?)
    }

    /// Ends one direction or both, for all handles. Whoever waits to read is told the end.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).shutdown(how)
    }

    /// Reads without taking what was read.
    ///
    /// # Blocking
    ///
    /// As a read.
    ///
    /// # Errors
    ///
    /// As a read.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        stream_io::peek(&self.fd, buf)
    }
}
