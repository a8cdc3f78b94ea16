//! Why a goroutine could not be made.

use std::fmt;
use std::io;

use gander_stack::StackError;
use gander_tls::TlsError;

/// Why a goroutine could not be spawned. Nothing that runs is hurt by it.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// No runtime runs in this process yet.
    NotRunning,
    /// This process was forked from one in which the runtime runs; its threads are not here.
    Forked,
    /// There is no stack of the size asked for.
    Stack(StackError),
    /// There is no thread-local block for it.
    ThreadLocals(TlsError),
    /// A setting of the whole runtime was asked for, which is made where the runtime is started.
    RuntimeSetting(&'static str),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::NotRunning => f.write_str(
                "no gander runtime runs in this process: enter one with gander::run, #[gander::main] or \
                 #[gander::test] before spawning goroutines",
            ),
            SpawnError::Forked => f.write_str(
                "this process was forked from a gander program: its runtime's threads stayed behind, and only exec \
                 or _exit are of use here",
            ),
            SpawnError::Stack(error) => write!(f, "no stack for a goroutine: {error}"),
            SpawnError::ThreadLocals(error) => write!(f, "no thread-locals for a goroutine: {error}"),
            SpawnError::RuntimeSetting(name) => {
                write!(
                    f,
                    "`{name}` is a setting of the whole runtime: make it where the runtime is started, with Builder::run"
                )
            }
        }
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SpawnError::Stack(error) => Some(error),
            SpawnError::ThreadLocals(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StackError> for SpawnError {
    fn from(error: StackError) -> SpawnError {
        SpawnError::Stack(error)
    }
}

impl From<TlsError> for SpawnError {
    fn from(error: TlsError) -> SpawnError {
        SpawnError::ThreadLocals(error)
    }
}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> io::Error {
        let kind = match error {
            SpawnError::NotRunning | SpawnError::Forked => io::ErrorKind::Unsupported,
            SpawnError::RuntimeSetting(_) => io::ErrorKind::InvalidInput,
            SpawnError::Stack(StackError::TooLarge { .. }) => io::ErrorKind::InvalidInput,
            SpawnError::Stack(_) | SpawnError::ThreadLocals(_) => io::ErrorKind::OutOfMemory,
        };
        io::Error::new(kind, error)
    }
}

/// Why the runtime could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Goroutines cannot have thread-locals of their own here.
    OwnThreadLocals(TlsError),
    /// A thread of the runtime could not be started.
    Thread(io::Error),
    /// The signal for preemption cannot be had.
    Signal {
        /// Its number.
        signal: i32,
        /// Why.
        error: io::Error,
    },
    /// More processors were asked for than there can be, or none.
    Procs(usize),
    /// No worker threads were to be had.
    MaxThreads,
    /// The runtime runs already, with another setting that cannot be changed.
    Conflict {
        /// The setting.
        setting: &'static str,
        /// What it is.
        is: String,
        /// What was asked for.
        asked: String,
    },
    /// This process was forked from one in which the runtime runs.
    Forked,
    /// The main goroutine could not be made.
    Spawn(SpawnError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::OwnThreadLocals(error) => write!(
                f,
                "goroutines cannot have thread-locals of their own on this system: {error}. (Shared mode, \
                 Builder::shared, does without; read what it asks you to promise.)"
            ),
            StartError::Thread(error) => write!(
                f,
                "cannot start a thread of the runtime: {error} (limits: RLIMIT_NPROC, kernel.threads-max, pids.max \
                 of the control group)"
            ),
            StartError::Signal { signal, error } => write!(
                f,
                "cannot use signal {signal} for preemption: {error} (Builder::preempt_signal chooses another, \
                 Builder::slice(Duration::MAX) does without)"
            ),
            StartError::MaxThreads => f.write_str("at most 0 worker threads asked for; there must be one"),
            StartError::Procs(asked) => {
                write!(f, "{asked} processors asked for; there can be 1 to {}", crate::sched::procs::MAX_PROCS)
            }
            StartError::Conflict { setting, is, asked } => {
                write!(f, "the runtime runs already, with {setting} {is}; {asked} was asked for")
            }
            StartError::Forked => SpawnError::Forked.fmt(f),
            StartError::Spawn(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::OwnThreadLocals(error) => Some(error),
            StartError::Thread(error) | StartError::Signal { error, .. } => Some(error),
            StartError::Spawn(error) => Some(error),
            StartError::Conflict { .. } | StartError::Procs(_) | StartError::MaxThreads | StartError::Forked => {
                None
            }
        }
    }
}
