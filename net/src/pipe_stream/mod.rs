//! A connection without the kernel: two ends in memory.
//!
//! ```text
//!   writer                         lane                          reader
//!   a part of what it has   ──►  part, and how much of it  ──►   takes what fits
//!   waits until all of it         has been taken                 waits until there is some
//!   has been taken, next part
//! ```
//!
//! Each direction is a lane. At most one task reads and one writes at each end, which [`Hold`] sees to, so each lane has
//! one writer and one reader, each with a bell: whoever changes something about the lane rings it. Once too often costs
//! one look.

mod lane;

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gander_runtime::poll::Direction;
use gander_runtime::timer::{deadline_at, now};

use crate::ctx::{ReadUntil, WriteUntil, with_ctx};
use crate::err;
use crate::fd::{End, Hold, Refused};
use lane::Lane;

const NEVER: u64 = u64::MAX;

/// So much of a write is handed over at once: more would only be copied earlier.
const PART: usize = 64 << 10;

/// One end of a connection in memory: Go's `net.Pipe`, for tests and for parts of a program that talk over streams.
///
/// It is synchronous: a write returns when the other end has read all of it, and not before. Nothing is buffered between
/// the two, so a program that works over it does not rely on buffers. One goroutine may read while another writes, by
/// reference or by [clones](Self::try_clone); several writes do not mix.
///
/// Once an end is closed, by [`close`](Self::close) or by the drop of its last handle, the other one reads the end, and its
/// writes fail with [`BrokenPipe`](io::ErrorKind::BrokenPipe). As in Go there is no closing of one direction alone.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use gander_net::PipeStream;
///
/// # gander_runtime::run(|| {
/// let (mut client, mut server) = PipeStream::pair();
/// gander_runtime::go(move || {
///     let mut request = [0; 4];
///     server.read_exact(&mut request).unwrap();
///     server.write_all(b"pong").unwrap();
/// });
/// client.write_all(b"ping").unwrap();
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).unwrap();
/// assert_eq!(answer, "pong");
/// # });
/// ```
pub struct PipeStream {
    end: Arc<OneEnd>,
}

/// One end, for all its handles.
struct OneEnd {
    hold: Hold,
    read: Deadline,
    write: Deadline,
    /// What the other end writes.
    incoming: Arc<Lane>,
    /// What it reads.
    outgoing: Arc<Lane>,
}

// A panic in an operation lets its direction go; the lanes' locks are not held while anything is called.
impl UnwindSafe for OneEnd {}
impl RefUnwindSafe for OneEnd {}

struct Deadline(AtomicU64);

impl Deadline {
    fn check(&self) -> io::Result<u64> {
        let at = self.0.load(Ordering::Acquire);
        if at != NEVER && now() >= at { Err(err::timed_out()) } else { Ok(at) }
    }
}

impl OneEnd {
    fn read(&self, buf: &mut [u8], end: End<'_>) -> io::Result<usize> {
        let _held = self.begin(Direction::Read, end)?;
        let lane = &*self.incoming;
        loop {
            lane.to_reader.reset();
            self.check_open()?;
            let deadline = self.read.check()?;
            if buf.is_empty() {
                return Ok(0);
            }
            if let Some(len) = lane.take(buf) {
                return Ok(len);
            }
            if lane.writer_is_gone.load(Ordering::Acquire) {
                return Ok(0);
            }
            lane.to_reader.wait(deadline, end)?;
        }
    }

