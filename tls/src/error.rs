//! What can keep a block from being made, in words that name the limit.

use core::fmt;

/// Why no thread-local block could be had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The kernel refused the scratch memory that learning needs.
    Map {
        /// Bytes asked for.
        bytes: usize,
        /// The kernel's answer.
        errno: i32,
    },
    /// libc refused to start a donor thread.
    Create {
        /// Which call answered: `pthread_attr_setstack` or `pthread_create`.
        call: &'static str,
        /// Bytes of the stack slot the donor was to live on.
        slot: usize,
        /// The answer.
        errno: i32,
    },
    /// There was no memory for the block's vector of thread-local modules.
    NoMemory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The top of the slot does not have [`Model::align`](crate::Model::align).
    Misaligned {
        /// The top as given.
        top: usize,
        /// The alignment it must have.
        align: usize,
    },
    /// The slot is smaller than a block.
    SlotTooSmall {
        /// Bytes of the slot.
        have: usize,
        /// Bytes that are needed at least.
        need: usize,
    },
    /// A block was made, but it is not what own mode needs; the words say how.
    Unsound {
        /// What was tried, and what came out.
        what: String,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map { bytes, errno } => write!(
                f,
                "mmap of {bytes} bytes to learn the layout of thread-local blocks failed: {} \
                 (limits: RLIMIT_AS, vm.max_map_count, the memory cgroup)",
                Os(*errno)
            ),
            Self::Create { call, slot, errno } => {
                write!(f, "{call} for a donor thread on a slot of {slot} bytes failed: {}", Os(*errno))?;
                match *errno {
                    libc::EAGAIN => f.write_str(
                        " (limits: RLIMIT_NPROC, kernel.threads-max, kernel.pid_max, the cgroup's pids.max, memory)",
                    ),
                    libc::EINVAL => f.write_str(
                        " (limit: a slot must hold PTHREAD_STACK_MIN and the program's static thread-locals)",
                    ),
                    _ => Ok(()),
                }
            }
            Self::NoMemory { bytes } => {
                write!(f, "malloc of {bytes} bytes for a thread-local block's module vector failed")
            }
            Self::Misaligned { top, align } => {
                write!(f, "the slot's top {top:#x} is not a multiple of {align}, which thread-local blocks need")
            }
            Self::SlotTooSmall { have, need } => {
                write!(f, "a slot of {have} bytes cannot hold a thread-local block of {need} bytes")
            }
            Self::Unsound { what } => write!(f, "own mode cannot hold here: {what}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// An errno with libc's words for it.
struct Os(i32);

impl fmt::Display for Os {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_limit() {
        let e = TlsError::Create { call: "pthread_create", slot: 65536, errno: libc::EAGAIN };
        assert!(e.to_string().contains("RLIMIT_NPROC"), "{e}");
        let e = TlsError::Unsound { what: "errno is shared".into() };
        assert_eq!(e.to_string(), "own mode cannot hold here: errno is shared");
    }
}
