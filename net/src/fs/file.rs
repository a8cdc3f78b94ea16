//! An open file.

#![allow(unsafe_code, reason = "`FromRawFd`")]

use std::fmt;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use gander_runtime::blocking;

use super::{FileTimes, Metadata, OpenOptions, Permissions};

/// An open file. As [`std::fs::File`].
///
/// # Blocking
///
/// Every operation blocks the thread, as [`blocking`] does.
///
/// # Not as std's
///
/// std's can be read and written through an [`Arc`](std::sync::Arc), which only std can say of one. By reference, all can:
/// `(&*file).read(…)`.
///
/// # Examples
///
/// ```
/// use std::io::Read;
///
/// # gander_runtime::run(|| {
/// let mut text = String::new();
/// gander_net::fs::File::open("/proc/self/stat").unwrap().read_to_string(&mut text).unwrap();
/// assert!(text.contains(&std::process::id().to_string()));
/// # });
/// ```
pub struct File(std::fs::File);

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| std::fs::File::open(path)).map(File)
    }

    /// Opens a file to write it, made or emptied.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| std::fs::File::create(path)).map(File)
    }

    /// Opens a file to read and write it, and fails if it is there.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| std::fs::File::create_new(path)).map(File)
    }

    /// How a file is to be opened.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Waits until content and metadata are on the disk.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn sync_all(&self) -> io::Result<()> {
        blocking(|| self.0.sync_all())
    }

    /// Waits until the content is on the disk.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn sync_data(&self) -> io::Result<()> {
        blocking(|| self.0.sync_data())
    }

    /// Cuts it off or extends it.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        blocking(|| self.0.set_len(len))
    }

    /// What is known about it.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        blocking(|| self.0.metadata())
    }

    /// Sets its permissions.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        blocking(|| self.0.set_permissions(permissions))
    }

    /// Sets its times.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn set_times(&self, times: FileTimes) -> io::Result<()> {
        blocking(|| self.0.set_times(times))
    }

    /// Sets the time when it was changed last.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time))
    }

    /// Another handle of the same open file.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn try_clone(&self) -> io::Result<File> {
        self.0.try_clone().map(File)
    }

    /// Reads at a position, which does not move. As [`FileExt::read_at`].
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        blocking(|| self.0.read_at(buf, offset))
    }

    /// Writes at a position, which does not move. As [`FileExt::write_at`].
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        blocking(|| self.0.write_at(buf, offset))
    }

    /// Whether it is a terminal. As [`IsTerminal`].
    pub fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }

    /// std's file.
    pub fn as_std(&self) -> &std::fs::File {
        &self.0
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl IntoRawFd for File {
    fn into_raw_fd(self) -> RawFd {
        self.0.into_raw_fd()
    }
}

impl FromRawFd for File {
    /// # Safety
    ///
    /// As [`OwnedFd`]'s.
    unsafe fn from_raw_fd(fd: RawFd) -> File {
        // SAFETY: by contract.
        File(unsafe { std::fs::File::from_raw_fd(fd) })
    }
}

impl From<OwnedFd> for File {
    fn from(owned: OwnedFd) -> File {
        File(owned.into())
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        file.0.into()
    }
}

impl From<std::fs::File> for File {
    fn from(file: std::fs::File) -> File {
        File(file)
    }
}

impl From<File> for std::fs::File {
    fn from(file: File) -> std::fs::File {
        file.0
    }
}

impl From<File> for std::process::Stdio {
    fn from(file: File) -> std::process::Stdio {
        file.0.into()
    }
}
