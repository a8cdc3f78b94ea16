//! Functions that run once, however often they are called. (Go's `sync.OnceFunc` and `sync.OnceValue`.)

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::mutex::Mutex;
use crate::once::Once;
use crate::once_lock::OnceLock;
use crate::payload::copy;

/// A function that runs `f` when it is first called, and then no more. If that panics each call does, with the same
/// message. `f`, with all it owns, is dropped when it has run.
///
/// # Examples
///
/// ```
/// use gander_sync::{atomic::{AtomicU32, Ordering}, once_func};
///
/// static RUNS: AtomicU32 = AtomicU32::new(0);
/// let start = once_func(|| { RUNS.fetch_add(1, Ordering::Relaxed); });
/// start();
/// start();
/// assert_eq!(RUNS.load(Ordering::Relaxed), 1);
/// ```
pub fn once_func<F>(f: F) -> impl Fn() + Send + Sync
where
    F: FnOnce() + Send,
{
    let value = OnceResult::new(f);
    move || *value.get()
}

/// A function that returns a copy of what `f` returned when it was first called. If that panics each call does, with the
/// same message. `f`, with all it owns, is dropped when it has run.
///
/// # Examples
///
/// ```
/// use gander_sync::once_value;
///
/// let answer = once_value(|| 6 * 7);
/// assert_eq!(answer() + answer(), 84);
/// ```
pub fn once_value<T, F>(f: F) -> impl Fn() -> T + Send + Sync
where
    T: Clone + Send + Sync,
    F: FnOnce() -> T + Send,
{
    let value = OnceResult::new(f);
    move || value.get().clone()
}

type Payload = Box<dyn Any + Send>;

/// What a closure returned, or how it panicked.
struct OnceResult<T, F> {
    once: Once,
    f: Mutex<Option<F>>,
    value: OnceLock<T>,
    /// A panic is passed on as it is to who ran the closure, and as a copy to others.
    payload: Mutex<Option<Payload>>,
}

impl<T, F: FnOnce() -> T> OnceResult<T, F> {
    fn new(f: F) -> OnceResult<T, F> {
        let payload = Mutex::new(None);
        OnceResult { once: Once::new(), f: Mutex::new(Some(f)), value: OnceLock::new(), payload }
    }

    fn get(&self) -> &T {
        let mut first = None;
        self.once.call_once(|| {
            let f = self.f.lock().unwrap_or_else(|error| error.into_inner()).take().expect("called once");
            match catch_unwind(AssertUnwindSafe(f)) {
                Ok(value) => {
                    let _ = self.value.set(value);
                }
                Err(payload) => {
                    *self.payload.lock().unwrap_or_else(|error| error.into_inner()) = Some(copy(&*payload));
                    first = Some(payload);
                }
            }
        });
        if let Some(payload) = first {
            resume_unwind(payload);
        }
        self.value.get().unwrap_or_else(|| {
            let payload = self.payload.lock().unwrap_or_else(|error| error.into_inner());
            resume_unwind(copy(&**payload.as_ref().expect("it returned or it panicked")))
        })
    }
}
