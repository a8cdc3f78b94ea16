//! Waits that a third party may end: neither the partner nor the clock, but whoever fires a [`Signal`].
//!
//! One task, one [`Claim`], three who compete for it:
//!
//! ```text
//!   partner (a queue's node) ──┐
//!   clock   (an alarm)       ──┼──► claim: the first wins and readies the task
//!   signal  (a waiter here)  ──┘
//! ```
//!
//! * A waiter lies in the frame of the task that waits. It is linked while its task comes to rest, and unlinked when the
//!   task goes on; both under the signal's lock, so whoever fires finds only tasks that rest.
//! * The lock is held until the wait has been published to the partner too (as a timer heap's is). So a task that was
//!   readied by one of the three cannot leave its frame before the far side is done with it.
//! * Locks nest in one order: a channel's, then a timer heap's, then a signal's. Nobody is readied under a signal's.
//!
//! Who waits for a descriptor stands on a [`Token`] and has no claim. A waiter of that kind is linked around the whole
//! wait, and to fire is to set the token: a task that has not come to rest yet goes on at once, one that rests was given
//! to whoever fires, by the token.
//!
//! Checked under loom (`tests/loom_cancel.rs`).

use std::fmt;
use std::ptr;
use std::time::Instant;

use crate::door::{AtomicBool, Lock, Ordering};
use crate::g::reason::WaitReason;
use crate::park::{Claim, Task, wait_until, wait_until_if};
use crate::poll;
use crate::token::Token;

/// What a wait of gander can be made to end by: a context. Methods named `…_ctx` take one.
///
/// # Examples
///
/// A cancellation of one's own:
///
/// ```
/// use gander_runtime::{Cancel, Signal};
///
/// #[derive(Default)]
/// struct Shutdown(Signal);
///
/// impl Cancel for Shutdown {
///     type Error = &'static str;
///     fn signal(&self) -> Option<&Signal> {
///         Some(&self.0)
///     }
///     fn error(&self) -> &'static str {
///         "shutting down"
///     }
/// }
///
/// let shutdown = Shutdown::default();
/// assert!(shutdown.0.fire());
/// assert!(shutdown.signal().unwrap().is_fired());
/// ```
pub trait Cancel {
    /// What an operation returns that was ended by it.
    type Error;

    /// Fires to end waits; none if nothing ever will.
    fn signal(&self) -> Option<&Signal>;

    /// Why. Asked for only after the signal has fired.
    fn error(&self) -> Self::Error;

    /// When the signal will have fired at the latest, if that is known: for who has to divide the time that is left.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether waits are to end.
    fn is_cancelled(&self) -> bool {
        self.signal().is_some_and(Signal::is_fired)
    }
}

/// Something that happens once, and ends the waits of all who wait for it.
pub struct Signal {
    /// Written under the lock.
    fired: AtomicBool,
    waiters: Lock<Waiters>,
}

/// Waiters in order of arrival, linked in a ring: the last is `first.prev`.
struct Waiters {
    first: *mut Waiter,
}

// SAFETY: it owns the links of its waiters, wherever they lie; it is used under a lock.
unsafe impl Send for Waiters {}

/// A task's place at a signal, in the task's frame.
#[derive(Debug)]
#[doc(hidden)]
pub struct Waiter {
    prev: *mut Waiter,
    /// Null when it stands nowhere. Links are touched under the signal's lock.
    next: *mut Waiter,
    task: Task,
    by: By,
}

/// What a signal has to win to end a wait.
#[derive(Debug)]
enum By {
    Claim(*const Claim),
    Token(*const Token),
}

impl Waiter {
    /// A place for `task`, whose wait ends with whoever wins `claim`.
    pub fn new(task: Task, claim: &Claim) -> Waiter {
        Waiter { prev: ptr::null_mut(), next: ptr::null_mut(), task, by: By::Claim(claim) }
    }

    /// A place for `task`, which waits on `token`, or is about to.
    pub fn on_token(task: Task, token: &Token) -> Waiter {
        Waiter { prev: ptr::null_mut(), next: ptr::null_mut(), task, by: By::Token(token) }
    }

