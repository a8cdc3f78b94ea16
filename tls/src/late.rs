//! Libraries with static thread-locals that are loaded while blocks exist.
//!
//! libc puts such thread-locals into the room it kept free in each block, and initialises them in the blocks it knows:
//! the threads' and the donors'. It does so not only for what asks for it (the initial-exec model): on aarch64, where
//! thread-locals go by descriptors, any library's small ones are put there. Of our copies libc knows nothing, so we
//! watch the room of the donor they are copies of. What appears in it is new, is written down as a change with a
//! number, and each copy catches up with the changes later than itself.
#![allow(unsafe_code, reason = "reads and writes the room in blocks")]

use core::ops::Range;
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The room of one donor, watched.
#[derive(Debug)]
pub(crate) struct Late {
    /// Number of changes.
    epoch: AtomicU32,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    room: Vec<u64>,
    changes: Vec<Change>,
}

/// Words of the room, as a copy has them before and after.
#[derive(Debug)]
struct Change {
    words: Range<usize>,
    old: Vec<u64>,
    new: Vec<u64>,
}

impl Late {
    pub(crate) fn watch(room: &[u64]) -> Self {
        let seen = Seen { room: room.to_vec(), changes: Vec::new() };
        Self { epoch: AtomicU32::new(0), seen: Mutex::new(seen) }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Acquire)
    }

    /// Looks for what is new in the room.
    ///
    /// # Safety
    /// `room` has as many words as the room that was watched first, and is readable.
    pub(crate) unsafe fn look(&self, room: *const u64) -> u32 {
        let mut seen = self.seen();
        // SAFETY: by the contract. libc may write meanwhile, for a library whose load has not returned: what is then
        // seen by halves is seen in full by the look that follows the load.
        let now = unsafe { slice::from_raw_parts(room, seen.room.len()) }.to_vec();
        let differs = |(old, new): (&u64, &u64)| old != new;
        if let Some(first) = seen.room.iter().zip(&now).position(differs) {
            let last = seen.room.iter().zip(&now).rposition(differs).unwrap_or(first);
            let words = first..last + 1;
            let (old, new) = (seen.room[words.clone()].to_vec(), now[words.clone()].to_vec());
            seen.changes.push(Change { words, old, new });
            seen.room = now;
            self.epoch.store(seen.changes.len() as u32, Release);
        }
        self.epoch()
    }

    /// Makes the changes after `since` in a copy's room, where they are not made yet.
    ///
    /// # Safety
    /// As for [`look`](Self::look), and writable; nobody else uses the words.
    pub(crate) unsafe fn catch_up(&self, room: *mut u64, since: u32) -> u32 {
        let seen = self.seen();
        for Change { words, old, new } in seen.changes.iter().skip(since as usize) {
            // SAFETY: within the room, by the contract.
            let there = unsafe { slice::from_raw_parts_mut(room.add(words.start), words.len()) };
            // A copy laid after the load, but before the look, has them already, and may have used them since.
            if there == old {
                there.copy_from_slice(new);
            }
        }
        seen.changes.len() as u32
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_catch_up_with_what_they_lack() {
        let mut room = [0_u64; 6];
        let late = Late::watch(&room);
        let (mut early, mut used) = (room, room);
        // SAFETY: all rooms have six words.
        unsafe {
            assert_eq!(late.look(room.as_ptr()), 0);
            room[2] = 42;
            room[4] = 43;
            used[2] = 50;
            assert_eq!(late.look(room.as_ptr()), 1);
            assert_eq!(late.look(room.as_ptr()), 1);
            let mut middle = room;
            room[0] = 44;
            assert_eq!(late.look(room.as_ptr()), 2);
            assert_eq!(late.catch_up(early.as_mut_ptr(), 0), 2);
            assert_eq!(late.catch_up(middle.as_mut_ptr(), 1), 2);
            assert_eq!(late.catch_up(used.as_mut_ptr(), 0), 2);
        }
        assert_eq!(early, [44, 0, 42, 0, 43, 0]);
        assert_eq!(used, [44, 0, 50, 0, 0, 0]);
    }

    #[test]
    fn a_copy_that_is_up_to_date_is_left_alone() {
        let mut room = [0_u64; 2];
        let late = Late::watch(&room);
        room[1] = 42;
        let mut copy = [0_u64; 2];
        // SAFETY: both rooms have two words.
        unsafe {
            late.look(room.as_ptr());
            late.catch_up(copy.as_mut_ptr(), 1);
        }
        assert_eq!(copy, [0, 0]);
    }
}
