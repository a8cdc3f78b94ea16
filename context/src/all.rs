//! Several functions at a time, and their results in order.

use crate::context::Context;
use crate::scope::try_scope;

/// Calls all functions at a time, each in a goroutine of its own with a child of `ctx`, and returns what they return, in
/// their order. When one fails, or `ctx` ends, the context of the others ends.
///
/// # Blocking
///
/// Parks the goroutine until all have returned; blocks an ordinary thread.
///
/// # Errors
///
/// The error that came first in time.
///
/// # Panics
///
/// With the panic of a function, when all have ended. If a goroutine cannot be made, or no runtime runs.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_context::{Context, all};
///
/// let words = ["one", "two", "three"];
/// let lengths = all(&Context::background(), words.iter().map(|word| |_: &Context| Ok::<_, String>(word.len())));
/// assert_eq!(lengths, Ok(vec![3, 3, 5]));
/// # });
/// ```
#[track_caller]
pub fn all<F, T, E>(ctx: &Context, functions: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: FnOnce(&Context) -> Result<T, E> + Send,
    T: Send,
    E: Send,
{
    // Outside the scope, so that the goroutines may borrow their places.
    let functions: Vec<F> = functions.into_iter().collect();
    let mut results: Vec<Option<T>> = functions.iter().map(|_| None).collect();
    try_scope(ctx, |s| {
        for (f, place) in functions.into_iter().zip(&mut results) {
            s.spawn(move |ctx| {
                *place = Some(f(ctx)?);
                Ok(())
            });
        }
        Ok(())
    })?;
    Ok(results.into_iter().map(|result| result.expect("none has failed")).collect())
}
