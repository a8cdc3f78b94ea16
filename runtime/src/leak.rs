//! Leak checks for tests: what did a piece of code start, and what of it is still there?
//!
//! Each goroutine belongs to the *family* of the one that started it, also when that one has ended. A check makes a new
//! family for what it runs, and afterwards looks who of it is alive. So checks that run at the same time, in tests of one
//! process, do not see each other's goroutines.

use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::inspect::quit::Brief;
use crate::inspect::{GoroutineInfo, for_each_goroutine};
use crate::m;
use crate::timer::{deadline_after, now};

/// Who was started, over any number of generations, by one piece of code. 0: by no check's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Family(u64);

thread_local! {
    /// That of an ordinary thread.
    static OF_THREAD: Cell<u64> = const { Cell::new(0) };
}

impl Family {
    /// Nobody's: what belongs to it is in no check.
    pub const NONE: Family = Family(0);

    fn fresh() -> Family {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Family(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The caller's.
    pub fn current() -> Family {
        let g = m::current_g();
        // SAFETY: the running goroutine is alive.
        Family(if g.is_null() { OF_THREAD.get() } else { unsafe { (*g).family.get() } })
    }

    /// The caller belongs to it from now on. Returns what it belonged to.
    pub fn join(self) -> Family {
        let g = m::current_g();
        // SAFETY: the running goroutine is alive.
        Family(if g.is_null() { OF_THREAD.replace(self.0) } else { unsafe { (*g).family.replace(self.0) } })
    }

    pub(crate) fn as_u64(self) -> u64 {
        self.0
    }
}

/// Runs `f` and then fails if goroutines are still there that it started, or that were started by those. It gives them a
/// second to end. See [`Check`] for more to say.
///
/// # Blocking
///
/// Parks the goroutine while it waits for others to end; blocks an ordinary thread.
///
/// # Panics
///
/// If goroutines are left, with a list that says of each what it waits for and where it was spawned. With `f`'s panic.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander_runtime::run(|| {
/// let caught = std::panic::catch_unwind(|| {
///     gander::leak::Check::new().patience(std::time::Duration::ZERO).run(|| {
///         gander::go(|| gander::park());
///     });
/// });
/// assert!(caught.is_err());
/// # });
/// ```
#[track_caller]
pub fn check<R>(f: impl FnOnce() -> R) -> R {
    Check::new().run(f)
}

type Filter = Box<dyn Fn(&GoroutineInfo) -> bool>;

/// A leak check with settings.
#[must_use = "a check does nothing until it runs something"]
pub struct Check {
    patience: Duration,
    ignored: Vec<Filter>,
}

impl Check {
    /// A check as [`check`] makes it.
    pub fn new() -> Check {
        Check { patience: Duration::from_secs(1), ignored: Vec::new() }
    }

    /// How long goroutines may take to end; a second where nothing is said.
    pub fn patience(mut self, patience: Duration) -> Check {
        self.patience = patience;
        self
    }

    /// Leaves out goroutines for which `is_known` is true. All that were said to be left out are.
    pub fn ignore(mut self, is_known: impl Fn(&GoroutineInfo) -> bool + 'static) -> Check {
        self.ignored.push(Box::new(is_known));
        self
    }

    /// Runs `f` and fails if something is left. See [`check`].
    ///
    /// # Panics
    ///
    /// As [`check`].
    #[track_caller]
    pub fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let (answer, left) = self.find(f);
        if !left.is_empty() {
            let mut text = format!("goroutines are left: {}\n", left.len());
            for goroutine in &left {
                let _ = writeln!(text, "\n{}", Brief(goroutine));
            }
            panic!("{}", text.trim_end());
        }
        answer
    }

    /// Runs `f`; returns what it returns, and what is left, in the order of their ids.
    pub fn find<R>(self, f: impl FnOnce() -> R) -> (R, Vec<GoroutineInfo>) {
        struct Back(Family);
        impl Drop for Back {
            fn drop(&mut self) {
                self.0.join();
            }
        }
        const FIRST: Duration = Duration::from_micros(50);
        const LONGEST: Duration = Duration::from_millis(20);
        let family = Family::fresh();
        let answer = {
            let _back = Back(family.join());
            f()
        };
        let deadline = deadline_after(self.patience);
        let mut pause = FIRST;
        loop {
            let mut left = self.left(family);
            if left.is_empty() || now() >= deadline {
                left.sort_unstable_by_key(|goroutine| goroutine.id);
                return (answer, left);
            }
            crate::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn left(&self, family: Family) -> Vec<GoroutineInfo> {
        let mut left = Vec::new();
        for_each_goroutine(|goroutine| {
            if goroutine.family == family.as_u64() && !self.ignored.iter().any(|is_known| is_known(goroutine)) {
                left.push(goroutine.clone());
            }
        });
        left
    }
}

impl Default for Check {
    fn default() -> Check {
        Check::new()
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("patience", &self.patience).finish_non_exhaustive()
    }
}
