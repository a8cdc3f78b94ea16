//! A page that shows the program from inside.

mod http;
mod routes;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gander_net::{TcpListener, TcpStream, ToSocketAddrs};
use gander_runtime::Builder;

use http::{Request, Response};

/// More connections at once are turned away: a page needs a handful.
const MOST_CONNECTIONS: usize = 64;
/// How long a client may take to ask, or to take what it asked for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may take in all, however steadily it is taken.
const LONGEST: Duration = Duration::from_secs(600);

/// Serves a page at `addr` that shows goroutines by their stacks, the scheduler's numbers, a timeline, and profiles under
/// Go's paths (`go tool pprof http://127.0.0.1:6060/debug/pprof/profile`). It only shows: nothing that a client sends
/// changes the program.
///
/// Who reads it sees the program's source paths, names and timing. So the address has to be a loopback one, and requests
/// whose `Host` is not are refused, or any web page could read it through a browser on this machine.
///
/// # Blocking
///
/// Binds, and returns; goroutines of its own serve.
///
/// # Errors
///
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the address is not loopback ([`serve_anywhere`] takes any);
/// else those of binding. Without a running runtime.
///
/// # Examples
///
/// ```
/// gander_runtime::run(|| {
///     let server = gander_inspect::serve("127.0.0.1:0").unwrap();
///     println!("look at http://{}", server.local_addr());
/// });
/// ```
pub fn serve<A: ToSocketAddrs>(addr: A) -> io::Result<Server> {
    let listener = TcpListener::bind(addr)?;
    let addr = listener.local_addr()?;
    if !addr.ip().is_loopback() {
        let problem =
            format!("{addr} is not a loopback address: others could look into this program (serve_anywhere)");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
    }
    start(listener, false)
}

/// [`serve`] at any address, for clients that are kept away by other means.
///
/// # Errors
///
/// Those of binding. Without a running runtime.
pub fn serve_anywhere<A: ToSocketAddrs>(addr: A) -> io::Result<Server> {
    start(TcpListener::bind(addr)?, true)
}

/// A page that is served, until [`stop`](Server::stop) or the end of the process. Dropping this changes nothing.
#[derive(Debug)]
pub struct Server {
    listener: Arc<TcpListener>,
    addr: SocketAddr,
}

impl Server {
    /// Where.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more requests.
    pub fn stop(self) {
        // Whoever accepts gets an error, and ends. Closed twice is closed.
        let _ = self.listener.close();
    }
}

fn start(listener: TcpListener, anywhere: bool) -> io::Result<Server> {
    let addr = listener.local_addr()?;
    let listener = Arc::new(listener);
    let server = Server { listener: listener.clone(), addr };
    let accept = move || {
        let connections = Arc::new(AtomicUsize::new(0));
        loop {
            match listener.accept() {
                Ok((stream, _)) => connect(stream, &connections, anywhere),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if is_passing(&error) => gander_runtime::sleep(Duration::from_millis(100)),
                Err(_) => return,
            }
        }
    };
    let named = Builder::new().name("gander inspect".into());
    named.spawn(accept).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(server)
}

/// Whether an error of accept is about the moment and not the listener: no descriptors left, no memory.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

fn connect(stream: TcpStream, connections: &Arc<AtomicUsize>, anywhere: bool) {
    if connections.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
        connections.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let count = connections.clone();
    let answer = move || {
        // A client that goes away is no matter.
        let _ = converse(stream, anywhere);
        count.fetch_sub(1, Ordering::Relaxed);
    };
    if Builder::new().name("gander inspect".into()).stack_size(1 << 20).spawn(answer).is_err() {
        connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request, one answer.
fn converse(mut stream: TcpStream, anywhere: bool) -> io::Result<()> {
    // For the whole request, and not for each byte of it.
    stream.set_read_deadline(Some(Instant::now() + PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let response = match Request::read(&mut stream) {
        Err(problem) => Response::problem(400, &problem.to_string()),
        Ok(request) if !anywhere && !request.host.as_deref().is_some_and(is_here) => {
            Response::problem(403, "this page answers to localhost only (gander::inspect::serve_anywhere)")
        }
        Ok(request) if request.method != "GET" => {
            Response::problem(405, "there is nothing here but to be looked at")
        }
        Ok(request) => routes::answer(&request),
    };
    stream.set_write_deadline(Some(Instant::now() + LONGEST))?;
    response.write(&mut stream)
}

/// Whether a `Host` is this machine by a name that nobody else can have.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn only_this_machine_is_here() {
        for host in ["localhost", "localhost:6060", "127.0.0.1:6060", "127.9.9.9", "[::1]:6060"] {
            assert!(is_here(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:6060",
            "localhost.evil.example",
            "10.0.0.1:6060",
            "[::2]",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_here(host), "{host}");
        }
    }
}
