//! What the answers say. What is missing, or is not what it should be, counts as nothing; text is cleaned.

use serde_json::Value;

use crate::clean::clean;

/// Longer lists are cut there.
const MOST: usize = 20_000;

/// The numbers of one moment, as `/api/stats` has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) goroutines: u64,
    /// What they do, and how many do it.
    pub(crate) doing: Vec<(String, u64)>,
    pub(crate) spawned: u64,
    pub(crate) switches: u64,
    pub(crate) steals: u64,
    pub(crate) preemptions: u64,
    pub(crate) rescues: u64,
    pub(crate) timers: u64,
    pub(crate) polls: u64,
    pub(crate) poll_wakeups: u64,
    pub(crate) global_queue: u64,
    pub(crate) searching: u64,
    /// Running, blocked, idle, bound.
    pub(crate) threads: [u64; 4],
    /// Out, pooled.
    pub(crate) stacks: [u64; 2],
    pub(crate) stack_reserved: u64,
    /// Nanoseconds below which so many lie.
    pub(crate) turns: Vec<(u64, u64)>,
    pub(crate) queueing: Vec<(u64, u64)>,
    pub(crate) procs: Vec<Proc>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Proc {
    pub(crate) busy: bool,
    pub(crate) queue: u64,
    pub(crate) switches: u64,
    pub(crate) steals: u64,
    pub(crate) timers: u64,
}

/// The goroutines of one moment, as `/api/goroutines` has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dump {
    pub(crate) total: u64,
    pub(crate) groups: Vec<Group>,
    /// Only counted: state, where spawned, how many.
    pub(crate) counted: Vec<(String, String, u64)>,
}

/// Goroutines with the same stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) count: u64,
    pub(crate) state: String,
    /// Seconds, of the one that waits longest.
    pub(crate) waited: u64,
    pub(crate) who: Vec<Who>,
    /// Functions and their places, the innermost first.
    pub(crate) frames: Vec<(String, String)>,
    pub(crate) created_at: String,
    pub(crate) parent: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// The goroutine it waits for; 0: nobody, or not known.
    pub(crate) waits_for: u64,
}

impl Stats {
    pub(crate) fn read(json: &[u8]) -> Result<Stats, String> {
        let all = object(json)?;
        let number = |name: &str| number(&all[name]);
        let pairs =
            |name: &str| list(&all[name]).iter().map(|pair| (self::number(&pair[0]), self::number(&pair[1])));
        Ok(Stats {
            goroutines: number("goroutines"),
            doing: list(&all["doing"]).iter().map(|pair| (text(&pair[0]), self::number(&pair[1]))).collect(),
            spawned: number("spawned"),
            switches: number("switches"),
            steals: number("steals"),
            preemptions: number("preemptions"),
            rescues: number("rescues"),
            timers: number("timers"),
            polls: number("polls"),
            poll_wakeups: number("poll_wakeups"),
            global_queue: number("global_queue"),
            searching: number("searching"),
            threads: std::array::from_fn(|i| self::number(&all["threads"][i])),
            stacks: std::array::from_fn(|i| self::number(&all["stacks"][i])),
            stack_reserved: number("stack_reserved"),
            turns: pairs("turns").collect(),
            queueing: pairs("queueing").collect(),
            procs: list(&all["procs"]).iter().map(Proc::read).collect(),
        })
    }
}

impl Proc {
    fn read(one: &Value) -> Proc {
        let number = |name: &str| number(&one[name]);
        Proc {
            busy: one["busy"].as_bool().unwrap_or(false),
            queue: number("queue"),
            switches: number("switches"),
            steals: number("steals"),
            timers: number("timers"),
        }
    }
}

impl Dump {
    pub(crate) fn read(json: &[u8]) -> Result<Dump, String> {
        let all = object(json)?;
        let counted = list(&all["counted"]).iter().map(|one| (text(&one[0]), text(&one[1]), number(&one[2])));
        Ok(Dump {
            total: number(&all["total"]),
            groups: list(&all["groups"]).iter().map(Group::read).collect(),
            counted: counted.collect(),
        })
    }
}

impl Group {
    fn read(one: &Value) -> Group {
        let who = |who: &Value| Who { id: number(&who[0]), name: text(&who[1]), waits_for: number(&who[2]) };
        Group {
            count: number(&one["count"]),
            state: text(&one["state"]),
            waited: number(&one["waited"]),
            who: list(&one["who"]).iter().map(who).collect(),
            frames: list(&one["frames"]).iter().map(|frame| (text(&frame[0]), text(&frame[1]))).collect(),
            created_at: text(&one["created_at"]),
            parent: number(&one["parent"]),
        }
    }

    /// Whether `wanted`, in lower case, is in what it does, its stack or its names.
    pub(crate) fn has(&self, wanted: &str) -> bool {
        let is = |text: &str| text.to_lowercase().contains(wanted);
        is(&self.state)
            || is(&self.created_at)
            || self.who.iter().any(|who| is(&who.name))
            || self.frames.iter().any(|(name, place)| is(name) || is(place))
    }

    /// Its innermost function of the program's own; where there is none, the innermost of all.
    pub(crate) fn top(&self) -> &str {
        /// How others' begin: gander's rooms, Rust's libraries, libc.
        const OTHERS: [&str; 8] = ["gander_", "<gander_", "core::", "<core::", "std::", "<std::", "alloc::", "__"];
        let is_own = |name: &str| !OTHERS.iter().any(|others| name.starts_with(others));
        let own = self.frames.iter().find(|(name, _)| is_own(name));
        own.or(self.frames.first()).map_or("(no backtrace)", |(name, _)| name)
    }
}

fn object(json: &[u8]) -> Result<Value, String> {
    // It refuses what is nested more than 128 times.
    let all: Value = serde_json::from_slice(json).map_err(|error| format!("the answer is not JSON: {error}"))?;
    if all.is_object() { Ok(all) } else { Err("the answer is not what gander::inspect::serve says".into()) }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn text(value: &Value) -> String {
    clean(value.as_str().unwrap_or(""))
}

fn list(value: &Value) -> &[Value] {
    let all = value.as_array().map_or(&[][..], |all| all);
    &all[..all.len().min(MOST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_is_read_as_something_harmless() {
        let odd = br#"{"goroutines":-1,"doing":[["\u001b]0;x\u0007",1e300],7,[]],"procs":[null,{"queue":18446744073709551615}],
            "threads":"four","turns":[[1,2],[3]]}"#;
        let stats = Stats::read(odd).unwrap();
        assert_eq!((stats.goroutines, stats.threads), (0, [0; 4]));
        assert_eq!(stats.doing[0], ("\u{fffd}]0;x\u{fffd}".into(), 0));
        assert_eq!((stats.procs.len(), stats.procs[1].queue), (2, u64::MAX));
        assert_eq!(stats.turns, [(1, 2), (3, 0)]);
        for bad in [&b""[..], b"[]", b"7", b"{", b"\xff", "[".repeat(100_000).as_bytes()] {
            assert!(Stats::read(bad).is_err() && Dump::read(bad).is_err());
        }
        let dump =
            Dump::read(br#"{"total":3,"groups":[{"count":2,"who":[[7,"n\n",9]],"frames":[["f","x.rs:1"]]},5]}"#);
        let dump = dump.unwrap();
        assert_eq!((dump.groups.len(), dump.groups[0].who[0].waits_for), (2, 9));
        assert!(dump.groups[0].has("x.rs") && dump.groups[0].has("n\u{fffd}") && !dump.groups[0].has("y"));
    }
}
