//! Who has what a goroutine waits for?
//!
//! A lock says who has it: its [`Owner`] is written by who has taken it, and cleared by that one before the lock is let
//! go. So whoever is named there has the lock at that moment; between the two writes and those of the lock nobody is
//! named. A goroutine that is about to wait says where: [`waiting_at`].
//!
//! # Reading a lock that may be gone
//!
//! An observer has an address that a goroutine's header told, and the lock that was there may have been freed since. So
//! the kernel reads it, which fails where a load would end the process, and what was read is believed only if the
//! goroutine was in the same wait before it and after:
//!
//! 1. a wait has a number; who begins one writes the number, and then the address (a release);
//! 2. who ends it clears the address, and then (a fence) goes on, to free the lock perhaps;
//! 3. while it waits it borrows the lock.
//!
//! This is the seqlock's argument, with the goroutine's frame in the place of the lock's writer.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use crate::g::G;
use crate::g::handle::GoroutineId;
use crate::m;

/// The owner is an ordinary thread.
const THREAD: u64 = u64::MAX;

/// The word of a lock that says who has it: a goroutine's id, [`THREAD`], or 0: nobody, or it is not known now.
///
/// For the crate `gander-sync`.
#[derive(Debug)]
#[doc(hidden)]
pub struct Owner(AtomicU64);

impl Owner {
    /// Nobody.
    pub const fn new() -> Owner {
        Owner(AtomicU64::new(0))
    }

    /// The caller has just taken the lock.
    #[inline(always)]
    pub fn enter(&self) {
        let g = m::current_g();
        // SAFETY: what runs here is alive. A scheduler's id is 0.
        let id = if g.is_null() { THREAD } else { unsafe { (*g).id.get() } };
        self.0.store(id, Ordering::Relaxed);
    }

    /// The caller is about to let go of the lock.
    #[inline(always)]
    pub fn leave(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Default for Owner {
    fn default() -> Owner {
        Owner::new()
    }
}

/// What a goroutine is about to wait at: an address, and in its lowest bits what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct WaitPlace(usize);

/// An [`Owner`] is there.
const OWNED: usize = 1;
/// An [`Owner`] is there, and then the word that [`READER_SHIFT`] is about.
const SHARED: usize = 2;
const KINDS: usize = 3;

/// A read-write lock counts its readers from this bit on, in the word that follows its owner.
#[doc(hidden)]
pub const READER_SHIFT: u32 = 8;

impl WaitPlace {
    /// Something that nobody in particular has.
    pub fn thing<T>(at: &T) -> WaitPlace {
        WaitPlace(std::ptr::from_ref(at).addr() & !KINDS)
    }

    /// A lock that one has.
    pub fn owned(at: &Owner) -> WaitPlace {
        WaitPlace(std::ptr::from_ref(at).addr() | OWNED)
    }

    /// A read-write lock: after the owner, in a struct of C's layout, comes the word that counts the readers.
    pub fn shared(at: &Owner) -> WaitPlace {
        WaitPlace(std::ptr::from_ref(at).addr() | SHARED)
    }
}

/// Says where the caller waits while `wait` runs.
#[inline(always)]
#[doc(hidden)]
pub fn waiting_at<R>(place: WaitPlace, wait: impl FnOnce() -> R) -> R {
    // SAFETY: what runs here is alive. The goroutine is the same after the wait, wherever it goes on.
    let Some(g) = (unsafe { m::current_g().as_ref() }) else { return wait() };
    g.wait.store(g.wait.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    // Release: who sees it sees the number, and all that the goroutine did before, as leaving other locks.
    g.waits_at.store(place.0, Ordering::Release);
    let answer = wait();
    g.waits_at.store(0, Ordering::Relaxed);
    fence(Ordering::Release);
    answer
}

/// Who has what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Holder {
    /// A goroutine. It may have ended, if its guard was forgotten.
    Goroutine(GoroutineId),
    /// An ordinary thread.
    Thread,
    /// So many readers.
    Readers(usize),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Goroutine(id) => write!(f, "goroutine {id}"),
            Holder::Thread => f.write_str("a thread"),
            Holder::Readers(1) => f.write_str("a reader"),
            Holder::Readers(count) => write!(f, "{count} readers"),
        }
    }
}

/// A goroutine's wait at something, as its header tells. To be read before anything else of it, and looked at again
/// ([`is_still`](Self::is_still)) after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    place: usize,
    number: u64,
}

impl Wait {
    /// That of whoever lies at `g`.
    ///
    /// # Safety
    ///
    /// `g` is a header's place.
    pub(super) unsafe fn read(g: *const G) -> Wait {
        // SAFETY: mapped for ever, and nothing but a header is ever written there: `[header-place]`.
        unsafe {
            let place = AtomicUsize::from_ptr((&raw const (*g).waits_at).cast_mut().cast()).load(Ordering::Acquire);
            let number = AtomicU64::from_ptr((&raw const (*g).wait).cast_mut().cast()).load(Ordering::Acquire);
            Wait { place, number }
        }
    }

    /// Whether it goes on until now.
    ///
    /// # Safety
    ///
    /// As [`read`](Self::read).
    pub(super) unsafe fn is_still(self, g: *const G) -> bool {
        fence(Ordering::Acquire);
        // SAFETY: by contract.
        self.place != 0 && unsafe { Wait::read(g) } == self
    }

    pub(super) fn number(self) -> u64 {
        self.number
    }

    pub(super) fn address(self) -> usize {
        self.place & !KINDS
    }

    /// Who has it, to be believed if the wait goes on until after this call.
    pub(super) fn holder(self) -> Option<Holder> {
        let kind = self.place & KINDS;
        if kind == 0 {
            return None;
        }
        let mut words = [0; 2];
        let count = if kind == SHARED { 2 } else { 1 };
        if !peek(self.address(), &mut words[..count]) {
            return None;
        }
        match words {
            [0, readers] => {
                Some((readers >> READER_SHIFT) as usize).filter(|&count| count > 0).map(Holder::Readers)
            }
            [THREAD, _] => Some(Holder::Thread),
            [id, _] => GoroutineId::of_bits(id).map(Holder::Goroutine),
        }
    }
}

/// Copies what is at `address`, mapped or not. False: it is not, or the kernel does not do that for us (in a sandbox).
fn peek(address: usize, words: &mut [u64]) -> bool {
    let bytes = size_of_val(words);
    let to = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: bytes };
    let from = libc::iovec { iov_base: std::ptr::without_provenance_mut(address), iov_len: bytes };
    // SAFETY: it writes to `words`; where it reads is checked by the kernel.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0) };
    usize::try_from(read) == Ok(bytes)
}
