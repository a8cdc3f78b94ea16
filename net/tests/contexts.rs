//! Operations on behalf of a context: they end when it does, and nothing else is harmed.

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod ends;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Chance, in_goroutines, rounds, settle, small};
use ends::{listen, pair};
use gander_net::io::pipe;
use gander_net::{PipeStream, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use gander_runtime::{Cancel, JoinHandle, Signal, scope, spawn, yield_now};

/// A context.
#[derive(Default)]
struct Stop {
    signal: Signal,
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped by the test")
    }
}

impl std::error::Error for Stopped {}

impl Cancel for Stop {
    type Error = io::Error;
    fn signal(&self) -> Option<&Signal> {
        Some(&self.signal)
    }
    fn error(&self) -> io::Error {
        assert!(self.signal.is_fired());
        io::Error::other(Stopped)
    }
    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// One that never ends.
struct Never;

impl Cancel for Never {
    type Error = io::Error;
    fn signal(&self) -> Option<&Signal> {
        None
    }
    fn error(&self) -> io::Error {
        unreachable!()
    }
}

#[track_caller]
fn assert_stopped(error: &io::Error) {
    assert!(
        error.get_ref().is_some_and(|inner| inner.is::<Stopped>()),
        "the context's own error, and not {error:?}"
    );
}

/// A listener whose queue is full, so that nobody can connect.
fn full() -> (SocketAddr, impl Sized) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fill = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
        fill.push(stream);
    }
    (addr, (socket, fill))
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn write_all_ctx(mut stream: impl Write) -> io::Error {
    loop {
        if let Err(error) = stream.write(&[0; 1 << 16]) {
            return error;
        }
    }
}

/// Each kind of operation waits, on goroutines and on a thread; the signal ends all of them.
#[test]
fn everything_that_waits_ends() {
    in_goroutines(|| {
        let stop = Arc::new(Stop::default());
        let mut tasks: Vec<JoinHandle<io::Error>> = Vec::new();
        let mut threads = Vec::new();
        macro_rules! wait {
            ($handle:ident, $stop:ident, $wait:expr) => {{
                let $handle = Arc::new($handle);
                // The second one stands in line behind the first one.
                for _ in 0..2 {
                    let ($handle, $stop) = (Arc::clone(&$handle), Arc::clone(&stop));
                    tasks.push(spawn(move || $wait));
                }
                let ($handle, $stop) = (Arc::clone(&$handle), Arc::clone(&stop));
                threads.push(std::thread::spawn(move || $wait));
            }};
        }
        let (tcp, _tcp) = pair();
        let clone = tcp.try_clone().unwrap();
        wait!(tcp, stop, tcp.with_ctx(&*stop).read(&mut [0; 8]).unwrap_err());
        wait!(clone, stop, write_all_ctx(clone.with_ctx(&*stop)));
        let (unix, _unix) = UnixStream::pair().unwrap();
        wait!(unix, stop, BufReader::new(unix.with_ctx(&*stop)).read_line(&mut String::new()).unwrap_err());
        let (reader, _writer) = pipe().unwrap();
        wait!(reader, stop, reader.with_ctx(&*stop).read_to_end(&mut Vec::new()).unwrap_err());
        let (_reader, writer) = pipe().unwrap();
        wait!(writer, stop, write_all_ctx(writer.with_ctx(&*stop)));
        let (memory, _memory) = PipeStream::pair();
        let clone = memory.try_clone().unwrap();
        wait!(memory, stop, memory.with_ctx(&*stop).read(&mut [0; 8]).unwrap_err());
        wait!(clone, stop, write_all_ctx(clone.with_ctx(&*stop)));
        let listener = listen();
        wait!(listener, stop, listener.accept_ctx(&*stop).unwrap_err());
        let name = format!("gander-contexts-{}", std::process::id());
        let addr = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&addr).unwrap();
        wait!(listener, stop, listener.accept_ctx(&*stop).unwrap_err());
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        wait!(udp, stop, udp.recv_from_ctx(&mut [0; 8], &*stop).unwrap_err());
        let (datagram, _datagram) = UnixDatagram::pair().unwrap();
        let clone = datagram.try_clone().unwrap();
        wait!(datagram, stop, datagram.recv_ctx(&mut [0; 8], &*stop).unwrap_err());
        wait!(
            clone,
            stop,
            loop {
                if let Err(error) = clone.send_ctx(b"x", &*stop) {
                    break error;
                }
            }
        );
        let (addr, _full) = full();
        wait!(addr, stop, TcpStream::connect_ctx(*addr, &*stop).unwrap_err());
        wait!(addr, stop, TcpStream::connect_ctx(&[*addr, *addr, *addr][..], &*stop).unwrap_err());
        settle();
        assert!(stop.signal.fire());
        for task in tasks {
            assert_stopped(&task.join().unwrap());
        }
        for thread in threads {
            assert_stopped(&gander_runtime::blocking(|| thread.join().unwrap()));
        }
    });
}

