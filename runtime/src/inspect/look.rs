//! What is on a goroutine's stack? A copy of it, with the registers to start a walk from.
//!
//! | it is | registers | its stack meanwhile |
//! |---|---|---|
//! | parked, or in a queue | its context | rests, or the copy is thrown away |
//! | running | from the preemption signal's handler | copied by the handler, on its own thread |
//! | preempted in the handler | noted there (`show`) | rests |
//! | preempted as it left the runtime | from the signal, which only disturbs a futex wait | copied by the handler |
//! | in an announced blocking call | noted as it was announced | rests, above that frame |
//! | in another system call | /proc/self/task/TID/syscall | rests: no signal, the call must not see EINTR |
//!
//! Only a running goroutine is disturbed, for the microseconds of a signal and of copying [`MOST`] bytes at most. A stack
//! at rest is copied without asking: stacks are mapped for ever, and a copy is believed if the goroutine was at the same
//! place after it as before.

use std::fs;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::registry::{self, GoroutineInfo, GoroutineState};
use crate::futex::Event;
use crate::g::G;
use crate::g::handle::GoroutineId;
use crate::m::{self, M};
use crate::preempt::signal;
use crate::sched::procs;
use crate::timer::now;

/// The most bytes copied of one stack: its innermost frames.
const MOST: usize = 64 << 10;
const WORDS: usize = MOST / 8;
/// How often a stack is asked for again.
const TRIES: usize = 3;

/// A goroutine's stack as it was at some moment: where a walk starts, and what it reads.
#[derive(Clone, Debug, Default)]
pub struct Frozen {
    /// The next instruction.
    pub pc: usize,
    /// The stack pointer.
    pub sp: usize,
    /// The frame pointer, or whatever is in its register; 0 if it is not known.
    pub fp: usize,
    /// The link register, where there is one and it is known.
    pub lr: usize,
    words: Vec<u64>,
}

impl Frozen {
    /// A stack that was copied by [`copy_words`].
    pub(super) fn of([pc, sp, fp]: [usize; 3], words: impl Iterator<Item = u64>) -> Frozen {
        Frozen { pc, sp, fp, lr: 0, words: words.collect() }
    }

    /// What was at `address` on the stack; none outside of what was copied.
    pub fn read(&self, address: usize) -> Option<u64> {
        let offset = address.checked_sub(self.sp)?;
        if offset % 8 != 0 { None } else { self.words.get(offset / 8).copied() }
    }
}

/// Calls `f` with each goroutine that `wanted` wants, and its stack if that could be had: one that runs may be elsewhere
/// by the time it is asked, or its thread may not come to answer.
///
/// # Blocking
///
/// For each goroutine that runs its thread is waited for: some microseconds, or a second at the most if the kernel does not
/// let it run. Blocks the calling thread for so long, which may be a worker.
pub fn for_each_stack(
    mut wanted: impl FnMut(&GoroutineInfo) -> bool,
    mut f: impl FnMut(&GoroutineInfo, Option<&Frozen>),
) {
    let time = now();
    let mut frozen = Frozen::default();
    for place in gander_stack::in_use() {
        let Some((g, mut info)) = registry::read(&place, time) else { continue };
        if !wanted(&info) {
            continue;
        }
        let mut got = freeze(g, &info, &mut frozen);
        // What it does may have changed between the two looks: that it runs is true for microseconds only.
        for _ in 0..TRIES {
            match registry::read(&place, now()) {
                Some((_, now)) if !got && now.id == info.id => info = now,
                _ => break,
            }
            got = freeze(g, &info, &mut frozen);
        }
        f(&info, got.then_some(&frozen));
    }
}

/// A goroutine that was running, and its stack. For profiles.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample<'a> {
    /// Which goroutine.
    pub id: GoroutineId,
    /// Its name.
    pub name: Option<String>,
    /// Its stack.
    pub stack: &'a Frozen,
}

