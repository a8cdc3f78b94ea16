//! The thread pointer: the one register that says which thread this is.
//!
//! The compiler takes the address of a thread-local to be constant within a function, so no function may touch a
//! thread-local on both sides of an exchange. [`ThreadPointer::visit`] keeps that rule by construction; whoever calls
//! [`ThreadPointer::install`] keeps it himself.
#![allow(unsafe_code, reason = "reading and writing the thread pointer is assembly by nature")]

use core::arch::asm;
use core::hint::black_box;
use core::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The address a block is known by: the FS base on x86_64, `TPIDR_EL0` on aarch64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct ThreadPointer(*mut u8);

// SAFETY: the value is an address; nothing is reached through it except by unsafe calls with contracts of their own.
unsafe impl Send for ThreadPointer {}
// SAFETY: as above.
unsafe impl Sync for ThreadPointer {}

impl ThreadPointer {
    /// The thread pointer in force. Never cached by the compiler: the read is volatile.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        let tp: *mut u8;
        // SAFETY: the psABI keeps the thread pointer's own value at %fs:0, readable in every thread; this needs no
        // FSGSBASE. Not `pure`, so each call reads anew.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            asm!("mov {}, fs:[0]", out(reg) tp, options(nostack, preserves_flags, readonly));
        }
        // SAFETY: TPIDR_EL0 may be read by anybody. Not `pure`, so each call reads anew.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!("mrs {}, tpidr_el0", out(reg) tp, options(nostack, preserves_flags, nomem));
        }
        Self(tp)
    }

    /// A thread pointer from its address.
    #[inline]
    #[must_use]
    pub const fn from_raw(address: *mut u8) -> Self {
        Self(address)
    }

    /// The address.
    #[inline]
    #[must_use]
    pub const fn as_ptr(self) -> *mut u8 {
        self.0
    }

    /// Makes this the thread pointer of the running OS thread.
    ///
    /// Never inlined, so that nothing of the caller's is scheduled across it.
    ///
    /// # Safety
    /// A complete block stands at the address (from [`Model::lay`](crate::Model::lay), or a thread's own), and no other
    /// OS thread runs on it. The caller, and whatever is inlined into it, touches no thread-local before and after.
    #[inline(never)]
    pub unsafe fn install(self) {
        // SAFETY: passed on; FSGSBASE was announced by the kernel where it is used. Not `nomem`: every load and store
        // of thread-locals stays on its side.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            if exchange_is_one_instruction() {
                asm!("wrfsbase {}", in(reg) self.0, options(nostack, preserves_flags));
            } else {
                self.install_by_system_call();
            }
        }
        // SAFETY: TPIDR_EL0 may be written by anybody; the value is good by the caller's word. Not `nomem`, as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            asm!("msr tpidr_el0, {}", in(reg) self.0, options(nostack, preserves_flags));
        }
    }

    /// For x86_64 without FSGSBASE.
    ///
    /// # Safety
    /// As for [`install`](Self::install).
    #[cfg(target_arch = "x86_64")]
    unsafe fn install_by_system_call(self) {
        const ARCH_SET_FS: u64 = 0x1002;
        // SAFETY: the value is good by the caller's word; the call cannot fail for an address of this process. Not
        // through libc, which would write errno after the exchange.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") libc::SYS_arch_prctl => _,
                in("rdi") ARCH_SET_FS,
                in("rsi") self.0,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
    }

    /// Runs `f` on this block, on the caller's stack, and comes back. A panic of `f` is carried over.
    ///
    /// # Safety
    /// As for [`install`](Self::install), for the whole of `f`, except that thread-locals are safe on both sides: `f`
    /// is reached through a pointer the compiler cannot see through. `f` must not return or capture anything that is
    /// bound to one thread (references to thread-locals, guards).
    pub unsafe fn visit<R>(self, f: impl FnOnce() -> R) -> R {
        let mut errand = Errand { work: ManuallyDrop::new(f), result: MaybeUninit::uninit() };
        let run: unsafe fn(*mut Errand<_, R>) = black_box(Errand::run);
        let home = Self::current();
        // SAFETY: the caller vouches for the block; `home` is complete since the thread runs on it. Between the two
        // only `run` is called, which consumes `work` and fills `result` exactly once and lets no panic out.
        let result = unsafe {
            self.install();
            run(black_box(&raw mut errand));
            home.install();
            errand.result.assume_init()
        };
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// A closure on its way to another block, and its answer on the way back.
struct Errand<F, R> {
    work: ManuallyDrop<F>,
    result: MaybeUninit<std::thread::Result<R>>,
}

impl<F: FnOnce() -> R, R> Errand<F, R> {
    /// # Safety
    /// Called once for an errand that still holds its work.
    #[inline(never)]
    unsafe fn run(this: *mut Self) {
        // SAFETY: the errand is alive and exclusively ours for the call; `work` is taken once, by the contract.
        unsafe {
            let work = ManuallyDrop::take(&mut (*this).work);
            // Caught on the block it was thrown on: the panic count is a thread-local too.
            (*this).result.write(catch_unwind(AssertUnwindSafe(work)));
        }
    }
}

/// Whether an exchange is one instruction here: always on aarch64; on x86_64 if the kernel allows FSGSBASE (Linux 5.9,
/// and a processor since 2012). Otherwise it is a system call, `arch_prctl`.
#[must_use]
pub fn exchange_is_one_instruction() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
        const HWCAP2_FSGSBASE: u64 = 1 << 1;
        static KNOWN: AtomicU8 = AtomicU8::new(0); // 0: not asked yet; 1: no; 2: yes
        match KNOWN.load(Relaxed) {
            0 => {
                // SAFETY: getauxval only reads what the kernel handed over at start.
                let yes = unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_FSGSBASE != 0;
                KNOWN.store(1 + u8::from(yes), Relaxed);
                yes
            }
            known => known == 2,
        }
    }
    #[cfg(target_arch = "aarch64")]
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_what_is_installed_changes_nothing() {
        let tp = ThreadPointer::current();
        let name = std::thread::current().name().map(str::to_owned);
        // SAFETY: the thread's own block.
        unsafe {
            tp.install();
            #[cfg(target_arch = "x86_64")]
            tp.install_by_system_call();
        }
        assert_eq!(ThreadPointer::current(), tp);
        assert_eq!(std::thread::current().name().map(str::to_owned), name);
        // SAFETY: as above.
        assert_eq!(unsafe { tp.visit(|| 5) }, 5);
    }
}
