//! How a task stands in line at one channel until it is served.
//!
//! The node lies in its frame, and so does the value or the place for it. It is seen by others when the lock is let
//! go, which happens from the far side of the switch, when the task is at rest.

#![allow(unsafe_code, reason = "values are moved by address, also out of and into frames of resting tasks")]

use gander_runtime::lock::Guard;
use gander_runtime::timer::now;
use gander_runtime::{Claim, Signal, Task, WaitReason, wait, wait_cancellable};

use crate::op::{End, Start};
use crate::state::Lines;
use crate::transfer::Channel;
use crate::wait::{Node, Outcome, Waiter};

/// What a node that waits for one channel claims with.
const ONLY_CASE: usize = 1;

impl<T> Channel<T> {
    /// Stands in line with `*value`, and says what became of it. If things have changed: [`send_again`](Self::send_again).
    ///
    /// # Safety
    ///
    /// `*value` is valid; the channel is open and has just been found full.
    #[inline(never)]
    pub(crate) unsafe fn wait_to_send(&self, mut lines: Guard<'_, Lines>, value: *mut T) -> Outcome {
        let mut node = Node::new(value.cast());
        let node = &raw mut node;
        // SAFETY: node and value stay in place until the wait is over, and nobody sees them before we rest, since
        // the lock is let go from the far side. Only who takes the node out of the queue readies us.
        unsafe {
            self.queue_sender(&mut lines, node);
            let lock = Guard::leak(lines).raw();
            wait(WaitReason::ChanSend, || lock.unlock_handed_over());
            Node::outcome(node)
        }
    }

    /// Sends `*value`, whatever changes meanwhile; whether it was taken.
    ///
    /// # Safety
    ///
    /// `*value` is valid.
    #[cold]
    pub(crate) unsafe fn send_again(&self, value: *mut T) -> bool {
        loop {
            // SAFETY: by contract, and nobody has moved the value yet.
            let outcome = unsafe {
                match self.start_send(value) {
                    Start::Done => return true,
                    Start::Closed => return false,
                    Start::MustWait(lines) => self.wait_to_send(lines, value),
                }
            };
            match outcome {
                Outcome::Moved => return true,
                Outcome::Closed => return false,
                _ => {}
            }
        }
    }

    /// Stands in line to have `*place` filled, and says what became of that. If things have changed:
    /// [`recv_again`](Self::recv_again).
    ///
    /// # Safety
    ///
    /// `*place` is free; the channel is open and has just been found empty.
    #[inline(never)]
    pub(crate) unsafe fn wait_to_recv(&self, mut lines: Guard<'_, Lines>, place: *mut T) -> Outcome {
        if self.is_clock() {
            return Outcome::Changed;
        }
        let mut node = Node::new(place.cast());
        let node = &raw mut node;
        // SAFETY: node and place stay there until the wait is over, and nobody sees them before we rest, since the
        // lock is let go from the far side. Only who takes the node out of the queue readies us.
        unsafe {
            self.queue_receiver(&mut lines, node);
            let lock = Guard::leak(lines).raw();
            wait(WaitReason::ChanReceive, || lock.unlock_handed_over());
            Node::outcome(node)
        }
    }

    /// Has `*place` filled, whatever changes meanwhile; whether it was. Also by the clock.
    ///
    /// # Safety
    ///
    /// `*place` is free.
    #[cold]
    pub(crate) unsafe fn recv_again(&self, place: *mut T) -> bool {
        // SAFETY: by contract.
        matches!(unsafe { self.wait_to_recv_until(place, u64::MAX, None) }, End::Moved)
    }

