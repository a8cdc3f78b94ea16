//! What the tests share: a turn for each, a watchdog, sizes, chance.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use gander_runtime::GoroutineId;
use gander_runtime::inspect::{GoroutineInfo, goroutines};

/// Tests change the number of processors, which is the process's: one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a test in a goroutine, with 1, 2 and 4 processors.
pub(crate) fn in_goroutines(test: impl Fn() + Sync) {
    watched(|| {
        for procs in [1, 2, 4] {
            builder().run(|| {
                gander_runtime::set_procs(procs);
                test();
            });
        }
    });
}

/// Own mode and the usual slices; with `GANDER_TEST_SHARED=1` shared mode, with `GANDER_TEST_SLICE_US` shorter slices.
fn builder() -> gander_runtime::Builder {
    let mut builder = gander_runtime::Builder::new();
    if std::env::var_os("GANDER_TEST_SHARED").is_some_and(|value| value == "1") {
        #[allow(unsafe_code, reason = "the promise of shared mode")]
        // SAFETY: these tests keep nothing of a thread's across a park.
        let shared = unsafe { builder.shared() };
        builder = shared;
    }
    match std::env::var("GANDER_TEST_SLICE_US") {
        Ok(micros) => builder.slice(Duration::from_micros(micros.parse().expect("a number of microseconds"))),
        Err(_) => builder,
    }
}

/// Runs a test on this thread.
pub(crate) fn watched<R>(test: impl FnOnce() -> R) -> R {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let over = Arc::new((Mutex::new(false), Condvar::new()));
    let theirs = Arc::clone(&over);
    let name = std::thread::current().name().unwrap_or("a test").to_string();
    std::thread::spawn(move || {
        let limit = Duration::from_secs(120);
        let over = theirs.0.lock().unwrap();
        let (over, _) = theirs.1.wait_timeout_while(over, limit, |over| !*over).unwrap();
        if !*over {
            eprintln!("watchdog: {name} has not ended after {limit:?}");
            std::process::exit(101);
        }
    });
    struct Over(Arc<(Mutex<bool>, Condvar)>);
    impl Drop for Over {
        fn drop(&mut self) {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.0.1.notify_all();
        }
    }
    let _over = Over(over);
    test()
}

/// Whether the machine is slow, an emulator say.
pub(crate) fn small() -> bool {
    std::env::var_os("GANDER_TEST_SMALL").is_some_and(|v| v == "1")
}

/// How often: `debug` times in a debug build, ten times that in release, some in small.
pub(crate) fn rounds(debug: usize) -> usize {
    if small() {
        (debug / 20).max(2)
    } else if cfg!(debug_assertions) {
        debug
    } else {
        debug * 10
    }
}

/// Long enough for others to get to where they wait, usually. Nothing may depend on it but the chance to see a fault.
pub(crate) fn settle() {
    gander_runtime::sleep(Duration::from_millis(3));
}

/// Lets others run until that goroutine waits, by this word of `WaitReason`'s. It stands in its line then.
pub(crate) fn until_waits(id: GoroutineId, word: &str) -> GoroutineInfo {
    loop {
        let found = goroutines().into_iter().find(|info| info.id == id).expect("it lives");
        if found.state.to_string() == word {
            return found;
        }
        gander_runtime::yield_now();
    }
}

/// Chance that can be repeated: from `GANDER_TEST_SEED`, printed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(test: &str) -> Chance {
        let seed = std::env::var("GANDER_TEST_SEED").ok().and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            now.as_nanos() as u64
        });
        println!("{test}: GANDER_TEST_SEED={seed}");
        Chance(seed | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    /// Another, for another task.
    pub(crate) fn split(&mut self) -> Chance {
        Chance(self.below(usize::MAX) as u64 | 1)
    }
}

/// A value that counts how often it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) id: usize,
    drops: Arc<Vec<AtomicUsize>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops[self.id].fetch_add(1, Ordering::Relaxed);
    }
}

/// The drops of so many values.
pub(crate) struct Ledger(Arc<Vec<AtomicUsize>>);

impl Ledger {
    pub(crate) fn new(count: usize) -> Ledger {
        Ledger(Arc::new((0..count).map(|_| AtomicUsize::new(0)).collect()))
    }

    /// The value `id`, to be made once.
    pub(crate) fn value(&self, id: usize) -> Counted {
        Counted { id, drops: Arc::clone(&self.0) }
    }

    pub(crate) fn drops(&self, id: usize) -> usize {
        self.0[id].load(Ordering::Relaxed)
    }

    /// Fails unless each has been dropped exactly once.
    pub(crate) fn settle(&self) {
        for (id, drops) in self.0.iter().enumerate() {
            assert_eq!(drops.load(Ordering::Relaxed), 1, "drops of value {id} of {}", self.0.len());
        }
    }
}
