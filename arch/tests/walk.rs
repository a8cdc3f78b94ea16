//! Walks over a stack end at its root: by the unwinder, by `std::backtrace`, by gdb, and from a signal that lands on
//! any instruction of a switch.
#![allow(unsafe_code, reason = "calls the unwinder")]

use std::ffi::{c_int, c_void};
use std::process::Command;

use rig::{Coroutine, Stack};

mod rig;

/// What the platform's unwinder answers (Itanium C++ ABI).
const END_OF_STACK: c_int = 5;
const NO_REASON: c_int = 0;

type Visit = extern "C" fn(*mut c_void, *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: Visit, arg: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(frame: *mut c_void, is_exact: *mut c_int) -> usize;
    fn _Unwind_FindEnclosingFunction(pc: usize) -> usize;
}

/// A walk's first frames, without allocation.
struct Walk {
    functions: [usize; 64],
    len: usize,
    end: c_int,
}

impl Walk {
    /// From here to wherever it ends.
    #[inline(never)]
    fn here() -> Walk {
        extern "C" fn visit(frame: *mut c_void, walk: *mut c_void) -> c_int {
            let mut is_exact = 0;
            // SAFETY: called by the unwinder, with the walk below.
            let (ip, walk) = unsafe { (_Unwind_GetIPInfo(frame, &mut is_exact), &mut *walk.cast::<Walk>()) };
            // A frame past the root has pc 0 in some unwinders.
            if ip == 0 {
                return NO_REASON;
            }
            if walk.len == walk.functions.len() {
                return END_OF_STACK + 100;
            }
            // It looks up the byte before, as is right for a return address; an interrupted instruction is exact.
            // SAFETY: asks the tables about an address.
            walk.functions[walk.len] = unsafe { _Unwind_FindEnclosingFunction(ip + usize::from(is_exact != 0)) };
            walk.len += 1;
            NO_REASON
        }
        let mut walk = Walk { functions: [0; 64], len: 0, end: -1 };
        // SAFETY: `visit` does not unwind and takes the walk.
        walk.end = unsafe { _Unwind_Backtrace(visit, (&raw mut walk).cast()) };
        walk
    }

    fn functions(&self) -> &[usize] {
        &self.functions[..self.len]
    }

    fn root(&self) -> usize {
        *self.functions().last().expect("a walk sees at least its own frame")
    }
}

/// The address of the function that every fresh stack lands in.
fn landing() -> usize {
    unsafe extern "C" fn never(_: *mut (), _: usize) -> ! {
        unreachable!()
    }
    let mut stack = Stack::new(1024);
    // SAFETY: never run.
    unsafe { gander_arch::init(stack.top(), never, std::ptr::null_mut()).pc }
}

#[test]
fn the_unwinder_ends_at_the_root() {
    let mut far = Coroutine::new(|link, _| {
        for _ in 0..3 {
            let walk = Walk::here();
            assert_eq!(walk.end, END_OF_STACK);
            assert_eq!(walk.root(), landing());
            assert!(walk.len < 32, "{} frames", walk.len);
            link.leave(0);
        }
        0
    });
    while !far.is_done() {
        far.resume(0);
        assert_ne!(Walk::here().root(), landing());
    }
}

#[inline(never)]
fn recognizable_frame() -> String {
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    std::hint::black_box(trace)
}

#[test]
fn a_backtrace_shows_the_entry_and_no_more() {
    let mut far = Coroutine::new(|_, _| {
        let trace = recognizable_frame();
        // Release builds may inline, but the names stay in the line tables.
        assert!(trace.contains("recognizable_frame"), "{trace}");
        assert!(trace.contains("rig::enter"), "{trace}");
        assert!(!trace.contains("a_test_runner_frame"), "{trace}");
        let frames = trace.lines().filter(|line| line.trim_start().split_once(": ").is_some()).count();
        assert!(frames < 64, "{frames} frames:\n{trace}");
        let last = trace.lines().rfind(|line| !line.trim_start().starts_with("at ")).unwrap();
        assert!(
            last.contains("gander_arch::cpu::start") || last.contains("rig::enter"),
            "ends with {last}\n{trace}"
        );
        0
    });
    far.resume(0);
}

