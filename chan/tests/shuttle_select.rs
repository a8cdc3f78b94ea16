//! Selects against each other over several channels, with more tasks than loom can enumerate: random schedules. The queues,
//! the nodes and the claim are the real ones; a channel's lock and a task's rest are shuttle's.
#![cfg(shuttle)]
#![allow(unsafe_code, reason = "nodes are linked by address")]

mod checked;

use checked::check;
use gander_chan::models::{Node, Outcome, Queue, Waiter};
use gander_runtime::{Claim, Task};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

/// A channel of numbers, with so much room.
struct Channel {
    room: usize,
    buffer: Vec<usize>,
    senders: Queue,
    receivers: Queue,
    closed: bool,
}

type Channels = Arc<Vec<Mutex<Channel>>>;

fn channels(rooms: &[usize]) -> Channels {
    let make = |&room: &usize| {
        let (senders, receivers) = (Queue::new(), Queue::new());
        Mutex::new(Channel { room, buffer: Vec::new(), senders, receivers, closed: false })
    };
    Arc::new(rooms.iter().map(make).collect())
}

/// What a waiting task is woken by, and the place for its value: a node's `value` points here.
#[repr(C)]
struct Place {
    value: usize,
    woken: AtomicUsize,
}

/// Readies the task that has this place.
fn wake(place: *const Place) {
    // SAFETY: the place is there until its task is woken, and whoever calls this has won its wait.
    assert_eq!(unsafe { (*place).woken.swap(1, Ordering::SeqCst) }, 0, "woken twice");
}

fn place_of(waiter: &Waiter) -> *const Place {
    waiter.place().cast::<Place>().cast_const()
}

/// One arm: the position of a channel, and the value to send there, if it is to send.
type Arm = (usize, Option<usize>);

/// What a select did: the position of the arm, and of a receive the value; none: the channel is closed.
type Did = (usize, Option<usize>);

/// One that is ready, if there is one. Returns whom to wake as well.
fn take(state: &mut Channel, send: Option<usize>) -> Option<(Option<usize>, Option<*const Place>)> {
    match send {
        Some(_) if state.closed => Some((None, None)),
        Some(value) => {
            if let Some(receiver) = state.receivers.pop() {
                let place = place_of(&receiver);
                // SAFETY: who waits here has a place whose first field is the value.
                let _: Task = unsafe { receiver.give(&value) };
                Some((Some(value), Some(place)))
            } else {
                (state.buffer.len() < state.room).then(|| {
                    state.buffer.push(value);
                    (Some(value), None)
                })
            }
        }
        None => {
            let buffered = if state.buffer.is_empty() { None } else { Some(state.buffer.remove(0)) };
            let sender = if state.closed { None } else { state.senders.pop() };
            let sent = sender.map(|sender| {
                let place = place_of(&sender);
                // SAFETY: as above.
                (unsafe { *sender.value::<usize>().0 }, place)
            });
            match (buffered, sent) {
                (Some(value), Some((next, place))) => {
                    state.buffer.push(next);
                    Some((Some(value), Some(place)))
                }
                (Some(value), None) => Some((Some(value), None)),
                (None, Some((value, place))) => Some((Some(value), Some(place))),
                (None, None) => state.closed.then_some((None, None)),
            }
        }
    }
}

/// A select, which locks its channels in their order, each once.
fn select(channels: &Channels, arms: &[Arm]) -> Did {
    loop {
        let mut order: Vec<usize> = arms.iter().map(|(channel, _)| *channel).collect();
        order.sort_unstable();
        order.dedup();
        let mut guards: Vec<_> = order.iter().map(|&channel| channels[channel].lock().unwrap()).collect();
        let at = |channel: usize| order.iter().position(|&other| other == channel).expect("it is locked");
        for (position, &(channel, send)) in arms.iter().enumerate() {
            if let Some((value, woken)) = take(&mut guards[at(channel)], send) {
                drop(guards);
                woken.map(wake);
                return (position, value);
            }
        }
        let claim = Claim::new();
        // One arm's value lies in one place: each has its own, and the first one wakes.
        let mut places: Vec<Place> =
            arms.iter().map(|&(_, send)| Place { value: send.unwrap_or(0), woken: AtomicUsize::new(0) }).collect();
        let places = places.as_mut_ptr();
        let mut nodes: Vec<Node> = (0..arms.len())
            // SAFETY: within the arms.
            .map(|i| Node::claimed(Task::current(), unsafe { places.add(i) }.cast(), &claim, i + 1))
            .collect();
        let nodes = nodes.as_mut_ptr();
        for (position, &(channel, send)) in arms.iter().enumerate() {
            let state = &mut guards[at(channel)];
            let queue = if send.is_some() { &mut state.senders } else { &mut state.receivers };
            // SAFETY: the nodes stay until they are taken out below.
            unsafe { queue.push(nodes.add(position)) };
        }
        drop(guards);
        let winner = loop {
            // SAFETY: the places are ours, and there until we return.
            let woken = (0..arms.len()).find(|&i| unsafe { (*places.add(i)).woken.load(Ordering::SeqCst) } != 0);
            match woken {
                Some(winner) => break winner,
                None => thread::yield_now(),
            }
        };
        assert_eq!(claim.winner(), winner + 1, "woken by another than the winner");
        for (position, &(channel, send)) in arms.iter().enumerate() {
            let mut state = channels[channel].lock().unwrap();
            let queue = if send.is_some() { &mut state.senders } else { &mut state.receivers };
            // SAFETY: it was queued there.
            let was_there = unsafe { queue.remove(nodes.add(position)) };
            assert!(position != winner || !was_there, "the winner was left in line");
        }
        // SAFETY: the wait is over.
        match unsafe { Node::outcome(nodes.add(winner)) } {
            // SAFETY: likewise.
            Outcome::Moved => return (winner, Some(unsafe { (*places.add(winner)).value })),
            Outcome::Changed => continue,
            outcome => unreachable!("{outcome:?}"),
        }
    }
}

