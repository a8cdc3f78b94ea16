//! Ten thousand live connections that pause, close, half-close and reset at random: an echo server, against clients in
//! another process. In the end it counts: nothing lost, no goroutine and no descriptor left.
//!
//! ```sh
//! cargo run --release --example echo                    # 10,000 connections for 60 seconds
//! cargo run --release --example echo -- 1000 5          # so many, for so many seconds
//! ```
//!
//! On two processors of a busy machine, clients included: 47,012 connections one after the other, 10,000 at a time, and
//! 211,635 exchanges in 60 seconds; 11.1 KB of the server's memory for each live connection. Nothing lost, nothing left.

#![allow(missing_docs, reason = "an example")]

mod client;
mod limits;
mod server;

use std::io::BufRead;

use gander::process::{Command, Stdio};

/// Each pair of addresses and ports can be used once a minute, so the clients need more than one port to connect to.
const PORTS: usize = 8;

#[gander::main]
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "client") {
        return client::run(&args[1..]);
    }
    let number = |at: usize, default: usize| {
        args.get(at).map_or(default, |arg| arg.parse().unwrap_or_else(|_| panic!("{arg:?} is not a number")))
    };
    let (wanted, seconds) = (number(0, 10_000), number(1, 60));
    let count = wanted.min(limits::descriptors().saturating_sub(100));
    if count < wanted {
        println!("{count} connections and not {wanted}: more descriptors are not allowed here (ulimit -Hn)");
    }
    let before = limits::Usage::now();
    let server = server::Server::start(PORTS);
    let mut child = Command::new(std::env::current_exe().expect("the own program"))
        .args(["client", &count.to_string(), &seconds.to_string()])
        .args(server.ports().map(|port| port.to_string()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the clients");
    let stdout = child.stdout.take().expect("piped");
    let mut report = None;
    for line in std::io::BufReader::new(stdout).lines() {
        let line = line.expect("read the clients' report");
        if line == "all connected" {
            let now = limits::Usage::now();
            let memory = (now.resident.saturating_sub(before.resident)) / count.max(1);
            println!("{} connections live, {memory} bytes of this process's memory each", server.live());
        } else {
            println!("clients: {line}");
            report = client::Totals::parse(&line).or(report);
        }
    }
    assert!(child.wait().expect("wait for the clients").success(), "the clients failed");
    drop(child);
    let clients = report.expect("the clients reported");
    let served = server.stop();
    println!("server: {served:?}");
    assert_eq!(served.connections, clients.connections, "every connection was accepted");
    assert!(served.bytes >= clients.bytes, "every byte that came back was echoed");
    assert_eq!(served.errors, 0, "but for resets there were no errors");
    let after = limits::Usage::now();
    println!(
        "left: {} goroutines (before: {}), {} descriptors (before: {})",
        after.goroutines, before.goroutines, after.descriptors, before.descriptors
    );
    assert_eq!(after.goroutines, before.goroutines);
    // The runtime opens some for itself, once: two for the poller, one for what was closed, one for its memory.
    assert!(after.descriptors <= before.descriptors + 5, "descriptors leak");
}