/// A context that is done fails at once, even if there is something; one that never ends changes nothing.
#[test]
fn done_and_never() {
    in_goroutines(|| {
        let stop = Stop::default();
        let (mut a, b) = pair();
        a.write_all(b"first").unwrap();
        let mut buf = [0; 5];
        b.with_ctx(&stop).read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"first");
        a.write_all(b"second").unwrap();
        stop.signal.fire();
        assert_stopped(&b.with_ctx(&stop).read(&mut buf).unwrap_err());
        assert_stopped(&b.with_ctx(&stop).write(b"x").unwrap_err());
        let mut buf = [0; 6];
        b.with_ctx(&Never).read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"second");
        let listener = listen();
        let addr = listener.local_addr().unwrap();
        assert_stopped(&TcpStream::connect_ctx(addr, &stop).unwrap_err());
        assert_stopped(&TcpStream::connect_ctx("localhost:80", &stop).unwrap_err());
        let _client = TcpStream::connect_ctx(addr, &Never).unwrap();
        assert_stopped(&listener.accept_ctx(&stop).unwrap_err());
        listener.accept_ctx(&Never).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        assert_stopped(&socket.send_to_ctx(b"x", to, &stop).unwrap_err());
        assert_eq!(socket.send_to_ctx(b"x", ("localhost", to.port()), &Never).unwrap(), 1);
        assert_eq!(socket.recv_from_ctx(&mut [0; 8], &Never).unwrap(), (1, to));
    });
}

/// net-19. A name is looked up, and the connection lives longer than the context.
#[test]
fn a_connection_outlives_its_context() {
    in_goroutines(|| {
        let stop = Stop { deadline: Some(Instant::now() + Duration::from_secs(30)), ..Stop::default() };
        let listener = listen();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect_ctx(("localhost", port), &stop).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let reader = spawn(move || {
            let mut buf = [0; 4];
            client.read_exact(&mut buf).unwrap();
            client.write_all(&buf).unwrap();
        });
        settle();
        stop.signal.fire();
        server.write_all(b"ping").unwrap();
        let mut buf = [0; 4];
        server.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"ping");
        reader.join().unwrap();
    });
}

/// net-19. Cancelled at any moment, to one address and to several: a connection that works or the context's error, and no
/// descriptor is left.
#[test]
fn cancelled_around_the_moment_it_connects() {
    in_goroutines(|| {
        let mut chance = Chance::new("cancelled_around_the_moment_it_connects");
        let (nobody, _full) = full();
        let listener = Arc::new(listen());
        let addr = listener.local_addr().unwrap();
        let acceptor = spawn({
            let listener = Arc::clone(&listener);
            move || {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.write_all(b"x");
                }
            }
        });
        let before = open_descriptors();
        let (mut connected, mut stopped) = (0, 0);
        for round in 0..rounds(100) {
            let stop =
                Arc::new(Stop { deadline: Some(Instant::now() + Duration::from_millis(20)), ..Stop::default() });
            let pause = chance.below(40) as u32;
            let firing = spawn({
                let stop = Arc::clone(&stop);
                move || {
                    (0..pause).for_each(|_| yield_now());
                    stop.signal.fire();
                }
            });
            let answer = match round % 3 {
                0 => TcpStream::connect_ctx(addr, &*stop),
                1 => TcpStream::connect_ctx(&[nobody, nobody, addr][..], &*stop),
                _ => TcpStream::connect_ctx(nobody, &*stop),
            };
            match answer {
                Ok(mut stream) => {
                    connected += 1;
                    stream.read_exact(&mut [0; 1]).unwrap();
                }
                Err(error) => {
                    stopped += 1;
                    assert_stopped(&error);
                }
            }
            firing.join().unwrap();
        }
        assert!(stopped >= rounds(100) / 3 && connected + stopped == rounds(100));
        // The accepting side closes its ends a little later; a leak would be of one in each round.
        let mut patience = 1000;
        while open_descriptors() > before + 8 && patience > 0 {
            gander_runtime::sleep(Duration::from_millis(5));
            patience -= 1;
        }
        assert!(patience > 0, "{} descriptors before, {} now", before, open_descriptors());
        listener.close().unwrap();
        acceptor.join().unwrap();
    });
}

/// net-20. The addresses that do not answer leave the last one its share of the time.
#[test]
fn addresses_share_the_time_of_the_context() {
    in_goroutines(|| {
        let (nobody, _full) = full();
        let listener = listen();
        let addr = listener.local_addr().unwrap();
        // Not the deadline ends it but the signal, which nobody fires here: so both ways connect, one of them sooner.
        let connect = |deadline| {
            let began = Instant::now();
            let stop = Stop { deadline, ..Stop::default() };
            let stream = TcpStream::connect_ctx(&[nobody, nobody, addr][..], &stop).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addr);
            began.elapsed()
        };
        let patient = connect(None);
        assert!(patient >= Duration::from_millis(500), "twice a quarter of a second");
        let is_sooner = || connect(Some(Instant::now() + Duration::from_millis(30))) < patient;
        assert!((0..5).any(|_| is_sooner()), "without shares, never");
    });
}

