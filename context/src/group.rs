//! Goroutines that work on one thing together: the first failure cancels the others.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use gander_chan::{Receiver, Sender, bounded};
use gander_runtime::lock::Lock;
use gander_runtime::{Signal, WaitReason, is_exit};

use crate::context::{CancelFunc, Context};

/// A group of goroutines that may fail. A clone is one more handle of the same group. Go's `errgroup.Group`.
///
/// Other than in Go a member's panic is not the end of the process: it counts as a failure, and [`wait`](ErrGroup::wait)
/// panics with it, as [`std::thread::scope`] does.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_context::{Context, ErrGroup};
///
/// let (group, ctx) = ErrGroup::with_context(&Context::background());
/// for i in 0..10 {
///     let ctx = ctx.clone();
///     group.go(move || {
///         if i == 3 {
///             return Err(format!("{i} failed"));
///         }
///         let _ = ctx.done().recv(); // until it is over
///         Ok(())
///     });
/// }
/// assert_eq!(group.wait(), Err("3 failed".to_string()));
/// # });
/// ```
pub struct ErrGroup<E> {
    inner: Arc<Inner<E>>,
}

struct Inner<E> {
    cancel: Option<CancelFunc>,
    state: Lock<State<E>>,
}

struct State<E> {
    /// Members that run.
    active: usize,
    /// Fired when none runs any more; a new one for each time that some do.
    idle: Option<Arc<Signal>>,
    /// A place for each that may run at a time: those that run have put something into it.
    places: Option<(Sender<()>, Receiver<()>)>,
    error: Option<E>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<E: Send + 'static> ErrGroup<E> {
    /// A group without a context.
    pub fn new() -> ErrGroup<E> {
        ErrGroup::of(None)
    }

    /// A group and a context, child of `ctx`, that is cancelled when a member fails or panics, and at the latest when
    /// [`wait`](ErrGroup::wait) returns.
    pub fn with_context(ctx: &Context) -> (ErrGroup<E>, Context) {
        let (ctx, cancel) = ctx.with_cancel();
        (ErrGroup::of(Some(cancel)), ctx)
    }

    fn of(cancel: Option<CancelFunc>) -> ErrGroup<E> {
        let state = State { active: 0, idle: None, places: None, error: None, panic: None };
        ErrGroup { inner: Arc::new(Inner { cancel, state: Lock::new(state) }) }
    }

    /// Sets how many members may run at a time; none: as many as there are. With zero none may.
    ///
    /// # Panics
    ///
    /// If members run.
    #[track_caller]
    pub fn set_limit(&self, most: Option<usize>) {
        let places = most.map(bounded);
        let mut state = self.inner.state.lock();
        let active = state.active;
        let old = if active == 0 { std::mem::replace(&mut state.places, places) } else { places };
        drop(state);
        drop(old);
        assert!(active == 0, "the limit of a group is set while {active} goroutines in it run");
    }

    /// Calls `f` in a goroutine of its own, as a member of the group.
    ///
    /// # Blocking
    ///
    /// At the limit it parks the goroutine (blocks an ordinary thread) until a member has ended.
    ///
    /// # Panics
    ///
    /// If the goroutine cannot be made, or no runtime runs.
    #[track_caller]
    pub fn go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) {
        let places = self.places();
        if let Some((take, _)) = &places {
            let _ = take.send(());
        }
        self.start(places.map(|(_, free)| free), f);
    }

    /// [`go`](ErrGroup::go), unless that would wait. Whether it was called.
    ///
    /// # Panics
    ///
    /// As [`go`](ErrGroup::go).
    #[track_caller]
    pub fn try_go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) -> bool {
        let places = self.places();
        if let Some((take, _)) = &places
            && take.try_send(()).is_err()
        {
            return false;
        }
        self.start(places.map(|(_, free)| free), f);
        true
    }

    /// The counts of a channel's handles are kept without its lock and without memory.
    fn places(&self) -> Option<(Sender<()>, Receiver<()>)> {
        self.inner.state.lock().places.clone()
    }

    #[track_caller]
    fn start(&self, place: Option<Receiver<()>>, f: impl FnOnce() -> Result<(), E> + Send + 'static) {
        let fresh = Arc::new(Signal::new());
        let mut state = self.inner.state.lock();
        if state.active == 0 {
            state.idle = Some(fresh);
        }
        state.active += 1;
        drop(state);
        // Ends the membership also if there comes no goroutine of it.
        let member = Member { inner: self.inner.clone(), place };
        gander_runtime::go(move || {
            match catch_unwind(AssertUnwindSafe(f)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => member.fail(Some(error), None),
                Err(payload) if is_exit(&*payload) => {}
                Err(payload) => member.fail(None, Some(payload)),
            }
            drop(member);
        });
    }

    /// Waits until no member runs, and cancels the group's context.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// The error that a member returned first. It is handed out once: to the first that waits.
    ///
    /// # Panics
    ///
    /// With the panic of the member that panicked first.
    pub fn wait(&self) -> Result<(), E> {
        loop {
            let idle = self.inner.state.lock().idle.clone();
            let Some(idle) = idle else { break };
            idle.wait(WaitReason::Signal);
        }
        if let Some(cancel) = &self.inner.cancel {
            cancel.cancel();
        }
        let mut state = self.inner.state.lock();
        let (error, panic) = (state.error.take(), state.panic.take());
        drop(state);
        match panic {
            Some(payload) => resume_unwind(payload),
            None => error.map_or(Ok(()), Err),
        }
    }
}

/// A member of a group, until it is dropped.
struct Member<E> {
    inner: Arc<Inner<E>>,
    place: Option<Receiver<()>>,
}

impl<E> Member<E> {
    /// The first failure is kept.
    fn fail(&self, error: Option<E>, panic: Option<Box<dyn Any + Send>>) {
        let mut state = self.inner.state.lock();
        let late = if state.error.is_none() && state.panic.is_none() {
            (state.error, state.panic) = (error, panic);
            None
        } else {
            Some((error, panic))
        };
        drop(state);
        if let Some(cancel) = &self.inner.cancel {
            cancel.cancel();
        }
        drop(late);
    }
}

impl<E> Drop for Member<E> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            let _ = place.try_recv();
        }
        let mut state = self.inner.state.lock();
        state.active -= 1;
        let idle = if state.active == 0 { state.idle.take() } else { None };
        drop(state);
        if let Some(idle) = idle {
            idle.fire();
        }
    }
}

impl<E: Send + 'static> Default for ErrGroup<E> {
    fn default() -> ErrGroup<E> {
        ErrGroup::new()
    }
}

impl<E> Clone for ErrGroup<E> {
    fn clone(&self) -> ErrGroup<E> {
        ErrGroup { inner: self.inner.clone() }
    }
}

impl<E> fmt::Debug for ErrGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = self.inner.state.lock().active;
        f.debug_struct("ErrGroup").field("active", &active).finish_non_exhaustive()
    }
}
