//! Slots: what an event of the kernel's leads to. They are reused and never freed, so that an event that was on its way
//! when its descriptor was closed finds a slot, and finds by the generation that it is another's now.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::lock::Lock;
use crate::token::Token;

/// One descriptor's. On a cache line of its own: different Ps use neighbours.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) read: Token,
    pub(super) write: Token,
    /// More than plain readiness was reported: an end, an error, urgent data.
    pub(super) special: AtomicBool,
    index: u32,
    /// Counts owners.
    generation: AtomicU32,
    /// The next free one, plus one. Under the lock of [`FREE`].
    next: AtomicU32,
}

/// The first chunk's slots; each further chunk is twice as large as the one before.
const FIRST: usize = 64;
/// Enough for every 32-bit number.
const CHUNKS: usize = 26;

static TABLE: [AtomicPtr<Slot>; CHUNKS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];

struct Free {
    /// The first free one, plus one; 0 if there is none.
    first: u32,
    /// How many chunks there are.
    chunks: usize,
}

static FREE: Lock<Free> = Lock::new(Free { first: 0, chunks: 0 });

impl Slot {
    /// What the kernel keeps with the descriptor.
    pub(super) fn key(&self) -> u64 {
        u64::from(self.generation.load(Ordering::Relaxed)) << 32 | u64::from(self.index)
    }
}

/// The slot of an event, unless it has another owner now. (It may get one right after this: the event is then taken for
/// the new owner's, who tries in vain once.)
pub(super) fn get(key: u64) -> Option<&'static Slot> {
    let slot = at(key as u32)?;
    (slot.key() == key).then_some(slot)
}

/// Asks the memory for the slot of an event.
pub(super) fn prefetch(key: u64) {
    if let Some(slot) = at(key as u32) {
        gander_arch::prefetch(std::ptr::from_ref(slot).cast());
    }
}

/// Asks the memory for the headers of the goroutines that wait there.
pub(super) fn prefetch_tasks(key: u64) {
    if let Some(slot) = at(key as u32) {
        for bits in [slot.read.peek(), slot.write.peek()].into_iter().flatten() {
            crate::g::prefetch(bits as *const crate::g::G);
        }
    }
}

fn at(index: u32) -> Option<&'static Slot> {
    let place = index as usize + FIRST;
    let chunk = (place / FIRST).ilog2() as usize;
    let first = TABLE.get(chunk)?.load(Ordering::Acquire);
    if first.is_null() {
        return None;
    }
    // SAFETY: a chunk is as long as the places with its number are many, and never freed.
    Some(unsafe { &*first.add(place - (FIRST << chunk)) })
}

/// A slot for a new owner. Not called inside the runtime: it may allocate.
pub(super) fn take() -> &'static Slot {
    loop {
        let mut free = FREE.lock();
        if let Some(index) = free.first.checked_sub(1) {
            let slot = at(index).expect("free slots exist");
            free.first = slot.next.load(Ordering::Relaxed);
            drop(free);
            // What was reported to the last owner.
            slot.read.take();
            slot.write.take();
            slot.special.store(false, Ordering::Relaxed);
            return slot;
        }
        let chunks = free.chunks;
        drop(free);
        grow(chunks);
    }
}

/// Takes back a slot for which nobody waits.
pub(super) fn put(slot: &'static Slot) {
    let mut free = FREE.lock();
    slot.generation.fetch_add(1, Ordering::Relaxed);
    slot.next.store(free.first, Ordering::Relaxed);
    free.first = slot.index + 1;
}

/// Adds a chunk to the `chunks` there are, unless somebody has.
fn grow(chunks: usize) {
    static GROWING: Mutex<()> = Mutex::new(());
    let _one = GROWING.lock().unwrap_or_else(PoisonError::into_inner);
    if FREE.lock().chunks != chunks {
        return;
    }
    assert!(chunks < CHUNKS, "gander: more than 2³² descriptors");
    let (from, count) = (((FIRST << chunks) - FIRST) as u32, (FIRST << chunks) as u32);
    let slots: Vec<Slot> = (from..from + count)
        .map(|index| Slot {
            read: Token::new(),
            write: Token::new(),
            special: AtomicBool::new(false),
            index,
            generation: AtomicU32::new(0),
            next: AtomicU32::new(index + 2),
        })
        .collect();
    let chunk: &'static [Slot] = Vec::leak(slots);
    TABLE[chunks].store(chunk.as_ptr().cast_mut(), Ordering::Release);
    let last = &chunk[chunk.len() - 1];
    let mut free = FREE.lock();
    free.chunks += 1;
    last.next.store(free.first, Ordering::Relaxed);
    free.first = from + 1;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_place() {
        let slots: Vec<_> = (0..1000).map(|_| take()).collect();
        let mut indices: Vec<_> = slots.iter().map(|slot| slot.index).collect();
        for slot in &slots {
            assert!(std::ptr::eq(at(slot.index).expect("exists"), *slot));
        }
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), 1000, "no slot was given twice");
        slots.into_iter().for_each(put);
    }

    #[test]
    fn an_event_for_the_last_owner_finds_nobody() {
        let slot = take();
        let key = slot.key();
        assert!(get(key).is_some_and(|found| std::ptr::eq(found, slot)));
        put(slot);
        assert!(get(key).is_none());
        assert!(get(u64::from(u32::MAX)).is_none(), "no such slot");
    }
}
