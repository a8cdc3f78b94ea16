#![allow(unsafe_code, reason = "a slot's guard is made here, before anyone owns the slot")]
//! Regions: where slots lie, side by side, and what is known of each.
//!
//! ```text
//!  address space, reserved at once      │ slot 0 │ slot 1 │ slot 2 │ …                                      │
//!                                       └──────────── opened ───────────┘└──── PROT_NONE, costs nothing ─────┘
//!                                        ├ guarded ┤  a slot's guard is made when it is first handed out
//!
//!  side table, a mapping of its own     │ 16 B │ 16 B │ 16 B │ …   survives what happens to the stacks
//! ```
//!
//! Regions are only ever added: a region found once is valid for ever, which is what lets a signal handler read the list
//! without a lock.

use core::ops::Range;
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::kernel::{self, Errno, Reservation, Zeroed};
use crate::layout::{Layout, SLOT_BITS};
use crate::{Class, StackError};

/// How many regions there can be: what is left of a link beside the slot's bits.
const REGIONS_MOST: usize = 1 << (u32::BITS - SLOT_BITS);

/// All regions together stay below half of what 47 bits address: the program has uses for the rest.
const RESERVED_MOST: usize = 64 << 40;

/// Under `RLIMIT_AS` a region takes no more than this share of it, for what one takes the heap cannot have.
const LIMIT_SHARE: usize = 8;

/// Mappings left to the rest of the program when guards cost mappings: at the very limit, `malloc` and
/// `pthread_create` would fail as well.
const MAPPINGS_SPARED: usize = 3_000;

/// How much is opened at least at once, so that opening is rare.
const OPENED_LEAST: usize = 64 << 20;

static REGIONS: [OnceLock<Region>; REGIONS_MOST] = [const { OnceLock::new() }; REGIONS_MOST];
/// How many of [`REGIONS`] are there. Stored with release after the region, so that who reads it with acquire finds them.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Taken to add a region; holds the bytes reserved by all.
static ADDING: Mutex<usize> = Mutex::new(0);

/// The first slot of a region whose pages are made ahead: a program with few stacks is not to pay for a batch.
const POPULATED_FROM: u32 = 64;

/// What every owner touches under the top, in bytes; 0: nobody has said.
static TOUCHED_FIRST: AtomicUsize = AtomicUsize::new(0);

static MARKED: AtomicUsize = AtomicUsize::new(0);
static MAPPED: AtomicUsize = AtomicUsize::new(0);
static FORCED: AtomicBool = AtomicBool::new(false);

/// A region in a form that does not depend on the compiler, for debuggers: see `Directory`.
#[derive(Debug)]
#[repr(C)]
pub struct Entry {
    base: AtomicUsize,
    slot_bytes: AtomicUsize,
    guard_bytes: AtomicUsize,
    /// Where the slots' states lie: 16 bytes each, the tag first, the state in the last four.
    table: AtomicUsize,
    /// Where the number of the slots that were ever handed out lies, 32 bits.
    reached: AtomicUsize,
}

/// All regions, for debuggers, which find neither a `static` by its layout nor a lock to take: entries from the first to
/// one without a base.
pub type Directory = [Entry; REGIONS_MOST];

/// See [`Directory`].
pub static DIRECTORY: Directory = [const {
    Entry {
        base: AtomicUsize::new(0),
        slot_bytes: AtomicUsize::new(0),
        guard_bytes: AtomicUsize::new(0),
        table: AtomicUsize::new(0),
        reached: AtomicUsize::new(0),
    }
}; REGIONS_MOST];

const _: () = assert!(size_of::<Slot>() == 16);
const _: () = assert!(core::mem::offset_of!(Slot, tag) == 0 && core::mem::offset_of!(Slot, state) == 12);

/// What a guard is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardKind {
    /// Markers in the page table, free: Linux 6.13 and later.
    Marker,
    /// A mapping without access. Two mappings a stack, and `vm.max_map_count` allows 65,530 by default.
    Mapping,
}

/// What is known of a slot. All zero for one never handed out.
pub(crate) struct Slot {
    /// The runtime's word.
    pub(crate) tag: AtomicUsize,
    /// The next slot on the same shelf, while on one.
    pub(crate) link: AtomicU32,
    /// [`GUARDED`], [`SHELVED`], and in the bits from [`LIFE_SHIFT`] the life of the stack, while shelved.
    pub(crate) state: AtomicU32,
}

/// The guard stands. Set once; its release makes it visible to [`locate`](crate::locate).
pub(crate) const GUARDED: u32 = 1;
/// The stack is on a shelf of the pool.
pub(crate) const SHELVED: u32 = 2;
pub(crate) const LIFE_SHIFT: u32 = 2;

// SAFETY: atomics, for which zero is a value.
unsafe impl Zeroed for Slot {}

/// Slots of one class in one reservation.
pub(crate) struct Region {
    index: u32,
    pub(crate) layout: Layout,
    pub(crate) memory: Reservation,
    table: &'static [Slot],
    guards: GuardKind,
    /// The slots below this are readable and writable, where guards are markers.
    opened: AtomicU32,
    opening: Mutex<()>,
    /// No slot from this one on has a guard.
    reached: AtomicU32,
}

