//! What is the system's own. As [`std::os`], with gander's types where std's stood.
//!
//! The traits that std has for its own types alone, [`CommandExt`](std::os::unix::process::CommandExt) and
//! [`TcpStreamExt`](std::os::linux::net::TcpStreamExt), are not needed: gander's types have the methods by themselves.

pub use std::os::*;

/// Unix. As [`std::os::unix`].
pub mod unix {
    pub use std::os::unix::*;

    /// Unix sockets. As [`std::os::unix::net`].
    pub mod net {
        pub use crate::unix::{UnixDatagram, UnixIncoming as Incoming, UnixListener, UnixStream};
        pub use std::os::unix::net::SocketAddr;
    }

    /// Files of Unix. As [`std::os::unix::fs`]; its traits hold for gander's types, too.
    pub mod fs {
        pub use crate::fs::unix::{chown, fchown, lchown, symlink};
        pub use std::os::unix::fs::*;
    }
}
