//! What is printed when the process is told to quit: SIGQUIT prints every goroutine and ends the process with code 2, as
//! in Go.
//!
//! The handler only notes that, and wakes the janitor, which may allocate. If that does not get to print (somebody was
//! interrupted for good while he held malloc's lock), a second SIGQUIT does what the first would do without us.

use std::fmt::Write as _;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};

use super::circle::circles;
use super::registry::{GoroutineInfo, for_each_goroutine};
use crate::fatal;
use crate::sched::janitor;

/// How much a fatal report says; what Go's `GOTRACEBACK` is, from the environment variable `GANDER_TRACEBACK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Detail {
    /// `none`, `0`: nothing about goroutines.
    None,
    /// `single`, `1`: of a panic or an overflow its own goroutine. Where nothing is said.
    Single,
    /// `all`, `2`: every goroutine. SIGQUIT says so much where nothing is said.
    All,
    /// `system`: every goroutine, with the frames of the runtime.
    System,
    /// `crash`: likewise, and then the process aborts, so that it may leave a core file.
    Crash,
}

impl Detail {
    /// What the environment asks for, if it does.
    fn asked() -> Option<Detail> {
        static ASKED: OnceLock<Option<Detail>> = OnceLock::new();
        *ASKED.get_or_init(|| {
            let text = std::env::var("GANDER_TRACEBACK").ok()?;
            match text.trim() {
                "none" | "0" => Some(Detail::None),
                "single" | "1" => Some(Detail::Single),
                "all" | "2" => Some(Detail::All),
                "system" => Some(Detail::System),
                "crash" => Some(Detail::Crash),
                _ => {
                    eprintln!(
                        "gander: GANDER_TRACEBACK={text:?} is none of none, single, all, system, crash: ignored"
                    );
                    None
                }
            }
        })
    }
}

type Reporter = fn(Detail) -> String;

/// The [`Reporter`] of a crate that can do better than [`brief`].
static REPORTER: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
/// How often SIGQUIT came.
static QUITS: AtomicU8 = AtomicU8::new(0);

/// Has fatal reports list goroutines with `reporter`. For the crate `gander-inspect`.
#[doc(hidden)]
pub fn set_reporter(reporter: Reporter) {
    REPORTER.store(reporter as *mut (), Ordering::Release);
}

fn report(detail: Detail) -> String {
    let reporter = REPORTER.load(Ordering::Acquire);
    if reporter.is_null() {
        return brief();
    }
    // SAFETY: only `set_reporter` stores here, and a pointer to a function is as large as any.
    let reporter = unsafe { std::mem::transmute::<*mut (), Reporter>(reporter) };
    reporter(detail)
}

/// All goroutines without their stacks.
fn brief() -> String {
    let (mut text, mut waiting) = (String::new(), Vec::new());
    for_each_goroutine(|info| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\n", Brief(info));
        if info.waits_for.is_some() {
            waiting.push(info.clone());
        }
    });
    let circles = circles(&waiting).iter().map(|circle| format!("{circle}\n\n")).collect::<String>();
    circles + &text
}

/// A goroutine's number and name.
pub(crate) struct Name<'a>(pub(crate) &'a GoroutineInfo);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "goroutine {}", self.0.id)?;
        self.0.name.as_ref().map_or(Ok(()), |name| write!(f, " {name:?}"))
    }
}

/// A goroutine without its stack: who it is, what it does, and where it comes from.
pub(crate) struct Brief<'a>(pub(crate) &'a GoroutineInfo);

impl std::fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let info = self.0;
        writeln!(f, "{} [{}]", Name(info), info.state)?;
        match (info.waits_at, info.held_by, info.waits_for) {
            (Some(at), Some(holder), _) => writeln!(f, "waits at {at:#x}, held by {holder}")?,
            (Some(at), None, _) => writeln!(f, "waits at {at:#x}")?,
            (None, _, Some(other)) => writeln!(f, "waits for goroutine {other}")?,
            (None, _, None) => {}
        }
        f.write_str("created ")?;
        info.parent.map_or(Ok(()), |parent| write!(f, "by goroutine {parent} "))?;
        write!(f, "at {}", info.spawned_at)
    }
}

/// Every goroutine, for a report that is about all of them.
pub(crate) fn all() -> String {
    match Detail::asked() {
        Some(Detail::None) => String::new(),
        asked => report(asked.unwrap_or(Detail::All).max(Detail::All)),
    }
}

/// What a fatal report adds to its first lines: the other goroutines, if the environment asks for them.
pub(crate) fn others() -> String {
    match Detail::asked() {
        Some(detail) if detail >= Detail::All => format!("\n\n{}", report(detail)),
        _ => String::new(),
    }
}

/// Handles SIGQUIT, unless somebody does already.
pub(crate) fn install() -> io::Result<()> {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    // Read now: later it may be too late for that.
    Detail::asked();
    // SAFETY: zeroed sigactions are valid; the handler is async-signal-safe.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGQUIT, std::ptr::null(), &mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        if before.sa_sigaction != libc::SIG_DFL {
            return Ok(());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        if libc::sigaction(libc::SIGQUIT, &action, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// `[signal-quiet]`
extern "C" fn handler(signal: libc::c_int) {
    // SAFETY: errno is this thread-local block's; the calls are async-signal-safe.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        if QUITS.fetch_add(1, Ordering::AcqRel) == 0 {
            janitor::wake();
        } else {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        *errno = before;
    }
}

/// Whether SIGQUIT came.
pub(crate) fn is_asked() -> bool {
    QUITS.load(Ordering::Acquire) != 0
}

/// Prints all goroutines and ends the process.
pub(crate) fn quit() -> ! {
    let detail = Detail::asked().unwrap_or(Detail::All);
    let goroutines = if detail == Detail::None { String::new() } else { report(detail) };
    // Not eprintln!: a test harness may capture that. If nobody reads it, the process ends all the same.
    let _ = io::Write::write_all(
        &mut io::stderr(),
        format!("SIGQUIT: quit\n\n{goroutines}\nexit status 2\n").as_bytes(),
    );
    if detail == Detail::Crash {
        std::process::abort();
    }
    fatal::now()
}
