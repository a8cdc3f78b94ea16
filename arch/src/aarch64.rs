//! aarch64, AAPCS64. The same names in the same order as `x86_64.rs`, which is the file to read first.
//!
//! ```text
//!  fresh (after init)         suspended                    suspended, with a foreign FPCR
//!
//!  Context     stack          Context     stack            Context     stack
//!  ┌───────┐   ┌─────┐ top    ┌───────┐   ┌──────────┐     ┌───────┐   ┌──────────┐
//!  │ sp ───┼──►└─────┘        │ sp ─┐ │   │ …frames… │     │ sp ─┐ │   │ …frames… │
//!  │ start │                  │ 2:  └─┼──►└──────────┘     │ 5:  └─┼──►└──────────┘
//!  │ arg   │                  │ x19   │                    │ x19   │
//!  │ 0     │                  │ x29   │                    │ x29   │
//!  │ entry │                  │ -     │                    │ FPCR  │
//!  └───────┘                  └───────┘                    └───────┘
//! ```
//!
//! A switch leaves nothing on the stack: a context at rest is five words in the caller's hands. Registers at the
//! jump, for every landing: `sp`, `x19`, `x29` = the target's, `x1` = the target's `Context`, `x2` = message, all
//! else is dead.
//!
//! Between two contexts `FPCR` is always zero, the default. So only the side that leaves looks at it, and one that
//! leaves with another (rare) saves it, loads the default and asks to be landed at `5:`, where it comes back.
//!
//! Every landing is reached by `br` and starts with `hint #36`, which is `bti j`: on a page that enforces branch
//! targets the jump is legal, elsewhere it is a nop.

use core::arch::{asm, global_asm, naked_asm};
use core::mem::offset_of;

use crate::Entry;

pub(crate) const FILE: &str = file!();

/// A context at rest.
///
/// Plain words without ownership. Whoever holds it must see to it that it is resumed at most once per save
/// (`[one-runner]`) and that its stack is still there (`[off-stack-free]`).
#[derive(Debug)]
#[repr(C)]
pub struct Context {
    /// The stack pointer it goes on with.
    pub sp: usize,
    /// The instruction it goes on at.
    pub pc: usize,
    /// The compiler reserves x19, so it cannot be declared clobbered. Fresh: the argument.
    pub x19: usize,
    /// Likewise; the frame pointer. Fresh: zero, where walks end.
    pub x29: usize,
    /// FPCR; meaningful only when `pc` is the landing that reloads it. Fresh: the entry function.
    control: usize,
}

// The assembly below moves the first four words in pairs.
const _: () = assert!(offset_of!(Context, pc) == 8 && offset_of!(Context, sp) == 0);
const _: () = assert!(offset_of!(Context, x29) == offset_of!(Context, x19) + 8);

impl Context {
    /// A context that is nowhere yet: to be filled by a switch.
    pub const fn new() -> Context {
        Context { sp: 0, pc: 0, x19: 0, x29: 0, control: 0 }
    }

    /// The place of this very instruction, for walkers: never to be resumed.
    #[inline(always)]
    pub fn here() -> Context {
        let (sp, pc, x29);
        // SAFETY: reads three registers.
        unsafe {
            asm!(
                "adr {pc}, .",
                "mov {sp}, sp",
                "mov {x29}, x29",
                pc = out(reg) pc, sp = out(reg) sp, x29 = out(reg) x29,
                options(nomem, nostack, preserves_flags)
            );
        }
        Context { sp, pc, x19: 0, x29, control: 0 }
    }

    /// The frame pointer at rest, for walkers.
    pub fn frame_pointer(&self) -> usize {
        self.x29
    }
}

/// Prepares a fresh stack so that the first switch to it calls `entry(arg, message)`, with the default
/// floating-point control word.
///
/// # Safety
///
/// `top` is aligned to [`STACK_ALIGN`](crate::STACK_ALIGN), and the memory below it is writable, nobody else's,
/// and stays for as long as the context may run.
pub unsafe fn init(top: *mut u8, entry: Entry, arg: *mut ()) -> Context {
    debug_assert!((top as usize).is_multiple_of(crate::STACK_ALIGN));
    Context {
        sp: top as usize,
        pc: start as *const () as usize,
        x19: arg as usize,
        x29: 0,
        control: entry as *const () as usize,
    }
}

