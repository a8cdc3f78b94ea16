//! Announced blocking calls.

use gander_arch::Context;

use crate::g::reason::WaitReason;
use crate::inspect::trace;
use crate::m;
use crate::preempt::rescue;
use crate::sched::handing;

/// Runs `f`, which may block the thread for long (a system call, a C library, a computation that is best not
/// interrupted), without keeping a processor from the other goroutines meanwhile. On an ordinary thread it only
/// calls `f`.
///
/// A blocking call that is not announced is noticed too, after some milliseconds; this way nobody waits for that. And
/// what is announced may compute for as long as it likes, beside the processors that run goroutines.
///
/// # Blocking
///
/// Blocks the thread for as long as `f` does, and then waits for a processor.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander_runtime::run(|| {
/// let text = gander::blocking(|| std::fs::read_to_string("/proc/self/status"));
/// assert!(text.unwrap().contains("Pid:"));
/// # });
/// ```
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    /// Wins a processor back, also when `f` panics.
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            m::hold_preemption();
            // SAFETY: the running goroutine is alive; a forked child has none.
            if let Some(g) = unsafe { m::current_g().as_ref() } {
                g.set_reason(WaitReason::None);
            }
            m::release_preemption();
        }
    }
    let Some(m) = m::current() else { return f() };
    m.enter();
    // SAFETY: the running goroutine is alive.
    let g = unsafe { &*m::current_g() };
    g.set_blocking(Context::here());
    if m.p().attend.is_traced() {
        trace::blocked(m.p(), g);
    }
    handing::release(m);
    m.seat.announce();
    rescue::announced(m);
    m.leave_quietly();
    let _back = Back;
    f()
}
