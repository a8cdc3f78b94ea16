#![allow(unsafe_code, reason = "memory is asked of the kernel here, and nowhere else")]
//! What is asked of the kernel: every memory system call of this crate, and none of its book-keeping.

use core::ffi::{CStr, c_int};
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};
use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;

use memmap2::MmapOptions;

/// An error number, as the kernel gave it.
pub(crate) type Errno = i32;

/// `MADV_GUARD_INSTALL`: the pages of the range fault from now on, without a mapping of their own. Linux 6.13.
const GUARD_INSTALL: c_int = 102;

/// A range of address space, all ours, of which nothing can be touched until it is opened.
///
/// Reserved without access, because that is free: it counts against `RLIMIT_AS` only, and neither against the commit
/// limit (`vm.overcommit_memory=2`) nor against `RLIMIT_DATA`, and `mlockall(MCL_FUTURE)` does not fill it with pages.
pub(crate) struct Reservation {
    base: AtomicPtr<u8>,
    len: usize,
}

impl Reservation {
    pub(crate) fn new(len: usize, name: &CStr) -> Result<Reservation, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nobody.
        let base = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(errno());
        }
        // A huge page would make the first touch of one stack cost 2 MiB. The name is for readers of /proc/self/maps.
        // Kernels built without the one or the other answer EINVAL, and nothing is lost.
        // SAFETY: the range is the mapping just made; neither call changes what it holds. The kernel copies the name.
        unsafe {
            libc::madvise(base, len, libc::MADV_NOHUGEPAGE);
            let what = libc::PR_SET_VMA_ANON_NAME as libc::c_ulong;
            libc::prctl(libc::PR_SET_VMA, what, base, len, name.as_ptr());
        }
        Ok(Reservation { base: AtomicPtr::new(base.cast()), len })
    }

    /// The address at an offset; the offset must not be beyond the end.
    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.len);
        self.base.load(Relaxed).wrapping_add(offset)
    }

    /// The offset of an address, if it is one of ours.
    pub(crate) fn offset_of(&self, address: usize) -> Option<usize> {
        let offset = address.wrapping_sub(self.base.load(Relaxed).addr());
        (offset < self.len).then_some(offset)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes the range readable and writable. What it holds does not change.
    pub(crate) fn open(&self, range: Range<usize>) -> Result<(), Errno> {
        // SAFETY: in this reservation; access that was not there before hurts nobody.
        unsafe { self.protect(range, libc::PROT_READ | libc::PROT_WRITE) }
    }

    /// Takes all access to the range away, at the price of a mapping.
    ///
    /// # Safety
    ///
    /// Nobody uses the range.
    pub(crate) unsafe fn close(&self, range: Range<usize>) -> Result<(), Errno> {
        // SAFETY: the caller's word.
        unsafe { self.protect(range, libc::PROT_NONE) }
    }

    /// Makes the range fault by markers in the page table, at no price. What it held is lost.
    ///
    /// # Safety
    ///
    /// Nobody uses the range.
    pub(crate) unsafe fn mark(&self, range: Range<usize>) -> Result<(), Errno> {
        // SAFETY: the caller's word.
        unsafe { self.advise(range, GUARD_INSTALL) }
    }

    /// [`mark`](Self::mark) for several ranges in one system call. Says how many were marked, from the first on: none
    /// where the kernel has no such call for the process itself (Linux before 6.13, a strict sandbox).
    ///
    /// # Safety
    ///
    /// Nobody uses any of the ranges.
    pub(crate) unsafe fn mark_all(&self, ranges: &[Range<usize>]) -> usize {
        // SAFETY: the caller's word.
        unsafe { self.advise_all(ranges, GUARD_INSTALL) }
    }

    /// Puts a page behind every address of several ranges, in one system call: a fault for each would cost about twice
    /// that. A hint: where it fails, the pages come with the first touch, as ever.
    pub(crate) fn populate_all(&self, ranges: &[Range<usize>]) {
        // SAFETY: what the ranges hold does not change.
        unsafe { self.advise_all(ranges, libc::MADV_POPULATE_WRITE) };
    }

    /// Gives one piece of advice for several ranges, at most [`BATCH_MOST`]. Says for how many it was taken, from the
    /// first on.
    ///
    /// # Safety
    ///
    /// As the advice asks.
    unsafe fn advise_all(&self, ranges: &[Range<usize>], advice: c_int) -> usize {
        let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH_MOST];
        let Some(process) = this_process() else { return 0 };
        let ranges = &ranges[..ranges.len().min(BATCH_MOST)];
        for (vector, range) in vectors.iter_mut().zip(ranges) {
            *vector = libc::iovec { iov_base: self.checked(range).cast(), iov_len: range.len() };
        }
        // SAFETY: in this reservation, as just checked; otherwise the caller's word. The kernel reads the vectors.
        let done =
            unsafe { libc::syscall(libc::SYS_process_madvise, process, vectors.as_ptr(), ranges.len(), advice, 0) };
        // It counts bytes, and stops at the first range that fails.
        let mut done = usize::try_from(done).unwrap_or(0);
        ranges
            .iter()
            .take_while(|range| {
                let whole = done >= range.len();
                done = done.saturating_sub(range.len());
                whole
            })
            .count()
    }

    /// Gives the pages of the range back; it reads as zeros afterwards.
    ///
    /// # Safety
    ///
    /// Nobody needs what the range holds.
    pub(crate) unsafe fn give_back(&self, range: Range<usize>) -> Result<(), Errno> {
        // SAFETY: the caller's word.
        unsafe { self.advise(range, libc::MADV_DONTNEED) }
    }

    unsafe fn protect(&self, range: Range<usize>, access: c_int) -> Result<(), Errno> {
        let base = self.checked(&range);
        // SAFETY: in this reservation, as just checked; otherwise the caller's word.
        done(unsafe { libc::mprotect(base.cast(), range.len(), access) })
    }

    unsafe fn advise(&self, range: Range<usize>, advice: c_int) -> Result<(), Errno> {
        let base = self.checked(&range);
        // SAFETY: in this reservation, as just checked; otherwise the caller's word.
        done(unsafe { libc::madvise(base.cast(), range.len(), advice) })
    }

    fn checked(&self, range: &Range<usize>) -> *mut u8 {
        assert!(range.start <= range.end && range.end <= self.len, "a range outside of its reservation");
        self.at(range.start)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone. Only a reservation that no region came to be of is dropped, so nobody was
        // ever told an address in it.
        unsafe { libc::munmap(self.at(0).cast(), self.len) };
    }
}