/// Calls `f` with the goroutine that runs on each processor now, if there is one and its thread answers.
///
/// # Blocking
///
/// As [`for_each_stack`].
pub fn for_each_running(mut f: impl FnMut(Sample<'_>)) {
    let mut frozen = Frozen::default();
    for i in 0..procs::ever() {
        // SAFETY: null or an M; Ms are never freed.
        let Some(m) = (unsafe { procs::get(i).m.load(Ordering::Acquire).as_ref() }) else { continue };
        let Some(g) = ask(m, ptr::null(), &mut frozen) else { continue };
        let named = gander_stack::locate(g.addr()).and_then(|place| registry::read(&place, now()));
        // It may have ended since, and another have begun in its place: then the sample is that one's.
        if let Some((_, info)) = named {
            f(Sample { id: info.id, name: info.name, stack: &frozen });
        }
    }
}

/// Copies the stack of the goroutine that was seen at `g`.
fn freeze(g: *const G, info: &GoroutineInfo, frozen: &mut Frozen) -> bool {
    let (_, m) = registry::context(g);
    // SAFETY: null or an M; Ms are never freed.
    let m = unsafe { m.as_ref() };
    match (info.state, m) {
        (GoroutineState::Running, Some(m)) => ask(m, g, frozen).is_some(),
        (GoroutineState::Preempted, Some(m)) => {
            let regs = m.interrupted.each_ref().map(|word| word.load(Ordering::Relaxed));
            if regs[0] == 0 {
                return ask(m, g, frozen).is_some();
            }
            copy_resting(regs, frozen)
                && registry::is_still(g, info.id)
                && m.interrupted.each_ref().map(|word| word.load(Ordering::Relaxed)) == regs
        }
        (GoroutineState::SystemCall, Some(m)) => {
            registers_in_call(m).is_some_and(|regs| copy_resting(regs, frozen)) && registry::is_still(g, info.id)
        }
        _ => {
            let ([pc, sp, fp], _) = registry::context(g);
            if !copy_resting([pc, sp, fp, 0], frozen) {
                return false;
            }
            // It says that it waits shortly before it has left; then this was an older context. A moment later it has.
            if info.waited.is_none_or(|waited| waited < Duration::from_millis(50)) {
                let until = now() + 2_000;
                while now() < until {
                    std::hint::spin_loop();
                }
            }
            registry::is_still(g, info.id) && registry::context(g).0 == [pc, sp, fp]
        }
    }
}

/// Copies from a stack of ours whose owner does not run, or may have begun to.
fn copy_resting([pc, sp, fp, lr]: [usize; 4], frozen: &mut Frozen) -> bool {
    let Some(words) = words_from(sp) else { return false };
    frozen.words.clear();
    frozen.words.extend(words.take(WORDS));
    (frozen.pc, frozen.sp, frozen.fp, frozen.lr) = (pc, sp, fp, lr);
    true
}

/// Where a thread sleeps in the kernel; the frame pointer is not told.
fn registers_in_call(m: &M) -> Option<[usize; 4]> {
    let tid = m.tid.load(Ordering::Relaxed);
    // "number, six arguments, sp, pc" in hexadecimal, or "running".
    let text = fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).ok()?;
    let mut words =
        text.split_ascii_whitespace().rev().map(|word| usize::from_str_radix(word.strip_prefix("0x")?, 16).ok());
    let (pc, sp) = (words.next()??, words.next()??);
    Some([pc, sp, 0, 0])
}

/// One question at a time to a thread, answered by its signal handler.
struct Question {
    /// Its number in the upper bits, and how far it is: [`NONE`], [`ASKED`], [`ANSWERING`], [`ANSWERED`].
    state: AtomicU32,
    /// Whose stack is asked for; null: whoever runs.
    of: AtomicPtr<G>,
    /// Whom the thread was running, if that was wanted.
    found: AtomicPtr<G>,
    registers: [AtomicUsize; 4],
    words: [AtomicU64; WORDS],
    len: AtomicUsize,
    done: Event,
}

const NONE: u32 = 0;
const ASKED: u32 = 1;
const ANSWERING: u32 = 2;
const ANSWERED: u32 = 3;
const NUMBER: u32 = 4;

static QUESTION: Question = Question {
    state: AtomicU32::new(NONE),
    of: AtomicPtr::new(ptr::null_mut()),
    found: AtomicPtr::new(ptr::null_mut()),
    registers: [const { AtomicUsize::new(0) }; 4],
    words: [const { AtomicU64::new(0) }; WORDS],
    len: AtomicUsize::new(0),
    done: Event::new(),
};

