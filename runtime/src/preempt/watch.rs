//! Whose turn is over, and who is asked to give way. On sysmon.
//!
//! | somebody waits, no P rests, and the goroutine of a P … | then |
//! |---|---|
//! | sleeps in the kernel, at any look | it loses its P, without a signal |
//! | has run for its slice | it is asked to give way |
//! | has run for the minimum slice, and somebody was *readied* | likewise, within the budget of wake-ups |
//!
//! A signal would end some system calls early (EINTR), so before each the thread is looked at: one that sleeps gets
//! none.
//!
//! Who has not had a slice yet (it waits in a ring, or was readied) waits at most [`FRESH_NANOS`] for each goroutine
//! that computes in front of it: a hundred that are spawned at once all begin soon. Those that had one wait whole
//! slices for each other, for to preempt costs some 30 µs. And so does whoever is still spawning them: else, after the
//! first few, it would have one such short turn for each round of theirs.

use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Cause, rescue, signal};
use crate::m::M;
use crate::p::P;
use crate::sched::{SPIN, inject, procs, service};

/// The slice while somebody waits who has not had one.
const FRESH_NANOS: u64 = 1_000_000;
/// A goroutine that was just readied takes the P of one that has run for so long.
const MIN_SLICE_NANOS: u64 = 200_000;
/// A signal that has not come to anything is sent again.
const ASK_AGAIN_NANOS: u64 = 1_000_000;
/// The slice that is counted with where nobody is preempted, and the longest pause between two looks.
pub(crate) const LONGEST_NANOS: u64 = 10_000_000;
/// The first pause after something happened; then it doubles.
pub(crate) const SHORTEST_NANOS: u64 = 100_000;

/// Somebody was readied outside any P while all were busy.
static KICKED: AtomicBool = AtomicBool::new(false);

/// A goroutine was readied outside any P while all are busy. True: sysmon is to be told.
pub(crate) fn kicked() -> bool {
    !KICKED.swap(true, Ordering::Relaxed)
}

/// The slices that hold now.
#[derive(Clone, Copy)]
struct Slices {
    preempts: bool,
    full: u64,
    min: u64,
    /// How often wake-ups may take a P that computes: one in so many nanoseconds.
    budget: u64,
}

impl Slices {
    fn now() -> Slices {
        /// Wake-ups take at most a few hundredths of a P's time.
        const BUDGET_NANOS: (u64, u64) = (250_000, 1_000_000);
        let slice = super::slice();
        let full = slice.unwrap_or(LONGEST_NANOS);
        Slices {
            preempts: slice.is_some(),
            full,
            min: MIN_SLICE_NANOS.min(full),
            budget: (full / 10).clamp(BUDGET_NANOS.0, BUDGET_NANOS.1),
        }
    }
}

/// What sysmon remembers of each P's turn.
pub(crate) struct Turns {
    seen: [Turn; procs::MAX_PROCS],
    /// Between two looks at turns that are over before the next.
    pause: u64,
}

#[derive(Clone, Copy)]
struct Turn {
    turn: u32,
    m: *const M,
    began: u64,
    /// When it was last looked at, and what processor time its thread had used then.
    looked: u64,
    cpu: u64,
    /// When a signal may be sent.
    ask_at: u64,
    /// Nanoseconds saved up for wake-ups, as of when, and the wake-ups that were paid for.
    saved: u64,
    saved_at: u64,
    kicks: u32,
    /// Goroutines spawned on the P by the last look.
    spawned: u64,
}

/// What a look came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Another turn than last time, and nobody knows since when.
    New,
    /// Not over yet; or over, and asked, or refused by who was inside.
    Known,
}

impl Turns {
    pub(crate) const fn new() -> Turns {
        let none = Turn {
            turn: 0,
            m: ptr::null(),
            began: 0,
            looked: 0,
            cpu: 0,
            ask_at: 0,
            saved: 0,
            saved_at: 0,
            kicks: 0,
            spawned: 0,
        };
        Turns { seen: [none; procs::MAX_PROCS], pause: SHORTEST_NANOS }
    }

