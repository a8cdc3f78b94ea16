//! The handles.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use gander_runtime::timer::{deadline_after, deadline_at};

use crate::buffer::Buffer;
use crate::count::{Handle, Receivers, Senders, share, share_receiver};
use crate::err::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use crate::state::Core;
use crate::transfer::Channel;

/// A channel that holds up to `capacity` values. Of capacity 0 it holds none: each send waits for a receive, and
/// each receive for a send.
///
/// # Panics
///
/// If there is no memory for so many values.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// let (s, r) = gander_chan::bounded(0);
/// gander_runtime::go(move || s.send("hello").unwrap());
/// assert_eq!(r.recv(), Ok("hello"));
/// # });
/// ```
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    pair(Channel::new(Buffer::bounded(capacity), Core::new(Some(capacity))))
}

/// A channel that holds as many values as there is memory for: a send never waits.
///
/// # Examples
///
/// ```
/// let (s, r) = gander_chan::unbounded();
/// for i in 0..1000 {
///     s.send(i).unwrap();
/// }
/// drop(s);
/// assert_eq!(r.iter().sum::<i32>(), 499_500);
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    pair(Channel::new(Buffer::unbounded(), Core::new(None)))
}

/// A channel that nothing ever comes out of, and that is never closed by itself: what stands for Go's nil channel. To
/// switch off an arm of a `select!`, or to wait for ever.
///
/// # Examples
///
/// ```
/// use gander_chan::TryRecvError;
///
/// let r = gander_chan::never::<String>();
/// assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
/// ```
pub fn never<T>() -> Receiver<T> {
    Receiver::of(share_receiver(Channel::new(Buffer::bounded(0), Core::mute())))
}

fn pair<T>(channel: Channel<T>) -> (Sender<T>, Receiver<T>) {
    let (senders, receivers) = share(channel);
    (Sender { channel: senders }, Receiver { channel: receivers })
}

/// The side of a channel that values go into. Clones share the channel; when the last is dropped it closes.
pub struct Sender<T> {
    channel: Handle<T, Senders>,
}

/// The side of a channel that values come out of. Clones share the channel, and each value goes to one of them;
/// when the last is dropped the channel closes and what is left in it is dropped.
pub struct Receiver<T> {
    channel: Handle<T, Receivers>,
}

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Sender<T> {
    #[inline(always)]
    pub(crate) fn channel(&self) -> &Channel<T> {
        &self.channel
    }

    /// Sends a value: to the receiver that waits longest, or into the buffer; waits while there is room for it in
    /// neither.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the channel is closed, before or while this waits. The value comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// let (s, r) = gander_chan::bounded(0);
    /// let worker = gander_runtime::spawn(move || r.recv().unwrap() * 2);
    /// s.send(21).unwrap();
    /// assert_eq!(worker.join().unwrap(), 42);
    /// assert_eq!(s.send(1).unwrap_err().into_inner(), 1);
    /// # });
    /// ```
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.channel.send(value)
    }

    /// Sends a value if that needs no waiting.
    ///
    /// # Errors
    ///
    /// If there is no room now, or the channel is closed. The value comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{TrySendError, bounded};
    ///
    /// let (s, r) = bounded(1);
    /// assert_eq!(s.try_send(1), Ok(()));
    /// assert_eq!(s.try_send(2), Err(TrySendError::Full(2)));
    /// drop(r);
    /// assert_eq!(s.try_send(3), Err(TrySendError::Disconnected(3)));
    /// ```
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(value)
    }

    /// Sends a value, waiting no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If there was no room in that time, or the channel is closed. The value comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// use gander_chan::{SendTimeoutError, bounded};
    /// use std::time::Duration;
    ///
    /// let (s, _r) = bounded(0);
    /// assert_eq!(s.send_timeout(1, Duration::from_millis(5)), Err(SendTimeoutError::Timeout(1)));
    /// # });
    /// ```
    #[inline]
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.channel.send_until(value, || deadline_after(timeout))
    }

    /// Sends a value, waiting no longer than until `deadline`.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If there was no room until then, or the channel is closed. The value comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{SendTimeoutError, bounded};
    /// use std::time::Instant;
    ///
    /// let (s, _r) = bounded(1);
    /// let now = Instant::now();
    /// assert_eq!(s.send_deadline(1, now), Ok(()));
    /// assert_eq!(s.send_deadline(2, now), Err(SendTimeoutError::Timeout(2)));
    /// ```
    #[inline]
    pub fn send_deadline(&self, value: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.channel.send_until(value, || deadline_at(deadline))
    }
}

