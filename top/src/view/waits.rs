//! Who waits for whom.

use std::collections::{HashMap, HashSet};

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::{ALARM, DIM, first_shown};
use crate::app::App;
use crate::data::Dump;

/// A chain is drawn no further.
const MOST_LINKS: usize = 50;

/// Goroutines that wait for each other, one after the other.
pub(crate) struct Chain {
    pub(crate) text: String,
    /// Its end waits for somebody in it: none of them will go on.
    pub(crate) is_circle: bool,
}

pub(super) fn draw(app: &mut App, frame: &mut Frame, area: Rect) {
    let Some(dump) = &app.dump else {
        return frame.render_widget(Line::styled("looking …", DIM), area);
    };
    let chains = chains(dump);
    let chosen = app.chosen.min(chains.len().saturating_sub(1));
    let circles = chains.iter().filter(|chain| chain.is_circle).count();
    let block = Block::bordered().title(format!("{} in all, {circles} of them circles", chains.len()));
    let room = usize::from(block.inner(area).height);
    // What was chosen is the first line: it may be long.
    let first = first_shown(chosen, 1);
    let lines = chains.into_iter().skip(first).take(room).map(|chain| {
        let line = Line::from(chain.text);
        if chain.is_circle { line.style(ALARM) } else { line }
    });
    let mut lines: Vec<Line> = lines.collect();
    if lines.is_empty() {
        lines.push(Line::styled("nobody waits for a goroutine that is known", DIM));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).block(block), area);
    app.chosen = chosen;
}

/// The chains of all who wait for somebody that is known; circles first.
pub(crate) fn chains(dump: &Dump) -> Vec<Chain> {
    let mut known = HashMap::new();
    for group in &dump.groups {
        known.extend(group.who.iter().filter(|who| who.id != 0).map(|who| (who.id, (who, &*group.state))));
    }
    let title = |id: u64| match known.get(&id) {
        None => format!("{id} (ended, or not shown)"),
        Some((who, state)) if who.name.is_empty() => format!("{id} [{state}]"),
        Some((who, state)) => format!("{id} {:?} [{state}]", who.name),
    };
    let next = |id: u64| known.get(&id).map(|(who, _)| who.waits_for).filter(|&id| id != 0);
    let mut waiters: Vec<u64> = known.keys().copied().filter(|&id| next(id).is_some()).collect();
    waiters.sort_unstable();
    let waited_for: HashSet<u64> = waiters.iter().filter_map(|&id| next(id)).collect();
    // From those that nobody waits for to the end; then the circles, which have no such beginning.
    let (begin, others): (Vec<u64>, Vec<u64>) = waiters.into_iter().partition(|id| !waited_for.contains(id));
    let mut seen = HashSet::new();
    let mut chains = Vec::new();
    for start in begin.into_iter().chain(others) {
        if seen.contains(&start) {
            continue;
        }
        let mut path = Vec::new();
        let mut on_path = HashSet::new();
        let mut at = Some(start);
        while let Some(id) = at.filter(|id| !on_path.contains(id) && path.len() < MOST_LINKS) {
            path.push(id);
            on_path.insert(id);
            seen.insert(id);
            at = next(id);
        }
        let mut text = path.iter().map(|&id| title(id)).collect::<Vec<_>>().join(" → ");
        let is_circle = at.is_some_and(|id| on_path.contains(&id));
        match at {
            Some(id) if is_circle => text += &format!(" → {id}: a circle, nobody of these will go on"),
            Some(_) => text += " → …",
            None => {}
        }
        chains.push(Chain { text, is_circle });
    }
    chains.sort_by_key(|chain| !chain.is_circle);
    chains
}
