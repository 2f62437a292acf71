//! One metric of an indicator: which system is asked, and what.

use super::{Kind, Scope, TOOL, Version, rules};
use crate::domain::promql;
use crate::spec::codes;
use crate::spec::query::{self, Query, Ranges};
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Entry, Node};

/// A metric that was read.
#[derive(Clone, Debug)]
pub(super) enum Metric {
    /// PromQL, for this server of nines.yml or for whoever serves it.
    PromQl { query: Box<Query>, source: Option<String> },
    /// A query to a system that nines cannot ask.
    Foreign(String),
}

/// Types of data sources that speak PromQL; whatever is called a Prometheus does, too.
const PROMETHEUS_LIKE: [&str; 6] = ["prom", "promql", "thanos", "mimir", "cortex", "victoriametrics"];
/// Where queries are found; the specification names no key.
const QUERY_KEYS: [&str; 5] = ["query", "promql", "expr", "metric", "selector"];

/// Whether a type of data source speaks PromQL.
pub(super) fn is_prometheus(kind: &str) -> bool {
    let kind: String = kind.chars().filter(char::is_ascii_alphanumeric).collect();
    let kind = kind.to_lowercase();
    kind.contains("prometheus") || PROMETHEUS_LIKE.contains(&kind.as_str())
}

/// Who is asked, as far as it is known.
struct System {
    /// Its type, written or looked up.
    kind: Option<String>,
    /// The name of the data source.
    reference: Option<String>,
}

impl System {
    fn speaks_promql(&self) -> Option<bool> {
        self.kind.as_deref().map(is_prometheus)
    }

    fn name(&self) -> String {
        let name = self.kind.clone().or_else(|| self.reference.clone());
        name.unwrap_or_else(|| "an unnamed system".to_owned())
    }
}

/// Reads a metric: `good`, `bad`, `total`, `raw` or `thresholdMetric`.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) -> Option<Metric> {
    let mut fields = Fields::open(reader, field)?;
    if scope.version == Version::V2Alpha {
        let system = read_v2alpha_system(reader, &mut fields, field, scope);
        let spec = fields.get("spec");
        fields.finish_foreign(reader, TOOL);
        return read_spec(reader, spec, field, &system);
    }
    let source = fields.get("metricSource");
    let Some(source) = source else {
        let message = format!("`{}` has no `metricSource`, so nothing is asked", field.key);
        reader.report(&codes::MISSING_KEY, field.key_span, message);
        fields.finish_foreign(reader, TOOL);
        return None;
    };
    fields.finish_foreign(reader, TOOL);
    let mut fields = Fields::open(reader, source)?;
    let reference_field = fields.get("metricSourceRef");
    let reference = reference_field.and_then(|field| rules::reference(reader, field));
    let written = fields.get("type").and_then(|field| rules::text(reader, field));
    let written = written.filter(|kind| !kind.trim().is_empty());
    let spec = fields.get("spec");
    fields.finish_foreign(reader, TOOL);
    if reference.is_none() && written.is_none() && spec.is_some() {
        let message = "`metricSource` has neither `type` nor `metricSourceRef`; Prometheus is taken";
        let hint = Some("add `type: Prometheus`".to_owned());
        reader.report_with(&codes::READ_LENIENTLY, source.key_span, message, hint);
    }
    let kind = written.or_else(|| type_of(reference_field?, scope));
    let system = System { kind, reference };
    if spec.is_none_or(|field| field.node.entries().is_some_and(<[Entry]>::is_empty)) {
        let message = "`metricSource` has an empty `spec`; the query belongs into it";
        let hint = Some("write for example `spec: {query: 'http_requests_total'}`".to_owned());
        reader.report_with(&codes::MISSING_KEY, source.key_span, message, hint);
        return None;
    }
    read_spec(reader, spec, field, &system)
}

/// `dataSourceRef` or `dataSourceSpec`.
fn read_v2alpha_system(reader: &mut Reader<'_>, fields: &mut Fields<'_>, field: Field<'_>, scope: Scope<'_>) -> System {
    let reference_field = fields.get("dataSourceRef");
    let inline = fields.get("dataSourceSpec");
    if reference_field.is_some() == inline.is_some() {
        let message = format!(
            "`{}` needs exactly one of `dataSourceRef` and `dataSourceSpec`",
            field.key
        );
        if reference_field.is_some() {
            reader.report(&codes::EXCLUSIVE, field.key_span, message);
        } else {
            rules::refused(reader, field.key_span, message, None);
        }
    }
    let reference = reference_field.and_then(|field| rules::reference(reader, field));
    let written = inline.and_then(|field| super::object::data_source_spec(reader, field));
    if let Some(field) = inline {
        let message = "`dataSourceSpec` says who is asked; its address is not carried";
        let hint = Some("name the server under `prometheus_servers` in nines.yml".to_owned());
        reader.report_with(&codes::NOT_CARRIED, field.key_span, message, hint);
    }
    System {
        kind: written.or_else(|| type_of(reference_field?, scope)),
        reference,
    }
}

/// The type of a data source, where one of this name is in the files. Without it the name may be that of a server in
/// nines.yml.
fn type_of(reference: Field<'_>, scope: Scope<'_>) -> Option<String> {
    let name = reference.node.text()?;
    let (object, _) = scope.named(Kind::DataSource, name).next()?;
    let kind = object.node.get("spec")?.get("type")?.text()?;
    Some(kind.to_owned())
}

