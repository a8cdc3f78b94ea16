//! All that may come of a program: the table at the top of `chan/src/lib.rs`, as plainly as it can be written.
//!
//! An operation is one step, or two: it comes and finds nothing ready, and waits; whoever makes it ready ends it. Steps
//! of different goroutines follow each other in any order, and all orders are tried. Those that wait are served in the
//! order in which they came to wait. What a program came to is remembered, so that no state is explored twice.

use std::collections::{HashSet, VecDeque};

use crate::program::{Arm, Op, Program, Seen, value};
use crate::runner::Outcome;

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// What each goroutine saw so far. None: it was not started.
    seen: Vec<Option<Vec<Seen>>>,
    /// Those that wait, the longest first.
    waiting: Vec<usize>,
    buffers: Vec<VecDeque<u16>>,
    is_closed: Vec<bool>,
    /// How many `Done`s the group waits for.
    missing: usize,
}

/// The legal outcomes; none: there are more than `most` states.
pub(crate) fn outcomes(program: &Program, most: usize) -> Option<HashSet<Outcome>> {
    let born = |g| program.is_there_from_the_beginning(g).then(Vec::new);
    let start = State {
        seen: (0..program.goroutines.len()).map(born).collect(),
        waiting: Vec::new(),
        buffers: vec![VecDeque::new(); program.capacities.len()],
        is_closed: vec![false; program.capacities.len()],
        missing: program.dones(),
    };
    let mut known = HashSet::from([start.clone()]);
    let mut open = vec![start];
    let mut ends = HashSet::new();
    while let Some(state) = open.pop() {
        let mut is_end = true;
        for g in 0..program.goroutines.len() {
            let Some(op) = state.next(program, g) else { continue };
            is_end = false;
            for next in (Step { program, state: &state, g }).take(op) {
                if known.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        if known.len() > most {
            return None;
        }
        if is_end {
            ends.insert(state.seen);
        }
    }
    Some(ends)
}

impl State {
    /// The operation that a goroutine is at, waiting or not.
    fn at<'p>(&self, program: &'p Program, g: usize) -> Option<&'p Op> {
        program.goroutines[g].get(self.seen[g].as_ref()?.len())
    }

    /// The operation that a goroutine can begin.
    fn next<'p>(&self, program: &'p Program, g: usize) -> Option<&'p Op> {
        let others_rest = || (0..program.goroutines.len()).all(|h| h == g || self.next(program, h).is_none());
        let can = |op: &&Op| !self.waiting.contains(&g) && (!matches!(op, Op::Settle) || others_rest());
        self.at(program, g).filter(can)
    }

    /// Ends the operation that a goroutine is at.
    fn ended(mut self, g: usize, seen: Seen) -> State {
        self.waiting.retain(|other| *other != g);
        self.seen[g].as_mut().expect("it was started").push(seen);
        self
    }

    fn value(&self, g: usize, arm: usize) -> u16 {
        value(g, self.seen[g].as_ref().map_or(0, Vec::len), arm)
    }
}

/// A goroutine's step.
struct Step<'a> {
    program: &'a Program,
    state: &'a State,
    g: usize,
}

