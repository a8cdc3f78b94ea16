//! Resting: which Ps and Ms have nothing to do, who keeps the clock for the timers, who sleeps in the poller, and how
//! they come back.

use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{SPIN, find, inject, janitor, procs, sysmon};
use crate::g::G;
use crate::inspect::clock;
use crate::lock::Lock;
use crate::m::{M, place};
use crate::p::P;
use crate::poll;
use crate::preempt;

/// Who rests.
struct Resting {
    ps: *const P,
    ms: *const M,
    /// The resting worker that wakes for the earliest timer, or null.
    keeper: *const M,
    /// The resting worker that sleeps in the poller, or null. There is none while every P is busy: then the busy ones
    /// look, and would wake it for nothing.
    poller: *const M,
    /// A worker is in the poller, or on its way out: called already, so it is not `poller` any more. A second one must
    /// not go in before it is out, for it could take its call.
    polled: bool,
    /// sysmon sleeps without an end, because everybody rests.
    sysmon_asleep: bool,
}

// SAFETY: it points to Ps and Ms, which are shared and never freed; used under the lock.
unsafe impl Send for Resting {}

static RESTING: Lock<Resting> = Lock::new(Resting {
    ps: ptr::null(),
    ms: ptr::null(),
    keeper: ptr::null(),
    poller: ptr::null(),
    polled: false,
    sysmon_asleep: false,
});

/// When the keeper wakes; `u64::MAX` without one. Written under the lock.
static KEPT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Resting workers, for the janitor.
static SPARE: AtomicUsize = AtomicUsize::new(0);

/// When the resting worker that minds the timers wakes.
pub(crate) fn kept() -> u64 {
    KEPT.load(Ordering::Relaxed)
}

/// How many workers rest.
pub(crate) fn spare() -> usize {
    SPARE.load(Ordering::Relaxed)
}

impl Resting {
    fn push_p(&mut self, p: &P) {
        debug_assert!(!p.is_idle.get());
        p.is_idle.set(true);
        p.idle_next.set(self.ps);
        self.ps = p;
        SPIN.rest();
    }

    /// Takes a P into service. The caller is told whether sysmon must be woken for it.
    fn pop_p(&mut self) -> Option<(&'static P, bool)> {
        // SAFETY: Ps are never freed.
        let p = unsafe { self.ps.as_ref() }?;
        self.ps = p.idle_next.get();
        p.is_idle.set(false);
        SPIN.resume();
        Some((p, std::mem::take(&mut self.sysmon_asleep)))
    }

    fn remove_p(&mut self, p: &P) {
        let mut at: *const P = ptr::null();
        let mut here = self.ps;
        while !ptr::eq(here, p) {
            at = here;
            // SAFETY: Ps are never freed, and p is in the list.
            here = unsafe { (*here).idle_next.get() };
        }
        if at.is_null() {
            self.ps = p.idle_next.get();
        } else {
            // SAFETY: likewise.
            unsafe { (*at).idle_next.set(p.idle_next.get()) };
        }
        p.is_idle.set(false);
        SPIN.resume();
    }

    fn push_m(&mut self, m: &M) {
        m.is_idle.set(true);
        m.idle_prev.set(ptr::null());
        m.idle_next.set(self.ms);
        // SAFETY: Ms are never freed.
        if let Some(first) = unsafe { self.ms.as_ref() } {
            first.idle_prev.set(m);
        }
        self.ms = m;
        SPARE.fetch_add(1, Ordering::Relaxed);
    }

    fn remove_m(&mut self, m: &M) {
        // SAFETY: Ms are never freed; all links are under the lock we hold.
        unsafe {
            match m.idle_prev.get().as_ref() {
                Some(prev) => prev.idle_next.set(m.idle_next.get()),
                None => self.ms = m.idle_next.get(),
            }
            if let Some(next) = m.idle_next.get().as_ref() {
                next.idle_prev.set(m.idle_prev.get());
            }
        }
        m.is_idle.set(false);
        if ptr::eq(self.keeper, m) {
            self.keeper = ptr::null();
            KEPT.store(u64::MAX, Ordering::Relaxed);
        }
        if ptr::eq(self.poller, m) {
            self.poller = ptr::null();
        }
        SPARE.fetch_sub(1, Ordering::Relaxed);
    }

