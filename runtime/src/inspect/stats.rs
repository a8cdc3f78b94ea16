//! How much of everything.
//!
//! All of it is counted where it happens by whoever holds the P, in words of its own; only here are they added up. The
//! numbers of one snapshot are as of slightly different instants.

use std::sync::atomic::Ordering;

use super::registry::{Depth, GoroutineState, for_each};
use super::sample::Histogram;
use crate::g::reason::WaitReason;
use crate::p::P;
use crate::preempt::{self, rescue};
use crate::sched::{SPIN, STATS, inject, procs, resting};
use crate::{entry, m, poll};

/// What the runtime has, and what it has done since its start.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Goroutines, by what they are doing.
    pub goroutines: GoroutineCounts,
    /// Goroutines ever spawned.
    pub spawned: u64,
    /// Processors: those in service, and those that were once.
    pub procs: Vec<ProcStats>,
    /// How many processors rest.
    pub idle_procs: usize,
    /// Worker threads.
    pub threads: ThreadCounts,
    /// Goroutines in the global queue.
    pub global_queue: usize,
    /// How often a goroutine was started or continued.
    pub switches: u64,
    /// How often a processor took goroutines from another's queue.
    pub steals: u64,
    /// How often a goroutine's processor was taken from it while it computed.
    pub preemptions: u64,
    /// How many of them were for a goroutine that had just been readied, before the end of a slice.
    pub preemptions_for_wake_ups: u64,
    /// Signals sent for preemption. Most that are in vain find the goroutine at a pause of its own.
    pub preemption_signals: u64,
    /// How often a goroutine without a thread of its own was passed over for want of one.
    pub preemptions_failed: u64,
    /// How often a processor was taken from a thread that slept in a system call nobody announced.
    pub rescues: u64,
    /// Timers armed now.
    pub timers: usize,
    /// How often the kernel was asked which descriptors are ready.
    pub polls: u64,
    /// How many goroutines were woken by that.
    pub poll_wakeups: u64,
    /// How long goroutines had a processor until they gave it up: one turn of about a thousand.
    pub turns: Histogram,
    /// How long goroutines waited in a processor's queue: one of about a thousand.
    pub queueing: Histogram,
    /// Bytes of address space reserved for stacks. Not memory.
    pub stack_reserved_bytes: usize,
    /// Stacks in use or at hand on a processor.
    pub stacks_out: usize,
    /// Stacks that lie in the shared pool.
    pub stacks_pooled: usize,
}

/// Goroutines by what they are doing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GoroutineCounts {
    /// All of them.
    pub total: usize,
    /// Running.
    pub running: usize,
    /// In a queue.
    pub runnable: usize,
    /// Preempted, and in a queue.
    pub preempted: usize,
    /// In a blocking call, announced or noticed.
    pub blocked: usize,
    /// Parked, by reason; the most frequent first.
    pub waiting: Vec<(WaitReason, usize)>,
}

/// One processor.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProcStats {
    /// Whether it is in service.
    pub in_service: bool,
    /// Whether a thread has it.
    pub busy: bool,
    /// Goroutines in its queue, the next slot included.
    pub queue: usize,
    /// Timers armed on it.
    pub timers: usize,
    /// How often it started or continued a goroutine.
    pub switches: u64,
    /// How often it took goroutines from others.
    pub steals: u64,
    /// Goroutines spawned on it.
    pub spawned: u64,
    /// Goroutines that ended on it.
    pub ended: u64,
    /// How often its holder asked the kernel which descriptors are ready.
    pub polls: u64,
    /// How many goroutines were woken by that.
    pub poll_wakeups: u64,
}

/// Worker threads by what they are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadCounts {
    /// All of them.
    pub total: usize,
    /// With a processor.
    pub running: usize,
    /// With a processor, looking for work.
    pub searching: usize,
    /// In a blocking call, without a processor.
    pub blocked: usize,
    /// At rest.
    pub idle: usize,
    /// Asleep until a goroutine that is bound to them gets its turn: preempted, or locked to the thread.
    pub bound: usize,
}

