//! A wait that the clock may end: a timer on the waiting goroutine's stack.

use crate::g::reason::WaitReason;
use crate::m;
use crate::park::{Task, wait_if};
use crate::timer::{self, Timer, Timers};
use crate::token::Token;

/// A timer and what it ends.
#[repr(C)]
struct Alarm<'a> {
    timer: Timer,
    task: Task,
    /// Takes the wait for the clock, against anybody else who may end it.
    expire: &'a dyn Fn() -> bool,
}

unsafe fn ring(timer: *mut Timer) {
    // SAFETY: only an alarm has this function, and the timer is its first field. It is alive, as its owner does not
    // get past `disarm` while we run.
    unsafe {
        let alarm = timer.cast::<Alarm<'_>>();
        let task = (*alarm).task;
        if ((*alarm).expire)() {
            task.ready();
        }
    }
}

/// [`wait_if`], ended by the clock at `deadline` if `expire` then wins.
///
/// # Safety
///
/// The caller is the goroutine `task`. As [`wait_if`], where `expire` and all others who may ready the task agree
/// on one of them.
pub(crate) unsafe fn wait(
    reason: WaitReason,
    deadline: u64,
    task: Task,
    expire: &dyn Fn() -> bool,
    release: impl FnOnce() -> bool,
) {
    let mut alarm = Alarm { timer: Timer::new(ring), task, expire };
    let mut home: *const Timers = std::ptr::null();
    let (alarm_at, home_at) = (&raw mut alarm, &raw mut home);
    // SAFETY: by contract. The timer lies in our frame, which stays until `disarm` has returned. `release` is moved
    // to the far side's stack, and after it nothing of our frame is touched.
    unsafe {
        wait_if(reason, move || {
            let m = m::current().expect("a park lands on a worker");
            let timers = &m.p().timers;
            home_at.write(timers);
            let mut stays = false;
            if timers.arm(alarm_at.cast(), deadline, || {
                stays = release();
                stays
            }) {
                m.armed.set(m.armed.get().min(deadline));
            }
            stays
        });
        timer::disarm(alarm_at.cast(), &*home);
    }
}

/// Parks on `token` until it is set or the clock shows `deadline`.
pub(crate) fn park_until(token: &Token, deadline: u64) {
    let task = Task::current();
    let bits = task.bits();
    let expire = || token.withdraw(bits);
    // SAFETY: whoever takes the task off the token readies it, the clock or an unpark.
    unsafe { wait(WaitReason::Park, deadline, task, &expire, || token.commit(bits)) }
}
