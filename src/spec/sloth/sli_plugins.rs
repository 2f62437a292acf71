//! SLI plugins: Go programs that write a query. nines cannot run them; of the widely used ones it knows what they count.

use super::TOOL;
use super::known_plugins::{Counts, KNOWN, OptionKind, Plugin, Sum};
use super::words::Keys;
use crate::domain::indicator::{CompareOp, Indicator, RatioPart};
use crate::domain::promql;
use crate::spec::codes;
use crate::spec::query::{self, Query, Ranges};
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::suggest::suggest;
use crate::spec::yaml::{Node, Span, Value};

/// Reads `plugin`.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, keys: &Keys) -> Option<Indicator> {
    let mut fields = Fields::open(reader, field)?;
    let id_field = fields.require("id");
    let id = id_field.and_then(|field| reader.filled(field));
    let options = fields.get("options");
    fields.finish_foreign(reader, TOOL);
    let (id, id_field) = (id?, id_field?);
    let Some(plugin) = KNOWN.iter().find(|plugin| plugin.id == id) else {
        report_unknown(reader, &id, id_field.node.span, keys);
        return None;
    };
    let values = read_options(reader, options, plugin, id_field)?;
    build(reader, plugin, &values, id_field.node.span)
}

fn report_unknown(reader: &mut Reader<'_>, id: &str, span: Span, keys: &Keys) {
    let message = format!("the SLI plugin \"{id}\" is a Go program, which nines cannot run");
    let hint = match suggest(id, KNOWN.iter().map(|plugin| plugin.id)) {
        Some(near) => format!("nines knows what `{near}` counts"),
        None => format!(
            "write its query as `raw: {{{}: ...}}`; `sloth generate` shows it in the rule slo:sli_error:ratio_rate5m, \
             with 5m for {{{{.window}}}}",
            keys.error_ratio_query
        ),
    };
    reader.report_with(&codes::PLUGIN, span, message, Some(hint));
}

/// The options of a plugin by their names; what is missing and optional is empty.
struct Values(Vec<(&'static str, String)>);

impl Values {
    fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value)
    }

    /// A template with the options' values.
    fn fill(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for (name, value) in &self.0 {
            text = text.replace(&format!("<{name}>"), value);
        }
        text
    }
}

fn read_options(
    reader: &mut Reader<'_>,
    options: Option<Field<'_>>,
    plugin: &Plugin,
    id_field: Field<'_>,
) -> Option<Values> {
    let errors = reader.errors();
    let mut fields = match options {
        Some(field) => Some(Fields::open(reader, field)?),
        None => None,
    };
    let mut values = Vec::new();
    for (name, kind) in plugin.options {
        let field = fields.as_mut().and_then(|fields| fields.get(name));
        let value = field.and_then(|field| reader.text(field)).unwrap_or_default();
        let value = match kind {
            OptionKind::Filter { .. } => value.trim_matches(['{', '}', ',']).trim().to_owned(),
            _ => value.trim().to_owned(),
        };
        if let (Some(field), false) = (field, value.is_empty()) {
            check_option(reader, field, &value, *kind);
        } else if kind.is_needed() {
            let span = options.map_or(id_field.node.span, |field| field.key_span);
            let message = format!("the plugin {} needs the option `{name}`", plugin.id);
            reader.report(&codes::MISSING_KEY, span, message);
        }
        let value = match kind {
            OptionKind::Text { default } if value.is_empty() => (*default).to_owned(),
            _ => value,
        };
        values.push((*name, value));
    }
    if let Some(fields) = fields {
        fields.finish_foreign(reader, "the plugin");
    }
    (reader.errors() == errors).then_some(Values(values))
}

fn check_option(reader: &mut Reader<'_>, field: Field<'_>, value: &str, kind: OptionKind) {
    let (code, message) = match kind {
        OptionKind::Filter { .. } => match promql::parse(&format!("x{{{value}}}")) {
            Ok(_) => return,
            Err(error) => (
                &codes::PROMQL,
                format!("`{}` is no list of matchers: {}", field.key, error.message),
            ),
        },
        OptionKind::Bucket if value.parse::<f64>().is_err() => (
            &codes::NUMBER,
            format!(
                "`{}` is the bound of a bucket, a number; \"{value}\" is none",
                field.key
            ),
        ),
        OptionKind::ExcludeErrors if is_true(value).is_none() => (
            &codes::WRONG_TYPE,
            format!("`{}` must be true or false, not \"{value}\"", field.key),
        ),
        _ => return,
    };
    reader.report(code, field.node.span, message);
}

/// What Go's `strconv.ParseBool` takes.
fn is_true(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn build(reader: &mut Reader<'_>, plugin: &Plugin, values: &Values, span: Span) -> Option<Indicator> {
    match &plugin.counts {
        Counts::Ratio { total, part, part_is } => {
            let sums: Vec<_> = total.iter().map(|sum| rate(sum, values)).collect();
            let total = parse(reader, &sums.join(" - "), Ranges::Template, span);
            let part = parse(reader, &rate(part, values), Ranges::Template, span);
            Some(query::ratio(reader, &total?, &part?, *part_is))
        }
        Counts::Up => {
            let up = format!("up{}", braces(&[values.get("filter")]));
            let up = parse(reader, &up, Ranges::Any, span)?;
            Some(query::threshold(reader, &up, CompareOp::Gte, 1.0))
        }
        Counts::Nothing => {
            let zero = parse(reader, "max_over_time(vector(0)[{{.window}}:])", Ranges::Template, span)?;
            Some(query::raw_ratio(reader, &zero, RatioPart::Bad))
        }
    }
}

fn rate((metric, matchers): &Sum, values: &Values) -> String {
    let excluded = match is_true(values.get("exclude_errors")) {
        Some(true) => "code!~\"5..\"",
        _ => "",
    };
    let matchers = braces(&[values.get("filter"), excluded, &values.fill(matchers)]);
    format!("sum(rate({metric}{matchers}[{{{{.window}}}}]))")
}

fn braces(matchers: &[&str]) -> String {
    let written: Vec<_> = matchers.iter().filter(|part| !part.is_empty()).copied().collect();
    if written.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", written.join(","))
    }
}

/// Parses a query that stands nowhere in the file; what is wrong with it is reported at the plugin's name.
fn parse(reader: &mut Reader<'_>, text: &str, ranges: Ranges, span: Span) -> Option<Query> {
    let node = Node {
        value: Value::Null,
        span: Span {
            end: span.start,
            ..span
        },
    };
    query::parse(reader, &node, text, ranges)
}
