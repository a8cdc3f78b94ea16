//! A panic that nobody will take: the process ends, as in Go, unless a hook decides otherwise.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, PoisonError, RwLock};

use crate::g::handle::{Goroutine, GoroutineId};
use crate::inspect::quit;
use crate::m;

/// A panic that ended a goroutine spawned without a handle.
#[derive(Debug)]
pub struct UnhandledPanic<'a> {
    goroutine: &'a Goroutine,
    spawned_at: &'static Location<'static>,
    parent: Option<GoroutineId>,
    payload: &'a (dyn Any + Send),
}

impl UnhandledPanic<'_> {
    /// The goroutine that panicked.
    pub fn goroutine(&self) -> &Goroutine {
        self.goroutine
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// The goroutine that spawned it; none: an ordinary thread did.
    pub fn parent(&self) -> Option<GoroutineId> {
        self.parent
    }

    /// What it panicked with.
    pub fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }
}

impl fmt::Display for UnhandledPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = (self.payload.downcast_ref::<&str>().copied())
            .or_else(|| self.payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("Box<dyn Any>");
        write!(f, "panic: {message}\n\ngoroutine {}", self.goroutine.id())?;
        if let Some(name) = self.goroutine.name() {
            write!(f, " \"{name}\"")?;
        }
        f.write_str(" [running]:\ncreated ")?;
        if let Some(parent) = self.parent {
            write!(f, "by goroutine {parent} ")?;
        }
        write!(f, "at {}", self.spawned_at)
    }
}

type Hook = dyn Fn(&UnhandledPanic<'_>) + Send + Sync;

static HOOK: RwLock<Option<Arc<Hook>>> = RwLock::new(None);

/// Decides what happens when a goroutine that has no handle (`go!`) panics. Without a hook the process prints which
/// goroutine it was and ends with code 2, as in Go; with one the hook is called, and if it returns only the goroutine
/// ends. (The panic's message and backtrace were already printed by std's panic hook.)
pub fn set_unhandled_panic_hook(hook: impl Fn(&UnhandledPanic<'_>) + Send + Sync + 'static) {
    *HOOK.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
}

/// Back to ending the process.
pub fn take_unhandled_panic_hook() {
    *HOOK.write().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The end of a goroutine whose panic nobody takes.
pub(crate) fn unhandled(payload: Box<dyn Any + Send>) {
    // SAFETY: the running goroutine is alive.
    let g = unsafe { &*m::current_g() };
    let panic = UnhandledPanic {
        goroutine: g.ident().handle(),
        spawned_at: g.spawned_at,
        parent: GoroutineId::of_bits(g.parent.get()),
        payload: &*payload,
    };
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    match hook {
        Some(hook) => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hook(&panic)));
            if outcome.is_err() {
                let others = quit::others();
                crate::fatal::exit(&format!("{panic}\n\nand the hook for unhandled panics panicked{others}"));
            }
        }
        None => crate::fatal::exit(&format!("{panic}{}", quit::others())),
    }
    crate::entry::drop_quietly(payload);
}

/// Ends the process for a panic of the main goroutine, if there was one.
pub(crate) fn main_panicked() -> ! {
    crate::fatal::exit(&format!("panic in the main goroutine{}", quit::others()))
}
