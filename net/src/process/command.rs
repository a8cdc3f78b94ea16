//! What to start, and how.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};

use gander_runtime::blocking;

use super::Child;

/// A child process to be. As [`std::process::Command`], with the methods of its
/// [`CommandExt`](std::os::unix::process::CommandExt) for Unix.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// let output = gander_net::process::Command::new("echo").arg("hello").output().unwrap();
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # });
/// ```
pub struct Command {
    pub(super) inner: std::process::Command,
    /// Which of the three were set. (std's default depends on what is called in the end, and stays as it was set last.)
    set: [bool; 3],
}

impl From<std::process::Command> for Command {
    /// The same, but for its standard input, output and error, which are the defaults'.
    fn from(inner: std::process::Command) -> Command {
        Command { inner, set: [false; 3] }
    }
}

impl Command {
    /// A command that starts `program`, with this process's environment and directory.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command::from(std::process::Command::new(program))
    }

    /// std's command, for what is not here. Standard input, output and error are to be set here and not there.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.inner
    }

    /// The program.
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// The arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// The environment variables that were set or, without a value, removed; not those that are this process's.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// The directory it starts in, if that was set.
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, key: K, value: V) -> &mut Command {
        self.inner.env(key, value);
        self
    }

    /// Sets environment variables.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.inner.env_remove(key);
        self
    }

    /// Removes all environment variables.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// Sets the directory it starts in.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.inner.current_dir(dir);
        self
    }

    /// Sets its standard input: where nothing is said this process's, and none for [`output`](Self::output).
    pub fn stdin<T: Into<Stdio>>(&mut self, stdin: T) -> &mut Command {
        self.set[0] = true;
        self.inner.stdin(stdin);
        self
    }

    /// Sets its standard output: where nothing is said this process's, and a pipe for [`output`](Self::output).
    pub fn stdout<T: Into<Stdio>>(&mut self, stdout: T) -> &mut Command {
        self.set[1] = true;
        self.inner.stdout(stdout);
        self
    }

    /// Sets its standard error: where nothing is said this process's, and a pipe for [`output`](Self::output).
    pub fn stderr<T: Into<Stdio>>(&mut self, stderr: T) -> &mut Command {
        self.set[2] = true;
        self.inner.stderr(stderr);
        self
    }

    /// Starts it.
    ///
    /// # Blocking
    ///
    /// Blocks the thread until the program has been loaded, as [`blocking`] does.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.launch(Stdio::inherit, Stdio::inherit)
    }

    /// Starts it, waits for its end, and returns what it wrote.
    ///
    /// # Blocking
    ///
    /// As [`spawn`](Self::spawn); then parks the goroutine, or blocks an ordinary thread, until it has ended.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or not read from.
    pub fn output(&mut self) -> io::Result<Output> {
        self.launch(Stdio::null, Stdio::piped)?.wait_with_output()
    }

    /// Starts it and waits for its end.
    ///
    /// # Blocking
    ///
    /// As [`output`](Self::output).
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    fn launch(&mut self, stdin: fn() -> Stdio, others: fn() -> Stdio) -> io::Result<Child> {
        let Command { inner, set } = self;
        if !set[0] {
            inner.stdin(stdin());
        }
        if !set[1] {
            inner.stdout(others());
        }
        if !set[2] {
            inner.stderr(others());
        }
        blocking(|| inner.spawn()).map(Child::from)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
