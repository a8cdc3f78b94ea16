//! tungstenite: a WebSocket chat room, everybody hears everybody.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use gander::chan::{Sender, unbounded};
use gander::net::{TcpListener, TcpStream};
use gander::{run, spawn};
use tungstenite::Message;

/// Who is in the room.
static ROOM: Mutex<Option<HashMap<usize, Sender<String>>>> = Mutex::new(None);

fn say(text: &str) {
    for member in ROOM.lock().unwrap().iter().flat_map(HashMap::values) {
        // Who left meanwhile hears nothing.
        let _ = member.send(text.to_string());
    }
}

fn serve(stream: TcpStream) {
    static IDS: AtomicUsize = AtomicUsize::new(0);
    let id = IDS.fetch_add(1, Ordering::Relaxed);
    let spare = stream.try_clone().unwrap();
    let mut socket = tungstenite::accept(stream).unwrap();
    let mut writer = tungstenite::WebSocket::from_raw_socket(spare, tungstenite::protocol::Role::Server, None);
    let (tx, rx) = unbounded();
    ROOM.lock().unwrap().get_or_insert_default().insert(id, tx);
    // One goroutine reads while another writes, on one connection.
    let talker = spawn(move || {
        for text in rx {
            if writer.send(Message::text(text)).is_err() {
                return;
            }
        }
    });
    while let Ok(message) = socket.read() {
        match message {
            Message::Text(text) => say(&text),
            Message::Close(_) => break,
            _ => {}
        }
    }
    ROOM.lock().unwrap().get_or_insert_default().remove(&id);
    talker.join().unwrap();
    let _ = socket.flush();
}

#[test]
fn everybody_hears_everybody() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        gander::go(move || {
            for stream in listener.incoming() {
                gander::go(move || serve(stream.unwrap()));
            }
        });
        const COUNT: usize = 20;
        let mut clients: Vec<_> = (0..COUNT)
            .map(|_| tungstenite::client(format!("ws://{addr}/"), TcpStream::connect(addr).unwrap()).unwrap().0)
            .collect();
        while ROOM.lock().unwrap().as_ref().map_or(0, HashMap::len) < COUNT {
            gander::yield_now();
        }
        for (id, client) in clients.iter_mut().enumerate() {
            client.send(Message::text(format!("I am {id}"))).unwrap();
        }
        let listeners: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                spawn(move || {
                    let mut heard: Vec<_> =
                        (0..COUNT).map(|_| client.read().unwrap().into_text().unwrap().to_string()).collect();
                    heard.sort();
                    client.close(None).unwrap();
                    while client.read().is_ok() {}
                    heard
                })
            })
            .collect();
        let mut all: Vec<_> = (0..COUNT).map(|id| format!("I am {id}")).collect();
        all.sort();
        for listener in listeners {
            assert_eq!(listener.join().unwrap(), all);
        }
    });
}
