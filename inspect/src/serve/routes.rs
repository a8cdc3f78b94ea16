//! What there is to be seen, and where.
//!
//! | path | what |
//! |---|---|
//! | `/` | the page |
//! | `/api/stats`, `/api/goroutines` | what it shows, as JSON |
//! | `/debug/pprof/` | Go's paths: `goroutine` (`?debug=2` as text), `profile?seconds=30`, `block?seconds=1`, `mutex?seconds=1`, `trace?seconds=1` (or `millis`), `cmdline` |

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gander_runtime::blocking;

use super::http::{Request, Response};
use crate::dump::{Dump, dump};
use crate::json::{array, object, text};
use crate::symbol::without_runtime;
use crate::{Histogram, profile, stats, trace};

const HTML: &str = include_str!("../page/index.html");
const SCRIPT: &str = include_str!("../page/page.js");
const STYLE: &str = include_str!("../page/page.css");

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// Longer measurements are cut.
const MOST_SECONDS: u64 = 300;

pub(super) fn answer(request: &Request) -> Response {
    let seconds = |default| request.number("seconds").unwrap_or(default).clamp(1, MOST_SECONDS);
    match request.path.as_str() {
        "/" => Response::new("text/html; charset=utf-8", HTML),
        "/page.js" => Response::new("text/javascript; charset=utf-8", SCRIPT),
        "/page.css" => Response::new("text/css; charset=utf-8", STYLE),
        "/api/stats" => Response::new(JSON, statistics()),
        "/api/goroutines" => Response::new(JSON, goroutines(&blocking(dump))),
        "/debug/pprof/goroutine" => match request.number("debug") {
            None | Some(0) => file("goroutine.pb.gz", |out| profile::goroutine(out)),
            Some(_) => Response::new(PLAIN, blocking(dump).to_string()),
        },
        "/debug/pprof/profile" => {
            let time = Duration::from_secs(seconds(30));
            file("profile.pb.gz", |out| profile::cpu(time, out))
        }
        "/debug/pprof/block" => {
            let time = Duration::from_secs(seconds(1));
            file("block.pb.gz", |out| profile::block(time, out))
        }
        "/debug/pprof/mutex" => {
            let time = Duration::from_secs(seconds(1));
            file("mutex.pb.gz", |out| profile::mutex(time, out))
        }
        "/debug/pprof/trace" => timeline(match request.number("millis") {
            Some(millis) => Duration::from_millis(millis.min(MOST_SECONDS * 1000)),
            None => Duration::from_secs(seconds(1)),
        }),
        "/debug/pprof/cmdline" => {
            let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
            Response::new(PLAIN, words.join("\0"))
        }
        "/favicon.ico" => Response::new("image/x-icon", []),
        "/debug/pprof/" => Response::new(PLAIN, "goroutine\nprofile\nblock\nmutex\ntrace\ncmdline\n"),
        path => Response::problem(404, &format!("there is no {path}")),
    }
}

/// A file that is written while others run.
fn file(name: &'static str, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Response {
    let mut bytes = Vec::new();
    match blocking(|| write(&mut bytes)) {
        Ok(()) => Response::file(name, BINARY, bytes),
        Err(error) => Response::problem(500, &error.to_string()),
    }
}

fn timeline(time: Duration) -> Response {
    let Some(one) = Timeline::begin() else {
        return Response::problem(503, "another client records or takes a timeline just now");
    };
    match trace::start() {
        Ok(recorder) => {
            gander_runtime::sleep(time);
            let trace = recorder.stop();
            Response::stream("trace.json", BINARY, move |out| {
                // With it goes its memory.
                let _one = one;
                trace.write_json(&mut { out })
            })
        }
        Err(error) => Response::problem(503, &error.to_string()),
    }
}

/// A timeline that is recorded, or sent to a client, who may be slow to take it. Only one: each holds what the rings held.
struct Timeline;

static TIMELINES: AtomicBool = AtomicBool::new(false);

impl Timeline {
    fn begin() -> Option<Timeline> {
        (!TIMELINES.swap(true, Ordering::Acquire)).then_some(Timeline)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        TIMELINES.store(false, Ordering::Release);
    }
}

