//! Recordings of what happened, for a look at a timeline.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::Duration;

use gander_runtime::inspect::trace::{Recording, What, record_events};

use crate::json::{object, text};

pub use gander_runtime::inspect::trace::{AlreadyRecording, Event, Region, What as EventKind, log, region};

/// What [`start`] keeps of each processor: 4 MiB.
const EVENTS: usize = 1 << 17;

/// Begins to record. There is one recording at a time.
///
/// A recorder left running is a *flight recorder*: ask it for a [`snapshot`](Recorder::snapshot) when something has
/// happened that you would like to have seen.
///
/// # Errors
///
/// If one goes on already.
///
/// # Examples
///
/// ```
/// gander_runtime::run(|| {
///     let recorder = gander_inspect::trace::start().unwrap();
///     gander_runtime::spawn(|| gander_runtime::yield_now()).join().unwrap();
///     let trace = recorder.stop();
///     let mut json = Vec::new();
///     trace.write_json(&mut json).unwrap(); // open it in ui.perfetto.dev
/// #   assert!(trace.events.len() > 3);
/// });
/// ```
pub fn start() -> Result<Recorder, AlreadyRecording> {
    start_with(EVENTS)
}

/// [`start`], with so many events kept of each processor (32 bytes each); older ones make room.
///
/// # Errors
///
/// If a recording goes on already.
pub fn start_with(events: usize) -> Result<Recorder, AlreadyRecording> {
    Ok(Recorder { recording: record_events(events)? })
}

/// A recording that goes on. Dropping it ends it.
#[derive(Debug)]
pub struct Recorder {
    recording: Recording,
}

impl Recorder {
    /// What was recorded so far; the recording goes on.
    pub fn snapshot(&self) -> Trace {
        let (events, lost) = self.recording.events();
        let mut names = HashMap::new();
        gander_runtime::inspect::for_each_goroutine(|info| {
            if let Some(name) = &info.name {
                names.insert(info.id.as_u64(), name.clone());
            }
        });
        Trace { events, lost, names }
    }

    /// What was recorded since the last call of this, by time, and how many events were overwritten before they could be
    /// taken: for who follows a recording. [`snapshot`](Self::snapshot) has only what follows, too.
    pub fn take(&mut self) -> (Vec<Event>, u64) {
        self.recording.take()
    }

    /// Ends the recording.
    pub fn stop(self) -> Trace {
        self.snapshot()
    }
}

/// What was recorded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trace {
    /// The events, by time.
    pub events: Vec<Event>,
    /// How many older ones were overwritten.
    pub lost: u64,
    /// Names of goroutines that were there at the end.
    names: HashMap<u64, String>,
}

impl Trace {
    /// Only what happened so shortly before the last event.
    pub fn last(mut self, time: Duration) -> Trace {
        let end = self.events.last().map_or(0, |event| event.nanos);
        let begin = end.saturating_sub(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.events.retain(|event| event.nanos >= begin);
        self
    }

    /// Writes it in the Trace Event Format (JSON), which ui.perfetto.dev, chrome://tracing and Speedscope open: a track
    /// for each processor with what ran there, an arrow from who woke a goroutine to where it went on, regions as
    /// asynchronous spans, and all else as instants.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let mut json = Json { out, first: true };
        json.out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
        json.event(&[
            ("ph", text("M")),
            ("name", text("process_name")),
            ("pid", "1".into()),
            ("tid", "0".into()),
            ("args", "{\"name\":\"gander\"}".into()),
        ])?;
        let tracks: std::collections::BTreeSet<usize> = self.events.iter().map(track).collect();
        for &track in &tracks {
            let name =
                if track == OUTSIDE { "outside of processors".to_string() } else { format!("P{}", track - 1) };
            let args = format!("{{\"name\":{}}}", text(&name));
            json.event(&[
                ("ph", text("M")),
                ("name", text("thread_name")),
                ("pid", "1".into()),
                ("tid", track.to_string()),
                ("args", args),
            ])?;
        }
        self.write_events(&mut json)?;
        json.out.write_all(b"\n]}\n")
    }

