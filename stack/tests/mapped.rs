//! Guards as mappings, as on a kernel that cannot mark them. One test, as it fills the process with mappings.
#![allow(unsafe_code, reason = "the test makes mappings to run out of")]

use gander_stack::{Class, GuardKind, Stack, StackError, census, class_of, locate, take, testing};

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

fn most_mappings() -> usize {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap()
}

/// Takes until that fails.
fn take_all(class: Class, stacks: &mut Vec<Stack>) -> StackError {
    loop {
        match take(class) {
            Ok(stack) => stacks.push(stack),
            Err(error) => return error,
        }
    }
}

#[test]
fn guards_of_mappings_run_out_gently() {
    testing::force_mprotect();
    let class = class_of(64 << 10).unwrap();
    let most = most_mappings();
    if most > 200_000 {
        println!("vm.max_map_count is {most}: too many to run out of in a test");
        return;
    }

    // Our own limit, which leaves some to the rest of the program.
    let mut stacks = Vec::new();
    let error = take_all(class, &mut stacks);
    println!("{} stacks: {error}", stacks.len());
    assert_eq!(error, StackError::Mappings { stacks: stacks.len(), errno: libc::ENOMEM });
    assert!(stacks.len() * 2 > most / 10 * 9 || most < 40_000);
    assert!(mappings() < most - 1000, "others can still map");
    assert_eq!(census().guards(), GuardKind::Mapping);

    // Every guard stands, and what is below and above does not.
    for stack in stacks.iter().step_by(97).chain(stacks.last()) {
        let (limit, top) = (stack.limit().addr(), stack.top().addr());
        assert!(testing::readable(limit) && testing::readable(top - 4));
        assert!(!testing::readable(limit - 4) && !testing::readable(limit - (16 << 10)));
        assert!(locate(limit - 1).unwrap().guard);
    }

    // What comes back can be taken again, guard and all, and no other class is any better off.
    let other = take(class_of(128 << 10).unwrap());
    assert!(matches!(other, Err(StackError::Mappings { .. })), "{other:?}");
    let count = stacks.len();
    stacks.truncate(count - 500);
    let error = take_all(class, &mut stacks);
    assert!(matches!(error, StackError::Mappings { .. }));
    assert_eq!(stacks.len(), count);
    assert!(!testing::readable(stacks[count - 1].limit().addr() - 4));
}
