//! What all sockets have in common: waits and their limits, closing, and the ways into and out of other types.

use std::time::Duration;

use gander_runtime::poll::Direction;
use socket2::SockRef;

use crate::fd::Fd;

/// Methods of a type with a field `fd: Arc<Fd>`. `$flag`: how the kernel's `O_NONBLOCK` follows `set_nonblocking`.
macro_rules! waits {
    ($name:ident, $flag:expr) => {
        impl $name {
            /// How long one read (or receive, or accept) may wait; none: as long as it takes. As std's: the error is
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock). It holds for all handles of this socket.
            ///
            /// # Errors
            ///
            /// If the timeout is zero.
            pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.fd.set_timeout(Direction::Read, timeout)
            }

            /// How long one write (or send) may wait. See [`set_read_timeout`](Self::set_read_timeout).
            ///
            /// # Errors
            ///
            /// If the timeout is zero.
            pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.fd.set_timeout(Direction::Write, timeout)
            }

            /// What [`set_read_timeout`](Self::set_read_timeout) has set.
            ///
            /// # Errors
            ///
            /// If it is closed.
            pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.fd.timeout(Direction::Read)
            }

            /// What [`set_write_timeout`](Self::set_write_timeout) has set.
            ///
            /// # Errors
            ///
            /// If it is closed.
            pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.fd.timeout(Direction::Write)
            }

            /// The moment from which on reads and writes fail with
            /// [`TimedOut`](std::io::ErrorKind::TimedOut), those that wait by then included; they fail even if they would
            /// not have to wait, until another deadline is set. None: never. As Go's `SetDeadline`: any goroutine may
            /// set it, at any time, for all handles.
            ///
            /// # Errors
            ///
            /// If it is closed.
            pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                self.fd.set_deadline(Direction::Read, deadline)?;
                self.fd.set_deadline(Direction::Write, deadline)
            }

            /// [`set_deadline`](Self::set_deadline) for reads, receives and accepts.
            ///
            /// # Errors
            ///
            /// If it is closed.
            pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                self.fd.set_deadline(Direction::Read, deadline)
            }

            /// [`set_deadline`](Self::set_deadline) for writes and sends.
            ///
            /// # Errors
            ///
            /// If it is closed.
            pub fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
                self.fd.set_deadline(Direction::Write, deadline)
            }

            /// Closes it for all handles. Whoever waits in an operation is woken, and that operation and all later ones
            /// fail with an error for which [`is_closed`](crate::is_closed) is true. The descriptor's number stays taken
            /// until the last handle is dropped, so nobody meets a stranger behind it.
            ///
            /// Without this it is closed when the last handle is dropped.
            ///
            /// # Errors
            ///
            /// If it is closed already.
            pub fn close(&self) -> io::Result<()> {
                self.fd.close()
            }

            /// Whether operations return [`WouldBlock`](std::io::ErrorKind::WouldBlock) and do not wait. Goroutines have
            /// little use for it; it is there for code that polls by other means, and holds for all handles.
            ///
            /// # Errors
            ///
            /// If it is closed.
            pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.fd.set_nonblocking(nonblocking)?;
                if $flag { crate::sys::set_nonblocking(self.fd.as_fd(), nonblocking) } else { Ok(()) }
            }

            /// The error that is pending on it (`SO_ERROR`), which is taken off it.
            ///
            /// # Errors
            ///
            /// If it cannot be asked.
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                let error = socket2::SockRef::from(&self.fd.open()?).take_error()?;
                Ok(error.or_else(|| self.fd.take_reset().then(|| io::Error::from_raw_os_error(libc::ECONNRESET))))
            }

            /// Another handle of the same socket. Both have the same descriptor, deadlines and timeouts; it is closed with
            /// the last.
            ///
            /// # Errors
            ///
            /// None today; as std's.
            pub fn try_clone(&self) -> io::Result<$name> {
                Ok($name { fd: Arc::clone(&self.fd) })
            }
        }
    };
}

