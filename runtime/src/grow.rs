//! Going on with a deep recursion on a larger stack segment.
//!
//! The segment is a second stack for the same goroutine (or thread): who it is, its thread-locals and its place in
//! the scheduler stay what they are; it may park there and go on on another worker. Only the stack pointer moves.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use gander_arch::Context;
use gander_stack::{Class, Stack};

use crate::m;
use crate::runtime;
use crate::spawn::{put_stack, take_stack};

/// [`grow`] takes a segment of at least this.
const SEGMENT: usize = 8 << 20;
/// And of so many times the stack it comes from.
const FACTOR: usize = 4;

/// Calls `f` on a fresh stack segment, at least 8 MiB and four times as large as the stack it is called on (at most
/// 1 GiB). Only what is used becomes memory, and the segment goes back when `f` returns.
///
/// # Panics
///
/// With `f`'s panic. If there is no memory for the segment.
///
/// # Examples
///
/// ```
/// # mod gander { pub use gander_runtime::*; pub mod stack { pub use gander_runtime::grow; } }
/// fn descend(frames: u32) -> u32 {
///     if frames == 0 { 0 } else { 1 + std::hint::black_box(descend)(frames - 1) }
/// }
/// let depth = gander::run(|| gander::stack::grow(|| descend(20_000)));
/// assert_eq!(depth, 20_000);
/// ```
pub fn grow<R>(f: impl FnOnce() -> R) -> R {
    let here = bounds().map_or(0, |(limit, top)| top.saturating_sub(limit));
    grow_to((here * FACTOR).clamp(SEGMENT, Class::LARGEST.bytes()), f)
}

/// Calls `f` on a fresh stack segment of `stack_size` bytes, rounded up to a power of two, at most 1 GiB.
///
/// # Panics
///
/// With `f`'s panic. If there is no memory for the segment, or `stack_size` is more than 1 GiB.
pub fn grow_to<R>(stack_size: usize, f: impl FnOnce() -> R) -> R {
    // Once for both: a runtime that starts in between would find its place at the top too large for the class.
    let config = runtime::config();
    match runtime::segment_class(config, stack_size).and_then(take_stack) {
        Ok(stack) => call_on(runtime::frames_top(config, &stack), stack, f),
        Err(error) => panic!("cannot grow the stack by {stack_size} bytes: {error}"),
    }
}

/// Calls `f`: right here if at least `red_zone` bytes of stack are left, else on a fresh segment of `stack_size`
/// bytes. For recursions whose depth the input decides; the call itself costs a few nanoseconds.
///
/// # Panics
///
/// As [`grow_to`].
///
/// # Examples
///
/// ```
/// # mod gander { pub use gander_runtime::*; pub mod stack { pub use gander_runtime::maybe_grow; } }
/// enum Tree {
///     Leaf,
///     Node(Box<Tree>),
/// }
///
/// fn depth(tree: &Tree) -> usize {
///     gander::stack::maybe_grow(32 << 10, 4 << 20, || match tree {
///         Tree::Leaf => 1,
///         Tree::Node(child) => 1 + depth(child),
///     })
/// }
/// assert_eq!(gander::run(|| depth(&Tree::Node(Box::new(Tree::Leaf)))), 2);
/// ```
#[inline]
pub fn maybe_grow<R>(red_zone: usize, stack_size: usize, f: impl FnOnce() -> R) -> R {
    match remaining() {
        Some(left) if left >= red_zone => f(),
        _ => grow_to(stack_size, f),
    }
}

/// How many bytes of stack the caller has left; none where the thread does not say.
#[inline]
pub fn remaining() -> Option<usize> {
    // SAFETY: the running goroutine is alive.
    let limit = match unsafe { m::current_g().as_ref() } {
        Some(g) => g.limit.get(),
        None => bounds()?.0,
    };
    let here = 0u8;
    Some((std::ptr::from_ref(std::hint::black_box(&here)) as usize).saturating_sub(limit))
}

thread_local! {
    /// Bounds of an ordinary thread's stack, once asked for; 0: not yet. While it is on a segment, the segment's.
    static THREAD_BOUNDS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// The lowest usable byte and the top of the stack that the caller is on.
fn bounds() -> Option<(usize, usize)> {
    let g = m::current_g();
    // SAFETY: the running goroutine is alive.
    if let Some(g) = unsafe { g.as_ref() } {
        let limit = g.limit.get();
        return gander_stack::locate(limit).map(|place| (limit, place.top)).or(Some((limit, limit)));
    }
    let (limit, top) = THREAD_BOUNDS.get();
    if limit != 0 {
        return Some((limit, top));
    }
    let bounds = thread_bounds()?;
    THREAD_BOUNDS.set(bounds);
    Some(bounds)
}

fn thread_bounds() -> Option<(usize, usize)> {
    // SAFETY: the attributes are initialised by the first call if it succeeds, and destroyed after.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let (mut low, mut size) = (std::ptr::null_mut(), 0);
        let answer = libc::pthread_attr_getstack(&attributes, &mut low, &mut size);
        libc::pthread_attr_destroy(&mut attributes);
        (answer == 0).then(|| (low as usize, low as usize + size))
    }
}

/// The lowest usable byte of the segment that the calling thread, which is no goroutine, is on; of its own stack, or 0,
/// where it is on none. Async-signal-safe on a segment: the thread-local has been touched before.
pub(crate) fn thread_limit() -> usize {
    THREAD_BOUNDS.get().0
}

/// Notes what the caller's stack ends at; returns what it was.
fn set_bounds(limit: usize, top: usize) -> (usize, usize) {
    // SAFETY: the running goroutine is alive.
    match unsafe { m::current_g().as_ref() } {
        Some(g) => (g.limit.replace(limit), 0),
        None => THREAD_BOUNDS.replace((limit, top)),
    }
}

/// A call on its way to another stack and back.
struct Call<F, R> {
    f: Option<F>,
    answer: Option<std::thread::Result<R>>,
    home: Context,
}

fn call_on<F: FnOnce() -> R, R>(frames_top: *mut u8, stack: Stack, f: F) -> R {
    /// The segment's first frame. It leaves by the switch home and is never resumed.
    unsafe extern "C" fn begin<F: FnOnce() -> R, R>(call: *mut (), _: usize) -> ! {
        let call = call.cast::<Call<F, R>>();
        let mut gone = Context::new();
        // SAFETY: the call lies in the frame that waits for us.
        unsafe {
            let f = (*call).f.take().expect("called once");
            (*call).answer = Some(catch_unwind(AssertUnwindSafe(f)));
            gander_arch::switch(&raw mut gone, &raw const (*call).home, 0);
        }
        unreachable!("a finished segment was resumed")
    }
    let mut call = Call { f: Some(f), answer: None, home: Context::new() };
    let at = &raw mut call;
    let before = set_bounds(stack.limit() as usize, stack.top() as usize);
    // SAFETY: [one-owner] the segment is ours and unused. Its context is started once and its end comes back to
    // `home`; whatever worker that is on, the thread pointer is this task's own.
    unsafe {
        let start = gander_arch::init(frames_top, begin::<F, R>, at.cast());
        gander_arch::switch(&raw mut (*at).home, &start, 0);
    }
    set_bounds(before.0, before.1);
    put_stack(stack);
    match call.answer.expect("the segment's end has set it") {
        Ok(value) => value,
        Err(payload) => resume_unwind(payload),
    }
}
