//! The preemption signal: its handler, and sending it.
//!
//! `[signal-quiet]` The handler reads and writes words of its own M, takes spin locks that are only ever held with
//! preemption held off, and makes the system calls futex and tgkill. It does not allocate, lock anything of std's,
//! start threads, or touch lazy thread-locals.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use super::{Cause, give_way, step_aside};
use crate::inspect::look;
use crate::m::{self, M};

/// Signals sent since the start.
pub(crate) static SENT: AtomicU64 = AtomicU64::new(0);
/// The signal, 0 before it is installed.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// This process: signals from others are not ours.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Whose signal it was before.
struct Previous(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: written once, before our handler can run; then only read.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new(MaybeUninit::uninit()));

/// The signal of a program that asks for none: nobody uses it, debuggers pass it on in silence, and what is left of it
/// when a program executes another is ignored there.
pub(crate) const DEFAULT: libc::c_int = libc::SIGURG;

/// The preemption signal; none if there is none.
pub(crate) fn number() -> Option<libc::c_int> {
    Some(SIGNAL.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
}

/// Installs the handler, once. `chosen`: by the user, who can choose another.
///
/// # Errors
///
/// If the signal cannot serve, or was chosen and somebody else handles it.
pub(crate) fn install(signal: libc::c_int, chosen: bool) -> Result<(), io::Error> {
    if number() == Some(signal) {
        return Ok(());
    }
    check(signal)?;
    // SAFETY: a zeroed sigaction is valid; the handler is async-signal-safe; `PREVIOUS` is written before it can run.
    unsafe {
        let before = (*PREVIOUS.0.get()).as_mut_ptr();
        if libc::sigaction(signal, std::ptr::null(), before) != 0 {
            return Err(io::Error::last_os_error());
        }
        if chosen && (*before).sa_sigaction != libc::SIG_DFL && (*before).sa_sigaction != libc::SIG_IGN {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody else handles it"));
        }
        PROCESS.store(libc::getpid(), Ordering::Relaxed);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        // RESTART: what the kernel can restart it does. ONSTACK: goroutine stacks keep no room for signal frames.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    SIGNAL.store(signal, Ordering::Release);
    Ok(())
}

fn check(signal: libc::c_int) -> Result<(), io::Error> {
    let problem = match signal {
        libc::SIGKILL | libc::SIGSTOP => "it cannot be handled",
        libc::SIGSEGV
        | libc::SIGBUS
        | libc::SIGILL
        | libc::SIGFPE
        | libc::SIGTRAP
        | libc::SIGABRT
        | libc::SIGSYS => "it reports faults",
        1..=31 => return Ok(()),
        // The kernel's range: some of them are libc's.
        32..=64 => "a real-time signal that is pending when the program executes another kills that one",
        _ => "there is no such signal",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

/// Whether our handler is still in place.
fn is_ours() -> bool {
    let Some(signal) = number() else { return false };
    // SAFETY: a zeroed sigaction is valid; writes our local.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut now) == 0
            && now.sa_sigaction == handler as *const () as usize
    }
}

/// True once, when somebody else has installed a handler in our place. It would be called for our signals, so none are
/// sent from now on.
pub(crate) fn was_taken() -> bool {
    let taken = number().is_some() && !is_ours();
    if taken {
        SIGNAL.store(0, Ordering::Relaxed);
    }
    taken
}

/// Lets the signal reach the calling thread, whatever mask it inherited.
pub(crate) fn let_in() {
    let Some(signal) = number() else { return };
    // SAFETY: changes the calling thread's mask.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
}

/// Sends `m` the signal as a question of [`look`]; false if there is no signal, or its thread is gone.
pub(crate) fn send_question(m: &M, number: u32) -> bool {
    /// The start of the kernel's `siginfo_t` for `SI_QUEUE`.
    #[repr(C)]
    struct Info {
        signal: libc::c_int,
        errno: libc::c_int,
        code: libc::c_int,
        pad: libc::c_int,
        pid: libc::pid_t,
        uid: libc::uid_t,
        value: usize,
        rest: [u64; 12],
    }
    const _: () = assert!(size_of::<Info>() == size_of::<libc::siginfo_t>());
    let Some(signal) = self::number() else { return false };
    let pid = PROCESS.load(Ordering::Relaxed);
    // SAFETY: asks for a number.
    let uid = unsafe { libc::getuid() };
    let value = number as usize;
    let info = Info { signal, errno: 0, code: libc::SI_QUEUE, pad: 0, pid, uid, value, rest: [0; 12] };
    let tid = m.tid.load(Ordering::Relaxed);
    // SAFETY: sends a signal to a thread of this process; if the thread is gone nothing happens.
    unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, &info) == 0 }
}

/// Asks `m` to give up its P if it is still in `turn`.
pub(crate) fn send(m: &M, turn: u32, cause: Cause) {
    let Some(signal) = number() else { return };
    m.request.ask(turn, cause);
    SENT.fetch_add(1, Ordering::Relaxed);
    let (process, tid) = (PROCESS.load(Ordering::Relaxed), m.tid.load(Ordering::Relaxed));
    // SAFETY: sends a signal to a thread of this process; if the thread is gone nothing happens.
    unsafe {
        libc::syscall(libc::SYS_tgkill, process, tid, signal);
    }
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid pointers.
    unsafe {
        if look::answer(info, context.cast()) {
            return;
        }
        if (*info).si_code != libc::SI_TKILL || (*info).si_pid() != PROCESS.load(Ordering::Relaxed) {
            return pass_on(signal, info, context);
        }
        // errno is this thread-local block's, and the block is the same when we return: the goroutine stays on this
        // thread.
        let errno = libc::__errno_location();
        let before = *errno;
        look::show(&*context.cast());
        interrupt(&*context.cast());
        look::hide();
        *errno = before;
    }
}

fn interrupt(context: &libc::ucontext_t) {
    // SAFETY: what runs here is alive.
    let Some(g) = (unsafe { m::current_g().as_ref() }) else { return };
    let Some(m) = m::current() else { return };
    let held = m.seat.is_inside() || g.holds.load(Ordering::Relaxed) > 0;
    if held || g.is_scheduler() {
        if m.has_p()
            && let Some(cause) = m.request.asked(m.p().turn.load(Ordering::Relaxed))
        {
            m.request.defer(cause);
        }
        return;
    }
    let at = Place::of(context);
    if at.is_on_signal_stack(context) {
        // In another handler, of the program's: that is left alone.
        return;
    }
    if !m.has_p() {
        // Rescued while it was blocked, and now it computes without a P.
        if !at.is_in_system_call() {
            m.enter();
            m.leave_quietly();
        }
        return;
    }
    m.enter();
    // Another turn may have begun since the request, and its goroutine has not used its slice.
    if m.has_p()
        && let Some(cause) = m.request.asked(m.p().turn.load(Ordering::Relaxed))
    {
        // SAFETY: g runs on m, one level in, with a P.
        unsafe {
            if at.is_in_system_call() {
                step_aside(m);
            } else {
                give_way(m, g, cause);
            }
        }
    }
    m.leave_quietly();
}

/// Where the signal struck.
struct Place {
    pc: usize,
    sp: usize,
    /// The register in which a system call answers.
    answer: i64,
}

impl Place {
    #[cfg(target_arch = "x86_64")]
    fn of(context: &libc::ucontext_t) -> Place {
        let registers = &context.uc_mcontext.gregs;
        let register = |number: libc::c_int| registers[number as usize];
        Place {
            pc: register(libc::REG_RIP) as usize,
            sp: register(libc::REG_RSP) as usize,
            answer: register(libc::REG_RAX),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn of(context: &libc::ucontext_t) -> Place {
        let registers = &context.uc_mcontext;
        Place { pc: registers.pc as usize, sp: registers.sp as usize, answer: registers.regs[0] as i64 }
    }

    fn is_on_signal_stack(&self, context: &libc::ucontext_t) -> bool {
        let stack = &context.uc_stack;
        stack.ss_flags & libc::SS_DISABLE == 0 && self.sp.wrapping_sub(stack.ss_sp as usize) < stack.ss_size
    }

    /// Whether it interrupted a system call that was asleep: the kernel makes it start again (then the instruction is
    /// still ahead), or answers EINTR (then it is behind).
    fn is_in_system_call(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        const CALL: [u8; 2] = [0x0f, 0x05];
        #[cfg(target_arch = "aarch64")]
        const CALL: [u8; 4] = [0x01, 0x00, 0x00, 0xd4];
        self.code_at(self.pc) == Some(CALL)
            || self.answer == -i64::from(libc::EINTR) && self.code_at(self.pc - CALL.len()) == Some(CALL)
    }

    /// The instruction at an address next to where the thread executes; none if it lies across a page's border, behind
    /// which there may be nothing.
    fn code_at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        const PAGE: usize = 4096;
        let pages = [self.pc / PAGE, at / PAGE, (at + N - 1) / PAGE];
        // SAFETY: the page is executed now, so it is mapped; and on this target code can be read.
        (pages[0] == pages[1] && pages[1] == pages[2])
            .then(|| unsafe { std::ptr::read_unaligned(at as *const [u8; N]) })
    }
}

/// Lets the previous handler have a signal that is not ours.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: written before this handler was installed; a handler was installed with the signature its flags tell.
    unsafe {
        let previous = (*PREVIOUS.0.get()).assume_init_ref();
        match previous.sa_sigaction {
            // SIGURG's default is to be ignored. For another signal that was chosen, to be ours is what was asked for.
            libc::SIG_DFL | libc::SIG_IGN => {}
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
