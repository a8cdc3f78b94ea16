//! Errors, and their words.

use std::fmt;
use std::io::{self, ErrorKind};

/// The handle was closed.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use of closed network connection")
    }
}

impl std::error::Error for Closed {}

/// Of an operation on a handle that was closed, by this goroutine or another.
#[cold]
pub(crate) fn closed() -> io::Error {
    io::Error::new(ErrorKind::NotConnected, Closed)
}

/// The operation's context is done. Stays in this crate: whoever knows the context puts its error in the place.
#[derive(Debug)]
struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the context is done")
    }
}

impl std::error::Error for Cancelled {}

/// Of an operation whose signal has fired.
#[cold]
pub(crate) fn cancelled() -> io::Error {
    io::Error::other(Cancelled)
}

pub(crate) fn is_cancelled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Cancelled>())
}

/// Of an operation whose deadline has passed.
#[cold]
pub(crate) fn timed_out() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "i/o timeout: the deadline has passed")
}

pub(crate) fn zero_timeout() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "cannot set a timeout of 0")
}

/// Whether this is the error of an operation on a handle that was [closed](crate::TcpStream::close) before or during
/// it. Go's `errors.Is(err, net.ErrClosed)`.
///
/// # Examples
///
/// ```
/// let listener = gander_net::TcpListener::bind("127.0.0.1:0").unwrap();
/// listener.close().unwrap();
/// assert!(gander_net::is_closed(&listener.accept().unwrap_err()));
/// ```
pub fn is_closed(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Closed>())
}

/// No descriptor or no memory is left, which passes when others close theirs.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
