//! The read-write lock's protocol: readers and writers take turns.
//!
//! The state is the number of readers, two bits, and a small number:
//!
//! ```text
//!   WRITING    a writer has the lock; then there are no readers
//!   QUEUED     somebody stands in line: newcomers stand in line too
//!   GUESTS     except for so many, while others read
//! ```
//!
//! * While QUEUED is not set the lock is for whoever comes.
//! * A task in line is given the lock by who leaves it; it does not compete. A writer that leaves gives it to all
//!   readers in line, or else to the first writer; the last reader that leaves gives it to the first writer.
//! * When readers are let in and writers stay in line, some guests may join them. Otherwise, once many tasks stand in line,
//!   each would stand there for each of its reads, and sleep, for ever.
//! * So a reader waits for one writer at most before its turn, whatever comes later, and a writer for the readers that
//!   were before it, and for those ahead of it in line with the readers of that time and a few guests.
//!
//! Who gives up leaves its line; if readers stood there for a writer that gave up, and others read, it lets them in.
//!
//! QUEUED is written under the lock of the lines, and while it is set so is all that makes the state grow.

use gander_runtime::inspect::READER_SHIFT;
use gander_runtime::yield_now;

use crate::door::{
    AtomicUsize, Guard, Lock, Ordering, Owner, Surroundings, WaitPlace, WaitReason, now, surroundings,
};
use crate::line::{End, Line, Place, Until, Woken, stand};

const WRITING: usize = 1;
const QUEUED: usize = 2;
/// Not 0 only while QUEUED is set and readers have the lock, or the last of them is about to pass it on.
const GUESTS: usize = READER - GUEST;
const GUEST: usize = 4;
const READER: usize = 1 << READER_SHIFT;