/// How many ranges [`Reservation::mark_all`] takes at once.
pub(crate) const BATCH_MOST: usize = 16;

/// A descriptor of this process, as `process_madvise` wants one; none if it cannot be had.
fn this_process() -> Option<c_int> {
    static PROCESS: OnceLock<Option<(libc::pid_t, c_int)>> = OnceLock::new();
    // SAFETY: asks for a number.
    let pid = unsafe { libc::getpid() };
    let opened = PROCESS.get_or_init(|| {
        // SAFETY: makes a descriptor, closed at exec.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        Some((pid, c_int::try_from(descriptor).ok().filter(|&descriptor| descriptor >= 0)?))
    });
    // In a forked child it would be the parent's memory that is marked.
    opened.filter(|&(of, _)| of == pid).map(|(_, descriptor)| descriptor)
}

/// Types for which memory full of zeros is a value.
///
/// # Safety
///
/// It must be so.
pub(crate) unsafe trait Zeroed: Sync {}

/// A table of `len` zeroes, in a mapping of its own, never given back.
pub(crate) fn table<T: Zeroed + 'static>(len: usize) -> Result<&'static [T], Errno> {
    let map = MmapOptions::new().len(len * size_of::<T>()).no_reserve_swap().map_anon();
    let mut map = ManuallyDrop::new(map.map_err(|error| error.raw_os_error().unwrap_or(libc::ENOMEM))?);
    let first = map.as_mut_ptr().cast::<T>();
    // SAFETY: the mapping is `len` times `T` long, page-aligned, zero, which is a `T` by `Zeroed`, and never unmapped.
    Ok(unsafe { core::slice::from_raw_parts(first, len) })
}

pub(crate) fn page_size() -> usize {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    match PAGE.load(Relaxed) {
        0 => {
            // SAFETY: reads a constant of the system.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
            PAGE.store(page, Relaxed);
            page
        }
        page => page,
    }
}

/// Whether the kernel can mark guards, and the guards hold.
///
/// An emulator may answer "done" to advice it does not know (qemu-user does), so the answer is not believed: a page is
/// marked and then looked at.
pub(crate) fn can_mark_guards() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let page = page_size();
        let Ok(trial) = Reservation::new(page, c"gander-trial") else {
            return false;
        };
        // SAFETY: nobody else knows of the trial page.
        trial.open(0..page).is_ok() && unsafe { trial.mark(0..page) }.is_ok() && !readable(trial.at(0).addr())
    })
}

/// Whether the word at `address`, a multiple of 4, can be read. Raises no signal: it is the kernel that looks.
///
/// The question is put as a futex wait that waits for no time at all: the kernel compares the word before it does
/// anything else, and says EFAULT if it cannot. No file descriptor, nothing written, and allowed in every sandbox.
pub(crate) fn readable(address: usize) -> bool {
    let no_time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let (wait, word) = (libc::c_long::from(libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG), libc::c_long::from(1));
    // SAFETY: the kernel checks the address, and only reads there.
    let answer = unsafe { libc::syscall(libc::SYS_futex, address, wait, word, &raw const no_time) };
    answer == 0 || errno() != libc::EFAULT
}

/// For each page from `from`, whether there is memory behind it. Both `from` and `pages` are in whole pages.
pub(crate) fn presence(from: usize, pages: &mut [u8]) -> Result<(), Errno> {
    let from = ptr::without_provenance_mut(from);
    // SAFETY: the kernel checks the range, touches none of it, and writes a byte for each page into `pages`.
    done(unsafe { libc::mincore(from, pages.len() * page_size(), pages.as_mut_ptr()) })
}

/// `RLIMIT_AS`, or as much as there is.
pub(crate) fn address_space_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: writes to `limit` only; if it fails, it does not.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    limit.rlim_cur as usize
}

/// `vm.max_map_count`, or its default where it cannot be read.
pub(crate) fn mapping_limit() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let mut text = [0; 24];
        let read = File::open("/proc/sys/vm/max_map_count").and_then(|mut file| file.read(&mut text));
        let digits = text[..read.unwrap_or(0)].iter().take_while(|byte| byte.is_ascii_digit());
        match digits.fold(0usize, |n, digit| n.saturating_mul(10).saturating_add((digit - b'0').into())) {
            0 => 65_530,
            limit => limit,
        }
    })
}

fn done(result: c_int) -> Result<(), Errno> {
    if result == 0 { Ok(()) } else { Err(errno()) }
}

fn errno() -> Errno {
    // SAFETY: a pointer to the thread's own word, always valid.
    unsafe { *libc::__errno_location() }
}
