//! Rescue: a thread that sleeps in a system call nobody announced loses its P, not the program.
//!
//! No signal is sent: the sleeping call must not see EINTR. sysmon sees that the thread burns no processor time and
//! that the kernel says it sleeps, shuts it out of the runtime for a moment (`M::seize`), and takes the P. The thread
//! learns of it at its next entry to the runtime, or by a signal if it goes on computing.

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::m::{self, M};
use crate::p::P;
use crate::sched::{self, idle, inject};

/// Rescues since the start.
pub(crate) static COUNT: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds of processor time that a thread has used.
pub(crate) fn cpu_nanos(tid: libc::pid_t) -> u64 {
    // The kernel's encoding of "the scheduler's clock of this thread" (clock_getcpuclockid does the same for
    // processes; for threads of one's own process only pthread_t is public, which a goroutine's thread has not).
    const PER_THREAD_SCHED: libc::clockid_t = 0b110;
    let clock = (!tid << 3) | PER_THREAD_SCHED;
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes our local; fails for a thread that is gone.
    if unsafe { libc::clock_gettime(clock, &mut at) } != 0 {
        return 0;
    }
    at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64
}

/// Whether the kernel says that the thread sleeps (and is not only waiting for a processor).
pub(crate) fn sleeps(tid: libc::pid_t) -> bool {
    use std::fmt::Write;
    // No allocation here: sysmon.
    let mut path = crate::fatal::Line::new();
    let _ = write!(path, "/proc/self/task/{tid}/stat\0");
    let mut text = [0u8; 256];
    // SAFETY: the path ends with a zero; reads into our local.
    let len = unsafe {
        let file = libc::open(path.as_bytes().as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return false;
        }
        let len = libc::read(file, text.as_mut_ptr().cast(), text.len());
        libc::close(file);
        len
    };
    let Ok(len) = usize::try_from(len) else { return false };
    // "tid (name) S …": the name may contain anything, so look behind its end.
    let text = &text[..len];
    let state = text.iter().rposition(|&byte| byte == b')').and_then(|end| text.get(end + 2));
    matches!(state, Some(b'S' | b'D'))
}

/// Takes the P from a sleeping worker and gives it to a spare one. False if the worker was in the runtime after all,
/// or there is no spare one.
pub(crate) fn rescue(m: &M, p: &'static P) -> bool {
    let Some(spare) = idle::take_spare() else {
        crate::sched::janitor::want_worker();
        return false;
    };
    if !m.detach(p) {
        idle::put_back_spare(spare);
        return false;
    }
    COUNT.fetch_add(1, Ordering::Relaxed);
    idle::send_off(spare, p, ptr::null());
    true
}

/// The running goroutine of a worker that lost its P wins one back: an idle one, or it waits in the queue for its
/// turn, bound to this thread.
pub(crate) fn reacquire(m: &'static M) {
    if idle::take_any(m) {
        return;
    }
    let g = m::current_g();
    // SAFETY: the running G is alive.
    let g = unsafe { &*g };
    super::sleep_bound(m, g, || {
        inject::put_batch(&[ptr::from_ref(g).cast_mut()]);
        sched::call_if_resting();
    });
}
