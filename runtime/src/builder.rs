//! How a goroutine, or the runtime with its main goroutine, shall be.

use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use crate::deadlock::Entry;
use crate::error::{SpawnError, StartError};
use crate::join::JoinHandle;
use crate::runtime::{self, Settings};
use crate::scope::{Scope, ScopedJoinHandle};
use crate::spawn::{detached, joinable};
use crate::timer;

/// Settings of a goroutine, and of the runtime. As [`std::thread::Builder`] where that has the thing.
///
/// `name` and `stack_size` are the goroutine's: use them with [`spawn`](Builder::spawn), and with
/// [`run`](Builder::run) for the main goroutine. The others are the runtime's: they are made once, by the first
/// `run` of the process.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// let answer = gander::Builder::new().procs(2).run(|| {
///     let worker = gander::Builder::new()
///         .name("worker".to_string())
///         .stack_size(64 << 10)
///         .spawn(|| 6 * 7)
///         .unwrap();
///     worker.join().unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it spawns or runs"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
    settings: Settings,
}

impl Builder {
    /// The defaults.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Names the goroutine, for reports.
    pub fn name(mut self, name: String) -> Builder {
        self.name = Some(name);
        self
    }

    /// The most bytes of stack the goroutine may use: rounded up to a power of two, from 16 KiB to 1 GiB; 1 MiB
    /// where nothing is said. Only what is used becomes memory.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// How many goroutines may run at once, 1 to 1024. Where nothing is said: the environment variable
    /// `GANDER_PROCS`, or else what the machine, the process's affinity and its control group allow, followed
    /// while they change.
    pub fn procs(mut self, count: usize) -> Builder {
        self.settings.procs = Some(count);
        self
    }

    /// For how long a goroutine may compute while others wait: 10 ms where nothing is said, 100 µs at least. Then it has
    /// to give way, wherever it is; a shorter slice makes fair in smaller steps and costs more (30 µs each time). Who
    /// waits for a channel, a timer or a lock does not wait for the end of a slice when its time has come: it takes the
    /// processor of one that has had 200 µs.
    ///
    /// `Duration::MAX` switches preemption off: no signal is used, and a goroutine that computes keeps its processor
    /// until it pauses by itself.
    pub fn slice(mut self, slice: std::time::Duration) -> Builder {
        /// Longer than any program runs, and short enough to be added to any moment.
        const LONGEST: u64 = u64::MAX / 4;
        self.settings.slice_nanos = Some(match u64::try_from(slice.as_nanos()) {
            Ok(nanos) if nanos < LONGEST => nanos.max(crate::preempt::SHORTEST_SLICE_NANOS),
            _ => 0,
        });
        self
    }

    /// The signal by which goroutines are preempted: `SIGURG` where nothing is said. The program must not use it for
    /// anything else; one that has a handler already is refused. Real-time signals are refused, for one that is pending
    /// when a process executes another program ends that one. (So would `SIGUSR1`; `SIGURG` and `SIGWINCH` are ignored
    /// there.)
    ///
    /// If the program already handles `SIGURG` when the runtime starts and no other signal is chosen, the handler goes
    /// on to get every `SIGURG` but the runtime's own.
    pub fn preempt_signal(mut self, signal: i32) -> Builder {
        self.settings.signal = Some(signal);
        self
    }

    /// The most worker threads, 10,000 where nothing is said. A goroutine that was preempted keeps its thread until it
    /// goes on, about 40 KiB: so many can be preempted at a time. At the cap those that have a thread go on taking turns,
    /// and those that have not begun wait until one of them pauses or ends. Threads that are blocked in the kernel do not
    /// count, so that what they wait for can happen.
    pub fn max_threads(mut self, most: usize) -> Builder {
        self.settings.max_threads = Some(most);
        self
    }

