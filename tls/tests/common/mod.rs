//! Slots and blocks for the tests.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::ops::Range;
use std::ptr;

use gander_tls::{Maker, Model, ThreadPointer, TlsError};

/// Slots side by side, kept for ever: donors may live on them.
pub struct Slots {
    base: *mut u8,
    each: usize,
}

impl Slots {
    pub fn map(count: usize, each: usize) -> Self {
        let bytes = count * each;
        // SAFETY: a fresh anonymous mapping.
        let base = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let base = libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            libc::madvise(base, bytes, libc::MADV_NOHUGEPAGE);
            base
        };
        Self { base: base.cast(), each }
    }

    /// Lays a block on the slot.
    pub fn lay(&self, model: &Model, nth: usize) -> Result<Block, TlsError> {
        let low = self.base.wrapping_add(nth * self.each);
        let top = low.wrapping_add(self.each);
        // SAFETY: the slot is ours, and never unmapped.
        let tp = unsafe { model.lay(low, top) }?;
        Ok(Block { tp, slot: low as usize..top as usize, range: top as usize - model.size()..top as usize })
    }
}

/// A block and where it is.
#[derive(Clone)]
pub struct Block {
    pub tp: ThreadPointer,
    pub slot: Range<usize>,
    pub range: Range<usize>,
}

impl Block {
    /// Runs `f` on the block.
    pub fn on<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: each test runs on its blocks from one thread at a time, and returns plain values.
        unsafe { self.tp.visit(f) }
    }
}

/// Runs `test` with fresh blocks of each maker.
pub fn with_both_makers<const N: usize>(test: impl Fn(&Maker, &[Block; N])) {
    for model in [Model::learn().unwrap(), Model::learn_donors_only().unwrap()] {
        let slots = Slots::map(N, 512 << 10);
        let blocks = std::array::from_fn(|nth| slots.lay(model, nth).unwrap());
        test(&model.maker(), &blocks);
    }
}
