//! A connection: what comes in at one end goes out at the other, both ways.
//!
//! ```text
//!             ┌── up: reads the client, writes to the server ──►
//!   client ───┤                                                 ├─── server
//!             ◄── down: reads the server, writes to the client ─┘
//! ```
//!
//! The end of what one side says is passed on (`shutdown`), while the other may go on to speak. What breaks on one side
//! breaks the other: a reset comes out as a reset.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use gander::net::{Shutdown, TcpStream};

/// So long may it take to reach the other side.
const CONNECT: Duration = Duration::from_secs(10);
/// So much is on its way in each direction, beside what the kernel holds.
const BUFFER: usize = 16 << 10;

/// Carries a connection until both sides have ended, or one breaks, or neither has said anything for `idle`.
///
/// # Errors
///
/// What broke it. Then both sides have been cut off.
pub(crate) fn run(client: &TcpStream, upstream: &str, idle: Duration) -> io::Result<()> {
    let server = TcpStream::connect_deadline(upstream, Instant::now() + CONNECT).map_err(|error| {
        // Nobody is there. A client that has sent something already is to learn that nobody read it.
        reset(client);
        Error::new(error.kind(), format!("no connection to {upstream}: {error}"))
    })?;
    let tunnel = Tunnel { client, server: &server, idle };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tunnel.touch()?;
    gander::scope(|scope| {
        let up = scope.spawn(|| tunnel.carry(client, &server));
        let down = tunnel.carry(&server, client);
        up.join().expect("no panic").and(down)
    })
}

struct Tunnel<'a> {
    client: &'a TcpStream,
    server: &'a TcpStream,
    idle: Duration,
}

impl Tunnel<'_> {
    /// Something has been said: from now on both sides may be silent for so long. Who waits already has the new deadline,
    /// too.
    fn touch(&self) -> io::Result<()> {
        let deadline = Some(Instant::now() + self.idle);
        for side in [self.client, self.server] {
            side.set_read_deadline(deadline)?;
            side.set_write_deadline(deadline)?;
        }
        Ok(())
    }

    /// One direction, until its end.
    fn carry(&self, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
        let end = self.copy(from, to);
        match &end {
            Ok(()) => {}
            // Silence is no fault, and both have had what was said.
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                let _ = (self.client.close(), self.server.close());
            }
            // The other direction is woken by the close: what it says then is not what broke the connection.
            Err(error) if gander::net::is_closed(error) => return Ok(()),
            Err(_) => {
                reset(self.client);
                reset(self.server);
            }
        }
        end
    }

    fn copy(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        // Not on the stack: a goroutine's keeps the pages that it has touched.
        let mut buffer = vec![0; BUFFER];
        loop {
            let len = from.read(&mut buffer)?;
            if len == 0 {
                return match to.shutdown(Shutdown::Write) {
                    // It has ended on its own.
                    Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
                    done => done,
                };
            }
            to.write_all(&buffer[..len])?;
            self.touch()?;
        }
    }
}

/// Closes a connection in such a way that the peer hears of it as a fault, and not as an end.
fn reset(stream: &TcpStream) {
    let _ = stream.set_linger(Some(Duration::ZERO));
    let _ = stream.close();
}
