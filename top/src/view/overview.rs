//! How much of everything.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};

use super::{DIM, bytes, grouped};
use crate::app::App;
use crate::data::Stats;

pub(super) fn draw(app: &App, frame: &mut Frame, area: Rect) {
    let Some(stats) = app.now() else {
        return frame.render_widget(Line::styled("no answer yet", DIM), area);
    };
    let [numbers, past, tables] =
        Layout::vertical([Constraint::Length(6), Constraint::Length(6), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(lines(app, stats)), numbers);
    let rates = app.rates(|stats| stats.switches);
    let title =
        format!("switches a second, at most {}", grouped(rates.iter().fold(0.0, |a: f64, &b| a.max(b)) as u64));
    let block = Block::bordered().title(title);
    // The newest, as far as there is room.
    let room = usize::from(block.inner(past).width);
    let newest = rates[rates.len().saturating_sub(room)..].iter().map(|&rate| rate as u64);
    frame.render_widget(Sparkline::default().block(block).data(newest).style(Color::Blue), past);
    let [doing, procs] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(tables);
    draw_doing(stats, frame, doing);
    draw_procs(app, stats, frame, procs);
}

/// Names and numbers.
fn lines(app: &App, stats: &Stats) -> Vec<Line<'static>> {
    let line = |all: Vec<(&'static str, String)>| {
        let spans = all.into_iter().flat_map(|(name, value)| {
            [Span::styled(format!("{name} "), DIM), Span::from(value).bold(), Span::from("   ")]
        });
        Line::from_iter(spans)
    };
    let rate =
        |count: fn(&Stats) -> u64| app.rate(count).map_or_else(|| "-".into(), |rate| grouped(rate.round() as u64));
    let [running, blocked, idle, bound] = stats.threads.map(grouped);
    let procs = stats.procs.len() as u64;
    let busy = stats.procs.iter().filter(|p| p.busy).count() as u64;
    let queued = stats.procs.iter().fold(0, |sum: u64, p| sum.saturating_add(p.queue));
    vec![
        line(vec![
            ("goroutines", grouped(stats.goroutines)),
            ("ever spawned", grouped(stats.spawned)),
            ("timers", grouped(stats.timers)),
        ]),
        line(vec![
            ("Ps", grouped(procs)),
            ("busy", grouped(busy)),
            ("in their queues", grouped(queued)),
            ("global queue", grouped(stats.global_queue)),
        ]),
        line(vec![
            ("Ms running", running),
            ("searching", grouped(stats.searching)),
            ("blocked", blocked),
            ("idle", idle),
            ("bound", bound),
        ]),
        line(vec![
            ("a second: switches", rate(|s| s.switches)),
            ("spawns", rate(|s| s.spawned)),
            ("steals", rate(|s| s.steals)),
            ("preemptions", rate(|s| s.preemptions)),
            ("rescues", rate(|s| s.rescues)),
        ]),
        line(vec![("a second: looks at the poller", rate(|s| s.polls)), ("woken by it", rate(|s| s.poll_wakeups))]),
        line(vec![
            ("stacks in use", grouped(stats.stacks[0])),
            ("pooled", grouped(stats.stacks[1])),
            ("address space", bytes(stats.stack_reserved)),
        ]),
    ]
}

fn draw_doing(stats: &Stats, frame: &mut Frame, area: Rect) {
    let mut doing: Vec<&(String, u64)> = stats.doing.iter().filter(|(_, count)| *count > 0).collect();
    doing.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let most = doing.first().map_or(1, |(_, count)| *count);
    let rows = doing.iter().map(|(what, count)| {
        let bar = "█".repeat((*count as f64 / most as f64 * 20.0).ceil().clamp(0.0, 20.0) as usize);
        Row::new([what.clone(), format!("{:>12}", grouped(*count)), bar])
    });
    let widths = [Constraint::Length(24), Constraint::Length(12), Constraint::Fill(1)];
    let table = Table::new(rows, widths).block(Block::bordered().title("goroutines by what they do"));
    frame.render_widget(table, area);
}

fn draw_procs(app: &App, stats: &Stats, frame: &mut Frame, area: Rect) {
    let rows = stats.procs.iter().enumerate().map(|(i, p)| {
        let rate = app.rate(|stats| stats.procs.get(i).map_or(0, |p| p.switches));
        Row::new([
            format!(" P{i} "),
            if p.busy { "busy" } else { "idle" }.into(),
            grouped(p.queue),
            rate.map_or_else(|| "-".into(), |rate| grouped(rate.round() as u64)),
            grouped(p.steals),
            grouped(p.timers),
        ])
    });
    let widths = [5, 6, 9, 13, 12, 12].map(Constraint::Length);
    let head = Row::new([" P", "", "queue", "switches/s", "steals", "timers"]).style(DIM);
    let table = Table::new(rows, widths).header(head).block(Block::bordered().title("processors"));
    frame.render_widget(table, area);
}
