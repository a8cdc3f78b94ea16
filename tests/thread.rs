//! `gander::thread` where nobody entered a runtime: from the ordinary threads that a test runs on.

use std::io;
use std::sync::Barrier;

use gander::StartError;
use gander::thread::{self, Builder};

/// The first that spawns starts it, from however many threads at a time.
#[test]
fn whoever_spawns_first_starts_the_runtime() {
    let all = Barrier::new(8);
    std::thread::scope(|s| {
        for i in 0..8 {
            let all = &all;
            s.spawn(move || {
                all.wait();
                if i % 2 == 0 {
                    let worker = thread::spawn(move || (gander::is_goroutine(), i));
                    assert_eq!(worker.join().unwrap(), (true, i));
                } else {
                    let mut seen = 0;
                    thread::scope(|s| s.spawn(|| seen = i).join().unwrap());
                    assert_eq!(seen, i);
                }
            });
        }
    });
    // It is the one that `run` runs in; with its defaults, which are settled now.
    assert!(gander::run(gander::is_goroutine));
    assert_eq!(thread::available_parallelism().unwrap().get(), gander::procs());
    match gander::Builder::new().max_threads(7).try_run(|| ()) {
        Err(StartError::Conflict { setting: "max_threads", .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// An ordinary thread is one of those that wait and wake.
#[test]
fn a_program_for_threads() -> io::Result<()> {
    let here = thread::current();
    let worker = Builder::new().name("worker".into()).spawn(move || {
        here.unpark();
        thread::park();
        thread::current().name().map(str::to_string)
    })?;
    thread::park();
    worker.thread().unpark();
    assert_eq!(worker.join().unwrap().as_deref(), Some("worker"));
    Ok(())
}
