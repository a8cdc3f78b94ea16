//! One reader and one writer at a time, and the end of both.
//!
//! ```text
//!   word:  CLOSED │ READING │ READ_LINE │ WRITING │ WRITE_LINE
//! ```
//!
//! Who finds a direction free takes it by one exchange. Who finds it taken stands in line: in order of arrival, with a
//! node in the waiting task's frame. Who leaves hands the direction to the first in line, so nobody overtakes. A close
//! sends everybody in line away.
//!
//! * The `_LINE` bits, the lines and the nodes in them change under the lock only.
//! * A node in a line is alive: its task rests until whoever takes the node out has readied it.

#![allow(unsafe_code, reason = "nodes lie on the stacks of waiting tasks and are linked by address")]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use gander_runtime::lock::{Guard, Lock};
use gander_runtime::poll::Direction;
use gander_runtime::{Task, WaitReason};

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

/// It is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

#[derive(Debug, Default)]
pub(super) struct Hold {
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
    /// Sent away: set before the task is readied.
    closed: Cell<bool>,
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
}

impl Hold {
    pub(super) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes a direction, when those who came before have let go of it.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    #[inline]
    pub(super) fn lock(&self, direction: Direction) -> Result<(), Closed> {
        let held = held(direction);
        let mut word = self.word.load(Ordering::Relaxed);
        while word & (held | CLOSED) == 0 {
            match self.word.compare_exchange_weak(word, word | held, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
        self.stand_in_line(direction)
    }

    #[cold]
    fn stand_in_line(&self, direction: Direction) -> Result<(), Closed> {
        let mut lines = self.lines.lock();
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                return Err(Closed);
            }
            let is_free = word & held(direction) == 0;
            let next = word | if is_free { held(direction) } else { line(direction) };
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) if is_free => return Ok(()),
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        let node = Node { task: Task::current(), next: Cell::new(ptr::null()), closed: Cell::new(false) };
        // SAFETY: the node lies in our frame, which stays until the wait has ended, and that is after it was popped.
        unsafe { lines.of(direction).push(&node) };
        let lock = Guard::leak(lines);
        // SAFETY: whoever pops the node readies us once, and can do so when the lock is let go, by the landing side.
        unsafe {
            gander_runtime::wait(WaitReason::MutexLock, || lock.raw().unlock_handed_over());
        }
        if node.closed.get() { Err(Closed) } else { Ok(()) }
    }

    /// Lets go of a direction. Only who has it may call this.
    #[inline]
    pub(super) fn unlock(&self, direction: Direction) {
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
        let line_of = lines.of(direction);
        let Some(node) = line_of.pop() else {
            // A close has sent them away.
            self.word.fetch_and(!held(direction), Ordering::Release);
            return;
        };
        if line_of.first.is_null() {
            self.word.fetch_and(!line(direction), Ordering::Release);
        }
        // SAFETY: the node is alive until its task is readied, which waits and which we popped.
        unsafe { Guard::unlock_and_ready(lines, (*node).task) };
    }

    /// Closes, and sends those in line away. False if it was closed already. Whoever has a direction keeps it.
    pub(super) fn close(&self) -> bool {
        let before = self.word.fetch_or(CLOSED, Ordering::AcqRel);
        if before & CLOSED != 0 {
            return false;
        }
        for direction in [Direction::Read, Direction::Write] {
            loop {
                let mut lines = self.lines.lock();
                let Some(node) = lines.of(direction).pop() else {
                    self.word.fetch_and(!line(direction), Ordering::Release);
                    break;
                };
                // SAFETY: as in `hand_on`.
                unsafe {
                    (*node).closed.set(true);
                    Guard::unlock_and_ready(lines, (*node).task);
                }
            }
        }
        true
    }
}
