//! Starting and ending: what a goroutine costs by itself.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Group, Peer, Rx, Tx};
use crate::Measure;
use crate::numbers::{memory_kib, recurse};

pub(super) fn yields<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    const TURNS: u64 = 4;
    let group = Group::<P>::new(TURNS);
    m.start();
    for _ in 0..TURNS {
        let finish = group.member();
        P::go(move || {
            (0..size / TURNS).for_each(|_| P::yield_now());
            finish(size / TURNS);
        });
    }
    let sum = group.wait();
    m.stop();
    sum
}

/// How many are started before the first is waited for.
pub(crate) const BATCH: u64 = 1000;

pub(super) fn spawns<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let group = Group::<P>::new(BATCH);
    let finish: &'static _ = Box::leak(Box::new(group.member()));
    m.start();
    let mut sum = 0;
    for _ in 0..size / BATCH {
        group.latch.reset();
        for i in 0..BATCH {
            P::go(move || finish(i));
        }
        sum += group.wait();
    }
    m.stop();
    sum
}

/// Each starts the next and ends.
pub(super) fn nested<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    fn link<P: Peer>(left: u64, finish: &'static (dyn Fn(u64) + Sync)) {
        P::go(move || if left > 1 { link::<P>(left - 1, finish) } else { finish(left) });
    }
    let group = Group::<P>::new(1);
    let finish: &'static _ = Box::leak(Box::new(group.member()));
    m.start();
    let mut sum = 0;
    for _ in 0..size / BATCH {
        group.latch.reset();
        link::<P>(BATCH, finish);
        sum += group.wait();
    }
    m.stop();
    sum
}

/// A tree of tens; each leaf sends its number up, each other node the sum of its ten.
pub(super) fn skynet<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    fn node<P: Peer>(up: P::Tx, number: u64, leaves: u64) {
        if leaves == 1 {
            up.send(number);
            return;
        }
        let (tx, rx) = P::channel(0);
        let share = leaves / 10;
        for i in 0..10 {
            let tx = tx.clone();
            P::go_small(move || node::<P>(tx, number + i * share, share));
        }
        let sum = (0..10).map(|_| rx.recv().expect("ten send")).sum();
        up.send(sum);
    }
    m.start();
    let (tx, rx) = P::channel(0);
    P::go_small(move || node::<P>(tx, 0, size));
    let sum = rx.recv().expect("the root sends");
    m.stop();
    sum
}

/// So many wait for a value each; then they get it.
pub(super) fn parked<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (tx, rx) = P::channel(0);
    let arrived: &'static AtomicU64 = Box::leak(Box::default());
    let group = Group::<P>::new(size);
    let finish: &'static _ = Box::leak(Box::new(group.member()));
    let before = memory_kib();
    m.start();
    for _ in 0..size {
        let rx = rx.another();
        P::go_small(move || {
            arrived.fetch_add(1, Ordering::Relaxed);
            finish(rx.recv().expect("a value comes"));
        });
    }
    while arrived.load(Ordering::Relaxed) < size {
        P::yield_now();
    }
    m.stop();
    m.note("memory_kib", (memory_kib() - before) / size as f64);
    m.note_each("create_wall_ns", "create_cpu_ns", size);
    m.start();
    for _ in 0..size {
        tx.send(1);
    }
    let sum = group.wait();
    m.stop();
    sum
}

pub(super) fn fib<P: Peer>(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let first = P::spawn(move || fib::<P>(n - 1));
    let second = fib::<P>(n - 2);
    P::join(first) + second
}

/// Frames of the deepest call.
const FRAMES: u64 = 10_000;

/// What they may take.
const DEEP: usize = 8 << 20;

/// Each on a stack that was never used before: nobody ends before all have been as deep.
pub(super) fn recursion_cold<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let group = Group::<P>::new(size);
    m.start();
    for _ in 0..size {
        let finish = group.member();
        P::go_deep(DEEP, move || {
            finish(recurse(FRAMES));
            let (tx, rx) = P::channel(0);
            std::mem::forget(tx);
            rx.recv();
        });
    }
    let sum = group.wait();
    m.stop();
    sum
}

/// Again and again on one stack.
pub(super) fn recursion_warm<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (begin, begun) = P::channel(1);
    let (go_on, gone_on) = P::channel(1);
    let group = Group::<P>::new(1);
    let finish = group.member();
    P::go_deep(DEEP, move || {
        begin.send(recurse(FRAMES));
        gone_on.recv();
        finish((0..size).map(|_| recurse(FRAMES)).sum());
    });
    begun.recv();
    m.start();
    go_on.send(0);
    let sum = group.wait();
    m.stop();
    sum
}
