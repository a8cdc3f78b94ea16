//! A shared library that switches contexts: `tests/plugin.rs` loads it at run time. The current word must find room
//! in the static thread-local space then, and the relocations must be those of position-independent code.
#![allow(unsafe_code, reason = "a context switch, called from another language's view")]

use gander_arch::{Context, current, init, set_current, switch};

#[repr(align(16))]
struct Stack([u8; 65536]);

struct Pair {
    near: Context,
    far: Context,
}

unsafe extern "C" fn answer(arg: *mut (), mut message: usize) -> ! {
    let pair: *mut Pair = arg.cast();
    loop {
        // SAFETY: the near side waits.
        message = unsafe { switch(&raw mut (*pair).far, &raw const (*pair).near, message + current().addr()) };
    }
}

/// Answers `message` plus what was the current word of this thread, which becomes one more.
#[unsafe(no_mangle)]
pub extern "C" fn gander_plugin(message: usize) -> usize {
    let mut stack = Box::new(Stack([0; 65536]));
    let top = stack.0.as_mut_ptr_range().end;
    let mut pair = Pair { near: Context::new(), far: Context::new() };
    let both = &raw mut pair;
    // SAFETY: the stack outlives its one run.
    let sum = unsafe {
        (*both).far = init(top, answer, both.cast());
        switch(&raw mut (*both).near, &raw const (*both).far, message)
    };
    set_current(std::ptr::without_provenance_mut(current().addr() + 1));
    sum
}
