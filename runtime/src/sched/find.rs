//! Where a worker looks for the next goroutine, and in which order.

use std::ptr;
use std::sync::atomic::Ordering;

use super::{FAIRNESS, SPIN, handing, idle, inject, procs, service};
use crate::g::G;
use crate::inspect::{sample, trace};
use crate::m::M;
use crate::p::{self, P};
use crate::poll;
use crate::timer::now;

/// Finds something to run; sleeps while there is nothing. Null: the thread shall end.
pub(crate) fn runnable(m: &'static M) -> *const G {
    if !m.bound.get().is_null() {
        // The goroutine that is locked to this thread parked: the thread waits for it, the P does not.
        return handing::await_bound(m);
    }
    while !m.ending.get() {
        let sent_for = m.handed_g.replace(ptr::null());
        if !sent_for.is_null() {
            return found(m, sent_for);
        }
        let p = m.p();
        if p.retired.load(Ordering::Relaxed) {
            service::retire(m);
            continue;
        }
        // SAFETY: we hold p and are in the runtime.
        if let Some(g) = unsafe { at_hand(p) } {
            return found(m, g);
        }
        if let Some(g) = look_at_poller(m, p) {
            return found(m, g);
        }
        if may_search(m)
            && let Some(g) = steal(m, p)
        {
            return found(m, g);
        }
        idle::rest(m);
    }
    ptr::null()
}

/// What this P has, or has a share of.
///
/// # Safety
///
/// The caller holds `p` and is in the runtime.
unsafe fn at_hand(p: &P) -> Option<*const G> {
    let fair = p.tick.load(Ordering::Relaxed).wrapping_add(1).is_multiple_of(FAIRNESS);
    if fair || p.attend.is_due() {
        p.attend.clear_due();
        // Those of all Ps: one that went out of service has nobody else.
        procs::run_due_timers();
    }
    // SAFETY: by contract, for all four.
    unsafe {
        if fair {
            // Whoever waits in the ring is not to wait behind those who keep waking each other.
            let next = p.take_next();
            if !next.is_null() {
                p.put(next);
            }
            sample::consider(p);
            // Those who wait for a descriptor get their turn behind those who are ready.
            if poll::look().put(p) > 0 {
                super::call_if_resting();
            }
            if let Some(g) = inject::take(p, procs::in_service(), 1) {
                return Some(g);
            }
        }
        if let Some(g) = p.take() {
            return Some(g);
        }
        if let Some(g) = inject::take(p, procs::in_service(), usize::MAX) {
            return Some(g);
        }
        if p.timers.earliest() != u64::MAX && p.timers.run_due(now()) > 0 {
            return p.take();
        }
    }
    None
}

/// What the poller has for a P that has nothing else. Under load it nearly always has something. A worker that finds
/// nothing goes to sleep there if nobody does, and sees it then: so one that found nothing does not look the next time.
fn look_at_poller(m: &M, p: &P) -> Option<*const G> {
    if !poll::is_wanted() || !m.looks.get() {
        return None;
    }
    // SAFETY: we hold p and are in the runtime, for both.
    unsafe {
        let count = poll::look().put(p);
        m.looks.set(count > 0);
        if count > 1 {
            super::call_if_resting();
        }
        p.take()
    }
}

/// Whether this worker may search; then it is counted as searching. No more than half of the busy ones do.
fn may_search(m: &M) -> bool {
    if !m.spinning.get() {
        let busy = (procs::in_service() as u32).saturating_sub(SPIN.idle());
        if 2 * SPIN.searching() >= busy {
            return false;
        }
        m.spinning.set(true);
        SPIN.search();
    }
    true
}

/// Ends a search that found something.
fn found(m: &M, g: *const G) -> *const G {
    if m.spinning.get() {
        m.spinning.set(false);
        praise(m);
        if SPIN.found() && SPIN.submitted() {
            idle::call_worker(ptr::null());
        }
    }
    g
}

/// The call that made this worker search was worth it.
fn praise(m: &M) {
    let by = m.woken_by.swap(ptr::null_mut(), Ordering::Relaxed);
    if !by.is_null() {
        // SAFETY: Ps are never freed.
        unsafe { (*by).quiet_span.store(0, Ordering::Relaxed) };
    }
}

/// The call that made this worker search was in vain: its P shall call less often.
pub(crate) fn blame(m: &M) {
    /// The longest silence, in wake-ups.
    const LONGEST: u32 = 1024;
    let by = m.woken_by.swap(ptr::null_mut(), Ordering::Relaxed);
    if !by.is_null() {
        // SAFETY: Ps are never freed.
        let by = unsafe { &*by };
        let span = (by.quiet_span.load(Ordering::Relaxed) * 2).clamp(1, LONGEST);
        by.quiet_span.store(span, Ordering::Relaxed);
        by.quiet.store(span, Ordering::Relaxed);
    }
}

