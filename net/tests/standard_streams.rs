//! The standard streams, each in a process of its own: this binary again, with its scenario's name in `GANDER_STREAMS`.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::fmt;
use std::io::{BufRead, ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsRawFd;

use common::{small, watched};
use gander_net::io::{stderr, stdin, stdout};
use gander_net::process::{Command, Output, Stdio};
use gander_runtime::{spawn, yield_now};

/// In the child: runs the scenario on a goroutine, and ends. Here: runs the child on so many processors, and returns
/// what came of it.
fn in_a_child(name: &str, procs: usize, input: &str, scenario: fn()) -> Option<Output> {
    if std::env::var_os("GANDER_STREAMS").is_some_and(|wanted| wanted == *name) {
        let procs = std::env::var("GANDER_STREAMS_PROCS").unwrap().parse().unwrap();
        gander_runtime::Builder::new().procs(procs).run(scenario);
        std::process::exit(0);
    }
    if small() {
        // An emulator cannot run itself.
        return None;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env("GANDER_STREAMS", name)
        .env("GANDER_STREAMS_PROCS", procs.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(output)
}

/// What is formatted piece by piece, with pauses.
struct Slowly(usize);

impl fmt::Display for Slowly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..3 {
            write!(f, "{}", self.0)?;
            yield_now();
        }
        Ok(())
    }
}

/// A `write!` is one write, and what is written under a lock is not mixed with what others write.
#[test]
fn lines_stay_whole() {
    const WRITERS: usize = 4;
    const LINES: usize = 50;
    let scenario = || {
        // After whatever the harness has begun a line with.
        writeln!(stdout()).unwrap();
        let writers = (0..WRITERS).map(|id| {
            spawn(move || {
                for _ in 0..LINES {
                    writeln!(stdout(), "<{0}{0}>", Slowly(id)).unwrap();
                    writeln!(&stderr(), "<{0}{0}>", Slowly(id)).unwrap();
                    let mut locked = stdout().lock();
                    write!(locked, "<{id}").unwrap();
                    // Another lock of the same goroutine's is no deadlock.
                    assert_eq!(stdout().write_vectored(&[IoSlice::new(b"--")]).unwrap(), 2);
                    writeln!(locked, "{id}>").unwrap();
                }
            })
        });
        writers.collect::<Vec<_>>().into_iter().for_each(|writer| writer.join().unwrap());
        stdout().flush().unwrap();
    };
    watched(|| {
        for procs in [1, 2] {
            let Some(output) = in_a_child("lines_stay_whole", procs, "", scenario) else { return };
            let count = |bytes: Vec<u8>, line: &str| {
                let text = String::from_utf8(bytes).unwrap();
                // What the test harness says is not ours.
                let ours = text.lines().filter(|line| line.starts_with('<'));
                ours.filter(|ours| *ours == line).count()
            };
            for id in 0..WRITERS {
                let line = format!("<{id}{id}{id}{id}{id}{id}>");
                assert_eq!(count(output.stdout.clone(), &line), LINES);
                assert_eq!(count(output.stdout.clone(), &format!("<{id}--{id}>")), LINES);
                assert_eq!(count(output.stderr.clone(), &line), LINES);
            }
        }
    });
}

#[test]
fn input_of_all_kinds() {
    let scenario = || {
        let mut line = String::new();
        assert_eq!(stdin().read_line(&mut line).unwrap(), 6);
        assert_eq!(line, "first\n");
        assert_eq!(stdin().lock().lines().next().unwrap().unwrap(), "second");
        let mut lines = stdin().lines();
        assert_eq!(lines.next().unwrap().unwrap(), "third");
        drop(lines);
        let mut locked = stdin().lock();
        let mut part = Vec::new();
        assert_eq!(locked.read_until(b';', &mut part).unwrap(), 4);
        assert_eq!(locked.fill_buf().unwrap()[..2], *b"ab");
        locked.consume(2);
        drop(locked);
        // Who waits for the lock keeps nobody from letting it go.
        let locked = stdin().lock();
        let other = spawn(|| {
            let mut buf = [0; 2];
            stdin().read_exact(&mut buf).unwrap();
            buf
        });
        common::settle();
        drop(locked);
        assert_eq!(other.join().unwrap(), *b"cd");
        let mut rest = String::new();
        (&stdin()).read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "\nthe rest");
        assert_eq!(stdin().read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(stdin().read_exact(&mut [0; 1]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert!(!stdin().is_terminal() && !stdin().lock().is_terminal());
    };
    watched(|| {
        for procs in [1, 2] {
            in_a_child("input_of_all_kinds", procs, "first\nsecond\nthird\n123;abcd\nthe rest", scenario);
        }
    });
}

#[test]
fn what_cannot_be_formatted_is_an_error() {
    struct Never;
    impl fmt::Display for Never {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    watched(|| {
        assert!(write!(stderr(), "{Never}").is_err());
        assert!(write!(stdout().lock(), "{Never}").is_err());
        assert_eq!((stdout().as_raw_fd(), stderr().lock().as_raw_fd()), (1, 2));
    });
}