    /// Thread-locals belong to the worker threads and not to the goroutines: leaner, and the fastest switch.
    ///
    /// # Safety
    ///
    /// The caller promises for the whole program, its dependencies included:
    ///
    /// * no reference to a thread-local, no guard and no handle that is tied to its thread is live across a call
    ///   that parks the goroutine (a `Ref` of a thread-local `RefCell`, std's `MutexGuard` and `StdoutLock`, an
    ///   entered tracing span, an `Rc` cloned out of a thread-local, …), and
    /// * no function both parks and touches the same thread-local before and after (the compiler may remember its
    ///   address, see docs/soundness.md), and
    /// * wherever a goroutine parks the floating-point control words are the defaults. (Rust asks for that anyway; a C
    ///   function that calls `fesetround` and then calls back would break it. Own mode keeps them for each goroutine.)
    ///
    /// A goroutine may go on on another thread wherever it parks.
    pub unsafe fn shared(mut self) -> Builder {
        self.settings.shared = true;
        self
    }

    /// Spawns a goroutine.
    ///
    /// # Errors
    ///
    /// If it cannot be made; nothing that runs is hurt.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> Result<JoinHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (name, stack_size) = self.of_goroutine()?;
        // SAFETY: 'static.
        unsafe { joinable(f, None, name, stack_size, Location::caller()) }
    }

    /// Spawns a goroutine without a handle, as [`go`](crate::go()) does.
    ///
    /// # Errors
    ///
    /// If it cannot be made; nothing that runs is hurt.
    #[track_caller]
    pub fn go(self, f: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        let (name, stack_size) = self.of_goroutine()?;
        detached(f, (), name, stack_size, Location::caller())
    }

    /// [`go`](Builder::go), where `keep` is dropped when the goroutine has ended, however it ended: later than all that
    /// `f` owns, and after an unhandled panic has been reported.
    ///
    /// # Errors
    ///
    /// If it cannot be made; nothing that runs is hurt.
    #[doc(hidden)]
    #[track_caller]
    pub fn go_keeping(
        self,
        keep: impl Send + 'static,
        f: impl FnOnce() + Send + 'static,
    ) -> Result<(), SpawnError> {
        let (name, stack_size) = self.of_goroutine()?;
        detached(f, keep, name, stack_size, Location::caller())
    }

    /// Spawns a goroutine that may borrow what outlives the scope.
    ///
    /// # Errors
    ///
    /// If it cannot be made; nothing that runs is hurt.
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> Result<ScopedJoinHandle<'scope, T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let (name, stack_size) = self.of_goroutine()?;
        scope.launch(f, name, stack_size, Location::caller())
    }

    /// Starts the runtime if this process has none, runs `f` as a goroutine in it, and returns what it returns.
    /// Goroutines that still run then go on until the process ends. Called from a goroutine it runs `f` as another.
    ///
    /// If `f` calls [`exit`](crate::exit) on the way, the others go on and this never returns; when no goroutine is
    /// left the process ends with code 2, as in Go. (Called from a goroutine, that one exits too.)
    ///
    /// # Blocking
    ///
    /// Blocks the calling thread (parks a goroutine) until `f` has returned.
    ///
    /// # Panics
    ///
    /// With `f`'s panic. If the runtime cannot be started; [`try_run`](Builder::try_run) returns that.
    #[track_caller]
    pub fn run<F, T>(self, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        self.try_run(f).unwrap_or_else(|error| panic!("gander cannot run: {error}"))
    }

    /// [`run`](Builder::run), with an error where the runtime cannot be started.
    ///
    /// # Errors
    ///
    /// If this system cannot carry the runtime, or it runs with settings that contradict.
    ///
    /// # Panics
    ///
    /// With `f`'s panic.
    #[track_caller]
    pub fn try_run<F, T>(self, f: F) -> Result<T, StartError>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        // A goroutine that waits for another is seen itself.
        let entry = (!crate::entry::is_goroutine()).then(Entry::new);
        let f = move || {
            let _entry = entry;
            f()
        };
        // SAFETY: the goroutine is joined before this returns, so whatever `f` and its result borrow outlives it.
        let main = unsafe { self.launch_main(f, Location::caller())? };
        match main.join() {
            Ok(value) => Ok(value),
            Err(payload) if crate::entry::is_exit(&*payload) && !crate::entry::is_goroutine() => {
                runtime::main_exited()
            }
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    /// Starts the runtime if there is none, and the main goroutine.
    ///
    /// # Safety
    ///
    /// Whatever `f` and its result borrow outlives the goroutine.
    pub(crate) unsafe fn launch_main<F: FnOnce() -> T, T>(
        self,
        f: F,
        at: &'static Location<'static>,
    ) -> Result<JoinHandle<T>, StartError> {
        runtime::start(&self.settings)?;
        let name = Some(self.name.map_or_else(|| Arc::from("main"), Arc::from));
        // SAFETY: by contract.
        unsafe { joinable(f, None, name, self.stack_size, at) }.map_err(StartError::Spawn)
    }

    fn of_goroutine(self) -> Result<(Option<Arc<str>>, Option<usize>), SpawnError> {
        if let Some(setting) = self.settings.any() {
            return Err(SpawnError::RuntimeSetting(setting));
        }
        Ok((self.name.map(Arc::from), self.stack_size))
    }
}

