//! Why a goroutine waits, in the words dumps use.

use std::fmt;

/// What a parked goroutine waits for.
///
/// A new one goes into [`WaitReason::ALL`] too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum WaitReason {
    /// It does not wait.
    None,
    /// In `park`.
    Park,
    /// In `sleep`.
    Sleep,
    /// In `JoinHandle::join`.
    Join,
    /// At the end of a `scope`, for its children.
    Scope,
    /// In a receive.
    ChanReceive,
    /// In a send.
    ChanSend,
    /// In a `select!`.
    Select,
    /// For a lock.
    Lock,
    /// For a signal: a context's end, a group's last member.
    Signal,
    /// For a call that the clock makes: only the goroutine that makes them.
    Clock,
    /// It does not: it is in a call that may block its thread.
    Blocking,
}

impl WaitReason {
    /// All of them, by their numbers.
    const ALL: &[WaitReason] = &[
        WaitReason::None,
        WaitReason::Park,
        WaitReason::Sleep,
        WaitReason::Join,
        WaitReason::Scope,
        WaitReason::ChanReceive,
        WaitReason::ChanSend,
        WaitReason::Select,
        WaitReason::Lock,
        WaitReason::Signal,
        WaitReason::Clock,
        WaitReason::Blocking,
    ];

    /// Whether only another goroutine of this process, or a thread of the program's, can end such a wait: neither the
    /// clock nor the kernel. A reason that is not known to be so is not.
    pub(crate) fn ends_inside(self) -> bool {
        match self {
            WaitReason::Park
            | WaitReason::Join
            | WaitReason::Scope
            | WaitReason::ChanReceive
            | WaitReason::ChanSend
            | WaitReason::Select
            | WaitReason::Lock
            | WaitReason::Signal => true,
            WaitReason::None | WaitReason::Sleep | WaitReason::Clock | WaitReason::Blocking => false,
        }
    }

    /// Back from its number.
    pub(crate) fn of_bits(bits: u8) -> WaitReason {
        WaitReason::ALL.get(usize::from(bits)).copied().unwrap_or(WaitReason::None)
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            WaitReason::None => "running",
            WaitReason::Park => "park",
            WaitReason::Sleep => "sleep",
            WaitReason::Join => "join",
            WaitReason::Scope => "scope end",
            WaitReason::ChanReceive => "chan receive",
            WaitReason::ChanSend => "chan send",
            WaitReason::Select => "select",
            WaitReason::Lock => "mutex lock",
            WaitReason::Signal => "signal",
            WaitReason::Clock => "clock",
            WaitReason::Blocking => "blocking call",
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::WaitReason;

    #[test]
    fn numbers_and_words_are_unique() {
        let mut words = std::collections::HashSet::new();
        for (i, &reason) in WaitReason::ALL.iter().enumerate() {
            assert_eq!(WaitReason::of_bits(i as u8), reason);
            assert_eq!(reason as usize, i);
            assert!(words.insert(reason.to_string()));
        }
    }
}
