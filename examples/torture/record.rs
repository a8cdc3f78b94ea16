//! What was done, what went wrong, and who stood still.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Milliseconds since the start, and never 0.
pub(crate) fn clock() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64 + 1
}

/// Where reports go: standard output is a pipe that is checked.
pub(crate) static TERMINAL: OnceLock<OwnedFd> = OnceLock::new();

/// Prints past everything that may be locked.
pub(crate) fn say(text: &str) {
    let line = format!("{text}\n");
    if let Some(terminal) = TERMINAL.get().and_then(|fd| fd.try_clone().ok()) {
        let _ = std::fs::File::from(terminal).write_all(line.as_bytes());
    }
}

/// The time is up: finish the round and return.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_over() -> bool {
    STOP.load(Ordering::Relaxed)
}

static ERRORS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn errors() -> u64 {
    ERRORS.load(Ordering::Relaxed)
}

/// Something is not as it must be.
pub(crate) fn wrong(kind: &str, what: &str) {
    /// So many are told of.
    const TOLD: u64 = 20;
    if ERRORS.fetch_add(1, Ordering::Relaxed) < TOLD {
        say(&format!("torture: WRONG in {kind}: {what}"));
    }
}

/// One goroutine's progress.
pub(crate) struct Worker {
    pub(crate) kind: &'static str,
    rounds: AtomicU64,
    /// When the last round ended, on [`clock`]; `u64::MAX` when it returned.
    last: AtomicU64,
}

impl Worker {
    pub(crate) fn new(kind: &'static str) -> Worker {
        Worker { kind, rounds: AtomicU64::new(0), last: AtomicU64::new(clock()) }
    }

    pub(crate) fn round(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        self.last.store(clock(), Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.last.store(u64::MAX, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.last.load(Ordering::Relaxed) == u64::MAX
    }

    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Milliseconds since its last round.
    pub(crate) fn silent(&self) -> u64 {
        clock().saturating_sub(self.last.load(Ordering::Relaxed))
    }
}

/// Who did what, who is silent, and what every goroutine is doing: for when something stands still.
pub(crate) fn dump(workers: &[Worker]) {
    let mut text = String::from("torture: who did how much, and how long ago:\n");
    for (i, worker) in workers.iter().enumerate() {
        let last = match worker.has_ended() {
            true => "has returned".to_string(),
            false => format!("{} ms ago", worker.silent()),
        };
        text += &format!("  {i:5} {:10} {:10} rounds, {last}\n", worker.kind, worker.rounds());
    }
    text += "torture: every goroutine:\n";
    gander::inspect::for_each_goroutine(|g| {
        let (name, state, at) = (g.name.as_deref().unwrap_or(""), g.state, g.spawned_at);
        text += &format!("  {:10} {name:14} {state}, from {at}\n", g.id.to_string());
    });
    say(&text);
}
