//! What the process does: how it ends, what it prints, signals, limits. Each case runs this binary again with the
//! scenario's name in `GANDER_SCENARIO`.

#![allow(unsafe_code, reason = "system calls, handlers and the faults that are tested")]

const SHARED: bool = false;

#[path = "../common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::cases::cases;
use common::child;
use gander::__private::main as gander_main;
use gander::Builder;

/// A scenario under the entry point of `#[gander::main]`.
macro_rules! under_main {
    ($body:expr) => {
        || gander_main(builder(), $body)
    };
}

mod deadlock;
mod ends;
mod faults;
mod limits;
mod looks;

/// The builder of a scenario: four processors unless the environment says.
fn builder() -> Builder {
    Builder::new().procs(4)
}

fn park_for_ever() -> ! {
    loop {
        gander::park();
    }
}

/// Recurses until the stack ends; the name is looked for in backtraces.
#[inline(never)]
fn descend_without_end(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 16]);
    if depth == u64::MAX { 0 } else { descend_without_end(depth + 1) + frame[3] }
}

#[inline(never)]
fn receive_for_ever(rx: gander::chan::Receiver<()>) {
    let _ = std::hint::black_box(rx.recv());
}

#[inline(never)]
fn sleep_for_ever() {
    gander::sleep(std::hint::black_box(Duration::from_secs(1_000_000)));
    std::hint::black_box(());
}

#[inline(never)]
fn spin_for_ever() {
    loop {
        std::hint::black_box(1);
    }
}

#[inline(never)]
fn read_for_ever() {
    gander::blocking(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1000));
        }
    })
}

fn start_named(name: &str, f: impl FnOnce() + Send + 'static) -> gander::JoinHandle<()> {
    Builder::new().name(name.into()).spawn(f).expect("memory for a goroutine")
}

/// One of each: a leaked receiver, a hot loop, a thread stuck in a call, two that wait for each other, two with two locks, and sleepers. Returns when each is where it will stay.
fn name_every_kind(sleepers: usize) {
    let (tx, rx) = gander::chan::bounded(0);
    std::mem::forget(tx);
    start_named("leaked receiver", || receive_for_ever(rx));
    start_named("hot", spin_for_ever);
    start_named("stuck in read", read_for_ever);
    let (tx, rx) = gander::chan::bounded(0);
    let a = start_named("cycle a", move || {
        let b: gander::JoinHandle<()> = rx.recv().expect("sent below");
        let _ = b.join();
    });
    let (send_a, a_here) = gander::chan::bounded::<()>(0);
    let b = start_named("cycle b", move || {
        let _a = (a, a_here.recv());
    });
    tx.send(b).expect("a receives it");
    std::mem::forget(send_a);
    take_both_locks();
    (0..sleepers).for_each(|_| gander::go(sleep_for_ever));
    let count = |words: &str| {
        let mut count = 0;
        gander::inspect::for_each_goroutine(|g| count += usize::from(g.state.to_string() == words));
        count
    };
    while count("sleep") < sleepers
        || count("chan receive") < 2
        || count("join") < 1
        || count("blocking call") < 1
        || count("mutex lock") < 2
    {
        gander::sleep(Duration::from_millis(10));
    }
}

/// Two goroutines, with a lock each, that want the other's.
fn take_both_locks() {
    use gander::sync::{Arc, Barrier, Mutex};
    let (a, b, both) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())), Arc::new(Barrier::new(2)));
    for (name, first, second) in [("a, then b", &a, &b), ("b, then a", &b, &a)] {
        let (first, second, both) = (first.clone(), second.clone(), both.clone());
        start_named(name, move || {
            let _first = first.lock().unwrap();
            both.wait();
            let _second = second.lock().unwrap();
        });
    }
}

fn quit_and_wait() {
    // SAFETY: sends a signal to ourselves.
    unsafe { libc::kill(libc::getpid(), libc::SIGQUIT) };
    park_for_ever();
}

/// Prints in its destructor.
struct Loud(&'static str);

impl Drop for Loud {
    fn drop(&mut self) {
        println!("dropped {}", self.0);
    }
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: reads our local.
    assert_eq!(unsafe { libc::setrlimit(resource, &limit) }, 0);
}

static HANDLED: AtomicBool = AtomicBool::new(false);

extern "C" fn own_handler(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    HANDLED.store(true, Ordering::SeqCst);
    let text = b"the user's handler\n";
    // SAFETY: async-signal-safe calls.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(42);
    }
}

fn main() -> ExitCode {
    common::cases::run(&[ends::CASES, deadlock::CASES, faults::CASES, limits::CASES, looks::CASES].concat())
}
