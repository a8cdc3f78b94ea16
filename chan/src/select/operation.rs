//! An operation that has been chosen.

#![allow(unsafe_code, reason = "values are moved by address, and a waiting receiver's node is kept")]

use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, replace};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::thread::panicking;

use gander_runtime::lock::Guard;

use crate::chan::{Receiver, Sender};
use crate::err::{RecvError, SendError};
use crate::select::parcel::Parcel;
use crate::state::Core;
use crate::wait::Waiter;

/// What an operation has that was chosen.
#[derive(Debug)]
pub(crate) enum Deal {
    /// A receive: the value.
    Received,
    /// A closed channel: nothing.
    Closed,
    /// A send: a receiver whose wait is ours to end.
    Owes(Waiter),
    /// A send: a place in the buffer.
    HasPlace,
    /// Only the knowledge that it was ready; or it has been completed.
    Ready,
}

/// An operation that has been chosen, and is not lost if it comes to nothing: who waits for it looks again.
#[derive(Debug)]
pub struct Chosen<'h> {
    core: NonNull<Core>,
    index: usize,
    deal: Deal,
    _handle: PhantomData<&'h ()>,
}

impl<'h> Chosen<'h> {
    /// `core` is that of a channel of which a handle is borrowed for `'h`.
    pub(super) fn new(core: NonNull<Core>, index: usize, deal: Deal) -> Chosen<'h> {
        Chosen { core, index, deal, _handle: PhantomData }
    }

    /// The how-manieth it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it is on this channel.
    fn is_on(&self, core: &Core) -> bool {
        std::ptr::eq(self.core.as_ptr(), core)
    }

    /// Whether it received a value. Completes a receive.
    pub(super) fn finish_receive(mut self) -> bool {
        matches!(replace(&mut self.deal, Deal::Ready), Deal::Received)
    }

    /// Completes a send.
    ///
    /// # Errors
    ///
    /// If the channel is closed.
    pub fn send<T>(mut self, sender: &Sender<T>, value: T) -> Result<(), SendError<T>> {
        assert!(self.is_on(sender.channel()), "passed a sender that wasn't selected");
        match replace(&mut self.deal, Deal::Ready) {
            Deal::HasPlace => sender.channel().send_promised(value),
            Deal::Owes(receiver) => {
                // With the lock: a receiver that took up our promise comes to rest before it lets it go.
                let lines = sender.channel().lock.lock();
                if receiver.has_left() {
                    // SAFETY: it waited here, for a T.
                    return unsafe { sender.channel().send_to_left(lines, receiver, value) };
                }
                let value = ManuallyDrop::new(value);
                // SAFETY: on this channel receivers wait for a T. It waits, and we are the one that ends its wait.
                unsafe {
                    let task = receiver.give(&raw const *value);
                    Guard::unlock_and_ready(lines, task);
                }
                Ok(())
            }
            Deal::Closed => Err(SendError(value)),
            Deal::Received | Deal::Ready => panic!("passed a sender that wasn't selected"),
        }
    }
}

impl Drop for Chosen<'_> {
    /// What was promised and not kept goes back.
    fn drop(&mut self) {
        // SAFETY: a handle of the channel is borrowed.
        let core = unsafe { self.core.as_ref() };
        match replace(&mut self.deal, Deal::Ready) {
            Deal::HasPlace => core.break_promise(),
            Deal::Owes(receiver) => {
                let lines = core.lock.lock();
                // SAFETY: it waits, and we are the one that ends its wait.
                unsafe { Guard::unlock_and_ready(lines, receiver.disappoint()) };
            }
            Deal::Received | Deal::Closed | Deal::Ready => {}
        }
    }
}

