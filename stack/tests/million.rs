//! A million guarded stacks at once.
#![allow(unsafe_code, reason = "the tests use the stacks they take")]

use std::time::Instant;

use gander_stack::{GuardKind, Stack, census, class_of, scavenge, take};

const MILLION: usize = 1_000_000;

fn word(stack: &Stack) -> *mut usize {
    stack.top().cast::<usize>().wrapping_sub(1)
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn page_table_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPTE:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn available_kib() -> usize {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = info.lines().find(|line| line.starts_with("MemAvailable:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn per_stack(what: &str, begin: Instant, count: usize) {
    println!("{what}: {} ns a stack", begin.elapsed().as_nanos() / count as u128);
}

/// Six GiB at the peak; skips itself where there is less, and takes fewer stacks when it is not optimised.
#[test]
fn a_million_stacks_in_a_few_mappings() {
    let class = class_of(256 << 10).unwrap();
    let count = match available_kib() >> 20 {
        _ if cfg!(debug_assertions) => MILLION / 5,
        8.. => MILLION,
        _ => return,
    };
    drop(take(class).unwrap());
    if census().guards() == GuardKind::Mapping {
        println!("this kernel cannot mark guards: not a million");
        return;
    }

    let begin = Instant::now();
    let stacks: Vec<Stack> = (0..count).map(|_| take(class).unwrap()).collect();
    per_stack("take, fresh", begin, count);

    let begin = Instant::now();
    for (i, stack) in stacks.iter().enumerate() {
        // SAFETY: [one-owner] this test took the stack.
        unsafe { word(stack).write(i) };
    }
    per_stack("first touch", begin, count);
    for (i, stack) in stacks.iter().enumerate() {
        // SAFETY: as above.
        assert_eq!(unsafe { word(stack).read() }, i);
    }

    let lines = std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    println!(
        "{lines} mappings, {} regions, {} KiB resident, {} KiB page tables",
        census().regions,
        resident_kib(),
        page_table_kib()
    );
    assert!(lines < 100, "{lines}");
    // The page itself, and 640 bytes of page table; beyond that only the tests' own vector.
    assert!(page_table_kib() * 1024 / count < 1000);
    assert_eq!(census().out, count);

    let begin = Instant::now();
    drop(stacks);
    per_stack("put", begin, count);
    assert_eq!((census().out, census().pooled), (0, count));

    let begin = Instant::now();
    let stacks: Vec<Stack> = (0..count).map(|_| take(class).unwrap()).collect();
    per_stack("take, used before", begin, count);
    assert_eq!(census().built, count, "no stack was made in vain");
    drop(stacks);

    let before = resident_kib();
    assert_eq!(scavenge(usize::MAX, |_| true).trimmed, 0, "the first pass only looks");
    let begin = Instant::now();
    assert_eq!(scavenge(usize::MAX, |_| true).trimmed, count);
    per_stack("scavenge, trim", begin, count);
    let begin = Instant::now();
    assert_eq!(scavenge(usize::MAX, |_| true).emptied, count);
    per_stack("scavenge, empty", begin, count);
    let after = resident_kib();
    println!("{before} KiB resident before, {after} after");
    assert!(before - after > count * 4 / 10 * 9, "a page of each stack went back");
    assert_eq!(census().bare, count);
    assert!(take(class).unwrap().is_untouched());
}