    /// As a socket's: what was taken before an error counts, and the error is the next call's.
    fn write(&self, buf: &[u8], end: End<'_>) -> io::Result<usize> {
        let _held = self.begin(Direction::Write, end)?;
        self.check_write()?;
        let mut done = 0;
        while done < buf.len() {
            let part = &buf[done..buf.len().min(done + PART)];
            let (taken, answer) = self.hand_over(part, end);
            done += taken;
            match answer {
                Ok(()) => {}
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Offers a part until all of it has been taken. How much was.
    fn hand_over(&self, part: &[u8], end: End<'_>) -> (usize, io::Result<()>) {
        let lane = &*self.outgoing;
        lane.offer(part.to_vec());
        loop {
            lane.to_writer.reset();
            if lane.is_taken() {
                lane.withdraw();
                return (part.len(), Ok(()));
            }
            let answer = self.check_write().and_then(|deadline| lane.to_writer.wait(deadline, end));
            if let Err(error) = answer {
                return match lane.withdraw() {
                    taken if taken == part.len() => (taken, Ok(())),
                    taken => (taken, Err(error)),
                };
            }
        }
    }

    /// Whether a write may go on, and until when.
    fn check_write(&self) -> io::Result<u64> {
        self.check_open()?;
        if self.outgoing.reader_is_gone.load(Ordering::Acquire) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.write.check()
    }

    fn begin(&self, direction: Direction, end: End<'_>) -> io::Result<Held<'_>> {
        match self.hold.lock(direction, end) {
            Ok(()) => Ok(Held { hold: &self.hold, direction }),
            Err(Refused::Closed) => Err(err::closed()),
            Err(Refused::Cancelled) => Err(err::cancelled()),
        }
    }

    fn check_open(&self) -> io::Result<()> {
        if self.hold.is_closed() { Err(err::closed()) } else { Ok(()) }
    }

    fn close(&self) -> io::Result<()> {
        if !self.hold.close() {
            return Err(err::closed());
        }
        self.outgoing.writer_is_gone.store(true, Ordering::Release);
        self.incoming.reader_is_gone.store(true, Ordering::Release);
        // Those of this end and those of the other.
        for lane in [&self.incoming, &self.outgoing] {
            lane.to_reader.ring();
            lane.to_writer.ring();
        }
        Ok(())
    }

    fn set_deadline(&self, direction: Direction, deadline: Option<Instant>) -> io::Result<()> {
        self.check_open()?;
        let at = deadline.map_or(NEVER, deadline_at);
        // Whoever waits now looks at it.
        match direction {
            Direction::Read => {
                self.read.0.store(at, Ordering::Release);
                self.incoming.to_reader.ring();
            }
            Direction::Write => {
                self.write.0.store(at, Ordering::Release);
                self.outgoing.to_writer.ring();
            }
        }
        Ok(())
    }
}

impl Drop for OneEnd {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

struct Held<'a> {
    hold: &'a Hold,
    direction: Direction,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.hold.unlock(self.direction);
    }
}

impl PipeStream {
    /// Two ends that are connected to each other.
    pub fn pair() -> (PipeStream, PipeStream) {
        let (one, other) = (Lane::new(), Lane::new());
        let end = |incoming: &Arc<Lane>, outgoing: &Arc<Lane>| PipeStream {
            end: Arc::new(OneEnd {
                hold: Hold::default(),
                read: Deadline(AtomicU64::new(NEVER)),
                write: Deadline(AtomicU64::new(NEVER)),
                incoming: Arc::clone(incoming),
                outgoing: Arc::clone(outgoing),
            }),
        };
        (end(&one, &other), end(&other, &one))
    }

    /// The moment from which on reads and writes fail with [`TimedOut`](io::ErrorKind::TimedOut), those that wait by then
    /// included, until another one is set. None: never. See [`TcpStream::set_deadline`](crate::TcpStream::set_deadline).
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn set_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.end.set_deadline(Direction::Read, deadline)?;
        self.end.set_deadline(Direction::Write, deadline)
    }

    /// [`set_deadline`](Self::set_deadline) for reads.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn set_read_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.end.set_deadline(Direction::Read, deadline)
    }

    /// [`set_deadline`](Self::set_deadline) for writes.
    ///
    /// # Errors
    ///
    /// If it is closed.
    pub fn set_write_deadline(&self, deadline: Option<Instant>) -> io::Result<()> {
        self.end.set_deadline(Direction::Write, deadline)
    }

    /// Closes this end for all its handles. Whoever waits at it is woken, and that operation and all later ones fail with
    /// an error for which [`is_closed`](crate::is_closed) is true.
    ///
    /// # Errors
    ///
    /// If it is closed already.
    pub fn close(&self) -> io::Result<()> {
        self.end.close()
    }

    /// Another handle of this end.
    ///
    /// # Errors
    ///
    /// None; as a socket's.
    pub fn try_clone(&self) -> io::Result<PipeStream> {
        Ok(PipeStream { end: Arc::clone(&self.end) })
    }
}

with_ctx!(PipeStream);

impl ReadUntil for PipeStream {
    fn read_until(&self, buf: &mut [u8], end: End<'_>) -> io::Result<usize> {
        self.end.read(buf, end)
    }
}

impl WriteUntil for PipeStream {
    fn write_until(&self, buf: &[u8], end: End<'_>) -> io::Result<usize> {
        self.end.write(buf, end)
    }
}

/// # Blocking
///
/// Parks the goroutine until the other end writes or closes; blocks an ordinary thread.
impl Read for &PipeStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.end.read(buf, None)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.read_vectored_until(bufs, None)
    }
}

/// A write of nothing returns at once. (Go's waits for a reader, which then reads nothing; here that would be the end.)
///
/// # Blocking
///
/// Parks the goroutine until the other end has read all of it; blocks an ordinary thread.
impl Write for &PipeStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.end.write(buf, None)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored_until(bufs, None)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for PipeStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }
}

impl Write for PipeStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for PipeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeStream").field("is_closed", &self.end.hold.is_closed()).finish_non_exhaustive()
    }
}
