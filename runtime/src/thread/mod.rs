//! [`std::thread`] with goroutines in the place of threads: `use gander::thread;` for `use std::thread;`.
//!
//! The facade's page says what a program sees. Here: handles and scopes are the runtime's own, which have std's methods
//! beside theirs; what is different is who may be [`current`], what a [`Builder`] returns as an error, and that spawning
//! starts a runtime where none runs.

mod builder;
mod handle;

use std::io;
use std::num::NonZero;
use std::time::Duration;

pub use std::thread::{AccessError, LocalKey, Result, panicking};

pub use self::builder::Builder;
pub use self::handle::{Thread, ThreadId, current};
pub use crate::current::{park, park_timeout, sleep, yield_now};
pub use crate::join::JoinHandle;
pub use crate::scope::{Scope, ScopedJoinHandle};

use crate::error::{SpawnError, StartError};
use crate::runtime::{self, Settings};

/// Spawns a goroutine and returns the handle to join it. As [`std::thread::spawn`]; starts the runtime if none runs.
///
/// # Blocking
///
/// Never parks. To start the runtime takes as long as to start a few threads.
///
/// # Panics
///
/// If it cannot be made; [`Builder::spawn`] returns that as an error.
///
/// # Examples
///
/// ```
/// use gander_runtime::thread;
///
/// let worker = thread::spawn(|| 6 * 7);
/// assert_eq!(worker.join().unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f).unwrap_or_else(|error| panic!("failed to spawn a goroutine: {error}"))
}

/// Calls `f` with a [`Scope`] whose goroutines may borrow from outside the call, and waits for all of them. As
/// [`std::thread::scope`]; starts the runtime if none runs.
///
/// # Blocking
///
/// Parks the goroutine until the children have ended; blocks an ordinary thread.
///
/// # Panics
///
/// If `f` panics, or a child panicked that nobody joined. If none runs and the runtime cannot be started.
///
/// # Examples
///
/// ```
/// use gander_runtime::thread;
///
/// let mut counts = [0; 4];
/// thread::scope(|s| {
///     for count in &mut counts {
///         s.spawn(|| *count += 1);
///     }
/// });
/// assert_eq!(counts, [1; 4]);
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    started().unwrap_or_else(|error| panic!("gander cannot run: {error}"));
    crate::scope::scope(f)
}

/// How many goroutines may run at once, [`procs`](crate::procs); while no runtime runs, what
/// [`std::thread::available_parallelism`] says.
///
/// # Errors
///
/// As std's. None while a runtime runs.
pub fn available_parallelism() -> io::Result<NonZero<usize>> {
    match runtime::running() {
        Ok(_) => Ok(NonZero::new(crate::procs()).unwrap_or(NonZero::<usize>::MIN)),
        Err(_) => std::thread::available_parallelism(),
    }
}

/// [`sleep`]s for so many milliseconds.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread.
#[deprecated = "replaced by `sleep`, as in std"]
pub fn sleep_ms(ms: u32) {
    sleep(Duration::from_millis(ms.into()));
}

/// [`park`]s for at most so many milliseconds.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread.
#[deprecated = "replaced by `park_timeout`, as in std"]
pub fn park_timeout_ms(ms: u32) {
    park_timeout(Duration::from_millis(ms.into()));
}

/// Sees to it that a runtime runs, or has run before a fork: then spawning says so.
fn started() -> std::result::Result<(), StartError> {
    match runtime::running() {
        Err(SpawnError::NotRunning) => runtime::start(&Settings::default()),
        _ => Ok(()),
    }
}