/// Closes it: all who wait look again.
fn close(channel: &Mutex<Channel>) {
    let mut state = channel.lock().unwrap();
    assert!(!std::mem::replace(&mut state.closed, true));
    let mut woken = Vec::new();
    while let Some(waiter) = state.receivers.pop() {
        woken.push(place_of(&waiter));
        let _: Task = waiter.disappoint();
    }
    while let Some(waiter) = state.senders.pop() {
        woken.push(place_of(&waiter));
        let _: Task = waiter.disappoint();
    }
    drop(state);
    woken.into_iter().for_each(wake);
}

fn nobody_is_left(channels: &Channels) {
    for channel in channels.iter() {
        let state = channel.lock().unwrap();
        assert!(state.senders.is_empty() && state.receivers.is_empty(), "a node was left behind");
    }
}

/// Selects that face each other over three channels, each sending on some and receiving on others, until all channels are
/// closed by a task of their own. What was sent was received, once, and nobody is left behind.
#[test]
fn selects_face_each_other_until_all_is_closed() {
    check(4_000, || {
        let all = channels(&[0, 1, 0]);
        let tasks: Vec<_> = (0..5usize)
            .map(|i| {
                let all = Arc::clone(&all);
                thread::spawn(move || {
                    let (mut sent, mut received) = (0, 0);
                    for round in 0..3 {
                        let value = 1 << (3 * i + round);
                        // Each has another order, and every other one of them sends where its neighbour receives.
                        let (a, b, c) = (i % 3, (i + 1) % 3, (i + 2) % 3);
                        let arms = match i % 2 {
                            0 => [(a, Some(value)), (b, None), (c, Some(value))],
                            _ => [(a, None), (b, Some(value)), (c, None)],
                        };
                        let (position, did) = select(&all, &arms);
                        match (arms[position].1, did) {
                            (Some(_), Some(_)) => sent += value,
                            (None, Some(value)) => received += value,
                            (_, None) => {}
                        }
                    }
                    (sent, received)
                })
            })
            .collect();
        let theirs = Arc::clone(&all);
        let closer = thread::spawn(move || theirs.iter().for_each(close));
        let did: Vec<(usize, usize)> = tasks.into_iter().map(|task| task.join().unwrap()).collect();
        closer.join().unwrap();
        // Each value is a bit of its own, so sums do not hide doubles.
        let sent: usize = did.iter().map(|(sent, _)| sent).sum();
        let received: usize = did.iter().map(|(_, received)| received).sum();
        let left: usize = all.iter().map(|channel| channel.lock().unwrap().buffer.iter().sum::<usize>()).sum();
        assert_eq!(sent, received + left, "{did:?}");
        nobody_is_left(&all);
    });
}

/// One channel in several arms, sent to and received from by the same selects: none meets itself, and all meet another.
#[test]
fn the_same_channel_in_several_arms() {
    check(4_000, || {
        let all = channels(&[0, 0]);
        let tasks: Vec<_> = (0..4usize)
            .map(|i| {
                let all = Arc::clone(&all);
                thread::spawn(move || {
                    let value = 1 << i;
                    let arms = [(0, Some(value)), (0, None), (1, None), (1, Some(value)), (0, None)];
                    let (position, did) = select(&all, &arms);
                    let did = did.expect("nobody closes it");
                    assert_eq!(did == value, arms[position].1.is_some(), "it met itself");
                    if arms[position].1.is_some() { (did, 0) } else { (0, did) }
                })
            })
            .collect();
        let did: Vec<(usize, usize)> = tasks.into_iter().map(|task| task.join().unwrap()).collect();
        let sent: usize = did.iter().map(|(sent, _)| sent).sum();
        let received: usize = did.iter().map(|(_, received)| received).sum();
        assert!(sent == received && sent.count_ones() == 2, "{did:?}");
        nobody_is_left(&all);
    });
}
