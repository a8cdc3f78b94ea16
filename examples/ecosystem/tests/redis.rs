//! The redis crate against a real `redis-server` (Debian's package): its protocol over gander's sockets, and its own
//! blocking connections in goroutines.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use gander::net::UnixStream;
use gander::process::{Child, Command, Stdio};
use gander::{run, spawn};
use redis::{Commands, FromRedisValue};

/// A server of the test's own, at a Unix socket; killed in the end.
struct Server {
    child: Child,
    dir: std::path::PathBuf,
}

impl Server {
    /// None if it is not installed.
    fn start(name: &str) -> Option<Server> {
        let dir = std::env::temp_dir().join(format!("gander-redis-{}-{name}", std::process::id()));
        gander::fs::create_dir_all(&dir).unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(dir.join("socket"))
            .current_dir(&dir)
            .stdout(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Server { child, dir }),
            Err(error) => {
                // CI installs it, and says so; elsewhere that is no reason to fail.
                assert!(std::env::var_os("GANDER_TEST_REDIS").is_none(), "redis-server: {error}");
                eprintln!("redis-server cannot be started: {error}; skipped");
                None
            }
        }
    }

    fn connect(&self) -> UnixStream {
        for _ in 0..2000 {
            if let Ok(stream) = UnixStream::connect(self.dir.join("socket")) {
                return stream;
            }
            gander::sleep(Duration::from_millis(5));
        }
        panic!("redis-server does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = gander::fs::remove_dir_all(Path::new(&self.dir));
    }
}

fn ask<T: FromRedisValue>(stream: &mut UnixStream, command: &redis::Cmd) -> T {
    stream.write_all(&command.get_packed_command()).unwrap();
    let value = redis::Parser::new().parse_value(stream).unwrap();
    T::from_redis_value(value).unwrap()
}

#[test]
fn its_protocol_over_a_socket_of_ours() {
    run(|| {
        let Some(server) = Server::start("protocol") else { return };
        let server = &server;
        gander::scope(|scope| {
            for id in 0..20 {
                scope.spawn(move || {
                    let mut stream = server.connect();
                    let key = format!("key {id}");
                    let _: () = ask(&mut stream, redis::cmd("SET").arg(&key).arg(id));
                    for step in 1..=50 {
                        let now: i64 = ask(&mut stream, redis::cmd("INCR").arg(&key));
                        assert_eq!(now, id + step);
                    }
                    let _: i64 = ask(&mut stream, redis::cmd("INCRBY").arg("all").arg(50));
                });
            }
        });
        let all: i64 = ask(&mut server.connect(), redis::cmd("GET").arg("all"));
        assert_eq!(all, 20 * 50);
    });
}

/// Its own connections are std's sockets: they block a thread, and the others go on.
#[test]
fn its_own_connections_in_goroutines() {
    run(|| {
        let Some(server) = Server::start("own") else { return };
        drop(server.connect());
        let url = format!("unix:{}", server.dir.join("socket").display());
        let clients: Vec<_> = (0..5)
            .map(|_| {
                let url = url.clone();
                spawn(move || {
                    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
                    for _ in 0..50 {
                        let _: i64 = gander::blocking(|| connection.incr("count", 1).unwrap());
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        let count: i64 = ask(&mut server.connect(), redis::cmd("GET").arg("count"));
        assert_eq!(count, 250);
    });
}
