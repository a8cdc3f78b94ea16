//! chan-9. What goes through a channel of a goroutine lives as long as the goroutine may.

use gander::chan::bounded;

fn main() {
    let text = String::new();
    let (s, _r) = bounded::<&str>(1);
    s.send(&text).unwrap();
    gander::spawn(move || s.send("other"));
}
