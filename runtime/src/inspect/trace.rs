//! What happened, and when: events, recorded while somebody wants them.
//!
//! Off, it costs a switch nothing: whether to record is a bit of the byte that every switch looks at anyway
//! (`p/attend.rs`), and a spawn or a wake-up one branch. On, an event is a clock read and six
//! stores into a ring of the P's own, about 50 ns.

use std::ops::Range;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use super::ring::{Ring, Words};
use crate::g::G;
use crate::g::handle::GoroutineId;
use crate::g::reason::WaitReason;
use crate::lock::RawLock;
use crate::m::{self, M};
use crate::p::P;
use crate::sched::procs;
use crate::switch::AfterSwitch;
use crate::timer::now;

/// What happened to a goroutine, or what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It was spawned there, by that goroutine or by a thread.
    Spawn {
        /// Who spawned it.
        by: Option<GoroutineId>,
        /// Where.
        at: &'static Location<'static>,
    },
    /// It began to run, or went on.
    Run,
    /// It parked.
    Park(WaitReason),
    /// It let others run.
    Yield,
    /// It ended.
    End,
    /// It was woken, by that goroutine, or by the clock, the poller or a thread.
    Ready(Option<GoroutineId>),
    /// Its processor was taken from it: its time was over.
    Preempt,
    /// It entered a blocking call, and gave its processor up.
    Block,
    /// Its thread slept in a system call, and this processor was taken from it.
    Rescue(usize),
    /// This processor took it from another's queue.
    Steal,
    /// It began a region of the program's.
    RegionBegin(&'static str),
    /// It ended the region.
    RegionEnd(&'static str),
    /// It said something: a category, and what.
    Log(&'static str, String),
    /// The kernel was asked which descriptors are ready, and so many goroutines were woken for it. Each of them has a
    /// [`Ready`](What::Ready) by nobody after it.
    Poll(usize),
}

/// An event of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Nanoseconds on the monotonic clock.
    pub nanos: u64,
    /// The processor on which it happened; none: on a thread without one.
    pub proc: Option<usize>,
    /// The goroutine; none: a thread that is none.
    pub goroutine: Option<GoroutineId>,
    /// What happened.
    pub what: What,
}

const SPAWN: u8 = 1;
const RUN: u8 = 2;
const PARK: u8 = 3;
const YIELD: u8 = 4;
const END: u8 = 5;
const READY: u8 = 6;
const PREEMPT: u8 = 7;
const BLOCK: u8 = 8;
const RESCUE: u8 = 9;
const STEAL: u8 = 10;
const REGION_BEGIN: u8 = 11;
const REGION_END: u8 = 12;
const LOG: u8 = 13;
/// The text of the log before it: up to 24 bytes.
const TEXT: u8 = 14;

const POLL: u8 = 15;

/// A log's text is cut there.
const MOST_TEXT: usize = 240;

static ON: AtomicBool = AtomicBool::new(false);

/// Whether events are recorded.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

// ---- recording ----

/// Where those write who have no P, one at a time.
static OUTSIDE: AtomicPtr<Ring> = AtomicPtr::new(std::ptr::null_mut());
static OUTSIDE_LOCK: RawLock = RawLock::new();

/// Writes an event, in the runtime with `p`; or none, on any thread.
fn record(p: Option<&P>, kind: u8, more: u64, goroutine: u64, word: u64) {
    write(p, [now(), u64::from(kind) | more << 8, goroutine, word]);
}

fn write(p: Option<&P>, event: Words) {
    let ring = p.map_or(&OUTSIDE, |p| &p.trace).load(Ordering::Acquire);
    // SAFETY: null or a ring, and those are never freed.
    let Some(ring) = (unsafe { ring.as_ref() }) else { return };
    if p.is_some() {
        ring.write(event);
    } else {
        OUTSIDE_LOCK.lock();
        ring.write(event);
        // SAFETY: we hold it.
        unsafe { OUTSIDE_LOCK.unlock() };
    }
}

/// `g` goes on on `p`.
#[cold]
pub(crate) fn ran(p: &P, g: &G) {
    record(Some(p), RUN, 0, g.id.get(), 0);
}

/// `g` leaves its P: it waits, ends, or lets others run, as its message says.
pub(crate) fn left(m: &M, g: &G, after: &AfterSwitch) {
    let (kind, reason) = match after {
        AfterSwitch::Park { .. } => (PARK, g.reason.load(Ordering::Relaxed)),
        AfterSwitch::Retire(_) => (END, 0),
        AfterSwitch::Nothing | AfterSwitch::Requeue(_) | AfterSwitch::RequeueGlobal(_) => (YIELD, 0),
    };
    record(Some(m.p()), kind, u64::from(reason), g.id.get(), 0);
}

/// `g` was spawned.
#[cold]
pub(crate) fn spawned(p: Option<&P>, g: &G) {
    let at = std::ptr::from_ref(g.spawned_at).expose_provenance() as u64;
    record(p, SPAWN, g.parent.get(), g.id.get(), at);
}

/// The goroutine with that id was readied by the calling one.
#[cold]
pub(crate) fn readied(p: Option<&P>, id: u64) {
    record(p, READY, 0, id, running_id());
}

/// The poller was asked, by the holder of `p` or by a thread without one, and woke so many.
#[cold]
pub(crate) fn polled(p: Option<&P>, woken: usize) {
    record(p, POLL, 0, 0, woken as u64);
}

/// The goroutine with that id was readied by the poller.
#[cold]
pub(crate) fn reported(p: Option<&P>, id: u64) {
    record(p, READY, 0, id, 0);
}

/// Something happened to `g`, on `p` or outside of any.
#[cold]
pub(crate) fn preempted(p: &P, g: &G) {
    record(Some(p), PREEMPT, 0, g.id.get(), 0);
}

/// `g` enters a blocking call.
#[cold]
pub(crate) fn blocked(p: &P, g: &G) {
    record(Some(p), BLOCK, 0, g.id.get(), 0);
}

/// `p` was taken from a sleeping thread.
#[cold]
pub(crate) fn rescued(p: &P) {
    let number = (0..procs::ever()).find(|&i| std::ptr::eq(procs::get(i), p)).unwrap_or(0);
    record(None, RESCUE, 0, 0, number as u64);
}

/// `p` took `g` from another.
#[cold]
pub(crate) fn stolen(p: &P, g: &G) {
    record(Some(p), STEAL, 0, g.id.get(), 0);
}

/// The id of the goroutine that runs here; 0: none does.
fn running_id() -> u64 {
    // SAFETY: what runs here is alive.
    unsafe { m::current_g().as_ref() }.map_or(0, |g| g.id.get())
}

/// Calls `f` in the runtime, with the P if there is one.
fn inside(f: impl FnOnce(Option<&P>)) {
    match m::current() {
        Some(m) => {
            m.enter();
            f(m.has_p().then(|| m.p()));
            m.leave();
        }
        None => f(None),
    }
}

/// A region of the program's: from its making to its drop, on whatever processors.
#[derive(Debug)]
#[must_use = "a region ends when this is dropped"]
pub struct Region {
    name: &'static str,
    on: bool,
}

/// Begins a region, which appears in a recording. Without one it costs a branch.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// {
///     let _region = gander::inspect::trace::region("parse");
///     // … what the recording shows as "parse" …
/// }
/// ```
#[inline]
pub fn region(name: &'static str) -> Region {
    let on = is_on();
    if on {
        mark(REGION_BEGIN, name);
    }
    Region { name, on }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.on {
            mark(REGION_END, self.name);
        }
    }
}

