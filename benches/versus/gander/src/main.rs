//! gander in the comparison: variants `shared` and `own`.

use std::time::Duration;

use gander::chan::{Receiver, Sender, bounded};
use gander::sync::{Mutex, RwLock};
use versus_rows::blocking::{self, Lock, Peer, Rx, Tx};
use versus_rows::service::say_port;
use versus_rows::{Measure, Service, unsupported};

fn main() {
    let measure = Measure::from_args();
    let builder = gander::Builder::new().procs(measure.procs);
    let builder = match measure.variant.as_str() {
        "own" => builder,
        // SAFETY: no row touches thread-locals around a wait.
        "shared" => unsafe { builder.shared() },
        _ => unsupported("gander has two modes: own, shared"),
    };
    builder.run(|| blocking::run::<Gander>(measure))
}

struct Gander;

/// The least that a row's frames fit on, `println!` included.
const SMALL: usize = 64 << 10;

impl Peer for Gander {
    type Tx = Output;
    type Rx = Input;
    type Join = gander::JoinHandle<u64>;
    type Mutex = GanderMutex;
    type RwLock = GanderRwLock;

    fn go(f: impl FnOnce() + Send + 'static) {
        gander::go(f);
    }

    fn spawn(f: impl FnOnce() -> u64 + Send + 'static) -> Self::Join {
        gander::spawn(f)
    }

    fn join(handle: Self::Join) -> u64 {
        handle.join().expect("it does not panic")
    }

    fn go_deep(bytes: usize, f: impl FnOnce() + Send + 'static) {
        gander::Builder::new().stack_size(bytes).go(f).expect("there is memory");
    }

    fn go_small(f: impl FnOnce() + Send + 'static) {
        gander::Builder::new().stack_size(SMALL).go(f).expect("there is memory");
    }

    fn yield_now() {
        gander::yield_now();
    }

    fn sleep(duration: Duration) {
        gander::sleep(duration);
    }

    fn channel(room: usize) -> (Output, Input) {
        let (tx, rx) = bounded(room);
        (Output(tx), Input(rx))
    }

    fn select_2(a: &Input, b: &Input) -> u64 {
        gander::select! {
            recv(a.0) -> value => value.expect("its sender stays"),
            recv(b.0) -> value => value.expect("its sender stays"),
        }
    }

    fn select_8([a, b, c, d, e, f, g, h]: &[Input; 8]) -> u64 {
        let value = gander::select! {
            recv(a.0) -> value => value,
            recv(b.0) -> value => value,
            recv(c.0) -> value => value,
            recv(d.0) -> value => value,
            recv(e.0) -> value => value,
            recv(f.0) -> value => value,
            recv(g.0) -> value => value,
            recv(h.0) -> value => value,
        };
        value.expect("its sender stays")
    }

    fn select_default(rx: &Input) -> Option<u64> {
        gander::select! {
            recv(rx.0) -> value => value.ok(),
            default => None,
        }
    }

    fn select_timeout(rx: &Input, timeout: Duration) -> Option<u64> {
        gander::select! {
            recv(rx.0) -> value => value.ok(),
            default(timeout) => None,
        }
    }

    fn start_stop_timer() {
        assert!(gander::time::after_func(Duration::from_secs(10), || {}).stop());
    }

    fn listen(service: Service) -> ! {
        let listener = gander::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        say_port(listener.local_addr().expect("it has one").port());
        loop {
            let (stream, _) = listener.accept().expect("clients come");
            stream.set_nodelay(true).expect("it is TCP");
            gander::go(move || service.serve(stream));
        }
    }
}

#[derive(Clone)]
struct Output(Sender<u64>);

impl Tx for Output {
    fn send(&self, value: u64) -> bool {
        self.0.send(value).is_ok()
    }
}

struct Input(Receiver<u64>);

impl Rx for Input {
    fn recv(&self) -> Option<u64> {
        self.0.recv().ok()
    }

    fn another(&self) -> Input {
        Input(self.0.clone())
    }
}

struct GanderMutex(Mutex<u64>);

impl Lock for GanderMutex {
    fn new() -> GanderMutex {
        GanderMutex(Mutex::new(0))
    }

    fn write(&self) {
        *self.0.lock().expect("nobody panics") += 1;
    }

    fn read(&self) -> u64 {
        *self.0.lock().expect("nobody panics")
    }
}

struct GanderRwLock(RwLock<u64>);

impl Lock for GanderRwLock {
    fn new() -> GanderRwLock {
        GanderRwLock(RwLock::new(0))
    }

    fn write(&self) {
        *self.0.write().expect("nobody panics") += 1;
    }

    fn read(&self) -> u64 {
        *self.0.read().expect("nobody panics")
    }
}
