//! Ways to end the process.

use std::fmt::Write;

/// The code of a process that ended because of what its goroutines did, as in Go.
pub(crate) const CODE: i32 = 2;

/// Ends the process in order: output is flushed, exit handlers run.
pub(crate) fn exit(message: &str) -> ! {
    // Not eprintln!: a test harness may capture that.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{message}\n").as_bytes());
    std::process::exit(CODE)
}

/// Ends the process from a place where nothing can be relied on.
pub(crate) fn die(message: &str) -> ! {
    let mut line = Line::new();
    let _ = writeln!(line, "gander: fatal error: {message}");
    line.print();
    now()
}

/// Ends the process without any ceremony. Async-signal-safe.
pub(crate) fn now() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(CODE) }
}

/// A text on the stack, printed by one system call: for signal handlers. What does not fit is cut.
pub(crate) struct Line {
    bytes: [u8; 1024],
    len: usize,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line { bytes: [0; 1024], len: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn print(&self) {
        let mut rest = &self.bytes[..self.len];
        while !rest.is_empty() {
            // SAFETY: writes our bytes to standard error.
            let wrote = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(wrote) {
                Ok(wrote) if wrote > 0 => rest = &rest[wrote..],
                _ => return,
            }
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.len() - self.len;
        let take = text.len().min(room);
        self.bytes[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        Ok(())
    }
}
