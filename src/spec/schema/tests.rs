//! The schemas and the readers say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::validate::errors;
use super::{native, openslo};
use crate::spec::asked;
use crate::spec::load;
use crate::spec::yaml::{self, Node};

/// A file in which every map of the native format occurs.
const EVERY_MAP: &str = "
version: nines/v1
service: s
slos:
  - name: a
    objectives: [{objective: 99}]
    window: {calendar: month}
    indicator: {composite: [{slo: b}, {name: c, objective: 9, indicator: {events: {}}}]}
    alerting: {burn: [{severity: page, long: 1h, short: 5m, factor: 2}], page: {labels: {}}, ticket: {labels: {}}}
";

/// As a YAML 1.2 reader with the core schema sees it, which is how editors hold files against schemas.
fn as_json(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Seq(items) => items.iter().map(as_json).collect(),
        yaml::Value::Map(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), as_json(&entry.value)));
            Value::Object(pairs.collect())
        }
        yaml::Value::Scalar(scalar) if scalar.plain => {
            let read = serde_json::from_str::<Value>(&scalar.text).ok();
            read.filter(|value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| Value::from(scalar.text.as_str()))
        }
        yaml::Value::Scalar(scalar) => Value::from(scalar.text.as_str()),
    }
}

fn problems(schema: &Value, text: &str) -> Vec<String> {
    let parsed = yaml::parse(text);
    assert!(parsed.errors.is_empty(), "{text}: {:?}", parsed.errors);
    let documents = parsed.documents.iter();
    documents
        .flat_map(|root| errors(schema, schema, &as_json(root), ""))
        .collect()
}

/// The keys of every map with fixed keys, each under the key by which one comes to it.
fn keys_of(
    root: &Value,
    schema: &Value,
    map: &str,
    found: &mut BTreeSet<(String, String)>,
    seen: &mut BTreeSet<String>,
) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, argument) in keywords {
                if keyword == "$ref" {
                    let name = argument.as_str().unwrap_or_default();
                    if seen.insert(format!("{map} {name}")) {
                        let target = root.pointer(name.trim_start_matches('#')).expect("a definition");
                        keys_of(root, target, map, found, seen);
                    }
                } else if keyword == "properties" {
                    for (key, inner) in argument.as_object().expect("properties") {
                        found.insert((map.to_owned(), key.clone()));
                        keys_of(root, inner, key, found, seen);
                    }
                } else if !matches!(
                    keyword.as_str(),
                    "definitions" | "not" | "required" | "enum" | "dependencies"
                ) {
                    keys_of(root, argument, map, found, seen);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys_of(root, item, map, found, seen)),
        _ => {}
    }
}

fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (key, inner) in schema.as_object().into_iter().flatten() {
        if key == "properties" {
            for (name, property) in inner.as_object().into_iter().flatten() {
                let is_described = ["description", "$ref", "const"]
                    .iter()
                    .any(|word| property.get(word).is_some());
                if !is_described {
                    found.push(format!("{path}/{name}"));
                }
            }
        }
        undescribed(inner, &format!("{path}/{key}"), found);
    }
    for inner in schema.as_array().into_iter().flatten() {
        undescribed(inner, path, found);
    }
}

#[test]
fn the_reader_asks_for_what_the_native_schema_names() {
    let loaded = load(EVERY_MAP, "f.yaml");
    assert!(
        loaded
            .diagnostics
            .iter()
            .all(|found| matches!(found.code, "N032" | "I004")),
        "{:?}",
        loaded.diagnostics
    );
    let schema = native();
    let mut named = BTreeSet::new();
    keys_of(&schema, &schema, "", &mut named, &mut BTreeSet::new());
    let asked: BTreeSet<(String, String)> = asked::keys()
        .into_iter()
        .map(|(map, key)| (map.to_owned(), key.to_owned()))
        .collect();
    let only_asked: Vec<_> = asked.difference(&named).collect();
    let only_named: Vec<_> = named.difference(&asked).collect();
    assert!(
        only_asked.is_empty() && only_named.is_empty(),
        "asked: {only_asked:?}\nnamed: {only_named:?}"
    );
}

