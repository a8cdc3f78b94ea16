//! Where do goroutines wait, and how long? Measured while somebody wants to know.
//!
//! Who parks notes the time, and whoever has it go on measures the wait and, for a sample of them, copies the innermost
//! part of its stack, which still rests. Nothing allocates: samples go to slots that a reader empties; when they are full
//! samples are lost, and counted.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::look::{Frozen, copy_words};
use super::registry;
use crate::g::G;
use crate::g::reason::WaitReason;
use crate::p::P;
use crate::sched::procs;
use crate::switch::AfterSwitch;
use crate::timer::now;

/// Samples that lie for the reader, and how much of a stack each has.
const SLOTS: usize = 128;
const WORDS: usize = 2048;

/// One of every so many nanoseconds of waiting is sampled; 0: nobody measures.
static RATE: AtomicU64 = AtomicU64::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);
/// One measurement at a time.
static CHANGE: Mutex<()> = Mutex::new(());
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Made by the first measurement, and never freed.
static SAMPLES: AtomicPtr<[Slot; SLOTS]> = AtomicPtr::new(std::ptr::null_mut());

/// A place for a sample. [`FREE`], then whoever has it go on writes, [`FULL`], then the reader reads.
struct Slot {
    state: AtomicUsize,
    reason: AtomicUsize,
    nanos: AtomicU64,
    registers: [AtomicUsize; 3],
    len: AtomicUsize,
    words: [AtomicU64; WORDS],
}

const FREE: usize = 0;
const WRITING: usize = 1;
const FULL: usize = 2;

/// A wait that was sampled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitSample {
    /// What it waited for.
    pub reason: WaitReason,
    /// For how long.
    pub nanos: u64,
    /// How many waits it stands for.
    pub weight: f64,
    /// Where: the innermost part of its stack.
    pub stack: Frozen,
}

/// A measurement that goes on until this is dropped.
#[derive(Debug)]
pub struct Waits {
    rate: u64,
}

/// Begins to measure: a wait of `rate` nanoseconds or more is sampled, a shorter one with a chance in proportion. None if a
/// measurement goes on already.
pub fn measure(rate: u64) -> Option<Waits> {
    let _one = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return None;
    }
    if SAMPLES.load(Ordering::Acquire).is_null() {
        // Not through this stack: it is two megabytes.
        let slots: Box<[Slot]> = (0..SLOTS).map(|_| Slot::new()).collect();
        SAMPLES.store(Box::into_raw(slots).cast(), Ordering::Release);
    }
    let rate = rate.max(1);
    LOST.store(0, Ordering::Relaxed);
    RATE.store(rate, Ordering::Release);
    (0..procs::ever()).for_each(|i| procs::get(i).attend.set_measured(true));
    Some(Waits { rate })
}

/// A P was made, and is nobody's yet.
pub(super) fn join(p: &P) {
    let _one = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
    p.attend.set_measured(RATE.load(Ordering::Relaxed) != 0);
}

impl Drop for Waits {
    fn drop(&mut self) {
        let _one = CHANGE.lock().unwrap_or_else(PoisonError::into_inner);
        (0..procs::ever()).for_each(|i| procs::get(i).attend.set_measured(false));
        RATE.store(0, Ordering::Release);
        self.take(|_| {});
        TAKEN.store(false, Ordering::Release);
    }
}

impl Waits {
    /// Takes the samples that were made since the last call.
    pub fn take(&self, mut f: impl FnMut(WaitSample)) {
        for slot in slots() {
            if slot.state.load(Ordering::Acquire) != FULL {
                continue;
            }
            let nanos = slot.nanos.load(Ordering::Relaxed);
            let words = slot.words[..slot.len.load(Ordering::Relaxed)].iter();
            let words = words.map(|word| word.load(Ordering::Relaxed));
            let registers = slot.registers.each_ref().map(|word| word.load(Ordering::Relaxed));
            let sample = WaitSample {
                reason: WaitReason::of_bits(slot.reason.load(Ordering::Relaxed) as u8),
                nanos,
                weight: (self.rate as f64 / nanos.max(1) as f64).max(1.0),
                stack: Frozen::of(registers, words),
            };
            slot.state.store(FREE, Ordering::Release);
            f(sample);
        }
    }

    /// How many samples were lost since the beginning because nobody took them in time.
    pub fn lost(&self) -> u64 {
        LOST.load(Ordering::Relaxed)
    }
}

fn slots() -> &'static [Slot] {
    // SAFETY: null, or made once and never freed.
    unsafe { SAMPLES.load(Ordering::Acquire).as_ref() }.map_or(&[], |slots| slots)
}

/// `g` leaves.
pub(super) fn left(g: &G, after: &AfterSwitch) {
    let parks = matches!(after, AfterSwitch::Park { .. });
    g.parked_at.set(if parks { now() } else { 0 });
}

/// `g`, which rests, goes on.
pub(super) fn ran(g: &G) {
    let since = g.parked_at.replace(0);
    let rate = RATE.load(Ordering::Acquire);
    if since == 0 || rate == 0 {
        return;
    }
    let time = now();
    let nanos = time.saturating_sub(since);
    // The clock's last digits are as good as dice here.
    if nanos < rate && scrambled(time) % rate >= nanos {
        return;
    }
    let free =
        |slot: &&Slot| slot.state.compare_exchange(FREE, WRITING, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    // A few tries: the reader empties them all at once, so it is either easy or hopeless.
    let (slots, start) = (slots(), scrambled(since) as usize);
    let Some(slot) = (0..8).filter_map(|i| slots.get((start + i) % slots.len().max(1))).find(free) else {
        LOST.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let (registers, _) = registry::context(g);
    slot.reason.store(usize::from(g.reason.load(Ordering::Relaxed)), Ordering::Relaxed);
    slot.nanos.store(nanos, Ordering::Relaxed);
    slot.registers.iter().zip(registers).for_each(|(to, value)| to.store(value, Ordering::Relaxed));
    slot.len.store(copy_words(registers[1], &slot.words), Ordering::Relaxed);
    slot.state.store(FULL, Ordering::Release);
}

/// Spreads what differs in the last bits over all of them.
fn scrambled(value: u64) -> u64 {
    (value ^ value >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            state: AtomicUsize::new(FREE),
            reason: AtomicUsize::new(0),
            nanos: AtomicU64::new(0),
            registers: [const { AtomicUsize::new(0) }; 3],
            len: AtomicUsize::new(0),
            words: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}
