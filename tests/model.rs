//! Random channel programs on 1, 2 and 4 processors: what is seen is something that the rules allow.
//!
//! | file | what |
//! |---|---|
//! | `program.rs` | the programs: a few goroutines, a few channels, a few operations each |
//! | `rules.rs` | all that may come of one: every order of its steps, tried out |
//! | `runner.rs` | what comes of one on gander; goroutines that wait for ever included |
//!
//! `GANDER_MODEL_CASES` says how many programs are tried (200). With `GANDER_TEST_SLICE_US` they are preempted, too.

const SHARED: bool = false;

mod common;

#[path = "model/program.rs"]
mod program;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/runner.rs"]
mod runner;

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRng, TestRunner};

use program::{Arm, Op, Program, Seen, programs};
use rules::outcomes;
use runner::{Honesty, Outcome, execute};

/// Of programs with more states than this the rest is not explored: they are not tried.
const MOST_STATES: usize = 20_000;

fn config() -> ProptestConfig {
    let asked = std::env::var("GANDER_MODEL_CASES").ok();
    let cases = asked.map_or_else(
        || common::scaled(200) as u32,
        |text| text.parse().expect("GANDER_MODEL_CASES is a number of programs"),
    );
    ProptestConfig { cases, failure_persistence: None, max_global_rejects: 100_000, ..ProptestConfig::default() }
}

/// Runs the program a few times, each time with other pauses, and compares what is seen with what may be.
fn check(program: &Program, pauses: u64, procs: &[usize], honesty: Honesty) -> Result<(), TestCaseError> {
    let Some(legal) = outcomes(program, MOST_STATES) else {
        return Err(TestCaseError::reject("too many states"));
    };
    for &procs in procs {
        for pauses in [0, pauses, pauses.rotate_left(21)] {
            let seen = common::run_on(procs, || execute(program, pauses, honesty)).map_err(TestCaseError::fail)?;
            prop_assert!(
                legal.contains(&seen),
                "on {procs} processors, with pauses {pauses:#x}: {seen:?}\nlegal are {legal:#?}"
            );
        }
    }
    Ok(())
}

/// Semantics 3 to 10, 16 to 19, 31.
#[test]
fn random_channel_programs() {
    proptest!(config(), |(program in programs(), pauses: u64)| check(&program, pauses, &[1, 2, 4], Honesty::Honest)?);
}

/// The test can fail: where a send into a buffer loses its value, that is found, and a small program shows it.
#[test]
fn a_lost_value_is_found() {
    let rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig { cases: 2000, ..config() }, rng);
    let found = runner.run(&programs(), |program| check(&program, 0, &[1], Honesty::LosesBuffered));
    let Err(TestError::Fail(_, least)) = found else {
        panic!("lost values were not noticed: {found:?}");
    };
    let operations: usize = least.goroutines.iter().map(Vec::len).sum();
    assert!(operations <= 3, "not shrunk: {least:?}");
}

fn legal(program: &Program) -> Vec<Outcome> {
    let mut all: Vec<_> = outcomes(program, usize::MAX).unwrap().into_iter().collect();
    all.sort();
    all
}

fn program(capacities: &[Option<usize>], goroutines: &[&[Op]]) -> Program {
    Program { capacities: capacities.to_vec(), goroutines: goroutines.iter().map(|ops| ops.to_vec()).collect() }
}

const SEND: Op = Op::Plain(Arm::Send(0));
const RECV: Op = Op::Plain(Arm::Recv(0));
const TRY_SEND: Op = Op::Try(Arm::Send(0));
const TRY_RECV: Op = Op::Try(Arm::Recv(0));
const SENT: Seen = Seen::Sent(0);

/// Fails unless the rules allow exactly `expected`, and gander shows one of it.
#[track_caller]
fn expect(program: &Program, expected: &[&[&[Seen]]]) {
    let mut expected: Vec<Outcome> =
        expected.iter().map(|all| all.iter().map(|seen| Some(seen.to_vec())).collect()).collect();
    expected.sort();
    assert_eq!(legal(program), expected);
    for procs in [1, 2, 4] {
        let seen = common::run_on(procs, || execute(program, 0, Honesty::Honest)).unwrap();
        assert!(expected.contains(&seen), "{seen:?}");
    }
}

/// The value that goroutine `g` sends in its `k`-th operation.
fn value(g: usize, k: usize) -> u16 {
    program::value(g, k, 0)
}

/// The rules themselves, on programs whose outcomes can be told by hand. Semantics 8.
#[test]
fn a_rendezvous_and_who_waits_for_ever() {
    let rendezvous = program(&[Some(0)], &[&[SEND], &[RECV]]);
    expect(&rendezvous, &[&[&[SENT], &[Seen::Got(0, value(0, 0))]]]);

    let alone = program(&[Some(0)], &[&[RECV, SEND]]);
    expect(&alone, &[&[&[]]]);

    // One of two has nobody who takes its value.
    let crowd = program(&[Some(0)], &[&[SEND], &[SEND], &[RECV]]);
    expect(&crowd, &[&[&[SENT], &[], &[Seen::Got(0, value(0, 0))]], &[&[], &[SENT], &[Seen::Got(0, value(1, 0))]]]);
}

