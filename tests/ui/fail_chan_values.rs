//! chan-9. A channel takes a value across threads only if the value may go there.

use std::rc::Rc;

use gander::chan::bounded;

fn main() {
    let (s, _r) = bounded::<Rc<i32>>(1);
    gander::spawn(move || s.send(Rc::new(1)));
}
