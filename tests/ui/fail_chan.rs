//! chan-9. Each side of a channel can do what is its own, and only that:
//! nothing is sent by a receiver,
//! and nothing received by a sender.

use gander::chan::bounded;

fn main() {
    let (s, r) = bounded::<i32>(1);
    r.send(1);
    s.recv();
}
