//! Loom models of a P's ring: every goroutine that is put in is taken out once, whoever takes it.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p gander-runtime --release --test 'loom*'`.
#![cfg(loom)]
#![allow(unsafe_code, reason = "the ring's owner is chosen by the model")]

use gander_runtime::models::Ring;
use loom::sync::Arc;
use loom::thread;

/// Small enough to wrap and to overflow within a model.
type Small = Ring<usize, 4>;

/// An item that is told by its address alone; never dereferenced.
fn item(number: usize) -> *mut usize {
    std::ptr::without_provenance_mut(number * 8 + 8)
}

fn number(item: *mut usize) -> usize {
    item.addr() / 8 - 1
}

/// Steals into a ring of its own and empties that.
fn thief(ring: &Small) -> Vec<usize> {
    let mine = Small::new();
    let mut got = Vec::new();
    // SAFETY: this thread owns `mine`, which is empty.
    unsafe {
        if let Some(first) = ring.steal_into(&mine) {
            got.push(number(first));
        }
        while let Some(next) = mine.pop() {
            got.push(number(next));
        }
    }
    got
}

fn assert_each_once(mut got: Vec<usize>, count: usize) {
    got.sort_unstable();
    assert_eq!(got, (0..count).collect::<Vec<_>>());
}

#[test]
fn owner_against_a_thief() {
    loom::model(|| {
        let ring = Arc::new(Small::new());
        let theirs = ring.clone();
        // SAFETY: this thread is the owner.
        unsafe {
            ring.push(item(0)).unwrap();
            ring.push(item(1)).unwrap();
        }
        let other = thread::spawn(move || thief(&theirs));
        let mut got = Vec::new();
        // SAFETY: likewise.
        unsafe {
            got.extend(ring.pop().map(number));
            ring.push(item(2)).unwrap();
            while let Some(next) = ring.pop() {
                got.push(number(next));
            }
        }
        got.extend(other.join().unwrap());
        assert_each_once(got, 3);
    });
}

#[test]
fn two_thieves() {
    loom::model(|| {
        let ring = Arc::new(Small::new());
        // SAFETY: this thread is the owner.
        unsafe {
            for i in 0..3 {
                ring.push(item(i)).unwrap();
            }
        }
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let theirs = ring.clone();
                thread::spawn(move || thief(&theirs))
            })
            .collect();
        let mut got = Vec::new();
        // SAFETY: likewise.
        unsafe { got.extend(ring.pop().map(number)) };
        for other in thieves {
            got.extend(other.join().unwrap());
        }
        // SAFETY: likewise.
        while let Some(next) = unsafe { ring.pop() } {
            got.push(number(next));
        }
        assert_each_once(got, 3);
    });
}

#[test]
fn overflow_against_a_thief() {
    loom::model(|| {
        let ring = Arc::new(Small::new());
        // SAFETY: this thread is the owner.
        unsafe {
            for i in 0..4 {
                ring.push(item(i)).unwrap();
            }
        }
        let theirs = ring.clone();
        let other = thread::spawn(move || thief(&theirs));
        let mut got = Vec::new();
        // SAFETY: likewise.
        unsafe {
            // As `P::put` does with a fifth.
            let mut fifth = item(4);
            let mut half = [std::ptr::null_mut(); 2];
            while let Err(back) = ring.push(fifth) {
                fifth = back;
                let taken = ring.take_half(&mut half);
                got.extend(half[..taken].iter().map(|&taken| number(taken)));
            }
        }
        got.extend(other.join().unwrap());
        // SAFETY: likewise.
        while let Some(next) = unsafe { ring.pop() } {
            got.push(number(next));
        }
        assert_each_once(got, 5);
    });
}

/// A slot is written again only after every thief that read it has seen its claim fail or succeed.
#[test]
fn wrap_around_against_a_thief() {
    loom::model(|| {
        let ring = Arc::new(Ring::<usize, 2>::new());
        let theirs = ring.clone();
        // SAFETY: this thread is the owner.
        unsafe { ring.push(item(0)).unwrap() };
        let other = thread::spawn(move || {
            let mine = Ring::<usize, 2>::new();
            // SAFETY: this thread owns `mine`.
            unsafe { theirs.steal_into(&mine) }.map(number)
        });
        let mut got = Vec::new();
        // SAFETY: likewise.
        unsafe {
            for i in 1..3 {
                let mut next = item(i);
                while let Err(back) = ring.push(next) {
                    next = back;
                    got.extend(ring.pop().map(number));
                }
            }
            while let Some(next) = ring.pop() {
                got.push(number(next));
            }
        }
        got.extend(other.join().unwrap());
        assert_each_once(got, 3);
    });
}

/// sched-8: whoever looks while an item is there, and nobody takes it, does not see an empty ring.
#[test]
fn never_empty_while_it_has_one() {
    loom::model(|| {
        let ring = Arc::new(Small::new());
        // SAFETY: this thread is the owner.
        unsafe {
            ring.push(item(0)).unwrap();
            ring.push(item(1)).unwrap();
        }
        let theirs = ring.clone();
        let other = thread::spawn(move || assert!(!theirs.is_empty()));
        // SAFETY: likewise.
        unsafe {
            ring.pop().unwrap();
            ring.push(item(2)).unwrap();
        }
        other.join().unwrap();
    });
}
