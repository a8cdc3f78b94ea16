//! Sends and receives that end when a context does.

use std::error::Error;
use std::fmt;

use gander_runtime::Cancel;

use crate::chan::{Receiver, Sender};
use crate::op::End;

/// Why a send with a context failed; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendCtxError<T, E> {
    /// The context was done before there was room. This is its error.
    Canceled(T, E),
    /// The channel is closed.
    Disconnected(T),
}

/// Why a receive with a context failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvCtxError<E> {
    /// The context was done before there was a value. This is its error.
    Canceled(E),
    /// The channel is closed and nothing is left in it.
    Disconnected,
}

impl<T> Sender<T> {
    /// Sends a value, unless `ctx` is done before there is room for it.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If `ctx` is done: at once if it was before, room or not. If the channel is closed. The value comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gander_runtime::{Cancel, Signal};
    /// # #[derive(Default)]
    /// # struct Context(Signal);
    /// # impl Cancel for Context {
    /// #     type Error = &'static str;
    /// #     fn signal(&self) -> Option<&Signal> { Some(&self.0) }
    /// #     fn error(&self) -> &'static str { "canceled" }
    /// # }
    /// # let ctx = Context::default();
    /// use gander_chan::{SendCtxError, bounded};
    ///
    /// let (s, r) = bounded(1);
    /// assert_eq!(s.send_ctx(1, &ctx), Ok(()));
    /// # ctx.0.fire();
    /// // … the context is cancelled …
    /// assert_eq!(s.send_ctx(2, &ctx), Err(SendCtxError::Canceled(2, "canceled")));
    /// # drop(r);
    /// ```
    pub fn send_ctx<C: Cancel + ?Sized>(&self, value: T, ctx: &C) -> Result<(), SendCtxError<T, C::Error>> {
        if ctx.is_cancelled() {
            return Err(SendCtxError::Canceled(value, ctx.error()));
        }
        self.channel().send_within(value, || (u64::MAX, ctx.signal())).map_err(|(value, end)| match end {
            End::GaveUp => SendCtxError::Canceled(value, ctx.error()),
            _ => SendCtxError::Disconnected(value),
        })
    }
}

impl<T> Receiver<T> {
    /// Receives the first value, unless `ctx` is done before there is one.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If `ctx` is done: at once if it was before, value or not. If the channel is closed and nothing is left in it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gander_runtime::{Cancel, Signal};
    /// # #[derive(Default)]
    /// # struct Context(Signal);
    /// # impl Cancel for Context {
    /// #     type Error = &'static str;
    /// #     fn signal(&self) -> Option<&Signal> { Some(&self.0) }
    /// #     fn error(&self) -> &'static str { "canceled" }
    /// # }
    /// # gander_runtime::run(|| {
    /// # let ctx = std::sync::Arc::new(Context::default());
    /// use gander_chan::{RecvCtxError, bounded};
    ///
    /// let (_s, r) = bounded::<()>(0);
    /// # let cancel = ctx.clone();
    /// # let cancel = move || cancel.0.fire();
    /// gander_runtime::go(move || { cancel(); });
    /// assert_eq!(r.recv_ctx(&*ctx), Err(RecvCtxError::Canceled("canceled")));
    /// # });
    /// ```
    pub fn recv_ctx<C: Cancel + ?Sized>(&self, ctx: &C) -> Result<T, RecvCtxError<C::Error>> {
        if ctx.is_cancelled() {
            return Err(RecvCtxError::Canceled(ctx.error()));
        }
        self.channel().recv_within(|| (u64::MAX, ctx.signal())).map_err(|end| match end {
            End::GaveUp => RecvCtxError::Canceled(ctx.error()),
            _ => RecvCtxError::Disconnected,
        })
    }
}

impl<T, E> SendCtxError<T, E> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            SendCtxError::Canceled(value, _) | SendCtxError::Disconnected(value) => value,
        }
    }

    /// Whether the context was done.
    pub fn is_canceled(&self) -> bool {
        matches!(self, SendCtxError::Canceled(..))
    }

    /// Whether the channel is closed.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, SendCtxError::Disconnected(_))
    }
}

impl<E> RecvCtxError<E> {
    /// Whether the context was done.
    pub fn is_canceled(&self) -> bool {
        matches!(self, RecvCtxError::Canceled(_))
    }

    /// Whether the channel is closed and nothing is left in it.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, RecvCtxError::Disconnected)
    }
}

impl<T, E: fmt::Debug> fmt::Debug for SendCtxError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendCtxError::Canceled(_, error) => {
                f.debug_tuple("Canceled").field(&format_args!("..")).field(error).finish()
            }
            SendCtxError::Disconnected(_) => f.pad("Disconnected(..)"),
        }
    }
}

impl<T, E: fmt::Display> fmt::Display for SendCtxError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendCtxError::Canceled(_, error) => error.fmt(f),
            SendCtxError::Disconnected(_) => f.pad("sending on a disconnected channel"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for RecvCtxError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvCtxError::Canceled(error) => error.fmt(f),
            RecvCtxError::Disconnected => f.pad("receiving on an empty and disconnected channel"),
        }
    }
}

impl<T, E: fmt::Debug + fmt::Display> Error for SendCtxError<T, E> {}
impl<E: fmt::Debug + fmt::Display> Error for RecvCtxError<E> {}
