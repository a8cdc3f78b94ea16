//! A tokio reactor beside: its sockets and timers work in a goroutine that has entered it.

use std::time::{Duration, Instant};

use gander::{block_on, run, spawn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

fn reactor() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn sockets_and_timers_of_tokio_in_goroutines() {
    let reactor = reactor();
    run(|| {
        let handle = reactor.handle();
        // An async server on tokio's own threads.
        let (tx, rx) = gander::chan::bounded(1);
        handle.spawn(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tx.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
                });
            }
        });
        let addr = rx.recv().unwrap();
        let clients: Vec<_> = (0..50u8)
            .map(|id| {
                let handle = handle.clone();
                spawn(move || {
                    // Futures of tokio's find their reactor by a thread-local, which a goroutine has of its own.
                    let _entered = handle.enter();
                    block_on(async {
                        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
                        let start = Instant::now();
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        assert!(start.elapsed() >= Duration::from_millis(5));
                        stream.write_all(&[id; 100]).await.unwrap();
                        let mut back = [0; 100];
                        stream.read_exact(&mut back).await.unwrap();
                        assert_eq!(back, [id; 100]);
                    });
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn goroutines_are_futures_to_tokio() {
    let reactor = reactor();
    run(|| {
        let goroutine = spawn(|| {
            gander::sleep(Duration::from_millis(2));
            6 * 7
        });
        let answer = reactor.spawn(async { goroutine.await.unwrap() });
        assert_eq!(block_on(answer).unwrap(), 42);
    });
}

/// A blocking socket of gander's against an async one.
#[test]
fn gander_talks_to_tokio() {
    let reactor = reactor();
    run(|| {
        let listener = gander::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let client = reactor.spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        });
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"from a goroutine").unwrap();
        drop(stream);
        assert_eq!(block_on(client).unwrap(), "from a goroutine");
    });
}

/// Channels and timers of gander's in tokio's tasks, beside tokio's own, and given up by its time limits.
#[test]
fn channels_are_futures_to_tokio() {
    let reactor = reactor();
    run(|| {
        const COUNT: u64 = 2_000;
        let (jobs, queue) = gander::chan::bounded(0);
        let (results, answers) = gander::chan::bounded(4);
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let (queue, results) = (queue.clone(), results.clone());
                reactor.spawn(async move {
                    let mut turns = 0_u64;
                    loop {
                        turns += 1;
                        // Given up again and again, at every moment of a receive.
                        let job = if turns % 2 == 0 {
                            let limit = Duration::from_micros(50 * (turns % 3));
                            let Ok(job) = tokio::time::timeout(limit, queue.recv_async()).await else { continue };
                            job
                        } else {
                            (&queue).await
                        };
                        if turns % 64 == task {
                            gander::time::sleep_async(Duration::from_micros(100)).await;
                        }
                        match job {
                            Ok(job) => results.send_async(job).await.unwrap(),
                            Err(_) => return turns,
                        }
                    }
                })
            })
            .collect();
        drop((queue, results));
        let sender = spawn(move || (0..COUNT).for_each(|job| jobs.send(job).unwrap()));
        let mut got: Vec<u64> = answers.iter().collect();
        got.sort_unstable();
        assert!(got.into_iter().eq(0..COUNT), "each once");
        sender.join().unwrap();
        for task in tasks {
            assert!(block_on(task).unwrap() > 0);
        }
    });
}
