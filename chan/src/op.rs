//! What a task does at a channel: try under the lock, then stand in line.
//!
//! A value lies in its caller's frame, wrapped so that it is not dropped, until it is known who has it: the
//! channel (then the frame forgets it) or still the caller (then it is returned).

#![allow(unsafe_code, reason = "values are moved by address, also out of and into frames of resting tasks")]

use std::mem::{ManuallyDrop, MaybeUninit};
use std::sync::atomic::Ordering;

use gander_runtime::lock::Guard;
use gander_runtime::timer::now;
use gander_runtime::{Claim, WaitReason, wait, wait_until};

use crate::chain::Block;
use crate::err::{RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError};
use crate::state::{CLOCK, Channel, Put, State, Take};
use crate::wait::{Node, Outcome};

/// What a node that waits for one channel claims with.
const ONLY_CASE: usize = 1;

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
                Start::MustWait(state) => self.wait_to_send(state, place),
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
            Start::MustWait(state) => {
                drop(state);
                Err(TrySendError::Full(ManuallyDrop::into_inner(value)))
            }
        }
    }

    /// `deadline` is asked for only if it is needed.
    #[inline]
    pub(crate) fn send_until(&self, value: T, deadline: impl FnOnce() -> u64) -> Result<(), SendTimeoutError<T>> {
        let mut value = ManuallyDrop::new(value);
        let place: *mut T = &raw mut *value;
        // SAFETY: the value is valid, and forgotten here unless it comes back.
        let end = unsafe {
            match self.start_send(place) {
                Start::Done => End::Moved,
                Start::Closed => End::Closed,
                Start::MustWait(state) => {
                    drop(state);
                    self.wait_to_send_until(place, deadline())
                }
            }
        };
        match end {
            End::Moved => Ok(()),
            End::Closed => Err(SendTimeoutError::Disconnected(ManuallyDrop::into_inner(value))),
            End::Timeout => Err(SendTimeoutError::Timeout(ManuallyDrop::into_inner(value))),
        }
    }

    #[inline]
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut place = MaybeUninit::<T>::uninit();
        // SAFETY: the place is free, and read only if it has been filled.
        unsafe {
            let received = match self.start_recv(place.as_mut_ptr()) {
                Start::Done => true,
                Start::Closed => false,
                Start::MustWait(state) => self.wait_to_recv(state, place.as_mut_ptr()),
            };
            if received { Ok(place.assume_init()) } else { Err(RecvError) }
        }
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        if self.is_surely_empty() {
            return Err(TryRecvError::Empty);
        }
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

    /// `deadline` is asked for only if it is needed.
    #[inline]
    pub(crate) fn recv_until(&self, deadline: impl FnOnce() -> u64) -> Result<T, RecvTimeoutError> {
        let mut place = MaybeUninit::<T>::uninit();
        // SAFETY: the place is free, and read only if it has been filled.
        unsafe {
            let end = match self.start_recv(place.as_mut_ptr()) {
                Start::Done => End::Moved,
                Start::Closed => End::Closed,
                Start::MustWait(state) => {
                    drop(state);
                    self.wait_to_recv_until(place.as_mut_ptr(), deadline())
                }
            };
            match end {
                End::Moved => Ok(place.assume_init()),
                End::Closed => Err(RecvTimeoutError::Disconnected),
                End::Timeout => Err(RecvTimeoutError::Timeout),
            }
        }
    }

    /// Sends `*value` if that needs no waiting. Otherwise the lock is kept.
    ///
    /// # Safety
    ///
    /// `*value` is valid; it is no longer the caller's if this is `Done`.
    #[inline(always)]
    unsafe fn start_send(&self, value: *mut T) -> Start<'_, T> {
        let mut state = self.lock.lock();
        // SAFETY: by contract.
        match unsafe { self.put(&mut state, value) } {
            Put::Buffered => Start::Done,
            Put::Handed(task) => {
                // SAFETY: it waits, and we are the one that ended its wait.
                unsafe { Guard::unlock_and_ready(state, task) };
                Start::Done
            }
            Put::Full => Start::MustWait(state),
            Put::NeedsBlock => {
                drop(state);
                // SAFETY: by contract.
                unsafe { self.send_growing(value) }
            }
            Put::Closed => Start::Closed,
        }
    }

    /// Sends on an unbounded channel whose buffer needed a block a moment ago.
    #[cold]
    unsafe fn send_growing(&self, value: *mut T) -> Start<'_, T> {
        let mut block = Some(Block::new());
        loop {
            block = block.and_then(|block| self.supply(block));
            let mut state = self.lock.lock();
            // SAFETY: by contract.
            let put = unsafe { self.put(&mut state, value) };
            // The lock goes first, then a block that was not needed, then the news.
            drop(state);
            match put {
                Put::Buffered => return Start::Done,
                Put::Closed => return Start::Closed,
                Put::Handed(task) => {
                    // SAFETY: it waits, and we are the one that ended its wait.
                    unsafe { task.ready() };
                    return Start::Done;
                }
                // Others were faster with the block that we gave.
                Put::NeedsBlock | Put::Full => block = block.or_else(|| Some(Block::new())),
            }
        }
    }

    /// Fills `*place` if that needs no waiting. Otherwise the lock is kept.
    ///
    /// # Safety
    ///
    /// `*place` is free.
    #[inline(always)]
    unsafe fn start_recv(&self, place: *mut T) -> Start<'_, T> {
        let mut state = self.lock.lock();
        // SAFETY: by contract.
        match unsafe { self.take(&mut state, place) } {
            Take::Taken => Start::Done,
            Take::Handed(task) => {
                // SAFETY: it waits, and we are the one that ended its wait.
                unsafe { Guard::unlock_and_ready(state, task) };
                Start::Done
            }
            Take::Freed(block) => {
                drop(state);
                drop(block);
                Start::Done
            }
            Take::Empty => Start::MustWait(state),
            Take::Closed => Start::Closed,
        }
    }

    /// Stands in line with `*value`; whether it was taken.
    ///
    /// # Safety
    ///
    /// `*value` is valid; the channel is open and has just been found full.
    #[inline(never)]
    unsafe fn wait_to_send(&self, mut state: Guard<'_, State<T>>, value: *mut T) -> bool {
        let mut node = Node::new(value.cast());
        let node = &raw mut node;
        // SAFETY: node and value stay in place until the wait is over, and nobody sees them before we rest, since
        // the lock is let go from the far side. Only who takes the node out of the queue readies us.
        unsafe {
            self.queue_sender(&mut state, node);
            let lock = Guard::leak(state).raw();
            wait(WaitReason::ChanSend, || lock.unlock_handed_over());
            Node::outcome(node) == Outcome::Moved
        }
    }

    /// Stands in line to have `*place` filled; whether it was.
    ///
    /// # Safety
    ///
    /// `*place` is free; the channel is open and has just been found empty.
    #[inline(never)]
    unsafe fn wait_to_recv(&self, mut state: Guard<'_, State<T>>, place: *mut T) -> bool {
        if self.flags.load(Ordering::Relaxed) & CLOCK != 0 {
            // SAFETY: by contract.
            return matches!(unsafe { self.wait_for_clock(state, place, u64::MAX) }, End::Moved);
        }
        let mut node = Node::new(place.cast());
        let node = &raw mut node;
        // SAFETY: node and place stay there until the wait is over, and nobody sees them before we rest, since the
        // lock is let go from the far side. Only who takes the node out of the queue readies us.
        unsafe {
            self.queue_receiver(&mut state, node);
            let lock = Guard::leak(state).raw();
            wait(WaitReason::ChanReceive, || lock.unlock_handed_over());
            Node::outcome(node) == Outcome::Moved
        }
    }

    /// Sends `*value`, or stands in line with it until `deadline`.
    ///
    /// # Safety
    ///
    /// `*value` is valid; it is no longer the caller's if it was moved.
    #[cold]
    unsafe fn wait_to_send_until(&self, value: *mut T, deadline: u64) -> End {
        let late = now() >= deadline;
        // The lock was let go to look at the clock: try again.
        // SAFETY: by contract.
        let mut state = match unsafe { self.start_send(value) } {
            Start::Done => return End::Moved,
            Start::Closed => return End::Closed,
            Start::MustWait(_) if late => return End::Timeout,
            Start::MustWait(state) => state,
        };
        let claim = Claim::new();
        let mut node = Node::claimed(value.cast(), &claim, ONLY_CASE);
        let node = &raw mut node;
        // SAFETY: as in `wait_to_send`; who readies us has claimed the wait, and if that was the clock then the
        // node leaves the queue before this frame does.
        unsafe {
            self.queue_sender(&mut state, node);
            let lock = Guard::leak(state).raw();
            let winner = wait_until(WaitReason::ChanSend, deadline, &claim, || lock.unlock_handed_over());
            if winner == Claim::TIMEOUT {
                self.unqueue_sender(node);
                return End::Timeout;
            }
            End::of(Node::outcome(node))
        }
    }

    /// Fills `*place`, or stands in line for that until `deadline`.
    ///
    /// # Safety
    ///
    /// `*place` is free.
    #[cold]
    unsafe fn wait_to_recv_until(&self, place: *mut T, deadline: u64) -> End {
        let late = now() >= deadline;
        // The lock was let go to look at the clock: try again.
        // SAFETY: by contract.
        let mut state = match unsafe { self.start_recv(place) } {
            Start::Done => return End::Moved,
            Start::Closed => return End::Closed,
            Start::MustWait(_) if late => return End::Timeout,
            Start::MustWait(state) => state,
        };
        if self.flags.load(Ordering::Relaxed) & CLOCK != 0 {
            // SAFETY: by contract.
            return unsafe { self.wait_for_clock(state, place, deadline) };
        }
        let claim = Claim::new();
        let mut node = Node::claimed(place.cast(), &claim, ONLY_CASE);
        let node = &raw mut node;
        // SAFETY: as in `wait_to_recv`; who readies us has claimed the wait, and if that was the clock then the
        // node leaves the queue before this frame does.
        unsafe {
            self.queue_receiver(&mut state, node);
            let lock = Guard::leak(state).raw();
            let winner = wait_until(WaitReason::ChanReceive, deadline, &claim, || lock.unlock_handed_over());
            if winner == Claim::TIMEOUT {
                self.unqueue_receiver(node);
                return End::Timeout;
            }
            End::of(Node::outcome(node))
        }
    }

    /// Fills `*place` when the clock has a value, or gives up at `deadline`.
    ///
    /// # Safety
    ///
    /// `*place` is free; the channel is a clock's, open, and has just been found empty.
    #[cold]
    unsafe fn wait_for_clock<'a>(&'a self, mut state: Guard<'a, State<T>>, place: *mut T, deadline: u64) -> End {
        loop {
            let alarm = Channel::due(&state).min(deadline);
            let claim = Claim::new();
            let mut node = Node::claimed(place.cast(), &claim, ONLY_CASE);
            let node = &raw mut node;
            // SAFETY: as in `wait_to_recv_until`.
            unsafe {
                self.queue_receiver(&mut state, node);
                let lock = Guard::leak(state).raw();
                let winner = wait_until(WaitReason::ChanReceive, alarm, &claim, || lock.unlock_handed_over());
                if winner == Claim::TIMEOUT {
                    self.unqueue_receiver(node);
                }
            }
            let late = now() >= deadline;
            // SAFETY: by contract; nobody has moved anything there.
            state = match unsafe { self.start_recv(place) } {
                Start::Done => return End::Moved,
                Start::Closed => return End::Closed,
                Start::MustWait(_) if late => return End::Timeout,
                Start::MustWait(state) => state,
            };
        }
    }
}

/// How far an operation got without waiting.
#[derive(Debug)]
enum Start<'a, T> {
    Done,
    Closed,
    /// It did not; nothing has changed since, as the lock is still held.
    MustWait(Guard<'a, State<T>>),
}

/// How an operation with a time limit ended.
#[derive(Debug)]
enum End {
    Moved,
    Closed,
    Timeout,
}

impl End {
    fn of(outcome: Outcome) -> End {
        if outcome == Outcome::Moved { End::Moved } else { End::Closed }
    }
}
