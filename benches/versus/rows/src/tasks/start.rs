//! Starting and ending: what a task costs by itself.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Gate, Group, Member, Peer, Rx, Tx};
use crate::Measure;
use crate::blocking::BATCH;
use crate::numbers::memory_kib;

pub(super) async fn yields<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    const TURNS: u64 = 4;
    let mut group = Group::<P>::new(TURNS);
    m.start();
    for _ in 0..TURNS {
        let member = group.member();
        P::go(async move {
            for _ in 0..size / TURNS {
                P::yield_now().await;
            }
            member.finish(size / TURNS).await;
        });
    }
    let sum = group.wait().await;
    m.stop();
    sum
}

pub(super) async fn spawns<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let mut group = Group::<P>::new(BATCH);
    let member = group.member();
    m.start();
    let mut sum = 0;
    for _ in 0..size / BATCH {
        group.latch.reset();
        for i in 0..BATCH {
            P::go(async move { member.finish(i).await });
        }
        sum += group.wait().await;
    }
    m.stop();
    sum
}

/// Each starts the next and ends.
pub(super) async fn nested<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    fn link<P: Peer>(left: u64, member: Member<P>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if left > 1 {
                P::go(link::<P>(left - 1, member));
            } else {
                member.finish(left).await;
            }
        })
    }
    let mut group = Group::<P>::new(1);
    let member = group.member();
    m.start();
    let mut sum = 0;
    for _ in 0..size / BATCH {
        group.latch.reset();
        P::go(link::<P>(BATCH, member));
        sum += group.wait().await;
    }
    m.stop();
    sum
}

/// A tree of tens; each leaf sends its number up, each other node the sum of its ten.
pub(super) async fn skynet<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    fn node<P: Peer>(up: P::Tx, number: u64, leaves: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if leaves == 1 {
                up.send(number).await;
                return;
            }
            let (tx, mut rx) = P::channel(0);
            let share = leaves / 10;
            for i in 0..10 {
                P::go(node::<P>(tx.clone(), number + i * share, share));
            }
            let mut sum = 0;
            for _ in 0..10 {
                sum += rx.recv().await.expect("ten send");
            }
            up.send(sum).await;
        })
    }
    m.start();
    let (tx, mut rx) = P::channel(0);
    P::go(node::<P>(tx, 0, size));
    let sum = rx.recv().await.expect("the root sends");
    m.stop();
    sum
}

/// So many wait; then they are let through.
pub(super) async fn parked<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let gate: &'static P::Gate = Box::leak(Box::new(P::Gate::new()));
    let arrived: &'static AtomicU64 = Box::leak(Box::default());
    let mut group = Group::<P>::new(size);
    let member = group.member();
    let before = memory_kib();
    m.start();
    for _ in 0..size {
        P::go(async move {
            arrived.fetch_add(1, Ordering::Relaxed);
            gate.pass().await;
            member.finish(1).await;
        });
    }
    while arrived.load(Ordering::Relaxed) < size {
        P::yield_now().await;
    }
    m.stop();
    m.note("memory_kib", (memory_kib() - before) / size as f64);
    m.note_each("create_wall_ns", "create_cpu_ns", size);
    m.start();
    for _ in 0..size {
        gate.open_for_one().await;
    }
    let sum = group.wait().await;
    m.stop();
    sum
}

pub(super) fn fib<P: Peer>(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let first = P::spawn(fib::<P>(n - 1));
        let second = fib::<P>(n - 2).await;
        first.await + second
    })
}
