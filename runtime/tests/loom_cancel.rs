//! Loom models of a wait that a partner, a signal and the clock may end: exactly one of them does, and the waiting task's
//! frame is left alone afterwards.
#![cfg(loom)]
#![allow(unsafe_code, reason = "waiters lie in the frames of the models' tasks")]

use gander_runtime::models::{Token, Waiter};
use gander_runtime::{Claim, Signal, Task};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

const PARTNER: usize = 1;

/// What a channel and a task's event are here.
struct Shared {
    signal: Signal,
    /// 0, or the claim of who waits at the partner's queue.
    queue: loom::sync::Mutex<usize>,
    /// How often the task was readied.
    readied: AtomicUsize,
    /// Stands for the frame of the waiting task: whoever touches it when the task is gone races with it.
    frame: UnsafeCell<u32>,
    data: UnsafeCell<u32>,
}

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            signal: Signal::new(),
            queue: loom::sync::Mutex::new(0),
            readied: AtomicUsize::new(0),
            frame: UnsafeCell::new(0),
            data: UnsafeCell::new(0),
        })
    }

    /// Waits as `wait_cancellable` and a channel do; returns the winner.
    fn wait(&self) -> usize {
        let claim = Claim::new();
        let claim_at = std::ptr::from_ref(&claim) as usize;
        // SAFETY: not zero; never readied but by `ready` below.
        let mut waiter = Waiter::new(unsafe { Task::from_bits(16) }, &claim);
        let at = &raw mut waiter;
        // The channel's lock is held while the task comes to rest.
        let mut queue = self.queue.lock().unwrap();
        *queue = claim_at;
        // SAFETY: the waiter stays until `withdraw`.
        let rests = unsafe { self.signal.enlist(at, move || drop(queue)) };
        while rests && self.readied.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        // SAFETY: enlisted above.
        unsafe { self.signal.withdraw(at) };
        // Out of the queue, before the frame goes.
        *self.queue.lock().unwrap() = 0;
        // SAFETY: whoever ended the wait is done with the frame.
        self.frame.with_mut(|frame| unsafe { *frame += 1 });
        assert_eq!(self.readied.load(Ordering::Relaxed), usize::from(rests), "readied as often as it rested");
        claim.winner()
    }

    fn ready(&self) {
        assert_eq!(self.readied.swap(1, Ordering::AcqRel), 0, "readied twice");
    }

    /// Ends the wait as a sender does, if there is one to end.
    fn send(&self) -> bool {
        let queue = self.queue.lock().unwrap();
        if *queue == 0 {
            return false;
        }
        // SAFETY: who waits takes its claim out of the queue before it goes.
        let claim = unsafe { &*(*queue as *const Claim) };
        // SAFETY: the frame is there while the claim is open or ours.
        self.frame.with(|frame| unsafe { *frame });
        let won = claim.claim(PARTNER);
        drop(queue);
        if won {
            self.ready();
        }
        won
    }

    fn fire(&self) -> bool {
        // SAFETY: written once, before anybody is told.
        self.data.with_mut(|data| unsafe { *data = 7 });
        self.signal.fire_with(|task| {
            assert_eq!(task.bits(), 16);
            self.ready();
        })
    }
}

#[test]
fn a_signal_against_one_that_comes_to_wait() {
    loom::model(|| {
        let shared = Shared::new();
        let theirs = shared.clone();
        let other = thread::spawn(move || assert!(theirs.fire()));
        assert_eq!(shared.wait(), Claim::CANCELLED);
        // SAFETY: what was before the signal is visible, and nobody writes after.
        assert_eq!(shared.data.with(|data| unsafe { *data }), 7);
        other.join().unwrap();
    });
}

#[test]
fn a_signal_against_a_partner() {
    loom::model(|| {
        let shared = Shared::new();
        let (firing, sending) = (shared.clone(), shared.clone());
        let first = thread::spawn(move || assert!(firing.fire()));
        let second = thread::spawn(move || sending.send());
        let winner = shared.wait();
        first.join().unwrap();
        let sent = second.join().unwrap();
        assert_eq!(winner == PARTNER, sent, "the value is moved if and only if the wait ended by it");
    });
}

#[test]
fn two_fire_one_wins() {
    loom::model(|| {
        let shared = Shared::new();
        let theirs = shared.clone();
        let other = thread::spawn(move || theirs.signal.fire_with(|_| theirs.ready()));
        let mine = shared.signal.fire_with(|_| shared.ready());
        assert_ne!(mine, other.join().unwrap());
        assert!(shared.signal.is_fired());
    });
}

/// The clock claims under its own lock (the heap's); here by a bare claim.
#[test]
fn a_signal_against_the_clock() {
    loom::model(|| {
        let signal = Arc::new(Signal::new());
        let claim = Arc::new(Claim::new());
        let readied = Arc::new(AtomicUsize::new(0));
        // SAFETY: not zero; never readied but below.
        let mut waiter = Waiter::new(unsafe { Task::from_bits(16) }, &claim);
        let at = &raw mut waiter;
        // SAFETY: it stays until `withdraw`.
        assert!(unsafe { signal.enlist(at, || {}) });
        let (theirs, woken) = (signal.clone(), readied.clone());
        let other = thread::spawn(move || theirs.fire_with(|_| assert_eq!(woken.swap(1, Ordering::AcqRel), 0)));
        if claim.claim(Claim::TIMEOUT) {
            assert_eq!(readied.swap(1, Ordering::AcqRel), 0);
        }
        while readied.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        // SAFETY: enlisted above.
        unsafe { signal.withdraw(at) };
        assert!([Claim::TIMEOUT, Claim::CANCELLED].contains(&claim.winner()));
        other.join().unwrap();
    });
}

impl Shared {
    /// Waits as who waits for a descriptor does. Whether it stood at the signal, and came to rest.
    fn wait_on(&self, token: &Token) -> bool {
        token.take();
        // SAFETY: not zero; never readied but by `ready`.
        let mut waiter = Waiter::on_token(unsafe { Task::from_bits(16) }, token);
        let at = &raw mut waiter;
        // SAFETY: the waiter stays until `withdraw`.
        if !unsafe { self.signal.watch(at) } {
            return false;
        }
        let rests = token.commit(16);
        while rests && self.readied.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        // SAFETY: watched above.
        unsafe { self.signal.withdraw(at) };
        assert_eq!(self.readied.load(Ordering::Relaxed), usize::from(rests), "readied as often as it rested");
        rests
    }
}

#[test]
fn a_signal_against_a_token() {
    loom::model(|| {
        let (shared, token) = (Shared::new(), Arc::new(Token::new()));
        let theirs = shared.clone();
        let firing = thread::spawn(move || assert!(theirs.fire()));
        shared.wait_on(&token);
        assert!(shared.signal.is_fired(), "nothing else ends the wait");
        // SAFETY: what was before the signal is visible, and nobody writes after.
        assert_eq!(shared.data.with(|data| unsafe { *data }), 7);
        firing.join().unwrap();
    });
}

#[test]
fn a_signal_against_a_token_and_a_report() {
    // All orders of three threads are too many.
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let (shared, token) = (Shared::new(), Arc::new(Token::new()));
        let (theirs, reporters) = (shared.clone(), shared.clone());
        let firing = thread::spawn(move || assert!(theirs.fire()));
        let reported = token.clone();
        let reporting = thread::spawn(move || {
            if reported.set().is_some() {
                reporters.ready();
            }
        });
        shared.wait_on(&token);
        firing.join().unwrap();
        reporting.join().unwrap();
        // Whichever came second is remembered, and costs a try in vain.
        assert_eq!(token.peek(), None);
    });
}
