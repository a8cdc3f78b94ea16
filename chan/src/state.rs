//! The rules of a channel, as they hold whenever its lock is free:
//!
//! * `len` is the number of values in the buffer, `0 <= len <= room <= capacity`. `room` is less than the capacity by
//!   the places that are promised to senders whose select has chosen them and whose value is still to come.
//! * A receiver waits only while the buffer is empty and no sender waits; a sender waits only while the buffer is
//!   full and no receiver waits. (A task in a select may stand in both queues, as one that never meets itself. Nodes
//!   whose claim is lost, and those of who only watches, may stand anywhere: they count as absent.)
//! * So whoever finds room, or a value, is ahead of nobody: who came first is served first, in each direction, and
//!   values leave in the order in which they came.
//! * A closed channel stays closed. Nobody waits in it and nothing is put into it; what is in it may be taken.
//! * `senders_wait` and `receivers_wait` say whether the queues have nodes. With `len`, `flags` and `due` they may be
//!   read without the lock: see `look.rs`.
//! * A value that came back from a future that was dropped stands before all senders, and is taken before the buffer. So
//!   the senders that wait are those behind it, and only they end with the channel.
//! * Into the channel of a clock nobody sends: its buffer has no room and its values come to be in `take`, when they
//!   are due (`clock.rs`). Since they are not counted, it says without the lock that a sender waits.
//!
//! While the lock is held nothing is allocated or freed and no code of the program runs.
//!
//! What is here does not know what the values are: a select works with it on channels of all types. How values move
//! stands in `transfer.rs`.

#![allow(unsafe_code, reason = "tasks stand in line with nodes on their stacks")]

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use gander_runtime::lock::{Guard, Lock};
use gander_runtime::timer::now;

use crate::clock::{Dial, NEVER};
use crate::future::Futures;
use crate::wait::{Node, Outcome, Queue, Waiter, Woken};

/// In `flags`: nobody sends any more.
pub(crate) const CLOSED: u8 = 1;
/// In `flags`: the clock sends, and nobody else.
pub(crate) const CLOCK: u8 = 2;
/// In `flags`: nobody will ever send.
pub(crate) const MUTE: u8 = 4;

/// A channel but for its buffer.
///
/// What is written with the lock held only, and read without it too, stands beside the lock.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Core {
    pub(crate) lock: Lock<Lines>,
    /// How many values are in the buffer.
    pub(crate) len: AtomicUsize,
    /// What is unusual about it: nothing in a channel that is open.
    pub(crate) flags: AtomicU8,
    pub(crate) senders_wait: AtomicBool,
    pub(crate) receivers_wait: AtomicBool,
    /// None: as many as memory holds.
    pub(crate) capacity: Option<usize>,
    /// When its clock has the next value.
    pub(crate) due: AtomicU64,
    pub(crate) futures: Futures,
}

/// What only the holder of the lock sees.
#[derive(Debug)]
pub(crate) struct Lines {
    /// So many values may be in the buffer.
    pub(crate) room: usize,
    pub(crate) senders: Queue,
    pub(crate) receivers: Queue,
    /// In a channel of instants, whose flags have [`CLOCK`].
    pub(crate) dial: Option<Box<Dial>>,
}

/// What a sender gets that has no value at hand yet.
#[derive(Debug)]
#[must_use]
pub(crate) enum Promise {
    /// A receiver whose wait we have won, to be given the value.
    Receiver(Waiter),
    /// A place in the buffer, taken from `room`.
    Place,
    /// Nothing: the channel is closed.
    Closed,
    /// Nothing: there is no room.
    Full,
}

impl Core {
    pub(crate) fn new(capacity: Option<usize>) -> Core {
        let room = capacity.unwrap_or(usize::MAX);
        Core {
            lock: Lock::new(Lines { room, senders: Queue::new(), receivers: Queue::new(), dial: None }),
            len: AtomicUsize::new(0),
            flags: AtomicU8::new(0),
            senders_wait: AtomicBool::new(false),
            receivers_wait: AtomicBool::new(false),
            capacity,
            due: AtomicU64::new(NEVER),
            futures: Futures::new(),
        }
    }

    /// Of a channel that nothing is ever sent on.
    pub(crate) fn mute() -> Core {
        Core { flags: AtomicU8::new(MUTE), ..Core::new(Some(0)) }
    }

    /// Of a clock's channel. `capacity`: what it says of itself.
    pub(crate) fn of_clock(dial: Dial, capacity: usize) -> Core {
        let due = AtomicU64::new(dial.when());
        let lines = Lines { room: 0, senders: Queue::new(), receivers: Queue::new(), dial: Some(Box::new(dial)) };
        Core {
            lock: Lock::new(lines),
            flags: AtomicU8::new(CLOCK),
            senders_wait: AtomicBool::new(true),
            due,
            ..Core::new(Some(capacity))
        }
    }

    #[inline(always)]
    pub(crate) fn pop_receiver(&self, lines: &mut Lines) -> Option<Waiter> {
        let receiver = lines.receivers.pop();
        if lines.receivers.is_empty() {
            self.receivers_wait.store(false, Ordering::Release);
        }
        receiver
    }

    #[inline(always)]
    pub(crate) fn pop_sender(&self, lines: &mut Lines) -> Option<Waiter> {
        let sender = lines.senders.pop();
        if lines.senders.is_empty() {
            self.senders_wait.store(false, Ordering::Release);
        }
        sender
    }