impl Region {
    /// Reserves the next region of a class, `before` being the slots of the one before it.
    pub(crate) fn add(class: Class, before: u32) -> Result<&'static Region, StackError> {
        let layout = Layout::new(class, kernel::page_size());
        // Held across the system call: two regions at a time would race for the same remainder of the address space.
        let mut reserved = locked(&ADDING);
        let index = COUNT.load(Relaxed);
        let room = RESERVED_MOST - *reserved;
        let place = match REGIONS.get(index) {
            Some(place) if layout.slot_bytes() <= room => place,
            _ => {
                return Err(StackError::Regions { regions: index, reserved: *reserved });
            }
        };
        // The heap and threads need address space too: under a limit the last quarter is theirs, or what runs already
        // would be the first to suffer.
        let limit = kernel::address_space_limit();
        let left = (limit / 4 * 3).saturating_sub(*reserved);
        if left < layout.slot_bytes() {
            return Err(StackError::AddressSpace { asked: layout.slot_bytes(), errno: libc::ENOMEM });
        }
        let most = room.min(left).min(limit / LIMIT_SHARE);
        let slots = (layout.next_slots(before) as usize).min(most / layout.slot_bytes()).max(1) as u32;
        let region = Region::reserve(index as u32, layout, slots)
            .map_err(|errno| StackError::AddressSpace { asked: layout.slot_bytes(), errno })?;
        *reserved += region.memory.len();
        let region = place.get_or_init(|| region);
        let entry = &DIRECTORY[index];
        entry.slot_bytes.store(layout.slot_bytes(), Relaxed);
        entry.guard_bytes.store(layout.guard(0).len(), Relaxed);
        entry.table.store(region.table.as_ptr().expose_provenance(), Relaxed);
        entry.reached.store(core::ptr::from_ref(&region.reached).expose_provenance(), Relaxed);
        entry.base.store(region.memory.at(0).expose_provenance(), Release);
        COUNT.store(index + 1, Release);
        Ok(region)
    }

    fn reserve(index: u32, layout: Layout, mut slots: u32) -> Result<Region, Errno> {
        loop {
            let reserved = Reservation::new(slots as usize * layout.slot_bytes(), c"gander-stacks")
                .and_then(|memory| Ok((memory, kernel::table(slots as usize)?)));
            match reserved {
                Ok((memory, table)) => {
                    let guards = kind_of_guards(&memory, &layout);
                    let (opened, opening) = (AtomicU32::new(0), Mutex::new(()));
                    let reached = AtomicU32::new(0);
                    return Ok(Region { index, layout, memory, table, guards, opened, opening, reached });
                }
                Err(errno) if slots == 1 => return Err(errno),
                Err(_) => slots /= 2,
            }
        }
    }

    /// Makes a slot usable, once in its life: opens it and sets up its guard. If that fails, nothing has happened to it.
    pub(crate) fn build(&self, slot: u32) -> Result<(), StackError> {
        match self.guards {
            GuardKind::Marker => {
                self.open_through(slot)?;
                let guard = self.layout.guard(slot);
                // SAFETY: [one-owner] the pool has taken the slot off its shelves, nobody was ever told an address in it.
                match unsafe { self.memory.mark(guard.clone()) } {
                    Ok(()) => {
                        MARKED.fetch_add(1, Relaxed);
                    }
                    // Locked memory takes no markers (`mlockall` since the region was reserved).
                    // SAFETY: as above.
                    Err(_) => self.map_guard(|| unsafe { self.memory.close(guard) })?,
                }
            }
            // Here nothing is opened ahead: the guard is what stays closed.
            GuardKind::Mapping => self.map_guard(|| self.memory.open(self.layout.usable(slot)))?,
        }
        self.set_guarded(slot);
        Ok(())
    }

    fn set_guarded(&self, slot: u32) {
        self.slot(slot).state.fetch_or(GUARDED, Release);
        self.reached.fetch_max(slot + 1, Release);
    }

    /// Does what costs two mappings, if there are two to spare.
    fn map_guard(&self, protect: impl FnOnce() -> Result<(), Errno>) -> Result<(), StackError> {
        let stacks = MAPPED.fetch_add(1, Relaxed);
        let most = kernel::mapping_limit().saturating_sub(MAPPINGS_SPARED) / 2;
        let result = if stacks < most { protect() } else { Err(libc::ENOMEM) };
        result.map_err(|errno| {
            MAPPED.fetch_sub(1, Relaxed);
            StackError::Mappings { stacks, errno }
        })
    }

    /// Sets up the guards of slots side by side in one go, where that can be done; [`build`](Self::build) does the rest.
    /// And the pages under their tops, where owners were said to touch so much of every stack and there are many owners.
    pub(crate) fn build_ahead(&self, first: u32, count: usize) {
        let count = count.min(kernel::BATCH_MOST) as u32;
        if self.guards != GuardKind::Marker || count < 2 || self.open_through(first + count - 1).is_err() {
            return;
        }
        let each = |range_of: &dyn Fn(u32) -> Range<usize>| {
            let mut ranges = [const { 0..0 }; kernel::BATCH_MOST];
            for (range, slot) in ranges.iter_mut().zip(first..first + count) {
                *range = range_of(slot);
            }
            ranges
        };
        let guards = each(&|slot| self.layout.guard(slot));
        // SAFETY: [one-owner] the pool has taken the slots off its shelves, nobody was ever told an address in them.
        let marked = unsafe { self.memory.mark_all(&guards[..count as usize]) };
        MARKED.fetch_add(marked, Relaxed);
        (first..first + marked as u32).for_each(|slot| self.set_guarded(slot));
        let touched = TOUCHED_FIRST.load(Relaxed);
        if touched > 0 && first >= POPULATED_FROM {
            let tops = each(&|slot| self.layout.upmost(slot, touched));
            self.memory.populate_all(&tops[..marked]);
        }
    }

    /// Opens the region up to and including `slot`, and an eighth more than was open, as opening costs a system call.
    ///
    /// Not all of it at once: where the kernel counts what could be written (`vm.overcommit_memory=2`, `RLIMIT_DATA`),
    /// that would be 20 GiB charged for the first stack.
    fn open_through(&self, slot: u32) -> Result<(), StackError> {
        if slot < self.opened.load(Acquire) {
            return Ok(());
        }
        let _turn = locked(&self.opening);
        let opened = self.opened.load(Relaxed);
        if slot < opened {
            return Ok(());
        }
        let bytes = self.layout.slot_bytes();
        let ahead = (opened as usize / 8).max(OPENED_LEAST / bytes);
        let mut end = (slot as usize + 1).max(opened as usize + ahead).min(self.table.len());
        while let Err(errno) = self.memory.open(opened as usize * bytes..end * bytes) {
            if end == slot as usize + 1 {
                return Err(StackError::AddressSpace { asked: bytes, errno });
            }
            end = slot as usize + 1;
        }
        self.opened.store(end as u32, Release);
        Ok(())
    }

    /// Gives back the pages of a stack that lie wholly below `keep` bytes under its top.
    ///
    /// # Safety
    ///
    /// The caller owns the stack, and nobody needs what is there.
    pub(crate) unsafe fn give_back(&self, slot: u32, keep: usize) -> Result<(), Errno> {
        let range = self.layout.below(slot, keep);
        if range.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller's word.
        unsafe { self.memory.give_back(range) }
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> u32 {
        self.table.len() as u32
    }

    /// The slots among which are all that were ever handed out. Async-signal-safe.
    pub(crate) fn reached(&self) -> core::ops::Range<u32> {
        0..self.reached.load(Acquire)
    }

    pub(crate) fn slot(&self, slot: u32) -> &Slot {
        &self.table[slot as usize]
    }

    /// A number for a slot that is unique among all regions, and not zero.
    pub(crate) fn link_to(&self, slot: u32) -> u32 {
        (self.index << SLOT_BITS | slot) + 1
    }

    /// The inverse of [`link_to`](Region::link_to).
    pub(crate) fn of_link(link: u32) -> (&'static Region, u32) {
        let (index, slot) = ((link - 1) >> SLOT_BITS, (link - 1) & ((1 << SLOT_BITS) - 1));
        let region = REGIONS[index as usize].get().expect("a link leads to a region");
        (region, slot)
    }

    /// All regions. Async-signal-safe.
    pub(crate) fn all() -> impl Iterator<Item = &'static Region> {
        REGIONS[..COUNT.load(Acquire)].iter().filter_map(OnceLock::get)
    }
}

