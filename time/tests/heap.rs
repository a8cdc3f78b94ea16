//! timers-17: what is dropped costs nothing, and what a pending timer costs.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::{Duration, Instant};

use gander_time::{Ticker, Timer, after, after_func};

static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: the system's allocator, counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: by contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: by contract.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const HOUR: Duration = Duration::from_secs(3600);

/// Live bytes after `f`, beyond those before, when they have settled below `most`.
fn left(most: isize, f: impl FnOnce()) -> isize {
    let before = LIVE.load(Ordering::Relaxed);
    f();
    let start = Instant::now();
    loop {
        let left = LIVE.load(Ordering::Relaxed) - before;
        if left < most || start.elapsed() > Duration::from_secs(10) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Semantics 27.
#[test]
fn what_is_dropped_is_gone() {
    const SLACK: isize = 100_000;
    gander_runtime::run(|| {
        // What is made once is made now.
        after_func(Duration::ZERO, || {});
        let _ = after(Duration::ZERO).recv();
        let left = left(SLACK, || {
            for _ in 0..10_000 {
                drop(after(HOUR));
                drop(Ticker::new(HOUR));
                drop(Timer::new(HOUR));
                Timer::new(HOUR).stop();
                Ticker::new(HOUR).stop();
                // Dropped alone it would go on: it is the one that has to be stopped.
                after_func(HOUR, || {}).stop();
            }
        });
        assert!(left < SLACK, "{left} bytes are left");
    });
}

/// Very many at once: each costs what it is, and all go off.
/// Semantics 27.
#[test]
fn many_pending() {
    let count = if std::env::var_os("GANDER_TEST_SMALL").is_some() {
        10_000
    } else if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    gander_runtime::run(|| {
        static CALLED: AtomicIsize = AtomicIsize::new(0);
        let before = LIVE.load(Ordering::Relaxed);
        let timers: Vec<_> =
            (0..count).map(|i| after_func(HOUR + i as u32 * Duration::from_nanos(1), called)).collect();
        fn called() {
            CALLED.fetch_add(1, Ordering::Relaxed);
        }
        let each = (LIVE.load(Ordering::Relaxed) - before) / count;
        println!("{each} bytes for each of {count} functions to be called");
        assert!(each < 300, "{each} bytes for each");
        for timer in &timers {
            assert!(timer.reset(Duration::ZERO));
        }
        let start = Instant::now();
        while CALLED.load(Ordering::Relaxed) < count && start.elapsed() < Duration::from_secs(50) {
            gander_runtime::sleep(Duration::from_millis(1));
        }
        assert_eq!(CALLED.load(Ordering::Relaxed), count);
    });
}
