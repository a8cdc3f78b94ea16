//! A connection: requests in, answers out, in order, until one side has had enough.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gander::net::{Shutdown, TcpStream};

use crate::request::{Bad, Request};

/// Serves a connection to its end. What goes wrong on it is nobody else's concern.
pub(crate) fn serve(stream: &TcpStream, idle: Duration, stop: &AtomicBool) {
    let mut connection = Connection { stream, read: Vec::new(), out: Vec::new() };
    let answer = match connection.requests(idle, stop) {
        Ok(()) => return,
        Err(End::Bad(bad)) => refusal(bad),
        Err(End::Io(error)) if error.kind() == ErrorKind::TimedOut && !connection.read.is_empty() => {
            "408 Request Timeout"
        }
        // It idled for too long, or is gone.
        Err(End::Io(_)) => return,
    };
    connection.respond(answer, answer.as_bytes(), false);
    let _ = connection.flush(idle);
    // A close with unread bytes is a reset, which could overtake the answer: read on, for a while.
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_deadline(Some(Instant::now() + Duration::from_millis(500)));
    let _ = io::copy(&mut stream.take(1 << 20), &mut io::sink());
}

fn refusal(bad: Bad) -> &'static str {
    match bad {
        Bad::Malformed => "400 Bad Request",
        Bad::BodyTooLarge => "413 Content Too Large",
        Bad::HeadTooLarge => "431 Request Header Fields Too Large",
        Bad::NotImplemented => "501 Not Implemented",
        Bad::Version => "505 HTTP Version Not Supported",
    }
}

enum End {
    Bad(Bad),
    Io(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Io(error)
    }
}

struct Connection<'a> {
    stream: &'a TcpStream,
    /// Read and not used yet: half a request, or several.
    read: Vec<u8>,
    /// Answers that are not sent yet.
    out: Vec<u8>,
}

impl Connection<'_> {
    fn requests(&mut self, idle: Duration, stop: &AtomicBool) -> Result<(), End> {
        self.stream.set_nodelay(true)?;
        loop {
            // A request has so long from its first byte to its last; nobody holds a connection by sending slowly.
            self.stream.set_read_deadline(Some(Instant::now() + idle))?;
            let request = loop {
                if let Some(request) = Request::parse(&self.read).map_err(End::Bad)? {
                    break request;
                }
                // Nothing more to answer of what was sent at once: now the answers go out together.
                self.flush(idle)?;
                if !self.fill()? {
                    return Ok(());
                }
            };
            if request.expects_continue && self.read.len() < request.head + request.body {
                self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            while self.read.len() < request.head + request.body {
                self.flush(idle)?;
                if !self.fill()? {
                    return Err(End::Bad(Bad::Malformed));
                }
            }
            let rest = self.read.split_off(request.head + request.body);
            let bytes = std::mem::replace(&mut self.read, rest);
            let keep_alive = request.keep_alive && !stop.load(Ordering::Relaxed);
            self.answer(&request, &bytes[request.head..], keep_alive);
            if !keep_alive {
                self.flush(idle)?;
                return Ok(());
            }
        }
    }

    /// Reads something. False at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut buf = [0; 4096];
        let len = (&*self.stream).read(&mut buf)?;
        self.read.extend_from_slice(&buf[..len]);
        Ok(len > 0)
    }

    fn flush(&mut self, idle: Duration) -> io::Result<()> {
        if !self.out.is_empty() {
            self.stream.set_write_deadline(Some(Instant::now() + idle))?;
            (&*self.stream).write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn answer(&mut self, request: &Request, body: &[u8], keep_alive: bool) {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => self.respond("200 OK", b"Hello, World!", keep_alive),
            ("HEAD", "/") => self.head("200 OK", b"Hello, World!".len(), keep_alive),
            ("POST", "/echo") => self.respond("200 OK", body, keep_alive),
            (_, "/" | "/echo") => self.respond("405 Method Not Allowed", b"", keep_alive),
            _ => self.respond("404 Not Found", b"not found", keep_alive),
        }
    }

    fn head(&mut self, status: &str, len: usize, keep_alive: bool) {
        let connection = if keep_alive { "" } else { "connection: close\r\n" };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len}\r\n{connection}\r\n");
        self.out.extend_from_slice(head.as_bytes());
    }

    fn respond(&mut self, status: &str, body: &[u8], keep_alive: bool) {
        self.head(status, body.len(), keep_alive);
        self.out.extend_from_slice(body);
    }
}
