//! How values move: into a channel, out of it, and past it from task to task.

#![allow(unsafe_code, reason = "values are moved by address, from place to place, and never through the stack")]

use std::cell::UnsafeCell;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use gander_runtime::Task;

use crate::buffer::{Buffer, Push, Rest};
use crate::chain::Block;
use crate::state::{Core, Lines};
use crate::wait::Waiter;

/// A channel.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Channel<T> {
    /// First: a select finds the channel by its core.
    core: Core,
    /// Belongs to who has the core's lock.
    buffer: UnsafeCell<Buffer<T>>,
}

impl<T> Deref for Channel<T> {
    type Target = Core;

    #[inline(always)]
    fn deref(&self) -> &Core {
        &self.core
    }
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
pub(crate) enum Take {
    /// It is.
    Taken,
    /// It is; and this task, whose value has been taken over, is to be readied.
    Handed(Task),
    /// It is; and this is to be freed.
    Freed(Block),
    /// It will be: by this sender, whose wait is ours to end, and which has its value still to make.
    Promised(Waiter),
    /// Nothing: there is no value.
    Empty,
    /// Nothing: there is no value, and there will be none.
    Closed,
}

/// What a waiting sender gave.
#[derive(Debug)]
#[must_use]
pub(crate) enum FromSender {
    /// There is a value; and this task is to be readied.
    Moved(Task),
    /// There will be one: see [`Take::Promised`].
    Promised(Waiter),
    /// Nobody waits.
    Nobody,
}

impl<T> Channel<T> {
    pub(crate) fn new(buffer: Buffer<T>, core: Core) -> Channel<T> {
        Channel { core, buffer: UnsafeCell::new(buffer) }
    }

    /// Moves `*value` to the receiver that waits longest, or into the buffer.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's. `*value` is valid; it is no longer the caller's if it was buffered or handed.
    #[inline(always)]
    pub(crate) unsafe fn put(&self, lines: &mut Lines, value: *const T) -> Put {
        if self.flags.load(Ordering::Relaxed) != 0 {
            return Put::Closed;
        }
        if !lines.receivers.is_empty()
            && let Some(receiver) = self.pop_receiver(lines)
        {
            // SAFETY: receivers wait here for a T.
            return Put::Handed(unsafe { receiver.give(value) });
        }
        let len = self.len.load(Ordering::Relaxed);
        if len >= lines.room {
            return Put::Full;
        }
        // SAFETY: the lines come with the lock, and with it the buffer. `len` is what it holds, and it has room.
        match unsafe { (*self.buffer.get()).push(len, value) } {
            Push::Done => {
                self.len.store(len + 1, Ordering::Release);
                Put::Buffered
            }
            Push::NeedsBlock => Put::NeedsBlock,
        }
    }

    /// Moves the first value to `place`: from the buffer, where the value of the sender that waits longest then
    /// takes the free place at the end; or, where nothing is ever buffered, from that sender.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's. `place` is free.
    #[inline(always)]
    pub(crate) unsafe fn take(&self, lines: &mut Lines, place: *mut T) -> Take {
        // SAFETY: by contract.
        unsafe {
            match self.take_from_sender(lines, place) {
                FromSender::Moved(task) => Take::Handed(task),
                FromSender::Promised(sender) => Take::Promised(sender),
                FromSender::Nobody => match self.take_from_buffer(place) {
                    Some(freed) => freed.map_or(Take::Taken, Take::Freed),
                    None => self.take_from_nothing(lines, place),
                },
            }
        }
    }

    /// [`take`](Self::take), first part: where somebody waits to send.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    pub(crate) unsafe fn take_from_sender(&self, lines: &mut Lines, place: *mut T) -> FromSender {
        if lines.senders.is_empty() {
            return FromSender::Nobody;
        }
        let Some(sender) = self.pop_sender(lines) else { return FromSender::Nobody };
        if sender.has_promised() {
            // SAFETY: by contract.
            return unsafe { self.take_without_value(lines, sender, place) };
        }
        let len = self.len.load(Ordering::Relaxed);
        if len > 0 {
            // SAFETY: the lines come with the lock, and with it the buffer. `len` is what it holds. It is a ring, where
            // no block is freed: into a chain nobody waits to send.
            let _ = unsafe { (*self.buffer.get()).pop(len, place) };
            return FromSender::Moved(self.refill(len - 1, sender));
        }
        // SAFETY: senders wait here with a T.
        unsafe {
            let (value, task) = sender.value::<T>();
            ptr::copy_nonoverlapping(value, place, 1);
            FromSender::Moved(task)
        }
    }