    /// Looks at every P. Returns when to look again, and whether somebody waits.
    pub(crate) fn look(&mut self, now: u64) -> (u64, bool) {
        let slices = Slices::now();
        let (queued, woken) = (inject::len() > 0, inject::woken() > 0);
        // A goroutine was readied for any P, or will be when somebody looks at the timers.
        let due = (0..procs::ever()).any(|i| procs::get(i).timers.earliest() <= now);
        let kicked = KICKED.swap(false, Ordering::Relaxed) && woken;
        let mut wants_p = due || kicked;
        // What stands in a ring can be taken by any P that ends a slice.
        let waits = queued || due || (0..procs::ever()).any(|i| !procs::get(i).ring.is_empty());
        let (mut again, mut next_waits, mut best) = (u64::MAX, false, None);
        for i in 0..procs::ever() {
            let p = procs::get(i);
            let m = p.m.load(Ordering::Acquire);
            next_waits |= !p.peek_next().is_null();
            // SAFETY: Ms are never freed.
            let Some(m) = (unsafe { m.as_ref() }) else { continue };
            let turn = &mut self.seen[i];
            let spawns = turn.spawns(p);
            if turn.see(m, p, now, slices) == Seen::New {
                // One to wait for if somebody waits for any P; else it is as short as the last one, probably.
                again = again.min(now + if wants_p || woken { slices.min } else { self.pause });
                continue;
            }
            let age = now.saturating_sub(turn.began);
            let fresh = woken || !p.ring.is_empty();
            let slice = match (fresh, spawns) {
                (false, _) => slices.full,
                (true, false) => slices.full.min(FRESH_NANOS),
                (true, true) => slices.full.min(age + FRESH_NANOS),
            };
            let may_kick = slices.preempts && age >= slices.min && turn.saved >= slices.budget;
            p.ripe.store(may_kick, Ordering::Relaxed);
            let mut cause = None;
            if (waits || p.has_work()) && SPIN.idle() == 0 {
                let over = slices.preempts && age >= slice;
                // What it spawns stands in the next slot, too, but was not readied.
                let readied = !p.peek_next().is_null() && !spawns || over && wants_p;
                cause = match (may_kick && readied, over) {
                    (true, _) => Some(Cause::WakeUp),
                    (false, true) => Some(Cause::Slice),
                    (false, false) => None,
                };
                let asked = turn.act(m, p, now, cause);
                wants_p &= !asked;
                if wants_p && may_kick && now >= turn.ask_at {
                    // A thread that the kernel runs now hears the signal now.
                    let rank = (rescue::runs(m.tid.load(Ordering::Relaxed)), age);
                    if best.is_none_or(|(before, _)| before < rank) {
                        best = Some((rank, i));
                    }
                }
            }
            let next = if cause.is_some() {
                // Its heir has begun by then, or it could not give way.
                age + slices.min
            } else {
                let steps = [slices.min, 5 * slices.min, slice / 2, slice, slices.full];
                steps.into_iter().find(|&at| at > age).unwrap_or(age + slices.min.max(slice / 8))
            };
            again = again.min(turn.began + next);
        }
        if wants_p && slices.preempts && SPIN.idle() == 0 {
            if let Some((_, i)) = best {
                self.kick(i, now);
            } else if kicked {
                KICKED.store(true, Ordering::Relaxed);
            }
            // Then it has come to something, or somebody else is to be asked.
            again = again.min(now + slices.min);
        }
        if due {
            // The P whose timer it is may be stuck.
            service::attend_all();
        }
        self.pause = if again < u64::MAX { (self.pause * 2).min(LONGEST_NANOS) } else { SHORTEST_NANOS };
        (again, waits || next_waits)
    }

    /// Asks for the P of this number.
    fn kick(&mut self, i: usize, now: u64) {
        let p = procs::get(i);
        // SAFETY: Ms are never freed.
        if let Some(m) = unsafe { p.m.load(Ordering::Acquire).as_ref() } {
            self.seen[i].act(m, p, now, Some(Cause::WakeUp));
        }
    }
}

impl Turn {
    /// Whether goroutines were spawned on `p` since the last look.
    fn spawns(&mut self, p: &P) -> bool {
        let spawned = p.counts.spawned.load(Ordering::Relaxed);
        std::mem::replace(&mut self.spawned, spawned) != spawned
    }

    /// Notes whose turn it is on `p`.
    fn see(&mut self, m: &M, p: &P, now: u64, slices: Slices) -> Seen {
        let kicks = p.kicks.load(Ordering::Relaxed);
        /// So many wake-ups in a row, after a time without.
        const BURST: u64 = 8;
        let saved = self.saved + now.saturating_sub(self.saved_at);
        let spent = u64::from(kicks.wrapping_sub(self.kicks)) * slices.budget;
        self.saved = saved.min(BURST * slices.budget).saturating_sub(spent);
        (self.saved_at, self.kicks) = (now, kicks);
        let turn = p.turn.load(Ordering::Relaxed);
        if self.turn == turn && ptr::eq(self.m, m) {
            return Seen::Known;
        }
        let began = p.began(turn);
        (self.turn, self.m, self.began) = (turn, m, began.unwrap_or(now));
        self.ask_at = 0;
        (self.looked, self.cpu) = (now, rescue::cpu_nanos(m.tid.load(Ordering::Relaxed)));
        if began.is_some() { Seen::Known } else { Seen::New }
    }

    /// Somebody waits for this P. `cause`: why its goroutine is to give way, if it is. True if it was asked to, or
    /// lost its P.
    fn act(&mut self, m: &'static M, p: &'static P, now: u64, cause: Option<Cause>) -> bool {
        let tid = m.tid.load(Ordering::Relaxed);
        let cpu = rescue::cpu_nanos(tid);
        let (ran, passed) = (cpu.saturating_sub(self.cpu), now - self.looked);
        (self.cpu, self.looked) = (cpu, now);
        match cause {
            Some(cause) if rescue::computes(tid, cpu) => {
                // One that did not come to it yet has no processor, or does not let it in.
                if now >= self.ask_at {
                    self.ask_at = now + ASK_AGAIN_NANOS;
                    signal::send(m, self.turn, cause);
                }
                true
            }
            // A thread that used less than a tenth of the time since the last look sleeps, or the kernel has no
            // processor for it; the kernel knows which.
            None if passed == 0 || ran * 10 >= passed || !rescue::sleeps(tid) => false,
            _ => rescue::rescue(m, p),
        }
    }
}
