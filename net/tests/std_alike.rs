//! What gander's sockets do beside what std's do, step by step: the same, errors included.

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod ends;

use std::io::{self, ErrorKind, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{in_goroutines, watched};
use ends::Scratch;
use gander_net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, is_closed};

/// What was done, and what came of it.
#[derive(Default)]
struct Diary(Vec<String>);

impl Diary {
    fn note<T: std::fmt::Debug>(&mut self, what: &str, answer: io::Result<T>) -> Option<T> {
        let text = match &answer {
            Ok(value) => format!("{value:?}"),
            // The words of errors that are not the kernel's are each library's own.
            Err(error) => format!("{:?} {:?}", error.kind(), error.raw_os_error()),
        };
        self.0.push(format!("{what}: {text}"));
        answer.ok()
    }
}

/// An address without what depends on the run.
fn told(addr: &SocketAddr) -> String {
    match (addr.as_pathname(), addr.as_abstract_name()) {
        (Some(path), _) => format!("{:?}", path.file_name()),
        (_, Some(name)) => format!("abstract, {} bytes", name.len()),
        _ => "unnamed".to_string(),
    }
}

macro_rules! unix_datagrams {
    ($name:ident, $UnixDatagram:ty, $UnixListener:ty) => {
        fn $name(scratch: &Scratch) -> Vec<String> {
            type Datagram = $UnixDatagram;
            let mut diary = Diary::default();
            let mut buf = [0; 16];
            let unnamed = Datagram::unbound().unwrap();
            let nobody = scratch.join("nobody");

            diary.note("local, unbound", unnamed.local_addr().map(|addr| told(&addr)));
            diary.note("peer, unconnected", unnamed.peer_addr().map(|addr| told(&addr)));
            diary.note("send, unconnected", unnamed.send(b"x"));
            diary.note("send to nobody", unnamed.send_to(b"x", &nobody));
            diary.note("connect to nobody", unnamed.connect(&nobody));
            diary.note("send to no path", unnamed.send_to(b"x", ""));
            diary.note("connect to no path", unnamed.connect(""));
            diary.note("a zero byte", unnamed.send_to(b"x", "a\0b"));
            diary.note("a zero byte first", unnamed.send_to(b"x", "\0b"));
            diary.note("a long path", unnamed.send_to(b"x", "l".repeat(108)));
            diary.note("a path that just fits", unnamed.send_to(b"x", "l".repeat(107)));
            diary.note("a directory", unnamed.send_to(b"x", &scratch.path));
            let file = scratch.join("file");
            std::fs::write(&file, b"").unwrap();
            diary.note("a file", unnamed.send_to(b"x", &file));
            diary.note("connect to a file", unnamed.connect(&file));
            diary.note("bind to a file", Datagram::bind(&file).map(drop));

            let path = scratch.join("listener");
            let listener = <$UnixListener>::bind(&path).unwrap();
            diary.note("send to a stream's socket", unnamed.send_to(b"x", &path));
            diary.note("connect to a stream's socket", unnamed.connect(&path));
            drop(listener);
            diary.note("a stream's socket that is gone", unnamed.send_to(b"x", &path));

            // An address without a name: the kernel chooses one to bind to.
            let none = unnamed.local_addr().unwrap();
            let chosen = Datagram::bind_addr(&none);
            diary.note("bind to no name", chosen.as_ref().map(drop).map_err(|error| io::Error::from(error.kind())));
            let chosen = chosen.unwrap();
            diary.note("its name", chosen.local_addr().map(|addr| told(&addr)));
            diary.note(
                "bind to no path",
                Datagram::bind("").and_then(|one| one.local_addr()).map(|addr| told(&addr)),
            );
            diary.note("send to no name", unnamed.send_to_addr(b"x", &none));
            diary.note("connect to no name", unnamed.connect_addr(&none));
            chosen.send_to_addr(b"self", &chosen.local_addr().unwrap()).unwrap();
            diary.note("to itself", chosen.recv_from(&mut buf).map(|(len, from)| (len, told(&from))));

            let path = scratch.join("server");
            let server = Datagram::bind(&path).unwrap();
            diary.note("bind again", Datagram::bind(&path).map(drop));
            diary.note("nothing", unnamed.send_to(b"", &path));
            diary.note("nothing came", server.recv_from(&mut buf).map(|(len, from)| (len, told(&from))));
            diary.note("too long", unnamed.send_to(&vec![0; 1 << 22], &path));
            diary.note("long", unnamed.send_to(&[7; 40], &path));
            diary.note("the rest is lost", server.recv(&mut buf));
            diary.note("into nothing", unnamed.send_to(b"lost", &path).and_then(|_| server.recv(&mut [])));

            let client = Datagram::bind(scratch.join("client")).unwrap();
            diary.note("connect", client.connect(&path));
            diary.note("peer", client.peer_addr().map(|addr| told(&addr)));
            diary.note("send", client.send(b"connected"));
            diary.note("from", server.recv_from(&mut buf).map(|(len, from)| (len, told(&from))));
            diary.note("a stranger to who is connected", unnamed.send_to(b"x", scratch.join("client")));
            diary.note("answer", server.send_to(b"answer", scratch.join("client")));
            diary.note("the answer", client.recv(&mut buf));
            diary.note("send_to, connected", client.send_to(b"there", &path));
            diary.note("it came", server.recv(&mut buf));
            let other = Datagram::bind(scratch.join("other")).unwrap();
            diary.note("send_to another, connected", client.send_to(b"other", scratch.join("other")));
            diary.note("it came", other.recv_from(&mut buf).map(|(len, from)| (len, told(&from))));
            diary.note("connect to another", client.connect(scratch.join("other")));
            diary.note("send", client.send(b"other"));
            diary.note("it came", other.recv(&mut buf));

            // A receiver that is full.
            client.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
            let mut sent = 0;
            while client.send(b"fill").is_ok() {
                sent += 1;
            }
            diary.note("how many fit", Ok(sent));
            diary.note("send, full", client.send(b"fill"));
            diary.note("send_to, full", client.send_to(b"fill", scratch.join("other")));
            client.set_nonblocking(true).unwrap();
            diary.note("send, full, at once", client.send(b"fill"));
            diary.note("send_to, full, at once", client.send_to(b"fill", scratch.join("other")));
            client.set_nonblocking(false).unwrap();

            diary.note("shut for reading", other.shutdown(std::net::Shutdown::Read));
            diary.note("send to who is shut", client.send(b"x"));
            drop(other);
            diary.note("send to who is gone", client.send(b"x"));
            diary.note("again", client.send(b"x"));
            diary.note("send_to who is gone", client.send_to(b"x", scratch.join("other")));
            diary.note("connect to who is gone", client.connect(scratch.join("other")));
            diary.note("shut", client.shutdown(std::net::Shutdown::Both));
            diary.note("send, shut", client.send(b"x"));
            diary.note("send_to, shut", client.send_to(b"x", &path));
            diary.note("recv, shut", client.recv(&mut buf));
            diary.note("recv_from, shut", client.recv_from(&mut buf).map(|(len, from)| (len, told(&from))));
            client.set_nonblocking(true).unwrap();
            diary.note("recv, shut, at once", client.recv(&mut buf));
            let (a, b) = Datagram::pair().unwrap();
            diary.note(
                "pair",
                a.send(b"pair").and_then(|_| b.recv_from(&mut buf)).map(|(len, from)| (len, told(&from))),
            );
            drop(b);
            diary.note("the other one is gone", a.send(b"x"));
            a.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            diary.note("nothing comes", a.recv(&mut buf));
            diary.0
        }
    };
}

