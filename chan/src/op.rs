//! What a task does at a channel: try under the lock, then stand in line (`park.rs`).
//!
//! A value lies in its caller's frame, wrapped so that it is not dropped, until it is known who has it: the
//! channel (then the frame forgets it) or still the caller (then it is returned).

#![allow(unsafe_code, reason = "values are moved by address, also out of and into frames of resting tasks")]

use std::mem::{ManuallyDrop, MaybeUninit};

use gander_runtime::Signal;
use gander_runtime::lock::Guard;

use crate::chain::Block;
use crate::err::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use crate::park::await_promise;
use crate::state::Lines;
use crate::transfer::{Channel, FromSender, Put, Take};
use crate::wait::{Outcome, Waiter};

impl<T> Channel<T> {
    #[inline]
    pub(crate) fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = ManuallyDrop::new(value);
        let place: *mut T = &raw mut *value;
        // SAFETY: the value is valid, and forgotten here unless it comes back.
        let sent = unsafe {
            match self.start_send(place) {
                Start::Done => true,
                Start::Closed => false,
                Start::MustWait(lines) => match self.wait_to_send(lines, place) {
                    Outcome::Moved => true,
                    Outcome::Closed => false,
                    _ => self.send_again(place),
                },
            }
        };
        if sent { Ok(()) } else { Err(SendError(ManuallyDrop::into_inner(value))) }
    }

    #[inline]
    pub(crate) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.is_surely_full() {
            return Err(TrySendError::Full(value));
        }
        let mut value = ManuallyDrop::new(value);
        // SAFETY: the value is valid, and forgotten here unless it comes back.
        match unsafe { self.start_send(&raw mut *value) } {
            Start::Done => Ok(()),
            Start::Closed => Err(TrySendError::Disconnected(ManuallyDrop::into_inner(value))),
            Start::MustWait(lines) => {
                drop(lines);
                Err(TrySendError::Full(ManuallyDrop::into_inner(value)))
            }
        }
    }

    /// Sends `value`, waiting no longer than `limit` says, which is asked only if that is needed: until a moment, and until
    /// a signal fires. The value comes back if it is not sent.
    #[inline]
    pub(crate) fn send_within<'a>(
        &self,
        value: T,
        limit: impl FnOnce() -> (u64, Option<&'a Signal>),
    ) -> Result<(), (T, End)> {
        let mut value = ManuallyDrop::new(value);
        let place: *mut T = &raw mut *value;
        // SAFETY: the value is valid, and forgotten here unless it comes back.
        let end = unsafe {
            match self.start_send(place) {
                Start::Done => End::Moved,
                Start::Closed => End::Closed,
                Start::MustWait(lines) => {
                    drop(lines);
                    let (deadline, signal) = limit();
                    self.wait_to_send_until(place, deadline, signal)
                }
            }
        };
        match end {
            End::Moved => Ok(()),
            end => Err((ManuallyDrop::into_inner(value), end)),
        }
    }

    /// `deadline` is asked for only if it is needed.
    #[inline]
    pub(crate) fn send_until(&self, value: T, deadline: impl FnOnce() -> u64) -> Result<(), SendTimeoutError<T>> {
        self.send_within(value, || (deadline(), None)).map_err(|(value, end)| match end {
            End::GaveUp => SendTimeoutError::Timeout(value),
            _ => SendTimeoutError::Disconnected(value),
        })
    }

    #[inline]
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut place = MaybeUninit::<T>::uninit();
        // SAFETY: the place is free, and read only if it has been filled.
        unsafe {
            let received = match self.start_recv(place.as_mut_ptr()) {
                Start::Done => true,
                Start::Closed => false,
                Start::MustWait(lines) => match self.wait_to_recv(lines, place.as_mut_ptr()) {
                    Outcome::Moved => true,
                    Outcome::Closed => false,
                    _ => self.recv_again(place.as_mut_ptr()),
                },
            };
            if received { Ok(place.assume_init()) } else { Err(RecvError) }
        }
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        if self.is_surely_empty() {
            return Err(TryRecvError::Empty);
        }
        self.try_recv_locking()
    }

    /// [`try_recv`](Self::try_recv) after the look: apart, so that the look stays small.
    #[inline(never)]
    fn try_recv_locking(&self) -> Result<T, TryRecvError> {
        let mut place = MaybeUninit::<T>::uninit();
        // SAFETY: the place is free, and read only if it has been filled.
        unsafe {
            match self.start_recv(place.as_mut_ptr()) {
                Start::Done => Ok(place.assume_init()),
                Start::Closed => Err(TryRecvError::Disconnected),
                Start::MustWait(_) => Err(TryRecvError::Empty),
            }
        }
    }

    /// Receives, waiting no longer than `limit` says: see [`send_within`](Self::send_within).
    #[inline]
    pub(crate) fn recv_within<'a>(&self, limit: impl FnOnce() -> (u64, Option<&'a Signal>)) -> Result<T, End> {
        let mut place = MaybeUninit::<T>::uninit();
        // SAFETY: the place is free, and read only if it has been filled.
        unsafe {
            let end = match self.start_recv(place.as_mut_ptr()) {
                Start::Done => End::Moved,
                Start::Closed => End::Closed,
                Start::MustWait(lines) => {
                    drop(lines);
                    let (deadline, signal) = limit();
                    self.wait_to_recv_until(place.as_mut_ptr(), deadline, signal)
                }
            };
            match end {
                End::Moved => Ok(place.assume_init()),
                end => Err(end),
            }
        }
    }

    /// `deadline` is asked for only if it is needed.
    #[inline]
    pub(crate) fn recv_until(&self, deadline: impl FnOnce() -> u64) -> Result<T, RecvTimeoutError> {
        self.recv_within(|| (deadline(), None)).map_err(|end| match end {
            End::GaveUp => RecvTimeoutError::Timeout,
            _ => RecvTimeoutError::Disconnected,
        })
    }

    /// Sends the value for which a place was [promised](crate::state::Core::promise).
    pub(crate) fn send_promised(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = ManuallyDrop::new(value);
        let place: *mut T = &raw mut *value;
        let mut lines = self.lock.lock();
        lines.room += 1;
        // SAFETY: the value is valid, and forgotten here unless it comes back.
        let sent = unsafe {
            match self.start_send_locked(lines, place) {
                Start::Done => true,
                Start::Closed => false,
                Start::MustWait(lines) => match self.wait_to_send(lines, place) {
                    Outcome::Moved => true,
                    Outcome::Closed => false,
                    _ => self.send_again(place),
                },
            }
        };
        if sent { Ok(()) } else { Err(SendError(ManuallyDrop::into_inner(value))) }
    }

    /// Sends `*value` if that needs no waiting. Otherwise the lock is kept.
    ///
    /// # Safety
    ///
    /// `*value` is valid; it is no longer the caller's if this is `Done`.
    #[inline(always)]
    pub(crate) unsafe fn start_send(&self, value: *mut T) -> Start<'_> {
        // SAFETY: by contract.
        unsafe { self.start_send_locked(self.lock.lock(), value) }
    }

    /// [`start_send`](Self::start_send) with the lock that it would take.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    unsafe fn start_send_locked<'a>(&'a self, mut lines: Guard<'a, Lines>, value: *mut T) -> Start<'a> {
        // SAFETY: by contract.
        match unsafe { self.put(&mut lines, value) } {
            Put::Buffered => Start::Done,
            Put::Handed(task) => {
                // SAFETY: it waits, and we are the one that ended its wait.
                unsafe { Guard::unlock_and_ready(lines, task) };
                Start::Done
            }
            Put::Full => Start::MustWait(lines),
            Put::NeedsBlock => {
                drop(lines);
                // SAFETY: by contract.
                unsafe { self.send_growing(value) }
            }
            Put::Closed => Start::Closed,
        }
    }

    /// Sends on an unbounded channel whose buffer needed a block a moment ago.
    #[cold]
    unsafe fn send_growing(&self, value: *mut T) -> Start<'_> {
        let mut block = Some(Block::new::<T>());
        loop {
            block = block.and_then(|block| self.supply(block));
            let mut lines = self.lock.lock();
            // SAFETY: by contract.
            let put = unsafe { self.put(&mut lines, value) };
            // The lock goes first, then a block that was not needed, then the news.
            drop(lines);
            match put {
                Put::Buffered => return Start::Done,
                Put::Closed => return Start::Closed,
                Put::Handed(task) => {
                    // SAFETY: it waits, and we are the one that ended its wait.
                    unsafe { task.ready() };
                    return Start::Done;
                }
                // Others were faster with the block that we gave.
                Put::NeedsBlock | Put::Full => block = block.or_else(|| Some(Block::new::<T>())),
            }
        }
    }

    /// Fills `*place` if that needs no waiting. Otherwise the lock is kept.
    ///
    /// # Safety
    ///
    /// `*place` is free.
    #[inline(always)]
    pub(crate) unsafe fn start_recv(&self, place: *mut T) -> Start<'_> {
        let mut lines = self.lock.lock();
        // SAFETY: by contract.
        match unsafe { self.take_from_sender(&mut lines, place) } {
            FromSender::Moved(task) => {
                // SAFETY: it waits, and we are the one that ended its wait.
                unsafe { Guard::unlock_and_ready(lines, task) };
                return Start::Done;
            }
            // SAFETY: by contract.
            FromSender::Promised(sender) => return unsafe { self.recv_promised(lines, sender, place) },
            FromSender::Nobody => {}
        }
        // SAFETY: by contract; we have the lock.
        if let Some(freed) = unsafe { self.take_from_buffer(place) } {
            drop(lines);
            drop(freed);
            return Start::Done;
        }
        // SAFETY: by contract.
        match unsafe { self.take_from_nothing(&mut lines, place) } {
            Take::Empty => Start::MustWait(lines),
            Take::Closed => Start::Closed,
            _ => Start::Done,
        }
    }

    /// Has `*place` filled by a sender that has promised a value; tries again if that comes to nothing.
    ///
    /// # Safety
    ///
    /// `*place` is free; `sender` has promised a value to this channel, whose lines these are.
    #[cold]
    #[inline(never)]
    unsafe fn recv_promised<'a>(
        &'a self,
        mut lines: Guard<'a, Lines>,
        mut sender: Waiter,
        place: *mut T,
    ) -> Start<'a> {
        loop {
            let lock = Guard::leak(lines).raw();
            // SAFETY: by contract; `unlock` lets go the lock that we hold. If this fails nothing has been moved.
            unsafe {
                if await_promise(sender, place.cast(), || lock.unlock_handed_over()) {
                    return Start::Done;
                }
                lines = self.lock.lock();
                match self.take(&mut lines, place) {
                    Take::Promised(next) => sender = next,
                    Take::Taken => return Start::Done,
                    Take::Handed(task) => {
                        Guard::unlock_and_ready(lines, task);
                        return Start::Done;
                    }
                    Take::Freed(block) => {
                        drop(lines);
                        drop(block);
                        return Start::Done;
                    }
                    Take::Empty => return Start::MustWait(lines),
                    Take::Closed => return Start::Closed,
                }
            }
        }
    }
}

/// How far an operation got without waiting.
#[derive(Debug)]
pub(crate) enum Start<'a> {
    Done,
    Closed,
    /// It did not; nothing has changed since, as the lock is still held.
    MustWait(Guard<'a, Lines>),
}

/// How an operation with a time limit ended.
#[derive(Debug)]
pub(crate) enum End {
    Moved,
    Closed,
    /// The time was up, or the signal fired.
    GaveUp,
}
