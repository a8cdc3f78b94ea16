//! The examples that talk: run as a user runs them, and talked to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An example's program: they are built with the tests, into the folder next to them.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the own program");
    tests.parent().and_then(|deps| deps.parent()).expect("target/profile/deps").join("examples").join(name)
}

fn is_small() -> bool {
    std::env::var_os("GANDER_TEST_SMALL").is_some_and(|value| value == "1")
}

#[test]
fn echo_loses_nothing() {
    let (count, seconds) = if is_small() { ("20", "1") } else { ("500", "2") };
    let output = Command::new(example("echo")).args([count, seconds]).output().expect("run the example");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("{count} connections")) || text.contains("connections live"), "{text}");
}

/// A running server; killed in the end.
struct Server {
    child: Child,
    addr: String,
}

impl Server {
    fn start(idle_millis: u64) -> Server {
        let mut command = Command::new(example("httpd"));
        command.args(["127.0.0.1:0", &idle_millis.to_string()]);
        Server::launch(&mut command)
    }

    fn launch(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("start the server");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("its address");
        let addr = line.trim().strip_prefix("http://").expect("an address").to_string();
        Server { child, addr }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.addr).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream
    }

    /// Sends all at once, and returns all that comes back.
    fn ask(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).expect("send");
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn httpd_answers() {
    let server = Server::start(30_000);
    let answer = server.ask(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nHello, World!"), "{answer}");
    let answer = server.ask(b"POST /echo HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(server.ask(b"GET /nowhere HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    assert!(server.ask(b"PUT / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    let head = server.ask(b"HEAD / HTTP/1.1\r\n\r\n");
    assert!(head.contains("content-length: 13\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn httpd_pipelines_and_keeps_alive() {
    let server = Server::start(30_000);
    let mut requests = Vec::new();
    for i in 0..100 {
        requests.extend(format!("POST /echo HTTP/1.1\r\ncontent-length: 3\r\n\r\n{i:03}").bytes());
    }
    let answers = server.ask(&requests);
    let bodies: Vec<_> =
        answers.split("HTTP/1.1 200 OK").skip(1).map(|answer| &answer[answer.len() - 3..]).collect();
    assert_eq!(bodies, (0..100).map(|i| format!("{i:03}")).collect::<Vec<_>>());
    // A byte at a time is a request too; and the next on the same connection.
    let mut stream = server.connect();
    for _ in 0..2 {
        for byte in b"GET / HTTP/1.1\r\n\r\n" {
            stream.write_all(&[*byte]).unwrap();
        }
        let mut answer = vec![0; 78];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(b"Hello, World!"), "{}", String::from_utf8_lossy(&answer));
    }
    stream.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("connection: close\r\n"));
}

#[test]
fn httpd_refuses_what_is_bad() {
    let server = Server::start(30_000);
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(100));
    for (request, status) in [
        (long.as_str(), "431"),
        (many.as_str(), "431"),
        ("POST /echo HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", "413"),
        ("POST /echo HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n", "413"),
        ("POST /echo HTTP/1.1\r\ncontent-length: +5\r\n\r\nhello", "400"),
        ("POST /echo HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", "400"),
        ("POST /echo HTTP/1.1\r\ncontent-length: 9\r\n\r\nhello", "400"),
        ("POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "501"),
        ("nonsense\r\n\r\n", "400"),
        ("\0\u{1}\u{2}", "400"),
        ("GET / HTTP/3.0\r\n\r\n", "505"),
    ] {
        let answer = server.ask(request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.60?}: {answer:.60}");
    }
    assert!(server.ask(b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"), "the others are unharmed");
}

#[test]
fn httpd_does_not_wait_for_the_slow() {
    let server = Server::start(200);
    let start = Instant::now();
    let mut half = server.connect();
    half.write_all(b"GET / HT").unwrap();
    let mut idle = server.connect();
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0, "who says nothing is hung up on");
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn httpd_ends_in_order() {
    let mut server = Server::start(10_000);
    let mut stream = server.connect();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\nGET / HT").unwrap();
    let mut answer = vec![0; 78];
    stream.read_exact(&mut answer).unwrap();
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    // The listener is closed; the request that had begun is answered.
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(&server.addr).is_ok() {
        assert!(Instant::now() < deadline, "it goes on listening");
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.write_all(b"TP/1.1\r\n\r\n").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("connection: close\r\n") && rest.ends_with("Hello, World!"), "{rest}");
    assert!(server.child.wait().unwrap().success());
}

/// Out of descriptors: it says so, the connections that are there go on, and when some have gone it accepts again.
#[test]
fn httpd_survives_without_descriptors() {
    let mut shell = Command::new("sh");
    let script = format!("ulimit -n 40; exec {} 127.0.0.1:0 60000", example("httpd").display());
    let mut server = Server::launch(shell.args(["-c", &script]).stderr(Stdio::piped()));
    let mut streams: Vec<_> = (0..60).map(|_| server.connect()).collect();
    let mut said = String::new();
    let stderr = server.child.stderr.take().expect("piped");
    BufReader::new(stderr).read_line(&mut said).expect("a word");
    assert!(said.contains("accept") && said.contains("Too many open files"), "{said}");
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = vec![0; 78];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.ends_with(b"Hello, World!"));
    };
    ask(&mut streams[0]);
    let mut last = streams.pop().expect("sixty");
    // The last one is in the queue, behind those that are dropped here.
    streams.truncate(1);
    ask(&mut last);
    ask(&mut streams[0]);
}