    /// The first resting worker that neither keeps the clock nor sleeps in the poller.
    fn without_duty(&self) -> Option<&'static M> {
        let mut at = self.ms;
        // SAFETY: as in `pop_m`. At most two have a duty.
        while let Some(m) = unsafe { at.as_ref() } {
            if !ptr::eq(m, self.keeper) && !ptr::eq(m, self.poller) {
                return Some(m);
            }
            at = m.idle_next.get();
        }
        None
    }

    /// Takes a resting worker: for the last resting P the one that sleeps in the poller, else one that has no duty, if
    /// there is one. With it comes the moment that nobody keeps now.
    fn pop_m(&mut self) -> Option<(&'static M, u64)> {
        // SAFETY: Ms are never freed; their links are under the lock we hold.
        let (first, poller) = unsafe { (self.ms.as_ref()?, self.poller.as_ref()) };
        let m = match poller {
            Some(poller) if self.ps.is_null() => poller,
            _ => self.without_duty().unwrap_or(first),
        };
        let unkept = if ptr::eq(m, self.keeper) { kept() } else { u64::MAX };
        self.remove_m(m);
        Some((m, unkept))
    }
}

impl Resting {
    /// Descriptors are waited for, and nobody sleeps in the poller.
    fn is_unpolled(&self) -> bool {
        !self.polled && poll::is_wanted()
    }
}

/// Gives `p` to `m`, which is the calling thread's.
fn take_over(m: &M, p: &P) {
    // While everybody rested nobody did.
    clock::set(crate::timer::now());
    m.seat.take(p);
    p.m.store(ptr::from_ref(m).cast_mut(), Ordering::Release);
}

/// Takes the P from `m`, which is the calling thread's.
pub(crate) fn let_go(m: &M) -> &'static P {
    m.p().m.store(ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: Ps are never freed.
    unsafe { &*m.seat.let_go() }
}

/// Wakes a resting worker and gives it a resting P, to search for work. The caller has counted it as searching.
pub(crate) fn call_worker(woken_by: *const P) {
    loop {
        let mut resting = RESTING.lock();
        if let Some((p, wake_sysmon)) = resting.pop_p() {
            return match resting.pop_m() {
                Some((m, unkept)) => {
                    drop(resting);
                    m.spinning.set(true);
                    m.woken_by.store(woken_by.cast_mut(), Ordering::Relaxed);
                    hand(m, p);
                    if wake_sysmon {
                        sysmon::wake();
                    }
                    sysmon::mind(unkept);
                }
                None => {
                    drop(resting);
                    let _ = SPIN.found();
                    janitor::want_worker();
                    // Who has a thread of its own can go on; the janitor may have to wait for it.
                    // SAFETY: it was queued and is ours now.
                    match inject::take_bound().and_then(|g| unsafe { preempt::with_own_thread(g) }) {
                        Some(heir) => heir.inherit(p),
                        None => {
                            // The worker that the janitor starts takes an idle P and searches all queues.
                            let mut resting = RESTING.lock();
                            resting.push_p(p);
                            resting.sysmon_asleep |= wake_sysmon;
                            return;
                        }
                    }
                    if wake_sysmon {
                        sysmon::wake();
                    }
                }
            };
        }
        drop(resting);
        // While we counted as searching others kept quiet, and a P may have come to rest since.
        if !(SPIN.found() && SPIN.submitted()) {
            return;
        }
    }
}

/// Wakes `m` with a P. Nobody else may touch `m` until it runs.
fn hand(m: &M, p: &P) {
    let polls = m.polls.get();
    m.seat.hand(p);
    m.wake.set();
    if polls {
        poll::call_sleeper();
    }
}

/// Takes what was handed with the wake-up.
fn accept(m: &M) {
    place::set_free(m);
    m.polls.set(false);
    // SAFETY: handed Ps are live and nobody else's.
    let p = unsafe { &*m.seat.accept() };
    p.m.store(ptr::from_ref(m).cast_mut(), Ordering::Release);
}

