//! The one runtime of a process: started once, never ended.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use gander_stack::{Class, Stack};
use gander_tls::{Model, ThreadPointer, TlsError};

use crate::error::{SpawnError, StartError};
use crate::g::{G, State};
use crate::inspect::{debugger, quit, schedtrace};
use crate::sched::{janitor, procs, sysmon};
use crate::switch::{Locals, set_locals};
use crate::{asym, fault, m, preempt};

/// What a [`Builder`](crate::Builder) says about the runtime.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) procs: Option<usize>,
    pub(crate) shared: bool,
    /// 0: nobody is preempted.
    pub(crate) slice_nanos: Option<u64>,
    pub(crate) signal: Option<libc::c_int>,
    pub(crate) max_threads: Option<usize>,
}

impl Settings {
    /// The name of one that was made.
    pub(crate) fn any(&self) -> Option<&'static str> {
        if self.procs.is_some() {
            Some("procs")
        } else if self.slice_nanos.is_some() {
            Some("slice")
        } else if self.signal.is_some() {
            Some("preempt_signal")
        } else if self.max_threads.is_some() {
            Some("max_threads")
        } else if self.shared {
            Some("shared")
        } else {
            None
        }
    }
}

/// The stack limit of a goroutine for which nothing is said: enough for what ordinary crates do, and two of them
/// share a page of page tables.
const DEFAULT_STACK: usize = 1 << 20;

/// What the first frames of about every goroutine take.
const FIRST_FRAMES: usize = 1024;

/// What does not change while the runtime runs.
#[derive(Debug)]
pub(crate) struct Config {
    /// How to make a goroutine's own thread-locals; none in shared mode.
    own: Option<&'static Model>,
    /// What the thread-local block and the header may take at the top of a stack; 0 in shared mode.
    taken: usize,
    default_class: Class,
}

static CONFIG: OnceLock<Config> = OnceLock::new();
static FORKED: AtomicBool = AtomicBool::new(false);

/// The running runtime.
#[inline]
pub(crate) fn running() -> Result<&'static Config, SpawnError> {
    let config = CONFIG.get().ok_or(SpawnError::NotRunning)?;
    if FORKED.load(Ordering::Relaxed) { Err(SpawnError::Forked) } else { Ok(config) }
}

/// Starts the runtime, or checks that the one that runs is what is asked for.
pub(crate) fn start(settings: &Settings) -> Result<(), StartError> {
    static STARTING: Mutex<()> = Mutex::new(());
    if FORKED.load(Ordering::Relaxed) {
        return Err(StartError::Forked);
    }
    if let Some(asked) = settings.procs
        && !(1..=procs::MAX_PROCS).contains(&asked)
    {
        return Err(StartError::Procs(asked));
    }
    if settings.max_threads == Some(0) {
        return Err(StartError::MaxThreads);
    }
    let _one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = CONFIG.get() {
        return agree(config, settings);
    }
    let own = if settings.shared { None } else { Some(Model::learn().map_err(StartError::OwnThreadLocals)?) };
    if let Some(model) = own {
        // A trimmed stack keeps its thread-local block, and what lies below it.
        gander_stack::keep_at_least(model.size() + size_of::<G>() + 4096);
    }
    gander_stack::touched_first(own.map_or(0, Model::size) + size_of::<G>() + FIRST_FRAMES);
    let taken = own.map_or(0, |model| model.size() + model.align() + size_of::<G>());
    let default_class = class_beside(taken, DEFAULT_STACK).map_err(StartError::Spawn)?;
    set_locals(match own {
        None => Locals::Shared,
        Some(_) if gander_arch::exchange_by_instruction() => Locals::Own,
        Some(_) => Locals::OwnBySyscall,
    });
    asym::init();
    fault::install().map_err(StartError::Thread)?;
    quit::install().map_err(StartError::Thread)?;
    let slice = settings.slice_nanos.unwrap_or(preempt::DEFAULT_SLICE_NANOS);
    if slice != 0 {
        let signal = settings.signal.unwrap_or(preempt::signal::DEFAULT);
        preempt::signal::install(signal, settings.signal.is_some())
            .map_err(|error| StartError::Signal { signal, error })?;
        preempt::set_slice(slice);
    }
    if let Some(most) = settings.max_threads {
        janitor::set_cap(most);
    }
    // SAFETY: registers a handler that sets a flag.
    unsafe {
        libc::pthread_atfork(None, None, Some(forked));
    }
    let count = settings.procs.map(|count| (count, true)).or_else(procs_from_env);
    let (count, chosen) = count.unwrap_or_else(|| (procs::machine(), false));
    procs::set(count, chosen);
    start_threads().map_err(StartError::Thread)?;
    debugger::describe(own.map(|model| (model.size(), model.align())));
    let _ = CONFIG.set(Config { own, taken, default_class });
    Ok(())
}

