//! What is shown, and what keys change.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::args::Args;
use crate::data::{Dump, Group, Stats};
use crate::watch::Answer;

/// Moments that are kept for the lines that show the past.
const MOST_MOMENTS: usize = 240;
/// A filter is no longer.
const MOST_FILTER: usize = 100;
/// How long a dump is fresh enough to be shown.
const DUMP_EACH: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Overview,
    Goroutines,
    Waits,
    Latency,
}

impl View {
    pub(crate) const ALL: [View; 4] = [View::Overview, View::Goroutines, View::Waits, View::Latency];

    pub(crate) fn name(self) -> &'static str {
        match self {
            View::Overview => "Overview",
            View::Goroutines => "Goroutines",
            View::Waits => "Waits",
            View::Latency => "Latency",
        }
    }
}

pub(crate) struct App {
    pub(crate) addr: String,
    pub(crate) view: View,
    pub(crate) filter: String,
    /// Keys go to the filter.
    pub(crate) types: bool,
    pub(crate) pauses: bool,
    /// The whole stack of the chosen group is shown.
    pub(crate) opened: bool,
    pub(crate) chosen: usize,
    pub(crate) dump: Option<Dump>,
    /// The last is the newest.
    moments: VecDeque<(Instant, Box<Stats>)>,
    asked: Option<Instant>,
    problem: Option<String>,
    over: bool,
}

impl App {
    pub(crate) fn new(args: &Args) -> App {
        App {
            addr: args.addr.clone(),
            view: args.views[0],
            filter: args.filter.clone(),
            types: false,
            pauses: false,
            opened: false,
            chosen: 0,
            dump: None,
            moments: VecDeque::new(),
            asked: None,
            problem: None,
            over: false,
        }
    }

    pub(crate) fn take(&mut self, answer: Answer) {
        if self.pauses {
            return;
        }
        self.problem = None;
        match answer {
            Answer::Stats(at, stats) => {
                // A program that was started anew has counted less: its past is another's.
                if self.now().is_some_and(|last| stats.switches < last.switches) {
                    self.moments.clear();
                }
                self.moments.push_back((at, stats));
                if self.moments.len() > MOST_MOMENTS {
                    self.moments.pop_front();
                }
            }
            Answer::Dump(dump) => self.dump = Some(dump),
            Answer::Problem(problem) => self.problem = Some(problem),
        }
    }

    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn show(&mut self, view: View) {
        (self.view, self.chosen, self.opened) = (view, 0, false);
    }

    /// Whether it is time for another dump. Asked once: then it is on its way.
    pub(crate) fn wants_dump(&mut self) -> bool {
        let shows = matches!(self.view, View::Goroutines | View::Waits) && !self.pauses;
        let wants = shows && self.asked.is_none_or(|asked| asked.elapsed() > DUMP_EACH);
        if wants {
            self.asked = Some(Instant::now());
        }
        wants
    }

    pub(crate) fn now(&self) -> Option<&Stats> {
        self.moments.back().map(|(_, stats)| &**stats)
    }

    /// How much a count grows a second, between the last two moments.
    pub(crate) fn rate(&self, count: impl Fn(&Stats) -> u64) -> Option<f64> {
        self.rates(count).last().copied()
    }

    /// [`rate`](Self::rate) between each two moments.
    pub(crate) fn rates(&self, count: impl Fn(&Stats) -> u64) -> Vec<f64> {
        let between = self.moments.iter().zip(self.moments.iter().skip(1));
        between
            .map(|((from, before), (to, after))| {
                let seconds = to.duration_since(*from).as_secs_f64().max(1e-3);
                count(after).saturating_sub(count(before)) as f64 / seconds
            })
            .collect()
    }

    /// The groups that the filter lets through.
    pub(crate) fn groups(&self) -> Vec<&Group> {
        let wanted = self.filter.to_lowercase();
        let all = self.dump.iter().flat_map(|dump| &dump.groups);
        all.filter(|group| wanted.is_empty() || group.has(&wanted)).collect()
    }

