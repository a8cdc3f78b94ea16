//! Blocks that libc makes itself: a thread is born on the slot, ends at once without libc's knowledge, and leaves its
//! descriptor and thread-locals behind.
//!
//! The thread is joinable and never joined: to libc it is alive for ever, so it stays in libc's list of stacks, and
//! libc keeps its block up to date when a library with static thread-locals is loaded. (Detached would do the same in
//! glibc; joinable also promises that nobody but us would ever free it.)
#![allow(unsafe_code, reason = "creates threads that never return, on memory of our own")]

use core::ffi::c_void;
use core::mem::{MaybeUninit, offset_of};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Acquire};

use crate::TlsError;
use crate::weak::Rseq;

/// What a dead donor left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Donor {
    /// Lowest byte of its slot.
    pub(crate) low: *mut u8,
    /// End of its slot.
    pub(crate) top: *mut u8,
    /// Its thread pointer.
    pub(crate) tp: *mut u8,
    /// Its stack pointer when our code began: the block lies above.
    pub(crate) frame: *mut u8,
    /// libc's handle for it: the descriptor's address, in all libcs we know.
    pub(crate) handle: usize,
    /// The kernel's name for it while it lived.
    pub(crate) tid: u32,
}

/// What a donor says before it ends. The assembly below fills it by offset.
#[repr(C)]
pub(crate) struct Report {
    /// 1 until the kernel clears it at the thread's end.
    alive: AtomicU32,
    tid: AtomicU32,
    tp: AtomicPtr<u8>,
    frame: AtomicPtr<u8>,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self {
            alive: AtomicU32::new(1),
            tid: AtomicU32::new(0),
            tp: AtomicPtr::new(ptr::null_mut()),
            frame: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

/// Makes a donor on `[low, top)`.
///
/// libc notes the address of `report` in the descriptor; learning passes the same one for all its donors, so that this
/// word does not differ between them.
///
/// # Safety
/// The slot is writable, nobody else's, and stays mapped for ever: libc keeps it in its list.
///
/// # Errors
/// [`TlsError::Create`] with libc's answer.
pub(crate) unsafe fn make(low: *mut u8, top: *mut u8, report: &mut Report) -> Result<Donor, TlsError> {
    let slot = top as usize - low as usize;
    *report = Report::new();
    let report: &Report = report;
    let refused = |call, errno| Err(TlsError::Create { call, slot, errno });
    let mut attr = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut handle = MaybeUninit::<libc::pthread_t>::uninit();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: each object is initialised by the call before its use. The thread gets the slot by the caller's word, and
    // `report`, which outlives it because we wait for its end below. All signals are blocked across its creation, and a
    // new thread inherits that, so no handler ever runs on a donor.
    let (answer, handle) = unsafe {
        libc::pthread_attr_init(attr.as_mut_ptr());
        let answer = libc::pthread_attr_setstack(attr.as_mut_ptr(), low.cast(), slot);
        if answer != 0 {
            libc::pthread_attr_destroy(attr.as_mut_ptr());
            return refused("pthread_attr_setstack", answer);
        }
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let answer = libc::pthread_create(
            handle.as_mut_ptr(),
            attr.as_ptr(),
            donate,
            ptr::from_ref(report).cast_mut().cast(),
        );
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        libc::pthread_attr_destroy(attr.as_mut_ptr());
        (answer, handle)
    };
    if answer != 0 {
        return refused("pthread_create", answer);
    }
    while report.alive.load(Acquire) != 0 {
        // SAFETY: the word is alive. Not the private flavour: the kernel's wake at a thread's end is not private.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                report.alive.as_ptr(),
                libc::FUTEX_WAIT,
                1,
                ptr::null::<libc::timespec>(),
            );
        }
    }
    Ok(Donor {
        low,
        top,
        tp: report.tp.load(Acquire),
        frame: report.frame.load(Acquire),
        // SAFETY: pthread_create succeeded and wrote it.
        handle: unsafe { handle.assume_init() } as usize,
        tid: report.tid.load(Acquire),
    })
}

/// The whole life of a donor: say where it is, hand the word to clear to the kernel, end. No frame, no thread-local,
/// nothing of Rust's runtime; the kernel's clear of `alive` comes after its last touch of the slot.
///
/// # Safety
/// Started by `pthread_create` with a live [`Report`].
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
extern "C" fn donate(report: *mut c_void) -> *mut c_void {
    core::arch::naked_asm!(
        "mov rax, fs:[0]",
        "mov [rdi + {tp}], rax",
        "mov [rdi + {frame}], rsp",
        "mov eax, {set_tid_address}", // its argument, &report.alive, is &report: the first field
        "syscall",
        "mov [rdi + {tid}], eax", // system calls keep rdi
        "xor edi, edi",
        "mov eax, {exit}",
        "syscall",
        "ud2",
        tp = const offset_of!(Report, tp),
        frame = const offset_of!(Report, frame),
        tid = const offset_of!(Report, tid),
        set_tid_address = const libc::SYS_set_tid_address,
        exit = const libc::SYS_exit,
    )
}

/// As on x86_64.
///
/// # Safety
/// Started by `pthread_create` with a live [`Report`].
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
extern "C" fn donate(report: *mut c_void) -> *mut c_void {
    core::arch::naked_asm!(
        "mov x9, x0",
        "mrs x1, tpidr_el0",
        "str x1, [x9, {tp}]",
        "mov x1, sp",
        "str x1, [x9, {frame}]",
        "mov x8, {set_tid_address}", // its argument, &report.alive, is &report: the first field
        "svc 0",
        "str w0, [x9, {tid}]", // system calls keep x9
        "dmb ish",             // the report is seen before the kernel's clear
        "mov x0, 0",
        "mov x8, {exit}",
        "svc 0",
        "brk 1",
        tp = const offset_of!(Report, tp),
        frame = const offset_of!(Report, frame),
        tid = const offset_of!(Report, tid),
        set_tid_address = const libc::SYS_set_tid_address,
        exit = const libc::SYS_exit,
    )
}

const _: () = assert!(offset_of!(Report, alive) == 0);

/// Marks the area for restartable sequences as never registered, which is the truth for whoever runs on the block from
/// now on: `sched_getcpu` asks the kernel, and users of rseq take their slow path.
///
/// # Safety
/// `donor` is dead and nobody runs on its block.
pub(crate) unsafe fn unregister_rseq(donor: &Donor, rseq: Option<Rseq>) {
    const CPU_ID: usize = 4; // after `cpu_id_start`: kernel ABI
    const LEAST: usize = 32; // bytes of the first `struct rseq`, the least that libc reserves
    const UNINITIALIZED: u32 = u32::MAX; // RSEQ_CPU_ID_UNINITIALIZED
    let Some(Rseq { offset, size }) = rseq else {
        return;
    };
    let bytes = size.max(LEAST);
    let area = donor.tp.wrapping_offset(offset);
    if area < donor.frame || area.wrapping_add(bytes) > donor.top {
        return; // not in the block, so not ours to touch
    }
    // SAFETY: within the block, of which we are the only user; libc reserved the bytes for nothing else.
    unsafe {
        area.write_bytes(0, bytes);
        area.add(CPU_ID).cast::<u32>().write(UNINITIALIZED);
    }
}