fn read_spec(reader: &mut Reader<'_>, spec: Option<Field<'_>>, metric: Field<'_>, system: &System) -> Option<Metric> {
    let Some(spec) = spec else {
        let message = format!("`{}` has no `spec`, so nothing is asked", metric.key);
        rules::uncomputable(reader, &codes::MISSING_KEY, metric.key_span, message, None);
        return Some(Metric::Foreign(system.name())).filter(|_| reader.is_strict());
    };
    if spec.node.text().is_some_and(|text| !text.trim().is_empty()) {
        let hint = Some("write `spec: {query: …}`".to_owned());
        if reader.is_strict() {
            let message = "`spec` must be a map, not the query itself";
            reader.report_with(&codes::WRONG_TYPE, spec.node.span, message, hint);
            return None;
        }
        let message = "`spec` is the query itself; it belongs under `query`";
        reader.report_with(&codes::READ_LENIENTLY, spec.key_span, message, hint);
        return read_query(reader, spec, system);
    }
    if spec.node.entries().is_none() {
        reader.expected(spec, "a map");
        return None;
    }
    if system.speaks_promql() == Some(false) {
        return Some(Metric::Foreign(system.name()));
    }
    let Some(field) = find_query(spec) else {
        let keys: Vec<&str> = spec
            .node
            .entries()
            .unwrap_or_default()
            .iter()
            .map(|entry| entry.key.as_str())
            .collect();
        let message = format!("nines finds no query in `spec`, which has {}", keys.join(", "));
        let hint = Some(format!("nines reads the keys {}", QUERY_KEYS.join(", ")));
        reader.report_with(&codes::NOT_CARRIED, spec.key_span, message, hint);
        return Some(Metric::Foreign(format!("{} with {}", system.name(), keys.join(", "))));
    };
    note_other_keys(reader, spec, field.key);
    read_query(reader, field, system)
}

/// Reads a query. The SDK never looks at queries, so that other spellings of the template are clear in both readings.
fn read_query(reader: &mut Reader<'_>, field: Field<'_>, system: &System) -> Option<Metric> {
    let written = field.node.text().unwrap_or_default();
    let meant = promql::with_template(written);
    let text = meant.as_ref().map_or(written, |(meant, _)| meant.as_str());
    let is_promql = system.speaks_promql();
    let is_other = is_promql == Some(false) || is_promql.is_none() && promql::parse(text.trim()).is_err();
    if is_other && !text.trim().is_empty() {
        return Some(Metric::Foreign(system.name()));
    }
    let query = if let Some((meant, place)) = &meant {
        let span = reader.place_within(field.node, place.start);
        let template = written.get(place.start..place.end).unwrap_or_default();
        let message = format!("`{template}` is read as the window");
        let hint = Some(format!("write `{}`", promql::TEMPLATE));
        reader.report_with(&codes::READ_LENIENTLY, span, message, hint);
        query::parse(reader, field.node, meant, Ranges::Any)?
    } else {
        query::read(reader, field, Ranges::Any)?
    };
    Some(Metric::PromQl {
        query: Box::new(query),
        source: system.reference.clone(),
    })
}

fn find_query(spec: Field<'_>) -> Option<Field<'_>> {
    QUERY_KEYS.into_iter().find_map(|key| {
        let entry = spec.node.entry(key)?;
        Some(Field {
            key,
            key_span: entry.key_span,
            node: &entry.value,
        })
        .filter(|field| field.node.text().is_some())
    })
}

/// Whatever else stands beside the query: nobody specifies it.
fn note_other_keys(reader: &mut Reader<'_>, spec: Field<'_>, query: &str) {
    for Entry { key, key_span, .. } in spec.node.entries().unwrap_or_default() {
        let is_comparison = ["threshold", "value", "op", "operator"].contains(&key.as_str());
        if is_comparison {
            let message = format!("`{key}` beside the query has no effect");
            let hint = Some("`op` and `value` belong to the objective".to_owned());
            reader.report_with(&codes::READ_LENIENTLY, *key_span, message, hint);
        } else if key != query && key != "queryType" {
            let message = format!("`{key}` beside the query is not carried");
            reader.report(&codes::NOT_CARRIED, *key_span, message);
        }
    }
}

/// A metric of v1alpha: `source`, `queryType` and `query`.
pub(super) fn read_v1alpha(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Metric> {
    let mut fields = Fields::open(reader, field)?;
    let mut kind = None;
    for key in ["source", "queryType"] {
        let Some(word_field) = fields.get(key) else {
            let message = format!("`{key}` is missing in `{}`", field.key);
            rules::refused(reader, field.key_span, message, None);
            continue;
        };
        let word = rules::filled(reader, word_field);
        if let Some(word) = &word
            && !word.bytes().all(|byte| byte.is_ascii_alphabetic())
        {
            let message = format!("`{key}` is \"{word}\"; only letters are possible");
            rules::refused(reader, word_field.node.span, message, None);
        }
        if key == "source" {
            kind = word;
        } else if kind.is_none() {
            kind = word.filter(|word| is_prometheus(word));
        }
    }
    let query_field = fields.require("query");
    fields.finish_foreign(reader, TOOL);
    let query_field = query_field?;
    let system = System { kind, reference: None };
    read_query(reader, query_field, &system)
}

/// Whether a node looks like a metric of v1alpha.
pub(super) fn is_v1alpha(node: &Node) -> bool {
    node.get("query").is_some() && node.get("metricSource").is_none()
}
