//! The rows for peers whose tasks are awaited. The same work as in [`blocking`](crate::blocking), and the same sums.

mod exchange;
mod start;
mod wait;

use std::time::Duration;

use exchange::{ping_pong, ring, select_2, select_8, select_default, select_timeout, sieve, stream};
use start::{fib, nested, parked, skynet, spawns, yields};
use wait::{lock, sleepers, ticker, timer};

use crate::numbers::fib_spawns;
use crate::{Latch, Measure, Service, unsupported};

/// The sending end of a peer's channel.
pub trait Tx: Clone + Send + Sync + 'static {
    /// False if nobody will ever receive it.
    fn send(&self, value: u64) -> impl Future<Output = bool> + Send;
}

/// The receiving end of a peer's channel.
pub trait Rx: Sized + Send + Sync + 'static {
    /// None when all senders are gone.
    fn recv(&mut self) -> impl Future<Output = Option<u64>> + Send;
    /// A value, if one is there.
    fn try_recv(&mut self) -> Option<u64>;
    /// Another receiver of the same channel.
    fn another(&self) -> Self {
        unsupported("its channel has one receiver")
    }
}

/// A peer's locks, around a number.
pub trait Lock: Send + Sync + 'static {
    fn new() -> Self;
    /// Adds one to the number, which only the holder touches.
    fn write(&self) -> impl Future<Output = ()> + Send;
    /// Reads the number, which others may read at the same time.
    fn read(&self) -> impl Future<Output = u64> + Send;
}

/// Where a million wait: nobody is let through before it is opened, once for each.
pub trait Gate: Send + Sync + 'static {
    fn new() -> Self;
    fn pass(&self) -> impl Future<Output = ()> + Send;
    fn open_for_one(&self) -> impl Future<Output = ()> + Send;
}

/// What a peer is called on for.
pub trait Peer: Send + 'static {
    type Tx: Tx;
    type Rx: Rx;
    type Join: Future<Output = u64> + Send + 'static;
    type Mutex: Lock;
    type RwLock: Lock;
    type Gate: Gate;

    /// Starts a task nobody joins.
    fn go(task: impl Future<Output = ()> + Send + 'static);
    /// Starts one that returns a number.
    fn spawn(task: impl Future<Output = u64> + Send + 'static) -> Self::Join;
    fn yield_now() -> impl Future<Output = ()> + Send;
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;
    /// With room for so many values; 0 is a rendezvous, or the least that the peer has.
    fn channel(room: usize) -> (Self::Tx, Self::Rx);
    /// The first value from any of two.
    fn select_2<'a>(a: &'a mut Self::Rx, b: &'a mut Self::Rx) -> impl Future<Output = u64> + Send + 'a;
    /// The first value from any of eight.
    fn select_8(inputs: &mut [Self::Rx; 8]) -> impl Future<Output = u64> + Send;
    /// A value, if one comes in time.
    fn select_timeout(rx: &mut Self::Rx, timeout: Duration) -> impl Future<Output = Option<u64>> + Send;
    /// Starts a timer that is far away, and stops it.
    fn start_stop_timer() -> impl Future<Output = ()> + Send;
    /// Accepts connections for ever, says its port first, and serves each in a task of its own.
    fn listen(service: Service) -> impl Future<Output = ()> + Send;
}

/// Runs the row that was asked for. Awaited in a task of the peer's.
pub async fn run<P: Peer>(mut m: Measure) {
    let m = &mut m;
    let row = m.row.clone();
    let (size, little) = (m.size, (m.size / 10).max(1000));
    /// A row that is run a little before it is measured.
    macro_rules! warm {
        (|$size:ident| $row:expr) => {{
            let $size = little;
            $row.await;
            let $size = size;
            $row.await
        }};
    }
    let sum = match row.as_str() {
        "yield" => warm!(|size| yields::<P>(m, size)),
        "spawn" => warm!(|size| spawns::<P>(m, size)),
        "nested" => warm!(|size| nested::<P>(m, size)),
        "ping-pong" => warm!(|size| ping_pong::<P>(m, size)),
        "stream-1-1" => warm!(|size| stream::<P>(m, 1, 1, size)),
        "stream-4-1" => warm!(|size| stream::<P>(m, 4, 1, size)),
        "stream-4-4" => warm!(|size| stream::<P>(m, 4, 4, size)),
        "sieve" => sieve::<P>(m, size).await,
        "skynet" => skynet::<P>(m, size).await,
        "ring" => warm!(|size| ring::<P>(m, size)),
        "select-2" => warm!(|size| select_2::<P>(m, size)),
        "select-8" => warm!(|size| select_8::<P>(m, size)),
        "select-default" => warm!(|size| select_default::<P>(m, size)),
        "select-timeout" => warm!(|size| select_timeout::<P>(m, size)),
        "parked" => parked::<P>(m, size).await,
        "mutex-8" => warm!(|size| lock::<P, P::Mutex>(m, 8, 0, size)),
        "mutex-1000" => warm!(|size| lock::<P, P::Mutex>(m, 1000, 0, size)),
        "rwlock" => warm!(|size| lock::<P, P::RwLock>(m, 8, 19, size)),
        "sleepers" => sleepers::<P>(m, size).await,
        "timer" => warm!(|size| timer::<P>(m, size)),
        "fib" => {
            m.start();
            let sum = fib::<P>(size).await;
            m.stop();
            m.answer(fib_spawns(size), sum)
        }
        "ticker-4" => ticker::<P>(m.clone(), 4).await,
        "ticker-100" => ticker::<P>(m.clone(), 100).await,
        "recursion-cold" | "recursion-warm" => unsupported("a task without a stack does not recurse"),
        "echo" => return P::listen(Service::Echo).await,
        "http" => return P::listen(Service::Http).await,
        _ => unsupported("it has no such row"),
    };
    m.answer(size, sum)
}

/// A latch, and a channel on which the last says so.
struct Group<P: Peer> {
    latch: &'static Latch,
    last: &'static P::Tx,
    done: P::Rx,
}

/// A member's share of a [`Group`].
struct Member<P: Peer> {
    latch: &'static Latch,
    last: &'static P::Tx,
}

impl<P: Peer> Clone for Member<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Peer> Copy for Member<P> {}

impl<P: Peer> Member<P> {
    async fn finish(self, value: u64) {
        if self.latch.finish(value) {
            self.last.send(0).await;
        }
    }
}

impl<P: Peer> Group<P> {
    fn new(count: u64) -> Group<P> {
        let (last, done) = P::channel(1);
        // One handle for all members: to count handles is no part of any row.
        Group { latch: Latch::new(count), last: Box::leak(Box::new(last)), done }
    }

    fn member(&self) -> Member<P> {
        Member { latch: self.latch, last: self.last }
    }

    async fn wait(&mut self) -> u64 {
        self.done.recv().await.expect("the last one says so");
        self.latch.sum()
    }
}
