//! One coroutine of gander's switch alone: what `switch` measures, and the comparison in `versus`.

#![allow(unsafe_code, reason = "this is about the switch alone, below everything that makes it safe")]

use gander_arch::Context;

/// A switch of gander's.
pub(crate) trait Way {
    /// # Safety
    ///
    /// As [`gander_arch::switch_tp`]; `tp` is this thread's.
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, tp: *mut u8) -> usize;
}

pub(crate) struct Bare;
pub(crate) struct Full;
pub(crate) struct ThreadPointer;

impl Way for Bare {
    #[inline(always)]
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, _: *mut u8) -> usize {
        // SAFETY: by contract; nothing in this program changes the control words.
        unsafe { gander_arch::switch_bare(save, to, message) }
    }
}

impl Way for Full {
    #[inline(always)]
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, _: *mut u8) -> usize {
        // SAFETY: by contract.
        unsafe { gander_arch::switch(save, to, message) }
    }
}

impl Way for ThreadPointer {
    #[inline(always)]
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, tp: *mut u8) -> usize {
        // SAFETY: by contract; `main` has asked whether there is the instruction.
        unsafe { gander_arch::switch_tp(save, to, message, tp) }
    }
}

/// Sixteen aligned bytes: a vector of them is a stack.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Chunk([u8; 16]);

/// The two ends of one coroutine, which adds one to what it gets, and its stack.
pub(crate) struct Pair<W> {
    ends: *mut Ends,
    _stack: Vec<Chunk>,
    way: std::marker::PhantomData<W>,
}

struct Ends {
    near: Context,
    far: Context,
    /// Both ends have this thread's thread pointer: to write it costs the same as to write another.
    tp: *mut u8,
}

impl<W: Way> Pair<W> {
    pub(crate) fn new() -> Pair<W> {
        let mut stack = vec![Chunk([0; 16]); 64 << 10 >> 4];
        let ends = Box::new(Ends { near: Context::new(), far: Context::new(), tp: gander_arch::thread_pointer() });
        let ends = Box::into_raw(ends);
        // SAFETY: stack and ends stay where they are as long as the pair does.
        unsafe { (*ends).far = gander_arch::init(stack.as_mut_ptr_range().end.cast(), far_side::<W>, ends.cast()) };
        Pair { ends, _stack: stack, way: std::marker::PhantomData }
    }

    #[inline(always)]
    pub(crate) fn resume(&mut self, number: usize) -> usize {
        let ends = self.ends;
        // SAFETY: `far` is fresh or was saved by the last answer, and nobody has resumed it since.
        unsafe { W::switch(&raw mut (*ends).near, &raw const (*ends).far, number, (*ends).tp) }
    }
}

impl<W> Drop for Pair<W> {
    fn drop(&mut self) {
        // SAFETY: it came out of a box. The far side, which points to it, rests and is never resumed again; it owns
        // nothing.
        drop(unsafe { Box::from_raw(self.ends) });
    }
}

unsafe extern "C" fn far_side<W: Way>(ends: *mut (), mut number: usize) -> ! {
    let ends: *mut Ends = ends.cast();
    loop {
        // SAFETY: `near` was saved by the resume that runs us.
        number = unsafe { W::switch(&raw mut (*ends).far, &raw const (*ends).near, number + 1, (*ends).tp) };
    }
}
