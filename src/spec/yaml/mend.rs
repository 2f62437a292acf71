//! How broken YAML is mended, guessed from what the parser says.

use super::{Span, YamlError};
use crate::spec::codes;

/// What the parser says, in a part, and the mend.
const MENDS: [(&str, &str); 8] = [
    ("mapping values are not allowed", "quote a value that holds `: `"),
    ("tab", "indent with spaces"),
    (
        "flow",
        "a `]` or `}` is missing, or a comma stands where nothing follows",
    ),
    (
        "escape character",
        "within double quotes a backslash is written twice; single quotes take it as it is",
    ),
    ("unknown anchor", "quote a value that begins with `*`"),
    ("node content", "quote a value that begins with a sign"),
    (
        "parsing a block",
        "this line is indented further or less than its neighbours",
    ),
    ("scanning a quoted scalar", "the closing quote is missing"),
];

/// The cause that the parser cannot know: a merge that was left unfinished, or blanks that only look like spaces.
pub(super) fn cause_of(text: &str) -> Option<YamlError> {
    let mut start = 0;
    let mut blanks = None;
    for (line, content) in (1_u32..).zip(text.split_inclusive('\n')) {
        let marks = ["<<<<<<< ", ">>>>>>> "];
        if marks.iter().any(|mark| content.starts_with(mark)) || content.trim_end() == "=======" {
            let message = "an unfinished merge: this line marks a conflict";
            let hint = "keep one of the two versions; remove the lines that begin with <<<<<<<, ======= and >>>>>>>";
            let end = start + content.trim_end().len();
            return Some(broken(message, hint, (line, 1, start), end));
        }
        let indent = &content[..content.len() - content.trim_start().len()];
        if let Some(odd) = indent
            .find(|c: char| !c.is_ascii() && c != '\u{feff}')
            .filter(|_| blanks.is_none())
        {
            let column = u32::try_from(odd).unwrap_or(u32::MAX).saturating_add(1);
            blanks = Some((line, column, start + odd));
        }
        start += content.len();
    }
    let message = "not YAML: this line is indented with blanks that only look like spaces";
    let hint = "they are no-break spaces or the like, as web pages have them; indent with plain spaces";
    let place = blanks?;
    Some(broken(message, hint, place, place.2))
}

/// An error at this line, column and byte, up to another byte.
fn broken(message: &str, hint: &str, (line, column, start): (u32, u32, usize), end: usize) -> YamlError {
    YamlError {
        code: &codes::SYNTAX,
        span: Span {
            line,
            column,
            start,
            end,
        },
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    }
}

/// How this is mended, `None` where nobody can guess it. `at` is the byte of the text at which the parser gave up.
pub(super) fn mend_of(info: &str, text: &str, at: usize) -> Option<String> {
    if info.contains("flow")
        && let Some((line, start)) = before_selector(text, at)
    {
        return Some(match unquoted_value(line, start) {
            Some(value) => format!("quote the value: '{value}'"),
            None => "quote the query: put it between single quotes".to_owned(),
        });
    }
    let mend = MENDS.iter().find(|(words, _)| info.contains(words));
    mend.map(|(_, mend)| (*mend).to_owned())
}

/// The line, and where in it a value begins, with a brace that belongs to a selector or a query and not to YAML:
/// `{total: a{b="c"}}`.
fn before_selector(text: &str, at: usize) -> Option<(&str, usize)> {
    let (before, after) = (text.get(..at)?, text.get(at..)?);
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_:()".contains(c);
    let word = before.len() - before.trim_end_matches(is_word).len();
    if word == 0 || !after.starts_with(['{', '[']) {
        return None;
    }
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(line_start..)?.lines().next()?;
    Some((line, at.checked_sub(word + line_start)?))
}

/// The whole value that begins here; `None` where nobody can say where it begins or ends.
fn unquoted_value(line: &str, start: usize) -> Option<&str> {
    let (before, value) = (line.get(..start)?.trim_end(), line.get(start..)?);
    let mut depth = 0_i32;
    let mut has_braces = false;
    let end = value.char_indices().find_map(|(at, c)| {
        depth += i32::from("{[(".contains(c)) - i32::from("}])".contains(c));
        has_braces |= "{[".contains(c);
        let after = &value[at + c.len_utf8()..];
        (has_braces && depth <= 0 && !after.starts_with(['{', '[', '('])).then_some(at + c.len_utf8())
    })?;
    let rest = value[end..].trim_start();
    let is_whole = rest.is_empty() || rest.starts_with([',', '}', ']', '#']);
    let value = &value[..end];
    (depth == 0 && is_whole && before.ends_with([':', '-', ',', '[']) && !value.contains('\'')).then_some(value)
}

#[cfg(test)]
mod tests {
    use crate::spec::yaml::parse;

    #[test]
    fn causes_that_the_parser_cannot_know_are_told_at_their_place() {
        let said = "<<<<<<< ";
        for (text, place, message, hint) in [
            (
                format!("a:\n{said}HEAD\n  b: 1\n=======\n  b: 2\n>>>>>>> other\n"),
                (2, 1),
                "unfinished merge",
                "keep one of the two versions",
            ),
            (
                "a:\n  b: 1\n  \u{a0}c: d: 2\n".to_owned(),
                (3, 3),
                "only look like spaces",
                "plain spaces",
            ),
            ("a: b: c\n".to_owned(), (1, 5), "not YAML", "quote a value"),
            (
                "a: {total: sum(rate(t{code=\"5\"}[{{.window}}])), bad: c}\n".to_owned(),
                (1, 22),
                "not YAML",
                "quote the value: 'sum(rate(t{code=\"5\"}[{{.window}}]))'",
            ),
            (
                "a: {total: sum(rate(t{code=\"5\"}[5m])) / b, bad: c}\n".to_owned(),
                (1, 22),
                "not YAML",
                "quote the query: put it between single quotes",
            ),
        ] {
            let errors = parse(&text).errors;
            let found = errors.first().expect("an error");
            assert_eq!((found.span.line, found.span.column), place, "{text}");
            assert!(found.message.contains(message), "{}", found.message);
            assert!(
                found.hint.as_ref().is_some_and(|told| told.contains(hint)),
                "{:?}",
                found.hint
            );
        }
    }
}
