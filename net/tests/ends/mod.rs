//! Where the tests of TCP begin.

#![allow(dead_code, reason = "each test binary uses its part")]

use gander_net::{TcpListener, TcpStream};

pub(crate) fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Two ends of a connection: who connected, and who accepted.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = listen();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}
