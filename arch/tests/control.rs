//! The floating-point control words belong to a context.
#![allow(unsafe_code, reason = "control registers are read and written by assembly")]

use gander_arch::{exchange_by_instruction, switch_tp, switch_tp_syscall, thread_pointer};
use rig::{Coroutine, Link};

mod rig;

#[cfg(target_arch = "x86_64")]
mod cpu {
    use std::arch::asm;

    pub(super) const DEFAULT: [u64; 2] = [0x1f80, 0x037f];
    /// Rounding up, down, to zero; flush to zero and denormals are zero; double precision.
    pub(super) const STRANGE: [[u64; 2]; 5] =
        [[0x5f80, 0x037f], [0x1f80, 0x0b7f], [0x7f80, 0x0f7f], [0x9fc0, 0x027f], [0x1f00, 0x035f]];

    /// MXCSR without its status flags, and the x87 control word.
    pub(super) fn get() -> [u64; 2] {
        let mut words = [0u32; 2];
        // SAFETY: stores to the two words.
        unsafe { asm!("stmxcsr [{0}]", "fnstcw [{0} + 4]", in(reg) &mut words, options(nostack)) };
        [u64::from(words[0]) & !0x3f, u64::from(words[1])]
    }

    pub(super) fn set([mxcsr, x87]: [u64; 2]) {
        let words = [mxcsr as u32, x87 as u32];
        // SAFETY: the tests do no floating-point arithmetic under these words but by assembly.
        unsafe { asm!("fnclex", "ldmxcsr [{0}]", "fldcw [{0} + 4]", in(reg) &words, options(nostack)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod cpu {
    use std::arch::asm;

    pub(super) const DEFAULT: [u64; 1] = [0];
    /// Rounding up, down, to zero; flush to zero; default NaN.
    pub(super) const STRANGE: [[u64; 1]; 5] = [[1 << 22], [2 << 22], [3 << 22], [1 << 24], [1 << 25]];

    pub(super) fn get() -> [u64; 1] {
        let word;
        // SAFETY: reads a register.
        unsafe { asm!("mrs {0}, fpcr", out(reg) word, options(nomem, nostack)) };
        [word]
    }

    pub(super) fn set([word]: [u64; 1]) {
        // SAFETY: the tests do no floating-point arithmetic under this word.
        unsafe { asm!("msr fpcr, {0}", in(reg) word, options(nostack)) };
    }
}

use cpu::{DEFAULT, STRANGE, get, set};

#[test]
fn a_fresh_context_has_the_defaults() {
    for words in STRANGE {
        set(words);
        let mut far = Coroutine::new(|link, _| {
            assert_eq!(get(), DEFAULT);
            link.leave(0);
            assert_eq!(get(), DEFAULT);
            0
        });
        far.resume(0);
        assert_eq!(get(), words);
        far.resume(0);
        assert_eq!(get(), words);
    }
    set(DEFAULT);
}

#[test]
fn each_side_keeps_its_own() {
    let mut far = Coroutine::new(|link, _| {
        for words in STRANGE.iter().cycle().take(100) {
            set(*words);
            link.leave(0);
            assert_eq!(get(), *words);
            set(DEFAULT);
            link.leave(0);
            assert_eq!(get(), DEFAULT);
        }
        0
    });
    for round in 0..200 {
        let words = *[DEFAULT].iter().chain(&STRANGE).nth(round % 6).unwrap();
        set(words);
        far.resume(0);
        assert_eq!(get(), words);
    }
    far.resume(0);
    set(DEFAULT);
}

fn across_thread_pointers(change: unsafe fn(*mut gander_arch::Context, *const gander_arch::Context)) {
    let far = Coroutine::new(move |link: &Link, _| {
        for words in STRANGE.iter().cycle() {
            assert_eq!(get(), DEFAULT);
            set(*words);
            // SAFETY: the near side waits.
            unsafe { change(link.far(), link.near()) };
            assert_eq!(get(), *words);
            set(DEFAULT);
            // SAFETY: the near side waits.
            unsafe { change(link.far(), link.near()) };
        }
        0
    });
    for words in STRANGE.iter().rev().cycle().take(100) {
        set(*words);
        // SAFETY: the far side is at rest.
        unsafe { change((*far.link()).near(), (*far.link()).far()) };
        assert_eq!(get(), *words);
    }
    set(DEFAULT);
}

#[test]
fn by_instruction_too() {
    if !exchange_by_instruction() {
        println!("skipped: this machine has no FSGSBASE");
        return;
    }
    // SAFETY: the thread pointer stays what it is.
    across_thread_pointers(|save, to| unsafe {
        switch_tp(save, to, 0, thread_pointer());
    });
}

#[test]
fn by_system_call_too() {
    // SAFETY: the thread pointer stays what it is.
    across_thread_pointers(|save, to| unsafe {
        switch_tp_syscall(save, to, 0, thread_pointer());
    });
}

/// The x87 status flags are nobody's: one context's sticky "inexact" must not trap in another that unmasks it.
#[cfg(target_arch = "x86_64")]
#[test]
fn no_trap_for_the_flags_of_others() {
    use std::arch::asm;
    let mut far = Coroutine::new(|link, _| {
        set([0x1f80, 0x035f]);
        link.leave(0);
        // SAFETY: an exact addition, and the register stack is empty again.
        unsafe { asm!("fld1", "fld1", "faddp", "fstp st(0)", "fwait", clobber_abi("C")) };
        assert_eq!(get(), [0x1f80, 0x035f]);
        set(DEFAULT);
        0
    });
    far.resume(0);
    // SAFETY: one over pi is inexact, which is masked here; the register stack is empty again.
    unsafe { asm!("fld1", "fldpi", "fdivp", "fstp st(0)", clobber_abi("C")) };
    far.resume(0);
    assert!(far.is_done());
}
