//! From names to addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{option, slice, vec};

use gander_chan::{RecvCtxError, bounded};
use gander_runtime::leak::Family;
use gander_runtime::{Builder, Cancel, Signal, blocking, is_goroutine};

use crate::err;
use crate::fd::End;

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

    /// [`to_socket_addrs`](Self::to_socket_addrs) that need not be waited for once `end` has fired. (Who implements the
    /// trait leaves it out: then it is waited for.)
    #[doc(hidden)]
    fn to_socket_addrs_until(&self, end: &Signal) -> io::Result<Self::Iter> {
        let _ = end;
        self.to_socket_addrs()
    }
}

/// The addresses; fails as [cancelled](err::cancelled) if `end` fires before they are there.
pub(crate) fn resolve_until<A: ToSocketAddrs>(addr: &A, end: End<'_>) -> io::Result<A::Iter> {
    match end {
        Some(signal) => addr.to_socket_addrs_until(signal),
        None => addr.to_socket_addrs(),
    }
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

fn literal(&(host, port): &(&str, u16)) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

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

/// The lookup of a name that is not waited for once `end` has fired. The C library cannot be called off, so somebody else
/// looks the name up; who is cancelled leaves him to it, and what he finds is dropped.
fn look_up_until<T>(name: T, end: &Signal) -> io::Result<vec::IntoIter<SocketAddr>>
where
    T: std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    let (found, finding) = bounded(1);
    let look_up = move || {
        // No leak of whoever did not wait for it: it ends by itself.
        Family::NONE.join();
        let _ = found.send(blocking(|| name.to_socket_addrs()));
    };
    if is_goroutine() {
        Builder::new().name("gander-lookup".into()).go(look_up).map_err(io::Error::other)?;
    } else {
        std::thread::Builder::new().name("gander-lookup".into()).spawn(look_up)?;
    }
    match finding.recv_ctx(&Until(end)) {
        Ok(answer) => answer,
        Err(RecvCtxError::Canceled(())) => Err(err::cancelled()),
        Err(RecvCtxError::Disconnected) => Err(io::Error::other("the lookup has panicked")),
    }
}

/// A signal alone.
struct Until<'a>(&'a Signal);

impl Cancel for Until<'_> {
    type Error = ();

    fn signal(&self) -> Option<&Signal> {
        Some(self.0)
    }

    fn error(&self) {}
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;
    fn to_socket_addrs(&self) -> io::Result<T::Iter> {
        (**self).to_socket_addrs()
    }
    fn to_socket_addrs_until(&self, end: &Signal) -> io::Result<T::Iter> {
        (**self).to_socket_addrs_until(end)
    }
}

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        resolve(self, literal(self))
    }
    fn to_socket_addrs_until(&self, end: &Signal) -> io::Result<Self::Iter> {
        match literal(self) {
            Some(addr) => Ok(vec![addr].into_iter()),
            None => look_up_until((self.0.to_string(), self.1), end),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        (self.0.as_str(), self.1).to_socket_addrs()
    }
    fn to_socket_addrs_until(&self, end: &Signal) -> io::Result<Self::Iter> {
        (self.0.as_str(), self.1).to_socket_addrs_until(end)
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        resolve(self, self.parse().ok())
    }
    fn to_socket_addrs_until(&self, end: &Signal) -> io::Result<Self::Iter> {
        match self.parse() {
            Ok(addr) => Ok(vec![addr].into_iter()),
            Err(_) => look_up_until(self.to_string(), end),
        }
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        self.as_str().to_socket_addrs()
    }
    fn to_socket_addrs_until(&self, end: &Signal) -> io::Result<Self::Iter> {
        self.as_str().to_socket_addrs_until(end)
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = std::iter::Cloned<slice::Iter<'a, SocketAddr>>;
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    /// A name that is looked up for as long as somebody keeps the other end.
    struct Slow(gander_chan::Receiver<()>);

    impl std::net::ToSocketAddrs for Slow {
        type Iter = vec::IntoIter<SocketAddr>;
        fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
            let _ = self.0.recv();
            Ok(vec!["127.0.0.1:80".parse().unwrap()].into_iter())
        }
    }

    /// net-19. On a goroutine, and on a thread.
    #[test]
    fn a_lookup_is_left_to_itself() {
        let look_up = || {
            let (over, slow) = bounded::<()>(0);
            let signal = Arc::new(Signal::new());
            let theirs = Arc::clone(&signal);
            let firing = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                theirs.fire();
            });
            assert!(err::is_cancelled(&look_up_until(Slow(slow.clone()), &signal).unwrap_err()));
            blocking(|| firing.join().unwrap());
            assert!(err::is_cancelled(&look_up_until(Slow(slow.clone()), &signal).unwrap_err()), "at once");
            drop(over);
            let found = look_up_until(Slow(slow), &Signal::new()).unwrap();
            assert_eq!(found.as_slice(), ["127.0.0.1:80".parse().unwrap()]);
        };
        look_up();
        gander_runtime::run(look_up);
    }
}
