//! How a task stands in line: the one place where anything in this room waits, with a deadline, a signal, or without.
//!
//! A node lies in the frame of the task that waits; a [`Line`] links nodes, and lies in what they wait for, under a
//! lock:
//!
//! ```text
//!   Lock<Line>   first ─► node ⇄ node ⇄ node ◄─ last       in order of arrival
//! ```
//!
//! * Links are read and written under the lock of the line, and nowhere else.
//! * A node in a line is alive: its owner comes to rest before it lets go of the lock, and takes the lock again to take
//!   the node out before its frame goes on without having been woken.
//! * Whoever takes a node out and wins its claim (or finds that it needs none) is the only one that ends the wait: a
//!   [`Waiter`]. A node whose claim the clock or a signal has won is taken out and forgotten.
//!
//! So a wake-up is never spent on somebody who has given up, and nobody who was woken believes that the time was up.

#![allow(unsafe_code, reason = "nodes lie on the stacks of waiting tasks and are linked by address")]

use std::ptr::{self, null_mut};

use crate::door::{Claim, Guard, Signal, Task, WaitPlace, WaitReason, rest, task, waiting_at};

/// When a task gives up that nobody wakes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until<'a> {
    /// On the clock of [`now`](gander_runtime::timer::now).
    pub(crate) deadline: u64,
    /// Or when this fires.
    pub(crate) signal: Option<&'a Signal>,
}

impl<'a> Until<'a> {
    /// It does not.
    pub(crate) const WOKEN: Until<'static> = Until { deadline: u64::MAX, signal: None };

    pub(crate) fn deadline(deadline: u64) -> Until<'static> {
        Until { deadline, signal: None }
    }

    pub(crate) fn signal(signal: Option<&'a Signal>) -> Until<'a> {
        Until { deadline: u64::MAX, signal }
    }

    /// Whether it waits for as long as it takes.
    pub(crate) fn is_woken_only(self) -> bool {
        self.deadline == u64::MAX && self.signal.is_none()
    }

    /// Whether it is to give up now, when the clock shows `now`.
    pub(crate) fn is_over(self, now: u64) -> bool {
        self.signal.is_some_and(Signal::is_fired) || (self.deadline != u64::MAX && now >= self.deadline)
    }
}

/// What a wake-up claims with.
const WOKEN: usize = 1;

/// A place in a line.
#[derive(Debug)]
struct Node {
    prev: *mut Node,
    next: *mut Node,
    /// The line it stands in, or null.
    home: *const Line,
    task: Task,
    /// Who may end the wait; null if only who takes the node out can.
    claim: *const Claim,
    /// What it asks for, in the words of its line.
    ask: u64,
    /// What it was given, likewise.
    gift: bool,
}

/// Tasks in order of arrival. Nothing moves it while somebody stands in it.
#[derive(Debug)]
pub(crate) struct Line {
    first: *mut Node,
    last: *mut Node,
}

// SAFETY: a line owns the links of its nodes, wherever they lie; it is used under a lock.
unsafe impl Send for Line {}

/// Where a newcomer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    Last,
}

/// How a wait ended.
#[derive(Debug)]
#[must_use]
pub(crate) enum End<'a, S> {
    /// By a wake-up, with this gift.
    Woken(bool),
    /// By the clock or a signal. The task is out of the line, whose lock is held.
    GivenUp(Guard<'a, S>),
}

/// Stands in `line` of what is locked until woken, or `until` it gives up, asking for `ask`. `at` is for those who look
/// what everybody waits for.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread. The lock is let go meanwhile.
#[inline(never)]
pub(crate) fn stand<'a, S>(
    mut guard: Guard<'a, S>,
    line: fn(&mut S) -> &mut Line,
    place: Place,
    ask: u64,
    (reason, at): (WaitReason, WaitPlace),
    until: Until<'_>,
) -> End<'a, S> {
    let claim = Claim::new();
    let needed = if until.is_woken_only() { ptr::null() } else { &raw const claim };
    let mut node = Node {
        prev: null_mut(),
        next: null_mut(),
        home: ptr::null(),
        task: task(&claim),
        claim: needed,
        ask,
        gift: false,
    };
    let node = &raw mut node;
    // SAFETY: node and claim stay in place until the wait is over: this frame rests, and if another has ended
    // the wait than who takes the node out, it leaves the line below. Nobody sees the node before we rest, for the lock is let go from the far
    // side. Only a `Waiter` readies us, of which there is one, and who has won the claim if others compete.
    unsafe {
        line(&mut guard).insert(node, place);
        let (winner, lock) = waiting_at(at, || rest(reason, until, &claim, guard));
        if winner == Claim::TIMEOUT || winner == Claim::CANCELLED {
            let mut guard = lock.lock();
            line(&mut guard).remove(node);
            return End::GivenUp(guard);
        }
        // By address, since it was written by address.
        End::Woken((*node).gift)
    }
}

