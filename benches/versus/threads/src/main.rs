//! Threads of the operating system in the comparison: variants `std`, `crossbeam`, `kanal`, `flume` say whose channels.

use std::marker::PhantomData;
use std::sync::{Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use versus_rows::blocking::{self, Peer, Rx, Tx};
use versus_rows::service::say_port;
use versus_rows::{Measure, Service, unsupported};

fn main() {
    let measure = Measure::from_args();
    stay_on(measure.procs);
    match measure.variant.as_str() {
        "std" => blocking::run::<Threads<StdTx, StdRx>>(measure),
        "crossbeam" => blocking::run::<Threads<CrossbeamTx, CrossbeamRx>>(measure),
        "kanal" => blocking::run::<Threads<KanalTx, KanalRx>>(measure),
        "flume" => blocking::run::<Threads<FlumeTx, FlumeRx>>(measure),
        _ => unsupported("variants: std, crossbeam, kanal, flume"),
    }
}

/// Keeps this process on so many processors.
fn stay_on(procs: usize) {
    // SAFETY: for the set all zeroes is a value, and the calls read and write nothing else.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        let mut chosen: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of::<libc::cpu_set_t>();
        libc::sched_getaffinity(0, size, &mut allowed);
        let usable = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &allowed));
        usable.take(procs).for_each(|cpu| libc::CPU_SET(cpu, &mut chosen));
        libc::sched_setaffinity(0, size, &chosen);
    }
}

/// A kind of channel.
trait Channel: Tx {
    type Rx: Rx + Select;
    fn channel(room: usize) -> (Self, Self::Rx);
}

/// What a kind of channel has of select.
trait Select: Sized {
    fn select_2(_: &Self, _: &Self) -> u64 {
        unsupported("it has no select")
    }
    fn select_8(_: &[Self; 8]) -> u64 {
        unsupported("it has no select")
    }
    fn try_recv(&self) -> Option<u64>;
    fn recv_timeout(&self, timeout: Duration) -> Option<u64>;
}

struct Threads<T, R>(PhantomData<(T, R)>);

/// Enough for a row's frames: of a million stacks only what is touched counts, but address space is not endless either.
const STACK: usize = 64 << 10;

fn start<T: Send + 'static>(bytes: usize, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match std::thread::Builder::new().stack_size(bytes).spawn(f) {
        Ok(handle) => handle,
        Err(error) => unsupported(&format!("no more threads: {error}")),
    }
}

impl<T: Channel<Rx = R>, R: Rx + Select> Peer for Threads<T, R> {
    type Tx = T;
    type Rx = R;
    type Join = JoinHandle<u64>;
    type Mutex = Mutex<u64>;
    type RwLock = RwLock<u64>;

    fn go(f: impl FnOnce() + Send + 'static) {
        start(STACK, f);
    }

    fn spawn(f: impl FnOnce() -> u64 + Send + 'static) -> JoinHandle<u64> {
        start(STACK, f)
    }

    fn join(handle: JoinHandle<u64>) -> u64 {
        handle.join().expect("it does not panic")
    }

    fn go_deep(bytes: usize, f: impl FnOnce() + Send + 'static) {
        start(bytes, f);
    }

    fn yield_now() {
        std::thread::yield_now();
    }

    fn sleep(duration: Duration) {
        std::thread::sleep(duration);
    }

    fn channel(room: usize) -> (T, R) {
        T::channel(room)
    }

    fn select_2(a: &R, b: &R) -> u64 {
        Select::select_2(a, b)
    }

    fn select_8(inputs: &[R; 8]) -> u64 {
        Select::select_8(inputs)
    }

    fn select_default(rx: &R) -> Option<u64> {
        rx.try_recv()
    }

