//! No descriptor is left. A program of its own, for the limit is the process's.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use common::{in_goroutines, watched};
use gander_net::process::{Child, Command, Stdio};
use gander_net::{TcpListener, TcpStream};
use gander_runtime::spawn;

/// Takes all descriptors that are left.
fn exhaust() -> Vec<File> {
    const LIMIT: libc::rlim_t = 200;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[allow(unsafe_code, reason = "setrlimit")]
    // SAFETY: reads and writes our local.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = LIMIT;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    let files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!files.is_empty(), "there were some");
    files
}

/// It waits for room; but no longer than its timeout, its deadline, or its context says.
#[test]
fn accepting_does_not_wait_for_ever() {
    in_goroutines(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The poller is there, and knows the listener.
        listener.set_deadline(Some(Instant::now())).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::TimedOut);
        listener.set_deadline(None).unwrap();
        let taken = exhaust();
        listener.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        let began = Instant::now();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(began.elapsed() >= Duration::from_millis(30), "not early");
        listener.set_read_timeout(None).unwrap();
        listener.set_deadline(Some(Instant::now() + Duration::from_millis(30))).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::TimedOut);
        listener.set_deadline(None).unwrap();
        let error = TcpStream::connect(listener.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
        let accepting = spawn(move || listener.accept().unwrap().0);
        gander_runtime::sleep(Duration::from_millis(10));
        assert!(!accepting.is_finished());
        drop(taken);
        let mut server = accepting.join().unwrap();
        server.write_all(b"x").unwrap();
        client.read_exact(&mut [0; 1]).unwrap();
    });
}

fn talkative() -> Child {
    let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; sleep 0.01; echo end; exit 7";
    Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a child writes is read all the same, and its end is seen.
#[test]
fn the_output_of_a_child() {
    in_goroutines(output_without_descriptors);
}

/// The same on a thread.
#[test]
fn the_output_of_a_child_on_a_thread() {
    watched(output_without_descriptors);
}

fn output_without_descriptors() {
    let child = talkative();
    let pid = child.id();
    let taken = exhaust();
    let output = child.wait_with_output().unwrap();
    drop(taken);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((output.stdout.len(), output.stderr.len()), (300_004, 300_000));
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it was waited for");
}
