//! Goroutines for Rust: write code that blocks, run a million of it on a few threads.
//!
//! A goroutine is a function with a stack of its own. To the code in it, it is a thread: it has its own thread-locals,
//! it may block, panic, recurse. To the machine it is a page or two of memory: when it waits, its worker thread goes on
//! with the next goroutine.
//!
//! ```
//! use gander::chan::bounded;
//!
//! let sum: u32 = gander::run(|| {
//!     let (tx, rx) = bounded(0);
//!     for numbers in [1..=10, 11..=20] {
//!         let tx = tx.clone();
//!         gander::go(move || numbers.for_each(|i| tx.send(i).unwrap()));
//!     }
//!     drop(tx);
//!     rx.iter().sum()
//! });
//! assert_eq!(sum, 210);
//! ```
//!
//! # Where things are
//!
//! | to | use |
//! |---|---|
//! | enter | [`run`], [`main`](macro@main), [`test`](macro@test), [`Builder::run`] |
//! | start goroutines | [`go!`], [`go`](go()), [`spawn`], [`scope`], [`Builder::spawn`] |
//! | keep a program that was written for threads | [`thread`], [`sync`]: by std's names |
//! | exchange values | [`chan`], [`select!`] |
//! | share and agree | [`sync`] |
//! | talk over sockets | [`net`] |
//! | use files, children, signals, pipes | [`fs`], [`process`], [`signal`], [`io`], [`os`] |
//! | run a future | [`block_on`] |
//! | wait in `async` code | [`recv_async`](chan::Receiver::recv_async), [`send_async`](chan::Sender::send_async), [`sleep_async`](time::sleep_async); a [`JoinHandle`] is a future |
//! | wait | [`JoinHandle::join`], [`sleep`](sleep()), [`park`](park()), [`yield_now`] |
//! | do something later, or again and again | [`time`] |
//! | end work that nobody waits for any more | [`context`] |
//! | have several fail together | [`context::ErrGroup`], [`context::try_scope`], [`context::all`] |
//! | block for long | [`blocking`] |
//! | find goroutines that never end | [`leak::check`] in tests; a [deadlock](#deadlock) is reported |
//! | recurse deeply | [`stack`] |
//! | have goroutine-local values | [`goroutine_local!`], or `thread_local!` in own mode |
//! | look inside | [`inspect`], [`stats`](stats()) |
//! | end | return, panic, [`exit`] |
//!
//! Names and signatures are those of `std::thread` and crossbeam-channel wherever they have the thing.
//!
//! # Own and shared thread-locals
//!
//! By default each goroutine has its own thread-locals (*own mode*), so everything that is right on a thread is right on
//! a goroutine, although it may go on on another thread after each wait. [`Builder::shared`] leaves thread-locals with
//! the workers: leaner and faster, and an `unsafe` promise. The repository's `docs/soundness.md` says what rests on what.
//!
//! # The end
//!
//! Under [`main`](macro@main) the process ends when `main` returns; other goroutines are not waited for. A panic in a
//! goroutine without a handle ends the process with code 2; so does a stack overflow, with a report.

//!
//! # Deadlock
//!
//! When every goroutine waits for another one, a program under [`main`](macro@main) or [`run`] ends with code 2: `fatal
//! error: all goroutines are asleep - deadlock!`, and a list of them with what each waits for and where it was spawned.
//! This is never said while a timer is set, a call blocks, or the process has threads that are not gander's.

#![forbid(unsafe_code)]

pub use gander_chan::{select, select_biased};
pub use gander_macros::{main, test};
pub use gander_runtime::{
    Builder, Goroutine, GoroutineId, GoroutineLocal, JoinHandle, Scope, ScopedJoinHandle, SpawnError, StartError,
    UnhandledPanic, Unpreempted, block_on, blocking, current, exit, go, goroutine_local, is_exit, is_goroutine,
    lock_os_thread, no_preempt, num_goroutines, park, park_timeout, procs, run, scope, set_procs,
    set_unhandled_panic_hook, sleep, spawn, take_unhandled_panic_hook, try_current, unlock_os_thread, yield_now,
};

/// Channels: how goroutines exchange values.
pub mod chan {
    pub use gander_chan::*;
}

/// Contexts: who may stop waiting, and why; and groups of goroutines that fail together.
pub mod context {
    pub use gander_context::*;
}

/// Leak checks for tests: which goroutines did a piece of code start that are still there?
///
/// ```
/// # gander::run(|| {
/// use gander::chan::bounded;
///
/// gander::leak::check(|| {
///     let (tx, rx) = bounded(0);
///     gander::go(move || tx.send(1).unwrap());
///     assert_eq!(rx.recv(), Ok(1));
/// });
/// # });
/// ```
pub mod leak {
    pub use gander_runtime::leak::{Check, check};
}

