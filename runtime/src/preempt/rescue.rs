//! Rescue: a thread that sleeps in a system call nobody announced loses its P, not the program.
//!
//! No signal is sent: the sleeping call must not see EINTR. sysmon sees that the thread burns no processor time and
//! that the kernel says it sleeps, shuts it out of the runtime for a moment (`Seat::detach`), and takes the P. The
//! thread learns of it at its next entry to the runtime; or by a signal, if it goes on computing without one.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicPtr, AtomicU64, Ordering};

use super::{Cause, Heir, signal};
use crate::inspect::trace;
use crate::m::{self, M};
use crate::p::P;
use crate::sched::{SPIN, handing, idle, inject, janitor, sysmon};

/// Rescues since the start.
pub(crate) static COUNT: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds of processor time that a thread has used.
pub(crate) fn cpu_nanos(tid: libc::pid_t) -> u64 {
    // The kernel's encoding of "the scheduler's clock of this thread" (clock_getcpuclockid does the same for
    // processes; for threads of one's own process only pthread_t is public, which a goroutine's thread has not).
    const PER_THREAD_SCHED: libc::clockid_t = 0b110;
    let clock = (!tid << 3) | PER_THREAD_SCHED;
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes our local; fails for a thread that is gone.
    if unsafe { libc::clock_gettime(clock, &mut at) } != 0 {
        return 0;
    }
    at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64
}

/// Whether the kernel says that the thread sleeps (and is not only waiting for a processor).
pub(crate) fn sleeps(tid: libc::pid_t) -> bool {
    use std::fmt::Write;
    // No allocation here: sysmon.
    let mut path = crate::fatal::Line::new();
    let _ = write!(path, "/proc/self/task/{tid}/stat\0");
    let mut text = [0u8; 256];
    // SAFETY: the path ends with a zero; reads into our local.
    let len = unsafe {
        let file = libc::open(path.as_bytes().as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return false;
        }
        let len = libc::read(file, text.as_mut_ptr().cast(), text.len());
        libc::close(file);
        len
    };
    let Ok(len) = usize::try_from(len) else { return false };
    // "tid (name) S …": the name may contain anything, so look behind its end.
    let text = &text[..len];
    let state = text.iter().rposition(|&byte| byte == b')').and_then(|end| text.get(end + 2));
    matches!(state, Some(b'S' | b'D'))
}

/// Whether the kernel runs the thread now: its clock moves between two looks.
pub(crate) fn runs(tid: libc::pid_t) -> bool {
    cpu_nanos(tid) != cpu_nanos(tid)
}

/// Whether a signal would find the thread in user code, as far as can be told: `cpu` is what it had used a moment ago.
pub(crate) fn computes(tid: libc::pid_t, cpu: u64) -> bool {
    // A clock that moves between two looks says that the thread runs now. One that does not: the kernel runs somebody
    // else there (us, often), or the thread sleeps.
    cpu_nanos(tid) != cpu || !sleeps(tid)
}

/// Takes the P from a sleeping worker and gives it to a spare one, or to one whose goroutine was preempted. False if
/// the worker was in the runtime after all, or there is nobody.
pub(crate) fn rescue(m: &'static M, p: &'static P) -> bool {
    let heir = match handing::take_spare(0) {
        Some(m) => Heir { m, g: ptr::null() },
        None => {
            janitor::want_rescuer();
            // SAFETY: it was queued and is ours now.
            match inject::take_bound().and_then(|g| unsafe { super::with_own_thread(g) }) {
                Some(heir) => heir,
                None => return false,
            }
        }
    };
    if !m.seat.detach(p) {
        match heir.g.is_null() {
            true => handing::put_back_spare(heir.m),
            false => inject::put_back(heir.g),
        }
        return false;
    }
    p.m.store(ptr::null_mut(), Ordering::Relaxed);
    COUNT.fetch_add(1, Ordering::Relaxed);
    if trace::is_on() {
        trace::rescued(p);
    }
    heir.inherit(p);
    watch(m);
    true
}

/// The running goroutine of a worker that lost its P wins one back: an idle one, or it waits in the queue for its
/// turn, bound to this thread.
pub(crate) fn reacquire(m: &'static M) {
    AWAY.fetch_sub(1, Ordering::Relaxed);
    m.away.announced.store(false, Ordering::Relaxed);
    let g = m::current_g();
    // SAFETY: the running G is alive.
    let g = unsafe { &*g };
    if handing::take_any(m) {
        m.p().begin_turn();
        if m.p().attend.is_traced() {
            trace::ran(m.p(), g);
        }
        return;
    }
    super::sleep_bound(m, g, || {
        inject::put_returning(g);
        if SPIN.submitted() {
            idle::call_worker(ptr::null());
        } else {
            sysmon::kick();
        }
    });
}

// ---- those that are away ----

/// Threads that run or sleep without a P. They do not count against the cap: what they wait for may need a thread.
static AWAY: AtomicIsize = AtomicIsize::new(0);
/// Those that sysmon has not seen yet.
static NEW: AtomicPtr<M> = AtomicPtr::new(ptr::null_mut());

