//! The standard streams. As std's, with which they share their buffers and locks; each call hands its processor to the
//! other goroutines meanwhile, for a terminal or a pipe may take its time.

use std::io::{self, IsTerminal, Read, Write};

use gander_runtime::blocking;

/// The standard input. As [`std::io::Stdin`].
#[derive(Debug)]
pub struct Stdin(io::Stdin);

/// The standard input of this process.
pub fn stdin() -> Stdin {
    Stdin(io::stdin())
}

impl Stdin {
    /// Reads a line, its end included, to the end of `buf`.
    ///
    /// # Blocking
    ///
    /// Blocks the thread, as [`blocking`] does.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not text.
    pub fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        blocking(|| self.0.read_line(buf))
    }

    /// Its lines.
    ///
    /// # Blocking
    ///
    /// Each blocks the thread, as [`blocking`] does.
    pub fn lines(self) -> impl Iterator<Item = io::Result<String>> {
        let mut lines = self.0.lines();
        std::iter::from_fn(move || blocking(|| lines.next()))
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

impl Read for Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        blocking(|| self.0.read(buf))
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        blocking(|| self.0.read_to_end(buf))
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        blocking(|| self.0.read_to_string(buf))
    }
}

macro_rules! output {
    ($(#[$doc:meta])* $name:ident, $(#[$make_doc:meta])* $make:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(io::$name);

        $(#[$make_doc])*
        pub fn $make() -> $name {
            $name(io::$make())
        }

        impl $name {
            /// Whether it is a terminal.
            pub fn is_terminal(&self) -> bool {
                self.0.is_terminal()
            }
        }

        /// # Blocking
        ///
        /// Blocks the thread, as [`blocking`] does.
        impl Write for $name {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                blocking(|| self.0.write(buf))
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                blocking(|| self.0.write_all(buf))
            }

            fn flush(&mut self) -> io::Result<()> {
                blocking(|| self.0.flush())
            }
        }
    };
}

output! {
    /// The standard output. As [`std::io::Stdout`].
    Stdout,
    /// The standard output of this process.
    stdout
}
output! {
    /// The standard error. As [`std::io::Stderr`].
    Stderr,
    /// The standard error of this process.
    stderr
}
