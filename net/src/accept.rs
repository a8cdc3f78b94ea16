//! Accepting, for TCP and Unix: what is passed over, and what is waited out.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use gander_runtime::poll::Direction;
use gander_runtime::timer::deadline_after;
use socket2::{SockAddr, SockRef};

use crate::err;
use crate::fd::{End, Fd};
use crate::sys;

type Accepted = (OwnedFd, SockAddr);

/// Waits for a connection.
pub(crate) fn accept(fd: &Fd, end: End<'_>) -> io::Result<Accepted> {
    accept_by(fd, end, |listener| {
        if fd.is_lent() {
            sys::look(listener)?;
        }
        SockRef::from(&listener).accept().map(|(socket, addr)| (socket.into(), addr))
    })
}

/// [`accept`] by another system call.
fn accept_by(
    fd: &Fd,
    end: End<'_>,
    mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<Accepted>,
) -> io::Result<Accepted> {
    const FIRST_PAUSE: Duration = Duration::from_millis(5);
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);
    let mut pause = FIRST_PAUSE;
    // All of it is one operation, with one timeout.
    let held = fd.begin(Direction::Read, end)?;
    loop {
        let answer = held.attempt(|fd| {
            loop {
                match attempt(fd) {
                    Err(error) if was_broken_off(&error) => {}
                    answer => return answer,
                }
            }
        });
        match answer {
            Err(error) if err::is_exhausted(&error) && !fd.is_nonblocking() => {
                if pause == FIRST_PAUSE {
                    eprintln!("gander: accept: {error}; trying again until there is room");
                }
                if !held.may_wait() {
                    // Its timeout is over, and that is how timeouts are told.
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                held.pause(deadline_after(pause))?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// The other side gave up while it was in the queue.
fn was_broken_off(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECONNABORTED | libc::EPROTO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gander_runtime::Signal;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::time::Instant;

    fn listening() -> (Fd, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Fd::new(listener.into()), client)
    }

    /// Fails so often with an error, then does it.
    fn failing(times: usize, errno: libc::c_int) -> impl FnMut(BorrowedFd<'_>) -> io::Result<Accepted> {
        let mut left = times;
        move |fd| {
            if left > 0 {
                left -= 1;
                return Err(io::Error::from_raw_os_error(errno));
            }
            SockRef::from(&fd).accept().map(|(socket, addr)| (socket.into(), addr))
        }
    }

    /// net-13.
    #[test]
    fn a_connection_that_was_broken_off_is_passed_over() {
        let (fd, client) = listening();
        let (_, addr) = accept_by(&fd, None, failing(3, libc::ECONNABORTED)).unwrap();
        assert_eq!(addr.as_socket(), client.local_addr().ok());
    }

    #[test]
    fn exhaustion_is_waited_out() {
        let (fd, client) = listening();
        let start = Instant::now();
        let (_, addr) = accept_by(&fd, None, failing(3, libc::EMFILE)).unwrap();
        assert_eq!(addr.as_socket(), client.local_addr().ok());
        assert!(start.elapsed() >= Duration::from_millis(5 + 10 + 20));
    }

    /// Each of them is woken again.
    #[test]
    fn several_wait_out_exhaustion() {
        gander_runtime::run(|| {
            let (fd, client) = listening();
            let addr = client.peer_addr().unwrap();
            let _more: Vec<_> = (0..7).map(|_| TcpStream::connect(addr).unwrap()).collect();
            let fd = Arc::new(fd);
            let accepting: Vec<_> = (0..8)
                .map(|_| {
                    let fd = Arc::clone(&fd);
                    gander_runtime::spawn(move || accept_by(&fd, None, failing(2, libc::EMFILE)).map(drop))
                })
                .collect();
            accepting.into_iter().for_each(|one| one.join().unwrap().unwrap());
        });
    }

    #[test]
    fn exhaustion_ends_with_the_deadline() {
        let (fd, _client) = listening();
        fd.set_deadline(Direction::Read, Some(Instant::now() + Duration::from_millis(20))).unwrap();
        let error = accept_by(&fd, None, failing(usize::MAX, libc::EMFILE)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// From the first try on, and not from the last.
    #[test]
    fn exhaustion_ends_with_the_timeout() {
        let (fd, _client) = listening();
        fd.set_timeout(Direction::Read, Some(Duration::from_millis(40))).unwrap();
        let start = Instant::now();
        let error = accept_by(&fd, None, failing(usize::MAX, libc::EMFILE)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(start.elapsed() >= Duration::from_millis(40), "not early");
    }

    #[test]
    fn exhaustion_ends_with_the_signal() {
        let (fd, _client) = listening();
        let signal = Arc::new(Signal::new());
        let accepting = std::thread::spawn({
            let signal = Arc::clone(&signal);
            move || accept_by(&fd, Some(&signal), failing(usize::MAX, libc::EMFILE)).map(drop)
        });
        std::thread::sleep(Duration::from_millis(20));
        signal.fire();
        assert!(err::is_cancelled(&accepting.join().unwrap().unwrap_err()));
    }
}
