//! Who waits for each other, in a circle?
//!
//! Each goroutine waits for one other at most, so circles are found by following. But what was seen of them was seen one
//! after the other: what looks like a circle may be two waits of different moments. So all of a circle are looked at twice
//! more. If all are in the same waits in the first look, in the second and in the third, then all of them rested while the
//! second went on; and who rests lets go of nothing. So what the second look saw was so at one moment.

use std::collections::HashMap;
use std::fmt;

use super::quit::Name;
use super::registry::{self, GoroutineInfo};
use crate::g::handle::GoroutineId;
use crate::timer::now;

/// Goroutines of which each waits for the next, and the last for the first: for an end, or for a lock. They go on when one
/// of the waits is given up, by a time limit or a cancellation, or not at all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Circle {
    /// Who they are. The one with the smallest id comes first.
    pub goroutines: Vec<GoroutineInfo>,
}

/// The circles among goroutines that were looked at. Never one that was not there at the time of the call.
///
/// # Blocking
///
/// As [`for_each_goroutine`](super::for_each_goroutine), for those that seem to be in one.
///
/// # Examples
///
/// ```
/// # use gander_runtime as gander;
/// # gander_runtime::run(|| {
/// for circle in gander::inspect::circles(&gander::inspect::goroutines()) {
///     eprintln!("{circle}");
/// }
/// # });
/// ```
pub fn circles<'a>(goroutines: impl IntoIterator<Item = &'a GoroutineInfo>) -> Vec<Circle> {
    let waiting = goroutines.into_iter().filter_map(|info| Some((info.id, (info.waits_for?, info))));
    let waiting: HashMap<GoroutineId, (GoroutineId, &GoroutineInfo)> = waiting.collect();
    let seeming = cycles(waiting.iter().map(|(&id, &(other, _))| (id, other)));
    let mut circles: Vec<Circle> = seeming
        .into_iter()
        .filter_map(|ids| {
            let first: Vec<&GoroutineInfo> = ids.iter().map(|id| waiting[id].1).collect();
            let goroutines = again(&first)?;
            again(&first)?;
            Some(Circle { goroutines })
        })
        .collect();
    circles.sort_by_key(|circle| circle.goroutines[0].id);
    circles
}

/// Another look at all of them; none if one is not as it was.
fn again(before: &[&GoroutineInfo]) -> Option<Vec<GoroutineInfo>> {
    let look = |before: &&GoroutineInfo| {
        let (_, now) = registry::read(&gander_stack::locate(before.header)?, now())?;
        let of = |info: &GoroutineInfo| (info.id, info.state, info.waits_for, info.waits_at, info.wait);
        (of(&now) == of(before)).then_some(now)
    };
    before.iter().map(look).collect()
}

/// The cycles of a graph in which each node has one way out at most; the smallest node of each comes first.
fn cycles<T: Copy + Eq + Ord + std::hash::Hash>(ways: impl Iterator<Item = (T, T)>) -> Vec<Vec<T>> {
    let ways: HashMap<T, T> = ways.collect();
    // By which walk each was reached first.
    let mut seen: HashMap<T, T> = HashMap::new();
    let mut found = Vec::new();
    for &start in ways.keys() {
        let mut at = start;
        while let Some(&next) = ways.get(&at)
            && !seen.contains_key(&at)
        {
            seen.insert(at, start);
            at = next;
        }
        if seen.get(&at) != Some(&start) || !ways.contains_key(&at) {
            continue;
        }
        let mut cycle = vec![at];
        while let Some(&next) = ways.get(cycle.last().expect("it has one"))
            && next != at
        {
            cycle.push(next);
        }
        let smallest = (0..cycle.len()).min_by_key(|&i| cycle[i]).expect("it has one");
        cycle.rotate_left(smallest);
        found.push(cycle);
    }
    found
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("circle: ")?;
        let [first, others @ ..] = &self.goroutines[..] else { return Ok(()) };
        write!(f, "{} [{}] waits for ", Name(first), first.state)?;
        if others.is_empty() {
            return f.write_str("itself");
        }
        for other in others {
            write!(f, "{} [{}], which waits for ", Name(other), other.state)?;
        }
        write!(f, "{}", Name(first))
    }
}

#[cfg(test)]
mod tests {
    use super::cycles;

    fn sorted(ways: &[(u32, u32)]) -> Vec<Vec<u32>> {
        let mut all = cycles(ways.iter().copied());
        all.sort();
        all
    }

    #[test]
    fn cycles_are_found_once() {
        assert_eq!(sorted(&[]), Vec::<Vec<u32>>::new());
        assert_eq!(sorted(&[(1, 2), (2, 3), (4, 3)]), Vec::<Vec<u32>>::new());
        assert_eq!(sorted(&[(1, 1)]), [[1]]);
        // Two with tails, and one that leads nowhere.
        let ways = [(5, 3), (3, 7), (7, 5), (9, 7), (8, 9), (2, 4), (4, 2), (6, 2), (1, 11)];
        assert_eq!(sorted(&ways), [vec![2, 4], vec![3, 7, 5]]);
    }
}
