//! What a turn costs where nothing of `gander-inspect` is in the program: the floor for `benches/inspect.rs`, which runs
//! this one beside its own.
//!
//! ```sh
//! cargo bench -p gander-runtime --bench turns
//! ```

use std::time::Instant;

use gander_runtime::{Builder, spawn, yield_now};

fn main() {
    const TURNS: u32 = 2_000_000;
    Builder::new().procs(1).run(|| {
        let turns = |count| (0..count).for_each(|_| yield_now());
        turns(10_000);
        let start = Instant::now();
        let other = spawn(move || turns(TURNS / 2));
        turns(TURNS / 2);
        other.join().expect("it does not panic");
        println!("{:.2}", start.elapsed().as_nanos() as f64 / f64::from(TURNS));
    });
}