/// How many guests there may be at a time of reading: a sleep and a wake-up are then little beside their reads.
const MOST_GUESTS: usize = if cfg!(loom) { 1 } else { 32 };
const _: () = assert!(MOST_GUESTS * GUEST <= GUESTS);

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
#[repr(C)]
pub struct RawRwLock {
    /// For those who look: which writer has it. They find the state behind it.
    owner: Owner,
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
        RawRwLock { owner: Owner::new(), state: AtomicUsize::new(0), lines: Lock::new(Lines::new()) }
    }

    /// An open lock.
    #[cfg(loom)]
    pub fn new() -> RawRwLock {
        RawRwLock { owner: Owner::new(), state: AtomicUsize::new(0), lines: Lock::new(Lines::new()) }
    }

    /// Takes the lock to read.
    #[inline]
    pub fn read(&self) {
        if !self.try_read() {
            self.read_slow(Until::WOKEN);
        }
    }

    /// Takes the lock to read, or gives up; whether it has it.
    #[inline]
    pub(crate) fn read_until<'a>(&self, until: impl FnOnce() -> Until<'a>) -> bool {
        self.try_read() || self.read_slow(until())
    }

    /// For models: takes the lock to read, or gives up at any moment.
    #[cfg(loom)]
    pub fn read_or_give_up(&self) -> bool {
        self.read_until(|| Until::deadline(1))
    }

    /// Takes the lock to read, if no writer has it or stands in line.
    #[inline]
    pub fn try_read(&self) -> bool {
        // A guess, not a load: that would fetch the cache line to read, and the exchange fetch it again to write.
        let mut state = 0;
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
        if !self.take_open() {
            self.write_slow(Until::WOKEN);
        }
        self.owner.enter();
    }

    /// Takes the lock to write, or gives up; whether it has it.
    #[inline]
    pub(crate) fn write_until<'a>(&self, until: impl FnOnce() -> Until<'a>) -> bool {
        let locked = self.take_open() || self.write_slow(until());
        if locked {
            self.owner.enter();
        }
        locked
    }

    /// For models: takes the lock to write, or gives up at any moment.
    #[cfg(loom)]
    pub fn write_or_give_up(&self) -> bool {
        self.write_until(|| Until::deadline(1))
    }

    /// Takes the lock to write, if nobody has it.
    #[inline]
    pub fn try_write(&self) -> bool {
        let locked = self.take_open();
        if locked {
            self.owner.enter();
        }
        locked
    }

    #[inline(always)]
    fn take_open(&self) -> bool {
        self.state.compare_exchange(0, WRITING, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Ends a read.
    #[inline]
    pub fn unlock_read(&self) {
        // Release: what was read is read before a writer writes.
        let before = self.state.fetch_sub(READER, Ordering::Release);
        if before & !GUESTS == READER | QUEUED {
            self.pass_on(Leaver::Reader);
        }
    }

    /// Ends a write.
    #[inline]
    pub fn unlock_write(&self) {
        self.owner.leave();
        if self.state.compare_exchange(WRITING, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.pass_on(Leaver::Writer);
        }
    }

    /// Turns the caller's write into a read.
    pub fn downgrade(&self) {
        self.owner.leave();
        if self.state.compare_exchange(WRITING, READER, Ordering::Release, Ordering::Relaxed).is_err() {
            self.pass_on(Leaver::WriterWhoReads);
        }
    }

    /// Joins those who read although writers stand in line, if there may be guests.
    fn join_as_guest(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        // Once the last reader has left the state is for who passes the lock on.
        while state & GUESTS != 0 && state >= READER {
            let next = more_readers(state, 1) - GUEST;
            match self.state.compare_exchange_weak(state, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    #[cold]
    #[inline(never)]
    fn read_slow(&self, until: Until<'_>) -> bool {
        if self.join_as_guest() || look_again(&self.state, || self.try_read()) {
            return true;
        }
        let lines = self.lines.lock();
        let free = |state| state & (WRITING | QUEUED) == 0;
        let before = self.change(|state| if free(state) { more_readers(state, 1) } else { state | QUEUED });
        free(before) || self.stand(lines, |lines| &mut lines.readers, WaitReason::RwLockRead, until)
    }

    #[cold]
    #[inline(never)]
    fn write_slow(&self, until: Until<'_>) -> bool {
        if look_again(&self.state, || self.take_open()) {
            return true;
        }
        let lines = self.lines.lock();
        let before = self.change(|state| if state == 0 { WRITING } else { state | QUEUED });
        before == 0 || self.stand(lines, |lines| &mut lines.writers, WaitReason::RwLockWrite, until)
    }

    /// Stands in line until the lock is given to the caller, or it gives up; whether it has it.
    fn stand(
        &self,
        lines: Guard<'_, Lines>,
        line: fn(&mut Lines) -> &mut Line,
        reason: WaitReason,
        until: Until<'_>,
    ) -> bool {
        let what = (reason, WaitPlace::shared(&self.owner));
        match stand(lines, line, Place::Last, 0, what, until) {
            End::Woken(_) => true,
            End::GivenUp(lines) => {
                self.leave_line(lines);
                false
            }
        }
    }

    /// The caller has given up, and is out of its line. It may have been the writer for whom readers stood in line, or the
    /// last in line.
    fn leave_line(&self, mut lines: Guard<'_, Lines>) {
        if !lines.writers.is_empty() {
            return;
        }
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let next = match state {
                // They have all been forgotten by who passed the lock on; it is for whoever comes.
                _ if state & QUEUED == 0 => return,
                // The last reader has left, and is about to pass the lock on, which sees that we are gone.
                _ if state & !GUESTS == QUEUED => return,
                // The writer passes it on to the readers, if there are any.
                _ if state & WRITING != 0 && !lines.readers.is_empty() => return,
                _ if state & WRITING != 0 => state & !QUEUED,
                // We read for a moment, so that the last reader cannot leave while we let others in.
                _ => more_readers(state, 1),
            };
            match self.state.compare_exchange_weak(state, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state & WRITING != 0 {
            return;
        }
        let mut woken = Woken::new();
        let readers = lines.readers.pop_all(&mut woken);
        self.change(|state| more_readers(state, readers) & !(QUEUED | GUESTS));
        drop(lines);
        woken.ready();
        self.unlock_read();
    }

    /// Somebody stands in line, and the caller leaves: the last reader, or a writer, who may stay to read.
    #[cold]
    #[inline(never)]
    fn pass_on(&self, from: Leaver) {
        let mut lines = self.lines.lock();
        let mut woken = Woken::new();
        // After readers it is a writer's turn. (There is one, or the last has just given up: readers
        // stand in line behind a writer only.)
        let first = if from == Leaver::Reader { lines.writers.pop() } else { None };
        let readers = if first.is_none() { lines.readers.pop_all(&mut woken) } else { 0 };
        let readers = readers + usize::from(from == Leaver::WriterWhoReads);
        let writer = first.or_else(|| if readers == 0 { lines.writers.pop() } else { None });
        let taken = if writer.is_some() { WRITING } else { more_readers(0, readers) };
        if let Some(writer) = writer {
            woken.push(writer);
        }
        let queued = match (lines.readers.is_empty() && lines.writers.is_empty(), taken) {
            (true, _) => 0,
            (false, WRITING) => QUEUED,
            (false, _) => QUEUED | (MOST_GUESTS * GUEST),
        };
        // Nobody else changes the state: there are no readers whom guests could join, newcomers stand in line, and the
        // lines are ours. Acquire: the ends of all reads
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

/// Guards can be forgotten, so their number can be absurd; to reach 2^56 takes forty years.
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
