//! A Unix datagram socket.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gander_runtime::Cancel;
use gander_runtime::poll::Direction;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{from_path, raw, unix};
use crate::ctx::within;
use crate::datagram::{self, datagram_ctx};
use crate::fd::{End, Fd};
use crate::handle::{conversions, shown, waits};

/// A Unix datagram socket. As [`std::os::unix::net::UnixDatagram`].
///
/// # Examples
///
/// ```
/// use gander_net::UnixDatagram;
///
/// # gander_runtime::run(|| {
/// let (a, b) = UnixDatagram::pair().unwrap();
/// a.send(b"ping").unwrap();
/// let mut buf = [0; 16];
/// assert_eq!(b.recv(&mut buf).unwrap(), 4);
/// # });
/// ```
pub struct UnixDatagram {
    fd: Arc<Fd>,
}

waits!(UnixDatagram, true);
conversions!(UnixDatagram, std::os::unix::net::UnixDatagram, false);
shown!(UnixDatagram: fd; local_addr as "local", peer_addr as "peer");
datagram_ctx!(UnixDatagram, unix);

impl UnixDatagram {
    fn new(owned: OwnedFd) -> UnixDatagram {
        UnixDatagram { fd: Arc::new(Fd::new(owned)) }
    }

    /// Binds to `path`, which must not exist. The file stays when the socket is closed.
    ///
    /// # Errors
    ///
    /// If the path exists, or cannot be made.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_raw(&from_path(path.as_ref())?)
    }

    /// Binds to an address.
    ///
    /// # Errors
    ///
    /// If it is taken.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_raw(&raw(addr)?)
    }

    fn bind_raw(addr: &SockAddr) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        SockRef::from(&socket.fd.open()?).bind(addr)?;
        Ok(socket)
    }

    /// One without an address.
    ///
    /// # Errors
    ///
    /// If no descriptors are left.
    pub fn unbound() -> io::Result<UnixDatagram> {
        Ok(UnixDatagram::new(Socket::new(Domain::UNIX, Type::DGRAM, None)?.into()))
    }

    /// Two that are connected to each other.
    ///
    /// # Errors
    ///
    /// If no descriptors are left.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = Socket::pair(Domain::UNIX, Type::DGRAM, None)?;
        Ok((UnixDatagram::new(a.into()), UnixDatagram::new(b.into())))
    }

    /// Sets where [`send`](Self::send) sends to.
    ///
    /// # Errors
    ///
    /// If nobody is there.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).connect(&from_path(path.as_ref())?)
    }

    /// Sets where [`send`](Self::send) sends to.
    ///
    /// # Errors
    ///
    /// If nobody is there.
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).connect(&raw(addr)?)
    }

    /// The address it is bound to.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        unix(SockRef::from(&self.fd.open()?).local_addr()?)
    }

    /// The address it is connected to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        unix(SockRef::from(&self.fd.open()?).peer_addr()?)
    }

    /// Receives a datagram and where it comes from. What does not fit into `buf` is lost.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If it is closed, or at its deadline or timeout.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, addr) = datagram::recv_from(&self.fd, buf, 0, None)?;
        Ok((len, unix(addr)?))
    }

    /// Receives a datagram. What does not fit into `buf` is lost.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        datagram::recv(&self.fd, buf, 0, None)
    }

    /// [`recv_from`](Self::recv_from), which leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, addr) = datagram::recv_from(&self.fd, buf, libc::MSG_PEEK, None)?;
        Ok((len, unix(addr)?))
    }

    /// [`recv`](Self::recv), which leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        datagram::recv(&self.fd, buf, libc::MSG_PEEK, None)
    }

    /// Sends a datagram to the socket at `path`.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine while there is no room; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If nobody is there, if it is closed, or at its deadline or timeout.
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        send_to(&self.fd, buf, &from_path(path.as_ref())?, None)
    }

    /// Sends a datagram to an address.
    ///
    /// # Blocking
    ///
    /// As [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn send_to_addr(&self, buf: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        send_to(&self.fd, buf, &raw(addr)?, None)
    }

    /// [`send_to`](Self::send_to), which ends when `ctx` is done.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); and `ctx`'s error when it is done: at once if it was before.
    pub fn send_to_ctx<P: AsRef<Path>, C>(&self, buf: &[u8], path: P, ctx: &C) -> io::Result<usize>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        let addr = from_path(path.as_ref())?;
        within(ctx, |end| send_to(&self.fd, buf, &addr, end))
    }

    /// [`send_to_addr`](Self::send_to_addr), which ends when `ctx` is done.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); and `ctx`'s error when it is done: at once if it was before.
    pub fn send_to_addr_ctx<C>(&self, buf: &[u8], addr: &SocketAddr, ctx: &C) -> io::Result<usize>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        let addr = raw(addr)?;
        within(ctx, |end| send_to(&self.fd, buf, &addr, end))
    }

    /// Sends a datagram to where it is [connected](Self::connect) to.
    ///
    /// # Blocking
    ///
    /// As [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// If it is not connected; as [`send_to`](Self::send_to).
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        datagram::send(&self.fd, buf, None)
    }

    /// Ends one direction or both, for all handles. A receive that finds nothing returns 0 then, also one that waits.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).shutdown(how)?;
        if how != Shutdown::Write {
            self.fd.note_shut();
        }
        Ok(())
    }
}

/// The kernel does not report when a receiver that this socket is not connected to has room again.
fn send_to(fd: &Fd, buf: &[u8], addr: &SockAddr, end: End<'_>) -> io::Result<usize> {
    const NAP: Duration = Duration::from_millis(1);
    fd.operate_napping(Direction::Write, NAP, end, |fd| datagram::send_once(fd, buf, addr))
}
