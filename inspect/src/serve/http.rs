//! As much HTTP as a page needs: one GET, one answer, and the connection is closed.

use std::io::{self, BufWriter, Read, Write};

/// A request's head may be so long; there is nothing to say that needs more.
const MOST_BYTES: usize = 16 << 10;

/// What was asked.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    query: String,
    pub(super) host: Option<String>,
}

impl Request {
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Request> {
        let problem = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        let end = loop {
            if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if head.len() >= MOST_BYTES {
                return Err(problem("the request is too long"));
            }
            match stream.read(&mut piece)? {
                0 => return Err(problem("the request ends early")),
                len => head.extend_from_slice(&piece[..len]),
            }
        };
        let head = std::str::from_utf8(&head[..end]).map_err(|_| problem("the request is not text"))?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or("").split(' ');
        let (Some(method), Some(target), Some("HTTP/1.0" | "HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(problem("this is not HTTP"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let host = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim().to_string())
        });
        Ok(Request { method: method.into(), path: path.into(), query: query.into(), host })
    }

    /// A parameter that is a number; none if it is not given or is none.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)?.1.parse().ok())
    }
}

/// What is answered.
pub(super) struct Response {
    status: u16,
    kind: &'static str,
    /// The name of the file that a browser saves it as.
    file: Option<&'static str>,
    body: Body,
}

enum Body {
    Whole(Vec<u8>),
    /// Written piece by piece, and never in memory as a whole.
    Pieces(Box<Pieces>),
}

/// Writes a body.
type Pieces = dyn FnOnce(&mut dyn Write) -> io::Result<()>;

impl Response {
    pub(super) fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response { status: 200, kind, file: None, body: Body::Whole(body.into()) }
    }

    pub(super) fn file(name: &'static str, kind: &'static str, body: Vec<u8>) -> Response {
        Response { file: Some(name), ..Response::new(kind, body) }
    }

    /// A file that is sent while it is made.
    pub(super) fn stream(
        name: &'static str,
        kind: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + 'static,
    ) -> Response {
        Response { status: 200, kind, file: Some(name), body: Body::Pieces(Box::new(write)) }
    }

    pub(super) fn problem(status: u16, text: &str) -> Response {
        Response { status, ..Response::new("text/plain; charset=utf-8", format!("{text}\n")) }
    }

    pub(super) fn write(self, stream: &mut impl Write) -> io::Result<()> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n",
            self.status, self.kind,
        );
        match &self.body {
            Body::Whole(bytes) => head.push_str(&format!("Content-Length: {}\r\n", bytes.len())),
            Body::Pieces(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        if let Some(file) = self.file {
            head.push_str(&format!("Content-Disposition: attachment; filename=\"{file}\"\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        match self.body {
            Body::Whole(bytes) => stream.write_all(&bytes)?,
            Body::Pieces(write) => {
                let mut pieces = BufWriter::with_capacity(PIECE, Chunks(&mut *stream));
                write(&mut pieces)?;
                pieces.flush()?;
                drop(pieces);
                // Only now: without it, a client knows that the end is missing.
                stream.write_all(b"0\r\n\r\n")?;
            }
        }
        stream.flush()
    }
}

/// Pieces of a body are about so large.
const PIECE: usize = 32 << 10;

/// What is written becomes a piece of a body, as HTTP has them.
struct Chunks<'a, W>(&'a mut W);

impl<W: Write> Write for Chunks<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A piece of no length would be the end.
        if !bytes.is_empty() {
            self.0.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
            self.0.write_all(bytes)?;
            self.0.write_all(b"\r\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_only_if_it_was_written_whole() {
        let sent = |error: bool| {
            let mut out = Vec::new();
            let answer = Response::stream("f", "k", move |to| {
                to.write_all(&[b'x'; PIECE + 3])?;
                to.write_all(b"")?;
                to.write_all(b"end")?;
                if error { Err(io::Error::other("no more")) } else { Ok(()) }
            });
            assert_eq!(answer.write(&mut out).is_err(), error);
            String::from_utf8(out).unwrap()
        };
        let whole = sent(false);
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Transfer-Encoding: chunked") && !head.contains("Content-Length"), "{head}");
        let expected = format!("{:x}\r\n{}\r\n3\r\nend\r\n0\r\n\r\n", PIECE + 3, "x".repeat(PIECE + 3));
        assert_eq!(body, expected);
        assert!(!sent(true).ends_with("0\r\n\r\n"));
    }

    #[test]
    fn a_request_is_read_or_refused() {
        let request =
            Request::read(&mut &b"GET /a/b?seconds=3&x=y HTTP/1.1\r\nhOsT:  localhost:1 \r\n\r\nrest"[..]).unwrap();
        assert_eq!(
            (&*request.method, &*request.path, request.host.as_deref()),
            ("GET", "/a/b", Some("localhost:1"))
        );
        assert_eq!((request.number("seconds"), request.number("x"), request.number("y")), (Some(3), None, None));
        let long = [&b"GET / HTTP/1.1\r\n"[..], &[b'a'; 20_000]].concat();
        for bad in [
            &b""[..],
            b"GET / HTTP/1.1\r\n",
            b"\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / FTP\r\n\r\n",
            b"\xff / HTTP/1.1\r\n\r\n",
            &long,
        ] {
            assert!(Request::read(&mut &bad[..]).is_err(), "{bad:?}");
        }
    }
}
