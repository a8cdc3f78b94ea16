#![allow(unsafe_code, reason = "pages are given back here, in the name of the stack's owner")]
//! The handle: to hold a [`Stack`] is to own one.

use core::fmt;
use core::mem;
use core::num::NonZeroU64;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Relaxed, Release};

use crate::layout::{ALWAYS_TRIMMED_ABOVE, Class, KEEP};
use crate::region::{GUARDED, LIFE_SHIFT, Region, SHELVED, Slot};
use crate::{Footprint, footprint, pool};

/// What a trimmed stack keeps under its top.
static KEPT: AtomicUsize = AtomicUsize::new(KEEP);

/// From now on a trimmed stack keeps at least so many bytes under its top, where that is more than 16 KiB: for owners
/// that keep something larger there from one use to the next.
pub fn keep_at_least(bytes: usize) {
    KEPT.fetch_max(bytes, Relaxed);
}

/// A stack, and the right to use it: `[one-owner]`.
///
/// Its address never changes while it has an owner: `[never-moves]`. Dropping it is [`put`](crate::put).
///
/// # The memory
///
/// Between [`limit`](Stack::limit) and [`top`](Stack::top) the memory is the holder's, to read and write through raw
/// pointers. It holds zeros or what an earlier owner left there. When the `Stack` is put back, or pages are released
/// with [`release_below`](Stack::release_below), the holder's pointers to what is released end with it.
pub struct Stack {
    region: &'static Region,
    /// Two words make a handle that travels in registers.
    word: Word,
}

/// Which slot, and what the stack has been through. The latter travels with the handle, and only on a shelf lies in the
/// side table: a cache that hits writes to no memory that another processor reads.
///
/// ```text
///  bits 63, 62 │ 61 to 33: how often it was put back │ 32: it may have pages │ 31 to 0: slot
/// ```
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const TOUCHED: u64 = 1 << 32;
    const ONE_USE: u64 = 1 << 33;
    /// Every that many uses a small stack is trimmed: often enough that one deep call is forgotten soon, and rare enough
    /// that the system call disappears in what 64 goroutines cost.
    const TRIM_EVERY: u32 = 64;

    fn new(slot: u32, life: u32) -> Word {
        Word(u64::from(slot) | u64::from(life) << 32)
    }

    fn slot(self) -> u32 {
        self.0 as u32
    }

    /// What the side table stores, in 30 bits.
    fn life(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn uses(self) -> u32 {
        (self.0 / Word::ONE_USE) as u32
    }

    fn used_once_more(self) -> Word {
        Word((self.0.wrapping_add(Word::ONE_USE) | Word::TOUCHED) & (u64::MAX >> LIFE_SHIFT))
    }
}

impl Stack {
    /// Where the stack starts: one past the highest byte, a multiple of 64.
    #[must_use]
    #[inline]
    pub fn top(&self) -> *mut u8 {
        self.region.memory.at(self.region.layout.top(self.word.slot()))
    }

    /// The lowest usable byte. Under it lies the guard.
    #[must_use]
    #[inline]
    pub fn limit(&self) -> *mut u8 {
        self.region.memory.at(self.region.layout.usable(self.word.slot()).start)
    }

    /// The bytes between the limit and the top: those of the class, less up to 1,472.
    #[must_use]
    pub fn size(&self) -> usize {
        self.region.layout.top(self.word.slot()) - self.region.layout.usable(self.word.slot()).start
    }

    /// Its class.
    #[must_use]
    #[inline]
    pub fn class(&self) -> Class {
        self.region.layout.class
    }

    /// The runtime's word about what lies at the top. Zero if [`is_untouched`](Stack::is_untouched); else as last set,
    /// by whichever owner.
    #[must_use]
    pub fn tag(&self) -> usize {
        self.entry().tag.load(Relaxed)
    }

    /// Sets the runtime's word.
    pub fn set_tag(&self, tag: usize) {
        // Release: who finds the tag finds what it stands for.
        self.entry().tag.store(tag, Release);
    }

