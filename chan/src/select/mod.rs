//! Choosing among several channels: exactly one operation happens.
//!
//! # How
//!
//! 1. *Look*, without any lock. Of the operations that seem ready one is drawn and tried, as if it were alone: one
//!    lock. That it is done is enough: at that moment it was ready. Only "nothing is ready" says something about all
//!    channels at once.
//! 2. So if nothing was found, *lock* all channels, each once, in the order of their addresses: two selects that share
//!    channels cannot wait for each other in a circle. Now nothing changes. Draw among those that are ready; if there
//!    are none this is the moment at which nothing was, and `default` may be taken.
//! 3. Else *stand in line* at all, with a node for each operation and one [`Claim`] for all. The locks are let go when
//!    the task is at rest. Whoever pops a node must win the claim before the wait is theirs to end: another channel,
//!    the clock or a close may have won it. So exactly one does.
//! 4. *Leave* the other lines, one lock at a time. The locks also assure that whoever let them go for us is done with
//!    our frame: it reads there which lock comes next. Only the lock of the winning channel need not be taken, if no
//!    other operation is on it: its partner had it after it was let go.
//!
//! crossbeam-channel registers with one channel after the other, looks at all again, and withdraws when one has become
//! ready meanwhile; two selects that face each other may withdraw many times, and a default may be taken although
//! at each moment something was ready. Holding all locks costs as many atomic exchanges as there are channels, in
//! the case that is slow anyway, and is easy to be sure of.
//!
//! # Sends
//!
//! The value of a send is made when the send has been chosen: a send that is not chosen leaves it where it is. So a
//! select that waits offers a *promise*, and whoever takes it up waits, in turn, until the value is there or the promise
//! broken (by a panic on the way): then things are as if it had not been (`wait.rs`). What is promised to the
//! select itself, a waiting receiver or a place in the buffer, nobody else can take meanwhile.
//!
//! A receive needs no second step. Its value is moved out when it is chosen.

#![allow(unsafe_code, reason = "a task stands in many lines with nodes that lie in its frame")]

mod arm;
mod dynamic;
mod grammar;
pub mod internal;
mod operation;
mod parcel;
mod random;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gander_runtime::lock::Guard;
use gander_runtime::timer::{deadline_after, deadline_at, now};
use gander_runtime::{Claim, Task, WaitReason, wait_until};

pub use dynamic::Select;
pub use operation::SelectedOperation;

use crate::clock::NEVER;
use crate::park::await_promise;
use crate::wait::{Node, Outcome};
use arm::{Arm, Step};
use operation::Deal;

/// Which of the operations that are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Any, each with the same chance.
    Any,
    /// The first.
    First,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    None,
    For(Duration),
    Until(Instant),
    Endless,
}

impl Patience {
    /// On the runtime's clock. None: there is no time at all.
    fn deadline(self) -> Option<u64> {
        match self {
            Patience::None => None,
            Patience::For(timeout) => (!timeout.is_zero()).then(|| deadline_after(timeout)),
            Patience::Until(deadline) => Some(deadline_at(deadline)).filter(|deadline| now() < *deadline),
            Patience::Endless => Some(NEVER),
        }
    }
}

/// What is wanted: to have one operation done, or only to know of one that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    Operate,
    Watch,
}

/// What came of a try.
#[derive(Debug)]
enum Try {
    /// The operation at this position in the arms is done, or has been promised what it needs. No lock is held.
    Found(usize, Deal),
    /// No operation is ready. The locks are still held.
    Nothing,
    /// Things have changed. No lock is held.
    Again,
}

/// Does one of the operations, or learns which is ready, and says at which position in the arms it stands now. None:
/// the time is up.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread.
pub(crate) fn choose(
    arms: &mut [Arm<'_, '_>],
    choice: Choice,
    aim: Aim,
    patience: Patience,
) -> Option<(usize, Deal)> {
    if let Some(found) = glance(arms, choice, aim) {
        return Some(found);
    }
    if let ([arm], Patience::None) = (&*arms, patience)
        && arm.is_surely_waiting()
    {
        return None;
    }
    sort(arms, choice);
    let deadline = patience.deadline();
    loop {
        lock_all(arms);
        // SAFETY: they are sorted, and all are locked.
        match unsafe { try_locked(arms, choice, aim) } {
            Try::Found(position, deal) => return Some((position, deal)),
            Try::Again => continue,
            Try::Nothing => {}
        }
        let Some(deadline) = deadline else {
            // SAFETY: as above.
            unsafe { unlock_all(arms, None) };
            return None;
        };
        // SAFETY: as above, and no operation is ready.
        match unsafe { stand(arms, aim, deadline) } {
            Try::Found(position, deal) => return Some((position, deal)),
            Try::Again => {}
            Try::Nothing => return None,
        }
    }
}

