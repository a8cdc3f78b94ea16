//! P: the right to run goroutines, and what its holder keeps at hand.

pub(crate) mod attend;
pub(crate) mod ring;

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use gander_stack::Cache;

use crate::g::G;
use crate::inspect::ring::Ring as Record;
use crate::inspect::sample::Sample;
use crate::m::M;
use crate::timer::{Timers, now};
use attend::Attend;
use ring::Ring;

/// The ring's slots, as Go's.
pub(crate) const RING: usize = 256;

/// A processor: as many goroutines run at once as there are Ps in service. Never freed.
///
/// *Private* fields are touched by the holder in the runtime, or by a thief that has seized the holder's M.
#[repr(align(128))]
pub(crate) struct P {
    /// Its place in the table of Ps.
    pub(crate) index: usize,
    /// The goroutine to run next, made ready by the one that runs: it finds its data warm. Private; an atomic so
    /// that others may look.
    next: AtomicPtr<G>,
    pub(crate) ring: Ring<G, RING>,
    /// Counts goroutines started or continued. Private.
    pub(crate) tick: AtomicU32,
    /// What to look at with the next switch.
    pub(crate) attend: Attend,
    /// How long turns and queueing take, sampled.
    pub(crate) sample: Sample,
    /// Where its events are recorded, if they ever were. Written by its holder.
    pub(crate) trace: AtomicPtr<Record>,
    /// Counts slices begun: a goroutine from the next slot goes on with the slice of the one that readied it. Private.
    pub(crate) turn: AtomicU32,
    /// When a turn began after a preemption, and which.
    began: (AtomicU64, AtomicU32),
    /// A wake-up may take this P: its goroutine has run for the minimum slice. Set by sysmon, cleared with the turn.
    pub(crate) ripe: AtomicBool,
    /// Counts how often a wake-up took it. Private.
    pub(crate) kicks: AtomicU32,
    /// How many more of its wake-ups need not call another worker, and how many it was last. See `sched/README.md`.
    pub(crate) quiet: AtomicU32,
    pub(crate) quiet_span: AtomicU32,
    /// Its holder, or null when it is idle or out of service.
    pub(crate) m: AtomicPtr<M>,
    pub(crate) timers: Timers,
    /// Free stacks. Private.
    pub(crate) stacks: UnsafeCell<Cache>,
    /// Next id to give out and the end of this P's batch. Private.
    ids: Cell<(u64, u64)>,
    pub(crate) counts: Counts,
    /// Link of the list of idle Ps; in service or not. Under the scheduler's lock.
    pub(crate) idle_next: Cell<*const P>,
    pub(crate) is_idle: Cell<bool>,
    /// Out of service: whoever holds it gives it up. Written under the scheduler's lock.
    pub(crate) retired: AtomicBool,
    /// Out of service and in nobody's hands. Under the scheduler's lock.
    pub(crate) out: Cell<bool>,
}

/// Counters of one P: written by its holder only, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) spawned: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) switches: AtomicU64,
    pub(crate) steals: AtomicU64,
    /// Looks at the poller, and how many goroutines they woke.
    pub(crate) polls: AtomicU64,
    pub(crate) polled: AtomicU64,
}

/// Adds one to a counter that only the caller writes.
#[inline(always)]
pub(crate) fn bump(counter: &AtomicU64) {
    add(counter, 1);
}

/// [`bump`] by more than one.
#[inline(always)]
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    // Release: who sees an end counted sees the spawn counted that was before it.
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Release);
}

// SAFETY: see the type's documentation for who touches which field.
unsafe impl Sync for P {}
// SAFETY: likewise.
unsafe impl Send for P {}

impl P {
    pub(crate) fn new(index: usize) -> P {
        P {
            index,
            next: AtomicPtr::new(ptr::null_mut()),
            ring: Ring::new(),
            tick: AtomicU32::new(0),
            attend: Attend::new(),
            sample: Sample::new(),
            trace: AtomicPtr::new(ptr::null_mut()),
            turn: AtomicU32::new(0),
            began: (AtomicU64::new(0), AtomicU32::new(0)),
            ripe: AtomicBool::new(false),
            kicks: AtomicU32::new(0),
            quiet: AtomicU32::new(0),
            quiet_span: AtomicU32::new(0),
            m: AtomicPtr::new(ptr::null_mut()),
            timers: Timers::new(),
            stacks: UnsafeCell::new(Cache::new()),
            ids: Cell::new((0, 0)),
            counts: Counts::default(),
            idle_next: Cell::new(ptr::null()),
            is_idle: Cell::new(false),
            retired: AtomicBool::new(true),
            out: Cell::new(true),
        }
    }

