//! Who asks: a thread, so that keys are answered while an answer is waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::args::Args;
use crate::data::{Dump, Stats};
use crate::http::{MOST_BYTES, PATIENCE, get};

/// What was heard.
pub(crate) enum Answer {
    Stats(Instant, Box<Stats>),
    Dump(Dump),
    Problem(String),
}

pub(crate) fn stats(addr: &str) -> Answer {
    match get(addr, "/api/stats", MOST_BYTES, PATIENCE).and_then(|body| Stats::read(&body)) {
        Ok(stats) => Answer::Stats(Instant::now(), Box::new(stats)),
        Err(problem) => Answer::Problem(problem),
    }
}

pub(crate) fn dump(addr: &str) -> Answer {
    match get(addr, "/api/goroutines", MOST_BYTES, PATIENCE).and_then(|body| Dump::read(&body)) {
        Ok(dump) => Answer::Dump(dump),
        Err(problem) => Answer::Problem(problem),
    }
}

pub(crate) struct Watch {
    answers: Receiver<Answer>,
    wants_dump: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn start(args: &Args) -> Watch {
        // If nobody takes the answers, it asks no more.
        let (send, answers) = sync_channel(4);
        let wants_dump = Arc::new(AtomicBool::new(false));
        let (addr, interval, wants) = (args.addr.clone(), args.interval, wants_dump.clone());
        std::thread::spawn(move || ask(&addr, interval, &wants, &send));
        Watch { answers, wants_dump }
    }

    /// Whether stacks are to be asked for, too: they cost the program more.
    pub(crate) fn wants_dump(&self, wants: bool) {
        self.wants_dump.store(wants, Ordering::Relaxed);
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

fn ask(addr: &str, interval: Duration, wants_dump: &AtomicBool, send: &SyncSender<Answer>) {
    let nap = Duration::from_millis(50).min(interval);
    let mut next = Instant::now();
    loop {
        let mut heard = Ok(());
        if Instant::now() >= next {
            next = Instant::now() + interval;
            heard = send.send(stats(addr));
        }
        if wants_dump.swap(false, Ordering::Relaxed) {
            heard = heard.and_then(|()| send.send(dump(addr)));
        }
        if heard.is_err() {
            // Nobody is there any more.
            return;
        }
        std::thread::sleep(nap);
    }
}
