//! The stack on which a worker's signal handlers run.

use std::io;

use memmap2::MmapMut;

/// Gives the calling thread an alternate signal stack of its own, for good.
///
/// Goroutine stacks keep no reserve for signal frames, and an overflow of one has to be reported from somewhere.
/// The report symbolises a backtrace there, which is deep; unused pages cost nothing.
pub(crate) fn install() -> io::Result<MmapMut> {
    const SIZE: usize = 256 << 10;
    let mut memory = memmap2::MmapOptions::new().len(SIZE).no_reserve_swap().map_anon()?;
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: SIZE };
    // SAFETY: the memory is the caller's to keep until `remove`.
    if unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) } == 0 {
        Ok(memory)
    } else {
        Err(io::Error::last_os_error())
    }
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
