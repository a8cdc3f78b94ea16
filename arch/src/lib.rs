//! How does a CPU change stacks?
//!
//! This room knows registers and nothing else: no goroutine, no scheduler, no memory mapping. Both CPU files
//! offer the same names in the same order; read `x86_64.rs` first.
//!
//! # The contract of a switch
//!
//! [`switch`] stores the running context in `*save` and continues the context `*to`. It returns when somebody
//! switches back to `*save`, with the `message` that somebody passed. To its caller it is an ordinary C call:
//! every register the C ABI calls the callee's is preserved, the floating-point control words included (`MXCSR`
//! and the x87 control word, `FPCR`), and every other register is lost.
//!
//! * No unwind ever crosses a switch: the first frame of a stack ([`init`]) never returns and never unwinds.
//! * The unwind tables end at that first frame, and the frame pointer there is zero: a debugger, a profiler and
//!   `std::backtrace` walk to a stack's root and stop.
//! * A context at rest is exactly the state after the switch returned: to walk a parked stack, start with its
//!   [`Context`]'s `pc`, `sp` and frame pointer.
//! * A switch leaves nothing below the stack pointer, and moves it only to exchange it. A signal may land on any
//!   instruction and walk: to the root of the stack that runs, or, in the instruction or two between the exchange
//!   and the jump, no further than the frame it interrupted.
//! * [`switch_tp`] also exchanges the thread pointer (`FS` base, `TPIDR_EL0`), so that the far side has its own
//!   thread-locals. The whole exchange is one block of assembly: no compiled code runs between the two halves, but a
//!   signal handler may, and sees the new thread-locals on the old stack.
//!
//! What is not carried over, and how all this is checked, is in `arch/README.md`.
//!
//! The switch is inline assembly that declares all registers but two as clobbered, not a called function that
//! saves them: the compiler then saves those that are live and no others, and both jumps are predicted. What that
//! buys is measured in `benches/switch.rs`.
//!
//! The thread's *current word* lives here too ([`current`], [`set_current`]): one pointer-sized thread-local read
//! with volatile assembly, so that the compiler can neither cache it nor its address across a switch
//! (`[tls-fresh]`).

#![no_std]
#![allow(unsafe_code, reason = "a context switch is assembly")]

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_endian = "little",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!(
    "gander runs on Linux on x86_64 and aarch64 (64-bit, little-endian) only: its context switch is written by hand for each"
);

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod cpu;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod cpu;

pub use cpu::{
    Context, current, current_offset, exchange_by_instruction, init, prefetch, set_current, switch, switch_bare,
    switch_tp, switch_tp_syscall, thread_pointer,
};

/// The file that switches, as debugging information names it: for those who leave it out of backtraces.
#[doc(hidden)]
pub const FILE: &str = cpu::FILE;

/// The function a fresh stack starts in: called with the `arg` given to [`init`] and the message of the switch
/// that started it. It must neither return nor unwind: there is no frame below it.
pub type Entry = unsafe extern "C" fn(arg: *mut (), message: usize) -> !;

/// Alignment of the `top` that [`init`] takes.
pub const STACK_ALIGN: usize = 16;

impl Default for Context {
    fn default() -> Context {
        Context::new()
    }
}
