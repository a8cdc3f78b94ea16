//! How it is drawn: a line of views, one view, a line of keys.

mod goroutines;
mod latency;
mod overview;
pub(crate) mod waits;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};

use crate::app::{App, View};

const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);
const DIM: Style = Style::new().fg(Color::DarkGray);
const ALARM: Style = Style::new().fg(Color::Red);

pub(crate) fn draw(app: &mut App, frame: &mut Frame) {
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
    let mut tabs = vec![Span::from("gander-top ").bold(), Span::from(format!("{} ", app.addr))];
    for (i, view) in View::ALL.into_iter().enumerate() {
        let style = if view == app.view { CHOSEN } else { Style::new() };
        tabs.extend([" ".into(), Span::styled(format!(" {} {} ", i + 1, view.name()), style)]);
    }
    frame.render_widget(Line::from(tabs), top);
    match app.view {
        View::Overview => overview::draw(app, frame, middle),
        View::Goroutines => goroutines::draw(app, frame, middle),
        View::Waits => waits::draw(app, frame, middle),
        View::Latency => latency::draw(app, frame, middle),
    }
    let status = match (app.problem(), app.types) {
        (_, true) => Line::from(format!("filter: {}▏", app.filter)),
        (Some(problem), _) => Line::styled(problem.to_string(), ALARM),
        (None, _) if app.pauses => Line::styled("paused: p goes on", ALARM),
        (None, _) => {
            Line::styled("q quit  Tab views  / filter  ↑↓ choose  Enter whole stack  r look again  p pause", DIM)
        }
    };
    frame.render_widget(status, bottom);
}

/// A number in groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes, in the largest unit of which there is one.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

/// A time, in the largest unit of which there is one.
fn time(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.1} s", nanos as f64 / 1e9),
    }
}

/// What fits, from where `chosen` is seen, of so many lines.
fn first_shown(chosen: usize, room: usize) -> usize {
    (chosen + 1).saturating_sub(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::{app, press};
    use crate::frame;

    const STATS: [&str; 2] = [
        r#"{"goroutines":10005,"doing":[["sleep",10000],["chan receive",3],["running",2]],"spawned":20000,
            "switches":1000,"steals":5,"polls":10,"poll_wakeups":4,"threads":[2,1,3,0],"stacks":[10010,7],
            "stack_reserved":1073741824,"global_queue":6,"turns":[[1024,1],[2048,90],[4096,9]],"queueing":[[512,3]],
            "procs":[{"busy":true,"queue":12,"switches":600},{"busy":false,"queue":0,"switches":400}]}"#,
        r#"{"goroutines":10006,"doing":[["sleep",10000],["chan receive",4],["running",2]],"spawned":20300,
            "switches":124456,"steals":15,"polls":60,"poll_wakeups":34,"threads":[2,1,3,0],"stacks":[10010,7],
            "stack_reserved":1073741824,"global_queue":6,"turns":[[1024,1],[2048,90],[4096,9]],"queueing":[[512,3]],
            "procs":[{"busy":true,"queue":12,"switches":100600},{"busy":false,"queue":0,"switches":23856}]}"#,
    ];
    const DUMP: &str = r#"{"total":10004,"groups":[
        {"count":1,"state":"running","who":[[9,"hot",0]],"frames":[["app::hot","src/hot.rs:3"]],"created_at":"src/m.rs:1:2"},
        {"count":10000,"state":"sleep","waited":130,"who":[[1,"",0],[2,"",0]],"frames":[["gander::sleep","s.rs:1"],["app::nap","src/nap.rs:7"]]},
        {"count":1,"state":"join","who":[[20,"a",21]],"frames":[["app::a","a.rs:1"]]},
        {"count":1,"state":"join","who":[[21,"b",20]],"frames":[["app::b","a.rs:2"]]},
        {"count":1,"state":"join","who":[[30,"",9]],"frames":[]}],
        "counted":[["park","x.rs:1:1",77]]}"#;

    #[track_caller]
    fn has(text: &str, all: &[&str]) {
        for wanted in all {
            assert!(text.contains(wanted), "no {wanted:?} in\n{text}");
        }
    }

    #[test]
    fn the_overview_has_the_numbers() {
        let text = frame(&mut app(&STATS, ""), 120, 40);
        has(
            &text,
            &["1 Overview", "10,006", "sleep", "10,000", "123,456", "1.0 GiB", "global queue", "P0", "busy"],
        );
        let p1 = text.lines().find(|line| line.contains(" P1 ")).expect("a line of P1");
        has(p1, &["idle", "23,456"]);
    }

    #[test]
    fn goroutines_are_grouped_and_opened() {
        let mut app = app(&STATS, DUMP);
        press(&mut app, "2");
        has(
            &frame(&mut app, 120, 40),
            &["10,000 × sleep, 2 min", "1 × running", "app::hot", "77 × park", "10,004"],
        );
        press(&mut app, "j\n");
        has(&frame(&mut app, 120, 40), &["app::nap", "src/nap.rs:7", "1, 2, …"]);
        press(&mut app, "\n/hot");
        let text = frame(&mut app, 120, 40);
        has(&text, &["app::hot", "filter: hot"]);
        assert!(!text.contains("10,000 ×"), "{text}");
    }

    #[test]
    fn circles_are_told_from_chains() {
        let mut app = app(&STATS, DUMP);
        press(&mut app, "3");
        let text = frame(&mut app, 120, 40);
        has(&text, &["20 \"a\" [join] → 21 \"b\" [join] → 20: a circle", "30 [join] → 9 \"hot\" [running]"]);
    }

    #[test]
    fn latency_has_both_histograms() {
        let mut app = app(&STATS, DUMP);
        press(&mut app, "4");
        has(&frame(&mut app, 120, 40), &["2.0 µs", "90", "99 % below 4.1 µs", "Waiting in a queue"]);
    }

    /// Nothing that arrives and no size makes it panic.
    #[test]
    fn odd_numbers_and_sizes_are_drawn() {
        let huge = r#"{"goroutines":18446744073709551615,"doing":[["x",18446744073709551615],["y",18446744073709551615]],
            "turns":[[18446744073709551615,18446744073709551615],[0,18446744073709551615]],"queueing":[[1,0]],
            "stack_reserved":18446744073709551615,"procs":[{"queue":18446744073709551615}]}"#;
        let dump = r#"{"total":18446744073709551615,"groups":[{},{"count":18446744073709551615,"waited":18446744073709551615,
            "who":[[1,"",1],[0,"",0]]},7],"counted":[[]]}"#;
        for (stats, dump) in [(&[][..], ""), (&[huge, huge], dump), (&["{}"], "{}")] {
            for (width, height) in [(1, 1), (20, 3), (40, 12), (200, 60), (1000, 5)] {
                let mut app = app(stats, dump);
                for keys in ["1", "2", "j\n", "\n/q\n", "3", "j", "4"] {
                    press(&mut app, keys);
                    frame(&mut app, width, height);
                }
            }
        }
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1536, u64::MAX].map(bytes), ["0 B", "1023 B", "1.5 KiB", "16384.0 PiB"]);
        assert_eq!([1, 1500, 2_000_000, 3_000_000_000].map(time), ["1 ns", "1.5 µs", "2.0 ms", "3.0 s"]);
        assert_eq!([first_shown(0, 5), first_shown(4, 5), first_shown(7, 5), first_shown(3, 0)], [0, 0, 3, 4]);
    }
}
