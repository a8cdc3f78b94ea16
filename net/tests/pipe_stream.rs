//! net-23: connections in memory.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::time::{Duration, Instant};

use common::{in_goroutines, rounds, settle, watched};
use gander_net::{PipeStream, is_closed};
use gander_runtime::{scope, spawn, yield_now};

/// A write returns when all of it has been read, and not before.
#[test]
fn synchronous() {
    in_goroutines(|| {
        let (mut a, mut b) = PipeStream::pair();
        let writer = spawn(move || {
            a.write_all(b"hello").unwrap();
            a
        });
        let mut buf = [0; 4];
        assert_eq!(b.read(&mut buf).unwrap(), 4);
        settle();
        assert!(!writer.is_finished(), "one byte is left");
        assert_eq!(b.read(&mut buf).unwrap(), 1);
        assert_eq!(&buf[..1], b"o");
        let mut a = writer.join().unwrap();
        // Nothing to read, nothing to write: nobody waits.
        assert_eq!((a.read(&mut []).unwrap(), a.write(&[]).unwrap()), (0, 0));
        let writer = spawn(move || {
            assert_eq!(a.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"slice")]).unwrap(), 5);
        });
        let mut buf = [0; 5];
        assert_eq!(b.read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut buf)]).unwrap(), 5);
        writer.join().unwrap();
    });
}

/// The closed end's errors, and the other's.
#[test]
fn close() {
    in_goroutines(|| {
        let (a, mut b) = PipeStream::pair();
        let mut clone = a.try_clone().unwrap();
        a.close().unwrap();
        assert!(is_closed(&a.close().unwrap_err()));
        for error in [clone.read(&mut [0; 1]), clone.write(b"x"), clone.read(&mut []), clone.write(&[])] {
            assert!(is_closed(&error.unwrap_err()));
        }
        assert!(is_closed(&clone.set_deadline(None).unwrap_err()));
        assert_eq!(b.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(b.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        b.close().unwrap();
        assert!(is_closed(&b.read(&mut [0; 1]).unwrap_err()));
        // By the last handle.
        let (a, mut b) = PipeStream::pair();
        let clone = a.try_clone().unwrap();
        let reader = spawn(move || b.read(&mut [0; 1]).unwrap());
        drop(a);
        settle();
        assert!(!reader.is_finished());
        drop(clone);
        assert_eq!(reader.join().unwrap(), 0);
    });
}

/// A close wakes whoever waits, here and there; what was read of a write counts.
#[test]
fn close_wakes() {
    in_goroutines(|| {
        for here in [true, false] {
            let (a, b) = PipeStream::pair();
            scope(|scope| {
                let reader = scope.spawn(|| (&a).read(&mut [0; 1]));
                let writers = [scope.spawn(|| (&a).write(b"four")), scope.spawn(|| (&a).write(b"four"))];
                (&b).read_exact(&mut [0; 2]).unwrap();
                settle();
                if here {
                    a.close().unwrap()
                } else {
                    b.close().unwrap()
                }
                let read = reader.join().unwrap();
                if here {
                    assert!(is_closed(&read.unwrap_err()));
                } else {
                    assert_eq!(read.unwrap(), 0);
                }
                // One was half read, the other one stood in line.
                let mut answers = writers.map(|writer| writer.join().unwrap());
                answers.sort_by_key(|answer| answer.is_err());
                let [first, second] = answers;
                assert_eq!(first.unwrap(), 2);
                let error = second.unwrap_err();
                assert!(if here { is_closed(&error) } else { error.kind() == ErrorKind::BrokenPipe }, "{error}");
            });
        }
    });
}

/// Sticky, absolute, set by anybody; past ones fail even if there is something.
#[test]
fn deadlines() {
    in_goroutines(|| {
        let (a, b) = PipeStream::pair();
        let soon = || Some(Instant::now() + Duration::from_millis(5));
        let timed_out =
            |answer: std::io::Result<usize>| assert_eq!(answer.unwrap_err().kind(), ErrorKind::TimedOut);
        a.set_read_deadline(soon()).unwrap();
        timed_out((&a).read(&mut [0; 1]));
        timed_out((&a).read(&mut [0; 1]));
        a.set_write_deadline(soon()).unwrap();
        timed_out((&a).write(b"x"));
        scope(|scope| {
            let writer = scope.spawn(|| (&b).write(b"waits"));
            settle();
            timed_out((&a).read(&mut [0; 8]));
            a.set_read_deadline(None).unwrap();
            let mut buf = [0; 8];
            assert_eq!((&a).read(&mut buf).unwrap(), 5);
            assert_eq!(writer.join().unwrap().unwrap(), 5);
            // Nothing of a write that timed out is left for a reader.
            let reader = scope.spawn(|| (&b).read(&mut [0; 8]));
            a.set_write_deadline(None).unwrap();
            settle();
            assert!(!reader.is_finished());
            (&a).write_all(b"y").unwrap();
            assert_eq!(reader.join().unwrap().unwrap(), 1);
            // Who waits is woken.
            let reader = scope.spawn(|| (&a).read(&mut [0; 1]));
            settle();
            a.set_deadline(Some(Instant::now())).unwrap();
            timed_out(reader.join().unwrap());
        });
    });
}

/// Writers' bytes do not mix, and each byte is read once.
#[test]
fn many() {
    in_goroutines(|| {
        const LEN: usize = 150_000;
        let (a, b) = PipeStream::pair();
        scope(|scope| {
            for id in 1..=3u8 {
                let a = &a;
                scope.spawn(move || {
                    let mut a = a;
                    assert_eq!(a.write(&vec![id; LEN]).unwrap(), LEN);
                    for _ in 0..rounds(20) {
                        a.write_all(&[id; 3]).unwrap();
                        yield_now();
                    }
                });
            }
            let mut all = vec![0; 3 * LEN + 3 * 3 * rounds(20)];
            (&b).read_exact(&mut all).unwrap();
            for id in 1..=3u8 {
                let starts = (0..all.len()).filter(|&at| all[at] == id && (at == 0 || all[at - 1] != id));
                assert!(starts.clone().count() <= 1 + rounds(20));
                let count = all.iter().filter(|&&byte| byte == id).count();
                assert_eq!(count, LEN + 3 * rounds(20));
                let longest = all.chunk_by(|a, b| a == b).filter(|run| run[0] == id).map(<[u8]>::len).max();
                assert!(longest >= Some(LEN), "a write is whole");
            }
        });
    });
}

/// On threads, without a runtime.
#[test]
fn threads() {
    watched(|| {
        let (mut a, mut b) = PipeStream::pair();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            b.read_to_string(&mut text).unwrap();
            text
        });
        a.write_all(b"from ").unwrap();
        a.write_all(b"a thread").unwrap();
        a.set_read_deadline(Some(Instant::now() + Duration::from_millis(5))).unwrap();
        assert_eq!(a.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(a);
        assert_eq!(reader.join().unwrap(), "from a thread");
    });
}
