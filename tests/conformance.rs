//! `docs/conformance.md` says which test shows what: each test that it names is there.

use std::path::Path;

#[test]
fn the_tests_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.split('|').nth(2).unwrap();
        let mut text = String::new();
        // What stands between backticks: a file, then what is in it.
        for name in cell.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                text = std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            } else {
                let is_there = text.contains(&format!("fn {name}(")) || text.contains(&format!("    {name}: |"));
                assert!(is_there, "no test {name}, in: {row}");
            }
            named += 1;
        }
    }
    assert!(named > 200, "the tables are not read as they are written");
}