/// Takes a resting worker out, to be sent off with a P, if more than so many rest.
pub(crate) fn take_spare(stay: usize) -> Option<&'static M> {
    let mut resting = RESTING.lock();
    if spare() <= stay {
        return None;
    }
    let (m, unkept) = resting.pop_m()?;
    drop(resting);
    janitor::one_less(spare());
    sysmon::mind(unkept);
    Some(m)
}

/// Puts back what [`take_spare`] gave: the worker still sleeps.
pub(crate) fn put_back_spare(m: &'static M) {
    RESTING.lock().push_m(m);
}

/// Sends a resting worker home if more than `stay` rest: its thread ends. It takes a resting P along, for a worker wakes
/// with one; if there is none somebody may need the thread soon. True: there may be more.
pub(crate) fn send_home(stay: usize) -> bool {
    let mut resting = RESTING.lock();
    if spare() <= stay {
        return false;
    }
    let Some(m) = resting.without_duty() else { return false };
    let Some((p, wake_sysmon)) = resting.pop_p() else { return false };
    resting.remove_m(m);
    drop(resting);
    m.ending.set(true);
    hand(m, p);
    if wake_sysmon {
        sysmon::wake();
    }
    true
}

/// Wakes a spare worker, or the one that `g` is bound to, with a P and what to run first.
pub(crate) fn send_off(m: &M, p: &P, g: *const G) {
    m.handed_g.set(g);
    hand(m, p);
}

/// Sleeps until handed a P.
pub(crate) fn await_p(m: &M) {
    m.wake.wait();
    accept(m);
}

/// Takes an idle P, without searching.
pub(crate) fn take_any(m: &M) -> bool {
    let mut resting = RESTING.lock();
    let Some((p, wake_sysmon)) = resting.pop_p() else { return false };
    drop(resting);
    take_over(m, p);
    if wake_sysmon {
        sysmon::wake();
    }
    true
}

/// Gives up the P, for a blocking call or for good: to a resting worker if there is something to run, else to the list.
pub(crate) fn release(m: &M) {
    let p = let_go(m);
    if p.has_work() || inject::len() > 0 {
        return pass_on(p);
    }
    let mut resting = RESTING.lock();
    if p.retired.load(Ordering::Relaxed) {
        drop(resting);
        return pass_on(p);
    }
    resting.push_p(p);
    let unpolled = resting.is_unpolled();
    drop(resting);
    // As `rest`: what was submitted before we said so, nobody else has seen.
    SPIN.rested(false);
    let waits = unpolled || inject::len() > 0 || (0..procs::ever()).any(|i| procs::get(i).has_work());
    if waits && SPIN.submitted() {
        call_worker(ptr::null());
    }
    sysmon::mind(p.timers.earliest());
}

/// A new worker takes an idle P, or rests.
pub(crate) fn first_rest(m: &'static M) {
    let took = take_idle(m);
    janitor::started();
    if !took {
        sleep(m);
    }
}

/// Takes an idle P and begins to search with it.
fn take_idle(m: &M) -> bool {
    let mut resting = RESTING.lock();
    let Some((p, wake_sysmon)) = resting.pop_p() else { return false };
    drop(resting);
    SPIN.search();
    m.spinning.set(true);
    take_over(m, p);
    if wake_sysmon {
        sysmon::wake();
    }
    true
}

/// The worker found nothing: it puts its P to rest and sleeps, and returns with a P.
pub(crate) fn rest(m: &'static M) {
    let mut resting = RESTING.lock();
    if m.p().retired.load(Ordering::Relaxed) {
        return;
    }
    resting.push_p(let_go(m));
    drop(resting);
    let searched = m.spinning.replace(false);
    SPIN.rested(searched);
    // From here on whoever submits sees our P at rest; what was submitted before, we see.
    if work_anywhere(m) && take_idle(m) {
        return;
    }
    if searched {
        find::blame(m);
    }
    // Whoever sleeps looks for the earliest timer.
    m.armed.set(u64::MAX);
    sleep(m);
}

/// Whether any queue has something that this worker could take.
fn work_anywhere(m: &M) -> bool {
    if inject::len() > 0 {
        return true;
    }
    let mut next_seen = false;
    for i in 0..procs::ever() {
        let p = procs::get(i);
        if !p.ring.is_empty() {
            return true;
        }
        next_seen |= !p.peek_next().is_null();
    }
    // A pair that wakes each other on one P nearly always shows a goroutine in the next slot: search for it once,
    // and then leave it to sysmon, or we would never rest.
    let again = next_seen && !m.searched_next.get();
    m.searched_next.set(again);
    again
}

