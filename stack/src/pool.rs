//! The shared pool: one set of shelves for each class.
//!
//! ```text
//!            put                                 scavenge, once a pass
//!             ▼        ┌──────────────────────────────────────────────────────────────────────┐
//!           Warm ──────┴──► Idle ──── trimmed ────► Cool ──── emptied ────► Bare
//!             │              │                       │  └─ the tag's keeper said no ─► Kept    │
//!             └──────────────┴───────────────────────┴──────────────────────────────┴──────────┴──► take, in this order,
//!                                                                                                   then Unbuilt, then fresh
//! ```
//!
//! Each shelf is a list through the side tables, last in first out, so that the pages and cache lines handed out are the
//! ones used last. The warmest stack is taken first, memory that was given back is used last.
//!
//! | shelf | pages it may have |
//! |---|---|
//! | Warm | any; came back since the last pass |
//! | Idle | any; lay here for a pass |
//! | Cool | the uppermost 16 KiB; lay here for two passes |
//! | Kept | the same, and its tag's keeper wants them |
//! | Bare | none; or the uppermost, built ahead for the next |
//! | Unbuilt | none, and no guard yet: a slot whose guard could not be made |

use core::mem;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, OnceLock};

use crate::region::{Region, locked};
use crate::{Class, Stack, StackError};

/// Fresh slots made at once. A guard costs a microsecond: few enough that the first goroutine does not wait for many.
const FRESH_BATCH: usize = 16;

/// The most stacks that are built ahead; and the share of all that were ever handed out, so that a program with few
/// goroutines has few too many.
const AHEAD_MOST: usize = 256;
const AHEAD_SHARE: usize = 8;

/// Wakes whoever calls [`build_ahead`].
static BUILDER: OnceLock<fn()> = OnceLock::new();

pub(crate) const SHELVES: usize = 6;

/// In the order they are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    Warm,
    Idle,
    Cool,
    Kept,
    Bare,
    Unbuilt,
}

impl Shelf {
    const USED: [Shelf; 5] = [Shelf::Warm, Shelf::Idle, Shelf::Cool, Shelf::Kept, Shelf::Bare];
}

/// A list of slots, linked through the side tables.
#[derive(Default)]
struct List {
    head: u32,
    len: usize,
}

impl List {
    const EMPTY: List = List { head: 0, len: 0 };

    fn push(&mut self, stack: Stack) {
        self.head = stack.shelve(self.head);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Stack> {
        if self.head == 0 {
            return None;
        }
        let (stack, next) = Stack::unshelve(self.head);
        self.head = next;
        self.len -= 1;
        Some(stack)
    }

    /// Moves stacks to the empty places of `out`, from its start; says how many.
    fn pop_into(&mut self, out: &mut [Option<Stack>]) -> usize {
        let mut count = 0;
        for place in out {
            debug_assert!(place.is_none(), "a stack would be dropped, and its class locked twice");
            *place = self.pop();
            if place.is_none() {
                break;
            }
            count += 1;
        }
        count
    }
}

struct Shelves {
    lists: [List; SHELVES],
    /// The newest region, and the first of its slots that was never handed out.
    fresh: Option<(&'static Region, u32)>,
}

impl Shelves {
    fn used_into(&mut self, out: &mut [Option<Stack>]) -> usize {
        let mut count = 0;
        for shelf in Shelf::USED {
            count += self.lists[shelf as usize].pop_into(&mut out[count..]);
        }
        count
    }

    /// How many more are to be built ahead, of those that never had an owner.
    fn missing_ahead(&self) -> usize {
        let handed_out = self.fresh.map_or(0, |(_, next)| next as usize);
        (handed_out / AHEAD_SHARE).min(AHEAD_MOST).saturating_sub(self.lists[Shelf::Bare as usize].len)
    }

    fn unused_into(&mut self, out: &mut [Option<Stack>]) -> usize {
        let count = self.lists[Shelf::Unbuilt as usize].pop_into(out);
        if count > 0 {
            return count;
        }
        let Some((region, next)) = &mut self.fresh else {
            return 0;
        };
        let count = out.len().min((region.slots() - *next) as usize);
        for place in &mut out[..count] {
            *place = Some(Stack::fresh(region, *next));
            *next += 1;
        }
        count
    }
}

/// The stacks of one class that nobody has. On cache lines of its own, as each class has its own traffic.
#[repr(align(128))]
pub(crate) struct Pool {
    class: Class,
    shelves: Mutex<Shelves>,
    /// The stock of stacks that were built ahead is low.
    wanted: AtomicBool,
    /// Taken, and held across the system calls, by the one who reserves the next region. Those who find a stack on the
    /// shelves meanwhile do not notice.
    growing: Mutex<()>,
}

static POOLS: [Pool; Class::COUNT] = {
    let mut pools = [const { Pool::new(Class::SMALLEST) }; Class::COUNT];
    let mut i = 0;
    while i < Class::COUNT {
        pools[i].class = Class::nth(i);
        i += 1;
    }
    pools
};

/// A stack of the class, from the shared pool.
///
/// # Blocking
///
/// A short lock; for a stack never used before one or two system calls as well, about a microsecond.
///
/// # Errors
///
/// All of [`StackError`] but [`TooLarge`](StackError::TooLarge). What is in use already is not affected, and a later call may succeed.
pub fn take(class: Class) -> Result<Stack, StackError> {
    let mut one = [None];
    Pool::of(class).take_into(&mut one)?;
    let [stack] = one;
    Ok(stack.expect("a successful take is not empty"))
}

/// Gives a stack to the shared pool. Its memory goes back as the crate's documentation says.
///
/// Not the stack one runs on: from here on it is someone else's.
///
/// # Blocking
///
/// A short lock, and sometimes one `madvise`.
pub fn put(stack: Stack) {
    let stack = stack.end_use();
    let pool = Pool::of(stack.class());
    pool.shelve(Shelf::Warm, &mut [Some(stack)]);
}

/// From now on `wake` is called when stacks should be built ahead: another thread is to call [`build_ahead`] then. It is
/// called by whoever takes a stack, and must not block. The first call holds.
pub fn set_builder(wake: fn()) {
    let _ = BUILDER.set(wake);
}

/// Makes stacks that will be wanted soon, so that those who take them need not: while a program makes goroutine after
/// goroutine, a second processor can do the kernel's half of the work.
///
/// # Blocking
///
/// As [`take`], for up to some hundred stacks.
pub fn build_ahead() {
    POOLS.iter().for_each(Pool::fill);
}

impl Pool {
    const fn new(class: Class) -> Pool {
        let shelves = Shelves { lists: [const { List::EMPTY }; SHELVES], fresh: None };
        Pool { class, shelves: Mutex::new(shelves), wanted: AtomicBool::new(false), growing: Mutex::new(()) }
    }

