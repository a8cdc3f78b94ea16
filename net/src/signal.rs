//! Signals of the operating system, as channels.
//!
//! The handler sets a bit and writes to an eventfd; a thread of its own (it is no goroutine: signals must get through
//! however busy those are, and before there is a runtime) reads that and sends to the channels. It never waits for a
//! receiver: a channel that is full misses the signal, as in Go.
//!
//! Not signal-hook: it leaves its handler in place when nobody listens any more, and then Ctrl-C does nothing.

#![allow(unsafe_code, reason = "signal handlers")]

use std::fmt;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gander_chan::{Receiver, Sender, bounded};

/// A signal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(libc::c_int);

macro_rules! signals {
    ($($(#[$doc:meta])+ $name:ident = $number:ident,)+) => {
        impl Signal {
            $($(#[$doc])+ pub const $name: Signal = Signal(libc::$number);)+

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Signal::$name => Some(stringify!($number)),)+
                    _ => None,
                }
            }
        }
    };
}

signals! {
    /// The user asks it to end (Ctrl-C).
    INT = SIGINT,
    /// Somebody asks it to end.
    TERM = SIGTERM,
    /// Its terminal is gone; to daemons: read the configuration again.
    HUP = SIGHUP,
    /// The user asks for a core dump (Ctrl-\\).
    QUIT = SIGQUIT,
    /// For the program's own use.
    USR1 = SIGUSR1,
    /// For the program's own use.
    USR2 = SIGUSR2,
    /// A child has ended or stopped.
    CHLD = SIGCHLD,
    /// It goes on after a stop.
    CONT = SIGCONT,
    /// The user asks it to stop (Ctrl-Z).
    TSTP = SIGTSTP,
    /// Its terminal has another size.
    WINCH = SIGWINCH,
    /// A timer of `alarm(2)` is over.
    ALRM = SIGALRM,
    /// It wrote to a pipe that nobody reads.
    PIPE = SIGPIPE,
}

impl Signal {
    /// A signal by its number.
    pub const fn from_raw(number: i32) -> Signal {
        Signal(number)
    }

    /// Its number.
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Signals as they come, in place of what they do otherwise: a [`Receiver`]. When it is dropped, and nobody else listens
/// for one of its signals, that signal does again what it did before.
#[derive(Debug)]
pub struct Signals {
    receiver: Receiver<Signal>,
    id: u64,
}

impl Deref for Signals {
    type Target = Receiver<Signal>;

    fn deref(&self) -> &Receiver<Signal> {
        &self.receiver
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let mut table = table();
        if let Some(at) = table.listeners.iter().position(|listener| listener.id == self.id) {
            let left = table.listeners.swap_remove(at);
            for signal in left.signals {
                table.release(signal);
            }
        }
    }
}

/// Listens for signals, with room for one: what comes while one has not been received is not counted.
///
/// # Errors
///
/// As [`notify_with`].
///
/// # Examples
///
/// ```
/// use gander_net::signal::{Signal, notify};
///
/// # gander_runtime::run(|| {
/// let signals = notify(&[Signal::USR1]).unwrap();
/// # #[allow(unsafe_code)]
/// # // SAFETY: it is handled.
/// unsafe { libc::raise(libc::SIGUSR1) };
/// assert_eq!(signals.recv(), Ok(Signal::USR1));
/// # });
/// ```
pub fn notify(signals: &[Signal]) -> io::Result<Signals> {
    notify_with(signals, 1)
}

/// [`notify`] with room for more.
///
/// # Errors
///
/// For a signal that cannot be handled (SIGKILL, SIGSTOP), that tells of a fault of the program's (SIGSEGV and the like),
/// that gander uses itself (SIGURG), or that does not exist. If a thread or a descriptor is missing.
///
/// # Panics
///
/// If `room` is zero: then every signal would be missed for which nobody waits just then.
pub fn notify_with(signals: &[Signal], room: usize) -> io::Result<Signals> {
    assert!(room > 0, "gander::signal: a channel without room misses signals");
    if let Some(bad) = signals.iter().find(|signal| !can_be_handled(signal.0)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{bad} cannot be listened for")));
    }
    start()?;
    let (sender, receiver) = bounded(room);
    let mut table = table();
    table.last_id += 1;
    let id = table.last_id;
    let mut taken = Vec::new();
    for &signal in signals {
        if taken.contains(&signal) {
            continue;
        }
        if let Err(error) = table.acquire(signal) {
            for signal in taken {
                table.release(signal);
            }
            return Err(error);
        }
        taken.push(signal);
    }
    table.listeners.push(Listener { id, signals: taken, sender });
    Ok(Signals { receiver, id })
}

/// How many there are.
const COUNT: usize = 64;

fn can_be_handled(number: libc::c_int) -> bool {
    let never = [
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGURG,
    ];
    (1..=COUNT as libc::c_int).contains(&number) && !never.contains(&number)
}

struct Listener {
    id: u64,
    signals: Vec<Signal>,
    sender: Sender<Signal>,
}

struct Table {
    last_id: u64,
    listeners: Vec<Listener>,
    /// By number less one: how many listen, and what was there before.
    handled: [(usize, Option<libc::sigaction>); COUNT],
}

static TABLE: Mutex<Table> =
    Mutex::new(Table { last_id: 0, listeners: Vec::new(), handled: [const { (0, None) }; COUNT] });

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    /// One more listens for the signal.
    fn acquire(&mut self, signal: Signal) -> io::Result<()> {
        let (count, before) = &mut self.handled[signal.0 as usize - 1];
        if *count == 0 {
            // SAFETY: a zeroed sigaction is valid; the handler is async-signal-safe.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                // ONSTACK: goroutine stacks keep no room for signal frames.
                action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
                // No other handler on top of this one, gander's own included.
                libc::sigfillset(&mut action.sa_mask);
                let mut old: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(signal.0, &action, &mut old) != 0 {
                    return Err(io::Error::last_os_error());
                }
                *before = Some(old);
            }
        }
        *count += 1;
        Ok(())
    }

    /// One fewer listens for it.
    fn release(&mut self, signal: Signal) {
        let (count, before) = &mut self.handled[signal.0 as usize - 1];
        *count -= 1;
        if *count == 0
            && let Some(before) = before.take()
        {
            // SAFETY: it was installed before.
            unsafe { libc::sigaction(signal.0, &before, std::ptr::null_mut()) };
        }
    }

    fn send(&self, signal: Signal) {
        for listener in self.listeners.iter().filter(|listener| listener.signals.contains(&signal)) {
            // Full: it is missed.
            let _ = listener.sender.try_send(signal);
        }
    }
}

