//! Goroutines, those with the same stack together.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::{CHOSEN, DIM, first_shown, grouped};
use crate::app::App;
use crate::data::Group;

pub(super) fn draw(app: &mut App, frame: &mut Frame, area: Rect) {
    let groups = app.groups();
    // Others may be there now than when it was chosen.
    let chosen = app.chosen.min(groups.len().saturating_sub(1));
    let Some(dump) = &app.dump else {
        return frame.render_widget(Line::styled("looking …", DIM), area);
    };
    let shown = groups.iter().fold(0, |sum: u64, group| sum.saturating_add(group.count));
    let mut title = format!("{} of {} goroutines in {} groups", grouped(shown), grouped(dump.total), groups.len());
    if !app.filter.is_empty() {
        title += &format!(", with {:?}", app.filter);
    }
    let [list, details] = match app.opened {
        true => Layout::vertical([Constraint::Length(8.min(area.height / 3)), Constraint::Fill(1)]).areas(area),
        false => [area, Rect::ZERO],
    };
    let block = Block::bordered().title(title);
    let room = usize::from(block.inner(list).height);
    let first = first_shown(chosen, room);
    let lines = groups.iter().enumerate().skip(first).map(|(i, group)| {
        let doing = format!("{:>9} × {}{}", grouped(group.count), group.state, minutes(group.waited));
        let name = match group.who.first() {
            Some(who) if group.count == 1 && !who.name.is_empty() => format!("{:?} ", who.name),
            _ => String::new(),
        };
        let line = Line::from(vec![Span::from(format!("{doing:<36} ")).bold(), name.into(), group.top().into()]);
        if i == chosen { line.style(CHOSEN) } else { line }
    });
    let counted = dump.counted.iter().filter(|_| app.filter.is_empty()).map(|(state, at, count)| {
        Line::styled(format!("{:>9} × {state}, only counted, created at {at}", grouped(*count)), DIM)
    });
    frame.render_widget(Paragraph::new(lines.chain(counted).take(room).collect::<Vec<_>>()).block(block), list);
    if let Some(group) = groups.get(chosen).filter(|_| app.opened) {
        let block = Block::bordered().title("the chosen ones");
        frame.render_widget(Paragraph::new(whole(group)).wrap(Wrap { trim: false }).block(block), details);
    }
    app.chosen = chosen;
}

/// All that is known of a group.
fn whole(group: &Group) -> Vec<Line<'static>> {
    let names = group.who.iter().map(|who| match who.name.as_str() {
        "" => who.id.to_string(),
        name => format!("{} {name:?}", who.id),
    });
    let mut who = names.collect::<Vec<_>>().join(", ");
    if group.count > group.who.len() as u64 {
        who += ", …";
    }
    let mut lines = vec![Line::from(format!("[{}{}] {who}", group.state, minutes(group.waited))).bold()];
    for (function, place) in &group.frames {
        lines.extend([Line::from(function.clone()), Line::styled(format!("    {place}"), DIM)]);
    }
    let parent = if group.parent == 0 { String::new() } else { format!("by goroutine {} ", group.parent) };
    lines.push(Line::from(format!("created {parent}at {}", group.created_at)));
    lines
}

fn minutes(seconds: u64) -> String {
    match seconds / 60 {
        0 => String::new(),
        minutes => format!(", {} min", grouped(minutes)),
    }
}
