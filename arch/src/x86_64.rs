//! x86_64, System V ABI. This is the file to read first.
//!
//! ```text
//!  fresh (after init)         suspended                    suspended, with foreign control words
//!
//!  Context     stack          Context     stack            Context     stack
//!  ┌───────┐   ┌─────┐ top    ┌───────┐   ┌──────────┐     ┌───────┐   ┌──────────┐
//!  │ sp ───┼──►└─────┘        │ sp ─┐ │   │ …frames… │     │ sp ─┐ │   │ …frames… │
//!  │ start │                  │ 2:  └─┼──►└──────────┘     │ 5:  └─┼──►└──────────┘
//!  │ arg   │                  │ rbx   │                    │ rbx   │
//!  │ 0     │                  │ rbp   │                    │ rbp   │
//!  │ entry │                  │ -     │                    │ words │
//!  └───────┘                  └───────┘                    └───────┘
//! ```
//!
//! A switch leaves nothing on the stack: a context at rest is five words in the caller's hands. Registers at the
//! jump, for every landing: `rsp`, `rbx`, `rbp` = the target's, `rsi` = the target's `Context`, `rdx` = message,
//! all else is dead.
//!
//! Between two contexts the CPU always holds the default control words. So only the side that leaves looks at
//! them, and one that leaves with others (rare) saves them, loads the defaults and asks to be landed at `5:`,
//! where they come back. The landing side pays nothing.
//!
//! The assembly never moves `rsp` but to exchange it: the unwind tables of the function around it are right at
//! every instruction before the exchange and at every landing. Between the exchange and the jump they would
//! describe the wrong stack, so a walk that starts there (from a signal handler) is told to stop at once.

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
    /// The compiler reserves rbx, so it cannot be declared clobbered. Fresh: the argument.
    pub rbx: usize,
    /// Likewise; the frame pointer, if the code around keeps one. Fresh: zero, where walks end.
    pub rbp: usize,
    /// MXCSR in the low half, the x87 control word in the high one; meaningful only when `pc` is the landing that
    /// reloads them. Fresh: the entry function.
    control: usize,
}

impl Context {
    /// A context that is nowhere yet: to be filled by a switch.
    pub const fn new() -> Context {
        Context { sp: 0, pc: 0, rbx: 0, rbp: 0, control: 0 }
    }

    /// The place of this very instruction, for walkers: never to be resumed.
    #[inline(always)]
    pub fn here() -> Context {
        let (sp, pc, rbp);
        // SAFETY: reads three registers.
        unsafe {
            asm!(
                "lea {pc}, [rip]",
                "mov {sp}, rsp",
                "mov {rbp}, rbp",
                pc = out(reg) pc, sp = out(reg) sp, rbp = out(reg) rbp,
                options(nomem, nostack, preserves_flags)
            );
        }
        Context { sp, pc, rbx: 0, rbp, control: 0 }
    }

    /// The frame pointer at rest, for walkers.
    pub fn frame_pointer(&self) -> usize {
        self.rbp
    }
}

/// MXCSR: all exceptions masked, round to nearest; and the mask of its control bits. The low six bits are sticky
/// status, which the ABI lets any call change. (Negative: fits an 8-bit immediate.)
const MXCSR: u32 = 0x1f80;
const MXCSR_CONTROL: i32 = !0x3f;
/// The x87 control word: all exceptions masked, extended precision, round to nearest.
const FCW: u32 = 0x037f;

/// Prepares a fresh stack so that the first switch to it calls `entry(arg, message)`, with the default
/// floating-point control words.
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
        rbx: arg as usize,
        rbp: 0,
        control: entry as *const () as usize,
    }
}

/// The landing of a fresh stack: the root frame, where every walk ends.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        // rsp = top, aligned as before a call instruction.
        "mov rdi, rbx",
        "mov rax, [rsi + {entry}]",
        "mov rsi, rdx",
        "call rax",
        "ud2",
        ".cfi_endproc",
        entry = const offset_of!(Context, control),
    )
}

/// One switch: `$check` looks at the control words, `$slow` is its way out of line, `$exchange` runs between the
/// last use of the old context and the first of the new one.
///
/// Without `nostack`, though nothing is pushed: the compiler must not keep anything in the red zone of a stack at
/// rest, and the slow path uses it.
macro_rules! switch_asm {
    ($save:ident, $to:ident, $message:ident, [$($check:literal),*], [$($slow:literal),*], [$($exchange:literal),*],
     $($operands:tt)*) => {
        asm!(
            "lea rax, [rip + 2f]",
            "mov [rdi], rsp",
            "mov [rdi + {pc}], rax",
            "mov [rdi + {rbx}], rbx",
            "mov [rdi + {rbp}], rbp",
            $($check,)*
            "4:",
            $($exchange,)*
            "mov rbx, [rsi + {rbx}]",
            "mov rbp, [rsi + {rbp}]",
            // From here to the jump neither stack can be walked: say that this is its outermost frame.
            ".cfi_remember_state",
            ".cfi_undefined rip",
            "mov rsp, [rsi]",
            "jmp [rsi + {pc}]",
            ".cfi_restore_state",
            // Never reached. Walkers look a resting pc up at pc - 1, which must not be in the region above.
            "int3",
            $($slow,)*
            "2:",
            pc = const offset_of!(Context, pc),
            rbx = const offset_of!(Context, rbx),
            rbp = const offset_of!(Context, rbp),
            $($operands)*
            inlateout("rdi") $save => _,
            inlateout("rsi") $to => _,
            inlateout("rdx") $message,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("sysv64"),
        )
    };
}

