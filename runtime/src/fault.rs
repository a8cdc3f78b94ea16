//! A goroutine's stack overflow is a report, not a riddle.
//!
//! The handler runs on the worker's alternate stack. It is ours to answer if the fault lies in the guard of a stack
//! of ours; everything else goes on to whoever handled the signal before (std's handler, which reports overflows of
//! ordinary threads; a user's; or the default).

use std::cell::UnsafeCell;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};

use crate::fatal::{self, Line};
use crate::g::G;
use crate::m;
use crate::preempt::rescue;

/// The handlers that were there before ours.
struct Previous(UnsafeCell<[MaybeUninit<libc::sigaction>; 2]>);

// SAFETY: written once, before our handler can run; then only read.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([const { MaybeUninit::uninit() }; 2]));
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Installs the handler. Called once.
pub(crate) fn install() -> io::Result<()> {
    // A start that failed later on and is tried again must not make our handler its own predecessor.
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    for (i, signal) in SIGNALS.into_iter().enumerate() {
        // SAFETY: a zeroed sigaction is valid; the handler is async-signal-safe until it is sure that the process
        // ends; nobody reads `PREVIOUS` before the handler for this signal is in place.
        unsafe {
            let previous = (*PREVIOUS.0.get())[i].as_mut_ptr();
            if libc::sigaction(signal, std::ptr::null(), previous) != 0 {
                return Err(io::Error::last_os_error());
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            // NODEFER: a fault in the report itself must come back here and not kill the process without a word.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&mut action.sa_mask);
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid pointers.
    let (address, by_kernel) = unsafe { ((*info).si_addr() as usize, (*info).si_code > 0) };
    // SAFETY: the running G is alive.
    let g = unsafe { m::current_g().as_ref() };
    if by_kernel
        && let Some(place) = gander_stack::locate(address)
        && place.guard
    {
        match g {
            Some(g) if !g.is_scheduler() && place.limit == g.limit.get() => report(g, place.class.bytes()),
            None if place.limit == crate::grow::thread_limit() => report_thread(place.class.bytes()),
            _ => {}
        }
    }
    pass_on(signal, info, context)
}

/// Prints what happened and ends the process.
fn report(g: &G, limit: usize) -> ! {
    static REPORTING: AtomicPtr<G> = AtomicPtr::new(std::ptr::null_mut());
    let me = std::ptr::from_ref(g).cast_mut();
    if let Err(other) = REPORTING.compare_exchange(std::ptr::null_mut(), me, Ordering::SeqCst, Ordering::SeqCst) {
        // Another goroutine overflowed at the same time: let it finish. Or the report itself did: it is over.
        if other != me {
            crate::futex::nap(5_000_000);
        }
        fatal::now();
    }
    let mut line = Line::new();
    let ident = g.ident();
    let _ = write!(line, "gander: fatal error: stack overflow\n\ngoroutine {}", ident.id());
    if let Some(name) = ident.name() {
        let _ = write!(line, " \"{name}\"");
    }
    let at = g.spawned_at;
    let _ = writeln!(
        line,
        " [running]: stack exceeds its limit of {} KiB\ncreated {}at {}:{}:{}\nto raise the limit: \
         gander::Builder::new().stack_size(bytes), up to 1 GiB; for a deep recursion: gander::stack::maybe_grow\n",
        limit >> 10,
        Parent(g.parent.get()),
        at.file(),
        at.line(),
        at.column()
    );
    line.print();
    // Symbols need malloc, whose lock the overflowing frame may hold: the report ends in time without them.
    // SAFETY: asks for a number; sets a handler and a clock for a process that is about to end.
    unsafe {
        REPORTER.store(libc::gettid(), Ordering::Relaxed);
        libc::signal(libc::SIGALRM, give_up as *const () as libc::sighandler_t);
        libc::alarm(PATIENCE_SECONDS);
    }
    print_backtrace();
    fatal::now()
}

/// The same for an ordinary thread that overflowed a segment of `stack::grow`. Without a backtrace: its signal stack is
/// std's, which is too small for that.
fn report_thread(limit: usize) -> ! {
    let mut name = [0u8; 16];
    // SAFETY: asks for a number; writes at most 16 bytes to our local, the last of them a zero.
    let id = unsafe {
        libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr());
        libc::gettid()
    };
    let name = name.split(|&byte| byte == 0).next().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("?");
    let mut line = Line::new();
    let _ = writeln!(
        line,
        "gander: fatal error: stack overflow\n\nthread \"{name}\" ({id}): the segment that gander::stack gave it \
         exceeds its limit of {} KiB\nto raise the limit: gander::stack::grow_to(bytes, …), up to 1 GiB, \
         or gander::stack::maybe_grow in the recursion",
        limit >> 10
    );
    line.print();
    fatal::now()
}

/// Who spawned it, if a goroutine did.
struct Parent(u64);

impl std::fmt::Display for Parent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, "by goroutine {} ", self.0) }
    }
}