/// Goroutines by the names of [`std::thread`]: `use gander::thread;` can stand where `use std::thread;` stood.
///
/// What is spawned here is a goroutine. The rest works from goroutines and from ordinary threads alike:
/// [`current`](thread::current) is a handle of either, [`park`] parks the one and blocks the other.
///
/// A program that knows only `thread` enters no runtime, so [`spawn`](thread::spawn), [`scope`](thread::scope) and
/// [`Builder`](thread::Builder) start it when none runs, with its defaults. Whoever wants it otherwise (so many
/// processors, shared thread-locals: [`Builder`]) enters it before the first of them; later it is refused.
///
/// ```
/// use gander::thread;
/// use std::time::Duration;
///
/// fn main() -> std::io::Result<()> {
///     let sleeper = thread::Builder::new().name("sleeper".to_string()).spawn(|| {
///         thread::park();
///         thread::sleep(Duration::from_millis(1));
///         thread::current().name().map(String::from)
///     })?;
///     sleeper.thread().unpark();
///     let mut parts = [1, 2, 3];
///     thread::scope(|s| {
///         for part in &mut parts {
///             s.spawn(|| *part *= 2);
///         }
///     });
///     assert_eq!(parts, [2, 4, 6]);
///     assert_eq!(sleeper.join().unwrap().as_deref(), Some("sleeper"));
///     Ok(())
/// }
/// ```
///
/// # What is different from threads
///
/// * A stack has 1 MiB where nothing is said, and `RUST_MIN_STACK` is not looked at.
/// * Values in `thread_local!`s are not dropped when a goroutine ends, and a later one may find them, as on a thread pool
///   ([`goroutine_local!`] drops them). In shared mode they are the worker's.
/// * A name is in gander's reports, and not in the kernel's.
/// * `park` never returns without an unpark.
/// * Waiting for what only the kernel knows (a `std::sync::Mutex`, a pipe) blocks the worker, until others take over:
///   [`sync`], [`net`], [`io`] have those that park.
pub mod thread {
    pub use gander_runtime::thread::*;
}

/// Timers: when something happens. `use gander::time::…` can stand where `use std::time::…` stood.
pub mod time {
    pub use gander_time::*;
}
/// Looking inside: what is every goroutine doing, and how much is there of everything.
///
/// ```
/// gander::run(|| {
///     let (tx, rx) = gander::chan::bounded::<()>(0);
///     let worker = gander::spawn(move || rx.recv());
///     while gander::inspect::goroutines().iter().all(|g| g.state.to_string() != "chan receive") {
///         gander::yield_now();
///     }
///     assert_eq!(gander::stats().goroutines.total, 2);
///     drop(tx);
///     assert!(worker.join().unwrap().is_err());
/// });
/// ```
pub mod inspect {
    pub use gander_inspect::*;
}
pub use gander_runtime::inspect::stats;
/// Sockets: how goroutines talk to the world. `use gander::net::…` for `use std::net::…`; Unix sockets are here, too.
///
/// ```
/// use gander::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// gander::run(|| {
///     let listener = TcpListener::bind("127.0.0.1:0").unwrap();
///     let addr = listener.local_addr().unwrap();
///     gander::go(move || {
///         for stream in listener.incoming() {
///             let mut stream = stream.unwrap();
///             gander::go(move || stream.write_all(b"hello").unwrap());
///         }
///     });
///     let mut text = String::new();
///     TcpStream::connect(addr).unwrap().read_to_string(&mut text).unwrap();
///     assert_eq!(text, "hello");
/// });
/// ```
pub mod net {
    pub use gander_net::{
        AddrParseError, Incoming, IpAddr, Ipv4Addr, Ipv6Addr, PipeStream, Shutdown, SocketAddr, SocketAddrV4,
        SocketAddrV6, TcpListener, TcpStream, ToSocketAddrs, UdpSocket, UnixDatagram, UnixIncoming, UnixListener,
        UnixStream, WithCtx, is_closed,
    };
}

/// Locks and their kin: how goroutines wait for each other. `use gander::sync::…` replaces `use std::sync::…`.
pub mod sync {
    pub use gander_sync::*;
}

/// Files, with [`std::fs`]'s names: each call hands its processor to the other goroutines while the kernel is at it.
///
/// ```
/// gander::run(|| assert!(gander::fs::read_to_string("/proc/self/status").unwrap().contains("Pid:")));
/// ```
pub mod fs {
    pub use gander_net::fs::*;
}

/// Pipes and the standard streams, with [`std::io`]'s names; and all else that is there. `use gander::io::…` can stand
/// where `use std::io::…` stood.
pub mod io {
    pub use gander_net::io::*;
}

/// What is the system's own, with [`std::os`]'s names: Unix sockets, the traits of Unix for files.
pub mod os {
    pub use gander_net::os::*;
}

/// Child processes, with [`std::process`]'s names.
///
/// ```
/// gander::run(|| {
///     let output = gander::process::Command::new("echo").arg("hello").output().unwrap();
///     assert_eq!(output.stdout, b"hello\n");
/// });
/// ```
pub mod process {
    pub use gander_net::process::*;
}

/// Signals of the operating system, as channels. Go's `os/signal`.
///
/// ```no_run
/// use gander::signal::{Signal, notify};
///
/// let ends = notify(&[Signal::INT, Signal::TERM])?;
/// println!("{} came", ends.recv().unwrap());
/// # std::io::Result::Ok(())
/// ```
pub mod signal {
    pub use gander_net::signal::*;
}

#[doc(hidden)]
pub mod __private {
    pub use gander_runtime::{main, test, test_unit};
}

/// Deep recursions: going on on a larger stack.
///
/// A goroutine's stack ends at its limit ([`Builder::stack_size`], 1 MiB where nothing is said). Where the input decides
/// how deep a recursion goes, call [`maybe_grow`](stack::maybe_grow) in it.
///
/// ```
/// fn sum(n: u64) -> u64 {
///     gander::stack::maybe_grow(32 << 10, 4 << 20, || if n == 0 { 0 } else { n + sum(n - 1) })
/// }
/// assert_eq!(gander::run(|| sum(100_000)), 5_000_050_000);
/// ```
pub mod stack {
    pub use gander_runtime::{grow, grow_to, maybe_grow, remaining};
}

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// So are those of the phrase book.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-go.md")]
mod from_go {}

/// And those of the page about tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/testing.md")]
mod testing {}
