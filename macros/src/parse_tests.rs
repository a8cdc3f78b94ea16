use super::{Function, Options, Problem, Shape, function, options};

/// Enough of a lexer for the tests. `«` and `»` stand around a fragment that a macro passed on.
fn shapes(source: &str) -> Vec<Shape> {
    fn inside(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<Shape> {
        let mut found = Vec::new();
        while let Some(c) = chars.next() {
            match c {
                ' ' => {}
                '«' => found.push(Shape::Group(' ', inside(chars))),
                '(' | '[' | '{' => found.push(Shape::Group(c, inside(chars))),
                ')' | ']' | '}' | '»' => return found,
                c if c.is_alphanumeric() || c == '_' => {
                    let mut word = c.to_string();
                    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                        word.push(c);
                    }
                    let is_literal = c.is_ascii_digit();
                    found.push(if is_literal { Shape::Literal } else { Shape::Word(word) });
                }
                c => found.push(Shape::Punct(c)),
            }
        }
        found
    }
    inside(&mut source.chars().peekable())
}

fn parsed(source: &str) -> Function {
    function(&shapes(source), "#[gander::main]").unwrap()
}

fn refused(source: &str) -> (usize, String) {
    let Problem { at, message } = function(&shapes(source), "#[gander::test]").unwrap_err();
    (at, message)
}

#[test]
fn plain() {
    assert_eq!(
        parsed("fn main() { 1 }"),
        Function { attributes: 0..0, visibility: 0..0, name: 1, output: 3..3, body: 3 }
    );
}

#[test]
fn with_everything() {
    let function = parsed("#[doc = 1] #[cfg(unix)] pub(crate) fn f() -> Result<(), [u8; { 3 }]> { x }");
    assert_eq!((function.attributes, function.visibility, function.name), (0..4, 4..6, 7));
    assert_eq!((function.output, function.body), (9..17, 17));
}

#[test]
fn passed_on_by_a_macro() {
    let function = parsed("« » fn f() -> « u8 » « { 1 } »");
    assert_eq!((function.visibility, function.output, function.body), (0..1, 4..7, 7));
    assert_eq!(parsed("«pub» fn f() {}").name, 2);
}

#[test]
fn qualifiers() {
    let (at, message) = refused("#[a] pub async fn f() {}");
    assert_eq!(at, 3);
    assert!(message.contains("await") && message.contains("#[gander::test]"), "{message}");
    for word in ["const", "unsafe", "extern"] {
        let (at, message) = refused(&format!("{word} fn f() {{}}"));
        assert_eq!(at, 0);
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn other_refusals() {
    for (source, at, word) in [
        ("struct S;", 0, "goes on a function"),
        ("", 0, "goes on a function"),
        ("fn", 1, "name"),
        ("fn f<T>() {}", 2, "generic"),
        ("fn f(x: u8) {}", 2, "parameters"),
        ("fn f {}", 2, "`()`"),
        ("fn f();", 4, "body"),
        ("fn f()", 3, "body"),
        ("fn f() where u8: Copy {}", 3, "where"),
        ("fn f() -> {}", 3, "Type"),
        ("fn f() x {}", 3, "Type"),
        ("#[test] fn f() {}", 1, "itself"),
    ] {
        let (found, message) = refused(source);
        assert!(found == at && message.contains(word), "{source}: {found} {message}");
    }
    parsed("#[test] fn main() {}");
}

#[test]
fn no_options() {
    assert_eq!(options(&[]), Ok(Options::default()));
}

#[test]
fn all_options() {
    let tokens = shapes("procs = n(1, 2), stack_size = 1 << 20, unsafe(shared), crate = ::a::b,");
    let found = options(&tokens).unwrap();
    assert_eq!(found.settings, [(0, 2..4), (5, 7..11)]);
    assert_eq!((found.shared, found.krate), (Some(12), Some(17..23)));
}

#[test]
fn wrong_options() {
    for (source, at, word) in [
        ("proc = 1", 0, "unknown option `proc`"),
        ("threads", 0, "`procs = …`, `stack_size = …`, `unsafe(shared)` and `crate = path`"),
        ("procs", 1, "takes a value"),
        ("procs =", 2, "takes a value"),
        ("procs = , stack_size = 1", 1, "takes a value"),
        ("procs(1)", 1, "takes a value"),
        ("procs = 1, procs = 2", 4, "twice"),
        ("shared", 0, "unsafe(shared)"),
        ("unsafe", 1, "unsafe(shared)"),
        ("unsafe(share)", 1, "unsafe(shared)"),
        ("unsafe(shared) procs = 1", 2, "comma"),
        ("1", 0, "expected an option"),
        (",", 0, "expected an option"),
    ] {
        let Problem { at: found, message } = options(&shapes(source)).unwrap_err();
        assert!(message.contains(word), "{source}: {message}");
        assert!(found == at || word == "takes a value", "{source}: at {found}");
    }
}
