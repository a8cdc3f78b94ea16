//! A timer signal that keeps hitting the thread that started it, and leaves no register as it was.

use std::arch::asm;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many signals have been handled in this process.
pub static HITS: AtomicUsize = AtomicUsize::new(0);

const ALTERNATE: usize = 256 * 1024;

/// Fires until dropped.
pub struct Timer {
    id: libc::timer_t,
    _alternate: Vec<u8>,
}

impl Timer {
    /// Fires `hertz` times a second, on an alternate stack or on whatever stack is running.
    pub fn start(hertz: i64, alternate_stack: bool) -> Timer {
        let mut alternate = vec![0u8; ALTERNATE];
        // SAFETY: plain system calls on zeroed, then filled structures. The alternate stack outlives the timer:
        // `drop` disarms both first.
        unsafe {
            let stack = libc::stack_t { ss_sp: alternate.as_mut_ptr().cast(), ss_flags: 0, ss_size: ALTERNATE };
            assert_eq!(libc::sigaltstack(&stack, null_mut()), 0);

            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_RESTART | if alternate_stack { libc::SA_ONSTACK } else { 0 };
            assert_eq!(libc::sigaction(libc::SIGPROF, &action, null_mut()), 0);

            let mut event: libc::sigevent = zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGPROF;
            event.sigev_notify_thread_id = libc::gettid();
            let mut id = null_mut();
            assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut id), 0);

            let period = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 / hertz };
            let spec = libc::itimerspec { it_interval: period, it_value: period };
            assert_eq!(libc::timer_settime(id, 0, &spec, null_mut()), 0);
            Timer { id, _alternate: alternate }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: ours. A signal still pending hits a handler that stays installed, on the thread's own stack.
        unsafe {
            libc::timer_delete(self.id);
            let off = libc::stack_t { ss_sp: null_mut(), ss_flags: libc::SS_DISABLE, ss_size: ALTERNATE };
            libc::sigaltstack(&off, null_mut());
        }
    }
}

/// Overwrites every register it may and 4 KiB of stack: the kernel restores the registers, so what this finds is a
/// switch that keeps something where a signal frame goes.
extern "C" fn handler(_: libc::c_int) {
    HITS.fetch_add(1, Ordering::Relaxed);
    let mut dirt = [0x5au8; 4096];
    // SAFETY: every register written is declared.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "mov rax, -1", "mov rcx, rax", "mov rdx, rax", "mov rsi, rax", "mov rdi, rax", "mov r8, rax",
            "mov r9, rax", "mov r10, rax", "mov r11, rax", "mov r12, rax", "mov r13, rax", "mov r14, rax",
            "mov r15, rax", "pcmpeqd xmm0, xmm0", "pcmpeqd xmm7, xmm7", "pcmpeqd xmm15, xmm15",
            "fld1", "fstp st(0)",
            out("r12") _, out("r13") _, out("r14") _, out("r15") _, clobber_abi("C"), options(nostack),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "mov x0, #-1", "mov x1, x0", "mov x2, x0", "mov x3, x0", "mov x9, x0", "mov x10, x0", "mov x16, x0",
            "mov x17, x0", "mov x20, x0", "mov x21, x0", "mov x28, x0", "movi v0.16b, #255", "movi v8.16b, #255",
            "movi v15.16b, #255", "movi v31.16b, #255",
            out("x20") _, out("x21") _, out("x28") _, clobber_abi("C"), options(nostack),
        );
    }
    std::hint::black_box(&mut dirt);
}
