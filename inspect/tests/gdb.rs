//! The gdb script, on a live process and on a core file.
#![allow(unsafe_code, reason = "a child that gdb may attach to")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gander_runtime::{Builder, park, sleep, spawn, yield_now};

static SPINS: AtomicBool = AtomicBool::new(false);

/// Where the child parks a goroutine that is looked for.
#[inline(never)]
fn parked_for_the_debugger() {
    park();
    std::hint::black_box(());
}

#[inline(never)]
fn spinning_for_the_debugger() {
    SPINS.store(true, Ordering::Relaxed);
    loop {
        std::hint::black_box(1);
    }
}

/// Not a test of its own: the program that is debugged.
#[test]
#[ignore = "run by the next tests"]
fn inferior() {
    gander_runtime::run(|| {
        Builder::new().name("for gdb".into()).spawn(parked_for_the_debugger).unwrap();
        Builder::new().name("hot".into()).spawn(spinning_for_the_debugger).unwrap();
        (0..10).for_each(|_| drop(spawn(|| sleep(Duration::from_secs(1000)))));
        let count =
            |word: &str| gander_inspect::goroutines().iter().filter(|g| g.state.to_string() == word).count();
        while count("sleep") < 10 || count("park") < 1 || !SPINS.load(Ordering::Relaxed) {
            yield_now();
        }
        println!("ready");
        sleep(Duration::from_secs(100));
    });
}

fn has_gdb() -> bool {
    let there = !cfg!(target_arch = "aarch64") && Command::new("gdb").arg("--version").output().is_ok();
    if !there {
        println!("skipped: no gdb, or an emulated machine");
    }
    there
}

/// The child, and whatever happens its end.
struct Inferior(Child);

impl Drop for Inferior {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the child there, with leave to write a core file.
fn start(folder: &Path) -> Inferior {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "inferior", "--ignored", "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::null());
    // SAFETY: the closure makes one system call.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
            // Where the hard limit is lower there is no core file, and the test says so.
            libc::setrlimit(libc::RLIMIT_CORE, &limit);
            Ok(())
        });
    }
    let mut child = command.current_dir(folder).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let inferior = Inferior(child);
    assert!(out.lines().map_while(Result::ok).any(|line| line.contains("ready")), "the child ended early");
    inferior
}

/// Runs gdb on the arguments, with the script.
fn gdb(arguments: &[&str], commands: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/gdb/gander.py");
    let mut command = Command::new("timeout");
    command.args(["60", "gdb", "-nx", "--batch", "-iex", "set debuginfod enabled off", "-iex", "set width 0"]);
    command.args(arguments).args(["-ex", &format!("source {script}")]);
    for text in commands {
        command.args(["-ex", text]);
    }
    let run = command.output().unwrap();
    String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr)
}

/// What must be seen of the child, alive or dead.
fn check(arguments: &[&str]) {
    let text = gdb(arguments, &["info goroutines", "goroutine all bt"]);
    for wanted in [
        "\"for gdb\" [park], created by goroutine ",
        "\"hot\" [",
        "[sleep]",
        "parked_for_the_debugger",
        "spinning_for_the_debugger",
    ] {
        assert!(text.contains(wanted), "no {wanted:?} in\n{text}");
    }
    let listed = text.lines().filter(|line| line.ends_with(" [sleep], created by goroutine 1")).count();
    assert!(listed >= 20, "{listed} lines of ten sleepers in a list and before a backtrace, in\n{text}");
    // One alone, walked to its root.
    let id = text.lines().find_map(|line| line.strip_prefix("goroutine ")?.split_once(" \"for gdb\"")).unwrap().0;
    let one = gdb(arguments, &[&format!("goroutine {id} bt")]);
    let at = one.find("parked_for_the_debugger").unwrap_or_else(|| panic!("{one}"));
    assert!(one[at..].contains("start"), "not to the root:\n{one}");
    assert!(!one.contains("corrupt"), "{one}");
}

#[test]
fn live() {
    if has_gdb() {
        let inferior = start(&std::env::temp_dir());
        check(&["-p", &inferior.0.id().to_string()]);
    }
}

/// A core file as the kernel writes it: sparse, so the address space that stacks reserve does not matter. (gdb's own
/// `generate-core-file` writes every byte that could be written.)
#[test]
fn core_file() {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.starts_with(['|', '/']) {
        println!("skipped: the kernel keeps core files elsewhere: {pattern}");
    } else if has_gdb() {
        let folder = std::env::temp_dir().join(format!("gander-core-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut inferior = start(&folder);
        // SAFETY: a signal to our own child.
        unsafe { libc::kill(inferior.0.id() as libc::pid_t, libc::SIGABRT) };
        inferior.0.wait().unwrap();
        let core = std::fs::read_dir(&folder).unwrap().find_map(Result::ok).map(|entry| entry.path());
        let outcome = std::panic::catch_unwind(|| {
            let core = core.as_ref().expect("a core file");
            let program = std::env::current_exe().unwrap();
            check(&[program.to_str().unwrap(), core.to_str().unwrap()]);
        });
        let _ = std::fs::remove_dir_all(&folder);
        assert!(outcome.is_ok());
    }
}
