//! The protocols: what is locked, counted and handed over, without the data. Checked under loom (`tests/loom_*.rs`).

pub(crate) mod counter;
pub(crate) mod mutex;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