impl<T> Receiver<T> {
    pub(crate) fn of(channel: Handle<T, Receivers>) -> Receiver<T> {
        Receiver { channel }
    }

    #[inline(always)]
    pub(crate) fn channel(&self) -> &Channel<T> {
        &self.channel
    }

    /// Receives the first value; waits while there is none.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the channel is closed, before or while this waits, and nothing is left in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{RecvError, bounded};
    ///
    /// let (s, r) = bounded(1);
    /// s.send(1).unwrap();
    /// drop(s);
    /// assert_eq!(r.recv(), Ok(1));
    /// assert_eq!(r.recv(), Err(RecvError));
    /// ```
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.channel.recv()
    }

    /// Receives the first value if there is one.
    ///
    /// # Errors
    ///
    /// If there is none now, or the channel is closed and nothing is left in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{TryRecvError, unbounded};
    ///
    /// let (s, r) = unbounded();
    /// assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
    /// s.send(1).unwrap();
    /// drop(s);
    /// assert_eq!(r.try_recv(), Ok(1));
    /// assert_eq!(r.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.channel.try_recv()
    }

    /// Receives the first value, waiting no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If none came in that time, or the channel is closed and nothing is left in it.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// use gander_chan::{RecvTimeoutError, bounded};
    /// use std::time::Duration;
    ///
    /// let (_s, r) = bounded::<()>(0);
    /// assert_eq!(r.recv_timeout(Duration::from_millis(5)), Err(RecvTimeoutError::Timeout));
    /// # });
    /// ```
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.channel.recv_until(|| deadline_after(timeout))
    }

    /// Receives the first value, waiting no longer than until `deadline`.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If none came until then, or the channel is closed and nothing is left in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{RecvTimeoutError, bounded};
    /// use std::time::Instant;
    ///
    /// let (s, r) = bounded(1);
    /// s.send(1).unwrap();
    /// let now = Instant::now();
    /// assert_eq!(r.recv_deadline(now), Ok(1));
    /// assert_eq!(r.recv_deadline(now), Err(RecvTimeoutError::Timeout));
    /// ```
    #[inline]
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.channel.recv_until(|| deadline_at(deadline))
    }
}

/// What both sides have.
macro_rules! both_sides {
    ($($name:ident),+) => {$(
        impl<T> $name<T> {
            /// Closes the channel, as Go's `close`: sends fail from now on, also those that wait, and receives fail
            /// when they have taken what is left. Returns whether this call closed it; closing it again is harmless.
            ///
            /// # Examples
            ///
            /// ```
            /// let (s, r) = gander_chan::bounded(2);
            /// s.send(1).unwrap();
            /// assert!(s.close());
            /// assert!(!r.close());
            /// assert_eq!(s.send(2).unwrap_err().into_inner(), 2);
            /// assert_eq!(r.iter().collect::<Vec<_>>(), [1]);
            /// ```
            pub fn close(&self) -> bool {
                self.channel.close()
            }

            /// Whether the channel is closed. If not, it may be in a moment; there may be values left in it.
            pub fn is_closed(&self) -> bool {
                self.channel.is_closed()
            }

            /// How many values are in the channel at this moment. Of capacity 0: none, whoever waits. Values that came
            /// back from futures count beyond the capacity.
            pub fn len(&self) -> usize {
                self.channel.whole_len()
            }

            /// Whether there is no value in the channel at this moment. Of capacity 0: always.
            pub fn is_empty(&self) -> bool {
                self.channel.whole_len() == 0
            }

            /// Whether there is no room in the channel at this moment. Of capacity 0: always.
            pub fn is_full(&self) -> bool {
                self.channel.capacity.is_some_and(|capacity| self.channel.visible_len() >= capacity)
            }

            /// How many values the channel can hold; none if it is unbounded.
            pub fn capacity(&self) -> Option<usize> {
                self.channel.capacity
            }

            /// Whether both are handles of one channel. All that [`never`](never()) made count as one.
            ///
            /// # Examples
            ///
            /// ```
            /// let (s, r) = gander_chan::bounded::<u8>(0);
            /// let (t, _) = gander_chan::bounded::<u8>(0);
            /// assert!(s.same_channel(&s.clone()) && r.same_channel(&r.clone()));
            /// assert!(!s.same_channel(&t));
            /// ```
            pub fn same_channel(&self, other: &$name<T>) -> bool {
                self.channel.is_same(&other.channel) || self.channel.is_mute() && other.channel.is_mute()
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> $name<T> {
                $name { channel: self.channel.clone() }
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(concat!(stringify!($name), " { .. }"))
            }
        }
    )+};
}

both_sides!(Sender, Receiver);
