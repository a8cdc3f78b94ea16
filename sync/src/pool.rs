//! A pool of values to use again.

use std::fmt;

use gander_runtime::proc_index;

use crate::mutex::Mutex;
use crate::once_lock::OnceLock;

/// Values that are not needed now and may be wanted again: buffers, say. (Go's `sync.Pool`.)
///
/// There is one store for each processor, so that goroutines seldom meet in it. The pool never waits. It promises to keep
/// nothing: a value that finds all stores full (256 each) or busy is dropped by [`put`](Self::put); the others are
/// dropped with the pool.
///
/// # Examples
///
/// ```
/// use gander_sync::Pool;
///
/// static BUFFERS: Pool<Vec<u8>> = Pool::new();
/// let mut buffer = BUFFERS.get_or_else(Vec::new);
/// buffer.extend_from_slice(b"some bytes");
/// buffer.clear();
/// BUFFERS.put(buffer);
/// ```
pub struct Pool<T> {
    /// Made when the first value comes.
    stores: OnceLock<Box<[Store<T>]>>,
}

/// Neighbours do not share a cache line.
#[repr(align(128))]
struct Store<T>(Mutex<Vec<T>>);

/// So many values a store keeps.
const ROOM: usize = 256;

impl<T> Pool<T> {
    /// An empty pool.
    #[must_use]
    pub const fn new() -> Pool<T> {
        Pool { stores: OnceLock::new() }
    }

    /// Takes a value out, if there is one at hand: the last that was put in on this processor, or another.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn get(&self) -> Option<T> {
        let stores = self.stores.get()?;
        from(stores, home(stores)).find_map(|store| store.0.try_lock().ok()?.pop())
    }

    /// Takes a value out, or makes one.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn get_or_else(&self, make: impl FnOnce() -> T) -> T {
        self.get().unwrap_or_else(make)
    }

    /// Puts a value in, or drops it.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn put(&self, value: T) {
        let stores = self.stores.get_or_init(|| {
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            (0..count).map(|_| Store(Mutex::new(Vec::new()))).collect()
        });
        for store in from(stores, home(stores)) {
            if let Ok(mut values) = store.0.try_lock()
                && values.len() < ROOM
            {
                return values.push(value);
            }
        }
    }
}

/// The store of the processor that we run on. Ordinary threads have the first.
fn home<T>(stores: &[Store<T>]) -> usize {
    proc_index().unwrap_or(0) % stores.len()
}

/// All stores, beginning with this one.
fn from<T>(stores: &[Store<T>], first: usize) -> impl Iterator<Item = &Store<T>> {
    stores[first..].iter().chain(&stores[..first])
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool::new()
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