#[cold]
fn mark(kind: u8, name: &'static str) {
    inside(|p| record(p, kind, name.len() as u64, running_id(), name.as_ptr().expose_provenance() as u64));
}

/// Notes something in a recording, if there is one; the first 240 bytes of it. `message` is called only then.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// let hits = 7;
/// gander::inspect::trace::log("cache", || format!("{hits} hits"));
/// ```
#[inline]
pub fn log(category: &'static str, message: impl FnOnce() -> String) {
    if is_on() {
        note(category, &message());
    }
}

#[cold]
fn note(category: &'static str, message: &str) {
    let len = (0..=message.len().min(MOST_TEXT)).rev().find(|&at| message.is_char_boundary(at)).unwrap_or(0);
    let message = &message.as_bytes()[..len];
    inside(|p| {
        record(p, LOG, category.len() as u64, running_id(), category.as_ptr().expose_provenance() as u64);
        for piece in message.chunks(24) {
            let mut words = [0; 3];
            for (word, bytes) in words.iter_mut().zip(piece.chunks(8)) {
                let mut whole = [0; 8];
                whole[..bytes.len()].copy_from_slice(bytes);
                *word = u64::from_le_bytes(whole);
            }
            // The clock's word carries text here: the event belongs to the one before.
            write(p, [words[2], u64::from(TEXT) | (piece.len() as u64) << 8, words[0], words[1]]);
        }
    });
}

