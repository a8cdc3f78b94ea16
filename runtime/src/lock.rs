//! The runtime's own lock: a few instructions held, never across preemption, never across a switch but handed over.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::m;
use crate::park::Task;

/// A spin lock whose holder cannot be preempted by gander.
///
/// One atomic read-modify-write to take, a plain store to release; that is what channels are fast by. It is safe
/// to spin because a holder is a few instructions from letting go: on a goroutine, preemption is held off while
/// it is held (`[signal-quiet]`). The kernel can still take the processor from a holder, so a waiter soon gives
/// its time away, and then sleeps.
#[derive(Debug, Default)]
pub struct RawLock {
    held: AtomicBool,
}

impl RawLock {
    /// An open lock.
    pub const fn new() -> RawLock {
        RawLock { held: AtomicBool::new(false) }
    }

    /// Takes the lock and holds preemption off.
    #[inline(always)]
    pub fn lock(&self) {
        m::hold_preemption();
        if self.held.swap(true, Ordering::Acquire) {
            self.lock_slow();
        }
    }

    /// Takes the lock if it is open.
    #[inline]
    pub fn try_lock(&self) -> bool {
        m::hold_preemption();
        let taken = !self.held.swap(true, Ordering::Acquire);
        if !taken {
            m::release_preemption();
        }
        taken
    }

    #[cold]
    fn lock_slow(&self) {
        // A holder lets go within tens of nanoseconds, unless the kernel descheduled it. Who finds the lock taken again
        // stays away for longer each time: every look takes the line from the holder, and two processors that want one
        // lock all the time do best if each does several turns in a row.
        const LONGEST_PAUSE: u32 = 64;
        const SPINS: u32 = 4 * LONGEST_PAUSE;
        const YIELDS: u32 = 50;
        let (mut spun, mut yields, mut pause) = (0, 0, 1);
        loop {
            while self.held.load(Ordering::Relaxed) {
                if spun < SPINS {
                    (0..pause).for_each(|_| std::hint::spin_loop());
                    spun += pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                } else if yields < YIELDS {
                    std::thread::yield_now();
                    yields += 1;
                } else {
                    // The holder may have a lower real-time priority than we: only sleeping lets it run.
                    crate::futex::nap(50);
                }
            }
            if !self.held.swap(true, Ordering::Acquire) {
                return;
            }
        }
    }

    /// Releases the lock and lets preemption in again.
    ///
    /// # Safety
    ///
    /// The caller's thread holds it.
    #[inline(always)]
    pub unsafe fn unlock(&self) {
        self.held.store(false, Ordering::Release);
        m::release_preemption();
    }

    /// Releases the lock from the far side of a switch, on behalf of the goroutine that parked holding it. The
    /// switch itself has taken over that goroutine's hold on preemption.
    ///
    /// # Safety
    ///
    /// The lock was handed over to the caller at a park.
    #[inline(always)]
    pub unsafe fn unlock_handed_over(&self) {
        self.held.store(false, Ordering::Release);
    }
}

/// A value behind a [`RawLock`].
#[derive(Debug, Default)]
pub struct Lock<T> {
    raw: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one thread at a time access to the value.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// An open lock around `value`.
    pub const fn new(value: T) -> Lock<T> {
        Lock { raw: RawLock::new(), value: UnsafeCell::new(value) }
    }

    /// Takes the lock.
    ///
    /// # Blocking
    ///
    /// Spins, then gives the thread's time away: blocks the thread for as long as the holder takes.
    #[inline(always)]
    pub fn lock(&self) -> Guard<'_, T> {
        self.raw.lock();
        Guard { lock: self, not_send: PhantomData }
    }

    /// Where the value is. It may be looked at by who holds the lock.
    #[inline(always)]
    pub fn as_ptr(&self) -> *mut T {
        self.value.get()
    }

    /// The guard of a lock that the caller's thread holds.
    ///
    /// # Safety
    ///
    /// The lock was taken by the caller, its guard was [leaked](Guard::leak), and there is no other since.
    #[inline(always)]
    pub unsafe fn held(&self) -> Guard<'_, T> {
        Guard { lock: self, not_send: PhantomData }
    }

    /// The lock without its value, to hand over at a park.
    #[inline(always)]
    pub fn raw(&self) -> &RawLock {
        &self.raw
    }
}

/// Access to the value of a [`Lock`]; releases it when dropped.
#[derive(Debug)]
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// It holds off preemption of the worker it was made on: not to be sent.
    not_send: PhantomData<*const ()>,
}

// SAFETY: through a shared guard one gets no more than a shared value.
unsafe impl<T: Sync> Sync for Guard<'_, T> {}

impl<'a, T> Guard<'a, T> {
    /// Keeps the lock held and forgets the guard: for handing the lock over at a park.
    #[inline(always)]
    pub fn leak(guard: Guard<'a, T>) -> &'a Lock<T> {
        let lock = guard.lock;
        std::mem::forget(guard);
        lock
    }
}

impl<T> Guard<'_, T> {
    /// Releases the lock, readies `task`, and only then lets preemption in: it must not strike between the two, or
    /// the task would wait for this goroutine's next turn. A [`Listener`](crate::Listener) is told when preemption is in
    /// again, as it runs code of the program.
    ///
    /// # Safety
    ///
    /// As [`Task::ready`].
    #[inline(always)]
    pub unsafe fn unlock_and_ready(guard: Self, task: Task) {
        let lock = Guard::leak(guard);
        // SAFETY: the guard was the proof that we hold it; by contract.
        unsafe {
            lock.raw.unlock_handed_over();
            if task.is_goroutine() || task.is_thread() {
                task.ready();
                m::release_preemption();
            } else {
                m::release_preemption();
                task.ready();
            }
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the proof that we hold the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the proof that we hold the lock.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the guard is the proof that we hold the lock.
        unsafe { self.lock.raw.unlock() }
    }
}
