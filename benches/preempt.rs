//! What preemption is worth and what it costs.
//!
//! Claims: beside busy loops on two processors a 1 ms ticker is late by no more than 0.2 ms (4 loops) and 1 ms (100) in
//! 99 of 100 cases, whatever the slice; and slices of 10 ms cost busy loops 1 % of their work at most, 1 ms 4 %.
//!
//! ```sh
//! cargo bench --bench preempt                       # with Go beside it, where GANDER_GO names its binary or PATH has it
//! cargo bench --bench preempt -- ticker 4           # one table
//! ```
//!
//! Each measurement is a process of its own, for a process has one slice; variants take turns. The ticker sleeps until a
//! moment and says how late it woke; the row of a thread beside two busy threads tells what the machine itself is good
//! for at the moment. Work is counted per second of processor time (the runtime's own threads included),
//! so that other load on the machine does not count.

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gander::Builder;

/// Slices in microseconds; 0 is none.
const SLICES: [u64; 3] = [10_000, 1_000, 200];
const PROCS: usize = 2;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |i: usize| words.get(i).and_then(|word| word.parse::<u64>().ok());
    match (words.first().map(String::as_str), number(1), number(2), number(3)) {
        (Some("run-ticker"), Some(slice), Some(loops), Some(millis)) => run_ticker(slice, loops, millis),
        (Some("run-control"), Some(loops), Some(millis), _) => run_control(loops, millis),
        (Some("run-work"), Some(slice), Some(loops), Some(millis)) => run_work(slice, loops, millis),
        (Some("run-crowd"), Some(loops), Some(millis), _) => run_crowd(loops, millis),
        (Some("ticker"), Some(loops), ..) => ticker(loops),
        (Some("work"), ..) => work(),
        (Some("crowd"), ..) => crowd(),
        _ => {
            ticker(4);
            ticker(100);
            work();
            crowd();
        }
    }
}

/// A builder with such a slice.
fn builder(slice_micros: u64) -> Builder {
    let slice = if slice_micros == 0 { Duration::MAX } else { Duration::from_micros(slice_micros) };
    Builder::new().procs(PROCS).slice(slice)
}

// ---- the ticker ----

fn ticker(loops: u64) {
    const MILLIS: u64 = 3000;
    println!("a 1 ms ticker beside {loops} busy loops, lateness in ms ({PROCS} processors, {MILLIS} ms each):");
    println!("{:22} {:>8} {:>8} {:>8} {:>8}", "", "p50", "p99", "max", "ticks");
    let go = build_go();
    for slice in SLICES {
        let args = ["run-ticker".to_string(), slice.to_string(), loops.to_string(), MILLIS.to_string()];
        row(&format!("gander, slice {slice} us"), &output(&mut this(&args)));
    }
    let args = ["run-control".to_string(), PROCS.to_string(), MILLIS.to_string()];
    row("a thread of the system", &output(&mut this(&args)));
    if let Some(go) = go {
        row("Go (10 ms)", &output(Command::new(go).args([loops.to_string(), MILLIS.to_string()])));
    }
    println!();
}

