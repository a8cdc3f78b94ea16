//! How a task stands in line: the wait node and the queue of nodes.
//!
//! A node lies in the frame of the task that waits, and its address stands in a queue of the channel:
//!
//! ```text
//!   queue.first ─► node ⇄ node ⇄ node ─┐      in order of arrival, linked in a ring: the last is first.prev
//!                   ▲──────────────────┘
//! ```
//!
//! * Links are read and written under the lock of the queue's channel, and nowhere else.
//! * A node in a queue is alive: its owner has come to rest before the lock was let go, and takes the lock to take
//!   the node out before its frame goes on without having been woken.
//! * Whoever pops a node and has its claim (or finds that it needs none) is the only one that ends the wait: a
//!   [`Waiter`]. The node stays alive until that one has readied the task, and not an instant longer.
//! * A node whose claim went to somebody else (the clock, another case of a select) is popped and forgotten.
//!
//! One task may stand in many queues at once, with one node in each and one claim for all.
//!
//! Not every node comes with a value or a place. In a select the value of a send is made when the send has been chosen,
//! so its node *promises* one: who pops it wins a sender that still owes. And who only *watches*, to learn when a
//! channel is ready, is woken when its node is popped, and whoever popped it goes on to the next.
//!
//! A future's node lies on the heap, as nobody's frame rests while a future is pending: see `back.rs` and `future/`.

#![allow(unsafe_code, reason = "nodes lie on the stacks of waiting tasks and are linked by address")]

mod back;

use std::ptr;

use gander_runtime::{Claim, Task};

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Waiting,
    /// Nothing, and there will only be [`Changed`](Outcome::Changed) or [`Closed`](Outcome::Closed).
    Watching,
    /// The value has been moved: out of the sender's place, or into the receiver's.
    Moved,
    /// The channel was closed; no value has moved.
    Closed,
    /// Things are to be looked at again: no value has moved.
    Changed,
    /// A receiver waits for the value that was promised: its node is in `value`.
    Owes,
    /// The buffer has a place for the value that was promised.
    HasPlace,
    /// Nothing, and nobody waits for it any more: the future that a value was promised to has been dropped.
    Left,
    /// A value stands in line by itself: the future that had it has been dropped.
    CameBack,
}

/// A place in a queue.
#[derive(Debug)]
pub struct Node {
    prev: *mut Node,
    /// Null when in no queue.
    next: *mut Node,
    task: Task,
    /// Who may end the wait; null if only the partner and the closer can, who agree under the channel's lock.
    claim: *const Claim,
    /// What stands for this node in the claim. In a future's node, which has no claim: its number in the order of arrival.
    case: usize,
    /// Where the value is to be moved from, or to; null while there is none, and where a value came back.
    value: *mut (),
    outcome: Outcome,
}

impl Node {
    /// A node for the calling task, whose wait only this channel ends.
    #[inline(always)]
    pub fn new(value: *mut ()) -> Node {
        Node::of(Task::current(), value, ptr::null(), 0)
    }

    /// A node for a task, whose wait ends with whoever wins `claim`: by this node, as `case` (not 0). With a null
    /// `value` it promises one.
    #[inline]
    pub fn claimed(task: Task, value: *mut (), claim: *const Claim, case: usize) -> Node {
        Node::of(task, value, claim, case)
    }

    /// A node for a task that watches; otherwise as [`claimed`](Self::claimed).
    pub fn watching(task: Task, claim: *const Claim, case: usize) -> Node {
        Node { outcome: Outcome::Watching, ..Node::of(task, ptr::null_mut(), claim, case) }
    }

    #[inline(always)]
    fn of(task: Task, value: *mut (), claim: *const Claim, case: usize) -> Node {
        let none = ptr::null_mut();
        Node { prev: none, next: none, task, claim, case, value, outcome: Outcome::Waiting }
    }

    /// What became of the wait of a node that has been in a queue.
    ///
    /// # Safety
    ///
    /// `node` is the caller's own, and its wait is over.
    #[inline(always)]
    pub unsafe fn outcome(node: *const Node) -> Outcome {
        // SAFETY: by contract nobody else touches it any more. Read by address, since it was written by address.
        unsafe { (*node).outcome }
    }

