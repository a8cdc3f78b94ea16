//! Who looks whether anything stands still: a goroutine on a timer, one that is readied from outside, and an ordinary
//! thread, which also asks the kernel how long the workers had to wait for a processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gander::chan::bounded;

use crate::record::{Worker, clock, dump, is_over, say, wrong};

/// What stood still for longer is told of.
const STALL: Duration = Duration::from_millis(200);
/// What stands still for longer ends the run.
const DEAD: Duration = Duration::from_secs(20);
/// Between two beats.
const BEAT: Duration = Duration::from_millis(1);
/// Between two looks at the beats.
const LOOK: Duration = Duration::from_millis(250);

/// The worst waits, in microseconds.
#[derive(Default)]
struct Worst {
    lately: AtomicU64,
    ever: AtomicU64,
}

impl Worst {
    fn note(&self, wait: Duration) {
        let micros = wait.as_micros() as u64;
        self.lately.fetch_max(micros, Ordering::Relaxed);
        self.ever.fetch_max(micros, Ordering::Relaxed);
    }

    fn take(&self) -> Duration {
        Duration::from_micros(self.lately.swap(0, Ordering::Relaxed))
    }

    fn ever_millis(&self) -> f64 {
        self.ever.load(Ordering::Relaxed) as f64 / 1000.0
    }
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Delays {
    timer: Worst,
    message: Worst,
    /// An ordinary thread's, which sleeps as often.
    control: Worst,
    stalls: AtomicU64,
    of_machine: AtomicU64,
    /// The last beat, on [`clock`].
    beat: AtomicU64,
}

impl Delays {
    /// How often something stood still that the machine does not explain.
    pub(crate) fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
    }

    pub(crate) fn text(&self) -> String {
        format!(
            "{} stalls (and {} of the machine), worst waits: timer {:.1} ms, message {:.1} ms, control {:.1} ms",
            self.stalls(),
            self.of_machine.load(Ordering::Relaxed),
            self.timer.ever_millis(),
            self.message.ever_millis(),
            self.control.ever_millis()
        )
    }
}

/// Starts the watchers. Called on a goroutine.
pub(crate) fn start(workers: &Arc<Vec<Worker>>) -> Arc<Delays> {
    let delays = Arc::new(Delays::default());
    delays.beat.store(clock(), Ordering::Relaxed);
    let mine = delays.clone();
    gander::go(move || {
        while !is_over() {
            let due = Instant::now() + BEAT;
            gander::sleep(BEAT);
            mine.timer.note(due.elapsed());
            mine.beat.store(clock(), Ordering::Relaxed);
        }
    });
    let (tx, rx) = bounded::<Instant>(1);
    let mine = delays.clone();
    gander::go(move || {
        for sent in &rx {
            mine.message.note(sent.elapsed());
        }
    });
    let (mine, workers) = (delays.clone(), workers.clone());
    std::thread::spawn(move || {
        let mut judge = Judge::new();
        while !is_over() {
            let due = Instant::now() + BEAT;
            std::thread::sleep(BEAT);
            mine.control.note(due.elapsed());
            // Full: the last one has not arrived, and will tell how long it took.
            let _ = tx.try_send(Instant::now());
            judge.look(&mine, &workers);
        }
    });
    delays
}

/// Decides from time to time whether anything stood still, and why.
struct Judge {
    next: Instant,
    /// Time that this process's threads waited for a processor, all together, until the last looks.
    waited: [Duration; 8],
    looks: usize,
}

impl Judge {
    fn new() -> Judge {
        Judge { next: Instant::now() + LOOK, waited: [waited_for_processors(); 8], looks: 0 }
    }

    fn look(&mut self, delays: &Delays, workers: &[Worker]) {
        if Instant::now() < self.next {
            return;
        }
        let late = self.next.elapsed();
        self.next = Instant::now() + LOOK;
        self.looks += 1;
        let waited = waited_for_processors();
        for (worst, name) in [(delays.timer.take(), "a timer"), (delays.message.take(), "a message from a thread")]
        {
            if worst < STALL {
                continue;
            }
            // The looks that the wait may have begun in. Where somebody runnable always waited for a processor in that
            // time, it was not ours to give.
            let back = (worst.as_millis() / LOOK.as_millis()) as usize + 2;
            let before = self.waited[self.looks.saturating_sub(back.min(8)) % 8];
            let window = LOOK * back as u32 + late;
            let share = (waited.saturating_sub(before)).as_secs_f64() / window.as_secs_f64();
            let control = delays.control.lately.load(Ordering::Relaxed) as f64 / 1e6;
            if share > gander::procs() as f64 / 2.0 || control > worst.as_secs_f64() / 2.0 {
                delays.of_machine.fetch_add(1, Ordering::Relaxed);
            } else {
                delays.stalls.fetch_add(1, Ordering::Relaxed);
                say(&format!(
                    "torture: STALL: {name} waited for {worst:?}, while the kernel had {share:.2} threads of ours wait"
                ));
            }
        }
        delays.control.take();
        self.waited[self.looks % 8] = waited;
        let beat = clock().saturating_sub(delays.beat.load(Ordering::Relaxed));
        // With many workers each has its turn seldom.
        let patience = DEAD.as_millis() as u64 + 100 * workers.len() as u64;
        let silent = workers.iter().filter(|worker| !worker.has_ended()).map(Worker::silent).max().unwrap_or(0);
        if beat > DEAD.as_millis() as u64 || silent > patience {
            dump(workers);
            wrong("watch", &format!("no timer fired for {beat} ms, somebody is silent for {silent} ms"));
            std::process::exit(1);
        }
    }
}

/// How long the threads of this process were runnable and had no processor, all together.
fn waited_for_processors() -> Duration {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let nanos = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').nth(1)?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(nanos)
}
