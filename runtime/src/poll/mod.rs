//! The poller: how a task waits for a descriptor.
//!
//! Edge-triggered epoll, as Go's. Whoever wants to read tries first and comes here only when the kernel says EAGAIN. A
//! descriptor is registered once, for both directions, at its first wait; after that a wait costs no system call of its
//! own. Each registered descriptor has a slot (`slots.rs`) with a `Token` for each direction:
//!
//! ```text
//!   reader                                     whoever looks (a worker, sysmon)
//!   reset: SET → EMPTY                         epoll_wait: "readable"
//!   read(2) = EAGAIN                           token.set():  EMPTY → SET
//!   commit: EMPTY → task, at rest                            task  → EMPTY, and the task is readied
//!           SET: try again at once
//! ```
//!
//! An edge between the reset and the commit is not lost (`[park-token]`), and one that was seen already costs a read in
//! vain and no more. That is also what makes an event for a slot's former owner harmless: at worst somebody tries again.
//!
//! **Who looks.** Nobody has the poller for a job. A worker that runs dry looks, without sleeping, before it searches
//! the other Ps; a busy one looks at each 61st switch; sysmon looks every 10 ms; and one of the workers that rest sleeps
//! in `epoll_wait` instead of on its futex (`sched/idle.rs`). As long as no descriptor is registered, none of them makes
//! a system call.
//!
//! **Why not mio or polling.** Both keep their events in vectors of their own and hide the descriptor behind `&mut`; here
//! several threads look at once, from the scheduler, where nothing may allocate. What is left of them is four system
//! calls (`epoll.rs`).
//!
//! An ordinary thread waits in `poll(2)` (`thread.rs`): it needs no runtime.

mod duty;
mod epoll;
mod slots;
mod thread;

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::alarm;
use crate::cancel::{Signal, Waiter};
use crate::g::reason::WaitReason;
use crate::g::{G, State};
use crate::inspect::trace;
use crate::m;
use crate::p::{P, add};
use crate::park::{Task, wait_if};
use crate::sched::inject;
use crate::token::Token;
use slots::Slot;

pub(crate) use duty::Duty;
pub(crate) use epoll::call_sleeper;
pub(crate) use thread::wake as wake_thread;

/// How many descriptors are registered.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// Whether there is anything to look at.
#[inline(always)]
pub(crate) fn is_wanted() -> bool {
    REGISTERED.load(Ordering::Relaxed) != 0
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// That something can be read, or accepted.
    Read,
    /// That something can be written, or that it is connected.
    Write,
}

/// A descriptor that tasks can wait for: one task at a time in each direction.
///
/// It does not own the descriptor. Whoever does calls [`deregister`](Source::deregister) before the descriptor is
/// closed.
#[derive(Debug)]
pub struct Source {
    fd: RawFd,
    slot: &'static Slot,
    registered: AtomicBool,
}

impl Source {
    /// A source for `fd`. The kernel is not told of it before somebody waits.
    pub fn new(fd: RawFd) -> Source {
        // The poller takes its own descriptors while there are some. Where it fails now, a wait says so.
        let _ = epoll::open();
        Source { fd, slot: slots::take(), registered: AtomicBool::new(false) }
    }

    /// The descriptor's number.
    pub fn fd(&self) -> RawFd {
        self.fd
    }