    /// The receiver that waits for what this node promised.
    ///
    /// # Safety
    ///
    /// `node` is the caller's own, and its outcome is [`Outcome::Owes`]. Called once.
    pub unsafe fn creditor(node: *const Node) -> Waiter {
        // SAFETY: by contract; `Waiter::pair` has put it there.
        Waiter { node: unsafe { (*node).value.cast() } }
    }
}

/// Nodes in order of arrival.
#[derive(Debug)]
pub struct Queue {
    first: *mut Node,
}

// SAFETY: the queue owns the links of its nodes, wherever they lie; it is used under a lock.
unsafe impl Send for Queue {}

impl Default for Queue {
    fn default() -> Queue {
        Queue::new()
    }
}

impl Queue {
    /// An empty queue.
    pub const fn new() -> Queue {
        Queue { first: ptr::null_mut() }
    }

    /// Whether no node is in it.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Puts a node at the end.
    ///
    /// # Safety
    ///
    /// `node` is in no queue, and stays in place and untouched until it has left this one. Its `value` may be
    /// moved from or to (as the queue's direction says) until the wait is over. Its task comes to rest before
    /// the lock over this queue is let go.
    #[inline]
    pub unsafe fn push(&mut self, node: *mut Node) {
        // SAFETY: by contract; nodes in the queue are alive and linked in a ring.
        unsafe {
            let first = self.first;
            if first.is_null() {
                (*node).prev = node;
                (*node).next = node;
                self.first = node;
            } else {
                let last = (*first).prev;
                (*node).prev = last;
                (*node).next = first;
                (*last).next = node;
                (*first).prev = node;
            }
        }
    }

    /// Takes a node out, if it still stands here; whether it did.
    ///
    /// # Safety
    ///
    /// `node` is alive and has been in no other queue.
    pub unsafe fn remove(&mut self, node: *mut Node) -> bool {
        // SAFETY: by contract the node is in this queue or in none, and which of the two tells its `next`.
        unsafe {
            if (*node).next.is_null() {
                return false;
            }
            self.unlink(node);
        }
        true
    }

    /// # Safety
    ///
    /// `node` is in this queue.
    #[inline(always)]
    unsafe fn unlink(&mut self, node: *mut Node) {
        // SAFETY: by contract; nodes in the queue are alive and linked in a ring.
        unsafe {
            let next = (*node).next;
            if next == node {
                self.first = ptr::null_mut();
            } else {
                let prev = (*node).prev;
                (*prev).next = next;
                (*next).prev = prev;
                if self.first == node {
                    self.first = next;
                }
            }
            (*node).next = ptr::null_mut();
        }
    }

    /// Takes out the first whose wait may still be ended, and ends it; those before it are forgotten.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Waiter> {
        while !self.first.is_null() {
            let node = self.first;
            // SAFETY: a node in the queue is alive, and stays so while we hold the lock.
            unsafe {
                self.unlink(node);
                if (*node).claim.is_null() || win(node) {
                    return Some(Waiter { node });
                }
            }
        }
        None
    }

    /// Whether there is one whose wait may still be ended with a value, as far as can be seen.
    pub fn has_claimable(&self) -> bool {
        let mut node = self.first;
        while !node.is_null() {
            // SAFETY: nodes in the queue are alive, and linked in a ring.
            unsafe {
                let claim = (*node).claim;
                if claim.is_null() || ((*claim).winner() == 0 && (*node).outcome != Outcome::Watching) {
                    return true;
                }
                node = (*node).next;
            }
            if node == self.first {
                break;
            }
        }
        false
    }

    /// Takes out all and ends their waits without a value.
    pub fn end_all(&mut self, outcome: Outcome, woken: &mut Woken) {
        while let Some(waiter) = self.pop() {
            woken.push(waiter, outcome);
        }
    }
}

/// Wins the wait for the node's case, if nobody has yet. A watcher is woken at once and counts as lost.
///
/// # Safety
///
/// `node` is in no queue any more but alive, and has a claim, which lives as long.
#[inline(never)]
unsafe fn win(node: *mut Node) -> bool {
    // SAFETY: by contract. A watcher that we have won is ours to ready, and alive until then.
    unsafe {
        if !(*(*node).claim).claim((*node).case) {
            return false;
        }
        if (*node).outcome == Outcome::Watching {
            Waiter { node }.end(Outcome::Changed).ready();
            return false;
        }
    }
    true
}

