//! Sending and receiving of datagrams, for UDP and Unix.

#![allow(unsafe_code, reason = "a buffer for the kernel to fill")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use gander_runtime::poll::Direction;
use socket2::{SockAddr, SockRef};

use crate::fd::{End, Fd};
use crate::sys;

pub(crate) fn recv(fd: &Fd, buf: &mut [u8], flags: libc::c_int, end: End<'_>) -> io::Result<usize> {
    fd.operate(Direction::Read, end, |socket| or_end(fd, sys::recv(socket, buf, flags), || Ok(0)))
}

pub(crate) fn recv_from(
    fd: &Fd,
    buf: &mut [u8],
    flags: libc::c_int,
    end: End<'_>,
) -> io::Result<(usize, SockAddr)> {
    // SAFETY: nothing uninitialised is ever written through it: only the kernel writes, bytes.
    let buf = unsafe { &mut *(std::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) };
    fd.operate(Direction::Read, end, |socket| {
        let answer = SockRef::from(&socket).recv_from_with_flags(buf, flags | libc::MSG_DONTWAIT);
        or_end(fd, answer, || Ok((0, SockAddr::unix("")?)))
    })
}

/// `answer`; `at_end` if there is nothing and nothing will come.
fn or_end<T>(fd: &Fd, answer: io::Result<T>, at_end: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && fd.is_shut() => at_end(),
        answer => answer,
    }
}

pub(crate) fn send(fd: &Fd, buf: &[u8], end: End<'_>) -> io::Result<usize> {
    fd.operate(Direction::Write, end, |fd| sys::send(fd, buf))
}

pub(crate) fn send_to(fd: &Fd, buf: &[u8], addr: &SockAddr, end: End<'_>) -> io::Result<usize> {
    fd.operate(Direction::Write, end, |fd| send_once(fd, buf, addr))
}

/// Sends without waiting.
pub(crate) fn send_once(fd: BorrowedFd<'_>, buf: &[u8], addr: &SockAddr) -> io::Result<usize> {
    SockRef::from(&fd).send_to_with_flags(buf, addr, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
}

/// Receives and sends on behalf of a context. `$addr`: from the kernel's form of an address.
macro_rules! datagram_ctx {
    ($name:ident, $addr:path) => {
        /// On behalf of a context.
        impl $name {
            /// [`recv_from`](Self::recv_from), which ends when `ctx` is done.
            ///
            /// # Errors
            ///
            /// As [`recv_from`](Self::recv_from); and `ctx`'s error when it is done: at once if it was before.
            pub fn recv_from_ctx<C>(&self, buf: &mut [u8], ctx: &C) -> io::Result<(usize, SocketAddr)>
            where
                C: Cancel<Error: Into<io::Error>> + ?Sized,
            {
                let (len, addr) = within(ctx, |end| datagram::recv_from(&self.fd, buf, 0, end))?;
                Ok((len, $addr(addr)?))
            }

            /// [`recv`](Self::recv), which ends when `ctx` is done.
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv); and `ctx`'s error when it is done: at once if it was before.
            pub fn recv_ctx<C>(&self, buf: &mut [u8], ctx: &C) -> io::Result<usize>
            where
                C: Cancel<Error: Into<io::Error>> + ?Sized,
            {
                within(ctx, |end| datagram::recv(&self.fd, buf, 0, end))
            }

            /// [`send`](Self::send), which ends when `ctx` is done.
            ///
            /// # Errors
            ///
            /// As [`send`](Self::send); and `ctx`'s error when it is done: at once if it was before.
            pub fn send_ctx<C>(&self, buf: &[u8], ctx: &C) -> io::Result<usize>
            where
                C: Cancel<Error: Into<io::Error>> + ?Sized,
            {
                within(ctx, |end| datagram::send(&self.fd, buf, end))
            }
        }
    };
}

pub(crate) use datagram_ctx;
