//! Claim: an operation takes at most 3 % more instructions than `instructions.txt` says, which is committed beside this.
//! Times vary with the machine and the hour; counts do not, so this is what CI can hold a change to.
//!
//! ```text
//! cargo bench --bench instructions              # compares; fails if an operation has become dearer
//! cargo bench --bench instructions -- --bless   # writes the file anew
//! ```
//!
//! Counted by valgrind's callgrind (3.19), in shared mode on one processor. What an operation takes is the difference of
//! two runs, one with twice the operations of the other: the start and the end cancel out. Only the worker's thread is
//! counted (`--separate-threads`; it is the one that does most by far).
//!
//! What the clock decides must not fall into the count, and valgrind would have it fall in often: it lets one thread run
//! at a time, so whenever sysmon looks, the worker seems to sleep in the kernel, and is to be rescued or preempted (and
//! callgrind 3.19 does not survive a goroutine that is preempted). So sysmon and the janitor are put to sleep before a
//! row begins. What is left of time is the worker's lingering before it rests, at the start and the end: some ten
//! thousand instructions of several million.
//!
//! Counts of one compiler say nothing about another's: the file names the one it was made with, and with another one
//! this only says what it finds.

#![allow(unsafe_code, reason = "shared mode is entered by a promise; threads are sent signals")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, io};

use gander::chan::{Sender, bounded};

/// How many operations the shorter run has.
const COUNT: u64 = 20_000;
/// A row may have this many times the instructions of the baseline.
const TOLERANCE: f64 = 1.03;
/// The argument that makes this program run a row.
const RUN: &str = "--run-row";

