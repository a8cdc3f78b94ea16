//! chan-9. A channel takes a value across threads only if the value may go there,
//! and lives as long as the goroutine may.

use std::rc::Rc;

use gander::chan::bounded;

fn main() {
    let (s, _r) = bounded::<Rc<i32>>(1);
    gander::spawn(move || s.send(Rc::new(1)));

    let text = String::new();
    let (s, _r) = bounded::<&str>(1);
    s.send(&text).unwrap();
    gander::spawn(move || s.send("other"));
}
