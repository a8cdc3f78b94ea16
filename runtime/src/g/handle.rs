//! Who a goroutine is: its id, its name, and a handle that outlives it.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::park::Task;
use crate::thread::Thread;
use crate::token::Token;

/// A goroutine's number: counted from 1, never given twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoroutineId(NonZeroU64);

impl GoroutineId {
    /// None for 0, which no goroutine has.
    pub(crate) fn of_bits(id: u64) -> Option<GoroutineId> {
        NonZeroU64::new(id).map(GoroutineId)
    }

    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn bits(self) -> NonZeroU64 {
        self.0
    }
}

impl fmt::Display for GoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Takes `count` ids out of the sequence; the first.
pub(crate) fn reserve_ids(count: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(count, Ordering::Relaxed)
}

/// A goroutine's id and name, kept for as long as it lives; and its handle, once somebody wants one.
#[derive(Debug)]
pub(crate) struct Ident {
    id: u64,
    name: Option<Arc<str>>,
    handle: OnceLock<Thread>,
}

impl Ident {
    /// `id` is set by `assign` before the goroutine is anybody's.
    pub(crate) fn new(name: Option<Arc<str>>) -> Ident {
        Ident { id: 0, name, handle: OnceLock::new() }
    }

    /// The identity of a goroutine that has given up its own and is about to be gone.
    pub(crate) fn ended() -> &'static Ident {
        static ENDED: Ident = Ident { id: 0, name: None, handle: OnceLock::new() };
        &ENDED
    }

    pub(crate) fn assign(&mut self, id: u64) {
        self.id = id;
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn handle(&self) -> &Goroutine {
        &self.thread().0
    }

    /// The handle by std's name.
    pub(crate) fn thread(&self) -> &Thread {
        self.handle.get_or_init(|| Thread(Goroutine::of(self.id, self.name.clone(), None)))
    }
}

/// A handle to a goroutine: its id, its name, and the way to [`unpark`](Goroutine::unpark) it. What
/// [`std::thread::Thread`] is to a thread; it may outlive the goroutine.
#[derive(Clone)]
pub struct Goroutine {
    inner: Arc<Inner>,
}

struct Inner {
    id: u64,
    name: Option<Arc<str>>,
    token: Token,
    /// That this stands for instead; only in a [`Thread`].
    thread: Option<std::thread::Thread>,
}

impl Goroutine {
    fn of(id: u64, name: Option<Arc<str>>, thread: Option<std::thread::Thread>) -> Goroutine {
        Goroutine { inner: Arc::new(Inner { id, name, token: Token::new(), thread }) }
    }

    /// What a [`Thread`] holds that is none; `id` is no goroutine's.
    pub(crate) fn of_thread(id: u64, thread: std::thread::Thread) -> Goroutine {
        Goroutine::of(id, None, Some(thread))
    }

    /// The ordinary thread that this stands for, if it does.
    pub(crate) fn thread(&self) -> Option<&std::thread::Thread> {
        self.inner.thread.as_ref()
    }

    /// Its number.
    pub fn id(&self) -> GoroutineId {
        // The last destructors of a goroutine run without an identity.
        GoroutineId(NonZeroU64::new(self.inner.id).unwrap_or(NonZeroU64::MAX))
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// Lets the goroutine's current or next [`park`](crate::park()) return. Several calls before a park count as
    /// one; on a goroutine that has ended it does nothing.
    ///
    /// # Blocking
    ///
    /// Never blocks. Works from goroutines and from ordinary threads.
    pub fn unpark(&self) {
        if let Some(task) = self.inner.token.set() {
            // SAFETY: the token had a task that parked on it, and has given it to us alone.
            unsafe { Task::from_bits(task).ready() }
        }
    }

    /// Whether this stands for goroutines that have given up their identity: they share it, so none can be unparked.
    pub(crate) fn has_ended(&self) -> bool {
        self.inner.id == 0
    }

    pub(crate) fn token(&self) -> &Token {
        &self.inner.token
    }
}

impl fmt::Debug for Goroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Goroutine").field("id", &self.inner.id).field("name", &self.name()).finish_non_exhaustive()
    }
}
