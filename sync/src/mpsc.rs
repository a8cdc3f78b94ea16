//! The channels of [`std::sync::mpsc`], for goroutines and threads alike: its names and errors over gander's channels.
//!
//! gander's own, which have many receivers too, `close` and `select!`, are in `gander::chan`.
//!
//! # Examples
//!
//! ```
//! # gander_runtime::run(|| {
//! use gander_sync::mpsc::channel;
//!
//! let (tx, rx) = channel();
//! for i in 0..3 {
//!     let tx = tx.clone();
//!     gander_runtime::go(move || tx.send(i).unwrap());
//! }
//! drop(tx);
//! assert_eq!(rx.iter().sum::<i32>(), 3);
//! # });
//! ```

use std::cell::Cell;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use gander_chan as chan;

/// A channel without a limit: a send never waits. As [`std::sync::mpsc::channel`].
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = chan::unbounded();
    (Sender { inner: tx }, Receiver { inner: rx, not_sync: PhantomData })
}

/// A channel with room for `bound` values; of 0, each send waits for its receive. As
/// [`std::sync::mpsc::sync_channel`].
#[must_use]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (tx, rx) = chan::bounded(bound);
    (SyncSender { inner: tx }, Receiver { inner: rx, not_sync: PhantomData })
}

/// The sending side of a [`channel`]. As [`std::sync::mpsc::Sender`].
pub struct Sender<T> {
    inner: chan::Sender<T>,
}

/// The sending side of a [`sync_channel`]. As [`std::sync::mpsc::SyncSender`].
pub struct SyncSender<T> {
    inner: chan::Sender<T>,
}

/// The receiving side. As [`std::sync::mpsc::Receiver`], and like that not `Sync`.
///
/// ```compile_fail,E0277
/// let (_, rx) = gander_sync::mpsc::channel::<i32>();
/// std::thread::scope(|s| {
///     s.spawn(|| rx.recv());
/// });
/// ```
pub struct Receiver<T> {
    inner: chan::Receiver<T>,
    not_sync: PhantomData<Cell<()>>,
}

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for SyncSender<T> {}
impl<T> RefUnwindSafe for SyncSender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Sender<T> {
    /// Sends a value.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// If the receiver is gone; the value comes back.
    #[inline]
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.inner.send(t).map_err(|error| SendError(error.0))
    }
}

impl<T> SyncSender<T> {
    /// Sends a value.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while there is no room.
    ///
    /// # Errors
    ///
    /// If the receiver is gone; the value comes back.
    #[inline]
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.inner.send(t).map_err(|error| SendError(error.0))
    }

    /// Sends a value if there is room for it.
    ///
    /// # Errors
    ///
    /// If there is none, or the receiver is gone; the value comes back.
    #[inline]
    pub fn try_send(&self, t: T) -> Result<(), TrySendError<T>> {
        self.inner.try_send(t).map_err(|error| match error {
            chan::TrySendError::Full(t) => TrySendError::Full(t),
            chan::TrySendError::Disconnected(t) => TrySendError::Disconnected(t),
        })
    }
}

impl<T> Receiver<T> {
    /// Receives the next value.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while there is none.
    ///
    /// # Errors
    ///
    /// If there is none and all senders are gone.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.inner.recv().map_err(|_| RecvError)
    }

    /// Receives the next value if it is there.
    ///
    /// # Errors
    ///
    /// If there is none, yet or for ever.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.inner.try_recv().map_err(|error| match error {
            chan::TryRecvError::Empty => TryRecvError::Empty,
            chan::TryRecvError::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives the next value, unless that takes longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// As [`recv`](Self::recv), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the time is up, or there is none and all senders are gone.
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.inner.recv_timeout(timeout).map_err(|error| match error {
            chan::RecvTimeoutError::Timeout => RecvTimeoutError::Timeout,
            chan::RecvTimeoutError::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    /// The values to come, until all senders are gone. Each step may wait.
    #[inline]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { rx: self }
    }

    /// The values that are there. No step waits.
    #[inline]
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { rx: self }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        Sender { inner: self.inner.clone() }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> SyncSender<T> {
        SyncSender { inner: self.inner.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// What [`Receiver::iter`] returns.
#[derive(Debug)]
pub struct Iter<'a, T: 'a> {
    rx: &'a Receiver<T>,
}

/// What [`Receiver::try_iter`] returns.
#[derive(Debug)]
pub struct TryIter<'a, T: 'a> {
    rx: &'a Receiver<T>,
}

/// The values to come, until all senders are gone, of a receiver that the iterator owns.
#[derive(Debug)]
pub struct IntoIter<T> {
    rx: Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.rx.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.rx.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.rx.recv().ok()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}
impl<T> FusedIterator for IntoIter<T> {}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;
    fn into_iter(self) -> IntoIter<T> {
        IntoIter { rx: self }
    }
}