impl Step<'_> {
    /// All states that it may lead to.
    fn take(&self, op: &Op) -> Vec<State> {
        let state = self.state.clone();
        match op {
            Op::Close(channel) => self.close(*channel),
            Op::Spawn(child) => {
                let is_first = state.seen[*child].is_none();
                let mut state = state.ended(self.g, Seen::Started(is_first));
                state.seen[*child].get_or_insert_default();
                vec![state]
            }
            Op::Done => vec![self.done()],
            Op::Wait if state.missing == 0 => vec![state.ended(self.g, Seen::Waited)],
            Op::Wait => vec![self.wait()],
            Op::Settle => vec![state.ended(self.g, Seen::Settled)],
            _ => {
                let ways: Vec<State> = (0..op.arms().len()).flat_map(|i| self.arm(i, op.arms()[i])).collect();
                match op {
                    _ if !ways.is_empty() => ways,
                    Op::Plain(_) | Op::Select(_) => vec![self.wait()],
                    _ => vec![state.ended(self.g, Seen::NotReady)],
                }
            }
        }
    }

    fn wait(&self) -> State {
        let mut state = self.state.clone();
        state.waiting.push(self.g);
        state
    }

    fn done(&self) -> State {
        let mut state = self.state.clone().ended(self.g, Seen::Counted);
        state.missing -= 1;
        if state.missing == 0 {
            for g in state.waiting.clone() {
                if matches!(state.at(self.program, g), Some(Op::Wait)) {
                    state = state.ended(g, Seen::Waited);
                }
            }
        }
        state
    }

    /// All who wait for the channel fail, each by any of its arms there.
    fn close(&self, channel: usize) -> Vec<State> {
        let was_open = !self.state.is_closed[channel];
        let mut closed = self.state.clone().ended(self.g, Seen::Closed(was_open));
        closed.is_closed[channel] = true;
        let mut ways = vec![closed];
        for g in &self.state.waiting {
            let arms = self.arms_of(*g, |arm| arm.channel() == channel);
            if arms.is_empty() {
                continue;
            }
            let failed = |(i, arm): &(usize, Arm)| match arm {
                Arm::Send(_) => Seen::Refused(*i),
                Arm::Recv(_) => Seen::Ended(*i),
            };
            let fail = |state: State| arms.iter().map(move |arm| state.clone().ended(*g, failed(arm)));
            ways = ways.into_iter().flat_map(fail).collect();
        }
        ways
    }

    /// The ways to do what an arm offers; none: it is not ready.
    fn arm(&self, i: usize, arm: Arm) -> Vec<State> {
        match arm {
            Arm::Send(channel) => self.send(i, channel),
            Arm::Recv(channel) => self.receive(i, channel),
        }
    }

    fn send(&self, i: usize, channel: usize) -> Vec<State> {
        let state = self.state.clone();
        let value = state.value(self.g, i);
        if state.is_closed[channel] {
            return vec![state.ended(self.g, Seen::Refused(i))];
        }
        if let Some((peer, arms)) = self.first(|arm| matches!(arm, Arm::Recv(c) if c == channel)) {
            let sent = state.ended(self.g, Seen::Sent(i));
            return arms.iter().map(|(j, _)| sent.clone().ended(peer, Seen::Got(*j, value))).collect();
        }
        if self.program.capacities[channel].is_none_or(|most| state.buffers[channel].len() < most) {
            let mut state = state.ended(self.g, Seen::Sent(i));
            state.buffers[channel].push_back(value);
            return vec![state];
        }
        Vec::new()
    }

    fn receive(&self, i: usize, channel: usize) -> Vec<State> {
        let mut state = self.state.clone();
        let sender = self.first(|arm| matches!(arm, Arm::Send(c) if c == channel));
        let buffered = state.buffers[channel].pop_front();
        match (buffered, sender) {
            (None, None) if state.is_closed[channel] => vec![state.ended(self.g, Seen::Ended(i))],
            (None, None) => Vec::new(),
            (Some(value), None) => vec![state.ended(self.g, Seen::Got(i, value))],
            (buffered, Some((peer, arms))) => {
                let pass = |(j, _): &(usize, Arm)| {
                    // The place that becomes free is for who waits longest.
                    let coming = self.state.value(peer, *j);
                    let mut state = state.clone().ended(peer, Seen::Sent(*j));
                    if buffered.is_some() {
                        state.buffers[channel].push_back(coming);
                    }
                    state.ended(self.g, Seen::Got(i, buffered.unwrap_or(coming)))
                };
                arms.iter().map(pass).collect()
            }
        }
    }

    /// Who waits longest with arms like these, and which of its arms they are.
    fn first(&self, fits: impl Fn(Arm) -> bool) -> Option<(usize, Vec<(usize, Arm)>)> {
        let with_arms = self.state.waiting.iter().map(|g| (*g, self.arms_of(*g, &fits)));
        with_arms.into_iter().find(|(_, arms)| !arms.is_empty())
    }

    fn arms_of(&self, g: usize, fits: impl Fn(Arm) -> bool) -> Vec<(usize, Arm)> {
        let op = self.state.at(self.program, g).expect("who waits is at an operation");
        op.arms().iter().copied().enumerate().filter(|(_, arm)| fits(*arm)).collect()
    }
}
