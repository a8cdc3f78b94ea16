//! What the `metrics` crate is told.

use std::collections::HashMap;
use std::time::Duration;

use gander_inspect::metrics::Publisher;
use gander_runtime::{park, run, sleep, spawn, yield_now};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// What was told since the last look: by name, and state or queue.
fn told(snapshotter: &Snapshotter) -> HashMap<String, DebugValue> {
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.map(|(key, _, _, value)| {
        let (_, key) = key.into_parts();
        let labels: String = key.labels().map(|label| format!(" {}", label.value())).collect();
        (format!("{}{labels}", key.name()), value)
    })
    .collect()
}

fn gauge(all: &HashMap<String, DebugValue>, name: &str) -> f64 {
    match all.get(name) {
        Some(DebugValue::Gauge(value)) => value.into_inner(),
        other => panic!("{name} is {other:?} in {all:?}"),
    }
}

fn counter(all: &HashMap<String, DebugValue>, name: &str) -> u64 {
    match all.get(name) {
        Some(DebugValue::Counter(value)) => *value,
        other => panic!("{name} is {other:?} in {all:?}"),
    }
}

#[test]
fn snapshots_are_told_and_what_is_over_is_told_once() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    run(move || {
        let parked: Vec<_> = (0..7).map(|_| spawn(park)).collect();
        let count = || gander_inspect::goroutines().iter().filter(|g| g.state.to_string() == "park").count();
        while count() < 7 {
            yield_now();
        }
        let mut publisher = Publisher::new();
        // Enough turns that some are measured.
        while gander_inspect::stats().turns.count() == 0 {
            (0..1000).for_each(|_| yield_now());
        }
        let stats = gander_inspect::stats();
        publisher.publish(&stats);
        let all = told(&snapshotter);
        assert_eq!(gauge(&all, "gander_goroutines park"), 7.0);
        assert_eq!(gauge(&all, "gander_procs"), gander_runtime::procs() as f64);
        assert_eq!(counter(&all, "gander_switches_total"), stats.switches);
        assert_eq!(counter(&all, "gander_spawned_total"), stats.spawned);
        gauge(&all, "gander_queue_length 0");
        gauge(&all, "gander_stacks out");
        let Some(DebugValue::Histogram(turns)) = all.get("gander_turn_seconds") else { panic!("{all:?}") };
        assert_eq!(turns.len() as u64, stats.turns.count());
        assert!(turns.iter().all(|turn| turn.into_inner() > 0.0));
        // The same again: nothing is measured twice.
        publisher.publish(&stats);
        let all = told(&snapshotter);
        let again = match all.get("gander_turn_seconds") {
            Some(DebugValue::Histogram(turns)) => turns.len(),
            _ => 0,
        };
        assert_eq!(again, 0);
        parked.iter().for_each(|task| task.goroutine().unpark());
        parked.into_iter().for_each(|task| task.join().unwrap());
        publisher.publish(&gander_inspect::stats());
        assert_eq!(gauge(&told(&snapshotter), "gander_goroutines park"), 0.0);
        // And by itself.
        let publishes = gander_inspect::metrics::publish_each(Duration::from_millis(1)).unwrap();
        let before = gander_inspect::stats().switches;
        loop {
            let all = told(&snapshotter);
            if matches!(all.get("gander_switches_total"), Some(DebugValue::Counter(count)) if *count > before) {
                break;
            }
            sleep(Duration::from_millis(1));
        }
        drop(publishes);
    });
}
