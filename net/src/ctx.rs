//! Operations that end when a context does.
//!
//! This crate does not know contexts. It knows [`Cancel`], as channels and locks do: a signal, which ends waits, and the
//! error to return then.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use gander_runtime::Cancel;

use crate::err;
use crate::fd::End;

/// Runs an operation that the context's signal ends; then the error is the context's.
pub(crate) fn within<C, T>(ctx: &C, operate: impl FnOnce(End<'_>) -> io::Result<T>) -> io::Result<T>
where
    C: Cancel<Error: Into<io::Error>> + ?Sized,
{
    if ctx.is_cancelled() {
        return Err(ctx.error().into());
    }
    operate(ctx.signal()).map_err(|error| if err::is_cancelled(&error) { ctx.error().into() } else { error })
}

/// What can be read from until a signal fires. (In a private module: nobody else implements it.)
pub trait ReadUntil {
    #[doc(hidden)]
    fn read_until(&self, buf: &mut [u8], end: End<'_>) -> io::Result<usize>;

    #[doc(hidden)]
    fn read_vectored_until(&self, bufs: &mut [IoSliceMut<'_>], end: End<'_>) -> io::Result<usize> {
        let first = bufs.iter_mut().find(|buf| !buf.is_empty());
        self.read_until(first.map_or(&mut [], |buf| &mut **buf), end)
    }
}

/// What can be written to until a signal fires.
pub trait WriteUntil {
    #[doc(hidden)]
    fn write_until(&self, buf: &[u8], end: End<'_>) -> io::Result<usize>;

    #[doc(hidden)]
    fn write_vectored_until(&self, bufs: &[IoSlice<'_>], end: End<'_>) -> io::Result<usize> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.write_until(first.map_or(&[], |buf| &**buf), end)
    }
}

/// A stream as one reads from it and writes to it on behalf of a context: when the context is done, whoever waits in a
/// read or a write is woken, and that one and all later ones fail with the context's error. The stream itself and what
/// others do with it are not touched. Made by `with_ctx` of each stream, pipe and standard stream of a child.
///
/// It is a reference: it can be copied, and everything that takes a reader or a writer takes it.
///
/// # Examples
///
/// ```
/// # use gander_runtime::{Cancel, Signal};
/// # #[derive(Default)]
/// # struct Context(Signal);
/// # impl Cancel for Context {
/// #     type Error = std::io::Error;
/// #     fn signal(&self) -> Option<&Signal> { Some(&self.0) }
/// #     fn error(&self) -> std::io::Error { std::io::Error::other("context canceled") }
/// # }
/// # gander_runtime::run(|| {
/// use std::io::{BufRead, BufReader};
///
/// use gander_net::UnixStream;
///
/// let (stream, _peer) = UnixStream::pair().unwrap();
/// # let ctx = std::sync::Arc::new(Context::default());
/// # let cancel = { let ctx = ctx.clone(); move || ctx.0.fire() };
/// gander_runtime::go(move || { cancel(); });
/// let error = BufReader::new(stream.with_ctx(&*ctx)).read_line(&mut String::new()).unwrap_err();
/// assert_eq!(error.to_string(), "context canceled");
/// # });
/// ```
pub struct WithCtx<'a, S, C: ?Sized> {
    pub(crate) stream: &'a S,
    pub(crate) ctx: &'a C,
}

impl<S, C: ?Sized> Clone for WithCtx<'_, S, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, C: ?Sized> Copy for WithCtx<'_, S, C> {}

impl<S: fmt::Debug, C: ?Sized> fmt::Debug for WithCtx<'_, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithCtx").field("stream", self.stream).finish_non_exhaustive()
    }
}

/// # Blocking
///
/// As the stream's own, until the context is done.
impl<S: ReadUntil, C: Cancel<Error: Into<io::Error>> + ?Sized> Read for WithCtx<'_, S, C> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        within(self.ctx, |end| self.stream.read_until(buf, end))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        within(self.ctx, |end| self.stream.read_vectored_until(bufs, end))
    }
}

/// A write that the context has cut off returns what was written; the next one fails.
///
/// # Blocking
///
/// As the stream's own, until the context is done.
impl<S: WriteUntil, C: Cancel<Error: Into<io::Error>> + ?Sized> Write for WithCtx<'_, S, C> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        within(self.ctx, |end| self.stream.write_until(buf, end))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        within(self.ctx, |end| self.stream.write_vectored_until(bufs, end))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The method that makes one.
macro_rules! with_ctx {
    ($name:ident) => {
        impl $name {
            /// The same stream, to read from and write to on behalf of a context: what waits there ends when the context
            /// does, with the context's error.
            pub fn with_ctx<'a, C: gander_runtime::Cancel + ?Sized>(
                &'a self,
                ctx: &'a C,
            ) -> crate::ctx::WithCtx<'a, $name, C> {
                crate::ctx::WithCtx { stream: self, ctx }
            }
        }
    };
}

pub(crate) use with_ctx;
