//! How far a block reaches: the static thread-locals, libc's room for later ones, and the descriptor.
//!
//! ```text
//!            x86_64                                   aarch64
//! top  ─►┌──────────────────────┐          top  ─►┌──────────────────────┐
//!        │ thread descriptor    │                 │ room for later ones  │
//! tp   ─►├──────────────────────┤ = handle        │ thread-locals        │
//!        │ thread-locals        │            tp ─►├──────────────────────┤
//! used ─►├──────────────────────┤                 │ thread descriptor    │
//!        │ room for later ones  │       handle ─► ├──────────────────────┤ = used = low end
//! low  ─►├──────────────────────┤                 │ donor's frames       │
//!  end   │ donor's frames       │                 └──────────────────────┘
//!        └──────────────────────┘
//! ```
//! On aarch64 the low end is the handle. On x86_64 libc's own figure gives it, if it agrees with what was observed; if
//! there is none, the stack pointer of the donor's first instruction serves: some 300 bytes more, and nothing is
//! known of the words between it and the lowest module.

use core::ops::Range;

use crate::TlsError;
use crate::donor::Donor;
use crate::scratch::page;
use crate::weak::{Module, modules, static_size_hint};

/// The measures of a block, counted down from its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes of the block: a multiple of `align`.
    pub(crate) size: usize,
    /// What `top` must be a multiple of.
    pub(crate) align: usize,
    /// Bytes whose meaning is known: all of the block's, or those from the lowest module upwards.
    pub(crate) known: usize,
    /// Where the room for later modules begins and ends, both counted down from the top, in whole words: the first is
    /// the larger.
    pub(crate) room: (usize, usize),
}

/// Least alignment: a cache line, and what descriptors have in all libcs we know.
const LEAST_ALIGN: usize = 64;

impl Extent {
    /// `native` is the calling thread's pointer; `use_hint`: whether libc's own figure may be believed.
    pub(crate) fn observe(donor: &Donor, native: usize, use_hint: bool) -> Result<Self, TlsError> {
        let (top, tp, frame) = (donor.top as usize, donor.tp as usize, donor.frame as usize);
        if !(frame..top).contains(&tp) || frame < donor.low as usize || !(frame..top).contains(&donor.handle) {
            return unsound("libc keeps the thread descriptor outside of the stack it was given".into());
        }
        // Where the modules of the static block are, from the thread pointer; others are on the heap.
        let window = frame.wrapping_sub(tp).cast_signed()..(top - tp).cast_signed();
        let modules: Vec<_> = modules().into_iter().filter_map(|m| Part::of(m, native, &window)).collect();
        let used = modules.iter().fold(0..0, |all, m| all.start.min(m.from)..all.end.max(m.to));
        let hint = if use_hint { static_size_hint() } else { None };
        let align = modules.iter().map(|m| m.align).fold(LEAST_ALIGN, usize::max);
        let align = hint.map_or(align, |(_, a)| align.max(a));
        if align > page() {
            return unsound(format!("a thread-local wants an alignment of {align}, more than a page"));
        }
        let lowest = tp.wrapping_add_signed(used.start).min(donor.handle) & !7;
        let highest = tp.wrapping_add_signed(used.end).next_multiple_of(8);
        let exact = if ROOM_ABOVE {
            Some(lowest)
        } else {
            hint.map(|(size, align)| top - size.next_multiple_of(align))
                .filter(|low| (frame..=lowest).contains(low))
        };
        let size = (top - exact.unwrap_or(frame)).next_multiple_of(align);
        let known = top - exact.unwrap_or(lowest);
        let room = if ROOM_ABOVE { (top - highest, 0) } else { (known, top - lowest) };
        Ok(Self { size, align, known, room })
    }
}

/// aarch64 (variant I of the ELF document) has thread-locals above the thread pointer, x86_64 (variant II) below.
const ROOM_ABOVE: bool = cfg!(target_arch = "aarch64");

/// A module's part of the static block, from the thread pointer.
struct Part {
    from: isize,
    to: isize,
    align: usize,
}

impl Part {
    fn of(module: Module, native: usize, window: &Range<isize>) -> Option<Self> {
        let from = module.start.wrapping_sub(native).cast_signed();
        let to = from.saturating_add_unsigned(module.size);
        let here = module.start != 0 && window.contains(&from) && to <= window.end;
        here.then_some(Self { from, to, align: module.align })
    }
}

fn unsound<T>(what: String) -> Result<T, TlsError> {
    Err(TlsError::Unsound { what })
}
