//! A value of any type, between being received by a select and being asked for.

#![allow(unsafe_code, reason = "the value's type is known at either end only")]

use std::alloc::{Layout, dealloc, handle_alloc_error};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use gander_runtime::Task;

use crate::buffer::allocate;
use crate::select::arm::Receive;

/// Room for a value, in the frame if it is small.
#[derive(Debug)]
pub(super) enum Room {
    Small(MaybeUninit<[u128; 4]>),
    Large(NonNull<u8>, Layout),
}

impl Room {
    /// Room for values of each of these layouts. It has to stay in place while its address is used.
    pub(super) fn for_any(layouts: impl Iterator<Item = Layout>) -> Room {
        let (size, align) = layouts.fold((0, 1), |(size, align), l| (l.size().max(size), l.align().max(align)));
        if size <= size_of::<[u128; 4]>() && align <= align_of::<u128>() {
            return Room::Small(MaybeUninit::uninit());
        }
        // Layouts that are valid together need not make a valid one: then there is no such memory either.
        let layout = Layout::from_size_align(size, align).expect("the types are too large for a select");
        Room::Large(allocate(layout).unwrap_or_else(|| handle_alloc_error(layout)), layout)
    }

    pub(super) fn address(&mut self) -> *mut () {
        match self {
            Room::Small(memory) => memory.as_mut_ptr().cast(),
            Room::Large(memory, _) => memory.as_ptr().cast(),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Room::Large(memory, layout) = *self {
            // SAFETY: allocated in `for_any` with this layout.
            unsafe { dealloc(memory.as_ptr(), layout) };
        }
    }
}

/// A value, or none. Dropped with it if the task is the one that had the receiver: a value that must not go from
/// thread to thread is forgotten rather than dropped on another.
#[derive(Debug)]
pub(super) struct Parcel {
    content: Option<(Room, &'static Receive)>,
    home: Option<usize>,
}

impl Parcel {
    pub(super) const fn empty() -> Parcel {
        Parcel { content: None, home: None }
    }

    /// # Safety
    ///
    /// In the room is a value of the type that `receive` is of.
    pub(super) unsafe fn new(room: Room, receive: &'static Receive, home: Option<usize>) -> Parcel {
        Parcel { content: Some((room, receive)), home }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content.is_none()
    }

    /// The value.
    ///
    /// # Safety
    ///
    /// There is one, of this type.
    pub(super) unsafe fn open<T>(self) -> T {
        let mut parcel = ManuallyDrop::new(self);
        let (mut room, _) = parcel.content.take().expect("a value was received");
        // SAFETY: by contract; the room is freed after it.
        unsafe { room.address().cast::<T>().read() }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let Some((mut room, receive)) = self.content.take() else { return };
        if self.home == Some(Task::current().bits()) {
            // SAFETY: by the contract of `new`; it is not used again.
            unsafe { (receive.drop)(room.address()) };
        }
    }
}
