//! Stacks that come back: whose they are, and what they keep. One test at a time, as they count what is in the pool.
#![allow(unsafe_code, reason = "the tests use the stacks they take")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gander_stack::{Cache, Class, Stack, census, class_of, locate, put, scavenge, take};

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fill(stack: &Stack, bytes: usize) {
    // SAFETY: [one-owner] the caller took the stack.
    unsafe { stack.top().wrapping_sub(bytes).write_bytes(0xA5, bytes) };
}

/// As many passes as it takes to empty everything.
fn scavenge_all() {
    for _ in 0..4 {
        scavenge(usize::MAX, |_| true);
    }
}

#[test]
fn a_deep_stack_is_shallow_when_it_comes_back() {
    let _turn = turn();
    let stack = take(Class::LARGEST).unwrap();
    fill(&stack, 100 << 20);
    let before = stack.footprint();
    assert!(before.resident >= 100 << 20 && before.high_water >= 100 << 20, "{before:?}");
    let (limit, top) = (stack.limit(), stack.top());
    put(stack);
    let after = gander_stack::footprint(limit, top);
    assert!((16 << 10..=24 << 10).contains(&after.resident), "{after:?}");
    assert!(after.high_water <= 24 << 10);
}

#[test]
fn a_small_stack_is_trimmed_at_its_64th_return() {
    let _turn = turn();
    let class = class_of(128 << 10).unwrap();
    let mut cache = Cache::new();
    let (mut trimmed, mut last) = (0, 0);
    for _ in 0..256 {
        let stack = cache.take(class).unwrap();
        let now = stack.footprint().resident;
        if now < last {
            trimmed += 1;
            assert!(stack.uses().is_multiple_of(64));
        }
        fill(&stack, 100 << 10);
        last = stack.footprint().resident;
        cache.put(stack);
    }
    assert!((3..=4).contains(&trimmed), "{trimmed}");
}

#[test]
fn a_cache_is_last_in_first_out_and_bounded() {
    let _turn = turn();
    let class = class_of(32 << 10).unwrap();
    let mut cache = Cache::new();
    let stacks: Vec<Stack> = (0..200).map(|_| cache.take(class).unwrap()).collect();
    let tops: Vec<_> = stacks.iter().map(Stack::top).collect();
    assert_eq!(tops.iter().collect::<HashSet<_>>().len(), 200);
    for stack in stacks {
        cache.put(stack);
        assert!(cache.len() <= 64);
    }
    for top in tops.iter().rev().take(32) {
        assert_eq!(cache.take(class).unwrap().top(), *top);
    }
    cache.flush();
    assert!(cache.is_empty());
    let out = census().out;
    let stack = cache.take(class).unwrap();
    assert!(tops.contains(&stack.top()), "the pool hands out what it has before it makes more");
    assert!(census().out > out);
    drop(stack);
    drop(cache);
    assert_eq!(census().out, out);
}

#[test]
fn idle_stacks_lose_their_memory() {
    let _turn = turn();
    scavenge_all();
    // A class of its own: stacks that other tests have used might be trimmed by count in between.
    let class = class_of(4 << 20).unwrap();
    let stacks: Vec<Stack> = (0..100).map(|_| take(class).unwrap()).collect();
    let places: Vec<_> = stacks.iter().map(|stack| (stack.limit(), stack.top())).collect();
    stacks.iter().for_each(|stack| fill(stack, 200 << 10));
    let resident = || places.iter().map(|&(limit, top)| gander_stack::resident(limit, top)).sum::<usize>();
    drop(stacks);
    assert!(resident() >= 100 * (200 << 10));
    assert_eq!(scavenge(1000, |_| true).trimmed, 0);
    assert!(resident() >= 100 * (200 << 10), "one pass to see that they are idle");

    let done = scavenge(60, |_| true);
    assert_eq!((done.trimmed, done.emptied, done.more), (60, 0, true));
    let done = scavenge(1000, |_| true);
    assert_eq!((done.trimmed, done.emptied, done.more), (40, 60, false));
    assert!(resident() <= 40 * (24 << 10));
    assert_eq!(scavenge(1000, |_| true).emptied, 40);
    assert_eq!(resident(), 0);
    assert_eq!(scavenge(1000, |_| true), Default::default());
    let stack = take(class).unwrap();
    assert!(stack.is_untouched());
    put(stack);
    assert!(!take(class).unwrap().is_untouched());
}

#[test]
fn the_warmest_is_taken_first() {
    let _turn = turn();
    scavenge_all();
    let class = class_of(16 << 10).unwrap();
    let mut stacks: Vec<Stack> = (0..40).map(|_| take(class).unwrap()).collect();
    let warm = stacks.split_off(20);
    drop(stacks);
    scavenge_all();
    // Twenty are bare now, and lie in the pool longer than these.
    let tops: Vec<_> = warm.iter().map(Stack::top).collect();
    warm.into_iter().for_each(put);
    let mut cache = Cache::new();
    let taken: Vec<_> = tops.iter().map(|_| cache.take(class).unwrap()).collect();
    assert!(taken.iter().map(Stack::top).eq(tops.iter().rev().copied()));
}

