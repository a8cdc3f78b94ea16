//! The example `proxy`: run as a user runs it, with a client and a server of std's at its ends.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running proxy and the server behind it; killed in the end.
struct Proxy {
    child: Child,
    addr: String,
    server: Option<TcpListener>,
    upstream: SocketAddr,
}

impl Proxy {
    fn start(idle_millis: u64, places: usize) -> Proxy {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let upstream = server.local_addr().expect("listening");
        // Examples are built with the tests, into the folder next to them.
        let tests = std::env::current_exe().expect("the own program");
        let program =
            tests.parent().and_then(|deps| deps.parent()).expect("target/profile/deps").join("examples/proxy");
        let args = ["127.0.0.1:0".into(), upstream.to_string(), idle_millis.to_string(), places.to_string()];
        let mut child = Command::new(program)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the proxy");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("its address");
        let addr = line.trim().strip_prefix("tcp://").expect("an address").to_string();
        Proxy { child, addr, server: Some(server), upstream }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.addr).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// The server's end of the next connection.
    fn accept(&self) -> TcpStream {
        let (stream, _) = self.server.as_ref().expect("a server").accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Both ends of a connection.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.connect();
        (client, self.accept())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a sender says in all: no two stretches of it are alike.
fn text(len: usize, seed: u32) -> Vec<u8> {
    let mut x = seed;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        })
        .collect()
}

fn read_all(stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    (&*stream).read_to_end(&mut all).expect("all up to the end");
    all
}

/// Asserts that the peer hears of a fault, now or when it tries once more.
fn assert_broken(mut stream: &TcpStream) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match stream.read(&mut [0; 64]) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Ok(len) => assert!(len > 0, "a fault comes as an end"),
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline);
    }
}

/// Much data both ways at once, on several connections, with ends at different times.
#[test]
fn carries_both_ways() {
    let len = if std::env::var_os("GANDER_TEST_SMALL").is_some() { 100_000 } else { 3_000_000 };
    let proxy = Proxy::start(60_000, 100);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (client, server) = proxy.pair();
            for (from, to, seed) in [(&client, &server, seed), (&server, &client, seed + 100)] {
                let (mut from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let said = text(len / (1 + seed as usize % 3), seed);
                let expected = said.clone();
                scope.spawn(move || {
                    from.write_all(&said).unwrap();
                    from.shutdown(Shutdown::Write).unwrap();
                });
                scope.spawn(move || assert!(read_all(&to) == expected, "{seed}"));
            }
        }
    });
}

/// Whose end has been passed on can still be answered, from either side.
#[test]
fn carries_half_closes() {
    let proxy = Proxy::start(60_000, 100);
    for turn in 0..2 {
        let (client, server) = proxy.pair();
        let (mut first, mut second) = if turn == 0 { (client, server) } else { (server, client) };
        first.write_all(b"question").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&second), b"question");
        for part in [b"ans", b"wer"] {
            second.write_all(part).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        drop(second);
        assert_eq!(read_all(&first), b"answer");
    }
}

/// A reset comes out as a reset, and does no harm to others.
#[test]
fn carries_resets() {
    let proxy = Proxy::start(60_000, 100);
    let (mut client, mut server) = proxy.pair();
    for turn in 0..2 {
        let (first, second) = proxy.pair();
        let (broken, mut other) = if turn == 0 { (first, second) } else { (second, first) };
        // Closed with bytes that were not read: that is a reset.
        other.write_all(b"unread").unwrap();
        let deadline = Instant::now() + PATIENCE;
        while broken.peek(&mut [0; 6]).unwrap() < 6 {
            assert!(Instant::now() < deadline);
        }
        drop(broken);
        assert_broken(&other);
    }
    client.write_all(b"still here").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&server), b"still here");
    server.write_all(b"so am I").unwrap();
    drop(server);
    assert_eq!(read_all(&client), b"so am I");
}

/// Silence in both directions ends a connection; a word in either keeps it.
#[test]
fn hangs_up_on_the_silent() {
    let proxy = Proxy::start(3_000, 100);
    let start = Instant::now();
    let (silent, at_server) = proxy.pair();
    let (mut speaks, mut hears) = proxy.pair();
    let words = 8;
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..words {
                thread::sleep(Duration::from_millis(500));
                speaks.write_all(b"w").unwrap();
            }
        });
        scope.spawn(|| {
            assert_eq!(read_all(&silent), b"");
            assert_eq!(read_all(&at_server), b"");
            assert!(start.elapsed() >= Duration::from_millis(3_000));
        });
        let mut heard = vec![0; words];
        hears.read_exact(&mut heard).expect("the connection lives as long as one side speaks");
    });
}

/// With nobody behind it a connection is refused, and said so; when somebody is there again all is well.
#[test]
fn refuses_when_upstream_is_down() {
    let mut proxy = Proxy::start(60_000, 100);
    let mut stderr = BufReader::new(proxy.child.stderr.take().expect("piped"));
    proxy.server = None;
    // Only reads: a write could be the one that is told of the fault.
    assert_broken(&proxy.connect());
    let mut said = String::new();
    stderr.read_line(&mut said).expect("a word");
    assert!(said.contains(&proxy.upstream.to_string()) && said.contains("refused"), "{said}");
    proxy.server = Some(TcpListener::bind(proxy.upstream).expect("the port as before"));
    let (mut client, server) = proxy.pair();
    client.write_all(b"hello").unwrap();
    drop(client);
    assert_eq!(read_all(&server), b"hello");
}

/// So many at a time; the next has its turn when one has gone. And it ends in order.
#[test]
fn keeps_to_its_places_and_ends() {
    let mut proxy = Proxy::start(60_000, 2);
    let (first, at_server) = proxy.pair();
    let (mut second, hears) = proxy.pair();
    let mut third = proxy.connect();
    third.write_all(b"me too").unwrap();
    let server = proxy.server.as_ref().unwrap();
    server.set_nonblocking(true).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "there is no place for a third");
    server.set_nonblocking(false).unwrap();
    drop((first, at_server));
    let at_server = proxy.accept();
    third.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&at_server), b"me too");
    drop((third, at_server));

    let pid = proxy.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut line = String::new();
    BufReader::new(proxy.child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a word");
    assert!(line.contains("no new connections"), "{line}");
    assert_eq!(TcpStream::connect(&proxy.addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    second.write_all(b"to the end").unwrap();
    drop(second);
    assert_eq!(read_all(&hears), b"to the end");
    drop(hears);
    assert!(proxy.child.wait().unwrap().success());
}
