//! A TCP proxy: two goroutines for each connection, in plain blocking code. Half-closes and resets are carried across; there
//! is a limit to the connections and to their idling, and an orderly end at Ctrl-C.
//!
//! ```sh
//! cargo run --release --example proxy -- 127.0.0.1:8080 example.org:80
//! ```
//!
//! | argument | is | without it |
//! |---|---|---|
//! | first | where to listen | `127.0.0.1:8080` |
//! | second | where to connect to | `127.0.0.1:80` |
//! | third | milliseconds without a byte in either direction, after which a connection is closed | 60,000 |
//! | fourth | connections at a time; more wait to be accepted | 10,000 |

#![allow(missing_docs, reason = "an example")]

mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use gander::net::TcpListener;
use gander::signal::{Signal, notify};
use gander::sync::Semaphore;

#[gander::main]
fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or("127.0.0.1:8080".into());
    let upstream = &args.next().unwrap_or("127.0.0.1:80".into());
    let idle = Duration::from_millis(args.next().map_or(60_000, |millis| millis.parse().expect("milliseconds")));
    let places = &Semaphore::new(args.next().map_or(10_000, |count| count.parse().expect("a number")));
    let listener = Arc::new(TcpListener::bind(&addr)?);
    println!("tcp://{}", listener.local_addr()?);
    let ends = notify(&[Signal::INT, Signal::TERM])?;
    gander::go({
        let listener = Arc::clone(&listener);
        move || {
            let signal = ends.recv().expect("signals go on");
            // It may be closed already, by an error.
            let _ = listener.close();
            println!("{signal}: no new connections");
        }
    });
    gander::scope(|scope| {
        loop {
            // Who is not accepted waits in the kernel's queue, and costs nothing here.
            let place = places.acquire(1);
            match listener.accept() {
                Ok((client, peer)) => scope.spawn(move || {
                    let _place = place;
                    if let Err(error) = tunnel::run(&client, upstream, idle) {
                        eprintln!("{peer}: {error}");
                    }
                }),
                Err(error) if gander::net::is_closed(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
        }
        // The scope ends when the last connection has.
    })
}
