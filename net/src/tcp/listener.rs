//! A TCP socket that others connect to.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gander_runtime::Cancel;
use gander_runtime::poll::Direction;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::TcpStream;
use super::connect::inet;
use crate::accept;
use crate::addr::{ToSocketAddrs, first_of};
use crate::ctx::within;
use crate::fd::Fd;
use crate::handle::{conversions, shown, waits};

/// A TCP socket that others connect to. As [`std::net::TcpListener`].
///
/// # Examples
///
/// ```no_run
/// use gander_net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:8080")?;
/// for stream in listener.incoming() {
///     let stream = stream?;
///     gander_runtime::go(move || drop(std::io::copy(&mut &stream, &mut &stream)));
/// }
/// # std::io::Result::Ok(())
/// ```
pub struct TcpListener {
    fd: Arc<Fd>,
}

waits!(TcpListener, false);
conversions!(TcpListener, std::net::TcpListener, true);
shown!(TcpListener: local_addr as "addr"; fd);

impl TcpListener {
    /// Binds to the first of the addresses that can be bound (with `SO_REUSEADDR`) and listens there, with as long a queue
    /// as the system allows.
    ///
    /// # Blocking
    ///
    /// A name is looked up as [`ToSocketAddrs`] says.
    ///
    /// # Errors
    ///
    /// If the name does not resolve; the last address's error, if none can be bound.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        /// The system cuts it down to `net.core.somaxconn`.
        const QUEUE: libc::c_int = libc::c_int::MAX;
        first_of(addr, |addr| {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&addr.into())?;
            socket.listen(QUEUE)?;
            Ok(TcpListener { fd: Arc::new(Fd::new(socket.into())) })
        })
    }

    /// The address it listens at.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(SockRef::from(&self.fd.open()?).local_addr()?)
    }

    /// Waits for a connection. One that was broken off before it could be accepted is passed over.
    ///
    /// When the process or the system has no descriptor left, this says so once on standard error and tries again in
    /// growing intervals of up to a second, until there is one.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If it is closed, or at its deadline or timeout.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, addr) = accept::accept(&self.fd, None)?;
        Ok((TcpStream::new(socket), inet(addr)?))
    }

    /// [`accept`](Self::accept), which ends when `ctx` is done.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); and `ctx`'s error when it is done: at once if it was before.
    pub fn accept_ctx<C>(&self, ctx: &C) -> io::Result<(TcpStream, SocketAddr)>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        let (socket, addr) = within(ctx, |end| accept::accept(&self.fd, end))?;
        Ok((TcpStream::new(socket), inet(addr)?))
    }

    /// The connections, one after the other: [`accept`](Self::accept) in a loop without an end.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Sets the hops a packet may take (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_ttl_v4(ttl)
    }

    /// The hops a packet may take.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn ttl(&self) -> io::Result<u32> {
        SockRef::from(&self.fd.open()?).ttl_v4()
    }
}

/// The connections of a [`TcpListener`], without an end.
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedIterator for Incoming<'_> {}
