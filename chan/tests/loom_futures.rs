//! Loom models of a future in line: it is woken for what it is given, by the waker of its last poll, and what it had been
//! given when it was dropped is not lost.
//!
//! The queues and nodes are the real ones; a channel's lock and the place of a waker are loom's.
#![cfg(loom)]
#![allow(unsafe_code, reason = "nodes are linked by address")]

use std::cell::UnsafeCell;
use std::mem::offset_of;

use gander_chan::models::{Node, Outcome, Queue};
use gander_runtime::Task;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// A channel of capacity 1.
struct Channel {
    buffer: Option<usize>,
    senders: Queue,
    receivers: Queue,
}

impl Channel {
    fn new() -> Arc<Mutex<Channel>> {
        Arc::new(Mutex::new(Channel { buffer: None, senders: Queue::new(), receivers: Queue::new() }))
    }
}

/// A future's seat. The value is first: a receiver's node points to it.
#[repr(C)]
struct Seat {
    value: UnsafeCell<usize>,
    node: UnsafeCell<Node>,
    waker: Mutex<Option<Arc<AtomicBool>>>,
}

// SAFETY: value and node are used under the channel's lock.
unsafe impl Send for Seat {}
// SAFETY: likewise.
unsafe impl Sync for Seat {}

impl Seat {
    fn new() -> Arc<Seat> {
        let seat = Arc::new(Seat {
            value: UnsafeCell::new(0),
            node: UnsafeCell::new(Node::new(std::ptr::null_mut())),
            waker: Mutex::new(None),
        });
        // SAFETY: nobody else knows it.
        unsafe { seat.node().write(Node::of_future(Task::current(), seat.value.get().cast())) };
        seat
    }

    fn node(&self) -> *mut Node {
        self.node.get()
    }

    fn set_waker(&self, waker: &Arc<AtomicBool>) {
        *self.waker.lock().unwrap() = Some(Arc::clone(waker));
    }

    fn tell(&self) {
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.store(true, Ordering::Release);
        }
    }
}

/// Sends without waiting: to who waits, or into the buffer.
fn send(channel: &Mutex<Channel>, value: usize) {
    let mut lines = channel.lock().unwrap();
    match lines.receivers.pop() {
        Some(receiver) => {
            let seat = receiver.place().cast_const().cast::<Seat>();
            // SAFETY: receivers wait with a seat, which the model keeps until all is over.
            unsafe {
                let _ = receiver.give(&value);
                drop(lines);
                (*seat).tell();
            }
        }
        None => assert!(lines.buffer.replace(value).is_none()),
    }
}

/// The first poll: the value, or the future stands in line.
fn poll_first(channel: &Mutex<Channel>, seat: &Seat, waker: &Arc<AtomicBool>) -> Option<usize> {
    seat.set_waker(waker);
    let mut lines = channel.lock().unwrap();
    if let Some(value) = take(&mut lines) {
        return Some(value);
    }
    // SAFETY: it is in no line, and the model keeps it.
    unsafe { lines.receivers.push(seat.node()) };
    None
}

/// A later poll.
fn poll_again(channel: &Mutex<Channel>, seat: &Seat, waker: &Arc<AtomicBool>) -> Option<usize> {
    seat.set_waker(waker);
    let _lines = channel.lock().unwrap();
    // SAFETY: the lock is held.
    unsafe { (Node::outcome(seat.node()) == Outcome::Moved).then(|| *seat.value.get()) }
}

/// The future is dropped: what it had goes to who waits, or to the front.
fn give_up(channel: &Mutex<Channel>, seat: &Seat) {
    let mut lines = channel.lock().unwrap();
    // SAFETY: the lock is held; the model keeps all seats.
    unsafe {
        if Node::outcome(seat.node()) == Outcome::Waiting {
            assert!(lines.receivers.remove(seat.node()));
            return;
        }
        match lines.receivers.pop() {
            Some(next) => {
                let next_seat = next.place().cast_const().cast::<Seat>();
                let _ = next.give(seat.value.get());
                drop(lines);
                (*next_seat).tell();
            }
            None => drop(lines.senders.insert_back(seat.node(), std::ptr::null_mut())),
        }
    }
}

/// The first value: one that came back, or of the buffer.
fn take(lines: &mut Channel) -> Option<usize> {
    let Some(value) = lines.senders.pop() else { return lines.buffer.take() };
    assert!(value.has_promised() && value.has_come_back());
    let (node, _) = value.value_back();
    // SAFETY: the lock is held, and the node is that of a seat with a value, which the model keeps.
    Some(unsafe { *(*node.byte_sub(offset_of!(Seat, node)).cast::<Seat>()).value.get() })
}

/// What is left, in order.
fn rest(channel: &Mutex<Channel>) -> Vec<usize> {
    let mut lines = channel.lock().unwrap();
    std::iter::from_fn(|| take(&mut lines)).collect()
}

fn waker() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}

/// Polled twice with different wakers while it is served: it has its value at the second poll, or the second waker is
/// woken.
#[test]
fn the_last_waker_is_woken() {
    loom::model(|| {
        let (channel, seat) = (Channel::new(), Seat::new());
        let theirs = Arc::clone(&channel);
        let (first, second) = (waker(), waker());
        let mut got = poll_first(&channel, &seat, &first);
        let sender = thread::spawn(move || send(&theirs, 7));
        got = got.or_else(|| poll_again(&channel, &seat, &second));
        if got.is_none() {
            while !second.load(Ordering::Acquire) {
                thread::yield_now();
            }
            got = poll_again(&channel, &seat, &second);
        }
        assert_eq!(got, Some(7));
        sender.join().unwrap();
    });
}

/// Dropped while it is served, beside another that comes: the value is the other's, or still there.
#[test]
fn what_was_given_is_not_lost() {
    loom::model(|| {
        let (channel, seat, other) = (Channel::new(), Seat::new(), Seat::new());
        assert_eq!(poll_first(&channel, &seat, &waker()), None);
        let theirs = Arc::clone(&channel);
        let sender = thread::spawn(move || send(&theirs, 7));
        let (their_channel, their_seat) = (Arc::clone(&channel), Arc::clone(&seat));
        let dropper = thread::spawn(move || give_up(&their_channel, &their_seat));
        let woken = waker();
        let mut got = poll_first(&channel, &other, &woken);
        sender.join().unwrap();
        dropper.join().unwrap();
        if got.is_none() {
            got = poll_again(&channel, &other, &woken);
            assert_eq!(got.is_some(), woken.load(Ordering::Acquire), "it hears of what it gets");
        }
        let mut all = rest(&channel);
        all.extend(got);
        assert_eq!(all, [7]);
    });
}

/// Two values, of which the first was given to a future that is dropped: what is left is in order.
#[test]
fn what_comes_back_is_first() {
    loom::model(|| {
        let (channel, seat) = (Channel::new(), Seat::new());
        assert_eq!(poll_first(&channel, &seat, &waker()), None);
        let theirs = Arc::clone(&channel);
        let sender = thread::spawn(move || {
            send(&theirs, 1);
            if theirs.lock().unwrap().buffer.is_none() {
                send(&theirs, 2);
            }
        });
        give_up(&channel, &seat);
        sender.join().unwrap();
        let rest = rest(&channel);
        assert!(rest == [1] || rest == [1, 2], "{rest:?}");
    });
}
