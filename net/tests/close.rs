//! Closing while others use it.

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod ends;

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use common::{Chance, in_goroutines, rounds, settle};
use ends::pair;
use gander_net::{TcpListener, TcpStream, UdpSocket, UnixStream, is_closed};
use gander_runtime::{spawn, yield_now};

#[track_caller]
fn assert_closed<T: std::fmt::Debug>(answer: io::Result<T>) {
    let error = answer.unwrap_err();
    assert!(is_closed(&error), "{error}");
    assert_eq!(error.to_string(), "use of closed network connection");
}

/// net-11.
#[test]
fn nothing_works_on_a_closed_handle() {
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        let mut clone = a.try_clone().unwrap();
        a.close().unwrap();
        assert_closed(a.close());
        assert_closed(clone.read(&mut [0; 1]));
        assert_closed(a.write(&[0; 1]));
        assert_closed(a.peek(&mut [0; 1]));
        assert_closed(a.read(&mut []));
        assert_closed(a.local_addr());
        assert_closed(a.peer_addr());
        assert_closed(a.set_nodelay(true));
        assert_closed(a.set_deadline(None));
        assert_closed(a.set_read_timeout(None));
        assert_closed(a.shutdown(gander_net::Shutdown::Both));
        assert_closed(a.take_error());
        assert_eq!(b.read(&mut [0; 1]).unwrap(), 0, "the other end sees the end, though handles are left");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        socket.close().unwrap();
        assert_closed(socket.send_to(b"x", addr));
        assert_closed(socket.recv(&mut [0; 1]));
        UdpSocket::bind(addr).unwrap();
    });
}

/// semantics 51, net-15. Of each three one waits for the world, the others for their turn.
#[test]
fn a_close_wakes_everybody() {
    in_goroutines(|| {
        let (a, b) = pair();
        let (a, b) = (Arc::new(a), Arc::new(b));
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut tasks = Vec::new();
        for _ in 0..3 {
            let (reader, writer) = (Arc::clone(&b), Arc::clone(&b));
            let (acceptor, receiver) = (Arc::clone(&listener), Arc::clone(&socket));
            tasks.push(spawn(move || (&*reader).read(&mut [0; 1]).unwrap_err()));
            tasks.push(spawn(move || {
                loop {
                    if let Err(error) = (&*writer).write(&[0; 1 << 16]) {
                        return error;
                    }
                }
            }));
            tasks.push(spawn(move || acceptor.accept().unwrap_err()));
            tasks.push(spawn(move || receiver.recv(&mut [0; 1]).unwrap_err()));
        }
        let thread = std::thread::spawn({
            let socket = Arc::clone(&socket);
            move || socket.recv(&mut [0; 1]).unwrap_err()
        });
        settle();
        b.close().unwrap();
        listener.close().unwrap();
        socket.close().unwrap();
        for task in tasks {
            let error = task.join().unwrap();
            assert!(is_closed(&error), "{error}");
        }
        assert!(is_closed(&gander_runtime::blocking(|| thread.join().unwrap())));
        drop(a);
    });
}

/// The number of a closed descriptor is not given to others while there are handles.
#[test]
fn the_number_stays_taken() {
    in_goroutines(|| {
        let (a, b) = pair();
        let fd = a.as_raw_fd();
        a.close().unwrap();
        let others: Vec<_> = (0..8).map(|_| UnixStream::pair().unwrap()).collect();
        let is_taken = |stream: &UnixStream| stream.as_raw_fd() == fd;
        assert!(!others.iter().any(|(one, other)| is_taken(one) || is_taken(other)));
        assert_eq!(a.as_raw_fd(), fd);
        drop((a, b));
    });
}

/// Descriptors that are open, but for those that come and go by themselves.
fn open_descriptors() -> Vec<RawFd> {
    let list = std::fs::read_dir("/proc/self/fd").unwrap();
    list.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// net-26: operations against closes, many connections at once; nobody ever reads what was meant for another.
#[test]
fn closes_race_with_operations() {
    in_goroutines(|| {
        let mut chance = Chance::new("closes_race_with_operations");
        let before = open_descriptors().len();
        for round in 0..rounds(20) {
            let id = (round % 251) as u8;
            let (a, b) = if round % 2 == 0 {
                let (a, b) = pair();
                (Ends::Tcp(a), Ends::Tcp(b))
            } else {
                let (a, b) = UnixStream::pair().unwrap();
                (Ends::Unix(a), Ends::Unix(b))
            };
            let (a, b) = (Arc::new(a), Arc::new(b));
            let mut tasks = Vec::new();
            for end in [&a, &b] {
                for _ in 0..2 {
                    let (reader, writer) = (Arc::clone(end), Arc::clone(end));
                    tasks.push(spawn(move || {
                        let mut buf = [0; 64];
                        while let Ok(len @ 1..) = reader.read(&mut buf) {
                            assert!(buf[..len].iter().all(|&byte| byte == id), "somebody else's bytes");
                        }
                    }));
                    tasks.push(spawn(move || {
                        while writer.write(&[id; 64]).is_ok() {
                            yield_now();
                        }
                    }));
                }
            }
            for _ in 0..chance.below(20) {
                yield_now();
            }
            if chance.below(2) == 0 {
                a.close()
            } else {
                b.close()
            }
            tasks.into_iter().for_each(|task| task.join().unwrap());
        }
        // The test harness opens and closes too; a leak would be of one in each round.
        assert!(open_descriptors().len() < before + 10);
    });
}

enum Ends {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Ends {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Ends::Tcp(stream) => (&*stream).read(buf),
            Ends::Unix(stream) => (&*stream).read(buf),
        }
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Ends::Tcp(stream) => (&*stream).write(buf),
            Ends::Unix(stream) => (&*stream).write(buf),
        }
    }

    fn close(&self) {
        match self {
            Ends::Tcp(stream) => stream.close().unwrap(),
            Ends::Unix(stream) => stream.close().unwrap(),
        }
    }
}