/// Looks without locks, and tries one of the operations that seem ready.
fn glance(arms: &mut [Arm<'_, '_>], choice: Choice, aim: Aim) -> Option<(usize, Deal)> {
    let position = draw(arms, choice, |arm| arm.looks_ready())?;
    let alone = std::slice::from_mut(&mut arms[position]);
    lock_all(alone);
    // SAFETY: it is locked.
    unsafe {
        match try_locked(alone, choice, aim) {
            Try::Found(_, deal) => Some((position, deal)),
            Try::Nothing => {
                unlock_all(alone, None);
                None
            }
            Try::Again => None,
        }
    }
}

/// The position of one of the arms of which `is_ready` is true.
#[inline]
fn draw(arms: &[Arm<'_, '_>], choice: Choice, is_ready: impl Fn(&Arm<'_, '_>) -> bool) -> Option<usize> {
    let mut drawn: Option<usize> = None;
    let mut ready = 0;
    for (position, arm) in arms.iter().enumerate().filter(|(_, arm)| is_ready(arm)) {
        ready += 1;
        let replaces = match (drawn, choice) {
            (None, _) => true,
            (Some(first), Choice::First) => arm.index < arms[first].index,
            // The k-th replaces what was drawn with a chance of 1 in k: then each has had the same.
            (Some(_), Choice::Any) => random::below(ready) == 0,
        };
        if replaces {
            drawn = Some(position);
        }
    }
    drawn
}

/// Sorts by the addresses of channels. Those on one channel stand in its line one behind the other, and who comes takes
/// the first: so they are in the order of the program or in any, as the choice asks.
fn sort(arms: &mut [Arm<'_, '_>], choice: Choice) {
    arms.sort_unstable_by_key(|arm| (arm.address(), arm.index));
    if choice == Choice::First {
        return;
    }
    for group in arms.chunk_by_mut(|a, b| a.address() == b.address()) {
        for last in (1..group.len()).rev() {
            group.swap(last, random::below(last as u32 + 1) as usize);
        }
    }
}

/// The arms with a channel that the one before has not: one for each lock.
fn locks<'s, 'h, 'c>(arms: &'s [Arm<'h, 'c>]) -> impl DoubleEndedIterator<Item = &'s Arm<'h, 'c>> {
    let is_first = |position: usize| position == 0 || arms[position - 1].address() != arms[position].address();
    arms.iter().enumerate().filter(move |(position, _)| is_first(*position)).map(|(_, arm)| arm)
}

/// Takes the locks of all, which are sorted.
fn lock_all(arms: &[Arm<'_, '_>]) {
    for arm in locks(arms) {
        Guard::leak(arm.core().lock.lock());
    }
}

/// Lets the locks of all go, and then readies `task`.
///
/// # Safety
///
/// `lock_all` has taken them. As [`Task::ready`].
unsafe fn unlock_all(arms: &[Arm<'_, '_>], task: Option<Task>) {
    let mut locks = locks(arms);
    let last = locks.next_back();
    for arm in locks {
        // SAFETY: by contract.
        drop(unsafe { arm.core().lock.held() });
    }
    let Some(last) = last else { return };
    // SAFETY: by contract.
    unsafe {
        let guard = last.core().lock.held();
        match task {
            Some(task) => Guard::unlock_and_ready(guard, task),
            None => drop(guard),
        }
    }
}

/// Does one of the operations if one is ready.
///
/// # Safety
///
/// The arms are sorted, and `lock_all` has taken their locks.
unsafe fn try_locked(arms: &mut [Arm<'_, '_>], choice: Choice, aim: Aim) -> Try {
    // Who seemed ready may be lost to others: then it is gone from its line, and does not seem so again.
    // SAFETY: all are locked.
    while let Some(position) = draw(arms, choice, |arm| unsafe { arm.is_ready() }) {
        if aim == Aim::Watch {
            // SAFETY: by contract.
            unsafe { unlock_all(arms, None) };
            return Try::Found(position, Deal::Ready);
        }
        // SAFETY: all are locked; a task that comes with the step is ours to ready.
        unsafe {
            let deal = match arms[position].step() {
                Step::Lost => continue,
                Step::Done(deal, task) => {
                    unlock_all(arms, task);
                    deal
                }
                Step::Freed(block) => {
                    unlock_all(arms, None);
                    drop(block);
                    Deal::Received
                }
                Step::Promised(sender) => {
                    // The sender comes back with the lock of its channel, which is the last that we let go.
                    let (address, place) = (arms[position].address(), arms[position].place());
                    for arm in locks(arms).filter(|arm| arm.address() != address) {
                        drop(arm.core().lock.held());
                    }
                    let last = arms[position].core().lock.raw();
                    if !await_promise(sender, place, || last.unlock_handed_over()) {
                        return Try::Again;
                    }
                    Deal::Received
                }
            };
            return Try::Found(position, deal);
        }
    }
    Try::Nothing
}

