//! What a goroutine asks of the scheduler about itself: who am I, let others run, wait, sleep, stay on this thread.

use std::time::Duration;

use crate::g::handle::Goroutine;
use crate::g::reason::WaitReason;
use crate::m;
use crate::park::{Claim, Task, pause, wait_if, wait_until};
use crate::sched::{self, SPIN, inject};
use crate::switch::AfterSwitch;
use crate::timer::deadline_after;
use crate::token::Token;

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

/// The calling goroutine's handle, or none on an ordinary thread.
pub fn try_current() -> Option<Goroutine> {
    let g = m::current_g();
    if g.is_null() {
        return None;
    }
    // SAFETY: the running goroutine is alive.
    Some(unsafe { (*g).ident().handle().clone() })
}

/// The calling goroutine's handle.
///
/// # Panics
///
/// On a thread that is not a goroutine; [`try_current`] says none there.
pub fn current() -> Goroutine {
    try_current().unwrap_or_else(|| {
        panic!(
            "gander::current() called on a thread that is not a goroutine (gander::try_current() does not panic)"
        )
    })
}

/// Lets other goroutines run first: the calling one goes to the end of its processor's queue. On an ordinary thread
/// it is [`std::thread::yield_now`].
///
/// # Blocking
///
/// Parks the goroutine only if another is ready.
#[inline(always)]
pub fn yield_now() {
    let Some(m) = m::current() else {
        return std::thread::yield_now();
    };
    m.enter();
    let p = m.p();
    let alone = !p.has_work() && inject::len() == 0 && !p.attend.any();
    if alone && !p.tick.load(Ordering::Relaxed).wrapping_add(1).is_multiple_of(sched::FAIRNESS) {
        // Count the turn all the same: timers are looked at every so many.
        p.tick.store(p.tick.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        m.leave();
        return;
    }
    // SAFETY: the running goroutine is alive.
    let g = unsafe { &*m::current_g() };
    // Others wait outside this P, and it has nothing of its own: let them in.
    let after = if p.has_work() { AfterSwitch::Requeue(g) } else { AfterSwitch::RequeueGlobal(g) };
    // SAFETY: g runs here, in the runtime, and holds nothing.
    unsafe { pause(m, g, after) };
}

/// Waits until the calling goroutine's handle is [`unpark`](Goroutine::unpark)ed; returns at once if that happened
/// since the last park. As [`std::thread::park`], and unlike it never returns without an unpark. On an ordinary
/// thread it is [`std::thread::park`].
///
/// # Blocking
///
/// Parks the goroutine.
pub fn park() {
    let Some(goroutine) = try_current() else {
        return std::thread::park();
    };
    if goroutine.has_ended() {
        return yield_now();
    }
    let token: &Token = goroutine.token();
    if token.take() {
        return;
    }
    let task = Task::current().bits();
    // SAFETY: whoever takes the task off the token readies it once. `commit` touches the token, which the handle
    // keeps alive on our resting stack until the very exchange that publishes the task; an unpark holds a handle
    // of its own.
    unsafe { wait_if(WaitReason::Park, || token.commit(task)) }
}

/// [`park`], for at most `timeout`. As [`std::thread::park_timeout`].
///
/// # Blocking
///
/// Parks the goroutine.
pub fn park_timeout(timeout: Duration) {
    let Some(goroutine) = try_current() else {
        return std::thread::park_timeout(timeout);
    };
    if goroutine.has_ended() {
        return sleep(timeout);
    }
    let token: &Token = goroutine.token();
    if token.take() {
        return;
    }
    crate::alarm::park_until(token, deadline_after(timeout));
}

/// Waits for at least `duration`, on the monotonic clock. As [`std::thread::sleep`].
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread. For a zero duration it returns at once.
pub fn sleep(duration: Duration) {
    if duration.is_zero() {
        return;
    }
    if m::current_g().is_null() {
        return std::thread::sleep(duration);
    }
    let claim = Claim::new();
    // SAFETY: only the clock knows the claim.
    unsafe {
        wait_until(WaitReason::Sleep, deadline_after(duration), &claim, || {});
    }
}

/// Ties the calling goroutine to the thread it runs on: it runs nowhere else and nothing else runs there, until
/// [`unlock_os_thread`] was called as often. For libraries that keep state in the kernel's thread (signal mask,
/// namespaces, GL contexts). If the goroutine ends while locked, its thread ends. Goroutines it spawns are not
/// tied. On an ordinary thread it does nothing.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander_runtime::run(|| {
/// gander::lock_os_thread();
/// // … change this thread, use it, change it back …
/// gander::unlock_os_thread();
/// # });
/// ```
pub fn lock_os_thread() {
    let Some(m) = m::current() else { return };
    m.enter();
    // SAFETY: the running goroutine is alive.
    let g = unsafe { &*m::current_g() };
    g.locks.set(g.locks.get().checked_add(1).expect("lock_os_thread called 2^32 times"));
    g.bound.store(std::ptr::from_ref(m).cast_mut(), Ordering::Relaxed);
    m.bound.set(g);
    m.leave();
}

/// Undoes one [`lock_os_thread`]; without one it does nothing.
pub fn unlock_os_thread() {
    let Some(m) = m::current() else { return };
    m.enter();
    // SAFETY: the running goroutine is alive.
    let g = unsafe { &*m::current_g() };
    match g.locks.get() {
        0 => {}
        1 => {
            g.locks.set(0);
            g.bound.store(std::ptr::null_mut(), Ordering::Relaxed);
            m.bound.set(std::ptr::null());
        }
        many => g.locks.set(many - 1),
    }
    m.leave();
}

/// How many goroutines may run at once: the number of processors (Ps) in service. Go's `GOMAXPROCS(0)`.
pub fn procs() -> usize {
    sched::procs::in_service()
}

/// Sets how many goroutines may run at once and returns what it was. From then on the number no longer follows the
/// machine. A processor that is taken out of service is given up at its goroutine's next pause.
///
/// # Panics
///
/// If `count` is 0 or more than 1024. On a process that runs no runtime yet.
pub fn set_procs(count: usize) -> usize {
    if let Err(error) = crate::runtime::running() {
        panic!("gander::set_procs({count}): {error}");
    }
    let before = procs();
    sched::procs::set(count, true);
    before
}

/// What is around a task that finds a lock taken: what it may do before it waits. A hint, for locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Goroutines wait for this processor.
    pub has_ready: bool,
    /// Others run elsewhere: who has the lock, perhaps. If not, nothing changes while the task looks on.
    pub others_run: bool,
}

/// What is around the calling task.
pub fn surroundings() -> Surroundings {
    let Some(m) = m::current() else {
        // An ordinary thread: whether it is alone on the machine.
        static IS_ALONE: LazyLock<bool> =
            LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|count| count.get() == 1));
        return Surroundings { has_ready: false, others_run: !*IS_ALONE };
    };
    m.enter();
    let has_ready = m.p().has_work();
    m.leave();
    Surroundings { has_ready, others_run: procs() > SPIN.idle() as usize + SPIN.searching() as usize + 1 }
}

/// The number of the processor the calling goroutine runs on, which may be another at once; none on an ordinary
/// thread. For what is kept once for each; a hint.
pub fn proc_index() -> Option<usize> {
    let m = m::current()?;
    m.enter();
    let index = m.p().index;
    m.leave();
    Some(index)
}
