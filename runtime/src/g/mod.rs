//! A goroutine's header, at the top of its own stack.
//!
//! ```text
//!  Stack::top ─►┌────────────────────────────────┐
//!               │ thread-local block (own mode)  │  laid once, reused with the stack
//!               ├────────────────────────────────┤
//!               │ G                              │
//!               ├────────────────────────────────┤
//!               │ the closure and what it needs  │
//!               ├────────────────────────────────┤
//!               │ frames ▼                       │
//! ```

pub(crate) mod handle;
pub(crate) mod local;
pub(crate) mod reason;

use std::cell::{Cell, UnsafeCell};
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use gander_arch::Context;
use gander_stack::Stack;

use crate::inspect::clock;
use crate::m::M;
use crate::sched::inject::Group;
use handle::Ident;
use reason::WaitReason;

/// What a goroutine is doing. For dumps and assertions only: what it may be done with is decided by who holds it.
///
/// | state | on a stack of its own | who holds the G | who changes it |
/// |---|---|---|---|
/// | `Dead` | over, or not begun | the M it ended on, or whoever makes it | `launch`, when the header is whole |
/// | `Runnable` | at rest | one queue | whoever takes it off the queue |
/// | `Running` | running | its M | itself |
/// | `Waiting` | at rest, or leaving | whoever will ready it: a wait node, a timer, a token | that one, once |
/// | `Preempted` | in the middle of anything, on its thread | one queue | itself, when its thread has a P again |
///
/// `Dead` is zero: a stack that never had a goroutine, or whose pages were given back, reads as one without
/// (`inspect/registry.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Dead,
    Runnable,
    Running,
    Waiting,
    Preempted,
}

impl State {
    pub(crate) fn of_bits(bits: u8) -> State {
        match bits {
            1 => State::Runnable,
            2 => State::Running,
            3 => State::Waiting,
            4 => State::Preempted,
            _ => State::Dead,
        }
    }
}

/// Asks the memory for a goroutine's header: the lines that a switch to it reads. `g` may be stale.
#[inline(always)]
pub(crate) fn prefetch(g: *const G) {
    const LINE: usize = 64;
    const LINES: usize = 2;
    for line in 0..LINES {
        gander_arch::prefetch(g.cast::<u8>().wrapping_add(line * LINE));
    }
}

/// A goroutine. Also the scheduler's own context on each M (`g0`), which has no stack of ours.
///
/// In the order of use: a switch to it reads the first two cache lines.
#[repr(C)]
pub(crate) struct G {
    /// Where it goes on, while it does not run. `[one-runner]`: touched by the M that switches from or to it.
    pub(crate) context: UnsafeCell<Context>,
    /// The M that runs it, while one does. Written by that M before the switch.
    pub(crate) m: Cell<*const M>,
    /// Its thread pointer in own mode.
    pub(crate) thread_pointer: Cell<*mut u8>,
    /// Link of whatever list holds it.
    pub(crate) next: Cell<*const G>,
    /// The only M it may run on: locked by `lock_os_thread`, or unwinding in shared mode.
    pub(crate) bound: AtomicPtr<M>,
    /// How many `lock_os_thread` are open.
    pub(crate) locks: Cell<u32>,
    /// How often it holds preemption off. Its own; an atomic because a signal handler looks at it.
    pub(crate) holds: AtomicU32,
    pub(crate) state: AtomicU8,
    /// Why it waits; stale while it runs, but for a blocking call.
    pub(crate) reason: AtomicU8,
    /// How many calls of `exit` unwind it: a destructor may call it while another does.
    pub(crate) exits: Cell<u8>,
    /// When it began to wait, by [`clock`](crate::inspect::clock).
    pub(crate) since: AtomicU32,
    /// The lowest usable byte of the stack it runs on: of its own, or of the segment that `grow` gave it.
    pub(crate) limit: Cell<usize>,
    /// Its stack; taken by the far side of its last switch.
    pub(crate) stack: Cell<Option<Stack>>,
    /// Id, name and handle; lives as long as the goroutine.
    pub(crate) ident: Cell<*const Ident>,
    /// Its id and name once more, for observers: the identity may be gone when they look, the stack is not. Written by
    /// `launch`; the name's bytes lie on this stack.
    pub(crate) id: Cell<u64>,
    pub(crate) name: Cell<(*const u8, usize)>,
    /// The id of the goroutine whose end it waits for, while it waits in a join.
    pub(crate) waits_for: Cell<u64>,
    /// What it waits at, while it waits in a line, and the number of that wait: `inspect/owner.rs`.
    pub(crate) waits_at: AtomicUsize,
    pub(crate) wait: AtomicU64,
    /// When it parked, while somebody measures waits; else 0. `[one-runner]`
    pub(crate) parked_at: Cell<u64>,
    /// The id of the goroutine that spawned it; 0: an ordinary thread did.
    pub(crate) parent: Cell<u64>,
    /// Of whose check it is; see `leak.rs`. For observers too.
    pub(crate) family: Cell<u64>,
    /// What it runs: never unwinds, ends by retiring.
    pub(crate) start: unsafe fn(*mut ()),
    pub(crate) data: *mut (),
    pub(crate) locals: local::Table,
    pub(crate) spawned_at: &'static Location<'static>,
    /// The others that it leads in the global queue.
    pub(crate) group: Group,
}

