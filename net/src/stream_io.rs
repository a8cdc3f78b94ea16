//! Reading and writing of stream sockets, for TCP and Unix.

use std::io::{self, IoSlice, IoSliceMut};

use gander_runtime::poll::Direction;

use crate::fd::{End, Fd};
use crate::slices;
use crate::sys;

pub(crate) fn read(fd: &Fd, buf: &mut [u8], end: End<'_>) -> io::Result<usize> {
    if buf.is_empty() {
        // Nothing to wait for.
        return fd.open().map(|_| 0);
    }
    fd.operate(Direction::Read, end, |fd| sys::recv(fd, buf, 0))
}

/// [`read`] of a TCP stream.
pub(crate) fn read_tcp(fd: &Fd, buf: &mut [u8], end: End<'_>) -> io::Result<usize> {
    if buf.is_empty() {
        return fd.open().map(|_| 0);
    }
    or_reset(fd, fd.drain(buf.len(), end, |fd| sys::recv(fd, buf, 0))?)
}

pub(crate) fn peek(fd: &Fd, buf: &mut [u8]) -> io::Result<usize> {
    or_reset(fd, fd.operate(Direction::Read, None, |fd| sys::recv(fd, buf, libc::MSG_PEEK))?)
}

/// The kernel reports a reset once. Was that to who connected, the first reader is told it in the place of the end.
#[inline]
fn or_reset(fd: &Fd, len: usize) -> io::Result<usize> {
    if len == 0 && fd.take_reset() { Err(io::Error::from_raw_os_error(libc::ECONNRESET)) } else { Ok(len) }
}

pub(crate) fn read_vectored(fd: &Fd, bufs: &mut [IoSliceMut<'_>], end: End<'_>) -> io::Result<usize> {
    let Some(bufs) = slices::not_empty_mut(bufs) else {
        return fd.open().map(|_| 0);
    };
    or_reset(fd, fd.operate(Direction::Read, end, |fd| sys::recv_vectored(fd, bufs))?)
}

pub(crate) fn write(fd: &Fd, buf: &[u8], end: End<'_>) -> io::Result<usize> {
    fd.write_whole(buf.len(), end, |fd, done| sys::send(fd, &buf[done..]))
}

pub(crate) fn write_vectored(fd: &Fd, bufs: &[IoSlice<'_>], end: End<'_>) -> io::Result<usize> {
    slices::write_whole(fd, bufs, end, sys::send_vectored, sys::send)
}

/// `Read` and `Write`, owned and by reference.
macro_rules! stream_io {
    ($name:ident, $read:ident) => {
        /// # Blocking
        ///
        /// Parks the goroutine until there is something to read; blocks an ordinary thread.
        impl Read for &$name {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                crate::stream_io::$read(&self.fd, buf, None)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                crate::stream_io::read_vectored(&self.fd, bufs, None)
            }
        }

        /// A write is whole: it returns when everything has been handed to the kernel, or at an error, a timeout or a
        /// deadline with what has been. What others write at the same time goes before or after it.
        ///
        /// # Blocking
        ///
        /// Parks the goroutine while there is no room; blocks an ordinary thread.
        impl Write for &$name {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                crate::stream_io::write(&self.fd, buf, None)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                crate::stream_io::write_vectored(&self.fd, bufs, None)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        crate::ctx::with_ctx!($name);

        impl crate::ctx::ReadUntil for $name {
            fn read_until(&self, buf: &mut [u8], end: crate::fd::End<'_>) -> io::Result<usize> {
                crate::stream_io::$read(&self.fd, buf, end)
            }

            fn read_vectored_until(
                &self,
                bufs: &mut [IoSliceMut<'_>],
                end: crate::fd::End<'_>,
            ) -> io::Result<usize> {
                crate::stream_io::read_vectored(&self.fd, bufs, end)
            }
        }

        impl crate::ctx::WriteUntil for $name {
            fn write_until(&self, buf: &[u8], end: crate::fd::End<'_>) -> io::Result<usize> {
                crate::stream_io::write(&self.fd, buf, end)
            }

            fn write_vectored_until(&self, bufs: &[IoSlice<'_>], end: crate::fd::End<'_>) -> io::Result<usize> {
                crate::stream_io::write_vectored(&self.fd, bufs, end)
            }
        }

        impl Read for $name {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(bufs)
            }
        }

        impl Write for $name {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(crate) use stream_io;
