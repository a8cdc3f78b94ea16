//! What a running gander program does, in a terminal: `gander-top [ADDRESS]` attaches to the page that
//! `gander::inspect::serve` serves.
//!
//! | file | question |
//! |---|---|
//! | `args.rs` | what was asked for |
//! | `http.rs` | how is a page had, without trusting who sends it |
//! | `clean.rs` | which characters may reach the terminal |
//! | `data.rs` | what do the answers say |
//! | `watch.rs` | who asks, and when |
//! | `app.rs` | what is shown, and what do keys change |
//! | `view/` | how is it drawn |
//!
//! All that arrives is somebody else's: a program that is debugged, or whoever took its port. Its length is limited, its
//! numbers may be anything, and its text is cleaned before it is kept.

mod app;
mod args;
mod clean;
mod data;
mod http;
mod view;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use app::App;
use args::{Args, Asked};
use watch::Watch;

fn main() -> ExitCode {
    let args = match args::read(std::env::args().skip(1)) {
        Ok(Asked::Watch(args)) => args,
        Ok(Asked::Help) => {
            print!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprint!("gander-top: {problem}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = if args.once { once(&args) } else { live(&args).map_err(|error| error.to_string()) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("gander-top: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Prints one frame of each view that is asked for.
fn once(args: &Args) -> Result<(), String> {
    let mut app = App::new(args);
    // Two looks: rates need them.
    app.take(watch::stats(&args.addr));
    std::thread::sleep(args.interval);
    app.take(watch::stats(&args.addr));
    app.take(watch::dump(&args.addr));
    if let Some(problem) = app.problem() {
        return Err(problem.into());
    }
    let mut text = String::new();
    for &view in &args.views {
        app.show(view);
        text += &frame(&mut app, args.width, args.height);
    }
    // Whoever reads it may have read enough.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// A frame as lines of text.
fn frame(app: &mut App, width: u16, height: u16) -> String {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| view::draw(app, frame));
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol());
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    (0..height).map(line).collect()
}

/// Draws until it is told to quit.
fn live(args: &Args) -> io::Result<()> {
    let mut app = App::new(args);
    let watch = Watch::start(args);
    // Restores the terminal on a panic, too.
    let mut terminal = ratatui::try_init()?;
    let result = loop {
        watch.wants_dump(app.wants_dump());
        while let Some(answer) = watch.answer() {
            app.take(answer);
        }
        if let Err(error) = terminal.draw(|frame| view::draw(&mut app, frame)) {
            break Err(error);
        }
        match next_key() {
            Err(error) => break Err(error),
            Ok(Some(key)) => app.press(key),
            Ok(None) => {}
        }
        if app.is_over() {
            break Ok(());
        }
    };
    ratatui::try_restore()?;
    result
}

/// A key, if one is pressed within a moment.
fn next_key() -> io::Result<Option<event::KeyEvent>> {
    if !event::poll(Duration::from_millis(100))? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(key),
        _ => None,
    })
}
