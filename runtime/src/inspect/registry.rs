//! Which goroutines are there? The stacks say.
//!
//! There is no list. Each goroutine's header lies at a fixed place near the top of its stack, and stacks lie side by side
//! in a few regions with a table of what each is used for (`gander_stack::in_use`): whoever wants to know walks the
//! table, and looks at each header whether a goroutine is there. Spawning pays for that with three stores into the
//! header it writes anyway. (A list through the goroutines, per P as they migrate, would be two links to write at each
//! spawn and two neighbours, cold and perhaps another P's, at each end.)
//!
//! # Reading what others write
//!
//! The memory of a stack is never unmapped. A header is read where one may be, as it may be changing:
//!
//! 1. `[header-place]` nothing but a header is ever written to that place, so `state` is `Dead` (or zero) or true;
//! 2. `launch` writes the header and then `state`; its end writes `state` and then (a fence) somebody else's header;
//! 3. so who reads the id, sees it alive, reads the rest, and then sees it alive with the same id, has read one
//!    goroutine's words. Ids are never used twice.
//!
//! A pointer that was read may be used before that is certain only if anything that ever lies there will do: a `Location`
//! and an M are for ever, and the name's bytes are on the same stack, whose bounds are known.

use std::cell::{Cell, UnsafeCell};
use std::panic::Location;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};
use std::time::Duration;

use gander_stack::Place;

use super::clock;
use super::owner::{Holder, Wait};
use crate::g::handle::GoroutineId;
use crate::g::reason::WaitReason;
use crate::g::{G, State};
use crate::m::M;
use crate::runtime::header_on;
use crate::timer::now;

/// What a goroutine was doing when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GoroutineState {
    /// It runs.
    Running,
    /// It could run, and waits for a processor.
    Runnable,
    /// Its processor was taken from it in the middle of what it does; it waits for its next turn.
    Preempted,
    /// It is in a call of [`blocking`](crate::blocking), without a processor.
    BlockingCall,
    /// Its thread sleeps in a system call nobody announced, and its processor was given to others.
    SystemCall,
    /// It is parked.
    Waiting(WaitReason),
}

impl std::fmt::Display for GoroutineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GoroutineState::Running => f.pad("running"),
            GoroutineState::Runnable => f.pad("runnable"),
            GoroutineState::Preempted => f.pad("preempted"),
            GoroutineState::BlockingCall => f.pad("blocking call"),
            GoroutineState::SystemCall => f.pad("system call"),
            GoroutineState::Waiting(reason) => reason.fmt(f),
        }
    }
}

/// A goroutine as it was at some moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GoroutineInfo {
    /// Its number.
    pub id: GoroutineId,
    /// Its name, the first 128 bytes of it.
    pub name: Option<String>,
    /// What it was doing.
    pub state: GoroutineState,
    /// How long it had been doing that, if it waits or is in a blocking call: to about 20 ms.
    pub waited: Option<Duration>,
    /// The goroutine that it waits for: for its end, in a join, or for the lock that it has.
    pub waits_for: Option<GoroutineId>,
    /// The address of what it waits at, if that is one of `sync`: tells those who wait for one lock from those who wait
    /// for another.
    pub waits_at: Option<usize>,
    /// Who has the lock that it waits for, if that is known: between a wake-up and the woken one's turn it is not.
    pub held_by: Option<Holder>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// The goroutine that spawned it; none: an ordinary thread did.
    pub parent: Option<GoroutineId>,
    /// Of whose leak check it is.
    pub(crate) family: u64,
    /// The number of its wait, if it waits at something, and where its header lies: for a second look.
    pub(super) wait: Option<u64>,
    pub(super) header: usize,
    /// The bytes of stack it may use.
    pub stack_size: usize,
    /// The bytes between the top of its stack and where it was when it last gave up its thread; none while it runs.
    pub stack_used: Option<usize>,
}

