//! open-coroutine in the comparison. It has neither channels nor locks of its own: few rows apply.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

use open_coroutine::{Config, JoinHandle, task};
use versus_rows::blocking::{self, NoLock, Peer, Rx, Tx};
use versus_rows::service::say_port;
use versus_rows::{Measure, Service, unsupported};

fn main() {
    let measure = Measure::from_args();
    let mut config = Config::default();
    config.set_event_loop_size(measure.procs).set_max_size(1 << 20);
    open_coroutine::init(config);
    // The row itself runs on an ordinary thread, and waits there.
    blocking::run::<OpenCoroutine>(measure)
}

struct OpenCoroutine;

impl Peer for OpenCoroutine {
    type Tx = Output;
    type Rx = Input;
    type Join = JoinHandle<u64>;
    type Mutex = NoLock;
    type RwLock = NoLock;

    fn go(f: impl FnOnce() + Send + 'static) {
        // Dropping the handle would wait for the task.
        std::mem::forget(task!(move |()| f(), ()));
    }

    fn spawn(f: impl FnOnce() -> u64 + Send + 'static) -> JoinHandle<u64> {
        task!(move |()| f(), ())
    }

    fn join(handle: JoinHandle<u64>) -> u64 {
        handle.join().expect("it ends").expect("it returns a number")
    }

    fn go_deep(_: usize, _: impl FnOnce() + Send + 'static) {
        unsupported("its stacks have one size");
    }

    fn yield_now() {
        unsupported("it has no yield");
    }

    /// It hooks the system call.
    fn sleep(duration: Duration) {
        std::thread::sleep(duration);
    }

    fn channel(room: usize) -> (Output, Input) {
        if room != 1 {
            unsupported("it has no channels");
        }
        // What the row's own thread waits on.
        let (tx, rx) = mpsc::sync_channel(1);
        (Output(tx), Input(rx))
    }

    /// It hooks the system calls.
    fn listen(service: Service) -> ! {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        say_port(listener.local_addr().expect("it has one").port());
        loop {
            let (stream, _) = listener.accept().expect("clients come");
            stream.set_nodelay(true).expect("it is TCP");
            Self::go(move || service.serve(stream));
        }
    }
}

#[derive(Clone)]
struct Output(SyncSender<u64>);

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
}