impl G {
    #[track_caller]
    pub(crate) fn new(start: unsafe fn(*mut ()), data: *mut (), spawned_at: &'static Location<'static>) -> G {
        G {
            context: UnsafeCell::new(Context::new()),
            m: Cell::new(ptr::null()),
            thread_pointer: Cell::new(ptr::null_mut()),
            next: Cell::new(ptr::null()),
            group: Group::new(),
            bound: AtomicPtr::new(ptr::null_mut()),
            locks: Cell::new(0),
            holds: AtomicU32::new(0),
            state: AtomicU8::new(State::Dead as u8),
            reason: AtomicU8::new(WaitReason::None as u8),
            exits: Cell::new(0),
            since: AtomicU32::new(0),
            limit: Cell::new(0),
            stack: Cell::new(None),
            ident: Cell::new(ptr::null()),
            id: Cell::new(0),
            name: Cell::new((ptr::null(), 0)),
            waits_for: Cell::new(0),
            waits_at: AtomicUsize::new(0),
            wait: AtomicU64::new(0),
            parked_at: Cell::new(0),
            parent: Cell::new(0),
            family: Cell::new(0),
            spawned_at,
            start,
            data,
            locals: local::Table::new(),
        }
    }

    /// The scheduler's context of an M.
    pub(crate) fn scheduler() -> G {
        unsafe fn never(_: *mut ()) {
            unreachable!("a scheduler context is not spawned");
        }
        let g = G::new(never, ptr::null_mut(), Location::caller());
        g.thread_pointer.set(gander_arch::thread_pointer());
        g.set_state(State::Running);
        g
    }

    /// Whether this is an M's scheduler context.
    pub(crate) fn is_scheduler(&self) -> bool {
        self.ident.get().is_null()
    }

    #[inline(always)]
    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn set_reason(&self, reason: WaitReason) {
        self.reason.store(reason as u8, Ordering::Relaxed);
    }

    /// It waits from now on.
    #[inline(always)]
    pub(crate) fn set_waiting(&self, reason: WaitReason) {
        self.set_reason(reason);
        self.since.store(clock::coarse(), Ordering::Relaxed);
        self.set_state(State::Waiting);
    }

    /// It is in a blocking call from now on, made at `here`.
    pub(crate) fn set_blocking(&self, here: Context) {
        // SAFETY: [one-runner] it runs, so its context is nobody's until it is left.
        unsafe { *self.context.get() = here };
        self.since.store(clock::coarse(), Ordering::Relaxed);
        self.set_reason(WaitReason::Blocking);
    }

    /// Its header is whole, and observers may read it. Before it is anybody's.
    #[inline(always)]
    pub(crate) fn publish(&self) {
        self.state.store(State::Runnable as u8, Ordering::Release);
    }

    /// The M it must run on, or null.
    #[inline(always)]
    pub(crate) fn bound(&self) -> *mut M {
        self.bound.load(Ordering::Relaxed)
    }

    /// Its id and name.
    pub(crate) fn ident(&self) -> &Ident {
        debug_assert!(!self.is_scheduler());
        // SAFETY: set when the goroutine was made, and the pointee outlives it.
        unsafe { &*self.ident.get() }
    }
}
