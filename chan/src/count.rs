//! How many handles a channel has, and what the last of them does.
//!
//! ```text
//!   Sender ─┐                    ┌─ Receiver
//!   Sender ─┼─► Shared ◄─────────┼─ Receiver
//!   Sender ─┘  senders: 3        └─ Receiver         the last of either side closes the channel;
//!              receivers: 3                          the later of these two frees it
//! ```

#![allow(unsafe_code, reason = "handles share an allocation that the last of them frees")]

use std::marker::PhantomData;
use std::ops::Deref;
use std::process::abort;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::buffer::Rest;
use crate::transfer::Channel;

/// A channel with its counts.
#[derive(Debug)]
#[repr(C)]
struct Shared<T> {
    channel: Channel<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// One side has no handles any more.
    one_sided: AtomicBool,
}

/// One of the two sides.
pub(crate) trait Side {
    const IS_SENDER: bool;
}

/// The side that sends.
#[derive(Debug)]
pub(crate) enum Senders {}

/// The side that receives.
#[derive(Debug)]
pub(crate) enum Receivers {}

impl Side for Senders {
    const IS_SENDER: bool = true;
}

impl Side for Receivers {
    const IS_SENDER: bool = false;
}

/// A counted reference from one side to a channel.
#[derive(Debug)]
pub(crate) struct Handle<T, S: Side> {
    shared: NonNull<Shared<T>>,
    _side: PhantomData<(T, S)>,
}

// SAFETY: a channel is used under its lock and moves values of T between threads, never references to them.
unsafe impl<T: Send, S: Side> Send for Handle<T, S> {}
// SAFETY: likewise.
unsafe impl<T: Send, S: Side> Sync for Handle<T, S> {}

/// Makes the first handle of each side.
pub(crate) fn share<T>(channel: Channel<T>) -> (Handle<T, Senders>, Handle<T, Receivers>) {
    let shared = Box::new(Shared {
        channel,
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        one_sided: AtomicBool::new(false),
    });
    let shared = NonNull::from(Box::leak(shared));
    (Handle { shared, _side: PhantomData }, Handle { shared, _side: PhantomData })
}

/// Makes the first handle of a channel that nobody has a sender of.
pub(crate) fn share_receiver<T>(channel: Channel<T>) -> Handle<T, Receivers> {
    let shared = Box::new(Shared {
        channel,
        senders: AtomicUsize::new(0),
        receivers: AtomicUsize::new(1),
        one_sided: AtomicBool::new(true),
    });
    Handle { shared: NonNull::from(Box::leak(shared)), _side: PhantomData }
}

impl<T, S: Side> Handle<T, S> {
    #[inline(always)]
    fn shared(&self) -> &Shared<T> {
        // SAFETY: it lives as long as there is a handle.
        unsafe { self.shared.as_ref() }
    }

    fn count(&self) -> &AtomicUsize {
        if S::IS_SENDER { &self.shared().senders } else { &self.shared().receivers }
    }

    /// Whether both belong to one channel.
    pub(crate) fn is_same<R: Side>(&self, other: &Handle<T, R>) -> bool {
        ptr::eq(self.shared.as_ptr(), other.shared.as_ptr())
    }
}

impl<T, S: Side> Deref for Handle<T, S> {
    type Target = Channel<T>;

    #[inline(always)]
    fn deref(&self) -> &Channel<T> {
        &self.shared().channel
    }
}

impl<T, S: Side> Clone for Handle<T, S> {
    fn clone(&self) -> Self {
        // Forgotten clones could count up to where the count wraps. Like std's Arc we end the process long before.
        if self.count().fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            abort();
        }
        Handle { shared: self.shared, _side: PhantomData }
    }
}

impl<T, S: Side> Drop for Handle<T, S> {
    fn drop(&mut self) {
        if self.count().fetch_sub(1, Ordering::AcqRel) == 1 {
            self.last();
        }
    }
}

impl<T, S: Side> Handle<T, S> {
    /// What the last handle of a side does.
    #[cold]
    fn last(&self) {
        let rest: Option<(Vec<T>, Rest<T>)> = if S::IS_SENDER {
            self.shared().channel.close();
            None
        } else {
            Some(self.shared().channel.close_and_clear())
        };
        if self.shared().one_sided.swap(true, Ordering::AcqRel) {
            // SAFETY: the other side has none either, and has set the flag as its last access.
            drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
        }
        // Last, for it runs code of the program, which may panic. The channel itself holds no value any more.
        drop(rest);
    }
}