/// An operation that a [`Select`](crate::Select) has chosen and that is to be completed: with
/// [`send`](SelectedOperation::send) or [`recv`](SelectedOperation::recv), whichever it is. Neither waits.
///
/// A receive has its value from the beginning. A send has a receiver that waits for it, or a place in the channel, and
/// nobody else can take those from it.
///
/// # Panics
///
/// When it is dropped without having been completed, unless the thread panics already. A value that was received is
/// dropped before, and who waits for one that was to be sent looks for another. When it is forgotten that value
/// is, too, and that receiver waits for ever.
#[must_use = "an operation that was selected has to be completed"]
pub struct SelectedOperation<'a> {
    chosen: Chosen<'a>,
    parcel: Parcel,
}

impl UnwindSafe for SelectedOperation<'_> {}
impl RefUnwindSafe for SelectedOperation<'_> {}

impl<'a> SelectedOperation<'a> {
    pub(super) fn new(chosen: Chosen<'a>, parcel: Parcel) -> SelectedOperation<'a> {
        SelectedOperation { chosen, parcel }
    }

    /// The index of the operation, as [`Select::send`](crate::Select::send) or
    /// [`Select::recv`](crate::Select::recv) returned it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{Select, bounded};
    ///
    /// let (s1, r1) = bounded::<()>(0);
    /// let (s2, r2) = bounded(1);
    /// s2.send(7).unwrap();
    /// let mut select = Select::new();
    /// select.recv(&r1);
    /// let second = select.recv(&r2);
    /// let operation = select.select();
    /// assert_eq!(operation.index(), second);
    /// assert_eq!(operation.recv(&r2), Ok(7));
    /// # drop(s1);
    /// ```
    pub fn index(&self) -> usize {
        self.chosen.index
    }

    /// Completes a send.
    ///
    /// # Errors
    ///
    /// If the channel is closed. The value comes back.
    ///
    /// # Panics
    ///
    /// If a sender of another channel is passed than was selected.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{Select, SendError, bounded};
    ///
    /// let (s, r) = bounded(0);
    /// drop(r);
    /// let mut select = Select::new();
    /// select.send(&s);
    /// assert_eq!(select.select().send(&s, 10), Err(SendError(10)));
    /// ```
    pub fn send<T>(self, s: &Sender<T>, msg: T) -> Result<(), SendError<T>> {
        let is_right = self.chosen.is_on(s.channel()) && !matches!(self.chosen.deal, Deal::Received);
        assert!(is_right && self.parcel.is_empty(), "passed a sender that wasn't selected");
        let (chosen, _) = self.into_parts();
        chosen.send(s, msg)
    }

    /// Completes a receive.
    ///
    /// # Errors
    ///
    /// If the channel is closed and nothing is left in it.
    ///
    /// # Panics
    ///
    /// If a receiver of another channel is passed than was selected.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{RecvError, Select, bounded};
    ///
    /// let (s, r) = bounded::<i32>(0);
    /// drop(s);
    /// let mut select = Select::new();
    /// select.recv(&r);
    /// assert_eq!(select.select().recv(&r), Err(RecvError));
    /// ```
    pub fn recv<T>(self, r: &Receiver<T>) -> Result<T, RecvError> {
        let is_right = self.chosen.is_on(r.channel()) && matches!(self.chosen.deal, Deal::Received | Deal::Closed);
        assert!(is_right, "passed a receiver that wasn't selected");
        let (chosen, parcel) = self.into_parts();
        if !chosen.finish_receive() {
            return Err(RecvError);
        }
        // SAFETY: it was received from this channel, whose values are of this type.
        Ok(unsafe { parcel.open() })
    }

    /// Without the drop.
    fn into_parts(self) -> (Chosen<'a>, Parcel) {
        let mut whole = ManuallyDrop::new(self);
        let parcel = replace(&mut whole.parcel, Parcel::empty());
        let Chosen { core, index, .. } = whole.chosen;
        let deal = replace(&mut whole.chosen.deal, Deal::Ready);
        (Chosen::new(core, index, deal), parcel)
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SelectedOperation { .. }")
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        drop(replace(&mut self.parcel, Parcel::empty()));
        if !panicking() {
            panic!("dropped `SelectedOperation` without completing the operation");
        }
    }
}
