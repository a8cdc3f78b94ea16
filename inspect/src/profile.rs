//! Where does time go? Profiles in pprof's format: `go tool pprof FILE`, or any of its relatives.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use gander_runtime::WaitReason;
use gander_runtime::inspect::waits::measure;
use gander_runtime::inspect::{for_each_running, for_each_stack};

use crate::pprof::Profile;
use crate::unwind::Unwinder;

/// Writes how many goroutines are at each place, with the labels `state` and `created at`.
///
/// # Blocking
///
/// As [`dump`](crate::dump()), for all of them.
///
/// # Errors
///
/// Those of `out`.
///
/// # Examples
///
/// ```
/// gander_runtime::run(|| {
///     let mut file = Vec::new(); // std::fs::File::create("goroutine.pb.gz")?
///     gander_inspect::profile::goroutine(&mut file).unwrap();
/// #   assert_eq!(file[..2], [0x1f, 0x8b]);
/// });
/// ```
pub fn goroutine(out: impl Write) -> io::Result<()> {
    let mut unwinder = Unwinder::new();
    let mut counts: HashMap<(Vec<usize>, String, String), u64> = HashMap::new();
    let mut frames = Vec::new();
    for_each_stack(
        |_| true,
        |info, stack| {
            frames.clear();
            if let Some(stack) = stack {
                unwinder.walk(stack, &mut frames);
            }
            let key = (frames.clone(), info.state.to_string(), info.spawned_at.to_string());
            *counts.entry(key).or_default() += 1;
        },
    );
    let kind = ("goroutine", "count");
    let mut profile = Profile::new(&[kind], (kind, 1));
    for ((stack, state, spawned_at), count) in counts {
        profile.sample(&stack, &[count], &[("state", state), ("created at", spawned_at)]);
    }
    profile.write(out)
}

/// Watches for `time` where processors spend it, a hundred times a second, and writes that, with the labels `goroutine`
/// (its number) and `name`. Time in announced blocking calls and of threads that are no goroutines is not in it.
///
/// # Blocking
///
/// Blocks the thread for `time`: from a goroutine, call it within [`blocking`](gander_runtime::blocking). Each look at a
/// processor interrupts it for some microseconds.
///
/// # Errors
///
/// Those of `out`.
pub fn cpu(time: Duration, out: impl Write) -> io::Result<()> {
    const PERIOD: Duration = Duration::from_millis(10);
    let mut unwinder = Unwinder::new();
    // Samples and nanoseconds, by stack, goroutine and its name.
    type Counts = HashMap<(Vec<usize>, u64, Option<String>), (u64, u64)>;
    let mut counts = Counts::new();
    let mut frames = Vec::new();
    let began = Instant::now();
    let mut last = began;
    while began.elapsed() < time {
        std::thread::sleep(PERIOD.min(time));
        // A sample stands for the time since the last look: on a busy machine this thread is late.
        let passed = last.elapsed();
        last += passed;
        for_each_running(|sample| {
            unwinder.walk(sample.stack, &mut frames);
            let sum = counts.entry((frames.clone(), sample.id.as_u64(), sample.name)).or_default();
            *sum = (sum.0 + 1, sum.1 + passed.as_nanos() as u64);
        });
    }
    let (kind, period) = (("cpu", "nanoseconds"), PERIOD.as_nanos() as u64);
    let mut profile = Profile::new(&[("samples", "count"), kind], (kind, period));
    profile.duration(began.elapsed().as_nanos() as u64);
    for ((stack, id, name), (count, nanos)) in counts {
        let mut labels = vec![("goroutine", id.to_string())];
        labels.extend(name.map(|name| ("name", name)));
        profile.sample(&stack, &[count, nanos], &labels);
    }
    profile.write(out)
}

/// Measures for `time` where goroutines wait and how long, for whatever reason, and writes that, with the label `reason`.
/// Waits of a microsecond and more are all looked at, of shorter ones a sample.
///
/// # Blocking
///
/// Blocks the thread for `time`: from a goroutine, call it within [`blocking`](gander_runtime::blocking). Meanwhile each
/// wait of a goroutine costs about a tenth of a microsecond more.
///
/// # Errors
///
/// Those of `out`. [`ResourceBusy`](io::ErrorKind::ResourceBusy) if somebody measures waits already.
pub fn block(time: Duration, out: impl Write) -> io::Result<()> {
    waits(time, out, |_| true)
}

/// [`block`] for locks alone: where they were waited for, and how long.
///
/// # Blocking
///
/// As [`block`].
///
/// # Errors
///
/// As [`block`].
pub fn mutex(time: Duration, out: impl Write) -> io::Result<()> {
    waits(time, out, |reason| {
        matches!(reason, WaitReason::MutexLock | WaitReason::RwLockRead | WaitReason::RwLockWrite)
    })
}

fn waits(time: Duration, out: impl Write, wanted: impl Fn(WaitReason) -> bool) -> io::Result<()> {
    /// How often samples are collected: there is room for 128 of them.
    const PAUSE: Duration = Duration::from_millis(2);
    const RATE_NANOS: u64 = 1_000;
    let Some(waits) = measure(RATE_NANOS) else {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "waits are being measured already"));
    };
    let mut unwinder = Unwinder::new();
    let mut sums: HashMap<(Vec<usize>, WaitReason), (f64, f64)> = HashMap::new();
    let mut frames = Vec::new();
    let mut taken = 0;
    let began = Instant::now();
    loop {
        let over = began.elapsed() >= time;
        waits.take(|sample| {
            taken += 1;
            if wanted(sample.reason) {
                unwinder.walk(&sample.stack, &mut frames);
                let sum = sums.entry((frames.clone(), sample.reason)).or_default();
                *sum = (sum.0 + sample.weight, sum.1 + sample.weight * sample.nanos as f64);
            }
        });
        if over {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    // What found no room is made up for by what did.
    let factor = (taken + waits.lost()) as f64 / taken.max(1) as f64;
    let kind = ("contentions", "count");
    let mut profile = Profile::new(&[kind, ("delay", "nanoseconds")], (kind, 1));
    profile.duration(began.elapsed().as_nanos() as u64);
    for ((stack, reason), (count, nanos)) in sums {
        let values = [count, nanos].map(|value| (value * factor) as u64);
        profile.sample(&stack, &values, &[("reason", reason.to_string())]);
    }
    profile.write(out)
}
