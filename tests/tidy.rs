//! The rules that the compiler does not know: layers, sizes, paired migrations, links. Each finding says where and why.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rules::{
    Finding, finding, function_findings, layer_findings, leftover_findings, link_findings, named_findings,
    pair_findings, size_findings,
};

#[test]
fn layers_only_know_what_lies_below_them() {
    report(
        rust_files(&["src"])
            .iter()
            .flat_map(|(path, text)| layer_findings(path, text)),
    );
}

#[test]
fn files_are_short() {
    report(
        rust_files(&["src", "tests", "benches"])
            .iter()
            .flat_map(|(path, text)| size_findings(path, text)),
    );
}

#[test]
fn functions_are_short() {
    report(
        rust_files(&["src"])
            .iter()
            .flat_map(|(path, text)| function_findings(path, text)),
    );
}

#[test]
fn nothing_is_left_undone() {
    report(
        rust_files(&["src", "tests", "benches"])
            .iter()
            .flat_map(|(path, text)| leftover_findings(path, text)),
    );
}

#[test]
fn migrations_come_in_pairs() {
    let names = |folder: &str| -> BTreeSet<String> {
        let files = files_under(folder)
            .into_iter()
            .filter(|path| has_extension(path, "sql"));
        files
            .filter_map(|path| path.rsplit_once('/').map(|(_, name)| name.to_owned()))
            .collect()
    };
    report(pair_findings(
        &names("migrations/sqlite"),
        &names("migrations/postgres"),
    ));
}

#[test]
fn links_in_documents_lead_somewhere() {
    let exists = |path: &str| Path::new(ROOT).join(path).exists();
    let mut documents: Vec<String> = files_under("docs");
    documents.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(str::to_owned));
    documents.extend(
        ["slo-specs", "migrations", "dashboards", "bench"]
            .into_iter()
            .flat_map(files_under),
    );
    documents.retain(|path| has_extension(path, "md"));
    report(documents.iter().flat_map(|path| {
        let text = read(path);
        let mut found = link_findings(path, &text, exists);
        found.extend(named_findings(path, &text, exists));
        found
    }));
}

#[test]
fn dashboards_are_json() {
    let dashboards = files_under("dashboards")
        .into_iter()
        .filter(|path| has_extension(path, "json"));
    report(dashboards.filter_map(|path| {
        let error = serde_json::from_str::<serde_json::Value>(&read(&path)).err()?;
        Some(finding(&path, error.line(), format!("no valid JSON: {error}")))
    }));
}

#[test]
fn the_rules_see_what_they_forbid() {
    let count = |path: &str, text: &str| layer_findings(path, text).len();
    let cases = [
        (
            "an arrow upwards",
            count("src/domain/slo.rs", "use crate::engine::ports::Store;"),
            1,
        ),
        (
            "an arrow within a tree",
            count("src/http/mod.rs", "use crate::{engine::x, store::{y, z as w}};"),
            2,
        ),
        (
            "an arrow in a body",
            count("src/store/a.rs", "fn f() { crate::notify::send(); }"),
            1,
        ),
        (
            "an arrow downwards",
            count("src/engine/a.rs", "use crate::domain::{a, b::c};"),
            0,
        ),
        (
            "an arrow in a comment",
            count("src/domain/a.rs", "// crate::store is elsewhere\n"),
            0,
        ),
        (
            "an arrow in a string",
            count("src/domain/a.rs", "const A: &str = r#\"\"crate::store\"#;"),
            0,
        ),
        (
            "settings alone",
            count("src/config/a.rs", "use crate::notify::{settings::A, email::B};"),
            1,
        ),
        (
            "a climb out of the layer",
            count("src/engine/ports.rs", "use super::super::store::X;"),
            1,
        ),
        (
            "a climb within a test",
            count("src/engine/mod.rs", "mod tests {\n    use super::*;\n}"),
            0,
        ),
        ("an unknown layer", count("src/helpers/a.rs", ""), 1),
        ("async in the domain", count("src/domain/a.rs", "async fn f() {}"), 1),
        (
            "a file in a use tree",
            count("src/domain/a.rs", "use std::{fmt, fs::File};"),
            1,
        ),
        ("a file in a test", count("src/spec/tests.rs", "use std::fs;"), 0),
        (
            "a file beside a test",
            count("src/spec/a.rs", "mod tests {\n use std::fs;\n}\nuse std::fs;"),
            1,
        ),
        (
            "a macro left behind",
            leftover_findings("src/a.rs", "fn f() { todo!() }").len(),
            1,
        ),
        (
            "a lone migration",
            pair_findings(&["1.sql".to_owned()].into(), &BTreeSet::new()).len(),
            1,
        ),
        (
            "a dead link",
            link_findings("docs/a.md", "[x](../b.md#c) [y](https://x)", |path| path != "b.md").len(),
            1,
        ),
        (
            "a module that is gone",
            named_findings("docs/a.md", "`src/gone.rs`, `src/a.rs`, `src/<name>`", |path| {
                path == "src/a.rs"
            })
            .len(),
            1,
        ),
        ("a long file", size_findings("src/a.rs", &"\n".repeat(501)).len(), 1),
        (
            "a long function",
            function_findings("src/a.rs", &long_function("")).len(),
            1,
        ),
        (
            "a brace in a literal",
            function_findings("src/a.rs", &long_function("let a = ('{', \"{\");")).len(),
            1,
        ),
        (
            "a long test",
            function_findings("src/a.rs", &format!("mod tests {{\n{}}}\n", long_function(""))).len(),
            0,
        ),
    ];
    for (sentence, found, expected) in cases {
        assert_eq!(found, expected, "{sentence}");
    }
}

// --- reading ---

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn long_function(line: &str) -> String {
    format!(
        "fn long<'a>(x: [u8; 2]) {{\n{}}}\nfn short() {{}}\n",
        format!("{line}\n").repeat(70)
    )
}

fn report(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings.into_iter().map(|finding| finding.to_string()).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

fn rust_files(folders: &[&str]) -> Vec<(String, String)> {
    let paths = folders.iter().flat_map(|folder| files_under(folder));
    let rust = paths.filter(|path| has_extension(path, "rs"));
    rust.map(|path| (path.clone(), read(&path))).collect()
}

/// All files below a folder of the repository, sorted; none when there is no such folder.
fn files_under(folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(Path::new(ROOT).join(folder)) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries.flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}