/// [`switch_asm`] with the control words preserved.
macro_rules! switch_abi_asm {
    ($save:ident, $to:ident, $message:ident, [$($exchange:literal),*], $($operands:tt)*) => {
        switch_asm!($save, $to, $message,
            [
                "stmxcsr [rdi + {control}]",
                "fnstcw [rdi + {control} + 4]",
                "mov eax, [rdi + {control}]",
                "and eax, {mask}",
                "cmp eax, {mxcsr}",
                "jne 3f",
                "movzx eax, word ptr [rdi + {control} + 4]",
                "cmp eax, {fcw}",
                "jne 3f"
            ],
            [
                // Ours are not the defaults: load those, and come back at 5.
                "3:",
                "lea rax, [rip + 5f]",
                "mov [rdi + {pc}], rax",
                // In the red zone: a signal steps over it, and moving rsp would belie the unwind tables.
                "mov dword ptr [rsp - 8], {mxcsr}",
                "mov dword ptr [rsp - 4], {fcw}",
                "ldmxcsr [rsp - 8]",
                "fldcw [rsp - 4]",
                "jmp 4b",
                "5:",
                // Drop the x87 status that others left: a flag of theirs that our word unmasks would trap here.
                "fnclex",
                "ldmxcsr [rsi + {control}]",
                "fldcw [rsi + {control} + 4]"
            ],
            [$($exchange),*],
            control = const offset_of!(Context, control),
            mxcsr = const MXCSR,
            mask = const MXCSR_CONTROL,
            fcw = const FCW,
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

/// [`switch`] without the floating-point control words: what other context-switch libraries do. For contexts
/// that are known to leave them alone.
///
/// # Safety
///
/// As [`switch`]; and the floating-point control words are the defaults now.
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
/// or the one prepared for a fresh stack. [`exchange_by_instruction`] has answered true.
#[inline(always)]
pub unsafe fn switch_tp(save: *mut Context, to: *const Context, mut message: usize, tp: *mut u8) -> usize {
    // SAFETY: by contract.
    unsafe { switch_abi_asm!(save, to, message, ["wrfsbase r8"], in("r8") tp,) }
    message
}

/// [`switch_tp`] for machines where only the kernel may write the FS base: about ten times slower.
///
/// # Safety
///
/// As [`switch_tp`], without its condition on [`exchange_by_instruction`].
#[inline(always)]
pub unsafe fn switch_tp_syscall(save: *mut Context, to: *const Context, mut message: usize, tp: *mut u8) -> usize {
    // SAFETY: by contract. The system call destroys rcx and r11, which are dead, and rax.
    unsafe {
        switch_abi_asm!(
            save, to, message,
            ["mov r9, rsi", "mov edi, {set_fs}", "mov rsi, r8", "mov eax, {arch_prctl}", "syscall", "mov rsi, r9"],
            in("r8") tp,
            set_fs = const 0x1002,
            arch_prctl = const libc::SYS_arch_prctl,
        )
    }
    message
}

/// Whether this machine lets user code write the thread pointer, as [`switch_tp`] does. (CPU with FSGSBASE and
/// Linux 5.9 or newer.)
pub fn exchange_by_instruction() -> bool {
    const HWCAP2_FSGSBASE: u64 = 1 << 1;
    // SAFETY: asks for a number.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_FSGSBASE != 0 }
}

/// Reads the running thread's thread pointer.
pub fn thread_pointer() -> *mut u8 {
    let tp;
    // SAFETY: the ABI keeps the thread pointer itself in the first word of its block.
    unsafe { asm!("mov {0}, qword ptr fs:[0]", out(reg) tp, options(nostack, preserves_flags, readonly)) }
    tp
}

/// Asks the memory for the cache line at `address`. A hint: any address will do, and nothing is read.
#[inline(always)]
pub fn prefetch(address: *const u8) {
    // SAFETY: a prefetch has no effect but on time, and never faults.
    unsafe { asm!("prefetcht0 [{0}]", in(reg) address, options(nostack, preserves_flags, readonly)) }
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
            "mov {0}, qword ptr [rip + gander_current_v0_1@GOTTPOFF]",
            "mov {0}, qword ptr fs:[{0}]",
            out(reg) word,
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
            "mov {0}, qword ptr [rip + gander_current_v0_1@GOTTPOFF]",
            "mov qword ptr fs:[{0}], {1}",
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
            "mov {0}, qword ptr [rip + gander_current_v0_1@GOTTPOFF]",
            out(reg) offset,
            options(nostack, preserves_flags, readonly),
        );
    }
    offset
}
