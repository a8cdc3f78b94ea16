//! Commands: what Unix knows about them, how they are shown, what they take as standard streams.

#![allow(unsafe_code, reason = "`pre_exec`")]

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;

use common::{in_goroutines, small, watched};
use gander_net::UnixStream;
use gander_net::io::{stderr, stdout};
use gander_net::process::{Command, Stdio};

fn says(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// An emulator does not survive a fork beside other threads, and where it forks instead of a vfork, a command has been
/// spawned before the child is what it should be.
fn is_emulated() -> bool {
    small()
}

#[test]
fn what_unix_knows() {
    in_goroutines(|| {
        assert_eq!(says(Command::new("sh").arg0("by-name").args(["-c", "echo $0"])), "by-name\n");
        if is_emulated() {
            return;
        }
        // SAFETY: they ask for numbers.
        let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
        assert_eq!(says(Command::new("id").arg("-u").uid(user).gid(group)), format!("{user}\n"));

        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let id = child.id() as libc::pid_t;
        // SAFETY: asks for a number.
        assert_eq!(unsafe { libc::getpgid(id) }, id);
        // SAFETY: the group is the child's own, which has not been waited for.
        unsafe { libc::kill(-id, libc::SIGTERM) };
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
    });
}

#[test]
fn something_to_do_in_the_child() {
    if is_emulated() {
        return;
    }
    in_goroutines(|| {
        let mut command = Command::new("sh");
        // SAFETY: system calls only.
        unsafe {
            command.pre_exec(|| match libc::setsid() {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            })
        };
        let session_and_id = says(command.args(["-c", "cut -d' ' -f6 /proc/$$/stat; echo $$"]));
        let mut lines = session_and_id.lines();
        assert_eq!(lines.next(), lines.next());
        // SAFETY: it does nothing.
        unsafe { command.pre_exec(|| Err(ErrorKind::PermissionDenied.into())) };
        assert!(command.spawn().is_err());
    });
}

/// A child has neither our descriptors nor the signal mask of a worker.
#[test]
fn a_child_inherits_nothing_of_ours() {
    let count = "ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status";
    let wanted = watched(|| std::process::Command::new("sh").args(["-c", count]).output().unwrap().stdout);
    in_goroutines(|| {
        let (a, b) = UnixStream::pair().unwrap();
        let clone = OwnedFd::from(b.try_clone().unwrap());
        let pipe = gander_net::io::pipe().unwrap();
        assert_eq!(says(Command::new("sh").args(["-c", count])).as_bytes(), wanted);
        drop((a, clone, pipe));
    });
}

#[test]
fn the_standard_streams() {
    in_goroutines(|| {
        // Of a child that ran before.
        let mut first = Command::new("echo").arg("through").stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(says(Command::new("cat").stdin(first.stdout.take().unwrap())), "through\n");
        assert!(first.wait().unwrap().success());
        // A socket, for both.
        let (ours, theirs) = UnixStream::pair().unwrap();
        let again = theirs.try_clone().unwrap();
        let mut child =
            Command::new("cat").stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(again)).spawn().unwrap();
        (&ours).write_all(b"there and back").unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        (&ours).read_to_string(&mut text).unwrap();
        assert_eq!(text, "there and back");
        assert!(child.wait().unwrap().success());
        // Ours.
        assert!(Command::new("true").stdout(stdout()).stderr(stderr()).status().unwrap().success());
    });
}

#[test]
fn shown_as_stds() {
    watched(|| {
        let mut ours = Command::new("a program");
        let mut theirs = std::process::Command::new("a program");
        ours.args(["a", "b c"]).env("KEY", "value").env_remove("GONE").current_dir("/tmp");
        theirs.args(["a", "b c"]).env("KEY", "value").env_remove("GONE").current_dir("/tmp");
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        assert_eq!(ours.get_program(), theirs.get_program());
        assert!(ours.get_args().eq(theirs.get_args()));
        assert!(ours.get_envs().eq(theirs.get_envs()));
        assert_eq!(ours.get_current_dir(), theirs.get_current_dir());
        let mut child = Command::new("true").spawn().unwrap();
        assert_eq!(format!("{child:?}"), "Child { stdin: None, stdout: None, stderr: None, .. }");
        child.wait().unwrap();
    });
}

/// Runs this binary again, which an emulator cannot, up to an `exec` on a goroutine.
#[test]
fn a_program_in_our_place() {
    const NAME: &str = "a_program_in_our_place";
    if is_emulated() {
        return;
    }
    if std::env::var_os("GANDER_EXEC").is_some() {
        gander_runtime::run(|| {
            let error = Command::new("/there/is/no/such").exec();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            // Nothing is hurt by it.
            gander_runtime::sleep(std::time::Duration::from_millis(1));
            panic!("{}", Command::new("sh").args(["-c", "echo in our place $KEY; exit 7"]).exec());
        });
    }
    watched(|| {
        let me = std::env::current_exe().unwrap();
        let output = Command::new(me)
            .args([NAME, "--exact", "--nocapture"])
            .env("GANDER_EXEC", "1")
            .env("KEY", "value")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), text.ends_with("in our place value\n")), (Some(7), true), "{text}");
    });
}
