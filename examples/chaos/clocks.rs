//! Timers start, stop, start again. Law: nothing fires early, what was stopped does not fire, what was not fires once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gander::sync::WaitGroup;
use gander::time::{self, Ticker, Timer};

use crate::random::Random;

pub(crate) fn round(random: &mut Random) -> u64 {
    let checks = Arc::new(AtomicU64::new(0));
    let all = WaitGroup::new();
    for _ in 0..random.between(2, 16) {
        let (mut own, checks) = (random.fork(), checks.clone());
        all.go(move || {
            for _ in 0..own.between(1, 12) {
                one(&mut own);
                checks.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    all.wait();
    checks.load(Ordering::Relaxed)
}

fn one(random: &mut Random) {
    let span = random.micros(1500);
    let begin = Instant::now();
    match random.below(7) {
        0 => {
            gander::sleep(span);
            assert!(begin.elapsed() >= span, "slept too short");
        }
        1 => {
            let timer = Timer::new(span);
            timer.c().recv().expect("a timer does not close");
            assert!(begin.elapsed() >= span, "a timer fired early");
            assert!(timer.c().try_recv().is_err(), "a timer fired twice");
        }
        2 => {
            let timer = Timer::new(random.micros(300));
            random.dawdle();
            timer.stop();
            assert!(timer.c().try_recv().is_err(), "a stopped timer has a value");
            let again = Instant::now();
            timer.reset(span);
            timer.c().recv().expect("a timer does not close");
            assert!(again.elapsed() >= span, "a timer that was reset fired early");
        }
        3 => ticks(random),
        4 => calls(random),
        5 => {
            let (never, nothing) = gander::chan::bounded::<()>(0);
            gander::select! {
                recv(nothing) -> _ => panic!("somebody sent nothing"),
                recv(time::after(span)) -> _ => assert!(begin.elapsed() >= span, "after came before"),
            }
            drop(never);
        }
        _ => {
            let long = random.one_in(2);
            let answer = time::timeout(Duration::from_micros(if long { 1 } else { 30_000_000 }), move || {
                gander::sleep(Duration::from_millis(if long { 5 } else { 0 }));
                7
            });
            assert!(matches!(answer, Ok(7)) || long, "in time, and yet not");
        }
    }
}

fn ticks(random: &mut Random) {
    let period = Duration::from_micros(random.between(100, 1000));
    let begin = Instant::now();
    let ticker = Ticker::new(period);
    let count = random.between(1, 4);
    for _ in 0..count {
        ticker.c().recv().expect("a ticker does not close");
        random.dawdle();
    }
    assert!(begin.elapsed() >= period * count as u32, "ticks came too soon");
    ticker.stop();
    assert!(ticker.c().try_recv().is_err(), "a stopped ticker ticks");
}

/// A function that the clock calls: either the stop prevents it, or it is called, once.
fn calls(random: &mut Random) {
    let calls = Arc::new(AtomicU64::new(0));
    let (counter, (tell, told)) = (calls.clone(), gander::chan::bounded(1));
    let timer = time::after_func(random.micros(600), move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let _ = tell.try_send(());
    });
    if random.one_in(2) {
        random.dawdle();
        gander::sleep(random.micros(600));
    }
    if timer.stop() {
        gander::sleep(random.micros(300));
        assert_eq!(calls.load(Ordering::SeqCst), 0, "prevented, and yet called");
    } else {
        told.recv().expect("the call tells");
        assert_eq!(calls.load(Ordering::SeqCst), 1, "called once");
    }
}