/// Signals that have come and were not passed on yet: a bit for each.
static COME: AtomicU64 = AtomicU64::new(0);
/// The eventfd that tells the thread; −1 until there is one.
static TELL: AtomicI32 = AtomicI32::new(-1);

extern "C" fn handler(number: libc::c_int) {
    COME.fetch_or(1 << (number - 1), Ordering::AcqRel);
    let one = 1u64;
    // SAFETY: errno is this thread's, and is left as it was; `write` is async-signal-safe and reads our local.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(TELL.load(Ordering::Acquire), (&raw const one).cast(), 8);
        *errno = before;
    }
}

/// Starts the thread, once.
fn start() -> io::Result<()> {
    static STARTING: Mutex<bool> = Mutex::new(false);
    let mut started = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return Ok(());
    }
    // SAFETY: makes a descriptor, which is ours.
    let tell = unsafe {
        match libc::eventfd(0, libc::EFD_CLOEXEC) {
            -1 => return Err(io::Error::last_os_error()),
            fd => OwnedFd::from_raw_fd(fd),
        }
    };
    let fd = tell.as_raw_fd();
    std::thread::Builder::new().name("gander-signals".into()).spawn(move || pass_on(fd))?;
    // It stays open: the handler may write to it at any time.
    TELL.store(std::os::fd::IntoRawFd::into_raw_fd(tell), Ordering::Release);
    *started = true;
    Ok(())
}

/// The thread.
fn pass_on(tell: RawFd) {
    loop {
        let mut calls = 0u64;
        // SAFETY: reads into our local; the eventfd stays open.
        unsafe { libc::read(tell, (&raw mut calls).cast(), 8) };
        let mut come = COME.swap(0, Ordering::AcqRel);
        while come != 0 {
            let bit = come.trailing_zeros();
            come &= come - 1;
            table().send(Signal(bit as libc::c_int + 1));
        }
    }
}
