//! leaks-1: bugs of real programs, each cut down to what hangs, after their descriptions in GoBench (GoKer).
//!
//! Who is left waiting, and for what, must be what the description allows. In Go nobody has to keep a channel for it to
//! stay open; here `kept` stands for the many who hold such a channel in the real program.

const SHARED: bool = false;

mod common;

#[path = "kernels/channels.rs"]
mod channels;
#[path = "kernels/locks.rs"]
mod locks;
#[path = "kernels/mixed.rs"]
mod mixed;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use gander::chan::{Receiver, Sender, bounded};
use gander::inspect::{GoroutineState, goroutines};
use gander::{Builder, GoroutineId};

/// The goroutines of one bug.
#[derive(Default)]
struct Kernel(Mutex<Vec<GoroutineId>>);

impl Kernel {
    fn go(&self, name: &str, f: impl FnOnce() + Send + 'static) {
        let handle = Builder::new().name(name.into()).spawn(f).unwrap();
        self.0.lock().unwrap().push(handle.goroutine().id());
    }

    /// Who waits, and for what; none: somebody still runs.
    fn waiting(&self) -> Option<Vec<String>> {
        let ours = self.0.lock().unwrap().clone();
        let mut all = Vec::new();
        for info in goroutines().into_iter().filter(|info| ours.contains(&info.id)) {
            let GoroutineState::Waiting(reason) = info.state else { return None };
            all.push(format!("{}: {reason}", info.name.unwrap()));
        }
        all.sort();
        Some(all)
    }
}

/// A channel that somebody holds both ends of, for ever.
fn kept<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = bounded(capacity);
    std::mem::forget((tx.clone(), rx.clone()));
    (tx, rx)
}

/// Runs the bug on 1, 2 and 4 processors until it stays at one of the `legal` ends; the leak check finds the same.
#[track_caller]
fn ends(legal: &[&[&str]], kernel: fn(&Kernel)) {
    /// A limit, not a measurement.
    const LONG: Duration = Duration::from_secs(20);
    for procs in [1, 2, 4] {
        common::run_on(procs, || {
            let find = || {
                let all = Kernel::default();
                kernel(&all);
                let start = Instant::now();
                let mut seen = (None, 0);
                while seen.1 < 5
                    || !seen.0.as_ref().is_some_and(|end: &Vec<String>| legal.contains(&&texts(end)[..]))
                {
                    assert!(start.elapsed() < LONG, "{:?} is not one of {legal:?}", seen.0);
                    gander::yield_now();
                    let now = all.waiting();
                    seen = if now == seen.0 { (now, seen.1 + 1) } else { (now, 0) };
                }
                seen.0.unwrap()
            };
            let (end, left) = gander::leak::Check::new().patience(Duration::ZERO).find(find);
            assert_eq!(left.len(), end.len(), "{left:?}");
        });
    }
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// Who waits for something else than allowed, or is not there, is noticed.
#[test]
fn waits_are_told_apart() {
    common::run(|| {
        let all = Kernel::default();
        let (tx, rx) = bounded::<()>(0);
        all.go("one", move || assert!(rx.recv().is_err()));
        common::until(|| all.waiting().is_some());
        assert_eq!(all.waiting().unwrap(), ["one: chan receive"]);
        drop(tx);
        common::until(|| all.waiting().is_some_and(|all| all.is_empty()));
    });
}
