//! sysmon: the thread that looks after what nobody else would notice.
//!
//! It needs no P, takes no lock that a preempted goroutine could hold, and never allocates: others' progress may
//! depend on it (`[signal-quiet]`).

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use super::{SPIN, idle, inject, procs};
use crate::futex::Event;
use crate::m::M;
use crate::p::P;
use crate::preempt::{self, rescue, signal};
use crate::timer::now;

static EVENT: Event = Event::new();
/// When it wakes by itself, at the latest.
static WAKES_AT: AtomicU64 = AtomicU64::new(0);

const LONGEST_NANOS: u64 = 10_000_000;

/// Wakes it from its sleep without an end.
pub(crate) fn wake() {
    EVENT.set();
}

/// Sees to it that somebody looks when `deadline` comes: a resting worker, or sysmon.
pub(crate) fn mind(deadline: u64) {
    if deadline == u64::MAX {
        return;
    }
    // Partner of the fence in `main`: the timer was armed before, or sysmon sees it after.
    fence(Ordering::SeqCst);
    if deadline < idle::kept() && deadline < WAKES_AT.load(Ordering::Relaxed) {
        EVENT.set();
    }
}

/// A thread without a P readied a goroutine while every P is busy: one of them is to be taken.
pub(crate) fn kick() {
    /// One kick in so many nanoseconds, or a stream of wake-ups would do nothing but kick.
    const PAUSE_NANOS: u64 = 50_000;
    static LAST: AtomicU64 = AtomicU64::new(0);
    if preempt::slice().is_none() {
        return;
    }
    let now = now();
    let last = LAST.load(Ordering::Relaxed);
    if now.saturating_sub(last) >= PAUSE_NANOS
        && LAST.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    {
        KICKED.store(true, Ordering::Relaxed);
        EVENT.set();
    }
}

/// Somebody was kicked for.
static KICKED: AtomicBool = AtomicBool::new(false);

/// The thread.
pub(crate) fn main() {
    be_prompt();
    let mut turns = Turns::new();
    loop {
        // Before the look at the timers: a thread that has no P can arm one while everybody rests, and wakes us if it
        // is earlier than this.
        WAKES_AT.store(u64::MAX, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if idle::sysmon_sleeps() {
            EVENT.wait();
        }
        let start = now();
        let look_again = turns.look(start);
        WAKES_AT.store(look_again, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // What is due already was just seen to.
        let next = procs::next_timer_after(start);
        let until = next.min(look_again);
        WAKES_AT.store(until, Ordering::Relaxed);
        EVENT.wait_until(until);
    }
}

/// Asks the kernel to run this thread soon after it wakes: a short slice, and timers without slack. Both are hints.
fn be_prompt() {
    #[repr(C)]
    #[derive(Default)]
    struct SchedAttr {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let attr = SchedAttr { size: size_of::<SchedAttr>() as u32, runtime: 100_000, ..SchedAttr::default() };
    // SAFETY: both set numbers of the calling thread.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1u64);
        libc::syscall(libc::SYS_sched_setattr, 0, &attr, 0);
    }
}

/// What sysmon remembers of each P's turn.
struct Turns {
    seen: [Turn; procs::MAX_PROCS],
    /// The pause after a look that found nothing but quick turns.
    pause: u64,
}

#[derive(Clone, Copy)]
struct Turn {
    tick: u32,
    m: *const M,
    since: u64,
    /// When it was last looked at, and what processor time its thread had used then.
    looked: u64,
    cpu: u64,
}

impl Turns {
    fn new() -> Turns {
        let none = Turn { tick: 0, m: ptr::null(), since: 0, looked: 0, cpu: 0 };
        Turns { seen: [none; procs::MAX_PROCS], pause: 0 }
    }

    /// Looks at every P. Returns when to look again.
    fn look(&mut self, now: u64) -> u64 {
        /// The first pause; then it doubles.
        const SHORTEST_NANOS: u64 = 100_000;
        let slice = preempt::slice();
        let mut call = false;
        let mut again = u64::MAX;
        let waiting = inject::len() > 0;
        let mut kicked = KICKED.swap(false, Ordering::Relaxed);
        let mut any_due = false;
        for i in 0..procs::ever() {
            let p = procs::get(i);
            let due = p.timers.earliest() <= now;
            any_due |= due;
            let wanted = waiting || due || p.has_work();
            call |= wanted;
            let m = p.m.load(Ordering::Acquire);
            // SAFETY: Ms are never freed.
            if let Some(m) = unsafe { m.as_ref() } {
                let next = self.seen[i].watch(m, p, now, slice, wanted, due || kicked);
                if let Some((next, took)) = next {
                    again = again.min(next);
                    // A kick takes one P.
                    kicked &= !took;
                }
            }
        }
        if any_due {
            // The P whose timer it is may be stuck.
            idle::attend_all();
        }
        // Nobody was called when a goroutine was readied into a next slot (see `quiet`), or the call was late: here
        // at the latest somebody is.
        let called = call && SPIN.submitted();
        if called {
            idle::call_worker(ptr::null());
        }
        self.pause = if called { SHORTEST_NANOS } else { (self.pause * 2).clamp(SHORTEST_NANOS, LONGEST_NANOS) };
        again.min(now + self.pause).max(now + SHORTEST_NANOS / 2)
    }
}

impl Turn {
    /// Looks at the turn of `p` on `m`, and ends it if it is over. Returns when something is to be decided next, and
    /// whether the P was asked for; none if the turn is new.
    fn watch(
        &mut self,
        m: &M,
        p: &'static P,
        now: u64,
        slice: Option<u64>,
        wanted: bool,
        kick: bool,
    ) -> Option<(u64, bool)> {
        let tick = p.tick.load(Ordering::Relaxed);
        if self.tick != tick || !ptr::eq(self.m, m) {
            *self = Turn { tick, m, since: now, looked: now, cpu: 0 };
            return None;
        }
        // Without slices nobody is interrupted, but who sleeps in the kernel is noticed all the same.
        let preempts = slice.is_some();
        let slice = slice.unwrap_or(LONGEST_NANOS);
        let (min, age) = (preempt::min_slice(slice), now - self.since);
        if preempts && age >= min {
            p.ripe.store(true, Ordering::Relaxed);
        }
        let kick = kick && age >= min;
        if wanted && SPIN.idle() == 0 {
            self.act(m, p, now, preempts && (age >= slice || kick));
        }
        let next = [min, 5 * min, slice / 2, slice].into_iter().find(|&at| at > age).unwrap_or(age + slice);
        Some((self.since + next, kick))
    }

    /// Somebody waits for this P. `over`: and its goroutine has had its share.
    fn act(&mut self, m: &M, p: &'static P, now: u64, over: bool) {
        let tid = m.tid.load(Ordering::Relaxed);
        let cpu = rescue::cpu_nanos(tid);
        let (ran, passed) = (cpu.saturating_sub(self.cpu), now - self.looked);
        let known = self.cpu != 0;
        (self.cpu, self.looked) = (cpu, now);
        // A thread that used less than a tenth of the time since the last look sleeps, or the kernel has no
        // processor for it; the kernel knows which.
        if known && ran * 10 < passed && rescue::sleeps(tid) {
            rescue::rescue(m, p);
        } else if over {
            signal::send(m, self.tick);
        }
    }
}