#[test]
fn every_key_is_described() {
    let mut found = Vec::new();
    undescribed(&native(), "native", &mut found);
    undescribed(&openslo(), "openslo", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_examples_fulfil_the_schema_and_name_it() {
    let schema = native();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("slo-specs");
    for entry in std::fs::read_dir(folder).expect("slo-specs") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        assert_eq!(problems(&schema, &text), Vec::<String>::new(), "{}", path.display());
        let modeline = "# yaml-language-server: $schema=../schemas/nines-v1.schema.json\n";
        assert!(text.starts_with(modeline), "{}", path.display());
    }
    assert_eq!(problems(&schema, EVERY_MAP), Vec::<String>::new());
}

#[test]
fn wrong_documents_break_the_schema() {
    let good = "version: nines/v1\nservice: s\nslos:\n  - {name: a, objective: 99, window: 30d, indicator: {total: t, bad: b}}\n";
    let schema = native();
    assert_eq!(problems(&schema, good), Vec::<String>::new());
    for (from, to) in [
        ("nines/v1", "nines/v2"),
        ("service: s\n", ""),
        ("service: s", "service: my shop"),
        ("name: a, ", ""),
        ("objective: 99", "objective: 100"),
        ("objective: 99", "objective: 99.9%"),
        ("objective: 99", "objectve: 99"),
        ("objective: 99", "objective: 99, objectives: [{objective: 9}]"),
        ("30d", "a month"),
        ("30d", "{calendar: month, timezone: UTC}"),
        ("total: t, bad: b", "total: t"),
        ("total: t, bad: b", "total: t, bad: b, good: c"),
        ("total: t, bad: b", "total: t, bad: b, latency: c"),
        ("total: t, bad: b", "gauge: t, op: eq, value: 1"),
        ("total: t, bad: b", "composite: []"),
        ("total: t, bad: b", "composite: [{slo: b, indicator: {events: {}}}]"),
        ("30d,", "30d, labels: {severity: x},"),
        ("30d,", "30d, no_data: maybe,"),
        ("30d,", "30d, alerting: true,"),
        ("30d,", "30d, alerting: {burn: [{severity: page, factor: 2}]},"),
        ("30d,", "30d, alerting: {page: true},"),
    ] {
        let text = good.replacen(from, to, 1);
        assert!(!problems(&schema, &text).is_empty(), "{text}");
        assert!(!load(&text, "f.yaml").is_valid(), "the reader takes it: {text}");
    }
}

#[test]
fn the_openslo_schema_knows_its_kinds() {
    let schema = openslo();
    let slo = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: s\n  indicatorRef: i\n  timeWindow: \
               [{duration: 28d, isRolling: true}]\n  budgetingMethod: Occurrences\n  objectives: [{target: 0.99}]\n";
    let condition = "apiVersion: openslo/v1\nkind: AlertCondition\nmetadata: {name: a}\nspec:\n  severity: page\n  condition: \
                     {kind: burnrate, op: lte, threshold: 2, lookbackWindow: 1h, alertAfter: 5m}\n";
    let service =
        "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: a, displayName: A}\nspec: {description: Text}\n";
    for text in [slo, condition, service] {
        assert_eq!(problems(&schema, text), Vec::<String>::new(), "{text}");
    }
    for (text, from, to) in [
        (slo, "kind: SLO", "kind: Slow"),
        (slo, "name: a", "name: A b"),
        (slo, "Occurrences", "occurrences"),
        (slo, "target: 0.99", "target: 99"),
        (slo, "28d", "28 days"),
        (slo, "service: s", "servce: s"),
        (condition, "kind: burnrate", "kind: errors"),
        (condition, "severity: page\n", "severty: page\n"),
        (service, "description", "text"),
    ] {
        let text = text.replacen(from, to, 1);
        assert!(!problems(&schema, &text).is_empty(), "{text}");
    }
}
