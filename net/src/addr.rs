//! From names to addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{option, slice, vec};

use gander_runtime::blocking;

/// What can be turned into addresses of sockets. As [`std::net::ToSocketAddrs`], for the same types; a name is looked up
/// without keeping a processor from the other goroutines meanwhile.
///
/// # Blocking
///
/// For a name that is not an address, [`to_socket_addrs`](Self::to_socket_addrs) blocks the thread as
/// [`blocking`](gander_runtime::blocking) does.
///
/// # Examples
///
/// ```
/// use gander_net::ToSocketAddrs;
///
/// let mut addrs = "localhost:80".to_socket_addrs().unwrap();
/// assert!(addrs.all(|addr| addr.ip().is_loopback()));
/// ```
pub trait ToSocketAddrs {
    /// The addresses that come out.
    type Iter: Iterator<Item = SocketAddr>;

    /// The addresses.
    ///
    /// # Errors
    ///
    /// If the name does not resolve, or there is no port.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

macro_rules! one_address {
    ($($from:ty),*) => {
        $(impl ToSocketAddrs for $from {
            type Iter = option::IntoIter<SocketAddr>;
            fn to_socket_addrs(&self) -> io::Result<option::IntoIter<SocketAddr>> {
                Ok(Some(SocketAddr::from(*self)).into_iter())
            }
        })*
    };
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

/// Looks up what is not an address by itself.
fn resolve<T: std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + ?Sized>(
    name: &T,
    literal: Option<SocketAddr>,
) -> io::Result<vec::IntoIter<SocketAddr>> {
    match literal {
        Some(addr) => Ok(vec![addr].into_iter()),
        None => blocking(|| name.to_socket_addrs()),
    }
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        resolve(self, self.0.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.1)))
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        (self.0.as_str(), self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        resolve(self, self.parse().ok())
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        self.as_str().to_socket_addrs()
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = std::iter::Cloned<slice::Iter<'a, SocketAddr>>;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;
    fn to_socket_addrs(&self) -> io::Result<T::Iter> {
        (**self).to_socket_addrs()
    }
}

/// The result of the first address for which `f` succeeds; else the last error.
pub(crate) fn first_of<A: ToSocketAddrs, T>(
    addr: A,
    mut f: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for addr in addr.to_socket_addrs()? {
        match f(addr) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

pub(crate) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
}
