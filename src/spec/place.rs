//! Where the characters of a scalar's text stand in its written form.

/// The byte at which a scalar's written form shows what comes after `before` in its text. Blanks are passed over on both
/// sides, since folding and indentation change them.
pub(super) fn written_offset(raw: &str, before: &str, after: &str) -> Option<usize> {
    let style = raw.chars().next()?;
    let mut at = match style {
        '|' | '>' => raw.find('\n')? + 1,
        '"' | '\'' => 1,
        _ => 0,
    };
    for wanted in before.chars().filter(|c| !c.is_whitespace()) {
        at += blank_length(raw.get(at..)?, style);
        at += char_length(raw.get(at..)?, style, wanted)?;
    }
    if before.ends_with(char::is_whitespace) || before.is_empty() {
        at += blank_length(raw.get(at..)?, style);
    } else if !after.is_empty() && !after.starts_with(char::is_whitespace) {
        // A line of a quoted scalar may be broken within a word.
        at += if raw.get(at..)?.starts_with("\\\n") {
            blank_length(&raw[at..], style)
        } else {
            0
        };
    }
    Some(at)
}

/// The length of the blanks at the beginning, written out or as escapes.
fn blank_length(raw: &str, style: char) -> usize {
    let mut rest = raw;
    loop {
        rest = rest.trim_start();
        let escaped = rest.strip_prefix('\\').filter(|_| style == '"');
        match escaped.filter(|after| after.starts_with(['n', 't', 'r', ' ', '\n', '\r'])) {
            Some(after) => rest = &after[1..],
            None => return raw.len() - rest.len(),
        }
    }
}

/// How long one character of the text is as it is written; `None` when something else is written there.
fn char_length(raw: &str, style: char, wanted: char) -> Option<usize> {
    if style == '\'' && wanted == '\'' {
        return raw.starts_with("\'\'").then_some(2);
    }
    match raw.strip_prefix('\\').filter(|_| style == '"') {
        Some(escape) => match escape.chars().next()? {
            'x' => Some(4),
            'u' => Some(6),
            'U' => Some(10),
            other => Some(1 + other.len_utf8()),
        },
        None => raw.starts_with(wanted).then(|| wanted.len_utf8()),
    }
}
