//! How broken YAML is mended, guessed from what the parser says.

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

/// What broke a text as a whole, wherever the parser stumbled over it.
pub(super) struct Cause {
    /// The byte at which it stands.
    pub at: usize,
    /// What is wrong.
    pub message: &'static str,
    /// How it is mended.
    pub hint: &'static str,
}

/// The cause that the parser cannot know: a merge that was left unfinished, or blanks that only look like spaces.
pub(super) fn cause_of(text: &str) -> Option<Cause> {
    let mut at = 0;
    let mut blanks = None;
    for line in text.split_inclusive('\n') {
        if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") || line.trim_end() == "=======" {
            return Some(Cause {
                at,
                message: "an unfinished merge: this line marks a conflict",
                hint: "keep one of the two versions and remove the lines that begin with <<<<<<<, ======= and >>>>>>>",
            });
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let odd = indent.find(|c: char| !c.is_ascii() && c != '\u{feff}');
        blanks = blanks.or(odd.map(|odd| at + odd));
        at += line.len();
    }
    blanks.map(|at| Cause {
        at,
        message: "not YAML: this line is indented with blanks that only look like spaces",
        hint: "they are no-break spaces or the like, often copied from a web page; indent with plain spaces",
    })
}

/// How this is mended, `None` where nobody can guess it. `at` is the byte of the text at which the parser gave up.
pub(super) fn mend_of(info: &str, text: &str, at: usize) -> Option<String> {
    if info.contains("flow")
        && let Some(value) = unquoted_selector(text, at)
    {
        return Some(format!("quote the selector: '{value}'"));
    }
    let mend = MENDS.iter().find(|(words, _)| info.contains(words));
    mend.map(|(_, mend)| (*mend).to_owned())
}

/// The value around a brace that belongs to a selector or a query and not to YAML: `{total: a{b="c"}}`.
fn unquoted_selector(text: &str, at: usize) -> Option<String> {
    let (before, after) = (text.get(..at)?, text.get(at..)?);
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_:()".contains(c);
    let word = before.len() - before.trim_end_matches(is_word).len();
    let line = after.lines().next()?;
    if word == 0 || !line.starts_with(['{', '[']) {
        return None;
    }
    let name = &before[before.len() - word..];
    let mut depth = 0_i32;
    let end = line.char_indices().find_map(|(at, c)| {
        depth += i32::from("{[(".contains(c)) - i32::from("}])".contains(c));
        (depth <= 0).then_some(at + c.len_utf8())
    })?;
    let open = name.matches('(').count().saturating_sub(name.matches(')').count());
    Some(format!("{name}{}{}", &line[..end], ")".repeat(open)))
}
