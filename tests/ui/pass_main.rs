#[gander::main(procs = 2, stack_size = 64 << 10)]
fn main() -> Result<(), String> {
    assert_eq!(gander::spawn(|| 1).join().unwrap(), 1);
    Ok(())
}
