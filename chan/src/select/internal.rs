//! What `select!` is made of. For the macro only.

#![allow(unsafe_code, reason = "a place that is filled by address is read")]

use std::mem::{MaybeUninit, replace};
use std::time::Duration;

use crate::chan::{Receiver, Sender};
use crate::err::RecvError;
pub use crate::select::arm::Arm;
pub use crate::select::operation::Chosen;
use crate::select::{Aim, Choice, Patience, choose};

/// A receive, with a place for its value.
#[derive(Debug)]
pub struct RecvCase<'h, T> {
    receiver: &'h Receiver<T>,
    place: MaybeUninit<T>,
    is_full: bool,
}

/// A send.
#[derive(Debug)]
pub struct SendCase<'h, T> {
    sender: &'h Sender<T>,
}

/// A receive from this channel.
#[inline]
pub fn recv<T>(receiver: &Receiver<T>) -> RecvCase<'_, T> {
    RecvCase { receiver, place: MaybeUninit::uninit(), is_full: false }
}

/// A send to this channel.
#[inline]
pub fn send<T>(sender: &Sender<T>) -> SendCase<'_, T> {
    SendCase { sender }
}

impl<'h, T> RecvCase<'h, T> {
    /// As the operation number `index`.
    #[inline]
    pub fn arm<'c>(&'c mut self, index: usize) -> Arm<'h, 'c> {
        assert!(!self.is_full);
        Arm::recv(self.receiver, index, self.place.as_mut_ptr().cast(), &raw mut self.is_full)
    }

    /// What was received.
    ///
    /// # Errors
    ///
    /// If nothing was: the channel is closed and nothing is left in it.
    #[inline]
    pub fn finish(&mut self, chosen: Chosen<'_>) -> Result<T, RecvError> {
        chosen.finish_receive();
        if !replace(&mut self.is_full, false) {
            return Err(RecvError);
        }
        // SAFETY: the flag is set when the place is filled, and was cleared above.
        Ok(unsafe { self.place.assume_init_read() })
    }
}

impl<'h, T> SendCase<'h, T> {
    /// As the operation number `index`.
    #[inline]
    pub fn arm<'c>(&'c mut self, index: usize) -> Arm<'h, 'c> {
        Arm::send(self.sender, index)
    }

    /// Which it is on.
    #[inline]
    pub fn sender(&self) -> &'h Sender<T> {
        self.sender
    }
}

fn run<'h>(arms: &mut [Arm<'h, '_>], is_biased: bool, patience: Patience) -> Option<Chosen<'h>> {
    let choice = if is_biased { Choice::First } else { Choice::Any };
    let (position, deal) = choose(arms, choice, Aim::Operate, patience)?;
    Some(arms[position].conclude(deal))
}

/// Waits until one of the operations is chosen.
pub fn select<'h>(arms: &mut [Arm<'h, '_>], is_biased: bool) -> Chosen<'h> {
    run(arms, is_biased, Patience::Endless).expect("the time is endless")
}

/// Chooses one of the operations if one is ready.
pub fn try_select<'h>(arms: &mut [Arm<'h, '_>], is_biased: bool) -> Option<Chosen<'h>> {
    run(arms, is_biased, Patience::None)
}

/// Waits until one of the operations is chosen, but no longer than `timeout`.
pub fn select_timeout<'h>(arms: &mut [Arm<'h, '_>], timeout: Duration, is_biased: bool) -> Option<Chosen<'h>> {
    run(arms, is_biased, Patience::For(timeout))
}