/// The landing of a fresh stack: the root frame, where every walk ends.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined x30",
        "hint #36",
        // sp = top; x29 = 0, from the context; x30 = what the starter left there.
        "mov x30, xzr",
        "ldr x9, [x1, {entry}]",
        "mov x0, x19",
        "mov x1, x2",
        "blr x9",
        "brk #1",
        ".cfi_endproc",
        entry = const offset_of!(Context, control),
    )
}

/// One switch: `$check` looks at the control word, `$slow` is its way out of line, `$exchange` runs between the
/// last use of the old context and the first of the new one.
///
/// x18 is the platform's: where it is reserved nobody may touch it, elsewhere `clobber_abi` has it. Of v8 to v15
/// the ABI preserves the low halves, so they are named though `clobber_abi` has them in today's compilers too.
macro_rules! switch_asm {
    ($save:ident, $to:ident, $message:ident, [$($check:literal),*], [$($slow:literal),*], [$($exchange:literal),*],
     $($operands:tt)*) => {
        asm!(
            "adr x9, 2f",
            "mov x10, sp",
            "stp x10, x9, [x0]",
            "stp x19, x29, [x0, {x19}]",
            $($check,)*
            "4:",
            $($exchange,)*
            "ldp x10, x9, [x1]",
            "ldp x19, x29, [x1, {x19}]",
            // From here to the jump neither stack can be walked: say that this is its outermost frame.
            ".cfi_remember_state",
            ".cfi_undefined x30",
            "mov sp, x10",
            "br x9",
            ".cfi_restore_state",
            // Never reached. Walkers look a resting pc up at pc - 1, which must not be in the region above.
            "brk #1",
            $($slow,)*
            "2:",
            "hint #36",
            x19 = const offset_of!(Context, x19),
            $($operands)*
            inlateout("x0") $save => _,
            inlateout("x1") $to => _,
            inlateout("x2") $message,
            lateout("x20") _, lateout("x21") _, lateout("x22") _, lateout("x23") _, lateout("x24") _,
            lateout("x25") _, lateout("x26") _, lateout("x27") _, lateout("x28") _, lateout("x30") _,
            lateout("v8") _, lateout("v9") _, lateout("v10") _, lateout("v11") _, lateout("v12") _,
            lateout("v13") _, lateout("v14") _, lateout("v15") _,
            clobber_abi("C"),
        )
    };
}

/// [`switch_asm`] with the control word preserved.
macro_rules! switch_abi_asm {
    ($save:ident, $to:ident, $message:ident, [$($exchange:literal),*], $($operands:tt)*) => {
        switch_asm!($save, $to, $message,
            ["mrs x9, fpcr", "cbnz x9, 3f"],
            [
                // Ours is not the default: load that, and come back at 5.
                "3:",
                "str x9, [x0, {control}]",
                "adr x9, 5f",
                "str x9, [x0, {pc}]",
                "msr fpcr, xzr",
                "b 4b",
                "5:",
                "hint #36",
                "ldr x9, [x1, {control}]",
                "msr fpcr, x9"
            ],
            [$($exchange),*],
            control = const offset_of!(Context, control),
            pc = const offset_of!(Context, pc),
            $($operands)*
        )
    };
}

/// Leaves the running context in `*save` and continues `to` with `message`. Returns the message of whoever
/// switches back. Preserves all that the C ABI calls the callee's.
///
/// # Safety
///
/// `to` came from [`init`] or from a `save`, has not been resumed since, and its stack is alive; it is not `save`.
/// A context may be moved while it is at rest; `*to` stays in place until the target runs. The caller's thread
/// pointer is the one the target expects.
#[inline(always)]
pub unsafe fn switch(save: *mut Context, to: *const Context, mut message: usize) -> usize {
    // SAFETY: by contract; every register not saved in the context is declared lost.
    unsafe { switch_abi_asm!(save, to, message, [],) }
    message
}

