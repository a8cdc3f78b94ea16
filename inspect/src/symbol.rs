//! What are the frames called?

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use gander_runtime::inspect::sources;

/// One call on a stack, or one that was inlined there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// The function; its address in hexadecimal where no name is known.
    pub function: String,
    /// Its file and the line of the call, if the program has the tables for that.
    pub place: Option<(String, u32)>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.function)?;
        match &self.place {
            Some((file, line)) => writeln!(f, "\t{file}:{line}"),
            None => writeln!(f, "\t?"),
        }
    }
}

/// Names of addresses, each looked for once.
#[derive(Default)]
pub(crate) struct Symbols {
    known: HashMap<usize, Arc<[Frame]>>,
}

impl Symbols {
    /// The frames at an address of a walk, what was inlined first.
    pub(crate) fn resolve(&mut self, address: usize) -> Arc<[Frame]> {
        self.known.entry(address).or_insert_with(|| look_up(address)).clone()
    }
}

fn look_up(address: usize) -> Arc<[Frame]> {
    let mut frames = Vec::new();
    // The crate takes what it is given for a return address, and looks one byte before it.
    backtrace::resolve(std::ptr::without_provenance_mut(address + 1), |symbol| {
        let place = symbol.filename().map(|file| (file.display().to_string(), symbol.lineno().unwrap_or(0)));
        // Without the hash.
        let function = symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}"));
        frames.push(Frame { function, place });
    });
    if frames.is_empty() {
        frames.push(Frame { function: format!("{address:#x}"), place: None });
    }
    frames.into()
}

/// Cuts what every stack has: below, how a goroutine begins, and above, how it parks.
///
/// Where there is nothing else, it stays.
pub(crate) fn without_runtime(frames: &mut Vec<Frame>) {
    if frames.iter().all(|frame| is_runtimes(frame) || is_stds(frame)) {
        return;
    }
    while frames.last().is_some_and(|frame| is_runtimes(frame) || is_stds(frame)) {
        frames.pop();
    }
    // The last of the runtime's is what the goroutine called, unless another room of the house waits through it.
    let inner = frames.iter().take_while(|frame| is_runtimes(frame)).count();
    let waits = |frame: &Frame| frame.place.as_ref().is_some_and(|(file, _)| file.ends_with("runtime/src/park.rs"));
    let called = inner > 0 && !waits(&frames[inner - 1]);
    frames.drain(..inner - usize::from(called));
}

/// Whether the function is one of the runtime's or of the switch below it. What was inlined has no module in its name
/// where the program keeps line tables only, so its file counts as well.
fn is_runtimes(frame: &Frame) -> bool {
    const CRATES: [&str; 2] = ["gander_arch::", "gander_runtime::"];
    CRATES.iter().any(|name| frame.function.contains(name))
        || frame.place.as_ref().is_some_and(|(file, _)| sources().iter().any(|of| file.contains(of)))
}

/// Whether the function is one of std's, which catch panics and call closures.
fn is_stds(frame: &Frame) -> bool {
    const CRATES: [&str; 3] = ["std::", "core::", "__rust_try"];
    let name = frame.function.trim_start_matches('<');
    CRATES.iter().any(|of| name.starts_with(of))
        || frame.place.as_ref().is_some_and(|(file, _)| file.starts_with("/rustc/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(names: &[&str]) -> Vec<Frame> {
        names.iter().map(|name| Frame { function: name.to_string(), place: None }).collect()
    }

    #[test]
    fn the_runtime_is_cut_but_for_what_was_called() {
        let mut all = frames(&[
            "gander_runtime::switch::switch",
            "gander_runtime::park::wait_if",
            "gander_runtime::current::park",
            "app::wait::{{closure}}",
            "core::option::Option<T>::map",
            "app::serve",
            "<core::panic::unwind_safe::AssertUnwindSafe<F> as core::ops::function::FnOnce<()>>::call_once",
            "std::panicking::catch_unwind",
            "<gander_runtime::spawn::Detached<F> as gander_runtime::spawn::Body>::run",
            "gander_runtime::entry::begin",
            "gander_arch::cpu::start",
        ]);
        without_runtime(&mut all);
        assert_eq!(
            all,
            frames(&[
                "gander_runtime::current::park",
                "app::wait::{{closure}}",
                "core::option::Option<T>::map",
                "app::serve"
            ])
        );
    }

    #[test]
    fn this_function_is_found() {
        let here = this_function_is_found as *const () as usize;
        let found = Symbols::default().resolve(here + 4);
        assert!(found.iter().any(|frame| frame.function.contains("this_function_is_found")), "{found:?}");
        assert!(
            found.iter().any(|frame| frame.place.as_ref().is_some_and(|(file, _)| file.ends_with("symbol.rs")))
        );
    }
}