    /// Ends its wait if nobody else has. True: its task rests, and is the caller's to ready.
    ///
    /// # Safety
    ///
    /// It is alive, and stood at a signal until now.
    unsafe fn win(&self) -> bool {
        // SAFETY: by contract; both outlive it.
        unsafe {
            match self.by {
                By::Claim(claim) => (*claim).claim(Claim::CANCELLED),
                // A thread sleeps in the poller's way, and is woken in the poller's way.
                By::Token(token) => (*token).set().is_some_and(|bits| !poll::wake_thread(bits)),
            }
        }
    }
}

impl Signal {
    /// A signal that has not fired.
    #[cfg(not(loom))]
    pub const fn new() -> Signal {
        Signal { fired: AtomicBool::new(false), waiters: Lock::new(Waiters { first: ptr::null_mut() }) }
    }

    /// A signal that has not fired.
    #[cfg(loom)]
    pub fn new() -> Signal {
        Signal { fired: AtomicBool::new(false), waiters: Lock::new(Waiters { first: ptr::null_mut() }) }
    }

    /// Whether it has fired. What happened before that is visible then.
    #[inline]
    pub fn is_fired(&self) -> bool {
        self.fired.load(Ordering::Acquire)
    }

    /// Fires: whoever waits goes on, and nobody waits for it any more. Whether this call did it.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn fire(&self) -> bool {
        // SAFETY: each task waits, and its claim was won for us; it is readied once.
        self.fire_with(|task| unsafe { task.ready() })
    }

    /// [`fire`](Self::fire), with another way to ready the tasks.
    #[doc(hidden)]
    pub fn fire_with(&self, mut ready: impl FnMut(Task)) -> bool {
        let mut woken: *mut Waiter = ptr::null_mut();
        {
            let mut waiters = self.waiters.lock();
            if self.fired.load(Ordering::Relaxed) {
                return false;
            }
            self.fired.store(true, Ordering::Release);
            let mut end = &raw mut woken;
            while let Some(waiter) = waiters.pop() {
                // SAFETY: it was linked, so its frame is there: as long as we hold the lock, or until we ready its task
                // if we win. Those that were won form a list by their `next`.
                unsafe {
                    if (*waiter).win() {
                        *end = waiter;
                        end = &raw mut (*waiter).next;
                    }
                }
            }
        }
        while !woken.is_null() {
            // SAFETY: its task rests until we ready it. In the end the waiter stands nowhere; then it may be gone.
            let (task, next) = unsafe { ((*woken).task, ptr::replace(&raw mut (*woken).next, ptr::null_mut())) };
            ready(task);
            woken = next;
        }
        true
    }

    /// Lets a task that has come to rest wait here too, and publishes its wait to the others who may end it. False: the
    /// signal has fired and has won the wait, so the task must go on at once.
    ///
    /// # Safety
    ///
    /// `waiter` stands nowhere and stays in place until [`withdraw`](Self::withdraw) has returned. Its task rests, and
    /// until `publish` is called nobody else can win its claim; after that nothing of its frame is touched here.
    #[doc(hidden)]
    pub unsafe fn enlist(&self, waiter: *mut Waiter, publish: impl FnOnce()) -> bool {
        let mut waiters = self.waiters.lock();
        if self.fired.load(Ordering::Relaxed) {
            // SAFETY: by contract.
            let won = unsafe { (*waiter).win() };
            debug_assert!(won, "nobody knows of the claim yet");
            publish();
            return false;
        }
        // SAFETY: by contract. The task may be readied once it is published, but cannot get past `withdraw` before we
        // let go of the lock.
        unsafe { waiters.push(waiter) };
        publish();
        true
    }

    /// Lets a task that is about to wait on a token stand here too. False: the signal has fired, and it stands nowhere.
    ///
    /// # Safety
    ///
    /// `waiter` is [of a token](Waiter::on_token), stands nowhere and stays in place, as the token does, until
    /// [`withdraw`](Self::withdraw) has returned.
    #[doc(hidden)]
    pub unsafe fn watch(&self, waiter: *mut Waiter) -> bool {
        let mut waiters = self.waiters.lock();
        if self.fired.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: by contract.
        unsafe { waiters.push(waiter) };
        true
    }

    /// Takes a waiter back. After this nobody here touches it.
    ///
    /// # Safety
    ///
    /// `waiter` was enlisted here or watched, and the wait of its task is over.
    #[doc(hidden)]
    pub unsafe fn withdraw(&self, waiter: *mut Waiter) {
        let mut waiters = self.waiters.lock();
        // SAFETY: by contract it stands here or nowhere, which its `next` tells; and a waiter that was won by `fire`
        // stands nowhere before its task is readied.
        unsafe {
            if !(*waiter).next.is_null() {
                waiters.unlink(waiter);
            }
        }
    }

    /// Waits until it fires.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    pub fn wait(&self, reason: WaitReason) {
        if self.is_fired() {
            return;
        }
        let claim = Claim::new();
        // SAFETY: only the signal knows the claim.
        unsafe { wait_cancellable(reason, u64::MAX, self, &claim, || {}) };
    }

    /// Waits until it fires (true), or until `deadline` on the clock of [`now`](crate::timer::now).
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    pub fn wait_until(&self, reason: WaitReason, deadline: u64) -> bool {
        if self.is_fired() {
            return true;
        }
        let claim = Claim::new();
        // SAFETY: only the signal and the clock know the claim.
        unsafe { wait_cancellable(reason, deadline, self, &claim, || {}) == Claim::CANCELLED }
    }
}