    pub(crate) fn of(class: Class) -> &'static Pool {
        &POOLS[class.index()]
    }

    /// Fills the empty places of `out` from its start, at least one of them; says how many.
    pub(crate) fn take_into(&self, out: &mut [Option<Stack>]) -> Result<usize, StackError> {
        loop {
            let mut shelves = locked(&self.shelves);
            let count = shelves.used_into(out);
            // Nothing is built ahead while there are stacks that came back.
            let is_low = shelves.missing_ahead() > AHEAD_MOST / 2;
            if count > 0 {
                drop(shelves);
                if is_low {
                    self.want();
                }
                return Ok(count);
            }
            let batch = FRESH_BATCH.min(out.len());
            let count = shelves.unused_into(&mut out[..batch]);
            drop(shelves);
            if is_low {
                self.want();
            }
            if count > 0 {
                Stack::build_ahead(&out[..count]);
                return self.build(&mut out[..count]);
            }
            self.grow()?;
        }
    }

    /// Makes fresh slots usable, without the lock. What cannot be goes to the shelf of the unbuilt, unharmed.
    fn build(&self, stacks: &mut [Option<Stack>]) -> Result<usize, StackError> {
        for i in 0..stacks.len() {
            if let Some(Err(error)) = stacks[i].as_ref().map(Stack::build) {
                self.shelve(Shelf::Unbuilt, &mut stacks[i..]);
                return if i > 0 { Ok(i) } else { Err(error) };
            }
        }
        Ok(stacks.len())
    }

    /// Asks for stacks to be built ahead.
    #[cold]
    fn want(&self) {
        if !self.wanted.swap(true, Relaxed)
            && let Some(wake) = BUILDER.get()
        {
            wake();
        }
    }

    /// Fills the stock, batch by batch, if it was low.
    fn fill(&self) {
        if !self.wanted.swap(false, Relaxed) {
            return;
        }
        for _ in 0..AHEAD_MOST / FRESH_BATCH {
            let mut batch = [const { None }; FRESH_BATCH];
            let mut shelves = locked(&self.shelves);
            let missing = shelves.missing_ahead().min(FRESH_BATCH);
            let count = shelves.unused_into(&mut batch[..missing]);
            drop(shelves);
            if count == 0 {
                return;
            }
            Stack::build_ahead(&batch[..count]);
            match self.build(&mut batch[..count]) {
                Ok(built) => self.shelve(Shelf::Bare, &mut batch[..built]),
                // They are on the shelf of the unbuilt; who needs one learns why.
                Err(_) => return,
            }
        }
    }

    /// Adds a region, unless someone else did in the meantime.
    fn grow(&self) -> Result<(), StackError> {
        let _turn = locked(&self.growing);
        let before = match locked(&self.shelves).fresh {
            Some((region, next)) if next < region.slots() => return Ok(()),
            Some((region, _)) => region.slots(),
            None => 0,
        };
        let region = Region::add(self.class, before)?;
        locked(&self.shelves).fresh = Some((region, 0));
        Ok(())
    }

    /// Puts stacks on a shelf, the last one uppermost.
    pub(crate) fn shelve(&self, shelf: Shelf, stacks: &mut [Option<Stack>]) {
        let mut shelves = locked(&self.shelves);
        for stack in stacks.iter_mut().filter_map(Option::take) {
            shelves.lists[shelf as usize].push(stack);
        }
    }

    /// Takes stacks off one shelf: what is taken belongs to the caller.
    pub(crate) fn unshelve(&self, shelf: Shelf, out: &mut [Option<Stack>]) -> usize {
        locked(&self.shelves).lists[shelf as usize].pop_into(out)
    }

    /// What is warm is idle from now on, if what was idle is gone.
    pub(crate) fn age(&self) {
        let mut shelves = locked(&self.shelves);
        if shelves.lists[Shelf::Idle as usize].len == 0 {
            shelves.lists[Shelf::Idle as usize] = mem::take(&mut shelves.lists[Shelf::Warm as usize]);
        }
    }

    /// How many stacks lie on each shelf.
    pub(crate) fn lengths(&self) -> [usize; SHELVES] {
        locked(&self.shelves).lists.each_ref().map(|list| list.len)
    }
}
