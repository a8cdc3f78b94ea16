//! System calls that no crate has in the form that is needed here.

#![allow(unsafe_code, reason = "system calls")]

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::OnceLock;

use gander_runtime::poll::Direction;

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn count(answer: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(answer).map_err(|_| io::Error::last_os_error())
}

/// Receives without waiting.
#[inline]
pub(crate) fn recv(fd: BorrowedFd<'_>, buf: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    // SAFETY: writes into `buf` only.
    count(unsafe { libc::recv(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags | libc::MSG_DONTWAIT) })
}

/// Sends without waiting, and without a signal where the other end is gone.
#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    // SAFETY: reads `buf` only.
    count(unsafe {
        libc::send(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    })
}

/// `read(2)`.
pub(crate) fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: writes into `buf` only.
    count(unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) })
}

/// `write(2)`.
pub(crate) fn write(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    // SAFETY: reads `buf` only.
    count(unsafe { libc::write(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len()) })
}

/// Reads into several buffers. `readv(2)`.
pub(crate) fn read_vectored(fd: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let len = bufs.len().min(MOST_SLICES) as libc::c_int;
    // SAFETY: `IoSliceMut` is guaranteed to be an iovec, and each is writable.
    count(unsafe { libc::readv(fd.as_raw_fd(), bufs.as_mut_ptr().cast(), len) })
}

/// Writes from several buffers. `writev(2)`.
pub(crate) fn write_vectored(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let len = bufs.len().min(MOST_SLICES) as libc::c_int;
    // SAFETY: as in `read_vectored`; the kernel only reads the slices.
    count(unsafe { libc::writev(fd.as_raw_fd(), bufs.as_ptr().cast(), len) })
}

/// Another open file of the same pipe, with an `O_NONBLOCK` of its own. Fails where there is no /proc.
pub(crate) fn reopen(pipe: BorrowedFd<'_>, end: Direction) -> io::Result<OwnedFd> {
    let reads = end == Direction::Read;
    // Not to wait for the other end, if the pipe has a name.
    let mut options = OpenOptions::new();
    options.read(reads).write(!reads).custom_flags(libc::O_NONBLOCK);
    Ok(options.open(format!("/proc/self/fd/{}", pipe.as_raw_fd()))?.into())
}

/// A descriptor of a process, which becomes readable when the process ends.
pub(crate) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: makes a descriptor, which is ours, and which the kernel closes at an exec.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0) as libc::c_int;
        check(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The most slices that the kernel takes at once.
const MOST_SLICES: usize = 1024;

/// Receives into several buffers without waiting.
pub(crate) fn recv_vectored(fd: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    // SAFETY: a zeroed header is valid: no address, no ancillary data. `IoSliceMut` is guaranteed to be an iovec, and
    // each is writable.
    count(unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = bufs.as_mut_ptr().cast();
        message.msg_iovlen = bufs.len().min(MOST_SLICES) as _;
        libc::recvmsg(fd.as_raw_fd(), &mut message, libc::MSG_DONTWAIT)
    })
}

/// Sends from several buffers without waiting.
pub(crate) fn send_vectored(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: as in `recv_vectored`; the kernel only reads the slices.
    count(unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = bufs.as_ptr().cast_mut().cast();
        message.msg_iovlen = bufs.len().min(MOST_SLICES) as _;
        libc::sendmsg(fd.as_raw_fd(), &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
    })
}

/// Sets or clears `O_NONBLOCK` of the open file.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let mut flag = libc::c_int::from(nonblocking);
    // SAFETY: reads our local.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &mut flag) })
}

/// `flock(2)`, which goes on after a signal.
pub(crate) fn flock(file: BorrowedFd<'_>, operation: libc::c_int) -> io::Result<()> {
    loop {
        // SAFETY: touches no memory.
        match check(unsafe { libc::flock(file.as_raw_fd(), operation) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

/// A file that can neither be read nor written.
fn dead() -> io::Result<&'static File> {
    static DEAD: OnceLock<File> = OnceLock::new();
    if let Some(dead) = DEAD.get() {
        return Ok(dead);
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open("/")?;
    Ok(DEAD.get_or_init(|| file))
}

/// Closes the file and leaves a dead one in its place.
pub(crate) fn bury(fd: BorrowedFd<'_>) -> io::Result<()> {
    let Ok(dead) = dead() else {
        // No descriptor for the dead file: the socket is as good as closed after this, and closed when it is dropped.
        // SAFETY: touches no memory.
        unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR) };
        return Ok(());
    };
    loop {
        // SAFETY: the number stays open, and ours: who borrows it finds the dead file.
        let answer = unsafe { libc::dup3(dead.as_raw_fd(), fd.as_raw_fd(), libc::O_CLOEXEC) };
        match check(answer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

/// Whether it can be read from: [`WouldBlock`](io::ErrorKind::WouldBlock) while it cannot.
pub(crate) fn look(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut look = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: reads and writes our local.
    match unsafe { libc::poll(&mut look, 1, 0) } {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        answer => check(answer),
    }
}

/// An empty set of descriptors (an epoll instance), which is readable while any of them is ready.
pub(crate) fn new_set() -> io::Result<OwnedFd> {
    // SAFETY: makes a descriptor, which is ours.
    unsafe {
        let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        check(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Adds one, which leaves when it is closed.
pub(crate) fn add_to_set(set: BorrowedFd<'_>, fd: BorrowedFd<'_>, ready_to: Direction) -> io::Result<()> {
    let events = match ready_to {
        Direction::Read => libc::EPOLLIN,
        Direction::Write => libc::EPOLLOUT,
    };
    let mut event = libc::epoll_event { events: events as u32, u64: 0 };
    // SAFETY: reads our local.
    check(unsafe { libc::epoll_ctl(set.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &mut event) })
}

/// Whether any is ready: [`WouldBlock`](io::ErrorKind::WouldBlock) while none is.
pub(crate) fn look_at_set(set: BorrowedFd<'_>) -> io::Result<()> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: writes our local.
    match unsafe { libc::epoll_wait(set.as_raw_fd(), &mut event, 1, 0) } {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        answer => check(answer),
    }
}