#[test]
fn a_pooled_stack_is_located() {
    let _turn = turn();
    let stack = take(class_of(32 << 10).unwrap()).unwrap();
    let (limit, top) = (stack.limit().addr(), stack.top().addr());
    put(stack);
    for address in [limit, limit - 1] {
        let place = locate(address).unwrap();
        assert_eq!((place.limit, place.top, place.guard), (limit, top, address < limit));
    }
}

#[test]
fn a_tag_is_asked_for_before_its_pages_go() {
    let _turn = turn();
    scavenge_all();
    let class = class_of(64 << 10).unwrap();
    for (tag, agrees) in [(11, false), (12, true)] {
        let stack = take(class).unwrap();
        stack.set_tag(tag);
        fill(&stack, 1 << 10);
        let top = stack.top();
        put(stack);
        let mut asked = Vec::new();
        for _ in 0..4 {
            scavenge(1000, |tag| {
                asked.push(tag);
                agrees
            });
        }
        assert_eq!(asked, [tag], "asked once");
        let stack = take(class).unwrap();
        assert_eq!(stack.top(), top);
        let (expected, byte) = if agrees { (0, 0) } else { (tag, 0xA5) };
        assert_eq!(stack.tag(), expected);
        // SAFETY: [one-owner] this test took the stack.
        assert_eq!(unsafe { top.wrapping_sub(1).read() }, byte);
        assert_eq!(stack.is_untouched(), agrees);
        stack.set_tag(0);
    }
}

/// Four threads take and put at random while a fifth scavenges; whoever has a stack signs it, and finds its signature.
#[test]
fn a_stack_has_one_owner() {
    const ROUNDS: usize = if cfg!(debug_assertions) { 20_000 } else { 200_000 };
    static LEFT: AtomicUsize = AtomicUsize::new(4);
    let _turn = turn();
    let sign = |stack: &Stack| stack.top().cast::<usize>().wrapping_sub(1);
    let out = census().out;
    std::thread::scope(|scope| {
        for thread in 1..=4usize {
            scope.spawn(move || {
                let mut cache = Cache::new();
                let mut held: Vec<(Stack, usize)> = Vec::new();
                let mut random = thread * 0x9E37_79B9;
                for round in 0..ROUNDS {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    if held.len() < 150 && !random.is_multiple_of(5) || held.is_empty() {
                        let class = class_of((16 << 10) << (random >> 8 & 7)).unwrap();
                        let stack = if random & 16 == 0 { take(class) } else { cache.take(class) }.unwrap();
                        let id = thread << 48 | round;
                        // SAFETY: [one-owner] this thread took the stack, which is what is being tested.
                        unsafe { sign(&stack).write(id) };
                        held.push((stack, id));
                    } else {
                        let (stack, id) = held.swap_remove(random % held.len());
                        // SAFETY: as above.
                        assert_eq!(unsafe { sign(&stack).read() }, id);
                        if random & 16 == 0 { put(stack) } else { cache.put(stack) }
                    }
                }
                for (stack, id) in held {
                    // SAFETY: as above.
                    assert_eq!(unsafe { sign(&stack).read() }, id);
                }
                drop(cache);
                LEFT.fetch_sub(1, Relaxed);
            });
        }
        scope.spawn(|| {
            while LEFT.load(Relaxed) > 0 {
                scavenge(200, |_| true);
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
    });
    assert_eq!(census().out, out);
}

/// The walk sees what somebody has, at its place, and not what lies in the pool.
#[test]
fn the_walk_sees_what_is_in_use() {
    let _turn = turn();
    let class = class_of(100_000).unwrap();
    let seen = |stack: &Stack| gander_stack::in_use().filter(|place| place.limit == stack.limit().addr()).count();
    let stacks: Vec<Stack> = (0..40).map(|_| gander_stack::take(class).unwrap()).collect();
    for stack in &stacks {
        stack.set_tag(stack.top().addr());
        assert_eq!(seen(stack), 1);
        let place = gander_stack::in_use().find(|place| place.limit == stack.limit().addr()).unwrap();
        assert_eq!((place.top, place.tag, place.class), (stack.top().addr(), stack.top().addr(), class));
        assert!(!place.guard);
        stack.set_tag(0);
    }
    let limits: Vec<usize> = stacks.iter().map(|stack| stack.limit().addr()).collect();
    drop(stacks);
    assert_eq!(gander_stack::in_use().filter(|place| limits.contains(&place.limit)).count(), 0);
}
