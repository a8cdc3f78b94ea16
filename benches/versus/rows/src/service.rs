//! What the servers of the rows `echo` and `http` do.

use std::io::{Read, Write};

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends back what it gets.
    Echo,
    /// Answers each request with the same page.
    Http,
}

/// The page, with its heading.
pub const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, World!";

impl Service {
    /// What to write after reading `request`; none if it is not complete.
    pub fn answer(self, request: &[u8]) -> Option<&[u8]> {
        match self {
            Service::Echo => Some(request),
            Service::Http => request.ends_with(b"\r\n\r\n").then_some(PAGE),
        }
    }

    /// Serves one connection until its other end closes.
    pub fn serve(self, mut stream: impl Read + Write) {
        let mut buffer = [0; 1024];
        let mut filled = 0;
        loop {
            match stream.read(&mut buffer[filled..]) {
                Ok(0) | Err(_) => return,
                Ok(count) => filled += count,
            }
            if let Some(answer) = self.answer(&buffer[..filled]) {
                if stream.write_all(answer).is_err() {
                    return;
                }
                filled = 0;
            }
        }
    }
}

/// Tells the driver where the server listens.
pub fn say_port(port: u16) {
    println!("PORT {port}");
}