// ---- reading ----

/// A recording that goes on until this is dropped.
#[derive(Debug)]
pub struct Recording {
    /// How many events each processor had written before it began, and those without one.
    from: Vec<u64>,
    outside_from: u64,
    began: u64,
    /// What is kept of each: an earlier recording may have left larger rings.
    capacity: usize,
}

/// A recording goes on already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyRecording;

impl std::fmt::Display for AlreadyRecording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a trace is being recorded already, and there is one at a time")
    }
}

impl std::error::Error for AlreadyRecording {}

/// One start or stop at a time.
static CHANGE: Mutex<bool> = Mutex::new(false);

/// Begins to record; of each processor the last `events` events are kept, rounded up to a power of two, 32 bytes each. The
/// memory stays for the next recording.
///
/// # Errors
///
/// If one goes on already.
pub fn record_events(events: usize) -> Result<Recording, AlreadyRecording> {
    let mut on = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
    if *on {
        return Err(AlreadyRecording);
    }
    *on = true;
    let capacity = events.clamp(64, 1 << 28).next_power_of_two();
    let from = (0..procs::MAX_PROCS).map_while(|i| (i < procs::ever()).then(|| procs::get(i)));
    let from = from.map(|p| provide(&p.trace, capacity)).collect();
    let outside_from = provide(&OUTSIDE, capacity);
    CAPACITY.store(capacity, Ordering::Relaxed);
    ON.store(true, Ordering::Release);
    (0..procs::ever()).for_each(|i| procs::get(i).attend.set_traced(true));
    Ok(Recording { from, outside_from, began: now(), capacity })
}

/// The capacity of this recording, for Ps that are made while it goes on.
static CAPACITY: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// A P was made, and is nobody's yet: it takes part in what goes on.
pub(crate) fn join(p: &P) {
    // Under the lock, so that it is not missed by a recording that begins or ends now.
    let on = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
    if *on {
        provide(&p.trace, CAPACITY.load(Ordering::Relaxed));
        p.attend.set_traced(true);
    }
    drop(on);
    super::waits::join(p);
}

/// Sees to it that there is a ring of at least that capacity; returns how much was written to it.
fn provide(place: &AtomicPtr<Ring>, capacity: usize) -> u64 {
    // SAFETY: null or a ring, and those are never freed: somebody may be about to write the last event of the last
    // recording. As capacities are powers of two, all that were too small are not more than one that is large enough.
    match unsafe { place.load(Ordering::Acquire).as_ref() } {
        Some(ring) if ring.capacity() >= capacity => ring.count(),
        _ => {
            place.store(Box::into_raw(Box::new(Ring::new(capacity))), Ordering::Release);
            0
        }
    }
}

impl Recording {
    /// What was recorded so far, by time, as far as it was kept; and how many events were not.
    pub fn events(&self) -> (Vec<Event>, u64) {
        self.events_until(&[], u64::MAX)
    }

