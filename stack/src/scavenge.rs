//! What becomes of stacks that nobody takes.
//!
//! A pass goes over the classes and does three things, in this order, so that no stack is moved twice in one pass:
//!
//! 1. what was Cool when the pass began loses its uppermost pages, too, and becomes Bare, or Kept;
//! 2. what was Idle is trimmed and becomes Cool;
//! 3. what is Warm becomes Idle, at once and without a look at any of it.
//!
//! Who owns a stack meanwhile? The scavenger takes stacks off their shelf, thirty-two at a time under the pool's lock,
//! and owns them as any taker does: `[one-owner]`. It asks the kernel with no lock held, then puts them on the next
//! shelf. Someone who finds the shelves empty in these microseconds takes a fresh stack instead: at most thirty-two
//! more than needed.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::pool::{Pool, Shelf};
use crate::{Class, Stack};

const BATCH: usize = 32;

/// What a pass of [`scavenge`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scavenged {
    /// Stacks that lost all but their uppermost pages, if they had any others.
    pub trimmed: usize,
    /// Stacks that lost those, too.
    pub emptied: usize,
    /// Stacks whose uppermost pages must stay.
    pub kept: usize,
    /// Whether the budget ended before the work.
    pub more: bool,
}

impl Scavenged {
    fn looked_at(&self) -> usize {
        self.trimmed + self.emptied + self.kept
    }
}

/// Gives memory of idle stacks back to the kernel: one pass.
///
/// A stack that lay in the shared pool since the pass before the last call loses all but its uppermost 16 KiB; one pass
/// later these go as well, and it is [untouched](Stack::is_untouched). Meant to be called about once a second from a
/// thread that has nothing else to do. At most `budget` stacks are looked at, each at the price of one `madvise`.
///
/// Before a stack whose [tag](Stack::tag) is not zero loses its uppermost pages, `let_go` is asked with the tag. If it
/// returns `true`, whatever the tag stands for is gone from there, and the tag becomes zero. If `false`, the pages stay
/// until the stack has been taken and put again. `let_go` runs on the caller's thread with no lock held; the stack
/// belongs to the scavenger then.
///
/// # Blocking
///
/// Up to `budget` calls of `madvise`, about a microsecond each, and short locks in between.
pub fn scavenge(budget: usize, mut let_go: impl FnMut(usize) -> bool) -> Scavenged {
    // Where the last pass ran out, the next begins: a class with much to do does not starve the others.
    static BEGIN: AtomicUsize = AtomicUsize::new(0);
    let begin = BEGIN.load(Relaxed);
    let mut done = Scavenged::default();
    for i in 0..Class::COUNT {
        let index = (begin + i) % Class::COUNT;
        let pool = Pool::of(Class::nth(index));
        let [_, idle, cool, ..] = pool.lengths();
        empty(pool, cool, budget, &mut done, &mut let_go);
        trim(pool, idle, budget, &mut done);
        pool.age();
        if done.more {
            BEGIN.store(index, Relaxed);
            break;
        }
    }
    done
}

/// Cool to Bare or Kept.
fn empty(pool: &Pool, count: usize, budget: usize, done: &mut Scavenged, let_go: &mut impl FnMut(usize) -> bool) {
    batches(pool, Shelf::Cool, count, budget, done, |batch, done| {
        let mut kept = [const { None }; BATCH];
        for (place, kept) in batch.iter_mut().zip(&mut kept) {
            let Some(mut stack) = place.take() else { break };
            let tag = stack.tag();
            if tag == 0 || let_go(tag) {
                // What the tag stood for is gone, even if the pages should not go.
                stack.set_tag(0);
                if !stack.is_untouched() {
                    stack.release_below(0);
                }
            }
            // Locked memory is not released, so that the stack says whether it is empty now.
            if stack.is_untouched() {
                done.emptied += 1;
                *place = Some(stack);
            } else {
                done.kept += 1;
                *kept = Some(stack);
            }
        }
        pool.shelve(Shelf::Kept, &mut kept);
        pool.shelve(Shelf::Bare, batch);
    });
}

/// Idle to Cool.
fn trim(pool: &Pool, count: usize, budget: usize, done: &mut Scavenged) {
    batches(pool, Shelf::Idle, count, budget, done, |batch, done| {
        for place in batch.iter_mut() {
            *place = place.take().map(|stack| if stack.may_be_deep() { stack.trimmed() } else { stack });
        }
        done.trimmed += batch.len();
        pool.shelve(Shelf::Cool, batch);
    });
}

/// Takes `count` stacks off a shelf and to their work, as far as the budget goes.
fn batches(
    pool: &Pool,
    shelf: Shelf,
    mut count: usize,
    budget: usize,
    done: &mut Scavenged,
    mut work: impl FnMut(&mut [Option<Stack>], &mut Scavenged),
) {
    let mut batch = [const { None }; BATCH];
    while count > 0 {
        let size = BATCH.min(count).min(budget - done.looked_at());
        if size == 0 {
            done.more = true;
            return;
        }
        let taken = pool.unshelve(shelf, &mut batch[..size]);
        if taken == 0 {
            return;
        }
        work(&mut batch[..taken], done);
        count -= taken;
    }
}
