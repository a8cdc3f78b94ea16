//! gander in a program that is built with `panic = "abort"`: everything works, and the first panic anywhere ends the
//! process, with its message. `exit`, which would have to unwind, says so and is such a panic.
//!
//! ```text
//! cargo run --manifest-path examples/abort/Cargo.toml
//! ```
//!
//! Runs itself once for each part, and fails if one does not end as it should.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

use gander::chan;
use gander::sync::{Arc, Mutex, WaitGroup};

const SIGABRT: i32 = 6;

fn main() -> ExitCode {
    assert!(cfg!(panic = "abort"), "this is not built with panic = \"abort\"");
    match std::env::args().nth(1).as_deref() {
        None => all(),
        Some(part) => {
            gander::run({
                let part = part.to_string();
                move || run(&part)
            });
            ExitCode::SUCCESS
        }
    }
}

fn all() -> ExitCode {
    let mut failed = 0;
    let mut check = |part: &str, is_right: &dyn Fn(&Output, &str) -> bool| {
        let program = std::env::current_exe().expect("a path");
        let ended = Command::new(program).arg(part).env("RUST_BACKTRACE", "0").output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let verdict = if is_right(&ended, &said) { "ok" } else { "FAILED" };
        println!("{part:<24} {verdict}");
        if verdict != "ok" {
            println!("{}\n{said}", ended.status);
            failed += 1;
        }
    };
    let aborts = |ended: &Output, said: &str, words: &[&str]| {
        ended.status.signal() == Some(SIGABRT)
            && words.iter().all(|word| said.contains(word))
            && ended.stdout.is_empty()
    };
    check("everything works", &|ended, _| ended.status.success() && ended.stdout == b"5050 10 late\n");
    check("a spawned one panics", &|ended, said| aborts(ended, said, &["src/main.rs", "in a spawned one"]));
    check("a detached one panics", &|ended, said| aborts(ended, said, &["src/main.rs", "in a detached one"]));
    check("the main one panics", &|ended, said| aborts(ended, said, &["src/main.rs", "in the main one"]));
    check("one exits", &|ended, said| aborts(ended, said, &["gander::exit()", "panic = \"abort\""]));
    check("all are asleep", &|ended, said| {
        ended.status.code() == Some(2) && said.contains("all goroutines are asleep") && said.contains("circle: ")
    });
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(part: &str) {
    match part {
        "everything works" => everything(),
        "a spawned one panics" => {
            // There is nothing to join: the process is over before.
            let _ = gander::spawn(|| panic!("in a spawned one")).join();
            println!("joined");
        }
        "a detached one panics" => {
            gander::go!(panic!("in a detached one"));
            gander::sleep(Duration::from_secs(100));
        }
        "the main one panics" => panic!("in the main one"),
        "one exits" => {
            let _ = gander::spawn(|| gander::exit()).join();
            println!("joined");
        }
        "all are asleep" => {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            let _again = mutex.lock();
        }
        _ => unreachable!("{part}"),
    }
}

/// A bit of each room.
fn everything() {
    let (tx, rx) = chan::bounded(3);
    let sum = Arc::new(Mutex::new(0));
    let group = WaitGroup::new();
    for _ in 0..4 {
        let (rx, sum) = (rx.clone(), Arc::clone(&sum));
        group.go(move || rx.iter().for_each(|i: u32| *sum.lock().expect("nobody panics") += i));
    }
    (1..=100).for_each(|i| tx.send(i).expect("they receive"));
    drop(tx);
    group.wait();
    let mut count = 0;
    gander::scope(|s| {
        let joined: Vec<_> = (0..10).map(|_| s.spawn(|| gander::yield_now())).collect();
        joined.into_iter().for_each(|one| {
            one.join().expect("it does not panic");
            count += 1;
        });
    });
    let (_tx, rx) = chan::bounded::<()>(0);
    let late = gander::select! {
        recv(rx) -> _ => "never",
        default(Duration::from_millis(5)) => "late",
    };
    println!("{} {count} {late}", sum.lock().expect("nobody panics"));
}