/// A snapshot.
///
/// # Blocking
///
/// Looks at every goroutine, which takes about 0.1 µs for each and stops nobody; takes the lock of each timer heap and of
/// the stack pool for a moment.
///
/// # Examples
///
/// ```
/// # mod gander { pub use gander_runtime::*; pub use gander_runtime::inspect::stats; }
/// # gander_runtime::run(|| {
/// let stats = gander::stats();
/// println!("{} goroutines, {} switches", stats.goroutines.total, stats.switches);
/// assert_eq!(stats.goroutines.total, 1);
/// # });
/// ```
pub fn stats() -> Stats {
    let mut stats = counters();
    stats.goroutines = count_goroutines();
    let census = gander_stack::census();
    stats.stack_reserved_bytes = census.reserved_bytes;
    (stats.stacks_out, stats.stacks_pooled) = (census.out, census.pooled);
    stats
}

/// A snapshot without a look at any goroutine but for their total.
pub(super) fn counters() -> Stats {
    let procs: Vec<ProcStats> = (0..procs::ever()).map(|i| look_at(procs::get(i))).collect();
    let (mut turns, mut queueing) = (Histogram::default(), Histogram::default());
    for i in 0..procs::ever() {
        procs::get(i).sample.add_to(&mut turns, &mut queueing);
    }
    let sum = |count: fn(&ProcStats) -> u64| procs.iter().map(count).sum::<u64>();
    let [polls, poll_wakeups] = poll::counts_outside();
    Stats {
        goroutines: GoroutineCounts { total: entry::num_goroutines(), ..GoroutineCounts::default() },
        spawned: sum(|p| p.spawned) + STATS.spawned_outside.load(Ordering::Relaxed),
        idle_procs: SPIN.idle() as usize,
        threads: count_threads(),
        global_queue: inject::len(),
        switches: sum(|p| p.switches),
        steals: sum(|p| p.steals),
        preemptions: preempt::COUNT.load(Ordering::Relaxed),
        preemptions_for_wake_ups: preempt::WAKE_UPS.load(Ordering::Relaxed),
        preemption_signals: preempt::signal::SENT.load(Ordering::Relaxed),
        preemptions_failed: preempt::NO_THREAD.load(Ordering::Relaxed),
        rescues: rescue::COUNT.load(Ordering::Relaxed),
        polls: polls + sum(|p| p.polls),
        poll_wakeups: poll_wakeups + sum(|p| p.poll_wakeups),
        turns,
        queueing,
        timers: procs.iter().map(|p| p.timers).sum(),
        procs,
        ..Stats::default()
    }
}

fn look_at(p: &P) -> ProcStats {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    ProcStats {
        in_service: !p.retired.load(Ordering::Relaxed),
        busy: !p.m.load(Ordering::Relaxed).is_null(),
        queue: p.ring.len() + usize::from(!p.peek_next().is_null()),
        timers: p.timers.len(),
        switches: count(&p.counts.switches),
        steals: count(&p.counts.steals),
        spawned: count(&p.counts.spawned),
        ended: count(&p.counts.ended),
        polls: count(&p.counts.polls),
        poll_wakeups: count(&p.counts.polled),
    }
}

fn count_threads() -> ThreadCounts {
    let mut threads =
        ThreadCounts { searching: SPIN.searching() as usize, idle: resting::spare(), ..ThreadCounts::default() };
    for m in m::all().filter(|m| m.tid.load(Ordering::Relaxed) != 0) {
        threads.total += 1;
        threads.running += usize::from(!m.seat.p().is_null());
        threads.blocked += usize::from(m.seat.is_detached());
    }
    threads.bound = threads.total.saturating_sub(threads.running + threads.blocked + threads.idle);
    threads
}

fn count_goroutines() -> GoroutineCounts {
    let mut counts = GoroutineCounts::default();
    for_each(Depth::Header, |goroutine| {
        counts.total += 1;
        match goroutine.state {
            GoroutineState::Running => counts.running += 1,
            GoroutineState::Runnable => counts.runnable += 1,
            GoroutineState::Preempted => counts.preempted += 1,
            GoroutineState::BlockingCall | GoroutineState::SystemCall => counts.blocked += 1,
            GoroutineState::Waiting(reason) => match counts.waiting.iter_mut().find(|(of, _)| *of == reason) {
                Some((_, count)) => *count += 1,
                None => counts.waiting.push((reason, 1)),
            },
        }
    });
    counts.waiting.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counts
}
