//! What Unix knows about starting a program.

#![allow(unsafe_code, reason = "`pre_exec`")]

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;

use gander_runtime::blocking;

use super::Command;

/// As [`CommandExt`]'s.
impl Command {
    /// Sets the user it runs as (`setuid`).
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.inner.uid(id);
        self
    }

    /// Sets the group it runs as (`setgid`).
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.inner.gid(id);
        self
    }

    /// Sets the name that the program is told, its first argument.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg0(arg);
        self
    }

    /// Sets the process group it belongs to (`setpgid`); 0: one of its own.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.inner.process_group(pgroup);
        self
    }

    /// Adds something to do in the child, before the program is loaded there.
    ///
    /// # Safety
    ///
    /// As [`CommandExt::pre_exec`]'s: the child is a copy of this process with one thread, in which others may have had
    /// locks, the allocator's among them. There is no scheduler in it either: nothing may be spawned, and what would park
    /// blocks the thread, maybe for ever.
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: by contract.
        unsafe { self.inner.pre_exec(f) };
        self
    }

    /// Loads the program into this process, in the place of all there is: no other goroutine goes on, and no destructor
    /// runs. Returns only if that has failed.
    ///
    /// # Blocking
    ///
    /// Blocks the thread, as [`blocking`] does.
    ///
    /// # Errors
    ///
    /// If the program cannot be loaded. Then directory, descriptors, user and the like may have been changed already, as
    /// with std's.
    pub fn exec(&mut self) -> io::Error {
        blocking(|| self.inner.exec())
    }
}
