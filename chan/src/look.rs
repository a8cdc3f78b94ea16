//! What can be said about a channel without its lock.
//!
//! Whoever asks whether there is a value, or room, and is told no, has to be told the truth about one moment:
//!
//! * A channel that is closed stays so. So that is read last: if it is open then it was when `len` was
//!   read. If it is not we do not answer here but look again with the lock held, as the last values may have
//!   come between.
//! * The answer "no" takes part in the one order of all channel operations. The lock of the caller's last operation
//!   (on any channel) is released by a plain store, which may still be on its way while the look already reads; two
//!   tasks that each put a value and then look for the other's would both see nothing. The fence is for that. Its
//!   partner is the exchange that takes a lock, or another look's fence.

use std::sync::atomic::{Ordering, fence};

use gander_runtime::timer::now;

use crate::state::{CLOSED, Core};

impl Core {
    /// Whether a receive would have to wait at this moment.
    #[inline]
    pub(crate) fn is_surely_empty(&self) -> bool {
        if self.has_value() {
            return false;
        }
        fence(Ordering::SeqCst);
        !self.has_value() && !self.is_closed()
    }

    /// Whether a send would have to wait at this moment.
    #[inline]
    pub(crate) fn is_surely_full(&self) -> bool {
        if self.has_room() {
            return false;
        }
        fence(Ordering::SeqCst);
        !self.has_room() && !self.is_closed()
    }

    /// Whether a receive need not wait, or so it seems.
    #[inline]
    pub(crate) fn looks_readable(&self) -> bool {
        if self.is_clock() {
            return self.is_closed() || now() >= self.due.load(Ordering::Acquire);
        }
        self.has_value() || self.is_closed()
    }

    /// Whether a send need not wait, or so it seems.
    #[inline]
    pub(crate) fn looks_writable(&self) -> bool {
        self.has_room() || self.is_closed()
    }

    #[inline(always)]
    fn has_value(&self) -> bool {
        self.len() > 0 || self.senders_wait.load(Ordering::Acquire)
    }

    #[inline(always)]
    fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.len() < capacity) || self.receivers_wait.load(Ordering::Acquire)
    }

    /// How many values are in the buffer.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether it is closed.
    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & CLOSED != 0
    }
}
