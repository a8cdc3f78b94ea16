//! The arithmetic of slots: classes, guards, tops. No memory is touched here.
//!
//! ```text
//!  offset 0
//!  │ guard 0 │ stack 0          │ guard 1 │ stack 1          │ …      slot i starts at i * slot_bytes
//!            limit             top,end                              limit = start + guard; end = start + slot_bytes
//! ```
//!
//! Guard `i + 1` begins where stack `i` ends, so the two live in the same page of page table, which exists anyway as soon
//! as the stack is used: the guard of the neighbour costs nothing. (A page of page table spans 2 MiB. At 256 KiB a stack
//! that makes 640 bytes of it for each, at 1 MiB 2.1 KiB, from 2 MiB on a whole page, 4 KiB.)

use core::ops::Range;

use crate::StackError;

const KIB: usize = 1 << 10;
const GIB: usize = 1 << 30;

/// What is left to a stack that comes back: the pages its next owner will touch first.
pub(crate) const KEEP: usize = 16 * KIB;

/// Stacks of a larger class give back what is under [`KEEP`] each time they return.
pub(crate) const ALWAYS_TRIMMED_ABOVE: usize = 4 << 20;

/// Slots are numbered with this many bits; the rest of 32 numbers the region.
pub(crate) const SLOT_BITS: u32 = 22;

/// The most slots in a region. One less than the bits allow, so that no link is `u32::MAX + 1`.
const MOST_SLOTS: usize = (1 << SLOT_BITS) - 1;

/// The first region of a class is this large, or has [`FIRST_SLOTS`]; each one after it is twice as large.
const FIRST_BYTES: usize = 64 * GIB;
const FIRST_SLOTS: usize = 1 << 16;

/// And no region is larger than this.
const MOST_BYTES: usize = 8 << 40;

/// The colours of a top, each a cache line.
const COLOURS: u32 = 24;
const LINE: usize = 64;
/// What a slot has beyond its class: room for the colour, and for what owners keep at the top of a stack (a header, a
/// thread-local block), so that the frames get the bytes that were asked for.
pub const HEADROOM: usize = 8 * KIB;

/// A size of stack: 16 KiB, 32 KiB, and so on to 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u8);

impl Class {
    /// The smallest, 16 KiB.
    pub const SMALLEST: Class = Class(0);
    /// The largest, 1 GiB.
    pub const LARGEST: Class = Class(16);
    /// How many there are.
    pub const COUNT: usize = Class::LARGEST.0 as usize + 1;

    /// The bytes a stack of this class has for frames, beside 6 KiB that its owner may use at the top.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (16 * KIB) << self.0
    }

    /// Its place among all classes, from 0 to [`Class::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All of them, the smallest first.
    pub fn all() -> impl Iterator<Item = Class> {
        (0..Class::COUNT).map(Class::nth)
    }

    /// The inverse of [`index`](Class::index).
    pub(crate) const fn nth(index: usize) -> Class {
        assert!(index < Class::COUNT);
        Class(index as u8)
    }
}

/// The smallest class that holds `bytes`.
///
/// # Errors
///
/// [`StackError::TooLarge`] above 1 GiB.
///
/// # Examples
///
/// ```
/// let class = gander_stack::class_of(200_000)?;
/// assert_eq!(class.bytes(), 256 * 1024);
/// # Ok::<(), gander_stack::StackError>(())
/// ```
pub const fn class_of(bytes: usize) -> Result<Class, StackError> {
    let limit = Class::LARGEST.bytes();
    if bytes > limit {
        return Err(StackError::TooLarge { asked: bytes, limit });
    }
    let mut class = Class::SMALLEST;
    while class.bytes() < bytes {
        class.0 += 1;
    }
    Ok(class)
}

/// The slots of one class on a machine with one size of page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) class: Class,
    page: usize,
    guard: usize,
    usable: usize,
}

impl Layout {
    /// `page` is a power of two; where it is 64 KiB, the small classes are larger than they say.
    pub(crate) fn new(class: Class, page: usize) -> Layout {
        // C compiled without stack probes steps over a guard with one large frame. 64 KiB is wider than nearly all of
        // them; a small stack has asked for small frames by being small.
        let guard = if class.bytes() >= 256 * KIB { 64 * KIB } else { 16 * KIB };
        Layout {
            class,
            page,
            guard: guard.next_multiple_of(page),
            usable: (class.bytes() + HEADROOM).next_multiple_of(page),
        }
    }

    pub(crate) fn slot_bytes(&self) -> usize {
        self.guard + self.usable
    }

    /// The guard, as offsets in the region.
    pub(crate) fn guard(&self, slot: u32) -> Range<usize> {
        let start = slot as usize * self.slot_bytes();
        start..start + self.guard
    }

    /// The usable part with the sliver above the top.
    pub(crate) fn usable(&self, slot: u32) -> Range<usize> {
        let guard = self.guard(slot);
        guard.end..guard.end + self.usable
    }

    /// Where the stack starts to grow down from.
    ///
    /// Slots are a whole number of pages apart: without colours, all first frames would compete for the same few sets of
    /// the caches. 24 colours stay below 1.5 KiB, so the hot first 2.5 KiB of a stack are still in its uppermost page.
    pub(crate) fn top(&self, slot: u32) -> usize {
        self.usable(slot).end - (slot % COLOURS) as usize * LINE
    }

    /// The pages from `bytes` under the top up to the end.
    pub(crate) fn upmost(&self, slot: u32, bytes: usize) -> Range<usize> {
        let (usable, top) = (self.usable(slot), self.top(slot));
        let start = top - bytes.min(top - usable.start);
        start - start % self.page..usable.end
    }

