//! What is wrong in a `select!` is said in its own words.

use gander::chan::{never, select};

fn main() {
    let r = never::<()>();
    select! {}
    select! { default => {}, default => {} }
    select! { recv(r) => {} }
}
