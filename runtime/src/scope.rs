//! Goroutines that borrow from their parent's stack.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Result;

use crate::builder::Builder;
use crate::error::SpawnError;
use crate::g::handle::Goroutine;
use crate::g::reason::WaitReason;
use crate::join::JoinHandle;
use crate::park::{Task, wait_if};
use crate::spawn;
use crate::thread::Thread;

/// A place to spawn goroutines that borrow what lives longer than the call of [`scope`]. As [`std::thread::Scope`].
pub struct Scope<'scope, 'env: 'scope> {
    data: Arc<Data>,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// What a scope and its children share. The children hold it by `Arc`: the last one still touches it when the
/// parent may already be gone.
pub(crate) struct Data {
    /// Children that run, plus one for the parent until it waits.
    running: AtomicUsize,
    /// The parent, once it waits.
    parent: AtomicUsize,
    a_child_panicked: AtomicBool,
}

impl Data {
    /// A child's panic reached nobody.
    pub(crate) fn note_panic(&self) {
        self.a_child_panicked.store(true, Ordering::Relaxed);
    }

    /// One child less; the last one wakes the parent. After this the parent's frame may be gone.
    pub(crate) fn end_one(&self) {
        // AcqRel: what every child did happened before the parent goes on.
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            let parent = self.parent.load(Ordering::Relaxed);
            if parent != 0 {
                // SAFETY: the parent registered before it gave up its own share of `running` at rest, so with the
                // last share it waits, and only the last one wakes it.
                unsafe { Task::from_bits(parent).ready() }
            }
        }
    }

    /// Waits until no child runs. Does not unwind.
    fn wait(&self) {
        self.parent.store(Task::current().bits(), Ordering::Relaxed);
        // SAFETY: if we were not the last, whoever is wakes us, once.
        unsafe {
            wait_if(WaitReason::Scope, || self.running.fetch_sub(1, Ordering::AcqRel) != 1);
        }
    }
}

/// Calls `f` with a [`Scope`] whose goroutines may borrow from outside the call, and waits for all of them before
/// it returns, also when `f` panics or the goroutine [`exit`](crate::exit)s. As [`std::thread::scope`].
///
/// # Blocking
///
/// Parks the goroutine until the children have ended; blocks an ordinary thread.
///
/// # Panics
///
/// If `f` panics, or a child panicked that nobody joined.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander::run(|| {
/// let mut counts = [0; 4];
/// gander::scope(|s| {
///     for count in &mut counts {
///         s.spawn(|| *count += 1);
///     }
/// });
/// assert_eq!(counts, [1; 4]);
/// # });
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let scope = Scope {
        data: Arc::new(Data {
            running: AtomicUsize::new(1),
            parent: AtomicUsize::new(0),
            a_child_panicked: AtomicBool::new(false),
        }),
        scope: PhantomData,
        env: PhantomData,
    };
    let answer = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    scope.data.wait();
    match answer {
        Err(payload) => resume_unwind(payload),
        Ok(_) if scope.data.a_child_panicked.load(Ordering::Relaxed) => panic!("a scoped goroutine panicked"),
        Ok(answer) => answer,
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a goroutine that may borrow what outlives the scope.
    ///
    /// # Panics
    ///
    /// If it cannot be made; [`Builder::spawn_scoped`] returns that as an error.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Builder::new().spawn_scoped(self, f).unwrap_or_else(|error| panic!("failed to spawn a goroutine: {error}"))
    }

    pub(crate) fn launch<F, T>(
        &'scope self,
        f: F,
        name: Option<Arc<str>>,
        stack_size: Option<usize>,
        spawned_at: &'static Location<'static>,
    ) -> std::result::Result<ScopedJoinHandle<'scope, T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.data.running.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the scope waits until the goroutine has called `end_one`, by when it has dropped the closure, and
        // the result unless the handle still holds it; and the handle cannot outlive 'scope.
        let spawned = unsafe { spawn::joinable(f, Some(self.data.clone()), name, stack_size, spawned_at) };
        match spawned {
            Ok(handle) => Ok(ScopedJoinHandle { handle, scope: PhantomData }),
            Err(error) => {
                self.data.end_one();
                Err(error)
            }
        }
    }
}

/// The right to wait for a scoped goroutine and to take its result. As [`std::thread::ScopedJoinHandle`].
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// As [`JoinHandle::join`]. A panic taken here does not make the scope panic.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    pub fn join(self) -> Result<T> {
        self.handle.join()
    }

    /// As [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// As [`JoinHandle::goroutine`].
    pub fn goroutine(&self) -> &Goroutine {
        self.handle.goroutine()
    }

    /// As [`JoinHandle::thread`].
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goroutine = self.goroutine().id();
        f.debug_struct("ScopedJoinHandle").field("goroutine", &goroutine.as_u64()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = self.data.running.load(Ordering::Relaxed).saturating_sub(1);
        f.debug_struct("Scope").field("running", &running).finish_non_exhaustive()
    }
}
