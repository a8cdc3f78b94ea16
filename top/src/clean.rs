//! Text of others: nothing in it may command the terminal, or look like something else.

/// Longer texts are cut: a function's name with its type parameters may have thousands of characters.
const MOST_CHARS: usize = 500;

/// `text` without control characters (escape sequences begin with one) and without those that change the direction of
/// writing or are not seen; cut at 500 characters.
pub(crate) fn clean(text: &str) -> String {
    let mut clean: String =
        text.chars().take(MOST_CHARS).map(|c| if is_harmless(c) { c } else { '\u{fffd}' }).collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        clean.push('…');
    }
    clean
}

fn is_harmless(c: char) -> bool {
    // C0, DEL and C1; soft hyphen; marks, embeddings, overrides and isolates; joiners, and what is wide as nothing; tags.
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn nothing_commands_the_terminal() {
        assert_eq!(
            clean("ab\u{1b}[2Jc\u{7}\u{9b}31m\r\n\t"),
            "ab\u{fffd}[2Jc\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(clean("evil\u{202e}txt.exe\u{200b}"), "evil\u{fffd}txt.exe\u{fffd}");
        assert_eq!(clean("größer 世界 <T as Trait>::f"), "größer 世界 <T as Trait>::f");
        assert_eq!(clean(&"x".repeat(10_000)), format!("{}…", "x".repeat(500)));
    }
}
