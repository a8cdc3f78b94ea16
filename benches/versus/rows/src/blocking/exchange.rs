//! Exchanging values.

use std::hint::black_box;
use std::time::Duration;

use super::{Group, Peer, Rx, Tx};
use crate::{Latch, Measure};

pub(super) fn ping_pong<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (ping, pinged) = P::channel(0);
    let (pong, ponged) = P::channel(0);
    P::go(move || {
        while let Some(value) = pinged.recv() {
            pong.send(value + 1);
        }
    });
    m.start();
    let mut sum = 0;
    for _ in 0..size {
        ping.send(1);
        sum += ponged.recv().expect("it answers");
    }
    m.stop();
    sum
}

/// Through a channel with room for 128.
pub(super) fn stream<P: Peer>(m: &mut Measure, senders: u64, receivers: u64, size: u64) -> u64 {
    let (tx, rx) = P::channel(128);
    let group = Group::<P>::new(receivers);
    let inputs: Vec<P::Rx> = (1..receivers).map(|_| rx.another()).chain(None).collect();
    m.start();
    for rx in inputs.into_iter().chain([rx]) {
        let finish = group.member();
        P::go(move || {
            let mut sum = 0;
            while let Some(value) = rx.recv() {
                sum += value;
            }
            finish(sum);
        });
    }
    let sent = Latch::new(senders);
    for _ in 0..senders {
        let tx = tx.clone();
        P::go(move || {
            for i in 0..size / senders {
                tx.send(i % 8);
            }
            if sent.finish(0) {
                tx.close();
            }
        });
    }
    drop(tx);
    let sum = group.wait();
    m.stop();
    sum
}

/// A chain of filters, one a prime; the last prime is the sum.
pub(super) fn sieve<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    m.start();
    let (tx, mut rx) = P::channel(0);
    P::go(move || {
        let mut i = 2;
        while tx.send(i) {
            i += 1;
        }
    });
    let mut prime = 0;
    for _ in 0..size {
        prime = rx.recv().expect("there is always another number");
        let (tx, next) = P::channel(0);
        let numbers = std::mem::replace(&mut rx, next);
        P::go(move || {
            while let Some(i) = numbers.recv() {
                if i % prime != 0 && !tx.send(i) {
                    return;
                }
            }
        });
    }
    m.stop();
    std::mem::forget(rx);
    prime
}

/// How many stand in the ring.
pub(crate) const RING: u64 = 10_000;

/// They hand one value on.
pub(super) fn ring<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (first, mut rx) = P::channel(0);
    for _ in 1..RING {
        let (tx, next) = P::channel(0);
        let input = std::mem::replace(&mut rx, next);
        P::go_small(move || {
            while let Some(value) = input.recv() {
                tx.send(value + 1);
            }
        });
    }
    // Once round before the clock starts: each has its stack then.
    first.send(0);
    let mut value = rx.recv().expect("the last one sends");
    m.start();
    for _ in 0..size / RING {
        first.send(value + 1);
        value = rx.recv().expect("the last one sends");
    }
    m.stop();
    value + 1 - RING
}

/// `N` channels, each with a sender that sends its share.
fn senders<P: Peer, const N: usize>(size: u64) -> [P::Rx; N] {
    std::array::from_fn(|_| {
        let (tx, rx) = P::channel(0);
        P::go(move || {
            for i in 0..size / N as u64 {
                tx.send(i % 8);
            }
            // Its end would be another message.
            std::mem::forget(tx);
        });
        rx
    })
}

pub(super) fn select<P: Peer, const N: usize>(m: &mut Measure, size: u64) -> u64 {
    let inputs = senders::<P, N>(size);
    m.start();
    let sum = P::select_all(&inputs, size);
    m.stop();
    sum
}

pub(super) fn select_default<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    let (tx, rx) = P::channel(1);
    m.start();
    let sum = (0..size).map(|_| u64::from(P::select_default(black_box(&rx)).is_none())).sum();
    m.stop();
    drop(tx);
    sum
}

pub(super) fn select_timeout<P: Peer>(m: &mut Measure, size: u64) -> u64 {
    const FAR: Duration = Duration::from_secs(10);
    let [rx] = senders::<P, 1>(size);
    m.start();
    let sum = (0..size).map(|_| P::select_timeout(&rx, FAR).expect("a value comes")).sum();
    m.stop();
    sum
}
