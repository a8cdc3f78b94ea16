//! Files. As [`std::fs`]: each call hands its processor to the other goroutines while the kernel is at it.
//!
//! The kernel has no way to wait for a file: a read of one that is not in memory blocks its thread. So each call here is
//! made by [`blocking`], which costs some microseconds more than the call alone: read and write in pieces that are worth
//! it, with a [`BufReader`](std::io::BufReader) or [`BufWriter`](std::io::BufWriter).

mod dir;
mod file;
mod file_io;
mod lock;
mod options;
pub(crate) mod unix;

use std::io;
use std::path::{Path, PathBuf};

pub use dir::{DirBuilder, ReadDir, read_dir};
pub use file::File;
pub use lock::TryLockError;
pub use options::OpenOptions;
pub use std::fs::{DirEntry, FileTimes, FileType, Metadata, Permissions};

use gander_runtime::blocking;

/// The whole content of a file. As [`std::fs::read`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    blocking(|| std::fs::read(path))
}

/// The whole content of a file, as text. As [`std::fs::read_to_string`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let path = path.as_ref();
    blocking(|| std::fs::read_to_string(path))
}

/// Makes a directory. As [`std::fs::create_dir`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn create_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::create_dir(path))
}

/// Makes a directory, and those above it that are missing. As [`std::fs::create_dir_all`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn create_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::create_dir_all(path))
}

/// Removes a file. As [`std::fs::remove_file`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn remove_file<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::remove_file(path))
}

/// Removes an empty directory. As [`std::fs::remove_dir`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn remove_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::remove_dir(path))
}

/// Removes a directory with all that is in it. As [`std::fs::remove_dir_all`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn remove_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::remove_dir_all(path))
}

/// What is known about what a path leads to, links followed. As [`std::fs::metadata`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref();
    blocking(|| std::fs::metadata(path))
}

/// What is known about what a path names, a link itself included. As [`std::fs::symlink_metadata`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn symlink_metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref();
    blocking(|| std::fs::symlink_metadata(path))
}

/// The path without links, from the root. As [`std::fs::canonicalize`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn canonicalize<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    blocking(|| std::fs::canonicalize(path))
}

/// Where a symbolic link leads. As [`std::fs::read_link`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn read_link<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    blocking(|| std::fs::read_link(path))
}

/// Whether a path leads to something. As [`std::fs::exists`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn exists<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    let path = path.as_ref();
    blocking(|| std::fs::exists(path))
}

/// Copies a file's content and permissions. Returns how many bytes it has. As [`std::fs::copy`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    blocking(|| std::fs::copy(from, to))
}

/// Renames a file or directory; what is there is replaced. As [`std::fs::rename`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn rename<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    blocking(|| std::fs::rename(from, to))
}

/// Makes another name for a file. As [`std::fs::hard_link`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    blocking(|| std::fs::hard_link(from, to))
}

/// Writes a whole file, made or emptied before. As [`std::fs::write`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let (path, contents) = (path.as_ref(), contents.as_ref());
    blocking(|| std::fs::write(path, contents))
}

/// Sets a file's permissions. As [`std::fs::set_permissions`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn set_permissions<P: AsRef<Path>>(path: P, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| std::fs::set_permissions(path, permissions))
}
