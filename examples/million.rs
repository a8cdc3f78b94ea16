//! A million goroutines wait at the same time, are woken, and each gets its value: what does one cost?
//!
//! ```text
//! cargo run --release --example million                    both modes, each in a process of its own
//! cargo run --release --example million -- --mode shared   --mode own|shared  --count N  --stack-size BYTES
//! ```
//!
//! Resident memory and page tables are what `/proc/self/status` says when all wait, less what it said before the first
//! was made. The time to create one goes from the first `go` until the last one has got to its receive, the time to wake
//! one from the first send until the last goroutine has ended. A million in own mode need 9 GiB of memory.

#![allow(unsafe_code, reason = "shared mode is entered by a promise")]

use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gander::Builder;
use gander::chan::{Receiver, Sender, bounded};

const USAGE: &str = "million [--mode own|shared] [--count N] [--stack-size BYTES]";
const MILLION: u64 = 1_000_000;
/// Nobody waits longer than this for one thing to happen, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whose thread-locals a goroutine sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Own,
    Shared,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Own => "own",
            Mode::Shared => "shared",
        }
    }

    /// The most that a million may cost: KiB for each, page tables included, and seconds to create them.
    fn target(self) -> (f64, f64) {
        match self {
            Mode::Own => (10.0, 15.0),
            Mode::Shared => (5.0, 3.0),
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Copy, Debug)]
struct Options {
    mode: Option<Mode>,
    count: u64,
    stack_size: usize,
    /// For a child: say the figures without their heading.
    is_child: bool,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\nusage: {USAGE}");
            return ExitCode::from(2);
        }
    };
    if !options.is_child {
        println!("{} goroutines, stacks of at most {} KiB", options.count, options.stack_size >> 10);
        println!("mode    resident  page tables  created  processor    woken  processor  mappings");
    }
    let modes = options.mode.map_or(vec![Mode::Shared, Mode::Own], |mode| vec![mode]);
    let outcome = match modes[..] {
        [mode] => measure(mode, options).map(|figures| figures.print(mode, options.count)),
        _ => modes.into_iter().try_for_each(|mode| run_child(mode, options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("FAILED: {message}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { mode: None, count: MILLION, stack_size: 256 << 10, is_child: false };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        if name == "--child" {
            options.is_child = true;
            continue;
        }
        let value = args.next().ok_or(format!("{name} needs a value"))?;
        let bad = |_| format!("{name} {value}: not a number");
        match name.as_str() {
            "--mode" if value == "own" => options.mode = Some(Mode::Own),
            "--mode" if value == "shared" => options.mode = Some(Mode::Shared),
            "--count" => options.count = value.parse().map_err(bad)?,
            "--stack-size" => options.stack_size = value.parse().map_err(bad)?,
            _ => return Err(format!("{name} {value}: not an option")),
        }
    }
    if options.count == 0 { Err("--count 0: nothing to measure".to_string()) } else { Ok(options) }
}

/// Measures one mode in a fresh process: a process has one mode, and memory that an earlier run touched would not count.
fn run_child(mode: Mode, options: Options) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let status = Command::new(program)
        .args(["--child", "--mode", mode.name()])
        .args(["--count", &options.count.to_string()])
        .args(["--stack-size", &options.stack_size.to_string()])
        .stdin(Stdio::null())
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("mode {}: {status}", mode.name())) }
}

/// What was measured, for each goroutine where that makes sense.
struct Figures {
    resident_kib: f64,
    page_table_kib: f64,
    created: Cost,
    woken: Cost,
    mappings: usize,
}

impl Figures {
    fn print(&self, mode: Mode, count: u64) {
        println!(
            "{:6} {:5.2} KiB     {:4.2} KiB {:5.0} ns   {:5.0} ns {:5.0} ns   {:5.0} ns {:9}",
            mode.name(),
            self.resident_kib,
            self.page_table_kib,
            self.created.wall_ns,
            self.created.processor_ns,
            self.woken.wall_ns,
            self.woken.processor_ns,
            self.mappings
        );
        if count != MILLION {
            println!("       targets are set for a million goroutines");
            return;
        }
        let (most_kib, most_seconds) = mode.target();
        let (kib, seconds) = (self.resident_kib + self.page_table_kib, self.created.wall_ns * count as f64 / 1e9);
        let verdict = |is_met| if is_met { "met" } else { "MISSED" };
        println!(
            "       memory {kib:.2} KiB of {most_kib:.1}: {}; created in {seconds:.1} s of {most_seconds:.0}: {}",
            verdict(kib <= most_kib),
            verdict(seconds <= most_seconds)
        );
    }
}

