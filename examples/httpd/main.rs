//! An HTTP/1.1 server: a goroutine for each connection, in plain blocking code. Keep-alive, pipelining, limits, timeouts,
//! and an orderly end at Ctrl-C.
//!
//! ```sh
//! cargo run --release --example httpd -- 127.0.0.1:8080
//! curl -d hello http://127.0.0.1:8080/echo
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | `Hello, World!` |
//! | `POST /echo` | the body |

#![allow(missing_docs, reason = "an example")]

mod connection;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gander::net::TcpListener;
use gander::signal::{Signal, notify};

#[gander::main]
fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let idle = std::env::args().nth(2).map_or(30_000, |millis| millis.parse().expect("milliseconds"));
    let listener = Arc::new(TcpListener::bind(&addr)?);
    println!("http://{}", listener.local_addr()?);
    let stop = Arc::new(AtomicBool::new(false));
    let ends = notify(&[Signal::INT, Signal::TERM])?;
    gander::go({
        let (listener, stop) = (Arc::clone(&listener), Arc::clone(&stop));
        move || {
            let signal = ends.recv().expect("signals go on");
            println!("{signal}: no new connections");
            stop.store(true, Ordering::Relaxed);
            // It may be closed already, by an error.
            let _ = listener.close();
        }
    });
    gander::scope(|scope| {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    let stop = &stop;
                    scope.spawn(move || connection::serve(&stream, Duration::from_millis(idle), stop));
                }
                Err(error) if gander::net::is_closed(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        // The scope ends when the last connection has.
    })
}
