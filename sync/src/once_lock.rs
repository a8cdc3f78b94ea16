//! A cell that is written once.

#![allow(unsafe_code, reason = "the value is there when the Once says so")]

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::once::Once;

/// A value that is written once. [`std::sync::OnceLock`], for goroutines and threads alike.
///
/// # Examples
///
/// ```
/// use gander_sync::OnceLock;
///
/// static NAME: OnceLock<String> = OnceLock::new();
/// assert_eq!(NAME.get(), None);
/// assert_eq!(NAME.get_or_init(|| "gander".to_string()), "gander");
/// assert_eq!(NAME.set("goose".to_string()), Err("goose".to_string()));
/// ```
pub struct OnceLock<T> {
    once: Once,
    /// Written by the run of `once`; there when that is completed. An `Option`, which drops it: a `Drop` of our own would
    /// keep a cell from what it borrows and dies together with.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value goes with the cell.
unsafe impl<T: Send> Send for OnceLock<T> {}
// SAFETY: one task writes it, perhaps for another that takes it out; then it is only read.
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// An empty cell.
    #[inline]
    #[must_use]
    pub const fn new() -> OnceLock<T> {
        OnceLock { once: Once::new(), value: UnsafeCell::new(None) }
    }

    /// The value, if it is there.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: just seen to be there; from then on it is not written.
        self.once.is_completed().then(|| unsafe { (*self.value.get()).as_ref().unwrap_unchecked() })
    }

    /// The value, if it is there: there is nobody else.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Waits until the value is there.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    #[inline]
    pub fn wait(&self) -> &T {
        self.once.wait_force();
        self.get().expect("waited for")
    }

    /// Puts a value in.
    ///
    /// # Blocking
    ///
    /// Waits for another task that is putting one in.
    ///
    /// # Errors
    ///
    /// If there is one already; this one comes back.
    #[inline]
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("called once"));
        match value {
            None => Ok(()),
            Some(value) => Err(value),
        }
    }

    /// The value; made by `f` if there is none.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while another makes the value; for ever, if that is the caller
    /// itself, in `f`.
    ///
    /// # Panics
    ///
    /// With `f`'s panic; then the cell stays empty.
    #[inline]
    pub fn get_or_init<F: FnOnce() -> T>(&self, f: F) -> &T {
        if !self.once.is_completed() {
            self.once.call_once_force(|_| {
                let value = f();
                // SAFETY: the run is alone with the value, which is not there yet.
                unsafe { self.value.get().write(Some(value)) };
            });
        }
        self.get().expect("just made")
    }

    /// The value, if it is there.
    #[inline]
    pub fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    /// Takes the value out, if it is there; the cell is empty then.
    #[inline]
    pub fn take(&mut self) -> Option<T> {
        if self.once.is_completed() {
            self.once.reset();
        }
        self.value.get_mut().take()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> OnceLock<T> {
        let cell = OnceLock::new();
        let _ = cell.set(value);
        cell
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> OnceLock<T> {
        self.get().cloned().map_or_else(OnceLock::new, OnceLock::from)
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &OnceLock<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => out.field(value),
            None => out.field(&format_args!("<uninit>")),
        };
        out.finish()
    }
}
