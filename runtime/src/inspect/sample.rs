//! How long do turns and queueing take? One of about a thousand is measured, which costs a switch less than a tenth of a
//! nanosecond on average.
//!
//! Every so many 61st switches the scheduler reads the clock and marks the end of its ring. The turn that begins then is
//! measured when it ends, and the goroutine before the mark when the mark is passed. In between every switch of that P
//! takes the way of those that are watched, and looks.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::p::{P, bump};
use crate::sched::FAIRNESS;
use crate::timer::now;

/// So many 61st switches lie between two samples.
const EVERY: u32 = 16;
/// Powers of two of nanoseconds, up to a minute.
const BUCKETS: usize = 36;

/// The samples of one P. Written by its holder.
#[derive(Debug)]
pub(crate) struct Sample {
    /// When the turn under measurement began; 0: none is.
    turn_since: AtomicU64,
    /// When the mark was set; 0: none is.
    marked_at: AtomicU64,
    mark: AtomicU32,
    turns: [AtomicU64; BUCKETS],
    queueing: [AtomicU64; BUCKETS],
}

impl Sample {
    pub(crate) const fn new() -> Sample {
        Sample {
            turn_since: AtomicU64::new(0),
            marked_at: AtomicU64::new(0),
            mark: AtomicU32::new(0),
            turns: [const { AtomicU64::new(0) }; BUCKETS],
            queueing: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }

    pub(super) fn add_to(&self, turns: &mut Histogram, queueing: &mut Histogram) {
        for (from, to) in [(&self.turns, turns), (&self.queueing, queueing)] {
            to.counts.iter_mut().zip(from).for_each(|(to, from)| *to += from.load(Ordering::Relaxed));
        }
    }
}

/// At a 61st switch, in the scheduler: begins a sample if it is time for one.
pub(crate) fn consider(p: &P) {
    let next = p.tick.load(Ordering::Relaxed).wrapping_add(1);
    if !(next / FAIRNESS).is_multiple_of(EVERY) || p.attend.is_sampled() {
        return;
    }
    let (time, sample) = (now(), &p.sample);
    sample.turn_since.store(time, Ordering::Relaxed);
    if !p.ring.is_empty() {
        sample.mark.store(p.ring.mark(), Ordering::Relaxed);
        sample.marked_at.store(time, Ordering::Relaxed);
    }
    p.attend.set_sampled(true);
}

/// A goroutine leaves `p` while a sample is under way.
pub(super) fn left(p: &P) {
    let sample = &p.sample;
    let (turn_since, marked_at) =
        (sample.turn_since.load(Ordering::Relaxed), sample.marked_at.load(Ordering::Relaxed));
    let passed = marked_at != 0 && p.ring.has_passed(sample.mark.load(Ordering::Relaxed));
    if turn_since != 0 || passed {
        let time = now();
        if turn_since != 0 {
            count(&sample.turns, time - turn_since);
            sample.turn_since.store(0, Ordering::Relaxed);
        }
        if passed {
            count(&sample.queueing, time - marked_at);
            sample.marked_at.store(0, Ordering::Relaxed);
        }
    }
    if passed || marked_at == 0 {
        p.attend.set_sampled(false);
    }
}

fn count(buckets: &[AtomicU64; BUCKETS], nanos: u64) {
    bump(&buckets[bucket(nanos)]);
}

/// Bucket `i` is for times below 2^i nanoseconds that no bucket before it is for.
fn bucket(nanos: u64) -> usize {
    ((u64::BITS - nanos.leading_zeros()) as usize).min(BUCKETS - 1)
}

/// Times, counted in powers of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: [0; BUCKETS] }
    }
}

impl Histogram {
    /// Below which time how many lie that do not lie below the one before; the last has all that are longer, too.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.counts.iter().enumerate().map(|(i, &count)| (Duration::from_nanos(1 << i), count))
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time below which such a share (0 to 1) of them lies, rounded up to a power of two of nanoseconds; none if there
    /// is nothing.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut sum = 0;
        self.buckets().find_map(|(below, count)| {
            sum += count;
            (sum >= wanted).then_some(below)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_its_bucket() {
        assert_eq!([0, 1, 2, 3, 4, 1000, u64::MAX].map(bucket), [0, 1, 2, 2, 3, 10, BUCKETS - 1]);
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for nanos in [1, 100, 100, 1_000_000] {
            histogram.counts[bucket(nanos)] += 1;
        }
        assert_eq!(histogram.count(), 4);
        assert_eq!(histogram.quantile(0.0), Some(Duration::from_nanos(2)));
        assert_eq!(histogram.quantile(0.75), Some(Duration::from_nanos(128)));
        assert_eq!(histogram.quantile(1.0), Some(Duration::from_nanos(1 << 20)));
    }
}
