//! net-24: what every stream does, over each kind of stream there is.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{in_goroutines, rounds, settle};
use gander_net::{PipeStream, Shutdown, TcpListener, TcpStream, UnixListener, UnixStream, is_closed};
use gander_runtime::{scope, spawn, yield_now};

/// A stream, and how to get two ends of one.
trait Stream: Send + Sync + Sized + 'static {
    fn pair() -> (Self, Self);
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
    /// Whether it can end one direction alone.
    const ENDS_WRITES: bool;
    fn end_writes(&self);
    fn set_deadlines(&self, read: Option<Instant>, write: Option<Instant>) -> io::Result<()>;
    fn close(&self) -> io::Result<()>;

    fn read_exact(&self, mut buf: &mut [u8]) {
        while !buf.is_empty() {
            let len = self.read(buf).unwrap();
            assert!(len > 0, "the end came too early");
            buf = &mut buf[len..];
        }
    }
}

macro_rules! stream {
    ($wrapper:ident, $inner:ty, $pair:expr, $shutdown:expr) => {
        struct $wrapper($inner);

        impl Stream for $wrapper {
            fn pair() -> ($wrapper, $wrapper) {
                let (a, b): ($inner, $inner) = $pair;
                ($wrapper(a), $wrapper(b))
            }

            fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                (&self.0).read(buf)
            }

            fn write(&self, buf: &[u8]) -> io::Result<usize> {
                (&self.0).write(buf)
            }

            const ENDS_WRITES: bool = $shutdown.is_some();

            fn end_writes(&self) {
                const SHUTDOWN: Option<fn(&$inner, Shutdown) -> io::Result<()>> = $shutdown;
                if let Some(shutdown) = SHUTDOWN {
                    shutdown(&self.0, Shutdown::Write).unwrap();
                }
            }

            fn set_deadlines(&self, read: Option<Instant>, write: Option<Instant>) -> io::Result<()> {
                self.0.set_read_deadline(read)?;
                self.0.set_write_deadline(write)
            }

            fn close(&self) -> io::Result<()> {
                self.0.close()
            }
        }
    };
}

fn tcp(addr: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(addr).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn adopted() -> (TcpStream, TcpStream) {
    let (a, b) = tcp("127.0.0.1:0");
    (std::net::TcpStream::from(a).into(), std::net::TcpStream::from(b).into())
}

fn unix_accepted() -> (UnixStream, UnixStream) {
    use std::os::linux::net::SocketAddrExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    static IDS: AtomicUsize = AtomicUsize::new(0);
    let name = format!("gander-conform-{}-{}", std::process::id(), IDS.fetch_add(1, Ordering::Relaxed));
    let addr = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&addr).unwrap();
    let client = UnixStream::connect_addr(&addr).unwrap();
    (client, listener.accept().unwrap().0)
}

stream!(Tcp, TcpStream, tcp("127.0.0.1:0"), Some(TcpStream::shutdown));
stream!(Adopted, TcpStream, adopted(), Some(TcpStream::shutdown));
stream!(UnixPair, UnixStream, UnixStream::pair().unwrap(), Some(UnixStream::shutdown));
stream!(UnixAccepted, UnixStream, unix_accepted(), Some(UnixStream::shutdown));
stream!(Memory, PipeStream, PipeStream::pair(), None::<fn(&PipeStream, Shutdown) -> io::Result<()>>);

fn conforms<S: Stream>() {
    in_goroutines(|| {
        copies::<S>();
        ping_pongs::<S>();
        times_out::<S>();
        is_released_by_close::<S>();
        races::<S>();
    });
}

/// More than the buffers hold, both ways at once, to the end.
fn copies<S: Stream>() {
    let (a, b) = S::pair();
    let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i / 7) as u8).collect();
    scope(|scope| {
        for end in [&a, &b] {
            scope.spawn(|| {
                assert_eq!(end.write(&bytes).unwrap(), bytes.len());
                end.end_writes();
            });
            scope.spawn(|| {
                let mut got = vec![0; bytes.len()];
                end.read_exact(&mut got);
                assert!(got == bytes);
                if S::ENDS_WRITES {
                    assert_eq!(end.read(&mut [0; 1]).unwrap(), 0);
                }
            });
        }
    });
}

fn ping_pongs<S: Stream>() {
    let (a, b) = S::pair();
    scope(|scope| {
        for (end, starts) in [(&a, true), (&b, false)] {
            scope.spawn(move || {
                for round in 0..rounds(50) as u64 {
                    let mut counter = round.to_le_bytes();
                    if starts {
                        assert_eq!(end.write(&counter).unwrap(), 8);
                    }
                    end.read_exact(&mut counter);
                    assert_eq!(u64::from_le_bytes(counter), round);
                    if !starts {
                        assert_eq!(end.write(&counter).unwrap(), 8);
                    }
                }
            });
        }
    });
}

/// Past, present and future deadlines, for reads and writes; and none again.
fn times_out<S: Stream>() {
    let (a, b) = S::pair();
    let chunk = vec![0; 1 << 20];
    for ahead in [0, 1, 5] {
        let at = Instant::now() + Duration::from_millis(ahead);
        a.set_deadlines(Some(at), Some(at)).unwrap();
        assert_eq!(a.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
        let error = loop {
            if let Err(error) = a.write(&chunk) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(Instant::now() >= at);
    }
    a.set_deadlines(None, None).unwrap();
    scope(|scope| {
        scope.spawn(|| assert_eq!(b.write(b"x").unwrap(), 1));
        a.read_exact(&mut [0; 1]);
    });
}

fn is_released_by_close<S: Stream>() {
    let (a, b) = S::pair();
    let a = Arc::new(a);
    let reader = spawn({
        let a = Arc::clone(&a);
        move || a.read(&mut [0; 1]).unwrap_err()
    });
    settle();
    a.close().unwrap();
    assert!(is_closed(&reader.join().unwrap()));
    assert!(is_closed(&a.write(b"x").unwrap_err()));
    assert_eq!(b.read(&mut [0; 1]).unwrap(), 0);
}

/// Readers, writers and setters of tiny deadlines on both ends, and a close in the end: only the errors there may be.
fn races<S: Stream>() {
    let (a, b) = S::pair();
    scope(|scope| {
        for end in [&a, &b] {
            for reads in [true, true, false, false] {
                scope.spawn(move || {
                    let mut buf = [0; 512];
                    loop {
                        let answer = if reads { end.read(&mut buf) } else { end.write(&buf) };
                        match answer {
                            Ok(0) if reads => return,
                            Ok(_) => {}
                            Err(error) if error.kind() == ErrorKind::TimedOut => {}
                            // Closed here, or there.
                            Err(_) => return,
                        }
                        yield_now();
                    }
                });
            }
        }
        for round in 0..rounds(20) as u64 {
            for end in [&a, &b] {
                let at = (round % 3 > 0).then(|| Instant::now() + Duration::from_micros(round * 10));
                end.set_deadlines(at, at).unwrap();
            }
            yield_now();
        }
        a.close().unwrap();
        b.close().unwrap();
    });
}

#[test]
fn tcp_conforms() {
    conforms::<Tcp>();
}

#[test]
fn adopted_tcp_conforms() {
    conforms::<Adopted>();
}

#[test]
fn unix_pairs_conform() {
    conforms::<UnixPair>();
}

#[test]
fn accepted_unix_conforms() {
    conforms::<UnixAccepted>();
}

#[test]
fn memory_conforms() {
    conforms::<Memory>();
}
