//! Dumps of a program in which everything moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gander_inspect::{Dump, Group, dump};
use gander_runtime::{Builder, go, park, run, sleep, spawn, yield_now};
use gander_sync::{Barrier, Mutex};

#[track_caller]
fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(30), "never came to be:\n{}", dump());
        yield_now();
    }
}

/// The group whose stack has a call of that function.
fn group<'a>(dump: &'a Dump, function: &str) -> Option<&'a Group> {
    dump.groups.iter().find(|group| group.frames.iter().any(|frame| frame.function.contains(function)))
}

#[inline(never)]
fn deep_in_the_woods(depth: u32) -> u32 {
    if depth == 0 {
        park();
        return 0;
    }
    std::hint::black_box(deep_in_the_woods(depth - 1)) + 1
}

#[test]
fn a_parked_stack_is_walked_to_its_root() {
    run(|| {
        let all: Vec<_> = (0..3).map(|_| spawn(|| deep_in_the_woods(20))).collect();
        let found = || {
            let dump = dump();
            group(&dump, "deep_in_the_woods").cloned().filter(|group| group.goroutines.len() == 3)
        };
        until(|| found().is_some());
        let group = found().unwrap();
        let calls = group.frames.iter().filter(|frame| frame.function.contains("deep_in_the_woods")).count();
        assert_eq!(calls, 21, "{group}");
        assert!(group.frames.last().unwrap().function.contains("start"), "not walked to the root:\n{group:#?}");
        let text = group.to_string();
        assert!(text.starts_with("3 goroutines [park]: "), "{text}");
        assert!(text.contains("dump.rs:") && text.contains("created by goroutine "), "{text}");
        // Neither how it parks nor how it began is anybody's business.
        assert!(!text.contains("gander_runtime::switch") && !text.contains("gander_runtime::entry"), "{text}");
        all.iter().for_each(|task| task.goroutine().unpark());
        for task in all {
            assert_eq!(task.join().unwrap(), 20);
        }
    });
}

#[inline(never)]
fn round_and_round(stop: &AtomicBool) -> u64 {
    let mut x = 1u64;
    while !stop.load(Ordering::Relaxed) {
        x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    x
}

#[test]
fn a_running_stack_is_seen_and_goes_on() {
    gander_runtime::run(|| {
        // One for who looks, one for who is looked at.
        gander_runtime::set_procs(gander_runtime::procs().max(2));
        let stop = Arc::new(AtomicBool::new(false));
        let hot = spawn({
            let stop = stop.clone();
            move || round_and_round(&stop)
        });
        let began = Instant::now();
        let found = loop {
            let dump = dump();
            if let Some(group) = group(&dump, "round_and_round") {
                break group.to_string();
            }
            assert!(began.elapsed() < Duration::from_secs(30), "never seen:\n{dump}");
            sleep(Duration::from_millis(1));
        };
        // Its time may have been over when it was looked at.
        assert!(found.contains("[running]:") || found.contains("[preempted]:"), "{found}");
        stop.store(true, Ordering::Relaxed);
        hot.join().unwrap();
        // Who asks runs too, and finds himself.
        let mine = dump();
        assert!(group(&mine, "a_running_stack_is_seen_and_goes_on").is_some(), "{mine}");
    });
}

/// sched-19: dumps without a pause while goroutines are parked, run, sleep, block, migrate, grow and end.
#[test]
fn sched_19_dumps_while_everything_moves() {
    run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        for i in 0..64u64 {
            let stop = stop.clone();
            go(move || {
                while !stop.load(Ordering::Relaxed) {
                    match i % 4 {
                        0 => yield_now(),
                        1 => sleep(Duration::from_micros(i * 10)),
                        2 => drop(spawn(|| deep_sleep(10)).join()),
                        _ => gander_runtime::grow_to(1 << 20, yield_now),
                    }
                }
            });
        }
        let full = Instant::now() + Duration::from_millis(if small() { 100 } else { 800 });
        let mut dumps = 0;
        while Instant::now() < full {
            let dump = dump();
            assert!(dump.total() >= 1);
            assert!(dump.to_string().contains("goroutine"));
            dumps += 1;
            yield_now();
        }
        assert!(dumps > 0);
        stop.store(true, Ordering::Relaxed);
    });
}

/// Two that want each other's lock, and some that want one of the two: who has it is said once for all of them.
#[test]
fn who_has_what_they_wait_for() {
    if small() {
        // An emulator does not read its own memory by the kernel.
        return;
    }
    run(|| {
        let (a, b, both) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())), Arc::new(Barrier::new(2)));
        let [first, second] = [("first", &a, &b), ("second", &b, &a)].map(|(name, one, other)| {
            let (one, other, both) = (one.clone(), other.clone(), both.clone());
            let body = move || {
                let _one = one.lock().unwrap();
                both.wait();
                let _other = other.lock().unwrap();
            };
            Builder::new().name(name.into()).spawn(body).unwrap()
        });
        let holder = first.goroutine().id();
        until(|| !dump().circles.is_empty());
        for _ in 0..5 {
            let a = a.clone();
            go(move || drop(a.lock()));
        }
        let all_five = || {
            let text = dump().to_string();
            let line = text.lines().find(|line| line.starts_with("goroutines ") && line.contains(" wait at 0x"));
            line.is_some_and(|line| {
                line.matches(", ").count() == 5 && line.ends_with(&format!(", held by goroutine {holder}"))
            })
        };
        until(all_five);
        let text = dump().to_string();
        let [low, high] = {
            let mut ids = [(holder, "first"), (second.goroutine().id(), "second")];
            ids.sort();
            ids
        };
        let circle = format!(
            "circle: goroutine {} {:?} [mutex lock] waits for goroutine {} {:?} [mutex lock], which waits for goroutine {} {:?}\n\n",
            low.0, low.1, high.0, high.1, low.0, low.1
        );
        assert!(text.starts_with(&circle), "{text}");
        // They stay: the end of `run` leaves them behind.
    });
}

fn small() -> bool {
    std::env::var_os("GANDER_TEST_SMALL").is_some()
}

#[inline(never)]
fn deep_sleep(depth: u32) -> u32 {
    if depth == 0 {
        sleep(Duration::from_micros(50));
        return 0;
    }
    std::hint::black_box(deep_sleep(depth - 1)) + 1
}

/// Many are counted, a sample is looked at, and those of a kind of their own are always among it.
#[test]
fn many_are_sampled() {
    let many = if small() { 1_000 } else { 50_000 };
    run(|| {
        let lone = spawn(|| deep_in_the_woods(1));
        (0..many).for_each(|_| go(|| sleep(Duration::from_secs(1_000_000))));
        until(|| {
            gander_inspect::goroutines().iter().filter(|info| info.state.to_string() == "sleep").count() >= many
        });
        let began = Instant::now();
        let dump = dump();
        let took = began.elapsed();
        assert!(dump.total() > many, "{}", dump.total());
        let in_full: usize = dump.groups.iter().map(|group| group.goroutines.len()).sum();
        assert!(in_full < 25_000, "{in_full}");
        assert!(group(&dump, "deep_in_the_woods").is_some());
        println!("a dump of {many} goroutines took {took:?}");
        lone.goroutine().unpark();
        lone.join().unwrap();
    });
}
