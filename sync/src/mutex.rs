//! The mutex around data.

#![allow(unsafe_code, reason = "a guard is the proof of sole access to the data")]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

use gander_runtime::Cancel;
use gander_runtime::timer::deadline_after;

use crate::line::Until;
use crate::poison::{Poison, Watch};
use crate::raw::mutex::RawMutex;

/// Mutual exclusion. [`std::sync::Mutex`], for goroutines and threads alike.
///
/// Who waits does so in order of arrival. While nobody has waited for a millisecond the lock is for whoever is there
/// when it opens, which is fast; then it is handed from one to the next until nobody waits for so long. (Go's
/// `sync.Mutex`.)
///
/// A guard may be held across anything, other waits included. A panic while it is held poisons the mutex;
/// [`exit`](gander_runtime::exit) does not, it lets go as a return does.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::{Arc, Mutex};
///
/// let sum = Arc::new(Mutex::new(0));
/// let adders: Vec<_> = (1..=10)
///     .map(|i| {
///         let sum = Arc::clone(&sum);
///         gander_runtime::spawn(move || *sum.lock().unwrap() += i)
///     })
///     .collect();
/// for adder in adders {
///     adder.join().unwrap();
/// }
/// assert_eq!(*sum.lock().unwrap(), 55);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    poison: Poison,
    data: UnsafeCell<T>,
}

// SAFETY: the data goes with the mutex.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: `raw` gives one task at a time access to the data, which so wanders between threads.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

/// The right to what a [`Mutex`] guards; unlocks it when dropped. As [`std::sync::MutexGuard`].
///
/// It is not `Send`, as std's is not: what is written for one is right for the other. (It may lie in the frame of a
/// goroutine that goes on on another thread; so may anything.)
///
/// ```compile_fail,E0277
/// let mutex = gander_sync::Mutex::new(());
/// let guard = mutex.lock().unwrap();
/// std::thread::scope(|s| {
///     s.spawn(move || drop(guard));
/// });
/// ```
#[must_use = "if unused the mutex is unlocked at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(crate) mutex: &'a Mutex<T>,
    watch: Watch,
    not_send: PhantomData<*const ()>,
}

// SAFETY: through a shared guard one gets no more than shared data.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// An open mutex around `value`.
    #[inline]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { raw: RawMutex::new(), poison: Poison::new(), data: UnsafeCell::new(value) }
    }

    /// What it guarded.
    ///
    /// # Errors
    ///
    /// If it is poisoned; the value is in the error.
    pub fn into_inner(self) -> LockResult<T> {
        let Mutex { poison, data, .. } = self;
        poison.wrap(data.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while another has the lock; for ever, if the caller itself has
    /// it.
    ///
    /// # Errors
    ///
    /// If it is poisoned: somebody panicked while having the lock. The lock is taken; the guard is in the error.
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.raw.lock();
        self.locked()
    }

    /// Takes the lock if it is open. While somebody starves for it, it is not.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if another has it; `Poisoned` as [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        if self.raw.try_lock() { Ok(self.locked()?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Takes the lock unless that takes longer than `timeout`. (Of parking_lot's name; std has none.)
    ///
    /// # Blocking
    ///
    /// As [`lock`](Self::lock), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the time is up; `Poisoned` as [`lock`](Self::lock).
    pub fn try_lock_for(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        if self.raw.lock_until(|| Until::deadline(deadline_after(timeout))) {
            Ok(self.locked()?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Takes the lock unless `ctx` is cancelled first, or already.
    ///
    /// # Blocking
    ///
    /// As [`lock`](Self::lock), until `ctx` is cancelled.
    ///
    /// # Errors
    ///
    /// `ctx`'s, if it is cancelled. Else what [`lock`](Self::lock) returns.
    pub fn lock_ctx<C: Cancel + ?Sized>(&self, ctx: &C) -> Result<LockResult<MutexGuard<'_, T>>, C::Error> {
        if !ctx.is_cancelled() && self.raw.lock_until(|| Until::signal(ctx.signal())) {
            Ok(self.locked())
        } else {
            Err(ctx.error())
        }
    }

    /// Whether a panic has poisoned it.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.poison.get()
    }

    /// Declares the data to be in order again.
    #[inline]
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The data, without locking: there is nobody else.
    ///
    /// # Errors
    ///
    /// If it is poisoned; the reference is in the error.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let Mutex { poison, data, .. } = self;
        poison.wrap(data.get_mut())
    }

    /// The guard of a lock that was just taken.
    #[inline]
    fn locked(&self) -> LockResult<MutexGuard<'_, T>> {
        self.poison.wrap(MutexGuard { mutex: self, watch: self.poison.watch(), not_send: PhantomData })
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Gives the lock away for a while: `wait` is told how to unlock, and does so. Poison is laid and found as by an
    /// unlock and a lock.
    pub(crate) fn without<R>(self, wait: impl FnOnce(&RawMutex) -> R) -> (LockResult<MutexGuard<'a, T>>, R) {
        let mutex = self.mutex;
        mutex.poison.done(&self.watch);
        std::mem::forget(self);
        let answer = wait(&mutex.raw);
        (mutex.lock(), answer)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the proof that we hold the lock.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the proof that we hold the lock.
        unsafe { &mut *self.mutex.data.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.poison.done(&self.watch);
        self.mutex.raw.unlock();
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => out.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => out.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => out.field("data", &format_args!("<locked>")),
        };
        out.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
