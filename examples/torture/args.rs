//! What the command line says.

use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: torture [options]

Runs everything that is known to break under preemption, preempted all the time, and checks what comes out.
Ends with one line of counts; exit code 1 if anything was wrong or stood still.

  --seconds N    how long (10)
  --slice-us N   the slice in microseconds, 100 at least (100); 0: the default of 10 ms
  --procs N      processors, 1 to 1024 (as the machine has)
  --workers N    goroutines, 1 to 100000 (60); kinds take turns
  --kinds A,B    only these kinds of work
  --shared       thread-locals of the workers, not of the goroutines
  --threads N    the most worker threads
  --seed N       of all random numbers (the clock)";

pub(crate) struct Args {
    pub(crate) seconds: u64,
    pub(crate) slice: Option<Duration>,
    pub(crate) procs: Option<usize>,
    pub(crate) workers: usize,
    pub(crate) kinds: Option<Vec<String>>,
    pub(crate) shared: bool,
    pub(crate) threads: Option<usize>,
    pub(crate) seed: u64,
}

impl Args {
    /// From the command line; the error is for the user.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.subsec_nanos());
        let mut args = Args {
            seconds: 10,
            slice: Some(Duration::from_micros(100)),
            procs: None,
            workers: 60,
            kinds: None,
            shared: false,
            threads: None,
            seed: seed.into(),
        };
        while let Some(word) = words.next() {
            if word == "--shared" {
                args.shared = true;
                continue;
            }
            let value = words.next().ok_or(format!("{word}: what?"))?;
            let number = || value.parse::<u64>().map_err(|error| format!("{word} {value}: {error}"));
            match word.as_str() {
                "--seconds" => args.seconds = number()?,
                "--slice-us" => args.slice = Some(number()?).filter(|&n| n > 0).map(Duration::from_micros),
                "--procs" => args.procs = Some(number()? as usize),
                "--workers" => args.workers = number()?.clamp(1, 100_000) as usize,
                "--kinds" => args.kinds = Some(value.split(',').map(String::from).collect()),
                "--threads" => args.threads = Some(number()? as usize),
                "--seed" => args.seed = number()?,
                _ => return Err(format!("{word}: unknown")),
            }
        }
        Ok(args)
    }
}
