//! Learning: three donors, a comparison, a trial.
#![allow(unsafe_code, reason = "looks into libc's blocks")]

use core::ops::Range;

use crate::clone::{self, Pattern};
use crate::donor::{self, Donor, Report};
use crate::extent::Extent;
use crate::model::{Making, Marks, Model};
use crate::scratch::{Slot, page, stack_min};
use crate::weak::{self, Rseq};
use crate::{ThreadPointer, TlsError, image, selftest};

/// Donors to compare. See [`image`].
const DONORS: usize = 3;
/// A thread with a stack of its own that is born between our donors breaks their chain: not a reason to give up at
/// once.
const ATTEMPTS: usize = 5;
/// Address space of a scratch slot, besides what the program's thread-locals take. Not touched, so free of cost.
const SCRATCH: usize = 512 << 10;

/// What may be used. All of it, but in tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    pub(crate) clones: bool,
    /// libc's own figure for the size.
    pub(crate) hint: bool,
}

impl Ways {
    pub(crate) const ALL: Self = Self { clones: true, hint: true };
}

pub(crate) fn find_out(ways: Ways) -> Result<Model, TlsError> {
    let rseq = weak::rseq();
    let (donors, extent, marks, pattern) = compare(ways, rseq)?;
    let mut model = Model { extent, rseq, marks, making: Making::Donor(String::new()) };
    for donor in &donors {
        // SAFETY: they were made by `donate`, and nobody else knows them.
        unsafe { model.adopt(donor) };
    }
    // The last donor is the one to try: the first is the pattern, and nobody ever runs on that.
    let tried = &donors[DONORS - 1];
    // SAFETY: a whole block, and nobody's.
    unsafe { selftest::run(tried.tp, block(&model, tried.top)) }?;
    let pattern = pattern.and_then(|pattern| try_clone(&model, &pattern).map(|()| pattern));
    model.making = pattern.map_or_else(Making::Donor, Making::Clone);
    Ok(model)
}

/// Makes donors until they explain each other, and gives up the clones, not the donors, if they do not.
#[expect(clippy::type_complexity, reason = "taken apart at once, by the only caller")]
fn compare(
    ways: Ways,
    rseq: Option<Rseq>,
) -> Result<([Donor; DONORS], Extent, Marks, Result<Pattern, String>), TlsError> {
    let mut attempt = 1;
    loop {
        let (donors, extent) = donate(ways, rseq)?;
        // SAFETY: `donate` made them; nobody else knows them.
        let sights = unsafe { clone::see(&donors, extent) };
        let marks = Marks { tids: image::tid_places(&sights), frames: image::frame_places(&sights) };
        if marks.tids.is_empty() {
            return unsound(
                "libc's note of the thread id is not in the descriptor, \
                 so mutexes would confuse goroutines"
                    .into(),
            );
        }
        let pattern = if ways.clones {
            // SAFETY: as above.
            unsafe { Pattern::learn(&donors, sights, extent) }
        } else {
            Err("asked for".into())
        };
        let hopeless = !ways.clones || cfg!(not(target_env = "gnu"));
        if pattern.is_ok() || hopeless || attempt == ATTEMPTS {
            return Ok((donors, extent, marks, pattern));
        }
        attempt += 1;
    }
}

/// Three donors in the order of their birth, on slots of different sizes, without traces of rseq, and their common
/// extent.
fn donate(ways: Ways, rseq: Option<Rseq>) -> Result<([Donor; DONORS], Extent), TlsError> {
    // All slots first: the donors shall follow one another closely.
    let slots = [Slot::map(scratch_bytes(0))?, Slot::map(scratch_bytes(1))?, Slot::map(scratch_bytes(2))?];
    let mut report = Report::new();
    // SAFETY: each slot is fresh, given once, and never unmapped.
    let mut donate = |slot: &Slot| unsafe { donor::make(slot.low, slot.top, &mut report) };
    let donors = [donate(&slots[0])?, donate(&slots[1])?, donate(&slots[2])?];
    for donor in &donors {
        // SAFETY: it is dead, and nobody's.
        unsafe { donor::unregister_rseq(donor, rseq) };
    }
    let native = ThreadPointer::current().as_ptr() as usize;
    let measure = |donor| Extent::observe(donor, native, ways.hint);
    let extents = [measure(&donors[0])?, measure(&donors[1])?, measure(&donors[2])?];
    let shape = |d: &Donor| (d.top as usize - d.tp as usize, d.handle.wrapping_sub(d.tp as usize));
    if extents.iter().any(|e| *e != extents[0]) || donors.iter().any(|d| shape(d) != shape(&donors[0])) {
        return unsound(format!("libc lays blocks differently each time: {donors:x?}"));
    }
    Ok((donors, extents[0]))
}

/// Lays a clone and tries it.
fn try_clone(model: &Model, pattern: &Pattern) -> Result<(), String> {
    let slot = Slot::map(scratch_bytes(0)).map_err(|e| e.to_string())?;
    // SAFETY: the slot is ours, page-aligned, and larger than a block.
    let tp = unsafe { pattern.lay(slot.low, slot.top) }.map_err(|e| e.to_string())?;
    // SAFETY: a whole block, and nobody's.
    unsafe { selftest::run(tp, block(model, slot.top)) }.map_err(|e| e.to_string())?;
    // SAFETY: the test is over, and its thread joined.
    unsafe {
        clone::unlay(tp);
        slot.unmap();
    }
    Ok(())
}

fn block(model: &Model, top: *mut u8) -> Range<usize> {
    top as usize - model.size()..top as usize
}

/// Bytes of a scratch slot: enough for any program's thread-locals twice over, and no two the same, so that sizes can
/// be told from other numbers.
fn scratch_bytes(nth: usize) -> usize {
    let locals: usize = weak::modules().iter().map(|m| m.size + m.align).sum();
    (SCRATCH + stack_min() + 2 * locals).next_multiple_of(page()) + (2 * nth + 1) * page()
}

fn unsound<T>(what: String) -> Result<T, TlsError> {
    Err(TlsError::Unsound { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_hint_the_block_is_a_little_larger() {
        let exact = Model::learn().unwrap();
        let rough = find_out(Ways { hint: false, ..Ways::ALL }).unwrap();
        println!("{} bytes with the hint, {} without; {}", exact.size(), rough.size(), rough.maker());
        assert!((exact.size()..exact.size() + 1024).contains(&rough.size()));
        assert_eq!(rough.maker(), exact.maker());
    }
}
