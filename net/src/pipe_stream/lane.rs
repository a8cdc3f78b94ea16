//! One direction of a connection in memory: what the writer offers, and how much of it the reader has taken.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gander_runtime::WaitReason;
use gander_runtime::lock::Lock;

use crate::bell::Bell;

/// One direction.
pub(super) struct Lane {
    part: Lock<Part>,
    pub(super) writer_is_gone: AtomicBool,
    pub(super) reader_is_gone: AtomicBool,
    /// Rung for the reader, and for the writer.
    pub(super) to_reader: Bell,
    pub(super) to_writer: Bell,
}

/// What the writer offers.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    taken: usize,
}

impl Lane {
    pub(super) fn new() -> Arc<Lane> {
        Arc::new(Lane {
            part: Lock::new(Part::default()),
            writer_is_gone: AtomicBool::new(false),
            reader_is_gone: AtomicBool::new(false),
            to_reader: Bell::new(WaitReason::ChanReceive),
            to_writer: Bell::new(WaitReason::ChanSend),
        })
    }

    /// Takes what fits, none if nothing is offered. Whether all that was offered is taken now.
    pub(super) fn take(&self, buf: &mut [u8]) -> Option<usize> {
        let mut part = self.part.lock();
        let left = &part.bytes[part.taken..];
        let len = left.len().min(buf.len());
        buf[..len].copy_from_slice(&left[..len]);
        part.taken += len;
        let (has_some, is_empty) = (len > 0, part.taken == part.bytes.len());
        drop(part);
        if has_some && is_empty {
            self.to_writer.ring();
        }
        has_some.then_some(len)
    }

    pub(super) fn offer(&self, bytes: Vec<u8>) {
        let before = std::mem::replace(&mut *self.part.lock(), Part { bytes, taken: 0 });
        debug_assert_eq!(before.taken, before.bytes.len(), "one writer at a time");
        self.to_reader.ring();
    }

    pub(super) fn is_taken(&self) -> bool {
        let part = self.part.lock();
        part.taken == part.bytes.len()
    }

    /// Takes the offer back. How much of it was taken before.
    pub(super) fn withdraw(&self) -> usize {
        let part = std::mem::take(&mut *self.part.lock());
        part.taken
    }
}
