//! The only caller of `gander_arch::switch`.
//!
//! A goroutine that leaves cannot finish leaving while it still runs on its stack: whoever may resume it could do
//! so at once, on another thread (`[one-runner]`), and its stack cannot be freed from itself
//! (`[off-stack-free]`). So it leaves a message, [`AfterSwitch`], and the context that lands next carries it out
//! before anything else, whichever context that is.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::g::{G, State};
use crate::m::M;

/// What the landing side does for the side that left.
#[derive(Debug, Default)]
pub(crate) enum AfterSwitch {
    #[default]
    Nothing,
    /// It yielded: put it at the end of the P's ring.
    Requeue(*const G),
    /// It yielded to everybody: put it at the end of the global queue.
    RequeueGlobal(*const G),
    /// It parked: call `commit(argument)`, which makes it visible to whoever will ready it, and may fail: then it
    /// goes on. From then on nothing of the goroutine may be touched.
    Park { g: *const G, commit: unsafe fn(*mut ()) -> bool, argument: *mut () },
    /// It ended: its stack goes back to the pool.
    Retire(*const G),
}

/// How thread-locals are kept; chosen once, before the first goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Locals {
    /// They are the worker's.
    Shared,
    /// They are the goroutine's; the thread pointer is exchanged by an instruction.
    Own,
    /// Likewise, by a system call.
    OwnBySyscall,
}

static LOCALS: AtomicU8 = AtomicU8::new(Locals::Shared as u8);

/// How thread-locals are kept.
#[inline(always)]
pub(crate) fn locals() -> Locals {
    match LOCALS.load(Ordering::Relaxed) {
        0 => Locals::Shared,
        1 => Locals::Own,
        _ => Locals::OwnBySyscall,
    }
}

pub(crate) fn set_locals(locals: Locals) {
    LOCALS.store(locals as u8, Ordering::Release);
}

/// Leaves `from` and continues `to` on this worker. Returns the worker on which `from` is continued, much later.
///
/// # Safety
///
/// `from` runs on `m` in the runtime; `to` is at rest and was handed to `m` to run; no lock is held but what
/// `after` hands over (`[no-lock-across-switch]`).
#[inline(always)]
pub(crate) unsafe fn switch(m: &M, from: &G, to: &G, after: AfterSwitch) -> &'static M {
    m.after.set(after);
    // SAFETY: by contract.
    unsafe { switch_with_message(m, from, to) }
}

/// [`switch`] where the message lies in `m.after` already.
///
/// # Safety
///
/// As [`switch`].
#[inline(always)]
pub(crate) unsafe fn switch_with_message(m: &M, from: &G, to: &G) -> &'static M {
    to.m.set(m);
    let (save, target, message) = (from.context.get(), to.context.get(), std::ptr::from_ref(m) as usize);
    // SAFETY: [one-runner] `to` was handed to us at rest, so its context is a finished save (or a fresh stack)
    // that nobody else resumes. [never-moves] both Gs stay in place. In own mode its thread pointer was set when
    // it was made and belongs to it alone.
    let landed = unsafe {
        match locals() {
            Locals::Shared => {
                gander_arch::set_current(std::ptr::from_ref(to).cast_mut().cast());
                // The promise of shared mode covers the control words: whoever parks has the defaults.
                gander_arch::switch_bare(save, target, message)
            }
            Locals::Own => gander_arch::switch_tp(save, target, message, to.thread_pointer.get()),
            Locals::OwnBySyscall => gander_arch::switch_tp_syscall(save, target, message, to.thread_pointer.get()),
        }
    };
    // SAFETY: the message of every switch is the M it was made on; Ms are never freed.
    unsafe { land(landed, std::ptr::eq(from, &m.g0)) }
}

/// What every landing does first, a fresh goroutine's included.
///
/// # Safety
///
/// `message` came with the switch that landed here, in the scheduler or in a goroutine.
#[inline(always)]
pub(crate) unsafe fn land(message: usize, in_scheduler: bool) -> &'static M {
    // SAFETY: by contract it is the M we run on.
    let m = unsafe { &*(message as *const M) };
    match m.after.take() {
        AfterSwitch::Nothing => {}
        // SAFETY: it is at rest now and ours to queue.
        AfterSwitch::Requeue(g) => unsafe {
            (*g).set_state(State::Runnable);
            m.p().put(g);
            crate::sched::call_if_resting();
        },
        AfterSwitch::RequeueGlobal(g) => {
            // SAFETY: likewise.
            unsafe { (*g).set_state(State::Runnable) };
            crate::sched::inject::put_batch(&[g.cast_mut()]);
            crate::sched::call_if_resting();
        }
        AfterSwitch::Park { g, commit, argument } => {
            // SAFETY: `commit` and its argument were given for this call; the parked frame they lie in is at rest
            // and stays until commit has made it visible.
            if !unsafe { commit(argument) } {
                // Readied in the meantime: it goes on soon.
                // SAFETY: nobody else may ready it, commit has said so.
                unsafe {
                    (*g).set_state(State::Runnable);
                    m.p().put(g);
                    crate::sched::call_if_resting();
                }
            }
            // A timer may have been armed. The scheduler minds it when it knows whether this worker goes on.
            if !in_scheduler {
                crate::sched::mind_timer(m);
            }
        }
        // SAFETY: it ended and nobody knows it any more.
        AfterSwitch::Retire(g) => unsafe { crate::entry::free(m, g) },
    }
    m
}