/// Starts the runtime with its defaults if this process has none, runs `f` as its main goroutine, and returns what
/// it returns. See [`Builder::run`].
///
/// # Blocking
///
/// Blocks the calling thread until `f` has returned.
///
/// # Panics
///
/// As [`Builder::run`].
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// let sum: u32 = gander::run(|| {
///     let parts: Vec<_> = (0..10).map(|i| gander::spawn(move || i)).collect();
///     parts.into_iter().map(|part| part.join().unwrap()).sum()
/// });
/// assert_eq!(sum, 45);
/// ```
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    Builder::new().run(f)
}

/// Spawns a goroutine and returns the handle to join it. As [`std::thread::spawn`].
///
/// # Panics
///
/// If it cannot be made, or no runtime runs; [`Builder::spawn`] returns that as an error.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander::run(|| {
/// let worker = gander::spawn(|| 6 * 7);
/// assert_eq!(worker.join().unwrap(), 42);
/// # });
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: 'static.
    let spawned = unsafe { joinable(f, None, None, None, Location::caller()) };
    spawned.unwrap_or_else(|error| panic!("failed to spawn a goroutine: {error}"))
}

/// Spawns a goroutine without a handle. If it panics the process ends with code 2, as in Go (see
/// [`set_unhandled_panic_hook`](crate::set_unhandled_panic_hook)). The macro [`go!`](crate::go!) takes any
/// expression.
///
/// # Panics
///
/// If it cannot be made, or no runtime runs; [`Builder::go`] returns that as an error.
#[track_caller]
pub fn go(f: impl FnOnce() + Send + 'static) {
    let spawned = detached(f, (), None, None, Location::caller());
    spawned.unwrap_or_else(|error| panic!("failed to spawn a goroutine: {error}"));
}

/// Runs `f` in a goroutine, as if [`go`] had been called at `spawned_at`; where no runtime runs, in a thread. If neither
/// can be made now then as soon as it can.
#[doc(hidden)]
pub fn go_surely(f: impl FnOnce() + Send + 'static, spawned_at: &'static Location<'static>) {
    const AGAIN_NANOS: u64 = 10_000_000;
    let slot = Arc::new(Mutex::new(Some(f)));
    if !try_start(&slot, spawned_at) {
        let call = timer::Call::new(move |call| {
            if !try_start(&slot, spawned_at) {
                call.set(timer::now().saturating_add(AGAIN_NANOS));
            }
        });
        call.set(timer::now().saturating_add(AGAIN_NANOS));
    }
}

/// Starts what is in the slot; it stays there if that fails.
fn try_start<F>(slot: &Arc<Mutex<Option<F>>>, spawned_at: &'static Location<'static>) -> bool
where
    F: FnOnce() + Send + 'static,
{
    let run = |slot: Arc<Mutex<Option<F>>>| {
        move || {
            let f = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            f.expect("started once")();
        }
    };
    match detached(run(slot.clone()), (), None, None, spawned_at) {
        Err(SpawnError::NotRunning) => std::thread::Builder::new().spawn(run(slot.clone())).is_ok(),
        answer => answer.is_ok(),
    }
}

/// `go!(f(x))`: evaluates an expression in a goroutine of its own, as Go's `go` statement.
///
/// Other than in Go the whole expression is evaluated there, arguments included; what it names is moved there.
///
/// ```
/// # use gander_runtime as gander;
/// # gander::run(|| {
/// gander::go!(println!("hello from a goroutine"));
/// # });
/// ```
#[macro_export]
macro_rules! go {
    ($($body:tt)+) => {
        $crate::go(move || {
            #[allow(clippy::diverging_sub_expression, unreachable_code)]
            let _ = { $($body)+ };
        })
    };
}
