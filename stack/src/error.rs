//! What can go wrong when a stack is asked for, and which knob moves it.

use core::fmt;
use std::io;

/// Why there is no stack.
///
/// The message says what was asked, what the limit is, and what moves it. Stacks already handed out are not affected by
/// any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackError {
    /// A larger stack than there is a class for.
    TooLarge {
        /// The bytes asked for.
        asked: usize,
        /// The bytes of the largest class.
        limit: usize,
    },
    /// The kernel would not give address space, not even for one stack.
    AddressSpace {
        /// The bytes of the smallest request that was refused.
        asked: usize,
        /// The kernel's reason.
        errno: i32,
    },
    /// The kernel would not split one more mapping, where guards cost one.
    Mappings {
        /// How many stacks hold such a guard.
        stacks: usize,
        /// The kernel's reason.
        errno: i32,
    },
    /// All the regions there can be, or all the address space they may have.
    Regions {
        /// How many regions there are.
        regions: usize,
        /// The bytes of address space they have.
        reserved: usize,
    },
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            StackError::TooLarge { asked, limit } => write!(
                f,
                "a stack of {asked} bytes was asked for, the largest is {limit} bytes ({} MiB); ask for less, or keep large values on the heap",
                limit >> 20
            ),
            StackError::AddressSpace { asked, errno } => write!(
                f,
                "no address space for one more stack: {asked} bytes refused ({}); {}",
                io::Error::from_raw_os_error(errno),
                if errno == libc::EAGAIN {
                    "after mlockall(MCL_FUTURE) the limit is RLIMIT_MEMLOCK (ulimit -l)"
                } else {
                    "the limit is RLIMIT_AS (ulimit -v), RLIMIT_DATA (ulimit -d) or, with vm.overcommit_memory=2, the commit limit (vm.overcommit_ratio); smaller stacks need less"
                }
            ),
            StackError::Mappings { stacks, errno } => write!(
                f,
                "no mapping for one more stack: {stacks} stacks have two each ({}); the limit is vm.max_map_count (sysctl), and Linux 6.13 or later needs no mappings, except under mlockall; if these are far from half of it, the limit is RLIMIT_DATA or the commit limit",
                io::Error::from_raw_os_error(errno)
            ),
            StackError::Regions { regions, reserved } => write!(
                f,
                "no region for one more stack: {regions} have {} GiB of address space; the limits are fixed, 1024 regions and 64 TiB, and smaller stacks need less",
                reserved >> 30
            ),
        }
    }
}

impl std::error::Error for StackError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_names_its_knob() {
        let cases = [
            (StackError::TooLarge { asked: 2 << 30, limit: 1 << 30 }, "1024 MiB"),
            (StackError::AddressSpace { asked: 1 << 20, errno: libc::ENOMEM }, "RLIMIT_AS"),
            (StackError::AddressSpace { asked: 1 << 20, errno: libc::ENOMEM }, "overcommit"),
            (StackError::AddressSpace { asked: 1 << 20, errno: libc::EAGAIN }, "RLIMIT_MEMLOCK"),
            (StackError::Mappings { stacks: 32_000, errno: libc::ENOMEM }, "vm.max_map_count"),
            (StackError::Regions { regions: 1024, reserved: 1 << 40 }, "1024 GiB"),
        ];
        for (error, knob) in cases {
            assert!(error.to_string().contains(knob), "{error}");
        }
    }
}
