//! What is seen of goroutines from outside.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gander::inspect::{GoroutineInfo, GoroutineState, for_each_goroutine, goroutines};

use crate::common::{run, run_on, scaled, until};

/// The goroutine of that name, if there is one. Other tests run beside this one.
fn find(name: &str) -> Option<GoroutineInfo> {
    goroutines().into_iter().find(|g| g.name.as_deref() == Some(name))
}

fn spawn_named<T: Send + 'static>(name: &str, f: impl FnOnce() -> T + Send + 'static) -> gander::JoinHandle<T> {
    gander::Builder::new().name(name.to_string()).spawn(f).expect("memory for a goroutine")
}

/// Waits until the goroutine of that name does what `words` say.
fn await_state(name: &str, words: &str) -> GoroutineInfo {
    until(|| find(name).is_some_and(|g| g.state.to_string() == words));
    find(name).expect("it waits for us")
}

#[test]
fn says_who_where_why_and_since_when() {
    run(|| {
        let me = gander::current().id();
        let (tx, rx) = gander::chan::bounded::<u32>(0);
        let (line, worker) = (line!(), spawn_named("inspected receiver", move || rx.recv()));
        let seen = await_state("inspected receiver", "chan receive");
        assert_eq!(seen.id, worker.goroutine().id());
        assert_eq!(seen.parent, Some(me));
        // `spawn_named` spawns it.
        assert!(seen.spawned_at.file().ends_with("inspect.rs") && seen.spawned_at.line() < line);
        assert!(seen.stack_size >= 1 << 20, "{}", seen.stack_size);
        assert!(seen.stack_used.is_some_and(|used| used > 0 && used < 1 << 20), "{:?}", seen.stack_used);
        let waited = seen.waited.expect("it waits");
        assert!(waited < Duration::from_secs(60));
        gander::sleep(Duration::from_millis(100));
        let later = find("inspected receiver").and_then(|g| g.waited).expect("it still waits");
        assert!(later > waited + Duration::from_millis(40), "{waited:?} {later:?}");
        tx.send(7).unwrap();
        assert_eq!(worker.join().unwrap(), Ok(7));
        until(|| find("inspected receiver").is_none());
        let mine = goroutines().into_iter().find(|g| g.id == me).expect("I am");
        assert_eq!(mine.state, GoroutineState::Running);
        assert_eq!((mine.waited, mine.stack_used), (None, None));
    });
}

#[test]
fn every_reason_has_its_words() {
    run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let (tx, rx) = gander::chan::bounded::<u32>(0);
        let sender = spawn_named("i send", move || tx.send(1));
        let parker = spawn_named("i park", gander::park);
        let sleeper = spawn_named("i sleep", || gander::sleep(Duration::from_secs(3600)));
        let blocked = spawn_named("i block", {
            let stop = stop.clone();
            move || {
                gander::blocking(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
                until(|| !stop.load(Ordering::Relaxed));
            }
        });
        let handle = parker.goroutine().clone();
        let joiner = spawn_named("i join", || parker.join());
        for (name, words) in [
            ("i send", "chan send"),
            ("i park", "park"),
            ("i sleep", "sleep"),
            ("i block", "blocking call"),
            ("i join", "join"),
        ] {
            assert!(await_state(name, words).waited.is_some(), "{name}");
        }
        stop.store(true, Ordering::Relaxed);
        until(|| find("i block").is_some_and(|g| !matches!(g.state, GoroutineState::BlockingCall)));
        stop.store(false, Ordering::Relaxed);
        blocked.join().unwrap();
        handle.unpark();
        joiner.join().unwrap().unwrap();
        rx.recv().unwrap();
        sender.join().unwrap().unwrap();
        // It sleeps on after the test: nothing but its handle ends here.
        drop(sleeper);
    });
}

