//! What is asked of a worker, and what it still owes.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// Why a goroutine is to give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cause {
    /// It has had its slice.
    Slice = 1,
    /// It has had its minimum, and somebody was readied.
    WakeUp = 2,
}

const NONE: u8 = 0;

impl Cause {
    fn from(code: u8) -> Option<Cause> {
        match code {
            NONE => None,
            code if code == Cause::Slice as u8 => Some(Cause::Slice),
            _ => Some(Cause::WakeUp),
        }
    }
}

/// A worker's mailbox for preemption. Hints all of them: what is lost here is asked for again.
pub(crate) struct Request {
    /// The turn of its P that the last signal was sent for, and why.
    turn: AtomicU32,
    cause: AtomicU8,
    /// Asked for while preemption was held off: looked at when it is let in again. Belongs to one turn.
    pending: AtomicU8,
}

impl Request {
    pub(crate) const fn new() -> Request {
        Request { turn: AtomicU32::new(0), cause: AtomicU8::new(NONE), pending: AtomicU8::new(NONE) }
    }

    /// sysmon asks for the end of `turn`, and then sends the signal.
    pub(crate) fn ask(&self, turn: u32, cause: Cause) {
        self.cause.store(cause as u8, Ordering::Relaxed);
        self.turn.store(turn, Ordering::Relaxed);
    }

    /// Why the signal came, if it came for `turn`.
    pub(crate) fn asked(&self, turn: u32) -> Option<Cause> {
        (self.turn.load(Ordering::Relaxed) == turn).then(|| Cause::from(self.cause.load(Ordering::Relaxed)))?
    }

    /// The worker's own thread: something is owed when preemption is let in again.
    #[inline]
    pub(crate) fn defer(&self, cause: Cause) {
        self.pending.store(cause as u8, Ordering::Relaxed);
    }

    /// Whether something is owed.
    #[inline(always)]
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != NONE
    }

    /// Takes what is owed.
    pub(crate) fn take_pending(&self) -> Option<Cause> {
        let cause = Cause::from(self.pending.load(Ordering::Relaxed));
        self.forget();
        cause
    }

    /// Another turn begins.
    #[inline(always)]
    pub(crate) fn forget(&self) {
        self.pending.store(NONE, Ordering::Relaxed);
    }
}