    /// Whether it came without a page: never used, or given back entirely since. Reads as zeros then.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.word.0 & Word::TOUCHED == 0
    }

    /// How often it was put back, modulo 2²⁹.
    #[must_use]
    pub fn uses(&self) -> u32 {
        self.word.uses()
    }

    /// How much memory it has now, and how deep it ever was since it was last released.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        footprint(self.limit(), self.top())
    }

    /// Gives the pages that lie wholly below `keep` bytes under the top back to the kernel. They read as zeros then.
    ///
    /// With `keep` 0 all pages go: the tag becomes zero and the stack [untouched](Stack::is_untouched). Does nothing in
    /// locked memory (`mlockall`).
    ///
    /// # Blocking
    ///
    /// One `madvise`: about a microsecond, and 0.1 µs for each page that was there.
    pub fn release_below(&mut self, keep: usize) {
        // SAFETY: [one-owner] `self` is borrowed exclusively, and the holder's pointers into this part end here, as the
        // type's documentation says.
        let released = unsafe { self.region.give_back(self.word.slot(), keep) };
        if released.is_ok() && keep == 0 {
            self.set_tag(0);
            self.word.0 &= !Word::TOUCHED;
        }
    }

    /// The handle as a number, to be stored where a `Stack` cannot be. It owns the stack until it is made a `Stack` again.
    #[must_use]
    pub fn into_raw(self) -> NonZeroU64 {
        let raw = u64::from(self.word.life()) << 32 | u64::from(self.region.link_to(self.word.slot()));
        mem::forget(self);
        NonZeroU64::new(raw).expect("no link is zero")
    }

    /// The inverse of [`into_raw`](Stack::into_raw).
    ///
    /// # Safety
    ///
    /// The number came from `into_raw`, and has not been made a stack since: `[one-owner]`.
    #[must_use]
    pub unsafe fn from_raw(raw: NonZeroU64) -> Stack {
        let (region, slot) = Region::of_link(raw.get() as u32);
        Stack { region, word: Word::new(slot, (raw.get() >> 32) as u32) }
    }

    /// A slot that was never handed out. The pool calls this once for each: `[one-owner]` begins here.
    pub(crate) fn fresh(region: &'static Region, slot: u32) -> Stack {
        debug_assert!(slot < region.slots());
        Stack { region, word: Word::new(slot, 0) }
    }

    /// Makes it usable, if it is not yet; see [`Region::build`].
    pub(crate) fn build(&self) -> Result<(), crate::StackError> {
        if self.entry().state.load(Relaxed) & GUARDED != 0 {
            return Ok(());
        }
        self.region.build(self.word.slot())
    }

    /// Prepares [`build`](Self::build) for stacks that lie side by side, as fresh ones do.
    pub(crate) fn build_ahead(stacks: &[Option<Stack>]) {
        let Some(Some(first)) = stacks.first() else { return };
        let beside = stacks.iter().flatten().zip(first.word.slot()..).all(|(stack, slot)| {
            core::ptr::eq(stack.region, first.region)
                && stack.word.slot() == slot
                && stack.entry().state.load(Relaxed) & GUARDED == 0
        });
        if beside {
            first.region.build_ahead(first.word.slot(), stacks.len());
        }
    }

    /// Counts one use, and trims if it is time. By value, so that the handle stays in registers.
    #[inline]
    pub(crate) fn end_use(mut self) -> Stack {
        self.word = self.word.used_once_more();
        if self.class().bytes() > ALWAYS_TRIMMED_ABOVE || self.word.uses().is_multiple_of(Word::TRIM_EVERY) {
            return self.trimmed();
        }
        self
    }

    /// Whether trimming now could find something: a large stack was trimmed when it came back.
    pub(crate) fn may_be_deep(&self) -> bool {
        !self.is_untouched() && self.class().bytes() <= ALWAYS_TRIMMED_ABOVE
    }

    /// Leaves it the pages that its next owner will want.
    #[cold]
    pub(crate) fn trimmed(mut self) -> Stack {
        self.release_below(KEPT.load(Relaxed));
        self
    }

    /// Turns the handle into a link to the slot, for a shelf to keep. `next` is what lies under it there.
    pub(crate) fn shelve(self, next: u32) -> u32 {
        let entry = self.entry();
        let guarded = entry.state.load(Relaxed);
        debug_assert_eq!(guarded & SHELVED, 0, "a stack was put back twice");
        entry.state.store((guarded & GUARDED) | SHELVED | self.word.life() << LIFE_SHIFT, Relaxed);
        entry.link.store(next, Relaxed);
        let link = self.region.link_to(self.word.slot());
        mem::forget(self);
        link
    }

    /// The inverse of [`shelve`](Stack::shelve), with the link to the next. The shelf calls this once for each.
    pub(crate) fn unshelve(link: u32) -> (Stack, u32) {
        let (region, slot) = Region::of_link(link);
        let entry = region.slot(slot);
        let state = entry.state.load(Relaxed);
        debug_assert_ne!(state & SHELVED, 0, "a stack was taken twice");
        entry.state.store(state & GUARDED, Relaxed);
        (Stack { region, word: Word::new(slot, state >> LIFE_SHIFT) }, entry.link.load(Relaxed))
    }

    fn entry(&self) -> &'static Slot {
        self.region.slot(self.word.slot())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Stack { region, word } = *self;
        // The pool forgets the handle it is given, so nothing is put back twice.
        pool::put(Stack { region, word });
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("limit", &self.limit()).field("top", &self.top()).finish_non_exhaustive()
    }
}

const _: () = assert!(size_of::<Option<Stack>>() == 16);
