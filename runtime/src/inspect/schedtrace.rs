//! `GANDER_SCHEDTRACE=1000`: a line about the scheduler to standard error every 1000 ms, in the words of Go's.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use super::stats::{Stats, counters};

/// Starts the thread that prints, if the environment asks for it.
pub(crate) fn start() -> io::Result<()> {
    let Ok(text) = std::env::var("GANDER_SCHEDTRACE") else { return Ok(()) };
    match text.trim().parse::<u64>() {
        Ok(0) => Ok(()),
        Ok(millis) => crate::runtime::thread("gander-trace", move || print_each(Duration::from_millis(millis))),
        Err(_) => {
            eprintln!("gander: GANDER_SCHEDTRACE={text:?} is not a number of milliseconds: ignored");
            Ok(())
        }
    }
}

fn print_each(period: Duration) {
    let began = Instant::now();
    loop {
        std::thread::sleep(period);
        // One write, so that lines of others do not get between. If nobody reads it, nothing is lost.
        let _ = io::stderr().write_all(line(began.elapsed(), &counters()).as_bytes());
    }
}

fn line(since: Duration, stats: &Stats) -> String {
    let in_service = stats.procs.iter().filter(|p| p.in_service).count();
    let threads = stats.threads;
    let mut line = format!(
        "SCHED {}ms: procs={in_service} idleprocs={} threads={} spinningthreads={} idlethreads={} blockedthreads={} \
         goroutines={} switches={} steals={} preemptions={} rescues={} timers={} runqueue={} [",
        since.as_millis(),
        stats.idle_procs,
        threads.total,
        threads.searching,
        threads.idle,
        threads.blocked,
        stats.goroutines.total,
        stats.switches,
        stats.steals,
        stats.preemptions,
        stats.rescues,
        stats.timers,
        stats.global_queue,
    );
    for (i, p) in stats.procs.iter().filter(|p| p.in_service).enumerate() {
        let space = if i == 0 { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(line, "{space}{}", p.queue);
    }
    line.push_str("]\n");
    line
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::stats::ProcStats;
    use super::*;

    #[test]
    fn one_line_with_every_queue_in_service() {
        let proc = |in_service, queue| ProcStats { in_service, queue, ..ProcStats::default() };
        let stats = Stats {
            procs: vec![proc(true, 3), proc(false, 0), proc(true, 7)],
            global_queue: 5,
            switches: 12,
            ..Stats::default()
        };
        let line = line(Duration::from_millis(1004), &stats);
        assert!(line.starts_with("SCHED 1004ms: procs=2 idleprocs=0 threads=0 "), "{line}");
        assert!(line.contains(" switches=12 ") && line.ends_with(" runqueue=5 [3 7]\n"), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
    }
}
