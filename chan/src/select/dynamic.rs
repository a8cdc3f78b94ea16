//! A select whose operations are known only at run time.

#![allow(unsafe_code, reason = "what was received is wrapped up whatever its type")]

use std::fmt;
use std::ptr;
use std::time::{Duration, Instant};

use gander_runtime::Task;

use crate::chan::{Receiver, Sender};
use crate::err::{ReadyTimeoutError, SelectTimeoutError, TryReadyError, TrySelectError};
use crate::select::arm::Arm;
use crate::select::operation::{Deal, SelectedOperation};
use crate::select::parcel::{Parcel, Room};
use crate::select::{Aim, Choice, Patience, choose};

/// A list of operations of which one is to happen: for when `select!` would have to know too much, or has to be asked
/// in a loop.
///
/// Each operation has an index, in the order in which they were added. A channel may be in the list many times, in
/// both directions. There is no limit to the number.
///
/// Choosing and completing are two steps: [`select`](Select::select) and its kin return a [`SelectedOperation`], which
/// is completed with the value to be sent, or asked for the one that was received.
/// [`ready`](Select::ready) and its kin only say which operation would not wait at that moment, which may be over when
/// it is tried.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_chan::{Select, bounded};
///
/// let channels: Vec<_> = (0..10).map(|_| bounded(0)).collect();
/// for (i, (s, _)) in channels.iter().enumerate() {
///     let s = s.clone();
///     gander_runtime::go(move || s.send(i).unwrap());
/// }
/// let mut select = Select::new();
/// for (_, r) in &channels {
///     select.recv(r);
/// }
/// let operation = select.select();
/// let i = operation.index();
/// assert_eq!(operation.recv(&channels[i].1), Ok(i));
/// # for j in (0..10).filter(|j| *j != i) { channels[j].1.recv().unwrap(); }
/// # });
/// ```
pub struct Select<'a> {
    arms: Vec<Arm<'a, 'a>>,
    next_index: usize,
    choice: Choice,
    /// Who has added receives, if it was one task.
    home: Home,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    Nobody,
    At(usize),
    Several,
}

// SAFETY: between its calls it holds references to handles, as numbers, and nothing is done with them but when it is
// called. Values that must not change threads do not: they are received only through a receiver, which then must not
// either, or dropped where they were received from (`Parcel`).
unsafe impl Send for Select<'_> {}
// SAFETY: a shared one can only be copied.
unsafe impl Sync for Select<'_> {}

