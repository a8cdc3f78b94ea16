//! What is everybody doing?

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use gander_runtime::inspect::{Circle, GoroutineInfo, GoroutineState, Holder, circles, for_each_stack};
use gander_runtime::{GoroutineId, num_goroutines};

use crate::symbol::{Frame, Symbols, without_runtime};
use crate::unwind::Unwinder;

/// About so many goroutines are looked at in full. Of more it is every n-th, and the rest are counted; but of those that
/// do the same and were spawned at the same place, the first hundred at least.
const MOST_IN_FULL: usize = 20_000;
const FIRST_OF_EACH: usize = 100;

/// All goroutines of the process as they were at some moment, with their stacks, those with the same stack together.
///
/// Displayed it is what Go prints: a paragraph for each group.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// Goroutines with the same stack in the same state. Those that run come first, then the largest groups.
    pub groups: Vec<Group>,
    /// Beyond twenty thousand, goroutines that were only counted: what they did, where they were spawned, how many.
    pub counted: Vec<(GoroutineState, &'static Location<'static>, usize)>,
    /// Goroutines that wait for each other, in circles: among all of them, those that were only counted as well.
    pub circles: Vec<Circle>,
    /// Whether frames of the runtime are displayed as well.
    pub with_runtime: bool,
}

/// Goroutines that have the same on their stacks and do the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Group {
    /// Who they are, by their ids.
    pub goroutines: Vec<GoroutineInfo>,
    /// The calls on the stack, the innermost first; empty where the stack could not be had, or has not begun.
    pub frames: Vec<Frame>,
}

impl Dump {
    /// How many goroutines it knows of.
    pub fn total(&self) -> usize {
        self.groups.iter().map(|group| group.goroutines.len()).sum::<usize>()
            + self.counted.iter().map(|(_, _, count)| count).sum::<usize>()
    }
}

/// Looks at every goroutine and at its stack.
///
/// # Blocking
///
/// Stops nobody; a goroutine that runs is interrupted for microseconds. About 5 µs of the calling thread for each
/// goroutine of the first twenty thousand, 0.1 µs for the others, and once some milliseconds for names.
///
/// # Examples
///
/// ```
/// gander_runtime::run(|| {
///     let dump = gander_inspect::dump();
///     assert!(dump.total() >= 1);
///     assert!(dump.to_string().contains("[running]"));
/// });
/// ```
pub fn dump() -> Dump {
    let step = num_goroutines() / MOST_IN_FULL + 1;
    let mut unwinder = Unwinder::new();
    let mut frames = Vec::new();
    let mut groups: HashMap<(GoroutineState, usize, Vec<usize>), Vec<GoroutineInfo>> = HashMap::new();
    let mut kinds: HashMap<(GoroutineState, usize), Kind> = HashMap::new();
    let mut seen = 0;
    let mut waiting = Vec::new();
    for_each_stack(
        |info| {
            seen += 1;
            if info.waits_for.is_some() {
                waiting.push(info.clone());
            }
            let new = Kind { spawned_at: info.spawned_at, in_full: 0, counted: 0 };
            let kind = kinds.entry((info.state, key(info.spawned_at))).or_insert(new);
            let full = seen % step == 0 || kind.in_full < FIRST_OF_EACH;
            *(if full { &mut kind.in_full } else { &mut kind.counted }) += 1;
            full
        },
        |info, stack| {
            frames.clear();
            if let Some(stack) = stack {
                unwinder.walk(stack, &mut frames);
            }
            groups.entry((info.state, key(info.spawned_at), frames.clone())).or_default().push(info.clone());
        },
    );
    let mut groups = named(groups);
    groups.sort_by_key(|group| {
        let first = &group.goroutines[0];
        (first.state != GoroutineState::Running, std::cmp::Reverse(group.goroutines.len()), first.id)
    });
    let counted = kinds.into_iter().filter(|(_, kind)| kind.counted > 0);
    let mut counted: Vec<_> = counted.map(|((state, _), kind)| (state, kind.spawned_at, kind.counted)).collect();
    counted.sort_by_key(|&(_, at, count)| (std::cmp::Reverse(count), at));
    Dump { groups, counted, circles: circles(&waiting), with_runtime: false }
}

/// Goroutines that do the same and were spawned at the same place.
struct Kind {
    spawned_at: &'static Location<'static>,
    in_full: usize,
    counted: usize,
}

/// Finds the frames' names, and joins the groups that differ only in how the runtime parked them.
fn named(groups: HashMap<(GoroutineState, usize, Vec<usize>), Vec<GoroutineInfo>>) -> Vec<Group> {
    let mut symbols = Symbols::default();
    let mut joined: HashMap<(GoroutineState, usize, Vec<Frame>), Group> = HashMap::new();
    for ((state, spawned_at, addresses), goroutines) in groups {
        let frames: Vec<Frame> = addresses.iter().flat_map(|&address| symbols.resolve(address).to_vec()).collect();
        let mut own = frames.clone();
        without_runtime(&mut own);
        let group = joined.entry((state, spawned_at, own)).or_insert(Group { goroutines: Vec::new(), frames });
        group.goroutines.extend(goroutines);
    }
    let mut groups: Vec<Group> = joined.into_values().collect();
    groups.iter_mut().for_each(|group| group.goroutines.sort_unstable_by_key(|info| info.id));
    groups
}

