//! A value that is made when it is first wanted.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::mutex::Mutex;
use crate::once::Once;
use crate::once_lock::OnceLock;

/// A value that is made when it is first wanted. [`std::sync::LazyLock`], for goroutines and threads alike.
///
/// # Examples
///
/// ```
/// use gander_sync::LazyLock;
///
/// static SQUARES: LazyLock<Vec<u32>> = LazyLock::new(|| (0..10).map(|i| i * i).collect());
/// assert_eq!(SQUARES[3], 9);
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    /// Poisoned if the making panicked.
    once: Once,
    value: OnceLock<T>,
    /// Taken by the run of `once`.
    make: Mutex<Cell<Option<F>>>,
}

impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// A value that `f` makes.
    #[inline]
    pub const fn new(f: F) -> LazyLock<T, F> {
        LazyLock { once: Once::new(), value: OnceLock::new(), make: Mutex::new(Cell::new(Some(f))) }
    }

    /// The value; made if it was not.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while another makes it; for ever, if that is the caller itself,
    /// further up.
    ///
    /// # Panics
    ///
    /// With the closure's panic; from then on always.
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        match this.value.get() {
            Some(value) => value,
            None => this.make(),
        }
    }

    /// [`force`](Self::force), where there is nobody else.
    ///
    /// # Panics
    ///
    /// As [`force`](Self::force).
    #[inline]
    #[track_caller]
    pub fn force_mut(this: &mut LazyLock<T, F>) -> &mut T {
        LazyLock::force(this);
        this.value.get_mut().expect("just made")
    }

    #[cold]
    #[track_caller]
    fn make(&self) -> &T {
        assert!(!self.once.is_poisoned(), "a LazyLock is poisoned: its closure panicked");
        self.once.call_once(|| {
            let f = self.make.lock().unwrap_or_else(|error| error.into_inner()).take();
            let f = f.expect("made once");
            self.value.get_or_init(f);
        });
        self.value.get().expect("just made")
    }
}

impl<T, F> LazyLock<T, F> {
    /// The value, if it was made.
    #[inline]
    pub fn get(this: &LazyLock<T, F>) -> Option<&T> {
        this.value.get()
    }

    /// The value, if it was made: there is nobody else.
    #[inline]
    pub fn get_mut(this: &mut LazyLock<T, F>) -> Option<&mut T> {
        this.value.get_mut()
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;
    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    #[inline]
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        LazyLock::force_mut(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> LazyLock<T> {
        LazyLock::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("LazyLock");
        match LazyLock::get(self) {
            Some(value) => out.field(value),
            None => out.field(&format_args!("<uninit>")),
        };
        out.finish()
    }
}
