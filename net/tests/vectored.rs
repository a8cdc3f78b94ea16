//! Several slices at once, for sockets and pipes.

#[path = "../../chan/tests/common/mod.rs"]
mod common;
mod ends;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};

use common::in_goroutines;
use gander_net::UnixStream;
use gander_net::io::pipe;
use gander_runtime::spawn;

/// Writes and reads of several slices each.
fn goes_through(mut from: impl Write + Send + 'static, mut to: impl Read) {
    assert_eq!(from.write_vectored(&[]).unwrap(), 0);
    assert_eq!(to.read_vectored(&mut []).unwrap(), 0);
    assert_eq!(to.read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])]).unwrap(), 0);
    let parts = [&b""[..], b"one", b"", b"two", b""].map(IoSlice::new);
    assert_eq!(from.write_vectored(&parts).unwrap(), 6);
    let (mut a, mut b) = ([0; 4], [0; 9]);
    let mut bufs = [IoSliceMut::new(&mut []), IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
    assert_eq!(to.read_vectored(&mut bufs).unwrap(), 6);
    assert_eq!((&a, &b[..2]), (b"onet", &b"wo"[..]));

    // More slices than the kernel takes at once, its first thousand empty, some larger than its buffers; whole.
    let long = vec![7; 300 << 10];
    let mut written = Vec::new();
    let mut parts = vec![Vec::new(); 1500];
    for i in 0..5000 {
        parts.push(if i % 1999 == 5 { long.clone() } else { vec![i as u8; i % 3] });
    }
    parts.iter().for_each(|part| written.extend_from_slice(part));
    let len = written.len();
    let writing = spawn(move || {
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let written = from.write_vectored(&slices);
        (from, written)
    });
    let mut read = vec![0; len];
    let mut done = 0;
    while done < len {
        let mut bufs: Vec<_> = read[done..].chunks_mut(777).map(IoSliceMut::new).collect();
        let more = to.read_vectored(&mut bufs).unwrap();
        assert!(more > 0);
        done += more;
    }
    let (from, wrote) = writing.join().unwrap();
    assert_eq!(wrote.unwrap(), len);
    assert!(read == written);
    drop(from);
    assert_eq!(to.read_vectored(&mut [IoSliceMut::new(&mut [0])]).unwrap(), 0);
}

#[test]
fn sockets() {
    in_goroutines(|| {
        let (a, b) = ends::pair();
        goes_through(a, b);
        let (a, b) = UnixStream::pair().unwrap();
        goes_through(a, b);
    });
}

#[test]
fn pipes() {
    in_goroutines(|| {
        let (reader, writer) = pipe().unwrap();
        goes_through(writer, reader);
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        assert_eq!((&writer).write_vectored(&[IoSlice::new(b"x")]).unwrap_err().kind(), ErrorKind::BrokenPipe);
        writer.close().unwrap();
        assert!(gander_net::is_closed(&(&writer).write_vectored(&[]).unwrap_err()));
    });
}