/// Stands in line at all channels until one of the operations is done, or time is up ([`Try::Nothing`]). No lock is
/// held afterwards.
///
/// # Safety
///
/// The arms are sorted, `lock_all` has taken their locks, and no operation is ready.
#[inline(always)]
unsafe fn stand(arms: &mut [Arm<'_, '_>], aim: Aim, deadline: u64) -> Try {
    let (task, claim) = (Task::current(), Claim::new());
    let mut alarm = deadline;
    if aim == Aim::Operate {
        // Who watches sees a partner in us. Before any of our nodes is there: it could be taken for one of theirs.
        for arm in &*arms {
            // SAFETY: by contract.
            unsafe { arm.wake_watchers() };
        }
    }
    let (first, len) = (arms.as_mut_ptr(), arms.len());
    for position in 0..len {
        // SAFETY: by contract; the nodes stay in place and untouched until `leave` has taken them out of their lines,
        // and we come to rest before the locks are let go.
        unsafe {
            let arm = first.add(position);
            let case = position + 1;
            (*arm).node.write(match aim {
                Aim::Operate => Node::claimed(task, (*arm).place(), &raw const claim, case),
                Aim::Watch => Node::watching(task, &raw const claim, case),
            });
            alarm = alarm.min((*arm).core().due.load(Ordering::Relaxed));
            Arm::queue(arm);
        }
    }
    // SAFETY: whoever readies us has won the claim. The arms outlast the release: see there.
    let winner = unsafe { wait_until(WaitReason::Select, alarm, &claim, move || unlock_handed_over(first, len)) };
    // SAFETY: they have been queued above.
    unsafe { leave(first, len, winner) };
    if winner == Claim::TIMEOUT {
        return if alarm == deadline { Try::Nothing } else { Try::Again };
    }
    let position = winner - 1;
    // SAFETY: the wait of this node is over, and the others are out of their lines.
    unsafe {
        let node = (&raw const (*first.add(position)).node).cast::<Node>();
        let deal = match Node::outcome(node) {
            Outcome::Moved => Deal::Received,
            Outcome::Closed => Deal::Closed,
            Outcome::Owes => Deal::Owes(Node::creditor(node)),
            Outcome::HasPlace => Deal::HasPlace,
            Outcome::Waiting | Outcome::Watching | Outcome::Changed => return Try::Again,
            // Those are of futures.
            Outcome::Left | Outcome::CameBack => return Try::Again,
        };
        Try::Found(position, deal)
    }
}

/// Lets the locks of all go on behalf of a task that has come to rest.
///
/// # Safety
///
/// The arms at `first` are sorted and their locks were handed over. Once a lock is free the
/// task may be woken; it keeps its arms where they are until all have been free ([`leave`]).
unsafe fn unlock_handed_over(first: *const Arm<'_, '_>, len: usize) {
    if len == 0 {
        return;
    }
    // SAFETY: each arm is read before the last lock is let go, and only what nobody writes any more.
    unsafe {
        let mut core = (*first).core;
        for position in 1..len {
            let next = (*first.add(position)).core;
            if next != core {
                core.as_ref().lock.raw().unlock_handed_over();
                core = next;
            }
        }
        core.as_ref().lock.raw().unlock_handed_over();
    }
}

/// Takes the nodes out of the lines that they still stand in, once the wait is over.
///
/// The lock of the winner's channel is left alone if no other arm is on it. Whoever won had it, so it has been let go
/// for us; and those that were let go after it are taken here, so whoever let them go is done with the arms.
///
/// # Safety
///
/// The arms at `first` are sorted and were queued by the caller.
unsafe fn leave(first: *mut Arm<'_, '_>, len: usize, winner: usize) {
    let mut position = 0;
    while position < len {
        let begin = position;
        // SAFETY: the arms are ours, but for the nodes that are still in line: those are touched under the lock.
        unsafe {
            let core = (*first.add(begin)).core;
            while position < len && (*first.add(position)).core == core {
                position += 1;
            }
            if position == begin + 1 && winner == position {
                continue;
            }
            let mut lines = core.as_ref().lock.lock();
            for at in begin..position {
                Arm::unqueue(first.add(at), &mut lines);
            }
        }
    }
}
