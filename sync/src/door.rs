//! The one door through which the protocols in `raw/` take their atomics, their locks and their rest, so that loom can
//! stand in for the machine and the scheduler (`tests/loom_*.rs`); or shuttle, where `cfg(shuttle)` is set beside `cfg(loom)`
//! (`tests/shuttle.rs`).

#![allow(unsafe_code, reason = "a task comes to rest by a promise about who readies it")]

#[cfg(not(loom))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    pub(crate) use gander_runtime::inspect::{Owner, WaitPlace, waiting_at};
    pub(crate) use gander_runtime::lock::{Guard, Lock};
    pub(crate) use gander_runtime::timer::now;
    pub(crate) use gander_runtime::{Claim, Signal, Surroundings, Task, WaitReason, surroundings};

    use gander_runtime::{wait_cancellable, wait_until};

    use crate::line::Until;

    /// Waits until readied by whoever has won `claim`, or `until` the clock or the signal has won it. The lock is let go
    /// when the caller has come to rest. Returns the winner, and the lock.
    ///
    /// # Safety
    ///
    /// As [`gander_runtime::wait_until`].
    #[inline]
    pub(crate) unsafe fn rest<'a, S>(
        reason: WaitReason,
        until: Until<'_>,
        claim: &Claim,
        guard: Guard<'a, S>,
    ) -> (usize, &'a Lock<S>) {
        let lock = Guard::leak(guard);
        let raw = lock.raw();
        // SAFETY: by contract; the guard was the proof that the lock is held, and it is handed over here. Locks of lines
        // come before timer heaps: nobody takes one while holding a heap.
        let winner = unsafe {
            let release = || raw.unlock_handed_over();
            match until.signal {
                None => wait_until(reason, until.deadline, claim, release),
                Some(signal) => wait_cancellable(reason, until.deadline, signal, claim, release),
            }
        };
        (winner, lock)
    }

    /// The calling task, which is about to wait by `claim`.
    #[inline(always)]
    pub(crate) fn task(_: &Claim) -> Task {
        Task::current()
    }
}

#[cfg(loom)]
mod model {
    pub(crate) use gander_runtime::{Signal, Surroundings, WaitReason};
    #[cfg(not(shuttle))]
    use loom as checker;
    #[cfg(shuttle)]
    use shuttle as checker;

    pub(crate) use checker::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    use std::ops::{Deref, DerefMut};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use crate::line::Until;

    /// Time stands still; a wait with a deadline may end at any moment.
    pub(crate) fn now() -> u64 {
        0
    }

    /// Nobody looks inside a model.
    #[derive(Debug)]
    pub(crate) struct Owner;

    impl Owner {
        pub(crate) fn new() -> Owner {
            Owner
        }
        pub(crate) fn enter(&self) {}
        pub(crate) fn leave(&self) {}
    }

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct WaitPlace;

    impl WaitPlace {
        pub(crate) fn thing<T>(_: &T) -> WaitPlace {
            WaitPlace
        }
        pub(crate) fn owned(_: &Owner) -> WaitPlace {
            WaitPlace
        }
        pub(crate) fn shared(_: &Owner) -> WaitPlace {
            WaitPlace
        }
    }

    pub(crate) fn waiting_at<R>(_: WaitPlace, wait: impl FnOnce() -> R) -> R {
        wait()
    }

    pub(crate) fn surroundings() -> Surroundings {
        Surroundings { has_ready: false, others_run: false }
    }

    #[derive(Debug)]
    pub(crate) struct Lock<T>(checker::sync::Mutex<T>);

    #[derive(Debug)]
    pub(crate) struct Guard<'a, T>(&'a Lock<T>, checker::sync::MutexGuard<'a, T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Lock<T> {
            Lock(checker::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            Guard(self, self.0.lock().expect("nobody panics in it"))
        }
    }

    impl<T> Guard<'_, T> {
        pub(crate) unsafe fn unlock_and_ready(guard: Self, task: Task) {
            drop(guard);
            // SAFETY: by contract.
            unsafe { task.ready() }
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.1
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.1
        }
    }

    /// A claim, and how its task is woken.
    #[derive(Debug)]
    pub(crate) struct Claim {
        winner: AtomicUsize,
        event: Arc<Event>,
    }

    #[derive(Debug)]
    struct Event {
        sleeper: checker::thread::Thread,
        /// Not part of the model: parking is.
        is_set: AtomicBool,
    }

    impl Claim {
        pub(crate) const TIMEOUT: usize = usize::MAX;
        pub(crate) const CANCELLED: usize = usize::MAX - 1;

        pub(crate) fn new() -> Claim {
            let event = Event { sleeper: checker::thread::current(), is_set: AtomicBool::new(false) };
            Claim { winner: AtomicUsize::new(0), event: Arc::new(event) }
        }

        pub(crate) fn claim(&self, by: usize) -> bool {
            self.winner.compare_exchange(0, by, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        }

        fn winner(&self) -> usize {
            self.winner.load(Ordering::Acquire)
        }
    }

    /// Owns a share of the event, which `ready` gives up.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Task(*const Event);

    pub(crate) fn task(claim: &Claim) -> Task {
        Task(Arc::into_raw(Arc::clone(&claim.event)))
    }

    impl Task {
        pub(crate) unsafe fn ready(self) {
            // SAFETY: by contract this is called once at most.
            let event = unsafe { Arc::from_raw(self.0) };
            assert!(!event.is_set.swap(true, Ordering::SeqCst), "readied twice");
            event.sleeper.unpark();
        }
    }

    pub(crate) unsafe fn rest<'a, S>(
        _: WaitReason,
        until: Until<'_>,
        claim: &Claim,
        guard: Guard<'a, S>,
    ) -> (usize, &'a Lock<S>) {
        let lock = guard.0;
        drop(guard);
        // The clock strikes whenever loom lets this thread run.
        if !until.is_woken_only() && claim.claim(Claim::TIMEOUT) {
            return (Claim::TIMEOUT, lock);
        }
        while !claim.event.is_set.load(Ordering::SeqCst) {
            checker::thread::park();
        }
        (claim.winner(), lock)
    }
}

#[cfg(loom)]
pub(crate) use model::*;
#[cfg(not(loom))]
pub(crate) use real::*;
