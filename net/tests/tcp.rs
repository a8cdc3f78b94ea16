//! TCP as a user sees it.

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod ends;

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{in_goroutines, rounds, settle, watched};
use ends::{listen, pair};
use gander_net::{Shutdown, TcpListener, TcpStream};
use gander_runtime::{go, spawn};

#[test]
fn echo() {
    in_goroutines(|| {
        let listener = listen();
        let addr = listener.local_addr().unwrap();
        go(move || {
            for stream in listener.incoming().take(10) {
                let mut stream = stream.unwrap();
                go(move || {
                    let mut buf = [0; 64];
                    loop {
                        match stream.read(&mut buf).unwrap() {
                            0 => return,
                            len => stream.write_all(&buf[..len]).unwrap(),
                        }
                    }
                });
            }
        });
        let clients: Vec<_> = (0..10u32)
            .map(|id| {
                spawn(move || {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    for round in 0..rounds(20) as u32 {
                        let sent = id.wrapping_mul(1000).wrapping_add(round).to_be_bytes();
                        stream.write_all(&sent).unwrap();
                        let mut got = [0; 4];
                        stream.read_exact(&mut got).unwrap();
                        assert_eq!(sent, got);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

/// Everything also works on threads, without a runtime even.
#[test]
fn threads_block() {
    watched(|| {
        let (mut a, mut b) = std::thread::spawn(pair).join().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            b.read_to_string(&mut text).unwrap();
            text
        });
        std::thread::sleep(Duration::from_millis(5));
        a.write_all(b"from a thread").unwrap();
        drop(a);
        assert_eq!(reader.join().unwrap(), "from a thread");
    });
}

#[test]
fn a_thread_and_a_goroutine_talk() {
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        let thread = std::thread::spawn(move || {
            let mut buf = [0; 1];
            while b.read(&mut buf).unwrap() == 1 {
                buf[0] = buf[0].wrapping_add(1);
                b.write_all(&buf).unwrap();
            }
        });
        for i in 0..rounds(50) {
            a.write_all(&[i as u8]).unwrap();
            let mut buf = [0; 1];
            a.read_exact(&mut buf).unwrap();
            assert_eq!(buf[0], (i as u8).wrapping_add(1));
        }
        drop(a);
        gander_runtime::blocking(|| thread.join().unwrap());
    });
}

/// net-10.
#[test]
fn shutting_down_the_reading_side_ends_reads_and_not_writes() {
    in_goroutines(|| {
        let (a, mut b) = pair();
        let a = Arc::new(a);
        let reader = spawn({
            let a = Arc::clone(&a);
            move || (&*a).read(&mut [0; 8]).unwrap()
        });
        settle();
        a.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reader.join().unwrap(), 0);
        (&*a).write_all(b"still").unwrap();
        let mut buf = [0; 5];
        b.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"still");
    });
}

#[test]
fn half_closed() {
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        let server = spawn(move || {
            let mut all = Vec::new();
            b.read_to_end(&mut all).unwrap();
            b.write_all(&all).unwrap();
        });
        a.write_all(b"question").unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        a.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "question");
        server.join().unwrap();
        assert_eq!(a.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

/// net-14.
#[test]
fn an_empty_read_does_not_wait() {
    in_goroutines(|| {
        let (mut a, _b) = pair();
        assert_eq!(a.read(&mut []).unwrap(), 0);
        assert_eq!(a.read_vectored(&mut [IoSliceMut::new(&mut [])]).unwrap(), 0);
    });
}

/// net-16.
#[test]
fn a_reset_is_no_end() {
    in_goroutines(|| {
        let (mut a, b) = pair();
        let reader = spawn(move || a.read(&mut [0; 8]).unwrap_err().kind());
        settle();
        b.set_linger(Some(Duration::ZERO)).unwrap();
        assert_eq!(b.linger().unwrap(), Some(Duration::ZERO));
        drop(b);
        assert_eq!(reader.join().unwrap(), io::ErrorKind::ConnectionReset);
    });
}

/// net-17.
#[test]
fn ten_connections_of_fifty_exchanges() {
    in_goroutines(|| {
        let listener = listen();
        let addr = listener.local_addr().unwrap();
        let server = spawn(move || {
            let handlers: Vec<_> = (0..10)
                .map(|_| {
                    let (mut stream, _) = listener.accept().unwrap();
                    spawn(move || {
                        for _ in 0..50 {
                            let mut request = [0; 4096];
                            stream.read_exact(&mut request).unwrap();
                            request.reverse();
                            stream.write_all(&request).unwrap();
                        }
                    })
                })
                .collect();
            handlers.into_iter().for_each(|handler| handler.join().unwrap());
        });
        let clients: Vec<_> = (0..10u8)
            .map(|id| {
                spawn(move || {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    for round in 0..50u8 {
                        let request: Vec<u8> =
                            (0..4096u32).map(|i| (i as u8).wrapping_mul(id).wrapping_add(round)).collect();
                        stream.write_all(&request).unwrap();
                        let mut answer = vec![0; 4096];
                        stream.read_exact(&mut answer).unwrap();
                        assert!(answer.iter().eq(request.iter().rev()));
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.join().unwrap();
    });
}

/// net-18, net-12.
#[test]
fn a_port_can_be_listened_at_again() {
    in_goroutines(|| {
        let first = listen();
        let addr = first.local_addr().unwrap();
        first.close().unwrap();
        assert!(gander_net::is_closed(&first.accept().unwrap_err()));
        for _ in 0..10 {
            let listener = Arc::new(TcpListener::bind(addr).unwrap());
            let acceptor = spawn({
                let listener = Arc::clone(&listener);
                move || listener.accept().unwrap_err()
            });
            listener.close().unwrap();
            assert!(gander_net::is_closed(&acceptor.join().unwrap()));
        }
    });
}

#[test]
fn a_taken_port_is_an_error() {
    in_goroutines(|| {
        let first = listen();
        let error = TcpListener::bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    in_goroutines(|| {
        let listener = listen();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let both = [addr, addr];
        assert_eq!(TcpStream::connect(&both[..]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(TcpStream::connect(&[][..]).is_err());
    });
}

#[test]
fn the_first_address_that_answers_wins() {
    in_goroutines(|| {
        let closed = listen();
        let refused = closed.local_addr().unwrap();
        drop(closed);
        let listener = listen();
        let addr = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[refused, addr][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        listener.accept().unwrap();
    });
}

/// net-25.
#[test]
fn writing_to_nobody_ends_with_an_error() {
    in_goroutines(|| {
        let (mut a, b) = pair();
        drop(b);
        let error = loop {
            if let Err(error) = a.write(&[0; 1024]) {
                break error;
            }
        };
        assert!(matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
    });
}

/// semantics 51: concurrent writes are whole.
#[test]
fn writes_do_not_mix() {
    in_goroutines(|| {
        const LEN: usize = 300_000;
        let (a, mut b) = pair();
        let a = Arc::new(a);
        let writers: Vec<_> = (1..=4u8)
            .map(|id| {
                let a = Arc::clone(&a);
                spawn(move || {
                    for _ in 0..3 {
                        let part = vec![id; LEN / 3];
                        let parts = [IoSlice::new(&part), IoSlice::new(&part), IoSlice::new(&part)];
                        assert_eq!((&*a).write_vectored(&parts).unwrap(), LEN);
                        assert_eq!((&*a).write(&vec![id; LEN]).unwrap(), LEN);
                    }
                })
            })
            .collect();
        let mut buf = vec![0; LEN];
        for _ in 0..4 * 3 * 2 {
            b.read_exact(&mut buf).unwrap();
            assert!(buf.iter().all(|&byte| byte == buf[0]));
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn vectored_and_peeked() {
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        let parts = [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"llo")];
        assert_eq!(a.write_vectored(&parts).unwrap(), 5);
        let mut peeked = [0; 5];
        while b.peek(&mut peeked).unwrap() < 5 {}
        let (mut first, mut second) = ([0; 3], [0; 3]);
        let len = b.read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]).unwrap();
        assert_eq!((len, &first, &second[..2]), (5, b"hel", &b"lo"[..]));
    });
}

#[test]
fn options_hold() {
    in_goroutines(|| {
        let (a, _b) = pair();
        a.set_nodelay(true).unwrap();
        a.set_ttl(7).unwrap();
        assert!(a.nodelay().unwrap());
        assert_eq!(a.ttl().unwrap(), 7);
        assert!(a.take_error().unwrap().is_none());
        a.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let clone = a.try_clone().unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(Duration::from_millis(5)));
        assert_eq!(clone.set_write_timeout(Some(Duration::ZERO)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!((&clone).read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn nonblocking() {
    in_goroutines(|| {
        let listener = listen();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let (mut a, mut b) = pair();
        a.set_nonblocking(true).unwrap();
        assert_eq!(a.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        a.set_nonblocking(false).unwrap();
        b.write_all(b"x").unwrap();
        assert_eq!(a.read(&mut [0; 1]).unwrap(), 1);
    });
}

/// From std's sockets and back: each blocks as its kind does.
#[test]
fn adopted_and_given_back() {
    in_goroutines(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::from(listener);
        let addr = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(addr).unwrap();
            let mut buf = [0; 4];
            stream.read_exact(&mut buf).unwrap();
            stream.write_all(&buf).unwrap();
        });
        let (stream, _) = listener.accept().unwrap();
        let spare = stream.try_clone().unwrap();
        let mut stream = std::net::TcpStream::from(stream);
        stream.write_all(b"ping").unwrap();
        let mut stream = TcpStream::from(stream);
        let mut buf = [0; 4];
        stream.read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"ping");
        assert_eq!((&spare).read(&mut buf).unwrap(), 0);
        gander_runtime::blocking(|| client.join().unwrap());
    });
}

/// A handle that is leaked leaves its descriptor in the poller; whoever adopts the number is woken all the same.
#[test]
fn the_descriptor_of_a_leaked_handle_can_be_adopted() {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        let reader = spawn(move || {
            a.read_exact(&mut [0; 1]).unwrap();
            a
        });
        settle();
        b.write_all(b"1").unwrap();
        let a = reader.join().unwrap();
        let fd = a.as_raw_fd();
        std::mem::forget(a);
        #[allow(unsafe_code, reason = "the number's owner was forgotten")]
        // SAFETY: nobody else owns it.
        let mut a = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let reader = spawn(move || a.read(&mut [0; 1]).unwrap());
        settle();
        b.write_all(b"2").unwrap();
        assert_eq!(reader.join().unwrap(), 1);
    });
}

/// A read that leaves room lets the next one wait for news: not if somebody has taken the news meanwhile.
#[test]
fn what_was_peeked_at_is_read() {
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        b.set_read_deadline(Some(Instant::now() + Duration::from_secs(20))).unwrap();
        for round in 0..4 {
            let writer = spawn(move || {
                settle();
                a.write_all(b"first").unwrap();
                a
            });
            assert_eq!(b.read(&mut [0; 64]).unwrap(), 5);
            a = writer.join().unwrap();
            a.write_all(b"second").unwrap();
            settle();
            let mut buf = [0; 64];
            let taken = if round % 2 == 0 {
                assert_eq!(b.peek(&mut buf).unwrap(), 6);
                0
            } else {
                b.read_vectored(&mut [IoSliceMut::new(&mut buf[..2])]).unwrap()
            };
            b.read_exact(&mut buf[taken..6]).unwrap();
            assert_eq!(&buf[..6], b"second");
        }
    });
}

/// The kernel takes 1024 slices at once.
#[test]
fn empty_slices_come_first() {
    in_goroutines(|| {
        let (mut a, mut b) = pair();
        let mut slices = vec![IoSlice::new(b""); 1500];
        slices.push(IoSlice::new(b"end"));
        assert_eq!(a.write_vectored(&slices).unwrap(), 3);
        let (mut nothing, mut buf) = (vec![[]; 1500], [0; 8]);
        let mut slices: Vec<_> = nothing.iter_mut().map(|empty: &mut [u8; 0]| IoSliceMut::new(empty)).collect();
        slices.push(IoSliceMut::new(&mut buf));
        assert_eq!(b.read_vectored(&mut slices).unwrap(), 3);
        assert_eq!(&buf[..3], b"end");
    });
}
