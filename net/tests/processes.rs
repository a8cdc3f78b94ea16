//! Pipes, child processes, signals, files.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{in_goroutines, rounds, settle, small, watched};
use gander_net::io::pipe;
use gander_net::process::{Command, Stdio};
use gander_net::signal::{Signal, notify, notify_with};
use gander_net::{fs, is_closed};
use gander_runtime::{go, spawn};

/// net-27: a close releases whoever waits, at both ends; after it everything fails.
#[test]
fn a_closed_pipe_releases_whoever_waits() {
    in_goroutines(|| {
        let (reader, writer) = pipe().unwrap();
        let (reader, writer) = (Arc::new(reader), Arc::new(writer));
        let blocked = spawn({
            let reader = Arc::clone(&reader);
            move || (&*reader).read(&mut [0; 1]).unwrap_err()
        });
        settle();
        reader.close().unwrap();
        assert!(is_closed(&blocked.join().unwrap()));
        assert!(is_closed(&(&*reader).read(&mut [0; 1]).unwrap_err()));
        // net-28.
        assert_eq!((&*writer).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let (reader, writer) = pipe().unwrap();
        let writer = Arc::new(writer);
        let blocked = spawn({
            let writer = Arc::clone(&writer);
            move || {
                loop {
                    if let Err(error) = (&*writer).write(&[0; 4096]) {
                        return error;
                    }
                }
            }
        });
        settle();
        writer.close().unwrap();
        assert!(is_closed(&blocked.join().unwrap()));
        drop(reader);
    });
}

/// net-27: the end comes with the last writer.
#[test]
fn a_pipe_ends_with_its_last_writer() {
    in_goroutines(|| {
        let (mut reader, writer) = pipe().unwrap();
        for part in [b"one", b"two"] {
            let mut writer = writer.try_clone().unwrap();
            go(move || writer.write_all(part).unwrap());
        }
        drop(writer);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 6);
    });
}

/// net-27: concurrent readers get each byte once.
#[test]
fn each_byte_of_a_pipe_is_read_once() {
    in_goroutines(|| {
        let (reader, mut writer) = pipe().unwrap();
        let reader = Arc::new(reader);
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let reader = Arc::clone(&reader);
                spawn(move || {
                    let (mut buf, mut sum, mut count) = ([0; 7], 0, 0);
                    while let len @ 1.. = (&*reader).read(&mut buf).unwrap() {
                        sum += buf[..len].iter().map(|&byte| u64::from(byte)).sum::<u64>();
                        count += len;
                    }
                    (sum, count)
                })
            })
            .collect();
        let bytes: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        writer.write_all(&bytes).unwrap();
        drop(writer);
        let got: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_eq!(got.iter().map(|(_, count)| count).sum::<usize>(), bytes.len());
        assert_eq!(
            got.iter().map(|(sum, _)| sum).sum::<u64>(),
            bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>()
        );
    });
}

#[test]
fn output_status_and_errors() {
    in_goroutines(|| {
        let script = "read line; echo out; echo err >&2; exit 7";
        let output = Command::new("sh").args(["-c", script]).env("X", "y").current_dir("/").output().unwrap();
        assert_eq!(output.status.code(), Some(7), "its input is empty, so `read` does not wait");
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert!(Command::new("true").status().unwrap().success());
        assert_eq!(Command::new("/nowhere/at/all").spawn().unwrap_err().kind(), ErrorKind::NotFound);
        // Both at once, more than the pipes hold.
        let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2";
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 300_000));
    });
}

#[test]
fn a_child_is_waited_for_by_a_goroutine_alone() {
    in_goroutines(|| {
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        let ticks = spawn(|| (0..5).for_each(|_| gander_runtime::sleep(Duration::from_millis(1))));
        let killer = spawn(move || {
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert_eq!(child.wait().unwrap(), status);
            status
        });
        assert!(!killer.join().unwrap().success());
        ticks.join().unwrap();
    });
}

#[test]
fn threads_wait_for_children_too() {
    watched(|| {
        let output = Command::new("echo").arg("x").output().unwrap();
        assert_eq!(output.stdout, b"x\n");
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert!(child.wait().unwrap().success(), "its input was closed");
    });
}

