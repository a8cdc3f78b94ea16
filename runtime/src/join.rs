//! Waiting for a goroutine's end, and taking its result.

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::Result;

use crate::entry::{drop_quietly, is_exit};
use crate::g::handle::{Goroutine, Ident};
use crate::g::reason::WaitReason;
use crate::m;
use crate::park::{Task, wait_if};
use crate::scope;
use crate::thread::Thread;

/// What a goroutine and its joiner share.
///
/// | `state` | the result is | who waits |
/// |---|---|---|
/// | `RUNNING` | the goroutine's | nobody yet |
/// | `POLLED` | the goroutine's | `waker` |
/// | a task | the goroutine's | that task |
/// | `DONE` | the joiner's | nobody |
pub(crate) struct Packet<T> {
    pub(crate) ident: Ident,
    state: AtomicUsize,
    result: UnsafeCell<Option<Result<T>>>,
    waker: Mutex<Option<Waker>>,
    /// The scope it belongs to, if any: told of a panic that nobody took.
    pub(crate) scope: Option<Arc<scope::Data>>,
}

const RUNNING: usize = 0;
const DONE: usize = 1;
const POLLED: usize = 2;

// SAFETY: `state` hands the result from the goroutine to the one joiner.
unsafe impl<T: Send> Sync for Packet<T> {}
// SAFETY: as any owner of a T.
unsafe impl<T: Send> Send for Packet<T> {}

/// Wakes when dropped.
struct WakeOnDrop(Waker);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

impl<T> Packet<T> {
    pub(crate) fn new(ident: Ident, scope: Option<Arc<scope::Data>>) -> Packet<T> {
        Packet {
            ident,
            state: AtomicUsize::new(RUNNING),
            result: UnsafeCell::new(None),
            waker: Mutex::new(None),
            scope,
        }
    }

    /// The goroutine's last act: the result is there for whoever joins.
    pub(crate) fn complete(&self, result: Result<T>) {
        // SAFETY: until the state is DONE the result is the goroutine's, which is us.
        unsafe { *self.result.get() = Some(result) };
        // Release: pairs with the joiner's acquire. Acquire: a task's registration happened before.
        match self.state.swap(DONE, Ordering::AcqRel) {
            RUNNING => {}
            POLLED => {
                let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
                // An executor's waker may panic; that is not for this goroutine to die of.
                drop_quietly(waker.map(WakeOnDrop));
            }
            // SAFETY: it registered here, at rest, and only this swap takes it.
            task => unsafe { Task::from_bits(task).ready() },
        }
    }

    fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Waits for the end. Only the one joiner calls it.
    fn wait(&self) {
        if self.is_done() {
            return;
        }
        // A future that was polled and is joined now: its waker is not wanted any more.
        let _ = self.state.compare_exchange(POLLED, RUNNING, Ordering::AcqRel, Ordering::Relaxed);
        // SAFETY: what runs here is alive.
        if let Some(g) = unsafe { m::current_g().as_ref() } {
            g.waits_for.set(self.ident.id());
        }
        let task = Task::current().bits();
        // SAFETY: `complete` readies the registered task once; if it came first the exchange fails.
        unsafe {
            wait_if(WaitReason::Join, || {
                self.state.compare_exchange(RUNNING, task, Ordering::Release, Ordering::Relaxed).is_ok()
            });
        }
        debug_assert!(self.is_done());
    }

    fn take(&self) -> Result<T> {
        debug_assert!(self.is_done());
        // SAFETY: it is done, so the result is the joiner's, which there is one of.
        unsafe { (*self.result.get()).take().expect("a result is taken once") }
    }
}

impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        // Nobody asked for it; a destructor that panics must not take the dropper with it.
        if let Some(result) = self.result.get_mut().take() {
            if let (Some(scope), Err(payload)) = (&self.scope, &result)
                && !is_exit(&**payload)
            {
                scope.note_panic();
            }
            drop_quietly(result);
        }
    }
}

/// The right to wait for a goroutine and to take its result. As [`std::thread::JoinHandle`]; dropping it detaches
/// the goroutine, whose panic then is only reported by the panic hook.
///
/// It is a [`Future`] too: polled by any executor it yields what [`join`](Self::join) would return.
pub struct JoinHandle<T>(pub(crate) Arc<Packet<T>>);

// SAFETY: a handle is made only by a spawn, which takes no T but one that is `Send`; so it is that of any T, as std's.
unsafe impl<T> Send for JoinHandle<T> {}
// SAFETY: likewise; and a shared handle gives nothing of the result.
unsafe impl<T> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Waits for the goroutine to end and returns its result; if it panicked, the panic's payload as an error; if it
    /// called [`exit`](crate::exit), a payload for which [`is_exit`](crate::is_exit) is true.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread. A goroutine that joins itself, or two that join each other,
    /// wait for ever.
    pub fn join(self) -> Result<T> {
        self.0.wait();
        self.0.take()
    }

    /// Whether the goroutine has ended (its result is there; its stack may not be free yet).
    pub fn is_finished(&self) -> bool {
        self.0.is_done()
    }

    /// The goroutine's handle.
    pub fn goroutine(&self) -> &Goroutine {
        self.0.ident.handle()
    }

    /// [`goroutine`](Self::goroutine) by std's name and with its type.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.0.ident.thread()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T>;

    /// # Panics
    ///
    /// If polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let packet = &self.0;
        if packet.is_done() {
            return Poll::Ready(packet.take());
        }
        *packet.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // The waker is there before the state says so, and a completion before that is seen here.
        match packet.state.compare_exchange(RUNNING, POLLED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(POLLED) => {}
            Err(_) => return Poll::Ready(packet.take()),
        }
        if packet.is_done() {
            // It ended between the two: it may have taken an older waker.
            return Poll::Ready(packet.take());
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("goroutine", &self.0.ident.id()).finish_non_exhaustive()
    }
}
