//! Goroutine-locals: values of which each goroutine has its own, in both thread-local modes.

use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::m;

/// The values of one goroutine, or of one ordinary thread. Linear search: programs have few of them.
pub(crate) struct Table {
    values: UnsafeCell<Vec<(usize, Box<dyn Any>)>>,
}

impl Table {
    pub(crate) const fn new() -> Table {
        Table { values: UnsafeCell::new(Vec::new()) }
    }

    /// The value for `key`, made by `init` at first use.
    ///
    /// # Safety
    ///
    /// Called by the table's own goroutine or thread; the answer is used only until `clear`.
    unsafe fn get<T: 'static>(&self, key: usize, init: fn() -> T) -> *const T {
        // SAFETY: one goroutine at a time uses its own table, and no reference into the vector is kept across
        // `init`, which may come back here.
        unsafe {
            if let Some(value) = self.find(key) {
                return value;
            }
            let value = Box::new(init());
            if let Some(value) = self.find(key) {
                // `init` itself asked for this key and made it.
                return value;
            }
            let at = std::ptr::from_ref(&*value);
            (*self.values.get()).push((key, value));
            at
        }
    }

    unsafe fn find<T: 'static>(&self, key: usize) -> Option<*const T> {
        // SAFETY: by the contract of `get`.
        let values = unsafe { &*self.values.get() };
        let (_, value) = values.iter().find(|(of, _)| *of == key)?;
        value.downcast_ref::<T>().map(std::ptr::from_ref)
    }

    /// Drops all values, the youngest first, and panics with the first panic of a destructor when all are dropped. A
    /// destructor may use goroutine-locals, and makes them anew; after many rounds what is left is leaked rather
    /// than looped over for ever.
    #[inline]
    pub(crate) fn clear(&self) {
        const ROUNDS: usize = 1000;
        // SAFETY: called by the table's own goroutine at its end.
        if unsafe { (*self.values.get()).capacity() } == 0 {
            // As with nearly every goroutine.
            return;
        }
        let mut panic = None;
        for _ in 0..ROUNDS {
            // SAFETY: called by the table's own goroutine at its end; no reference is kept across the drop.
            let Some(last) = (unsafe { (*self.values.get()).pop() }) else { break };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(last))) {
                panic.get_or_insert(payload);
            }
        }
        // SAFETY: likewise.
        let left = std::mem::take(unsafe { &mut *self.values.get() });
        if !left.is_empty() {
            std::mem::forget(left);
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.clear();
    }
}

thread_local! {
    /// The table of an ordinary thread.
    static OF_THREAD: Table = const { Table::new() };
}

/// A key to a value that each goroutine has its own of; declared with [`goroutine_local!`](crate::goroutine_local).
/// Ordinary threads have theirs too. The value is made at first use and dropped when the goroutine ends, before
/// whoever joins it goes on.
pub struct GoroutineLocal<T: 'static> {
    init: fn() -> T,
}

impl<T: 'static> GoroutineLocal<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> GoroutineLocal<T> {
        GoroutineLocal { init }
    }

    /// Calls `f` with the goroutine's own value.
    ///
    /// # Panics
    ///
    /// Where std's `LocalKey::with` would: on an ordinary thread that is past the destruction of its thread-locals.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let key = std::ptr::from_ref(self) as usize;
        let g = m::current_g();
        if g.is_null() {
            // SAFETY: it is this thread's table; `f` cannot outlive the thread.
            return OF_THREAD.with(|table| f(unsafe { &*table.get(key, self.init) }));
        }
        // SAFETY: it is the running goroutine's own table; `f` ends before the goroutine does.
        f(unsafe { &*(*g).locals.get(key, self.init) })
    }
}

impl<T: 'static> GoroutineLocal<Cell<T>> {
    /// Sets the goroutine's own value.
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// A copy of the goroutine's own value.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the goroutine's own value and leaves the default.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Exchanges the goroutine's own value.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> GoroutineLocal<RefCell<T>> {
    /// Sets the goroutine's own value.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn set(&'static self, value: T) {
        self.with(|cell| drop(cell.replace(value)));
    }

    /// Takes the goroutine's own value and leaves the default.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Exchanges the goroutine's own value.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }

    /// Calls `f` with the goroutine's own value, borrowed.
    ///
    /// # Panics
    ///
    /// If it is mutably borrowed.
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the goroutine's own value, mutably borrowed.
    ///
    /// # Panics
    ///
    /// If it is borrowed.
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }
}

impl<T: 'static> fmt::Debug for GoroutineLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoroutineLocal").finish_non_exhaustive()
    }
}

/// Declares goroutine-locals, with the grammar of [`std::thread_local!`].
///
/// ```
/// # use gander_runtime as gander;
/// use std::cell::Cell;
///
/// gander::goroutine_local! {
///     static DEPTH: Cell<u32> = Cell::new(0);
/// }
///
/// # gander::run(|| {
/// DEPTH.set(DEPTH.get() + 1);
/// assert_eq!(gander::spawn(|| DEPTH.get()).join().unwrap(), 0);
/// # });
/// ```
#[macro_export]
macro_rules! goroutine_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = const $init:block $(; $($rest:tt)*)?) => {
        $crate::goroutine_local!($(#[$attr])* $vis static $name: $t = $init $(; $($rest)*)?);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr $(; $($rest:tt)*)?) => {
        $(#[$attr])*
        $vis static $name: $crate::GoroutineLocal<$t> = {
            fn init() -> $t {
                $init
            }
            $crate::GoroutineLocal::new(init)
        };
        $($crate::goroutine_local!($($rest)*);)?
    };
}
