//! Asymmetric fences: the frequent side pays nothing, the rare side pays for both.
//!
//! A store followed by a load of something else (Dekker's pattern) needs a full fence on both sides: about 8 ns on
//! this project's machines, on every wake-up of every goroutine. The `membarrier` system call lets the rare side
//! execute that fence on behalf of every running thread of the process, so the frequent side needs only to stop
//! the compiler.
//!
//! Where the kernel refuses `membarrier` (old kernels, strict sandboxes) both sides use a full fence.

use crate::door::{Ordering, fence};
use std::sync::atomic::{AtomicBool, compiler_fence};

static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

// linux/membarrier.h
const CMD_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const CMD_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

#[allow(unsafe_code, reason = "a system call")]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Registers the process for `membarrier`. Called once, before any worker runs.
pub(crate) fn init() {
    if !cfg!(loom) && membarrier(CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(CMD_PRIVATE_EXPEDITED) {
        ASYMMETRIC.store(true, Ordering::Release);
    }
}

/// The frequent side. Partner: [`heavy`].
#[inline(always)]
pub(crate) fn light() {
    if !cfg!(loom) && ASYMMETRIC.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The rare side: after it, every [`light`] of every other thread is ordered either wholly before or wholly after.
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
    if !cfg!(loom) && ASYMMETRIC.load(Ordering::Relaxed) {
        // Cannot fail once registered; if it did, nothing safe is left to do.
        assert!(membarrier(CMD_PRIVATE_EXPEDITED), "gander: membarrier failed after registration");
    }
}
