//! The handles.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gander_chan::{Receiver, never};
use gander_runtime::leak::Family;
use gander_runtime::{Cancel, Signal};

use crate::core::{Core, End};
use crate::error::{Cause, ContextError};
use crate::value::{self, Entry};

/// Says when a piece of work is not wanted any more, until when it has time, and what goes along with it. A clone is one
/// more handle of the same context. Go's `context.Context`.
///
/// Give it to functions as their first argument. A context that was made from another one ends with that at the latest.
#[derive(Clone)]
pub struct Context {
    /// None: it never ends.
    core: Option<Arc<Core>>,
    values: Option<Arc<Entry>>,
    /// The name of one that stands for itself.
    name: &'static str,
}

impl UnwindSafe for Context {}
impl RefUnwindSafe for Context {}

impl Context {
    /// The root: it never ends, has no deadline and no values. Costs nothing.
    pub const fn background() -> Context {
        Context { core: None, values: None, name: "background" }
    }

    /// As [`background`](Context::background), where it is not decided yet which context it shall be.
    pub const fn todo() -> Context {
        Context { core: None, values: None, name: "todo" }
    }

    /// A child that can be cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_context::{Context, ContextError};
    ///
    /// let (parent, cancel) = Context::background().with_cancel();
    /// let (child, _) = parent.with_cancel();
    /// cancel.cancel();
    /// assert_eq!(child.err(), Some(ContextError::Canceled));
    /// ```
    pub fn with_cancel(&self) -> (Context, CancelFunc) {
        let (child, core) = self.child(self.deadline());
        (child, CancelFunc { core })
    }

    /// A child that can be cancelled for a reason, which [`cause`](Context::cause) then tells.
    ///
    /// # Examples
    ///
    /// ```
    /// let (ctx, cancel) = gander_context::Context::background().with_cancel_cause();
    /// cancel.cancel("the user went away");
    /// assert_eq!(ctx.err().unwrap().to_string(), "context canceled");
    /// assert_eq!(ctx.cause().unwrap().to_string(), "the user went away");
    /// ```
    pub fn with_cancel_cause(&self) -> (Context, CancelCauseFunc) {
        let (child, core) = self.child(self.deadline());
        (child, CancelCauseFunc { core })
    }

    /// A child that ends at `at`, or at the parent's deadline if that is earlier. If that is past it has ended already.
    pub fn with_deadline(&self, at: Instant) -> (Context, CancelFunc) {
        self.limited(Some(at), None)
    }

    /// [`with_deadline`](Context::with_deadline), with a [`cause`](Context::cause) if it ends by its own deadline.
    pub fn with_deadline_cause(
        &self,
        at: Instant,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelFunc) {
        self.limited(Some(at), Some(cause.into().into()))
    }

    /// A child that ends when `timeout` has passed, or at the parent's deadline if that is earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// use std::time::Duration;
    ///
    /// use gander_context::{Context, ContextError};
    ///
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(2));
    /// assert!(ctx.done().recv().is_err()); // closed when the time is up
    /// assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
    /// # });
    /// ```
    pub fn with_timeout(&self, timeout: Duration) -> (Context, CancelFunc) {
        self.limited(Instant::now().checked_add(timeout), None)
    }

    /// [`with_timeout`](Context::with_timeout), with a [`cause`](Context::cause) if it ends by its own deadline.
    pub fn with_timeout_cause(
        &self,
        timeout: Duration,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelFunc) {
        self.limited(Instant::now().checked_add(timeout), Some(cause.into().into()))
    }

    /// None: at no moment that there is.
    fn limited(&self, at: Option<Instant>, cause: Option<Cause>) -> (Context, CancelFunc) {
        let Some(at) = at.filter(|&at| self.deadline().is_none_or(|parents| at < parents)) else {
            return self.with_cancel();
        };
        let (child, core) = self.child(Some(at));
        core.mind_deadline(at, cause);
        (child, CancelFunc { core })
    }

    fn child(&self, deadline: Option<Instant>) -> (Context, Arc<Core>) {
        let core = Core::new(self.core.clone(), deadline);
        (Context { core: Some(core.clone()), values: self.values.clone(), name: "" }, core)
    }

    /// A child with one more value, found by its type: for each kind of value make a type of your own, which then is the
    /// key. It ends with its parent.
    ///
    /// # Examples
    ///
    /// ```
    /// struct RequestId(u64);
    ///
    /// let ctx = gander_context::Context::background().with_value(RequestId(7));
    /// assert_eq!(ctx.value::<RequestId>().unwrap().0, 7);
    /// assert!(ctx.value::<String>().is_none());
    /// ```
    pub fn with_value<T: Any + Send + Sync>(&self, value: T) -> Context {
        let values = Some(Arc::new(Entry::new(value, self.values.clone())));
        Context { core: self.core.clone(), values, name: "" }
    }

    /// The value of type `T` that was given last on the way from the root to here.
    pub fn value<T: Any + Send + Sync>(&self) -> Option<&T> {
        value::find(self.values.as_ref())
    }

    /// A child with the values of this one, that does not end with it and has no deadline: for what is to be done all the
    /// same.
    pub fn without_cancel(&self) -> Context {
        Context { core: None, values: self.values.clone(), name: "" }
    }

    /// When it will have ended at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.core.as_ref()?.deadline
    }

    /// A channel that is closed when the context has ended, for `select!`. Nothing is ever sent on it, and it is not to
    /// be closed by anybody else. That of a context that never ends never becomes ready.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// let (ctx, cancel) = gander_context::Context::background().with_cancel();
    /// let worker = gander_runtime::spawn(move || ctx.done().recv());
    /// cancel.cancel();
    /// assert!(worker.join().unwrap().is_err());
    /// # });
    /// ```
    pub fn done(&self) -> &Receiver<()> {
        static NEVER: LazyLock<Receiver<()>> = LazyLock::new(never);
        self.core.as_ref().map_or(&*NEVER, |core| core.done())
    }

    /// Why it has ended; none if it has not. Once there is an error it stays, and [`done`](Context::done) is closed.
    ///
    /// It looks at the clock itself if there is a deadline: a loop that asks now and then ends in time, also where it
    /// lets nobody else run.
    pub fn err(&self) -> Option<ContextError> {
        let core = self.core.as_ref()?;
        let error = core.error();
        if error.is_some() || core.deadline.is_none() {
            return error;
        }
        core.expire();
        core.error()
    }

    /// What was given as the reason of its end; the error itself, if nothing was. None if it has not ended.
    pub fn cause(&self) -> Option<Cause> {
        self.err()?;
        let end = self.core.as_ref()?.end()?;
        Some(end.cause.unwrap_or_else(|| Arc::new(end.error)))
    }

    /// Calls `f` when the context has ended, in a goroutine of its own (where no runtime runs, in a thread). Dropping the
    /// answer does not take it back: until the context ends, or [`stop`](StopFunc::stop) is called, it stays registered.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// let (ctx, cancel) = gander_context::Context::background().with_cancel();
    /// let (tx, rx) = gander_chan::bounded(1);
    /// ctx.after_func(move || tx.send("bye").unwrap());
    /// cancel.cancel();
    /// assert_eq!(rx.recv(), Ok("bye"));
    /// # });
    /// ```
    #[track_caller]
    pub fn after_func(&self, f: impl FnOnce() + Send + 'static) -> StopFunc {
        let family = Family::current();
        let f = move || {
            family.join();
            f();
        };
        StopFunc { core: Core::register(self.core.clone(), Box::new(f), Location::caller()) }
    }
}

