#![allow(unsafe_code, reason = "a function that runs before main")]
//! Dumps for those who did not call for one: SIGQUIT, and fatal reports.

use gander_runtime::inspect::{Detail, GoroutineState, set_reporter};

use crate::dump::dump;

/// Tells the runtime that this crate is in the program. There is no call that every program makes in which that could be
/// done: a program starts the runtime through many doors of the crate below this one.
// SAFETY: the loader calls what stands in this section, as C functions, before `main`; this one stores a pointer.
#[used]
#[unsafe(link_section = ".init_array")]
static REGISTER: extern "C" fn() = register;

extern "C" fn register() {
    set_reporter(report);
}

fn report(detail: Detail) -> String {
    let mut dump = dump();
    dump.with_runtime = detail >= Detail::System;
    if detail == Detail::Single {
        dump.counted.clear();
        dump.circles.clear();
        // One that computes may have been preempted for those who look.
        let computes = |state| matches!(state, GoroutineState::Running | GoroutineState::Preempted);
        dump.groups.retain(|group| computes(group.goroutines[0].state));
    }
    dump.to_string()
}
