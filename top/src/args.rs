//! The command line.

use std::time::Duration;

use crate::app::View;

pub(crate) const USAGE: &str = "\
usage: gander-top [ADDRESS] [options]

Shows what a gander program does that serves gander::inspect::serve at ADDRESS (127.0.0.1:6060 where none is given).

  --interval SECONDS  how often to look (1)
  --view VIEW         what to show first: overview, goroutines, waits, latency
  --filter TEXT       only goroutines with this in a function, file, state or name
  --once              print one frame as text and end; with `--view all`, one of each view
  --width, --height   of that frame, in characters (120, 40)

keys: 1 2 3 4 or Tab views, / filter, arrows or j k choose, Enter shows a whole stack, r look again, p pause, q quit
";

pub(crate) struct Args {
    pub(crate) addr: String,
    pub(crate) interval: Duration,
    /// The first is shown first.
    pub(crate) views: Vec<View>,
    pub(crate) filter: String,
    pub(crate) once: bool,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

pub(crate) enum Asked {
    Help,
    Watch(Args),
}

pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Result<Asked, String> {
    let mut args = Args {
        addr: "127.0.0.1:6060".into(),
        interval: Duration::from_secs(1),
        views: vec![View::Overview],
        filter: String::new(),
        once: false,
        width: 120,
        height: 40,
    };
    let mut words = words.into_iter();
    let mut has_addr = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(Asked::Help),
            "--once" => args.once = true,
            "--filter" => args.filter = value()?,
            "--interval" => args.interval = interval(&value()?)?,
            "--view" => args.views = views(&value()?)?,
            "--width" => args.width = size(&value()?)?,
            "--height" => args.height = size(&value()?)?,
            option if option.starts_with('-') => return Err(format!("no such option: {option}")),
            addr if !has_addr => {
                has_addr = true;
                args.addr = addr.strip_prefix("http://").unwrap_or(addr).trim_end_matches('/').into();
            }
            more => return Err(format!("one address is enough: {more}")),
        }
    }
    Ok(Asked::Watch(args))
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("not between 0.05 and 3600 seconds: {text}"))
}

fn size(text: &str) -> Result<u16, String> {
    let size = text.parse().ok().filter(|size| (20..=1000).contains(size));
    size.ok_or_else(|| format!("not between 20 and 1000 characters: {text}"))
}

fn views(text: &str) -> Result<Vec<View>, String> {
    if text == "all" {
        return Ok(View::ALL.to_vec());
    }
    let view = View::ALL.into_iter().find(|view| view.name().eq_ignore_ascii_case(text));
    view.map(|view| vec![view]).ok_or_else(|| format!("no such view: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(words: &[&str]) -> Result<Asked, String> {
        read(words.iter().map(|word| word.to_string()))
    }

    #[test]
    fn what_is_asked_for_is_understood_or_refused() {
        let Ok(Asked::Watch(args)) = read_all(&["http://[::1]:7/", "--once", "--view", "all", "--interval", "0.5"])
        else {
            panic!("it is right")
        };
        assert_eq!((&*args.addr, args.once, args.views.len()), ("[::1]:7", true, 4));
        assert_eq!(args.interval, Duration::from_millis(500));
        assert!(matches!(read_all(&["x", "--help"]), Ok(Asked::Help)));
        for bad in [
            &["--interval", "0"][..],
            &["--interval", "NaN"],
            &["--interval", "-1"],
            &["--interval"],
            &["--view", "nothing"],
            &["--width", "70000"],
            &["--height", "1"],
            &["a", "b"],
            &["--nonsense"],
        ] {
            assert!(read_all(bad).is_err(), "{bad:?}");
        }
    }
}