    /// Lets a task stand in line to receive into its node's place, or to watch.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's, which is open and has just been found empty. As [`Queue::push`]; the node's place
    /// is free and of the channel's type.
    #[inline(always)]
    pub(crate) unsafe fn queue_receiver(&self, lines: &mut Lines, node: *mut Node) {
        // SAFETY: by contract.
        unsafe { lines.receivers.push(node) };
        self.receivers_wait.store(true, Ordering::Release);
    }

    /// Lets a task stand in line to send its node's value, or a promised one, or to watch.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's, which is open and has just been found full. As [`Queue::push`]; the node's value,
    /// if it has one, is valid and of the channel's type.
    #[inline(always)]
    pub(crate) unsafe fn queue_sender(&self, lines: &mut Lines, node: *mut Node) {
        // SAFETY: by contract.
        unsafe { lines.senders.push(node) };
        self.senders_wait.store(true, Ordering::Release);
    }

    /// Takes a node out of the receivers' line if it still stands there; whether it did. After this, and once the lock was
    /// free, nobody here touches it.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's. The node is alive and has stood in no other queue.
    #[cold]
    pub(crate) unsafe fn unqueue_receiver(&self, lines: &mut Lines, node: *mut Node) -> bool {
        // SAFETY: by contract.
        let was_there = unsafe { lines.receivers.remove(node) };
        self.receivers_wait.store(!lines.receivers.is_empty(), Ordering::Release);
        was_there
    }

    /// Takes a node out of the senders' line if it still stands there; whether it did. After this, and once the lock was
    /// free, nobody here touches it.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's. The node is alive and has stood in no other queue.
    #[cold]
    pub(crate) unsafe fn unqueue_sender(&self, lines: &mut Lines, node: *mut Node) -> bool {
        // SAFETY: by contract.
        let was_there = unsafe { lines.senders.remove(node) };
        self.senders_wait.store(!lines.senders.is_empty(), Ordering::Release);
        was_there
    }

    /// Whether a receive would not wait. A waiting sender that is seen may be gone when it is popped, if the clock or
    /// another channel wins it in between.
    pub(crate) fn can_receive(&self, lines: &mut Lines) -> bool {
        self.len.load(Ordering::Relaxed) > 0
            || self.is_closed()
            || lines.senders.has_claimable()
            || lines.dial.as_ref().is_some_and(|dial| dial.is_due())
    }

    /// Whether a send would not wait. As [`can_receive`](Self::can_receive).
    pub(crate) fn can_send(&self, lines: &mut Lines) -> bool {
        self.len.load(Ordering::Relaxed) < lines.room || self.is_closed() || lines.receivers.has_claimable()
    }

    /// Takes what a sender needs that will have its value later.
    pub(crate) fn promise(&self, lines: &mut Lines) -> Promise {
        if self.is_closed() {
            return Promise::Closed;
        }
        if let Some(receiver) = self.pop_receiver(lines) {
            return Promise::Receiver(receiver);
        }
        if self.len.load(Ordering::Relaxed) < lines.room {
            lines.room -= 1;
            return Promise::Place;
        }
        Promise::Full
    }

    /// Gives back a place that was promised. Who waits to send looks again.
    pub(crate) fn break_promise(&self) {
        let mut lines = self.lock.lock();
        lines.room += 1;
        let mut woken = Woken::new();
        self.end_senders(&mut lines, Outcome::Changed, &mut woken);
        drop(lines);
        woken.ready();
    }

    /// Closes the channel: all who wait go on empty-handed. Whether it was open.
    pub(crate) fn close(&self) -> bool {
        let mut lines = self.lock.lock();
        let woken = self.close_locked(&mut lines);
        drop(lines);
        woken.map(Woken::ready).is_some()
    }

    pub(crate) fn close_locked(&self, lines: &mut Guard<'_, Lines>) -> Option<Woken> {
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & CLOSED != 0 {
            return None;
        }
        self.flags.store(flags | CLOSED, Ordering::Release);
        let mut woken = Woken::new();
        lines.receivers.end_all(Outcome::Closed, &mut woken);
        self.receivers_wait.store(false, Ordering::Release);
        self.end_senders(lines, Outcome::Closed, &mut woken);
        Some(woken)
    }

    /// Whether nothing is ever sent on it.
    pub(crate) fn is_mute(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & MUTE != 0
    }

    /// Whether the clock sends.
    #[inline(always)]
    pub(crate) fn is_clock(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & CLOCK != 0
    }

    /// How many values there are to receive, but for those that came back.
    pub(crate) fn visible_len(&self) -> usize {
        if !self.is_clock() || self.capacity == Some(0) {
            return self.len();
        }
        usize::from(!self.is_closed() && now() >= self.due.load(Ordering::Acquire))
    }

    /// Changes the clock, and has all who wait for it look again.
    pub(crate) fn change_clock<R>(&self, change: impl FnOnce(&mut Dial) -> R) -> R {
        let mut lines = self.lock.lock();
        let dial = lines.dial.as_mut().expect("the channel has a clock");
        let answer = change(dial);
        self.due.store(dial.when(), Ordering::Release);
        let mut woken = Woken::new();
        lines.receivers.end_all(Outcome::Changed, &mut woken);
        self.receivers_wait.store(false, Ordering::Release);
        drop(lines);
        woken.ready();
        answer
    }
}
