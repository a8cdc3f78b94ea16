//! Why a goroutine waits, in the words dumps use.

use std::fmt;

/// What a parked goroutine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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
        })
    }
}
