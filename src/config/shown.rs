//! The configuration as people may see it: no secrets, and no comments, which may hold old ones.

use std::collections::HashMap;

use crate::domain::secret_names::sounds_secret;
use crate::domain::shown::{HIDDEN, without_secrets};
use crate::spec::codes;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::yaml::{Node, Value};

/// A line of a configuration may hold a secret behind this key. The address of a webhook is one itself.
fn is_secret_key(key: &str) -> bool {
    sounds_secret(key) || key.contains("url")
}

/// Writes a tree as block YAML; values at the places of secrets are replaced.
pub(super) fn write(root: &Node, secrets: &HashMap<usize, String>) -> String {
    let mut out = String::new();
    write_node(&mut out, root, 0, secrets);
    out
}

fn write_node(out: &mut String, node: &Node, indent: usize, secrets: &HashMap<usize, String>) {
    let margin = "  ".repeat(indent);
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                out.push_str(&margin);
                out.push_str(&quoted(&entry.key, true));
                out.push(':');
                write_child(out, &entry.value, indent, secrets);
            }
        }
        Value::Seq(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&margin);
                out.push('-');
                write_child(out, item, indent, secrets);
            }
        }
        _ => out.extend([&margin, scalar(node, secrets).as_str(), "\n"]),
    }
}

fn write_child(out: &mut String, child: &Node, indent: usize, secrets: &HashMap<usize, String>) {
    let is_block = child.entries().is_some_and(|entries| !entries.is_empty())
        || child.items().is_some_and(|items| !items.is_empty());
    if is_block {
        out.push('\n');
        write_node(out, child, indent + 1, secrets);
    } else {
        out.extend([" ", scalar(child, secrets).as_str(), "\n"]);
    }
}

fn scalar(node: &Node, secrets: &HashMap<usize, String>) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Map(_) => "{}".to_owned(),
        Value::Seq(_) => "[]".to_owned(),
        Value::Scalar(scalar) => match secrets.get(&node.span.start) {
            Some(shown) if shown == HIDDEN => HIDDEN.to_owned(),
            Some(shown) => quoted(shown, false),
            // A URL may hold credentials wherever it stands.
            None if scalar.text.contains("://") => quoted(&without_secrets(&scalar.text), scalar.plain),
            None => quoted(&scalar.text, scalar.plain),
        },
    }
}

/// A scalar as YAML: plain where it was plain and needs no quotes, else in double quotes.
fn quoted(text: &str, plain: bool) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    if plain && !text.is_empty() && !text.starts_with('-') && text.chars().all(simple) {
        return text.to_owned();
    }
    // JSON's strings are YAML's double-quoted ones.
    serde_json::Value::from(text).to_string()
}

/// Masks what may be a secret in the source lines of diagnostics: values of keys that sound like it, and values of
/// unknown keys, unless they are a misspelt harmless one.
pub(super) fn mask_snippets(diagnostics: &mut [Diagnostic]) {
    let doubtful: Vec<(u32, usize)> = diagnostics
        .iter()
        .filter(|found| [codes::UNKNOWN_KEY.code, codes::OF_PROMETHEUS.code].contains(&found.code))
        .filter(|found| found.hint.as_deref().is_none_or(is_secret_key))
        .map(|found| (found.line, (found.column + found.length).saturating_sub(1) as usize))
        .collect();
    for diagnostic in diagnostics {
        let ends = doubtful
            .iter()
            .filter(|(line, _)| *line == diagnostic.line)
            .map(|(_, end)| *end);
        let ends: Vec<usize> = ends.collect();
        diagnostic.snippet = diagnostic.snippet.take().map(|line| mask_line(&line, &ends));
    }
}

/// A line in which what may be a secret becomes as many asterisks, so that columns stay; `doubtful` are the ends of
/// keys whose values are masked whatever they are called.
fn mask_line(line: &str, doubtful: &[usize]) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let mut at = 0;
    while let Some(colon) = (at..characters.len()).find(|index| characters[*index] == ':') {
        at = colon + 1;
        let is_key = characters.get(at).is_none_or(|next| next.is_whitespace());
        let word: String = characters[..colon]
            .iter()
            .rev()
            .take_while(|c| c.is_alphanumeric() || "_\"'-".contains(**c))
            .collect();
        let word: String = word.chars().rev().collect::<String>().to_lowercase();
        let is_doubtful = doubtful.contains(&colon);
        let is_of_headers = word.ends_with("headers");
        if is_key && (is_doubtful || is_of_headers || is_secret_key(&word)) {
            let end = mask_value(&mut characters, at);
            match characters.get(end) {
                // Nobody knows what a list or a map below an unknown key holds, and any header may be a secret.
                Some('{' | '[') if is_doubtful || is_of_headers => characters[end + 1..].fill('*'),
                Some('[') => {
                    let close = (end..characters.len()).find(|index| characters[*index] == ']');
                    let close = close.unwrap_or(characters.len());
                    characters[end + 1..close].fill('*');
                }
                _ => {}
            }
            at = end;
        }
    }
    mask_addresses(&mut characters);
    mask_bare_addresses(&mut characters);
    mask_parameters(&mut characters);
    characters.into_iter().collect()
}

