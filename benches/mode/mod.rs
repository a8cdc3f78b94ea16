//! What the benches share: the mode they run in.

#![allow(unsafe_code, reason = "shared mode is entered by a promise")]

use criterion::Criterion;
use gander::Builder;

/// Runs benches as the main goroutine: in shared mode on one processor, or as `GANDER_BENCH_MODE` (`own`, `shared`) and
/// `GANDER_PROCS` say.
pub(crate) fn run(benches: impl FnOnce(&mut Criterion) + Send) {
    let is_own = std::env::var("GANDER_BENCH_MODE").is_ok_and(|mode| mode == "own");
    let mut builder = Builder::new().stack_size(8 << 20);
    if std::env::var_os("GANDER_PROCS").is_none() {
        builder = builder.procs(1);
    }
    if !is_own {
        // SAFETY: the benches use no thread-locals, and criterion, which may, does not park.
        builder = unsafe { builder.shared() };
    }
    builder.run(|| {
        let mut criterion = Criterion::default().configure_from_args();
        benches(&mut criterion);
        criterion.final_summary();
    });
}