    fn select_timeout(rx: &R, timeout: Duration) -> Option<u64> {
        rx.recv_timeout(timeout)
    }

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

/// What the kinds of channels have in common: all but their names.
macro_rules! channel {
    ($tx:ident($sender:ty), $rx:ident($receiver:ty), $bounded:path) => {
        #[derive(Clone)]
        struct $tx($sender);

        impl Tx for $tx {
            fn send(&self, value: u64) -> bool {
                self.0.send(value).is_ok()
            }
        }

        impl Channel for $tx {
            type Rx = $rx;
            fn channel(room: usize) -> ($tx, $rx) {
                let (tx, rx) = $bounded(room);
                ($tx(tx), $rx(rx))
            }
        }

        struct $rx($receiver);
    };
}

channel!(
    StdTx(std::sync::mpsc::SyncSender<u64>),
    StdRx(std::sync::mpsc::Receiver<u64>),
    std::sync::mpsc::sync_channel
);
channel!(
    CrossbeamTx(crossbeam_channel::Sender<u64>),
    CrossbeamRx(crossbeam_channel::Receiver<u64>),
    crossbeam_channel::bounded
);
channel!(KanalTx(kanal::Sender<u64>), KanalRx(kanal::Receiver<u64>), kanal::bounded);
channel!(FlumeTx(flume::Sender<u64>), FlumeRx(flume::Receiver<u64>), flume::bounded);

impl Rx for StdRx {
    fn recv(&self) -> Option<u64> {
        self.0.recv().ok()
    }
}

impl Select for StdRx {
    fn try_recv(&self) -> Option<u64> {
        self.0.try_recv().ok()
    }

    fn recv_timeout(&self, timeout: Duration) -> Option<u64> {
        self.0.recv_timeout(timeout).ok()
    }
}

impl Rx for CrossbeamRx {
    fn recv(&self) -> Option<u64> {
        self.0.recv().ok()
    }

    fn another(&self) -> CrossbeamRx {
        CrossbeamRx(self.0.clone())
    }
}

impl Select for CrossbeamRx {
    fn select_2(a: &CrossbeamRx, b: &CrossbeamRx) -> u64 {
        crossbeam_channel::select! {
            recv(a.0) -> value => value.expect("its sender stays"),
            recv(b.0) -> value => value.expect("its sender stays"),
        }
    }

    fn select_8([a, b, c, d, e, f, g, h]: &[CrossbeamRx; 8]) -> u64 {
        let value = crossbeam_channel::select! {
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

    fn try_recv(&self) -> Option<u64> {
        self.0.try_recv().ok()
    }

    fn recv_timeout(&self, timeout: Duration) -> Option<u64> {
        self.0.recv_timeout(timeout).ok()
    }
}

impl Rx for KanalRx {
    fn recv(&self) -> Option<u64> {
        self.0.recv().ok()
    }

    fn another(&self) -> KanalRx {
        KanalRx(self.0.clone())
    }
}

impl Select for KanalRx {
    fn try_recv(&self) -> Option<u64> {
        self.0.try_recv().ok().flatten()
    }

    fn recv_timeout(&self, timeout: Duration) -> Option<u64> {
        self.0.recv_timeout(timeout).ok()
    }
}

impl Rx for FlumeRx {
    fn recv(&self) -> Option<u64> {
        self.0.recv().ok()
    }

    fn another(&self) -> FlumeRx {
        FlumeRx(self.0.clone())
    }
}

impl Select for FlumeRx {
    fn select_2(a: &FlumeRx, b: &FlumeRx) -> u64 {
        let value = |value: Result<u64, _>| value.expect("its sender stays");
        flume::Selector::new().recv(&a.0, value).recv(&b.0, value).wait()
    }

    fn select_8(inputs: &[FlumeRx; 8]) -> u64 {
        let value = |value: Result<u64, _>| value.expect("its sender stays");
        inputs.iter().fold(flume::Selector::new(), |selector, rx| selector.recv(&rx.0, value)).wait()
    }

    fn try_recv(&self) -> Option<u64> {
        self.0.try_recv().ok()
    }

    fn recv_timeout(&self, timeout: Duration) -> Option<u64> {
        self.0.recv_timeout(timeout).ok()
    }
}
