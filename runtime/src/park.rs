//! How a task comes to rest and how it is woken: the one door for channels, locks, timers and joins.
//!
//! A *task* is whoever calls: a goroutine, which parks and leaves its worker to others, or an ordinary thread,
//! which sleeps. Everything that waits is written once for both.

use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

use crate::alarm;
use crate::door::AtomicUsize;
use crate::futex::Event;
use crate::g::G;
use crate::g::reason::WaitReason;
use crate::listener::Listener;
use crate::m;
use crate::sched;
use crate::switch::{AfterSwitch, Locals, locals};

/// A task that waits or is about to, to be readied by somebody else: the address of its goroutine, or of its
/// thread's event with the lowest bit set, or of a [`Listener`] with the bit above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Task(NonZeroUsize);

const THREAD: usize = 1;
const LISTENER: usize = 2;

thread_local! {
    /// Where an ordinary thread sleeps. Without a destructor, so it is there until the thread is gone.
    static SLEEPER: Event = const { Event::new() };
}

impl Task {
    /// The calling task.
    #[inline]
    pub fn current() -> Task {
        let g = m::current_g();
        let bits = if g.is_null() { thread_bits() } else { g as usize };
        // An address is not zero.
        Task(NonZeroUsize::new(bits).expect("a task has an address"))
    }

    /// As a number above 1, for protocols that keep it in an atomic.
    pub fn bits(self) -> usize {
        self.0.get()
    }

    /// Back from [`bits`](Self::bits).
    ///
    /// # Safety
    ///
    /// `bits` came from a task.
    pub unsafe fn from_bits(bits: usize) -> Task {
        // SAFETY: the bits of a task are not zero.
        Task(unsafe { NonZeroUsize::new_unchecked(bits) })
    }

    /// Whether it is an ordinary thread.
    pub fn is_thread(self) -> bool {
        self.0.get() & THREAD != 0
    }

    /// Whether it is a goroutine.
    #[inline(always)]
    pub(crate) fn is_goroutine(self) -> bool {
        self.0.get() & (THREAD | LISTENER) == 0
    }

    pub(crate) fn of_listener(listener: *const Listener) -> Task {
        // An address is not zero.
        Task(NonZeroUsize::new(listener as usize | LISTENER).expect("a listener has an address"))
    }

    /// Lets the task go on.
    ///
    /// A [`Listener`] is told here, which runs code of the program: what may be one is readied with no lock held.
    ///
    /// # Safety
    ///
    /// The task waits, in one of this module's functions, and has been made visible by its `release` (a listener has been
    /// made visible); the caller is the only one that wakes it from this wait.
    #[inline]
    pub unsafe fn ready(self) {
        let bits = self.0.get();
        if self.is_goroutine() {
            // SAFETY: by contract.
            unsafe { sched::ready(bits as *const G) }
        } else if self.is_thread() {
            // SAFETY: the thread sleeps, so its thread-locals are alive; `Event::set` does not touch them after
            // the store that may let it go.
            unsafe { (*((bits & !THREAD) as *const Event)).set() }
        } else {
            // SAFETY: by contract.
            unsafe { Listener::tell((bits & !LISTENER) as *const Listener) }
        }
    }
}

#[inline(never)]
fn thread_bits() -> usize {
    SLEEPER.with(std::ptr::from_ref) as usize | THREAD
}

/// Waits until readied. `release` is called when the task has come to rest, on another stack: it makes the task
/// visible to whoever will ready it (releases the lock under which it enqueued itself). If it returns false the
/// task goes on at once and nobody may ready it.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread.
///
/// # Safety
///
/// After `release` has returned true exactly one call of [`Task::ready`] follows. From the moment `release` makes
/// the task visible it touches nothing of the task's stack; it does not switch, allocate or panic. Locks that are
/// held now are released by it and by [`unlock_handed_over`](crate::lock::RawLock::unlock_handed_over).
#[inline(always)]
pub unsafe fn wait_if<F: FnOnce() -> bool>(reason: WaitReason, release: F) {
    /// Moves the closure out of the parked frame, then calls it: it may end that frame's rest.
    unsafe fn commit<F: FnOnce() -> bool>(release: *mut ()) -> bool {
        // SAFETY: it points to the closure below, which is not dropped there.
        unsafe { std::ptr::read(release.cast::<F>())() }
    }
    let Some(m) = m::current() else {
        return thread_wait(release);
    };
    let mut release = ManuallyDrop::new(release);
    m.enter();
    let g = m::current_g();
    // SAFETY: the running goroutine is alive.
    let g = unsafe { &*g };
    debug_assert!(!g.is_scheduler(), "the scheduler does not wait");
    g.set_waiting(reason);
    let argument = (&raw mut *release).cast();
    // SAFETY: g runs here, in the runtime. Commit reads the closure from our frame, which rests until then.
    unsafe { pause(m, g, AfterSwitch::Park { g, commit: commit::<F>, argument }) };
}

