//! Claims: to ask whether the stack is large enough (`maybe_grow`, and it is) costs at most 5 ns; to go on on a segment
//! that was used before and to come back (`grow_to`) at most 60 ns.
//! Floors: for the question two loads and a comparison, ~1 ns. For the segment two switches and a take and a put of the
//! processor's own stacks, ~15 ns; a fresh one costs its page faults, which no code avoids.
//!
//! ```text
//! cargo bench --bench grow
//! ```

mod mode;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use gander::stack::{grow_to, maybe_grow};

const DEPTH: u64 = 10_000;

fn main() {
    mode::run(|criterion| {
        criterion.bench_function("maybe_grow, there is room", |b| {
            b.iter(|| maybe_grow(32 << 10, 1 << 20, || black_box(1)));
        });
        criterion.bench_function("grow_to, a used segment", |b| b.iter(|| grow_to(1 << 20, || black_box(1))));
        deep(criterion);
    });
}

/// Ten thousand frames of some 250 bytes: on the stack as it is, and asking in each frame.
fn deep(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("10,000 frames");
    group.throughput(Throughput::Elements(DEPTH));
    group.bench_function("without asking", |b| b.iter(|| assert_eq!(plain(DEPTH), DEPTH)));
    group.bench_function("asking in each", |b| b.iter(|| assert_eq!(asking(DEPTH), DEPTH)));
    group.finish();
}

#[inline(never)]
fn plain(depth: u64) -> u64 {
    let mut frame = [depth; 25];
    let frame = black_box(&mut frame);
    if depth == 0 { 0 } else { plain(depth - 1) + 1 + (frame[7] - depth) }
}

#[inline(never)]
fn asking(depth: u64) -> u64 {
    let mut frame = [depth; 25];
    let frame = black_box(&mut frame);
    let deeper = || if depth == 0 { 0 } else { asking(depth - 1) + 1 };
    maybe_grow(32 << 10, 8 << 20, deeper) + (frame[7] - depth)
}
