//! go-lib in the comparison. Its locks are the standard library's.

use std::sync::{Mutex, RwLock};
use std::time::Duration;

use go_lib::chan::{Receiver, Sender, chan};
use go_lib::select::{recv_case_of, selectgo};
use versus_rows::blocking::{self, Peer, Rx, Tx};
use versus_rows::service::say_port;
use versus_rows::{Measure, Service};

#[go_lib::main]
fn main() {
    let measure = Measure::from_args();
    go_lib::set_gomaxprocs(measure.procs);
    blocking::run::<GoLib>(measure)
}

struct GoLib;

impl Peer for GoLib {
    type Tx = Output;
    type Rx = Input;
    type Join = Receiver<u64>;
    type Mutex = Mutex<u64>;
    type RwLock = RwLock<u64>;

    fn go(f: impl FnOnce() + Send + 'static) {
        go_lib::go!(f);
    }

    /// Results come by channel, as in Go.
    fn spawn(f: impl FnOnce() -> u64 + Send + 'static) -> Receiver<u64> {
        let (tx, rx) = chan(1);
        go_lib::go!(move || tx.send(f()));
        rx
    }

    fn join(handle: Receiver<u64>) -> u64 {
        handle.recv().expect("it sends its result")
    }

    fn go_deep(bytes: usize, f: impl FnOnce() + Send + 'static) {
        go_lib::spawn_with_stack(bytes, f);
    }

    fn yield_now() {
        go_lib::gosched();
    }

    fn sleep(duration: Duration) {
        go_lib::sleep(duration);
    }

    fn channel(room: usize) -> (Output, Input) {
        let (tx, rx) = chan(room);
        (Output(tx), Input(rx))
    }

    fn select_2(a: &Input, b: &Input) -> u64 {
        go_lib::select! {
            recv(a.0) -> value => { value.expect("its sender stays") }
            recv(b.0) -> value => { value.expect("its sender stays") }
        }
    }

    /// Its macro knows fewer arms; this is what the macro makes of them.
    fn select_8(inputs: &[Input; 8]) -> u64 {
        let mut values = [None; 8];
        let mut cases: Vec<_> =
            inputs.iter().zip(&mut values).map(|(rx, slot)| recv_case_of(&rx.0, slot)).collect();
        let (chosen, _) = selectgo(&mut cases, false);
        values[chosen].expect("its sender stays")
    }

    fn select_default(rx: &Input) -> Option<u64> {
        go_lib::select! {
            recv(rx.0) -> value => { value }
            default => { None }
        }
    }

    fn listen(service: Service) -> ! {
        let listener = go_lib::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        say_port(listener.local_addr().expect("it has one").port());
        loop {
            let stream = listener.accept().expect("clients come");
            Self::go(move || service.serve(stream));
        }
    }
}

#[derive(Clone)]
struct Output(Sender<u64>);

impl Tx for Output {
    /// Its channels do not say that nobody receives any more: then it waits for ever, as in Go.
    fn send(&self, value: u64) -> bool {
        self.0.send(value);
        true
    }

    fn close(&self) {
        self.0.close();
    }
}

struct Input(Receiver<u64>);

impl Rx for Input {
    fn recv(&self) -> Option<u64> {
        self.0.recv()
    }

    fn another(&self) -> Input {
        Input(self.0.clone())
    }
}
