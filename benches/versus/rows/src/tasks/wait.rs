//! Waiting for a lock or for the clock.

use std::future::pending;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Group, Lock, Peer};
use crate::Measure;
use crate::late::{TICK, Ticks, compute_for_ever, note_lateness};
use crate::numbers::sleep_of;

/// `readings` readings to each write.
pub(super) async fn lock<P: Peer, L: Lock>(m: &mut Measure, contenders: u64, readings: u64, size: u64) -> u64 {
    let lock = Arc::new(L::new());
    let mut group = Group::<P>::new(contenders);
    m.start();
    for _ in 0..contenders {
        let (lock, member) = (lock.clone(), group.member());
        P::go(async move {
            for i in 0..size / contenders {
                if i % (readings + 1) == 0 {
                    lock.write().await;
                } else {
                    black_box(lock.read().await);
                }
            }
            member.finish(1).await;
        });
    }
    group.wait().await;
    m.stop();
    lock.read().await
}

pub(super) async fn sleepers<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let mut group = Group::<P>::new(size);
    let member = group.member();
    let late: &'static Vec<AtomicU64> = Box::leak(Box::new((0..size).map(|_| AtomicU64::new(0)).collect()));
    m.start();
    for i in 0..size {
        P::go(async move {
            let until = Instant::now() + sleep_of(i);
            P::sleep(sleep_of(i)).await;
            let nanos = Instant::now().saturating_duration_since(until).as_nanos();
            late[i as usize].store(nanos as u64, Ordering::Relaxed);
            member.finish(1).await;
        });
    }
    let sum = group.wait().await;
    m.stop();
    note_lateness(m, &mut late.iter().map(|nanos| nanos.load(Ordering::Relaxed)).collect::<Vec<_>>());
    sum
}

pub(super) async fn timer<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    m.start();
    for _ in 0..size {
        P::start_stop_timer().await;
    }
    m.stop();
    size
}

/// One sleeps a millisecond again and again while others compute without ever waiting.
pub(super) async fn ticker<P: Peer>(m: Measure, busy: u64) -> ! {
    let ticks = Ticks::watch(m);
    P::go(async move {
        loop {
            let begin = Instant::now();
            P::sleep(TICK).await;
            ticks.note(begin);
        }
    });
    for _ in 0..busy {
        P::go(async { compute_for_ever() });
    }
    pending().await
}
