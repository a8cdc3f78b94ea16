//! Loom models of the select claim: of those who would end a wait one does, and nothing is lost by the others.
//!
//! The queues, the nodes and the claim are the real ones; a channel's lock and a task's rest are loom's.
#![cfg(loom)]
#![allow(unsafe_code, reason = "nodes are linked by address")]

use gander_chan::models::{Node, Outcome, Queue};
use gander_runtime::{Claim, Task};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// A channel of numbers, unbounded or of capacity 0.
#[derive(Debug)]
struct Channel {
    buffer: Option<Vec<usize>>,
    senders: Queue,
    receivers: Queue,
}

impl Channel {
    fn unbounded() -> Arc<Mutex<Channel>> {
        Arc::new(Mutex::new(Channel { buffer: Some(Vec::new()), senders: Queue::new(), receivers: Queue::new() }))
    }

    fn rendezvous() -> Arc<Mutex<Channel>> {
        Arc::new(Mutex::new(Channel { buffer: None, senders: Queue::new(), receivers: Queue::new() }))
    }
}

/// What a waiting task is woken by, and the place for its value: a node's `value` points here.
#[derive(Debug)]
#[repr(C)]
struct Place {
    value: usize,
    woken: AtomicUsize,
}

impl Place {
    fn new(value: usize) -> Place {
        Place { value, woken: AtomicUsize::new(0) }
    }

    fn rest(&self) {
        while self.woken.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
    }
}

/// Readies the task that has this place.
///
/// # Safety
///
/// The caller has won its wait.
unsafe fn wake(place: *const Place) {
    // SAFETY: the place is there until its task is woken.
    assert_eq!(unsafe { (*place).woken.swap(1, Ordering::Release) }, 0, "woken twice");
}

/// Sends without a select: to who waits, or into the buffer.
fn send(channel: &Mutex<Channel>, value: usize) {
    let mut state = channel.lock().unwrap();
    let woken = state.receivers.pop().map(|receiver| {
        let place = receiver.place().cast::<Place>();
        // SAFETY: receivers wait with a place whose first field is the value.
        let _ = unsafe { receiver.give(&value) };
        place
    });
    if woken.is_none() {
        state.buffer.as_mut().unwrap().push(value);
    }
    drop(state);
    // SAFETY: we have popped it.
    woken.inspect(|place| unsafe { wake(*place) });
}

/// One arm: a channel, and whether it is to send there.
type Arm<'a> = (&'a Arc<Mutex<Channel>>, bool);

