//! The standard streams. As std's, with which they share their buffers and locks; each call hands its processor to the
//! other goroutines meanwhile, for a terminal or a pipe may take its time.
//!
//! **Locks.** They are std's, which know threads. So who waits for one blocks its thread, announced; and who holds one
//! should not park for long. In own mode a lock belongs to its goroutine, wherever that goes on. In shared mode it belongs
//! to the worker, and the promise of [`shared`](gander_runtime::Builder::shared) is that nobody parks with it.

use std::fmt::{self, Write as _};
use std::io::{self, BufRead, IoSlice, IoSliceMut, IsTerminal, Lines, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::Stdio;

use gander_runtime::blocking;

/// The standard input. As [`std::io::Stdin`].
///
/// # Blocking
///
/// Every call blocks the thread, as [`blocking`] does.
#[derive(Debug)]
pub struct Stdin(io::Stdin);

/// The standard input, locked. As [`std::io::StdinLock`].
///
/// # Blocking
///
/// As [`Stdin`].
#[derive(Debug)]
pub struct StdinLock<'a>(io::StdinLock<'a>);

/// The standard input of this process.
pub fn stdin() -> Stdin {
    Stdin(io::stdin())
}

impl Stdin {
    /// Locks it, for as long as the lock is there: to read from its buffer, and to have others not read between.
    ///
    /// # Blocking
    ///
    /// Blocks the thread while another one has the lock, as [`blocking`] does.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use gander_net::io::{BufRead, stdin};
    ///
    /// for line in stdin().lock().lines() {
    ///     println!("{}", line?.len());
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn lock(&self) -> StdinLock<'static> {
        StdinLock(blocking(|| self.0.lock()))
    }

    /// Reads a line, its end included, to the end of `buf`.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not text.
    pub fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        blocking(|| self.0.read_line(buf))
    }

    /// Its lines. It is locked for as long as they are there.
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }
}

/// `Read`, by what `self.0` can.
macro_rules! reads {
    ($name:ty) => {
        impl Read for $name {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                blocking(|| self.0.read(buf))
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                blocking(|| self.0.read_vectored(bufs))
            }

            fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
                blocking(|| self.0.read_to_end(buf))
            }

            fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
                blocking(|| self.0.read_to_string(buf))
            }

            fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
                blocking(|| self.0.read_exact(buf))
            }
        }
    };
}

reads!(Stdin);
reads!(StdinLock<'_>);

impl Read for &Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        stdin().read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        stdin().read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        stdin().read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        stdin().read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        stdin().read_exact(buf)
    }
}

impl BufRead for StdinLock<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        blocking(|| self.0.fill_buf())
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }

    fn read_until(&mut self, byte: u8, buf: &mut Vec<u8>) -> io::Result<usize> {
        blocking(|| self.0.read_until(byte, buf))
    }

    fn read_line(&mut self, buf: &mut String) -> io::Result<usize> {
        blocking(|| self.0.read_line(buf))
    }
}

/// Formats first and writes then, whole: what is formatted may park, or print by itself.
fn write_formatted(args: fmt::Arguments<'_>, write_all: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
    if let Some(text) = args.as_str() {
        return write_all(text.as_bytes());
    }
    let mut text = String::new();
    let formatted = text.write_fmt(args);
    write_all(text.as_bytes())?;
    formatted.map_err(|_| io::Error::other("a value could not be formatted"))
}

/// `Write`, by what `self.0` can.
macro_rules! writes {
    ($name:ty) => {
        impl Write for $name {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                blocking(|| self.0.write(buf))
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                blocking(|| self.0.write_vectored(bufs))
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                blocking(|| self.0.write_all(buf))
            }

            fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
                write_formatted(args, |text| self.write_all(text))
            }

            fn flush(&mut self) -> io::Result<()> {
                blocking(|| self.0.flush())
            }
        }
    };
}

macro_rules! output {
    ($(#[$doc:meta])* $name:ident, $(#[$lock_doc:meta])* $lock:ident, $(#[$make_doc:meta])* $make:ident) => {
        $(#[$doc])*
        ///
        /// # Blocking
        ///
        /// Every call blocks the thread, as [`blocking`] does.
        #[derive(Debug)]
        pub struct $name(io::$name);

        $(#[$lock_doc])*
        ///
        /// # Blocking
        ///
        #[doc = concat!("As [`", stringify!($name), "`].")]
        #[derive(Debug)]
        pub struct $lock<'a>(io::$lock<'a>);

        $(#[$make_doc])*
        pub fn $make() -> $name {
            $name(io::$make())
        }

        impl $name {
            /// Locks it, for as long as the lock is there: what others write comes before or after what is written by it.
            ///
            /// # Blocking
            ///
            /// Blocks the thread while another one has the lock, as [`blocking`] does.
            pub fn lock(&self) -> $lock<'static> {
                $lock(blocking(|| self.0.lock()))
            }
        }

        writes!($name);
        writes!($lock<'_>);

        impl Write for &$name {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                $make().write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                $make().write_vectored(bufs)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                $make().write_all(buf)
            }

            fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
                $make().write_fmt(args)
            }

            fn flush(&mut self) -> io::Result<()> {
                $make().flush()
            }
        }

        impl From<$name> for Stdio {
            /// The child writes where this process does.
            fn from(output: $name) -> Stdio {
                output.0.into()
            }
        }
    };
}

output! {
    /// The standard output. As [`std::io::Stdout`].
    Stdout,
    /// The standard output, locked. As [`std::io::StdoutLock`].
    StdoutLock,
    /// The standard output of this process.
    stdout
}
output! {
    /// The standard error. As [`std::io::Stderr`].
    Stderr,
    /// The standard error, locked. As [`std::io::StderrLock`].
    StderrLock,
    /// The standard error of this process.
    stderr
}

macro_rules! descriptors {
    ($($name:ident $(<$lifetime:lifetime>)?),*) => {
        $(
            impl $name$(<$lifetime>)? {
                /// Whether it is a terminal. As [`IsTerminal`].
                pub fn is_terminal(&self) -> bool {
                    self.0.is_terminal()
                }
            }

            impl AsFd for $name$(<$lifetime>)? {
                fn as_fd(&self) -> BorrowedFd<'_> {
                    self.0.as_fd()
                }
            }

            impl AsRawFd for $name$(<$lifetime>)? {
                fn as_raw_fd(&self) -> RawFd {
                    self.0.as_raw_fd()
                }
            }
        )*
    };
}

descriptors!(Stdin, StdinLock<'_>, Stdout, StdoutLock<'_>, Stderr, StderrLock<'_>);
