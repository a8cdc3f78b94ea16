//! The locks that tasks on tokio may use.

use std::sync as std_sync;

use versus_rows::tasks::Lock;

/// A kind of locks.
pub(crate) trait Locks: Send + 'static {
    type Mutex: Lock;
    type RwLock: Lock;
}

/// tokio's own.
pub(crate) struct Tokio;

impl Locks for Tokio {
    type Mutex = tokio::Mutex;
    type RwLock = tokio::RwLock;
}

/// The standard library's, which block the worker thread.
pub(crate) struct Std;

impl Locks for Std {
    type Mutex = std_locks::Mutex;
    type RwLock = std_locks::RwLock;
}

mod tokio {
    use super::Lock;

    pub(crate) struct Mutex(::tokio::sync::Mutex<u64>);

    impl Lock for Mutex {
        fn new() -> Mutex {
            Mutex(::tokio::sync::Mutex::new(0))
        }

        async fn write(&self) {
            *self.0.lock().await += 1;
        }

        async fn read(&self) -> u64 {
            *self.0.lock().await
        }
    }

    pub(crate) struct RwLock(::tokio::sync::RwLock<u64>);

    impl Lock for RwLock {
        fn new() -> RwLock {
            RwLock(::tokio::sync::RwLock::new(0))
        }

        async fn write(&self) {
            *self.0.write().await += 1;
        }

        async fn read(&self) -> u64 {
            *self.0.read().await
        }
    }
}

mod std_locks {
    use super::{Lock, std_sync};

    pub(crate) struct Mutex(std_sync::Mutex<u64>);

    impl Lock for Mutex {
        fn new() -> Mutex {
            Mutex(std_sync::Mutex::new(0))
        }

        async fn write(&self) {
            *self.0.lock().expect("nobody panics") += 1;
        }

        async fn read(&self) -> u64 {
            *self.0.lock().expect("nobody panics")
        }
    }

    pub(crate) struct RwLock(std_sync::RwLock<u64>);

    impl Lock for RwLock {
        fn new() -> RwLock {
            RwLock(std_sync::RwLock::new(0))
        }

        async fn write(&self) {
            *self.0.write().expect("nobody panics") += 1;
        }

        async fn read(&self) -> u64 {
            *self.0.read().expect("nobody panics")
        }
    }
}