/// Calls `f` with each goroutine, in no order. One that starts or ends meanwhile may be among them or not; the words of
/// each belong together.
///
/// # Blocking
///
/// Never blocks and stops nobody. About 0.1 µs for each, 0.4 µs if it waits for a lock, and a little for each stack that
/// was ever used.
pub fn for_each_goroutine(f: impl FnMut(&GoroutineInfo)) {
    for_each(Depth::Holders, f);
}

/// [`for_each_goroutine`], which may leave out who holds what.
pub(crate) fn for_each(depth: Depth, mut f: impl FnMut(&GoroutineInfo)) {
    let time = now();
    for place in gander_stack::in_use() {
        if let Some((_, info)) = read_to(depth, &place, time) {
            f(&info);
        }
    }
}

/// How much is asked of each goroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What its header says.
    Header,
    /// And who has what it waits for, which is a call to the kernel.
    Holders,
}

/// All goroutines, by their ids.
///
/// # Blocking
///
/// As [`for_each_goroutine`].
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander_runtime::run(|| {
/// for goroutine in gander::inspect::goroutines() {
///     println!("{} [{}] created at {}", goroutine.id, goroutine.state, goroutine.spawned_at);
/// }
/// # });
/// ```
pub fn goroutines() -> Vec<GoroutineInfo> {
    let mut all = Vec::with_capacity(crate::num_goroutines());
    for_each_goroutine(|info| all.push(info.clone()));
    all.sort_unstable_by_key(|info| info.id);
    all
}

/// The goroutine on a stack, if there is one.
pub(super) fn read(place: &Place, time: u64) -> Option<(*const G, GoroutineInfo)> {
    read_to(Depth::Holders, place, time)
}

fn read_to(depth: Depth, place: &Place, time: u64) -> Option<(*const G, GoroutineInfo)> {
    let g = header_on(place)?;
    // SAFETY: the place is mapped for ever.
    let id = GoroutineId::of_bits(unsafe { g_word(&raw const (*g).id) })?;
    // What is read from here on is not older than this goroutine.
    fence(Ordering::Acquire);
    // SAFETY: a header's place.
    let wait = unsafe { Wait::read(g) };
    let state = state(g, Ordering::Acquire)?;
    // SAFETY: the header is in a stack's memory, which is mapped for ever. Another thread may write it meanwhile: the
    // reads are volatile, and what they return is believed only after the look at the end. Whatever state that look
    // finds, the pointers are sound before it: all that is ever written to the places of `spawned_at` and `m` points to
    // what is never freed, aligned words are not torn, and `[header-place]` keeps everything else away.
    let (waits_for, parent, family, spawned_at, name, reason, since, m, sp) = unsafe {
        (
            g_word(&raw const (*g).waits_for),
            g_word(&raw const (*g).parent),
            g_word(&raw const (*g).family),
            (&raw const (*g).spawned_at).read_volatile(),
            (&raw const (*g).name).cast::<(*const u8, usize)>().read_volatile(),
            AtomicU8::from_ptr((&raw const (*g).reason).cast_mut().cast()).load(Ordering::Relaxed),
            AtomicU32::from_ptr((&raw const (*g).since).cast_mut().cast()).load(Ordering::Relaxed),
            (&raw const (*g).m).cast::<*const M>().read_volatile(),
            (&raw const (*UnsafeCell::raw_get(&raw const (*g).context)).sp).read_volatile(),
        )
    };
    let name = copy_name(place, name);
    // SAFETY: null or an M; Ms are never freed.
    let blocked = unsafe { m.as_ref() }.is_some_and(|m| m.seat.is_detached());
    // If it is in one wait from the first look to the last, all that was read between them is of that wait.
    let holder = if depth == Depth::Holders && state == State::Waiting { wait.holder() } else { None };
    // SAFETY: a header's place.
    let at = Some(wait).filter(|wait| state == State::Waiting && unsafe { wait.is_still(g) });
    let held_by = at.and(holder);
    if !is_still(g, id) {
        return None;
    }
    if id.as_u64() == crate::timer::call::ringer_id() {
        // The runtime's own.
        return None;
    }
    let reason = WaitReason::of_bits(reason);
    let state = match state {
        State::Runnable => GoroutineState::Runnable,
        State::Preempted => GoroutineState::Preempted,
        State::Waiting => GoroutineState::Waiting(reason),
        State::Running if reason == WaitReason::Blocking => GoroutineState::BlockingCall,
        State::Running if blocked => GoroutineState::SystemCall,
        State::Running | State::Dead => GoroutineState::Running,
    };
    let waits = matches!(state, GoroutineState::Waiting(_) | GoroutineState::BlockingCall);
    let rests = matches!(state, GoroutineState::Waiting(_) | GoroutineState::Runnable);
    let info = GoroutineInfo {
        id,
        name,
        state,
        waited: waits.then(|| clock::since(since, time)),
        waits_for: match held_by {
            Some(Holder::Goroutine(id)) => Some(id),
            _ => GoroutineId::of_bits(waits_for).filter(|_| state == GoroutineState::Waiting(WaitReason::Join)),
        },
        waits_at: at.map(Wait::address),
        held_by,
        spawned_at,
        parent: GoroutineId::of_bits(parent),
        family,
        wait: at.map(Wait::number),
        header: g.addr(),
        stack_size: place.top - place.limit,
        // On a segment that `grow` gave it, it is elsewhere.
        stack_used: (rests && (place.limit..place.top).contains(&sp)).then(|| place.top - sp),
    };
    Some((g, info))
}

/// Whether the goroutine with that id still lies at `g`; what was read before the call was its own then.
pub(super) fn is_still(g: *const G, id: GoroutineId) -> bool {
    fence(Ordering::Acquire);
    // SAFETY: `g` is a header's place: see `read`.
    state(g, Ordering::Relaxed).is_some() && unsafe { g_word(&raw const (*g).id) } == id.as_u64()
}

/// The context it left behind, and the M that runs it or ran it last; whatever lies there.
pub(super) fn context(g: *const G) -> ([usize; 3], *const M) {
    // SAFETY: `g` is a header's place: see `read`.
    unsafe {
        let context = UnsafeCell::raw_get(&raw const (*g).context).cast_const();
        let context = context.read_volatile();
        let m = (&raw const (*g).m).cast::<*const M>().read_volatile();
        ([context.pc, context.sp, context.frame_pointer()], m)
    }
}

/// The state of whoever is there; none: nobody is.
fn state(g: *const G, order: Ordering) -> Option<State> {
    // SAFETY: the place is mapped for ever, and holds an atomic that only headers are written over: see `read`.
    let state = unsafe { AtomicU8::from_ptr((&raw const (*g).state).cast_mut().cast()) };
    Some(State::of_bits(state.load(order))).filter(|&state| state != State::Dead)
}

/// # Safety
///
/// `word` is in a header's place.
unsafe fn g_word(word: *const Cell<u64>) -> u64 {
    // SAFETY: mapped for ever; see `read`.
    unsafe { word.cast::<u64>().read_volatile() }
}

/// The bytes of a name, if they lie where names do.
fn copy_name(place: &Place, (at, len): (*const u8, usize)) -> Option<String> {
    if at.is_null() {
        return None;
    }
    let end = at.addr().checked_add(len)?;
    if at.addr() < place.limit || end > place.top {
        return None;
    }
    // SAFETY: on the stack, as just checked, and so mapped for ever; nobody relies on what the bytes are.
    let bytes = (0..len).map(|i| unsafe { at.add(i).read_volatile() }).collect();
    // Nonsense only if the goroutine ended meanwhile, and then it is thrown away.
    String::from_utf8(bytes).ok()
}
