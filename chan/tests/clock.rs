//! The clock's channels: when they have a value, which, and what becomes of those who wait.

mod common;

use std::time::{Duration, Instant};

use common::{in_goroutines, watched};
use gander_chan::clock::Clock;
use gander_chan::{RecvError, RecvTimeoutError, TryRecvError, after, at, never, tick};
use gander_runtime::spawn;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What holds in goroutines holds on threads.
fn everywhere(test: impl Fn() + Sync) {
    in_goroutines(&test);
    watched(&test);
}

#[test]
fn timers_4_after_is_not_early_and_says_when_it_was() {
    everywhere(|| {
        let start = Instant::now();
        let r = after(3 * MS);
        let value = r.recv().unwrap();
        let end = Instant::now();
        assert!(
            start + 3 * MS <= value && value <= end,
            "{:?} after the start, received {:?}",
            value - start,
            end - start
        );
        assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(r.recv_timeout(MS), Err(RecvTimeoutError::Timeout));
    });
}

#[test]
fn after_counts_its_value_when_it_is_due() {
    everywhere(|| {
        let r = after(HOUR);
        assert_eq!((r.len(), r.capacity(), r.is_empty(), r.is_full()), (0, Some(1), true, false));
        let r = after(Duration::ZERO);
        assert_eq!((r.len(), r.capacity(), r.is_empty(), r.is_full()), (1, Some(1), false, true));
        let clone = r.clone();
        assert!(r.same_channel(&clone));
        assert!(clone.recv().is_ok());
        assert_eq!((r.len(), r.is_empty()), (0, true));
    });
}

/// Semantics 26.
#[test]
fn at_delivers_exactly_its_moment() {
    everywhere(|| {
        for when in [Instant::now() - 5 * MS, Instant::now(), Instant::now() + 2 * MS] {
            let r = at(when);
            assert_eq!(r.recv(), Ok(when));
            assert!(Instant::now() >= when);
            assert!(r.is_empty());
        }
    });
}

#[test]
fn one_value_goes_to_one_of_many() {
    everywhere(|| {
        let r = after(5 * MS);
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let r = r.clone();
                std::thread::spawn(move || r.recv_timeout(30 * MS).is_ok())
            })
            .collect();
        let served = waiters.into_iter().map(|w| w.join().unwrap()).filter(|served| *served).count();
        assert_eq!(served, 1);
    });
}

#[test]
fn timers_22_ticks_that_are_late_are_left_out_and_the_grid_stays() {
    everywhere(|| {
        let period = 4 * MS;
        let before = Instant::now();
        let ticks = tick(period);
        let after = Instant::now();
        gander_runtime::sleep(3 * period);
        // timers-19: the earliest is there, with its own time, and those after it are not.
        let first = ticks.try_recv().unwrap();
        assert!(before + period <= first && first <= after + period);
        let next = ticks.recv().unwrap();
        assert!(next >= first + 2 * period, "{:?}", next - first);
        assert_eq!((next - first).as_nanos() % period.as_nanos(), 0, "off the grid");
    });
}

/// Semantics 24.
#[test]
fn timers_15_a_tick_without_a_period_always_has_a_value() {
    let ticks = tick(Duration::ZERO);
    let mut last = ticks.recv().unwrap();
    for _ in 0..100 {
        let next = ticks.try_recv().unwrap();
        assert!(next >= last && next <= Instant::now());
        last = next;
    }
}

/// Semantics 26.
#[test]
fn timers_9_the_end_of_time_is_never() {
    for r in [after(Duration::MAX), tick(Duration::MAX), after(Duration::from_nanos(u64::MAX))] {
        assert_eq!(r.recv_timeout(MS), Err(RecvTimeoutError::Timeout));
    }
    let clock = Clock::new(Duration::ZERO, Some(Duration::from_nanos(u64::MAX - 1)));
    assert!(clock.receiver().recv().is_ok());
    assert_eq!(clock.receiver().recv_timeout(MS), Err(RecvTimeoutError::Timeout));
}

/// Semantics 2.
#[test]
fn never_has_nothing() {
    everywhere(|| {
        let r = never::<[u64; 100]>();
        assert_eq!((r.len(), r.capacity(), r.is_empty(), r.is_full()), (0, Some(0), true, true));
        assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(r.recv_timeout(MS), Err(RecvTimeoutError::Timeout));
        assert!(r.same_channel(&never()) && !r.same_channel(&gander_chan::bounded(0).1));
    });
}

