//! What it costs to be looked at.
//!
//! Claims: a turn costs the same whether `inspect` is in the program or not, as long as nobody records; an event that is
//! recorded costs less than 100 ns; `stats` and `dump` of a million parked goroutines take milliseconds and seconds, and
//! hold nobody up for longer than milliseconds for each 10,000. Floor for an event: a clock read (20 to 30 ns) and a cache
//! line every second event.
//!
//! ```sh
//! cargo bench -p gander-runtime --bench turns && cargo bench --bench inspect
//! ```
//!
//! Each measurement is a process of its own; those of turns take turns, and the middle one of nine counts.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gander::Builder;
use gander::inspect;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.first().map(String::as_str) {
        Some("run-turns") => run_turns(words.get(1).is_some_and(|word| word == "recording")),
        Some("run-million") => run_million(words.get(1).map_or(Ok(1_000_000), |word| word.parse())?),
        Some(other) => return Err(format!("{other}: unknown").into()),
        None => {
            turns()?;
            print!("{}", output(Command::new(std::env::current_exe()?).arg("run-million"))?);
        }
    }
    Ok(())
}

// ---- a turn, recorded or not ----

fn turns() -> Result<(), Box<dyn Error>> {
    let me = std::env::current_exe()?;
    let mut rows: Vec<(&str, Command, Vec<f64>)> = Vec::new();
    match unlinked()? {
        Some(program) => rows.push(("inspect is not in the program", Command::new(program), Vec::new())),
        None => println!("(no program without inspect: cargo bench -p gander-runtime --bench turns)"),
    }
    for (name, how) in [("it is, nobody records", "off"), ("recording", "recording")] {
        let mut command = Command::new(&me);
        command.args(["run-turns", how]);
        rows.push((name, command, Vec::new()));
    }
    for _ in 0..9 {
        for (_, command, figures) in &mut rows {
            figures.push(output(command)?.trim().parse()?);
        }
    }
    println!("a turn of two goroutines that yield, one processor, ns (two events each while recording):");
    for (name, _, figures) in &mut rows {
        figures.sort_by(f64::total_cmp);
        println!("{name:32} {:6.1}   ({:.1} to {:.1})", figures[4], figures[0], figures[8]);
    }
    Ok(())
}

/// The runtime's own bench beside this program, the newest there is.
fn unlinked() -> Result<Option<PathBuf>, Box<dyn Error>> {
    let me = std::env::current_exe()?;
    let mut found = Vec::new();
    for entry in me.parent().ok_or("no folder")?.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("turns-") && !name.contains('.')) {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    Ok(found.into_iter().max().map(|(_, path)| path))
}

fn run_turns(recording: bool) {
    const TURNS: u32 = 2_000_000;
    Builder::new().procs(1).run(|| {
        let recorder = recording.then(|| inspect::trace::start().expect("nobody else records"));
        let turns = |count| (0..count).for_each(|_| gander::yield_now());
        turns(10_000);
        let start = Instant::now();
        let other = gander::spawn(move || turns(TURNS / 2));
        turns(TURNS / 2);
        other.join().expect("it does not panic");
        println!("{:.2}", start.elapsed().as_nanos() as f64 / f64::from(TURNS));
        drop(recorder);
    });
}

// ---- a million at rest ----

fn run_million(count: usize) {
    Builder::new().procs(2).run(|| {
        let (stop, worst) = (AtomicBool::new(false), AtomicU64::new(0));
        gander::scope(|s| {
            // Somebody who wants to go on all the time, and says for how long he could not.
            s.spawn(|| {
                let mut last = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    gander::yield_now();
                    worst.fetch_max(last.elapsed().as_nanos() as u64, Ordering::Relaxed);
                    last = Instant::now();
                }
            });
            let parked: Vec<_> = (0..count).map(|_| gander::spawn(gander::park)).collect();
            println!("{count} parked goroutines, and one that always wants to run:");
            measure("nothing, for a while", &worst, || gander::sleep(Duration::from_millis(500)));
            measure("stats", &worst, || assert!(gander::stats().goroutines.total > count));
            measure("goroutines, without stacks", &worst, || assert!(inspect::goroutines().len() > count));
            measure("dump", &worst, || assert!(inspect::dump().to_string().len() > 100));
            stop.store(true, Ordering::Relaxed);
            parked.iter().for_each(|one| one.goroutine().unpark());
            parked.into_iter().for_each(|one| one.join().expect("it does not panic"));
        });
    });
}

fn measure(name: &str, worst: &AtomicU64, f: impl FnOnce()) {
    worst.store(0, Ordering::Relaxed);
    let start = Instant::now();
    f();
    let took = start.elapsed();
    let held_up = Duration::from_nanos(worst.load(Ordering::Relaxed));
    println!("{name:32} {took:>10.1?}, held the other up for {held_up:.1?} at most");
}

fn output(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
