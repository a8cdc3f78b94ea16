//! UDP and Unix sockets.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use common::{in_goroutines, rounds, settle};
use gander_net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use gander_runtime::{go, spawn};

/// A fresh directory, removed at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("gander-net-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        let path = self.0.join(name);
        let _ = std::fs::remove_file(&path);
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// net-21: UDP.
#[test]
fn udp_echo() {
    in_goroutines(|| {
        let server = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let addr = server.local_addr().unwrap();
        let echo = spawn({
            let server = Arc::clone(&server);
            move || {
                let mut buf = [0; 64];
                while let Ok((len, from)) = server.recv_from(&mut buf) {
                    server.send_to(&buf[..len], from).unwrap();
                }
            }
        });
        let clients: Vec<_> = (0..6u32)
            .map(|id| {
                spawn(move || {
                    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
                    socket.connect(addr).unwrap();
                    assert_eq!(socket.peer_addr().unwrap(), addr);
                    for round in 0..rounds(10) as u32 {
                        let sent = [id.to_le_bytes(), round.to_le_bytes()].concat();
                        socket.send(&sent).unwrap();
                        let mut got = [0; 16];
                        assert_eq!(socket.peek(&mut got).unwrap(), 8);
                        assert_eq!(socket.recv(&mut got).unwrap(), 8);
                        assert_eq!(got[..8], sent);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.close().unwrap();
        echo.join().unwrap();
    });
}

#[test]
fn udp_over_ipv6_and_its_options() {
    in_goroutines(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(9).unwrap();
        assert_eq!(socket.ttl().unwrap(), 9);
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        socket.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
        assert!(socket.join_multicast_v4(&"127.0.0.1".parse().unwrap(), &"127.0.0.1".parse().unwrap()).is_err());
        // Not every machine has IPv6.
        if let (Ok(a), Ok(b)) = (UdpSocket::bind("[::1]:0"), UdpSocket::bind("[::1]:0")) {
            a.send_to(b"six", b.local_addr().unwrap()).unwrap();
            let mut buf = [0; 8];
            assert_eq!(b.peek_from(&mut buf).unwrap(), (3, a.local_addr().unwrap()));
            assert_eq!(b.recv_from(&mut buf).unwrap(), (3, a.local_addr().unwrap()));
        }
    });
}

/// A port where nobody listens is reported to a connected socket.
#[test]
fn udp_refused() {
    in_goroutines(|| {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = gone.local_addr().unwrap();
        drop(gone);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(addr).unwrap();
        let receiver = spawn({
            let socket = socket.try_clone().unwrap();
            move || socket.recv(&mut [0; 1]).unwrap_err().kind()
        });
        settle();
        socket.send(b"x").unwrap();
        assert_eq!(receiver.join().unwrap(), ErrorKind::ConnectionRefused);
    });
}

/// net-21: Unix streams.
#[test]
fn unix_echo() {
    let scratch = Scratch::new("unix_echo");
    in_goroutines(|| {
        let path = scratch.path("socket");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_path()));
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        go(move || {
            for stream in listener.incoming().take(8) {
                let mut stream = stream.unwrap();
                go(move || {
                    let mut reader = stream.try_clone().unwrap();
                    std::io::copy(&mut reader, &mut stream).unwrap();
                });
            }
        });
        let clients: Vec<_> = (0..8u8)
            .map(|id| {
                let path = path.clone();
                spawn(move || {
                    let mut stream = UnixStream::connect(path).unwrap();
                    for _ in 0..rounds(10) {
                        stream.write_all(&[id; 100]).unwrap();
                        let mut got = [0; 100];
                        stream.read_exact(&mut got).unwrap();
                        assert_eq!(got, [id; 100]);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn unix_by_name_without_a_file() {
    use std::os::linux::net::SocketAddrExt;
    in_goroutines(|| {
        let name = format!("gander-net-{}", std::process::id());
        let addr = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let listener = UnixListener::bind_addr(&addr).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_abstract_name(), Some(name.as_bytes()));
        let client = spawn(move || UnixStream::connect_addr(&addr).unwrap());
        let (mut server, _) = listener.accept().unwrap();
        let mut client = client.join().unwrap();
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0; 1]).unwrap();
    });
}

/// net-22.
#[test]
fn unix_datagrams() {
    let scratch = Scratch::new("unix_datagrams");
    in_goroutines(|| {
        let (path, other) = (scratch.path("one"), scratch.path("two"));
        let server = UnixDatagram::bind(&path).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        let mut buf = [0; 8];
        client.send_to(b"", &path).unwrap();
        let (len, from) = server.recv_from(&mut buf).unwrap();
        assert!(len == 0 && from.is_unnamed());
        let named = UnixDatagram::bind(&other).unwrap();
        named.connect(&path).unwrap();
        named.send(b"named").unwrap();
        let (len, from) = server.recv_from(&mut buf).unwrap();
        assert_eq!((len, from.as_pathname()), (5, Some(other.as_path())));
        server.send_to_addr(b"back", &from).unwrap();
        assert_eq!(named.recv(&mut buf).unwrap(), 4);
        assert!(client.send_to(b"x", scratch.path("nobody")).is_err());
    });
}

/// A receiver that is slow: senders wait, whether they are connected or not, and nothing is lost.
#[test]
fn unix_datagrams_wait_for_room() {
    let scratch = Scratch::new("unix_wait");
    in_goroutines(|| {
        let path = scratch.path("slow");
        let server = UnixDatagram::bind(&path).unwrap();
        const EACH: u32 = 300;
        let senders: Vec<_> = [true, false]
            .into_iter()
            .map(|connected| {
                let path = path.clone();
                spawn(move || {
                    let socket = UnixDatagram::unbound().unwrap();
                    if connected {
                        socket.connect(&path).unwrap();
                    }
                    for i in 0..EACH {
                        let message = i.to_le_bytes();
                        let answer =
                            if connected { socket.send(&message) } else { socket.send_to(&message, &path) };
                        assert_eq!(answer.unwrap(), 4);
                    }
                })
            })
            .collect();
        settle();
        let mut sum = 0;
        for _ in 0..2 * EACH {
            let mut buf = [0; 4];
            assert_eq!(server.recv(&mut buf).unwrap(), 4);
            sum += u32::from_le_bytes(buf);
        }
        assert_eq!(sum, EACH * (EACH - 1));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

/// A listener whose queue is full: a Unix connect waits, as std's does.
#[test]
fn unix_connects_wait_for_room() {
    let scratch = Scratch::new("unix_full");
    in_goroutines(|| {
        let path = scratch.path("full");
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let listener = UnixListener::from(std::os::fd::OwnedFd::from(socket));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                spawn(move || UnixStream::connect(path).unwrap().read(&mut [0; 1]).unwrap())
            })
            .collect();
        settle();
        for _ in 0..4 {
            drop(listener.accept().unwrap());
        }
        clients.into_iter().for_each(|client| assert_eq!(client.join().unwrap(), 0));
    });
}

#[test]
fn names() {
    use gander_net::ToSocketAddrs;
    in_goroutines(|| {
        let addrs = |addr: &dyn Fn() -> std::io::Result<Vec<std::net::SocketAddr>>| addr().unwrap();
        let want: std::net::SocketAddr = "127.0.0.1:80".parse().unwrap();
        assert_eq!(addrs(&|| Ok("127.0.0.1:80".to_socket_addrs()?.collect())), [want]);
        assert_eq!(addrs(&|| Ok(("127.0.0.1", 80).to_socket_addrs()?.collect())), [want]);
        assert_eq!(addrs(&|| Ok(("127.0.0.1".to_string(), 80).to_socket_addrs()?.collect())), [want]);
        assert_eq!(addrs(&|| Ok((std::net::Ipv4Addr::LOCALHOST, 80).to_socket_addrs()?.collect())), [want]);
        assert_eq!(addrs(&|| Ok((&[want, want][..]).to_socket_addrs()?.collect())), [want, want]);
        assert!(
            addrs(&|| Ok("localhost:80".to_socket_addrs()?.collect())).iter().all(|addr| addr.ip().is_loopback())
        );
        for bad in ["localhost", "localhost:port", "a b c:80", ".:80", ""] {
            assert!(bad.to_socket_addrs().is_err(), "{bad:?}");
            assert!(TcpStream::connect(bad).is_err() && TcpListener::bind(bad).is_err());
        }
    });
}

/// The kernel takes a path to its first zero byte, and one that begins with it for a name without a file.
#[test]
fn a_path_has_no_zero_byte() {
    for path in ["/tmp/gander-net\0", "\0gander-net"] {
        assert_eq!(UnixListener::bind(path).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixStream::connect(path).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
