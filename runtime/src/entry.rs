//! A goroutine's first frame and its last.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::g::{G, State};
use crate::m::{self, M};
use crate::p;
use crate::sched;
use crate::switch::{AfterSwitch, land};

/// Where a fresh stack starts.
///
/// # Safety
///
/// Only as the entry of a context that a switch starts; `argument` is its goroutine.
pub(crate) unsafe extern "C" fn begin(argument: *mut (), message: usize) -> ! {
    // SAFETY: by contract.
    let g = unsafe {
        land(message, false).leave_all();
        &*argument.cast::<G>()
    };
    // SAFETY: `start` and `data` were made for each other; it does not unwind.
    unsafe { (g.start)(g.data) };
    retire(g)
}

/// Ends the running goroutine: it leaves its stack for good.
fn retire(g: &G) -> ! {
    let m = m::current().expect("a goroutine runs on a worker");
    m.enter();
    p::bump(&m.p().counts.ended);
    g.set_state(State::Dead);
    if !m.bound.get().is_null() {
        m.bound.set(std::ptr::null());
        // It changed its thread for itself alone and did not change it back: nobody else shall have the thread.
        m.ending.set(g.locks.get() > 0);
    }
    // SAFETY: g runs here, in the runtime; nobody knows it any more but we.
    unsafe {
        sched::leave(m, g, AfterSwitch::Retire(g));
    }
    unreachable!("a retired goroutine was resumed")
}

/// Gives an ended goroutine's stack back, from another stack (`[off-stack-free]`).
///
/// # Safety
///
/// `g` has retired, and `m` landed after that with its P.
#[inline(always)]
pub(crate) unsafe fn free(m: &M, g: *const G) {
    // SAFETY: by contract nobody uses g any more, whose memory is the stack's. Its table of locals was cleared.
    unsafe {
        if let Some(stack) = (*g).stack.take() {
            (*m.p().stacks.get()).put(stack);
        }
    }
}

/// What [`exit`] unwinds with. While it is there its goroutine [is exiting](is_exiting): whoever catches the unwinding and
/// drops this has brought it back.
struct Exit {
    goroutine: u64,
}

impl Drop for Exit {
    fn drop(&mut self) {
        // SAFETY: what runs here is alive.
        if let Some(g) = unsafe { m::current_g().as_ref() }
            && g.id.get() == self.goroutine
        {
            g.exits.set(g.exits.get().saturating_sub(1));
        }
    }
}

/// Ends the calling goroutine: its frames are unwound and their values dropped, as by a panic, but nothing is
/// reported. Whoever joins it gets an error that [`is_exit`] recognises. (Go's `runtime.Goexit`.)
///
/// gander's locks that it holds are let go as by a return, and not poisoned; those of std are, for to std it panics.
///
/// # Panics
///
/// On a thread that is not a goroutine. In a program built with `panic = "abort"`, which cannot unwind.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander_runtime::run(|| {
/// let worker = gander::spawn(|| {
///     let nothing_to_do = true;
///     if nothing_to_do {
///         gander::exit();
///     }
/// });
/// assert!(gander::is_exit(&*worker.join().unwrap_err()));
/// # });
/// ```
pub fn exit() -> ! {
    assert!(
        is_goroutine(),
        "gander::exit() called on a thread that is not a goroutine; to end the process use std::process::exit"
    );
    if cfg!(panic = "abort") {
        panic!("gander::exit() unwinds the goroutine, and this program is built with panic = \"abort\"");
    }
    // SAFETY: the running goroutine is alive.
    let g = unsafe { &*m::current_g() };
    g.exits.set(g.exits.get().saturating_add(1));
    std::panic::resume_unwind(Box::new(Exit { goroutine: g.id.get() }))
}

/// Whether the caller unwinds, or has unwound, because it called [`exit`], and not because it panicked.
#[cold]
#[doc(hidden)]
pub fn is_exiting() -> bool {
    // SAFETY: what runs here is alive.
    unsafe { m::current_g().as_ref() }.is_some_and(|g| g.exits.get() > 0)
}

/// The unwinding has come to the goroutine's first frame. What is dropped from here on may panic by itself.
#[cold]
fn unwound() {
    // SAFETY: the running goroutine is alive.
    unsafe { (*m::current_g()).exits.set(0) };
}

/// The caller does not unwind: an [`exit`] that it may have called before was caught, whatever became of its payload.
#[doc(hidden)]
#[inline(always)]
pub fn not_exiting() {
    // SAFETY: what runs here is alive.
    if let Some(g) = unsafe { m::current_g().as_ref() } {
        g.exits.set(0);
    }
}

/// Whether a payload that a join returned says that the goroutine ended by [`exit`].
pub fn is_exit(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Exit>()
}

/// Whether the caller is a goroutine.
#[inline]
pub fn is_goroutine() -> bool {
    !m::current_g().is_null()
}

/// Runs a goroutine's closure and then drops its goroutine-locals.
pub(crate) fn run<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    let answer = catch_unwind(AssertUnwindSafe(f));
    if m::current_g().is_null() {
        crate::fatal::die("a forked child came to the end of its goroutine; it must exec or _exit before");
    }
    if answer.is_err() {
        unwound();
    }
    match (answer, clear_locals()) {
        (Ok(_), Err(payload)) => Err(payload),
        (answer, _) => answer,
    }
}

/// Drops the running goroutine's locals.
pub(crate) fn clear_locals() -> std::thread::Result<()> {
    let g = m::current_g();
    // SAFETY: the running goroutine is alive.
    catch_unwind(AssertUnwindSafe(|| unsafe { (*g).locals.clear() }))
}

/// Drops a value whose destructor may panic; a second panic has nowhere to go.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(payload);
    }
}

/// How many goroutines exist now: running, ready or waiting.
pub fn num_goroutines() -> usize {
    // Ends first: a goroutine counted as ended has been counted as spawned.
    let sum = |count: fn(&p::Counts) -> &std::sync::atomic::AtomicU64| -> u64 {
        (0..sched::procs::ever())
            .map(|i| count(&sched::procs::get(i).counts).load(Ordering::Acquire))
            .fold(0, u64::wrapping_add)
    };
    let ended = sum(|counts| &counts.ended);
    let spawned = sum(|counts| &counts.spawned).wrapping_add(sched::STATS.spawned_outside.load(Ordering::Acquire));
    let hidden = sched::STATS.hidden.load(Ordering::Acquire);
    spawned.saturating_sub(ended).saturating_sub(hidden) as usize
}
