//! The clients: each a goroutine that connects, talks, pauses, and ends in one of four ways, again and again.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gander::net::{Shutdown, TcpStream};

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicUsize,
    exchanges: AtomicUsize,
    bytes: AtomicUsize,
    closes: AtomicUsize,
    half_closes: AtomicUsize,
    resets: AtomicUsize,
    /// Left with an answer on its way.
    abandoned: AtomicUsize,
}

/// What of the clients' report the server checks.
pub(crate) struct Totals {
    pub(crate) connections: usize,
    pub(crate) bytes: usize,
}

impl Totals {
    pub(crate) fn parse(line: &str) -> Option<Totals> {
        let field = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}: "))?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        Some(Totals { connections: field("connections")?, bytes: field("bytes")? })
    }
}

/// `COUNT SECONDS PORT…`
pub(crate) fn run(args: &[String]) {
    super::limits::descriptors();
    let numbers: Vec<usize> = args.iter().map(|arg| arg.parse().expect("a number")).collect();
    let [count, seconds, ports @ ..] = &numbers[..] else { panic!("COUNT SECONDS PORT…") };
    let counters = Arc::new(Counters::default());
    let connected = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(*seconds as u64);
    let clients: Vec<_> = (0..*count)
        .map(|id| {
            let (counters, connected) = (Arc::clone(&counters), Arc::clone(&connected));
            let addr = ("127.0.0.1", ports[id % ports.len()] as u16);
            let count = *count;
            gander::spawn(move || {
                let mut chance = Chance(id as u64 * 2 + 1);
                let mut first = true;
                while first || Instant::now() < end {
                    let stream = TcpStream::connect(addr).expect("connect");
                    counters.connections.fetch_add(1, Ordering::Relaxed);
                    if std::mem::take(&mut first) && connected.fetch_add(1, Ordering::Relaxed) + 1 == count {
                        println!("all connected");
                    }
                    // All live at once, before the first ends.
                    while connected.load(Ordering::Relaxed) < count {
                        gander::sleep(Duration::from_millis(20));
                    }
                    counters.talk(stream, &mut chance, end).expect("talk to the server");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    println!("{counters:?}");
}

impl Counters {
    /// One connection's life.
    fn talk(&self, mut stream: TcpStream, chance: &mut Chance, end: Instant) -> io::Result<()> {
        stream.set_nodelay(true)?;
        for _ in 0..1 + chance.below(8) {
            self.exchange(&mut stream, chance)?;
            if chance.below(3) > 0 {
                let left = end.saturating_duration_since(Instant::now());
                gander::sleep(Duration::from_millis(chance.below(2000) as u64).min(left));
            }
        }
        match chance.below(4) {
            0 => {
                self.closes.fetch_add(1, Ordering::Relaxed);
            }
            1 => {
                // It says its last word, and reads on.
                let word = chance.bytes();
                stream.write_all(&word)?;
                stream.shutdown(Shutdown::Write)?;
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest)?;
                assert_eq!(rest, word, "the last word came back, and then the end");
                self.bytes.fetch_add(rest.len(), Ordering::Relaxed);
                self.half_closes.fetch_add(1, Ordering::Relaxed);
            }
            2 => {
                stream.set_linger(Some(Duration::ZERO))?;
                self.resets.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                stream.write_all(&chance.bytes())?;
                self.abandoned.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn exchange(&self, stream: &mut TcpStream, chance: &mut Chance) -> io::Result<()> {
        let word = chance.bytes();
        stream.write_all(&word)?;
        let mut answer = vec![0; word.len()];
        stream.read_exact(&mut answer)?;
        assert_eq!(answer, word, "what was sent came back");
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(word.len(), Ordering::Relaxed);
        Ok(())
    }
}

/// xorshift.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..1 + self.below(1500)).map(|_| self.below(256) as u8).collect()
    }
}
