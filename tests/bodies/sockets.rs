//! Sockets with the rest of gander; by themselves they are tested in `net/tests`.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use gander::context::{Context, ContextError};
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

/// net-19: what a context ends tells the context's error, by kind and by type.
#[test]
fn net_19_the_error_of_the_context() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let why = |error: std::io::Error| *error.get_ref().unwrap().downcast_ref::<ContextError>().unwrap();
        let (ctx, cancel) = Context::background().with_cancel_cause();
        let mut client = TcpStream::connect_ctx(addr, &ctx).unwrap();
        let (server, _) = listener.accept_ctx(&ctx).unwrap();
        let theirs = ctx.clone();
        let reader = gander::spawn(move || (server.with_ctx(&theirs).read(&mut [0]).unwrap_err(), server));
        gander::sleep(Duration::from_millis(5));
        cancel.cancel("the user went away");
        let (error, mut server) = reader.join().unwrap();
        assert_eq!(why(error), ContextError::Canceled);
        assert_eq!(ctx.cause().unwrap().to_string(), "the user went away");
        assert_eq!(why(TcpStream::connect_ctx(addr, &ctx).unwrap_err()), ContextError::Canceled);
        // The connection was not touched.
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(5));
        let error = listener.accept_ctx(&ctx).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(why(error), ContextError::DeadlineExceeded);
        let background = Context::background();
        TcpStream::connect_ctx(("localhost", addr.port()), &background).unwrap();
    });
}
