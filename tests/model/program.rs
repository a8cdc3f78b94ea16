//! The programs, and what their goroutines see.

use proptest::prelude::*;

/// A few channels, a group that waits for all `Done`s of the program, and a few goroutines.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// None: unbounded.
    pub(crate) capacities: Vec<Option<usize>>,
    /// Those that nobody spawns, and the first in any case, are there from the beginning.
    pub(crate) goroutines: Vec<Vec<Op>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Plain(Arm),
    Try(Arm),
    /// With nothing ready it waits.
    Select(Vec<Arm>),
    /// With nothing ready it goes on.
    TrySelect(Vec<Arm>),
    Close(usize),
    /// Starts this goroutine, if it has not been started.
    Spawn(usize),
    Done,
    Wait,
    /// Of the first goroutine only: goes on when no other can. So the order in which others come to wait is known.
    Settle,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Arm {
    Send(usize),
    Recv(usize),
}

/// What came of an operation. The first number is that of the arm, of several in a select.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Seen {
    Sent(usize),
    /// The channel is closed; the value came back.
    Refused(usize),
    Got(usize, u16),
    /// The channel is closed and empty.
    Ended(usize),
    NotReady,
    Closed(bool),
    Started(bool),
    Counted,
    Waited,
    Settled,
}

/// The value that this arm of this operation of this goroutine sends: each has its own.
pub(crate) fn value(goroutine: usize, operation: usize, arm: usize) -> u16 {
    (goroutine * 100 + operation * 10 + arm) as u16
}

impl Arm {
    pub(crate) fn channel(self) -> usize {
        match self {
            Arm::Send(channel) | Arm::Recv(channel) => channel,
        }
    }
}

impl Op {
    /// What it offers the channels to do.
    pub(crate) fn arms(&self) -> &[Arm] {
        match self {
            Op::Plain(arm) | Op::Try(arm) => std::slice::from_ref(arm),
            Op::Select(arms) | Op::TrySelect(arms) => arms,
            Op::Close(_) | Op::Spawn(_) | Op::Done | Op::Wait | Op::Settle => &[],
        }
    }
}

impl Program {
    pub(crate) fn is_there_from_the_beginning(&self, goroutine: usize) -> bool {
        let mut all = self.goroutines.iter().flatten();
        goroutine == 0 || !all.any(|op| matches!(op, Op::Spawn(child) if *child == goroutine))
    }

    /// How many `Done`s the group waits for.
    pub(crate) fn dones(&self) -> usize {
        self.goroutines.iter().flatten().filter(|op| matches!(op, Op::Done)).count()
    }

    /// Numbers of channels and goroutines that there are, and one goroutine that settles.
    fn within(mut self) -> Program {
        let (channels, goroutines) = (self.capacities.len(), self.goroutines.len());
        let fit = |arm: &mut Arm| match arm {
            Arm::Send(channel) | Arm::Recv(channel) => *channel %= channels,
        };
        for ops in &mut self.goroutines[1..] {
            ops.retain(|op| !matches!(op, Op::Settle));
        }
        for op in self.goroutines.iter_mut().flatten() {
            match op {
                Op::Plain(arm) | Op::Try(arm) => fit(arm),
                Op::Select(arms) | Op::TrySelect(arms) => arms.iter_mut().for_each(fit),
                Op::Close(channel) => *channel %= channels,
                Op::Spawn(child) => *child %= goroutines,
                Op::Done | Op::Wait | Op::Settle => {}
            }
        }
        self.without_known_gap()
    }

    /// A sender that waits in a select for a place in a full buffer is promised the place that becomes free, and fills
    /// it when it runs again. Until then tries find neither a value nor room, and who waits behind it may be faster: not
    /// what the rules say. Programs that can tell are changed: that arm receives.
    fn without_known_gap(mut self) -> Program {
        let all = || self.goroutines.iter().flatten();
        let settles = all().any(|op| matches!(op, Op::Settle));
        let tries = all().filter(|op| matches!(op, Op::Try(_) | Op::TrySelect(_)));
        let tried: Vec<usize> = tries.flat_map(Op::arms).map(|arm| arm.channel()).collect();
        for op in self.goroutines.iter_mut().flatten() {
            let Op::Select(arms) = op else { continue };
            for arm in arms {
                let channel = arm.channel();
                let has_places = self.capacities[channel].is_some_and(|most| most > 0);
                if has_places && (settles || tried.contains(&channel)) {
                    *arm = Arm::Recv(channel);
                }
            }
        }
        self
    }
}

fn arm() -> impl Strategy<Value = Arm> {
    prop_oneof![(0..3usize).prop_map(Arm::Send), (0..3usize).prop_map(Arm::Recv)]
}

fn op() -> impl Strategy<Value = Op> {
    let arms = || prop::collection::vec(arm(), 1..4);
    prop_oneof![
        8 => arm().prop_map(Op::Plain),
        3 => arm().prop_map(Op::Try),
        5 => arms().prop_map(Op::Select),
        2 => arms().prop_map(Op::TrySelect),
        2 => (0..3usize).prop_map(Op::Close),
        1 => (1..4usize).prop_map(Op::Spawn),
        1 => Just(Op::Done),
        1 => Just(Op::Wait),
        3 => Just(Op::Settle),
    ]
}

pub(crate) fn programs() -> impl Strategy<Value = Program> {
    let capacity = prop_oneof![3 => Just(Some(0)), 2 => Just(Some(1)), 1 => Just(Some(2)), 1 => Just(None)];
    let goroutine = prop::collection::vec(op(), 0..5);
    (prop::collection::vec(capacity, 1..4), prop::collection::vec(goroutine, 1..5))
        .prop_map(|(capacities, goroutines)| Program { capacities, goroutines }.within())
}
