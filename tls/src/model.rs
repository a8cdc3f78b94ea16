//! What was learnt about blocks here, and the choice between the two makers.
#![allow(unsafe_code, reason = "hands memory over to libc for good")]

use core::fmt;
use std::sync::OnceLock;

use crate::clone::{self, Pattern};
use crate::donor::{self, Donor, Report};
use crate::extent::Extent;
use crate::learn::{Ways, find_out};
use crate::scratch::stack_min;
use crate::weak::Rseq;
use crate::{ThreadPointer, TlsError, tid};

/// Who makes the blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Each is a copy of one that libc made: about 2 µs.
    Clone,
    /// Each is made by libc, by a thread that ends at once: 35 to 60 µs, and the slot's pages are libc's for ever.
    Donor {
        /// Why copies were not trusted.
        why: String,
    },
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clone => f.write_str("clone"),
            Self::Donor { why } => write!(f, "donor ({why})"),
        }
    }
}

/// What [`learn`](Model::learn) found out about thread-local blocks in this process.
#[derive(Debug)]
pub struct Model {
    pub(crate) extent: Extent,
    pub(crate) rseq: Option<Rseq>,
    pub(crate) marks: Marks,
    pub(crate) making: Making,
}

/// What of a donor must not stay. Places, counted down from the top.
#[derive(Debug)]
pub(crate) struct Marks {
    /// Four bytes: the kernel's name for the thread.
    pub(crate) tids: Vec<usize>,
    /// Pointers into the frames it had.
    pub(crate) frames: Vec<usize>,
}

#[derive(Debug)]
pub(crate) enum Making {
    Clone(Pattern),
    Donor(String),
}

// SAFETY: its pointers lead to a donor that is never run on and never freed; all that is done with them is to read.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

/// What libc wants besides static thread-locals on a stack it is given.
const DONOR_REST: usize = 4096;