/// From now on stacks are made with the pages behind their uppermost `bytes`, in batches: for owners that touch so much
/// of every stack at once, and make many. A page fault each costs twice that.
pub fn touched_first(bytes: usize) {
    TOUCHED_FIRST.store(bytes, Relaxed);
}

/// Stacks that were ever given a guard of each kind.
pub(crate) fn guards_made(kind: GuardKind) -> usize {
    match kind {
        GuardKind::Marker => MARKED.load(Relaxed),
        GuardKind::Mapping => MAPPED.load(Relaxed),
    }
}

pub(crate) fn force_mapped_guards() {
    FORCED.store(true, Relaxed);
}

/// A poisoned lock is a lock: nothing in this crate leaves its tables half changed.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tries the first guard of a new region: that the kernel can does not mean that it will, for locked memory it refuses.
fn kind_of_guards(memory: &Reservation, layout: &Layout) -> GuardKind {
    let guard = layout.guard(0);
    if !FORCED.load(Relaxed) && kernel::can_mark_guards() && memory.open(guard.clone()).is_ok() {
        // SAFETY: the region is being made, nobody was told an address in it.
        if unsafe { memory.mark(guard.clone()) }.is_ok() {
            return GuardKind::Marker;
        }
        // SAFETY: as above. If it fails, slot 0 has a guard that is open; but closing what was just opened only joins
        // two mappings, which needs no memory.
        let _ = unsafe { memory.close(guard) };
    }
    GuardKind::Mapping
}
