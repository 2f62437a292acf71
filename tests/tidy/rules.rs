//! The rules, each a function from a file's path and text to what breaches it there.

use std::collections::BTreeSet;
use std::fmt;

use super::source::{climbs, code_only, functions, line_of, paths, without_tests, word_at};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Functions that may be longer, as `path:name`, each with its reason in a comment.
const LONG_FUNCTIONS: &[&str] = &[];

/// Who may name whom: a layer, and the paths that it may begin with. `*` is everything.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("secret", &["secret"]),
    ("egress", &["egress", "domain"]),
    ("paths", &["paths"]),
    ("spec", &["spec", "domain"]),
    ("engine", &["engine", "domain"]),
    ("source", &["source", "engine", "domain", "secret", "paths", "egress"]),
    ("store", &["store", "engine", "domain", "secret"]),
    ("notify", &["notify", "engine", "domain", "secret", "egress"]),
    ("http", &["http", "engine", "domain"]),
    (
        "config",
        &[
            "config",
            "spec",
            "domain",
            "secret",
            "paths",
            "source::http::settings",
            "source::probe::settings",
            "source::prometheus::settings",
            "source::scrape::settings",
            "source::sql::settings",
            "notify::settings",
        ],
    ),
    (
        "app",
        &[
            "app", "config", "http", "notify", "store", "source", "engine", "spec", "domain", "secret", "paths",
            "egress",
        ],
    ),
    ("cli", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];

/// Words that a layer must not contain, and why.
const BANNED: &[(&str, &[&str], &str)] = &[
    (
        "domain",
        &[
            "async", "await", "tokio", "sqlx", "reqwest", "axum", "lettre", "tracing", "rand",
        ],
        "the domain is pure: no async, no I/O, no logging",
    ),
    (
        "spec",
        &["tokio", "sqlx", "reqwest", "axum"],
        "the spec takes text and gives values: the caller reads the files",
    ),
    (
        "engine",
        &["sqlx", "reqwest", "lettre", "axum"],
        "the engine knows ports, not adapters",
    ),
    (
        "http",
        &["sqlx", "reqwest", "lettre"],
        "the edge shows the snapshot: it never sees SQL or an upstream",
    ),
];

/// Parts of the standard library that a layer must not use, and why.
const BANNED_STD: &[(&str, &[&str], &str)] = &[
    (
        "domain",
        &["fs", "net", "env", "thread", "process", "io"],
        "the domain is pure: no I/O",
    ),
    (
        "spec",
        &["fs", "net", "env", "process"],
        "the spec takes text: the caller reads the files",
    ),
];

/// One breach of a rule.
pub struct Finding {
    path: String,
    line: usize,
    reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.reason)
    }
}

/// A breach at this place.
pub fn finding(path: &str, line: usize, reason: impl Into<String>) -> Finding {
    Finding {
        path: path.to_owned(),
        line,
        reason: reason.into(),
    }
}

