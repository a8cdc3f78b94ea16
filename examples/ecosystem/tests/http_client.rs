//! ureq through its transport trait: a crawler over a small web, and what that web is served by.

use std::collections::{BTreeSet, HashSet};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gander::net::{TcpListener, TcpStream};
use gander::run;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Agent, Error};

/// Connects ureq by gander's sockets.
#[derive(Debug)]
struct GanderConnector;

#[derive(Debug)]
struct GanderTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Connector for GanderConnector {
    type Out = GanderTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<GanderTransport>, Error> {
        let addrs: Vec<SocketAddr> = details.addrs.iter().copied().collect();
        let stream = match details.timeout.not_zero() {
            Some(timeout) => TcpStream::connect_deadline(&addrs[..], Instant::now() + *timeout),
            None => TcpStream::connect(&addrs[..]),
        }?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(GanderTransport { stream, buffers }))
    }
}

fn deadline(timeout: NextTimeout) -> Option<Instant> {
    timeout.not_zero().map(|timeout| Instant::now() + *timeout)
}

impl Transport for GanderTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_deadline(deadline(timeout))?;
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_read_deadline(deadline(timeout))?;
        match self.stream.read(self.buffers.input_append_buf()) {
            Ok(len) => {
                self.buffers.input_appended(len);
                Ok(len > 0)
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err(Error::Timeout(timeout.reason)),
            Err(error) => Err(error.into()),
        }
    }

    fn is_open(&mut self) -> bool {
        let _ = self.stream.set_nonblocking(true);
        let nothing = self.stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).is_ok() && nothing
    }
}

/// Pages 0 to 199; each links to two others. `/slow` never answers.
fn serve_web(listener: TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        gander::go(move || {
            let mut read = Vec::new();
            loop {
                let mut buf = [0; 1024];
                let Ok(len @ 1..) = stream.read(&mut buf) else { return };
                read.extend_from_slice(&buf[..len]);
                while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                    let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
                    let path = head.split(' ').nth(1).unwrap();
                    let Ok(page) = path[1..].parse::<usize>() else { continue };
                    let body = format!("{} {}", (page * 2 + 1) % 200, (page * 3 + 1) % 200);
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            }
        });
    }
}

fn agent() -> Agent {
    Agent::with_parts(Agent::config_builder().build(), GanderConnector, DefaultResolver::default())
}

#[test]
fn a_crawler_visits_every_page_once() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        gander::go(move || serve_web(listener));
        // What the pages link to, without the web.
        let (mut reachable, mut open) = (BTreeSet::from([0]), vec![0usize]);
        while let Some(page) = open.pop() {
            for next in [(page * 2 + 1) % 200, (page * 3 + 1) % 200] {
                if reachable.insert(next) {
                    open.push(next);
                }
            }
        }
        let (seen, agent) = (Mutex::new(HashSet::from([0usize])), agent());
        gander::scope(|scope| visit(scope, addr, 0, &seen, &agent));
        assert_eq!(seen.into_inner().unwrap().into_iter().collect::<BTreeSet<_>>(), reachable);
    });
}

/// A goroutine for each page that is new.
fn visit<'scope, 'env>(
    scope: &'scope gander::Scope<'scope, 'env>,
    addr: SocketAddr,
    page: usize,
    seen: &'env Mutex<HashSet<usize>>,
    agent: &'env Agent,
) {
    let text = agent.get(format!("http://{addr}/{page}")).call().unwrap().body_mut().read_to_string().unwrap();
    for link in text.split(' ').map(|link| link.parse().unwrap()) {
        if seen.lock().unwrap().insert(link) {
            scope.spawn(move || visit(scope, addr, link, seen, agent));
        }
    }
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        gander::go(move || serve_web(listener));
        let config = Agent::config_builder().timeout_global(Some(Duration::from_millis(50))).build();
        let agent = Agent::with_parts(config, GanderConnector, DefaultResolver::default());
        let error = Arc::new(agent.get(format!("http://{addr}/slow")).call().unwrap_err());
        assert!(matches!(*error, Error::Timeout(_)), "{error}");
    });
}
