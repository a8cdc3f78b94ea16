//! Pipes.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gander_runtime::poll::Direction;

use crate::fd::{End, Fd};
use crate::slices;
use crate::sys;

/// Declares one end of a pipe.
macro_rules! end {
    ($(#[$doc:meta])* $name:ident, $std:ty, $direction:expr) => {
        $(#[$doc])*
        pub struct $name {
            pub(crate) fd: Arc<Fd>,
        }

        impl $name {
            fn adopt(owned: OwnedFd) -> $name {
                // A pipe's calls have no flag of their own for it. If it fails a call may block its thread, and that is
                // noticed.
                let _ = sys::set_nonblocking(owned.as_fd(), true);
                $name { fd: Arc::new(Fd::new(owned)) }
            }

            /// Another handle of this end. Both have the same descriptor and deadline; it is closed with the last.
            ///
            /// # Errors
            ///
            /// None today; as std's.
            pub fn try_clone(&self) -> io::Result<$name> {
                Ok($name { fd: Arc::clone(&self.fd) })
            }

            /// How long one operation may wait; none: as long as it takes. The error is
            /// [`WouldBlock`](io::ErrorKind::WouldBlock), as with sockets.
            ///
            /// # Errors
            ///
            /// If the timeout is zero.
            pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.fd.set_timeout($direction, timeout)
            }

            /// The moment from which on operations fail with [`TimedOut`](io::ErrorKind::TimedOut), until another is set.
            /// Any goroutine may set it, at any time.
            ///
            /// # Errors
            ///
            /// If it is closed.
            pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                self.fd.set_deadline($direction, deadline)
            }

            /// Closes this end for all handles and wakes whoever waits; see
            /// [`TcpStream::close`](crate::TcpStream::close).
            ///
            /// # Errors
            ///
            /// If it is closed already.
            pub fn close(&self) -> io::Result<()> {
                self.fd.close()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("fd", &self.as_raw_fd()).finish()
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.fd.as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.fd.as_fd().as_raw_fd()
            }
        }

        impl From<OwnedFd> for $name {
            fn from(owned: OwnedFd) -> $name {
                $name::adopt(owned)
            }
        }

        impl From<$name> for OwnedFd {
            /// Left blocking, as whoever gets it expects; other handles wait as before.
            ///
            /// # Panics
            ///
            /// If there are other handles, so that the descriptor has to be duplicated, and none are left.
            fn from(end: $name) -> OwnedFd {
                // Other handles still need the flag, which is the open file's.
                let has_others = Arc::strong_count(&end.fd) > 1;
                let apart = if has_others { end.fd.open().and_then(|fd| sys::reopen(fd, $direction)).ok() } else { None };
                let owned = apart.unwrap_or_else(|| Fd::into_owned(end.fd));
                let _ = sys::set_nonblocking(owned.as_fd(), false);
                owned
            }
        }

        impl IntoRawFd for $name {
            fn into_raw_fd(self) -> RawFd {
                OwnedFd::from(self).into_raw_fd()
            }
        }

        impl FromRawFd for $name {
            /// # Safety
            ///
            /// As [`OwnedFd`]'s.
            unsafe fn from_raw_fd(fd: RawFd) -> $name {
                // SAFETY: by contract.
                $name::adopt(unsafe { OwnedFd::from_raw_fd(fd) })
            }
        }

        impl From<$std> for $name {
            fn from(end: $std) -> $name {
                $name::adopt(OwnedFd::from(end))
            }
        }

        impl From<$name> for Stdio {
            fn from(end: $name) -> Stdio {
                Stdio::from(OwnedFd::from(end))
            }
        }
    };
}

