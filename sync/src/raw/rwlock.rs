//! The read-write lock's protocol: readers and writers take turns.
//!
//! The state is the number of readers, and two bits:
//!
//! ```text
//!   WRITING    a writer has the lock; then there are no readers
//!   QUEUED     somebody stands in line: newcomers stand in line too
//! ```
//!
//! * While QUEUED is not set the lock is for whoever comes.
//! * A task in line is given the lock by who leaves it; it does not compete. A writer that leaves gives it to all
//!   readers in line, or else to the first writer; the last reader that leaves gives it to the first writer.
//! * So a reader waits for one writer at most before its turn, whatever comes later, and a writer for the readers that
//!   were before it, and for those ahead of it in line with the readers of that time.
//!
//! QUEUED is written under the lock of the lines, and while it is set so is all that makes the state grow.

use gander_runtime::yield_now;

use crate::door::{AtomicUsize, Lock, Ordering, Surroundings, WaitReason, now, surroundings};
use crate::line::{End, Line, Place, Until, Woken, stand};

const WRITING: usize = 1;
const QUEUED: usize = 2;
const READER: usize = 4;

/// A task looks again so often, each time after twice as many pauses of the processor; then it lets others run, so many
/// times, and only then stands in line.
///
/// For the lock is given in line to tasks that sleep, and while it is theirs nobody else has it. If all others stood in
/// line meanwhile, they would go on like that: a wait for each turn. So a newcomer first lets those go ahead.
const LOOKS: u32 = 5;
const ROUNDS: u32 = 5;
/// But not if they keep it waiting for so long.
const MANNERS_NANOS: u64 = 1_000_000;

/// A read-write lock around nothing.
#[derive(Debug)]
pub struct RawRwLock {
    state: AtomicUsize,
    lines: Lock<Lines>,
}

#[derive(Debug)]
struct Lines {
    readers: Line,
    writers: Line,
}

impl Lines {
    const fn new() -> Lines {
        Lines { readers: Line::new(), writers: Line::new() }
    }
}

impl Default for RawRwLock {
    fn default() -> RawRwLock {
        RawRwLock::new()
    }
}

/// Who passes the lock on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaver {
    Reader,
    Writer,
    /// It downgrades: it goes on as a reader.
    WriterWhoReads,
}

impl RawRwLock {
    /// An open lock.
    #[cfg(not(loom))]
    pub const fn new() -> RawRwLock {
        RawRwLock { state: AtomicUsize::new(0), lines: Lock::new(Lines::new()) }
    }

    /// An open lock.
    #[cfg(loom)]
    pub fn new() -> RawRwLock {
        RawRwLock { state: AtomicUsize::new(0), lines: Lock::new(Lines::new()) }
    }

    /// Takes the lock to read.
    #[inline]
    pub fn read(&self) {
        if !self.try_read() {
            self.read_slow();
        }
    }

    /// Takes the lock to read, if no writer has it or stands in line.
    #[inline]
    pub fn try_read(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & (WRITING | QUEUED) == 0 {
            let next = more_readers(state, 1);
            match self.state.compare_exchange_weak(state, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes the lock to write.
    #[inline]
    pub fn write(&self) {
        if !self.try_write() {
            self.write_slow();
        }
    }

    /// Takes the lock to write, if nobody has it.
    #[inline]
    pub fn try_write(&self) -> bool {
        self.state.compare_exchange(0, WRITING, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Ends a read.
    #[inline]
    pub fn unlock_read(&self) {
        // Release: what was read is read before a writer writes.
        if self.state.fetch_sub(READER, Ordering::Release) == READER | QUEUED {
            self.pass_on(Leaver::Reader);
        }
    }

    /// Ends a write.
    #[inline]
    pub fn unlock_write(&self) {
        if self.state.compare_exchange(WRITING, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.pass_on(Leaver::Writer);
        }
    }

    /// Turns the caller's write into a read.
    pub fn downgrade(&self) {
        if self.state.compare_exchange(WRITING, READER, Ordering::Release, Ordering::Relaxed).is_err() {
            self.pass_on(Leaver::WriterWhoReads);
        }
    }

    #[cold]
    #[inline(never)]
    fn read_slow(&self) {
        if look_again(&self.state, || self.try_read()) {
            return;
        }
        let lines = self.lines.lock();
        let free = |state| state & (WRITING | QUEUED) == 0;
        let before = self.change(|state| if free(state) { more_readers(state, 1) } else { state | QUEUED });
        if !free(before) {
            let _: End<'_, Lines> =
                stand(lines, |lines| &mut lines.readers, Place::Last, 0, WaitReason::RwLockRead, Until::WOKEN);
        }
    }

    #[cold]
    #[inline(never)]
    fn write_slow(&self) {
        if look_again(&self.state, || self.try_write()) {
            return;
        }
        let lines = self.lines.lock();
        let before = self.change(|state| if state == 0 { WRITING } else { state | QUEUED });
        if before != 0 {
            let _: End<'_, Lines> =
                stand(lines, |lines| &mut lines.writers, Place::Last, 0, WaitReason::RwLockWrite, Until::WOKEN);
        }
    }

    /// Somebody stands in line, and the caller leaves: the last reader, or a writer, who may stay to read.
    #[cold]
    #[inline(never)]
    fn pass_on(&self, from: Leaver) {
        let mut lines = self.lines.lock();
        let mut woken = Woken::new();
        // After readers it is a writer's turn. (There is one: readers stand in line behind a writer only.)
        let first = if from == Leaver::Reader { lines.writers.pop() } else { None };
        let readers = if first.is_none() { lines.readers.pop_all(&mut woken) } else { 0 };
        let readers = readers + usize::from(from == Leaver::WriterWhoReads);
        let writer = first.or_else(|| if readers == 0 { lines.writers.pop() } else { None });
        let taken = if writer.is_some() { WRITING } else { more_readers(0, readers) };
        if let Some(writer) = writer {
            woken.push(writer);
        }
        let queued = if lines.readers.is_empty() && lines.writers.is_empty() { 0 } else { QUEUED };
        // Nobody else changes the state: newcomers stand in line, and the lines are ours. Acquire: the ends of all reads
        // come before what a writer does. Release: and so does all that was done here.
        self.state.swap(taken | queued, Ordering::AcqRel);
        drop(lines);
        woken.ready();
    }

    /// Changes the state, and returns what it was.
    fn change(&self, f: impl Fn(usize) -> usize) -> usize {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            match self.state.compare_exchange_weak(state, f(state), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return state,
                Err(now) => state = now,
            }
        }
    }
}

/// Guards can be forgotten, so their number can be absurd; it stays below 2^62 for the next hundred years.
#[inline(always)]
fn more_readers(state: usize, count: usize) -> usize {
    state + count * READER
}

/// Tries again a few times, and lets others run in between.
fn look_again(state: &AtomicUsize, attempt: impl Fn() -> bool) -> bool {
    let mut began = 0;
    for _ in 0..ROUNDS {
        let Surroundings { has_ready, others_run } = surroundings();
        for look in 0..if others_run { LOOKS } else { 0 } {
            (0..1 << look).for_each(|_| std::hint::spin_loop());
            if state.load(Ordering::Relaxed) & QUEUED != 0 {
                return false;
            }
            if attempt() {
                return true;
            }
        }
        if !has_ready {
            return false;
        }
        let now = now();
        began = if began == 0 { now } else { began };
        if now - began > MANNERS_NANOS {
            return false;
        }
        yield_now();
        if attempt() {
            return true;
        }
    }
    false
}
