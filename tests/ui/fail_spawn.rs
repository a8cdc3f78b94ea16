use std::rc::Rc;

fn main() {
    let rc = Rc::new(1);
    gander::spawn(move || println!("{rc}"));
    gander::spawn(|| Rc::new(1));
}