#[test]
fn closing_ends_a_clock_and_those_who_wait_for_it() {
    everywhere(|| {
        let r = after(HOUR);
        let theirs = r.clone();
        let waiter = std::thread::spawn(move || theirs.recv());
        gander_runtime::sleep(MS);
        assert!(r.close() && !r.close());
        assert_eq!(waiter.join().unwrap(), Err(RecvError));
        assert_eq!((r.try_recv(), r.len()), (Err(TryRecvError::Disconnected), 0));
    });
}

/// timers-18, part by part.
#[test]
fn timers_18_a_clock_shows_neither_value_nor_room() {
    let clock = Clock::new(Duration::ZERO, None);
    let r = clock.receiver();
    assert_eq!((r.len(), r.capacity(), r.is_empty(), r.is_full()), (0, Some(0), true, true));
    assert!(r.try_recv().is_ok());
}

#[test]
fn timers_18_no_value_is_stale() {
    everywhere(|| {
        let clock = Clock::new(Duration::ZERO, None);
        assert!(clock.stop(), "due, but not received");
        assert_eq!(clock.receiver().try_recv(), Err(TryRecvError::Empty));
        assert!(!clock.stop());
        assert!(!clock.reset(Duration::ZERO, None));
        assert!(clock.reset(HOUR, None));
        assert_eq!(clock.receiver().try_recv(), Err(TryRecvError::Empty));
        let start = Instant::now();
        assert!(clock.reset(2 * MS, None));
        assert!(clock.receiver().recv().unwrap() >= start + 2 * MS);
        assert!(!clock.reset(HOUR, None), "its value was received");
        assert!(clock.stop());
    });
}

#[test]
fn timers_18_who_waits_follows_the_clock() {
    everywhere(|| {
        let start = Instant::now();
        let clock = Clock::new(HOUR, None);
        let r = clock.receiver().clone();
        let waiter = spawn_or_thread(move || r.recv().unwrap());
        gander_runtime::sleep(MS);
        // Sooner, later, and now.
        for delay in [HOUR / 2, 2 * HOUR, 5 * MS] {
            assert!(clock.reset(delay, None));
            gander_runtime::sleep(MS);
        }
        assert!(waiter.join().unwrap() >= start + 5 * MS);
    });
}

#[test]
fn timers_18_a_stopped_clock_serves_nobody_until_it_is_reset() {
    everywhere(|| {
        let clock = Clock::new(HOUR, None);
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let r = clock.receiver().clone();
                spawn_or_thread(move || r.recv())
            })
            .collect();
        clock.stop();
        assert_eq!(clock.receiver().recv_timeout(5 * MS), Err(RecvTimeoutError::Timeout));
        // Each time it goes off it serves one; dropped, it ends the wait of the other.
        clock.reset(Duration::ZERO, None);
        while clock.stop() {
            clock.reset(Duration::ZERO, None);
            gander_runtime::sleep(MS);
        }
        drop(clock);
        let mut answers: Vec<_> = waiters.into_iter().map(|w| w.join().unwrap().is_ok()).collect();
        answers.sort_unstable();
        assert_eq!(answers, [false, true]);
    });
}

/// Semantics 25.
#[test]
fn timers_25_a_ticker_holds_one_tick_and_keeps_its_phase() {
    everywhere(|| {
        let before = Instant::now();
        let clock = Clock::new(2 * MS, Some(2 * MS));
        let after = Instant::now();
        let r = clock.receiver();
        gander_runtime::sleep(9 * MS);
        let first = r.try_recv().unwrap();
        assert!(before + 2 * MS <= first && first <= after + 2 * MS);
        let next = r.recv().unwrap();
        assert!(next >= first + 6 * MS);
        assert_eq!((next - first).as_nanos() % 2_000_000, 0);
        assert!(clock.stop());
        assert_eq!(r.recv_timeout(5 * MS), Err(RecvTimeoutError::Timeout));
    });
}

/// A goroutine where the test is one, else a thread.
fn spawn_or_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> Joiner<R> {
    if gander_runtime::is_goroutine() { Joiner::Goroutine(spawn(f)) } else { Joiner::Thread(std::thread::spawn(f)) }
}

enum Joiner<R> {
    Goroutine(gander_runtime::JoinHandle<R>),
    Thread(std::thread::JoinHandle<R>),
}

impl<R> Joiner<R> {
    fn join(self) -> std::thread::Result<R> {
        match self {
            Joiner::Goroutine(handle) => handle.join(),
            Joiner::Thread(handle) => handle.join(),
        }
    }
}
