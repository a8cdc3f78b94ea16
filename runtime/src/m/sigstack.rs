//! The stack on which a worker's signal handlers run.

use std::io;

use memmap2::MmapMut;

/// Unused pages cost nothing, and the report of an overflow symbolises a backtrace there, which is deep.
const SIZE: usize = 256 << 10;

/// What a new thread takes besides: its stack (std's default), and what std maps by itself when the thread begins (a
/// signal stack that ours replaces). std aborts the process when there is no room for the latter.
const THREAD: usize = (2 << 20) + (128 << 10);

/// Memory for the signal stack of a thread yet to be started, and the certainty that there is some for the thread.
///
/// # Errors
/// The address space or the number of mappings is used up.
pub(crate) fn reserve() -> io::Result<MmapMut> {
    let map = |len| memmap2::MmapOptions::new().len(len).no_reserve_swap().map_anon();
    let memory = map(SIZE)?;
    // Held for a moment only, for the thread maps the same by itself.
    drop(map(THREAD)?);
    Ok(memory)
}

/// Gives the calling thread an alternate signal stack of its own, until [`remove`].
///
/// Goroutine stacks keep no reserve for signal frames, and an overflow of one has to be reported from somewhere.
pub(crate) fn install(memory: &mut MmapMut) {
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: SIZE };
    // SAFETY: the memory is the caller's to keep until `remove`.
    let code = unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
    // It refuses only a stack that is too small, and a thread that is on its own just now.
    assert_eq!(code, 0, "sigaltstack: {}", io::Error::last_os_error());
}

/// Takes the calling thread's alternate stack out of use.
pub(crate) fn remove(memory: MmapMut) {
    let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: we are not on it.
    unsafe {
        libc::sigaltstack(&none, std::ptr::null_mut());
    }
    drop(memory);
}
