//! Blocks copied from a donor: one `memcpy`, a list of corrections, one `malloc`.
//!
//! The copy is taken from the donor as it stands, not from an image put aside: libc knows the donor, and adds to it the
//! static thread-locals of libraries loaded later. Blocks laid after such a load have them too.
#![allow(unsafe_code, reason = "builds what libc takes for a thread descriptor")]

use core::ffi::c_void;
use core::ptr;
use core::slice;

use crate::TlsError;
use crate::donor::Donor;
use crate::extent::Extent;
use crate::image::{self, Recipe, Sight, Value};
use crate::late::Late;
use crate::tid;

/// A donor nobody ever runs on, and how to copy it.
#[derive(Debug)]
pub(crate) struct Pattern {
    donor: Donor,
    extent: Extent,
    recipe: Recipe,
    late: Late,
}

/// Where the psABI puts the pointer to the module vector, from the thread pointer: code the compiler emits relies on
/// it.
const VECTOR_FROM_TP: usize = if cfg!(target_arch = "x86_64") { 8 } else { 0 };
/// Bytes of the vector before the entry pointed to: glibc keeps the length there.
const HIDDEN: usize = 16;
/// More modules than this in a new thread's vector, and it is not the vector we take it for.
const MODULES_MAX: usize = 1 << 16;

impl Pattern {
    /// Learns to copy the first of three donors, in the order of their birth, from how they were seen.
    ///
    /// # Safety
    /// All are dead, and nobody ran on their blocks since.
    pub(crate) unsafe fn learn(
        donors: &[Donor; 3],
        mut sights: [Sight; 3],
        extent: Extent,
    ) -> Result<Self, String> {
        if cfg!(not(target_env = "gnu")) {
            return Err("only glibc's module vector is known".into());
        }
        for (sight, donor) in sights.iter_mut().zip(donors) {
            // SAFETY: this libc is glibc, whose threads have a vector with its length before it.
            sight.vector = unsafe { vector_words(donor.tp) }?.to_vec();
        }
        let vector_at = donors[0].top as usize - donors[0].tp as usize - VECTOR_FROM_TP;
        let recipe = image::explain(&sights, vector_at)?;
        let (from, to) = extent.room;
        let words = &sights[0].words;
        let late = Late::watch(&words[words.len() - from / 8..words.len() - to / 8]);
        Ok(Self { donor: donors[0], extent, recipe, late })
    }

    /// Lays a copy; the answer is its thread pointer.
    ///
    /// # Safety
    /// `[low, top)` is writable and nobody else's, `top` is aligned, the slot holds the block.
    pub(crate) unsafe fn lay(&self, low: *mut u8, top: *mut u8) -> Result<*mut u8, TlsError> {
        let Self { donor, extent, recipe, .. } = self;
        let place = |down: usize| top.wrapping_sub(down);
        let bytes = recipe.vector_words * size_of::<usize>();
        // SAFETY: malloc has no preconditions.
        let vector = unsafe { libc::malloc(bytes) }.cast::<usize>();
        if vector.is_null() {
            return Err(TlsError::NoMemory { bytes });
        }
        // SAFETY: the block is ours by contract and holds every place of the recipe, which lie within `extent.known`.
        // The donor is never run on; libc may write the room for later modules meanwhile, as it may in any thread, so
        // the copy is C's.
        unsafe {
            place(extent.size).write_bytes(0, extent.size - extent.known);
            libc::memcpy(place(extent.known).cast(), donor.top.sub(extent.known).cast(), extent.known);
            for fix in &recipe.fixes {
                let word = place(fix.at);
                match fix.value {
                    Value::Place(down) => word.cast::<usize>().write(place(down) as usize),
                    Value::Low => word.cast::<usize>().write(low as usize),
                    Value::Size => word.cast::<usize>().write(top as usize - low as usize),
                    Value::Tid => word.cast::<u32>().write(tid::fresh()),
                    Value::Null => word.cast::<usize>().write(0),
                }
            }
            // libc's vector of the donor: constant, since the donor never runs.
            let original = vector_of(donor.tp).byte_sub(HIDDEN);
            ptr::copy_nonoverlapping(original, vector, recipe.vector_words);
            for &(index, down) in &recipe.vector_fixes {
                vector.add(index).write(place(down) as usize);
            }
            place(recipe.vector_at).cast::<*mut usize>().write(vector.byte_add(HIDDEN));
        }
        Ok(place(donor.top as usize - donor.tp as usize))
    }

