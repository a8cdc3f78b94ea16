//! What a node can become that lies on the heap: it may outlive its owner's interest in it.
//!
//! ```text
//!   senders.first ─► CameBack ⇄ CameBack ⇄ node ⇄ node         values that came back, by the order in which their futures
//!                                 ▲ last                       had arrived; then the senders that wait
//! ```

use std::ptr;

use gander_runtime::Task;

use super::{Node, Outcome, Queue, Waiter};

impl Node {
    /// A node of a future, whose wait only this channel ends.
    pub fn of_future(task: Task, value: *mut ()) -> Node {
        Node::of(task, value, ptr::null(), 0)
    }

    /// Sets its number in the order of arrival.
    ///
    /// # Safety
    ///
    /// The node is alive, a future's, and the caller's own or under the lock of its channel.
    pub unsafe fn set_number(node: *mut Node, number: usize) {
        // SAFETY: by contract.
        unsafe { (*node).case = number }
    }

    /// Nobody waits any more for what was promised to it.
    ///
    /// # Safety
    ///
    /// The node is alive and a future's; its outcome is `Waiting` and it is in no queue. The lock of its channel is held.
    pub unsafe fn leave(node: *mut Node) {
        // SAFETY: by contract.
        unsafe { (*node).outcome = Outcome::Left }
    }
}

impl Queue {
    /// Puts a node with a value that came back among those that did: they are the first, up to `last` (null: there are
    /// none). Which is the last of them now.
    ///
    /// # Safety
    ///
    /// As [`push`](Queue::push), but nobody rests: the node stays in place until its task has been readied. `last` is in
    /// this queue, or null.
    pub unsafe fn insert_back(&mut self, node: *mut Node, last: *mut Node) -> *mut Node {
        // SAFETY: nodes in the queue are alive and linked in a ring; ours is in none.
        unsafe {
            (*node).outcome = Outcome::CameBack;
            (*node).value = ptr::null_mut();
            let is_last = last.is_null() || (*last).case < (*node).case;
            let mut behind = self.first;
            if is_last && !last.is_null() {
                behind = (*last).next;
            }
            while !is_last && (*behind).case < (*node).case {
                behind = (*behind).next;
            }
            // Into the ring before `behind`: that is at the front, or at the end if the last of those that came back is the
            // last of all.
            Queue { first: behind }.push(node);
            if behind == self.first && (last.is_null() || !is_last) {
                self.first = node;
            }
            if is_last { node } else { last }
        }
    }

    /// Takes out all behind `last`.
    ///
    /// # Safety
    ///
    /// `last` is in this queue.
    pub unsafe fn split_behind(&mut self, last: *mut Node) -> Queue {
        // SAFETY: nodes in the queue are alive and linked in a ring, which becomes two.
        unsafe {
            let (first, behind) = (self.first, (*last).next);
            if behind == first {
                return Queue::new();
            }
            let end = (*first).prev;
            (*first).prev = last;
            (*last).next = first;
            (*behind).prev = end;
            (*end).next = behind;
            Queue { first: behind }
        }
    }
}

impl Waiter {
    /// Whether it is a future that is not there any more.
    #[inline(always)]
    pub fn has_left(&self) -> bool {
        // SAFETY: the node is alive until readied.
        unsafe { (*self.node).outcome == Outcome::Left }
    }

    /// Whether it is a value that came back.
    pub fn has_come_back(&self) -> bool {
        // SAFETY: the node is alive until readied.
        unsafe { (*self.node).outcome == Outcome::CameBack }
    }

    /// The node of a value that came back, which lies where the value does; and whom to tell when it has been moved.
    pub fn value_back(self) -> (*mut Node, Task) {
        (self.node, self.end(Outcome::Moved))
    }

    /// The node of one that has left, to stand in line again.
    pub fn into_node(self) -> *mut Node {
        self.node
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn numbers(queue: &Queue) -> Vec<usize> {
        let (mut node, mut numbers) = (queue.first, Vec::new());
        while !node.is_null() {
            // SAFETY: the test's nodes are alive, and linked in a ring.
            unsafe {
                numbers.push((*node).case);
                assert!((*(*node).next).prev == node && (*(*node).prev).next == node);
                node = (*node).next;
            }
            if node == queue.first {
                break;
            }
        }
        numbers
    }

    /// Whatever the order in which they come, those that came back stand first and sorted.
    #[test]
    fn sorted_before_the_others() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for others in 0..3 {
            for backs in 1..6 {
                for _ in 0..50 {
                    let mut nodes: Vec<Node> = (0..100).map(|_| Node::new(ptr::null_mut())).collect();
                    let at = nodes.as_mut_ptr();
                    let (mut queue, mut last, mut model) = (Queue::new(), ptr::null_mut(), BTreeSet::new());
                    // SAFETY: the nodes are alive, each is queued once, and nobody readies anybody.
                    unsafe {
                        for other in 90..90 + others {
                            Node::set_number(at.add(other), other);
                            queue.push(at.add(other));
                        }
                        while model.len() < backs {
                            random ^= random << 13;
                            random ^= random >> 7;
                            random ^= random << 17;
                            let number = (random % 90) as usize;
                            if model.insert(number) {
                                Node::set_number(at.add(number), number);
                                last = queue.insert_back(at.add(number), last);
                            }
                        }
                        let expected: Vec<_> = model.iter().copied().chain(90..90 + others).collect();
                        assert_eq!(numbers(&queue), expected);
                        let rest = queue.split_behind(last);
                        assert_eq!(numbers(&queue), model.iter().copied().collect::<Vec<_>>());
                        assert_eq!(numbers(&rest), (90..90 + others).collect::<Vec<_>>());
                    }
                }
            }
        }
    }
}
