//! How a file is to be opened.

use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use gander_runtime::blocking;

use super::File;

/// How a file is to be opened. As [`std::fs::OpenOptions`].
///
/// # Examples
///
/// ```no_run
/// # use std::io::Write;
/// let mut log = gander_net::fs::OpenOptions::new().append(true).create(true).open("log")?;
/// log.write_all(b"line\n")?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

impl From<std::fs::OpenOptions> for OpenOptions {
    fn from(options: std::fs::OpenOptions) -> OpenOptions {
        OpenOptions(options)
    }
}

impl OpenOptions {
    /// Nothing set.
    #[allow(clippy::new_without_default, reason = "as std's")]
    pub fn new() -> OpenOptions {
        OpenOptions(std::fs::OpenOptions::new())
    }

    /// To read it.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.0.read(read);
        self
    }

    /// To write it.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.0.write(write);
        self
    }

    /// To write at its end.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.0.append(append);
        self
    }

    /// To empty it.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.0.truncate(truncate);
        self
    }

    /// To make it if it is not there.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.0.create(create);
        self
    }

    /// To make it, and fail if it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.0.create_new(create_new);
        self
    }

    /// The permissions it gets if it is made. As [`OpenOptionsExt::mode`].
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    /// More flags of `open(2)`. As [`OpenOptionsExt::custom_flags`].
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }

    /// Opens it.
    ///
    /// # Blocking
    ///
    /// Blocks the thread, as [`blocking`] does.
    ///
    /// # Errors
    ///
    /// As std's.
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let path = path.as_ref();
        blocking(|| self.0.open(path)).map(File::from)
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.mode(mode)
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.custom_flags(flags)
    }
}