/// Sleeps until handed a P, or until the earliest timer, or until the poller reports something, whichever is first;
/// returns with a P.
fn sleep(m: &'static M) {
    // Whether it may keep the clock, or sleep in the poller.
    let mut may_serve = true;
    loop {
        let earliest = procs::earliest_timer();
        let mut resting = RESTING.lock();
        resting.push_m(m);
        let keeps = may_serve && earliest < KEPT.load(Ordering::Relaxed);
        if keeps {
            resting.keeper = m;
            KEPT.store(earliest, Ordering::Relaxed);
        }
        let polls = may_serve && resting.is_unpolled();
        if polls {
            resting.poller = m;
            resting.polled = true;
            m.polls.set(true);
        }
        drop(resting);
        // Who called between our P's coming to rest and ours found a P and no worker.
        if inject::len() > 0 && SPIN.submitted() {
            call_worker(ptr::null());
        }
        let until = if keeps { earliest } else { u64::MAX };
        if polls {
            match sleep_in_poller(m, until) {
                Slept::ReturnWithP => return,
                Slept::EveryPBusy => may_serve = false,
            }
            continue;
        }
        if !keeps {
            m.wake.wait();
            return accept(m);
        }
        if m.wake.wait_until(earliest) {
            return accept(m);
        }
        let mut resting = RESTING.lock();
        if !m.is_idle.get() {
            // Called at the last moment.
            drop(resting);
            m.wake.wait();
            return accept(m);
        }
        resting.remove_m(m);
        drop(resting);
        if take_idle(m) {
            // What was armed meanwhile relied on us.
            sysmon::mind(procs::next_timer_after(earliest));
            return;
        }
        // Every P is busy: sysmon sees to the timer, by taking one if need be.
        may_serve = false;
        sysmon::mind(earliest);
    }
}

enum Slept {
    ReturnWithP,
    EveryPBusy,
}

/// The part of [`sleep`] for the one that sleeps in the poller; until `until` if it keeps the clock, too.
fn sleep_in_poller(m: &'static M, until: u64) -> Slept {
    loop {
        let readied = poll::sleep_until(until);
        let mut resting = RESTING.lock();
        let called = !m.is_idle.get();
        if !called {
            if readied.is_empty() && crate::timer::now() < until {
                // A signal, or a late call for who slept here before.
                continue;
            }
            resting.remove_m(m);
        }
        resting.polled = false;
        drop(resting);
        if called {
            m.wake.wait();
            accept(m);
            // SAFETY: we have this P and are in the runtime.
            unsafe { readied.put(m.p()) };
            return Slept::ReturnWithP;
        }
        m.polls.set(false);
        // Without searching, if there is something to run: a search that ends well calls another worker, and the one
        // goroutine that most wake-ups bring needs only one.
        let has_p = if readied.is_empty() { take_idle(m) } else { take_any(m) };
        if has_p {
            // SAFETY: as above.
            let count = unsafe { readied.put(m.p()) };
            m.looks.set(count > 1);
            if count > 1 {
                super::call_if_resting();
            }
            if until != u64::MAX {
                sysmon::mind(procs::next_timer_after(until));
            }
            return Slept::ReturnWithP;
        }
        readied.inject();
        if until != u64::MAX {
            sysmon::mind(until);
        }
        return Slept::EveryPBusy;
    }
}

/// Makes every P look at the timers at its next switch.
pub(crate) fn attend_all() {
    for i in 0..procs::ever() {
        procs::get(i).attend.set_due();
    }
}

/// Hands our P and `g` to the worker `g` is bound to, and rests without a P.
pub(crate) fn hand_over(m: &'static M, bound: &M, g: &G) {
    let p = let_go(m);
    p.begins_soon();
    place::put_here(bound);
    send_off(bound, p, g);
    sleep(m);
}

/// Waits for the bound goroutine of this worker; the P goes to another worker meanwhile.
pub(crate) fn await_bound(m: &M) -> *const G {
    super::mind_timer(m);
    pass_on(let_go(m));
    m.wake.wait();
    accept(m);
    m.handed_g.replace(ptr::null())
}

