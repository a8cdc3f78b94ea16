//! Unix sockets.

mod datagram;
mod listener;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::{UnixIncoming, UnixListener};
pub use stream::UnixStream;

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use socket2::SockAddr;

fn from_path(path: &Path) -> io::Result<SockAddr> {
    // The kernel would take it for a shorter path, or for a name without a file.
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path with a zero byte in it"));
    }
    SockAddr::unix(path)
}

/// The address of a Unix socket.
fn unix(addr: SockAddr) -> io::Result<SocketAddr> {
    if let Some(name) = addr.as_abstract_namespace() {
        SocketAddr::from_abstract_name(name)
    } else {
        // A socket without a name has an empty path to std, and to the kernel no address at all.
        SocketAddr::from_pathname(addr.as_pathname().unwrap_or(Path::new("")))
    }
}

/// The kernel's form of an address of std's.
fn raw(addr: &SocketAddr) -> io::Result<SockAddr> {
    match (addr.as_pathname(), addr.as_abstract_name()) {
        (Some(path), _) => from_path(path),
        (_, Some(name)) => {
            // A leading zero byte is how a name without a file is told.
            let mut path = vec![0];
            path.extend_from_slice(name);
            SockAddr::unix(OsStr::from_bytes(&path))
        }
        // No name. The kernel refuses it as a destination, and binds to it by a name of its own choice.
        _ => SockAddr::unix(""),
    }
}
