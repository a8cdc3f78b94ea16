//! Values that came back: futures had received them and were dropped before they could say so.

#![allow(unsafe_code, reason = "values are moved by address")]

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use gander_runtime::Task;
use gander_runtime::lock::Guard;

use super::seat::Seat;
use crate::err::SendError;
use crate::state::{Core, Lines};
use crate::transfer::{Channel, FromSender};
use crate::wait::{Node, Outcome, Waiter, Woken};

/// What a channel knows of futures. Written under its lock.
#[derive(Debug)]
pub(crate) struct Futures {
    /// How many have stood in the receivers' line: each has a number, by which values that come back are put in order.
    arrived: AtomicUsize,
    /// How many values came back and have not been taken.
    came_back: AtomicUsize,
    /// The last of them in the senders' line, if there are any.
    last: AtomicPtr<Node>,
}

impl Futures {
    pub(crate) fn new() -> Futures {
        Futures {
            arrived: AtomicUsize::new(0),
            came_back: AtomicUsize::new(0),
            last: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The next number.
    pub(super) fn arrive(&self) -> usize {
        let number = self.arrived.load(Ordering::Relaxed).wrapping_add(1);
        self.arrived.store(number, Ordering::Relaxed);
        number
    }

    fn came_back(&self) -> usize {
        self.came_back.load(Ordering::Acquire)
    }
}

impl Core {
    /// How many values there are to receive.
    pub(crate) fn whole_len(&self) -> usize {
        let back = if self.capacity == Some(0) { 0 } else { self.futures.came_back() };
        self.visible_len() + back
    }

    /// Ends the wait of all that wait to send. Values that came back stay.
    pub(crate) fn end_senders(&self, lines: &mut Lines, outcome: Outcome, woken: &mut Woken) {
        if self.futures.came_back() == 0 {
            lines.senders.end_all(outcome, woken);
        } else {
            // SAFETY: as values are there that came back, the last of them is in this line.
            unsafe {
                lines.senders.split_behind(self.futures.last.load(Ordering::Relaxed)).end_all(outcome, woken)
            };
        }
        self.senders_wait.store(!lines.senders.is_empty(), Ordering::Release);
    }

    /// Has the value in a seat stand in the senders' line, before those that wait.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's. The node is that of a seat with a value of the channel's type, and in no line. A share
    /// of the seat is the line's. No receiver waits.
    unsafe fn put_back(&self, lines: &mut Lines, node: *mut Node) {
        let futures = &self.futures;
        let count = futures.came_back.load(Ordering::Relaxed);
        let last = if count == 0 { ptr::null_mut() } else { futures.last.load(Ordering::Relaxed) };
        // SAFETY: by contract, and the last is in line as long as there is one.
        let last = unsafe { lines.senders.insert_back(node, last) };
        futures.last.store(last, Ordering::Relaxed);
        futures.came_back.store(count + 1, Ordering::Release);
        self.senders_wait.store(true, Ordering::Release);
    }
}

impl<T> Channel<T> {
    /// Moves a value that came back to `place`. The task is to be readied.
    ///
    /// # Safety
    ///
    /// The channel's lock is held, and the value was taken from its line. `place` is free.
    pub(crate) unsafe fn take_back(&self, value: Waiter, place: *mut T) -> Task {
        let (node, task) = value.value_back();
        // SAFETY: values of this channel are of type T, and the line's share of the seat is ours until readied.
        unsafe { ptr::copy_nonoverlapping(Seat::<T>::value_of(node), place, 1) };
        let count = self.futures.came_back.load(Ordering::Relaxed);
        self.futures.came_back.store(count - 1, Ordering::Release);
        task
    }

    /// Takes all that came back: there is no receiver any more, and so no future that could bring more.
    #[cold]
    pub(crate) fn take_all_back(&self) -> Vec<T> {
        let mut values = Vec::new();
        while self.futures.came_back() > 0 {
            values.reserve(1);
            let mut place = MaybeUninit::uninit();
            let mut lines = self.lock.lock();
            // SAFETY: the place is free. The task, if there is one, is ours to ready, and then the place is filled.
            unsafe {
                if let FromSender::Moved(task) = self.take_from_sender(&mut lines, place.as_mut_ptr()) {
                    Guard::unlock_and_ready(lines, task);
                    values.push(place.assume_init());
                }
            }
        }
        values
    }

    /// What a receiving future does with its seat when it is dropped: see the table above.
    #[cold]
    pub(super) fn leave(&self, seat: &Arc<Seat<T>>) {
        let node = seat.node();
        let mut lines = self.lock.lock();
        // SAFETY: the lock is held, and the node is a receiver's on this channel. A value in the seat is ours to move. Who
        // is readied is so once, by whoever popped it.
        unsafe {
            match seat.outcome() {
                Outcome::Waiting if self.unqueue_receiver(&mut lines, node) => {
                    drop(lines);
                    seat.unshare();
                }
                Outcome::Waiting => Node::leave(node),
                Outcome::Moved => match self.pop_receiver(&mut lines) {
                    Some(next) => {
                        let task = next.give(seat.value());
                        Guard::unlock_and_ready(lines, task);
                    }
                    None => {
                        // Who served us may still be about to tell us: that is another share.
                        seat.share();
                        self.put_back(&mut lines, node);
                    }
                },
                _ => {}
            }
        }
    }

    /// Sends the value that was promised to a future which has left.
    ///
    /// # Errors
    ///
    /// If the channel is closed.
    ///
    /// # Safety
    ///
    /// `lines` are this channel's. The future waited here, and its wait is ours to end.
    #[cold]
    pub(crate) unsafe fn send_to_left(
        &self,
        mut lines: Guard<'_, Lines>,
        left: Waiter,
        value: T,
    ) -> Result<(), SendError<T>> {
        // SAFETY: by contract. The value is moved once.
        unsafe {
            if self.is_closed() {
                // Not put back: there may be no receiver any more.
                Guard::unlock_and_ready(lines, left.disappoint());
                return Err(SendError(value));
            }
            let value = ManuallyDrop::new(value);
            match self.pop_receiver(&mut lines) {
                Some(next) => {
                    let task = next.give(&raw const *value);
                    Guard::unlock_and_ready(lines, task);
                    left.disappoint().ready();
                }
                None => {
                    let node = left.into_node();
                    ptr::copy_nonoverlapping(&raw const *value, Seat::<T>::value_of(node), 1);
                    self.put_back(&mut lines, node);
                }
            }
        }
        Ok(())
    }
}