/// signals-11.
#[test]
fn many_children_at_once() {
    in_goroutines(|| {
        let count = if small() { 5 } else { 50 };
        let children: Vec<_> = (0..count)
            .map(|id: u32| {
                spawn(move || {
                    let mut cat = Command::new("cat");
                    let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                    let text = id.to_string().repeat(2000);
                    let mut stdin = child.stdin.take().unwrap();
                    let writer = spawn({
                        let text = text.clone();
                        move || stdin.write_all(text.as_bytes()).unwrap()
                    });
                    let output = child.wait_with_output().unwrap();
                    writer.join().unwrap();
                    assert!(output.status.success());
                    assert_eq!(output.stdout, text.as_bytes());
                })
            })
            .collect();
        children.into_iter().for_each(|child| child.join().unwrap());
    });
}

/// A pipe of ours as another process's input.
#[test]
fn a_pipe_between_children() {
    in_goroutines(|| {
        let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn().unwrap();
        let output = Command::new("tr").args(["a-z", "A-Z"]).stdin(echo.stdout.take().unwrap()).output().unwrap();
        assert_eq!(output.stdout, b"HELLO\n");
        echo.wait().unwrap();
    });
}

fn raise(signal: Signal) {
    #[allow(unsafe_code, reason = "a system call")]
    // SAFETY: it is handled, or ignored.
    let answer = unsafe { libc::kill(libc::getpid(), signal.as_raw()) };
    assert_eq!(answer, 0);
}

/// semantics 50: a full channel misses signals, and nobody waits. signals-3: SIGCONT, too.
#[test]
fn signals_never_wait() {
    in_goroutines(|| {
        let (one, many) =
            (notify(&[Signal::USR1]).unwrap(), notify_with(&[Signal::USR1, Signal::CONT], 8).unwrap());
        for round in 1..=5 {
            raise(Signal::USR1);
            // Signals of one number merge while they wait: let this one through.
            while many.len() < round {
                gander_runtime::yield_now();
            }
        }
        assert_eq!(one.recv(), Ok(Signal::USR1));
        assert!(one.try_recv().is_err());
        assert_eq!(many.try_iter().count(), 5);
        raise(Signal::CONT);
        assert_eq!(many.recv(), Ok(Signal::CONT));
        assert_eq!(format!("{:?} {}", Signal::USR1, Signal::from_raw(35)), "SIGUSR1 signal 35");
    });
}

#[test]
fn some_signals_cannot_be_listened_for() {
    watched(|| {
        for bad in [libc::SIGKILL, libc::SIGSEGV, libc::SIGURG, 0, -1, 65, i32::MAX, i32::MIN] {
            let error = notify(&[Signal::USR2, Signal::from_raw(bad)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
    });
}

/// signals-1: signals against registrations that come and go. SIGWINCH does nothing where nobody listens.
#[test]
fn signals_race_with_registrations() {
    in_goroutines(|| {
        let over = Arc::new(AtomicBool::new(false));
        let sender = spawn({
            let over = Arc::clone(&over);
            move || {
                while !over.load(Ordering::Relaxed) {
                    raise(Signal::WINCH);
                    gander_runtime::yield_now();
                }
            }
        });
        for _ in 0..rounds(30) {
            let signals = notify(&[Signal::WINCH]).unwrap();
            assert_eq!(signals.recv(), Ok(Signal::WINCH));
        }
        over.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });
}

#[test]
fn files() {
    in_goroutines(|| {
        let dir = std::env::temp_dir().join(format!("gander-net-files-{}", std::process::id()));
        fs::create_dir_all(dir.join("a/b")).unwrap();
        let path = dir.join("a/file");
        fs::write(&path, b"hello").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        assert_eq!(fs::metadata(&path).unwrap().len(), 5);
        let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b" world").unwrap();
        file.sync_all().unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello world");
        assert_eq!(fs::File::create_new(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        fs::copy(&path, dir.join("copy")).unwrap();
        fs::rename(dir.join("copy"), dir.join("moved")).unwrap();
        assert!(fs::exists(dir.join("moved")).unwrap() && !fs::exists(dir.join("copy")).unwrap());
        for i in 0..150 {
            fs::write(dir.join(format!("a/b/{i}")), b"").unwrap();
        }
        assert_eq!(fs::read_dir(dir.join("a/b")).unwrap().map(Result::unwrap).count(), 150);
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap_err().kind(), ErrorKind::NotFound);
    });
}
