fn main() {
    let mut escaped = None;
    gander::scope(|s| {
        let inner = 1;
        escaped = Some(s.spawn(|| 1));
        s.spawn(|| println!("{inner}"));
    });
    let mut number = 1;
    gander::scope(|s| {
        s.spawn(|| number += 1);
        s.spawn(|| number += 1);
    });
}
