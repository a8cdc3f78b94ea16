//! How a goroutine shall be, where std's `Builder` stood.

#![allow(unsafe_code, reason = "std has a spawn whose borrows the caller answers for")]

use std::io;
use std::panic::Location;
use std::sync::Arc;

use crate::error::StartError;
use crate::join::JoinHandle;
use crate::scope::{Scope, ScopedJoinHandle};
use crate::spawn::joinable;

/// Settings of a goroutine. As [`std::thread::Builder`]; spawning starts the runtime if none runs.
///
/// # Examples
///
/// ```
/// use gander_runtime::thread;
///
/// let worker = thread::Builder::new().name("worker".into()).spawn(|| thread::current().name().map(str::len))?;
/// assert_eq!(worker.join().unwrap(), Some(6));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// The defaults.
    #[allow(clippy::new_without_default, reason = "std's has none")]
    pub fn new() -> Builder {
        Builder { name: None, stack_size: None }
    }

    /// Names the goroutine, for reports.
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name);
        self
    }

    /// The most bytes of stack the goroutine may use: rounded up to a power of two, from 16 KiB to 1 GiB; 1 MiB where
    /// nothing is said. Only what is used becomes memory.
    pub fn stack_size(mut self, size: usize) -> Builder {
        self.stack_size = Some(size);
        self
    }

    /// Spawns a goroutine.
    ///
    /// # Blocking
    ///
    /// Never parks. To start the runtime takes as long as to start a few threads.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or none runs and the runtime cannot be started; inside is a
    /// [`SpawnError`](crate::SpawnError) or a [`StartError`].
    ///
    /// # Panics
    ///
    /// If there is a zero byte in its name, as std's.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: 'static.
        unsafe { self.spawn_unchecked(f) }
    }

    /// [`spawn`](Self::spawn), of what may borrow.
    ///
    /// # Blocking
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Safety
    ///
    /// Whatever `f` and its result borrow outlives the goroutine, and the handle.
    #[track_caller]
    pub unsafe fn spawn_unchecked<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let (name, stack_size) = self.ready()?;
        // SAFETY: by contract.
        Ok(unsafe { joinable(f, None, name, stack_size, Location::caller()) }?)
    }

    /// Spawns a goroutine that may borrow what outlives the scope.
    ///
    /// # Blocking
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let (name, stack_size) = self.ready()?;
        Ok(scope.launch(f, name, stack_size, Location::caller())?)
    }

    /// What the goroutine shall have; a runtime runs then.
    #[track_caller]
    fn ready(self) -> io::Result<(Option<Arc<str>>, Option<usize>)> {
        if let Some(name) = &self.name {
            assert!(!name.contains('\0'), "the name of a thread may not contain zero bytes: {name:?}");
        }
        super::started()?;
        Ok((self.name.map(Arc::from), self.stack_size))
    }
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> io::Error {
        let kind = match &error {
            StartError::Thread(error) | StartError::Signal { error, .. } => error.kind(),
            StartError::Procs(_) | StartError::MaxThreads | StartError::Conflict { .. } => {
                io::ErrorKind::InvalidInput
            }
            StartError::OwnThreadLocals(_) | StartError::Forked => io::ErrorKind::Unsupported,
            StartError::Spawn(_) => io::ErrorKind::OutOfMemory,
        };
        io::Error::new(kind, error)
    }
}