    fn token(&self, direction: Direction) -> &'static Token {
        match direction {
            Direction::Read => &self.slot.read,
            Direction::Write => &self.slot.write,
        }
    }

    /// Forgets what was reported in this direction so far: to be called before each try, so that what is reported
    /// after it ends the wait.
    #[inline]
    pub fn reset(&self, direction: Direction) {
        self.token(direction).take();
    }

    /// Whether the kernel reports from now on whatever arrives, and has reported nothing but plain readiness so far: no
    /// end, no error, no urgent data. Then who has read less than there was room for has read all, and need not try
    /// again before something is reported. To be asked between [`reset`](Self::reset) and the read.
    #[inline]
    pub fn reports_all(&self) -> bool {
        self.registered.load(Ordering::Acquire) && !self.slot.special.load(Ordering::Relaxed)
    }

    /// Waits until something is reported since the last [`reset`](Self::reset): by the kernel, by
    /// [`wake`](Self::wake), or by the clock at `deadline` (of [`now`](crate::timer::now); `u64::MAX`: never). May
    /// return without any of them; the caller tries again and looks at the clock itself.
    ///
    /// Only one task may wait in each direction; a second one could wait for ever.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to register the descriptor (`EPERM` for a file that is always ready), or has none left
    /// for the poller itself.
    pub fn wait(&self, direction: Direction, deadline: u64) -> io::Result<()> {
        let token = self.token(direction);
        if m::current_g().is_null() {
            return thread::wait(token, self.fd, direction, deadline);
        }
        self.register()?;
        let reason = match direction {
            Direction::Read => WaitReason::IoRead,
            Direction::Write => WaitReason::IoWrite,
        };
        let task = Task::current();
        let bits = task.bits();
        // SAFETY: whoever takes the task off the token readies it once: who reports, or the clock. `commit` publishes
        // it by its last access to the token, and slots are never freed.
        unsafe {
            if deadline == u64::MAX {
                wait_if(reason, || token.commit(bits));
            } else {
                alarm::wait(reason, deadline, task, &|| token.withdraw(bits), || token.commit(bits));
            }
        }
        Ok(())
    }

    /// [`wait`](Self::wait), which `signal` ends too: the caller looks whether it has fired.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_cancellable(&self, direction: Direction, deadline: u64, signal: &Signal) -> io::Result<()> {
        let mut waiter = Waiter::on_token(Task::current(), self.token(direction));
        let at = &raw mut waiter;
        // SAFETY: the waiter lies in our frame until `withdraw` has returned; slots are never freed.
        unsafe {
            if !signal.watch(at) {
                return Ok(());
            }
            let answer = self.wait(direction, deadline);
            signal.withdraw(at);
            answer
        }
    }

    /// Ends the wait of whoever waits in this direction, or the next one's.
    pub fn wake(&self, direction: Direction) {
        if let Some(bits) = self.token(direction).set()
            && !thread::wake(bits)
        {
            // SAFETY: the token gave the waiting task to us alone.
            unsafe { Task::from_bits(bits).ready() }
        }
    }

    fn register(&self) -> io::Result<()> {
        if !self.registered.load(Ordering::Acquire) {
            // Both directions may come here at once: the kernel takes the second for a change of the first.
            epoll::add(self.fd, self.slot.key())?;
            if !self.registered.swap(true, Ordering::AcqRel) {
                REGISTERED.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Takes the descriptor out of the poller. Nobody waits for it now.
    pub fn deregister(&self) {
        if self.registered.swap(false, Ordering::AcqRel) {
            REGISTERED.fetch_sub(1, Ordering::Relaxed);
            epoll::delete(self.fd);
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.deregister();
        slots::put(self.slot);
    }
}

/// The most events that one look takes.
const EVENTS: usize = 128;

/// Goroutines whose wait a look has ended, linked, in the order of their events; the looker's to hand over.
#[must_use = "they would never run"]
pub(crate) struct Readied {
    first: *const G,
    last: *const G,
    len: usize,
    /// Whether the kernel was asked.
    looked: bool,
}

/// Looks by those who had no P afterwards, and how many goroutines they woke; the others are counted on their P.
static OUTSIDE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// The looks without a P, and the goroutines they woke.
pub(crate) fn counts_outside() -> [u64; 2] {
    OUTSIDE.each_ref().map(|count| count.load(Ordering::Relaxed))
}

impl Readied {
    fn new() -> Readied {
        Readied { first: std::ptr::null(), last: std::ptr::null(), len: 0, looked: false }
    }

    /// Takes what is reported for a slot. `special`: and it is not plain readiness.
    fn report(&mut self, key: u64, readable: bool, writable: bool, special: bool) {
        let Some(slot) = slots::get(key) else { return };
        if special {
            slot.special.store(true, Ordering::Relaxed);
        }
        for (token, is_reported) in [(&slot.read, readable), (&slot.write, writable)] {
            if is_reported
                && let Some(bits) = token.set()
                && !thread::wake(bits)
            {
                // SAFETY: no other thread's task stands on a token of ours, so it is a goroutine, which the token gave
                // to us alone.
                unsafe { self.push(&*(bits as *const G)) }
            }
        }
    }

    fn push(&mut self, g: &G) {
        g.set_state(State::Runnable);
        g.next.set(std::ptr::null());
        if self.first.is_null() {
            self.first = g;
        } else {
            // SAFETY: what is linked here is ours.
            unsafe { (*self.last).next.set(g) };
        }
        self.last = g;
        self.len += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Hands them over to `p`, at the end of its ring. Returns how many they were.
    ///
    /// # Safety
    ///
    /// The caller has the private part of `p`.
    pub(crate) unsafe fn put(self, p: &P) -> usize {
        if !self.looked {
            return 0;
        }
        let len = self.len;
        add(&p.counts.polls, 1);
        add(&p.counts.polled, len as u64);
        let traced = p.attend.is_traced();
        if traced {
            trace::polled(Some(p), len);
        }
        for g in self {
            if traced {
                // SAFETY: what is linked here is ours, and alive.
                trace::reported(Some(p), unsafe { (*g).id.get() });
            }
            // SAFETY: by contract; it is ours to hand over.
            unsafe { p.put(g) };
        }
        len
    }

    /// Hands them over to the global queue. The caller calls a worker.
    pub(crate) fn inject(self) {
        if !self.looked {
            return;
        }
        OUTSIDE[0].fetch_add(1, Ordering::Relaxed);
        OUTSIDE[1].fetch_add(self.len as u64, Ordering::Relaxed);
        if trace::is_on() {
            self.record();
        }
        if !self.is_empty() {
            inject::put_all(self);
        }
    }

    /// Records the look and those it woke, without a P.
    #[cold]
    fn record(&self) {
        trace::polled(None, self.len);
        let mut at = self.first;
        // SAFETY: what is linked here is ours, and alive.
        while let Some(g) = unsafe { at.as_ref() } {
            trace::reported(None, g.id.get());
            at = g.next.get();
        }
    }
}

impl Iterator for Readied {
    type Item = *const G;

    fn next(&mut self) -> Option<*const G> {
        // SAFETY: what is linked here is ours, and alive.
        let first = unsafe { self.first.as_ref() }?;
        self.first = first.next.replace(std::ptr::null());
        Some(first)
    }
}

/// Looks without sleeping. Nothing if somebody else looks just now.
pub(crate) fn look() -> Readied {
    static LOOKS: AtomicBool = AtomicBool::new(false);
    let mut readied = Readied::new();
    if is_wanted() && !LOOKS.load(Ordering::Relaxed) && !LOOKS.swap(true, Ordering::Acquire) {
        readied.looked = true;
        epoll::look(&mut readied);
        LOOKS.store(false, Ordering::Release);
    }
    readied
}

/// Sleeps until something is reported, until [`call_sleeper`], or until `deadline`. For one worker at a time.
pub(crate) fn sleep_until(deadline: u64) -> Readied {
    let mut readied = Readied { looked: true, ..Readied::new() };
    epoll::sleep_until(deadline, &mut readied);
    readied
}
