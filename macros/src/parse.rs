//! What does the annotated function look like, and what do the options say?
//!
//! Works on the [`Shape`]s of tokens and answers with positions: the real tokens, with the places they came from,
//! stay with the caller. (And these functions can be tested, which a procedural macro's own types cannot be.)

use std::ops::Range;

/// A token, as far as the grammar of a function's head cares.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// An identifier or keyword.
    Word(String),
    /// One character of punctuation.
    Punct(char),
    /// A literal; which one does not matter.
    Literal,
    /// `( )`, `[ ]` or `{ }`, or a fragment that a `macro_rules` macro passed on (`' '`).
    Group(char, Vec<Shape>),
}

impl Shape {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Shape::Word(text) if text == word)
    }

    fn is_punct(&self, punct: char) -> bool {
        matches!(self, Shape::Punct(c) if *c == punct)
    }

    /// A group with this delimiter, perhaps within a passed-on fragment.
    fn is_group(&self, open: char) -> bool {
        match self {
            Shape::Group(' ', inner) => matches!(&inner[..], [only] if only.is_group(open)),
            Shape::Group(delimiter, _) => *delimiter == open,
            _ => false,
        }
    }
}

/// An error and the token to point at; past the last token: the end.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) at: usize,
    pub(crate) message: String,
}

fn problem<T>(at: usize, message: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { at, message: message.into() })
}

/// Where the parts of a function are.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    /// Everything before `fn`.
    pub(crate) attributes: Range<usize>,
    pub(crate) visibility: Range<usize>,
    pub(crate) name: usize,
    /// With its arrow; empty if there is none.
    pub(crate) output: Range<usize>,
    pub(crate) body: usize,
}

/// Finds the parts of a plain function: no qualifiers, parameters or generics. `what` is how messages call it.
pub(crate) fn function(tokens: &[Shape], what: &str) -> Result<Function, Problem> {
    let at = |i: usize| tokens.get(i);
    let mut i = 0;
    while at(i).is_some_and(|t| t.is_punct('#')) && at(i + 1).is_some_and(|t| t.is_group('[')) {
        if let Some(Shape::Group('[', attribute)) = at(i + 1)
            && what.ends_with("test]")
            && matches!(&attribute[..], [only] if only.is_word("test"))
        {
            return problem(i + 1, format!("`{what}` adds `#[test]` itself: remove this one"));
        }
        i += 2;
    }
    let attributes = 0..i;
    if at(i).is_some_and(|t| t.is_word("pub")) {
        i += 1;
        i += usize::from(at(i).is_some_and(|t| t.is_group('(')));
    } else if matches!(at(i), Some(Shape::Group(' ', _))) {
        i += 1;
    }
    let visibility = attributes.end..i;

    if let Some(Shape::Word(word)) = at(i) {
        match word.as_str() {
            "async" => {
                return problem(
                    i,
                    format!(
                        "`{what}` takes an ordinary function: blocking calls park the goroutine, so there is nothing to await. Remove `async`"
                    ),
                );
            }
            "const" | "unsafe" | "extern" | "safe" => {
                return problem(i, format!("`{what}` takes a plain `fn`: remove `{word}`"));
            }
            _ => {}
        }
    }
    if !at(i).is_some_and(|t| t.is_word("fn")) {
        return problem(i, format!("`{what}` goes on a function"));
    }
    let name = i + 1;
    if !matches!(at(name), Some(Shape::Word(_))) {
        return problem(name, "expected the name of the function");
    }
    i = name + 1;
    if at(i).is_some_and(|t| t.is_punct('<')) {
        return problem(i, format!("a function under `{what}` cannot be generic: nobody names its parameters"));
    }
    match at(i) {
        Some(Shape::Group('(', parameters)) if parameters.is_empty() => i += 1,
        Some(Shape::Group('(', _)) => {
            return problem(i, format!("a function under `{what}` takes no parameters: nobody passes them"));
        }
        _ => return problem(i, "expected `()`"),
    }
    let Some(body) = tokens.len().checked_sub(1).filter(|&last| last >= i && tokens[last].is_group('{')) else {
        return problem(tokens.len(), format!("a function under `{what}` needs a body"));
    };
    if let Some(clause) = (i..body).find(|&i| tokens[i].is_word("where")) {
        return problem(clause, format!("a function under `{what}` cannot have a `where` clause"));
    }
    if i < body && !(tokens[i].is_punct('-') && at(i + 1).is_some_and(|t| t.is_punct('>')) && i + 2 < body) {
        return problem(i, "expected `-> Type` or the function's body");
    }
    Ok(Function { attributes, visibility, name, output: i..body, body })
}

/// The options of `Builder` that take a value, which are its methods.
pub(crate) const SETTINGS: [&str; 2] = ["procs", "stack_size"];

/// Where the options' values are.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// The position of each setting's name, and its expression.
    pub(crate) settings: Vec<(usize, Range<usize>)>,
    /// The position of `unsafe` in `unsafe(shared)`.
    pub(crate) shared: Option<usize>,
    /// The path in `crate = path`.
    pub(crate) krate: Option<Range<usize>>,
}

/// Reads the options in the attribute's parentheses.
pub(crate) fn options(tokens: &[Shape]) -> Result<Options, Problem> {
    let mut found = Options::default();
    let mut seen: Vec<&str> = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let Shape::Word(name) = &tokens[i] else {
            return problem(i, format!("expected an option: {}", known()));
        };
        if seen.contains(&name.as_str()) {
            return problem(i, format!("`{name}` is given twice"));
        }
        let end = (i..tokens.len()).find(|&i| tokens[i].is_punct(',')).unwrap_or(tokens.len());
        if name == "unsafe" {
            match tokens.get(i + 1) {
                Some(Shape::Group('(', inner)) if matches!(&inner[..], [only] if only.is_word("shared")) => {}
                _ => {
                    return problem((i + 1).min(end), "the one unsafe option is `unsafe(shared)`");
                }
            }
            if end != i + 2 {
                return problem(i + 2, "expected a comma after `unsafe(shared)`");
            }
            found.shared = Some(i);
        } else if name == "crate" || SETTINGS.contains(&name.as_str()) {
            if !tokens.get(i + 1).is_some_and(|t| t.is_punct('=')) || i + 2 >= end {
                return problem((i + 1).min(end), format!("`{name}` takes a value: `{name} = …`"));
            }
            if name == "crate" {
                found.krate = Some(i + 2..end);
            } else {
                found.settings.push((i, i + 2..end));
            }
        } else if name == "shared" {
            return problem(
                i,
                "`shared` is a promise about every thread-local in the program: write `unsafe(shared)`",
            );
        } else {
            return problem(i, format!("unknown option `{name}`. The options are {}", known()));
        }
        seen.push(name);
        i = end + 1;
    }
    Ok(found)
}

fn known() -> String {
    let settings: Vec<String> = SETTINGS.iter().map(|name| format!("`{name} = …`")).collect();
    format!("{}, `unsafe(shared)` and `crate = path`", settings.join(", "))
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
