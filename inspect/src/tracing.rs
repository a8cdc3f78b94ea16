//! For the `tracing` crate (feature `tracing`): spans for goroutines, and what the scheduler does as events.
//!
//! Subscribers keep the span that is entered in a thread-local. In own mode those are the goroutine's, so a span that is
//! entered on a goroutine is its own, wherever it goes on after a wait, and a goroutine that is spawned begins without
//! one. In shared mode they are the worker's: leave a span before anything that may park there, or others find themselves
//! in it.

use std::time::Duration;

use gander_runtime::{Builder, JoinHandle, SpawnError, sleep, try_current};
use tracing::span::EnteredSpan;
use tracing::{Span, info_span, trace, warn};

use crate::trace::{AlreadyRecording, Event, EventKind, Recorder, start};

/// A span for the calling goroutine, at the level of info: `goroutine`, with its `id`, and its `name` if it has one. On a
/// thread that is none there is no id.
pub fn span() -> Span {
    let span = info_span!(target: "gander", "goroutine", id = tracing::field::Empty, name = tracing::field::Empty);
    if let Some(goroutine) = try_current() {
        span.record("id", goroutine.id().as_u64());
        if let Some(name) = goroutine.name() {
            span.record("name", name);
        }
    }
    span
}

/// Enters [`span`]: what the goroutine says until this is dropped is in it.
///
/// # Examples
///
/// ```
/// gander_runtime::run(|| {
///     gander_runtime::spawn(|| {
///         let _goroutine = gander_inspect::tracing::enter();
///         tracing::info!("this is said in the span of its goroutine");
///     }).join().unwrap();
/// });
/// ```
pub fn enter() -> EnteredSpan {
    span().entered()
}

/// Tells a subscriber what a recording has: with each [`tell`](Follower::tell) what happened since the last one.
///
/// The events are those of [`trace`](crate::trace), at the level of trace, with the target `gander`, and with `at_nanos` (on
/// the monotonic clock), `proc` and `goroutine` where there are some. They are told later than they happened: a
/// subscriber within the scheduler would stop it.
#[derive(Debug)]
pub struct Follower {
    recorder: Recorder,
}

impl Follower {
    /// Begins to record.
    ///
    /// # Errors
    ///
    /// If a recording goes on already.
    pub fn start() -> Result<Follower, AlreadyRecording> {
        Ok(Follower { recorder: start()? })
    }

    /// Tells what happened since the last call. Events that came too fast to be kept are a warning with their number.
    pub fn tell(&mut self) {
        let (events, lost) = self.recorder.take();
        if lost > 0 {
            warn!(target: "gander", lost, "events were overwritten before they were told");
        }
        events.iter().for_each(tell);
    }
}

fn tell(event: &Event) {
    let proc = event.proc.map(|proc| proc as u64);
    let goroutine = event.goroutine.map(|id| id.as_u64());
    macro_rules! tell {
        ($what:literal $(, $field:ident = $value:expr)*) => {
            trace!(target: "gander", at_nanos = event.nanos, proc, goroutine $(, $field = $value)*, $what)
        };
    }
    match &event.what {
        EventKind::Spawn { by, at } => tell!("spawn", by = by.map(|id| id.as_u64()), spawned_at = display(at)),
        EventKind::Run => tell!("run"),
        EventKind::Park(reason) => tell!("park", reason = display(reason)),
        EventKind::Yield => tell!("yield"),
        EventKind::End => tell!("end"),
        EventKind::Ready(by) => tell!("ready", by = by.map(|id| id.as_u64())),
        EventKind::Preempt => tell!("preempt"),
        EventKind::Block => tell!("block"),
        EventKind::Rescue(from) => tell!("rescue", from = *from as u64),
        EventKind::Steal => tell!("steal"),
        EventKind::RegionBegin(region) => tell!("region begins", region = *region),
        EventKind::RegionEnd(region) => tell!("region ends", region = *region),
        EventKind::Log(category, text) => tell!("log", category = *category, text = text.as_str()),
        EventKind::Poll(woken) => tell!("poll", woken = *woken as u64),
        other => tell!("other", what = debug(other)),
    }
}

/// Starts a goroutine that [tells](Follower::tell) after each `interval` what happened in it, for as long as the program
/// runs. What it does itself is among it.
///
/// # Errors
///
/// Those of a spawn.
pub fn tell_each(mut follower: Follower, interval: Duration) -> Result<JoinHandle<()>, SpawnError> {
    Builder::new().name("gander tracing".into()).spawn(move || {
        loop {
            sleep(interval);
            follower.tell();
        }
    })
}