fn procs_from_env() -> Option<(usize, bool)> {
    let text = std::env::var("GANDER_PROCS").ok()?;
    match text.trim().parse() {
        Ok(count) if (1..=procs::MAX_PROCS).contains(&count) => Some((count, true)),
        _ => {
            eprintln!("gander: GANDER_PROCS={text:?} is not a number from 1 to {}: ignored", procs::MAX_PROCS);
            None
        }
    }
}

fn start_threads() -> io::Result<()> {
    // One worker must be there, or nothing would ever run; the janitor makes the others.
    m::start_thread()?;
    thread("gander-sysmon", sysmon::main)?;
    thread("gander-janitor", janitor::main)?;
    schedtrace::start()
}

pub(crate) fn thread(name: &str, main: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(main).map(drop)
}

/// In a forked child. Its other threads are not there, so nothing can be scheduled: the goroutine that forked is
/// an ordinary thread from now on, what waits blocks it, and what spawns is refused.
extern "C" fn forked() {
    FORKED.store(true, Ordering::Relaxed);
    gander_arch::set_current(std::ptr::null_mut());
}

fn agree(config: &Config, settings: &Settings) -> Result<(), StartError> {
    if settings.shared && config.own.is_some() {
        return Err(StartError::Conflict {
            setting: "thread-locals",
            is: "each goroutine's own".into(),
            asked: "shared mode".into(),
        });
    }
    let text = |nanos: u64| match nanos {
        0 => "never over".to_string(),
        nanos => format!("{nanos} ns"),
    };
    let slice = preempt::slice().unwrap_or(0);
    if let Some(asked) = settings.slice_nanos
        && asked != slice
    {
        return Err(StartError::Conflict { setting: "slice", is: text(slice), asked: text(asked) });
    }
    if let Some(asked) = settings.signal
        && let is = preempt::signal::number()
        && is != Some(asked)
    {
        let is = is.map_or("none".to_string(), |signal| signal.to_string());
        return Err(StartError::Conflict { setting: "preempt_signal", is, asked: asked.to_string() });
    }
    if let Some(asked) = settings.max_threads
        && asked != janitor::cap()
    {
        return Err(StartError::Conflict {
            setting: "max_threads",
            is: janitor::cap().to_string(),
            asked: asked.to_string(),
        });
    }
    match settings.procs {
        Some(asked) if asked != procs::in_service() => Err(StartError::Conflict {
            setting: "procs",
            is: format!("{} (gander::set_procs changes it)", procs::in_service()),
            asked: asked.to_string(),
        }),
        _ => Ok(()),
    }
}

impl Config {
    /// The class of stack for a goroutine.
    pub(crate) fn class(&self, stack_size: Option<usize>) -> Result<Class, SpawnError> {
        match stack_size {
            None => Ok(self.default_class),
            Some(bytes) => class_beside(self.taken, bytes),
        }
    }

    /// Sees to it that the goroutine's thread-locals lie at the top of its stack; returns where the rest begins and
    /// whether they lay there before.
    #[inline]
    pub(crate) fn lay_locals(&self, stack: &Stack) -> Result<(*mut u8, bool), SpawnError> {
        let Some(model) = self.own else { return Ok((stack.top(), false)) };
        let top = model_top(model, stack.top());
        let laid = stack.tag() != 0;
        if !laid {
            let have = (top as usize).saturating_sub(stack.limit() as usize);
            let need = model.size() + size_of::<G>() + FIRST_FRAMES;
            if have < need {
                return Err(TlsError::SlotTooSmall { have, need }.into());
            }
            // Before there was a runtime somebody may have recursed here. The tag says that there is a header now.
            // SAFETY: [one-owner] the stack is ours, and nothing lies on it yet.
            unsafe {
                (*header_under(top.wrapping_sub(model.size()))).state.store(State::Dead as u8, Ordering::Relaxed)
            };
            // SAFETY: [one-owner] the stack is ours, and nothing lies on it yet.
            let pointer = unsafe { model.lay(stack.limit(), top)? };
            stack.set_tag(pointer.as_ptr() as usize);
        }
        Ok((top.wrapping_sub(model.size()), laid))
    }

