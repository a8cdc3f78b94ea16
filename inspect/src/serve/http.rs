//! As much HTTP as a page needs: one GET, one answer, and the connection is closed.

use std::io::{self, Read, Write};

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
    body: Vec<u8>,
}

impl Response {
    pub(super) fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response { status: 200, kind, file: None, body: body.into() }
    }

    pub(super) fn file(name: &'static str, kind: &'static str, body: Vec<u8>) -> Response {
        Response { file: Some(name), ..Response::new(kind, body) }
    }

    pub(super) fn problem(status: u16, text: &str) -> Response {
        Response { status, ..Response::new("text/plain; charset=utf-8", format!("{text}\n")) }
    }

    pub(super) fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Internal Server Error",
        };
        let mut head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n",
            self.status,
            self.kind,
            self.body.len(),
        );
        if let Some(file) = self.file {
            head.push_str(&format!("Content-Disposition: attachment; filename=\"{file}\"\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)?;
        stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
