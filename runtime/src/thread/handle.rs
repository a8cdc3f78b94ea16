//! Who runs: a goroutine, or an ordinary thread.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::current::try_current;
use crate::g::handle::Goroutine;

/// A handle to a goroutine, or to an ordinary thread that asked who it is. As [`std::thread::Thread`].
///
/// That of a goroutine is its [`Goroutine`] by std's name.
#[derive(Clone)]
pub struct Thread(pub(crate) Goroutine);

/// A goroutine's number, or an ordinary thread's: never given twice in a process. As [`std::thread::ThreadId`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(NonZeroU64);

/// Numbers from here on are those of ordinary threads; no process counts so many goroutines.
const FIRST_THREAD: u64 = 1 << 63;

impl Thread {
    /// Lets the current or next [`park`](crate::park()) return. Several calls before a park count as one; once it has
    /// ended this does nothing.
    ///
    /// # Blocking
    ///
    /// Never blocks. Works from goroutines and from ordinary threads.
    pub fn unpark(&self) {
        match self.0.thread() {
            Some(thread) => thread.unpark(),
            None => self.0.unpark(),
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        ThreadId(self.0.id().bits())
    }

    /// Its name, if it was given one. That of the main goroutine, and of the main thread, is `main`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self.0.thread() {
            Some(thread) => thread.name(),
            None => self.0.name(),
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            id @ ..FIRST_THREAD => write!(f, "ThreadId({id})"),
            u64::MAX => f.write_str("ThreadId(ended)"),
            id => write!(f, "ThreadId(thread {})", id - FIRST_THREAD),
        }
    }
}

/// The handle of the calling goroutine or ordinary thread. As [`std::thread::current`].
///
/// In the last destructors of a goroutine, when its result is with who joins it, the handle is one without a name that
/// all goroutines have there.
#[must_use]
pub fn current() -> Thread {
    Thread(try_current().unwrap_or_else(|| Goroutine::of_thread(thread_number(), std::thread::current())))
}

/// The calling ordinary thread's number.
#[inline(never)]
fn thread_number() -> u64 {
    thread_local! {
        /// 0: none yet. Never a goroutine's: that has a handle.
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    static LAST: AtomicU64 = AtomicU64::new(FIRST_THREAD);
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        }
        number.get()
    })
}
