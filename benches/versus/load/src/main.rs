//! The client of the rows `echo` and `http`: one thread, many connections, one request at a time on each.
//!
//! ```text
//! load PORT CONNECTIONS REQUESTS echo|http
//! {"requests":100000,"wall_ns":800000000}
//! ```
//!
//! By hand on epoll, so that it costs less than any server and is the same for all of them.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::Instant;

const REQUEST: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\nUser-Agent: versus\r\nAccept: */*\r\n\r\n";
const PAGE_LEN: usize =
    b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, World!".len();
const EVENTS: usize = 256;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, connections, requests, service] = &args[..] else {
        eprintln!("usage: load PORT CONNECTIONS REQUESTS echo|http");
        return ExitCode::from(2);
    };
    let number = |text: &String| text.parse().expect("PORT, CONNECTIONS and REQUESTS are numbers");
    let answer_len = if service == "http" { PAGE_LEN } else { REQUEST.len() };
    let connected = (0..number(connections)).map(|_| connect(number(port) as u16)).collect::<io::Result<Vec<_>>>();
    let took = connected.and_then(|connections| {
        // A warm-up, and then what counts.
        exchange(&connections, number(requests) / 10, answer_len)?;
        exchange(&connections, number(requests), answer_len)
    });
    match took {
        Ok(nanos) => {
            println!("{{\"requests\":{},\"wall_ns\":{nanos}}}", number(requests));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let address = ("127.0.0.1", port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends so many requests over all connections together and awaits each answer. Returns how long it took.
fn exchange(connections: &[TcpStream], requests: usize, answer_len: usize) -> io::Result<u128> {
    let epoll = Epoll::new()?;
    let mut to_send = requests;
    let mut to_come = 0;
    let mut missing = vec![answer_len; connections.len()];
    for (i, stream) in connections.iter().enumerate() {
        stream.set_nonblocking(true)?;
        epoll.add(stream, i)?;
    }
    let begin = Instant::now();
    for mut stream in connections.iter().take(to_send) {
        stream.write_all(REQUEST)?;
        (to_send, to_come) = (to_send - 1, to_come + 1);
    }
    let mut buffer = [0; 1024];
    let mut ready = Vec::with_capacity(EVENTS);
    while to_come > 0 {
        epoll.wait(&mut ready)?;
        for &i in &ready {
            let mut stream = &connections[i];
            match stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) if count > missing[i] => return Err(io::Error::other("an answer is too long")),
                Ok(count) => missing[i] -= count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            if missing[i] == 0 {
                missing[i] = answer_len;
                to_come -= 1;
                if to_send > 0 {
                    stream.write_all(REQUEST)?;
                    (to_send, to_come) = (to_send - 1, to_come + 1);
                }
            }
        }
    }
    Ok(begin.elapsed().as_nanos())
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Epoll> {
        // SAFETY: makes a descriptor, which is ours alone if it is one.
        unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Epoll(OwnedFd::from_raw_fd(fd))) }
        }
    }

    fn add(&self, stream: &TcpStream, i: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: i as u64 };
        // SAFETY: both descriptors are open; the event is read.
        let done =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, stream.as_raw_fd(), &mut event) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The connections that can be read. Gives up when nothing comes for long.
    fn wait(&self, ready: &mut Vec<usize>) -> io::Result<()> {
        const PATIENCE_MILLIS: i32 = 5000;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: there is room for so many.
        let count =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), EVENTS as i32, PATIENCE_MILLIS) };
        ready.clear();
        match count {
            0 => Err(io::ErrorKind::TimedOut.into()),
            1.. => Ok(ready.extend(events[..count as usize].iter().map(|event| event.u64 as usize))),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
