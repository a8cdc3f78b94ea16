//! Values wander through channels. Law: each that was made is dropped once, and was received, given back, or left in a
//! channel that closed; and from each sender to each receiver they come in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gander::chan::{self, Receiver, Select, Sender};

use crate::random::Random;

/// What became of all values of a round.
#[derive(Default)]
struct Ledger {
    made: AtomicU64,
    received: AtomicU64,
    given_back: AtomicU64,
    dropped: AtomicU64,
}

/// A value: who made it, and its number there.
struct Token {
    maker: u64,
    number: u64,
    ledger: Arc<Ledger>,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.ledger.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

type Ends = (Sender<Token>, Receiver<Token>);

pub(crate) fn round(random: &mut Random) -> u64 {
    let ledger = Arc::new(Ledger::default());
    let channels: Vec<Ends> = (0..random.between(1, 4)).map(|_| channel(random)).collect();
    let (makers, takers) = (random.between(1, 6), random.between(1, 6));
    let in_order = channels.len() == 1 && takers == 1;
    let mut goroutines = Vec::new();
    let mut threads = Vec::new();
    let mut start = |random: &mut Random, f: Box<dyn FnOnce() + Send>| {
        if random.one_in(8) { threads.push(std::thread::spawn(f)) } else { goroutines.push(gander::spawn(f)) }
    };
    for maker in 0..makers {
        let senders: Vec<_> = channels.iter().map(|(sender, _)| sender.clone()).collect();
        let (random_own, ledger) = (random.fork(), ledger.clone());
        start(random, Box::new(move || make(maker, &senders, random_own, &ledger)));
    }
    for _ in 0..takers {
        let receivers: Vec<_> = channels.iter().map(|(_, receiver)| receiver.clone()).collect();
        let (random_own, ledger) = (random.fork(), ledger.clone());
        start(random, Box::new(move || take(receivers, random_own, &ledger, in_order)));
    }
    if random.one_in(3) {
        let closed = channels[random.below(channels.len() as u64) as usize].0.clone();
        let after = random.micros(2000);
        start(
            random,
            Box::new(move || {
                gander::sleep(after);
                closed.close();
            }),
        );
    }
    drop(channels);
    goroutines.into_iter().for_each(|one| one.join().expect("a member of the round failed"));
    threads.into_iter().for_each(|one| gander::blocking(|| one.join()).expect("a thread of the round failed"));
    balance(&ledger)
}

fn channel(random: &mut Random) -> Ends {
    match random.below(5) {
        0 | 1 => chan::bounded(0),
        2 => chan::bounded(1),
        3 => chan::bounded(random.between(2, 64) as usize),
        _ => chan::unbounded(),
    }
}

fn balance(ledger: &Ledger) -> u64 {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (made, dropped) = (read(&ledger.made), read(&ledger.dropped));
    assert_eq!(made, dropped, "values that were made, and dropped");
    let known = read(&ledger.received) + read(&ledger.given_back);
    assert!(known <= made, "{known} values were received or given back, of {made}");
    made
}

/// Sends some values, each in a random way.
fn make(maker: u64, senders: &[Sender<Token>], mut random: Random, ledger: &Arc<Ledger>) {
    for number in 0..random.between(1, 60) {
        random.dawdle();
        ledger.made.fetch_add(1, Ordering::Relaxed);
        let token = Token { maker, number, ledger: ledger.clone() };
        let sender = &senders[random.below(senders.len() as u64) as usize];
        let back = match random.below(5) {
            0 => sender.try_send(token).err().map(|error| error.into_inner()),
            1 => sender.send_timeout(token, random.micros(500)).err().map(|error| error.into_inner()),
            2 => select_send(senders, token, &mut random),
            _ => sender.send(token).err().map(|error| error.into_inner()),
        };
        if back.is_some() {
            ledger.given_back.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn select_send(senders: &[Sender<Token>], token: Token, random: &mut Random) -> Option<Token> {
    let mut select = Select::new();
    for sender in senders {
        select.send(sender);
    }
    let chosen = match random.below(3) {
        0 => select.try_select().ok(),
        1 => select.select_timeout(random.micros(500)).ok(),
        _ => Some(select.select()),
    };
    let Some(chosen) = chosen else { return Some(token) };
    let sender = &senders[chosen.index()];
    chosen.send(sender, token).err().map(|error| error.into_inner())
}

/// Receives until every channel has closed.
fn take(mut receivers: Vec<Receiver<Token>>, mut random: Random, ledger: &Ledger, in_order: bool) {
    let mut last = HashMap::new();
    while !receivers.is_empty() {
        random.dawdle();
        let at = random.below(receivers.len() as u64) as usize;
        let receiver = &receivers[at];
        // None: nothing this time; an error: this one has closed.
        let answer = match random.below(6) {
            0 => match receiver.try_recv() {
                Err(error) if error.is_empty() => continue,
                answer => answer.map_err(|_| at),
            },
            1 => match receiver.recv_timeout(random.micros(500)) {
                Err(error) if error.is_timeout() => continue,
                answer => answer.map_err(|_| at),
            },
            // One channel only while the others may close first: whoever sends into those must not wait for ever.
            2 if receivers.len() == 1 => receiver.recv().map_err(|_| at),
            _ => select_recv(&receivers),
        };
        match answer {
            Ok(token) => {
                ledger.received.fetch_add(1, Ordering::Relaxed);
                let before = last.insert(token.maker, token.number);
                assert!(!in_order || before < Some(token.number), "values of one sender overtook each other");
            }
            Err(closed) => drop(receivers.swap_remove(closed)),
        }
    }
}

fn select_recv(receivers: &[Receiver<Token>]) -> Result<Token, usize> {
    if let [a, b] = receivers {
        return gander::select! {
            recv(a) -> token => token.map_err(|_| 0),
            recv(b) -> token => token.map_err(|_| 1),
        };
    }
    let mut select = Select::new();
    for receiver in receivers {
        select.recv(receiver);
    }
    let chosen = select.select();
    let at = chosen.index();
    chosen.recv(&receivers[at]).map_err(|_| at)
}
