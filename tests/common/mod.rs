//! What all test binaries share: the mode, the number of processors, a deadline for every test, child processes.
//!
//! A test binary declares `const SHARED: bool` at its root before `mod common`; that is the mode it runs in.

#![allow(dead_code, reason = "no binary uses all of it")]
#![allow(unsafe_code, reason = "the promise of shared mode, and system calls")]

pub(crate) mod cases;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use gander::Builder;

/// No test may take longer.
const DEADLINE: Duration = Duration::from_secs(120);

/// Tests that need a number of processors hold it for writing, all others for reading.
static PROCS: RwLock<()> = RwLock::new(());

/// A builder in this binary's mode; with `GANDER_TEST_SLICE_US` set, one that preempts.
pub(crate) fn builder() -> Builder {
    let builder = in_mode();
    match std::env::var("GANDER_TEST_SLICE_US") {
        Ok(micros) => builder.slice(Duration::from_micros(micros.parse().expect("a number of microseconds"))),
        Err(_) => builder,
    }
}

fn in_mode() -> Builder {
    if crate::SHARED {
        // SAFETY: the tests that run in this mode keep nothing of a thread's across a park; the others are compiled
        // into binaries of the other mode only.
        unsafe { Builder::new().shared() }
    } else {
        Builder::new()
    }
}

/// Runs a test's body as a goroutine, on however many processors there are.
#[track_caller]
pub(crate) fn run<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let _any = PROCS.read().unwrap_or_else(PoisonError::into_inner);
    let _dog = Watchdog::new(DEADLINE);
    builder().run(body)
}

/// Runs a test's body as a goroutine on so many processors, with no other test beside it.
#[track_caller]
pub(crate) fn run_on<T: Send>(procs: usize, body: impl FnOnce() -> T + Send) -> T {
    let _alone = PROCS.write().unwrap_or_else(PoisonError::into_inner);
    let _dog = Watchdog::new(DEADLINE);
    let before = builder().run(|| gander::set_procs(procs));
    let _back = Restore(before);
    builder().run(body)
}

/// Runs a test's body on its own ordinary thread, on so many processors, with no other test beside it.
#[track_caller]
pub(crate) fn beside<T>(procs: usize, body: impl FnOnce() -> T) -> T {
    let _alone = PROCS.write().unwrap_or_else(PoisonError::into_inner);
    let _dog = Watchdog::new(DEADLINE);
    let before = builder().run(|| gander::set_procs(procs));
    let _back = Restore(before);
    body()
}

struct Restore(usize);

impl Drop for Restore {
    fn drop(&mut self) {
        gander::set_procs(self.0);
    }
}

/// Aborts the process, with the test's name, when a test takes too long.
pub(crate) struct Watchdog {
    done: std::sync::Arc<(Mutex<bool>, Condvar)>,
}

impl Watchdog {
    pub(crate) fn new(deadline: Duration) -> Watchdog {
        let done = std::sync::Arc::new((Mutex::new(false), Condvar::new()));
        let seen = done.clone();
        let test = std::thread::current().name().unwrap_or("?").to_string();
        std::thread::spawn(move || {
            let guard = seen.0.lock().unwrap();
            let (guard, _) = seen.1.wait_timeout_while(guard, deadline, |done| !*done).unwrap();
            if !*guard {
                // Not eprintln!: what that prints in a test is kept back, and an abort would lose it.
                let _ = writeln!(std::io::stderr(), "test {test} did not end within {deadline:?}: aborting");
                std::process::abort();
            }
        });
        Watchdog { done }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.done.0.lock().unwrap() = true;
        self.done.1.notify_all();
    }
}

/// `full`, or less in a debug build, or much less under emulation (`GANDER_TEST_SMALL=1`).
pub(crate) fn scaled(full: usize) -> usize {
    let small = std::env::var_os("GANDER_TEST_SMALL").is_some();
    let share = if small { 50 } else { 1 };
    (full / share).max(1)
}

/// The kernel's number of the calling thread. A real call each time, so that nothing can be remembered.
#[inline(never)]
pub(crate) fn tid() -> i64 {
    // SAFETY: gettid has no arguments.
    unsafe { libc::syscall(libc::SYS_gettid) }
}

/// Yields until `condition` holds.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        gander::yield_now();
    }
}

/// Yields until the calling goroutine has run on at least two threads; false if that takes too long.
pub(crate) fn migrate() -> bool {
    let here = tid();
    let start = Instant::now();
    while tid() == here {
        if start.elapsed() > Duration::from_secs(10) {
            return false;
        }
        gander::sleep(Duration::from_micros(50));
    }
    true
}

/// Counts on how many threads something was seen.
#[derive(Default)]
pub(crate) struct Threads(Mutex<HashSet<i64>>);

impl Threads {
    pub(crate) fn see(&self) {
        let tid = tid();
        self.0.lock().unwrap().insert(tid);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A cheap random number generator (xorshift), seeded from `GANDER_TEST_SEED` or the clock.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(salt: u64) -> Random {
        let seed = std::env::var("GANDER_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.subsec_nanos().into())
        });
        Random((seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What a child process did.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

/// Runs this binary again with `GANDER_SCENARIO=name`, kills it if it does not end in time.
pub(crate) fn child(name: &str, env: &[(&str, &str)]) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    const LIMIT: Duration = Duration::from_secs(30);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("GANDER_SCENARIO", name).env_remove("GANDER_PROCS").env("RUST_BACKTRACE", "0");
    command.envs(env.iter().copied());
    let start = Instant::now();
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (reader(process.stdout.take().unwrap()), reader(process.stderr.take().unwrap()));
    let (status, killed) = loop {
        match process.try_wait().unwrap() {
            Some(status) => break (status, false),
            None if start.elapsed() > LIMIT => {
                process.kill().unwrap();
                break (process.wait().unwrap(), true);
            }
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let took = start.elapsed();
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    assert!(!killed, "scenario {name} did not end within {LIMIT:?}\n--- out\n{out}\n--- err\n{err}");
    Ended { code: status.code(), signal: status.signal(), out, err, took }
}

fn reader(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Ended {
    /// Fails unless the child exited with `code` and each text stands in its standard error.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, texts: &[&str]) -> &Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.err.contains(text), "no {text:?} in {self:#?}");
        }
        self
    }
}