/// Masks the value that begins at or after `from`; gives back where it ends.
fn mask_value(characters: &mut [char], from: usize) -> usize {
    let is_space = |index: &usize| characters[*index].is_whitespace();
    let start = (from..characters.len())
        .find(|index| !is_space(index))
        .unwrap_or(characters.len());
    let opening = characters.get(start).copied();
    if matches!(opening, None | Some('{' | '[')) {
        return start;
    }
    let end = match opening {
        Some(quote @ ('"' | '\'')) => (start + 1..characters.len()).find(|index| characters[*index] == quote),
        _ => (start..characters.len()).find(|index| matches!(characters[*index], ',' | '}' | ']')),
    };
    let end = end.unwrap_or(characters.len());
    characters[start..end].fill('*');
    end
}

/// Masks `user:password` in `scheme://user:password@host`.
fn mask_addresses(characters: &mut [char]) {
    let mut from = 0;
    while let Some(slashes) =
        (from..characters.len().saturating_sub(2)).find(|i| characters[*i..*i + 3] == [':', '/', '/'])
    {
        from = slashes + 3;
        let end = (from..characters.len()).find(|index| "/'\" ,".contains(characters[*index]));
        let end = end.unwrap_or(characters.len());
        if let Some(sign) = (from..end).rfind(|index| characters[*index] == '@') {
            characters[from..sign].fill('*');
        }
    }
}

/// Masks `user:password` in `user:password@host`, which is no URL: within quotes all before the last sign, else the word.
fn mask_bare_addresses(characters: &mut [char]) {
    let (mut quote, mut start, mut at) = (None, 0, 0);
    while let Some(&character) = characters.get(at) {
        let next = characters.get(at + 1).copied();
        match (quote, character) {
            // A character behind these is no end: `\"` and `''` stand for quotes.
            (Some('"'), '\\') => at += 1,
            (Some('\''), '\'') if next == Some('\'') => at += 1,
            (Some(open), end) if end == open => (quote, start) = (None, at + 1),
            (None, '"' | '\'') if at == start => (quote, start) = (Some(character), at + 1),
            (None, '[' | '{') if at == start => start = at + 1,
            (None, blank) if blank.is_whitespace() => start = at + 1,
            (_, '@') => {
                let before = &characters[start..at];
                // What an earlier sign has masked belongs to it.
                let has_colon = before.iter().any(|c| ":*".contains(*c));
                if has_colon && !before.windows(3).any(|three| three == [':', '/', '/']) {
                    characters[start..at].fill('*');
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Masks the values of parameters of URLs whose names sound like secrets.
fn mask_parameters(characters: &mut [char]) {
    let is_end = |character: char| "&#;'\" ,}]".contains(character);
    let mut from = 0;
    while let Some(sign) = (from..characters.len()).find(|index| characters[*index] == '=') {
        let name = characters[..sign]
            .iter()
            .rev()
            .take_while(|c| !"?&#;".contains(**c) && !is_end(**c));
        let name: String = name.collect::<Vec<_>>().into_iter().rev().collect();
        let end = (sign + 1..characters.len()).find(|index| is_end(characters[*index]));
        from = end.unwrap_or(characters.len());
        if sounds_secret(&name) {
            characters[sign + 1..from].fill('*');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_secrets_and_keep_their_columns() {
        for (line, masked) in [
            ("  auth_pasword: hunter2", "  auth_pasword: *******"),
            (
                "  - {url: 'http://a/b', secret: \"x,y\", sen: 1}",
                "  - {url: ***********', secret: ****\", sen: 1}",
            ),
            (
                "basic_auth: {username: a, password: b}",
                "basic_auth: {username: a, password: *}",
            ),
            ("x: 'http://u:p@h/'", "x: 'http://***@h/'"),
            ("x: 'http://h/?a=1&token=abc&b=2'", "x: 'http://h/?a=1&token=***&b=2'"),
            ("params: {token: [abc], x: [y]}", "params: {token: [***], x: [y]}"),
            ("scrape_intervall: 1s", "scrape_intervall: 1s"),
            ("tokens:", "tokens:"),
            ("- {headers: {X-A: b}, a: c}", "- {headers: {**************"),
            ("- targets: ['u:p@h:1', \"u:q@h\"]", "- targets: ['***@h:1', \"***@h\"]"),
            ("- targets: [u:p@h:1, a:1]", "- targets: [***@h:1, a:1]"),
            ("  - u:p,[@q@h:1", "  - *******@h:1"),
            ("  - 'u:p''x y@h:1'", "  - '********@h:1'"),
            ("  - \"u:p\\\"x y@h:1\"", "  - \"********@h:1\""),
            ("to: me@example.org", "to: me@example.org"),
            ("smarthost: 'mail:25' # me@h", "smarthost: 'mail:25' # me@h"),
        ] {
            assert_eq!(mask_line(line, &[]), masked);
        }
    }
}
