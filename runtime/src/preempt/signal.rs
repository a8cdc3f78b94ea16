//! The preemption signal: its handler, and sending it.
//!
//! `[signal-quiet]` The handler reads and writes words of its own M, takes spin locks that are only ever held with
//! preemption held off, and makes the system calls futex and tgkill. It does not allocate, lock anything of std's,
//! start threads, or touch lazy thread-locals.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use super::give_way;
use crate::m::{self, M};

static SIGNAL: AtomicI32 = AtomicI32::new(libc::SIGURG);

/// Installs the handler.
///
/// # Errors
///
/// If somebody else handles the signal.
pub(crate) fn install(signal: libc::c_int) -> Result<(), io::Error> {
    SIGNAL.store(signal, Ordering::Relaxed);
    // SAFETY: a zeroed sigaction is valid; the handler is async-signal-safe.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        if before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "the signal has a handler already"));
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        // RESTART: what the kernel can restart it does. ONSTACK: goroutine stacks keep no room for signal frames.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Asks `m` to give up its P if it is still in the turn `tick`.
pub(crate) fn send(m: &M, tick: u32) {
    m.preempt_tick.store(tick, Ordering::Relaxed);
    let tid = m.tid.load(Ordering::Relaxed);
    // SAFETY: sends a signal to a thread of this process; if the thread is gone nothing happens.
    unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, SIGNAL.load(Ordering::Relaxed));
    }
}

extern "C" fn handler(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid pointer; errno is this thread-local block's, and the block is the same when
    // we return, because the goroutine stays on this thread.
    let errno = unsafe {
        if (*info).si_code != libc::SI_TKILL {
            return;
        }
        libc::__errno_location()
    };
    // SAFETY: likewise.
    let before = unsafe { *errno };
    interrupt();
    // SAFETY: likewise.
    unsafe { *errno = before };
}

fn interrupt() {
    let g = m::current_g();
    let Some(m) = m::current() else { return };
    if m.is_inside() {
        m.pending.store(true, Ordering::Relaxed);
        return;
    }
    // SAFETY: the running G is alive. Outside the runtime it is a goroutine.
    let g = unsafe { &*g };
    if m.p.load(Ordering::Relaxed).is_null() {
        // Rescued while it was blocked, and now it computes without a P.
        m.enter();
        m.leave_quietly();
        return;
    }
    m.enter();
    // Another turn began since the request: that goroutine has not used its slice.
    if !m.p.load(Ordering::Relaxed).is_null()
        && m.p().tick.load(Ordering::Relaxed) == m.preempt_tick.load(Ordering::Relaxed)
    {
        // SAFETY: g runs on m, one level in, with a P.
        unsafe { give_way(m, g) };
    }
    m.leave_quietly();
}
