//! A processor's own few stacks of each class.

use core::fmt;
use core::mem;

use crate::pool::{Pool, Shelf};
use crate::{Class, Stack, StackError};

/// Places for a class, if its stacks are small.
const PLACES_MOST: usize = 64;
/// The address space that the stacks of one class may cover, unless they are so large that they are trimmed each time.
const BYTES_MOST: usize = 16 << 20;
const PLACES_LEAST: usize = 4;

/// Stacks that one processor keeps for itself.
///
/// Between [`take`](Cache::take) and [`put`](Cache::put) that hit there is neither lock nor system call. It holds at most
/// 64 stacks of a class up to 256 KiB, 16 of 1 MiB, and 4 from 4 MiB on; when it is empty or full, half of that comes
/// from or goes to the shared pool at once. Last in, first out. Dropping a cache flushes it.
pub struct Cache {
    /// The places of all classes, one class after the other: [`PLACES`] of them from [`FIRST`].
    stacks: [Option<Stack>; FIRST[Class::COUNT] as usize],
    lens: [u8; Class::COUNT],
}

impl Cache {
    /// An empty one, 6.5 KiB.
    #[must_use]
    pub const fn new() -> Cache {
        Cache { stacks: [const { None }; FIRST[Class::COUNT] as usize], lens: [0; Class::COUNT] }
    }

    /// A stack of the class, the one put last if there is one.
    ///
    /// # Blocking
    ///
    /// None on a hit; else as [`take`](crate::take), for up to half as many stacks as fit.
    ///
    /// # Errors
    ///
    /// As [`take`](crate::take).
    #[inline]
    pub fn take(&mut self, class: Class) -> Result<Stack, StackError> {
        let len = &mut self.lens[class.index()];
        if *len == 0 {
            return self.refill(class);
        }
        *len -= 1;
        let stack = self.stacks[place(class, *len)].take();
        Ok(stack.expect("the places below `len` are taken"))
    }

    /// Takes a stack back.
    ///
    /// # Blocking
    ///
    /// None on a hit; a short lock when the cache is full; an `madvise` each time above 4 MiB and each 64th time below.
    #[inline]
    pub fn put(&mut self, stack: Stack) {
        let stack = stack.end_use();
        let class = stack.class();
        if self.lens[class.index()] == PLACES[class.index()] {
            self.spill(class);
        }
        let len = &mut self.lens[class.index()];
        let before = self.stacks[place(class, *len)].replace(stack);
        debug_assert!(before.is_none(), "the places from `len` are empty");
        // Nothing to drop, which the compiler cannot know.
        mem::forget(before);
        *len += 1;
    }

    /// Gives all stacks to the shared pool.
    pub fn flush(&mut self) {
        for class in Class::all() {
            if self.lens[class.index()] > 0 {
                Pool::of(class).shelve(Shelf::Warm, self.places_mut(class));
                self.lens[class.index()] = 0;
            }
        }
    }

    /// How many stacks it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lens.iter().map(|&len| usize::from(len)).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cold]
    fn refill(&mut self, class: Class) -> Result<Stack, StackError> {
        let half = usize::from(PLACES[class.index()] / 2);
        let batch = &mut self.places_mut(class)[..half];
        let count = Pool::of(class).take_into(batch)?;
        // The pool hands out its warmest first; here the warmest is last.
        batch[..count].reverse();
        let stack = batch[count - 1].take();
        self.lens[class.index()] = (count - 1) as u8;
        Ok(stack.expect("the pool has just filled it"))
    }

    /// Makes room by giving away the half that was not used for longest.
    #[cold]
    fn spill(&mut self, class: Class) {
        let half = usize::from(PLACES[class.index()] / 2);
        let all = self.places_mut(class);
        Pool::of(class).shelve(Shelf::Warm, &mut all[..half]);
        all.rotate_left(half);
        self.lens[class.index()] -= half as u8;
    }

    fn places_mut(&mut self, class: Class) -> &mut [Option<Stack>] {
        &mut self.stacks[place(class, 0)..][..usize::from(PLACES[class.index()])]
    }
}

impl Default for Cache {
    fn default() -> Cache {
        Cache::new()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.flush();
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// How many stacks of a class a cache holds at most.
const PLACES: [u8; Class::COUNT] = {
    let mut places = [0; Class::COUNT];
    let mut i = 0;
    while i < Class::COUNT {
        let fit = BYTES_MOST / Class::nth(i).bytes();
        places[i] = match fit {
            ..PLACES_LEAST => PLACES_LEAST,
            PLACES_MOST.. => PLACES_MOST,
            _ => fit,
        } as u8;
        i += 1;
    }
    places
};

/// Where the places of a class begin, and where those of the last end.
const FIRST: [u16; Class::COUNT + 1] = {
    let mut first = [0; Class::COUNT + 1];
    let mut i = 0;
    while i < Class::COUNT {
        first[i + 1] = first[i] + PLACES[i] as u16;
        i += 1;
    }
    first
};

fn place(class: Class, nth: u8) -> usize {
    usize::from(FIRST[class.index()]) + usize::from(nth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_as_documented() {
        let of = |bytes| PLACES[crate::class_of(bytes).unwrap().index()];
        assert_eq!([of(16 << 10), of(256 << 10), of(1 << 20), of(4 << 20), of(1 << 30)], [64, 64, 16, 4, 4]);
        assert!(size_of::<Cache>() <= 7 << 10, "{}", size_of::<Cache>());
    }

    #[test]
    fn classes_do_not_overlap() {
        for class in 0..Class::COUNT {
            assert_eq!(FIRST[class] + u16::from(PLACES[class]), FIRST[class + 1]);
            assert!(PLACES[class] >= 2, "half of them is at least one");
        }
    }
}