    /// Sends `*value`, or stands in line with it until `deadline`, or until `signal` fires.
    ///
    /// # Safety
    ///
    /// `*value` is valid; it is no longer the caller's if it was moved.
    #[cold]
    pub(crate) unsafe fn wait_to_send_until(&self, value: *mut T, deadline: u64, signal: Option<&Signal>) -> End {
        loop {
            // The clock is looked at without the lock, and before: what comes first counts.
            let late = now() >= deadline;
            // SAFETY: by contract, and nobody has moved the value.
            let mut lines = match unsafe { self.start_send(value) } {
                Start::Done => return End::Moved,
                Start::Closed => return End::Closed,
                Start::MustWait(_) if late => return End::GaveUp,
                Start::MustWait(lines) => lines,
            };
            let claim = Claim::new();
            let mut node = Node::claimed(Task::current(), value.cast(), &claim, ONLY_CASE);
            let node = &raw mut node;
            // SAFETY: as in `wait_to_send`; who readies us has claimed the wait, and if that was the clock or the signal
            // then the node leaves the queue before this frame does.
            let outcome = unsafe {
                self.queue_sender(&mut lines, node);
                let lock = Guard::leak(lines).raw();
                let unlock = || lock.unlock_handed_over();
                let winner = wait_cancellable(WaitReason::ChanSend, deadline, signal, &claim, unlock);
                if winner != ONLY_CASE {
                    self.unqueue_sender(&mut self.lock.lock(), node);
                    return End::GaveUp;
                }
                Node::outcome(node)
            };
            match outcome {
                Outcome::Moved => return End::Moved,
                Outcome::Closed => return End::Closed,
                _ => {}
            }
        }
    }

    /// Fills `*place`, or stands in line for that until `deadline`, or until `signal` fires.
    ///
    /// # Safety
    ///
    /// `*place` is free.
    #[cold]
    pub(crate) unsafe fn wait_to_recv_until(&self, place: *mut T, deadline: u64, signal: Option<&Signal>) -> End {
        loop {
            // The clock is looked at without the lock, and before: what comes first counts.
            let late = now() >= deadline;
            // SAFETY: by contract, and nobody has moved anything there.
            let mut lines = match unsafe { self.start_recv(place) } {
                Start::Done => return End::Moved,
                Start::Closed => return End::Closed,
                Start::MustWait(_) if late => return End::GaveUp,
                Start::MustWait(lines) => lines,
            };
            let alarm = lines.dial.as_ref().map_or(deadline, |dial| dial.when().min(deadline));
            let claim = Claim::new();
            let mut node = Node::claimed(Task::current(), place.cast(), &claim, ONLY_CASE);
            let node = &raw mut node;
            // SAFETY: as in `wait_to_recv`; who readies us has claimed the wait, and if that was the clock or the signal
            // then the node leaves the queue before this frame does.
            let outcome = unsafe {
                self.queue_receiver(&mut lines, node);
                let lock = Guard::leak(lines).raw();
                let unlock = || lock.unlock_handed_over();
                let winner = wait_cancellable(WaitReason::ChanReceive, alarm, signal, &claim, unlock);
                if winner != ONLY_CASE {
                    self.unqueue_receiver(&mut self.lock.lock(), node);
                    if winner == Claim::CANCELLED || alarm == deadline {
                        return End::GaveUp;
                    }
                }
                Node::outcome(node)
            };
            match outcome {
                Outcome::Moved => return End::Moved,
                Outcome::Closed => return End::Closed,
                _ => {}
            }
        }
    }
}

/// Waits for a value that was promised. Whether it has come; if not, things are to be looked at again.
///
/// The sender is about to run: there is no limit to this wait but the program's own.
///
/// # Safety
///
/// `place` is free for it. The lock over the sender's queue is held, and `unlock` lets go all that are held, as
/// [`wait`] asks.
#[cold]
pub(crate) unsafe fn await_promise(sender: Waiter, place: *mut (), unlock: impl FnOnce()) -> bool {
    let mut node = Node::new(place);
    let node = &raw mut node;
    // SAFETY: the sender waits and is ours to ready. It comes back with the lock, which is let go when we rest, so
    // it finds our node at rest, and ends our wait.
    unsafe {
        sender.pair(node).ready();
        wait(WaitReason::ChanReceive, unlock);
        Node::outcome(node) == Outcome::Moved
    }
}
