//! What must not compile, and that the message is about the right thing.

/// Bounds of spawn and scope, and the attributes.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "the compiler says the same in either profile")]
fn ui() {
    if std::env::var_os("GANDER_TEST_SMALL").is_some() {
        // Another compiler, whose messages have other words.
        println!("skipped: the emulated run has a toolchain of its own");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail_*.rs");
    cases.pass("tests/ui/pass_*.rs");
}