impl<'a> Select<'a> {
    /// An empty list. Of the operations that are ready any is chosen, each with the same chance.
    pub fn new() -> Select<'a> {
        Select { arms: Vec::new(), next_index: 0, choice: Choice::Any, home: Home::Nobody }
    }

    /// An empty list. Of the operations that are ready the first is chosen.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{Select, unbounded};
    ///
    /// let (urgent, r1) = unbounded();
    /// let (usual, r2) = unbounded();
    /// usual.send(1).unwrap();
    /// urgent.send(2).unwrap();
    /// let mut select = Select::new_biased();
    /// select.recv(&r1);
    /// select.recv(&r2);
    /// assert_eq!(select.select().recv(&r1), Ok(2));
    /// ```
    pub fn new_biased() -> Select<'a> {
        Select { choice: Choice::First, ..Select::new() }
    }

    /// Adds a send, and returns its index.
    pub fn send<T>(&mut self, s: &'a Sender<T>) -> usize {
        let index = self.take_index();
        self.arms.push(Arm::send(s, index));
        index
    }

    /// Adds a receive, and returns its index.
    pub fn recv<T>(&mut self, r: &'a Receiver<T>) -> usize {
        let here = Task::current().bits();
        self.home = match self.home {
            Home::Nobody => Home::At(here),
            Home::At(there) if there == here => self.home,
            Home::At(_) | Home::Several => Home::Several,
        };
        let index = self.take_index();
        self.arms.push(Arm::recv(r, index, ptr::null_mut(), ptr::null_mut()));
        index
    }

    fn take_index(&mut self) -> usize {
        let index = self.next_index;
        self.next_index += 1;
        index
    }

    /// Takes an operation off the list. The others keep their indices, and its own is not used again.
    ///
    /// # Panics
    ///
    /// If there is no such operation, or none any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{Select, bounded};
    ///
    /// let (s, r) = bounded::<i32>(0);
    /// let mut select = Select::new();
    /// let receive = select.recv(&r);
    /// drop(s);
    /// assert_eq!(select.ready(), receive);
    /// select.remove(receive);
    /// assert!(select.try_ready().is_err());
    /// ```
    pub fn remove(&mut self, index: usize) {
        assert!(index < self.next_index, "index out of bounds; {index} >= {}", self.next_index);
        let position = self.arms.iter().position(|arm| arm.index == index);
        let position = position.expect("no operation with this index");
        self.arms.swap_remove(position);
    }

    /// Chooses one of the operations that are ready.
    ///
    /// # Errors
    ///
    /// If none is.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{Select, bounded};
    ///
    /// let (s, r) = bounded(1);
    /// let mut select = Select::new();
    /// select.recv(&r);
    /// assert!(select.try_select().is_err());
    /// s.send('a').unwrap();
    /// assert_eq!(select.try_select().unwrap().recv(&r), Ok('a'));
    /// ```
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.operate(Patience::None).ok_or(TrySelectError)
    }

    /// Waits until one of the operations is ready and chooses it.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Panics
    ///
    /// If there is no operation.
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.assert_not_empty();
        self.operate(Patience::Endless).expect("the time is endless")
    }

    /// Waits until one of the operations is ready and chooses it, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If none was ready in that time.
    pub fn select_timeout(&mut self, timeout: Duration) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.operate(Patience::For(timeout)).ok_or(SelectTimeoutError)
    }

    /// Waits until one of the operations is ready and chooses it, but no longer than until `deadline`.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If none was ready until then.
    pub fn select_deadline(&mut self, deadline: Instant) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.operate(Patience::Until(deadline)).ok_or(SelectTimeoutError)
    }

    /// The index of one of the operations that are ready.
    ///
    /// # Errors
    ///
    /// If none is.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        self.watch(Patience::None).ok_or(TryReadyError)
    }

    /// Waits until one of the operations is ready, and returns its index.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Panics
    ///
    /// If there is no operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_chan::{Select, unbounded};
    ///
    /// let (s, r1) = unbounded();
    /// let (_s, r2) = unbounded::<()>();
    /// s.send(1).unwrap();
    /// let mut select = Select::new();
    /// let first = select.recv(&r1);
    /// select.recv(&r2);
    /// assert_eq!(select.ready(), first);
    /// assert_eq!(r1.try_recv(), Ok(1));
    /// ```
    pub fn ready(&mut self) -> usize {
        self.assert_not_empty();
        self.watch(Patience::Endless).expect("the time is endless")
    }

    /// Waits until one of the operations is ready, but no longer than `timeout`, and returns its index.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If none was ready in that time.
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.watch(Patience::For(timeout)).ok_or(ReadyTimeoutError)
    }

    /// Waits until one of the operations is ready, but no longer than until `deadline`, and returns its index.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If none was ready until then.
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.watch(Patience::Until(deadline)).ok_or(ReadyTimeoutError)
    }

    #[track_caller]
    fn assert_not_empty(&self) {
        assert!(!self.arms.is_empty(), "no operations have been added to `Select`");
    }

    fn operate(&mut self, patience: Patience) -> Option<SelectedOperation<'a>> {
        let mut room =
            Room::for_any(self.arms.iter().filter_map(|arm| arm.receive()).map(|receive| receive.layout));
        let place = room.address();
        for arm in &mut self.arms {
            arm.set_place(place);
        }
        let (position, deal) = choose(&mut self.arms, self.choice, Aim::Operate, patience)?;
        let arm = &mut self.arms[position];
        let parcel = match (&deal, arm.receive()) {
            (Deal::Received, Some(receive)) => {
                let home = if let Home::At(task) = self.home { Some(task) } else { None };
                // SAFETY: the place was that of this receive, which has been done.
                unsafe { Parcel::new(room, receive, home) }
            }
            _ => Parcel::empty(),
        };
        Some(SelectedOperation::new(arm.conclude(deal), parcel))
    }

    fn watch(&mut self, patience: Patience) -> Option<usize> {
        let (position, _) = choose(&mut self.arms, self.choice, Aim::Watch, patience)?;
        Some(self.arms[position].index)
    }
}

impl Clone for Select<'_> {
    fn clone(&self) -> Self {
        let arms = self.arms.iter().map(Arm::copy).collect();
        Select { arms, ..*self }
    }
}

impl Default for Select<'_> {
    fn default() -> Self {
        Select::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Select { .. }")
    }
}