impl Line {
    pub(crate) const fn new() -> Line {
        Line { first: null_mut(), last: null_mut() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// What the first asks for. It may have given up meanwhile.
    pub(crate) fn first_ask(&self) -> Option<u64> {
        // SAFETY: a node in the line is alive while the lock over the line is held.
        unsafe { self.first.as_ref() }.map(|node| node.ask)
    }

    /// # Safety
    ///
    /// `node` is in no line, and stays in place and untouched until it has left this one. Its task comes to rest before
    /// the lock over this line is let go.
    unsafe fn insert(&mut self, node: *mut Node, place: Place) {
        // SAFETY: by contract; nodes in the line are alive.
        unsafe {
            let (prev, next) = match place {
                Place::First => (null_mut(), self.first),
                Place::Last => (self.last, null_mut()),
            };
            (*node).prev = prev;
            (*node).next = next;
            (*node).home = self;
            *self.link_after(prev) = node;
            *self.link_before(next) = node;
        }
    }

    /// Takes `node` out if it stands here.
    ///
    /// # Safety
    ///
    /// `node` is alive, and in this line or in none.
    unsafe fn remove(&mut self, node: *mut Node) {
        // SAFETY: by contract; nodes in the line are alive.
        unsafe {
            if (*node).home.is_null() {
                return;
            }
            let (prev, next) = ((*node).prev, (*node).next);
            *self.link_after(prev) = next;
            *self.link_before(next) = prev;
            (*node).home = ptr::null();
        }
    }

    /// The link that leads on from `prev`, or from the line's beginning.
    ///
    /// # Safety
    ///
    /// `prev` is null or in this line.
    unsafe fn link_after(&mut self, prev: *mut Node) -> &mut *mut Node {
        // SAFETY: by contract.
        unsafe { if prev.is_null() { &mut self.first } else { &mut (*prev).next } }
    }

    /// The link that leads back from `next`, or from the line's end.
    ///
    /// # Safety
    ///
    /// `next` is null or in this line.
    unsafe fn link_before(&mut self, next: *mut Node) -> &mut *mut Node {
        // SAFETY: by contract.
        unsafe { if next.is_null() { &mut self.last } else { &mut (*next).prev } }
    }

    /// Takes the first out and ends its wait; none if it has given up meanwhile, or if there is none.
    fn take_first(&mut self) -> Option<Waiter> {
        let node = self.first;
        if node.is_null() {
            return None;
        }
        // SAFETY: a node in the line is alive, and stays so while we hold the lock. Its claim lies in the same frame.
        unsafe {
            self.remove(node);
            let ours = (*node).claim.is_null() || (*(*node).claim).claim(WOKEN);
            ours.then_some(Waiter { node })
        }
    }

    /// Takes out the first whose wait may still be ended, and ends it; those before it are forgotten.
    pub(crate) fn pop(&mut self) -> Option<Waiter> {
        while !self.is_empty() {
            if let Some(waiter) = self.take_first() {
                return Some(waiter);
            }
        }
        None
    }

    /// [`pop`](Self::pop), if the first asks for no more than `most`. Returns what it asked for, too.
    pub(crate) fn pop_within(&mut self, most: u64) -> Option<(u64, Waiter)> {
        while let Some(ask) = self.first_ask().filter(|ask| *ask <= most) {
            if let Some(waiter) = self.take_first() {
                return Some((ask, waiter));
            }
        }
        None
    }

    /// Takes out all and ends their waits, in order of arrival.
    pub(crate) fn pop_all(&mut self, woken: &mut Woken) -> usize {
        let mut count = 0;
        while let Some(waiter) = self.pop() {
            woken.push(waiter);
            count += 1;
        }
        count
    }
}

/// A node out of its line whose wait is ours to end: its task is readied once, when the lock is let go.
#[derive(Debug)]
#[must_use = "the task would wait for ever"]
pub(crate) struct Waiter {
    node: *mut Node,
}

impl Waiter {
    /// What it asked for.
    pub(crate) fn ask(&self) -> u64 {
        // SAFETY: the node is alive until readied.
        unsafe { (*self.node).ask }
    }

    /// Gives it a gift, and returns its task, to be readied.
    pub(crate) fn wake(self, gift: bool) -> Task {
        // SAFETY: the node is alive until readied. The task is copied out: after its ready there is no node.
        unsafe {
            (*self.node).gift = gift;
            (*self.node).task
        }
    }

    /// Wakes it, when the lock has been let go.
    pub(crate) fn unlock_and_wake<S>(self, guard: Guard<'_, S>, gift: bool) {
        let task = self.wake(gift);
        // SAFETY: it waits, and we have won its wait (`Line::take_first`) and ready it once.
        unsafe { Guard::unlock_and_ready(guard, task) }
    }
}

/// Tasks whose wait has been ended, linked by `next`, to be readied when the lock is let go.
#[derive(Debug)]
#[must_use = "the tasks would wait for ever"]
pub(crate) struct Woken {
    first: *mut Node,
    last: *mut Node,
}

impl Woken {
    pub(crate) const fn new() -> Woken {
        Woken { first: null_mut(), last: null_mut() }
    }

    pub(crate) fn push(&mut self, waiter: Waiter) {
        let node = waiter.node;
        // SAFETY: each node here is alive until readied, and in no line, so its link is ours.
        unsafe {
            (*node).next = null_mut();
            if self.last.is_null() {
                self.first = node;
            } else {
                (*self.last).next = node;
            }
        }
        self.last = node;
    }

    /// Readies all, in the order in which they came. No lock is held.
    pub(crate) fn ready(self) {
        let mut node = self.first;
        while !node.is_null() {
            // SAFETY: the node is alive until readied; what we need of it is read before.
            let (task, next) = unsafe { ((*node).task, (*node).next) };
            // SAFETY: it waits, and we have won its wait (`Line::take_first`) and ready it once.
            unsafe { task.ready() };
            node = next;
        }
    }
}
