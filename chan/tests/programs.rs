//! Whole programs out of goroutines and channels.

mod common;

use common::{in_goroutines, rounds, small};
use gander_chan::{Receiver, bounded};
use gander_runtime::{Builder, go, scope, sleep, spawn, yield_now};
use std::hint::black_box;
use std::time::Duration;

#[test]
fn chan_5_multi_consumer() {
    const PRIMES: [usize; 9] = [2, 3, 7, 11, 13, 17, 19, 23, 31];
    let count = rounds(5_000).min(271_828);
    in_goroutines(|| {
        let (jobs, queue) = bounded::<usize>(69);
        let (results, answers) = bounded(69);
        let workers: Vec<_> = (0..23)
            .map(|_| {
                let (queue, results) = (queue.clone(), results.clone());
                spawn(move || {
                    for job in queue {
                        for prime in PRIMES {
                            if job % prime == 0 {
                                yield_now();
                            }
                        }
                        results.send(job).unwrap();
                    }
                })
            })
            .collect();
        let value = |i: usize| {
            if i.is_multiple_of(2) { i * PRIMES[i / 2 % PRIMES.len()] } else { i }
        };
        go(move || {
            (0..count).for_each(|i| jobs.send(value(i)).unwrap());
            jobs.close();
        });
        go(move || {
            workers.into_iter().for_each(|w| w.join().unwrap());
            results.close();
        });
        let found = answers.iter().fold((0, 0), |(n, sum), i| (n + 1, sum + i));
        assert_eq!(found, (count, (0..count).map(value).sum()));
    });
}

/// Uses the stack down to some depth, and checks it on the way back.
fn dig(depth: usize) -> usize {
    let here = black_box([depth; 64]);
    let below = if depth == 0 { 0 } else { dig(depth - 1) };
    assert!(here.iter().all(|&word| word == depth));
    below + 1
}

#[test]
fn chan_6_deep_recursion_between_sends() {
    in_goroutines(|| {
        let depth = if cfg!(debug_assertions) { 300 } else { 800 };
        let (s, r) = bounded(0);
        go(move || {
            for i in 0..10 {
                s.send([i; 256]).unwrap();
                assert_eq!(dig(depth), depth + 1);
            }
        });
        for i in 0..10_u32 {
            sleep(Duration::from_millis(if small() { 1 } else { 5 }));
            assert_eq!(r.recv().unwrap(), [i; 256]);
        }
    });
}

#[test]
fn chan_6_large_values_on_a_small_stack() {
    // What a value needs on the stack is some copies of it, not the channel's business on top.
    const SIZE: usize = 64 << 10;
    in_goroutines(|| {
        for capacity in [0, 2] {
            let (s, r) = bounded::<[u8; SIZE]>(capacity);
            let small = |name: &str| Builder::new().name(name.into()).stack_size(1 << 20);
            let sending = small("sender").spawn(move || (0..20).for_each(|i| s.send([i; SIZE]).unwrap())).unwrap();
            let receiving = small("receiver").spawn(move || {
                for i in 0..20 {
                    let value = r.recv().unwrap();
                    assert!(value[0] == i && value[SIZE - 1] == i);
                }
            });
            sending.join().unwrap();
            receiving.unwrap().join().unwrap();
        }
    });
}

#[test]
fn chan_8_chain() {
    in_goroutines(|| {
        let length = rounds(1_000);
        let (first, mut right) = bounded::<usize>(0);
        for _ in 0..length {
            let (s, r) = bounded(0);
            let from = std::mem::replace(&mut right, r);
            go(move || s.send(from.recv().unwrap() + 1).unwrap());
        }
        first.send(0).unwrap();
        assert_eq!(right.recv(), Ok(length));
    });
}

#[test]
fn chan_11_prime_sieve() {
    in_goroutines(|| {
        for capacity in [0, 1, 10] {
            let (s, mut r) = bounded(capacity);
            go(move || {
                (2..).take_while(|&i| s.send(i).is_ok()).for_each(drop);
            });
            let mut primes: Vec<u32> = Vec::new();
            while primes.len() < 200 {
                let prime = r.recv().unwrap();
                primes.push(prime);
                let (s, next) = bounded(capacity);
                let source: Receiver<u32> = std::mem::replace(&mut r, next);
                go(move || {
                    source
                        .iter()
                        .filter(|i| !i.is_multiple_of(prime))
                        .take_while(|&i| s.send(i).is_ok())
                        .for_each(drop);
                });
            }
            let is_prime = |n: u32| (2..n).take_while(|i| i * i <= n).all(|i| !n.is_multiple_of(i));
            assert_eq!(primes, (2..).filter(|&n| is_prime(n)).take(200).collect::<Vec<_>>());
        }
    });
}

#[test]
fn chan_12_semaphore_of_thousands() {
    in_goroutines(|| {
        let (s, r) = bounded(7);
        scope(|scope| {
            for _ in 0..rounds(500) {
                scope.spawn(|| {
                    s.send(()).unwrap();
                    assert!(s.len() <= 7);
                    yield_now();
                    r.recv().unwrap();
                });
            }
        });
        assert!(s.is_empty());
    });
}
