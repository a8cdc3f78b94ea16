//! What a switch carries over: the message, the stack's alignment, panics, and the current word.
#![allow(unsafe_code, reason = "stacks and assembly")]

use std::arch::naked_asm;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use gander_arch::{Context, STACK_ALIGN, current, current_offset, init, set_current, switch, thread_pointer};
use rig::{Coroutine, Stack};

mod rig;

#[test]
fn messages_arrive() {
    let mut far = Coroutine::new(|link, first| {
        assert_eq!(first, 1);
        assert_eq!(link.leave(2), 3);
        assert_eq!(link.leave(usize::MAX), 0);
        4
    });
    assert_eq!(far.resume(1), 2);
    assert_eq!(far.resume(3), usize::MAX);
    assert_eq!(far.resume(0), 4);
    assert!(far.is_done());
}

#[test]
fn a_context_may_move_at_rest() {
    let mut far = Coroutine::new(|link, _| link.leave(1));
    assert_eq!(far.resume(0), 1);
    let link = far.link();
    // SAFETY: the far side is at rest; its context is taken out, moved, and resumed from where it is now.
    unsafe {
        let moved = Box::new(std::mem::take(&mut *(*link).far()));
        assert_eq!(switch((*link).near(), &*moved, 5), 5);
    }
    assert!(far.is_done());
}

/// The stack pointer its caller had at the call instruction.
#[unsafe(naked)]
extern "C" fn stack_pointer() -> usize {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("lea rax, [rsp + 8]", "ret");
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x0, sp", "ret");
}

/// An entry that looks at the stack pointer before any prologue does.
#[unsafe(naked)]
unsafe extern "C" fn aligned_entry(arg: *mut (), message: usize) -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("lea rsi, [rsp + 8]", "jmp {}", sym report);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x1, sp", "b {}", sym report);
}

unsafe extern "C" fn report(arg: *mut (), sp: usize) -> ! {
    let contexts: *mut [Context; 2] = arg.cast();
    // SAFETY: the other side waits in the first context and never comes back.
    unsafe {
        switch(&raw mut (*contexts)[1], &raw const (*contexts)[0], sp);
    }
    unreachable!()
}

#[test]
fn stacks_start_aligned() {
    let mut stack = Stack::new(64 * 1024);
    let top = stack.top() as usize;
    let mut contexts = [Context::new(), Context::new()];
    let both = &raw mut contexts;
    // SAFETY: the stack outlives its one run.
    let sp = unsafe {
        (*both)[1] = init(stack.top(), aligned_entry, both.cast());
        switch(&raw mut (*both)[0], &raw const (*both)[1], 0)
    };
    assert_eq!(sp % STACK_ALIGN, 0);
    assert_eq!(sp, top, "the first frame starts at the top");
}

#[test]
fn stacks_stay_aligned() {
    let mut far = Coroutine::new(|link, _| {
        for i in 0..100 {
            assert_eq!(stack_pointer() % STACK_ALIGN, 0);
            // Formatting a float stores vector registers with aligned moves.
            assert_eq!(format!("{:.2}", f64::from(i) + 0.25), format!("{i}.25"));
            link.leave(stack_pointer());
        }
        0
    });
    while !far.is_done() {
        assert_eq!(far.resume(0) % STACK_ALIGN, 0);
        assert_eq!(stack_pointer() % STACK_ALIGN, 0);
    }
}

struct Note(Rc<RefCell<Vec<u32>>>, u32);

impl Drop for Note {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn panics_stay_in_their_context() {
    let notes = Rc::new(RefCell::new(Vec::new()));
    let theirs = Rc::clone(&notes);
    let mut far = Coroutine::new(move |link, _| {
        let _first = Note(Rc::clone(&theirs), 1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _second = Note(Rc::clone(&theirs), 2);
            let _third = Note(Rc::clone(&theirs), 3);
            link.leave(0);
            std::panic::resume_unwind(Box::new("inner"));
        }));
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "inner");
        assert_eq!(*theirs.borrow(), [3, 2]);
        link.leave(0);
        std::panic::resume_unwind(Box::new("outer"))
    });
    far.resume(0);
    assert!(notes.borrow().is_empty());
    far.resume(0);
    let caught = catch_unwind(AssertUnwindSafe(|| far.resume(0)));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "outer");
    assert_eq!(*notes.borrow(), [3, 2, 1]);
    assert!(far.is_done());
}

/// A context that is switched away from in the middle of an unwind goes on unwinding when it comes back.
#[test]
fn a_destructor_may_switch() {
    struct Leaves(*const rig::Link);
    impl Drop for Leaves {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            // SAFETY: dropped on the far stack, where the link is alive.
            unsafe { (*self.0).leave(7) };
        }
    }
    let mut far = Coroutine::new(|link, _| {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _leaves = Leaves(link);
            std::panic::resume_unwind(Box::new(()));
        }));
        usize::from(caught.is_err())
    });
    assert_eq!(far.resume(0), 7);
    assert_eq!(far.resume(0), 1);
}

#[test]
fn a_thousand_contexts_take_turns() {
    let order = Rc::new(RefCell::new(Vec::new()));
    let mut all: Vec<Coroutine> = (0..1000)
        .map(|me| {
            let order = Rc::clone(&order);
            Coroutine::with_stack(32 * 1024, move |link, mut turn| {
                for expected in 0..10 {
                    assert_eq!(turn, expected);
                    order.borrow_mut().push(me);
                    turn = link.leave(me);
                }
                me
            })
        })
        .collect();
    for turn in 0..11 {
        for (me, far) in all.iter_mut().enumerate() {
            assert_eq!(far.resume(turn), me);
        }
    }
    assert!(all.iter().all(Coroutine::is_done));
    assert!(order.borrow().iter().copied().eq((0..10).flat_map(|_| 0..1000)));
}

#[test]
fn the_current_word_is_per_thread() {
    std::thread::scope(|scope| {
        for i in 1..=8usize {
            scope.spawn(move || {
                assert!(current().is_null());
                let word = std::ptr::without_provenance_mut(i * 0x1001);
                set_current(word);
                std::thread::yield_now();
                assert_eq!(current(), word);
                // SAFETY: that is where `current_offset` says it is.
                let at = unsafe { *thread_pointer().offset(current_offset()).cast::<*mut ()>() };
                assert_eq!(at, word);

                let mut far = Coroutine::new(move |link, _| {
                    assert_eq!(current(), word);
                    set_current(std::ptr::null_mut());
                    link.leave(0)
                });
                far.resume(0);
                assert!(current().is_null());
            });
        }
    });
    assert!(current().is_null());
}
