//! Guards fault, stacks do not, and a fault knows whose it is.
#![allow(unsafe_code, reason = "the tests use the stacks they take")]

use gander_stack::{Class, Stack, class_of, locate, take, testing::readable};

const GUARD_LEAST: usize = 16 << 10;

/// Looks at the edges of a stack and of its guard, in the eyes of the kernel.
fn check_edges(stack: &Stack) {
    let (limit, top) = (stack.limit().addr(), stack.top().addr());
    let guard = if stack.class().bytes() >= 256 << 10 { 64 << 10 } else { GUARD_LEAST };
    assert!(readable(limit) && readable(top - 4));
    for below in (4..=guard).step_by(4096).chain([guard]) {
        assert!(!readable(limit - below), "{below} bytes under the limit of {stack:?}");
    }
    assert_eq!(stack.size(), top - limit);
    assert!(stack.size() + 1472 >= stack.class().bytes() && top % 64 == 0);
}

#[test]
fn every_class_has_a_guard() {
    for class in Class::all() {
        let stacks: Vec<Stack> = (0..9).map(|_| take(class).unwrap()).collect();
        stacks.iter().for_each(check_edges);
    }
}

#[test]
fn a_guard_outlives_release_and_reuse() {
    let mut stack = take(class_of(64 << 10).unwrap()).unwrap();
    for _ in 0..3 {
        // SAFETY: [one-owner] this test took the stack.
        unsafe { stack.limit().write_bytes(1, stack.size()) };
        stack.release_below(0);
        check_edges(&stack);
        assert!(stack.is_untouched());
        // SAFETY: as above.
        assert_eq!(unsafe { stack.limit().read() }, 0);
    }
}

#[test]
fn neighbours_do_not_share_a_top() {
    let class = class_of(128 << 10).unwrap();
    let stacks: Vec<Stack> = (0..48).map(|_| take(class).unwrap()).collect();
    let colours: std::collections::HashSet<_> = stacks.iter().map(|stack| stack.top().addr() % 4096).collect();
    assert_eq!(colours.len(), 24);
}

#[test]
fn an_address_is_located() {
    let stack = take(class_of(512 << 10).unwrap()).unwrap();
    stack.set_tag(77);
    let (limit, top) = (stack.limit().addr(), stack.top().addr());
    for (address, guard) in [(limit, false), (top - 1, false), (limit - 1, true), (limit - (64 << 10), true)] {
        let place = locate(address).unwrap();
        assert_eq!((place.limit, place.top, place.guard), (limit, top, guard));
        assert_eq!((place.class, place.tag), (stack.class(), 77));
    }
    // What is below the guard is the stack before, or the mapping before.
    assert!(locate(limit - (64 << 10) - 1).is_none_or(|place| place.top < limit));
    let here = 0u8;
    for outside in [0, 8, (&raw const here).addr(), an_address_is_located as fn() as usize, usize::MAX] {
        assert_eq!(locate(outside), None);
    }
}

#[test]
fn what_was_never_handed_out_is_nobodys() {
    // Of the largest class eight are made at a time at most; this is far beyond those.
    let stack = take(Class::LARGEST).unwrap();
    assert_eq!(locate(stack.limit().addr() + 40 * ((1 << 30) + (64 << 10))), None);
}

#[test]
fn a_number_stands_for_a_stack() {
    let stack = take(Class::SMALLEST).unwrap();
    let (top, untouched) = (stack.top(), stack.is_untouched());
    let raw = stack.into_raw();
    // SAFETY: the number comes from `into_raw` and is used once.
    let stack = unsafe { Stack::from_raw(raw) };
    assert_eq!((stack.top(), stack.is_untouched()), (top, untouched));
}
