//! Who is told that a wait has ended without being a task: a future, which stands in line in nobody's frame.

use crate::park::Task;

/// A function to be called where a task would be readied.
///
/// It lies in what its owner shares with the line it stands in, and finds that by its own address.
#[derive(Debug)]
#[repr(C)]
pub struct Listener {
    told: unsafe fn(*const Listener),
}

impl Listener {
    /// A listener whose wait ends with a call of `told`, with its address.
    ///
    /// `told` is called with no lock of the runtime held and may run code of the program, on whatever stack ends the
    /// wait. It does not unwind.
    pub const fn new(told: unsafe fn(*const Listener)) -> Listener {
        Listener { told }
    }

    /// What stands for it in a line.
    ///
    /// # Safety
    ///
    /// Until the task has been readied, or has been taken out of all lines, the listener stays in place, and `told` may
    /// be called.
    pub unsafe fn task(listener: *const Listener) -> Task {
        Task::of_listener(listener)
    }

    /// # Safety
    ///
    /// As [`Task::ready`].
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn tell(listener: *const Listener) {
        // SAFETY: by the contract of `task` it is in place until told, and it is told now; the function is read before.
        unsafe { ((*listener).told)(listener) }
    }
}