/// Where gdb stops.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn gander_arch_gdb_stops_here() {
    std::hint::black_box(());
}

/// Not a test of its own: what gdb runs.
#[test]
#[ignore = "run under gdb by the next test"]
fn inferior() {
    let mut far = Coroutine::new(|link, _| {
        link.leave(0);
        gander_arch_gdb_stops_here();
        0
    });
    far.resume(0);
    far.resume(0);
}

#[test]
fn gdb_walks_to_the_root() {
    if cfg!(target_arch = "aarch64") || Command::new("gdb").arg("--version").output().is_err() {
        println!("skipped: no gdb, or an emulated machine");
        return;
    }
    let output = Command::new("timeout")
        .args(["60", "gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off"])
        .args(["-ex", "set breakpoint pending on", "-ex", "break gander_arch_gdb_stops_here"])
        .args(["-ex", "run", "-ex", "backtrace 64", "-ex", "kill", "--args"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "inferior", "--test-threads=1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !text.contains("#0 ") {
        println!("skipped: gdb cannot run a program here\n{text}\n{errors}");
        return;
    }
    let last = text.lines().rfind(|line| line.starts_with('#')).unwrap();
    assert!(last.contains("start"), "{text}\n{errors}");
    assert!(text.contains("rig::enter"), "{text}\n{errors}");
    assert!(!text.contains("corrupt stack") && !errors.contains("corrupt stack"), "{text}\n{errors}");
    assert!(!last.starts_with("#63"), "{text}");
}

/// Every instruction of every switch, one at a time, by the CPU's trap flag.
#[cfg(target_arch = "x86_64")]
mod step {
    use std::arch::{asm, naked_asm};
    use std::hint::black_box;
    use std::mem::zeroed;
    use std::ptr::null_mut;

    use gander_arch::{
        Context, exchange_by_instruction, switch, switch_bare, switch_tp, switch_tp_syscall, thread_pointer,
    };

    use super::{Coroutine, END_OF_STACK, Walk, landing};

    /// What the handler found. Only one thread steps.
    struct Found {
        near: usize,
        far: usize,
        steps: usize,
        /// Walks that ended at either root, and those that ended at the interrupted instruction.
        to_near: usize,
        to_far: usize,
        cut: usize,
        /// The first one that did neither.
        wrong: Option<(usize, Walk)>,
        /// The handler's own frames: the walk, the handler and the kernel's trampoline.
        own: usize,
    }

    static mut FOUND: Found =
        Found { near: 0, far: 0, steps: 0, to_near: 0, to_far: 0, cut: 0, wrong: None, own: 0 };

    extern "C" fn trap(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
        let walk = Walk::here();
        // SAFETY: only this thread's handler and, while it does not step, this thread touch it. The context is the
        // kernel's.
        unsafe {
            let found = &raw mut FOUND;
            let found = &mut *found;
            let pc = (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
            found.steps += 1;
            if found.own == 0 {
                let here = super::_Unwind_FindEnclosingFunction(pc + 1);
                found.own = walk.functions().iter().position(|&f| f == here).unwrap_or(usize::MAX);
            }
            if walk.end != END_OF_STACK {
                found.wrong.get_or_insert((pc, walk));
            } else if walk.root() == found.near {
                found.to_near += 1;
            } else if walk.root() == found.far {
                found.to_far += 1;
            } else if walk.len == found.own + 1 {
                // Some linkers' stubs have no tables at all: not ours to count.
                found.cut += usize::from(walk.root() != 0);
            } else {
                found.wrong.get_or_insert((pc, walk));
            }
        }
    }

    /// Sets the trap flag, with unwind tables that are right while the flags are on the stack.
    #[unsafe(naked)]
    extern "C" fn step_on() {
        naked_asm!(
            ".cfi_startproc",
            "pushfq",
            ".cfi_adjust_cfa_offset 8",
            "or qword ptr [rsp], 0x100",
            "popfq",
            ".cfi_adjust_cfa_offset -8",
            "ret",
            ".cfi_endproc",
        )
    }

    /// Clears it.
    #[unsafe(naked)]
    extern "C" fn step_off() {
        naked_asm!(
            ".cfi_startproc",
            "pushfq",
            ".cfi_adjust_cfa_offset 8",
            "and qword ptr [rsp], ~0x100",
            "popfq",
            ".cfi_adjust_cfa_offset -8",
            "ret",
            ".cfi_endproc",
        )
    }

    fn strange_words(on: bool) {
        let mxcsr: u32 = if on { 0x5f80 } else { 0x1f80 };
        // SAFETY: rounds upwards until the words are set back.
        unsafe { asm!("ldmxcsr [{0}]", in(reg) &mxcsr, options(nostack)) };
    }

    /// `PADDING` makes the frames of the two sides different, so that tables for one are wrong for the other, and fills
    /// the difference with something that looks like return addresses.
    #[inline(never)]
    unsafe fn change<const PADDING: usize>(way: usize, save: *mut Context, to: *const Context) {
        let mut decoys = [landing as *const () as usize + 8; PADDING];
        black_box(&mut decoys);
        // SAFETY: the caller's; the thread pointer stays what it is.
        unsafe {
            match way {
                0 => switch_bare(save, to, 0),
                1 => switch(save, to, 0),
                2 if exchange_by_instruction() => switch_tp(save, to, 0, thread_pointer()),
                _ => switch_tp_syscall(save, to, 0, thread_pointer()),
            };
        }
        black_box(&mut decoys);
    }

    #[test]
    fn a_signal_on_any_instruction_can_walk() {
        // SAFETY: a handler for a signal that nobody else uses.
        unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = trap as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(libc::sigaction(libc::SIGTRAP, &action, null_mut()), 0);
            FOUND.near = Walk::here().root();
            FOUND.far = landing();
        }
        let mut decoys = [landing as *const () as usize + 8; 256];
        black_box(&mut decoys);
        for way in 0..4 {
            for strange in [false, true] {
                if strange && way == 0 {
                    continue; // by contract
                }
                let far = Coroutine::new(move |link, _| {
                    for _ in 0..3 {
                        strange_words(strange);
                        // SAFETY: the near side waits.
                        unsafe { change::<64>(way, link.far(), link.near()) };
                        strange_words(false);
                    }
                    step_off();
                    0
                });
                let link = far.link();
                strange_words(strange);
                step_on();
                // SAFETY: the far side is fresh, then at rest, and done after the fourth.
                unsafe {
                    for _ in 0..4 {
                        change::<1>(way, (*link).near(), (*link).far());
                    }
                }
                step_off();
                strange_words(false);
            }
        }
        black_box(&mut decoys);
        // SAFETY: nothing steps any more.
        let found = unsafe {
            let found = &raw const FOUND;
            &*found
        };
        println!(
            "{} steps: {} walked to the thread's root, {} to the stack's, {} were cut",
            found.steps, found.to_near, found.to_far, found.cut
        );
        if let Some((pc, walk)) = &found.wrong {
            panic!(
                "at {pc:#x} (near {:#x}, far {:#x}): {:x?}, {}",
                found.near,
                found.far,
                walk.functions(),
                walk.end
            );
        }
        assert!(found.to_near > 100 && found.to_far > 100);
        // Seven rounds of seven switches: the exchange and the jump.
        assert!(found.cut <= 7 * 7 * 2, "{} cut", found.cut);
    }
}
