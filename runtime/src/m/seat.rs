//! A worker's seat: which P it has, and who may touch that P now.
//!
//! A worker is *inside* the runtime or *outside*, in user code. Inside, its P is its own. Outside, another thread may
//! bar its way in, and while the bar is down the P is that thread's:
//!
//! ```text
//!   the worker                                another thread
//!   1 nest += 1                               1 attention: 0 → SEIZED            (one at a time)
//!   2 light fence                             2 heavy fence
//!   3 attention? wait until it is lifted      3 nest == 0 and it has the P? then the P is ours
//!                                             4 attention → 0, or DETACHED: the P is taken away
//! ```
//!
//! With the fences one of the two sees the other: the worker the bar, or the other thread that the worker is inside.
//!
//! Who owns a P at each step:
//!
//! | step | owner |
//! |---|---|
//! | `take`, `accept` | the worker, until `let_go` |
//! | `let_go` | the worker's thread, until it hands the P on |
//! | `hand` | nobody: it lies in the heir's `handed` |
//! | `seize` while `f` runs, `detach` | the other thread |
//!
//! Checked under loom (`tests/loom_seat.rs`), where both fences are full.

use std::ptr;

use crate::asym;
use crate::door::{AtomicPtr, AtomicU32, Ordering, compiler_fence, relax};

/// Somebody reaches into the private part of its P: wait until it is done.
const SEIZED: u32 = 1;
/// It has no P, by a rescue or by its own announcement: win one back.
const DETACHED: u32 = 2;

/// The seat of a worker for a `T`, its P.
#[derive(Debug)]
pub struct Seat<T> {
    /// How often preemption is held off; not 0 = inside. Written by its own thread only.
    nest: AtomicU32,
    /// Why it has to stop at its next entry: [`SEIZED`], [`DETACHED`].
    attention: AtomicU32,
    p: AtomicPtr<T>,
    handed: AtomicPtr<T>,
}

impl<T> Default for Seat<T> {
    fn default() -> Seat<T> {
        Seat::new()
    }
}

impl<T> Seat<T> {
    /// A seat without a P, whose worker is inside.
    pub fn new() -> Seat<T> {
        Seat {
            nest: AtomicU32::new(1),
            attention: AtomicU32::new(0),
            p: AtomicPtr::new(ptr::null_mut()),
            handed: AtomicPtr::new(ptr::null_mut()),
        }
    }

    // ---- for its own thread ----

    /// The P it has, or null. Other threads may look, too.
    #[inline(always)]
    pub fn p(&self) -> *mut T {
        self.p.load(Ordering::Relaxed)
    }

    /// Goes inside by one level. True: it must [`attend`](Self::attend) before it does anything.
    #[inline(always)]
    pub fn enter(&self) -> bool {
        self.nest.store(self.nest.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // Partner of the heavy fence in `bar`.
        asym::light();
        self.attention.load(Ordering::Acquire) != 0
    }

    /// Waits at the bar. True: its P was taken meanwhile or before, and it is to win one back.
    pub fn attend(&self) -> bool {
        loop {
            let attention = self.attention.load(Ordering::Acquire);
            if attention & SEIZED == 0 {
                // While we are inside nobody who bars us changes anything but lifts the bar again.
                let detached = attention & DETACHED != 0;
                if detached {
                    debug_assert_eq!(self.nest.load(Ordering::Relaxed), 1);
                    self.attention.store(0, Ordering::Relaxed);
                }
                return detached;
            }
            relax();
        }
    }

    /// Whether it is inside.
    #[inline(always)]
    pub fn is_inside(&self) -> bool {
        self.nest.load(Ordering::Relaxed) != 0
    }

    /// Leaves by one level. True: it is outside now.
    #[inline(always)]
    pub fn leave(&self) -> bool {
        // What was done inside stays before this store for a signal handler on this thread and, by release, for
        // whoever seizes next.
        compiler_fence(Ordering::SeqCst);
        let nest = self.nest.load(Ordering::Relaxed) - 1;
        self.nest.store(nest, Ordering::Release);
        nest == 0
    }

    /// Leaves altogether.
    #[inline(always)]
    pub fn leave_all(&self) {
        compiler_fence(Ordering::SeqCst);
        self.nest.store(0, Ordering::Release);
    }

    /// Takes a P. Inside.
    pub fn take(&self, p: &T) {
        self.p.store(ptr::from_ref(p).cast_mut(), Ordering::Relaxed);
    }

    /// Gives up the P and returns it: it is the caller's to hand on. Inside.
    pub fn let_go(&self) -> *mut T {
        let p = self.p.load(Ordering::Relaxed);
        self.p.store(ptr::null_mut(), Ordering::Relaxed);
        p
    }

    /// Goes on without a P, which it has let go: it wins one back at its next entry. Inside.
    pub fn announce(&self) {
        // A thief may be at the bar: it finds us inside and lifts the bar, and must not lift this with it.
        while self.attention.compare_exchange_weak(0, DETACHED, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            relax();
        }
    }

    /// Takes what was handed to it, if it was: a P, which is now its own. Inside.
    pub fn accept(&self) -> *mut T {
        let p = self.handed.swap(ptr::null_mut(), Ordering::Acquire);
        self.p.store(p, Ordering::Relaxed);
        p
    }

    // ---- for other threads ----

    /// Hands it a P, which is the caller's to give. Then the worker must be woken.
    pub fn hand(&self, p: &T) {
        self.handed.store(ptr::from_ref(p).cast_mut(), Ordering::Release);
    }

    /// Whether it goes on without a P, as of some moment during the call.
    pub fn is_detached(&self) -> bool {
        self.attention.load(Ordering::Acquire) & DETACHED != 0
    }

    /// Tries to run `f` while the worker is kept outside, if it is outside and has `p`: what only its holder may
    /// touch is the caller's meanwhile. Rare: costs a system call.
    pub fn seize<R>(&self, p: *const T, f: impl FnOnce() -> R) -> Option<R> {
        let answer = self.bar(p)?.then(f);
        self.attention.store(0, Ordering::Release);
        answer
    }

    /// Tries to take `p` from the worker, if it is outside. True: `p` is the caller's.
    pub fn detach(&self, p: *const T) -> bool {
        let Some(is_out) = self.bar(p) else { return false };
        if is_out {
            self.p.store(ptr::null_mut(), Ordering::Relaxed);
        }
        self.attention.store(if is_out { DETACHED } else { 0 }, Ordering::Release);
        is_out
    }

    /// Bars the way in. None if somebody else does; else whether the worker is outside and has `p`. The caller must
    /// store `attention` soon.
    fn bar(&self, p: *const T) -> Option<bool> {
        self.attention.compare_exchange(0, SEIZED, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        // Partner of the light fence in `enter`.
        asym::heavy();
        // Inside it may change anything, and may give up its P; outside it can do neither, and now it cannot come in.
        Some(self.nest.load(Ordering::Acquire) == 0 && ptr::eq(self.p.load(Ordering::Relaxed), p))
    }
}