/// leaks-2: while goroutines start, end, grow and migrate, what is seen belongs together.
#[test]
fn leaks_2_consistent_while_all_changes() {
    run_on(4, || {
        let stop = Arc::new(AtomicBool::new(false));
        let churn: Vec<_> = (0..4)
            .map(|i| {
                let stop = stop.clone();
                gander::spawn(move || {
                    let me = gander::current().id();
                    while !stop.load(Ordering::Relaxed) {
                        let children: Vec<_> = (0..16)
                            .map(|j| {
                                spawn_named(&format!("child of {me}, {i}.{j}"), move || {
                                    gander::yield_now();
                                    // A segment lies where a goroutine's stack may have been.
                                    gander::stack::grow_to(1 << 20, || {
                                        std::hint::black_box([0x55u8; 64 << 10]);
                                        gander::yield_now();
                                    });
                                })
                            })
                            .collect();
                        children.into_iter().for_each(|child| child.join().unwrap());
                    }
                })
            })
            .collect();
        let mut last = None;
        for _ in 0..scaled(500) {
            let mut ids = HashSet::new();
            for_each_goroutine(|g| {
                assert!(ids.insert(g.id), "{} twice", g.id);
                if let Some(of) = g.name.as_ref().and_then(|name| name.strip_prefix("child of ")) {
                    let parent = g.parent.expect("a goroutine spawned it");
                    assert_eq!(of.split(',').next(), Some(&*parent.to_string()), "{g:?}");
                    assert!(g.spawned_at.file().ends_with("inspect.rs"), "{g:?}");
                    last = Some(g.id);
                }
            });
            gander::yield_now();
        }
        assert!(last.is_some(), "none was ever seen");
        stop.store(true, Ordering::Relaxed);
        churn.into_iter().for_each(|task| task.join().unwrap());
    });
}

/// sched-15: the counters agree with what was made, and return to what was before.
#[test]
fn sched_15_counts_agree() {
    run_on(2, || {
        const MANY: usize = 1000;
        let before = gander::stats();
        let (tx, rx) = gander::chan::bounded::<()>(0);
        let all: Vec<_> = (0..MANY)
            .map(|_| {
                let rx = rx.clone();
                gander::spawn(move || rx.recv())
            })
            .collect();
        let receiving = |stats: &gander::inspect::Stats| {
            stats.goroutines.waiting.iter().filter(|(why, _)| why.to_string() == "chan receive").map(|w| w.1).sum()
        };
        let base: usize = receiving(&before);
        until(|| receiving(&gander::stats()) >= base + MANY);
        let during = gander::stats();
        assert!(during.goroutines.total >= MANY && during.goroutines.running >= 1);
        assert!(during.spawned >= before.spawned + MANY as u64 && during.switches >= before.switches + MANY as u64);
        assert!(during.stacks_out >= MANY);
        assert_eq!(during.procs.iter().filter(|p| p.in_service).count(), 2);
        assert!(during.threads.total >= 2 && during.threads.running >= 1, "{:?}", during.threads);
        let sleeper = gander::spawn(|| gander::sleep(Duration::from_millis(50)));
        until(|| gander::stats().timers >= 1);
        sleeper.join().unwrap();
        drop(tx);
        for task in all {
            assert!(task.join().unwrap().is_err());
        }
        until(|| receiving(&gander::stats()) <= base);
    });
}

/// What is sampled of turns and queueing adds up to something.
#[test]
fn turns_and_queueing_are_sampled() {
    run_on(1, || {
        let before = gander::stats();
        let all: Vec<_> =
            (0..4).map(|_| gander::spawn(|| (0..scaled(10_000)).for_each(|_| gander::yield_now()))).collect();
        all.into_iter().for_each(|task| task.join().unwrap());
        let after = gander::stats();
        if scaled(10_000) == 10_000 {
            for (after, before) in [(&after.turns, &before.turns), (&after.queueing, &before.queueing)] {
                let samples = after.count() - before.count();
                assert!((4..4_000).contains(&samples), "{samples}");
                let (half, most) = (after.quantile(0.5).unwrap(), after.quantile(1.0).unwrap());
                assert!(half <= most && most < Duration::from_secs(60));
            }
        }
    });
}
