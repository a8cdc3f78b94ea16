//! One reader and one writer at a time, and the end of both.
//!
//! ```text
//!   word:  CLOSED │ READING │ READ_LINE │ WRITING │ WRITE_LINE
//! ```
//!
//! Who finds a direction free takes it by one exchange. Who finds it taken stands in line: in order of arrival, with a
//! node in the waiting task's frame. Who leaves hands the direction to the first in line, so nobody overtakes. A close
//! sends everybody in line away; a signal sends away who waits with it.
//!
//! * The `_LINE` bits, the lines and the nodes in them change under the lock only.
//! * A node in a line is alive. Whoever takes it out, under the lock, readies its task if it wins the node's claim; else
//!   the signal has won it, and its task comes to take the node out itself, under the lock, before its frame goes.

#![allow(unsafe_code, reason = "nodes lie on the stacks of waiting tasks and are linked by address")]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use gander_runtime::lock::{Guard, Lock};
use gander_runtime::poll::Direction;
use gander_runtime::{Claim, Signal, Task, WaitReason, wait_cancellable};

const CLOSED: u32 = 1;

fn held(direction: Direction) -> u32 {
    match direction {
        Direction::Read => 2,
        Direction::Write => 8,
    }
}

fn line(direction: Direction) -> u32 {
    held(direction) << 1
}

/// Why a direction cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    /// The signal has fired.
    Cancelled,
}

/// How a wait in line ends, but for the signal.
const TURN: usize = 1;
const SENT_AWAY: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Hold {
    word: AtomicU32,
    lines: Lock<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    read: Line,
    write: Line,
}

impl Lines {
    fn of(&mut self, direction: Direction) -> &mut Line {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}

#[derive(Debug)]
struct Line {
    first: *const Node,
    last: *const Node,
}

impl Default for Line {
    fn default() -> Line {
        Line { first: ptr::null(), last: ptr::null() }
    }
}

// SAFETY: it points to nodes of waiting tasks, which whoever has the lock may use.
unsafe impl Send for Line {}

#[derive(Debug)]
struct Node {
    task: Task,
    next: Cell<*const Node>,
    claim: Claim,
}

impl Line {
    /// # Safety
    ///
    /// The node stays in place until it has been popped.
    unsafe fn push(&mut self, node: *const Node) {
        // SAFETY: nodes in the line are alive.
        match unsafe { self.last.as_ref() } {
            Some(last) => last.next.set(node),
            None => self.first = node,
        }
        self.last = node;
    }

    fn pop(&mut self) -> Option<*const Node> {
        // SAFETY: nodes in the line are alive.
        let first = unsafe { self.first.as_ref() }?;
        self.first = first.next.get();
        if self.first.is_null() {
            self.last = ptr::null();
        }
        Some(first)
    }

    /// Takes out the first whose wait ends by this.
    fn end_first(&mut self, by: usize) -> Option<Task> {
        loop {
            // SAFETY: it is alive while we hold the lock.
            let node = unsafe { &*self.pop()? };
            if node.claim.claim(by) {
                return Some(node.task);
            }
        }
    }

    /// Takes out a node, if it is here.
    fn remove(&mut self, node: *const Node) {
        let mut before: *const Node = ptr::null();
        let mut at = self.first;
        // SAFETY: nodes in the line are alive.
        while let Some(this) = unsafe { at.as_ref() } {
            let next = this.next.get();
            if ptr::eq(at, node) {
                // SAFETY: likewise.
                match unsafe { before.as_ref() } {
                    Some(before) => before.next.set(next),
                    None => self.first = next,
                }
                if next.is_null() {
                    self.last = before;
                }
                return;
            }
            before = at;
            at = next;
        }
    }
}

impl Hold {
    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes a direction, when those who came before have let go of it, or until `end` fires.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    #[inline]
    pub(crate) fn lock(&self, direction: Direction, end: Option<&Signal>) -> Result<(), Refused> {
        let held = held(direction);
        let mut word = self.word.load(Ordering::Relaxed);
        while word & (held | CLOSED) == 0 {
            match self.word.compare_exchange_weak(word, word | held, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
        self.stand_in_line(direction, end)
    }

    #[cold]
    fn stand_in_line(&self, direction: Direction, end: Option<&Signal>) -> Result<(), Refused> {
        let mut lines = self.lines.lock();
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return Err(Refused::Closed);
            }
            let is_free = word & held(direction) == 0;
            let next = word | if is_free { held(direction) } else { line(direction) };
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if is_free => return Ok(()),
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        let node = Node { task: Task::current(), next: Cell::new(ptr::null()), claim: Claim::new() };
        // SAFETY: the node lies in our frame, which stays until the node has been taken out: by who wins its claim, or
        // by us below.
        unsafe { lines.of(direction).push(&node) };
        let lock = Guard::leak(lines);
        // SAFETY: the claim can be won when the lock is let go, by the landing side; whoever wins it readies us once. The
        // lock comes before a signal's: who fires one does not take ours.
        let ended = unsafe {
            wait_cancellable(WaitReason::MutexLock, u64::MAX, end, &node.claim, || lock.raw().unlock_handed_over())
        };
        match ended {
            TURN => Ok(()),
            SENT_AWAY => Err(Refused::Closed),
            _ => {
                let mut lines = self.lines.lock();
                lines.of(direction).remove(&node);
                self.note_line(&mut lines, direction);
                Err(Refused::Cancelled)
            }
        }
    }

    /// Clears the bit of a line in which nobody stands any more.
    fn note_line(&self, lines: &mut Lines, direction: Direction) {
        if lines.of(direction).first.is_null() {
            self.word.fetch_and(!line(direction), Ordering::Release);
        }
    }

    /// Lets go of a direction. Only who has it may call this.
    #[inline]
    pub(crate) fn unlock(&self, direction: Direction) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & line(direction) == 0 {
            let free = word & !held(direction);
            match self.word.compare_exchange_weak(word, free, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.hand_on(direction);
    }

    #[cold]
    fn hand_on(&self, direction: Direction) {
        let mut lines = self.lines.lock();
        let next = lines.of(direction).end_first(TURN);
        self.note_line(&mut lines, direction);
        match next {
            // SAFETY: it waits, and its claim was won for us.
            Some(task) => unsafe { Guard::unlock_and_ready(lines, task) },
            // A close or signals have sent them away.
            None => {
                self.word.fetch_and(!held(direction), Ordering::Release);
            }
        }
    }

    /// Closes, and sends those in line away. False if it was closed already. Whoever has a direction keeps it.
    pub(crate) fn close(&self) -> bool {
        let before = self.word.fetch_or(CLOSED, Ordering::AcqRel);
        if before & CLOSED != 0 {
            return false;
        }
        for direction in [Direction::Read, Direction::Write] {
            loop {
                let mut lines = self.lines.lock();
                let Some(task) = lines.of(direction).end_first(SENT_AWAY) else {
                    self.note_line(&mut lines, direction);
                    break;
                };
                // SAFETY: it waits, and its claim was won for us.
                unsafe { Guard::unlock_and_ready(lines, task) };
            }
        }
        true
    }
}
