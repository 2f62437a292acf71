//! What an indicator counts: a selector, or PromQL.

use crate::domain::matcher::Selector;
use crate::domain::selector_parser::{NEEDS_A_SERVER, parse_selector};
use crate::spec::codes;
use crate::spec::query::{self, Query, Ranges};
use crate::spec::reader::{Field, Reader};

/// A selector, or anything else in PromQL.
pub(super) enum Counted {
    Selector(Selector),
    Query(Query),
}

/// Reads what is counted. A selector is one in any case; without functions, sums or operators nothing else is a query,
/// unless `is_query` says so.
pub(super) fn read(reader: &mut Reader<'_>, field: Field<'_>, ranges: Ranges, is_query: bool) -> Option<Counted> {
    if field.node.entries().is_some() {
        let hint = Some("a selector with braces must be quoted here: 'requests_total{job=\"shop\"}'".to_owned());
        let message = format!("`{}` must be a selector, not a map", field.key);
        reader.report_with(&codes::WRONG_TYPE, field.node.span, message, hint);
        return None;
    }
    let text = reader.filled(field)?;
    if is_expression(&text) || is_query && parse_selector(&text).is_err() {
        return query::read(reader, field, ranges).map(Counted::Query);
    }
    read_selector(reader, field).map(Counted::Selector)
}

/// Reads a selector; anything else in PromQL is refused.
pub(super) fn read_selector(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Selector> {
    let text = reader.text(field)?;
    parse_selector(&text)
        .map_err(|error| {
            let span = reader.place_within(field.node, error.at);
            let message = format!("`{}` is no selector: {error}", field.key);
            let hint = (error.message == NEEDS_A_SERVER).then(|| beyond_a_selector(field.key, &text));
            reader.report_with(&codes::SELECTOR, span, message, hint);
        })
        .ok()
}

/// How PromQL at a key that wants a selector is mended.
fn beyond_a_selector(key: &str, text: &str) -> String {
    if key == "latency" {
        return "write the histogram's name with its matchers, as request_duration_seconds{job=\"shop\"}; a query can \
                stand under `total` with `bad` (or `good`), `error_ratio` or `gauge`"
            .to_owned();
    }
    match text.split_once('[') {
        Some((selector, _)) => format!(
            "leave the range out, `{0}`: events are counted over every window; or write a query, \
             `sum(rate({0}[{{{{.window}}}}]))`",
            selector.trim()
        ),
        None => "write a metric's name with its matchers, as http_requests_total{job=\"shop\"}".to_owned(),
    }
}

/// Whether a text is meant as an expression: outside of braces and quotes it calls, sums or calculates. A bare range
/// (`requests_total[5m]`) is none: nothing could be done with it.
pub(in crate::spec) fn is_expression(text: &str) -> bool {
    if parse_selector(text).is_ok() {
        return false;
    }
    let bare = outside_of_braces(text);
    let spaced = |word: &str| bare.contains(&format!(" {word} "));
    text.contains("{{")
        || bare.contains('(')
        || bare.contains(['/', '*', '+', '<', '>', '^', '%'])
        || ["-", "and", "or", "unless", "=="].into_iter().any(spaced)
        || bare.trim().parse::<f64>().is_ok()
}

fn outside_of_braces(text: &str) -> String {
    let (mut bare, mut depth, mut quote, mut escaped) = (String::new(), 0_u32, None, false);
    for character in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(open) if character == '\\' && open != '`' => escaped = true,
            Some(open) if character == open => quote = None,
            None if matches!(character, '"' | '\'' | '`') => quote = Some(character),
            None if character == '{' => depth += 1,
            None if character == '}' => depth = depth.saturating_sub(1),
            None if depth == 0 => bare.push(character),
            _ => {}
        }
    }
    bare
}
