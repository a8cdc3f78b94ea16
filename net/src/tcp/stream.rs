//! A TCP connection.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gander_runtime::Cancel;
use gander_runtime::poll::Direction;
use gander_runtime::timer::{deadline_after, deadline_at};
use socket2::SockRef;

use super::connect::{self, Limit};
use crate::addr::{self, ToSocketAddrs};
use crate::ctx::within;
use crate::err;
use crate::fd::Fd;
use crate::handle::{conversions, shown, waits};
use crate::stream_io::{self, stream_io};

/// A TCP connection. As [`std::net::TcpStream`].
///
/// One goroutine may read while another writes, by reference or by [clones](Self::try_clone). It is closed when the last
/// handle is dropped, or for all handles by [`close`](Self::close).
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use gander_net::{TcpListener, TcpStream};
///
/// # gander_runtime::run(|| {
/// let listener = TcpListener::bind("127.0.0.1:0").unwrap();
/// let addr = listener.local_addr().unwrap();
/// gander_runtime::go(move || {
///     let (mut stream, _) = listener.accept().unwrap();
///     stream.write_all(b"hello").unwrap();
/// });
/// let mut text = String::new();
/// TcpStream::connect(addr).unwrap().read_to_string(&mut text).unwrap();
/// assert_eq!(text, "hello");
/// # });
/// ```
pub struct TcpStream {
    pub(super) fd: Arc<Fd>,
}

waits!(TcpStream, true);
conversions!(TcpStream, std::net::TcpStream, false);
shown!(TcpStream: local_addr as "addr", peer_addr as "peer"; fd);
stream_io!(TcpStream, read_tcp);

impl TcpStream {
    /// A stream that was just made.
    pub(super) fn new(owned: OwnedFd) -> TcpStream {
        TcpStream { fd: Arc::new(Fd::plain_tcp(owned)) }
    }

    /// Connects to the first of the addresses that answers.
    ///
    /// Of several addresses, IPv6 and IPv4 taking turns, each is tried when the one before has failed or has not answered
    /// for a quarter of a second; those before it stay in the race ("happy eyeballs", RFC 8305).
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread. A name is looked up as [`ToSocketAddrs`] says.
    ///
    /// # Errors
    ///
    /// If the name does not resolve. The first address's error, if none answers.
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let addrs: Vec<_> = addr.to_socket_addrs()?.collect();
        connect::race(&addrs, Limit::deadline(u64::MAX))
    }

    /// [`connect`](Self::connect), which fails with [`TimedOut`](io::ErrorKind::TimedOut) at `deadline`. The addresses
    /// share the time: the later ones are tried the sooner the less there is.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), and at the deadline.
    pub fn connect_deadline<A: ToSocketAddrs>(addr: A, deadline: Instant) -> io::Result<TcpStream> {
        let addrs: Vec<_> = addr.to_socket_addrs()?.collect();
        connect::race(&addrs, Limit::deadline(deadline_at(deadline)))
    }

    /// [`connect`](Self::connect), which ends when `ctx` is done, whether it still looks up the name or waits for an
    /// answer. If `ctx` has a deadline the addresses share the time until then. When it has succeeded, `ctx` has nothing
    /// to do with the connection any more; see [`with_ctx`](Self::with_ctx).
    ///
    /// A name is looked up by a goroutine of its own (where there is no runtime, a thread), for the system's resolver cannot
    /// be called off. That of a cancelled call ends when the resolver answers or gives up. A type that implements
    /// [`ToSocketAddrs`] by itself is waited for.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect); and `ctx`'s error when it is done: at once if it was before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # use gander_runtime::{Cancel, Signal};
    /// # struct Context(Signal);
    /// # impl Cancel for Context {
    /// #     type Error = std::io::Error;
    /// #     fn signal(&self) -> Option<&Signal> { Some(&self.0) }
    /// #     fn error(&self) -> std::io::Error { std::io::Error::other("context canceled") }
    /// # }
    /// # gander_runtime::run(|| {
    /// # let ctx = Context(Signal::new());
    /// use gander_net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// let addr = listener.local_addr().unwrap();
    /// assert!(TcpStream::connect_ctx(addr, &ctx).is_ok());
    /// # ctx.0.fire();
    /// // … the context is cancelled …
    /// assert_eq!(TcpStream::connect_ctx(addr, &ctx).unwrap_err().to_string(), "context canceled");
    /// # });
    /// ```
    pub fn connect_ctx<A: ToSocketAddrs, C>(addr: A, ctx: &C) -> io::Result<TcpStream>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        within(ctx, |end| {
            let addrs: Vec<_> = addr::resolve_until(&addr, end)?.collect();
            let share_until = ctx.deadline().map_or(u64::MAX, deadline_at);
            connect::race(&addrs, Limit { deadline: u64::MAX, share_until, end })
        })
    }

    /// Connects to one address, and fails with [`TimedOut`](io::ErrorKind::TimedOut) after `timeout`.
    ///
    /// # Errors
    ///
    /// If it cannot connect, or not in time; if the timeout is zero.
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(err::zero_timeout());
        }
        connect::one(*addr, Limit::deadline(deadline_after(timeout)))
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// If it is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        connect::inet(SockRef::from(&self.fd.open()?).peer_addr()?)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        connect::inet(SockRef::from(&self.fd.open()?).local_addr()?)
    }

    /// Ends one direction or both, for all handles. Whoever waits to read is told the end; the other side reads the end
    /// after what was written.
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

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_tcp_nodelay(nodelay)
    }

    /// What [`set_nodelay`](Self::set_nodelay) has set.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn nodelay(&self) -> io::Result<bool> {
        SockRef::from(&self.fd.open()?).tcp_nodelay()
    }

    /// How long the end is to be held up for what has not been sent (`SO_LINGER`); zero: what has not been sent is thrown
    /// away and the other side gets a reset.
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_linger(linger)
    }

    /// What [`set_linger`](Self::set_linger) has set.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(&self.fd.open()?).linger()
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

    /// Whether what comes is acknowledged at once (`TCP_QUICKACK`). It does not last: the kernel goes its own way again
    /// after a while. As std's `TcpStreamExt::set_quickack`.
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_tcp_quickack(quickack)
    }

    /// Whether what comes is acknowledged at once.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn quickack(&self) -> io::Result<bool> {
        SockRef::from(&self.fd.open()?).tcp_quickack()
    }
}
