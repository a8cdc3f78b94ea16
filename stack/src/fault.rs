//! "Is this fault mine?" Answered in a signal handler: no lock, no allocation, nothing but loads.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::Class;
use crate::region::{GUARDED, Region};

/// Where in the stacks an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The lowest usable address of the stack.
    pub limit: usize,
    /// Its top.
    pub top: usize,
    /// Whether the address is in the guard under the limit: the stack has overflowed, if its owner was running.
    pub guard: bool,
    /// The class of the stack.
    pub class: Class,
    /// A number that no other stack has.
    pub slot: u32,
    /// The stack's tag.
    pub tag: usize,
}

/// The stack that an address belongs to, if it was ever handed out.
///
/// Async-signal-safe. The guard belongs to the stack above it, as that is the one that would grow into it; whether it
/// has, the caller can tell by comparing with the stack it was running on. Stacks that lie in the pool are found as well.
#[must_use]
pub fn locate(address: usize) -> Option<Place> {
    let (region, offset) = Region::all().find_map(|region| Some((region, region.memory.offset_of(address)?)))?;
    let (slot, guard) = region.layout.locate(offset);
    let entry = region.slot(slot);
    // Acquire pairs with the release in `Region::build`.
    if entry.state.load(Acquire) & GUARDED == 0 {
        return None;
    }
    Some(Place {
        limit: region.memory.at(region.layout.usable(slot).start).addr(),
        top: region.memory.at(region.layout.top(slot)).addr(),
        guard,
        class: region.layout.class,
        slot: region.link_to(slot),
        tag: entry.tag.load(Relaxed),
    })
}