/// A Unix listener whose queue is full.
#[test]
fn unix_connects() {
    in_goroutines(|| {
        let path = std::env::temp_dir().join(format!("gander-contexts-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let listener = UnixListener::from(std::os::fd::OwnedFd::from(socket));
        let stop = Arc::new(Stop::default());
        let _first = UnixStream::connect_ctx(&path, &*stop).unwrap();
        let (waits, is_stopped) = [Arc::new(Stop::default()), Arc::clone(&stop)]
            .map(|stop| {
                let path = path.clone();
                spawn(move || UnixStream::connect_ctx(path, &*stop))
            })
            .into();
        settle();
        stop.signal.fire();
        assert_stopped(&is_stopped.join().unwrap().unwrap_err());
        listener.accept().unwrap();
        listener.accept().unwrap();
        waits.join().unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(UnixStream::connect_ctx(&path, &Never).is_err());
    });
}

/// Readers with contexts that end and readers without stand in one line: who is cancelled leaves it, nobody's turn is lost,
/// and each byte is read once.
#[test]
fn the_line_goes_on() {
    in_goroutines(|| {
        let mut chance = Chance::new("the_line_goes_on");
        for _ in 0..rounds(10) {
            let (a, b) = pair();
            let read = AtomicUsize::new(0);
            let stops: Vec<_> = (0..6).map(|_| Stop::default()).collect();
            let total = if small() { 40 } else { 200 };
            scope(|scope| {
                for stop in &stops {
                    scope.spawn(|| {
                        loop {
                            match b.with_ctx(stop).read(&mut [0; 1]) {
                                Ok(0) => return,
                                Ok(_) => read.fetch_add(1, Ordering::Relaxed),
                                Err(error) => return assert_stopped(&error),
                            };
                        }
                    });
                }
                for _ in 0..2 {
                    scope.spawn(|| {
                        while (&b).read(&mut [0; 1]).unwrap() > 0 {
                            read.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                for sent in 0..total {
                    (&a).write_all(b"x").unwrap();
                    if sent % (total / 6) == 0 && sent > 0 {
                        stops[sent / (total / 6) % 6].signal.fire();
                    }
                    (0..chance.below(4)).for_each(|_| yield_now());
                }
                a.shutdown(gander_net::Shutdown::Write).unwrap();
            });
            assert_eq!(read.load(Ordering::Relaxed), total);
        }
    });
}

/// Signals, closes, deadlines and bytes, all at once: whoever waits is woken by one of them.
#[test]
fn everything_at_once() {
    in_goroutines(|| {
        let mut chance = Chance::new("everything_at_once");
        for _ in 0..rounds(20) {
            let (a, b) = pair();
            let stop = Stop::default();
            let order = chance.below(24);
            scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| b.with_ctx(&stop).read(&mut [0; 1]).map(drop));
                    scope.spawn(|| (&b).read(&mut [0; 1]).map(drop));
                }
                for step in 0..4 {
                    (0..chance.below(6)).for_each(|_| yield_now());
                    match (order + step) % 4 {
                        0 => drop(stop.signal.fire()),
                        1 => drop((&a).write_all(b"y")),
                        2 => drop(b.set_deadline(Some(Instant::now()))),
                        _ => drop(b.close()),
                    }
                }
            });
        }
    });
}

/// Data that comes at the moment at which a read is given up is there for the next read, although the kernel reports it
/// once only.
#[test]
fn what_comes_while_it_is_given_up() {
    in_goroutines(|| {
        let (mut here, mut there) = pair();
        there.set_nodelay(true).unwrap();
        here.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut chance = Chance::new("pauses");
        let count = rounds(300);
        let pauses: Vec<_> = (0..count).map(|_| chance.below(150) as u64).collect();
        let theirs = pauses.clone();
        let answers = spawn(move || {
            let mut byte = [0];
            for pause in theirs {
                there.read_exact(&mut byte).unwrap();
                gander_runtime::sleep(Duration::from_micros(pause));
                there.write_all(&byte).unwrap();
            }
        });
        for i in 0..count {
            here.write_all(&[i as u8]).unwrap();
            let stop = Arc::new(Stop::default());
            let theirs = Arc::clone(&stop);
            let pause = chance.below(150) as u64;
            let stops = spawn(move || {
                gander_runtime::sleep(Duration::from_micros(pause));
                theirs.signal.fire();
            });
            // Short of the buffer: then the socket is known to be empty, and the next read waits before it looks.
            let mut buffer = [0; 64];
            let read = here.with_ctx(&*stop).read(&mut buffer);
            let len = read.or_else(|_| here.read(&mut buffer)).expect("what was sent is not lost");
            assert_eq!(buffer[..len], [i as u8]);
            stops.join().unwrap();
        }
        answers.join().unwrap();
    });
}