/// A node out of its queue whose wait is ours to end: exactly one of its methods is called, and then the task that
/// it returned is readied, once the lock is let go.
#[derive(Debug)]
#[must_use = "the task would wait for ever"]
pub struct Waiter {
    node: *mut Node,
}

impl Waiter {
    /// Moves a value into a waiting receiver's place.
    ///
    /// # Safety
    ///
    /// It waits for a `T`. `*value` is valid, and no longer the caller's afterwards.
    #[inline(always)]
    pub unsafe fn give<T>(self, value: *const T) -> Task {
        // SAFETY: the node is alive until readied, and its place is free (`Queue::push`).
        unsafe { ptr::copy_nonoverlapping(value, (*self.node).value.cast::<T>(), 1) };
        self.end(Outcome::Moved)
    }

    /// Where a waiting sender's value lies: to be moved from there before the task is readied.
    ///
    /// # Safety
    ///
    /// It offers a `T`, which is the caller's from now on.
    #[inline(always)]
    pub unsafe fn value<T>(self) -> (*const T, Task) {
        // SAFETY: the node is alive until readied.
        let value = unsafe { (*self.node).value.cast_const().cast::<T>() };
        (value, self.end(Outcome::Moved))
    }

    /// Where the value is to be moved from, or to.
    pub fn place(&self) -> *mut () {
        // SAFETY: the node is alive until readied.
        unsafe { (*self.node).value }
    }

    /// Whether it is a sender that has promised a value and does not have it yet; or a value that came back.
    #[inline(always)]
    pub fn has_promised(&self) -> bool {
        // SAFETY: the node is alive until readied.
        unsafe { (*self.node).value.is_null() }
    }

    /// Tells a sender that has promised a value whom it owes it to. That one comes to rest before the lock over this
    /// sender's queue is let go.
    #[inline]
    pub fn pair(self, receiver: *mut Node) -> Task {
        // SAFETY: the node is alive until readied.
        unsafe { (*self.node).value = receiver.cast() };
        self.end(Outcome::Owes)
    }

    /// Tells a sender that has promised a value that there is a place for it.
    #[cold]
    pub fn reserve(self) -> Task {
        self.end(Outcome::HasPlace)
    }

    /// Has the task look again.
    pub fn disappoint(self) -> Task {
        self.end(Outcome::Changed)
    }

    #[inline(always)]
    fn end(self, outcome: Outcome) -> Task {
        // SAFETY: the node is alive until readied. The task is copied out: after its ready there is no node.
        unsafe {
            (*self.node).outcome = outcome;
            (*self.node).task
        }
    }
}

/// Tasks whose wait has been ended without a value, linked by `next`, to be readied when the lock is let go.
#[derive(Debug)]
#[must_use = "the tasks would wait for ever"]
pub struct Woken {
    first: *mut Node,
    last: *mut Node,
}

impl Default for Woken {
    fn default() -> Woken {
        Woken::new()
    }
}

impl Woken {
    /// Nobody.
    pub const fn new() -> Woken {
        Woken { first: ptr::null_mut(), last: ptr::null_mut() }
    }

    fn push(&mut self, waiter: Waiter, outcome: Outcome) {
        let node = waiter.node;
        let _ = waiter.end(outcome);
        // SAFETY: each node here is alive until readied, and in no queue, so its link is ours.
        unsafe {
            (*node).next = ptr::null_mut();
            if self.last.is_null() {
                self.first = node;
            } else {
                (*self.last).next = node;
            }
        }
        self.last = node;
    }

    /// Readies all, in order of arrival. The channel's lock is not held.
    pub fn ready(self) {
        let mut node = self.first;
        while !node.is_null() {
            // SAFETY: the node is alive until readied; what we need of it is read before. Null: in no queue any more.
            let (task, next) = unsafe { ((*node).task, ptr::replace(&raw mut (*node).next, ptr::null_mut())) };
            // SAFETY: it waits, and we won its wait (`Queue::pop`) and ready it once.
            unsafe { task.ready() };
            node = next;
        }
    }
}
