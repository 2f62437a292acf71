//! Just enough of Rust's syntax to read paths, modules and functions from formatted source text.

/// A path as written, at a line: `crate::{a::b, c}` gives two of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Path {
    /// From 1.
    pub line: usize,
    /// The segments after the root.
    pub segments: Vec<String>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Where its signature begins, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// From the signature to the closing brace.
    pub lines: usize,
}

/// The text with comments, strings and character literals blanked out; every line keeps its number.
pub fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => find(&chars, at, "\n"),
            '/' if chars.get(at + 1) == Some(&'*') => end_of_block_comment(&chars, at),
            '"' => end_of_string(&chars, at),
            'r' if !follows_word(&chars, at) => end_of_raw_string(&chars, at),
            '\'' => end_of_char(&chars, at),
            _ => at,
        };
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// All paths that begin with `root::`, use trees unfolded.
pub fn paths(code: &str, root: &str) -> Vec<Path> {
    let prefix = format!("{root}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&prefix) {
        if !code[..at].ends_with(|c: char| is_word(c) || c == ':') {
            unfold(code, at + prefix.len(), &mut Vec::new(), &mut found);
        }
    }
    found
}

/// How far `super::` chains climb: (line, how many, how many inline modules surround it).
pub fn climbs(code: &str) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with(|c: char| is_word(c) || c == ':') {
            continue;
        }
        let mut climbed = 0;
        while code[at + climbed * 7..].starts_with("super::") {
            climbed += 1;
        }
        let around = modules(code)
            .iter()
            .filter(|(from, to)| (*from..*to).contains(&at))
            .count();
        found.push((line_of(code, at), climbed, around));
    }
    found
}

/// The code with the contents of `mod tests` blanked out.
pub fn without_tests(code: &str) -> String {
    let mut kept = code.to_owned();
    for (from, to) in test_modules(code) {
        let lines = kept[from..to].matches('\n').count();
        kept.replace_range(from..to, &("\n".repeat(lines) + &" ".repeat(to - from - lines)));
    }
    kept
}

/// All functions with a body.
pub fn functions(code: &str) -> Vec<Function> {
    let starts = code.match_indices("fn ").map(|(at, _)| at);
    starts
        .filter(|at| !code[..*at].ends_with(is_word))
        .filter_map(|at| function(code, at))
        .collect()
}

/// The line, from 1, of a byte offset.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The word stands here by itself, not as a part of another.
pub fn word_at(code: &str, at: usize, word: &str) -> bool {
    !code[..at].ends_with(is_word) && !code[at + word.len()..].starts_with(is_word)
}

fn function(code: &str, at: usize) -> Option<Function> {
    let name: String = code[at + 3..].chars().take_while(|c| is_word(*c)).collect();
    let mut nested = 0;
    for (offset, c) in code[at..].char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested -= 1,
            ';' if nested == 0 => return None,
            '{' if nested == 0 => {
                let end = end_of_braces(code, at + offset);
                let lines = line_of(code, end) - line_of(code, at) + 1;
                return (!name.is_empty()).then(|| Function {
                    line: line_of(code, at),
                    name,
                    lines,
                });
            }
            _ => {}
        }
    }
    None
}

fn test_modules(code: &str) -> Vec<(usize, usize)> {
    let all = modules(code).into_iter();
    all.filter(|(from, _)| code[*from..].starts_with("mod tests")).collect()
}

/// Inline modules: from `mod` to the closing brace.
fn modules(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("mod ") {
        let rest = code[at + 4..].trim_start_matches(is_word);
        if !code[..at].ends_with(is_word) && rest.starts_with(" {") {
            found.push((at, end_of_braces(code, code.len() - rest.len() + 1)));
        }
    }
    found
}

fn end_of_braces(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (offset, c) in code[open..].char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            return open + offset;
        }
    }
    code.len()
}

/// Reads one use tree (or path) at `at`; gives back where it ends.
fn unfold(code: &str, mut at: usize, prefix: &mut Vec<String>, found: &mut Vec<Path>) -> usize {
    let depth = prefix.len();
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        let word: String = code[at..].chars().take_while(|c| is_word(*c) || *c == '*').collect();
        if word.is_empty() {
            break;
        }
        at += word.len();
        prefix.push(word);
        if !code[at..].starts_with("::") {
            found.push(Path {
                line: line_of(code, at),
                segments: prefix.clone(),
            });
            break;
        }
        at += 2;
    }
    if code[at..].starts_with('{') {
        at += 1;
        while at < code.len() && !code[at..].trim_start().starts_with('}') {
            let end = unfold(code, at, prefix, found);
            // Skips ` as name` and the comma.
            at = end + code[end..].find([',', '}']).unwrap_or(code.len() - end);
            at += usize::from(code[at..].starts_with(','));
        }
        at += code[at..].find('}').map_or(0, |close| close + 1);
    }
    prefix.truncate(depth);
    at
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at > 0 && (is_word(chars[at - 1]) && chars[at - 1] != 'b')
}

fn find(chars: &[char], from: usize, what: &str) -> usize {
    let what: Vec<char> = what.chars().collect();
    (from..chars.len())
        .find(|at| chars[*at..].starts_with(&what))
        .unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut here = at;
    while here + 1 < chars.len() {
        match (chars[here], chars[here + 1]) {
            ('/', '*') => (depth, here) = (depth + 1, here + 2),
            ('*', '/') => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
        if depth == 0 {
            return here;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], at: usize) -> usize {
    let mut here = at + 1;
    while here < chars.len() && chars[here] != '"' {
        here += if chars[here] == '\\' { 2 } else { 1 };
    }
    (here + 1).min(chars.len())
}

fn end_of_raw_string(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + 1 + hashes) != Some(&'"') {
        return at;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    (find(chars, at + 2 + hashes, &close) + close.len()).min(chars.len())
}

/// A character literal, not a lifetime.
fn end_of_char(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        return (find(chars, at + 3, "'") + 1).min(chars.len());
    }
    if chars.get(at + 2) == Some(&'\'') { at + 3 } else { at }
}
