//! Spans stay with their goroutines, and events are told.

use std::collections::HashSet;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gander_inspect::tracing::{Follower, enter};
use gander_runtime::{Builder, set_procs, sleep, spawn, yield_now};
use tracing::field::{Field, Visit};
use tracing::{Event, Span, Subscriber, info, info_span};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Keeps what is said.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Said>>>);

/// The spans it is in, the outermost first, and the fields.
type Said = (Vec<&'static str>, String);

impl Ear {
    fn take(&self) -> Vec<Said> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?};", field.name()).unwrap();
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let spans = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let spans = spans.map(|span| span.name()).collect();
        let mut text = String::new();
        event.record(&mut Fields(&mut text));
        self.0.lock().unwrap().push((spans, text));
    }
}

/// Each in spans of its own, and in between it parks, and moves to other workers. Returns on how many threads it was.
fn wander(number: u64) -> usize {
    // A goroutine begins in none, wherever its worker was.
    assert!(Span::current().is_none());
    let _goroutine = enter();
    let span = if number.is_multiple_of(2) { info_span!("even") } else { info_span!("odd") };
    let id = span.id();
    let mut threads = HashSet::new();
    span.in_scope(|| {
        for round in 0..50 {
            assert_eq!(Span::current().id(), id, "{number}, round {round}");
            threads.insert(std::fs::read_link("/proc/thread-self").unwrap());
            match round % 3 {
                0 => yield_now(),
                1 => sleep(Duration::from_micros(number * 7)),
                _ => drop(spawn(yield_now).join()),
            }
        }
        info!(number, "done");
    });
    threads.len()
}

/// In own mode thread-locals are the goroutine's, and so is the span that is entered.
#[test]
fn spans_survive_migration_and_events_are_told() {
    let ear = Ear::default();
    tracing::subscriber::set_global_default(Registry::default().with(ear.clone())).unwrap();
    Builder::new().run(|| {
        set_procs(4);
        // On a loaded machine one worker may do it all.
        let migrates = |_| {
            let all: Vec<_> = (0..32).map(|number| spawn(move || wander(number))).collect();
            let moved = all.into_iter().map(|task| task.join().unwrap()).filter(|&threads| threads > 1).count();
            let said = ear.take();
            assert_eq!(said.len(), 32);
            for (spans, text) in &said {
                let number = text.split(';').find_map(|field| field.strip_prefix("number=")).unwrap();
                let number: u64 = number.parse().unwrap();
                let name = if number.is_multiple_of(2) { "even" } else { "odd" };
                assert_eq!(spans[..], ["goroutine", name], "{text}");
            }
            moved > 0
        };
        assert!((0..100).any(migrates), "none ever went on on another thread");

        let mut follower = Follower::start().unwrap();
        let worker = spawn(|| sleep(Duration::from_millis(1)));
        let id = worker.goroutine().id().as_u64();
        worker.join().unwrap();
        let mut told = Vec::new();
        // Its end is recorded after its joiner was woken.
        for what in ["spawn", "run", "park", "ready", "end"] {
            let (who, what) = (format!("goroutine={id};"), format!("message={what};"));
            let began = Instant::now();
            while !told.iter().any(|text: &String| text.contains(&who) && text.contains(&what)) {
                assert!(began.elapsed() < Duration::from_secs(30), "no {what} of {id} in {told:#?}");
                follower.tell();
                told.extend(ear.take().into_iter().map(|(_, text)| text));
                yield_now();
            }
        }
        // Nothing is told twice.
        follower.tell();
        let more: Vec<_> = ear.take().into_iter().map(|(_, text)| text).collect();
        assert!(told.iter().all(|text| !more.contains(text)), "{more:#?}");
    });
}
