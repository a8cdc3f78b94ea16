//! Where debuggers find goroutines: one symbol, with a layout of its own, that says where everything else lies.
//!
//! A program is debugged without the types of this crate (release builds have line tables only), and a core file cannot be
//! asked anything. `inspect/gdb/gander.py` reads this.

use std::mem::offset_of;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use gander_arch::Context;
use gander_stack::{DIRECTORY, Directory};

use crate::g::G;
use crate::g::reason::WaitReason;
use crate::m::M;

/// Its order is what the script expects of version 1.
#[repr(C)]
struct Description {
    version: usize,
    directory: &'static Directory,
    /// Size and alignment of the thread-local block above each header in own mode; 0 in shared mode.
    block_bytes: AtomicUsize,
    block_align: AtomicUsize,
    header_bytes: usize,
    header_align: usize,
    /// Offsets in a header.
    id: usize,
    parent: usize,
    state: usize,
    reason: usize,
    name: usize,
    m: usize,
    pc: usize,
    sp: usize,
    fp: usize,
    /// Offset in an M.
    tid: usize,
    /// The words for reasons, a line each, made when the runtime starts.
    words: AtomicPtr<u8>,
    words_len: AtomicUsize,
}

#[cfg(target_arch = "x86_64")]
const FP: usize = offset_of!(Context, rbp);
#[cfg(target_arch = "aarch64")]
const FP: usize = offset_of!(Context, x29);

const CONTEXT: usize = offset_of!(G, context);

/// The name carries the version of the layout.
#[used]
#[unsafe(export_name = "gander_debugger_v1")]
static DESCRIPTION: Description = Description {
    version: 1,
    directory: &DIRECTORY,
    block_bytes: AtomicUsize::new(0),
    block_align: AtomicUsize::new(1),
    header_bytes: size_of::<G>(),
    header_align: if align_of::<G>() > 64 { align_of::<G>() } else { 64 },
    id: offset_of!(G, id),
    parent: offset_of!(G, parent),
    state: offset_of!(G, state),
    reason: offset_of!(G, reason),
    name: offset_of!(G, name),
    m: offset_of!(G, m),
    pc: CONTEXT + offset_of!(Context, pc),
    sp: CONTEXT + offset_of!(Context, sp),
    fp: CONTEXT + FP,
    tid: offset_of!(M, tid),
    words: AtomicPtr::new(std::ptr::null_mut()),
    words_len: AtomicUsize::new(0),
};

/// Completes the description when the runtime starts. `block`: size and alignment of thread-local blocks in own mode.
pub(crate) fn describe(block: Option<(usize, usize)>) {
    if let Some((bytes, align)) = block {
        DESCRIPTION.block_bytes.store(bytes, Ordering::Relaxed);
        DESCRIPTION.block_align.store(align, Ordering::Relaxed);
    }
    let words: Vec<String> = WaitReason::ALL.iter().map(WaitReason::to_string).collect();
    let words: &'static mut str = Box::leak(words.join("\n").into_boxed_str());
    DESCRIPTION.words_len.store(words.len(), Ordering::Relaxed);
    DESCRIPTION.words.store(words.as_mut_ptr(), Ordering::Release);
}
