//! Calls that the clock makes: what a program wants done at a moment although nobody waits for it.
//!
//! ```text
//!            set                   due                        taken
//!   idle ─────────► in a heap ──────────► in the list DUE ──────────► rung by the ringer
//!     ▲                 │ clear, set          │ clear, set
//!     └─────────────────┴─────────────────────┘
//! ```
//!
//! A timer fires with its heap's lock held, where nothing may be allocated and nobody's code may run. So one that is due
//! is only moved to a list, and the *ringer* goes through that: a goroutine that parks while the list is empty. It is
//! made at first use and does not count as one of the program's. Without a runtime there is no P with a heap, nor a
//! goroutine; then a thread keeps both, for as long as the process lives.
//!
//! A call in a heap or in the list owns one count of its `Arc`. Locks nest in this order: a call's, a heap's, the list's.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Timer, Timers, disarm, now};
use crate::futex::Event;
use crate::g::reason::WaitReason;
use crate::leak::Family;
use crate::lock::{Guard, Lock};
use crate::m;
use crate::park::{Task, wait};
use crate::sched::{procs, sysmon};
use crate::{runtime, spawn};

/// A call that can be set to a moment, again and again. Dropping the handle does not take back what is set.
pub struct Call {
    inner: Arc<Inner>,
}

#[repr(C)]
struct Inner {
    /// In the heap's hands while it is there. First, so that its address is that of all.
    timer: UnsafeCell<Timer>,
    /// The heap it was last put into; null if it has surely left that.
    home: Lock<Home>,
    /// Links of the list of those that are due; `next` is null outside it. Under the list's lock.
    next: Cell<*const Inner>,
    prev: Cell<*const Inner>,
    ring: Box<dyn Fn(&Call) + Send + Sync>,
}

struct Home(*const Timers);

// SAFETY: it points to timers that are never freed.
unsafe impl Send for Home {}

// SAFETY: the timer is touched under the locks of `home` and of the heap, the links under the list's.
unsafe impl Sync for Inner {}
// SAFETY: likewise.
unsafe impl Send for Inner {}

impl Call {
    /// A call that is not set. `ring` is called when it is due, on a goroutine that all calls share, or on a thread
    /// where no runtime runs: it is brief and does not block. It may be dropped there too.
    pub fn new(ring: impl Fn(&Call) + Send + Sync + 'static) -> Call {
        Call {
            inner: Arc::new(Inner {
                timer: UnsafeCell::new(Timer::new(come_due)),
                home: Lock::new(Home(ptr::null())),
                next: Cell::new(ptr::null()),
                prev: Cell::new(ptr::null()),
                ring: Box::new(ring),
            }),
        }
    }

    /// Sets it to `when` on the clock of [`now`], instead of what it was set to. Whether it was set and has not been
    /// rung.
    pub fn set(&self, when: u64) -> bool {
        ensure_ringer();
        let mut home = self.inner.home.lock();
        let was_set = self.take_back(&mut home);
        if !was_set {
            // The count of the heap, or of the list.
            std::mem::forget(self.inner.clone());
        }
        // SAFETY: it has left the heap and the list, and the count keeps it in place until it has left them again.
        home.0 = unsafe { arm(self.inner.timer.get(), when) };
        was_set
    }

    /// Takes it back. Whether it was set and has not been rung: then it will not be.
    pub fn clear(&self) -> bool {
        let was_set = self.take_back(&mut self.inner.home.lock());
        if was_set {
            // SAFETY: the count of the heap, or of the list, which it has just left.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(&self.inner)) };
        }
        was_set
    }