/// Leaves the running goroutine until somebody runs it again, and the runtime with it.
///
/// # Safety
///
/// As [`sched::leave`].
#[inline(always)]
pub(crate) unsafe fn pause(m: &'static m::M, g: &G, after: AfterSwitch) {
    let pinned = pin_while_unwinding(m, g);
    // SAFETY: by contract.
    let m = unsafe { sched::leave(m, g, after) };
    if pinned {
        unpin(m, g);
    }
    m.leave_all();
}

/// [`wait_if`] for those who cannot be refused.
///
/// # Safety
///
/// As [`wait_if`].
#[inline(always)]
pub unsafe fn wait(reason: WaitReason, release: impl FnOnce()) {
    // SAFETY: by contract.
    unsafe {
        wait_if(reason, || {
            release();
            true
        });
    }
}

/// In shared mode std's count of panics is the thread's. A goroutine that parks while it unwinds stays on its
/// thread, and the thread stays with it.
#[inline(always)]
fn pin_while_unwinding(m: &m::M, g: &G) -> bool {
    if locals() == Locals::Shared && std::thread::panicking() && g.bound().is_null() {
        g.bound.store(std::ptr::from_ref(m).cast_mut(), Ordering::Relaxed);
        m.bound.set(g);
        return true;
    }
    false
}

#[cold]
fn unpin(m: &m::M, g: &G) {
    g.bound.store(std::ptr::null_mut(), Ordering::Relaxed);
    m.bound.set(std::ptr::null());
}

#[cold]
fn thread_wait(release: impl FnOnce() -> bool) {
    SLEEPER.with(|sleeper| {
        if release() {
            sleeper.wait();
        }
    });
}

/// Who may end a wait that several could end: a partner, a closer, the clock, a cancellation. The first claim wins.
#[derive(Debug)]
pub struct Claim {
    winner: AtomicUsize,
}

impl Claim {
    /// The clock's claim, in [`wait_until`].
    pub const TIMEOUT: usize = usize::MAX;

    /// A signal's claim, in [`wait_cancellable`](crate::wait_cancellable).
    pub const CANCELLED: usize = usize::MAX - 1;

    /// An open claim.
    #[cfg(not(loom))]
    pub const fn new() -> Claim {
        Claim { winner: AtomicUsize::new(0) }
    }

    /// An open claim.
    #[cfg(loom)]
    pub fn new() -> Claim {
        Claim { winner: AtomicUsize::new(0) }
    }

    /// Claims the wait for `by` (not 0). The winner, and only the winner, readies the task.
    pub fn claim(&self, by: usize) -> bool {
        debug_assert!(by != 0);
        self.winner.compare_exchange(0, by, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Who won, or 0.
    pub fn winner(&self) -> usize {
        self.winner.load(Ordering::Acquire)
    }
}

impl Default for Claim {
    fn default() -> Claim {
        Claim::new()
    }
}

/// Waits until somebody has claimed `claim` and readied the task, or until `deadline` (on the clock of
/// [`now`](crate::timer::now)): then the clock has claimed it. Returns the winner.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread.
///
/// # Safety
///
/// As [`wait`]; and whoever readies the task has won `claim` before.
#[inline(always)]
pub unsafe fn wait_until(reason: WaitReason, deadline: u64, claim: &Claim, release: impl FnOnce()) -> usize {
    let release = || {
        release();
        true
    };
    // SAFETY: by contract.
    unsafe { wait_until_if(reason, deadline, claim, release) };
    claim.winner()
}

/// [`wait_until`], where `release` may refuse as in [`wait_if`]: then it has won the claim.
///
/// # Safety
///
/// As [`wait_until`].
#[inline(always)]
pub(crate) unsafe fn wait_until_if(
    reason: WaitReason,
    deadline: u64,
    claim: &Claim,
    release: impl FnOnce() -> bool,
) {
    let task = Task::current();
    if deadline == u64::MAX {
        // SAFETY: by contract.
        unsafe { wait_if(reason, release) };
    } else if task.is_thread() {
        thread_wait_until(deadline, claim, release);
    } else {
        let expire = || claim.claim(Claim::TIMEOUT);
        // SAFETY: by contract; the clock claims before it readies.
        unsafe { alarm::wait(reason, deadline, task, &expire, release) };
    }
}

#[cold]
fn thread_wait_until(deadline: u64, claim: &Claim, release: impl FnOnce() -> bool) {
    SLEEPER.with(|sleeper| {
        if release() && !sleeper.wait_until(deadline) && !claim.claim(Claim::TIMEOUT) {
            // Somebody was faster and is about to wake us.
            sleeper.wait();
        }
    });
}
