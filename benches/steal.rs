//! Claim: what one goroutine spawns in a row is shared: a thousand pieces of about 2 µs of work are done on two
//! processors in at most 0.65 of the time they take on one.
//! Floor: 0.5, if the other processor worked from the first moment. It has to be called, and then takes half of the ring
//! at a time: 1000 goroutines are some ten thefts, of a few cache lines each.
//!
//! Needs two processors that have nothing else to do.
//!
//! ```text
//! cargo bench --bench steal
//! ```

mod mode;

use std::hint::black_box;

use criterion::{Criterion, Throughput};

const PIECES: u64 = 1000;

fn main() {
    mode::run(|criterion| {
        let before = gander::procs();
        for procs in [1, 2] {
            gander::set_procs(procs);
            share(criterion, procs);
        }
        gander::set_procs(before);
    });
}

fn share(criterion: &mut Criterion, procs: usize) {
    let mut group = criterion.benchmark_group("steal");
    group.throughput(Throughput::Elements(PIECES));
    let mut handles = Vec::with_capacity(PIECES as usize);
    group.bench_function(format!("1000 pieces of work, {procs} processors"), |b| {
        b.iter(|| {
            handles.extend((0..PIECES).map(|i| gander::spawn(move || work(i))));
            let sum = handles
                .drain(..)
                .fold(0, |sum: u64, handle| sum.wrapping_add(handle.join().expect("it does not panic")));
            black_box(sum)
        });
    });
    group.finish();
}

/// About 2 µs: a chain of multiplications, three cycles each.
fn work(seed: u64) -> u64 {
    (0..2000).fold(seed, |value, i| black_box(value).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i))
}