/// Reading and writing of ends of pipes, owned and by reference.
macro_rules! reads {
    ($name:ident) => {
        /// # Blocking
        ///
        /// Parks the goroutine until there is something to read; blocks an ordinary thread.
        impl Read for &$name {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                read(&self.fd, buf, None)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                read_vectored(&self.fd, bufs, None)
            }
        }

        crate::ctx::with_ctx!($name);

        impl crate::ctx::ReadUntil for $name {
            fn read_until(&self, buf: &mut [u8], end: End<'_>) -> io::Result<usize> {
                read(&self.fd, buf, end)
            }

            fn read_vectored_until(&self, bufs: &mut [IoSliceMut<'_>], end: End<'_>) -> io::Result<usize> {
                read_vectored(&self.fd, bufs, end)
            }
        }

        impl Read for $name {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                read(&self.fd, buf, None)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                read_vectored(&self.fd, bufs, None)
            }
        }
    };
}

macro_rules! writes {
    ($name:ident) => {
        /// A write is whole, as [`TcpStream`](crate::TcpStream)'s.
        ///
        /// # Blocking
        ///
        /// Parks the goroutine while there is no room; blocks an ordinary thread.
        impl Write for &$name {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                write(&self.fd, buf, None)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                write_vectored(&self.fd, bufs, None)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        crate::ctx::with_ctx!($name);

        impl crate::ctx::WriteUntil for $name {
            fn write_until(&self, buf: &[u8], end: End<'_>) -> io::Result<usize> {
                write(&self.fd, buf, end)
            }

            fn write_vectored_until(&self, bufs: &[IoSlice<'_>], end: End<'_>) -> io::Result<usize> {
                write_vectored(&self.fd, bufs, end)
            }
        }

        impl Write for $name {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                write(&self.fd, buf, None)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                write_vectored(&self.fd, bufs, None)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

fn read(fd: &Fd, buf: &mut [u8], end: End<'_>) -> io::Result<usize> {
    if buf.is_empty() {
        return fd.open().map(|_| 0);
    }
    fd.operate(Direction::Read, end, |fd| sys::read(fd, buf))
}

fn write(fd: &Fd, buf: &[u8], end: End<'_>) -> io::Result<usize> {
    fd.write_whole(buf.len(), end, |fd, done| sys::write(fd, &buf[done..]))
}

fn read_vectored(fd: &Fd, bufs: &mut [IoSliceMut<'_>], end: End<'_>) -> io::Result<usize> {
    let Some(bufs) = slices::not_empty_mut(bufs) else {
        return fd.open().map(|_| 0);
    };
    fd.operate(Direction::Read, end, |fd| sys::read_vectored(fd, bufs))
}

fn write_vectored(fd: &Fd, bufs: &[IoSlice<'_>], end: End<'_>) -> io::Result<usize> {
    slices::write_whole(fd, bufs, end, sys::write_vectored, sys::write)
}

end! {
    /// The end of a pipe to read from. As [`std::io::PipeReader`].
    PipeReader, io::PipeReader, Direction::Read
}
end! {
    /// The end of a pipe to write to. As [`std::io::PipeWriter`].
    PipeWriter, io::PipeWriter, Direction::Write
}
end! {
    /// A child's standard output. As [`std::process::ChildStdout`].
    ChildStdout, std::process::ChildStdout, Direction::Read
}
end! {
    /// A child's standard error. As [`std::process::ChildStderr`].
    ChildStderr, std::process::ChildStderr, Direction::Read
}
end! {
    /// A child's standard input; the child reads its end when this is dropped. As [`std::process::ChildStdin`].
    ChildStdin, std::process::ChildStdin, Direction::Write
}
reads!(PipeReader);
reads!(ChildStdout);
reads!(ChildStderr);
writes!(PipeWriter);
writes!(ChildStdin);

/// A pipe: what is written to one end can be read from the other. As [`std::io::pipe`].
///
/// # Errors
///
/// If no descriptors are left.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// # gander_runtime::run(|| {
/// let (mut reader, mut writer) = gander_net::io::pipe().unwrap();
/// gander_runtime::go(move || writer.write_all(b"through").unwrap());
/// let mut text = String::new();
/// reader.read_to_string(&mut text).unwrap();
/// assert_eq!(text, "through");
/// # });
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}
