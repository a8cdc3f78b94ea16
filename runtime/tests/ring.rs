//! sync-21, sched-8: a P's ring under real threads, for what loom's small models leave out: length.
#![cfg(not(loom))]
#![allow(unsafe_code, reason = "each ring has one thread as its owner")]

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;

use gander_runtime::models::Ring;

/// An item that is told by its address alone; never dereferenced.
fn item(number: usize) -> *mut usize {
    std::ptr::without_provenance_mut(number * 8 + 8)
}

/// One owner pushes and takes some, and half of a full ring; nine thieves steal: each item is taken once.
#[test]
fn sync_21_each_is_taken_once() {
    let small = std::env::var_os("GANDER_TEST_SMALL").is_some();
    let count = if small { 10_000 } else { 300_000 };
    let taken: Vec<AtomicU8> = (0..count).map(|_| AtomicU8::new(0)).collect();
    let take = |item: *mut usize| {
        assert_eq!(taken[item.addr() / 8 - 1].fetch_add(1, Ordering::Relaxed), 0, "taken twice");
    };
    let (ring, is_over) = (Ring::<usize, 256>::new(), AtomicBool::new(false));
    thread::scope(|s| {
        for _ in 0..9 {
            s.spawn(|| {
                let mine = Ring::<usize, 256>::new();
                loop {
                    let was_over = is_over.load(Ordering::Acquire);
                    // SAFETY: this thread owns `mine`, which is empty.
                    let first = unsafe { ring.steal_into(&mine) };
                    first.map(take);
                    // SAFETY: likewise.
                    while let Some(next) = unsafe { mine.pop() } {
                        take(next);
                    }
                    if first.is_none() && was_over && ring.is_empty() {
                        return;
                    }
                    if first.is_none() {
                        thread::yield_now();
                    }
                }
            });
        }
        for number in 0..count {
            let mut half = [std::ptr::null_mut(); 128];
            // SAFETY: this thread is the owner.
            unsafe {
                while ring.push(item(number)).is_err() {
                    let moved = ring.take_half(&mut half);
                    half[..moved].iter().for_each(|item| take(*item));
                }
                if number % 10 == 0 {
                    ring.pop().map(take);
                }
            }
        }
        is_over.store(true, Ordering::Release);
    });
    assert!(taken.iter().all(|times| times.load(Ordering::Relaxed) == 1), "one was lost");
}
