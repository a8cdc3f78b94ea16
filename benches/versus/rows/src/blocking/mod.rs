//! The rows for peers whose code blocks: goroutines, coroutines with stacks, threads.

mod exchange;
mod start;
mod wait;

use std::sync::{Mutex, RwLock};
use std::time::Duration;

pub(crate) use exchange::RING;
use exchange::{ping_pong, ring, select, select_default, select_timeout, sieve, stream};
pub(crate) use start::BATCH;
use start::{fib, nested, parked, recursion_cold, recursion_warm, skynet, spawns, yields};
use wait::{lock, sleepers, ticker, timer};

use crate::numbers::fib_spawns;
use crate::{Latch, Measure, Service, unsupported};

/// The sending end of a peer's channel.
pub trait Tx: Clone + Send + Sync + 'static {
    /// False if nobody will ever receive it.
    fn send(&self, value: u64) -> bool;
    /// Nobody sends any more: for channels that do not see the last sender go.
    fn close(&self) {}
}

/// The receiving end of a peer's channel.
pub trait Rx: Sized + Send + 'static {
    /// None when all senders are gone.
    fn recv(&self) -> Option<u64>;
    /// Another receiver of the same channel.
    fn another(&self) -> Self {
        unsupported("its channel has one receiver")
    }
}

/// A peer's locks, around a number.
pub trait Lock: Send + Sync + 'static {
    fn new() -> Self;
    /// Adds one to the number, which only the holder touches.
    fn write(&self);
    /// Reads the number, which others may read at the same time.
    fn read(&self) -> u64;
}

/// A lock that a peer does not have.
#[derive(Debug)]
pub struct NoLock;

impl Lock for NoLock {
    fn new() -> NoLock {
        unsupported("it has no such lock")
    }
    fn write(&self) {}
    fn read(&self) -> u64 {
        0
    }
}

