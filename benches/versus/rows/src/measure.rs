//! The command line of a peer's program, its clock, and the line it answers with.
//!
//! ```text
//! PROGRAM VARIANT ROW PROCS SIZE
//! {"ops":1000000,"wall_ns":15000000,"cpu_ns":15100000,"sum":1000000}
//! ```

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// What to run, and what came of it.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Which of the program's peers: a mode, or a kind of channel.
    pub variant: String,
    pub row: String,
    pub procs: usize,
    pub size: u64,
    clock: Option<Clock>,
    took: Option<(Duration, Duration)>,
    figures: Vec<(&'static str, f64)>,
}

impl Measure {
    /// What the command line says.
    pub fn from_args() -> Measure {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let [variant, row, procs, size] = &args[..] else {
            eprintln!("usage: PROGRAM VARIANT ROW PROCS SIZE");
            std::process::exit(2);
        };
        let number = |text: &String| text.parse().expect("PROCS and SIZE are numbers");
        Measure {
            variant: variant.clone(),
            row: row.clone(),
            procs: number(procs) as usize,
            size: number(size),
            clock: None,
            took: None,
            figures: Vec::new(),
        }
    }

    /// What comes now is measured.
    pub fn start(&mut self) {
        self.clock = Some(Clock { begin: Instant::now(), processor: processor_time() });
    }

    /// What was to be measured is over.
    pub fn stop(&mut self) {
        let clock = self.clock.as_ref().expect("started");
        self.took = Some((clock.begin.elapsed(), processor_time() - clock.processor));
    }

    /// One more figure for the answer.
    pub fn note(&mut self, name: &'static str, value: f64) {
        self.figures.push((name, value));
    }

    /// Nanoseconds for each operation so far, into a figure of another name.
    pub fn note_each(&mut self, wall: &'static str, processor: &'static str, count: u64) {
        let (elapsed, used) = self.took.expect("stopped");
        self.note(wall, elapsed.as_nanos() as f64 / count as f64);
        self.note(processor, used.as_nanos() as f64 / count as f64);
    }

    /// Answers and ends the process, whatever still runs in it.
    pub fn answer(&self, ops: u64, sum: u64) -> ! {
        let (wall, processor) = self.took.expect("stopped");
        let mut line = format!(
            "{{\"ops\":{ops},\"wall_ns\":{},\"cpu_ns\":{},\"sum\":{sum}",
            wall.as_nanos(),
            processor.as_nanos()
        );
        for (name, value) in &self.figures {
            write!(line, ",\"{name}\":{value:.6}").expect("a string takes it");
        }
        line.push('}');
        say(&line);
    }
}

/// A peer that does not have what a row needs says so.
pub fn unsupported(why: &str) -> ! {
    say(&format!("{{\"unsupported\":\"{why}\"}}"));
}

/// The last words. Without destructors and exit handlers: a peer's threads may be anywhere.
fn say(line: &str) -> ! {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the driver listens");
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

#[derive(Clone, Debug)]
struct Clock {
    begin: Instant,
    processor: Duration,
}

/// User and system time of all threads of this process.
fn processor_time() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: it writes a `rusage`, for which all zeroes is a value.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}
