//! A pairing heap of timers, intrusive: a timer's links lie in the timer, so arming one never allocates.
//!
//! ```text
//!   root (earliest)            child: the first of a list      next: the following sibling
//!    └ child ─ next ─ next     back:  the previous sibling, or the parent for a first child
//!        └ child ─ next
//! ```
//!
//! Insert and look at the earliest in O(1); take it, or remove any, in O(log n) amortised.

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

    /// # Safety
    ///
    /// `node` is in no heap, and stays in place and untouched until it has left this one.
    pub(super) unsafe fn insert(&mut self, node: *mut Timer) {
        // SAFETY: by contract; all nodes in the heap are alive.
        unsafe {
            (*node).child = ptr::null_mut();
            (*node).next = ptr::null_mut();
            (*node).back = ptr::null_mut();
            self.root = meld(self.root, node);
        }
        self.len += 1;
    }

    /// Takes the earliest.
    pub(super) fn pop(&mut self) -> Option<*mut Timer> {
        if self.root.is_null() {
            return None;
        }
        let node = self.root;
        // SAFETY: all nodes in the heap are alive.
        unsafe {
            self.root = merge_children(node);
        }
        self.len -= 1;
        Some(node)
    }

    /// # Safety
    ///
    /// `node` is in this heap.
    pub(super) unsafe fn remove(&mut self, node: *mut Timer) {
        if node == self.root {
            self.pop();
            return;
        }
        // SAFETY: by contract the node and all its neighbours are in this heap, hence alive. It is not the root,
        // so `back` is its parent (if it is a first child) or its previous sibling.
        unsafe {
            let (back, next) = ((*node).back, (*node).next);
            if (*back).child == node {
                (*back).child = next;
            } else {
                (*back).next = next;
            }
            if !next.is_null() {
                (*next).back = back;
            }
            let rest = merge_children(node);
            self.root = meld(self.root, rest);
        }
        self.len -= 1;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// Joins two heaps; each may be null.
///
/// # Safety
///
/// Both are roots of live, separate heaps.
unsafe fn meld(a: *mut Timer, b: *mut Timer) -> *mut Timer {
    if a.is_null() {
        return b;
    }
    if b.is_null() {
        return a;
    }
    // SAFETY: by contract.
    unsafe {
        // Equal times keep their order of arming as far as the shape allows.
        let (parent, child) = if (*b).when < (*a).when { (b, a) } else { (a, b) };
        let first = (*parent).child;
        (*child).next = first;
        (*child).back = parent;
        if !first.is_null() {
            (*first).back = child;
        }
        (*parent).child = child;
        (*parent).next = ptr::null_mut();
        (*parent).back = ptr::null_mut();
        parent
    }
}

/// Takes `node` out from above its children and makes one heap of them: pairs from left to right, then folds the
/// pairs from right to left.
///
/// # Safety
///
/// `node` is alive and so are all below it.
unsafe fn merge_children(node: *mut Timer) -> *mut Timer {
    // SAFETY: by contract.
    unsafe {
        let mut rest = (*node).child;
        (*node).child = ptr::null_mut();
        let mut pairs: *mut Timer = ptr::null_mut();
        while !rest.is_null() {
            let a = rest;
            let b = (*a).next;
            rest = if b.is_null() { b } else { (*b).next };
            (*a).next = ptr::null_mut();
            (*a).back = ptr::null_mut();
            if !b.is_null() {
                (*b).next = ptr::null_mut();
                (*b).back = ptr::null_mut();
            }
            let pair = meld(a, b);
            (*pair).next = pairs;
            pairs = pair;
        }
        let mut root: *mut Timer = ptr::null_mut();
        while !pairs.is_null() {
            let pair = pairs;
            pairs = (*pair).next;
            (*pair).next = ptr::null_mut();
            root = meld(root, pair);
        }
        root
    }
}
