//! tokio in the comparison: variants `mpsc` (its own channels and locks), `kanal` and `flume` (their channels),
//! `std` (its own channels, the standard library's locks).

mod channels;
mod locks;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use channels::{Channel, Flume, Kanal, Mpsc};
use locks::{Locks, Std, Tokio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use versus_rows::service::say_port;
use versus_rows::tasks::{self, Gate, Peer, Rx};
use versus_rows::{Measure, Service, unsupported};

fn main() {
    let measure = Measure::from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(measure.procs).enable_all().build();
    runtime.expect("it starts").block_on(async {
        let row = match measure.variant.as_str() {
            "mpsc" => tokio::spawn(tasks::run::<With<Mpsc, Tokio>>(measure)),
            "kanal" => tokio::spawn(tasks::run::<With<Kanal, Tokio>>(measure)),
            "flume" => tokio::spawn(tasks::run::<With<Flume, Tokio>>(measure)),
            "std" => tokio::spawn(tasks::run::<With<Mpsc, Std>>(measure)),
            _ => unsupported("variants: mpsc, kanal, flume, std"),
        };
        row.await.expect("it does not panic");
    });
}

/// tokio with a kind of channel and a kind of locks.
struct With<C, L>(C, L);

impl<C: Channel, L: Locks> Peer for With<C, L> {
    type Tx = C::Tx;
    type Rx = C::Rx;
    type Join = Joined;
    type Mutex = L::Mutex;
    type RwLock = L::RwLock;
    type Gate = Permits;

    fn go(task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn spawn(task: impl Future<Output = u64> + Send + 'static) -> Joined {
        Joined(tokio::spawn(task))
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    fn channel(room: usize) -> (C::Tx, C::Rx) {
        C::channel(room)
    }

    async fn select_2(a: &mut C::Rx, b: &mut C::Rx) -> u64 {
        tokio::select! {
            value = a.recv() => value.expect("its sender stays"),
            value = b.recv() => value.expect("its sender stays"),
        }
    }

    async fn select_8([a, b, c, d, e, f, g, h]: &mut [C::Rx; 8]) -> u64 {
        let value = tokio::select! {
            value = a.recv() => value,
            value = b.recv() => value,
            value = c.recv() => value,
            value = d.recv() => value,
            value = e.recv() => value,
            value = f.recv() => value,
            value = g.recv() => value,
            value = h.recv() => value,
        };
        value.expect("its sender stays")
    }

    async fn select_timeout(rx: &mut C::Rx, timeout: Duration) -> Option<u64> {
        tokio::select! {
            value = rx.recv() => value,
            () = tokio::time::sleep(timeout) => None,
        }
    }

    async fn start_stop_timer() {
        let mut sleep = pin!(tokio::time::sleep(Duration::from_secs(10)));
        poll_fn(|cx| Poll::Ready(assert!(sleep.as_mut().poll(cx).is_pending()))).await;
    }

    async fn listen(service: Service) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        say_port(listener.local_addr().expect("it has one").port());
        loop {
            let (mut stream, _) = listener.accept().await.expect("clients come");
            stream.set_nodelay(true).expect("it is TCP");
            tokio::spawn(async move {
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

struct Joined(JoinHandle<u64>);

impl Future for Joined {
    type Output = u64;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<u64> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(|result| result.expect("it does not panic"))
    }
}

struct Permits(Semaphore);

impl Gate for Permits {
    fn new() -> Permits {
        Permits(Semaphore::new(0))
    }

    async fn pass(&self) {
        self.0.acquire().await.expect("it is not closed").forget();
    }

    async fn open_for_one(&self) {
        self.0.add_permits(1);
    }
}
