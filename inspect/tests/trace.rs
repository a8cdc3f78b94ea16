//! Recordings, and what other programs read of them.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gander_inspect::trace::{AlreadyRecording, EventKind, Trace, log, region, start, start_with};
use gander_net::{TcpListener, TcpStream};
use gander_runtime::{Builder, blocking, park, run, sleep, spawn, yield_now};
use serde_json::Value;

/// There is one recording at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn json(trace: &Trace) -> Vec<Value> {
    let mut bytes = Vec::new();
    trace.write_json(&mut bytes).unwrap();
    let whole: Value = serde_json::from_slice(&bytes).expect("it is JSON");
    whole["traceEvents"].as_array().expect("events").clone()
}

#[test]
fn tells_a_goroutines_life_in_order() {
    let _alone = alone();
    run(|| {
        let recorder = start().unwrap();
        assert_eq!(start().err(), Some(AlreadyRecording));
        let worker = Builder::new()
            .name("the \"worker\"".into())
            .spawn(|| {
                yield_now();
                park();
                blocking(|| std::thread::sleep(Duration::from_millis(1)));
            })
            .unwrap();
        let id = worker.goroutine().id();
        while !gander_inspect::goroutines().iter().any(|g| g.id == id && g.state.to_string() == "park") {
            sleep(Duration::from_millis(1));
        }
        worker.goroutine().unpark();
        let me = gander_runtime::current().id();
        worker.join().unwrap();
        let trace = recorder.stop();
        let of_worker: Vec<&EventKind> =
            trace.events.iter().filter(|e| e.goroutine == Some(id)).map(|e| &e.what).collect();
        assert!(
            matches!(of_worker[0], EventKind::Spawn { by, at } if *by == Some(me) && at.file().ends_with("trace.rs"))
        );
        assert_eq!(of_worker[1..].iter().filter(|what| matches!(what, EventKind::Spawn { .. })).count(), 0);
        let at = |wanted: &dyn Fn(&EventKind) -> bool| {
            of_worker.iter().position(|what| wanted(what)).unwrap_or_else(|| panic!("missing in {of_worker:#?}"))
        };
        let parks = at(&|what| matches!(what, EventKind::Park(why) if why.to_string() == "park"));
        let woken = at(&|what| *what == EventKind::Ready(Some(me)));
        let blocks = at(&|what| *what == EventKind::Block);
        let ends = at(&|what| *what == EventKind::End);
        assert!(at(&|what| *what == EventKind::Run) < parks, "{of_worker:#?}");
        assert!(parks < woken && woken < blocks && blocks < ends, "{of_worker:#?}");
        assert!(matches!(of_worker[woken + 1..blocks], [.., EventKind::Run]), "{of_worker:#?}");
        assert!(trace.events.windows(2).all(|pair| pair[0].nanos <= pair[1].nanos));
        // Stopped is stopped.
        drop(start().unwrap());
    });
}