/// How it is shown: the addresses that it has, in std's order and by std's names, and its descriptor where `fd` stands.
macro_rules! shown {
    ($name:ident: $($addr:ident as $label:literal),*; fd) => {
        crate::handle::shown!(@ $name, debug, [$($addr as $label),*], []);
    };
    ($name:ident: fd; $($addr:ident as $label:literal),*) => {
        crate::handle::shown!(@ $name, debug, [], [$($addr as $label),*]);
    };
    (@ $name:ident, $debug:ident, [$($addr:ident as $label:literal),*], [$($later:ident as $later_label:literal),*]) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut $debug = f.debug_struct(stringify!($name));
                $(if let Ok(addr) = self.$addr() {
                    $debug.field($label, &addr);
                })*
                $debug.field("fd", &self.fd.as_fd().as_raw_fd());
                $(if let Ok(addr) = self.$later() {
                    $debug.field($later_label, &addr);
                })*
                $debug.finish()
            }
        }
    };
}

/// Ways from and to descriptors and std's type. `$listens`: the open file needs `O_NONBLOCK`.
macro_rules! conversions {
    ($name:ident, $std:ty, $listens:expr) => {
        impl AsFd for $name {
            /// After [`close`](Self::close) the descriptor is that of a file that can neither be read nor written.
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.fd.as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.fd.as_fd().as_raw_fd()
            }
        }

        impl From<OwnedFd> for $name {
            /// With the timeouts that it has (`SO_RCVTIMEO`, `SO_SNDTIMEO`); a listener without.
            fn from(owned: OwnedFd) -> $name {
                let fd = Fd::new(owned);
                if $listens {
                    // If it fails an accept may block its thread for a while, and that is noticed.
                    let _ = crate::sys::set_nonblocking(fd.as_fd(), true);
                } else {
                    crate::handle::take_timeouts(&fd);
                }
                $name { fd: Arc::new(fd) }
            }
        }

        impl From<$name> for OwnedFd {
            /// With its timeouts, as `SO_RCVTIMEO` and `SO_SNDTIMEO`, but for a listener's; without its deadlines, which only
            /// gander knows. It blocks, unless it was set not to; other handles wait as before.
            ///
            /// # Panics
            ///
            /// If there are other handles, so that the descriptor has to be duplicated, and none are left.
            fn from(socket: $name) -> OwnedFd {
                if $listens {
                    // Other handles look before they accept from now on.
                    socket.fd.lend();
                    let _ = crate::sys::set_nonblocking(socket.fd.as_fd(), socket.fd.is_nonblocking());
                } else {
                    crate::handle::give_timeouts(&socket.fd);
                }
                Fd::into_owned(socket.fd)
            }
        }

        impl IntoRawFd for $name {
            fn into_raw_fd(self) -> RawFd {
                OwnedFd::from(self).into_raw_fd()
            }
        }

        impl FromRawFd for $name {
            /// # Safety
            ///
            /// As [`OwnedFd`]'s.
            unsafe fn from_raw_fd(fd: RawFd) -> $name {
                // SAFETY: by contract.
                unsafe { $name::from(OwnedFd::from_raw_fd(fd)) }
            }
        }

        impl From<$std> for $name {
            /// The same socket, for goroutines: its operations wait, even if it was set not to; for as long as its timeouts
            /// say, if it has any.
            fn from(socket: $std) -> $name {
                $name::from(OwnedFd::from(socket))
            }
        }

        impl From<$name> for $std {
            /// The same socket, for threads. Its timeouts go along, its deadlines do not.
            fn from(socket: $name) -> $std {
                <$std>::from(OwnedFd::from(socket))
            }
        }
    };
}

pub(crate) use {conversions, shown, waits};

/// The kernel's timeouts become ours: with `MSG_DONTWAIT` the kernel does not look at them.
pub(crate) fn take_timeouts(fd: &Fd) {
    let socket = SockRef::from(fd);
    for (direction, timeout) in
        [(Direction::Read, socket.read_timeout()), (Direction::Write, socket.write_timeout())]
    {
        // What is no socket has none.
        if let Ok(Some(timeout)) = timeout {
            let _ = fd.set_timeout(direction, Some(timeout));
        }
    }
}

/// Ours become the kernel's, for who uses the descriptor without us. The kernel's zero means none, as none of ours does.
pub(crate) fn give_timeouts(fd: &Fd) {
    let socket = SockRef::from(fd);
    let whole_micros = |timeout: Option<Duration>| timeout.map(|timeout| timeout.max(Duration::from_micros(1)));
    // It can only fail for what is no socket, or is closed.
    let _ = fd.timeout(Direction::Read).and_then(|timeout| socket.set_read_timeout(whole_micros(timeout)));
    let _ = fd.timeout(Direction::Write).and_then(|timeout| socket.set_write_timeout(whole_micros(timeout)));
}
