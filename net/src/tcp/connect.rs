//! Connecting: to one address, or to the first of several that answers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use gander_runtime::Signal;
use gander_runtime::poll::Direction;
use gander_runtime::timer::now;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::TcpStream;
use crate::addr::no_address;
use crate::err;
use crate::fd::{End, Fd};
use crate::sys;

/// The address of a TCP or UDP socket.
pub(crate) fn inet(addr: SockAddr) -> io::Result<SocketAddr> {
    addr.as_socket().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an internet socket"))
}

/// Begins to connect.
fn begin(addr: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    match socket.connect(&addr.into()) {
        // Interrupted: the kernel goes on with it.
        Err(error)
            if error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == io::ErrorKind::Interrupted => {}
        answer => answer?,
    }
    Ok(socket.into())
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connected {
    Still,
    /// And reset by the other side before anybody looked. A blocking connect would have come back before; what comes next
    /// on this stream is the reset.
    ThenReset,
}

/// Whether it is connected: [`WouldBlock`](io::ErrorKind::WouldBlock) while that is open.
fn outcome(fd: BorrowedFd<'_>) -> io::Result<Connected> {
    let socket = SockRef::from(&fd);
    let failed = || match socket.take_error()? {
        // Who refuses a connection is told from who had it: this is not ECONNREFUSED.
        Some(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Some(Connected::ThenReset)),
        Some(error) => Err(error),
        None => Ok(None),
    };
    if let Some(reset) = failed()? {
        return Ok(reset);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(Connected::Still),
        // Or it failed between the two questions.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            failed()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// How long to go on with it.
#[derive(Clone, Copy)]
pub(super) struct Limit<'a> {
    /// When it fails as timed out.
    pub(super) deadline: u64,
    /// The time there is for all addresses together ends here, though it is not for this file to say so.
    pub(super) share_until: u64,
    pub(super) end: End<'a>,
}

impl Limit<'_> {
    /// Until the clock shows `deadline`.
    pub(super) fn deadline(deadline: u64) -> Limit<'static> {
        Limit { deadline, share_until: deadline, end: None }
    }

    fn check(self) -> io::Result<u64> {
        let time = now();
        if self.end.is_some_and(Signal::is_fired) {
            return Err(err::cancelled());
        }
        if time >= self.deadline { Err(err::timed_out()) } else { Ok(time) }
    }
}

/// Connects to one address.
pub(super) fn one(addr: SocketAddr, limit: Limit<'_>) -> io::Result<TcpStream> {
    limit.check()?;
    let fd = Fd::plain_tcp(begin(addr)?);
    let outcome = fd.operate_until(Direction::Write, limit.deadline, limit.end, outcome)?;
    connected(fd, outcome)
}

/// The stream that came of it.
fn connected(fd: Fd, outcome: Connected) -> io::Result<TcpStream> {
    sys::set_nonblocking(fd.as_fd(), false)?;
    if outcome == Connected::ThenReset {
        fd.note_reset();
    }
    Ok(TcpStream { fd: Arc::new(fd) })
}

/// So long an address may take before the next one is tried, too.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first address that answers. Whatever else was begun is closed in the end, however it ends.
pub(super) fn race(addrs: &[SocketAddr], limit: Limit<'_>) -> io::Result<TcpStream> {
    let mut left = match addrs {
        [] => return Err(no_address()),
        [addr] => return one(*addr, limit),
        _ => taking_turns(addrs).into_iter(),
    };
    // Those that are on their way.
    let set = Fd::new(sys::new_set()?);
    let mut running: Vec<OwnedFd> = Vec::new();
    let mut first_error = None;
    let mut next_at = 0;
    loop {
        let time = limit.check()?;
        if (time >= next_at || running.is_empty())
            && let Some(addr) = left.next()
        {
            let share = limit.share_until.saturating_sub(time) / (left.len() as u64 + 1);
            next_at = time + share.min(HEAD_START.as_nanos() as u64);
            match begin(addr) {
                Ok(fd) => {
                    sys::add_to_set(set.as_fd(), fd.as_fd(), Direction::Write)?;
                    running.push(fd);
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                    next_at = time;
                }
            }
        }
        let mut at = 0;
        while at < running.len() {
            match outcome(running[at].as_fd()) {
                Ok(outcome) => return connected(Fd::plain_tcp(running.swap_remove(at)), outcome),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => at += 1,
                Err(error) => {
                    first_error.get_or_insert(error);
                    running.remove(at);
                    next_at = 0;
                }
            }
        }
        let more = left.len() > 0;
        if running.is_empty() && !more {
            return Err(first_error.unwrap_or_else(no_address));
        }
        if more && (running.is_empty() || now() >= next_at) {
            continue;
        }
        let until = if more { next_at.min(limit.deadline) } else { limit.deadline };
        match set.operate_until(Direction::Read, until, limit.end, sys::look_at_set) {
            Err(error) if error.kind() != io::ErrorKind::TimedOut => return Err(error),
            _ => {}
        }
    }
}

/// The addresses, families taking turns, the first one's first.
fn taking_turns(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let (first, second): (Vec<_>, Vec<_>) =
        addrs.iter().copied().partition(|addr| addr.is_ipv4() == addrs[0].is_ipv4());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = Vec::with_capacity(addrs.len());
    loop {
        let before = turns.len();
        turns.extend(first.next());
        turns.extend(second.next());
        if turns.len() == before {
            return turns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn families_take_turns() {
        let parse = |list: &[&str]| list.iter().map(|addr| addr.parse().unwrap()).collect::<Vec<_>>();
        let given = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        assert_eq!(taking_turns(&given), parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
    }

    /// As with a connect of std's: it has succeeded, and the reset is the next call's.
    #[test]
    fn a_reset_after_the_connect_is_not_the_connects() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reset_by_peer = || {
            let begun = begin(listener.local_addr().unwrap()).unwrap();
            SockRef::from(&listener.accept().unwrap().0).set_linger(Some(Duration::ZERO)).unwrap();
            let fd = Fd::plain_tcp(begun);
            // Until the reset is there.
            let outcome = loop {
                match outcome(fd.as_fd()) {
                    Ok(Connected::ThenReset) => break Connected::ThenReset,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
                    _ => std::thread::yield_now(),
                }
            };
            connected(fd, outcome).unwrap()
        };
        let mut stream = reset_by_peer();
        assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        let stream = reset_by_peer();
        assert_eq!(stream.take_error().unwrap().unwrap().kind(), io::ErrorKind::ConnectionReset);
        assert!(stream.take_error().unwrap().is_none());
    }
}
