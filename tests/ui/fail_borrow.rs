fn main() {
    let local = 1;
    gander::spawn(|| println!("{local}"));
}
