//! Links and owners.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs;
use std::path::Path;

use gander_runtime::blocking;

/// Makes a symbolic link that leads to `original`. As [`std::os::unix::fs::symlink`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    let (original, link) = (original.as_ref(), link.as_ref());
    blocking(|| fs::symlink(original, link))
}

/// Changes whose a file is, links followed; none: as it is. As [`std::os::unix::fs::chown`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn chown<P: AsRef<Path>>(path: P, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| fs::chown(path, user, group))
}

/// [`chown`] of an open file. As [`std::os::unix::fs::fchown`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn fchown<F: AsFd>(file: F, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    blocking(|| fs::fchown(file.as_fd(), user, group))
}

/// [`chown`] that takes a link for itself. As [`std::os::unix::fs::lchown`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn lchown<P: AsRef<Path>>(path: P, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    let path = path.as_ref();
    blocking(|| fs::lchown(path, user, group))
}
