//! Facts that libc offers under names it does not always have.
//!
//! Dynamic programs ask `dlsym`, which leaves no trace in the file's version requirements; static ones have no
//! dynamic symbols to ask for, and refer weakly instead.
#![allow(unsafe_code, reason = "looks up C symbols and reads through them")]

use core::ffi::{c_int, c_uint, c_void};

/// The address of a C symbol, or null.
macro_rules! symbol {
    ($name:literal) => {{
        let address: *const c_void;
        #[cfg(not(target_feature = "crt-static"))]
        {
            // SAFETY: the name ends in NUL, and RTLD_DEFAULT is always a valid handle.
            address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, concat!($name, "\0").as_ptr().cast()) };
        }
        #[cfg(all(target_feature = "crt-static", target_arch = "x86_64"))]
        // SAFETY: reads the symbol's slot in the global offset table, which the linker fills (with zero if there is
        // none).
        unsafe {
            core::arch::asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(nostack, preserves_flags, readonly),
            );
        }
        #[cfg(all(target_feature = "crt-static", target_arch = "aarch64"))]
        // SAFETY: as above.
        unsafe {
            core::arch::asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) address,
                options(nostack, preserves_flags, readonly),
            );
        }
        address
    }};
}

/// Where libc keeps the area that restartable sequences register with the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rseq {
    /// From the thread pointer.
    pub(crate) offset: isize,
    /// Bytes in use.
    pub(crate) size: usize,
}

/// glibc 2.35 and later register each thread; earlier ones and musl do not.
pub(crate) fn rseq() -> Option<Rseq> {
    let offset = symbol!("__rseq_offset").cast::<isize>();
    let size = symbol!("__rseq_size").cast::<c_uint>();
    if offset.is_null() || size.is_null() {
        return None;
    }
    // SAFETY: glibc documents `const ptrdiff_t __rseq_offset` and `const unsigned int __rseq_size`.
    let (offset, size) = unsafe { (*offset, *size as usize) };
    // Size zero: registration is switched off, and libc has marked the area so.
    (size != 0).then_some(Rseq { offset, size })
}

/// libc's own count of static thread-local bytes (descriptor included on x86_64) and their alignment. Private to glibc
/// (the sanitizers ask it too): a hint, to be checked.
pub(crate) fn static_size_hint() -> Option<(usize, usize)> {
    if cfg!(not(target_env = "gnu")) {
        return None;
    }
    let ask = symbol!("_dl_get_tls_static_info");
    if ask.is_null() {
        return None;
    }
    // SAFETY: a function of this signature in every glibc that has it.
    let ask: unsafe extern "C" fn(*mut usize, *mut usize) = unsafe { core::mem::transmute(ask) };
    let (mut size, mut align) = (0, 0);
    // SAFETY: both places are writable for the call.
    unsafe { ask(&raw mut size, &raw mut align) };
    (size != 0 && align.is_power_of_two()).then_some((size, align))
}

/// One module with thread-locals, as the loader lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module {
    /// Address of its part in the calling thread, 0 if not made yet.
    pub(crate) start: usize,
    pub(crate) size: usize,
    pub(crate) align: usize,
}

/// All modules with thread-locals that are loaded now.
pub(crate) fn modules() -> Vec<Module> {
    unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _size: usize, list: *mut c_void) -> c_int {
        // SAFETY: the loader hands over a valid record; `list` is the vector below, alive for the call.
        unsafe {
            let info = &*info;
            let headers = core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
            if let Some(tls) = headers.iter().find(|h| h.p_type == libc::PT_TLS) {
                (*list.cast::<Vec<Module>>()).push(Module {
                    start: info.dlpi_tls_data as usize,
                    size: tls.p_memsz as usize,
                    align: (tls.p_align as usize).max(1),
                });
            }
        }
        0
    }
    let mut list = Vec::with_capacity(16);
    // SAFETY: `note` matches the signature and keeps nothing.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut list).cast()) };
    list
}
