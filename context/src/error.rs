//! Why a context is done.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a context is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextError {
    /// Somebody cancelled it.
    Canceled,
    /// Its time was up.
    DeadlineExceeded,
}

/// What somebody gave as the reason of a cancellation; or the [`ContextError`] itself.
pub type Cause = Arc<dyn Error + Send + Sync>;

impl ContextError {
    /// Whether the time was up.
    pub fn is_timeout(&self) -> bool {
        *self == ContextError::DeadlineExceeded
    }
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContextError::Canceled => "context canceled",
            ContextError::DeadlineExceeded => "context deadline exceeded",
        })
    }
}

impl Error for ContextError {}

impl From<ContextError> for io::Error {
    /// [`TimedOut`](io::ErrorKind::TimedOut) if the time was up.
    fn from(error: ContextError) -> io::Error {
        let kind = if error.is_timeout() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
        io::Error::new(kind, error)
    }
}