/// Asks the thread for the stack of `g`, or of whoever runs there if that is null. Returns who it was.
fn ask(m: &M, g: *const G, frozen: &mut Frozen) -> Option<*const G> {
    const PATIENCE_NANOS: u64 = 300_000_000;
    static ONE: Mutex<()> = Mutex::new(());
    // Held across a wait: not a lock of the runtime's, and nobody in a signal handler wants it.
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let q = &QUESTION;
    let number = (q.state.load(Ordering::Relaxed) & !(NUMBER - 1)).wrapping_add(NUMBER);
    q.of.store(g.cast_mut(), Ordering::Relaxed);
    q.state.store(number | ASKED, Ordering::Release);
    let answered = signal::send_question(m, number) && q.done.wait_until(now() + PATIENCE_NANOS) || {
        // Too late, unless it has begun.
        let withdrawn =
            q.state.compare_exchange(number | ASKED, number | NONE, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !withdrawn {
            q.done.wait();
        }
        !withdrawn
    };
    let found = q.found.load(Ordering::Acquire);
    if !answered || q.state.load(Ordering::Acquire) != number | ANSWERED || found.is_null() {
        return None;
    }
    frozen.words.clear();
    let len = q.len.load(Ordering::Relaxed);
    frozen.words.extend(q.words[..len].iter().map(|word| word.load(Ordering::Relaxed)));
    let [pc, sp, fp, lr] = q.registers.each_ref().map(|word| word.load(Ordering::Relaxed));
    (frozen.pc, frozen.sp, frozen.fp, frozen.lr) = (pc, sp, fp, lr);
    Some(found)
}

/// In the handler: answers if the signal is a question. `[signal-quiet]`
///
/// # Safety
///
/// Both come from the kernel.
pub(crate) unsafe fn answer(info: *const libc::siginfo_t, context: *const libc::ucontext_t) -> bool {
    // SAFETY: by contract; `si_value` is there for this code.
    let number = unsafe {
        if (*info).si_code != libc::SI_QUEUE {
            return false;
        }
        (*info).si_value().sival_ptr.addr() as u32
    };
    let q = &QUESTION;
    if q.state.compare_exchange(number | ASKED, number | ANSWERING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // Withdrawn, or not ours.
        return true;
    }
    let (of, g) = (q.of.load(Ordering::Relaxed).cast_const(), m::current_g());
    // SAFETY: what runs here is alive.
    let wanted = ptr::eq(of, g) || of.is_null() && unsafe { g.as_ref() }.is_some_and(|g| !g.is_scheduler());
    let found = if wanted { g } else { ptr::null() };
    q.found.store(found.cast_mut(), Ordering::Relaxed);
    if wanted {
        // SAFETY: by contract.
        let registers = registers(unsafe { &*context });
        for (to, value) in q.registers.iter().zip(registers) {
            to.store(value, Ordering::Relaxed);
        }
        q.len.store(copy_words(registers[1], &q.words), Ordering::Relaxed);
    }
    q.state.store(number | ANSWERED, Ordering::Release);
    q.done.set();
    true
}

/// The words of a stack of ours, from `sp` to its top. Async-signal-safe.
fn words_from(sp: usize) -> Option<impl ExactSizeIterator<Item = u64>> {
    let place = gander_stack::locate(sp).filter(|place| !place.guard && sp.is_multiple_of(8))?;
    let from: *const u64 = ptr::with_exposed_provenance(sp);
    // SAFETY: between the limit and the top of a stack of ours, so mapped for ever. Another thread may write there: the
    // reads are volatile, and whoever reads a stack that is not at rest looks whether what he got can be believed.
    Some((0..place.top.saturating_sub(sp) / 8).map(move |i| unsafe { from.add(i).read_volatile() }))
}

/// Copies a stack of ours from `sp` on, without allocation. Returns how many words.
pub(super) fn copy_words(sp: usize, to: &[AtomicU64]) -> usize {
    let Some(words) = words_from(sp) else { return 0 };
    let len = words.len().min(to.len());
    to.iter().zip(words).for_each(|(to, word)| to.store(word, Ordering::Relaxed));
    len
}

/// In the preemption handler: notes where it interrupted the goroutine, for as long as it stays there.
pub(crate) fn show(context: &libc::ucontext_t) {
    if let Some(m) = m::current() {
        let registers = registers(context);
        // The program counter last: it says that the others are there.
        for i in (0..registers.len()).rev() {
            m.interrupted[i].store(registers[i], Ordering::Release);
        }
    }
}

/// At the end of the preemption handler.
pub(crate) fn hide() {
    if let Some(m) = m::current() {
        m.interrupted[0].store(0, Ordering::Relaxed);
    }
}

/// pc, sp, frame pointer, link register.
#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> [usize; 4] {
    let of = |register: libc::c_int| context.uc_mcontext.gregs[register as usize] as usize;
    [of(libc::REG_RIP), of(libc::REG_RSP), of(libc::REG_RBP), 0]
}

/// pc, sp, frame pointer, link register.
#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> [usize; 4] {
    let context = &context.uc_mcontext;
    [context.pc as usize, context.sp as usize, context.regs[29] as usize, context.regs[30] as usize]
}