    /// [`take_from_sender`](Self::take_from_sender), of one that has no value at hand: it came back, or is promised. In
    /// the second case the sender keeps the place in the buffer that becomes free.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(never)]
    unsafe fn take_without_value(&self, lines: &mut Lines, sender: Waiter, place: *mut T) -> FromSender {
        if sender.has_come_back() {
            // SAFETY: the lines are this channel's, and so is the value.
            return FromSender::Moved(unsafe { self.take_back(sender, place) });
        }
        let len = self.len.load(Ordering::Relaxed);
        if len == 0 {
            return FromSender::Promised(sender);
        }
        // SAFETY: as in `take_from_sender`.
        let _ = unsafe { (*self.buffer.get()).pop(len, place) };
        lines.room -= 1;
        self.len.store(len - 1, Ordering::Release);
        FromSender::Moved(sender.reserve())
    }

    /// [`take`](Self::take), second part: where nobody waits to send. A block that is no longer needed comes back, to
    /// be freed without the lock.
    ///
    /// # Safety
    ///
    /// The caller has the lock. `place` is free.
    #[inline(always)]
    pub(crate) unsafe fn take_from_buffer(&self, place: *mut T) -> Option<Option<Block>> {
        let len = self.len.load(Ordering::Relaxed);
        if len == 0 {
            return None;
        }
        // SAFETY: the buffer comes with the lock. `len` is what it holds.
        let freed = unsafe { (*self.buffer.get()).pop(len, place) };
        self.len.store(len - 1, Ordering::Release);
        Some(freed)
    }

    /// [`take`](Self::take), last part: where there is neither a value nor a sender. The clock may have one, or the
    /// channel is closed.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    pub(crate) unsafe fn take_from_nothing(&self, lines: &mut Lines, place: *mut T) -> Take {
        if self.flags.load(Ordering::Relaxed) == 0 {
            return Take::Empty;
        }
        // SAFETY: by contract.
        if unsafe { self.take_from_clock(lines, place) } {
            return Take::Taken;
        }
        if self.is_closed() { Take::Closed } else { Take::Empty }
    }

    /// Moves a waiting sender's value to the end of a buffer that holds `len` values and has room for one more.
    #[inline(always)]
    fn refill(&self, len: usize, sender: Waiter) -> Task {
        // SAFETY: senders wait here with a T, which is the buffer's after the push; the lines come with its lock.
        unsafe {
            let (value, task) = sender.value::<T>();
            let pushed = (*self.buffer.get()).push(len, value);
            debug_assert_eq!(pushed, Push::Done);
            task
        }
    }

    /// Writes what the clock has to `place`, if the channel is a clock's and open, and it is time.
    ///
    /// # Safety
    ///
    /// As [`take`](Self::take).
    #[cold]
    unsafe fn take_from_clock(&self, lines: &mut Lines, place: *mut T) -> bool {
        if self.is_closed() {
            return false;
        }
        let Some(dial) = lines.dial.as_mut() else { return false };
        let Some(value) = dial.take() else { return false };
        self.due.store(dial.when(), Ordering::Release);
        // SAFETY: where there is a dial, T is Instant (`clock::channel`), and the place is free by contract.
        unsafe { place.cast::<Instant>().write(value) };
        true
    }

    /// Gives an unbounded buffer memory to grow by; returns what it does not need.
    #[cold]
    pub(crate) fn supply(&self, block: Block) -> Option<Block> {
        let _lines = self.lock.lock();
        // SAFETY: the buffer comes with the lock.
        unsafe { (*self.buffer.get()).supply(block) }
    }

    /// Closes the channel and takes out what is in it, since nobody can receive any more. First of it is what came back.
    pub(crate) fn close_and_clear(&self) -> (Vec<T>, Rest<T>) {
        let mut lines = self.lock.lock();
        let woken = self.close_locked(&mut lines);
        let len = self.len.load(Ordering::Relaxed);
        // SAFETY: the buffer comes with the lock; `len` is what it holds. Nothing is put into it any more, as the
        // channel is closed.
        let rest = unsafe { (*self.buffer.get()).take_all(len) };
        self.len.store(0, Ordering::Release);
        drop(lines);
        if let Some(woken) = woken {
            woken.ready();
        }
        (self.take_all_back(), rest)
    }
}