    /// The number of the latest change to the room for later modules.
    pub(crate) fn epoch(&self) -> u32 {
        self.late.epoch()
    }

    /// Looks for such changes.
    pub(crate) fn look(&self) -> u32 {
        // SAFETY: the donor's room is as large as it was, and is never unmapped.
        unsafe { self.late.look(self.donor.top.sub(self.extent.room.0).cast()) }
    }

    /// Brings a copy up to date.
    ///
    /// # Safety
    /// `tp` came from [`lay`](Self::lay), and nobody runs on it but perhaps the caller.
    pub(crate) unsafe fn catch_up(&self, tp: *mut u8, since: u32) -> u32 {
        let top = tp.wrapping_add(self.donor.top as usize - self.donor.tp as usize);
        // SAFETY: the copy's room is where the donor's is, and the caller's to write.
        unsafe { self.late.catch_up(top.sub(self.extent.room.0).cast(), since) }
    }
}

/// Frees what a copy has outside its slot, as libc does at a thread's end: what its modules loaded later, and the
/// vector.
///
/// # Safety
/// `tp` came from [`Pattern::lay`], nobody runs on it, and nobody will.
pub(crate) unsafe fn unlay(tp: *mut u8) {
    // SAFETY: the block is a glibc thread's. libc may have replaced the vector by a longer one, from malloc too; the
    // second word of each of its modules' entries is null or from malloc.
    unsafe {
        let vector = vector_of(tp);
        let modules = vector.byte_sub(HIDDEN).read();
        for module in 1..=modules {
            libc::free(vector.add(2 * module + 1).read() as *mut c_void);
        }
        libc::free(vector.byte_sub(HIDDEN).cast());
    }
}

/// The donors' known words.
///
/// # Safety
/// As for [`Pattern::learn`]; `extent` is theirs.
pub(crate) unsafe fn see(donors: &[Donor; 3], extent: Extent) -> [Sight; 3] {
    donors.map(|donor| Sight {
        low: donor.low as u64,
        top: donor.top as u64,
        tid: donor.tid,
        // SAFETY: `known` bytes below the top are the block's, by `Extent::observe`, and a multiple of words.
        words: unsafe { slice::from_raw_parts(donor.top.sub(extent.known).cast::<u64>(), extent.known / 8) }
            .to_vec(),
        vector: Vec::new(),
    })
}

/// # Safety
/// A glibc thread's block stands at `tp`.
unsafe fn vector_of(tp: *mut u8) -> *mut usize {
    // SAFETY: the word is where the psABI has it.
    unsafe { tp.add(VECTOR_FROM_TP).cast::<*mut usize>().read() }
}

/// The module vector's words with the hidden entry: length, generation, one entry for each module; two words each.
///
/// # Safety
/// A glibc thread's block stands at `tp` and outlives the answer.
unsafe fn vector_words<'a>(tp: *mut u8) -> Result<&'a [u64], String> {
    // SAFETY: passed on.
    let vector = unsafe { vector_of(tp) };
    if vector.is_null() || !vector.is_aligned() {
        return Err(format!("the module vector's address {vector:p} is none"));
    }
    // SAFETY: glibc keeps the length in the entry before.
    let modules = unsafe { vector.byte_sub(HIDDEN).read() };
    if !(1..MODULES_MAX).contains(&modules) {
        return Err(format!("the module vector's length {modules} is none"));
    }
    // SAFETY: that many entries, the generation's and the hidden one.
    Ok(unsafe { slice::from_raw_parts(vector.byte_sub(HIDDEN).cast::<u64>(), (modules + 2) * 2) })
}
