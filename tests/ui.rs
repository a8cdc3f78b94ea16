//! What must not compile, and that the message is about the right thing.

/// Bounds of spawn and scope, and the attributes.
#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail_*.rs");
    cases.pass("tests/ui/pass_*.rs");
}