/// The frames of the overflow: the first and the last of them.
fn print_backtrace() {
    const FIRST: usize = 60;
    let text = std::backtrace::Backtrace::force_capture().to_string();
    let mut frames = 0;
    let mut cut = text.len();
    for (at, line) in text.match_indices('\n').map(|(at, _)| (at, &text[at + 1..])) {
        // A frame begins with its number and a colon; the lines between are its places.
        if line.trim_start().split_once(':').is_some_and(|(number, _)| number.parse::<usize>().is_ok()) {
            frames += 1;
            if frames == FIRST {
                cut = at;
            }
        }
    }
    // Not eprintln!: a test harness may capture that.
    let mut stderr = io::stderr();
    let _ = writeln!(stderr, "stack backtrace:\n{}", &text[..cut]);
    if frames > FIRST {
        let _ = writeln!(stderr, "  … and {} frames more", frames - FIRST);
    }
}

/// For so long the thread that looks for symbols may make no progress.
const PATIENCE_SECONDS: libc::c_uint = 10;
static REPORTER: AtomicI32 = AtomicI32::new(0);

/// Ends the process if the report does not get on. On a busy machine, with a debugger's worth of symbols that nobody has
/// read yet, it may take longer than it should; who waits for a lock uses no processor.
extern "C" fn give_up(_: libc::c_int) {
    const STANDS_STILL_NANOS: u64 = 1_000_000;
    const MOST: u64 = 6;
    static USED: AtomicU64 = AtomicU64::new(0);
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let used = rescue::cpu_nanos(REPORTER.load(Ordering::Relaxed));
    let before = USED.swap(used, Ordering::Relaxed);
    if used < before + STANDS_STILL_NANOS || TIMES.fetch_add(1, Ordering::Relaxed) == MOST {
        fatal::now();
    }
    // SAFETY: sets a clock, which is async-signal-safe.
    unsafe {
        libc::alarm(PATIENCE_SECONDS);
    }
}

/// Lets the previous handler have the signal.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let i = usize::from(signal == SIGNALS[1]);
    // SAFETY: written before this handler was installed.
    let previous = unsafe { (*PREVIOUS.0.get())[i].assume_init_ref() };
    match previous.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {
            // Returning repeats the faulting instruction, now with the default action; a signal that somebody sent
            // is not repeated by itself.
            // SAFETY: restores the default; raise is async-signal-safe.
            unsafe {
                if previous.sa_sigaction == libc::SIG_DFL {
                    libc::signal(signal, libc::SIG_DFL);
                    if (*info).si_code <= 0 {
                        libc::raise(signal);
                    }
                }
            }
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: it was installed with this signature.
            unsafe {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
                // std's handler sets the default action and counts on the fault to repeat itself. A signal that
                // somebody sent does not.
                let mut now: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, std::ptr::null(), &mut now);
                if (*info).si_code <= 0 && now.sa_sigaction == libc::SIG_DFL {
                    libc::raise(signal);
                }
            }
        }
        handler => {
            // SAFETY: it was installed with this signature.
            unsafe {
                let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
