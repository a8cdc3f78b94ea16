//! A Unix socket that others connect to.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gander_runtime::Cancel;
use gander_runtime::poll::Direction;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{UnixStream, from_path, raw, unix};
use crate::accept;
use crate::ctx::within;
use crate::fd::Fd;
use crate::handle::{conversions, shown, waits};

/// A Unix socket that others connect to. As [`std::os::unix::net::UnixListener`].
pub struct UnixListener {
    fd: Arc<Fd>,
}

waits!(UnixListener, false);
conversions!(UnixListener, std::os::unix::net::UnixListener, true);
shown!(UnixListener: fd; local_addr as "local");

impl UnixListener {
    /// Binds to `path`, which must not exist, and listens there. The file stays when the socket is closed.
    ///
    /// # Errors
    ///
    /// If the path exists, or cannot be made.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        UnixListener::bind_raw(&from_path(path.as_ref())?)
    }

    /// Binds to an address and listens there.
    ///
    /// # Errors
    ///
    /// If it is taken.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<UnixListener> {
        UnixListener::bind_raw(&raw(addr)?)
    }

    fn bind_raw(addr: &SockAddr) -> io::Result<UnixListener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        socket.bind(addr)?;
        socket.listen(libc::c_int::MAX)?;
        Ok(UnixListener { fd: Arc::new(Fd::new(socket.into())) })
    }

    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix(SockRef::from(&self.fd.open()?).local_addr()?)
    }

    /// Waits for a connection. Exhausted descriptors are waited out, as [`TcpListener::accept`](crate::TcpListener::accept)
    /// does.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If it is closed, or at its deadline or timeout.
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (socket, addr) = accept::accept(&self.fd, None)?;
        Ok((UnixStream::new(socket), unix(addr)?))
    }

    /// [`accept`](Self::accept), which ends when `ctx` is done.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); and `ctx`'s error when it is done: at once if it was before.
    pub fn accept_ctx<C>(&self, ctx: &C) -> io::Result<(UnixStream, SocketAddr)>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        let (socket, addr) = within(ctx, |end| accept::accept(&self.fd, end))?;
        Ok((UnixStream::new(socket), unix(addr)?))
    }

    /// The connections, one after the other: [`accept`](Self::accept) in a loop without an end.
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming { listener: self }
    }
}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = UnixIncoming<'a>;

    fn into_iter(self) -> UnixIncoming<'a> {
        self.incoming()
    }
}

/// The connections of a [`UnixListener`], without an end. (`std::os::unix::net::Incoming`.)
#[derive(Debug)]
pub struct UnixIncoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