    /// Takes it out of the heap, or out of the list. The count that they had is the caller's.
    fn take_back(&self, home: &mut Home) -> bool {
        if home.0.is_null() {
            return false;
        }
        // SAFETY: it was armed there, under this lock; heaps are never freed.
        let armed = unsafe { disarm(self.inner.timer.get(), &*home.0) };
        home.0 = ptr::null();
        armed || DUE.lock().remove(&self.inner)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// Puts the timer into the heap at hand, and sees to it that somebody minds it. The heap.
///
/// # Safety
///
/// As [`Timers::arm`]; preemption is held off.
unsafe fn arm(timer: *mut Timer, when: u64) -> *const Timers {
    let inside = match m::current() {
        Some(m) => Some(&m.p().timers),
        // Any will do: all workers look at all heaps.
        None => runtime::running().is_ok().then(|| &procs::get(0).timers),
    };
    let timers = inside.unwrap_or(&OUTSIDE);
    // SAFETY: by contract.
    let is_first = unsafe { timers.arm(timer, when, || true) };
    if is_first {
        match inside {
            Some(_) => sysmon::mind(when),
            None => OUTSIDE_CHANGED.set(),
        }
    }
    timers
}

/// The calls that are due, in order.
struct Due {
    /// Linked in a ring; the last is `first.prev`.
    first: *const Inner,
    /// The ringer, when it is a goroutine and waits for one.
    ringer: Option<Task>,
}

// SAFETY: it has counts of the calls in it; used under a lock.
unsafe impl Send for Due {}

static DUE: Lock<Due> = Lock::new(Due { first: ptr::null(), ringer: None });

impl Due {
    fn push(&mut self, call: &Inner) {
        // SAFETY: those in the list are alive by the list's counts.
        match unsafe { self.first.as_ref() } {
            None => {
                call.prev.set(call);
                call.next.set(call);
                self.first = call;
            }
            Some(first) => {
                let last = first.prev.replace(call);
                call.prev.set(last);
                call.next.set(first);
                // SAFETY: likewise.
                unsafe { (*last).next.set(call) };
            }
        }
    }

    /// Takes a call out, if it is here.
    fn remove(&mut self, call: &Inner) -> bool {
        let (prev, next) = (call.prev.get(), call.next.get());
        if next.is_null() {
            return false;
        }
        if ptr::eq(next, call) {
            self.first = ptr::null();
        } else {
            // SAFETY: those in the list are alive by the list's counts.
            unsafe {
                (*prev).next.set(next);
                (*next).prev.set(prev);
            }
            if ptr::eq(self.first, call) {
                self.first = next;
            }
        }
        call.next.set(ptr::null());
        true
    }

    /// Takes out the first, with the list's count.
    fn pop(&mut self) -> Option<Call> {
        // SAFETY: those in the list are alive by the list's counts.
        let first = unsafe { self.first.as_ref() }?;
        self.remove(first);
        // SAFETY: it came from an `Arc`, and the count is ours now.
        Some(Call { inner: unsafe { Arc::from_raw(first) } })
    }
}

/// What the timer of a call does.
unsafe fn come_due(timer: *mut Timer) {
    let mut due = DUE.lock();
    // SAFETY: only calls have this function, and the timer is the first field. The heap's count is the list's now.
    due.push(unsafe { &*timer.cast_const().cast::<Inner>() });
    let ringer = due.ringer.take();
    drop(due);
    match ringer {
        // SAFETY: it waits, and put itself there; we took it.
        Some(task) => unsafe { task.ready() },
        None if !IS_GOROUTINE.load(Ordering::Relaxed) => OUTSIDE_CHANGED.set(),
        // It runs, and looks again before it waits.
        None => {}
    }
}

/// The heap of calls that were set when no runtime ran.
static OUTSIDE: Timers = Timers::new();
/// Wakes the thread that keeps it.
static OUTSIDE_CHANGED: Event = Event::new();

/// The ringer is a goroutine.
static IS_GOROUTINE: AtomicBool = AtomicBool::new(false);

#[inline]
fn ensure_ringer() {
    if !IS_GOROUTINE.load(Ordering::Relaxed) {
        make_ringer();
    }
}

#[cold]
fn make_ringer() {
    static GOROUTINE: AtomicBool = AtomicBool::new(false);
    static THREAD: AtomicBool = AtomicBool::new(false);
    if runtime::running().is_ok() {
        if GOROUTINE.swap(true, Ordering::AcqRel) {
            // Somebody makes it right now.
            return;
        }
        match spawn::hidden(ring_all, "gander-clock", Location::caller()) {
            Ok(()) => return IS_GOROUTINE.store(true, Ordering::Release),
            Err(_) => GOROUTINE.store(false, Ordering::Release),
        }
    }
    if !THREAD.swap(true, Ordering::AcqRel)
        && let Err(error) = std::thread::Builder::new().name("gander-clock".into()).spawn(ring_outside)
    {
        THREAD.store(false, Ordering::Release);
        panic!("gander cannot start the thread that minds timers: {error}");
    }
}

/// The ringer.
fn ring_all() {
    /// After so many calls others run: what was spawned by them is not to pile up.
    const TURN: u32 = 32;
    // Not of the check that happened to make the first call.
    Family::NONE.join();
    // SAFETY: the running goroutine is alive.
    RINGER_ID.store(unsafe { (*m::current_g()).id.get() }, Ordering::Relaxed);
    loop {
        for _ in 0..TURN {
            let mut due = DUE.lock();
            match due.pop() {
                Some(call) => {
                    drop(due);
                    (call.inner.ring)(&call);
                }
                None => {
                    due.ringer = Some(Task::current());
                    let lock = Guard::leak(due).raw();
                    // SAFETY: whoever takes us out of the list readies us, once; nobody sees us there before we rest.
                    unsafe { wait(WaitReason::Clock, || lock.unlock_handed_over()) };
                }
            }
        }
        crate::yield_now();
    }
}

/// Whether a call is due, or set outside the heaps of the Ps, or being rung out there.
pub(crate) fn is_any_set_or_due() -> bool {
    // In the order in which a call goes through them.
    OUTSIDE.earliest() != u64::MAX || !DUE.lock().first.is_null() || RINGS_OUTSIDE.load(Ordering::SeqCst)
}

/// The id of the ringer, if it is a goroutine: observers leave it out.
pub(crate) fn ringer_id() -> u64 {
    RINGER_ID.load(Ordering::Relaxed)
}

static RINGER_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This is the thread that rings where no runtime runs.
    static RINGS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the caller rings calls, so that all others wait for it.
pub fn is_ringing() -> bool {
    // SAFETY: the running goroutine is alive.
    match unsafe { m::current_g().as_ref() } {
        Some(g) => g.id.get() == ringer_id(),
        None => RINGS.get(),
    }
}

/// That thread is awake: it may be about to ready or to start somebody.
static RINGS_OUTSIDE: AtomicBool = AtomicBool::new(false);

/// The ringer where no runtime runs, or none ran.
fn ring_outside() {
    RINGS.set(true);
    crate::deadlock::note_helper();
    loop {
        RINGS_OUTSIDE.store(true, Ordering::SeqCst);
        OUTSIDE.run_due(now());
        while let Some(call) = { DUE.lock().pop() } {
            (call.inner.ring)(&call);
        }
        RINGS_OUTSIDE.store(false, Ordering::SeqCst);
        OUTSIDE_CHANGED.wait_until(OUTSIDE.earliest());
    }
}