fn measure(mode: Mode, options: Options) -> Result<Figures, String> {
    let mut builder = Builder::new();
    if mode == Mode::Shared {
        // SAFETY: this program has no thread-locals of its own, and of std's it uses those of `println!` and of the
        // allocator, which are not held across a receive.
        builder = unsafe { builder.shared() };
    }
    builder.run(|| wait_and_wake(options.count, options.stack_size))
}

/// How many goroutines have got as far as their receive.
static ARRIVED: AtomicU64 = AtomicU64::new(0);
/// The sum of the values that were received.
static SUM: AtomicU64 = AtomicU64::new(0);

fn wait_and_wake(count: u64, stack_size: usize) -> Result<Figures, String> {
    let (values, value) = bounded(0);
    // Carries nothing: it closes when the last goroutine has dropped its sender.
    let (alive, all_ended) = bounded::<()>(0);
    // One goes ahead, so that the first of everything is not counted.
    go(stack_size, &value, &alive)?;
    arrive(1)?;

    let (resident, page_tables) = (status_kib("VmRSS"), status_kib("VmPTE"));
    let clock = Clock::start();
    for _ in 1..count {
        go(stack_size, &value, &alive)?;
    }
    arrive(count)?;
    let created = clock.stop(count);
    let resident_kib = (status_kib("VmRSS") - resident) / count as f64;
    let page_table_kib = (status_kib("VmPTE") - page_tables) / count as f64;
    let mappings = fs::read_to_string("/proc/self/maps").map_err(|error| error.to_string())?.lines().count();

    drop((value, alive));
    let clock = Clock::start();
    for i in 1..=count {
        let sent = values.send_timeout(i, PATIENCE);
        sent.map_err(|error| format!("nobody received value {i}: {error}"))?;
    }
    let ended = all_ended.recv_timeout(PATIENCE);
    let woken = clock.stop(count);
    if ended.is_err_and(|error| error.is_timeout()) {
        return Err("some goroutines were sent a value and have not ended".to_string());
    }
    let (sum, expected) = (SUM.load(Ordering::Relaxed), count * (count + 1) / 2);
    if sum != expected {
        return Err(format!("the values that arrived add up to {sum}, those that were sent to {expected}"));
    }
    Ok(Figures { resident_kib, page_table_kib, created, woken, mappings })
}

/// A goroutine that waits for one value.
fn go(stack_size: usize, value: &Receiver<u64>, alive: &Sender<()>) -> Result<(), String> {
    let (value, alive) = (value.clone(), alive.clone());
    let goroutine = move || {
        ARRIVED.fetch_add(1, Ordering::Relaxed);
        if let Ok(value) = value.recv() {
            SUM.fetch_add(value, Ordering::Relaxed);
        }
        drop(alive);
    };
    Builder::new().stack_size(stack_size).go(goroutine).map_err(|error| error.to_string())
}

/// Lets the goroutines run until `count` of them have got to their receive.
fn arrive(count: u64) -> Result<(), String> {
    let mut begin = Instant::now();
    let mut before = 0;
    loop {
        match ARRIVED.load(Ordering::Relaxed) {
            all if all == count => return Ok(()),
            now if now > before => (before, begin) = (now, Instant::now()),
            now if begin.elapsed() > PATIENCE => {
                return Err(format!("{now} of {count} goroutines have started"));
            }
            _ => {}
        }
        gander::yield_now();
    }
}

/// A line of `/proc/self/status` that is an amount of memory.
fn status_kib(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux says how much memory a process has");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it knows this amount");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("it is a number of KiB")
}

/// What one of many took.
struct Cost {
    wall_ns: f64,
    /// Of all threads together. Other processes' load hardly shows in it.
    processor_ns: f64,
}

struct Clock {
    begin: Instant,
    processor: Duration,
}

impl Clock {
    fn start() -> Clock {
        Clock { begin: Instant::now(), processor: processor_time() }
    }

    fn stop(self, count: u64) -> Cost {
        let each = |time: Duration| time.as_secs_f64() * 1e9 / count as f64;
        Cost { wall_ns: each(self.begin.elapsed()), processor_ns: each(processor_time() - self.processor) }
    }
}

/// User and system time of this process, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux says what a process has used");
    // The second field is the program's name in parentheses; user and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').expect("there is a name");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
