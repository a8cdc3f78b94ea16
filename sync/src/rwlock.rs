//! The read-write lock around data.

#![allow(unsafe_code, reason = "a guard is the proof of the right to the data")]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::time::Duration;

use gander_runtime::Cancel;
use gander_runtime::timer::deadline_after;

use crate::line::Until;
use crate::poison::{Poison, Watch};
use crate::raw::rwlock::RawRwLock;

/// Many readers or one writer. [`std::sync::RwLock`], for goroutines and threads alike.
///
/// Readers and writers take turns. A writer that waits keeps new readers out; when a writer is done all readers that
/// wait then come before the next writer. (Go's `sync.RWMutex`.)
///
/// So a task that reads and wants to [`read`](Self::read) again meanwhile may wait for ever: for a writer that has come
/// in between, which waits for the first read to end.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::RwLock;
///
/// let lock = RwLock::new(5);
/// {
///     let (one, other) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(*one + *other, 10);
/// }
/// *lock.write().unwrap() += 1;
/// assert_eq!(*lock.read().unwrap(), 6);
/// # });
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    poison: Poison,
    data: UnsafeCell<T>,
}

// SAFETY: the data goes with the lock.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: readers share the data, and a writer has it alone, on whatever thread.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

/// The right to read what a [`RwLock`] guards, until dropped. As [`std::sync::RwLockReadGuard`], and like that not
/// `Send`.
#[must_use = "if unused the lock is let go at once"]
pub struct RwLockReadGuard<'a, T: ?Sized + 'a> {
    /// By address, so that a guard of what lives longer is one of what lives shorter: who only reads may. Not `Send`.
    data: NonNull<T>,
    raw: &'a RawRwLock,
}

/// The right to write what a [`RwLock`] guards, until dropped. As [`std::sync::RwLockWriteGuard`], and like that not
/// `Send`.
#[must_use = "if unused the lock is let go at once"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    watch: Watch,
    not_send: PhantomData<*const ()>,
}

impl<T: ?Sized> UnwindSafe for RwLockReadGuard<'_, T> {}
impl<T: ?Sized> RefUnwindSafe for RwLockReadGuard<'_, T> {}

// SAFETY: through a shared guard one gets no more than shared data.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: likewise.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<T> RwLock<T> {
    /// An open lock around `value`.
    #[inline]
    pub const fn new(value: T) -> RwLock<T> {
        RwLock { raw: RawRwLock::new(), poison: Poison::new(), data: UnsafeCell::new(value) }
    }

    /// What it guarded.
    ///
    /// # Errors
    ///
    /// If it is poisoned; the value is in the error.
    pub fn into_inner(self) -> LockResult<T> {
        let RwLock { poison, data, .. } = self;
        poison.wrap(data.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock to read.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while a writer has the lock or waits for it.
    ///
    /// # Errors
    ///
    /// If it is poisoned: a writer panicked while having the lock. It is taken; the guard is in the error.
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.raw.read();
        self.poison.wrap(self.read_guard())
    }

    /// Takes the lock to read if no writer has it or waits for it.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if one does; `Poisoned` as [`read`](Self::read).
    #[inline]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        if self.raw.try_read() { Ok(self.poison.wrap(self.read_guard())?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Takes the lock to read unless that takes longer than `timeout`. (Of parking_lot's name; std has none.)
    ///
    /// # Blocking
    ///
    /// As [`read`](Self::read), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the time is up; `Poisoned` as [`read`](Self::read).
    pub fn try_read_for(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        if self.raw.read_until(|| Until::deadline(deadline_after(timeout))) {
            Ok(self.poison.wrap(self.read_guard())?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Takes the lock to read unless `ctx` is cancelled first, or already.
    ///
    /// # Blocking
    ///
    /// As [`read`](Self::read), until `ctx` is cancelled.
    ///
    /// # Errors
    ///
    /// `ctx`'s, if it is cancelled. Else what [`read`](Self::read) returns.
    pub fn read_ctx<C: Cancel + ?Sized>(&self, ctx: &C) -> Result<LockResult<RwLockReadGuard<'_, T>>, C::Error> {
        if !ctx.is_cancelled() && self.raw.read_until(|| Until::signal(ctx.signal())) {
            Ok(self.poison.wrap(self.read_guard()))
        } else {
            Err(ctx.error())
        }
    }

    /// Takes the lock to write.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while others have the lock or come first.
    ///
    /// # Errors
    ///
    /// If it is poisoned: a writer panicked while having the lock. It is taken; the guard is in the error.
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.raw.write();
        self.poison.wrap(self.write_guard())
    }

    /// Takes the lock to write if nobody has it.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if somebody does; `Poisoned` as [`write`](Self::write).
    #[inline]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        if self.raw.try_write() { Ok(self.poison.wrap(self.write_guard())?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Takes the lock to write unless that takes longer than `timeout`. (Of parking_lot's name; std has none.)
    ///
    /// # Blocking
    ///
    /// As [`write`](Self::write), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the time is up; `Poisoned` as [`write`](Self::write).
    pub fn try_write_for(&self, timeout: Duration) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        if self.raw.write_until(|| Until::deadline(deadline_after(timeout))) {
            Ok(self.poison.wrap(self.write_guard())?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// Takes the lock to write unless `ctx` is cancelled first, or already.
    ///
    /// # Blocking
    ///
    /// As [`write`](Self::write), until `ctx` is cancelled.
    ///
    /// # Errors
    ///
    /// `ctx`'s, if it is cancelled. Else what [`write`](Self::write) returns.
    pub fn write_ctx<C: Cancel + ?Sized>(&self, ctx: &C) -> Result<LockResult<RwLockWriteGuard<'_, T>>, C::Error> {
        if !ctx.is_cancelled() && self.raw.write_until(|| Until::signal(ctx.signal())) {
            Ok(self.poison.wrap(self.write_guard()))
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
        let RwLock { poison, data, .. } = self;
        poison.wrap(data.get_mut())
    }

    #[inline]
    fn read_guard(&self) -> RwLockReadGuard<'_, T> {
        let data = NonNull::new(self.data.get()).expect("the address of a field");
        RwLockReadGuard { data, raw: &self.raw }
    }

    #[inline]
    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard { lock: self, watch: self.poison.watch(), not_send: PhantomData }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Turns the right to write into one to read. No writer comes in between; readers that wait come in.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.write().unwrap();
    /// *writer = 2;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!(*reader, *lock.read().unwrap());
    /// ```
    pub fn downgrade(s: Self) -> RwLockReadGuard<'a, T> {
        let lock = s.lock;
        lock.poison.done(&s.watch);
        std::mem::forget(s);
        lock.raw.downgrade();
        lock.read_guard()
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: while there is a read guard nobody writes; `raw` borrows the lock that the data is in.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: there is no other guard.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is no other guard.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.raw.unlock_read();
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.poison.done(&self.watch);
        self.lock.raw.unlock_write();
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => out.field("data", &&*guard),
            Err(TryLockError::Poisoned(error)) => out.field("data", &&**error.get_ref()),
            Err(TryLockError::WouldBlock) => out.field("data", &format_args!("<locked>")),
        };
        out.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