fn run_ticker(slice: u64, loops: u64, millis: u64) {
    let late = builder(slice).run(|| {
        for i in 0..loops {
            gander::go(move || {
                let mut x = i;
                loop {
                    x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
            });
        }
        tick(millis, gander::sleep)
    });
    print(&late);
}

/// What the machine itself gives to somebody who sleeps: a thread beside as many busy threads as there are processors.
fn run_control(loops: u64, millis: u64) {
    for i in 0..loops {
        std::thread::spawn(move || {
            let mut x = i;
            loop {
                x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        });
    }
    print(&tick(millis, std::thread::sleep));
}

fn tick(millis: u64, sleep: fn(Duration)) -> Vec<Duration> {
    sleep(Duration::from_millis(300));
    let mut late = Vec::with_capacity(millis as usize);
    let end = Instant::now() + Duration::from_millis(millis);
    let mut due = Instant::now() + Duration::from_millis(1);
    while due < end {
        sleep(due.saturating_duration_since(Instant::now()));
        late.push(due.elapsed());
        due = Instant::now().max(due) + Duration::from_millis(1);
    }
    late
}

fn print(late: &[Duration]) -> ! {
    for late in late {
        println!("{}", late.as_nanos());
    }
    std::process::exit(0);
}

fn row(name: &str, text: &str) {
    let mut late: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    late.sort_unstable();
    let at = |share: f64| late.get((late.len() as f64 * share) as usize).map_or(f64::NAN, |&n| n as f64 / 1e6);
    let max = late.last().map_or(f64::NAN, |&n| n as f64 / 1e6);
    println!("{name:22} {:8.3} {:8.3} {max:8.3} {:8}", at(0.5), at(0.99), late.len());
}

/// The same in Go, if that is here.
fn build_go() -> Option<std::path::PathBuf> {
    let go = std::env::var("GANDER_GO").unwrap_or("go".into());
    let binary = std::env::temp_dir().join(format!("gander-preempt-go-{}", std::process::id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/preempt.go");
    let built = Command::new(go).arg("build").arg("-o").arg(&binary).arg(source).stderr(Stdio::null()).status();
    built.is_ok_and(|status| status.success()).then_some(binary)
}

// ---- the cost ----

fn work() {
    const ROUNDS: usize = 15;
    const MILLIS: u64 = 300;
    println!("work of 4 busy loops per second of processor time, against no preemption (median of {ROUNDS}):");
    let slices = [0, SLICES[0], SLICES[1], SLICES[2]];
    let mut found = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for (slice, found) in slices.iter().zip(&mut found) {
            let args = ["run-work".to_string(), slice.to_string(), "4".to_string(), MILLIS.to_string()];
            found.push(output(&mut this(&args)).trim().parse::<f64>().unwrap_or(f64::NAN));
        }
    }
    let medians = found.map(|mut found| {
        found.sort_by(f64::total_cmp);
        found[ROUNDS / 2]
    });
    for (slice, median) in slices.iter().zip(medians).skip(1) {
        println!("slice {slice:6} us: {:6.2} % lost", (1.0 - median / medians[0]) * 100.0);
    }
    println!();
}

fn run_work(slice: u64, loops: u64, millis: u64) {
    let done = AtomicU64::new(0);
    let start = processor_seconds();
    builder(slice).run(|| {
        let end = Instant::now() + Duration::from_millis(millis);
        gander::scope(|s| {
            for i in 0..loops {
                let done = &done;
                // Without preemption the first two take all the time, and the others end at once.
                s.spawn(move || {
                    let mut x = i;
                    while Instant::now() < end {
                        for _ in 0..20_000 {
                            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
    });
    println!("{}", done.load(Ordering::Relaxed) as f64 / (processor_seconds() - start));
}

/// Processor time that this process has used.
fn processor_seconds() -> f64 {
    // In ticks of 10 ns to 10 ms `stat` would be too coarse; this file is in nanoseconds, one for each thread.
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is mounted");
    let nanos: u64 = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    nanos as f64 / 1e9
}

// ---- many ----

fn crowd() {
    println!("1000 goroutines that compute for 20 ms each ({PROCS} processors, slice 10 ms):");
    println!("{}", output(&mut this(&["run-crowd".to_string(), "1000".to_string(), "20".to_string()])));
}

fn run_crowd(loops: u64, millis: u64) {
    let status = |name: &str| {
        let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
    };
    let (start, rss) = (Instant::now(), status("VmRSS:"));
    let (mut threads, mut most) = (0, 0);
    builder(10_000).run(|| {
        let begun = AtomicU64::new(0);
        gander::scope(|s| {
            for i in 0..loops {
                let begun = &begun;
                s.spawn(move || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    let (mut x, mut used) = (i, 0);
                    // Its own processor time, as the kernel counts it for the thread it is bound to.
                    let mut last = Instant::now();
                    while used < millis * 1_000_000 {
                        for _ in 0..2000 {
                            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                        }
                        // A longer step was a preemption.
                        used += (last.elapsed().as_nanos() as u64).min(50_000);
                        last = Instant::now();
                    }
                });
            }
            while gander::num_goroutines() > 2 {
                gander::sleep(Duration::from_millis(20));
                threads = threads.max(status("Threads:"));
                most = most.max(status("VmRSS:"));
            }
            assert_eq!(begun.load(Ordering::Relaxed), loops);
        });
    });
    println!(
        "all ended after {:.1} s, at most {threads} threads and {} MiB more than at the start",
        start.elapsed().as_secs_f64(),
        (most - rss) / 1024
    );
}

// ---- processes ----

fn this(args: &[String]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(args);
    command
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("the measurement runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
