//! Panics in goroutines that park, yield and migrate.

use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::run_on;

/// Pauses in its destructor, that is while unwinding.
struct Pause(usize);

impl Drop for Pause {
    fn drop(&mut self) {
        for i in 0..10 {
            assert!(std::thread::panicking(), "the one that unwinds says that it does");
            match (self.0 + i) % 3 {
                0 => gander::sleep(Duration::from_micros(20)),
                1 => gander::yield_now(),
                _ => gander::park_timeout(Duration::from_micros(20)),
            }
        }
        assert!(std::thread::panicking());
    }
}

/// panics-11: `panicking` is true in the goroutine that unwinds, wherever it pauses, and false in all others; the
/// count comes back to zero.
/// Semantics 41.
#[test]
fn panics_11_panicking() {
    run_on(4, || {
        let stop = Arc::new(AtomicBool::new(false));
        let bad = Arc::new(AtomicUsize::new(0));
        let others: Vec<_> = (0..8)
            .map(|_| {
                let (stop, bad) = (stop.clone(), bad.clone());
                gander::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        bad.fetch_add(usize::from(std::thread::panicking()), Ordering::Relaxed);
                        gander::yield_now();
                    }
                })
            })
            .collect();
        let unwinding: Vec<_> = (0..100)
            .map(|i| {
                gander::spawn(move || {
                    for round in 0..10 {
                        let caught = catch_unwind(|| {
                            let _pause = Pause(i + round);
                            std::panic::panic_any(round);
                        });
                        assert_eq!(*caught.unwrap_err().downcast::<usize>().unwrap(), round);
                        assert!(!std::thread::panicking(), "the count did not come back to zero");
                    }
                })
            })
            .collect();
        for one in unwinding {
            one.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(bad.load(Ordering::Relaxed), 0, "others were told that they panic");
    });
}

/// panics-10: locals are dropped in reverse order, on return, early return, `?`, panic and exit.
#[test]
fn panics_10_drop_order() {
    struct Note(u8, Arc<std::sync::Mutex<Vec<u8>>>);
    impl Drop for Note {
        fn drop(&mut self) {
            self.1.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(self.0);
        }
    }
    fn leave(how: u8, notes: &Arc<std::sync::Mutex<Vec<u8>>>) -> Result<(), ()> {
        let note = |number| Note(number, notes.clone());
        let _a = note(1);
        let _b = (how > 0).then(|| note(2));
        let moved = note(3);
        let hold = move || drop(moved);
        gander::yield_now();
        match how {
            0 => return Ok(()),
            1 => Err(())?,
            2 => std::panic::resume_unwind(Box::new(())),
            3 => gander::exit(),
            _ => {}
        }
        hold();
        Ok(())
    }
    crate::common::run(|| {
        for (how, order) in [(0, &[3, 1][..]), (1, &[3, 2, 1]), (2, &[3, 2, 1]), (3, &[3, 2, 1]), (4, &[3, 2, 1])] {
            let notes = Arc::new(std::sync::Mutex::new(Vec::new()));
            let seen = notes.clone();
            let _ = gander::spawn(move || leave(how, &seen)).join();
            assert_eq!(*notes.lock().unwrap(), order, "way {how}");
        }
    });
}
