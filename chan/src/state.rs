//! The rules of a channel, as they hold whenever its lock is free:
//!
//! * `len` is the number of values in the buffer, `0 <= len <= capacity`.
//! * A receiver waits only while the buffer is empty and no sender waits; a sender waits only while the buffer is
//!   full and no receiver waits. (A task in a select may stand in both queues, as one that never meets itself; and
//!   nodes whose claim is lost may stand anywhere: they count as absent.)
//! * So whoever finds room, or a value, is ahead of nobody: who came first is served first, in each direction, and
//!   values leave in the order in which they came.
//! * A closed channel stays closed. Nobody waits in it and nothing is put into it; what is in it may be taken.
//! * `senders_wait` and `receivers_wait` say whether the queues have nodes. With `len` and `flags` they may be
//!   read without the lock: see `look.rs`.
//! * Into the channel of a clock nobody sends: its buffer has no room and its values come to be in `take`, when they
//!   are due (`clock.rs`). Since they are not counted, it says without the lock that a sender waits.
//!
//! While the lock is held nothing is allocated or freed and no code of the program runs.

#![allow(unsafe_code, reason = "values are moved by address, from place to place, and never through the stack")]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Instant;

use gander_runtime::Task;
use gander_runtime::lock::{Guard, Lock};

use crate::buffer::{Buffer, Push, Rest};
use crate::chain::Block;
use crate::clock::Dial;
use crate::wait::{Node, Outcome, Queue, Waiter, Woken};

/// In `flags`: nobody sends any more.
pub(crate) const CLOSED: u8 = 1;
/// In `flags`: the clock sends, and nobody else.
pub(crate) const CLOCK: u8 = 2;
/// In `flags`: nobody will ever send.
pub(crate) const MUTE: u8 = 4;

/// A channel.
///
/// What is written with the lock held only, and read without it too, stands beside the lock.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Channel<T> {
    pub(crate) lock: Lock<State<T>>,
    /// How many values are in the buffer.
    pub(crate) len: AtomicUsize,
    /// What is unusual about it: none of it in a channel that is open.
    pub(crate) flags: AtomicU8,
    pub(crate) senders_wait: AtomicBool,
    pub(crate) receivers_wait: AtomicBool,
    /// None: as many as memory holds.
    pub(crate) capacity: Option<usize>,
}

/// What only the holder of the lock sees.
#[derive(Debug)]
pub(crate) struct State<T> {
    buffer: Buffer<T>,
    senders: Queue,
    receivers: Queue,
    /// In a channel of instants, whose flags have [`CLOCK`].
    dial: Option<Box<Dial>>,
}

/// What became of a value that was to be put.
#[derive(Debug)]
#[must_use]
pub(crate) enum Put {
    /// It is in the buffer.
    Buffered,
    /// This task, which is to be readied, has it.
    Handed(Task),
    /// Nothing: there is no room.
    Full,
    /// Nothing: the buffer must be given a block first.
    NeedsBlock,
    /// Nothing: the channel is closed.
    Closed,
}

/// What became of a place that was to be filled.
#[derive(Debug)]
#[must_use]
pub(crate) enum Take<T> {
    /// It is.
    Taken,
    /// It is; and this task, whose value has been taken over, is to be readied.
    Handed(Task),
    /// It is; and this is to be freed.
    Freed(Block<T>),
    /// Nothing: there is no value.
    Empty,
    /// Nothing: there is no value, and there will be none.
    Closed,
}

impl<T> Channel<T> {
    pub(crate) fn new(buffer: Buffer<T>, capacity: Option<usize>) -> Channel<T> {
        Channel {
            lock: Lock::new(State { buffer, senders: Queue::new(), receivers: Queue::new(), dial: None }),
            len: AtomicUsize::new(0),
            flags: AtomicU8::new(0),
            senders_wait: AtomicBool::new(false),
            receivers_wait: AtomicBool::new(false),
            capacity,
        }
    }

    /// A channel that nothing is ever sent on.
    pub(crate) fn mute() -> Channel<T> {
        Channel { flags: AtomicU8::new(MUTE), ..Channel::new(Buffer::bounded(0), Some(0)) }
    }

    /// Whether nothing is ever sent on it.
    pub(crate) fn is_mute(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & MUTE != 0
    }

