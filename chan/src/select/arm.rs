//! One operation among several.

#![allow(unsafe_code, reason = "what is received is moved by address, whatever its type")]

use std::alloc::Layout;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use gander_runtime::Task;

use crate::chain::Block;
use crate::chan::{Receiver, Sender};
use crate::select::operation::{Chosen, Deal};
use crate::state::{Core, Lines, Promise};
use crate::transfer::{Channel, Take};
use crate::wait::{Node, Waiter};

/// An operation on one channel, which lives as long as `'h`. What is received lies in a place that lives as long
/// as `'c`.
#[derive(Debug)]
pub struct Arm<'h, 'c> {
    pub(super) core: NonNull<Core>,
    /// The how-manieth it is in the program's text.
    pub(super) index: usize,
    /// How to receive; none in a send.
    receive: Option<&'static Receive>,
    /// Where to; null in a send.
    place: *mut (),
    /// To be set when something is there; or null.
    is_full: *mut bool,
    pub(super) node: MaybeUninit<Node>,
    _borrows: PhantomData<(&'h (), &'c mut ())>,
}

/// What the type of a channel's values is for a receive.
#[derive(Debug)]
pub(super) struct Receive {
    take: unsafe fn(NonNull<Core>, &mut Lines, *mut ()) -> Take,
    pub(super) layout: Layout,
    pub(super) drop: unsafe fn(*mut ()),
}

/// What one step under the lock came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Others were faster.
    Lost,
    /// It is done; and a task is to be readied.
    Done(Deal, Option<Task>),
    /// A value was received; and this is to be freed.
    Freed(Block),
    /// A value will be received from this sender, whose wait is ours to end.
    Promised(Waiter),
}

impl Receive {
    const fn of<T>() -> &'static Receive {
        unsafe fn take<T>(core: NonNull<Core>, lines: &mut Lines, place: *mut ()) -> Take {
            // SAFETY: by the contract of `Arm::step`; a channel begins with its core.
            unsafe { core.cast::<Channel<T>>().as_ref().take(lines, place.cast()) }
        }
        unsafe fn drop<T>(place: *mut ()) {
            // SAFETY: there is a T there, by contract.
            unsafe { ptr::drop_in_place(place.cast::<T>()) }
        }
        const { &Receive { take: take::<T>, layout: Layout::new::<T>(), drop: drop::<T> } }
    }
}

impl<'h, 'c> Arm<'h, 'c> {
    /// To receive to `place`, which is free for a `T` for as long as `'c` (null: it is set later), and to set the flag
    /// if there is one.
    #[inline(always)]
    pub(super) fn recv<T>(
        receiver: &'h Receiver<T>,
        index: usize,
        place: *mut (),
        is_full: *mut bool,
    ) -> Arm<'h, 'c> {
        let core = NonNull::from(receiver.channel()).cast();
        let receive = Some(Receive::of::<T>());
        Arm { core, index, receive, place, is_full, node: MaybeUninit::uninit(), _borrows: PhantomData }
    }

    /// To send.
    #[inline(always)]
    pub(super) fn send<T>(sender: &'h Sender<T>, index: usize) -> Arm<'h, 'c> {
        let core = NonNull::from(sender.channel()).cast();
        let (place, is_full) = (ptr::null_mut(), ptr::null_mut());
        Arm { core, index, receive: None, place, is_full, node: MaybeUninit::uninit(), _borrows: PhantomData }
    }

    /// Sets where to receive to: the place is free, and as large and aligned as `receive` asks. A send has none.
    pub(super) fn set_place(&mut self, place: *mut ()) {
        if self.receive.is_some() {
            self.place = place;
        }
    }

