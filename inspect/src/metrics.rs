//! The numbers of [`stats`](crate::stats()) for the `metrics` crate (feature `metrics`).
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `gander_goroutines` | gauge | `state`: `running`, `runnable`, `preempted`, `blocked`, or a wait's words |
//! | `gander_spawned_total`, `gander_switches_total`, `gander_steals_total` | counter | |
//! | `gander_preemptions_total`, `gander_rescues_total` | counter | |
//! | `gander_polls_total`, `gander_poll_wakeups_total` | counter | |
//! | `gander_threads` | gauge | `state`: `running`, `searching`, `blocked`, `idle`, `bound` |
//! | `gander_procs`, `gander_idle_procs`, `gander_timers` | gauge | |
//! | `gander_queue_length` | gauge | `queue`: `global`, or a processor's number |
//! | `gander_stacks` | gauge | `state`: `out`, `pooled` |
//! | `gander_stack_reserved_bytes` | gauge | |
//! | `gander_turn_seconds`, `gander_queueing_seconds` | histogram | |
//!
//! The histograms are of one turn in about a thousand, and to a power of two: each is recorded as the upper end of its
//! bucket.

use std::collections::HashSet;
use std::time::Duration;

use gander_runtime::{Builder, JoinHandle, SpawnError, blocking, sleep};
use metrics::{counter, gauge, histogram};

use crate::{Histogram, Stats, stats};

/// Publishes snapshots one after the other: it remembers what it has told.
#[derive(Debug, Default)]
pub struct Publisher {
    /// What goroutines did at the last snapshot: nobody does it now, unless the next one says so.
    states: HashSet<String>,
    told: Option<(Histogram, Histogram)>,
}

impl Publisher {
    /// One that has published nothing.
    pub fn new() -> Publisher {
        Publisher::default()
    }

    /// Publishes `stats` through the recorder that the program has set.
    ///
    /// # Examples
    ///
    /// ```
    /// gander_runtime::run(|| {
    ///     let mut publisher = gander_inspect::metrics::Publisher::new();
    ///     publisher.publish(&gander_inspect::stats());
    /// });
    /// ```
    pub fn publish(&mut self, stats: &Stats) {
        self.publish_goroutines(stats);
        for (name, count) in [
            ("gander_spawned_total", stats.spawned),
            ("gander_switches_total", stats.switches),
            ("gander_steals_total", stats.steals),
            ("gander_preemptions_total", stats.preemptions),
            ("gander_rescues_total", stats.rescues),
            ("gander_polls_total", stats.polls),
            ("gander_poll_wakeups_total", stats.poll_wakeups),
        ] {
            counter!(name).absolute(count);
        }
        let threads = &stats.threads;
        for (state, count) in [
            ("running", threads.running),
            ("searching", threads.searching),
            ("blocked", threads.blocked),
            ("idle", threads.idle),
            ("bound", threads.bound),
        ] {
            gauge!("gander_threads", "state" => state).set(count as f64);
        }
        let in_service = stats.procs.iter().filter(|p| p.in_service).count();
        gauge!("gander_procs").set(in_service as f64);
        gauge!("gander_idle_procs").set(stats.idle_procs as f64);
        gauge!("gander_timers").set(stats.timers as f64);
        gauge!("gander_queue_length", "queue" => "global").set(stats.global_queue as f64);
        for (i, p) in stats.procs.iter().enumerate() {
            gauge!("gander_queue_length", "queue" => i.to_string()).set(p.queue as f64);
        }
        gauge!("gander_stacks", "state" => "out").set(stats.stacks_out as f64);
        gauge!("gander_stacks", "state" => "pooled").set(stats.stacks_pooled as f64);
        gauge!("gander_stack_reserved_bytes").set(stats.stack_reserved_bytes as f64);
        let (turns, queueing) = self.told.take().unwrap_or_default();
        record("gander_turn_seconds", &turns, &stats.turns);
        record("gander_queueing_seconds", &queueing, &stats.queueing);
        self.told = Some((stats.turns.clone(), stats.queueing.clone()));
    }

    fn publish_goroutines(&mut self, stats: &Stats) {
        let counts = &stats.goroutines;
        let waiting = counts.waiting.iter().map(|(reason, count)| (reason.to_string(), *count));
        let others = [
            ("running", counts.running),
            ("runnable", counts.runnable),
            ("preempted", counts.preempted),
            ("blocked", counts.blocked),
        ];
        let mut gone = std::mem::take(&mut self.states);
        for (state, count) in waiting.chain(others.map(|(state, count)| (state.to_string(), count))) {
            gone.remove(&state);
            gauge!("gander_goroutines", "state" => state.clone()).set(count as f64);
            self.states.insert(state);
        }
        for state in gone {
            gauge!("gander_goroutines", "state" => state).set(0.0);
        }
    }
}

/// Records what `now` has more than `before`.
fn record(name: &'static str, before: &Histogram, now: &Histogram) {
    let histogram = histogram!(name);
    for ((below, count), (_, told)) in now.buckets().zip(before.buckets()) {
        let more = count.saturating_sub(told);
        if more > 0 {
            histogram.record_many(below.as_secs_f64(), usize::try_from(more).unwrap_or(usize::MAX));
        }
    }
}

/// Starts a goroutine that publishes a snapshot now and after each `interval`, for as long as the program runs.
///
/// A snapshot looks at every goroutine, about 0.1 µs for each.
///
/// # Errors
///
/// Those of a spawn.
pub fn publish_each(interval: Duration) -> Result<JoinHandle<()>, SpawnError> {
    Builder::new().name("gander metrics".into()).spawn(move || {
        let mut publisher = Publisher::new();
        loop {
            publisher.publish(&blocking(stats));
            sleep(interval);
        }
    })
}
