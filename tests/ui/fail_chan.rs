//! The sides of a channel can do what is theirs, and a value goes where it may.

use std::rc::Rc;

use gander::chan::bounded;

fn sides() {
    let (s, r) = bounded::<i32>(1);
    r.send(1);
    s.recv();
}

fn threads() {
    let (s, _r) = bounded::<Rc<i32>>(1);
    gander::go(move || drop(s));
}

fn lifetimes() {
    let (s, r) = bounded(1);
    {
        let short = 1;
        s.send(&short).unwrap();
    }
    drop(r);
}

fn main() {
    sides();
    threads();
    lifetimes();
}