/// What tells one place in the source from another.
fn key(at: &'static Location<'static>) -> usize {
    std::ptr::from_ref(at).addr()
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for circle in &self.circles {
            writeln!(f, "{circle}\n")?;
        }
        for (i, group) in self.groups.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            group.write(f, self.with_runtime)?;
        }
        if !self.counted.is_empty() {
            writeln!(f, "\nonly counted, beside the {} above:", self.total() - self.count_of_counted())?;
        }
        for (state, at, count) in &self.counted {
            writeln!(f, "{count} goroutines [{state}], created at {at}")?;
        }
        Ok(())
    }
}

impl Dump {
    fn count_of_counted(&self) -> usize {
        self.counted.iter().map(|(_, _, count)| count).sum()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl Group {
    fn write(&self, f: &mut fmt::Formatter<'_>, with_runtime: bool) -> fmt::Result {
        /// Longer lists end with a number.
        const MOST_NAMED: usize = 20;
        let first = &self.goroutines[0];
        let count = self.goroutines.len();
        let waited = self.goroutines.iter().filter_map(|info| info.waited).max();
        let doing = format!("{}{}", first.state, Minutes(waited));
        if count == 1 {
            writeln!(f, "goroutine {} [{doing}]:", Who(first))?;
        } else {
            write!(f, "{count} goroutines [{doing}]:")?;
            for (i, info) in self.goroutines.iter().take(MOST_NAMED).enumerate() {
                write!(f, "{} {}", if i == 0 { "" } else { "," }, Who(info))?;
            }
            match count.checked_sub(MOST_NAMED + 1) {
                Some(_) => writeln!(f, " … and {} more", count - MOST_NAMED)?,
                None => writeln!(f)?,
            }
        }
        let awaited = self.awaited();
        for (what, who) in awaited.iter().take(MOST_NAMED) {
            let (many, rest) = (who.len() > 1, who.len().saturating_sub(MOST_NAMED));
            write!(f, "goroutine{} ", if many { "s" } else { "" })?;
            for (i, id) in who.iter().take(MOST_NAMED).enumerate() {
                write!(f, "{}{id}", if i == 0 { "" } else { ", " })?;
            }
            if rest > 0 {
                write!(f, " … and {rest} more")?;
            }
            writeln!(f, " wait{} {what}", if many { "" } else { "s" })?;
        }
        if awaited.len() > MOST_NAMED {
            writeln!(f, "… and for {} more", awaited.len() - MOST_NAMED)?;
        }
        let mut frames = self.frames.clone();
        if !with_runtime {
            without_runtime(&mut frames);
        }
        if frames.is_empty() {
            let why = match first.state {
                GoroutineState::Running => {
                    "its thread did not answer in time, or there is no preemption signal to ask it by"
                }
                GoroutineState::Runnable => "it has not begun, or just went on",
                _ => "it just went on, or its stack has no frames of a known module",
            };
            writeln!(f, "\t(no backtrace: {why})")?;
        }
        frames.iter().try_for_each(|frame| write!(f, "{frame}"))?;
        let parents = self.goroutines.iter().map(|info| info.parent);
        let same = parents.clone().all(|parent| parent == first.parent);
        match first.parent {
            _ if !same => writeln!(f, "created by several goroutines at {}", first.spawned_at),
            Some(parent) => writeln!(f, "created by goroutine {parent} at {}", first.spawned_at),
            None => writeln!(f, "created by a thread at {}", first.spawned_at),
        }
    }
}

/// What a goroutine waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Awaited {
    End(GoroutineId),
    At(usize, Option<Holder>),
}

impl Awaited {
    fn by(info: &GoroutineInfo) -> Option<Awaited> {
        let at = info.waits_at.map(|at| Awaited::At(at, info.held_by));
        at.or_else(|| info.waits_for.map(Awaited::End))
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Awaited::End(id) => write!(f, "for goroutine {id}"),
            Awaited::At(at, Some(holder)) => write!(f, "at {at:#x}, held by {holder}"),
            Awaited::At(at, None) => write!(f, "at {at:#x}"),
        }
    }
}

impl Group {
    /// What its goroutines wait for, and who waits for it, in the order of ids.
    fn awaited(&self) -> Vec<(Awaited, Vec<GoroutineId>)> {
        let mut all: Vec<(Awaited, Vec<GoroutineId>)> = Vec::new();
        let mut places = HashMap::new();
        for info in &self.goroutines {
            let Some(what) = Awaited::by(info) else { continue };
            let place = *places.entry(what).or_insert_with(|| {
                all.push((what, Vec::new()));
                all.len() - 1
            });
            all[place].1.push(info.id);
        }
        all
    }
}

/// A goroutine's number and name.
struct Who<'a>(&'a GoroutineInfo);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.id)?;
        match &self.0.name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

/// As Go: nothing below a minute.
struct Minutes(Option<Duration>);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map_or(0, |waited| waited.as_secs() / 60) {
            0 => Ok(()),
            1 => f.write_str(", 1 minute"),
            minutes => write!(f, ", {minutes} minutes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_as_gos() {
        let text = |secs| Minutes(Some(Duration::from_secs(secs))).to_string();
        assert_eq!(
            [text(0), text(59), text(60), text(119), text(7300)],
            ["", "", ", 1 minute", ", 1 minute", ", 121 minutes"]
        );
        assert_eq!(Minutes(None).to_string(), "");
    }
}