impl Default for Signal {
    fn default() -> Signal {
        Signal::new()
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("fired", &self.is_fired()).finish_non_exhaustive()
    }
}

impl Waiters {
    /// # Safety
    ///
    /// `waiter` is alive and stands nowhere; so are all that stand here.
    unsafe fn push(&mut self, waiter: *mut Waiter) {
        // SAFETY: by contract.
        unsafe {
            if self.first.is_null() {
                (*waiter).prev = waiter;
                (*waiter).next = waiter;
                self.first = waiter;
            } else {
                let (first, last) = (self.first, (*self.first).prev);
                (*waiter).prev = last;
                (*waiter).next = first;
                (*last).next = waiter;
                (*first).prev = waiter;
            }
        }
    }

    /// # Safety
    ///
    /// `waiter` stands here.
    unsafe fn unlink(&mut self, waiter: *mut Waiter) {
        // SAFETY: by contract; all that stand here are alive.
        unsafe {
            let (prev, next) = ((*waiter).prev, (*waiter).next);
            if next == waiter {
                self.first = ptr::null_mut();
            } else {
                (*prev).next = next;
                (*next).prev = prev;
                if self.first == waiter {
                    self.first = next;
                }
            }
            (*waiter).next = ptr::null_mut();
        }
    }

    fn pop(&mut self) -> Option<*mut Waiter> {
        let first = self.first;
        if first.is_null() {
            return None;
        }
        // SAFETY: it stands here.
        unsafe { self.unlink(first) };
        Some(first)
    }
}

/// [`wait_until`](crate::wait_until) that `signal`, if there is one, may end too: then [`Claim::CANCELLED`] is the winner,
/// also if it had fired before. Returns the winner.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread.
///
/// # Safety
///
/// As [`wait_until`](crate::wait_until); nobody can win `claim` before `release` has been called, and locks held now
/// come before a timer heap's in the order of locks.
pub unsafe fn wait_cancellable<'a>(
    reason: WaitReason,
    deadline: u64,
    signal: impl Into<Option<&'a Signal>>,
    claim: &Claim,
    release: impl FnOnce(),
) -> usize {
    let Some(signal) = signal.into() else {
        // SAFETY: by contract.
        return unsafe { wait_until(reason, deadline, claim, release) };
    };
    let mut waiter = Waiter::new(Task::current(), claim);
    let at = &raw mut waiter;
    // SAFETY: by contract. The waiter lies in our frame, which stays until `withdraw` has returned. The closures are
    // moved to where the task has come to rest; the signal is borrowed for longer than the wait.
    unsafe {
        wait_until_if(reason, deadline, claim, move || signal.enlist(at, release));
        signal.withdraw(at);
    }
    claim.winner()
}
