//! Waiting for a lock or for the clock.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Group, Lock, Peer};
use crate::Measure;
use crate::late::{TICK, Ticks, compute_for_ever, note_lateness};
use crate::numbers::sleep_of;

/// `readings` readings to each write.
pub(super) fn lock<P: Peer, L: Lock>(m: &mut Measure, contenders: u64, readings: u64, size: u64) -> u64 {
    let lock = Arc::new(L::new());
    let group = Group::<P>::new(contenders);
    m.start();
    for _ in 0..contenders {
        let (lock, finish) = (lock.clone(), group.member());
        P::go(move || {
            for i in 0..size / contenders {
                if i % (readings + 1) == 0 {
                    lock.write();
                } else {
                    black_box(lock.read());
                }
            }
            finish(1);
        });
    }
    group.wait();
    m.stop();
    lock.read()
}

pub(super) fn sleepers<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let group = Group::<P>::new(size);
    let finish: &'static _ = Box::leak(Box::new(group.member()));
    let late: &'static Vec<AtomicU64> = Box::leak(Box::new((0..size).map(|_| AtomicU64::new(0)).collect()));
    m.start();
    for i in 0..size {
        P::go_small(move || {
            let until = Instant::now() + sleep_of(i);
            P::sleep(sleep_of(i));
            let nanos = Instant::now().checked_duration_since(until).expect("a sleep is not short").as_nanos();
            late[i as usize].store(nanos as u64, Ordering::Relaxed);
            finish(1);
        });
    }
    let sum = group.wait();
    m.stop();
    note_lateness(m, &mut late.iter().map(|nanos| nanos.load(Ordering::Relaxed)).collect::<Vec<_>>());
    sum
}

pub(super) fn timer<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    m.start();
    (0..size).for_each(|_| P::start_stop_timer());
    m.stop();
    size
}

/// One sleeps a millisecond again and again while others compute without ever waiting.
pub(super) fn ticker<P: Peer>(m: Measure, busy: u64) -> ! {
    let ticks = Ticks::watch(m);
    P::go(move || {
        loop {
            let begin = Instant::now();
            P::sleep(TICK);
            ticks.note(begin);
        }
    });
    for _ in 0..busy {
        P::go(compute_for_ever);
    }
    loop {
        P::sleep(Duration::from_secs(1));
    }
}
