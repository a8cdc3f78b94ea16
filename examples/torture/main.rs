//! Everything that is known to break under preemption, preempted all the time.
//!
//! ```sh
//! cargo run --release --example torture -- --seconds 60 --slice-us 100
//! ```
//!
//! Goroutines allocate, format, print, lock, panic, recurse, call C, sleep, fork, talk through pipes and channels, and
//! check what comes out, while a slice is as short as it can be. Meanwhile it is measured how long a timer and a message
//! from outside wait. The last line says what happened; the exit code is 1 if anything was wrong, if a goroutine never
//! came to anything, or if something stood still for more than 200 ms that the machine does not explain.

#![allow(unsafe_code, reason = "C libraries, and the promise of shared mode")]

mod args;
mod compute;
mod output;
mod random;
mod record;
mod wait;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use args::Args;
use gander::Builder;
use random::Random;
use record::{STOP, Worker, errors, is_over, say, wrong};

type Work = fn(&Worker, &mut Random);

/// What there is to do. In shared mode not all of it is allowed.
const KINDS: [(&str, Work); 19] = [
    ("spin", compute::spin),
    ("malloc", compute::malloc),
    ("format", compute::format),
    ("println", compute::println),
    ("tls", compute::tls),
    ("hashmap", compute::hashmap),
    ("panics", compute::panics),
    ("recursion", compute::recursion),
    ("float", compute::float),
    ("ffi", compute::ffi),
    ("mutex", wait::mutex),
    ("held", wait::held),
    ("yields", wait::yields),
    ("sleep", wait::sleep),
    ("timers", wait::timers),
    ("pipes", wait::pipes),
    ("condvar", wait::condvar),
    ("command", wait::command),
    ("channels", wait::channels),
];

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(problem) => {
            eprintln!("torture: {problem}\n{}", args::USAGE);
            return ExitCode::FAILURE;
        }
    };
    let kinds: Vec<_> = KINDS
        .into_iter()
        .filter(|(name, _)| args.kinds.as_ref().is_none_or(|only| only.iter().any(|one| one == name)))
        // A lock of a thread's held across a park: what shared mode forbids.
        .filter(|(name, _)| !(args.shared && *name == "held"))
        .collect();
    if kinds.is_empty() {
        eprintln!("torture: there are only these kinds: {}", KINDS.map(|(name, _)| name).join(" "));
        return ExitCode::FAILURE;
    }
    if let Err(error) = output::intercept() {
        eprintln!("torture: no pipe for standard output: {error}");
        return ExitCode::FAILURE;
    }
    quiet_panics();
    let ended = builder(&args).try_run(|| torture(&args, &kinds));
    if let Err(error) = ended {
        say(&format!("torture: {error}"));
        return ExitCode::FAILURE;
    }
    ended.unwrap_or(ExitCode::FAILURE)
}

fn builder(args: &Args) -> Builder {
    let mut builder = Builder::new();
    if let Some(procs) = args.procs {
        builder = builder.procs(procs);
    }
    if let Some(slice) = args.slice {
        builder = builder.slice(slice);
    }
    if let Some(threads) = args.threads {
        builder = builder.max_threads(threads);
    }
    if args.shared {
        // SAFETY: no kind that is left keeps anything of a thread's across a park.
        builder = unsafe { builder.shared() };
    }
    builder
}

/// The panics that are thrown on purpose are not worth a word each.
fn quiet_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<u64>() {
            hook(info);
        }
    }));
}

fn torture(args: &Args, kinds: &[(&'static str, Work)]) -> ExitCode {
    let start = Instant::now();
    let workers: Arc<Vec<Worker>> =
        Arc::new((0..args.workers).map(|i| Worker::new(kinds[i % kinds.len()].0)).collect());
    let delays = watch::start(&workers);
    let handles: Vec<_> = (0..args.workers)
        .map(|i| {
            let (work, workers) = (kinds[i % kinds.len()].1, workers.clone());
            let mut random = Random::new(args.seed, i as u64);
            Builder::new()
                .name(format!("{i} {}", workers[i].kind))
                .spawn(move || {
                    work(&workers[i], &mut random);
                    if !is_over() {
                        wrong(workers[i].kind, "gave up");
                    }
                    workers[i].ended();
                })
                .expect("there is room for a goroutine")
        })
        .collect();
    gander::sleep(Duration::from_secs(args.seconds));
    let busiest = threads();
    STOP.store(true, Ordering::Relaxed);
    for handle in handles {
        if handle.join().is_err() {
            wrong("main", "a worker panicked");
        }
    }
    for (i, worker) in workers.iter().enumerate().filter(|(_, worker)| worker.rounds() == 0) {
        wrong(worker.kind, &format!("worker {i} came to nothing"));
    }
    let rounds: u64 = workers.iter().map(Worker::rounds).sum();
    let stats = gander::stats();
    say(&format!(
        "torture: {:.1} s, {} goroutines, {} Ps, slice {}, {} thread-locals, seed {}: {rounds} rounds, {} lines, \
         {} preemptions ({} for wake-ups, {} without a thread, {} signals), {} rescues, {busiest} threads, {}, {} errors",
        start.elapsed().as_secs_f64(),
        args.workers,
        gander::procs(),
        args.slice.map_or("10 ms".to_string(), |slice| format!("{} us", slice.as_micros())),
        if args.shared { "shared" } else { "own" },
        args.seed,
        output::lines(),
        stats.preemptions,
        stats.preemptions_for_wake_ups,
        stats.preemptions_failed,
        stats.preemption_signals,
        stats.rescues,
        delays.text(),
        errors()
    ));
    if errors() + delays.stalls() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many threads this process has.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