    /// The pages that lie wholly below `keep` bytes under the top. With `keep` 0 these are all, the sliver included.
    pub(crate) fn below(&self, slot: u32, keep: usize) -> Range<usize> {
        let usable = self.usable(slot);
        if keep == 0 {
            return usable;
        }
        let top = self.top(slot);
        let end = top - keep.min(top - usable.start);
        usable.start..end - end % self.page
    }

    /// Which slot an offset falls into, and whether into its guard.
    pub(crate) fn locate(&self, offset: usize) -> (u32, bool) {
        let (slot, within) = (offset / self.slot_bytes(), offset % self.slot_bytes());
        (slot as u32, within < self.guard)
    }

    /// How many slots the next region should have, after one with `before` (0: none yet).
    pub(crate) fn next_slots(&self, before: u32) -> u32 {
        let slots = match before as usize {
            0 => FIRST_SLOTS.min(FIRST_BYTES / self.slot_bytes()),
            before => before.saturating_mul(2).min(MOST_BYTES / self.slot_bytes()),
        };
        slots.clamp(1, MOST_SLOTS) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [usize; 3] = [4 * KIB, 16 * KIB, 64 * KIB];

    fn layouts() -> impl Iterator<Item = Layout> {
        PAGES.into_iter().flat_map(|page| Class::all().map(move |class| Layout::new(class, page)))
    }

    #[test]
    fn classes_round_up() {
        let cases = [
            (0, 16 * KIB),
            (1, 16 * KIB),
            (16 * KIB, 16 * KIB),
            (16 * KIB + 1, 32 * KIB),
            (100_000, 128 * KIB),
            (256 * KIB, 256 * KIB),
            (GIB - 1, GIB),
            (GIB, GIB),
        ];
        for (asked, got) in cases {
            assert_eq!(class_of(asked).map(Class::bytes), Ok(got), "{asked}");
        }
        assert_eq!(class_of(GIB + 1), Err(StackError::TooLarge { asked: GIB + 1, limit: GIB }));
        assert!(class_of(usize::MAX).is_err());
    }

    #[test]
    fn classes_are_numbered_in_order() {
        for (i, class) in Class::all().enumerate() {
            assert_eq!(class.index(), i);
            assert_eq!(class_of(class.bytes()), Ok(class));
        }
        assert_eq!(Class::all().last(), Some(Class::LARGEST));
    }

    #[test]
    fn slots_tile_the_region() {
        for layout in layouts() {
            for slot in [0, 1, 2, 23, 24, 25, 4095] {
                let (guard, usable, next) = (layout.guard(slot), layout.usable(slot), layout.guard(slot + 1));
                assert_eq!(guard.end, usable.start);
                assert_eq!(usable.end, next.start);
                for edge in [guard.start, guard.end, usable.end] {
                    assert_eq!(edge % layout.page, 0, "{layout:?}");
                }
                assert!(guard.len() >= layout.page && usable.len() >= layout.class.bytes());
            }
        }
    }

    #[test]
    fn tops_are_aligned_coloured_and_in_the_uppermost_page() {
        for layout in layouts() {
            let mut colours = std::collections::HashSet::new();
            for slot in 0..COLOURS * 4 {
                let below_end = layout.usable(slot).end - layout.top(slot);
                assert_eq!(layout.top(slot) % LINE, 0);
                assert!(below_end <= 1472 && below_end + 2 * KIB < layout.page);
                colours.insert(below_end);
            }
            assert_eq!(colours.len(), COLOURS as usize);
        }
    }

    #[test]
    fn what_is_kept_is_kept() {
        for layout in layouts() {
            for slot in [0, 1, 23, 77] {
                for keep in [0, 1, KEEP, 3 * KEEP + 5, layout.usable, usize::MAX] {
                    let gone = layout.below(slot, keep);
                    let usable = layout.usable(slot);
                    assert!(gone.start == usable.start && gone.end <= usable.end && gone.end % layout.page == 0);
                    if keep != 0 {
                        assert!(gone.is_empty() || layout.top(slot) - gone.end >= keep);
                    }
                }
                assert_eq!(layout.below(slot, 0), layout.usable(slot));
            }
        }
    }

    #[test]
    fn an_offset_knows_its_slot() {
        for layout in layouts() {
            for slot in [0, 1, 1000] {
                let (guard, usable) = (layout.guard(slot), layout.usable(slot));
                assert_eq!(layout.locate(guard.start), (slot, true));
                assert_eq!(layout.locate(guard.end - 1), (slot, true));
                assert_eq!(layout.locate(usable.start), (slot, false));
                assert_eq!(layout.locate(usable.end - 1), (slot, false));
                assert_eq!(layout.locate(usable.end), (slot + 1, true));
            }
        }
    }

    #[test]
    fn a_million_stacks_need_few_regions() {
        for layout in layouts().filter(|layout| layout.class.bytes() <= 1 << 20) {
            let (mut regions, mut slots, mut last) = (0, 0, 0);
            while slots < 1_000_000 {
                last = layout.next_slots(last);
                slots += last as usize;
                regions += 1;
            }
            assert!(regions <= 5, "{layout:?}: {regions}");
            assert!(slots * layout.slot_bytes() < 3 << 40, "{layout:?}");
        }
    }

    #[test]
    fn regions_grow_within_bounds() {
        for layout in layouts() {
            assert!(layout.next_slots(0) as usize * layout.slot_bytes() <= FIRST_BYTES);
            assert!(layout.next_slots(u32::MAX) as usize <= MOST_SLOTS);
            assert!(layout.next_slots(1 << 21) as usize * layout.slot_bytes() <= MOST_BYTES);
        }
    }
}
