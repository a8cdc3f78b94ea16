//! Semaphores.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use gander_runtime::inspect::WaitPlace;
use gander_runtime::lock::Lock;
use gander_runtime::timer::deadline_after;
use gander_runtime::{Cancel, WaitReason};

use crate::line::{End, Line, Place, Until, stand};
use crate::raw::semaphore::{MOST, RawSemaphore, TooMany};

/// A number of permits that tasks take and give back. (Go's `golang.org/x/sync/semaphore`.)
///
/// Permits are given in order of arrival: a request for many that has to wait keeps later ones waiting, also those that
/// there are enough permits for.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::{Arc, Semaphore};
///
/// let slots = Arc::new(Semaphore::new(3));
/// let all: Vec<_> = (0..10)
///     .map(|i| {
///         let slots = Arc::clone(&slots);
///         gander_runtime::spawn(move || {
///             let _slot = slots.acquire(1); // at most three are here at once
///             i * i
///         })
///     })
///     .collect();
/// let sum: i32 = all.into_iter().map(|one| one.join().unwrap()).sum();
/// assert_eq!((sum, slots.available()), (285, 3));
/// # });
/// ```
pub struct Semaphore {
    raw: RawSemaphore,
    size: usize,
}

impl UnwindSafe for Semaphore {}
impl RefUnwindSafe for Semaphore {}

impl Semaphore {
    /// The most permits a semaphore can have.
    pub const MAX_PERMITS: usize = MOST;

    /// A semaphore with `size` permits.
    ///
    /// # Panics
    ///
    /// If `size` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[must_use]
    pub const fn new(size: usize) -> Semaphore {
        assert!(size <= MOST, "a semaphore cannot have so many permits");
        Semaphore { raw: RawSemaphore::new(size), size }
    }

    /// Takes `count` permits.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, until they are free and nobody came before.
    ///
    /// # Panics
    ///
    /// If `count` is more than the semaphore has in all: this would wait for ever.
    #[track_caller]
    pub fn acquire(&self, count: usize) -> Permit<'_> {
        assert!(count <= self.size, "semaphore: {count} permits asked for, and there are {} in all", self.size);
        if !self.raw.try_acquire(count) {
            self.raw.acquire(count, Until::WOKEN);
        }
        Permit { semaphore: self, count }
    }

    /// Takes `count` permits, if they are free and nobody waits.
    pub fn try_acquire(&self, count: usize) -> Option<Permit<'_>> {
        self.raw.try_acquire(count).then(|| Permit { semaphore: self, count })
    }

    /// Takes `count` permits unless that takes longer than `timeout`. When the time is up those behind go on as if this
    /// had not been. A request for more than there are in all keeps nobody waiting but the caller.
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire), for at most `timeout`.
    pub fn acquire_timeout(&self, count: usize, timeout: Duration) -> Option<Permit<'_>> {
        self.take_until(count, || Until::deadline(deadline_after(timeout)))
            .then(|| Permit { semaphore: self, count })
    }

    /// Takes `count` permits unless `ctx` is cancelled first, or already. As for [`acquire_timeout`](Self::acquire_timeout)
    /// those behind then go on, and a request for too many keeps nobody waiting but the caller.
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire), until `ctx` is cancelled.
    ///
    /// # Errors
    ///
    /// `ctx`'s, if it is cancelled: also where permits are free.
    ///
    /// # Panics
    ///
    /// If `count` is more than the semaphore has in all, and `ctx` can never be cancelled: this would wait for ever.
    pub fn acquire_ctx<C: Cancel + ?Sized>(&self, count: usize, ctx: &C) -> Result<Permit<'_>, C::Error> {
        if !ctx.is_cancelled() && self.take_until(count, || Until::signal(ctx.signal())) {
            Ok(Permit { semaphore: self, count })
        } else {
            Err(ctx.error())
        }
    }

    /// [`acquire`](Self::acquire), for a permit that can go anywhere.
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>, count: usize) -> OwnedPermit {
        self.acquire(count).forget();
        OwnedPermit { semaphore: self, count }
    }

    /// [`try_acquire`](Self::try_acquire), for a permit that can go anywhere.
    pub fn try_acquire_owned(self: Arc<Self>, count: usize) -> Option<OwnedPermit> {
        self.try_acquire(count)?.forget();
        Some(OwnedPermit { semaphore: self, count })
    }

    /// [`acquire_timeout`](Self::acquire_timeout), for a permit that can go anywhere.
    ///
    /// # Blocking
    ///
    /// As [`acquire_timeout`](Self::acquire_timeout).
    pub fn acquire_timeout_owned(self: Arc<Self>, count: usize, timeout: Duration) -> Option<OwnedPermit> {
        self.acquire_timeout(count, timeout)?.forget();
        Some(OwnedPermit { semaphore: self, count })
    }

    /// Gives `count` permits back that were taken and then [forgotten](Permit::forget).
    ///
    /// # Panics
    ///
    /// If so many are not taken; then nothing changes.
    #[track_caller]
    pub fn release(&self, count: usize) {
        if self.raw.release(count, self.size) == Err(TooMany) {
            panic!("semaphore: released more than held");
        }
    }

    /// How many permits are free now.
    pub fn available(&self) -> usize {
        self.raw.free()
    }

    /// How many there are in all.
    pub fn size(&self) -> usize {
        self.size
    }

    fn take_until<'a>(&self, count: usize, until: impl FnOnce() -> Until<'a>) -> bool {
        if self.raw.try_acquire(count) {
            return true;
        }
        let until = until();
        if count <= self.size {
            return self.raw.acquire(count, until);
        }
        give_up(until);
        false
    }

    /// A permit is dropped.
    fn put_back(&self, count: usize) {
        let is_held = self.raw.release(count, self.size).is_ok();
        // Somebody has released what was ours. Not a second panic for that.
        assert!(is_held || std::thread::panicking(), "semaphore: released more than held");
    }
}

/// Waits for that moment, which nothing else can come before.
///
/// # Panics
///
/// If it never comes.
fn give_up(until: Until<'_>) {
    let nobody = Lock::new(Line::new());
    assert!(!until.is_woken_only(), "semaphore: more permits asked for than there are");
    let what = (WaitReason::Semaphore, WaitPlace::thing(&nobody));
    let _: End<'_, Line> = stand(nobody.lock(), |line| line, Place::Last, 0, what, until);
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Semaphore");
        out.field("available", &self.available()).field("size", &self.size).finish()
    }
}

/// Permits of a [`Semaphore`], given back when dropped.
#[must_use = "dropped, the permits are given back"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

impl Permit<'_> {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Keeps the permits taken, until somebody [releases](Semaphore::release) as many.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.put_back(self.count);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Permits of a shared [`Semaphore`], given back when dropped.
#[must_use = "dropped, the permits are given back"]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl OwnedPermit {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The semaphore they are of.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// Keeps the permits taken, until somebody [releases](Semaphore::release) as many.
    pub fn forget(mut self) {
        // Nothing to give back; the handle is dropped.
        self.count = 0;
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.semaphore.put_back(self.count);
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("count", &self.count).finish_non_exhaustive()
    }
}
