//! `#[gander::main]` and `#[gander::test]`.
//!
//! Use them through the `gander` crate, which re-exports them; the code they expand to names its types. This crate
//! parses by hand: what it must understand of Rust is a function's head and a list of options.

#![forbid(unsafe_code)]

use proc_macro::{Delimiter, Group, Literal, Span, TokenStream, TokenTree};

use crate::parse::{Problem, Shape};

mod parse;

/// Runs `main` as the first goroutine.
///
/// The program ends when it returns, with its result as the exit status.
///
/// ```
/// #[gander::main]
/// fn main() {
///     let answer = gander::spawn(|| 6 * 7);
///     assert_eq!(answer.join().unwrap(), 42);
/// }
/// ```
///
/// # Options
///
/// Each is the method of `gander::Builder` of the same name, and its value is any expression.
///
/// ```
/// #[gander::main(procs = 4, stack_size = 1 << 20)]
/// fn main() -> std::io::Result<()> {
///     let status = gander::fs::read_to_string("/proc/self/status")?;
///     assert!(status.contains("Threads:"));
///     Ok(())
/// }
/// ```
///
/// * `procs = …`: how many goroutines run at the same time.
/// * `stack_size = …`: how far a goroutine's stack may grow, in bytes.
/// * `unsafe(shared)`: calls `Builder::shared`, whose safety condition is then yours to keep. A `// SAFETY:` comment
///   goes above it, inside the attribute's parentheses.
/// * `crate = path`: where to find gander, if it is not `::gander`.
///
/// Commas divide options, so an expression with a comma outside of brackets goes into parentheses.
///
/// # Errors
///
/// The function is neither `async` nor generic and takes no parameters; all else fails to compile.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(
        options,
        item,
        &Kind { what: "#[gander::main]", inner: "__gander_main", runner: "main", plain_runner: None, prefix: "" },
    )
}

/// Runs a test as the first goroutine of a runtime of its own.
///
/// It takes the options of [`main`](macro@main), adds `#[test]`, and goes with `#[should_panic]`, `#[ignore]` and a
/// `Result` to return.
///
/// ```
/// #[gander::test(procs = 2)]
/// fn answers() -> Result<(), Box<dyn std::error::Error>> {
///     let answer = gander::spawn(|| 6 * 7);
///     assert_eq!(answer.join().unwrap(), 42);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    let prefix = "#[::core::prelude::v1::test]";
    expand(
        options,
        item,
        &Kind {
            what: "#[gander::test]",
            inner: "__gander_test",
            runner: "test",
            plain_runner: Some("test_unit"),
            prefix,
        },
    )
}

/// What differs between the two.
struct Kind {
    what: &'static str,
    inner: &'static str,
    runner: &'static str,
    /// The runner of a function that returns nothing, if that is another.
    plain_runner: Option<&'static str>,
    prefix: &'static str,
}