unix_datagrams!(by_std, std::os::unix::net::UnixDatagram, std::os::unix::net::UnixListener);
unix_datagrams!(by_gander, UnixDatagram, UnixListener);

/// net-22.
#[test]
fn unix_datagrams_as_std() {
    watched(|| {
        let wanted = by_std(&Scratch::new("std"));
        let got = by_gander(&Scratch::new("thread"));
        assert_eq!(got, wanted);
        gander_runtime::run(|| assert_eq!(by_gander(&Scratch::new("goroutine")), wanted));
    });
}

/// Who waits for a datagram is told that none will come.
#[test]
fn a_shut_datagram_socket_wakes_who_waits() {
    in_goroutines(|| {
        let (a, _b) = UnixDatagram::pair().unwrap();
        let clones = [a.try_clone().unwrap(), a.try_clone().unwrap()];
        let receivers = clones.map(|clone| gander_runtime::spawn(move || clone.recv(&mut [0; 1]).unwrap()));
        common::settle();
        a.shutdown(std::net::Shutdown::Read).unwrap();
        receivers.into_iter().for_each(|receiver| assert_eq!(receiver.join().unwrap(), 0));
    });
}

/// Who was given a listener's descriptor has a blocking one, and the listener waits as before: it can be closed.
#[test]
fn a_listener_can_be_lent() {
    in_goroutines(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let lent = std::net::TcpListener::from(listener.try_clone().unwrap());
        let accept = || {
            let listener = listener.try_clone().unwrap();
            gander_runtime::spawn(move || listener.accept().map(drop))
        };
        let accepting = accept();
        common::settle();
        let _client = TcpStream::connect(addr).unwrap();
        accepting.join().unwrap().unwrap();

        listener.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(accept().join().unwrap().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_read_timeout(None).unwrap();

        let threads = std::thread::spawn(move || lent.accept().map(drop));
        let _client = TcpStream::connect(addr).unwrap();
        gander_runtime::blocking(|| threads.join().unwrap()).unwrap();

        let accepting = accept();
        common::settle();
        listener.close().unwrap();
        assert!(is_closed(&accepting.join().unwrap().unwrap_err()));
    });
}

