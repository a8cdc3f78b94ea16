//! Random programs: whatever goroutines do to each other, every value arrives once.

const SHARED: bool = false;

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{run_on, scaled};
use proptest::prelude::*;

/// One thing that a goroutine does.
#[derive(Clone, Debug)]
enum Step {
    Add(u64),
    Yield,
    Sleep(u64),
    /// Parks until a child has unparked it.
    Wait,
    /// A child that is joined at the end, with the sum of what it returned.
    Spawn(Vec<Step>),
    /// A child that is not joined but heard of.
    Detach(Vec<Step>),
    /// Children that borrow.
    Scope(Vec<Vec<Step>>),
    /// A child that panics at its end; what it added counts.
    Panic(Vec<Step>),
    Lock(Vec<Step>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        (1..100u64).prop_map(Step::Add),
        Just(Step::Yield),
        (0..200u64).prop_map(Step::Sleep),
        Just(Step::Wait),
    ];
    let step = leaf.prop_recursive(4, 64, 6, |step| {
        let list = || prop::collection::vec(step.clone(), 0..6);
        prop_oneof![
            list().prop_map(Step::Spawn),
            list().prop_map(Step::Detach),
            prop::collection::vec(list(), 0..4).prop_map(Step::Scope),
            list().prop_map(Step::Panic),
            list().prop_map(Step::Lock),
        ]
    });
    prop::collection::vec(step, 0..12)
}

/// The model: what all of it adds up to.
fn expected(steps: &[Step]) -> u64 {
    let of = |step: &Step| match step {
        Step::Add(number) => *number,
        Step::Yield | Step::Sleep(_) | Step::Wait => 0,
        Step::Spawn(list) | Step::Detach(list) | Step::Panic(list) | Step::Lock(list) => expected(list),
        Step::Scope(lists) => lists.iter().map(|list| expected(list)).sum(),
    };
    steps.iter().map(of).sum()
}

/// How many detached goroutines there are to hear of.
fn detached(steps: &[Step]) -> u64 {
    let of = |step: &Step| match step {
        Step::Detach(list) => 1 + detached(list),
        Step::Spawn(list) | Step::Panic(list) | Step::Lock(list) => detached(list),
        Step::Scope(lists) => lists.iter().map(|list| detached(list)).sum(),
        _ => 0,
    };
    steps.iter().map(of).sum()
}

/// What joined goroutines return is added up by their parents; the rest goes here.
#[derive(Default)]
struct Shared {
    sum: AtomicU64,
    ended: AtomicU64,
}

fn execute(steps: &[Step], shared: &Arc<Shared>) -> u64 {
    let mut sum = 0;
    let mut children = Vec::new();
    for step in steps {
        match step {
            Step::Add(number) => sum += number,
            Step::Yield => gander::yield_now(),
            Step::Sleep(micros) => gander::sleep(Duration::from_micros(*micros)),
            Step::Wait => {
                let me = gander::current();
                let waker = gander::spawn(move || me.unpark());
                gander::park();
                waker.join().unwrap();
            }
            Step::Spawn(list) => {
                let (list, shared) = (list.clone(), shared.clone());
                children.push(gander::spawn(move || execute(&list, &shared)));
            }
            Step::Detach(list) => {
                let (list, shared) = (list.clone(), shared.clone());
                gander::go(move || {
                    shared.sum.fetch_add(execute(&list, &shared), Ordering::Relaxed);
                    shared.ended.fetch_add(1, Ordering::Release);
                });
            }
            Step::Scope(lists) => {
                sum += gander::scope(|s| {
                    let all: Vec<_> = lists.iter().map(|list| s.spawn(|| execute(list, shared))).collect();
                    all.into_iter().map(|one| one.join().unwrap()).sum::<u64>()
                });
            }
            Step::Panic(list) => {
                let (list, shared) = (list.clone(), shared.clone());
                let child = gander::spawn(move || {
                    let value = execute(&list, &shared);
                    std::panic::resume_unwind(Box::new(value));
                });
                sum += *child.join().unwrap_err().downcast::<u64>().unwrap();
            }
            Step::Lock(list) => {
                gander::lock_os_thread();
                let here = common::tid();
                sum += execute(list, shared);
                assert_eq!(common::tid(), here);
                gander::unlock_os_thread();
            }
        }
    }
    sum + children.into_iter().map(|child| child.join().unwrap()).sum::<u64>()
}

/// Random programs on 1, 2 and 4 processors.
#[test]
fn random_programs() {
    let config =
        ProptestConfig { cases: scaled(100) as u32, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(program in steps())| {
        for procs in [1, 2, 4] {
            let shared = Arc::new(Shared::default());
            let sum = run_on(procs, || {
                let sum = execute(&program, &shared);
                let all = detached(&program);
                common::until(|| shared.ended.load(Ordering::Acquire) == all);
                sum
            });
            prop_assert_eq!(sum + shared.sum.load(Ordering::Relaxed), expected(&program));
        }
    });
}