    /// Moves `*value` to the receiver that waits longest, or into the buffer.
    ///
    /// # Safety
    ///
    /// `state` is this channel's. `*value` is valid; it is no longer the caller's if it was buffered or handed.
    #[inline(always)]
    pub(crate) unsafe fn put(&self, state: &mut Guard<'_, State<T>>, value: *const T) -> Put {
        if self.flags.load(Ordering::Relaxed) != 0 {
            return Put::Closed;
        }
        if !state.receivers.is_empty()
            && let Some(receiver) = self.pop_receiver(state)
        {
            // SAFETY: receivers wait here for a T.
            return Put::Handed(unsafe { receiver.give(value) });
        }
        let len = self.len.load(Ordering::Relaxed);
        // SAFETY: `len` is what the buffer holds.
        match unsafe { state.buffer.push(len, value) } {
            Push::Done => {
                self.len.store(len + 1, Ordering::Release);
                Put::Buffered
            }
            Push::Full => Put::Full,
            Push::NeedsBlock => Put::NeedsBlock,
        }
    }

    /// Moves the first value to `place`: from the buffer, where the value of the sender that waits longest then
    /// takes the free place at the end; or, where nothing is ever buffered, from that sender.
    ///
    /// # Safety
    ///
    /// `state` is this channel's. `place` is free.
    #[inline(always)]
    pub(crate) unsafe fn take(&self, state: &mut Guard<'_, State<T>>, place: *mut T) -> Take<T> {
        let len = self.len.load(Ordering::Relaxed);
        if len > 0 {
            // SAFETY: `len` is what the buffer holds.
            let freed = unsafe { state.buffer.pop(len, place) };
            if !state.senders.is_empty()
                && let Some(sender) = self.pop_sender(state)
            {
                return Take::Handed(self.refill(state, len - 1, sender));
            }
            self.len.store(len - 1, Ordering::Release);
            return freed.map_or(Take::Taken, Take::Freed);
        }
        if !state.senders.is_empty()
            && let Some(sender) = self.pop_sender(state)
        {
            // SAFETY: senders wait here with a T.
            unsafe {
                let (value, task) = sender.value::<T>();
                ptr::copy_nonoverlapping(value, place, 1);
                return Take::Handed(task);
            }
        }
        // SAFETY: by contract.
        if self.flags.load(Ordering::Relaxed) == 0 {
            Take::Empty
        } else {
            unsafe { self.take_unusual(state, place) }
        }
    }

    /// [`take`](Self::take) where there is neither a value nor a sender: the clock may have one, or the channel is
    /// closed.
    ///
    /// # Safety
    ///
    /// As [`take`](Self::take).
    #[cold]
    unsafe fn take_unusual(&self, state: &mut Guard<'_, State<T>>, place: *mut T) -> Take<T> {
        if self.is_closed() {
            return Take::Closed;
        }
        let Some(value) = state.dial.as_mut().and_then(|dial| dial.take()) else { return Take::Empty };
        // SAFETY: where there is a dial, T is Instant (`of_clock`), and the place is free by contract.
        unsafe { place.cast::<Instant>().write(value) };
        Take::Taken
    }

    /// Moves a waiting sender's value to the end of a buffer that holds `len` values and has room for one more.
    #[inline(always)]
    fn refill(&self, state: &mut Guard<'_, State<T>>, len: usize, sender: Waiter) -> Task {
        // SAFETY: senders wait here with a T, which is the buffer's after the push.
        unsafe {
            let (value, task) = sender.value::<T>();
            let pushed = state.buffer.push(len, value);
            debug_assert_eq!(pushed, Push::Done);
            task
        }
    }

    #[inline(always)]
    fn pop_receiver(&self, state: &mut Guard<'_, State<T>>) -> Option<Waiter> {
        let receiver = state.receivers.pop();
        if state.receivers.is_empty() {
            self.receivers_wait.store(false, Ordering::Release);
        }
        receiver
    }

    #[inline(always)]
    fn pop_sender(&self, state: &mut Guard<'_, State<T>>) -> Option<Waiter> {
        let sender = state.senders.pop();
        if state.senders.is_empty() {
            self.senders_wait.store(false, Ordering::Release);
        }
        sender
    }

    /// Lets a task stand in line to receive into its node's place.
    ///
    /// # Safety
    ///
    /// `state` is this channel's, open, and [`take`](Self::take) has just found it empty. As [`Queue::push`]; the
    /// node's place is a free `T`.
    #[inline(always)]
    pub(crate) unsafe fn queue_receiver(&self, state: &mut Guard<'_, State<T>>, node: *mut Node) {
        // SAFETY: by contract.
        unsafe { state.receivers.push(node) };
        self.receivers_wait.store(true, Ordering::Release);
    }

