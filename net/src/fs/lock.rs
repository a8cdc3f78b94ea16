//! Locks of whole files, between processes and between open files (`flock(2)`).

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use gander_runtime::blocking;

use super::File;
use crate::sys;

/// Why a file's lock was not got at once. As `std::fs::TryLockError`, which is newer than the oldest Rust that gander is
/// built with.
pub enum TryLockError {
    /// The lock could not be asked for.
    Error(io::Error),
    /// Another open file has a lock that excludes it.
    WouldBlock,
}

impl fmt::Debug for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::Error(error) => error.fmt(f),
            TryLockError::WouldBlock => f.write_str("WouldBlock"),
        }
    }
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::Error(error) => write!(f, "the file cannot be locked: {error}"),
            TryLockError::WouldBlock => f.write_str("another open file has the lock"),
        }
    }
}

impl std::error::Error for TryLockError {}

impl From<TryLockError> for io::Error {
    fn from(error: TryLockError) -> io::Error {
        match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
        }
    }
}

/// Locks, which hold for the open file: a [clone](File::try_clone) has the same one, and it ends with the last of them.
/// Who does not ask for the lock may read and write as before.
///
/// # Examples
///
/// ```
/// use gander_net::fs::{self, File, TryLockError};
///
/// # gander_runtime::run(|| -> std::io::Result<()> {
/// let path = std::env::temp_dir().join(format!("gander-lock-{}", std::process::id()));
/// let mine = File::create(&path)?;
/// mine.lock()?;
/// assert!(matches!(File::open(&path)?.try_lock(), Err(TryLockError::WouldBlock)));
/// mine.unlock()?;
/// File::open(&path)?.try_lock()?;
/// # fs::remove_file(&path)
/// # }).unwrap();
/// ```
impl File {
    /// Waits until nobody else has a lock of the file, and locks it. A shared lock that this open file has becomes the
    /// exclusive one.
    ///
    /// # Errors
    ///
    /// If the file system has no locks.
    pub fn lock(&self) -> io::Result<()> {
        blocking(|| sys::flock(self.as_fd(), libc::LOCK_EX))
    }

    /// Waits until nobody else has an exclusive lock of the file, and takes a shared one.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub fn lock_shared(&self) -> io::Result<()> {
        blocking(|| sys::flock(self.as_fd(), libc::LOCK_SH))
    }

    /// [`lock`](Self::lock), if it is to be had at once.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not; as [`lock`](Self::lock).
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.try_flock(libc::LOCK_EX)
    }

    /// [`lock_shared`](Self::lock_shared), if it is to be had at once.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not; as [`lock`](Self::lock).
    pub fn try_lock_shared(&self) -> Result<(), TryLockError> {
        self.try_flock(libc::LOCK_SH)
    }

    /// Gives its lock back, if it has one.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub fn unlock(&self) -> io::Result<()> {
        blocking(|| sys::flock(self.as_fd(), libc::LOCK_UN))
    }

    fn try_flock(&self, lock: libc::c_int) -> Result<(), TryLockError> {
        // Announced all the same: a file system of the network may have to ask.
        match blocking(|| sys::flock(self.as_fd(), lock | libc::LOCK_NB)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(TryLockError::WouldBlock),
            answer => answer.map_err(TryLockError::Error),
        }
    }
}
