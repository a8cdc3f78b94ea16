//! How long turns and queueing take.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use super::{DIM, grouped, time};
use crate::app::App;

pub(super) fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let Some(stats) = app.now() else {
        return frame.render_widget(Line::styled("no answer yet", DIM), area);
    };
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    histogram("Waiting in a queue", &stats.queueing, frame, left);
    histogram("Turns on a processor", &stats.turns, frame, right);
}

/// Times counted in powers of two: the shortest and the longest ones there are, and all between.
fn histogram(title: &str, buckets: &[(u64, u64)], frame: &mut Frame, area: Rect) {
    let block = Block::bordered().title(format!("{title} (of one in about a thousand)"));
    let inner = block.inner(area);
    let has_some = |&(_, count): &(u64, u64)| count > 0;
    let (first, last) = (buckets.iter().position(has_some), buckets.iter().rposition(has_some));
    let mut lines = Vec::new();
    match first.zip(last) {
        None => lines.push(Line::styled("nothing measured yet", DIM)),
        Some((first, last)) => {
            let used = &buckets[first..=last];
            let most = used.iter().map(|&(_, count)| count).max().unwrap_or(1);
            let room = usize::from(inner.width.saturating_sub(26));
            let below = |share| quantile(used, share).map_or_else(|| "?".into(), time);
            lines.push(Line::styled(
                format!("half below {}, 99 % below {}, {} measured", below(0.5), below(0.99), grouped(sum(used))),
                DIM,
            ));
            lines.extend(used.iter().map(|&(below, count)| {
                let share = count as f64 / most as f64;
                let bar = "█".repeat((share * room as f64).ceil().clamp(0.0, room as f64) as usize);
                Line::from(format!("< {:>9} {:>11} {bar}", time(below), grouped(count)))
            }));
        }
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn sum(buckets: &[(u64, u64)]) -> u64 {
    buckets.iter().fold(0, |sum: u64, &(_, count)| sum.saturating_add(count))
}

fn quantile(buckets: &[(u64, u64)], share: f64) -> Option<u64> {
    let wanted = (sum(buckets) as f64 * share).ceil() as u64;
    let mut so_far = 0u64;
    buckets.iter().find_map(|&(below, count)| {
        so_far = so_far.saturating_add(count);
        (so_far >= wanted).then_some(below)
    })
}
