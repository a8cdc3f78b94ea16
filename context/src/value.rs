//! What a context carries along: values, one for each type, those of the children before those of the parents.

use std::any::Any;
use std::sync::Arc;

/// A value and those that were there before.
pub(crate) struct Entry {
    value: Box<dyn Any + Send + Sync>,
    older: Option<Arc<Entry>>,
}

impl Entry {
    pub(crate) fn new<T: Any + Send + Sync>(value: T, older: Option<Arc<Entry>>) -> Entry {
        Entry { value: Box::new(value), older }
    }
}

/// The youngest of a type.
pub(crate) fn find<T: Any>(mut entry: Option<&Arc<Entry>>) -> Option<&T> {
    while let Some(here) = entry {
        let value = here.value.downcast_ref();
        if value.is_some() {
            return value;
        }
        entry = here.older.as_ref();
    }
    None
}

impl Drop for Entry {
    /// One after the other and not one within the other: the list may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut older = self.older.take();
        while let Some(mut entry) = older {
            older = Arc::get_mut(&mut entry).and_then(|entry| entry.older.take());
        }
    }
}
