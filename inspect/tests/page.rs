//! The page, as a client sees it.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use gander_inspect::{Server, serve};
use gander_net::TcpStream;
use gander_runtime::{Builder, park, run, yield_now};
use gander_sync::{Arc, Barrier, Mutex};
use serde_json::Value;

/// Sends bytes, and returns the status and the body that come back.
fn raw(addr: SocketAddr, request: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_off(end + 4);
    if head.contains("\r\nTransfer-Encoding: chunked") {
        return (status, unchunked(&body));
    }
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    assert_eq!(length, body.len(), "{head}");
    (status, body)
}

/// The pieces of a body that was sent in pieces, all of them.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|bytes| bytes == b"\r\n").expect("a length");
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let piece = &rest[end + 2..];
        assert_eq!(&piece[length..length + 2], b"\r\n");
        body.extend_from_slice(&piece[..length]);
        rest = &piece[length + 2..];
        if length == 0 {
            assert!(rest.is_empty(), "something after the end");
            return body;
        }
    }
}

/// There is one recording at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn get(server: &Server, path: &str) -> Vec<u8> {
    let addr = server.local_addr();
    let (status, body) = raw(addr, format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n\r\n").as_bytes());
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    body
}

fn json(server: &Server, path: &str) -> Value {
    serde_json::from_slice(&get(server, path)).expect("JSON")
}

/// Two goroutines that want each other's lock, for ever; their ids.
fn mutual() -> Vec<u64> {
    let (a, b, both) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())), Arc::new(Barrier::new(2)));
    let mut ids: Vec<u64> = [(&a, &b), (&b, &a)]
        .map(|(one, other)| {
            let (one, other, both) = (one.clone(), other.clone(), both.clone());
            let body = move || {
                let _one = one.lock().unwrap();
                both.wait();
                let _other = other.lock().unwrap();
            };
            gander_runtime::spawn(body).goroutine().id().as_u64()
        })
        .into();
    ids.sort_unstable();
    let waits = |info: &gander_inspect::GoroutineInfo| ids.contains(&info.id.as_u64()) && info.waits_for.is_some();
    while gander_inspect::goroutines().iter().filter(|info| waits(info)).count() < 2 {
        yield_now();
    }
    ids
}

#[test]
fn shows_what_there_is() {
    let _alone = alone();
    run(|| {
        let server = serve("127.0.0.1:0").unwrap();
        let waiter = Builder::new().name("seen on <the> \"page\"".into()).spawn(park).unwrap();
        let id = waiter.goroutine().id().as_u64();
        while !gander_inspect::goroutines().iter().any(|g| g.id.as_u64() == id && g.state.to_string() == "park") {
            yield_now();
        }
        let page = String::from_utf8(get(&server, "/")).unwrap();
        for path in ["/page.js", "/page.css"] {
            assert!(page.contains(path));
            assert!(!get(&server, path).is_empty());
        }
        let stats = json(&server, "/api/stats");
        assert!(stats["goroutines"].as_u64().unwrap() >= 2, "{stats}");
        assert_eq!(stats["procs"].as_array().unwrap().len(), gander_runtime::procs());
        let dump = json(&server, "/api/goroutines");
        let group =
            dump["groups"].as_array().unwrap().iter().find(|group| group["who"][0][0] == id).expect("its group");
        assert_eq!((&group["state"], &group["count"]), (&Value::from("park"), &Value::from(1)));
        assert_eq!(group["who"][0][1], "seen on <the> \"page\"");
        assert!(group["created_at"].as_str().unwrap().contains("page.rs"), "{group}");
        let stuck = mutual();
        let dump = json(&server, "/api/goroutines");
        let mut ids: Vec<u64> =
            dump["circles"][0].as_array().expect("a circle").iter().map(|one| one[0].as_u64().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, stuck, "{dump}");
        assert_eq!(dump["circles"][0][0][2], "mutex lock");
        let of = |id: u64| {
            let who = dump["groups"].as_array().unwrap().iter().flat_map(|group| group["who"].as_array().unwrap());
            who.clone().find(|who| who[0] == id).expect("it is shown").clone()
        };
        for (id, other) in [(stuck[0], stuck[1]), (stuck[1], stuck[0])] {
            let who = of(id);
            assert_eq!(who[2], other);
            assert!(who[3].as_str().unwrap().ends_with(&format!(", held by goroutine {other}")), "{who}");
        }
        // Go's paths.
        let text = String::from_utf8(get(&server, "/debug/pprof/goroutine?debug=2")).unwrap();
        assert!(text.contains("[park]:"), "{text}");
        for path in ["/debug/pprof/goroutine", "/debug/pprof/profile?seconds=1"] {
            assert_eq!(get(&server, path)[..2], [0x1f, 0x8b], "{path} is not gzip");
        }
        let trace = json(&server, "/debug/pprof/trace?seconds=1");
        assert!(trace["traceEvents"].is_array());
        assert!(json(&server, "/api/stats")["poll_wakeups"].as_u64().unwrap() > 0);
        assert!(!get(&server, "/debug/pprof/cmdline").is_empty());
        assert!(!get(&server, "/debug/pprof/").is_empty());
        waiter.goroutine().unpark();
        waiter.join().unwrap();
        let addr = server.local_addr();
        server.stop();
        while TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_ok() {
            yield_now();
        }
    });
}

/// One timeline at a time is recorded or taken; whoever takes it slowly keeps the next one away, and gives way by going.
#[test]
fn one_timeline_at_a_time() {
    let _alone = alone();
    run(|| {
        let server = serve("127.0.0.1:0").unwrap();
        let addr = server.local_addr();
        let ask = format!("GET /debug/pprof/trace?millis=700 HTTP/1.1\r\nHost: {addr}\r\n\r\n");
        let mut first = TcpStream::connect(addr).unwrap();
        first.write_all(ask.as_bytes()).unwrap();
        // While it is recorded, who serves it sleeps.
        let recording = || {
            let serves = |name: &Option<String>| name.as_deref() == Some("gander inspect");
            gander_inspect::goroutines().iter().any(|g| serves(&g.name) && g.state.to_string() == "sleep")
        };
        while !recording() {
            yield_now();
        }
        assert_eq!(raw(addr, ask.as_bytes()).0, 503);
        drop(first);
        while raw(addr, ask.replace("700", "1").as_bytes()).0 != 200 {
            yield_now();
        }
        server.stop();
    });
}

#[test]
fn refuses_strangers_and_nonsense() {
    run(|| {
        let error = serve("0.0.0.0:0").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
        let server = serve("127.0.0.1:0").unwrap();
        let addr = server.local_addr();
        let status = |request: &[u8]| raw(addr, request).0;
        assert_eq!(status(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 403);
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), 403);
        assert_eq!(status(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 405);
        assert_eq!(status(b"GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
        assert_eq!(status(b"GET /../page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"), 404);
        assert_eq!(status(b"nonsense\r\n\r\n"), 400);
        assert_eq!(status(b"GET / HTTP/1.1\r\nHost: localhost"), 400);
        assert_eq!(status(&[0xff; 100]), 400);
        // And it still answers.
        assert!(!get(&server, "/").is_empty());
        server.stop();
    });
}
