//! Deadlines: absolute, sticky, set by anybody, and waking whoever waits.

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod ends;

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{in_goroutines, rounds, settle, small};
use ends::{listen, pair};
use gander_net::{TcpStream, UdpSocket};
use gander_runtime::spawn;

fn in_millis(millis: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(millis))
}

fn past() -> Option<Instant> {
    Some(Instant::now())
}

/// A listener whose queue is full, so that nobody can connect.
fn full() -> (std::net::SocketAddr, impl Drop) {
    struct Full(#[allow(dead_code, reason = "kept open")] socket2::Socket, #[allow(dead_code)] Vec<TcpStream>);
    impl Drop for Full {
        fn drop(&mut self) {}
    }
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fill = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
        fill.push(stream);
    }
    (addr, Full(socket, fill))
}

/// net-1, net-20.
#[test]
fn connecting_times_out() {
    in_goroutines(|| {
        let (addr, _full) = full();
        let start = Instant::now();
        let error = TcpStream::connect_timeout(&addr, Duration::from_millis(30)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(30), "not early");
        for deadline in [Instant::now(), Instant::now() + Duration::from_millis(20)] {
            for addrs in [&[addr][..], &[addr, addr, addr][..]] {
                let error = TcpStream::connect_deadline(addrs, deadline).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                assert!(Instant::now() >= deadline);
            }
        }
        // The last of them still gets its turn in time.
        let listener = listen();
        let open = listener.local_addr().unwrap();
        let stream = TcpStream::connect_deadline(&[addr, addr, open][..], Instant::now() + Duration::from_secs(20));
        assert_eq!(stream.unwrap().peer_addr().unwrap(), open);
        // The longest there is.
        TcpStream::connect_timeout(&open, Duration::MAX).unwrap();
        assert_eq!(TcpStream::connect_timeout(&open, Duration::ZERO).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

/// net-2.
#[test]
fn accepting_times_out() {
    in_goroutines(|| {
        let listener = listen();
        for _ in 0..rounds(10) {
            listener.set_deadline(in_millis(1)).unwrap();
            assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::TimedOut);
        }
    });
}

/// net-3.
#[test]
fn a_read_deadline_that_was_taken_back_does_not_strike() {
    in_goroutines(|| {
        let (mut a, b) = pair();
        a.set_read_deadline(in_millis(5)).unwrap();
        a.set_read_deadline(None).unwrap();
        let reader = spawn(move || a.read(&mut [0; 1]));
        gander_runtime::sleep(Duration::from_millis(15));
        assert!(!reader.is_finished());
        drop(b);
        assert_eq!(reader.join().unwrap().unwrap(), 0);
    });
}

/// net-5.
#[test]
fn a_write_deadline_that_was_taken_back_does_not_strike() {
    in_goroutines(|| {
        let (mut a, b) = pair();
        a.set_write_deadline(in_millis(5)).unwrap();
        a.set_write_deadline(None).unwrap();
        let writer = spawn(move || {
            let chunk = vec![0; 1 << 20];
            loop {
                if let Err(error) = a.write(&chunk) {
                    return error;
                }
            }
        });
        gander_runtime::sleep(Duration::from_millis(20));
        assert!(!writer.is_finished());
        drop(b);
        let error = writer.join().unwrap();
        assert_ne!(error.kind(), ErrorKind::TimedOut);
    });
}

/// net-4, net-6, semantics 51: sticky, and it strikes even if there is something to read.
#[test]
fn datagrams_and_deadlines() {
    in_goroutines(|| {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let to = b.local_addr().unwrap();
        a.set_write_deadline(past()).unwrap();
        assert_eq!(a.send_to(b"1", to).unwrap_err().kind(), ErrorKind::TimedOut);
        a.set_write_deadline(in_millis(100_000)).unwrap();
        a.send_to(b"2", to).unwrap();
        b.set_read_deadline(past()).unwrap();
        for _ in 0..3 {
            assert_eq!(b.recv_from(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
        }
        b.set_read_deadline(None).unwrap();
        let mut buf = [0; 8];
        let (len, from) = b.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from), (&b"2"[..], a.local_addr().unwrap()));
        b.set_read_deadline(in_millis(5)).unwrap();
        assert_eq!(b.recv_from(&mut buf).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

/// net-7.
#[test]
fn a_read_never_times_out_early() {
    in_goroutines(|| {
        let (mut a, _b) = pair();
        for millis in [1, 2, 4, 8] {
            let start = Instant::now();
            a.set_read_deadline(Some(start + Duration::from_millis(millis))).unwrap();
            assert_eq!(a.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(start.elapsed() >= Duration::from_millis(millis));
            a.set_read_deadline(None).unwrap();
            a.set_read_timeout(Some(Duration::from_millis(millis))).unwrap();
            let start = Instant::now();
            assert_eq!(a.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
            assert!(start.elapsed() >= Duration::from_millis(millis));
            a.set_read_timeout(None).unwrap();
        }
    });
}

/// net-8: a peer that never stops does not keep a reader from its deadline.
#[test]
fn deadlines_under_a_flood() {
    in_goroutines(|| {
        for nanos in [1, 1_000, 100_000, 1_000_000, 10_000_000] {
            let (mut a, mut b) = pair();
            let writer = spawn(move || while b.write(&[0; 4096]).is_ok() {});
            a.set_read_deadline(Some(Instant::now() + Duration::from_nanos(nanos))).unwrap();
            let mut buf = [0; 4096];
            let error = loop {
                match a.read(&mut buf) {
                    Ok(len) => assert!(len > 0),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            drop(a);
            writer.join().unwrap();
        }
    });
}

/// net-9.
#[test]
fn deadlines_race_with_everything() {
    in_goroutines(|| {
        let (a, b) = pair();
        let (a, over) = (Arc::new(a), Arc::new(AtomicBool::new(false)));
        let ok = |answer: io::Result<usize>| {
            if let Err(error) = answer {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
            }
        };
        let tasks: Vec<_> = [true, false]
            .into_iter()
            .map(|reads| {
                let (a, over) = (Arc::clone(&a), Arc::clone(&over));
                spawn(move || {
                    let mut buf = [0; 256];
                    while !over.load(Ordering::Relaxed) {
                        ok(if reads { (&*a).read(&mut buf) } else { (&*a).write(&buf) });
                        gander_runtime::yield_now();
                    }
                })
            })
            .collect();
        let peer = spawn(move || {
            let mut buf = [0; 256];
            while let Ok(1..) = (&b).read(&mut buf) {
                if (&b).write(&buf[..1]).is_err() {
                    break;
                }
            }
        });
        for round in 0..rounds(100) as u64 {
            let deadline = match round % 4 {
                0 => past(),
                1 => in_millis(1),
                2 => Some(Instant::now() + Duration::from_micros(50)),
                _ => None,
            };
            a.set_read_deadline(deadline).unwrap();
            a.set_write_deadline(deadline).unwrap();
            gander_runtime::yield_now();
        }
        over.store(true, Ordering::Relaxed);
        a.set_deadline(past()).unwrap();
        tasks.into_iter().for_each(|task| task.join().unwrap());
        drop(a);
        peer.join().unwrap();
    });
}

/// semantics 51: set from another goroutine, it wakes a blocked one.
#[test]
fn a_deadline_wakes_whoever_waits() {
    in_goroutines(|| {
        let (mut a, _b) = pair();
        let control = a.try_clone().unwrap();
        let reader = spawn(move || a.read(&mut [0; 1]).unwrap_err().kind());
        settle();
        control.set_deadline(past()).unwrap();
        assert_eq!(reader.join().unwrap(), ErrorKind::TimedOut);
    });
}

/// The same for threads, which sleep elsewhere.
#[test]
fn a_deadline_wakes_a_thread() {
    in_goroutines(|| {
        let (mut a, _b) = pair();
        let control = a.try_clone().unwrap();
        let reader = std::thread::spawn(move || a.read(&mut [0; 1]).unwrap_err().kind());
        settle();
        control.set_deadline(past()).unwrap();
        assert_eq!(gander_runtime::blocking(|| reader.join().unwrap()), ErrorKind::TimedOut);
        let (mut a, _b) = pair();
        let reader = std::thread::spawn(move || {
            a.set_read_timeout(Some(Duration::from_millis(3))).unwrap();
            a.read(&mut [0; 1]).unwrap_err().kind()
        });
        assert_eq!(gander_runtime::blocking(|| reader.join().unwrap()), ErrorKind::WouldBlock);
    });
}

/// A write that was cut off says how far it came.
#[test]
fn a_write_tells_what_it_wrote() {
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        let all = vec![7; if small() { 8 << 20 } else { 32 << 20 }];
        a.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut len = a.write(&all).unwrap();
        assert!(0 < len && len < all.len());
        // The kernel may make more room meanwhile, but not for ever.
        let error = loop {
            match a.write(&all) {
                Ok(more) => len += more,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        drop(a);
        let mut rest = Vec::new();
        b.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), len);
    });
}

/// Who gets one of several handles of a pipe gets it blocking; the others wait as before.
#[test]
fn a_pipe_that_was_given_away_keeps_its_deadline() {
    in_goroutines(|| {
        let (mut reader, mut writer) = gander_net::io::pipe().unwrap();
        let given = std::os::fd::OwnedFd::from(reader.try_clone().unwrap());
        reader.set_deadline(Some(Instant::now() + Duration::from_millis(5))).unwrap();
        assert_eq!(reader.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
        writer.write_all(b"x").unwrap();
        let mut buf = [0; 1];
        std::fs::File::from(given).read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"x");
    });
}
