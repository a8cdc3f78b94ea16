//! An exchanged thread pointer brings its own current word, and the old one comes back.
#![allow(unsafe_code, reason = "makes up a thread-local block")]

use gander_arch::{
    Context, current, current_offset, exchange_by_instruction, init, set_current, switch_tp, switch_tp_syscall,
    thread_pointer,
};
use rig::Stack;

mod rig;

type Change = unsafe fn(*mut Context, *const Context, usize, *mut u8) -> usize;

/// What the far side is given and what it saw: checked on the near side, for without the thread-locals of the
/// standard library nothing can be asserted there.
struct Scene {
    near: Context,
    far: Context,
    change: Change,
    home: *mut u8,
    seen: [(*mut u8, *mut (), usize); 3],
}

unsafe extern "C" fn far_side(arg: *mut (), mut message: usize) -> ! {
    let scene: *mut Scene = arg.cast();
    // SAFETY: the near side waits at home, and is not answered after the third time.
    unsafe {
        for turn in 0..3 {
            (*scene).seen[turn] = (thread_pointer(), current(), message);
            set_current(current().wrapping_byte_add(1));
            message = ((*scene).change)(&raw mut (*scene).far, &raw const (*scene).near, turn, (*scene).home);
        }
        std::process::abort()
    }
}

fn the_far_side_has_its_own(change: Change) {
    // Room on both sides: x86_64 puts thread-locals below the pointer, aarch64 above.
    let mut block = vec![0u64; 8192];
    // SAFETY: within the block.
    let tp: *mut u8 = unsafe { block.as_mut_ptr().add(4096).cast() };
    assert!(current_offset().unsigned_abs() < 4096 * 8, "the block is too small");
    // SAFETY: both words are within the block. On x86_64 the first word points to itself.
    unsafe {
        tp.cast::<*mut u8>().write(tp);
        tp.offset(current_offset()).cast::<usize>().write(0x1000);
    }

    let mut stack = Stack::new(64 * 1024);
    let home = thread_pointer();
    let mut scene = Scene {
        near: Context::new(),
        far: Context::new(),
        change,
        home,
        seen: [(home, std::ptr::null_mut(), 0); 3],
    };
    let scene = &raw mut scene;
    set_current(std::ptr::without_provenance_mut(7));
    // SAFETY: the stack and the block outlive the far side, which uses no other thread-local.
    unsafe {
        (*scene).far = init(stack.top(), far_side, scene.cast());
        for turn in 0..3 {
            let answer = change(&raw mut (*scene).near, &raw const (*scene).far, 10 + turn, tp);
            assert_eq!(answer, turn);
            assert_eq!(thread_pointer(), home);
            assert_eq!(current().addr(), 7);
            let (their_tp, their_word, message) = (*scene).seen[turn];
            assert_eq!((their_tp, their_word.addr(), message), (tp, 0x1000 + turn, 10 + turn));
        }
    }
    set_current(std::ptr::null_mut());
}

#[test]
fn by_instruction() {
    if !exchange_by_instruction() {
        println!("skipped: this machine has no FSGSBASE");
        return;
    }
    // SAFETY: as the caller's.
    the_far_side_has_its_own(|save, to, message, tp| unsafe { switch_tp(save, to, message, tp) });
}

#[test]
fn by_system_call() {
    // SAFETY: as the caller's.
    the_far_side_has_its_own(|save, to, message, tp| unsafe { switch_tp_syscall(save, to, message, tp) });
}