/// A select over channels in the order of their locks. Sends carry `value`. Returns the winner's position and, of a
/// receive, the value. With a clock that goes off on another thread through `expire`.
fn select(arms: &[Arm<'_>], value: usize, expire: Option<&(Arc<Claim>, Arc<AtomicUsize>)>) -> (usize, usize) {
    let mut guards: Vec<_> = arms.iter().map(|(channel, _)| channel.lock().unwrap()).collect();
    for (position, (_, sends)) in arms.iter().enumerate() {
        let state = &mut guards[position];
        if *sends {
            if let Some(receiver) = state.receivers.pop() {
                let place = receiver.place().cast::<Place>();
                // SAFETY: as in `send`.
                let _ = unsafe { receiver.give(&value) };
                drop(guards);
                // SAFETY: we have popped it.
                unsafe { wake(place) };
                return (position, value);
            }
        } else if let Some(buffer) = state.buffer.as_mut().filter(|buffer| !buffer.is_empty()) {
            return (position, buffer.remove(0));
        } else if let Some(sender) = state.senders.pop() {
            let place = sender.place().cast::<Place>();
            // SAFETY: senders wait with a place whose first field is the value.
            let value = unsafe { *sender.value::<usize>().0 };
            drop(guards);
            // SAFETY: we have popped it.
            unsafe { wake(place) };
            return (position, value);
        }
    }
    let own = Claim::new();
    let claim: &Claim = expire.map_or(&own, |(claim, _)| claim);
    let mut place = Place::new(value);
    let place = &raw mut place;
    let mut nodes: Vec<_> =
        (0..arms.len()).map(|i| Node::claimed(Task::current(), place.cast(), claim, i + 1)).collect();
    let first = nodes.as_mut_ptr();
    for (position, (_, sends)) in arms.iter().enumerate() {
        let queue = if *sends { &mut guards[position].senders } else { &mut guards[position].receivers };
        // SAFETY: the nodes stay until they are taken out below.
        unsafe { queue.push(first.add(position)) };
    }
    if let Some((_, clock)) = expire {
        clock.store(place.expose_provenance(), Ordering::Release);
    }
    drop(guards);
    // SAFETY: the place is ours.
    unsafe { (*place).rest() };
    let winner = claim.winner();
    assert_ne!(winner, 0, "woken without a claim");
    for (position, (channel, sends)) in arms.iter().enumerate() {
        if position + 1 == winner {
            continue;
        }
        let mut state = channel.lock().unwrap();
        let queue = if *sends { &mut state.senders } else { &mut state.receivers };
        // SAFETY: it was queued there.
        unsafe { queue.remove(first.add(position)) };
    }
    if winner == Claim::TIMEOUT {
        return (usize::MAX, 0);
    }
    // SAFETY: the wait is over.
    unsafe {
        assert_eq!(Node::outcome(first.add(winner - 1)), Outcome::Moved);
        (winner - 1, (*place).value)
    }
}

/// Two who send to one select: it has one value, the other is still there, and both lines are empty.
#[test]
fn one_of_two_senders_is_received() {
    loom::model(|| {
        let (a, b) = (Channel::unbounded(), Channel::unbounded());
        let senders: Vec<_> = [(&a, 1), (&b, 2)]
            .map(|(channel, value)| {
                let channel = Arc::clone(channel);
                thread::spawn(move || send(&channel, value))
            })
            .into();
        let (winner, value) = select(&[(&a, false), (&b, false)], 0, None);
        assert_eq!(value, winner + 1);
        for sender in senders {
            sender.join().unwrap();
        }
        for (position, channel) in [a, b].iter().enumerate() {
            let state = channel.lock().unwrap();
            assert!(state.receivers.is_empty(), "a node was left behind");
            let expected = if position == winner { vec![] } else { vec![position + 1] };
            assert_eq!(state.buffer, Some(expected));
        }
    });
}

/// Two selects that face each other over two channels without a buffer, each sending and receiving: one value goes
/// one way.
#[test]
fn selects_that_face_each_other_meet() {
    loom::model(|| {
        let (a, b) = (Channel::rendezvous(), Channel::rendezvous());
        let (their_a, their_b) = (Arc::clone(&a), Arc::clone(&b));
        let other = thread::spawn(move || select(&[(&their_a, false), (&their_b, true)], 7, None));
        let mine = select(&[(&a, true), (&b, false)], 5, None);
        let theirs = other.join().unwrap();
        assert!(mine == theirs && [(0, 5), (1, 7)].contains(&mine), "{mine:?} {theirs:?}");
        for channel in [a, b] {
            let state = channel.lock().unwrap();
            assert!(state.senders.is_empty() && state.receivers.is_empty());
        }
    });
}

/// The clock against a sender: who loses has done nothing.
#[test]
fn the_clock_against_a_sender() {
    loom::model(|| {
        let a = Channel::unbounded();
        let clock = (Arc::new(Claim::new()), Arc::new(AtomicUsize::new(0)));
        let (claim, at) = (Arc::clone(&clock.0), Arc::clone(&clock.1));
        let ticking = thread::spawn(move || {
            let place = at.load(Ordering::Acquire);
            if place != 0 && claim.claim(Claim::TIMEOUT) {
                // SAFETY: we have won its wait.
                unsafe { wake(std::ptr::with_exposed_provenance(place)) };
            }
        });
        let theirs = Arc::clone(&a);
        let sending = thread::spawn(move || send(&theirs, 3));
        let (winner, value) = select(&[(&a, false)], 0, Some(&clock));
        ticking.join().unwrap();
        sending.join().unwrap();
        let state = a.lock().unwrap();
        assert!(state.receivers.is_empty());
        let expected = if winner == 0 { vec![] } else { vec![3] };
        assert_eq!((state.buffer.clone(), value), (Some(expected), if winner == 0 { 3 } else { 0 }));
    });
}

/// The locks are let go one by one for a task at rest, which may be woken after the first: it must not be done with
/// its arms before the last has been let go, even though it does not take the winner's lock.
#[test]
fn the_arms_outlast_the_release() {
    for winner in [0, 1] {
        loom::model(move || {
            let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
            let (is_over, is_woken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let guards = [locks[0].lock().unwrap(), locks[1].lock().unwrap()];
            let theirs = (Arc::clone(&locks), Arc::clone(&is_woken));
            let partner = thread::spawn(move || {
                let _guard = theirs.0[winner].lock().unwrap();
                theirs.1.store(true, Ordering::Release);
            });
            let theirs = (Arc::clone(&locks), Arc::clone(&is_woken), Arc::clone(&is_over));
            let task = thread::spawn(move || {
                while !theirs.1.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                drop(theirs.0[1 - winner].lock().unwrap());
                theirs.2.store(true, Ordering::Release);
            });
            // The far side: which lock is next stands in the arms, and is read before the one in hand is let go.
            for guard in guards {
                assert!(!is_over.load(Ordering::Acquire), "the arms are gone");
                drop(guard);
            }
            partner.join().unwrap();
            task.join().unwrap();
        });
    }
}
