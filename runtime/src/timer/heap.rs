//! A leftist heap of timers, intrusive: a timer's links lie in the timer, so arming one never allocates.
//!
//! ```text
//!            1            Each is due no later than those below it. A node's rank is the number of nodes on the way down
//!          ╱   ╲          its right side. On the left the rank is never smaller than on the right, so that way has at
//!         4     2         most log₂(n + 1) nodes; two heaps are joined along it, and everything is done by joining.
//!        ╱ ╲   ╱
//!       9   5 3
//! ```
//!
//! Look at the earliest in O(1); insert, take, or remove any, in O(log n), each single time. A pairing heap inserts in
//! O(1) and is as good on average, but when many were inserted and none taken, the first take looks at all of them: with
//! 100,000 sleepers, whose timers lie on as many cold stacks, that held everybody up for 100 ms.

use std::ptr;

use super::Timer;

/// The heap. Its nodes are owned by whoever armed them and stay in place until they left it.
#[derive(Debug)]
pub(super) struct Heap {
    root: *mut Timer,
    len: usize,
}

// SAFETY: the heap owns the links of its nodes, wherever they lie; it is used under a lock.
unsafe impl Send for Heap {}

impl Heap {
    pub(super) const fn new() -> Heap {
        Heap { root: ptr::null_mut(), len: 0 }
    }

    /// When the earliest is due.
    pub(super) fn earliest(&self) -> u64 {
        // SAFETY: a node in the heap is alive.
        if self.root.is_null() { u64::MAX } else { unsafe { (*self.root).when } }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// # Safety
    ///
    /// `node` is in no heap, and stays in place and untouched until it has left this one.
    pub(super) unsafe fn insert(&mut self, node: *mut Timer) {
        // SAFETY: by contract; all nodes in the heap are alive.
        unsafe {
            (*node).left = ptr::null_mut();
            (*node).right = ptr::null_mut();
            (*node).above = ptr::null_mut();
            (*node).rank = 1;
            // Of two that are due at one moment the older stays on top.
            self.root = join(self.root, node);
        }
        self.len += 1;
    }

    /// Takes the earliest.
    pub(super) fn pop(&mut self) -> Option<*mut Timer> {
        let node = self.root;
        if node.is_null() {
            return None;
        }
        // SAFETY: all nodes in the heap are alive.
        unsafe { self.root = join((*node).left, (*node).right) };
        self.len -= 1;
        Some(node)
    }

    /// # Safety
    ///
    /// `node` is in this heap.
    pub(super) unsafe fn remove(&mut self, node: *mut Timer) {
        // SAFETY: by contract the node and all its neighbours are in this heap, hence alive.
        unsafe {
            let (above, rest) = ((*node).above, join((*node).left, (*node).right));
            if !rest.is_null() {
                (*rest).above = above;
            }
            if above.is_null() {
                self.root = rest;
            } else if (*above).left == node {
                (*above).left = rest;
            } else {
                (*above).right = rest;
            }
            mend(above, false);
        }
        self.len -= 1;
    }
}

/// Joins two heaps; each may be empty. The root has nothing above it.
///
/// # Safety
///
/// Both are roots of live, separate heaps; what their `above` is does not matter.
unsafe fn join(mut a: *mut Timer, mut b: *mut Timer) -> *mut Timer {
    let mut root = ptr::null_mut();
    let mut above: *mut Timer = ptr::null_mut();
    let mut place: *mut *mut Timer = &raw mut root;
    // SAFETY: by contract, all nodes are alive; `place` is `root` or a link of one of them.
    unsafe {
        while !a.is_null() && !b.is_null() {
            if (*b).when < (*a).when {
                (a, b) = (b, a);
            }
            *place = a;
            (*a).above = above;
            above = a;
            place = &raw mut (*a).right;
            a = (*a).right;
        }
        let rest = if a.is_null() { b } else { a };
        *place = rest;
        if !rest.is_null() {
            (*rest).above = above;
        }
        mend(above, true);
    }
    root
}

/// Puts sides and ranks right from `node` upwards: to the top, or to where nothing changes.
///
/// # Safety
///
/// `node` is null or alive, and so are all above and below it.
unsafe fn mend(mut node: *mut Timer, to_the_top: bool) {
    // SAFETY: by contract.
    unsafe {
        while !node.is_null() {
            let (left, right) = ((*node).left, (*node).right);
            let (of_left, of_right) = (rank(left), rank(right));
            if of_left < of_right {
                ((*node).left, (*node).right) = (right, left);
            }
            let new = of_left.min(of_right) + 1;
            if (*node).rank == new && !to_the_top {
                return;
            }
            (*node).rank = new;
            node = (*node).above;
        }
    }
}

/// # Safety
///
/// `node` is null or alive.
unsafe fn rank(node: *const Timer) -> u32 {
    // SAFETY: by contract.
    unsafe { node.as_ref() }.map_or(0, |node| node.rank)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    unsafe fn never(_: *mut Timer) {}

    /// Checks order, ranks and links below `node`; returns how many nodes there are.
    fn check(node: *const Timer, above: *const Timer) -> usize {
        // SAFETY: the test's timers are alive.
        let Some(node) = (unsafe { node.as_ref() }) else { return 0 };
        assert!(ptr::eq(node.above, above));
        // SAFETY: likewise.
        let (left, right) = unsafe { (rank(node.left), rank(node.right)) };
        assert!(left >= right && node.rank == right + 1);
        for below in [node.left, node.right] {
            // SAFETY: likewise.
            assert!(unsafe { below.as_ref() }.is_none_or(|below| below.when >= node.when));
        }
        1 + check(node.left, node) + check(node.right, node)
    }

    /// The heap against a sorted map, over random inserts, takes and removes.
    #[test]
    fn as_a_sorted_map() {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let mut below = |end: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % end
        };
        let mut timers: Vec<Timer> = (0..200).map(|_| Timer::new(never)).collect();
        let at = timers.as_mut_ptr();
        let (mut heap, mut model) = (Heap::new(), BTreeMap::new());
        let mut idle: Vec<usize> = (0..200).collect();
        for step in 0..20_000u64 {
            let grow = (step / 500) % 2 == 0;
            match below(10) {
                kind if kind < if grow { 6 } else { 3 } => {
                    let Some(i) = idle.pop() else { continue };
                    let when = below(50);
                    // SAFETY: the timer is in no heap and stays in place.
                    unsafe {
                        (*at.add(i)).when = when;
                        heap.insert(at.add(i));
                    }
                    model.insert((when, i), ());
                }
                kind if kind < 8 => {
                    let taken = heap.pop();
                    assert_eq!(taken.is_some(), !model.is_empty());
                    if let Some(timer) = taken {
                        // SAFETY: it is one of the vector's.
                        let (when, i) = unsafe { ((*timer).when, timer.offset_from(at) as usize) };
                        assert_eq!(model.first_key_value().map(|((when, _), ())| *when), Some(when));
                        assert!(model.remove(&(when, i)).is_some());
                        idle.push(i);
                    }
                }
                _ if !model.is_empty() => {
                    let (&(when, i), ()) = model.iter().nth(below(model.len() as u64) as usize).unwrap();
                    // SAFETY: it is in the heap.
                    unsafe { heap.remove(at.add(i)) };
                    model.remove(&(when, i));
                    idle.push(i);
                }
                _ => {}
            }
            assert_eq!(heap.earliest(), model.first_key_value().map_or(u64::MAX, |((when, _), ())| *when));
            assert_eq!(heap.len(), model.len());
            assert_eq!(check(heap.root, ptr::null()), model.len());
        }
    }
}