/// Gives a P that nobody holds to a resting worker; to the list if there is none.
fn pass_on(p: &'static P) {
    if p.retired.load(Ordering::Relaxed) && put_out(p) {
        return;
    }
    // A thief takes from the next slot only what its holder leaves there for long, and now there is none.
    let next = p.take_next();
    if !next.is_null() {
        // SAFETY: nobody holds p but we, in the runtime.
        unsafe { p.put(next) };
    }
    let mut resting = RESTING.lock();
    if let Some((m, unkept)) = resting.pop_m() {
        drop(resting);
        hand(m, p);
        sysmon::mind(unkept);
        return;
    }
    drop(resting);
    // SAFETY: nobody holds p but we, in the runtime.
    if let Some(heir) = unsafe { preempt::find_heir(p, None) } {
        return heir.inherit(p);
    }
    RESTING.lock().push_p(p);
    janitor::want_worker();
}

/// Takes a retired P that nobody holds out of service. False if it is back in service.
fn put_out(p: &P) -> bool {
    // SAFETY: nobody holds p but we, in the runtime.
    unsafe {
        while let Some(g) = p.take() {
            inject::put_batch(&[g.cast_mut()]);
        }
        (*p.stacks.get()).flush();
    }
    let resting = RESTING.lock();
    if !p.retired.load(Ordering::Relaxed) {
        return false;
    }
    p.out.set(true);
    drop(resting);
    if SPIN.submitted() {
        call_worker(ptr::null());
    }
    true
}

/// Takes a retired P out of service: what it has goes to the global queue, its timers stay and are looked at by
/// others. Returns with another P, in time.
pub(crate) fn retire(m: &'static M) {
    let p = m.p();
    let mut moved = false;
    // SAFETY: we hold p and are in the runtime.
    while let Some(g) = unsafe { p.take() } {
        inject::put_batch(&[g.cast_mut()]);
        moved = true;
    }
    // SAFETY: likewise.
    unsafe { (*p.stacks.get()).flush() };
    let resting = RESTING.lock();
    if !p.retired.load(Ordering::Relaxed) {
        // Back in service meanwhile.
        return;
    }
    let_go(m).out.set(true);
    drop(resting);
    // While we searched others kept quiet: the last searcher asks on their behalf.
    let last = m.spinning.replace(false) && SPIN.found();
    if (moved || last || p.timers.earliest() != u64::MAX) && SPIN.submitted() {
        call_worker(ptr::null());
    }
    sleep(m);
}

/// Puts the Ps `0..count` into service and all others out of it. Called with the Ps made.
pub(crate) fn set_service(count: usize) {
    let mut resting = RESTING.lock();
    for i in 0..procs::ever() {
        let p = procs::get(i);
        if i >= count {
            p.retired.store(true, Ordering::Relaxed);
            if p.is_idle.get() {
                resting.remove_p(p);
                p.out.set(true);
            } else {
                p.attend.set_due();
            }
        } else {
            p.retired.store(false, Ordering::Relaxed);
            if p.out.replace(false) {
                resting.push_p(p);
            }
        }
    }
    procs::set_in_service(count);
    let wake_sysmon = std::mem::take(&mut resting.sysmon_asleep);
    drop(resting);
    for _ in 0..count {
        if SPIN.submitted() {
            call_worker(ptr::null());
        }
    }
    if wake_sysmon {
        sysmon::wake();
    }
}

/// sysmon asks whether it may sleep until woken: when every P rests (then a resting worker keeps the clock).
pub(crate) fn sysmon_sleeps() -> bool {
    let mut resting = RESTING.lock();
    // A timer can outlive the last worker that looked for the earliest one: `release` rests a P without a worker.
    resting.sysmon_asleep = SPIN.idle() as usize >= procs::in_service()
        && spare() > 0
        && kept() <= procs::earliest_timer()
        && !resting.is_unpolled()
        && inject::len() == 0;
    resting.sysmon_asleep
}

/// Descriptors are waited for and a P rests, but nobody sleeps in the poller: who did runs what it found, for long.
pub(crate) fn is_unpolled() -> bool {
    SPIN.idle() > 0 && RESTING.lock().is_unpolled()
}