    pub(crate) fn press(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.over |= key.code == KeyCode::Char('c');
            return;
        }
        if self.types {
            return self.press_in_filter(key.code);
        }
        match key.code {
            KeyCode::Char('q') => self.over = true,
            KeyCode::Esc if self.opened => self.opened = false,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char(digit @ '1'..='4') => self.show(View::ALL[digit as usize - '1' as usize]),
            KeyCode::Tab => self.turn(1),
            KeyCode::BackTab => self.turn(View::ALL.len() - 1),
            KeyCode::Char('/') => {
                if self.view != View::Goroutines {
                    self.show(View::Goroutines);
                }
                self.types = true;
            }
            KeyCode::Char('p') => self.pauses = !self.pauses,
            KeyCode::Char('r') => self.asked = None,
            KeyCode::Enter => self.opened = !self.opened,
            KeyCode::Down | KeyCode::Char('j') => self.choose(self.chosen.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.choose(self.chosen.saturating_sub(1)),
            KeyCode::PageDown => self.choose(self.chosen.saturating_add(10)),
            KeyCode::PageUp => self.choose(self.chosen.saturating_sub(10)),
            KeyCode::Home => self.choose(0),
            KeyCode::End => self.choose(usize::MAX),
            _ => {}
        }
    }

    fn press_in_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.types = false,
            KeyCode::Esc => {
                self.types = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() && self.filter.chars().count() < MOST_FILTER => self.filter.push(c),
            _ => {}
        }
        self.chosen = 0;
    }

    fn turn(&mut self, by: usize) {
        let at = View::ALL.iter().position(|&view| view == self.view).unwrap_or(0);
        self.show(View::ALL[(at + by) % View::ALL.len()]);
    }

    /// The last there is, where there are not so many.
    fn choose(&mut self, at: usize) {
        let count = match self.view {
            View::Goroutines => self.groups().len(),
            View::Waits => self.dump.as_ref().map_or(0, |dump| crate::view::waits::chains(dump).len()),
            View::Overview | View::Latency => 0,
        };
        self.chosen = at.min(count.saturating_sub(1));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::args::{Asked, read};

    /// An app that has heard this, a second apart.
    pub(crate) fn app(stats: &[&str], dump: &str) -> App {
        let Ok(Asked::Watch(args)) = read([]) else { unreachable!() };
        let mut app = App::new(&args);
        let began = Instant::now();
        for (i, json) in stats.iter().enumerate() {
            let at = began + Duration::from_secs(i as u64);
            app.take(Answer::Stats(at, Box::new(Stats::read(json.as_bytes()).unwrap())));
        }
        if !dump.is_empty() {
            app.take(Answer::Dump(Dump::read(dump.as_bytes()).unwrap()));
        }
        app
    }

    pub(crate) fn press(app: &mut App, keys: &str) {
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                '\t' => KeyCode::Tab,
                c => KeyCode::Char(c),
            };
            app.press(KeyEvent::new(code, KeyModifiers::NONE));
        }
    }

    const DUMP: &str = r#"{"total":3,"groups":[{"count":2,"state":"sleep","frames":[["nap","a.rs:1"]]},
        {"count":1,"state":"park","frames":[["wait","b.rs:2"]]}]}"#;

    #[test]
    fn rates_are_of_two_moments_of_one_program() {
        let mut app = app(&[r#"{"switches":10}"#, r#"{"switches":40}"#], "");
        assert_eq!(app.rate(|stats| stats.switches), Some(30.0));
        app.take(Answer::Stats(Instant::now(), Box::default()));
        assert_eq!(app.rate(|stats| stats.switches), None);
    }

    #[test]
    fn keys_do_what_the_help_says() {
        let mut app = app(&[], DUMP);
        press(&mut app, "\t");
        assert_eq!(app.view, View::Goroutines);
        assert!(app.wants_dump() && !app.wants_dump());
        press(&mut app, "jjj");
        assert_eq!(app.chosen, 1);
        press(&mut app, "/B.RSq\n");
        assert_eq!((app.groups().len(), app.is_over()), (0, false));
        press(&mut app, "\u{1b}");
        assert_eq!(app.groups().len(), 2);
        press(&mut app, "/nap\n\n");
        assert!(app.opened && app.groups().len() == 1);
        press(&mut app, "4p");
        app.take(Answer::Problem("not heard".into()));
        assert!(app.problem().is_none() && app.pauses);
        press(&mut app, "q");
        assert!(app.is_over());
        let mut other = super::tests::app(&[], "");
        press(&mut other, "2jjk\n3k4jr");
        other.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(other.is_over());
    }
}