/// How many threads are without a P in the middle of a goroutine.
pub(crate) fn away() -> usize {
    // Who comes back at once may be counted before he is counted as away.
    AWAY.load(Ordering::Relaxed).max(0) as usize
}

/// `m`, the calling worker, goes on without a P by its own announcement: sysmon does not mind what it does meanwhile.
pub(crate) fn announced(m: &M) {
    m.away.announced.store(true, Ordering::Relaxed);
    AWAY.fetch_add(1, Ordering::Relaxed);
}

/// A worker's link in the list of those that were rescued.
pub(crate) struct Away {
    next: AtomicPtr<M>,
    /// It is in the list. Cleared by sysmon before it asks for the last time whether it is to stay there.
    listed: AtomicBool,
    /// It said so itself, and may compute meanwhile.
    announced: AtomicBool,
    /// Processor time used at sysmon's last look.
    cpu: AtomicU64,
}

impl Away {
    pub(crate) const fn new() -> Away {
        Away {
            next: AtomicPtr::new(ptr::null_mut()),
            listed: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            cpu: AtomicU64::new(0),
        }
    }
}

/// `m` was detached: sysmon is to see that it does not compute for long without a P.
pub(crate) fn watch(m: &'static M) {
    AWAY.fetch_add(1, Ordering::Relaxed);
    if !m.away.listed.swap(true, Ordering::AcqRel) {
        let at = ptr::from_ref(m).cast_mut();
        let mut first = NEW.load(Ordering::Relaxed);
        loop {
            m.away.next.store(first, Ordering::Relaxed);
            match NEW.compare_exchange_weak(first, at, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }
}

/// sysmon's list of rescued workers.
pub(crate) struct Chase {
    first: *mut M,
    look_at: u64,
    pause: u64,
}

impl Chase {
    /// Between two looks; then it doubles, until somebody computes or was rescued.
    const SHORTEST_NANOS: u64 = 1_000_000;
    const LONGEST_NANOS: u64 = 10_000_000;
    /// Each look at one of them costs about half a microsecond: at most a fortieth of sysmon's time.
    const PER_THREAD_NANOS: u64 = 20_000;
    /// A thread that used so much without a P is to queue for one.
    const GRACE_NANOS: u64 = 50_000;

    pub(crate) const fn new() -> Chase {
        Chase { first: ptr::null_mut(), look_at: u64::MAX, pause: Chase::SHORTEST_NANOS }
    }

    /// Sends a signal to those that compute while all Ps are busy. Returns when to look again.
    pub(crate) fn look(&mut self, now: u64) -> u64 {
        if !NEW.load(Ordering::Relaxed).is_null() {
            self.welcome();
            self.pause = Chase::SHORTEST_NANOS / 2;
            self.look_at = self.look_at.min(now + Chase::SHORTEST_NANOS);
        }
        if now < self.look_at {
            return self.look_at;
        }
        let (mut count, mut any) = (0, false);
        let mut at = std::mem::replace(&mut self.first, ptr::null_mut());
        // SAFETY: Ms are never freed.
        while let Some(m) = unsafe { at.as_ref() } {
            at = m.away.next.load(Ordering::Relaxed);
            if !m.seat.is_detached() {
                m.away.listed.swap(false, Ordering::AcqRel);
                // It may have been detached again, and have found itself in the list.
                if !m.seat.is_detached() || m.away.listed.swap(true, Ordering::AcqRel) {
                    continue;
                }
            }
            m.away.next.store(self.first, Ordering::Relaxed);
            self.first = ptr::from_ref(m).cast_mut();
            count += 1;
            let tid = m.tid.load(Ordering::Relaxed);
            let cpu = cpu_nanos(tid);
            let before = m.away.cpu.swap(cpu, Ordering::Relaxed);
            if before != 0 && cpu.saturating_sub(before) > Chase::GRACE_NANOS {
                any = true;
                let is_free = m.away.announced.load(Ordering::Relaxed) || SPIN.idle() > 0;
                if !is_free && super::slice().is_some() && computes(tid, cpu) {
                    signal::send(m, 0, Cause::Slice);
                }
            }
        }
        self.pause = if any { Chase::SHORTEST_NANOS } else { (self.pause * 2).min(Chase::LONGEST_NANOS) };
        self.look_at = if count == 0 { u64::MAX } else { now + self.pause + count * Chase::PER_THREAD_NANOS };
        self.look_at
    }

    /// Takes over those that are new.
    fn welcome(&mut self) {
        let mut at = NEW.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: Ms are never freed.
        while let Some(m) = unsafe { at.as_ref() } {
            at = m.away.next.load(Ordering::Relaxed);
            m.away.cpu.store(0, Ordering::Relaxed);
            m.away.next.store(self.first, Ordering::Relaxed);
            self.first = ptr::from_ref(m).cast_mut();
        }
    }
}
