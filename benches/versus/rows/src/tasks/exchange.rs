//! Exchanging values.

use std::hint::black_box;
use std::time::Duration;

use super::{Group, Peer, Rx, Tx};
use crate::Measure;
use crate::blocking::RING;

pub(super) async fn ping_pong<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (ping, mut pinged) = P::channel(0);
    let (pong, mut ponged) = P::channel(0);
    P::go(async move {
        while let Some(value) = pinged.recv().await {
            pong.send(value + 1).await;
        }
    });
    m.start();
    let mut sum = 0;
    for _ in 0..size {
        ping.send(1).await;
        sum += ponged.recv().await.expect("it answers");
    }
    m.stop();
    sum
}

/// Through a channel with room for 128.
pub(super) async fn stream<P: Peer>(m: &mut Measure, senders: u64, receivers: u64, size: u64) -> u64 {
    let (tx, rx) = P::channel(128);
    let mut group = Group::<P>::new(receivers);
    let inputs: Vec<P::Rx> = (1..receivers).map(|_| rx.another()).collect();
    m.start();
    for mut rx in inputs.into_iter().chain([rx]) {
        let member = group.member();
        P::go(async move {
            let mut sum = 0;
            while let Some(value) = rx.recv().await {
                sum += value;
            }
            member.finish(sum).await;
        });
    }
    for _ in 0..senders {
        let tx = tx.clone();
        P::go(async move {
            for i in 0..size / senders {
                tx.send(i % 8).await;
            }
        });
    }
    drop(tx);
    let sum = group.wait().await;
    m.stop();
    sum
}

/// A chain of filters, one a prime; the last prime is the sum.
pub(super) async fn sieve<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    m.start();
    let (tx, mut rx) = P::channel(0);
    P::go(async move {
        let mut i = 2;
        while tx.send(i).await {
            i += 1;
        }
    });
    let mut prime = 0;
    for _ in 0..size {
        prime = rx.recv().await.expect("there is always another number");
        let (tx, next) = P::channel(0);
        let mut numbers = std::mem::replace(&mut rx, next);
        P::go(async move {
            while let Some(i) = numbers.recv().await {
                if i % prime != 0 && !tx.send(i).await {
                    return;
                }
            }
        });
    }
    m.stop();
    std::mem::forget(rx);
    prime
}

/// Ten thousand in a ring hand one value on.
pub(super) async fn ring<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (first, mut rx) = P::channel(0);
    for _ in 1..RING {
        let (tx, next) = P::channel(0);
        let mut input = std::mem::replace(&mut rx, next);
        P::go(async move {
            while let Some(value) = input.recv().await {
                tx.send(value + 1).await;
            }
        });
    }
    // Once round before the clock starts.
    first.send(0).await;
    let mut value = rx.recv().await.expect("the last one sends");
    m.start();
    for _ in 0..size / RING {
        first.send(value + 1).await;
        value = rx.recv().await.expect("the last one sends");
    }
    m.stop();
    value + 1 - RING
}

/// `N` channels, each with a sender that sends its share.
fn senders<P: Peer, const N: usize>(size: u64) -> [P::Rx; N] {
    std::array::from_fn(|_| {
        let (tx, rx) = P::channel(0);
        P::go(async move {
            for i in 0..size / N as u64 {
                tx.send(i % 8).await;
            }
            // Its end would be another message.
            std::mem::forget(tx);
        });
        rx
    })
}

pub(super) async fn select_2<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let [mut a, mut b] = senders::<P, 2>(size);
    m.start();
    let mut sum = 0;
    for _ in 0..size {
        sum += P::select_2(&mut a, &mut b).await;
    }
    m.stop();
    sum
}

pub(super) async fn select_8<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let mut inputs = senders::<P, 8>(size);
    m.start();
    let mut sum = 0;
    for _ in 0..size {
        sum += P::select_8(&mut inputs).await;
    }
    m.stop();
    sum
}

pub(super) async fn select_default<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (tx, mut rx) = P::channel(1);
    m.start();
    let sum = (0..size).map(|_| u64::from(black_box(&mut rx).try_recv().is_none())).sum();
    m.stop();
    drop(tx);
    sum
}

pub(super) async fn select_timeout<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    const FAR: Duration = Duration::from_secs(10);
    let [mut rx] = senders::<P, 1>(size);
    m.start();
    let mut sum = 0;
    for _ in 0..size {
        sum += P::select_timeout(&mut rx, FAR).await.expect("a value comes");
    }
    m.stop();
    sum
}