/// Layer arrows and banned words of one file of `src/`.
pub fn layer_findings(path: &str, text: &str) -> Vec<Finding> {
    let modules = module_of(path);
    let Some((layer, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == modules[0]) else {
        return vec![finding(
            path,
            1,
            format!(
                "`{}` is no layer: add it to LAYERS and to docs/ARCHITECTURE.md",
                modules[0]
            ),
        )];
    };
    let code = code_only(text);
    let mut found = Vec::new();
    for named in paths(&code, "crate") {
        let target = named.segments.join("::");
        let reaches =
            |prefix: &&str| *prefix == "*" || target == **prefix || target.starts_with(&format!("{prefix}::"));
        if !allowed.iter().any(reaches) {
            let reason = format!(
                "`{layer}` must not use `crate::{target}`; it may use {}",
                allowed.join(", ")
            );
            found.push(finding(path, named.line, reason));
        }
    }
    for (line, climbed, around) in climbs(&code) {
        if climbed >= modules.len() + around && *layer != "lib" {
            found.push(finding(
                path,
                line,
                "`super::` must not leave its layer: write the path from `crate::`",
            ));
        }
    }
    if !is_test(path) {
        found.extend(word_findings(path, layer, &without_tests(&code)));
    }
    found
}

fn word_findings(path: &str, layer: &str, code: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (_, words, reason) in BANNED.iter().filter(|(banned, ..)| *banned == layer) {
        for word in *words {
            for (at, _) in code.match_indices(word).filter(|(at, _)| word_at(code, *at, word)) {
                found.push(finding(
                    path,
                    line_of(code, at),
                    format!("`{word}` in `{layer}`: {reason}"),
                ));
            }
        }
    }
    for (_, parts, reason) in BANNED_STD.iter().filter(|(banned, ..)| *banned == layer) {
        for named in paths(code, "std")
            .iter()
            .filter(|named| parts.contains(&named.segments[0].as_str()))
        {
            let part = &named.segments[0];
            found.push(finding(
                path,
                named.line,
                format!("`std::{part}` in `{layer}`: {reason}"),
            ));
        }
    }
    found
}

/// A file that is too long.
pub fn size_findings(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    let reason = format!("{lines} lines: a file has at most {FILE_LINES_MAX}; is there a second noun in it?");
    (lines > FILE_LINES_MAX)
        .then(|| finding(path, lines, reason))
        .into_iter()
        .collect()
}

/// Functions that are too long; tests are not looked at.
pub fn function_findings(path: &str, text: &str) -> Vec<Finding> {
    if is_test(path) {
        return Vec::new();
    }
    let long = functions(&without_tests(&code_only(text)))
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX);
    long.filter(|function| !LONG_FUNCTIONS.contains(&format!("{path}:{}", function.name).as_str()))
        .map(|function| {
            let reason = format!(
                "`{}` has {} lines, at most {FUNCTION_LINES_MAX}",
                function.name, function.lines
            );
            finding(path, function.line, reason)
        })
        .collect()
}

/// Macros and marks that stand for work not done. The marks are written in two halves, so that this file has none.
pub fn leftover_findings(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let macros = ["todo!", "unimplemented!", "dbg!"].map(|word| (word, code.as_str()));
    let marks = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")].map(|word| (word, text));
    let mut found = Vec::new();
    for (word, text) in macros.into_iter().chain(marks) {
        for (at, _) in text.match_indices(word).filter(|(at, _)| word_at(text, *at, word)) {
            found.push(finding(
                path,
                line_of(text, at),
                format!("`{word}`: finish it or open an issue"),
            ));
        }
    }
    found
}

/// Links to files of the repository that are not there.
pub fn link_findings(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("](") {
        let link = text[at + 2..].split([')', ' ', '\n']).next().unwrap_or_default();
        let file = link.split('#').next().unwrap_or_default();
        if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
            continue;
        }
        let resolved = resolve(folder, file);
        if !exists(&resolved) {
            found.push(finding(
                path,
                line_of(text, at),
                format!("the link leads to `{resolved}`, which is not there"),
            ));
        }
    }
    found
}

/// Paths of the repository in backticks that are not there: documents must not name modules that are gone.
pub fn named_findings(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    const FOLDERS: [&str; 7] = [
        "`src/",
        "`tests/",
        "`bench/",
        "`benches/",
        "`docs/",
        "`deploy/",
        "`migrations/",
    ];
    let mut found = Vec::new();
    for (at, _) in FOLDERS.iter().flat_map(|folder| text.match_indices(folder)) {
        let named = text[at + 1..].split('`').next().unwrap_or_default();
        let plain = named.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
        if plain && !exists(named.trim_end_matches('/')) {
            found.push(finding(path, line_of(text, at), format!("`{named}` is not there")));
        }
    }
    found
}

/// Migrations that one of the two databases lacks.
pub fn pair_findings(sqlite: &BTreeSet<String>, postgres: &BTreeSet<String>) -> Vec<Finding> {
    let lone = sqlite.symmetric_difference(postgres);
    lone.map(|name| {
        let (here, there) = if sqlite.contains(name) {
            ("sqlite", "postgres")
        } else {
            ("postgres", "sqlite")
        };
        let reason = format!("migrations come in pairs: migrations/{there}/{name} is missing");
        finding(&format!("migrations/{here}/{name}"), 1, reason)
    })
    .collect()
}

/// The module path of a file of `src/`: `src/engine/ports.rs` is `engine::ports`.
fn module_of(path: &str) -> Vec<&str> {
    let path = path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    path.split('/').collect()
}

fn resolve(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// A file that is compiled for tests alone, by its name.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    path.contains("/tests/") || name == "testing.rs" || name.ends_with("tests.rs")
}
