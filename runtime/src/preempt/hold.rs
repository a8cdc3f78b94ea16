//! How user code holds preemption off.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{Ordering, compiler_fence};

use crate::m;
use crate::preempt;

/// Runs `f` without preemption: as long as it neither waits nor blocks, its goroutine keeps its processor. For a few
/// microseconds while a lock is held that others spin for. On an ordinary thread it only calls `f`.
///
/// # Blocking
///
/// As `f`. If `f` parks the goroutine others run meanwhile; if it sleeps in the kernel it can still lose its processor.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander_runtime::run(|| {
/// static HITS: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
/// gander::no_preempt(|| *HITS.lock().unwrap() += 1);
/// # });
/// ```
pub fn no_preempt<R>(f: impl FnOnce() -> R) -> R {
    let _hold = Hold::new();
    f()
}

/// Holds preemption of the calling goroutine off while it lives. It is the goroutine's and not the worker's, so it may
/// stay across a park; and it does not bar rescue: a thread that sleeps in the kernel keeps nobody from its P.
struct Hold {
    /// It belongs to the goroutine that made it.
    not_send: std::marker::PhantomData<*const ()>,
}

impl Hold {
    #[inline(always)]
    fn new() -> Hold {
        // SAFETY: the running G is alive. Only it and handlers on its thread touch the count.
        if let Some(g) = unsafe { m::current_g().as_ref() } {
            g.holds.store(g.holds.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        // What is done meanwhile stays between the two, for a signal handler on this thread.
        compiler_fence(Ordering::SeqCst);
        Hold { not_send: std::marker::PhantomData }
    }
}

impl Drop for Hold {
    #[inline(always)]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        // SAFETY: as in `new`.
        let Some(g) = (unsafe { m::current_g().as_ref() }) else { return };
        let left = g.holds.load(Ordering::Relaxed) - 1;
        g.holds.store(left, Ordering::Relaxed);
        // The count before what is owed: a handler in between sees that nothing is held, and acts by itself.
        compiler_fence(Ordering::SeqCst);
        if left == 0
            && let Some(m) = m::current()
            && m.request.is_pending()
            && !m.seat.is_inside()
        {
            preempt::deferred(m);
        }
    }
}

/// An allocator during whose calls goroutines are not preempted: they do not hold its locks while others wait for them.
///
/// It helps programs that allocate much beside goroutines that compute for long. It is not needed for correctness.
/// Memory that C code allocates does not pass through it. A pair of calls takes about a nanosecond longer.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// #[global_allocator]
/// static ALLOCATOR: gander::Unpreempted<std::alloc::System> = gander::Unpreempted::new(std::alloc::System);
///
/// assert_eq!(gander::run(|| vec![1; 1000].len()), 1000);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Unpreempted<A> {
    inner: A,
}

impl<A> Unpreempted<A> {
    /// Wraps an allocator.
    pub const fn new(inner: A) -> Unpreempted<A> {
        Unpreempted { inner }
    }
}

// SAFETY: every call is passed on as it came; what is done around it allocates nothing and does not unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Unpreempted<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _hold = Hold::new();
        // SAFETY: by the caller's contract, which is the same.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _hold = Hold::new();
        // SAFETY: likewise.
        unsafe { self.inner.dealloc(at, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let _hold = Hold::new();
        // SAFETY: likewise.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let _hold = Hold::new();
        // SAFETY: likewise.
        unsafe { self.inner.realloc(at, layout, new_size) }
    }
}
