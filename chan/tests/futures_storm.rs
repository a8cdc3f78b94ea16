//! Receives and sends as futures that are given up at random, beside all others: nothing is lost, nothing comes twice.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use common::{Chance, Ledger, in_goroutines, rounds, watched};
use gander_chan::{RecvError, bounded, select, unbounded};
use gander_runtime::block_on;

/// Polls once, and is not told of anything.
fn poll_idly<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

type Task<'a> = Box<dyn FnOnce() + Send + 'a>;

fn in_scope(tasks: Vec<Task<'_>>) {
    gander_runtime::scope(|scope| tasks.into_iter().for_each(|task| drop(scope.spawn(task))));
}

fn in_threads(tasks: Vec<Task<'_>>) {
    thread::scope(|scope| tasks.into_iter().for_each(|task| drop(scope.spawn(task))));
}

/// Receives that are given up at random, beside others that wait in every way: each value is received once.
fn storm(run: fn(Vec<Task<'_>>), capacity: Option<usize>, count: usize) {
    const TASKS: usize = 3;
    let (s, r) = capacity.map_or_else(unbounded, bounded);
    let mut chance = Chance::new("storm");
    let seen: Vec<_> = (0..TASKS * count).map(|_| AtomicUsize::new(0)).collect();
    let note = |value: usize| assert_eq!(seen[value].fetch_add(1, Ordering::Relaxed), 0, "{value} twice");
    let note = &note;
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for task in 0..TASKS {
        let (s, mut chance) = (s.clone(), chance.split());
        tasks.push(Box::new(move || {
            for value in task * count..(task + 1) * count {
                match chance.below(4) {
                    0 => block_on(s.send_async(value)).unwrap(),
                    1 => select! { send(s, value) -> sent => sent.unwrap() },
                    2 => {
                        while s.try_send(value).is_err() {
                            gander_runtime::yield_now();
                        }
                    }
                    _ => s.send(value).unwrap(),
                }
            }
        }));
    }
    drop(s);
    for _ in 0..TASKS {
        let (r, mut chance) = (r.clone(), chance.split());
        tasks.push(Box::new(move || {
            loop {
                let value = match chance.below(6) {
                    0 => r.recv(),
                    1 => block_on(r.recv_async()),
                    2 => select! { recv(r) -> value => value },
                    _ => {
                        let mut futures: Vec<_> = (0..1 + chance.below(4)).map(|_| r.recv_async()).collect();
                        futures.retain_mut(|future| match poll_idly(future) {
                            Poll::Ready(value) => {
                                value.map(note).unwrap_or_default();
                                false
                            }
                            Poll::Pending => true,
                        });
                        (0..chance.below(4)).for_each(|_| gander_runtime::yield_now());
                        while !futures.is_empty() {
                            drop(futures.swap_remove(chance.below(futures.len())));
                        }
                        continue;
                    }
                };
                match value {
                    Ok(value) => note(value),
                    Err(RecvError) => break,
                }
            }
        }));
    }
    run(tasks);
    r.try_iter().for_each(note);
    assert!(seen.iter().all(|seen| seen.load(Ordering::Relaxed) == 1));
}

#[test]
fn a_storm_of_receives_given_up() {
    const CAPACITIES: [Option<usize>; 4] = [Some(0), Some(1), Some(4), None];
    in_goroutines(|| CAPACITIES.into_iter().for_each(|capacity| storm(in_scope, capacity, rounds(1_000))));
    watched(|| CAPACITIES.into_iter().for_each(|capacity| storm(in_threads, capacity, rounds(200))));
}

/// Sends that are given up at random: each value is dropped once, by who received it or with its future.
#[test]
fn a_storm_of_sends_given_up() {
    let storm = |run: fn(Vec<Task<'_>>), capacity: usize, count: usize| {
        let ledger = Ledger::new(3 * count);
        let (s, r) = bounded(capacity);
        let mut chance = Chance::new("sends");
        let mut tasks: Vec<Task<'_>> = Vec::new();
        for task in 0..3 {
            let (s, mut chance, ledger) = (s.clone(), chance.split(), &ledger);
            tasks.push(Box::new(move || {
                for id in task * count..(task + 1) * count {
                    let mut send = s.send_async(ledger.value(id));
                    if poll_idly(&mut send).is_pending() {
                        (0..chance.below(4)).for_each(|_| gander_runtime::yield_now());
                        if chance.below(3) == 0 {
                            block_on(send).unwrap();
                        }
                    }
                }
            }));
        }
        drop(s);
        tasks.push(Box::new(move || r.iter().for_each(drop)));
        run(tasks);
        ledger.settle();
    };
    in_goroutines(|| [0, 1, 4].into_iter().for_each(|capacity| storm(in_scope, capacity, rounds(1_000))));
    watched(|| [0, 1, 4].into_iter().for_each(|capacity| storm(in_threads, capacity, rounds(200))));
}