/// [`switch`] without the floating-point control word: what other context-switch libraries do. For contexts that
/// are known to leave it alone.
///
/// # Safety
///
/// As [`switch`]; and the floating-point control word is the default now.
#[inline(always)]
pub unsafe fn switch_bare(save: *mut Context, to: *const Context, mut message: usize) -> usize {
    // SAFETY: by contract; every register not saved in the context is declared lost.
    unsafe { switch_asm!(save, to, message, [], [], [],) }
    message
}

/// [`switch`], and the thread pointer becomes `tp` in the same step.
///
/// # Safety
///
/// As [`switch`], and `tp` is the thread pointer that the target expects: the one that was current when it left,
/// or the one prepared for a fresh stack.
#[inline(always)]
pub unsafe fn switch_tp(save: *mut Context, to: *const Context, mut message: usize, tp: *mut u8) -> usize {
    // SAFETY: by contract.
    unsafe { switch_abi_asm!(save, to, message, ["msr tpidr_el0, x3"], in("x3") tp,) }
    message
}

/// [`switch_tp`]: on this CPU user code may always write the thread pointer, so the two are the same.
///
/// # Safety
///
/// As [`switch_tp`].
#[inline(always)]
pub unsafe fn switch_tp_syscall(save: *mut Context, to: *const Context, message: usize, tp: *mut u8) -> usize {
    // SAFETY: by contract.
    unsafe { switch_tp(save, to, message, tp) }
}

/// Whether this machine lets user code write the thread pointer, as [`switch_tp`] does: every one does.
pub fn exchange_by_instruction() -> bool {
    true
}

/// Reads the running thread's thread pointer.
pub fn thread_pointer() -> *mut u8 {
    let tp;
    // SAFETY: reads one register. Not `pure`: the answer changes at a switch.
    unsafe { asm!("mrs {0}, tpidr_el0", out(reg) tp, options(nomem, nostack, preserves_flags)) }
    tp
}

/// Asks the memory for the cache line at `address`. A hint: any address will do, and nothing is read.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    // SAFETY: a prefetch has no effect but on time, and never faults.
    unsafe { asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly)) }
}

// The current word: one per thread-local block, zero in a fresh one. The name carries the version, so that two
// gander releases in one program keep apart.
global_asm!(
    ".pushsection .tbss.gander_current,\"awT\",@nobits",
    ".p2align 3",
    ".globl gander_current_v0_1",
    ".hidden gander_current_v0_1",
    ".type gander_current_v0_1, @object",
    ".size gander_current_v0_1, 8",
    "gander_current_v0_1:",
    ".zero 8",
    ".popsection",
);

/// Reads the current word of the running thread-local block.
#[inline(always)]
pub fn current() -> *mut () {
    let word: *mut ();
    // SAFETY: reads one thread-local word. Not `pure`: the answer changes with the thread pointer.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:gander_current_v0_1",
            "ldr {0}, [{0}, :gottprel_lo12:gander_current_v0_1]",
            "mrs {1}, tpidr_el0",
            "ldr {0}, [{1}, {0}]",
            out(reg) word,
            out(reg) _,
            options(nostack, preserves_flags, readonly),
        );
    }
    word
}

/// Writes the current word of the running thread-local block.
#[inline(always)]
pub fn set_current(word: *mut ()) {
    // SAFETY: writes one thread-local word that only this file knows.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:gander_current_v0_1",
            "ldr {0}, [{0}, :gottprel_lo12:gander_current_v0_1]",
            "mrs {1}, tpidr_el0",
            "str {2}, [{1}, {0}]",
            out(reg) _,
            out(reg) _,
            in(reg) word,
            options(nostack, preserves_flags),
        );
    }
}

/// Where the current word lies, as a distance from a thread pointer: to write it into a block that is not running.
pub fn current_offset() -> isize {
    let offset: isize;
    // SAFETY: reads a link-time constant.
    unsafe {
        asm!(
            "adrp {0}, :gottprel:gander_current_v0_1",
            "ldr {0}, [{0}, :gottprel_lo12:gander_current_v0_1]",
            out(reg) offset,
            options(nostack, preserves_flags, readonly),
        );
    }
    offset
}
