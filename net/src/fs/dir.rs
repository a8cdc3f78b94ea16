//! Directories: what is in them, and how they are made.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;

use gander_runtime::blocking;

use super::DirEntry;

/// What is in a directory. As [`std::fs::read_dir`].
///
/// # Blocking
///
/// Blocks the thread, as [`blocking`] does.
///
/// # Errors
///
/// As std's.
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path = path.as_ref();
    Ok(ReadDir { inner: Some(blocking(|| std::fs::read_dir(path))?), ahead: VecDeque::new() })
}

/// The entries of a directory. As [`std::fs::ReadDir`].
///
/// # Blocking
///
/// Blocks the thread for every 64th entry, as [`blocking`] does.
#[derive(Debug)]
pub struct ReadDir {
    /// None at the end.
    inner: Option<std::fs::ReadDir>,
    ahead: VecDeque<io::Result<DirEntry>>,
}

// As std's. Between two calls it is whole.
impl UnwindSafe for ReadDir {}
impl RefUnwindSafe for ReadDir {}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<io::Result<DirEntry>> {
        const AHEAD: usize = 64;
        if self.ahead.is_empty()
            && let Some(inner) = &mut self.inner
        {
            self.ahead = blocking(|| inner.take(AHEAD).collect());
            if self.ahead.len() < AHEAD {
                self.inner = None;
            }
        }
        self.ahead.pop_front()
    }
}

/// How a directory is to be made. As [`std::fs::DirBuilder`].
///
/// # Examples
///
/// ```no_run
/// gander_net::fs::DirBuilder::new().recursive(true).mode(0o700).create("/tmp/private/deep")?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct DirBuilder(std::fs::DirBuilder);

impl DirBuilder {
    /// One directory, above which all others are there.
    #[allow(clippy::new_without_default, reason = "as std's")]
    pub fn new() -> DirBuilder {
        DirBuilder(std::fs::DirBuilder::new())
    }

    /// Whether those above it that are missing are made, too. Then it is no error if it is there.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.0.recursive(recursive);
        self
    }

    /// The permissions of those that are made. As [`DirBuilderExt::mode`].
    pub fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.0.mode(mode);
        self
    }

    /// Makes it.
    ///
    /// # Blocking
    ///
    /// Blocks the thread, as [`blocking`] does.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref();
        blocking(|| self.0.create(path))
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.mode(mode)
    }
}
