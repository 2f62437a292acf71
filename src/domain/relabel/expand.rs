//! Templates with references to what a regular expression has captured, as Go's `Regexp.Expand` reads them.

use regex::Captures;

/// A template with its references replaced: `$1`, `$name`, `${1}`, `${name}`; `$$` is a dollar sign. A name is as long
/// as it can be (`$1x` is `${1x}`); one that captured nothing is empty; a `$` that begins no reference stands for itself.
pub(super) fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            out.push_str(captured(name, captures));
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The name behind a `$`, with or without braces, and what follows it.
fn reference(after: &str) -> Option<(&str, &str)> {
    let (braced, text) = match after.strip_prefix('{') {
        Some(text) => (true, text),
        None => (false, after),
    };
    let length = text
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(length);
    let rest = if braced { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

/// What a group has captured, by its number or its name.
fn captured<'h>(name: &str, captures: &Captures<'h>) -> &'h str {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    // A number with a zero in front is a name in Go.
    let number = name
        .parse::<usize>()
        .ok()
        .filter(|_| digits && (name == "0" || !name.starts_with('0')));
    let found = match number {
        Some(number) => captures.get(number),
        None => captures.name(name),
    };
    found.map_or("", |found| found.as_str())
}
