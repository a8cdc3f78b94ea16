//! Slots of our own, to learn on before any goroutine exists.
#![allow(unsafe_code, reason = "maps and unmaps memory")]

use core::ptr;

use crate::TlsError;

/// Address space to make a block on. Kept when dropped: most have a donor on them, which libc keeps for ever. Only
/// touched pages cost.
pub(crate) struct Slot {
    pub(crate) low: *mut u8,
    pub(crate) top: *mut u8,
}

impl Slot {
    pub(crate) fn map(bytes: usize) -> Result<Self, TlsError> {
        // SAFETY: a fresh anonymous mapping disturbs nobody.
        let low = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if low == libc::MAP_FAILED {
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
            return Err(TlsError::Map { bytes, errno });
        }
        let low = low.cast::<u8>();
        // A huge page for the sake of its last 8 KiB would be a waste; a refusal (no such feature) is no harm.
        // SAFETY: the range was mapped just now.
        unsafe { libc::madvise(low.cast(), bytes, libc::MADV_NOHUGEPAGE) };
        Ok(Self { low, top: low.wrapping_add(bytes) })
    }

    /// # Safety
    /// Nobody uses the slot, and no donor ever lived on it.
    pub(crate) unsafe fn unmap(self) {
        // SAFETY: exactly the range of `map`; unused by the contract.
        unsafe { libc::munmap(self.low.cast(), self.top as usize - self.low as usize) };
    }
}

pub(crate) fn page() -> usize {
    // SAFETY: sysconf has no preconditions.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// The least stack that libc accepts for a thread.
pub(crate) fn stack_min() -> usize {
    // SAFETY: sysconf has no preconditions.
    let asked = unsafe { libc::sysconf(libc::_SC_THREAD_STACK_MIN) };
    usize::try_from(asked).unwrap_or(0).max(libc::PTHREAD_STACK_MIN)
}
