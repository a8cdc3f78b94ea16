//! Random everything, for as long as you like: channels of all kinds, selects, locks, timers, contexts, panics, threads.
//!
//! ```text
//! cargo run --release --example chaos                      ten minutes
//! cargo run --release --example chaos -- --seconds 60 --seed 7 --procs 4 --slice-us 100 --shared
//! ```
//!
//! With `CHAOS_TRACE=FILE` the last moments are written there as a timeline (`tests/browser/trace.py` checks it).
//!
//! Several lanes play rounds one after the other; a round is a small world with random measures, and a law that holds
//! whatever happens in it: no value is lost or doubled, no waiter is forgotten, nobody holds what another holds. At the
//! end nothing may be left over. The seed is printed: the same one makes the same worlds (who runs first in them is up
//! to the machine). Ends with code 1, and with what every goroutine does, when a law is broken or a round gets stuck.

#![allow(unsafe_code, reason = "shared mode is a promise")]

mod clocks;
mod contexts;
mod lives;
mod locks;
mod random;
mod values;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gander::Builder;
use random::Random;

const USAGE: &str = "chaos [--seconds N] [--seed N] [--procs N] [--lanes N] [--slice-us N] [--shared]";
/// A round that takes longer is stuck. (Most take milliseconds.)
const PATIENCE: Duration = Duration::from_secs(60);

/// A world: plays one round and says how many things it has checked.
type World = fn(&mut Random) -> u64;

const WORLDS: [(&str, World); 5] = [
    ("values", values::round),
    ("locks", locks::round),
    ("clocks", clocks::round),
    ("contexts", contexts::round),
    ("lives", lives::round),
];

#[derive(Clone, Copy)]
struct Options {
    seconds: u64,
    seed: u64,
    procs: Option<usize>,
    lanes: usize,
    slice: Option<Duration>,
    shared: bool,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\nusage: {USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}, {} seconds, {} lanes", options.seed, options.seconds, options.lanes);
    let mut builder = Builder::new();
    if let Some(procs) = options.procs {
        builder = builder.procs(procs);
    }
    if let Some(slice) = options.slice {
        builder = builder.slice(slice);
    }
    if options.shared {
        // SAFETY: no world holds a thread-local of its own across a park.
        builder = unsafe { builder.shared() };
    }
    builder.run(move || play(options));
    ExitCode::SUCCESS
}

fn options() -> Result<Options, String> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
    let mut options = Options { seconds: 600, seed: now, procs: None, lanes: 8, slice: None, shared: false };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        if name == "--shared" {
            options.shared = true;
            continue;
        }
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        let number: u64 = value.parse().map_err(|_| format!("{name} {value}: not a number"))?;
        match name.as_str() {
            "--seconds" => options.seconds = number,
            "--seed" => options.seed = number,
            "--procs" => options.procs = Some(number as usize),
            "--lanes" => options.lanes = number as usize,
            "--slice-us" => options.slice = Some(Duration::from_micros(number)),
            _ => return Err(format!("{name}: not an option")),
        }
    }
    Ok(options)
}

/// What a lane is at, for the watchdog and for the end.
#[derive(Default)]
struct Lane {
    /// Rounds begun, and the world of the last one.
    begun: AtomicU64,
    world: AtomicU64,
    rounds: [AtomicU64; WORLDS.len()],
    checks: [AtomicU64; WORLDS.len()],
}

fn play(options: Options) {
    let before = gander::num_goroutines();
    let lanes: Arc<[Lane]> = (0..options.lanes).map(|_| Lane::default()).collect();
    watch(lanes.clone());
    // A flight recorder: the file has the last moments.
    let trace = std::env::var_os("CHAOS_TRACE").map(|path| {
        let recorder = gander::inspect::trace::start().expect("nobody else records");
        (recorder, std::fs::File::create(path).expect("a file to write to"))
    });
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let playing: Vec<_> = (0..options.lanes)
        .map(|i| {
            let lanes = lanes.clone();
            gander::spawn(move || {
                let mut random = Random::new(options.seed, i as u64);
                while Instant::now() < end {
                    play_round(&lanes[i], &mut random);
                }
                lanes[i].begun.store(u64::MAX, Ordering::Relaxed);
            })
        })
        .collect();
    for (i, lane) in playing.into_iter().enumerate() {
        if lane.join().is_err() {
            fail(&format!("lane {i}: a law was broken; seed {}", options.seed));
        }
    }
    if let Some((recorder, file)) = trace {
        recorder.stop().write_json(&mut std::io::BufWriter::new(file)).expect("room for a timeline");
    }
    settle(before);
    report(&lanes);
}

fn play_round(lane: &Lane, random: &mut Random) {
    let world = random.below(WORLDS.len() as u64) as usize;
    lane.world.store(world as u64, Ordering::Relaxed);
    lane.begun.fetch_add(1, Ordering::Relaxed);
    let checks = WORLDS[world].1(random);
    lane.rounds[world].fetch_add(1, Ordering::Relaxed);
    lane.checks[world].fetch_add(checks, Ordering::Relaxed);
}

/// An ordinary thread looks whether every lane gets on.
fn watch(lanes: Arc<[Lane]>) {
    std::thread::spawn(move || {
        let mut seen: Vec<_> = lanes.iter().map(|_| (0, Instant::now())).collect();
        loop {
            std::thread::sleep(Duration::from_secs(1));
            for (i, (lane, seen)) in lanes.iter().zip(&mut seen).enumerate() {
                let begun = lane.begun.load(Ordering::Relaxed);
                if begun != seen.0 || begun == u64::MAX {
                    *seen = (begun, Instant::now());
                } else if seen.1.elapsed() > PATIENCE {
                    let world = WORLDS[lane.world.load(Ordering::Relaxed) as usize].0;
                    fail(&format!("lane {i}: round {begun} ({world}) has been stuck for {PATIENCE:?}"));
                }
            }
        }
    });
}

/// Whatever was started has to end by itself, soon.
fn settle(before: usize) {
    let patience = Instant::now() + Duration::from_secs(10);
    while gander::num_goroutines() > before {
        if Instant::now() > patience {
            fail(&format!("{} goroutines are left of rounds that are over", gander::num_goroutines() - before));
        }
        gander::sleep(Duration::from_millis(1));
    }
}

fn report(lanes: &[Lane]) {
    let sum =
        |of: &dyn Fn(&Lane) -> &AtomicU64| lanes.iter().map(|lane| of(lane).load(Ordering::Relaxed)).sum::<u64>();
    for (i, (name, _)) in WORLDS.iter().enumerate() {
        println!("{name:9} {:8} rounds  {:10} checks", sum(&|lane| &lane.rounds[i]), sum(&|lane| &lane.checks[i]));
    }
    println!("nothing lost, nobody forgotten, nothing left over");
}

/// Says what went wrong and what every goroutine is at, and ends the process.
fn fail(message: &str) -> ! {
    eprintln!("FAILED: {message}");
    for goroutine in gander::inspect::goroutines() {
        eprintln!("{goroutine:?}");
    }
    std::process::exit(1);
}