/// What a peer is called on for.
pub trait Peer: 'static {
    type Tx: Tx;
    type Rx: Rx;
    type Join: 'static;
    type Mutex: Lock;
    type RwLock: Lock;

    /// Starts a goroutine nobody joins.
    fn go(f: impl FnOnce() + Send + 'static);
    /// Starts one that returns a number.
    fn spawn(f: impl FnOnce() -> u64 + Send + 'static) -> Self::Join;
    fn join(handle: Self::Join) -> u64;
    /// Starts one whose stack may grow to so many bytes.
    fn go_deep(bytes: usize, f: impl FnOnce() + Send + 'static);
    /// Starts one with the smallest stack that a receive fits on.
    fn go_small(f: impl FnOnce() + Send + 'static) {
        Self::go(f);
    }
    fn yield_now();
    fn sleep(duration: Duration);
    /// With room for so many values; 0 is a rendezvous, or the least that the peer has.
    fn channel(room: usize) -> (Self::Tx, Self::Rx);
    /// The first value from any of two.
    fn select_2(_: &Self::Rx, _: &Self::Rx) -> u64 {
        unsupported("it has no select")
    }
    /// The first value from any of eight.
    fn select_8(_: &[Self::Rx; 8]) -> u64 {
        unsupported("it has no select")
    }
    /// The sum of so many values from any of two or eight.
    fn select_all<const N: usize>(inputs: &[Self::Rx; N], count: u64) -> u64 {
        match &inputs[..] {
            [a, b] => (0..count).map(|_| Self::select_2(a, b)).sum(),
            _ => {
                let inputs = inputs[..].try_into().expect("two or eight");
                (0..count).map(|_| Self::select_8(inputs)).sum()
            }
        }
    }
    /// A value, if one is there.
    fn select_default(_: &Self::Rx) -> Option<u64> {
        unsupported("it has no select")
    }
    /// A value, if one comes in time.
    fn select_timeout(_: &Self::Rx, _: Duration) -> Option<u64> {
        unsupported("it has no select")
    }
    /// Starts a timer that is far away, and stops it.
    fn start_stop_timer() {
        unsupported("it has no timer that can be stopped")
    }
    /// Accepts connections for ever, says its port first, and calls `serve` for each in a goroutine of its own.
    fn listen(_: Service) -> ! {
        unsupported("it has no sockets")
    }
}

/// Runs the row that was asked for. Called from a goroutine of the peer's.
pub fn run<P: Peer>(mut m: Measure) -> ! {
    let m = &mut m;
    let row = m.row.clone();
    match row.as_str() {
        "yield" => warm(m, yields::<P>),
        "spawn" => warm(m, spawns::<P>),
        "nested" => warm(m, nested::<P>),
        "ping-pong" => warm(m, ping_pong::<P>),
        "stream-1-1" => warm(m, |m, size| stream::<P>(m, 1, 1, size)),
        "stream-4-1" => warm(m, |m, size| stream::<P>(m, 4, 1, size)),
        "stream-4-4" => warm(m, |m, size| stream::<P>(m, 4, 4, size)),
        "sieve" => once(m, sieve::<P>),
        "skynet" => once(m, skynet::<P>),
        "ring" => warm(m, ring::<P>),
        "select-2" => warm(m, select::<P, 2>),
        "select-8" => warm(m, select::<P, 8>),
        "select-default" => warm(m, select_default::<P>),
        "select-timeout" => warm(m, select_timeout::<P>),
        "parked" => once(m, parked::<P>),
        "mutex-8" => warm(m, |m, size| lock::<P, P::Mutex>(m, 8, 0, size)),
        "mutex-1000" => warm(m, |m, size| lock::<P, P::Mutex>(m, 1000, 0, size)),
        "rwlock" => warm(m, |m, size| lock::<P, P::RwLock>(m, 8, 19, size)),
        "sleepers" => once(m, sleepers::<P>),
        "timer" => warm(m, timer::<P>),
        "fib" => {
            m.start();
            let sum = fib::<P>(m.size);
            m.stop();
            m.answer(fib_spawns(m.size), sum)
        }
        "ticker-4" => ticker::<P>(m.clone(), 4),
        "ticker-100" => ticker::<P>(m.clone(), 100),
        "recursion-cold" => once(m, recursion_cold::<P>),
        "recursion-warm" => once(m, recursion_warm::<P>),
        "echo" => P::listen(Service::Echo),
        "http" => P::listen(Service::Http),
        _ => unsupported("it has no such row"),
    }
}

/// A row that is run a little before it is measured.
fn warm(m: &mut Measure, row: impl Fn(&mut Measure, u64) -> u64) -> ! {
    row(m, (m.size / 10).max(1000));
    once(m, row)
}

fn once(m: &mut Measure, row: impl Fn(&mut Measure, u64) -> u64) -> ! {
    let sum = row(m, m.size);
    m.answer(m.size, sum)
}

/// A latch, and a channel on which the last says so.
struct Group<P: Peer> {
    latch: &'static Latch,
    last: P::Tx,
    done: P::Rx,
}

impl<P: Peer> Group<P> {
    fn new(count: u64) -> Group<P> {
        let (last, done) = P::channel(1);
        Group { latch: Latch::new(count), last, done }
    }

    /// What a member calls when it has finished.
    fn member(&self) -> impl Fn(u64) + Send + Sync + 'static {
        // One handle for all members: to count handles is no part of any row.
        let last: &'static P::Tx = Box::leak(Box::new(self.last.clone()));
        let latch = self.latch;
        move |value| {
            if latch.finish(value) {
                last.send(0);
            }
        }
    }

    fn wait(&self) -> u64 {
        self.done.recv().expect("the last one says so");
        self.latch.sum()
    }
}

impl Lock for Mutex<u64> {
    fn new() -> Self {
        Mutex::new(0)
    }

    fn write(&self) {
        *self.lock().expect("nobody panics") += 1;
    }

    fn read(&self) -> u64 {
        *self.lock().expect("nobody panics")
    }
}

impl Lock for RwLock<u64> {
    fn new() -> Self {
        RwLock::new(0)
    }

    fn write(&self) {
        *RwLock::write(self).expect("nobody panics") += 1;
    }

    fn read(&self) -> u64 {
        *RwLock::read(self).expect("nobody panics")
    }
}