    /// Books the start of a slice. Only for who has the private part.
    #[inline(always)]
    pub(crate) fn begin_turn(&self) {
        self.turn.store(self.turn.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.ripe.store(false, Ordering::Relaxed);
    }

    /// The next turn begins about now: spares sysmon to find out. Only for who has the private part.
    pub(crate) fn begins_soon(&self) {
        self.began.0.store(now(), Ordering::Relaxed);
        self.began.1.store(self.turn.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// When `turn` began, if that is known.
    pub(crate) fn began(&self, turn: u32) -> Option<u64> {
        (self.began.1.load(Ordering::Relaxed) == turn).then(|| self.began.0.load(Ordering::Relaxed))
    }

    /// The goroutine in the next slot, for a look.
    #[inline(always)]
    pub(crate) fn peek_next(&self) -> *mut G {
        self.next.load(Ordering::Relaxed)
    }

    /// Puts `g` into the next slot and what was there at the end of the ring.
    ///
    /// # Safety
    ///
    /// The caller has the private part. It hands `g` over to this P.
    #[inline(always)]
    pub(crate) unsafe fn put_next(&self, g: *const G) {
        let old = self.peek_next();
        self.next.store(g.cast_mut(), Ordering::Release);
        if !old.is_null() {
            // SAFETY: by contract.
            unsafe { self.put(old) }
        }
    }

    /// Puts `g` at the end of the ring; where that is full, half of it goes to the global queue.
    ///
    /// # Safety
    ///
    /// As [`put_next`](Self::put_next).
    #[inline(always)]
    pub(crate) unsafe fn put(&self, g: *const G) {
        // SAFETY: by contract.
        if let Err(g) = unsafe { self.ring.push(g.cast_mut()) } {
            // SAFETY: by contract.
            unsafe { self.overflow(g) }
        }
    }

    #[cold]
    unsafe fn overflow(&self, mut g: *mut G) {
        let mut batch = [ptr::null_mut(); RING / 2 + 1];
        loop {
            // SAFETY: by the contract of `put`.
            let taken = unsafe { self.ring.take_half(&mut batch[..RING / 2]) };
            if taken > 0 {
                batch[taken] = g;
                crate::sched::inject::put_batch(&batch[..=taken]);
                return;
            }
            // Thieves made room.
            // SAFETY: by the contract of `put`.
            match unsafe { self.ring.push(g) } {
                Ok(()) => return,
                Err(back) => g = back,
            }
        }
    }

    /// Takes the goroutine to run next from the slot or the ring.
    ///
    /// # Safety
    ///
    /// The caller has the private part.
    #[inline(always)]
    pub(crate) unsafe fn take(&self) -> Option<*const G> {
        let next = self.take_next();
        if !next.is_null() {
            return Some(next);
        }
        // SAFETY: by contract.
        let g = unsafe { self.ring.pop() }?;
        self.fetch_ahead();
        Some(g)
    }

    /// Asks the memory for the goroutine that will be taken after this one: among many its header and the end of its
    /// frames are in no cache, and to wait for them costs more than all the rest of a switch.
    #[inline(always)]
    fn fetch_ahead(&self) {
        let g = self.ring.peek();
        if !g.is_null() {
            // Only a hint: another may take it meanwhile, and its memory may even be gone.
            crate::g::prefetch(g);
        }
    }

    /// Empties the next slot. Only for who has the private part.
    #[inline(always)]
    pub(crate) fn take_next(&self) -> *const G {
        let next = self.peek_next();
        if !next.is_null() {
            self.next.store(ptr::null_mut(), Ordering::Relaxed);
        }
        next
    }

    /// Whether it has anything to run.
    #[inline(always)]
    pub(crate) fn has_work(&self) -> bool {
        !self.peek_next().is_null() || !self.ring.is_empty()
    }

    /// A fresh goroutine id. Only for who has the private part.
    #[inline(always)]
    pub(crate) fn fresh_id(&self) -> u64 {
        let (id, end) = self.ids.get();
        if id < end {
            self.ids.set((id + 1, end));
            return id;
        }
        const BATCH: u64 = 16;
        let id = crate::g::handle::reserve_ids(BATCH);
        self.ids.set((id + 1, id + BATCH));
        id
    }
}
