//! Every register that the C ABI calls the callee's survives a switch, while signals land on it.
#![allow(unsafe_code, reason = "fills registers by assembly")]

use std::arch::naked_asm;
use std::sync::atomic::{AtomicUsize, Ordering};

use rig::timer::{HITS, Timer};
use rig::{Coroutine, Link};

mod rig;

/// The callee-saved registers: rbx, rbp, r12 to r15.
#[cfg(target_arch = "x86_64")]
const COUNT: usize = 6;
/// The callee-saved registers: x19 to x28, x29, d8 to d15.
#[cfg(target_arch = "aarch64")]
const COUNT: usize = 19;

/// Loads all callee-saved registers from `values`, calls `call(arg)`, and stores what they hold then into `values`.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn across(values: *mut [u64; COUNT], call: unsafe extern "C" fn(*const Link), arg: *const Link) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdi",
        "mov rbx, [rdi]",
        "mov rbp, [rdi + 8]",
        "mov r12, [rdi + 16]",
        "mov r13, [rdi + 24]",
        "mov r14, [rdi + 32]",
        "mov r15, [rdi + 40]",
        "mov rdi, rdx",
        "call rsi",
        "pop rdi",
        "mov [rdi], rbx",
        "mov [rdi + 8], rbp",
        "mov [rdi + 16], r12",
        "mov [rdi + 24], r13",
        "mov [rdi + 32], r14",
        "mov [rdi + 40], r15",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

/// As above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn across(values: *mut [u64; COUNT], call: unsafe extern "C" fn(*const Link), arg: *const Link) {
    naked_asm!(
        "stp x29, x30, [sp, #-176]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "str x0, [sp, #160]",
        "ldp x19, x20, [x0]",
        "ldp x21, x22, [x0, #16]",
        "ldp x23, x24, [x0, #32]",
        "ldp x25, x26, [x0, #48]",
        "ldp x27, x28, [x0, #64]",
        "ldr x29, [x0, #80]",
        "ldp d8, d9, [x0, #88]",
        "ldp d10, d11, [x0, #104]",
        "ldp d12, d13, [x0, #120]",
        "ldp d14, d15, [x0, #136]",
        "mov x9, x1",
        "mov x0, x2",
        "blr x9",
        "ldr x0, [sp, #160]",
        "stp x19, x20, [x0]",
        "stp x21, x22, [x0, #16]",
        "stp x23, x24, [x0, #32]",
        "stp x25, x26, [x0, #48]",
        "stp x27, x28, [x0, #64]",
        "str x29, [x0, #80]",
        "stp d8, d9, [x0, #88]",
        "stp d10, d11, [x0, #104]",
        "stp d12, d13, [x0, #120]",
        "stp d14, d15, [x0, #136]",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "ldp x29, x30, [sp], #176",
        "ret",
    )
}

/// A switch there and back as a function of its own, so small that it has no use for a callee-saved register but to
/// keep it: what the assembly fails to declare or save is lost.
macro_rules! there_and_back {
    ($($to_far:ident, $to_near:ident: |$save:ident, $to:ident| $switch:expr;)*) => {
        $(
            unsafe extern "C" fn $to_far(link: *const Link) {
                // SAFETY: called on the near stack with the far side at rest.
                let ($save, $to) = unsafe { ((*link).near(), (*link).far()) };
                // SAFETY: as above, and the thread pointer stays the same.
                unsafe { $switch };
            }

            unsafe extern "C" fn $to_near(link: *const Link) {
                // SAFETY: called on the far stack with the near side at rest.
                let ($save, $to) = unsafe { ((*link).far(), (*link).near()) };
                // SAFETY: as above, and the thread pointer stays the same.
                unsafe { $switch };
            }
        )*
    };
}

there_and_back! {
    bare_to_far, bare_to_near: |save, to| gander_arch::switch_bare(save, to, 0);
    full_to_far, full_to_near: |save, to| gander_arch::switch(save, to, 0);
    tp_to_far, tp_to_near: |save, to| gander_arch::switch_tp(save, to, 0, gander_arch::thread_pointer());
    call_to_far, call_to_near: |save, to| gander_arch::switch_tp_syscall(save, to, 0, gander_arch::thread_pointer());
}

type Call = unsafe extern "C" fn(*const Link);

/// Each form meets itself and the others. (The system call is slow, so it is rare.)
fn forms(round: usize) -> (Call, Call) {
    let exchange = gander_arch::exchange_by_instruction();
    let to_far = match round % 16 {
        0 => call_to_far as Call,
        1..6 if exchange => tp_to_far,
        6..11 => bare_to_far,
        _ => full_to_far,
    };
    let to_near = match round % 19 {
        0 => call_to_near as Call,
        1..7 if exchange => tp_to_near,
        7..13 => bare_to_near,
        _ => full_to_near,
    };
    (to_far, to_near)
}

static ROUND: AtomicUsize = AtomicUsize::new(0);

/// Different in every register, round and side. (The factor is odd, so that the product differs too.)
fn values(round: usize, side: u64) -> [u64; COUNT] {
    std::array::from_fn(|i| (round as u64 * 64 + side * 32 + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn check(round: usize, side: u64, call: Call, link: *const Link) {
    let before = values(round, side);
    let mut after = before;
    // SAFETY: `across` keeps to the C ABI, and `call` is a switch that comes back.
    unsafe { across(&mut after, call, link) };
    assert!(after == before, "side {side}, round {round}: {before:x?} became {after:x?}");
}

fn torture(alternate_stack: bool) {
    let rounds = rig::repeats(2_500_000);
    let hits = HITS.load(Ordering::Relaxed);
    let timer = Timer::start(if cfg!(target_arch = "aarch64") { 1_000 } else { 10_000 }, alternate_stack);
    let far = Coroutine::new(move |link, mut round| {
        loop {
            check(round, 1, forms(round).1, link);
            round = ROUND.load(Ordering::Relaxed);
        }
    });
    // A small test may be over before the first signal: go on for a while then.
    let mut round = 0;
    while round < rounds || (HITS.load(Ordering::Relaxed) == hits && round < rounds * 100) {
        ROUND.store(round, Ordering::Relaxed);
        check(round, 0, forms(round).0, far.link());
        round += 1;
    }
    drop(timer);
    let hits = HITS.load(Ordering::Relaxed) - hits;
    println!("{} switches, {hits} signals", round * 2);
    assert!(hits > 0, "the timer never fired");
}

/// Twice two and a half million rounds of two switches are ten million.
#[test]
fn callee_saved_registers_survive() {
    torture(true);
    // On the running stack: what lies below the stack pointer is overwritten.
    torture(false);
}