/// Addresses of all kinds come and go unchanged.
#[test]
fn unix_addresses() {
    watched(|| {
        for name in [&b""[..], b"name", b"with\0zero"] {
            let id = format!("gander-alike-{}-", std::process::id());
            let name = if name.is_empty() { Vec::new() } else { [id.as_bytes(), name].concat() };
            let addr = SocketAddr::from_abstract_name(&name).unwrap();
            let Ok(socket) = UnixDatagram::bind_addr(&addr) else {
                // The empty name there is once on a machine.
                assert!(name.is_empty());
                continue;
            };
            assert_eq!(socket.local_addr().unwrap().as_abstract_name(), Some(&name[..]));
            socket.send_to_addr(b"x", &addr).unwrap();
            assert_eq!(socket.recv_from(&mut [0; 1]).unwrap().1.as_abstract_name(), Some(&name[..]));
        }
    });
}

/// Timeouts go along where a socket becomes std's or gander's; deadlines do not.
#[test]
fn timeouts_cross_over() {
    in_goroutines(|| {
        let (read, write) = (Some(Duration::from_millis(20)), Some(Duration::from_millis(30)));
        macro_rules! crosses {
            ($gander:ty, $std:ty, $socket:expr) => {{
                let socket: $gander = $socket;
                socket.set_read_timeout(read).unwrap();
                socket.set_write_timeout(write).unwrap();
                socket.set_deadline(Some(Instant::now())).unwrap();
                let socket = <$std>::from(socket);
                // The kernel counts in ticks, and rounds up.
                let about = |timeout: Option<Duration>, wanted: Option<Duration>| {
                    let (timeout, wanted) = (timeout.unwrap(), wanted.unwrap());
                    assert!(wanted <= timeout && timeout <= wanted + Duration::from_millis(15), "{timeout:?}");
                };
                about(socket.read_timeout().unwrap(), read);
                about(socket.write_timeout().unwrap(), write);
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                socket.set_write_timeout(None).unwrap();
                let socket = <$gander>::from(socket);
                assert_eq!(socket.read_timeout().unwrap(), Some(Duration::from_secs(5)));
                assert_eq!(socket.write_timeout().unwrap(), None);
                // None is none there too, though the kernel still had one.
                socket.set_read_timeout(None).unwrap();
                let socket = <$std>::from(socket);
                assert_eq!(socket.read_timeout().unwrap(), None);
                socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
                <$gander>::from(socket)
            }};
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let tcp = crosses!(TcpStream, std::net::TcpStream, client);
        assert_eq!((&tcp).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let udp = crosses!(UdpSocket, std::net::UdpSocket, UdpSocket::bind("127.0.0.1:0").unwrap());
        assert_eq!(udp.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let (stream, _peer) = UnixStream::pair().unwrap();
        let unix = crosses!(UnixStream, std::os::unix::net::UnixStream, stream);
        assert_eq!((&unix).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let datagram = UnixDatagram::unbound().unwrap();
        let datagram = crosses!(UnixDatagram, std::os::unix::net::UnixDatagram, datagram);
        assert_eq!(datagram.recv(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        // The shortest there is, for std would take less than a microsecond for none.
        tcp.set_read_timeout(Some(Duration::from_nanos(1))).unwrap();
        assert!(std::net::TcpStream::from(tcp).read_timeout().unwrap().is_some());
        // A listener's does not: std's accept has none.
        listener.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let listener = TcpListener::from(std::net::TcpListener::from(listener));
        assert_eq!(listener.read_timeout().unwrap(), None);
    });
}