impl Cancel for Context {
    type Error = ContextError;

    fn signal(&self) -> Option<&Signal> {
        self.core.as_ref().map(|core| &core.signal)
    }

    fn error(&self) -> ContextError {
        self.err().unwrap_or(ContextError::Canceled)
    }

    fn deadline(&self) -> Option<Instant> {
        Context::deadline(self)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.core {
            None if !self.name.is_empty() => write!(f, "Context::{}()", self.name),
            None => f.write_str("Context { .. }"),
            Some(core) => f
                .debug_struct("Context")
                .field("err", &core.error())
                .field("deadline", &core.deadline)
                .finish_non_exhaustive(),
        }
    }
}

/// Cancels the context that it was made with. Clones cancel the same. Dropping it cancels nothing; for that there is
/// [`cancel_on_drop`](CancelFunc::cancel_on_drop).
#[derive(Clone)]
pub struct CancelFunc {
    core: Arc<Core>,
}

impl CancelFunc {
    /// Cancels the context and all that were made from it. When this returns all of them have ended; what they end by
    /// that may not have. If it has ended already this does nothing.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn cancel(&self) {
        self.core.cancel(End { error: ContextError::Canceled, cause: None });
    }

    /// Cancels when dropped: Go's `defer cancel()`.
    ///
    /// # Examples
    ///
    /// ```
    /// let (ctx, cancel) = gander_context::Context::background().with_cancel();
    /// {
    ///     let _guard = cancel.cancel_on_drop();
    /// }
    /// assert!(ctx.err().is_some());
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop {
        CancelOnDrop(self)
    }
}

/// Cancels a context when it is dropped. Made by [`CancelFunc::cancel_on_drop`].
#[derive(Debug)]
#[must_use = "it cancels when it is dropped"]
pub struct CancelOnDrop(CancelFunc);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Cancels the context that it was made with, for a reason. Clones cancel the same; the first reason counts.
#[derive(Clone)]
pub struct CancelCauseFunc {
    core: Arc<Core>,
}

impl CancelCauseFunc {
    /// As [`CancelFunc::cancel`], and [`Context::cause`] will be `cause`: an error, or a text.
    pub fn cancel(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.core.cancel(End { error: ContextError::Canceled, cause: Some(cause.into().into()) });
    }
}

/// Takes back what [`Context::after_func`] registered.
pub struct StopFunc {
    core: Arc<Core>,
}

impl StopFunc {
    /// Takes it back. True if that kept the function from being called; then it is dropped. It does not wait for a
    /// function that has been called.
    pub fn stop(&self) -> bool {
        self.core.revoke()
    }
}

macro_rules! opaque {
    ($($name:ident),+) => {$(
        impl UnwindSafe for $name {}
        impl RefUnwindSafe for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}

opaque!(CancelFunc, CancelCauseFunc, StopFunc);
