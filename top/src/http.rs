//! One GET over HTTP, from somebody who may send anything: for how long, and how much, is limited.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::clean::clean;

/// The most that an answer may have: as values in memory it may take sixteen times as much. A dump of the most different
/// stacks that the page shows in full has less.
pub(crate) const MOST_BYTES: usize = 16 << 20;
/// A head may be so long.
const MOST_HEAD: usize = 16 << 10;
/// How long a request may take in all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const TO_CONNECT: Duration = Duration::from_secs(3);

/// The body at `path`.
pub(crate) fn get(addr: &str, path: &str, most: usize, patience: Duration) -> Result<Vec<u8>, String> {
    let until = Instant::now() + patience;
    let mut stream = connect(addr)?;
    let said = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("{addr} takes too long to answer"),
        _ => format!("{addr}: {error}"),
    };
    stream.set_write_timeout(Some(TO_CONNECT)).map_err(said)?;
    // The page answers to names of its own machine only, and may be at the other end of a tunnel.
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    let mut wanted = None;
    loop {
        if wanted.is_none() {
            wanted = head(&answer)?;
        }
        if let Some((start, length)) = wanted {
            if length.is_some_and(|length| length > most) || answer.len() - start > most {
                return Err(format!("{addr} answers with more than {} MiB", most >> 20));
            }
            if length.is_some_and(|length| answer.len() - start >= length) {
                break;
            }
        }
        // For the whole answer, and not for each byte of it.
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("{addr} takes too long to answer"));
        }
        stream.set_read_timeout(Some(left)).map_err(said)?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => answer.extend_from_slice(&piece[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(said(error)),
        }
    }
    match wanted {
        None => Err(format!("{addr} does not speak HTTP")),
        Some((start, Some(length))) if answer.len() - start < length => Err(format!("{addr} ends in the middle")),
        Some((start, length)) => {
            answer.truncate(start + length.unwrap_or(answer.len() - start));
            Ok(answer.split_off(start))
        }
    }
}

fn connect(addr: &str) -> Result<TcpStream, String> {
    let all = addr.to_socket_addrs().map_err(|error| format!("{addr}: {error}"))?;
    let mut problem = format!("{addr} has no address");
    for one in all {
        match TcpStream::connect_timeout(&one, TO_CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = format!("{one}: {error}"),
        }
    }
    Err(problem)
}

/// Where the body begins and how long it is said to be; none: the head is not there yet. An error unless all is well.
fn head(answer: &[u8]) -> Result<Option<(usize, Option<usize>)>, String> {
    let searched = &answer[..answer.len().min(MOST_HEAD)];
    let Some(end) = searched.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return if answer.len() < MOST_HEAD { Ok(None) } else { Err("this is not HTTP".into()) };
    };
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| "this is not HTTP")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or("");
    let Some(code) = status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)) else {
        return Err("this is not HTTP".into());
    };
    if code != "200" {
        return Err(format!("the answer is {:?}: is it gander::inspect::serve?", clean(status)));
    }
    let mut length = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().map_err(|_| "an answer of no length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("an answer in pieces, which is not expected".into());
        }
    }
    Ok(Some((end + 4, length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// What comes of an answer.
    fn answered(answer: &'static [u8], most: usize) -> Result<Vec<u8>, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            // Who has heard enough goes.
            let _ = stream.write_all(answer);
        });
        let got = get(&addr, "/", most, PATIENCE);
        server.join().unwrap();
        got
    }

    #[test]
    fn whole_answers_are_taken_and_others_are_not() {
        assert_eq!(answered(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc", 10), Ok(b"ab".to_vec()));
        assert_eq!(answered(b"HTTP/1.0 200 OK\r\n\r\nabc", 10), Ok(b"abc".to_vec()));
        for bad in [
            &b""[..],
            b"SSH-2.0-OpenSSH_9\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nmore than ten bytes",
            b"HTTP/1.1 404 \x1b[2J\r\n\r\n",
            b"\xff\xff\r\n\r\n",
            &[b'a'; 100_000],
        ] {
            let problem = answered(bad, 10).expect_err(&String::from_utf8_lossy(bad));
            assert!(!problem.contains('\u{1b}'), "{problem:?}");
        }
    }

    #[test]
    fn who_says_nothing_or_little_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let drip = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(b"H").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let problem = get(&addr, "/", 10, Duration::from_millis(300)).unwrap_err();
        assert!(problem.contains("too long"), "{problem}");
        drip.join().unwrap();
        assert!(get(&addr, "/", 10, PATIENCE).is_err(), "nobody listens there any more");
        assert!(get("no address", "/", 10, PATIENCE).is_err());
    }
}
