//! Where a future waits: its node, its waker and the place for its value, on the heap.

#![allow(unsafe_code, reason = "seats are shared with the line, by address")]

use std::cell::UnsafeCell;
use std::mem::{MaybeUninit, forget, offset_of};
use std::sync::Arc;

use gander_runtime::{Listener, WakerCell};

use crate::wait::{Node, Outcome};

/// A place in line that a future and the line share.
///
/// The node and the value are used under the lock of the channel. The line's share goes from the line to whoever pops the
/// node, and ends when that one readies the node's task.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Seat<T> {
    /// First: who knows the node knows the seat.
    node: UnsafeCell<MaybeUninit<Node>>,
    listener: Listener,
    pub(super) waker: WakerCell,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: what a seat holds is used under the lock of its channel, or by whom the node's outcome says it belongs to.
unsafe impl<T: Send> Send for Seat<T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Sync for Seat<T> {}

impl<T> Seat<T> {
    /// A seat in no line, with a free place for a value.
    pub(super) fn new() -> Arc<Seat<T>> {
        let seat = Arc::new(Seat::<T> {
            node: UnsafeCell::new(MaybeUninit::uninit()),
            listener: Listener::new(told::<T>),
            waker: WakerCell::new(),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        });
        // SAFETY: the listener lies in the seat, which stays in place while the line has a share of it. We are the only
        // one that knows the node.
        unsafe {
            let task = Listener::task(&raw const (*Arc::as_ptr(&seat)).listener);
            seat.node().write(Node::of_future(task, seat.value().cast()));
        }
        seat
    }
}

impl<T> Seat<T> {
    /// The node, with leave to find the seat by it.
    pub(super) fn node(self: &Arc<Self>) -> *mut Node {
        Arc::as_ptr(self).cast_mut().cast()
    }

    /// The place for the value.
    pub(super) fn value(self: &Arc<Self>) -> *mut T {
        self.value.get().cast()
    }

    /// The place for the value of the seat whose node this is.
    ///
    /// # Safety
    ///
    /// The node is that of a seat for a `T`, and the line's share of it is the caller's.
    pub(super) unsafe fn value_of(node: *mut Node) -> *mut T {
        // SAFETY: by contract; the node is the first field, and its address was made from that of the seat.
        unsafe { (&raw mut (*node.cast::<Seat<T>>()).value).cast() }
    }

    /// What became of the wait.
    ///
    /// # Safety
    ///
    /// The lock of the channel is held.
    pub(super) unsafe fn outcome(self: &Arc<Self>) -> Outcome {
        // SAFETY: nodes are written under the lock.
        unsafe { Node::outcome(self.node()) }
    }

    /// Gives the line its share.
    pub(super) fn share(self: &Arc<Self>) {
        forget(Arc::clone(self));
    }

    /// Takes the line's share back.
    ///
    /// # Safety
    ///
    /// The node has been taken out of the line, and nobody readies its task.
    pub(super) unsafe fn unshare(self: &Arc<Self>) {
        // SAFETY: by contract the share is there and nobody else's.
        unsafe { Arc::decrement_strong_count(Arc::as_ptr(self)) };
    }
}

/// Wakes the future, and ends the line's share.
///
/// # Safety
///
/// It is the listener of a seat for a `T`, and the line's share is the caller's.
unsafe fn told<T>(listener: *const Listener) {
    // SAFETY: by contract; the address was made from that of the seat.
    let seat = unsafe { Arc::from_raw(listener.byte_sub(offset_of!(Seat<T>, listener)).cast::<Seat<T>>()) };
    // The seat is ours meanwhile: the waker may poll the future, and drop it.
    seat.waker.wake();
}
