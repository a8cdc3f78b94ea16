//! A test binary that re-runs itself: each case is a check, and a scenario for its children.

#![allow(unused_macros, unused_imports, reason = "no binary uses all of it")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A check, and the scenario that its children run.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) scenario: fn() -> ExitCode,
    pub(crate) check: fn(&'static str),
}

/// `name: check, scenario;` for each case.
macro_rules! cases {
    ($($name:ident: $check:expr, $scenario:expr;)*) => {
        pub(crate) const CASES: &[$crate::common::cases::Case] = &[$($crate::common::cases::Case {
            name: stringify!($name),
            scenario: $scenario,
            check: $check,
        }),*];
    };
}

pub(crate) use cases;

/// Runs the scenario that the environment names, or else the checks, as a test harness would.
pub(crate) fn run(cases: &[Case]) -> ExitCode {
    if let Ok(wanted) = std::env::var("GANDER_SCENARIO") {
        let case = cases.iter().find(|case| case.name == wanted).expect("a scenario of this name");
        return (case.scenario)();
    }
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with("--")).collect();
    let chosen =
        |case: &&Case| arguments.is_empty() || arguments.iter().any(|text| case.name.contains(text.as_str()));
    let chosen: Vec<&Case> = cases.iter().filter(chosen).collect();
    if std::env::args().any(|text| text == "--list") {
        chosen.iter().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fine = std::panic::catch_unwind(|| (case.check)(case.name)).is_ok();
                    println!("test {} ... {}", case.name, if fine { "ok" } else { "FAILED" });
                    failed.fetch_add(usize::from(!fine), Ordering::Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("\ntest result: {} passed; {failed} failed\n", chosen.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