type Row = (&'static str, fn(u64));

const ROWS: [Row; 10] = [
    ("yield, two in turn", yield_in_turn),
    ("go + end, batches of 1000", go_and_end),
    ("spawn + join, batches of 1000", spawn_and_join),
    ("ping-pong, unbuffered", ping_pong),
    ("send + receive, unbuffered", |count| stream(0, count)),
    ("send + receive, room for 128", |count| stream(128, count)),
    ("send + receive, nobody waits", by_oneself),
    ("select of 2, unbuffered", select_of_two),
    ("lock + unlock a mutex", lock_and_unlock),
    ("acquire + release, one waits", hand_over),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Some(at) = args.iter().position(|arg| arg == RUN) {
        run(&args[at + 1], args[at + 2].parse().expect("a number of operations"));
        return ExitCode::SUCCESS;
    }
    if !args.iter().any(|arg| arg == "--bench") {
        // Cargo only wants to know that it runs.
        ROWS.iter().for_each(|(name, _)| run(name, 2000));
        return ExitCode::SUCCESS;
    }
    let outcome = if args.iter().any(|arg| arg == "--bless") {
        measure(&BTreeMap::new()).map(|counts| bless(&counts))
    } else {
        let (made_with, before) = baseline();
        measure(&before).map(|counts| compare(&counts, &made_with, &before))
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

// ---- what is counted ----

fn run(name: &str, count: u64) {
    let (_, row) = ROWS.iter().find(|(row, _)| *row == name).expect("a row of this name");
    // SAFETY: the rows use no thread-locals.
    let builder = unsafe { gander::Builder::new().shared() };
    // Starts the runtime.
    builder.procs(1).run(|| {});
    if env::args().any(|arg| arg == RUN) {
        // They rest by then, and hold nothing.
        std::thread::sleep(Duration::from_millis(100));
        put_to_sleep(&["gander-sysmon", "gander-janitor"]);
    }
    gander::run(|| row(count));
}

/// Keeps threads in a signal handler for ever.
fn put_to_sleep(names: &[&str]) {
    static ASLEEP: AtomicU64 = AtomicU64::new(0);
    extern "C" fn sleep(_: libc::c_int) {
        ASLEEP.fetch_add(1, Ordering::Relaxed);
        loop {
            // SAFETY: it waits.
            unsafe { libc::pause() };
        }
    }
    // SAFETY: nobody else uses this signal; the handler touches a word of its own and waits.
    unsafe { libc::signal(libc::SIGUSR2, sleep as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let threads = fs::read_dir("/proc/self/task").expect("Linux lists threads").flatten();
    for thread in threads {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        if names.contains(&name.trim()) {
            let id: libc::pid_t = thread.file_name().to_string_lossy().parse().expect("a number");
            // SAFETY: sends a signal that is handled.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), id, libc::SIGUSR2) };
        }
    }
    while ASLEEP.load(Ordering::Relaxed) < names.len() as u64 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// An operation is one yield.
fn yield_in_turn(count: u64) {
    let turns = |count| (0..count).for_each(|_| gander::yield_now());
    let other = gander::spawn(move || turns(count / 2));
    turns(count / 2);
    other.join().expect("it does not panic");
}

const BATCH: u64 = 1000;

fn go_and_end(count: u64) {
    static ENDED: AtomicU64 = AtomicU64::new(0);
    static LAST: Mutex<Option<Sender<()>>> = Mutex::new(None);
    for _ in 0..count / BATCH {
        let (last, ended) = bounded(1);
        *LAST.lock().expect("nobody panics") = Some(last);
        for _ in 0..BATCH {
            gander::go(|| {
                if (ENDED.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(BATCH) {
                    // Closes the channel.
                    LAST.lock().expect("nobody panics").take();
                }
            });
        }
        ended.recv().expect_err("nothing is sent");
    }
}

fn spawn_and_join(count: u64) {
    for _ in 0..count / BATCH {
        let handles: Vec<_> = (0..BATCH).map(|i| gander::spawn(move || i)).collect();
        let sum: u64 = handles.into_iter().map(|handle| handle.join().expect("it does not panic")).sum();
        assert_eq!(sum, BATCH * (BATCH - 1) / 2);
    }
}

/// An operation is a round trip.
fn ping_pong(count: u64) {
    let (ping, pinged) = bounded(0);
    let (pong, ponged) = bounded(0);
    let other = gander::spawn(move || pinged.iter().try_for_each(|i: u64| pong.send(i + 1)));
    for i in 0..count {
        ping.send(i).expect("the other end is there");
        assert_eq!(ponged.recv(), Ok(i + 1));
    }
    drop(ping);
    other.join().expect("it does not panic").expect("all was received");
}

/// One sends, one receives.
fn stream(room: usize, count: u64) {
    let (tx, rx) = bounded(room);
    gander::go(move || (0..count).for_each(|i| tx.send(i).expect("main receives all")));
    assert_eq!(rx.iter().sum::<u64>(), count * (count - 1) / 2);
}

/// One goroutine sends and receives.
fn by_oneself(count: u64) {
    let (tx, rx) = bounded(128);
    for i in 0..count {
        tx.send(i).expect("there is room");
        assert_eq!(rx.recv(), Ok(i));
    }
}

/// Two send, one receives whatever comes.
fn select_of_two(count: u64) {
    let [first, second] = std::array::from_fn(|_| {
        let (tx, rx) = bounded(0);
        gander::go(move || {
            (0..count / 2).for_each(|i| tx.send(i).expect("main receives all"));
            // Its end would be another message.
            std::mem::forget(tx);
        });
        rx
    });
    let sum: u64 = (0..count)
        .map(|_| {
            gander::select! {
                recv(first) -> value => value.expect("its sender stays"),
                recv(second) -> value => value.expect("its sender stays"),
            }
        })
        .sum();
    assert_eq!(sum, count / 2 * (count / 2 - 1));
}

/// A lock that nobody else wants.
fn lock_and_unlock(count: u64) {
    let mutex = gander::sync::Mutex::new(0);
    (0..count).for_each(|_| *std::hint::black_box(&mutex).lock().expect("nobody panics") += 1);
    assert_eq!(mutex.into_inner().expect("nobody panicked"), count);
}

/// A permit that two want, and each lets the other wait for it. Not a mutex: how it serves who waits, the clock decides.
fn hand_over(count: u64) {
    let semaphore = gander::sync::Semaphore::new(1);
    let turns = || {
        for _ in 0..count / 2 {
            let _permit = semaphore.acquire(1);
            gander::yield_now();
        }
    };
    gander::scope(|s| {
        s.spawn(turns);
        turns();
    });
    assert_eq!(semaphore.available(), 1);
}

// ---- counting ----

/// Instructions for an operation of each row.
fn measure(before: &BTreeMap<String, f64>) -> io::Result<BTreeMap<String, f64>> {
    let folder = env::temp_dir().join(format!("gander-instructions-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let counts = ROWS
        .iter()
        .map(|(name, _)| {
            let enough = before.get(*name).map_or(f64::INFINITY, |before| before * TOLERANCE);
            Ok((name.to_string(), least(&folder, name, enough)?))
        })
        .collect();
    fs::remove_dir_all(&folder)?;
    counts
}

/// Where the clock decided something after all, it cost instructions: a row that seems too dear is counted again.
fn least(folder: &Path, name: &str, enough: f64) -> io::Result<f64> {
    const ATTEMPTS: usize = 4;
    let mut least = f64::INFINITY;
    for _ in 0..ATTEMPTS {
        let (once, twice) = (instructions(folder, name, COUNT)?, instructions(folder, name, 2 * COUNT)?);
        least = least.min((twice - once) / COUNT as f64);
        if least <= enough {
            break;
        }
    }
    Ok(least)
}

/// What the busiest thread of one run executes. A signal of sysmon's that comes before it sleeps may end callgrind 3.19
/// ("post_signal: Assertion"), and a run takes a second where one that hangs takes for ever; then once more.
fn instructions(folder: &Path, name: &str, count: u64) -> io::Result<f64> {
    const ATTEMPTS: usize = 5;
    let mut counted = count_once(folder, name, count);
    for _ in 1..ATTEMPTS {
        if counted.is_ok() {
            break;
        }
        counted = count_once(folder, name, count);
    }
    counted
}

fn count_once(folder: &Path, name: &str, count: u64) -> io::Result<f64> {
    let out = folder.join("callgrind.out");
    let output = Command::new("timeout")
        .args(["--kill-after=1", "30", "valgrind", "--tool=callgrind", "--separate-threads=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe()?)
        .args([RUN, name, &count.to_string()])
        .env_remove("GANDER_PROCS")
        .output()
        .map_err(|error| io::Error::other(format!("timeout: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let hint = "valgrind (Debian's package of that name)";
        return Err(io::Error::other(format!("{name}: {hint}: {}\n{said}", output.status)));
    }
    let mut most = 0.0_f64;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "));
        most = most.max(total.and_then(|total| total.trim().parse().ok()).unwrap_or(0.0));
        fs::remove_file(path)?;
    }
    if most == 0.0 { Err(io::Error::other(format!("{name}: callgrind counted nothing"))) } else { Ok(most) }
}

// ---- the file of what they were ----

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

/// The compiler that it was made with, and its counts.
fn baseline() -> (String, BTreeMap<String, f64>) {
    let text = fs::read_to_string(file()).expect("the baseline is committed");
    let (made_with, lines) = text.split_once('\n').expect("its first line names a compiler");
    let counts = lines
        .lines()
        .map(|line| line.trim().split_once("  ").expect("a number and a name"))
        .map(|(count, name)| (name.to_owned(), count.parse().expect("a number")))
        .collect();
    (made_with.to_owned(), counts)
}

/// What the counts depend on beside this code.
fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let version = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    format!("{}, {}", String::from_utf8_lossy(&version).trim(), env::consts::ARCH)
}

fn bless(counts: &BTreeMap<String, f64>) -> ExitCode {
    let mut text = format!("{}\n", compiler());
    for (name, count) in counts {
        writeln!(text, "{count:8.1}  {name}").expect("a string takes it");
    }
    print!("{text}");
    fs::write(file(), text).expect("the repository can be written to");
    ExitCode::SUCCESS
}

fn compare(counts: &BTreeMap<String, f64>, made_with: &str, before: &BTreeMap<String, f64>) -> ExitCode {
    println!("instructions  before  ratio");
    let mut dearer = 0;
    for (name, count) in counts {
        let before = before.get(name).copied().unwrap_or(f64::NAN);
        // A row without a past is not compared; it is to be blessed.
        let verdict = match count / before {
            ratio if ratio > TOLERANCE => "DEARER",
            ratio if ratio.is_nan() => "NEW",
            _ => "",
        };
        dearer += usize::from(!verdict.is_empty());
        println!("{count:12.1} {before:7.1} {:6.3}  {name}  {verdict}", count / before);
    }
    if made_with != compiler() {
        println!("The baseline was made with {made_with}, this with {}: not compared.", compiler());
        return ExitCode::SUCCESS;
    }
    println!("{} passed, {dearer} failed", counts.len() - dearer);
    if dearer == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
