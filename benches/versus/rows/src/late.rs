//! How late those are who sleep.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::numbers::percentile;
use crate::{Measure, unsupported};

/// How long a ticker sleeps each time.
pub const TICK: Duration = Duration::from_millis(1);
/// How long it may take for all its ticks.
const PATIENCE: Duration = Duration::from_secs(4);

/// The lateness of a ticker, tick by tick.
#[derive(Clone, Debug)]
pub struct Ticks(Arc<Mutex<Vec<u64>>>);

impl Ticks {
    /// Answers when there are enough, or patience ends: from a thread of its own, for the row is also about a ticker that
    /// gets no turn.
    pub fn watch(mut m: Measure) -> Ticks {
        let ticks = Ticks(Arc::default());
        let watched = ticks.clone();
        std::thread::spawn(move || {
            m.start();
            let begin = Instant::now();
            while watched.count() < m.size as usize && begin.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
            m.stop();
            let mut nanos = watched.0.lock().expect("nobody panics").clone();
            if nanos.len() < m.size as usize / 10 {
                unsupported(&format!("starves: {} of {} ticks", nanos.len(), m.size));
            }
            note_lateness(&mut m, &mut nanos);
            m.answer(nanos.len() as u64, m.size);
        });
        ticks
    }

    /// One more, that began to sleep then.
    pub fn note(&self, begin: Instant) {
        let nanos = begin.elapsed().saturating_sub(TICK).as_nanos() as u64;
        self.0.lock().expect("nobody panics").push(nanos);
    }

    fn count(&self) -> usize {
        self.0.lock().expect("nobody panics").len()
    }
}

/// What a busy loop does.
pub fn compute_for_ever() {
    let mut i: u64 = 0;
    loop {
        i = black_box(i.wrapping_add(1));
    }
}

/// Below what half of them lie, and 99 of 100.
pub fn note_lateness(m: &mut Measure, nanos: &mut [u64]) {
    m.note("late_p50_ms", percentile(nanos, 50));
    m.note("late_p99_ms", percentile(nanos, 99));
}