/// Semantics 4, 5, 7.
#[test]
fn values_stay_in_order_and_close_gives_them_back() {
    let order = program(&[Some(1)], &[&[SEND, SEND], &[RECV, RECV]]);
    expect(&order, &[&[&[SENT, SENT], &[Seen::Got(0, value(0, 0)), Seen::Got(0, value(0, 1))]]]);

    let closed = program(&[Some(0)], &[&[SEND], &[Op::Close(0), Op::Close(0), RECV]]);
    expect(&closed, &[&[&[Seen::Refused(0)], &[Seen::Closed(true), Seen::Closed(false), Seen::Ended(0)]]]);

    // What is in the buffer outlives the close.
    let drained = program(&[None], &[&[SEND, Op::Close(0), TRY_SEND, RECV, TRY_RECV]]);
    expect(
        &drained,
        &[&[&[SENT, Seen::Closed(true), Seen::Refused(0), Seen::Got(0, value(0, 0)), Seen::Ended(0)]]],
    );
}

#[test]
fn tries_see_one_order() {
    let buffered = program(&[Some(1)], &[&[TRY_SEND, TRY_SEND], &[TRY_RECV]]);
    let (first, refused) = (Seen::Got(0, value(0, 0)), Seen::NotReady);
    expect(
        &buffered,
        &[&[&[SENT, SENT], &[first]], &[&[SENT, refused], &[first]], &[&[SENT, refused], &[refused]]],
    );
    // Nobody waits, so nothing can pass.
    let tries = program(&[Some(0)], &[&[TRY_SEND], &[TRY_RECV]]);
    expect(&tries, &[&[&[refused], &[refused]]]);
}

/// Semantics 9.
#[test]
fn selects_take_any_ready_arm() {
    let both = Op::Select(vec![Arm::Recv(0), Arm::Recv(1), Arm::Send(2)]);
    let ready = program(&[Some(1), Some(1), Some(0)], &[&[SEND, both.clone()]]);
    expect(&ready, &[&[&[SENT, Seen::Got(0, value(0, 0))]]]);

    let closed = program(&[Some(1), Some(1), Some(0)], &[&[SEND, Op::Close(2), both]]);
    let (sent, shut) = (SENT, Seen::Closed(true));
    expect(&closed, &[&[&[sent, shut, Seen::Got(0, value(0, 0))]], &[&[sent, shut, Seen::Refused(2)]]]);

    // Never with itself; and with `default` it does not wait.
    let itself = vec![Arm::Send(0), Arm::Recv(0)];
    expect(&program(&[Some(0)], &[&[Op::Select(itself.clone())]]), &[&[&[]]]);
    expect(&program(&[Some(0)], &[&[Op::TrySelect(itself)]]), &[&[&[Seen::NotReady]]]);
}

/// Semantics 7: nobody who waits is overtaken, neither by others that wait nor by who comes when there is something.
#[test]
fn who_waits_longest_is_served_first() {
    let (settled, started) = (Seen::Settled, Seen::Started(true));
    let receivers =
        program(&[Some(0)], &[&[Op::Settle, Op::Spawn(2), Op::Settle, SEND, TRY_RECV], &[RECV], &[RECV]]);
    let first = [settled, started, settled, SENT, Seen::NotReady];
    expect(&receivers, &[&[&first, &[Seen::Got(0, value(0, 3))], &[]]]);

    let senders = program(&[Some(0)], &[&[Op::Settle, Op::Spawn(2), Op::Settle, RECV, TRY_RECV], &[SEND], &[SEND]]);
    let both = [settled, started, settled, Seen::Got(0, value(1, 0)), Seen::Got(0, value(2, 0))];
    expect(&senders, &[&[&both, &[SENT], &[SENT]]]);

    // The place that becomes free is for who waits.
    let full = program(&[Some(1)], &[&[Op::Settle, TRY_RECV, TRY_SEND, TRY_RECV], &[SEND, SEND]]);
    let (one, two) = (Seen::Got(0, value(1, 0)), Seen::Got(0, value(1, 1)));
    expect(&full, &[&[&[settled, one, Seen::NotReady, two], &[SENT, SENT]]]);
}

#[test]
fn groups_and_children() {
    let group = program(&[Some(1)], &[&[Op::Wait, RECV], &[SEND, Op::Done]]);
    expect(&group, &[&[&[Seen::Waited, Seen::Got(0, value(1, 0))], &[SENT, Seen::Counted]]]);

    // Only who calls first starts it.
    let child = program(&[Some(1)], &[&[Op::Spawn(1), Op::Spawn(1), RECV], &[SEND]]);
    expect(&child, &[&[&[Seen::Started(true), Seen::Started(false), Seen::Got(0, value(1, 0))], &[SENT]]]);

    // One that nobody can start.
    let orphan = program(&[Some(0)], &[&[RECV], &[Op::Spawn(1), SEND]]);
    assert_eq!(legal(&orphan), [vec![Some(vec![]), None]]);
    assert_eq!(common::run(|| execute(&orphan, 0, Honesty::Honest)).unwrap(), [Some(vec![]), None]);
}

/// What is not legal is told from what is.
#[test]
fn wrong_outcomes_are_not_legal() {
    let order = program(&[Some(2)], &[&[SEND, SEND], &[RECV, RECV]]);
    let got = |k| Seen::Got(0, value(0, k));
    let outcome = |received: &[Seen]| vec![Some(vec![SENT, SENT]), Some(received.to_vec())];
    let legal = outcomes(&order, usize::MAX).unwrap();
    assert!(legal.contains(&outcome(&[got(0), got(1)])));
    for wrong in [&[got(1), got(0)][..], &[got(0), got(0)], &[got(0)], &[], &[got(0), Seen::Ended(0)]] {
        assert!(!legal.contains(&outcome(wrong)), "{wrong:?}");
    }
}
