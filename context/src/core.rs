//! The tree of cancellations.
//!
//! ```text
//!   parent ◄───────── core ◄───────── child
//!     │   strong: a child keeps its parent, through which its end may come
//!     └───► first ⇄ next ⇄ …          by address: a parent does not keep its children; they leave when they are dropped
//! ```
//!
//! * A core ends once: `State::end` is set under its lock, and after that nothing is linked below it.
//! * Then its channel is closed, its signal fired, and its children are ended in turn. Whoever sees the end before that
//!   is done does it himself: nobody who knows that a context is done finds it open. So it is with the children: who
//!   cancels a context that is being cancelled helps, and returns when all below it has ended.
//! * The links and `me` of a core are under its *parent's* lock; `me` is there while it is linked.
//! * Locks do not nest. Under one nothing is allocated or freed, and no code of the program runs.

#![allow(unsafe_code, reason = "children are linked by address: a parent does not keep them")]

use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use gander_chan::{Receiver, Sender, bounded};
use gander_runtime::lock::Lock;
use gander_runtime::timer::{Call, deadline_at};
use gander_runtime::{Signal, go_surely};

use crate::error::{Cause, ContextError};

/// Why it is over.
#[derive(Clone)]
pub(crate) struct End {
    pub(crate) error: ContextError,
    /// None: the error itself.
    pub(crate) cause: Option<Cause>,
}

/// A function that is called when a context is done.
pub(crate) type Func = Box<dyn FnOnce() + Send>;

/// One place in the tree.
pub(crate) struct Core {
    /// Fired when it has ended.
    pub(crate) signal: Signal,
    parent: Option<Arc<Core>>,
    /// The earliest of its own and its ancestors'.
    pub(crate) deadline: Option<Instant>,
    /// What ends it at its own deadline, if that is the earliest.
    timer: OnceLock<Timer>,
    /// Closed when it has ended; made for the first that asks.
    done: OnceLock<(Sender<()>, Receiver<()>)>,
    state: Lock<State>,
    prev: Cell<*const Core>,
    next: Cell<*const Core>,
    me: Cell<Option<Weak<Core>>>,
}

struct Timer {
    call: Call,
    expired: End,
}

struct State {
    end: Option<End>,
    /// Linked in a ring; the last is `first.prev`.
    children: *const Core,
    /// What is to be called at the end, and keeps the core until then although nobody has a handle.
    func: Option<(Func, &'static Location<'static>)>,
    anchor: Option<Arc<Core>>,
}

// SAFETY: the addresses are those of cores that are linked, and `Core` is Sync; used under a lock.
unsafe impl Send for State {}
// SAFETY: `prev`, `next` and `me` are touched under the parent's lock only; all else is Sync.
unsafe impl Sync for Core {}
// SAFETY: likewise.
unsafe impl Send for Core {}

impl Core {
    /// A new core below `parent`; ended, if that is.
    pub(crate) fn new(parent: Option<Arc<Core>>, deadline: Option<Instant>) -> Arc<Core> {
        Core::with_func(parent, deadline, None)
    }

    fn with_func(
        parent: Option<Arc<Core>>,
        deadline: Option<Instant>,
        func: Option<(Func, &'static Location<'static>)>,
    ) -> Arc<Core> {
        // Without a parent nothing will end it but `revoke`, for which there is a handle.
        let anchored = func.is_some() && parent.is_some();
        let core = Arc::new(Core {
            signal: Signal::new(),
            parent,
            deadline,
            timer: OnceLock::new(),
            done: OnceLock::new(),
            state: Lock::new(State { end: None, children: ptr::null(), func, anchor: None }),
            prev: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            me: Cell::new(None),
        });
        if anchored {
            let anchor = core.clone();
            core.state.lock().anchor = Some(anchor);
        }
        if let Some(parent) = &core.parent {
            // Nobody else knows this core yet.
            core.me.set(Some(Arc::downgrade(&core)));
            let mut state = parent.state.lock();
            if state.end.is_none() {
                // SAFETY: it is not linked; it leaves before it goes.
                unsafe { state.link(&core) };
            } else {
                drop(state);
                drop(core.me.take());
                core.cancel(parent.end().expect("it has ended"));
            }
        }
        core
    }

    /// Sees to it that it ends at its own deadline.
    pub(crate) fn mind_deadline(self: &Arc<Core>, at: Instant, cause: Option<Cause>) {
        let expired = End { error: ContextError::DeadlineExceeded, cause };
        if at <= Instant::now() {
            return self.cancel(expired);
        }
        let (core, end) = (Arc::downgrade(self), expired.clone());
        let call = Call::new(move |_| {
            if let Some(core) = core.upgrade() {
                core.cancel(end.clone());
            }
        });
        call.set(deadline_at(at));
        let _ = self.timer.set(Timer { call, expired });
        // Whoever ended it has seen the timer, or we see the end.
        if self.has_ended() {
            self.stop_timer();
        }
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.get() {
            timer.call.clear();
        }
    }

    /// A core for a function that is called when `parent` ends. It stays until then, or until [`revoke`](Core::revoke).
    pub(crate) fn register(parent: Option<Arc<Core>>, func: Func, at: &'static Location<'static>) -> Arc<Core> {
        Core::with_func(parent, None, Some((func, at)))
    }