impl Model {
    /// Learns how blocks look here and tries them; once in a process, about a millisecond.
    ///
    /// # Errors
    /// [`TlsError`] if own mode cannot hold here, with the reason. The answer is kept: it will not change.
    pub fn learn() -> Result<&'static Self, TlsError> {
        static MODEL: OnceLock<Result<Model, TlsError>> = OnceLock::new();
        MODEL.get_or_init(|| find_out(Ways::ALL)).as_ref().map_err(Clone::clone)
    }

    /// As [`learn`](Self::learn), but without the faster maker, and anew with every call: for tests and comparisons.
    /// It never ends, as donors do not.
    ///
    /// # Errors
    /// As for [`learn`](Self::learn).
    pub fn learn_donors_only() -> Result<&'static Self, TlsError> {
        // First the other one, which donors made at the same time would disturb.
        let _ = Self::learn();
        find_out(Ways { clones: false, ..Ways::ALL }).map(|model| &*Box::leak(Box::new(model)))
    }

    /// Bytes that a block takes, `[top - size, top)`: a multiple of [`align`](Self::align).
    #[must_use]
    pub fn size(&self) -> usize {
        self.extent.size
    }

    /// What the top of a slot must be a multiple of: 64 or more.
    #[must_use]
    pub fn align(&self) -> usize {
        self.extent.align
    }

    /// Bytes that a slot must have for [`lay`](Self::lay). Donors need more than [`size`](Self::size): libc insists on
    /// a stack.
    #[must_use]
    pub fn slot_min(&self) -> usize {
        match self.making {
            Making::Clone(_) => self.size(),
            Making::Donor(_) => stack_min().max(self.size() + DONOR_REST),
        }
    }

    /// Who makes the blocks, for reports.
    #[must_use]
    pub fn maker(&self) -> Maker {
        match &self.making {
            Making::Clone(_) => Maker::Clone,
            Making::Donor(why) => Maker::Donor { why: why.clone() },
        }
    }

    /// Lays a block on `[top - size, top)` of the slot `[low, top)`. What was there before does not matter.
    ///
    /// libc takes `[low, top)` for the stack of the block's thread. A donor also runs on the slot for a moment, and
    /// touches some 2 KiB below the block. Calls `malloc`, or `pthread_create`, on the block of the caller.
    ///
    /// # Safety
    /// The slot is mapped, writable, and nobody else's. Nothing but a goroutine on this block's thread pointer writes
    /// `[top - size, top)` from now on: until [`unlay`](Self::unlay) answers `true`, and for ever where it answers
    /// `false`.
    ///
    /// # Errors
    /// [`TlsError`] names what was missing; the slot is then as before, or its contents are lost.
    pub unsafe fn lay(&self, low: *mut u8, top: *mut u8) -> Result<ThreadPointer, TlsError> {
        let (have, need) = ((top as usize).saturating_sub(low as usize), self.slot_min());
        if !(top as usize).is_multiple_of(self.align()) {
            return Err(TlsError::Misaligned { top: top as usize, align: self.align() });
        }
        if have < need {
            return Err(TlsError::SlotTooSmall { have, need });
        }
        match &self.making {
            // SAFETY: the slot is the caller's to give, and was measured above.
            Making::Clone(pattern) => unsafe { pattern.lay(low, top) },
            Making::Donor(_) => {
                // SAFETY: as above; it stays mapped by the contract.
                let donor = unsafe { donor::make(low, top, &mut Report::new()) }?;
                // SAFETY: dead, and its block is nobody's but ours.
                unsafe { self.adopt(&donor) };
                Ok(donor.tp)
            }
        }
        .map(ThreadPointer::from_raw)
    }

    /// Frees what a block has outside of its slot, whose pages are to be given back. `false` for donors: libc will read
    /// and write their blocks as long as the process lives, so the slot must stay as it is.
    ///
    /// Caches that `malloc` made for the block are not among it: see the crate's page.
    ///
    /// # Safety
    /// The block is from [`lay`](Self::lay) of this model, nobody runs on it, and after `true` nobody ever will. Called
    /// on another block.
    pub unsafe fn unlay(&self, tp: ThreadPointer) -> bool {
        match &self.making {
            Making::Clone(_) => {
                // SAFETY: passed on; this model laid it, and lays clones only.
                unsafe { clone::unlay(tp.as_ptr()) };
                true
            }
            Making::Donor(_) => false,
        }
    }

    /// How often a library has brought static thread-locals since [`learn`](Self::learn), as far as was noticed. One
    /// load: cheap enough to ask at each switch. To be noted with a block *before* it is laid, and handed to
    /// [`catch_up`](Self::catch_up).
    #[inline]
    #[must_use]
    pub fn epoch(&self) -> u32 {
        match &self.making {
            Making::Clone(pattern) => pattern.epoch(),
            Making::Donor(_) => 0, // libc keeps donors up to date itself
        }
    }

    /// Looks whether libraries brought static thread-locals, and answers with the [`epoch`](Self::epoch) that then is.
    /// To be called after each `dlopen`, or now and then: it compares some 2 KiB.
    pub fn notice_libraries(&self) -> u32 {
        match &self.making {
            Making::Clone(pattern) => pattern.look(),
            Making::Donor(_) => 0,
        }
    }

    /// Brings a block that is as of the epoch `since` up to date, and answers with its epoch from now on.
    ///
    /// # Safety
    /// The block is from [`lay`](Self::lay) of this model, and nobody runs on it, or the caller does.
    pub unsafe fn catch_up(&self, tp: ThreadPointer, since: u32) -> u32 {
        match &self.making {
            // SAFETY: passed on; this model laid it, and lays clones only.
            Making::Clone(pattern) => unsafe { pattern.catch_up(tp.as_ptr(), since) },
            Making::Donor(_) => 0,
        }
    }

    /// Makes a donor's block fit for goroutines.
    ///
    /// # Safety
    /// The donor is dead, nobody runs on its block, and it was made on a slot like those that were learnt from.
    pub(crate) unsafe fn adopt(&self, donor: &Donor) {
        let Marks { tids, frames } = &self.marks;
        // SAFETY: passed on; the places were found in blocks of the same layout.
        unsafe {
            donor::unregister_rseq(donor, self.rseq);
            for &place in tids {
                donor.top.sub(place).cast::<u32>().write(tid::fresh());
            }
            for &place in frames {
                donor.top.sub(place).cast::<usize>().write(0);
            }
        }
    }
}