    /// Lets a task stand in line to send its node's value.
    ///
    /// # Safety
    ///
    /// `state` is this channel's, open, and [`put`](Self::put) has just found it full. As [`Queue::push`]; the
    /// node's value is a valid `T`.
    #[inline(always)]
    pub(crate) unsafe fn queue_sender(&self, state: &mut Guard<'_, State<T>>, node: *mut Node) {
        // SAFETY: by contract.
        unsafe { state.senders.push(node) };
        self.senders_wait.store(true, Ordering::Release);
    }

    /// Takes a node out of the receivers' line if it still stands there. After this nobody here touches it.
    ///
    /// # Safety
    ///
    /// The node is alive and has stood in no other queue.
    #[cold]
    pub(crate) unsafe fn unqueue_receiver(&self, node: *mut Node) {
        let mut state = self.lock.lock();
        // SAFETY: by contract.
        unsafe { state.receivers.remove(node) };
        self.receivers_wait.store(!state.receivers.is_empty(), Ordering::Release);
    }

    /// Takes a node out of the senders' line if it still stands there. After this nobody here touches it.
    ///
    /// # Safety
    ///
    /// The node is alive and has stood in no other queue.
    #[cold]
    pub(crate) unsafe fn unqueue_sender(&self, node: *mut Node) {
        let mut state = self.lock.lock();
        // SAFETY: by contract.
        unsafe { state.senders.remove(node) };
        self.senders_wait.store(!state.senders.is_empty(), Ordering::Release);
    }

    /// Gives an unbounded buffer memory to grow by; returns what it does not need.
    #[cold]
    pub(crate) fn supply(&self, block: Block<T>) -> Option<Block<T>> {
        self.lock.lock().buffer.supply(block)
    }

    /// Closes the channel: all who wait go on empty-handed. Whether it was open.
    pub(crate) fn close(&self) -> bool {
        let mut state = self.lock.lock();
        let woken = self.close_locked(&mut state);
        drop(state);
        woken.map(Woken::ready).is_some()
    }

    fn close_locked(&self, state: &mut Guard<'_, State<T>>) -> Option<Woken> {
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & CLOSED != 0 {
            return None;
        }
        self.flags.store(flags | CLOSED, Ordering::Release);
        let mut woken = Woken::new();
        state.receivers.end_all(Outcome::Closed, &mut woken);
        state.senders.end_all(Outcome::Closed, &mut woken);
        self.receivers_wait.store(false, Ordering::Release);
        self.senders_wait.store(false, Ordering::Release);
        Some(woken)
    }

    /// Closes the channel and takes out what is in it, since nobody can receive any more.
    pub(crate) fn close_and_clear(&self) -> Rest<T> {
        let mut state = self.lock.lock();
        let woken = self.close_locked(&mut state);
        let len = self.len.load(Ordering::Relaxed);
        // SAFETY: `len` is what the buffer holds. Nothing is put into it any more, as the channel is closed.
        let rest = unsafe { state.buffer.take_all(len) };
        self.len.store(0, Ordering::Release);
        drop(state);
        if let Some(woken) = woken {
            woken.ready();
        }
        rest
    }

    /// When a wait for the clock would be worth another look: `u64::MAX` where there is no clock.
    pub(crate) fn due(state: &Guard<'_, State<T>>) -> u64 {
        state.dial.as_ref().map_or(u64::MAX, |dial| dial.when())
    }

    /// How many values there are to receive.
    pub(crate) fn visible_len(&self) -> usize {
        if self.flags.load(Ordering::Relaxed) & CLOCK == 0 || self.capacity == Some(0) {
            return self.len();
        }
        usize::from(!self.is_closed() && self.lock.lock().dial.as_ref().is_some_and(|dial| dial.is_due()))
    }
}

impl Channel<Instant> {
    /// The channel of a clock.
    pub(crate) fn of_clock(dial: Box<Dial>, capacity: usize) -> Channel<Instant> {
        let buffer = Buffer::bounded(0);
        let state = State { buffer, senders: Queue::new(), receivers: Queue::new(), dial: Some(dial) };
        Channel {
            lock: Lock::new(state),
            len: AtomicUsize::new(0),
            flags: AtomicU8::new(CLOCK),
            senders_wait: AtomicBool::new(true),
            receivers_wait: AtomicBool::new(false),
            capacity: Some(capacity),
        }
    }

    /// Changes the clock, and has all who wait for it look again.
    pub(crate) fn change_clock<R>(&self, change: impl FnOnce(&mut Dial) -> R) -> R {
        let mut state = self.lock.lock();
        let dial = state.dial.as_mut().expect("the channel has a clock");
        let answer = change(dial);
        let mut woken = Woken::new();
        state.receivers.end_all(Outcome::Changed, &mut woken);
        self.receivers_wait.store(false, Ordering::Release);
        drop(state);
        woken.ready();
        answer
    }
}
