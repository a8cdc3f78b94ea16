//! gander's way out: how do goroutines talk to the world?
//!
//! Everything here has std's names and signatures: `use gander_net::TcpStream` for `use std::net::TcpStream`, and where
//! a thread would block the goroutine parks. Ordinary threads may use it too, and block.

mod accept;
mod addr;
mod bell;
mod ctx;
mod datagram;
mod err;
mod fd;
pub mod fs;
mod handle;
pub mod io;
pub mod os;
mod pipe;
mod pipe_stream;
pub mod process;
pub mod signal;
mod slices;
mod stdio;
mod stream_io;
mod sys;
mod tcp;
mod udp;
mod unix;

pub use addr::ToSocketAddrs;
pub use ctx::WithCtx;
pub use err::is_closed;
pub use pipe_stream::PipeStream;
pub use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};
pub use tcp::{Incoming, TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixIncoming, UnixListener, UnixStream};
