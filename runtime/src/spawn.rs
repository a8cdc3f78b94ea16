//! Making goroutines.

use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use gander_stack::{Class, Stack};

use crate::entry;
use crate::error::SpawnError;
use crate::g::G;
use crate::g::handle::Ident;
use crate::join::{JoinHandle, Packet};
use crate::leak::Family;
use crate::m;
use crate::p;
use crate::panics;
use crate::runtime::{self, Config};
use crate::sched;
use crate::scope;

/// What a goroutine runs, at the top of its stack.
pub(crate) trait Body {
    /// Bytes that calling it moves from frame to frame: its own, and those of its result.
    const MOVED: usize;
    /// Its identity; stays in place while the goroutine lives.
    fn ident(&mut self) -> &mut Ident;
    /// Runs it to its end. Called once; does not unwind.
    fn run(&mut self);
}

/// A goroutine without a handle.
struct Detached<F, K> {
    ident: Ident,
    /// Taken when it runs.
    f: Option<F>,
    /// Dropped with the body, when all is over.
    _keep: K,
}

impl<F: FnOnce(), K> Body for Detached<F, K> {
    const MOVED: usize = weight::<F>() + weight::<K>();

    fn ident(&mut self) -> &mut Ident {
        &mut self.ident
    }

    fn run(&mut self) {
        let f = self.f.take().expect("called once");
        if let Err(payload) = entry::run(f)
            && !entry::is_exit(&*payload)
        {
            panics::unhandled(payload);
        }
    }
}

/// A goroutine with a handle.
struct Joinable<F, T> {
    /// Taken at the end.
    packet: Option<Arc<Packet<T>>>,
    /// Taken when it runs.
    f: Option<F>,
}

impl<F: FnOnce() -> T, T> Body for Joinable<F, T> {
    const MOVED: usize = weight::<F>() + weight::<T>();

    fn ident(&mut self) -> &mut Ident {
        let packet = self.packet.as_mut().expect("present until the end");
        // Not yet shared: the handle is made after the goroutine.
        &mut Arc::get_mut(packet).expect("asked for before the handle is made").ident
    }

    fn run(&mut self) {
        let f = self.f.take().expect("called once");
        let result = entry::run(f);
        let packet = self.packet.take().expect("present until the end");
        packet.complete(result);
        // The identity goes with the packet.
        forget_ident();
        let scope = packet.scope.clone();
        // Without a handle the result is dropped here, before the scope may end.
        drop(packet);
        if let Some(scope) = scope {
            scope.end_one();
        }
    }
}

/// The entry of a body, and its end.
unsafe fn start<B: Body>(body: *mut ()) {
    // SAFETY: `launch` put it there; it is dropped once, here.
    unsafe {
        let body = body.cast::<B>();
        (*body).run();
        forget_ident();
        entry::drop_quietly(std::ptr::read(body));
        // What destructors of the last values made anew.
        if let Err(payload) = entry::clear_locals() {
            std::mem::forget(payload);
        }
    }
}

/// The running goroutine's identity is about to be dropped; whoever reports on it from now on finds none.
fn forget_ident() {
    // SAFETY: the running goroutine is alive.
    unsafe { (*m::current_g()).ident.set(Ident::ended()) };
}

/// A body that moves more than this share of a stack gets a larger one.
const LARGEST_SHARE: usize = 16;
/// How often what it moves may be copied on the way, in an unoptimised build.
const COPIES: usize = 16;

/// What a value takes on a stack: its bytes, and what its alignment may leave empty.
const fn weight<T>() -> usize {
    size_of::<T>() + if align_of::<T>() > 64 { 2 * align_of::<T>() } else { 0 }
}

/// The class of stack for a body: the bytes asked for, or the default, are for what it calls; a large closure or
/// result comes on top of that.
fn class_for<B: Body>(config: &Config, stack_size: Option<usize>) -> Result<Class, SpawnError> {
    let class = config.class(stack_size)?;
    if B::MOVED <= class.bytes() / LARGEST_SHARE {
        return Ok(class);
    }
    Ok(gander_stack::class_of(B::MOVED.saturating_mul(COPIES).saturating_add(class.bytes()))?)
}

