//! Pseudo-random numbers, percentiles, and a recursion: what several rows need and no peer has its own idea of.

use std::hint::black_box;
use std::time::Duration;

/// The `i`-th sleeper's time, spread over one second.
pub fn sleep_of(i: u64) -> Duration {
    Duration::from_micros(i.wrapping_mul(2_654_435_761) % 1_000_000)
}

/// A value in milliseconds below which `percent` of them lie.
pub fn percentile(nanos: &mut [u64], percent: usize) -> f64 {
    nanos.sort_unstable();
    nanos.get((nanos.len() * percent / 100).min(nanos.len().saturating_sub(1))).map_or(0.0, |&n| n as f64 / 1e6)
}

/// Calls itself `depth` times, in frames of some 250 bytes each.
#[inline(never)]
pub fn recurse(depth: u64) -> u64 {
    let mut frame = [depth; 25];
    let frame = black_box(&mut frame);
    if depth == 0 {
        return 0;
    }
    recurse(depth - 1) + 1 + (frame[7] - depth)
}

/// How many goroutines fork-join Fibonacci starts.
pub fn fib_spawns(n: u64) -> u64 {
    if n < 2 { 0 } else { 1 + fib_spawns(n - 1) + fib_spawns(n - 2) }
}

/// A line of `/proc/self/status` that is an amount of memory.
pub fn status_kib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says how much memory a process has");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it knows this amount");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("it is a number of KiB")
}

/// Resident memory and page tables.
pub fn memory_kib() -> f64 {
    status_kib("VmRSS") + status_kib("VmPTE")
}
