//! Many hold the same things in turns. Law: who holds alone is alone, a semaphore never gives more than it has, a queue
//! under a condition variable loses nothing, and all come to their end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use gander::sync::{Barrier, Condvar, Mutex, Once, RwLock, Semaphore, WaitGroup};

use crate::random::Random;

/// What a round is about.
struct Things {
    /// Two numbers that are equal whenever nobody holds them alone.
    pair: Mutex<(u64, u64)>,
    table: RwLock<(u64, u64)>,
    tokens: Arc<Semaphore>,
    given: AtomicI64,
    size: i64,
    once: Once,
    onces: AtomicU64,
    checks: AtomicU64,
}

pub(crate) fn round(random: &mut Random) -> u64 {
    let size = random.between(1, 5);
    let things = Arc::new(Things {
        pair: Mutex::new((0, 0)),
        table: RwLock::new((0, 0)),
        tokens: Arc::new(Semaphore::new(size as usize)),
        given: AtomicI64::new(0),
        size: size as i64,
        once: Once::new(),
        onces: AtomicU64::new(0),
        checks: AtomicU64::new(0),
    });
    let members = random.between(2, 12) as usize;
    let barrier = Arc::new(Barrier::new(members));
    let all = WaitGroup::new();
    let mut threads = Vec::new();
    for _ in 0..members {
        let (things, barrier, mut own) = (things.clone(), barrier.clone(), random.fork());
        let body = move || {
            barrier.wait();
            (0..own.between(1, 40)).for_each(|_| touch(&things, &mut own));
        };
        if random.one_in(8) { threads.push(std::thread::spawn(body)) } else { all.go(body) }
    }
    all.wait();
    threads.into_iter().for_each(|one| gander::blocking(|| one.join()).expect("a thread of the round failed"));
    assert!(things.onces.load(Ordering::Relaxed) <= 1, "once was more than once");
    assert_eq!(things.given.load(Ordering::Relaxed), 0, "tokens are still out");
    condition(random);
    things.checks.load(Ordering::Relaxed)
}

fn touch(things: &Things, random: &mut Random) {
    things.checks.fetch_add(1, Ordering::Relaxed);
    match random.below(7) {
        0 | 1 => {
            let mut pair = things.pair.lock().expect("nobody panics in a round");
            assert_eq!(pair.0, pair.1, "two held the mutex");
            pair.0 += 1;
            random.dawdle();
            pair.1 += 1;
        }
        2 => {
            let mut table = things.table.write().expect("nobody panics in a round");
            assert_eq!(table.0, table.1, "two held the lock for writing");
            table.0 += 1;
            random.dawdle();
            table.1 += 1;
        }
        3 => {
            let table = things.table.read().expect("nobody panics in a round");
            let before = *table;
            random.dawdle();
            assert_eq!((table.0, before.0), (table.1, table.1), "somebody wrote beside a reader");
        }
        4 | 5 => {
            let count = random.between(1, things.size as u64);
            let permit = match random.below(3) {
                0 => things.tokens.try_acquire(count as usize),
                1 => things.tokens.acquire_timeout(count as usize, random.micros(500)),
                _ => Some(things.tokens.acquire(count as usize)),
            };
            let Some(permit) = permit else { return };
            let out = things.given.fetch_add(count as i64, Ordering::SeqCst) + count as i64;
            assert!(out <= things.size, "{out} tokens of {} are out", things.size);
            random.dawdle();
            things.given.fetch_sub(count as i64, Ordering::SeqCst);
            drop(permit);
        }
        _ => things.once.call_once(|| {
            random.dawdle();
            things.onces.fetch_add(1, Ordering::Relaxed);
        }),
    }
}

/// A queue of one's own making: a mutex and a condition variable. What goes in comes out.
fn condition(random: &mut Random) {
    let queue = Arc::new((Mutex::new(VecDeque::new()), Condvar::new()));
    let (makers, each) = (random.between(1, 4), random.between(1, 30));
    let sum = Arc::new(AtomicU64::new(0));
    let all = WaitGroup::new();
    for _ in 0..makers {
        let (put, mut own) = (queue.clone(), random.fork());
        all.go(move || {
            for number in 1..=each {
                own.dawdle();
                put.0.lock().expect("nobody panics in a round").push_back(number);
                put.1.notify_one();
            }
        });
        let (get, sum) = (queue.clone(), sum.clone());
        all.go(move || {
            for _ in 0..each {
                let filled = get.0.lock().expect("nobody panics in a round");
                let mut filled =
                    get.1.wait_while(filled, |queue: &mut VecDeque<u64>| queue.is_empty()).expect("nobody panics");
                sum.fetch_add(filled.pop_front().expect("waited for"), Ordering::Relaxed);
            }
        });
    }
    all.wait();
    assert_eq!(sum.load(Ordering::Relaxed), makers * each * (each + 1) / 2, "the queue lost or doubled something");
}
