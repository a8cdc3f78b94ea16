//! "Is this fault mine?", and which stacks there are. Answered in a signal handler: no lock, no allocation, nothing but
//! loads.

use core::sync::atomic::Ordering::Acquire;

use crate::Class;
use crate::region::{GUARDED, Region, SHELVED};

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
    // Acquire pairs with the release in `Region::build`.
    if region.slot(slot).state.load(Acquire) & GUARDED == 0 {
        return None;
    }
    Some(place(region, slot, guard))
}

/// All stacks that somebody may have: that were ever handed out and do not lie in the shared pool. Those that a
/// [`Cache`](crate::Cache) keeps are among them.
///
/// Async-signal-safe. Stacks come and go meanwhile; their address space does not, so what lies between `limit` and `top`
/// can be read at any time: it is what the owner has there, or zeros.
pub fn in_use() -> impl Iterator<Item = Place> {
    Region::all().flat_map(|region| {
        region.reached().filter_map(move |slot| {
            // Acquire pairs with the release in `Region::build`.
            let state = region.slot(slot).state.load(Acquire);
            (state & GUARDED != 0 && state & SHELVED == 0).then(|| place(region, slot, false))
        })
    })
}

fn place(region: &Region, slot: u32, guard: bool) -> Place {
    Place {
        limit: region.memory.at(region.layout.usable(slot).start).addr(),
        top: region.memory.at(region.layout.top(slot)).addr(),
        guard,
        class: region.layout.class,
        slot: region.link_to(slot),
        tag: region.slot(slot).tag.load(Acquire),
    }
}
