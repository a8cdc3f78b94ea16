//! Sending and receiving of datagrams, for UDP and Unix.

#![allow(unsafe_code, reason = "a buffer for the kernel to fill")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use gander_runtime::poll::Direction;
use socket2::{SockAddr, SockRef};

use crate::fd::Fd;
use crate::sys;

pub(crate) fn recv(fd: &Fd, buf: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    fd.operate(Direction::Read, |fd| sys::recv(fd, buf, flags))
}

pub(crate) fn recv_from(fd: &Fd, buf: &mut [u8], flags: libc::c_int) -> io::Result<(usize, SockAddr)> {
    // SAFETY: nothing uninitialised is ever written through it: only the kernel writes, bytes.
    let buf = unsafe { &mut *(std::ptr::from_mut(buf) as *mut [MaybeUninit<u8>]) };
    fd.operate(Direction::Read, |fd| SockRef::from(&fd).recv_from_with_flags(buf, flags | libc::MSG_DONTWAIT))
}

pub(crate) fn send(fd: &Fd, buf: &[u8]) -> io::Result<usize> {
    fd.operate(Direction::Write, |fd| sys::send(fd, buf))
}

pub(crate) fn send_to(fd: &Fd, buf: &[u8], addr: &SockAddr) -> io::Result<usize> {
    fd.operate(Direction::Write, |fd| send_once(fd, buf, addr))
}

/// Sends without waiting.
pub(crate) fn send_once(fd: BorrowedFd<'_>, buf: &[u8], addr: &SockAddr) -> io::Result<usize> {
    SockRef::from(&fd).send_to_with_flags(buf, addr, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
}
