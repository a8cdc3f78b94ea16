//! The server: it sends back what it gets.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gander::net::{TcpListener, TcpStream};

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicUsize,
    live: AtomicUsize,
    bytes: AtomicUsize,
    resets: AtomicUsize,
    errors: AtomicUsize,
}

/// What was served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) connections: usize,
    pub(crate) bytes: usize,
    #[allow(dead_code, reason = "printed")]
    resets: usize,
    pub(crate) errors: usize,
}

pub(crate) struct Server {
    listeners: Vec<Arc<TcpListener>>,
    counters: Arc<Counters>,
}

impl Server {
    /// Listens on so many ports.
    pub(crate) fn start(ports: usize) -> Server {
        let counters = Arc::new(Counters::default());
        let listeners: Vec<_> =
            (0..ports).map(|_| Arc::new(TcpListener::bind("127.0.0.1:0").expect("a free port"))).collect();
        for listener in &listeners {
            let (listener, counters) = (Arc::clone(listener), Arc::clone(&counters));
            gander::go(move || {
                // Until it is closed.
                while let Ok((stream, _)) = listener.accept() {
                    let counters = Arc::clone(&counters);
                    gander::go(move || counters.serve(stream));
                }
            });
        }
        Server { listeners, counters }
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.listeners.iter().map(|listener| listener.local_addr().expect("listening").port())
    }

    pub(crate) fn live(&self) -> usize {
        self.counters.live.load(Ordering::Relaxed)
    }

    /// Stops listening, waits for the last connections, and says what was served.
    pub(crate) fn stop(self) -> Served {
        for listener in &self.listeners {
            listener.close().expect("still open");
        }
        drop(self.listeners);
        // The main goroutine alone.
        while gander::num_goroutines() > 1 {
            gander::sleep(std::time::Duration::from_millis(5));
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        Served {
            connections: count(&counters.connections),
            bytes: count(&counters.bytes),
            resets: count(&counters.resets),
            errors: count(&counters.errors),
        }
    }
}

impl Counters {
    fn serve(&self, stream: TcpStream) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.live.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.echo(stream) {
            let kind = error.kind();
            if matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) {
                self.resets.fetch_add(1, Ordering::Relaxed);
            } else {
                eprintln!("server: {error}");
                self.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    fn echo(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut buf = [0; 2048];
        loop {
            let len = stream.read(&mut buf)?;
            if len == 0 {
                return Ok(());
            }
            stream.write_all(&buf[..len])?;
            self.bytes.fetch_add(len, Ordering::Relaxed);
        }
    }
}
