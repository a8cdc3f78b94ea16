//! How many there are, and how much memory they have.

use crate::Class;
use crate::kernel;
use crate::pool::{Pool, SHELVES, Shelf};
use crate::region::{GuardKind, Region, guards_made};

/// All stacks of the process, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Census {
    /// Regions reserved.
    pub regions: usize,
    /// Bytes of address space reserved for them. Not memory.
    pub reserved_bytes: usize,
    /// Slots in them.
    pub slots: usize,
    /// Slots that were ever handed out, and hence have a guard.
    pub built: usize,
    /// Stacks in the shared pool. Of them, [`bare`](Census::bare) have no memory.
    pub pooled: usize,
    /// Stacks in the shared pool that were given back entirely.
    pub bare: usize,
    /// Stacks that someone has, caches included.
    pub out: usize,
    /// Stacks guarded by a mapping of their own; if there are any, `vm.max_map_count` is their limit.
    pub mapped_guards: usize,
}

impl Census {
    /// What guards are made of: [`GuardKind::Mapping`] as soon as one is.
    #[must_use]
    pub fn guards(&self) -> GuardKind {
        if self.mapped_guards > 0 { GuardKind::Mapping } else { GuardKind::Marker }
    }
}

/// Counts. Takes the lock of each class for a moment; the numbers are as of slightly different instants.
#[must_use]
pub fn census() -> Census {
    let mut lengths = [0; SHELVES];
    for class in Class::all() {
        for (sum, len) in lengths.iter_mut().zip(Pool::of(class).lengths()) {
            *sum += len;
        }
    }
    let mapped_guards = guards_made(GuardKind::Mapping);
    let built = guards_made(GuardKind::Marker) + mapped_guards;
    let pooled = lengths.iter().sum::<usize>() - lengths[Shelf::Unbuilt as usize];
    let mut census = Census {
        regions: 0,
        reserved_bytes: 0,
        slots: 0,
        built,
        pooled,
        bare: lengths[Shelf::Bare as usize],
        out: built.saturating_sub(pooled),
        mapped_guards,
    };
    for region in Region::all() {
        census.regions += 1;
        census.reserved_bytes += region.memory.len();
        census.slots += region.slots() as usize;
    }
    census
}

/// The memory behind a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Footprint {
    /// Bytes of memory, in whole pages.
    pub resident: usize,
    /// From the top down to the lowest page that has memory: how deep the stack was since it was last released.
    pub high_water: usize,
}

/// Looks which pages between `limit` and `top` have memory. What is not mapped has none.
///
/// # Blocking
///
/// A `mincore` for each 2,048 pages. No allocation; 2 KiB of the caller's stack.
#[must_use]
pub fn footprint(limit: *const u8, top: *const u8) -> Footprint {
    let page = kernel::page_size();
    let (start, end) = (limit.addr() / page * page, top.addr().next_multiple_of(page));
    let mut found = Footprint::default();
    let mut buffer = [0; 2048];
    let mut at = start;
    while at < end {
        let pages = &mut buffer[..2048.min((end - at) / page)];
        if kernel::presence(at, pages).is_ok() {
            for i in pages.iter().enumerate().filter_map(|(i, &present)| (present & 1 != 0).then_some(i)) {
                if found.resident == 0 {
                    found.high_water = top.addr() - (at + i * page);
                }
                found.resident += page;
            }
        }
        at += pages.len() * page;
    }
    found
}

/// The bytes of memory between `limit` and `top`, in whole pages; see [`footprint`].
#[must_use]
pub fn resident(limit: *const u8, top: *const u8) -> usize {
    footprint(limit, top).resident
}
