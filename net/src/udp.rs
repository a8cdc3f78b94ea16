//! UDP.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gander_runtime::Cancel;
use gander_runtime::poll::Direction;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::addr::{self, ToSocketAddrs, first_of, no_address};
use crate::ctx::within;
use crate::datagram::{self, datagram_ctx};
use crate::fd::Fd;
use crate::handle::{conversions, shown, waits};
use crate::tcp::inet;

/// A UDP socket. As [`std::net::UdpSocket`].
///
/// # Examples
///
/// ```
/// use gander_net::UdpSocket;
///
/// # gander_runtime::run(|| {
/// let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
/// a.send_to(b"ping", b.local_addr().unwrap()).unwrap();
/// let mut buf = [0; 16];
/// let (len, from) = b.recv_from(&mut buf).unwrap();
/// assert_eq!((&buf[..len], from), (&b"ping"[..], a.local_addr().unwrap()));
/// # });
/// ```
pub struct UdpSocket {
    fd: Arc<Fd>,
}

waits!(UdpSocket, true);
conversions!(UdpSocket, std::net::UdpSocket, false);
shown!(UdpSocket: local_addr as "addr"; fd);
datagram_ctx!(UdpSocket, inet);

impl UdpSocket {
    /// Binds to the first of the addresses that can be bound.
    ///
    /// # Blocking
    ///
    /// A name is looked up as [`ToSocketAddrs`] says.
    ///
    /// # Errors
    ///
    /// If the name does not resolve; the last address's error, if none can be bound.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        first_of(addr, |addr| {
            let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
            socket.bind(&addr.into())?;
            Ok(UdpSocket { fd: Arc::new(Fd::new(socket.into())) })
        })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        inet(SockRef::from(&self.fd.open()?).local_addr()?)
    }

    /// The address it is connected to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        inet(SockRef::from(&self.fd.open()?).peer_addr()?)
    }

    /// Sets where [`send`](Self::send) sends to; from then on only what comes from there is received. Of several
    /// addresses, the first that can be set.
    ///
    /// # Errors
    ///
    /// If the name does not resolve, or no address can be set.
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        first_of(addr, |addr| SockRef::from(&self.fd.open()?).connect(&addr.into()))
    }

    /// Receives a datagram and where it comes from. What does not fit into `buf` is lost.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If it is closed, at its deadline or timeout, or with what the network reports.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, addr) = datagram::recv_from(&self.fd, buf, 0, None)?;
        Ok((len, inet(addr)?))
    }

    /// [`recv_from`](Self::recv_from), which leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, addr) = datagram::recv_from(&self.fd, buf, libc::MSG_PEEK, None)?;
        Ok((len, inet(addr)?))
    }

    /// Sends a datagram to the first of the addresses.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine while there is no room; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the name does not resolve, if it is closed, at its deadline or timeout, or with what the network reports.
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let addr = addr.to_socket_addrs()?.next().ok_or_else(no_address)?;
        datagram::send_to(&self.fd, buf, &addr.into(), None)
    }

    /// [`send_to`](Self::send_to), which ends when `ctx` is done.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); and `ctx`'s error when it is done: at once if it was before.
    pub fn send_to_ctx<A: ToSocketAddrs, C>(&self, buf: &[u8], addr: A, ctx: &C) -> io::Result<usize>
    where
        C: Cancel<Error: Into<io::Error>> + ?Sized,
    {
        within(ctx, |end| {
            let addr = addr::resolve_until(&addr, end)?.next().ok_or_else(no_address)?;
            datagram::send_to(&self.fd, buf, &addr.into(), end)
        })
    }

    /// Receives a datagram, from where it is [connected](Self::connect) to. What does not fit into `buf` is lost.
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

    /// [`recv`](Self::recv), which leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        datagram::recv(&self.fd, buf, libc::MSG_PEEK, None)
    }

    /// Sends a datagram to where it is [connected](Self::connect) to.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine while there is no room; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If it is not connected; as [`send_to`](Self::send_to).
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        datagram::send(&self.fd, buf, None)
    }

    /// Sets whether it may send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_broadcast(&self, value: bool) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_broadcast(value)
    }

    /// Whether it may send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn broadcast(&self) -> io::Result<bool> {
        SockRef::from(&self.fd.open()?).broadcast()
    }

    /// Sets the hops a packet may take (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_ttl(&self, value: u32) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_ttl_v4(value)
    }

    /// The hops a packet may take (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn ttl(&self) -> io::Result<u32> {
        SockRef::from(&self.fd.open()?).ttl_v4()
    }

    /// Sets whether its own multicasts come back to this machine, for IPv4.
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_multicast_loop_v4(&self, value: bool) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_multicast_loop_v4(value)
    }

    /// Whether its own multicasts come back to this machine, for IPv4.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        SockRef::from(&self.fd.open()?).multicast_loop_v4()
    }

    /// Sets the hops a multicast may take, for IPv4.
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_multicast_ttl_v4(&self, value: u32) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_multicast_ttl_v4(value)
    }

    /// The hops a multicast may take, for IPv4.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        SockRef::from(&self.fd.open()?).multicast_ttl_v4()
    }

    /// Sets whether its own multicasts come back to this machine, for IPv6.
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub fn set_multicast_loop_v6(&self, value: bool) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).set_multicast_loop_v6(value)
    }

    /// Whether its own multicasts come back to this machine, for IPv6.
    ///
    /// # Errors
    ///
    /// If it cannot be asked.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        SockRef::from(&self.fd.open()?).multicast_loop_v6()
    }

    /// Joins a multicast group on an interface.
    ///
    /// # Errors
    ///
    /// If it cannot be done.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).join_multicast_v4(group, interface)
    }

    /// Leaves a multicast group on an interface.
    ///
    /// # Errors
    ///
    /// If it cannot be done.
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).leave_multicast_v4(group, interface)
    }

    /// Joins a multicast group on an interface.
    ///
    /// # Errors
    ///
    /// If it cannot be done.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).join_multicast_v6(group, interface)
    }

    /// Leaves a multicast group on an interface.
    ///
    /// # Errors
    ///
    /// If it cannot be done.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        SockRef::from(&self.fd.open()?).leave_multicast_v6(group, interface)
    }
}
