//! Sockets with the rest of gander; by themselves they are tested in `net/tests`.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use gander::context::Context;
use gander::net::{TcpListener, TcpStream};

use crate::common::run;

/// context-15: the end of a context releases a read, by a function that sets its deadline; then the connection goes on.
#[test]
fn context_15_releases_a_read() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let (ctx, cancel) = Context::background().with_cancel();
        let (told, is_released) = gander::chan::bounded(0);
        let reader = gander::spawn(move || {
            let same = server.try_clone().unwrap();
            let stop = ctx.after_func(move || same.set_read_deadline(Some(Instant::now())).unwrap());
            let mut byte = [0];
            let released = server.read(&mut byte).unwrap_err();
            assert!(!stop.stop(), "it has been called");
            assert!(ctx.err().is_some());
            server.set_read_deadline(None).unwrap();
            told.send(()).unwrap();
            server.read_exact(&mut byte).unwrap();
            (released.kind(), byte)
        });
        gander::sleep(Duration::from_millis(5));
        cancel.cancel();
        is_released.recv().unwrap();
        client.write_all(b"x").unwrap();
        let (kind, byte) = reader.join().unwrap();
        assert!(matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock), "{kind:?}");
        assert_eq!(byte, *b"x");
    });
}
