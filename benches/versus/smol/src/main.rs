//! smol's executor in the comparison, with the channels, locks, timers and sockets of its family.

use std::time::Duration;

use async_executor::Executor;
use async_io::Timer;
use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt, future};
use versus_rows::service::say_port;
use versus_rows::tasks::{self, Gate, Lock, Peer, Rx, Tx};
use versus_rows::{Measure, Service};

static EXECUTOR: Executor<'static> = Executor::new();

fn main() {
    let measure = Measure::from_args();
    for _ in 1..measure.procs {
        std::thread::spawn(|| async_io::block_on(EXECUTOR.run(future::pending::<()>())));
    }
    // The row is a task among the others.
    async_io::block_on(EXECUTOR.run(EXECUTOR.spawn(tasks::run::<Smol>(measure))));
}

struct Smol;

impl Peer for Smol {
    type Tx = Output;
    type Rx = Input;
    type Join = async_executor::Task<u64>;
    type Mutex = Mutex;
    type RwLock = RwLock;
    type Gate = Permits;

    fn go(task: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.spawn(task).detach();
    }

    fn spawn(task: impl Future<Output = u64> + Send + 'static) -> Self::Join {
        EXECUTOR.spawn(task)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        future::yield_now()
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    /// It has no rendezvous: the least room is 1.
    fn channel(room: usize) -> (Output, Input) {
        let (tx, rx) = async_channel::bounded(room.max(1));
        (Output(tx), Input(rx))
    }

    async fn select_2(a: &mut Input, b: &mut Input) -> u64 {
        // Fair: it looks at either first.
        future::race(a.0.recv(), b.0.recv()).await.expect("its sender stays")
    }

    async fn select_8([a, b, c, d, e, f, g, h]: &mut [Input; 8]) -> u64 {
        let left = a.0.recv().race(b.0.recv()).race(c.0.recv()).race(d.0.recv());
        let right = e.0.recv().race(f.0.recv()).race(g.0.recv()).race(h.0.recv());
        left.race(right).await.expect("its sender stays")
    }

    async fn select_timeout(rx: &mut Input, timeout: Duration) -> Option<u64> {
        let late = async {
            Timer::after(timeout).await;
            None
        };
        rx.recv().or(late).await
    }

    async fn start_stop_timer() {
        let mut timer = Timer::after(Duration::from_secs(10));
        assert!(future::poll_once(&mut timer).await.is_none());
    }

    async fn listen(service: Service) {
        let listener = async_net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        say_port(listener.local_addr().expect("it has one").port());
        loop {
            let (mut stream, _) = listener.accept().await.expect("clients come");
            stream.set_nodelay(true).expect("it is TCP");
            Self::go(async move {
                let mut buffer = [0; 1024];
                let mut filled = 0;
                loop {
                    match stream.read(&mut buffer[filled..]).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => filled += count,
                    }
                    if let Some(answer) = service.answer(&buffer[..filled]) {
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                        filled = 0;
                    }
                }
            });
        }
    }
}

#[derive(Clone)]
struct Output(async_channel::Sender<u64>);

impl Tx for Output {
    async fn send(&self, value: u64) -> bool {
        self.0.send(value).await.is_ok()
    }
}

struct Input(async_channel::Receiver<u64>);

impl Rx for Input {
    async fn recv(&mut self) -> Option<u64> {
        self.0.recv().await.ok()
    }

    fn try_recv(&mut self) -> Option<u64> {
        self.0.try_recv().ok()
    }

    fn another(&self) -> Input {
        Input(self.0.clone())
    }
}

struct Mutex(async_lock::Mutex<u64>);

impl Lock for Mutex {
    fn new() -> Mutex {
        Mutex(async_lock::Mutex::new(0))
    }

    async fn write(&self) {
        *self.0.lock().await += 1;
    }

    async fn read(&self) -> u64 {
        *self.0.lock().await
    }
}

struct RwLock(async_lock::RwLock<u64>);

impl Lock for RwLock {
    fn new() -> RwLock {
        RwLock(async_lock::RwLock::new(0))
    }

    async fn write(&self) {
        *self.0.write().await += 1;
    }

    async fn read(&self) -> u64 {
        *self.0.read().await
    }
}

struct Permits(async_lock::Semaphore);

impl Gate for Permits {
    fn new() -> Permits {
        Permits(async_lock::Semaphore::new(0))
    }

    async fn pass(&self) {
        self.0.acquire().await.forget();
    }

    async fn open_for_one(&self) {
        self.0.add_permits(1);
    }
}