    /// Tells a fresh goroutine and its thread-local block of each other. `laid`: the block is older than this goroutine.
    #[inline]
    pub(crate) fn set_locals(&self, g: &G, stack: &Stack, laid: bool) {
        let Some(model) = self.own else { return };
        let pointer = stack.tag() as *mut u8;
        g.thread_pointer.set(pointer);
        if laid && model.epoch() != 0 {
            // Libraries were loaded since the start: their thread-locals may lie in the block uninitialised. What is
            // initialised already stays.
            // SAFETY: the block was laid by this model, and nobody runs on it.
            unsafe { model.catch_up(ThreadPointer::from_raw(pointer), 0) };
        }
        // SAFETY: the block was laid and is nobody's but this goroutine's, which does not run yet; the current word
        // lies at this distance in every block.
        unsafe {
            pointer.offset(gander_arch::current_offset()).cast::<*const G>().write(g);
        }
    }

    /// Takes note of libraries that were loaded since the last call.
    pub(crate) fn notice_libraries(&self) {
        if let Some(model) = self.own {
            model.notice_libraries();
        }
    }
}

/// The class of stack that has so many bytes for frames: where what is `taken` at its top is more than there is room for
/// beside them, a larger one.
fn class_beside(taken: usize, bytes: usize) -> Result<Class, SpawnError> {
    let class = gander_stack::class_of(bytes)?;
    if taken <= gander_stack::HEADROOM + class.bytes() / 8 {
        return Ok(class);
    }
    match gander_stack::class_of(class.bytes().saturating_add(taken)) {
        // The largest does with less.
        Err(_) if taken <= Class::LARGEST.bytes() / 2 => Ok(Class::LARGEST),
        answer => Ok(answer?),
    }
}

/// What the running runtime keeps at the top of stacks, for those who take one for something else than a goroutine.
pub(crate) fn config() -> Option<&'static Config> {
    CONFIG.get()
}

/// The class of stack for a segment.
pub(crate) fn segment_class(config: Option<&Config>, bytes: usize) -> Result<Class, SpawnError> {
    class_beside(config.map_or(0, |config| config.taken), bytes)
}

/// Where frames begin on a stack of the pool that is not for a goroutine of its own: below the places of the
/// thread-local block and the header. `[header-place]`
pub(crate) fn frames_top(config: Option<&Config>, stack: &Stack) -> *mut u8 {
    let top = match config.and_then(|config| config.own) {
        Some(model) => model_top(model, stack.top()).wrapping_sub(model.size()),
        None => stack.top(),
    };
    header_under(top).cast()
}

fn model_top(model: &Model, top: *mut u8) -> *mut u8 {
    top.map_addr(|at| at & !(model.align() - 1))
}

/// Where the header of a goroutine lies, under the top of its stack or under the thread-local block there.
///
/// `[header-place]` On a stack of the pool nothing but a header is ever written to this place. (Before the runtime
/// starts, own mode's place is not known; `lay_locals` clears it.)
pub(crate) fn header_under(top: *mut u8) -> *mut G {
    top.wrapping_sub(size_of::<G>()).map_addr(|at| at & !(align_of::<G>().max(64) - 1)).cast()
}

/// The place of the header on a stack that somebody has; none if there is none.
pub(crate) fn header_on(place: &gander_stack::Place) -> Option<*const G> {
    let top = std::ptr::with_exposed_provenance_mut(place.top);
    match CONFIG.get()?.own {
        Some(_) if place.tag == 0 => None,
        Some(model) => Some(header_under(model_top(model, top).wrapping_sub(model.size())).cast_const()),
        None => Some(header_under(top).cast_const()),
    }
}

/// The main goroutine called `exit`: the others go on, and the process with them, as in Go.
pub(crate) fn main_exited() -> ! {
    let _waits = crate::deadlock::Entry::new();
    loop {
        if crate::entry::num_goroutines() == 0 {
            crate::fatal::exit("fatal error: no goroutines (main called gander::exit) - deadlock!");
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
