//! Those that work, so that something moves.

use std::io::{Read, Write};
use std::time::Duration;

use gander::inspect::trace::region;
use gander::net::{TcpListener, TcpStream};
use gander::{sleep, spawn, yield_now};

use super::named;

/// Spawns and joins, fifty at a time.
pub(crate) fn talk() {
    loop {
        let _region = region("talk");
        for _ in 0..50 {
            spawn(yield_now).join().expect("it does not panic");
        }
        sleep(Duration::from_millis(5));
    }
}

/// A byte goes to and fro: the poller has something to do.
pub(crate) fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut here = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (mut there, _) = listener.accept().expect("it was connected");
    named("echo", move || {
        let mut byte = [0];
        while there.read_exact(&mut byte).is_ok() && there.write_all(&byte).is_ok() {}
    });
    named("echo's client", move || {
        let mut byte = [7];
        while here.write_all(&byte).is_ok() && here.read_exact(&mut byte).is_ok() {
            sleep(Duration::from_millis(2));
        }
    });
}