/// What Perfetto asks of a file: slices that do not overlap on a track, arrows with two ends, spans that nest.
#[test]
fn a_chaos_run_makes_a_sound_timeline() {
    let _alone = alone();
    run(|| {
        let recorder = start_with(1 << 16).unwrap();
        let all: Vec<_> = (0..32u64)
            .map(|i| {
                spawn(move || {
                    let _region = region("life");
                    for round in 0..50u64 {
                        let _round = region("round");
                        log("round", || format!("{round} of a goroutine with a rather long sentence to say: {i}"));
                        match (i + round) % 4 {
                            0 => yield_now(),
                            1 => sleep(Duration::from_micros(20)),
                            2 => blocking(|| ()),
                            _ => spawn(yield_now).join().unwrap(),
                        }
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|task| task.join().unwrap());
        let trace = recorder.stop();
        assert_eq!(trace.lost, 0);
        let events = json(&trace);
        assert!(events.len() > 5000, "{}", events.len());
        let mut ends: HashMap<u64, f64> = HashMap::new();
        let (mut begun, mut arrived, mut depth) = (HashMap::new(), 0, HashMap::<u64, i64>::new());
        let mut slices: Vec<(u64, f64, f64)> = Vec::new();
        for event in &events {
            let number = |name: &str| event[name].as_f64().unwrap_or_else(|| panic!("no {name} in {event}"));
            match event["ph"].as_str().unwrap() {
                "X" => slices.push((event["tid"].as_u64().unwrap(), number("ts"), number("dur"))),
                "s" => drop(begun.insert(event["id"].as_u64().unwrap(), number("ts"))),
                "f" => {
                    let from = begun.remove(&event["id"].as_u64().unwrap()).expect("an arrow that begins");
                    assert!(from <= number("ts"));
                    arrived += 1;
                }
                "b" => *depth.entry(event["id"].as_u64().unwrap()).or_default() += 1,
                "e" => {
                    let depth = depth.entry(event["id"].as_u64().unwrap()).or_default();
                    *depth -= 1;
                    assert!(*depth >= 0, "{event}");
                }
                "i" => assert!(!event["name"].as_str().unwrap().is_empty()),
                "M" => assert!(event["args"]["name"].is_string()),
                other => panic!("a phase that nobody writes: {other}"),
            }
        }
        slices.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (track, ts, dur) in slices {
            let end = ends.entry(track).or_default();
            assert!(ts + 0.0005 >= *end, "two goroutines at once on track {track}: {ts} before {end}");
            *end = ts + dur;
        }
        assert!(arrived > 500, "{arrived}");
        assert!(depth.values().all(|&depth| depth == 0));
        let said = trace.events.iter().filter(|e| matches!(&e.what, EventKind::Log("round", text) if text.ends_with("to say: 7") || text.ends_with("to say: 31")));
        assert_eq!(said.count(), 100);
    });
}

/// A flight recorder: the oldest make room, and the last moments can be had while it goes on.
#[test]
fn keeps_the_last_moments() {
    let _alone = alone();
    run(|| {
        let recorder = start_with(256).unwrap();
        // Each is three events at least, on one of the processors.
        let many = 256 * (gander_runtime::procs() + 1);
        (0..many).for_each(|_| spawn(|| ()).join().unwrap());
        let _region = region("the end");
        let trace = recorder.snapshot();
        assert!(trace.lost > 0);
        assert!(trace.events.iter().any(|e| e.what == EventKind::RegionBegin("the end")));
        let all = trace.events.len();
        let last = trace.clone().last(Duration::from_nanos(1));
        assert!(!last.events.is_empty() && last.events.len() < all);
        json(&trace);
    });
}

/// Who waits for a socket is woken by the poller: a look that counts it, and its wake-up by nobody.
#[test]
fn tells_who_was_woken_by_the_kernel() {
    let _alone = alone();
    run(|| {
        let before = gander_inspect::stats();
        let recorder = start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut there, _) = listener.accept().unwrap();
        let reader = spawn(move || there.read_exact(&mut [0; 3]).unwrap());
        let id = reader.goroutine().id();
        while !gander_inspect::goroutines().iter().any(|g| g.id == id && g.state.to_string() == "io read") {
            sleep(Duration::from_millis(1));
        }
        here.write_all(b"now").unwrap();
        reader.join().unwrap();
        let events = recorder.stop().events;
        let woken = events.iter().position(|e| e.goroutine == Some(id) && e.what == EventKind::Ready(None));
        let woken = woken.expect("its wake-up");
        // In the same ring, and before it; others without a processor may have looked in between.
        let proc = events[woken].proc;
        let look = events[..woken].iter().rfind(|e| e.proc == proc && matches!(e.what, EventKind::Poll(1..)));
        assert!(look.is_some(), "{events:#?}");
        let after = gander_inspect::stats();
        assert!(after.polls > before.polls && after.poll_wakeups > before.poll_wakeups, "{after:?}");
    });
}
