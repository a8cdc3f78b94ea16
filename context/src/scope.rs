//! Goroutines that borrow and may fail: the first failure cancels the others.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use gander_runtime::{Scope, scope};

use crate::context::{CancelFunc, Context};

/// A place to spawn goroutines that borrow what lives longer than the call of [`try_scope`], and that may fail.
pub struct TryScope<'scope, 'env: 'scope, E> {
    scope: &'scope Scope<'scope, 'env>,
    shared: Arc<Shared<E>>,
}

/// What the goroutines of one scope share.
struct Shared<E> {
    ctx: Context,
    cancel: CancelFunc,
    first: Mutex<Option<E>>,
}

impl<E> Shared<E> {
    fn fail(&self, error: E) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let late = if first.is_none() { first.replace(error) } else { Some(error) };
        drop(first);
        self.cancel.cancel();
        drop(late);
    }
}

/// Calls `f` with a scope whose goroutines may borrow from outside the call, each with a child of `ctx`. Waits for all of
/// them, also when `f` panics. When one fails, or `f` does, the context of all is cancelled; afterwards it is in any case.
///
/// # Blocking
///
/// Parks the goroutine until all have ended; blocks an ordinary thread.
///
/// # Errors
///
/// The error that came first in time, of a goroutine or of `f`.
///
/// # Panics
///
/// With `f`'s panic; or if a goroutine panicked, which cancels the context too.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_context::{Context, try_scope};
///
/// let mut numbers = [1, 2, 3];
/// let done: Result<(), String> = try_scope(&Context::background(), |s| {
///     for number in &mut numbers {
///         s.spawn(|_ctx| {
///             *number *= 2;
///             Ok(())
///         });
///     }
///     Ok(())
/// });
/// assert_eq!((done, numbers), (Ok(()), [2, 4, 6]));
///
/// let failed: Result<(), &str> = try_scope(&Context::background(), |s| {
///     s.spawn(|ctx| {
///         let _ = ctx.done().recv(); // until the other one fails
///         Err("second")
///     });
///     s.spawn(|_| Err("first"));
///     Ok(())
/// });
/// assert_eq!(failed, Err("first"));
/// # });
/// ```
#[track_caller]
pub fn try_scope<'env, F, T, E>(ctx: &Context, f: F) -> Result<T, E>
where
    F: for<'scope> FnOnce(&TryScope<'scope, 'env, E>) -> Result<T, E>,
    E: Send + 'env,
{
    let (ctx, cancel) = ctx.with_cancel();
    let shared = Arc::new(Shared { ctx, cancel, first: Mutex::new(None) });
    let answer = {
        let _in_any_case = shared.cancel.clone().cancel_on_drop();
        scope(|scope| {
            let here = TryScope { scope, shared: shared.clone() };
            let answer = catch_unwind(AssertUnwindSafe(|| f(&here)));
            match answer {
                Ok(Ok(value)) => Some(value),
                Ok(Err(error)) => {
                    shared.fail(error);
                    None
                }
                Err(payload) => {
                    shared.cancel.cancel();
                    resume_unwind(payload)
                }
            }
        })
    };
    let first = shared.first.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (first, answer) {
        (Some(error), _) => Err(error),
        (None, answer) => Ok(answer.expect("there is a value or an error")),
    }
}

impl<'scope, E: Send + 'scope> TryScope<'scope, '_, E> {
    /// The context of the scope: ended when a goroutine has failed.
    pub fn context(&self) -> &Context {
        &self.shared.ctx
    }

    /// Spawns a goroutine that may borrow what outlives the scope.
    ///
    /// # Panics
    ///
    /// If it cannot be made, or no runtime runs.
    #[track_caller]
    pub fn spawn<F>(&self, f: F)
    where
        F: FnOnce(&Context) -> Result<(), E> + Send + 'scope,
    {
        let shared = self.shared.clone();
        self.scope.spawn(move || match catch_unwind(AssertUnwindSafe(|| f(&shared.ctx))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.fail(error),
            Err(payload) => {
                shared.cancel.cancel();
                resume_unwind(payload)
            }
        });
    }
}

impl<E> fmt::Debug for TryScope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScope").field("context", &self.shared.ctx).finish_non_exhaustive()
    }
}