    fn write_events<W: Write>(&self, json: &mut Json<'_, W>) -> io::Result<()> {
        let start = self.events.first().map_or(0, |event| event.nanos);
        // Microseconds, with all digits of the nanoseconds.
        let at = |nanos: u64| format!("{}.{:03}", (nanos - start) / 1000, (nanos - start) % 1000);
        // What runs on each track, since when.
        let mut running: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        // Arrows that have not arrived: by goroutine.
        let mut woken: HashMap<u64, u64> = HashMap::new();
        let mut arrows = 0;
        for event in &self.events {
            let (track, id) = (track(event), event.goroutine.map_or(0, |id| id.as_u64()));
            let common = |ph: &str, name: String| {
                vec![
                    ("ph", text(ph)),
                    ("name", text(&name)),
                    ("pid", "1".into()),
                    ("tid", track.to_string()),
                    ("ts", at(event.nanos)),
                ]
            };
            let ends = match &event.what {
                What::Park(reason) => Some((track, reason.to_string())),
                What::Yield => Some((track, "yield".into())),
                What::End => Some((track, "end".into())),
                What::Preempt => Some((track, "preempted".into())),
                What::Block => Some((track, "blocking call".into())),
                What::Rescue(proc) => Some((proc + 1, "system call".into())),
                // Whatever ran before it, its end was not recorded.
                What::Run => Some((track, "?".into())),
                _ => None,
            };
            if let Some((track, why)) = ends
                && let Some((ran, since)) = running.remove(&track)
            {
                json.event(&self.slice(track, ran, at(since), event.nanos - since, &why))?;
            }
            match &event.what {
                What::Run => {
                    running.insert(track, (id, event.nanos));
                    if let Some(arrow) = woken.remove(&id) {
                        let mut end = common("f", "wakes".into());
                        end.extend([("cat", text("wake")), ("id", arrow.to_string()), ("bp", text("e"))]);
                        json.event(&end)?;
                    }
                }
                What::Ready(_) | What::Spawn { .. } => {
                    arrows += 1;
                    woken.insert(id, arrows);
                    let mut begin = common("s", "wakes".into());
                    begin.extend([("cat", text("wake")), ("id", arrows.to_string())]);
                    json.event(&begin)?;
                    let what = match &event.what {
                        What::Spawn { at, .. } => format!("spawns {} at {at}", self.name(id)),
                        _ => format!("wakes {}", self.name(id)),
                    };
                    let mut instant = common("i", what);
                    instant.push(("s", text("t")));
                    json.event(&instant)?;
                }
                What::RegionBegin(name) | What::RegionEnd(name) => {
                    let ph = if matches!(event.what, What::RegionBegin(_)) { "b" } else { "e" };
                    let mut span = common(ph, name.to_string());
                    span.extend([("cat", text("region")), ("id", id.to_string())]);
                    json.event(&span)?;
                }
                What::Log(category, message) => {
                    let mut instant = common("i", format!("{category}: {message}"));
                    instant.extend([("s", text("t")), ("args", format!("{{\"goroutine\":{id}}}"))]);
                    json.event(&instant)?;
                }
                What::Preempt | What::Steal | What::Rescue(_) | What::Poll(_) => {
                    let what = match event.what {
                        What::Preempt => format!("preempts {}", self.name(id)),
                        What::Steal => format!("steals {}", self.name(id)),
                        What::Poll(woken) => format!("poll: {woken} woken"),
                        _ => "rescue of a processor".into(),
                    };
                    let mut instant = common("i", what);
                    instant.push(("s", text("t")));
                    json.event(&instant)?;
                }
                _ => {}
            }
        }
        let end = self.events.last().map_or(0, |event| event.nanos);
        for (track, (ran, since)) in running {
            json.event(&self.slice(track, ran, at(since), end - since, "running"))?;
        }
        Ok(())
    }

    /// A turn of a goroutine on a processor, and why it ended.
    fn slice(&self, track: usize, id: u64, ts: String, nanos: u64, why: &str) -> Vec<(&'static str, String)> {
        vec![
            ("ph", text("X")),
            ("name", text(&self.name(id))),
            ("cat", text("goroutine")),
            ("pid", "1".into()),
            ("tid", track.to_string()),
            ("ts", ts),
            ("dur", format!("{}.{:03}", nanos / 1000, nanos % 1000)),
            ("args", format!("{{\"goroutine\":{id},\"then\":{}}}", text(why))),
        ]
    }

    fn name(&self, id: u64) -> String {
        match self.names.get(&id) {
            Some(name) => format!("goroutine {id} {name:?}"),
            None => format!("goroutine {id}"),
        }
    }
}

/// The track of what happened without a processor.
const OUTSIDE: usize = 0;

/// The track of an event: processors from 1 on.
fn track(event: &Event) -> usize {
    event.proc.map_or(OUTSIDE, |proc| proc + 1)
}

/// Objects of an array, one a line.
struct Json<'a, W> {
    out: &'a mut W,
    first: bool,
}

impl<W: Write> Json<'_, W> {
    /// The values are JSON already.
    fn event(&mut self, fields: &[(&str, String)]) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.first) { "" } else { ",\n" };
        let line = format!("{comma}{}", object(fields.iter().cloned()));
        self.out.write_all(line.as_bytes())
    }
}