    /// The operation, with what it has got.
    pub(super) fn conclude(&mut self, deal: Deal) -> Chosen<'h> {
        if matches!(deal, Deal::Received) && !self.is_full.is_null() {
            // SAFETY: it is there as long as the place, which has been filled.
            unsafe { *self.is_full = true };
        }
        Chosen::new(self.core, self.index, deal)
    }

    /// The same operation, with no place.
    pub(super) fn copy(&self) -> Self {
        Arm { place: ptr::null_mut(), is_full: ptr::null_mut(), node: MaybeUninit::uninit(), ..*self }
    }

    pub(super) fn place(&self) -> *mut () {
        self.place
    }

    pub(super) fn receive(&self) -> Option<&'static Receive> {
        self.receive
    }

    #[inline(always)]
    pub(super) fn core(&self) -> &'h Core {
        // SAFETY: a handle of the channel is borrowed for so long.
        unsafe { self.core.as_ref() }
    }

    /// What the arms are sorted by.
    #[inline(always)]
    pub(super) fn address(&self) -> usize {
        self.core.as_ptr().addr()
    }

    /// Whether it seems ready.
    #[inline(always)]
    pub(super) fn looks_ready(&self) -> bool {
        if self.receive.is_some() { self.core().looks_readable() } else { self.core().looks_writable() }
    }

    /// Whether it is not ready at this moment.
    pub(super) fn is_surely_waiting(&self) -> bool {
        if self.receive.is_some() { self.core().is_surely_empty() } else { self.core().is_surely_full() }
    }

    /// Whether it is ready: only who wins a claim may come between.
    ///
    /// # Safety
    ///
    /// The caller holds the channel's lock.
    pub(super) unsafe fn is_ready(&self) -> bool {
        let core = self.core();
        // SAFETY: by contract.
        let lines = unsafe { &mut *core.lock.as_ptr() };
        if self.receive.is_some() { core.can_receive(lines) } else { core.can_send(lines) }
    }

    /// Does the operation, if it is ready.
    ///
    /// # Safety
    ///
    /// The caller holds the channel's lock. A place has been set if it is a receive.
    pub(super) unsafe fn step(&mut self) -> Step {
        let core = self.core();
        // SAFETY: by contract.
        let lines = unsafe { &mut *core.lock.as_ptr() };
        let Some(receive) = self.receive else {
            return match core.promise(lines) {
                Promise::Receiver(receiver) => Step::Done(Deal::Owes(receiver), None),
                Promise::Place => Step::Done(Deal::HasPlace, None),
                Promise::Closed => Step::Done(Deal::Closed, None),
                Promise::Full => Step::Lost,
            };
        };
        // SAFETY: the core is that of a channel of this type, the place is free.
        match unsafe { (receive.take)(self.core, lines, self.place) } {
            Take::Taken => Step::Done(Deal::Received, None),
            Take::Handed(task) => Step::Done(Deal::Received, Some(task)),
            Take::Freed(block) => Step::Freed(block),
            Take::Promised(sender) => Step::Promised(sender),
            Take::Closed => Step::Done(Deal::Closed, None),
            Take::Empty => Step::Lost,
        }
    }

    /// Wakes those who watch for what this operation brings.
    ///
    /// # Safety
    ///
    /// The caller holds the channel's lock, and the operation is not ready: in the line of its partners nobody stands
    /// who does not watch.
    pub(super) unsafe fn wake_watchers(&self) {
        let core = self.core();
        // SAFETY: by contract.
        let lines = unsafe { &mut *core.lock.as_ptr() };
        let partner = if self.receive.is_some() { core.pop_sender(lines) } else { core.pop_receiver(lines) };
        debug_assert!(partner.is_none(), "there was a partner, so it was ready");
    }

    /// Lets the arm's node stand in line.
    ///
    /// # Safety
    ///
    /// The caller holds the channel's lock; as [`Core::queue_receiver`] and [`Core::queue_sender`].
    pub(super) unsafe fn queue(arm: *mut Self) {
        // SAFETY: by contract.
        unsafe {
            let core = (*arm).core.as_ref();
            let lines = &mut *core.lock.as_ptr();
            let node = (&raw mut (*arm).node).cast();
            if (*arm).receive.is_some() {
                core.queue_receiver(lines, node);
            } else {
                core.queue_sender(lines, node);
            }
        }
    }

    /// Takes the arm's node out of its line, if it still stands there.
    ///
    /// # Safety
    ///
    /// `lines` are the channel's. It has been queued.
    pub(super) unsafe fn unqueue(arm: *mut Self, lines: &mut Lines) {
        // SAFETY: by contract.
        unsafe {
            let core = (*arm).core.as_ref();
            let node = (&raw mut (*arm).node).cast();
            if (*arm).receive.is_some() {
                core.unqueue_receiver(lines, node);
            } else {
                core.unqueue_sender(lines, node);
            }
        }
    }
}
