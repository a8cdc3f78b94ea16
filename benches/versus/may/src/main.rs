//! may in the comparison. Its channels have no bound: "unbuffered" and "room for 128" are the same to it.

#![allow(unsafe_code, reason = "may's spawn is unsafe: a coroutine must not touch thread-locals around a wait")]

use std::time::Duration;

use may::coroutine::{self, JoinHandle};
use may::cqueue;
use may::sync::{Mutex, RwLock, mpmc};
use versus_rows::blocking::{self, Lock, Peer, Rx, Tx};
use versus_rows::service::say_port;
use versus_rows::{Measure, Service};

fn main() {
    let measure = Measure::from_args();
    may::config().set_workers(measure.procs);
    // SAFETY: the row touches no thread-locals around a wait.
    unsafe { coroutine::spawn(|| -> () { blocking::run::<May>(measure) }) }.join().expect("it does not panic");
}

struct May;

impl Peer for May {
    type Tx = Output;
    type Rx = Input;
    type Join = JoinHandle<u64>;
    type Mutex = MayMutex;
    type RwLock = MayRwLock;

    fn go(f: impl FnOnce() + Send + 'static) {
        // SAFETY: as in `main`.
        unsafe { coroutine::spawn(f) };
    }

    fn spawn(f: impl FnOnce() -> u64 + Send + 'static) -> JoinHandle<u64> {
        // SAFETY: as in `main`.
        unsafe { coroutine::spawn(f) }
    }

    fn join(handle: JoinHandle<u64>) -> u64 {
        handle.join().expect("it does not panic")
    }

    fn go_deep(bytes: usize, f: impl FnOnce() + Send + 'static) {
        // It counts in words.
        let builder = coroutine::Builder::new().stack_size(bytes / size_of::<usize>());
        // SAFETY: as in `main`.
        unsafe { builder.spawn(f) }.expect("there is memory");
    }

    fn yield_now() {
        coroutine::yield_now();
    }

    fn sleep(duration: Duration) {
        coroutine::sleep(duration);
    }

    fn channel(_: usize) -> (Output, Input) {
        let (tx, rx) = mpmc::channel();
        (Output(tx), Input(rx))
    }

    /// Its select is a queue of events, with a coroutine for each source; made once, for all the values.
    fn select_all<const N: usize>(inputs: &[Input; N], count: u64) -> u64 {
        cqueue::scope(|events| {
            for rx in inputs {
                events.add(0, |event| {
                    while let Some(value) = rx.recv() {
                        event.send(value as usize);
                    }
                });
            }
            (0..count).map(|_| events.poll(None).expect("a value comes").extra as u64).sum()
        })
    }

    fn select_default(rx: &Input) -> Option<u64> {
        rx.0.try_recv().ok()
    }

    fn select_timeout(rx: &Input, timeout: Duration) -> Option<u64> {
        rx.0.recv_timeout(timeout).ok()
    }

    fn listen(service: Service) -> ! {
        let listener = may::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        say_port(listener.local_addr().expect("it has one").port());
        loop {
            let (stream, _) = listener.accept().expect("clients come");
            stream.set_nodelay(true).expect("it is TCP");
            Self::go(move || service.serve(stream));
        }
    }
}

#[derive(Clone)]
struct Output(mpmc::Sender<u64>);

impl Tx for Output {
    fn send(&self, value: u64) -> bool {
        self.0.send(value).is_ok()
    }
}

struct Input(mpmc::Receiver<u64>);

impl Rx for Input {
    fn recv(&self) -> Option<u64> {
        self.0.recv().ok()
    }

    fn another(&self) -> Input {
        Input(self.0.clone())
    }
}

struct MayMutex(Mutex<u64>);

impl Lock for MayMutex {
    fn new() -> MayMutex {
        MayMutex(Mutex::new(0))
    }

    fn write(&self) {
        *self.0.lock().expect("nobody panics") += 1;
    }

    fn read(&self) -> u64 {
        *self.0.lock().expect("nobody panics")
    }
}

struct MayRwLock(RwLock<u64>);

impl Lock for MayRwLock {
    fn new() -> MayRwLock {
        MayRwLock(RwLock::new(0))
    }

    fn write(&self) {
        *self.0.write().expect("nobody panics") += 1;
    }

    fn read(&self) -> u64 {
        *self.0.read().expect("nobody panics")
    }
}