fn statistics() -> String {
    let stats = blocking(stats);
    let (goroutines, threads) = (&stats.goroutines, &stats.threads);
    let waiting = goroutines.waiting.iter().map(|(why, count)| (why.to_string(), *count));
    let mut doing: Vec<(String, usize)> = waiting.collect();
    for (what, count) in [
        ("running", goroutines.running),
        ("runnable", goroutines.runnable),
        ("preempted", goroutines.preempted),
        ("blocking or system call", goroutines.blocked),
    ] {
        doing.push((what.into(), count));
    }
    let procs = stats.procs.iter().filter(|p| p.in_service).map(|p| {
        object([
            ("busy", p.busy.to_string()),
            ("queue", p.queue.to_string()),
            ("switches", p.switches.to_string()),
            ("steals", p.steals.to_string()),
            ("timers", p.timers.to_string()),
        ])
    });
    let micros = |histogram: &Histogram| {
        array([0.5, 0.99].map(|share| {
            histogram
                .quantile(share)
                .map_or_else(|| "null".into(), |time| (time.as_nanos() as f64 / 1e3).to_string())
        }))
    };
    let buckets = |histogram: &Histogram| {
        array(histogram.buckets().map(|(below, count)| array([below.as_nanos().to_string(), count.to_string()])))
    };
    object([
        ("turns", buckets(&stats.turns)),
        ("queueing", buckets(&stats.queueing)),
        ("turns_us", micros(&stats.turns)),
        ("queueing_us", micros(&stats.queueing)),
        ("goroutines", goroutines.total.to_string()),
        ("doing", array(doing.into_iter().map(|(what, count)| array([text(&what), count.to_string()])))),
        ("spawned", stats.spawned.to_string()),
        ("switches", stats.switches.to_string()),
        ("steals", stats.steals.to_string()),
        ("preemptions", stats.preemptions.to_string()),
        ("rescues", stats.rescues.to_string()),
        ("timers", stats.timers.to_string()),
        ("polls", stats.polls.to_string()),
        ("poll_wakeups", stats.poll_wakeups.to_string()),
        ("stack_reserved", stats.stack_reserved_bytes.to_string()),
        ("global_queue", stats.global_queue.to_string()),
        ("idle_procs", stats.idle_procs.to_string()),
        ("searching", threads.searching.to_string()),
        ("threads", array([threads.running, threads.blocked, threads.idle, threads.bound].map(|n| n.to_string()))),
        ("stacks", array([stats.stacks_out, stats.stacks_pooled].map(|n| n.to_string()))),
        ("procs", array(procs)),
    ])
}

fn goroutines(dump: &Dump) -> String {
    /// The page shows so many numbers of a group.
    const MOST_NAMED: usize = 50;
    let groups = dump.groups.iter().map(|group| {
        let first = &group.goroutines[0];
        let mut frames = group.frames.clone();
        without_runtime(&mut frames);
        let frames = frames.iter().map(|frame| {
            let place = frame.place.as_ref().map_or_else(String::new, |(file, line)| format!("{file}:{line}"));
            array([text(&frame.function), text(&place)])
        });
        let who = group.goroutines.iter().take(MOST_NAMED).map(|info| {
            let name = info.name.as_deref().unwrap_or("");
            let waits_for = info.waits_for.map_or(0, |id| id.as_u64());
            let what = info.waits_at.map(|at| match info.held_by {
                Some(holder) => format!("{at:#x}, held by {holder}"),
                None => format!("{at:#x}"),
            });
            array([info.id.to_string(), text(name), waits_for.to_string(), text(&what.unwrap_or_default())])
        });
        let waited =
            group.goroutines.iter().filter_map(|info| info.waited).max().map_or(0, |waited| waited.as_secs());
        object([
            ("count", group.goroutines.len().to_string()),
            ("state", text(&first.state.to_string())),
            ("waited", waited.to_string()),
            ("who", array(who)),
            ("frames", array(frames)),
            ("created_at", text(&first.spawned_at.to_string())),
            ("parent", first.parent.map_or(0, |parent| parent.as_u64()).to_string()),
        ])
    });
    let counted = dump
        .counted
        .iter()
        .map(|(state, at, count)| array([text(&state.to_string()), text(&at.to_string()), count.to_string()]));
    let circles = dump.circles.iter().map(|circle| {
        array(circle.goroutines.iter().map(|info| {
            let name = info.name.as_deref().unwrap_or("");
            array([info.id.to_string(), text(name), text(&info.state.to_string())])
        }))
    });
    object([
        ("total", dump.total().to_string()),
        ("groups", array(groups)),
        ("counted", array(counted)),
        ("circles", array(circles)),
    ])
}
