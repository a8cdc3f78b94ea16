//! Why a goroutine waits, in the words dumps use.

use std::fmt;

/// The table: a reason, what it means, and its words.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident = $words:literal,)+) => {
        /// What a parked goroutine waits for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum WaitReason {
            $($(#[$doc])+ $name,)+
        }

        impl WaitReason {
            /// All of them, by their numbers.
            pub(crate) const ALL: &[WaitReason] = &[$(WaitReason::$name),+];

            fn words(self) -> &'static str {
                match self {
                    $(WaitReason::$name => $words,)+
                }
            }
        }
    };
}

reasons! {
    /// It does not wait.
    None = "running",
    /// In `park`.
    Park = "park",
    /// In `sleep`.
    Sleep = "sleep",
    /// In `JoinHandle::join`.
    Join = "join",
    /// At the end of a `scope`, for its children.
    Scope = "scope end",
    /// In a receive.
    ChanReceive = "chan receive",
    /// In a send.
    ChanSend = "chan send",
    /// In a `select!`.
    Select = "select",
    /// For a mutex.
    MutexLock = "mutex lock",
    /// For a read-write lock, to read.
    RwLockRead = "rwlock read",
    /// For a read-write lock, to write.
    RwLockWrite = "rwlock write",
    /// For a condition.
    CondWait = "condvar wait",
    /// For the counter of a wait group.
    WaitGroupWait = "wait group wait",
    /// For permits of a semaphore.
    Semaphore = "semaphore acquire",
    /// For an initialisation that another task runs.
    OnceWait = "once wait",
    /// At a barrier, for the others.
    BarrierWait = "barrier wait",
    /// For a notification.
    NotifyWait = "notify wait",
    /// For something to read.
    IoRead = "io read",
    /// For room to write, or for a connection.
    IoWrite = "io write",
    /// For a future, in `block_on`.
    Future = "future",
    /// For a signal: a context's end, a group's last member.
    Signal = "signal",
    /// For a call that the clock makes: only the goroutine that makes them.
    Clock = "clock",
    /// It does not: it is in a call that may block its thread.
    Blocking = "blocking call",
}

impl WaitReason {
    /// Whether only another goroutine of this process, or a thread of the program's, can end such a wait: neither the
    /// clock nor the kernel. A reason that is not known to be so is not.
    pub(crate) fn ends_inside(self) -> bool {
        matches!(
            self,
            WaitReason::Park
                | WaitReason::Join
                | WaitReason::Scope
                | WaitReason::ChanReceive
                | WaitReason::ChanSend
                | WaitReason::Select
                | WaitReason::MutexLock
                | WaitReason::RwLockRead
                | WaitReason::RwLockWrite
                | WaitReason::CondWait
                | WaitReason::WaitGroupWait
                | WaitReason::Semaphore
                | WaitReason::OnceWait
                | WaitReason::BarrierWait
                | WaitReason::NotifyWait
                | WaitReason::Signal
        )
    }

    /// Back from its number.
    pub(crate) fn of_bits(bits: u8) -> WaitReason {
        WaitReason::ALL.get(usize::from(bits)).copied().unwrap_or(WaitReason::None)
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}