    /// Takes back the function. Whether it was still there.
    pub(crate) fn revoke(&self) -> bool {
        let mut state = self.state.lock();
        let (func, anchor) = (state.func.take(), state.anchor.take());
        if func.is_some() {
            state.end = Some(End { error: ContextError::Canceled, cause: None });
        }
        drop(state);
        self.leave();
        // The program's destructors run with nothing held.
        drop(anchor);
        func.is_some()
    }

    /// Why it has ended, if it has. Then its channel is closed and its signal has fired.
    pub(crate) fn end(&self) -> Option<End> {
        let end = self.state.lock().end.clone();
        if end.is_some() && !self.signal.is_fired() {
            self.announce();
        }
        end
    }

    /// The error of [`end`](Core::end), without its cause.
    pub(crate) fn error(&self) -> Option<ContextError> {
        let error = self.state.lock().end.as_ref().map(|end| end.error);
        if error.is_some() && !self.signal.is_fired() {
            self.announce();
        }
        error
    }

    fn has_ended(&self) -> bool {
        self.state.lock().end.is_some()
    }

    /// Its channel.
    pub(crate) fn done(&self) -> &Receiver<()> {
        if self.done.get().is_none() {
            // Not made by the one that others would wait for: that one may be preempted.
            let _ = self.done.set(bounded(0));
            // Whoever ended it has seen the channel, or we see the end.
            if self.has_ended() {
                self.announce();
            }
        }
        &self.done.get().expect("it was set").1
    }

    /// Tells those who wait. More than once does no harm.
    fn announce(&self) {
        if let Some((done, _)) = self.done.get() {
            done.close();
        }
        self.signal.fire();
    }

    /// Ends it, if it has not yet, but not its children.
    fn finish(&self, end: End) {
        let mut state = self.state.lock();
        let late = if state.end.is_none() { state.end.replace(end) } else { Some(end) };
        let (func, anchor) = (state.func.take(), state.anchor.take());
        drop(state);
        drop(late);
        self.stop_timer();
        self.announce();
        if let Some((func, at)) = func {
            go_surely(func, at);
        }
        drop(anchor);
    }

    /// Ends it and all below it, the parents first; the first end counts for each. When this returns all have ended.
    pub(crate) fn cancel(self: &Arc<Core>, end: End) {
        self.finish(end);
        let mut path = vec![self.clone()];
        while let Some(here) = path.last() {
            match here.first_child() {
                Some(child) => {
                    child.finish(here.end().expect("it has ended"));
                    path.push(child);
                }
                None => {
                    here.leave();
                    path.pop();
                }
            }
        }
    }

    /// Ends the oldest ancestor (or itself) whose deadline has passed, if the clock is late.
    pub(crate) fn expire(self: &Arc<Core>) {
        let now = Instant::now();
        let mut late = None;
        let mut here = Some(self);
        while let Some(core) = here
            && core.deadline.is_some_and(|at| at <= now)
        {
            // Of those that share a deadline the one with the timer is where it comes from.
            late = core.timer.get().map(|timer| (core, timer)).or(late);
            here = core.parent.as_ref();
        }
        if let Some((core, timer)) = late {
            core.cancel(timer.expired.clone());
        }
    }

    /// A child that has not ended, or whose children may not have.
    fn first_child(&self) -> Option<Arc<Core>> {
        loop {
            let mut state = self.state.lock();
            // SAFETY: what is linked is there: it leaves before it goes.
            let child = unsafe { state.children.as_ref() }?;
            let me = child.me.take();
            let alive = me.as_ref().and_then(Weak::upgrade);
            if alive.is_some() {
                child.me.set(me);
                return alive;
            }
            // Its last handle is gone, and it is on its way to leave.
            // SAFETY: it is linked here, as we hold the lock.
            unsafe { state.unlink(child) };
            drop(state);
            drop(me);
        }
    }

    /// Leaves its parent, if it is linked.
    fn leave(&self) {
        let Some(parent) = &self.parent else { return };
        let mut state = parent.state.lock();
        let me = self.me.take();
        if !self.next.get().is_null() {
            // SAFETY: it is linked there.
            unsafe { state.unlink(self) };
        }
        drop(state);
        drop(me);
    }
}

impl State {
    /// # Safety
    ///
    /// The child is not linked and stays in place until it is unlinked.
    unsafe fn link(&mut self, child: &Core) {
        // SAFETY: what is linked is there.
        match unsafe { self.children.as_ref() } {
            None => {
                child.prev.set(child);
                child.next.set(child);
                self.children = child;
            }
            Some(first) => {
                let last = first.prev.replace(child);
                child.prev.set(last);
                child.next.set(first);
                // SAFETY: likewise.
                unsafe { (*last).next.set(child) };
            }
        }
    }

    /// # Safety
    ///
    /// The child is linked here.
    unsafe fn unlink(&mut self, child: &Core) {
        let (prev, next) = (child.prev.get(), child.next.replace(ptr::null()));
        if ptr::eq(next, child) {
            self.children = ptr::null();
            return;
        }
        // SAFETY: what is linked is there.
        unsafe {
            (*prev).next.set(next);
            (*next).prev.set(prev);
        }
        if ptr::eq(self.children, child) {
            self.children = next;
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.stop_timer();
        self.leave();
        // The ancestors that only this one kept: one after the other and not one within the other, for the tree may be
        // deeper than the stack.
        let mut next = self.parent.take();
        while let Some(parent) = next.take() {
            if Arc::strong_count(&parent) == 1 {
                // Once it has left nobody finds it by its address, and it may be moved.
                parent.leave();
                next = Arc::into_inner(parent).and_then(|mut parent| parent.parent.take());
            }
        }
    }
}
