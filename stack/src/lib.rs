//! Where a stack's memory comes from, grows to, and goes.
//!
//! ```text
//!            one slot                                                     the next slot
//!  ├───────────────────────────────────────────────────────────────────┤├──────────────── …
//!  ┌──────────┬──────────────────────────────────────┬────────────┬────┐┌──────────┬────── …
//!  │  guard   │  usable, no page behind it until it  │  resident  │    ││  guard   │
//!  │ no access│  is touched for the first time       │            │    ││          │
//!  └──────────┴──────────────────────────────────────┴────────────┴────┘└──────────┴────── …
//!  low        ▲                                      ▲    ◄────── ▲ ▲  high
//!             limit()                    high_water() ┘     grows │ end: a page boundary
//!                                                             top()
//!                                              0 to 23 lines below the end, so that the tops
//!                                              of many stacks do not share their cache sets
//! ```
//!
//! A stack is as large as its class from the day it is handed out: 16 KiB to 1 GiB of *address space*. Memory is another
//! matter: the kernel puts a page behind an address when it is first touched, so a stack grows in place, downwards, by
//! faults that nobody here handles, and never moves: `[never-moves]`. What lies under `limit()` is the guard: touching
//! it is a fault that [`locate`] recognises.
//!
//! # Where from
//!
//! Address space is reserved by the region: tens of thousands of slots of one class side by side in a single mapping. A
//! guard is a marker in the page table (`MADV_GUARD_INSTALL`, Linux 6.13), so a million guarded stacks are still one
//! mapping. Where the kernel cannot do that, guards are what they always were, a change of protection, and about 31,000
//! stacks is what `vm.max_map_count` allows: [`GuardKind`]. Nothing is made before it is needed: neither page nor page
//! table nor guard.
//!
//! # Who has it
//!
//! `[one-owner]` A stack has exactly one owner. [`Stack`] is that ownership: it can be neither copied nor forged in safe
//! code. The owner is whoever holds the `Stack`, or the pool, of which a [`Cache`] is one processor's private part, or,
//! for the microseconds it needs, [`scavenge`], which takes a stack out of the pool before it looks at it.
//!
//! # Where to
//!
//! A stack that comes back keeps its uppermost 16 KiB, which the next owner will want, and the pages under that go back
//! to the kernel:
//!
//! * at once, if the class is larger than 4 MiB;
//! * at every 64th return of the same stack, if it is smaller;
//! * when it has lain in the shared pool for a whole pass of [`scavenge`].
//!
//! After one more pass the uppermost pages go too, and the stack is as good as fresh: [`Stack::is_untouched`]. The
//! address space and its guard stay for ever.
//!
//! # Promises to the scheduler
//!
//! Nothing here allocates from the heap, prints, or knows what a goroutine is. Taking from and putting into a [`Cache`]
//! is neither lock nor system call when it hits. The locks behind it are plain mutexes, held for a few dozen
//! instructions and never across a system call, except the two that exist to serialise one: a thread must therefore not
//! be *preempted for good* inside this crate. [`locate`] alone may be called from a signal handler.

mod cache;
mod census;
mod error;
mod fault;
mod kernel;
mod layout;
mod pool;
mod region;
mod scavenge;
mod stack;

pub use cache::Cache;
pub use census::{Census, Footprint, census, footprint, resident};
pub use error::StackError;
pub use fault::{Place, in_use, locate};
pub use layout::{Class, HEADROOM, class_of};
pub use pool::{build_ahead, put, set_builder, take};
#[doc(hidden)]
pub use region::{DIRECTORY, Directory, Entry};
pub use region::{GuardKind, touched_first};
pub use scavenge::{Scavenged, scavenge};
pub use stack::{Stack, keep_at_least};

/// Doors for this crate's own tests; no part of its promise.
#[doc(hidden)]
pub mod testing {
    /// From now on guards are made by `mprotect`, as on a kernel without `MADV_GUARD_INSTALL`.
    ///
    /// Holds for regions reserved after the call: call it before the first stack is taken.
    pub fn force_mprotect() {
        crate::region::force_mapped_guards();
    }

    /// Whether the kernel can read the aligned word at `address`; never faults.
    #[must_use]
    pub fn readable(address: usize) -> bool {
        crate::kernel::readable(address)
    }
}
