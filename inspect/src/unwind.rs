#![allow(unsafe_code, reason = "asks the loader for the unwind tables in memory, and copies them")]
//! Which frames are on a stack?
//!
//! framehop walks them: it reads nothing but the registers and the copy of the stack it is given, so it can neither fault
//! nor wait, and knows where each function keeps its return address from the tables that unwinding uses anyway
//! (`.eh_frame`). libgcc's unwinder walks only the stack it stands on; frame pointers are not kept by most code.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use framehop::{ExplicitModuleSectionInfo, Module, Unwinder as _};
use gander_runtime::inspect::Frozen;

#[cfg(target_arch = "aarch64")]
use framehop::aarch64::{CacheAarch64 as Cache, UnwindRegsAarch64 as Registers, UnwinderAarch64};
#[cfg(target_arch = "x86_64")]
use framehop::x86_64::{CacheX86_64 as Cache, UnwindRegsX86_64 as Registers, UnwinderX86_64};

#[cfg(target_arch = "aarch64")]
type Framehop = UnwinderAarch64<Arc<[u8]>>;
#[cfg(target_arch = "x86_64")]
type Framehop = UnwinderX86_64<Arc<[u8]>>;

/// More frames than this are cut: the innermost are kept.
const MOST_FRAMES: usize = 256;

/// Walks stacks. Knows the program and the libraries that were loaded when it was made.
pub(crate) struct Unwinder {
    framehop: Framehop,
    cache: Cache,
}

impl Unwinder {
    pub(crate) fn new() -> Unwinder {
        let mut framehop = Framehop::new();
        modules(|module| framehop.add_module(module));
        Unwinder { framehop, cache: Cache::new() }
    }

    /// The addresses of the calls on the stack, the innermost first: each inside of the instruction, so that it finds its
    /// line.
    pub(crate) fn walk(&mut self, stack: &Frozen, frames: &mut Vec<usize>) {
        frames.clear();
        let mut read = |address: u64| stack.read(address as usize).ok_or(());
        let mut walk = self.framehop.iter_frames(stack.pc as u64, registers(stack), &mut self.cache, &mut read);
        while let Ok(Some(frame)) = walk.next() {
            frames.push(frame.address_for_lookup() as usize);
            if frames.len() == MOST_FRAMES {
                break;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(stack: &Frozen) -> Registers {
    Registers::new(stack.pc as u64, stack.sp as u64, stack.fp as u64)
}

#[cfg(target_arch = "aarch64")]
fn registers(stack: &Frozen) -> Registers {
    Registers::new(stack.lr as u64, stack.sp as u64, stack.fp as u64)
}

/// Calls `add` with each loaded module that has unwind tables.
fn modules(mut add: impl FnMut(Module<Arc<[u8]>>)) {
    unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: the loader passes a valid description, and the pointer given below.
        let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<Module<Arc<[u8]>>>>()) };
        // SAFETY: the loader holds its lock: the module stays mapped for the call.
        found.extend(unsafe { module(info) });
        0
    }
    let mut found = Vec::new();
    // SAFETY: `visit` takes a vector of modules, and does not unwind but for want of memory, which aborts.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
    found.into_iter().for_each(&mut add);
}

/// Copies a module's tables: it could be unloaded while somebody walks.
///
/// # Safety
///
/// The module stays mapped for the call.
unsafe fn module(info: &libc::dl_phdr_info) -> Option<Module<Arc<[u8]>>> {
    /// `PT_GNU_EH_FRAME`: where the index of the unwind tables lies.
    const EH_FRAME: u32 = 0x6474_e550;
    let base = info.dlpi_addr as usize;
    // SAFETY: so many headers, in the mapped module.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let range = |header: &libc::Elf64_Phdr| header.p_vaddr as usize..(header.p_vaddr + header.p_memsz) as usize;
    let loaded: Vec<_> = headers.iter().filter(|header| header.p_type == libc::PT_LOAD).collect();
    let index = range(headers.iter().find(|header| header.p_type == EH_FRAME)?);
    let text = range(loaded.iter().find(|header| header.p_flags & libc::PF_X != 0)?);
    let all = loaded
        .iter()
        .map(|header| range(header))
        .reduce(|all, one| all.start.min(one.start)..all.end.max(one.end))?;
    let copy = |range: &std::ops::Range<usize>| -> Arc<[u8]> {
        // SAFETY: in a segment of the mapped module, which is readable.
        unsafe { std::slice::from_raw_parts((base + range.start) as *const u8, range.len()) }.into()
    };
    let index_bytes = copy(&index);
    // The header of the index says where the tables begin: four bytes in, relative to that place, as every linker writes
    // it. They end with a zero, in the same segment.
    const RELATIVE_I32: u8 = 0x1b;
    if index_bytes.get(1) != Some(&RELATIVE_I32) {
        return None;
    }
    let relative = i32::from_le_bytes(index_bytes.get(4..8)?.try_into().ok()?);
    let start = (index.start + 4).checked_add_signed(relative as isize)?;
    let segment = loaded.iter().map(|header| range(header)).find(|range| range.contains(&start))?;
    let tables = start..segment.end;
    let svma = |range: &std::ops::Range<usize>| Some(range.start as u64..range.end as u64);
    let sections = ExplicitModuleSectionInfo {
        text_svma: svma(&text),
        eh_frame_svma: svma(&tables),
        eh_frame: Some(copy(&tables)),
        eh_frame_hdr_svma: svma(&index),
        eh_frame_hdr: Some(index_bytes),
        ..ExplicitModuleSectionInfo::default()
    };
    let here = (base + all.start) as u64..(base + all.end) as u64;
    Some(Module::new(String::new(), here, base as u64, sections))
}
