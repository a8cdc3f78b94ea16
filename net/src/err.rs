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