/// ```text
/// #[attributes] pub fn name() -> ::std::process::ExitCode {
///     fn inner() -> R { body }
///     let builder = ::gander::Builder::new().procs(4);
///     let builder = unsafe { builder.shared() };
///     ::gander::__private::runner(builder, inner)
/// }
/// ```
fn expand(options: TokenStream, item: TokenStream, kind: &Kind) -> TokenStream {
    let option_tokens: Vec<TokenTree> = options.into_iter().collect();
    let tokens: Vec<TokenTree> = item.clone().into_iter().collect();

    let function = match parse::function(&shapes(&tokens), kind.what) {
        Ok(function) => function,
        Err(problem) => {
            return [error(&problem, &tokens), stand_in(&tokens)].into_iter().collect();
        }
    };
    let options = match parse::options(&shapes(&option_tokens)) {
        Ok(options) => options,
        // With the function, so that its users and an editor still find it.
        Err(problem) => {
            return [error(&problem, &option_tokens), item].into_iter().collect();
        }
    };
    let mut krate = Output::default();
    match &options.krate {
        Some(path) => krate.copy(&option_tokens[path.clone()]),
        None => krate.code("::gander"),
    };
    let krate = krate.0;

    let mut body = Output::default();
    body.code("fn").code(kind.inner).code("()").copy(&tokens[function.output.clone()]);
    body.copy(&tokens[function.body..=function.body]);
    body.code("let builder =").stream(&krate).code("::Builder::new()");
    for (name, value) in options.settings {
        body.code(".").copy(&option_tokens[name..=name]).group(Delimiter::Parenthesis, |arguments| {
            arguments.copy(&option_tokens[value]);
        });
    }
    body.code(";");
    if let Some(at) = options.shared {
        // In the place of the user's own `unsafe(shared)`, so that a lint against it finds it.
        let mut block = Group::new(Delimiter::Brace, Output::default().code("builder.shared()").0.clone());
        block.set_span(option_tokens[at + 1].span());
        body.code("let builder =").copy(&option_tokens[at..=at]).copy(&[block.into()]).code(";");
    }
    let plain = kind.plain_runner.is_some() && function.output.is_empty();
    body.stream(&krate)
        .code("::__private::")
        .code(kind.plain_runner.filter(|_| plain).unwrap_or(kind.runner))
        .group(Delimiter::Parenthesis, |arguments| {
            arguments.code("builder,").code(kind.inner);
        });

    let mut outer = Output::default();
    // The goroutine reports its result where it ran, as that need not be `Send`; what comes back is an exit code. A
    // test without a result keeps none, which is what `#[should_panic]` wants.
    outer
        .code(kind.prefix)
        .copy(&tokens[..function.output.start])
        .code(if plain { "" } else { "-> ::std::process::ExitCode" })
        .group(Delimiter::Brace, |inside| {
            inside.stream(&body.0);
        });
    outer.0
}

/// Tokens under construction.
#[derive(Default)]
struct Output(TokenStream);

impl Output {
    /// Tokens of ours, written out; delimiters must match.
    fn code(&mut self, source: &str) -> &mut Output {
        self.0.extend(source.parse::<TokenStream>().expect("the source of an expansion is well-formed"));
        self
    }

    /// Tokens of the user's, with their places.
    fn copy(&mut self, tokens: &[TokenTree]) -> &mut Output {
        self.0.extend(tokens.iter().cloned());
        self
    }

    fn stream(&mut self, tokens: &TokenStream) -> &mut Output {
        self.0.extend(tokens.clone());
        self
    }

    fn group(&mut self, delimiter: Delimiter, fill: impl FnOnce(&mut Output)) -> &mut Output {
        let mut inside = Output::default();
        fill(&mut inside);
        self.0.extend([TokenTree::Group(Group::new(delimiter, inside.0))]);
        self
    }
}

/// What the parser looks at.
fn shapes(tokens: &[TokenTree]) -> Vec<Shape> {
    let shape = |token: &TokenTree| match token {
        TokenTree::Ident(word) => Shape::Word(word.to_string()),
        TokenTree::Punct(punct) => Shape::Punct(punct.as_char()),
        TokenTree::Literal(_) => Shape::Literal,
        TokenTree::Group(group) => {
            let open = match group.delimiter() {
                Delimiter::Parenthesis => '(',
                Delimiter::Bracket => '[',
                Delimiter::Brace => '{',
                Delimiter::None => ' ',
            };
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            Shape::Group(open, shapes(&inside))
        }
    };
    tokens.iter().map(shape).collect()
}

/// An empty function of the same name, so that there is one error and not another about its absence.
fn stand_in(tokens: &[TokenTree]) -> TokenStream {
    let mut output = Output::default();
    let is_fn = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn");
    let name = tokens.iter().position(is_fn).and_then(|at| tokens.get(at + 1));
    if let Some(name @ TokenTree::Ident(_)) = name {
        output.code("#[allow(dead_code)] fn").copy(std::slice::from_ref(name)).code("() {}");
    }
    output.0
}

/// `::core::compile_error! { "…" }` at the token that the problem is about.
fn error(problem: &Problem, tokens: &[TokenTree]) -> TokenStream {
    let token = tokens.get(problem.at).or(tokens.last());
    let span = token.map_or_else(Span::call_site, TokenTree::span);
    let mut output = Output::default();
    output.code("::core::compile_error!").group(Delimiter::Brace, |message| {
        message.copy(&[TokenTree::Literal(Literal::string(&problem.message))]);
    });
    // A message is shown where all tokens of the invocation are.
    let placed = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    output.0.into_iter().map(placed).collect()
}