/// Looks at all other Ps, in a random order each time, for a while.
///
/// It lingers because what comes next is dear: to rest costs a `membarrier` that interrupts every running worker, and
/// to be called again a system call of whoever calls. (A million goroutines spawned in a loop on two Ps: 8.2 µs each
/// without lingering, 3.5 µs with.)
fn steal(m: &M, p: &P) -> Option<*const G> {
    const LINGER_NANOS: u64 = 50_000;
    /// Between two looks, in spins; doubled after each. A look takes the lines that the other P writes with every
    /// spawn and every wake-up: one that looks all the time slows down whom it waits for.
    const PAUSE: u32 = 16;
    const LONGEST_PAUSE: u32 = 512;
    let mut pause = PAUSE;
    // What comes from outside ends a sleep in the poller, which is less dear than to be called. Only another busy P is
    // worth lingering for then, and not for long.
    let linger = if !poll::is_wanted() {
        LINGER_NANOS
    } else if SPIN.idle() as usize + 1 < procs::in_service() {
        LINGER_NANOS / 5
    } else {
        0
    };
    let until = now() + linger;
    let mut watch = Watch::new();
    loop {
        let time = now();
        for victim in Order::new(procs::ever(), m.random()).map(procs::get) {
            if ptr::eq(victim, p) {
                continue;
            }
            // SAFETY: our ring is empty (`at_hand` found nothing and nobody else puts there), and it is not theirs.
            if let Some(g) = unsafe { victim.ring.steal_into(&p.ring) } {
                stole(p, g);
                return Some(g);
            }
            if victim.timers.earliest() <= time && victim.timers.run_due(time) > 0 {
                // SAFETY: we hold p and are in the runtime.
                if let Some(g) = unsafe { p.take() } {
                    return Some(g);
                }
            }
            if let Some(g) = watch.next_slot(victim, time) {
                stole(p, g);
                return Some(g);
            }
        }
        if inject::len() > 0 {
            // SAFETY: we hold p and are in the runtime.
            return unsafe { inject::take(p, procs::in_service(), usize::MAX) };
        }
        if time >= until || p.retired.load(Ordering::Relaxed) {
            return None;
        }
        for _ in 0..pause {
            std::hint::spin_loop();
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Books what `p` took from another.
fn stole(p: &P, g: *const G) {
    p::bump(&p.counts.steals);
    if p.attend.is_traced() {
        // SAFETY: it is ours now.
        trace::stolen(p, unsafe { &*g });
    }
}

/// Watches one next slot at a time. A goroutine that readies another usually parks at once, and then the other runs
/// where it is; only one that stays is taken.
struct Watch {
    victim: *const P,
    next: *const G,
    tick: u32,
    since: u64,
}

impl Watch {
    /// So long a goroutine stays in a next slot before it is taken.
    const PATIENCE_NANOS: u64 = 40_000;

    fn new() -> Watch {
        Watch { victim: ptr::null(), next: ptr::null(), tick: 0, since: 0 }
    }

    /// Looks at the victim's next slot, and takes what has been there for long.
    fn next_slot(&mut self, victim: &P, time: u64) -> Option<*const G> {
        let (next, tick) = (victim.peek_next(), victim.tick.load(Ordering::Relaxed));
        if ptr::eq(self.victim, victim) {
            if next.cast_const() != self.next || tick != self.tick {
                *self = Watch::new();
            } else if time - self.since >= Watch::PATIENCE_NANOS {
                *self = Watch::new();
                let holder = victim.m.load(Ordering::Acquire);
                // SAFETY: Ms are never freed.
                let holder = unsafe { holder.as_ref() }?;
                // While seized, the private part of its P is ours.
                let taken = holder.seat.seize(victim, || victim.take_next())?;
                return (!taken.is_null()).then_some(taken);
            }
        } else if self.victim.is_null() && !next.is_null() {
            *self = Watch { victim, next, tick, since: time };
        }
        None
    }
}

/// Every number below `count` once, in an order that depends on a random number.
pub(crate) struct Order {
    at: usize,
    step: usize,
    count: usize,
    left: usize,
}

impl Order {
    pub(crate) fn new(count: usize, random: u32) -> Order {
        let random = random as usize;
        // Any step that has no divisor in common with the count visits all.
        let mut step = if count > 1 { random / count % (count - 1) + 1 } else { 1 };
        while gcd(step, count) != 1 {
            step = step % count + 1;
        }
        Order { at: random % count.max(1), step, count, left: count }
    }
}

fn gcd(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Iterator for Order {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        self.at = (at + self.step) % self.count;
        Some(at)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Order;

    /// sched-9.
    #[test]
    fn order_visits_each_once() {
        for count in 1..=64 {
            for random in (0..5000).step_by(7) {
                let mut seen = vec![false; count];
                for i in Order::new(count, random) {
                    assert!(!std::mem::replace(&mut seen[i], true), "{i} of {count} twice for {random}");
                }
                assert!(seen.into_iter().all(|seen| seen), "{count} not covered for {random}");
            }
        }
    }
}