    /// [`events`](Self::events) since the last call of this. The text of a log that is written just now may be cut.
    pub fn take(&mut self) -> (Vec<Event>, u64) {
        // SAFETY: null or a ring, and those are never freed.
        let count =
            |place: &AtomicPtr<Ring>| unsafe { place.load(Ordering::Acquire).as_ref() }.map_or(0, Ring::count);
        let ends: Vec<u64> = (0..procs::ever()).map(|i| count(&procs::get(i).trace)).collect();
        let outside_end = count(&OUTSIDE);
        let taken = self.events_until(&ends, outside_end);
        (self.from, self.outside_from) = (ends, outside_end);
        taken
    }

    /// The events before these numbers; with none, all.
    fn events_until(&self, ends: &[u64], outside_end: u64) -> (Vec<Event>, u64) {
        let mut events = Vec::new();
        let mut lost = 0;
        let procs = if ends.is_empty() { procs::ever() } else { ends.len() };
        for i in 0..procs {
            let from = self.from.get(i).copied().unwrap_or(0);
            let end = ends.get(i).copied().unwrap_or(u64::MAX);
            lost += self.read(&procs::get(i).trace, from..end, Some(i), &mut events);
        }
        lost += self.read(&OUTSIDE, self.outside_from..outside_end, None, &mut events);
        events.sort_by_key(|event| event.nanos);
        (events, lost)
    }

    fn read(&self, place: &AtomicPtr<Ring>, part: Range<u64>, proc: Option<usize>, events: &mut Vec<Event>) -> u64 {
        // SAFETY: null or a ring, and those are never freed.
        let Some(ring) = (unsafe { place.load(Ordering::Acquire).as_ref() }) else { return 0 };
        let mut words = Vec::new();
        let lost = ring.copy_from(part.start, self.capacity, &mut words);
        // What is not lost begins there.
        let begin = part.start.saturating_add(lost);
        words.truncate(usize::try_from(part.end.saturating_sub(begin)).unwrap_or(usize::MAX));
        let mut words = words.into_iter().peekable();
        while let Some(event) = words.next() {
            let mut text = Vec::new();
            while let Some(piece) = words.next_if(|words| words[1] as u8 == TEXT) {
                let bytes: Vec<u8> =
                    [piece[2], piece[3], piece[0]].iter().flat_map(|word| word.to_le_bytes()).collect();
                text.extend_from_slice(&bytes[..((piece[1] >> 8) as usize).min(24)]);
            }
            // Begun under an earlier recording, or text whose head is gone.
            if event[0] >= self.began && event[1] as u8 != TEXT {
                events.extend(decode(event, proc, text));
            }
        }
        lost
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let mut on = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
        (0..procs::ever()).for_each(|i| procs::get(i).attend.set_traced(false));
        ON.store(false, Ordering::Release);
        *on = false;
    }
}

fn decode([nanos, kind, goroutine, word]: Words, proc: Option<usize>, text: Vec<u8>) -> Option<Event> {
    let more = kind >> 8;
    let name = || -> &'static str {
        let bytes = std::ptr::with_exposed_provenance::<u8>(word as usize);
        // SAFETY: `mark` or `note` wrote the parts of a `&'static str` into one event, and it was copied whole.
        unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(bytes, more as usize)) }
    };
    let what = match kind as u8 {
        SPAWN => {
            let at = std::ptr::with_exposed_provenance::<Location<'static>>(word as usize);
            // SAFETY: `spawned` wrote a `&'static Location`, and the event was copied whole.
            What::Spawn { by: GoroutineId::of_bits(more), at: unsafe { &*at } }
        }
        RUN => What::Run,
        PARK => What::Park(WaitReason::of_bits(more as u8)),
        YIELD => What::Yield,
        END => What::End,
        READY => What::Ready(GoroutineId::of_bits(word)),
        PREEMPT => What::Preempt,
        BLOCK => What::Block,
        RESCUE => What::Rescue(word as usize),
        STEAL => What::Steal,
        REGION_BEGIN => What::RegionBegin(name()),
        REGION_END => What::RegionEnd(name()),
        POLL => What::Poll(word as usize),
        LOG => What::Log(name(), String::from_utf8_lossy(&text).into_owned()),
        _ => return None,
    };
    Some(Event { nanos, proc, goroutine: GoroutineId::of_bits(goroutine), what })
}
