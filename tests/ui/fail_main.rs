#[gander::main]
async fn one() {}

#[gander::main]
fn two(argument: u32) {}

#[gander::test(nonsense = 1)]
fn three() {}

fn main() {}