/// Makes a goroutine that runs `body` and hands it to the scheduler.
///
/// # Safety
///
/// Whatever `body` borrows outlives the goroutine.
unsafe fn launch<B: Body>(
    body: B,
    class: Class,
    config: &Config,
    spawned_at: &'static Location<'static>,
    share: impl FnOnce(&B),
) -> Result<(), SpawnError> {
    let stack = take_stack(class)?;
    let (top, laid) = match config.lay_locals(&stack) {
        Ok(place) => place,
        Err(error) => {
            put_stack(stack);
            return Err(error);
        }
    };
    // SAFETY: [one-owner] the stack is ours and unused: we write its top. The body lies below `G`, each aligned;
    // `class_for` has seen to it that there is room.
    unsafe {
        let g = runtime::header_under(top);
        let at = g.cast::<u8>().sub(size_of::<B>()).map_addr(|at| at & !(align_of::<B>() - 1)).cast::<B>();
        let bottom = at.cast::<u8>().map_addr(|at| at & !(gander_arch::STACK_ALIGN - 1));
        at.write(body);
        let ident = (*at).ident();
        let (bottom, name) = lay_name(ident.name(), bottom);
        // Observers that read what the last goroutine left here see that it is dead before they see anything of this
        // one: the other half of `registry::read`.
        fence(Ordering::Release);
        g.write(G::new(start::<B>, at.cast(), spawned_at));
        let g = &*g;
        g.name.set(name);
        *g.context.get() = gander_arch::init(bottom, entry::begin, std::ptr::from_ref(g).cast_mut().cast());
        config.set_locals(g, &stack, laid);
        g.limit.set(stack.limit() as usize);
        g.stack.set(Some(stack));
        let m = m::current();
        if let Some(m) = m {
            m.enter();
        }
        let id = match m {
            Some(m) => {
                g.parent.set((*m::current_g()).id.get());
                p::bump(&m.p().counts.spawned);
                m.p().fresh_id()
            }
            None => {
                sched::STATS.spawned_outside.fetch_add(1, Ordering::Relaxed);
                crate::g::handle::reserve_ids(1)
            }
        };
        g.family.set(Family::current().as_u64());
        ident.assign(id);
        g.ident.set(ident);
        g.id.set(id);
        share(&*at);
        g.publish();
        sched::submit(m, g);
        if let Some(m) = m {
            m.leave();
        }
    }
    Ok(())
}

/// Copies a name to the stack under the body, where observers can read it even when the goroutine has ended. Returns
/// where frames may begin, and the copy.
///
/// # Safety
///
/// The stack below `bottom` is the caller's and unused.
unsafe fn lay_name(name: Option<&str>, bottom: *mut u8) -> (*mut u8, (*const u8, usize)) {
    /// What reports show of a name.
    const MOST: usize = 128;
    let Some(name) = name else { return (bottom, (ptr::null(), 0)) };
    let len = (0..=name.len().min(MOST)).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    // SAFETY: by contract; a few bytes of a stack that has thousands.
    unsafe {
        let copy = bottom.sub(len);
        ptr::copy_nonoverlapping(name.as_ptr(), copy, len);
        (copy.map_addr(|at| at & !(gander_arch::STACK_ALIGN - 1)), (copy, len))
    }
}

pub(crate) fn take_stack(class: Class) -> Result<Stack, SpawnError> {
    let stack = match m::current() {
        Some(m) => {
            m.enter();
            // SAFETY: in the runtime with our P, whose cache is private.
            let stack = unsafe { (*m.p().stacks.get()).take(class) };
            m.leave();
            stack
        }
        None => gander_stack::take(class),
    };
    Ok(stack?)
}

pub(crate) fn put_stack(stack: Stack) {
    match m::current() {
        Some(m) => {
            m.enter();
            // SAFETY: in the runtime with our P, whose cache is private.
            unsafe { (*m.p().stacks.get()).put(stack) };
            m.leave();
        }
        None => gander_stack::put(stack),
    }
}

/// Spawns without a handle. `keep` is dropped when the goroutine has ended, however it ended: after a panic has been
/// reported and the hook for it has returned.
pub(crate) fn detached<F: FnOnce() + Send + 'static, K: Send + 'static>(
    f: F,
    keep: K,
    name: Option<Arc<str>>,
    stack_size: Option<usize>,
    spawned_at: &'static Location<'static>,
) -> Result<(), SpawnError> {
    let config = runtime::running()?;
    let class = class_for::<Detached<F, K>>(config, stack_size)?;
    let body = Detached { ident: Ident::new(name), f: Some(f), _keep: keep };
    // SAFETY: 'static.
    unsafe { launch(body, class, config, spawned_at, |_| {}) }
}

/// Spawns one of the runtime's own, which the program does not see. It never ends.
pub(crate) fn hidden(f: fn(), name: &str, spawned_at: &'static Location<'static>) -> Result<(), SpawnError> {
    sched::STATS.hidden.fetch_add(1, Ordering::Relaxed);
    detached(f, (), Some(Arc::from(name)), None, spawned_at).inspect_err(|_| {
        sched::STATS.hidden.fetch_sub(1, Ordering::Relaxed);
    })
}

/// Spawns with a handle.
///
/// # Safety
///
/// Whatever `F` and `T` borrow outlives the goroutine, and outlives the handle.
pub(crate) unsafe fn joinable<F: FnOnce() -> T, T>(
    f: F,
    scope: Option<Arc<scope::Data>>,
    name: Option<Arc<str>>,
    stack_size: Option<usize>,
    spawned_at: &'static Location<'static>,
) -> Result<JoinHandle<T>, SpawnError> {
    let config = runtime::running()?;
    let class = class_for::<Joinable<F, T>>(config, stack_size)?;
    let packet = Arc::new(Packet::new(Ident::new(name), scope));
    let body = Joinable { packet: Some(packet), f: Some(f) };
    let mut handle = None;
    // SAFETY: by contract.
    unsafe {
        launch(body, class, config, spawned_at, |body: &Joinable<F, T>| {
            handle = body.packet.clone().map(JoinHandle);
        })?;
    }
    Ok(handle.expect("launched"))
}
